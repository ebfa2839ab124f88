"""The training loop: it learns, it repeats itself, it stops, it keeps the best, and it says when it diverges."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

import elman
from elman import InputError, Ragged
from elman.data.batch import ExampleSet, StreamSet
from elman.model.config import ModelConfig, NetConfig
from elman.model.kinds.label import LabelOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn, TokenOut
from elman.model.network import SequenceModel
from elman.run import Run
from elman.training import loop
from elman.training.loop import DivergedError, Epoch, History, Step, fit, mean_loss
from elman.training.measures import METRICS
from elman.training.optimise import optimiser_of
from elman.training.settings import LoopSettings, seconds_in

# Toys of every pair -------------------------------------------------------------------------------------------


def _rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def _toy(pair: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """A file with something to learn, and settings that learn it within a second or two."""
    random = np.random.default_rng(0)
    small = {"hidden": 8, "epochs": 12, "batch": 8, "lr": 0.02, "dropout": 0.0}
    if pair in ("series->label:y", "series->number:y"):
        rows = []
        for _ in range(120):
            mean = float(random.normal())
            steps = (mean + 0.3 * random.normal(size=random.integers(3, 9))).tolist()
            y = ("up" if mean > 0 else "down") if "label" in pair else mean
            rows.append({"x": steps, "y": y})
        return _rows(folder / "t.jsonl", rows), small
    if pair in ("text->label:y", "text->number:y"):
        rows = []
        for _ in range(120):
            good = int(random.integers(2))
            words = [*random.choice(["the", "film", "was"], 4).tolist(), ("fine", "dull")[good]]
            random.shuffle(words)
            rows.append({"x": " ".join(words), "y": f"c{good}" if "label" in pair else good + 0.01 * random.normal()})
        return _rows(folder / "t.jsonl", rows), {**small, "embedding": 8}
    wave = np.sin(np.arange(240) / 4)
    if pair == "text->next":
        # Bigrams cannot know whether c or d comes: that takes memory.
        (folder / "t.txt").write_text("aabacad." * 100)
        return folder / "t.txt", {**small, "hidden": 24, "embedding": 8, "epochs": 25, "batch": 2}
    (folder / "t.csv").write_text("x\n" + "\n".join(map(str, wave.tolist())))
    if pair == "series->next":
        return folder / "t.csv", {**small, "epochs": 40}
    return folder / "t.csv", {**small, "batch": 16, "lr": 0.003, "epochs": 6, "lookback": 20}


def _train(pair: str, folder: Path, **settings: Any) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    path, small = _toy(pair, folder)
    source, target = pair.split("->")
    source = "text.char" if pair == "text->next" else f"{source}:x"
    return elman.train(path, source, target, out=folder / "run", **{**small, **settings})


PAIRS = (
    "series->label:y",
    "series->number:y",
    "series->next",
    "series->future:4",
    "text->label:y",
    "text->number:y",
    "text->next",
)


@pytest.mark.parametrize("pair", PAIRS)
def test_what_can_be_learnt_is_learnt_better_than_by_any_baseline(pair: str, tmp_path: Path) -> None:
    run = _train(pair, tmp_path)
    assert run.scores is not None
    first, last = run.history.epochs[0], run.history.best
    # The linear part of a forecast starts at its solution: there is little left to gain.
    assert last.train_loss < (1.0 if pair == "series->future:4" else 0.7) * first.train_loss
    metric = next(iter(run.scores.values))
    assert run.baselines
    for name, baseline in run.baselines.items():
        sign = 1 if METRICS[metric] else -1
        if pair in ("series->future:4", "series->next") and name.startswith(("ridge", "feed")):
            # A sine is what ridge regression knows perfectly; all are all but perfect.
            assert run.scores.values[metric] < 0.05
            continue
        if name == "logistic regression on summary features":
            # What is to be told is a matter of means, which it has: one of twelve lies on the border for both.
            assert run.scores.values[metric] >= baseline.values[metric]
            continue
        assert sign * run.scores.values[metric] > sign * baseline.values[metric], name


@pytest.mark.parametrize("cell", ["lstm", "rnn", "feedforward"])
@pytest.mark.parametrize("pair", ["series->label:y", "series->future:4", "text->next"])
def test_the_other_cells_learn_too(pair: str, cell: str, tmp_path: Path) -> None:
    run = _train(pair, tmp_path, cell=cell, epochs=6)
    losses = [epoch.valid_loss for epoch in run.history.epochs]
    assert np.isfinite(losses).all()
    assert run.history.epochs[-1].train_loss < run.history.epochs[0].train_loss


@pytest.mark.parametrize("pair", ["series->label:y", "text->next"])
def test_a_seed_gives_the_same_weights_bit_for_bit(pair: str, tmp_path: Path) -> None:
    runs = [_train(pair, tmp_path / str(k), epochs=2, dropout=0.3, seed=seed) for k, seed in enumerate((7, 7, 8))]
    one, again, other = (run.model.state_dict() for run in runs)
    assert all(torch.equal(weight, again[name]) for name, weight in one.items())
    assert not any(torch.equal(weight, other[name]) for name, weight in one.items())
    seconds = {"seconds": 0.0}
    lines = [[{**vars(epoch), **seconds} for epoch in run.history.epochs] for run in runs]
    assert lines[0] == lines[1] != lines[2]


# A model to handle by hand ------------------------------------------------------------------------------------


def _model(dropout: float = 0.0, hidden: int = 8) -> SequenceModel:
    torch.manual_seed(0)
    config = ModelConfig(
        source="series",
        target="label",
        input=SeriesIn(columns=["x"], mean=[0.0], scale=[1.0]),
        output=LabelOut(column="y", classes=["a", "b"]),
        net=NetConfig(hidden=hidden, dropout=dropout),
    )
    return SequenceModel(config)


def _noise(count: int, seed: int) -> ExampleSet:
    """Labels that have nothing to do with the series."""
    source = torch.Generator().manual_seed(seed)
    inputs = [torch.randn(5, 1, generator=source) for _ in range(count)]
    return ExampleSet(inputs, torch.randint(0, 2, (count,), generator=source))


def _settings(**changes: Any) -> LoopSettings:
    return LoopSettings.model_validate({"epochs": 2, "batch": 8, "lr": 0.01, **changes})


CPU = torch.device("cpu")


def test_training_stops_early_and_keeps_the_best_weights() -> None:
    model, valid = _model(hidden=32), _noise(40, 1)
    history = fit(model, _noise(24, 0), valid, _settings(epochs=60, lr=0.02, patience=3, weight_decay=0.0))
    assert len(history.epochs) == history.best.epoch + 3 < 60
    assert history.stopped == "no gain for 3 epochs"
    assert not history.unfinished
    assert not History().unfinished
    assert not model.training
    kept = mean_loss(model, valid, 8, CPU)
    assert kept == history.best.valid_loss == min(epoch.valid_loss for epoch in history.epochs)
    assert history.epochs[-1].valid_loss > kept
    assert [epoch.best for epoch in history.epochs][: history.best.epoch][-1]
    assert not any(epoch.best for epoch in history.epochs[history.best.epoch :])


class _Clock:
    """A second passes with every look at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1.0
        return self.now


def test_a_training_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "time", _Clock())
    heard: list[Step | Epoch] = []
    history = fit(_model(), _noise(40, 0), _noise(8, 1), _settings(epochs=50, budget=9.0), heard.append)
    # An epoch is five steps and a validation, six seconds in all; the third second of the second is the last.
    assert [(event.epoch, event.step) for event in heard if isinstance(event, Step)][-2:] == [(2, 2), (2, 3)]
    assert [epoch.seconds for epoch in history.epochs] == [6.0, 4.0]
    assert history.stopped == "the time was over in epoch 2"
    assert history.spent
    # The rate has fallen to its end, though the epochs have not.
    assert history.epochs[-1].lr == pytest.approx(0.02 * 0.01)


def test_a_training_with_time_enough_is_not_changed_by_it() -> None:
    models = [_model(), _model()]
    histories = [
        fit(model, _noise(20, 0), _noise(8, 1), _settings(epochs=3, budget=budget))
        for model, budget in zip(models, (0.0, 1e6), strict=True)
    ]
    assert not histories[1].spent
    assert not histories[1].stopped
    assert [epoch.valid_loss for epoch in histories[0].epochs] == pytest.approx(
        [epoch.valid_loss for epoch in histories[1].epochs], rel=1e-4
    )


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("2m", 120.0), ("1.5h", 5400.0)])
def test_a_stretch_of_time_is_understood(text: str, seconds: float) -> None:
    assert seconds_in(text, "--budget") == seconds


@pytest.mark.parametrize("text", ["2", "0m", "2 minutes", "m", "-1s", "never", ""])
def test_what_is_no_stretch_of_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=rf"--budget {text}: expected a stretch of time such as 90s, 2m or 1h"):
        seconds_in(text, "--budget")


def test_all_steps_and_epochs_are_told() -> None:
    heard: list[Step | Epoch] = []
    history = fit(_model(), _noise(20, 0), _noise(8, 1), _settings(epochs=3), heard.append)
    assert [(event.epoch, event.step, event.steps) for event in heard if isinstance(event, Step)] == [
        (epoch, step, 3) for epoch in (1, 2, 3) for step in (1, 2, 3)
    ]
    assert [event for event in heard if isinstance(event, Epoch)] == history.epochs
    assert history.epochs[0].lr > history.epochs[-1].lr > 0


@contextmanager
def _norms() -> Iterator[list[float]]:
    """Collect the norm of the gradient at every optimiser step."""
    found: list[float] = []

    def look(optimiser: torch.optim.Optimizer, *_: object) -> None:
        grads = [weight.grad for group in optimiser.param_groups for weight in group["params"]]
        found.append(float(torch.cat([grad.flatten() for grad in grads if grad is not None]).norm()))

    handle = register_optimizer_step_pre_hook(look)
    try:
        yield found
    finally:
        handle.remove()


def test_gradients_are_clipped_and_counted() -> None:
    with _norms() as clipped:
        history = fit(_model(), _noise(40, 0), _noise(8, 1), _settings(clip=1e-3))
    assert len(clipped) == 10
    assert max(clipped) <= 1e-3 * (1 + 1e-4)
    assert all(epoch.clipped == 1.0 and epoch.grad_norm > 1e-3 for epoch in history.epochs)
    with _norms() as free:
        history = fit(_model(), _noise(40, 0), _noise(8, 1), _settings(clip=0.0))
    assert max(free) > 1e-3
    assert all(epoch.clipped == 0.0 for epoch in history.epochs)
    assert history.epochs[0].grad_norm == pytest.approx(np.mean(free[:5]))


def _size(model: nn.Module) -> float:
    return sum(float(weight.detach().abs().sum()) for weight in model.parameters() if weight.dim() > 1)


@pytest.mark.parametrize("penalty", ["weight_decay", "l1"])
def test_penalties_shrink_the_weights(penalty: str) -> None:
    sizes = []
    for strength in (0.0, 0.3, 3.0):
        model = _model()
        fit(model, _noise(40, 0), _noise(8, 1), _settings(epochs=10, **{"weight_decay": 0.0, penalty: strength}))
        sizes.append(_size(model))
    assert sizes[0] > 1.05 * sizes[1]
    assert sizes[1] > 1.05 * sizes[2] or penalty == "l1"
    assert sizes[0] > 1.2 * sizes[2]


def test_the_penalties_are_no_part_of_the_reported_loss() -> None:
    model = _model()
    data = _noise(8, 0)
    expected = mean_loss(model, data, 8, CPU)
    history = fit(model, data, data, _settings(epochs=1, l1=10.0))
    assert history.epochs[0].train_loss == pytest.approx(expected)


def test_dropout_is_on_in_training_and_off_in_validation() -> None:
    model, data = _model(dropout=0.9), _noise(64, 0)
    before = mean_loss(model, data, 8, CPU)
    assert mean_loss(model, data, 8, CPU) == before
    history = fit(model, data, data, _settings(epochs=1, lr=1e-9))
    assert history.epochs[0].valid_loss == pytest.approx(before, abs=1e-6)
    assert abs(history.epochs[0].train_loss - before) > 1e-3


# Divergence ---------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_ends_the_training_with_what_to_try() -> None:
    with pytest.raises(DivergedError, match=r"became (nan|inf|infinite) in epoch 1, step [23]. Try --lr 3.3e\+29"):
        fit(_model(), _noise(40, 0), _noise(8, 1), _settings(lr=1e30))
    huge = ExampleSet([torch.full((3, 1), math.inf)] * 8, torch.zeros(8, dtype=torch.int64))
    with pytest.raises(DivergedError, match=r"epoch 1, step 1.*and --clip 1; .*extreme values in the data"):
        fit(_model(), huge, _noise(8, 1), _settings(clip=0.0))


def test_a_validation_loss_that_is_not_finite_counts_too() -> None:
    model = _model()
    bad = ExampleSet([torch.full((3, 1), math.nan)] * 8, torch.zeros(8, dtype=torch.int64))
    with pytest.raises(DivergedError, match="became nan in epoch 1, step 5"):
        fit(model, _noise(40, 0), bad, _settings())


def test_a_run_that_diverges_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DivergedError):
        _train("series->label:y", tmp_path, lr=1e30)
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.jsonl"]


def _interrupting(epoch: int) -> Any:
    def interrupt(event: object) -> None:
        if isinstance(event, Step) and event.epoch == epoch:
            raise KeyboardInterrupt

    return interrupt


def test_a_listener_stops_a_run_as_ctrl_c_does(tmp_path: Path) -> None:
    for epoch, best in ((1, False), (3, True)):
        with pytest.raises(elman.Interrupted, match=rf"Stopped in epoch {epoch} after step 1; saved in ") as stopped:
            _train("series->label:y", tmp_path / str(epoch), listener=_interrupting(epoch))
        assert bool(stopped.value.best) == best
        assert ("finish=True" in str(stopped.value)) == best
        assert stopped.value.path == tmp_path / str(epoch) / "run"
    run = elman.resume(tmp_path / "3/run", finish=True)
    assert run.history.interrupted
    assert run.history.stopped == run.notes[-1]
    assert re.fullmatch(r"Ended in epoch 3; the best so far \(epoch [12]\) is kept", run.history.stopped)
    assert len(run.history.epochs) == 2
    again = elman.load(tmp_path / "3/run").model.state_dict()
    assert all(torch.equal(weight, again[name]) for name, weight in run.model.state_dict().items())
    assert not elman.resume(tmp_path / "1/run").history.interrupted


# Streams carry their state ------------------------------------------------------------------------------------


def _writer(cell: str) -> SequenceModel:
    torch.manual_seed(0)
    kind = TextIn(column="t", variant="char", vocabulary=["<unknown>", "<end>", *"abcdef"])
    net = NetConfig(cell=cell, hidden=8, embedding=6, readout="every", window=5)
    model = SequenceModel(ModelConfig(source="text", target="next", input=kind, output=TokenOut(size=8), net=net))
    nn.init.normal_(model.head.linear.weight)
    nn.init.normal_(model.trunk.stages[0].module.weight)  # type: ignore[union-attr, arg-type]
    return model.eval()


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn", "feedforward"])
def test_the_loss_of_a_stream_does_not_depend_on_its_chunks(cell: str) -> None:
    model = _writer(cell)
    tokens = torch.randint(2, 8, (101,), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole = float(model(Ragged(tokens[:-1, None]), tokens[1:, None])[0].mean())
    for chunk in (1, 7, 50, 1000):
        assert mean_loss(model, StreamSet(tokens[:-1], tokens[1:], chunk), 32, CPU) == pytest.approx(whole, rel=1e-5)
    # Without the state it would be another number.
    pieces = ExampleSet(list(tokens[:-1].split(7)), list(tokens[1:].split(7)))
    assert mean_loss(model, pieces, 32, CPU) != pytest.approx(whole, rel=1e-3)


def test_training_on_a_stream_hands_the_state_on() -> None:
    tokens = torch.randint(2, 8, (101,), generator=torch.Generator().manual_seed(0))
    model, data = _writer("lstm"), StreamSet(tokens[:-1], tokens[1:], 10)
    expected, state = [], None
    with torch.inference_mode():
        for batch in data.epoch(2, 0, 1):
            loss, state = model(batch.ragged, batch.target, state=state)
            expected.append(float(loss.mean()))
    heard: list[Any] = []
    fit(model, data, data, _settings(epochs=1, batch=2, lr=1e-12), heard.append)
    sums = [event.loss * event.step for event in heard if isinstance(event, Step)]
    assert np.diff([0.0, *sums]) == pytest.approx(expected, rel=1e-4)


def test_every_chunk_of_a_stream_draws_its_masks_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = torch.randint(2, 8, (101,), generator=torch.Generator().manual_seed(0))
    model, data, renewed = _writer("lstm"), StreamSet(tokens[:-1], tokens[1:], 10), []
    real = model.trunk.renew

    def renew(state: Any) -> Any:
        renewed.append(state)
        return real(state)

    monkeypatch.setattr(model.trunk, "renew", renew)
    fit(model, data, data, _settings(epochs=2, batch=2))
    # Five chunks an epoch; the first goes on from nothing.
    assert len(renewed) == 2 * 4
    assert all(state is not None for state in renewed)


# Steps --------------------------------------------------------------------------------------------------------


def test_no_step_is_taken_on_a_gradient_that_is_not_finite() -> None:
    model = _model()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.head.linear.weight.register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(DivergedError, match="epoch 1, step 1"):
        fit(model, _noise(40, 0), _noise(8, 1), _settings())
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_matrices_are_decayed_and_biases_are_not() -> None:
    model = _model()
    groups = optimiser_of(model, _settings(weight_decay=0.3, embedding_decay=0.3)).param_groups
    decay = {id(weight): group["weight_decay"] for group in groups for weight in group["params"]}
    assert {name: decay[id(weight)] for name, weight in model.named_parameters()} == {
        name: 0.0 if "bias" in name else 0.3 for name, _ in model.named_parameters()
    }
