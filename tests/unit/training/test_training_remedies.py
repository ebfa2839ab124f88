"""Remedies outlive a stop: averages, accumulated steps, steps left out, what was seen of gradients, a rate found."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import elman
from elman import Interrupted
from elman.data.batch import Batches, StreamSet
from elman.model.config import ModelConfig, NetConfig
from elman.model.kinds.text import TextIn, TokenOut
from elman.model.network import SequenceModel
from elman.training import make
from elman.training.checkpoint import Checkpoints, Every, Keeper
from elman.training.history import Step
from elman.training.interrupt import Interrupts
from elman.training.loop import begin, go_on
from elman.training.randomness import borrowed, seed_all
from elman.training.settings import LoopSettings
from elman.training.state import TrainingState

Make = Callable[..., Any]
TOKENS = torch.randint(2, 8, (151,), generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """What these tests draw is nobody's business."""
    with borrowed():
        yield


def _reader(**net: Any) -> SequenceModel:
    kind = TextIn(column="t", variant="char", vocabulary=["<unknown>", "<end>", *"abcdef"])
    shape = NetConfig.model_validate({"cell": "lstm", "hidden": 6, "embedding": 4, "readout": "every", **net})
    config = ModelConfig(source="text", target="next", input=kind, output=TokenOut(size=8), net=shape)
    seed_all(0)
    return SequenceModel(config)


def _timeless(state: TrainingState) -> tuple[dict[str, Tensor], Any]:
    tensors, record = state.pack()
    lines = [{**line, "seconds": 0} for line in record["history"]]
    return tensors, {**record, "history": lines, "means": {**record["means"], "seconds": 0}}


def _same(one: TrainingState, other: TrainingState) -> bool:
    (a, said), (b, says) = _timeless(one), _timeless(other)
    return said == says and a.keys() == b.keys() and all(torch.equal(tensor, b[name]) for name, tensor in a.items())


class _Case:
    """A training: its settings, its data, and how to begin it."""

    def __init__(self, model: Make, train: Batches, valid: Batches, settings: LoopSettings) -> None:
        self.model, self.train, self.valid, self.settings = model, train, valid, settings

    def fresh(self) -> TrainingState:
        seed_all(0)
        return begin(self.model(), self.settings)

    def go_on(self, state: TrainingState, *rest: Any) -> None:
        go_on(state, self.train, self.valid, self.settings, *rest)

    def stopped(self, folder: Path, taken: int) -> tuple[TrainingState, Checkpoints]:
        """Stopped and saved behind so many steps."""
        interrupts, state = Interrupts(), self.fresh()
        checkpoints = Checkpoints(folder, Every(), {})

        def saw(event: object) -> None:
            if isinstance(event, Step) and state.taken >= taken:
                interrupts.ask()

        with pytest.raises(Interrupted):
            self.go_on(state, saw, Keeper(folder, checkpoints, interrupts))
        return state, checkpoints


CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "ema, accumulated": ("examples", {}, {"average": "ema", "ema_decay": 0.8, "accumulate": 2, "batch": 4}),
    "nt-asgd": ("examples", {}, {"average": "nt-asgd", "patience": 3, "epochs": 9, "lr": 1.0}),
    "steps left out": ("broken", {}, {"average": "ema", "nonfinite": "skip", "batch": 4}),
    "by tokens": ("examples", {}, {"batch_tokens": 30, "accumulate": 3, "l1": 1e-4, "bias_decay": 0.1}),
    "stream, accumulated": ("stream", {"dropout": 0.3}, {"average": "ema", "accumulate": 3, "clip_by": "value"}),
    "stream, all dropped": (
        "stream",
        {"word_dropout": 0.3, "weight_drop": 0.3, "zoneout": 0.1, "recurrent_dropout": 0.1, "label_smoothing": 0.1},
        {"ar": 1.0, "tar": 1.0, "clip_by": "ratio"},
    ),
}
"""By name: the data, and what is changed in the network and in the loop."""


@pytest.fixture
def case_of(model: Make, data: Make, settings: Make) -> Callable[[str], _Case]:
    def made(name: str) -> _Case:
        kind, net, changes = CASES[name]
        chosen = settings(**{"epochs": 3, **({"batch": 2} if kind == "stream" else {}), **changes})
        if kind == "stream":
            stream = StreamSet(TOKENS[:-1], TOKENS[1:], 10)
            return _Case(lambda: _reader(**net), stream, stream, chosen)
        train = data(44)
        if kind == "broken":
            for k in (5, 17, 30):
                train.inputs[k].fill_(math.nan)
        return _Case(lambda: model(**net), train, data(16, 1), chosen)

    return made


@pytest.mark.parametrize("name", CASES)
def test_a_training_broken_off_anywhere_goes_on_to_the_same_bits(
    tmp_path: Path, name: str, case_of: Callable[[str], _Case]
) -> None:
    case = case_of(name)
    alone = case.fresh()
    case.go_on(alone)
    steps = alone.taken
    if "asgd" in name:
        assert any("averaged from here on" in note for note in alone.history.notes)
        assert alone.average is not None
        assert alone.average.begun
    if "left out" in name:
        assert all(epoch.skipped for epoch in alone.history.epochs)
    for stop in range(1, steps + 1, max(1, steps // 12)):
        state, checkpoints = case.stopped(tmp_path / str(stop), stop)
        saved, _ = checkpoints.newest()
        assert saved is not None
        again = case.fresh()
        saved.restore(again)
        assert _same(again, state)
        case.go_on(again)
        assert _same(again, alone)


def test_a_stop_in_an_evaluation_saves_the_weights_and_not_their_average(
    tmp_path: Path, case_of: Callable[[str], _Case]
) -> None:
    case, interrupts = case_of("ema, accumulated"), Interrupts()
    alone = case.fresh()
    case.go_on(alone)
    state, checkpoints = case.fresh(), Checkpoints(tmp_path, Every(), {})
    keeper = Keeper(tmp_path, checkpoints, interrupts)
    look = keeper.look

    def stop(state: TrainingState) -> None:
        if state.epoch == 2 and state.step == 6:
            interrupts.ask()
        look(state)

    keeper.stepped = lambda _: None  # type: ignore[method-assign]
    keeper.look = stop  # type: ignore[method-assign]
    with pytest.raises(Interrupted, match="in epoch 2 after step 6"):
        case.go_on(state, None, keeper)
    saved, _ = checkpoints.newest()
    again = case.fresh()
    assert saved is not None
    saved.restore(again)
    case.go_on(again)
    assert _same(again, alone)


@pytest.mark.parametrize("lost", ["average", "health", "skipped", "accumulate"])
def test_what_is_forgotten_of_a_remedy_shows_in_the_end(
    tmp_path: Path, lost: str, case_of: Callable[[str], _Case]
) -> None:
    case = case_of("ema, accumulated" if lost == "accumulate" else "steps left out")
    alone, again = case.fresh(), case.fresh()
    fresh, beginning = again.pack()
    case.go_on(alone)
    tensors, record = case.stopped(tmp_path, 8)[0].pack()
    if lost == "average":
        tensors |= {name: tensor for name, tensor in fresh.items() if name.startswith("average/")}
    if lost in beginning:
        record[lost] = beginning[lost]
    if lost == "skipped":
        record["means"]["skipped"] = []
    again.unpack(tensors, record)
    if lost == "accumulate":
        # A cursor that counted batches would stand elsewhere.
        again.step *= 2
    case.go_on(again)
    assert not _same(again, alone)


def test_an_average_asked_for_later_begins_where_the_training_stands(
    tmp_path: Path, case_of: Callable[[str], _Case]
) -> None:
    case = case_of("by tokens")
    state, _ = case.stopped(tmp_path, 3)
    case.settings = case.settings.model_copy(update={"average": "ema"})
    again = case.fresh()
    again.unpack(*state.pack())
    assert again.average is not None
    assert not again.average.begun
    case.go_on(again)
    assert again.average.begun


# A rate that was found ----------------------------------------------------------------------------------------


def test_a_rate_is_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"t": f"{('up', 'down')[k % 2]} {k % 7}", "y": "ab"[k % 2]} for k in range(60)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = (tmp_path / "t.jsonl", "text:t", "label:y")
    small: dict[str, Any] = {"hidden": 4, "embedding": 4, "epochs": 3, "batch": 16, "find_lr": True}
    alone = elman.train(*words, out=tmp_path / "alone", **small)

    def stop(event: object) -> None:
        if isinstance(event, Step) and event.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        elman.train(*words, out=tmp_path / "run", listener=stop, **small)
    picture = (tmp_path / "run/rates.svg").read_bytes()

    def again(*_: object) -> None:
        raise AssertionError("looked for again")

    monkeypatch.setattr(make, "find_rate", again)
    run = elman.resume(tmp_path / "run")
    weights = alone.model.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in run.model.state_dict().items())
    found = [note for note in run.notes if "by a range test of" in note]
    assert found == [note for note in alone.notes if "by a range test of" in note]
    assert len(found) == 1
    assert (tmp_path / "run/rates.svg").read_bytes() == picture
    # The run's own settings make it again, without looking.
    config = "\n".join((tmp_path / part / "run.toml").read_text() for part in ("alone", "run"))
    assert config.count("find_lr = false") == 2
    rate = json.loads((tmp_path / "run/report.json").read_text())["settings"]["lr"]
    assert config.count(f"lr = {rate!r}\n") == 2
