"""How good a model is on data it has not seen, beside what costs nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from elman.data.batch import Batches, ExampleSet, PieceSet, StreamSet, WindowSet
from elman.model import baselines
from elman.model.answers import chances, next_quantiles, quantiles
from elman.model.kinds.label import LabelOut
from elman.model.kinds.number import LEVELS, NumberOut
from elman.model.network import SequenceModel
from elman.model.shapes import Batch
from elman.training.loop import mean_loss

__all__ = ["METRICS", "Scores", "baseline_scores", "calibrate", "score"]

METRICS = {"accuracy": True, "mae": False, "nats": False}
"""The headline metric of each kind of output, and whether more is better."""

_LOOKBACK, _MOST = 96, 20_000
"""Steps that a baseline of the next value reads, and histories that ridge regression learns from, at the most."""

_LOW, _MIDDLE, _HIGH = LEVELS.index(0.1), LEVELS.index(0.5), LEVELS.index(0.9)


@dataclass
class Scores:
    """Scores by name; the first is the headline.

    Attributes:
        values: ``accuracy`` (share) and ``nats`` for labels; ``mae`` and ``rmse`` (in units of the target's
            standard deviation), ``mae_units`` (in the data's units, of a single column) and ``coverage`` (share
            inside the 80 % interval) for numbers; ``nats`` a token and ``perplexity`` for text.
        confusion: ``(K, K)`` counts, rows true, for labels.
        by_step: mean absolute error of every step ahead, for forecasts; in the data's units, or of several columns
            in units of their standard deviations.
        count: examples, windows or tokens scored.
    """

    values: dict[str, float]
    count: int
    confusion: np.ndarray | None = None
    by_step: np.ndarray | None = field(default=None)


@torch.inference_mode()
def score(model: SequenceModel, data: Batches, batch: int, device: str) -> Scores:
    """Score a model on encoded data, in evaluation."""
    model.eval().to(device)
    out = model.config.output
    if isinstance(out, LabelOut):
        return _labels(model, data, batch, device, len(out.classes))
    if isinstance(out, NumberOut):
        found = list(_numbers(model, data, batch, device))
        return _number_scores(np.concatenate([f for f, _ in found]), np.concatenate([t for _, t in found]), out)
    nats = mean_loss(model, data, batch, torch.device(device))
    count = len(data) if isinstance(data, StreamSet) else sum(len(x) for x in getattr(data, "inputs", []))
    return Scores({"nats": nats, "perplexity": math.exp(min(nats, 700.0))}, count)


def _labels(model: SequenceModel, data: Batches, batch: int, device: str, classes: int) -> Scores:
    confusion = np.zeros((classes, classes), dtype=np.int64)
    nats = 0.0
    for part in data.in_order(batch):
        moved = part.to(torch.device(device))
        found = chances(model, moved.ragged).cpu()
        target = moved.target.cpu()
        # A label that training never saw counts as an error: its chance is nil.
        seen = target >= 0
        chance = torch.where(seen, found[torch.arange(len(target)), target.clamp(min=0)], found.new_zeros(()))
        nats -= float(chance.clamp(min=1e-12).log().sum())
        np.add.at(confusion, (target[seen].numpy(), found.argmax(1)[seen].numpy()), 1)
    count = len(data)
    return Scores({"accuracy": float(np.trace(confusion)) / count, "nats": nats / count}, count, confusion)


def _numbers(model: SequenceModel, data: Batches, batch: int, device: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Quantiles ``[N, H, C, Q]`` and targets ``[N, H, C]`` of every batch, in units of scale."""
    for part in data.in_order(batch):
        moved = part.to(torch.device(device))
        if model.readout is not None:
            yield quantiles(model, moved.ragged).cpu().numpy(), part.target.numpy()
            continue
        every, _ = next_quantiles(model, moved.ragged)
        real = _scored(part)
        yield every.cpu()[real].unsqueeze(1).numpy(), part.target[real].numpy()


def _scored(batch: Batch) -> torch.Tensor:
    return batch.ragged.mask if batch.score is None else batch.ragged.mask & batch.score


def _number_scores(found: np.ndarray, target: np.ndarray, out: NumberOut) -> Scores:
    apart = target - found[..., _MIDDLE]
    inside = (target >= found[..., _LOW]) & (target <= found[..., _HIGH])
    # Columns of different units have no mean in any unit.
    alone = len(out.columns) == 1
    by_step = (np.abs(apart) * (np.asarray(out.scale) if alone else 1.0)).mean(axis=(0, 2))
    values = {
        "mae": float(np.abs(apart).mean()),
        "rmse": float(np.sqrt((apart**2).mean())),
        **({"mae_units": float(by_step.mean())} if alone else {}),
        "coverage": float(inside.mean()),
    }
    return Scores(values, len(target), by_step=by_step)


@torch.inference_mode()
def calibrate(model: SequenceModel, valid: Batches, batch: int, device: str) -> None:
    """Widen (or narrow) the intervals so that 80 % of the validation part lies inside.

    Conformalised quantile regression (Romano, Patterson & Candes 2019): the margin of a step and column is the
    80 % quantile of ``max(low - y, y - high)``.
    """
    out = model.config.output
    if not isinstance(out, NumberOut):
        return
    model.eval()
    model.config = model.config.model_copy(update={"output": out.model_copy(update={"margin": []})})
    pairs = list(_numbers(model, valid, batch, device))
    found, target = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    outside = np.maximum(found[..., _LOW] - target, target - found[..., _HIGH])
    level = min(1.0, 0.8 * (1 + 1 / len(target)))
    margin = np.quantile(outside, level, axis=0).reshape(-1).tolist()
    model.config = model.config.model_copy(update={"output": out.model_copy(update={"margin": margin})})


def baseline_scores(out: object, train: Batches, test: Batches) -> dict[str, Scores]:
    """The scores of what needs no training, by name, on the same data as the model's."""
    if isinstance(out, LabelOut) and isinstance(train, ExampleSet) and isinstance(test, ExampleSet):
        return _majority(out, train, test)
    if isinstance(out, NumberOut):
        if isinstance(train, WindowSet) and isinstance(test, WindowSet):
            return _forecasts(out, train, test)
        if isinstance(train, PieceSet) and isinstance(test, ExampleSet):
            return _following(out, train.whole, test)
        if isinstance(train, ExampleSet) and isinstance(test, ExampleSet):
            return _constant(out, train, test)
        return {}
    return _bigrams(train, test)


def _majority(out: LabelOut, train: ExampleSet, test: ExampleSet) -> dict[str, Scores]:
    guess = baselines.majority([int(k) for k in train.targets])
    right = sum(int(k) == guess for k in test.targets) / len(test)
    return {f"always '{out.classes[guess]}'": Scores({"accuracy": right}, len(test))}


def _constant(out: NumberOut, train: ExampleSet, test: ExampleSet) -> dict[str, Scores]:
    if not isinstance(test.targets, torch.Tensor) or not isinstance(train.targets, torch.Tensor):
        return {}
    target = test.targets.numpy()
    guess = np.median(train.targets.numpy(), axis=0)
    return {"training median": _point_scores(np.broadcast_to(guess, target.shape), target, out)}


def _point_scores(found: np.ndarray, target: np.ndarray, out: NumberOut) -> Scores:
    made = _number_scores(np.repeat(found[..., None], len(LEVELS), axis=-1), target, out)
    del made.values["coverage"]
    return made


Side = tuple[np.ndarray, np.ndarray]
"""Histories ``[N, L, C]`` and what followed them, ``[N, H, C]``."""


def _forecasts(out: NumberOut, train: WindowSet, test: WindowSet) -> dict[str, Scores]:
    """What needs no training, on the windows of a forecast."""
    if not out.anchors:
        return _unanchored(out, train, test)
    sides: list[Side] = []
    for data in (train, test):
        parts = list(data.in_order(4096))
        history = np.concatenate([p.ragged.values[..., out.anchors].permute(1, 0, 2).numpy() for p in parts])
        sides.append((history.astype(np.float64), np.concatenate([p.target.numpy() for p in parts])))
    season = baselines.season_of(train.longest(out.anchors[0]), sides[1][0].shape[1])
    return _naive(out, sides[0], sides[1], season)


def _following(out: NumberOut, train: ExampleSet, test: ExampleSet) -> dict[str, Scores]:
    """What needs no training, for the value after every scored step; a history begins with its first value."""
    if not out.anchors:
        return {}
    longest = max(train.inputs, key=len)[:, out.anchors[0]].numpy().astype(np.float64)
    lookback = max(1, min(_LOOKBACK, (len(longest) - 1) // 2))
    past, given = _histories(out, train, lookback), _histories(out, test, lookback)
    stride = -(-len(past[0]) // _MOST)
    return _naive(out, (past[0][::stride], past[1][::stride]), given, baselines.season_of(longest, lookback))


def _histories(out: NumberOut, data: ExampleSet, lookback: int) -> Side:
    """The last steps before every scored one, and its value."""
    histories, following = [], []
    for k, (rows, targets) in enumerate(zip(data.inputs, data.targets, strict=True)):
        scored = np.ones(len(rows), dtype=bool) if data.scores is None else data.scores[k].numpy()
        series = rows[:, out.anchors].numpy().astype(np.float64)
        padded = np.concatenate([np.repeat(series[:1], lookback - 1, axis=0), series])
        windows = np.lib.stride_tricks.sliding_window_view(padded, lookback, axis=0)
        histories.append(windows[scored].transpose(0, 2, 1))
        following.append(targets.numpy()[scored])
    return np.concatenate(histories), np.concatenate(following)


def _naive(out: NumberOut, train: Side, test: Side, season: int) -> dict[str, Scores]:
    """Naive forecasts and ridge regression, every column on its own."""
    (past, future), (history, target) = train, test
    horizon, columns = out.horizon, range(target.shape[2])
    named = {
        "last value": [baselines.last_value(history[..., c], horizon) for c in columns],
        "ridge on the same window": [
            baselines.Ridge(past[..., c], future[..., c]).predict(history[..., c]) for c in columns
        ],
    }
    if season > 1:
        for label, with_drift in (("seasonal-naive", False), ("seasonal-naive with drift", True)):
            named[f"{label} ({season} steps)"] = [
                baselines.seasonal_naive(history[..., c], horizon, season, with_drift=with_drift) for c in columns
            ]
    return {name: _point_scores(np.stack(parts, axis=-1), target, out) for name, parts in named.items()}


_WIDEST = 1_024
"""Numbers of a window that ridge regression reads where it reads all channels: the last steps of long ones."""


def _unanchored(out: NumberOut, train: WindowSet, test: WindowSet) -> dict[str, Scores]:
    """The training median and ridge regression on all channels, where the target is no input."""
    steps = max(1, _WIDEST // train.inputs.shape[1])

    def sides(data: WindowSet, stride: int) -> tuple[np.ndarray, np.ndarray]:
        parts = list(data.in_order(4096))
        past = [part.ragged.values[-steps:].transpose(0, 1).flatten(1)[::stride] for part in parts]
        future = [part.target.flatten(1)[::stride] for part in parts]
        return torch.cat(past).double().numpy(), torch.cat(future).numpy()

    past, future = sides(train, 1 + len(train) // 20_000)
    history, target = sides(test, 1)
    found = {
        "training median": np.broadcast_to(np.median(future, axis=0), target.shape),
        "ridge on the same window": baselines.Ridge(past, future, anchored=False).predict(history),
    }
    shape = (len(target), out.horizon, len(out.columns))
    return {name: _point_scores(one.reshape(shape), target.reshape(shape), out) for name, one in found.items()}


def _bigrams(train: Batches, test: Batches) -> dict[str, Scores]:
    def pairs(data: Batches) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(data, StreamSet):
            return data.inputs.numpy(), data.targets.numpy()
        if isinstance(data, ExampleSet):
            return torch.cat(list(data.inputs)).numpy(), torch.cat(list(data.targets)).numpy()
        raise TypeError(type(data).__name__)

    before, after = pairs(train)
    given = pairs(test)
    size = int(max(before.max(), after.max(), given[0].max(), given[1].max())) + 1
    nats = baselines.bigram_nats((before, after), given, size)
    return {"pairs of tokens (bigrams)": Scores({"nats": nats}, len(given[0]))}
