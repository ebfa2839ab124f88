"""Scores from predictions and what came, in numpy: nothing here knows a model."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from elman.core.errors import InputError, nearest
from elman.model.kinds.crf import spans
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut
from elman.model.kinds.text import TokenOut
from elman.model.kinds.written import TextOut

__all__ = [
    "METRICS",
    "OF_HUNDRED",
    "Scores",
    "check_choice",
    "check_metric",
    "class_scores",
    "digits",
    "headline",
    "metrics_of",
    "set_scores",
]

METRICS = {
    "accuracy": True,
    "entity_f1": True,
    "macro_f1": True,
    "micro_f1": True,
    "exact": True,
    "top3": True,
    "mae": False,
    "rmse": False,
    "mase": False,
    "smape": False,
    "pinball": False,
    "nats": False,
    "bleu": True,
    "chrf": True,
}
"""The metrics that may be shown first, and whether more is better."""

OF_HUNDRED = ("bleu", "chrf", "smape")
"""Metrics that are told from 0 to 100, as everybody does."""


def digits(metric: str, value: float) -> str:
    """A score as it is told: with one decimal what goes to 100, else with four."""
    return f"{value:.1f}" if metric in OF_HUNDRED else f"{value:.4g}" if abs(value) >= 1e4 else f"{value:.4f}"


_MOST = 5_000_000
"""Decisions (examples times classes) up to which each is kept, for the F1 of a part of them."""


@dataclass
class Scores:
    """Scores by name; the first is the headline.

    Attributes:
        values: ``accuracy`` (share), ``macro_f1`` (mean over classes) and ``nats`` for labels and tags; before them,
            for tags that name spans, ``entity_f1``, ``precision`` and ``recall`` of these; behind them, for what
            follows, ``top3`` (share whose truth is among the three likeliest); ``macro_f1``, ``micro_f1``, ``exact``
            (share of examples whose classes are all right) and ``nats`` (a class) for several labels;
            ``mae``, ``rmse`` and ``pinball`` (in units of the target's standard deviation), ``mae_units`` (in the
            data's units, of a single column; of several ``mae_COLUMN``) and ``coverage`` (share inside the 80 %
            interval) for numbers, and for forecasts ``mase`` and ``smape`` too, see :mod:`elman.training.numbers`;
            ``nats`` a token, ``perplexity`` and (of characters and pieces) ``bits_per_byte`` for text; for a text that
            is written of something before them ``bleu`` and ``chrf`` (0 to 100) and ``exact`` (share written as it
            stands in the data).
        confusion: ``(K, K)`` counts, rows true, for labels.
        by_step: mean absolute error of every step ahead, for forecasts; in the data's units, or of several columns
            in units of their standard deviations.
        count: examples, windows, steps or tokens scored.
        each: what a metric is made of, ``[N, ...]`` of what was scored, by name: its mean is the metric, but for rmse
            (squared errors), the two F1 (``[N, 3, K]``: right, said, came) and bleu (``[N, 10]``, see
            :func:`elman.training.written.compared`). Empty for a loaded run.
        said: ``[N]`` numbers of the classes that were said, for labels and tags.
        groups: ``[N]``, numbers of what hangs together (the steps of a sequence, overlapping windows), rising; None
            where each stands for itself.
        reached: of numbers, the share of what came that lay at or below each of the quantiles that are told.
        how: how texts were written and compared, in words; of other scores empty.
    """

    values: dict[str, float]
    count: int
    confusion: np.ndarray | None = None
    by_step: np.ndarray | None = field(default=None)
    each: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    groups: np.ndarray | None = field(default=None, repr=False)
    said: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64), repr=False)
    reached: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)
    how: str = ""


def metrics_of(out: object, target: str, source: str = "") -> tuple[str, ...]:
    """What may be shown first for an output; the first is the usual one."""
    if isinstance(out, LabelOut):
        named = ("entity_f1",) if target == "tags" and spans(out.classes) else ()
        return (
            *named,
            "accuracy",
            "macro_f1",
            *(("top3",) if target == "next" and len(out.classes) > 3 else ()),
            "nats",
        )
    if isinstance(out, LabelsOut):
        return ("macro_f1", "micro_f1", "exact", "nats")
    if isinstance(out, TextOut):
        # What is written of a label may be many texts, and is not held against one.
        return ("nats",) if source == "label" else ("bleu", "chrf", "exact", "nats")
    if isinstance(out, TokenOut):
        return ("nats",)
    return ("mae", "rmse", "mase", "smape", "pinball") if target == "future" else ("mae", "rmse", "pinball")


def headline(scores: Scores, metric: str) -> Scores:
    """The same with a metric first; empty leaves the order as it is."""
    if metric in scores.values:
        scores.values = {metric: scores.values[metric], **scores.values}
    return scores


def check_metric(metric: str, out: object, target: str, source: str = "") -> None:
    """Raise :class:`InputError` for a metric that an output does not have."""
    known = metrics_of(out, target, source)
    if metric not in known:
        raise InputError(f"--metric {metric}: no score of this.{nearest(metric, known)} There is: {', '.join(known)}")


def check_choice(metric: str, out: object, target: str, source: str = "") -> None:
    """Raise :class:`InputError` for what an epoch cannot be chosen by."""
    known = ["loss", *(name for name in metrics_of(out, target, source) if METRICS[name])]
    if metric not in (*known, "last"):
        raise InputError(
            f"--choose-by {metric}: epochs are chosen by {' or '.join(known)} of the validation part here, or the last "
            f"is kept (last).{nearest(metric, [*known, 'last'])} Write one of these, or leave it out"
        )


def class_scores(
    chances: np.ndarray, truth: np.ndarray, *, confused: bool = True, top: int = 0, said: np.ndarray | None = None
) -> Scores:
    """Scores of one class each, from ``[N, K]`` probabilities and ``[N]`` classes and perhaps what is said.

    A class that training never saw (-1) counts as an error: its chance is nil. ``macro_f1`` is the mean over the
    classes that came or were said.
    """
    count, classes = chances.shape
    seen = truth >= 0
    if said is None:
        said = chances.argmax(1) if count else np.zeros(0, dtype=np.int64)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (truth[seen], said[seen]), 1)
    chance = np.where(seen, chances[np.arange(count), np.maximum(truth, 0)], 0.0)
    right, told = np.diagonal(confusion), np.bincount(said, minlength=classes)
    came = confusion.sum(1)
    f1 = 2 * right / np.maximum(1, came + told)
    values = {
        "accuracy": float(right.sum()) / max(1, count),
        "macro_f1": float(f1[(came + told) > 0].mean()) if count else 0.0,
        "nats": float(-np.log(np.maximum(chance, 1e-12)).mean()) if count else 0.0,
    }
    each = {"accuracy": said == truth, "nats": -np.log(np.maximum(chance, 1e-12))}
    if count * classes <= _MOST:
        known = np.arange(classes)
        told_each, came_each = said[:, None] == known, truth[:, None] == known
        each["macro_f1"] = np.stack([told_each & came_each, told_each, came_each], axis=1)
    if top:
        best = np.argsort(-chances, axis=1, kind="stable")[:, :top]
        among = (best == truth[:, None]).any(1)
        values[f"top{top}"] = float(among.mean()) if count else 0.0
        each[f"top{top}"] = among
    return Scores(values, count, confusion if confused else None, each=each, said=said)


def set_scores(chances: np.ndarray, said: np.ndarray, truth: np.ndarray) -> Scores:
    """Scores of several classes at once, from probabilities, decisions and truth, ``[N, K]`` each.

    ``macro_f1`` is the mean of the classes' F1, ``micro_f1`` that of all decisions together.
    """
    holds = truth > 0.5
    right, told, came = (said & holds).sum(0), said.sum(0), holds.sum(0)
    chance = np.where(holds, chances, 1 - chances)
    values = {
        "macro_f1": float((2 * right / np.maximum(1, told + came)).mean()),
        "micro_f1": float(2 * right.sum() / max(1, told.sum() + came.sum())),
        "exact": float((said == holds).all(1).mean()),
        "nats": float(-np.log(np.maximum(chance, 1e-12)).mean()),
    }
    both = np.stack([said & holds, said, holds], axis=1)
    each = {
        "macro_f1": both,
        "micro_f1": both,
        "exact": (said == holds).all(1),
        "nats": -np.log(np.maximum(chance, 1e-12)).mean(1),
    }
    return Scores(values, len(truth), each=each)
