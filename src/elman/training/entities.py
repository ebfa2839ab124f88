"""Spans named by tags (B-X, I-X, O), and how many of them are found: exactly, of the right kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elman.model.kinds.crf import OUTSIDE
from elman.training.measures import Scores

__all__ = ["add_entities", "found_entities", "span_counts", "span_f1"]


def found_entities(tags: np.ndarray, classes: Sequence[str], fresh: np.ndarray) -> np.ndarray:
    """The spans that tags name, ``[E, 3]``: first token, last token, kind.

    As conlleval and seqeval count: a span begins at a B, and at an I that follows an O or another kind; it ends before
    the next beginning, an O, or the end of its sequence.

    Args:
        tags: ``[N]`` numbers of classes, sequence after sequence; -1 for a tag never seen, which is a span of its own.
        classes: O, B-X and I-X.
        fresh: ``[N]`` bool, where a sequence begins.
    """
    kinds = sorted({name[2:] for name in classes if name != OUTSIDE})
    letter = np.array([*(name[0] for name in classes), "B"])[tags]
    kind = np.array([*(kinds.index(name[2:]) if name != OUTSIDE else -1 for name in classes), len(kinds)])[tags]
    inside = letter != OUTSIDE
    before = np.concatenate([[-1], kind[:-1]])
    before = np.where(fresh, -1, before)
    begins = inside & ((letter == "B") | (before != kind))
    behind = np.concatenate([~inside[1:] | begins[1:] | fresh[1:], [True]])
    first, last = np.flatnonzero(begins), np.flatnonzero(inside & behind)
    return np.stack([first, last, kind[first]], axis=1)


def span_counts(said: np.ndarray, truth: np.ndarray, classes: Sequence[str], lengths: np.ndarray) -> np.ndarray:
    """Where spans begin, bool ``[N, 3, 1]``: those that are right, those that are said, those that are there.

    Args:
        said, truth: ``[N]`` tags, sequence after sequence. lengths: tokens of each.
    """
    fresh = np.zeros(len(truth), dtype=bool)
    fresh[np.cumsum(lengths)[:-1][lengths[1:] > 0]] = True
    if len(fresh):
        fresh[0] = True
    sides = [found_entities(tags, classes, fresh) for tags in (said, truth)]
    both = {tuple(one) for one in sides[0].tolist()} & {tuple(one) for one in sides[1].tolist()}
    counts = np.zeros((len(truth), 3, 1), dtype=bool)
    counts[[one[0] for one in both], 0] = True
    for place, side in enumerate(sides, start=1):
        counts[side[:, 0], place] = True
    return counts


def span_f1(counts: np.ndarray) -> float:
    """``2 right / (said + came)`` over all spans together (micro)."""
    right, told, came = counts.sum(0)[:, 0].tolist()
    return float(2 * right / max(1, told + came))


def add_entities(
    scores: Scores, said: np.ndarray, truth: np.ndarray, classes: Sequence[str], lengths: np.ndarray
) -> None:
    """Put precision, recall and F1 of spans in front of the scores of tags.

    ::

        F1 = 2 right / (said + came)          over all spans together (micro)

    Args:
        scores: of the same tags.
        said, truth: ``[N]``, sequence after sequence. lengths: tokens of each.
    """
    counts = span_counts(said, truth, classes, lengths)
    right, told, came = counts.sum(0)[:, 0].tolist()
    values = {
        "entity_f1": span_f1(counts),
        "precision": right / max(1, told),
        "recall": right / max(1, came),
    }
    scores.values = {**values, **scores.values}
    scores.each["entity_f1"] = counts
