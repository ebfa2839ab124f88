"""Scores of what people would use instead of a network, on the same data."""

from __future__ import annotations

import numpy as np
import torch

from elman.data.batch import Batches, ExampleSet, PieceSet, StreamSet, WindowSet
from elman.data.pairs import PairSet
from elman.model import baselines
from elman.model.config import ModelConfig
from elman.model.grammar import parse_target
from elman.model.kinds.crf import spans
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut, best_thresholds
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.perceptron import Perceptron
from elman.model.summary import Logistic, RidgeOnSummary, summary
from elman.training.chance import groups_of
from elman.training.entities import add_entities
from elman.training.measures import Scores, class_scores, headline, set_scores
from elman.training.numbers import point_scores
from elman.training.written import text_baselines

__all__ = ["baseline_scores"]

_LOOKBACK, _MOST = 96, 20_000
"""Steps that a baseline of the next value reads, and histories that ridge regression learns from, at the most."""


def baseline_scores(config: ModelConfig, train: Batches, test: Batches) -> dict[str, Scores]:
    """The scores of what needs no training, by name, on the same data as the model's."""
    found = _baselines(config, train, test)
    groups = groups_of(test)
    for scores in found.values():
        headline(scores, config.metric).groups = groups
    return found


def _baselines(config: ModelConfig, train: Batches, test: Batches) -> dict[str, Scores]:
    out = config.output
    if isinstance(out, (LabelOut, LabelsOut)):
        if not isinstance(train, ExampleSet) or not isinstance(test, ExampleSet):
            return {}
        if isinstance(out, LabelsOut):
            return _constant_sets(out, train, test) | _summarised(config, train, test)
        if parse_target(config.target).kind == "label":
            return _majority(out, train, test) | _summarised(config, train, test)
        return _by_key(config, out, train.whole if isinstance(train, PieceSet) else train, test)
    if isinstance(out, NumberOut):
        if isinstance(train, WindowSet) and isinstance(test, WindowSet):
            return _forecasts(config, out, train, test)
        if isinstance(train, PieceSet) and isinstance(test, ExampleSet):
            return _following(out, train.whole, test)
        if isinstance(train, ExampleSet) and isinstance(test, ExampleSet):
            whole = train.scores is None
            return _whole(config, out, train, test) if whole else _beside(config, out, train, test)
        return {}
    if isinstance(train, PairSet) and isinstance(test, PairSet):
        return text_baselines(config, train, test)
    return _bigrams(train, test)


def _majority(out: LabelOut, train: ExampleSet, test: ExampleSet) -> dict[str, Scores]:
    classes, truth = (np.array([int(k) for k in part.targets]) for part in (train, test))
    return _always(out, classes, truth)


def _always(out: LabelOut, classes: np.ndarray, truth: np.ndarray, top: int = 0) -> dict[str, Scores]:
    """The class that training has most of; its probabilities are the shares of the classes."""
    shares = np.bincount(classes[classes >= 0], minlength=len(out.classes)) + 1.0
    guess = out.classes[int(shares.argmax())]
    found = np.broadcast_to(shares / shares.sum(), (len(truth), len(out.classes)))
    return {f"always '{guess}'": class_scores(found, truth, confused=False, top=top)}


def _by_key(config: ModelConfig, out: LabelOut, train: ExampleSet, test: ExampleSet) -> dict[str, Scores]:
    """The commonest class, and for words or categories the commonest for each: of itself, or behind it."""
    sides = [_steps(part) for part in (train, test)]
    (inputs, classes), (given, truth) = sides
    follows = parse_target(config.target).kind == "next"
    top = 3 if follows and len(out.classes) > 3 else 0
    found = _always(out, classes, truth, top)
    place, name = _key(config)
    if place is not None:
        keys = [side if side.ndim == 1 else side[:, place] for side in (inputs, given)]
        seen = classes >= 0
        table = baselines.Lookup(keys[0][seen].astype(np.int64), classes[seen], len(out.classes))
        label = f"what follows each {name} most often" if follows else f"the commonest for each {name}"
        found[label] = class_scores(table.chances(keys[1].astype(np.int64)), truth, confused=False, top=top)
    if parse_target(config.target).kind == "tags" and spans(out.classes):
        for scores in found.values():
            add_entities(scores, scores.said, truth, out.classes, test.counted)
    return found


def _key(config: ModelConfig) -> tuple[int | None, str]:
    """The place of the word or category that tells most of a step by itself: the target's own, or the first."""
    kind = config.input
    if not isinstance(kind, JoinedIn):
        return (0, "word") if kind.kind == "text" else (None, "")
    column = config.output.column if isinstance(config.output, LabelOut) else ""
    found: list[tuple[int, str]] = []
    for part, (first, _) in zip(kind.parts, kind.spans, strict=False):
        if part.kind == "text":
            found.append((first, "word"))
        elif part.kind == "events":
            found += [(first + k, name) for k, name in enumerate(part.columns)]
    return next((one for one in found if one[1] == column), found[0] if found else (None, ""))


def _steps(data: ExampleSet) -> tuple[np.ndarray, np.ndarray]:
    """The inputs of all scored steps, ``[N]`` or ``[N, D]``, and their targets."""
    masks = data.scores if data.scores is not None else [torch.ones(len(one), dtype=torch.bool) for one in data.inputs]
    inputs = torch.cat([one[mask] for one, mask in zip(data.inputs, masks, strict=True)])
    return inputs.numpy(), torch.cat([one[mask] for one, mask in zip(data.targets, masks, strict=True)]).numpy()


def _constant_sets(out: LabelsOut, train: ExampleSet, test: ExampleSet) -> dict[str, Scores]:
    """The commonest set of classes, and all classes always."""
    sides = [part.targets.numpy() for part in (train, test) if isinstance(part.targets, torch.Tensor)]
    sets, truth = sides
    kinds, counts = np.unique(sets, axis=0, return_counts=True)
    common = kinds[counts.argmax()] > 0.5
    name = "|".join(one for one, holds in zip(out.classes, common, strict=True) if holds) or "none"
    shares = np.broadcast_to((sets.sum(0) + 1) / (len(sets) + 2), truth.shape)
    said = {f"always '{name}'": common, "always all": np.ones_like(common)}
    return {label: set_scores(shares, np.broadcast_to(one, truth.shape), truth) for label, one in said.items()}


def _beside(config: ModelConfig, out: NumberOut, train: ExampleSet, test: ExampleSet) -> dict[str, Scores]:
    """The training median, and ridge regression of each step on what is read at that step."""
    (inputs, goals), (given, target) = _steps(train), _steps(test)
    guess = np.nanmedian(goals, axis=0)
    found = {"training median": point_scores(np.broadcast_to(guess, target.shape), target, out)}
    if config.input.kind == "series":
        whole = ~np.isnan(goals).any(axis=(1, 2))
        stride = 1 + int(whole.sum()) // _MOST
        past, future = inputs[whole][::stride], goals[whole][::stride]
        fit = baselines.Ridge(past.astype(np.float64), future.reshape(len(future), -1), anchored=False)
        made = fit.predict(given.astype(np.float64)).reshape(target.shape)
        found["ridge on the same step"] = point_scores(made, target, out)
    return found


def _whole(config: ModelConfig, out: NumberOut, train: ExampleSet, test: ExampleSet) -> dict[str, Scores]:
    return _constant(out, train, test) | _summarised(config, train, test)


def _summarised(config: ModelConfig, train: ExampleSet, test: ExampleSet) -> dict[str, Scores]:
    """A linear model of mean, deviation, extremes, slope and last value of every channel, where series are read."""
    out, goals, truth = config.output, train.targets, test.targets
    if not isinstance(config.input, SeriesIn) or not isinstance(goals, torch.Tensor):
        return {}
    if not isinstance(truth, torch.Tensor):
        return {}
    past, given = (summary([one.numpy() for one in part.inputs]) for part in (train, test))
    target, learnt = truth.numpy(), goals.numpy()
    if isinstance(out, NumberOut):
        fit = RidgeOnSummary(past, learnt.reshape(len(learnt), -1).astype(np.float64))
        return {"ridge on summary features": point_scores(fit.predict(given).reshape(target.shape), target, out)}
    if not isinstance(out, (LabelOut, LabelsOut)):
        return {}
    seen = learnt >= 0 if learnt.ndim == 1 else np.ones(len(learnt), dtype=bool)
    logistic = Logistic(past[seen], learnt[seen], len(out.classes))
    found = logistic.chances(given)
    if isinstance(out, LabelsOut):
        made = set_scores(found, found >= np.array(best_thresholds(logistic.chances(past), learnt)), target)
    else:
        made = class_scores(found, target, confused=False)
    return {"logistic regression on summary features": made}


def _constant(out: NumberOut, train: ExampleSet, test: ExampleSet) -> dict[str, Scores]:
    if not isinstance(test.targets, torch.Tensor) or not isinstance(train.targets, torch.Tensor):
        return {}
    target = test.targets.numpy()
    guess = np.median(train.targets.numpy(), axis=0)
    return {"training median": point_scores(np.broadcast_to(guess, target.shape), target, out)}


Side = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Histories ``[N, L, C]``, what followed them, ``[N, H, C]``, and what was known of that ahead, ``[N, K]``."""


def _forecasts(config: ModelConfig, out: NumberOut, train: WindowSet, test: WindowSet) -> dict[str, Scores]:
    """What needs no training, on the windows of a forecast."""
    if not out.anchors:
        return _unanchored(out, train, test)
    sides = [_side(config, out, data) for data in (train, test)]
    return _naive(out, sides[0], sides[1], test.season, test.errors())


def _side(config: ModelConfig, out: NumberOut, data: WindowSet) -> Side:
    kind, lookback = config.input, data.lookback
    known: list[int] = []
    if isinstance(kind, JoinedIn):
        spans = zip(kind.every, kind.spans, strict=True)
        known = [
            place for part, (a, b) in spans if part.kind == "series" for place in range(a, b) if place in kind.ahead
        ]
    histories, futures, ahead = [], [], []
    for part in data.in_order(4096):
        values = part.ragged.values
        histories.append(values[:lookback][..., out.anchors].permute(1, 0, 2).numpy())
        futures.append(part.target.numpy())
        ahead.append(values[lookback:][..., known].transpose(0, 1).flatten(1).numpy())
    return np.concatenate(histories).astype(np.float64), np.concatenate(futures), np.concatenate(ahead)


def _following(out: NumberOut, train: ExampleSet, test: ExampleSet) -> dict[str, Scores]:
    """What needs no training, for the value after every scored step; a history begins with its first value."""
    if not out.anchors:
        return {}
    longest = max(train.inputs, key=len)[:, out.anchors[0]].numpy().astype(np.float64)
    lookback = max(1, min(_LOOKBACK, (len(longest) - 1) // 2))
    past, given = _histories(out, train, lookback), _histories(out, test, lookback)
    return _naive(out, past, given, baselines.season_of(longest, lookback))


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
    none = np.zeros((sum(map(len, following)), 0))
    return np.concatenate(histories), np.concatenate(following), none


def _naive(out: NumberOut, train: Side, test: Side, season: int, errors: np.ndarray | None = None) -> dict[str, Scores]:
    """Naive forecasts and ridge regression, every column on its own."""
    (past, future, before), (history, target, ahead) = train, test
    horizon, columns = out.horizon, range(target.shape[2])
    whole = np.flatnonzero(~np.isnan(future).any(axis=(1, 2)))
    chosen = whole[:: -(-len(whole) // _MOST) or 1]
    past, future, before = past[chosen], future[chosen], before[chosen]
    ridges = [baselines.Ridge(past[..., c], future[..., c], known=before) for c in columns]
    named = {
        "last value": [baselines.last_value(history[..., c], horizon) for c in columns],
        "ridge on the same window": [ridges[c].predict(history[..., c], ahead) for c in columns],
    }
    if errors is not None and len(past):
        named["feed-forward net"] = _feedforward(out, (past, future, before), test)
    if 1 < season <= history.shape[1]:
        for label, with_drift in (("seasonal-naive", False), ("with drift", True)):
            named[f"{label} ({season} steps)"] = [
                baselines.seasonal_naive(history[..., c], horizon, season, with_drift=with_drift) for c in columns
            ]
    return {name: point_scores(np.stack(parts, axis=-1), target, out, errors) for name, parts in named.items()}


def _feedforward(out: NumberOut, train: Side, test: Side) -> list[np.ndarray]:
    """A small feed-forward net that all columns share, in units of each window; what it says of each."""

    def relative(histories: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        last, spread = histories[:, -1:], histories.std(axis=1, keepdims=True).clip(min=out.floor)
        return (histories - last) / spread, last, spread

    columns = range(train[0].shape[2])
    stride = 1 + len(train[0]) * len(columns) // _MOST
    past, future, before = (side[::stride] for side in train)
    rows = [relative(past[..., c]) for c in columns]
    ahead = [(future[..., c] - last) / spread for c, (_, last, spread) in enumerate(rows)]
    net = Perceptron(
        np.concatenate([z for z, _, _ in rows]), np.concatenate(ahead), np.concatenate([before for _ in columns])
    )
    given = [relative(test[0][..., c]) for c in columns]
    return [net.predict(z, test[2]) * spread + last for z, last, spread in given]


_WIDEST = 1_024
"""Numbers of a window that ridge regression reads where it reads all channels: the last steps of long ones."""


def _unanchored(out: NumberOut, train: WindowSet, test: WindowSet) -> dict[str, Scores]:
    """The training median and ridge regression on all channels, where the target is no input."""
    steps = max(1, _WIDEST // train.inputs.shape[1])

    def sides(data: WindowSet, stride: int) -> tuple[np.ndarray, np.ndarray]:
        parts = list(data.in_order(4096))
        first = max(0, data.lookback - steps)
        past = [part.ragged.values[first:].transpose(0, 1).flatten(1)[::stride] for part in parts]
        future = [part.target.flatten(1)[::stride] for part in parts]
        return torch.cat(past).double().numpy(), torch.cat(future).numpy()

    past, future = sides(train, 1 + len(train) // 20_000)
    history, target = sides(test, 1)
    whole = ~np.isnan(future).any(axis=1)
    past, future = past[whole], future[whole]
    found = {
        "training median": np.broadcast_to(np.median(future, axis=0), target.shape),
        "ridge on the same window": baselines.Ridge(past, future, anchored=False).predict(history),
    }
    shape = (len(target), out.horizon, len(out.columns))
    return {
        name: point_scores(one.reshape(shape), target.reshape(shape), out, test.errors()) for name, one in found.items()
    }


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
    each = baselines.bigram_nats((before, after), given, size)
    nats = float(each.mean())
    return {"pairs of tokens (bigrams)": Scores({"nats": nats}, len(each), each={"nats": each})}
