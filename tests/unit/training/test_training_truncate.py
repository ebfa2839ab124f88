"""Truncated backpropagation through time: which gradients flow, which states are carried, and that whole is whole."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from elman.core.cells.lstm import LSTMCell
from elman.core.cells.wrap import WeightDrop
from elman.core.check import TOLERANCES
from elman.core.engines.operators import kernel_names
from elman.core.layers.stack import Recurrent
from elman.core.ragged import Ragged
from elman.core.state import detach
from elman.data.batch import Batches, ExampleSet, StreamSet
from elman.data.truncate import TruncatedSet, in_batches
from elman.model.config import ModelConfig, NetConfig
from elman.model.kinds.label import LabelOut
from elman.model.kinds.series import SeriesIn
from elman.model.network import SequenceModel
from elman.model.shapes import windows
from elman.training.checkpoint import Checkpoints, Every, Keeper
from elman.training.history import Step
from elman.training.interrupt import Interrupted, Interrupts
from elman.training.loop import begin, go_on
from elman.training.optimise import steps_of
from elman.training.randomness import borrowed, seed_all
from elman.training.settings import LoopSettings
from elman.training.state import TrainingState

ENGINES = ("loop", "vendor", *(["native"] if kernel_names() else []))


class Dropping(WeightDrop):
    """Its state carries a mask that all rows share; no dropout, so that the definition needs no draws."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(LSTMCell(input_size, hidden_size), 0.0)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with borrowed():
        yield


def _sequences(lengths: list[int]) -> ExampleSet:
    """Two channels, and a class at every step."""
    source = torch.Generator().manual_seed(0)
    inputs = [torch.randn(n, 2, generator=source) for n in lengths]
    return ExampleSet(inputs, [(one.cumsum(0)[:, 0] > 0).long() for one in inputs])


def _stream(steps: int, chunk: int, reach: int | None = None) -> StreamSet:
    data = _sequences([steps])
    return StreamSet(data.inputs[0], data.targets[0], chunk, reach)


def _model(cell: str = "lstm", engine: str = "auto", **net: Any) -> SequenceModel:
    seed_all(0)
    config = ModelConfig(
        source="series",
        target="tags",
        input=SeriesIn(columns=["a", "b"], mean=[0.0, 0.0], scale=[1.0, 1.0]),
        output=LabelOut(column="y", classes=["a", "b"]),
        net=NetConfig.model_validate({"cell": cell, "hidden": 6, "readout": "every", **net}),
    )
    model = SequenceModel(config, {"dropping": Dropping})
    for stage in model.modules():
        if isinstance(stage, Recurrent):
            stage.engine = engine
    return model


def _settings(**changes: Any) -> LoopSettings:
    return LoopSettings.model_validate({"epochs": 3, "batch": 2, "lr": 0.01, **changes})


def _trained(model: SequenceModel, train: Batches, valid: Batches, **changes: Any) -> TrainingState:
    state = begin(model, _settings(**changes))
    go_on(state, train, valid, _settings(**changes))
    return state


# Windows ------------------------------------------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 40))
def test_windows_cover_every_step_once_and_reach_back(length: int, every: int, more: int) -> None:
    found = list(windows(length, every, every + more))
    assert [step for part in found for step in range(part.fresh, part.stop)] == list(range(length))
    assert all(part.begin <= part.start <= part.fresh < part.stop for part in found)
    for k, part in enumerate(found):
        # Before the last window's end the gradient goes back exactly so far, or to the beginning.
        assert part.start == max(0, (k + 1) * every - (every + more))
    for one, following in pairwise(found):
        # The state that is carried stands where the next window takes it up.
        assert following.begin == (one.start if one.again else one.stop)


@given(
    st.lists(st.integers(0, 25), min_size=1, max_size=9),
    *(st.integers(1, 8), st.integers(0, 9), st.integers(1, 4), st.integers(0, 9)),
)
def test_every_step_of_every_sequence_counts_once(
    lengths: list[int], every: int, more: int, size: int, first: int
) -> None:
    data = TruncatedSet(_sequences(lengths), every, every + more)
    for epoch in (1, 2):
        batches = list(data.epoch(size, 7, epoch))
        assert len(batches) == data.count(size)
        seen: dict[int, list[int]] = {k: [] for k in range(len(lengths))}
        for batch in batches:
            assert batch.window is not None
            assert batch.numbers is not None
            assert batch.score is not None
            for row, number in enumerate(batch.numbers.tolist()):
                steps = batch.score[:, row].nonzero().flatten() + batch.window.start
                seen[number] += steps.tolist()
                assert batch.ragged.host_lengths[row] <= every + more
        assert seen == {k: list(range(n)) for k, n in enumerate(lengths)}
        # A training that goes on finds the batches that were left.
        for one, other in zip(batches[first:], data.epoch(size, 7, epoch, first), strict=True):
            assert one.window == other.window
            assert torch.equal(one.ragged.values, other.ragged.values)


# Gradients ----------------------------------------------------------------------------------------------------


def _by_definition(model: SequenceModel, rows: Ragged, target: Tensor, every: int, reach: int) -> list[dict[str, Any]]:
    """The gradients of all updates, where no update changes the weights: the window alone has a graph."""
    found = []
    for fresh in range(0, rows.steps, every):
        stop = min(fresh + every, rows.steps)
        start = max(0, fresh + every - reach)
        state = None
        if start:
            state = detach(model.features(rows.slice_time(0, start))[1])
        losses, _ = model(
            rows.slice_time(start, stop),
            target[start:stop],
            (torch.arange(start, stop) >= fresh)[:, None].expand(-1, rows.batch),
            state,
        )
        if losses.numel():
            model.zero_grad()
            losses.mean().backward()
        found.append(
            {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
        )
    return found


def _steps(model: SequenceModel, data: Batches) -> Iterator[dict[str, Tensor]]:
    """The gradients of all updates of an epoch, at a learning rate of nothing."""
    seen: list[dict[str, Tensor]] = []
    settings = _settings(lr=1e-30, clip=0.0, weight_decay=0.0, batch=3)
    state = begin(model, settings)

    def look(*_: Any) -> None:
        seen.append({name: w.grad.clone() for name, w in model.named_parameters() if w.grad is not None})

    state.optimiser.register_step_pre_hook(look)
    for taken in steps_of(state, data, settings):
        state.count(taken.loss, taken.norm, clipped=False)
        yield seen[-1]


@pytest.mark.parametrize("spans", [(7, 7), (7, 11), (4, 12), (5, 40), (50, 90)], ids=str)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("cell", "layers"), [("rnn", 1), ("gru", 1), ("lstm", 2), ("dropping", 1)])
def test_the_gradient_goes_back_as_far_as_it_should(
    cell: str, layers: int, engine: str, spans: tuple[int, int]
) -> None:
    model = _model(cell, engine, layers=layers).double()
    single = _sequences([31, 17, 26])
    whole = ExampleSet([one.double() for one in single.inputs], single.targets)
    data = TruncatedSet(whole, *spans)
    order = next(iter(data.epoch(3, 0, 1))).numbers
    assert order is not None
    rows = Ragged.from_list([whole.inputs[k] for k in order])
    target = torch.nn.utils.rnn.pad_sequence([single.targets[k] for k in order])
    wanted = _by_definition(_model(cell, "loop", layers=layers).double(), rows, target, *spans)
    found = list(_steps(model, data))
    assert len(found) == len(wanted) == data.count(3)
    for one, other in zip(found, wanted, strict=True):
        assert one.keys() == other.keys()
        for name, gradient in other.items():
            assert (one[name] - gradient).abs().max() <= TOLERANCES[torch.float64] * max(1, gradient.abs().max()), name


def test_the_gradient_of_a_stream_goes_back_as_far_as_it_should() -> None:
    data = _stream(91, 6, 15)
    batches = list(data.epoch(3, 0, 1))
    rows = [Ragged(torch.cat([b.ragged.values[b.window.fresh - b.window.start :] for b in batches if b.window]))]
    target = torch.cat([b.target[b.window.fresh - b.window.start :] for b in batches if b.window])
    model = _model("gru", "native" if "native" in ENGINES else "loop")
    for one, other in zip(
        _steps(model, data), _by_definition(_model("gru", "loop"), rows[0], target, 6, 15), strict=True
    ):
        for name, gradient in other.items():
            assert torch.allclose(one[name], gradient, atol=TOLERANCES[torch.float32]), name


# Whole --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("cell", "layers"), [("rnn", 1), ("gru", 2), ("lstm", 1), ("dropping", 1)])
def test_truncation_beyond_the_end_is_no_truncation(cell: str, layers: int, engine: str) -> None:
    """Loss, gradient norms and trained weights bit for bit: k1 = T, and any k2 with it."""
    data = _sequences([12, 20, 20, 7, 3])
    plain = _trained(_model(cell, engine, layers=layers, dropout=0.2), data, data)
    for spans in ((20, 20), (20, 33), (100, 100)):
        cut = _trained(_model(cell, engine, layers=layers, dropout=0.2), data, data, truncate=spans)
        assert cut.taken == plain.taken
        for one, other in zip(plain.history.epochs, cut.history.epochs, strict=True):
            assert (one.train_loss, one.grad_norm, one.valid_loss) == (
                other.train_loss,
                other.grad_norm,
                other.valid_loss,
            )
        for name, weight in plain.model.state_dict().items():
            assert torch.equal(weight, cut.model.state_dict()[name]), name


def test_a_shorter_truncation_is_another_training() -> None:
    data = _sequences([12, 20, 20, 7, 3])
    plain = _trained(_model(), data, data)
    for spans in ((10, 10), (10, 20)):
        cut = _trained(_model(), data, data, truncate=spans)
        assert cut.taken > plain.taken
        assert not torch.equal(plain.model.head.linear.weight, cut.model.head.linear.weight)


def test_a_stream_is_cut_as_is_said() -> None:
    data = _stream(100, 64)
    made = in_batches(data, None, (10, 30))
    assert isinstance(made, StreamSet)
    assert (made.chunk, made.reach, made.count(4)) == (10, 30, 3)
    assert torch.equal(
        next(iter(made.epoch(1, 0, 1))).ragged.values, next(iter(data.epoch(1, 0, 1))).ragged.values[:10]
    )


# Going on -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spans", [(5, 5), (5, 12)], ids=str)
@pytest.mark.parametrize("kind", ["stream", "sequences"])
def test_a_training_broken_off_in_mid_sequence_goes_on_to_the_same_bits(
    tmp_path: Path, kind: str, spans: tuple[int, int]
) -> None:
    data: Batches = _stream(60, 5) if kind == "stream" else _sequences([23, 9, 14])
    settings = _settings(truncate=spans, epochs=2, ar=0.5, tar=0.5)

    def fresh() -> TrainingState:
        return begin(_model("lstm", dropout=0.3, layers=2), settings)

    alone = fresh()
    go_on(alone, data, data, settings)
    for stop in range(1, alone.taken):
        interrupts, state = Interrupts(), fresh()
        checkpoints = Checkpoints(tmp_path / f"{stop}", Every(), {})

        def hear(event: object, state: TrainingState = state, stop: int = stop, ask: Any = interrupts.ask) -> None:
            if isinstance(event, Step) and state.taken == stop:
                ask()

        with pytest.raises(Interrupted):
            go_on(state, data, data, settings, hear, Keeper(tmp_path, checkpoints, interrupts))
        saved, _ = checkpoints.newest()
        assert saved is not None
        again = fresh()
        saved.restore(again)
        go_on(again, data, data, settings)
        for name, weight in alone.model.state_dict().items():
            assert torch.equal(weight, again.model.state_dict()[name]), (stop, name)
        assert [line.train_loss for line in alone.history.epochs] == [line.train_loss for line in again.history.epochs]
