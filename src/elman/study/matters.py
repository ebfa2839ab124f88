"""Which settings mattered in a search, as far as its trials can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["MANY", "explained"]

MANY = 10
"""Trials below which nothing is said."""


def explained(settings: Sequence[dict[str, Any]], losses: Sequence[float]) -> dict[str, float]:
    """The share of the losses' ranks that each setting explains by itself, the largest first.

    For numbers it is the square of Spearman's rank correlation, for choices eta squared, the share of the variance of
    ranks that lies between the choices, less what chance gives (epsilon squared, Kelley 1935) in both. It sees neither
    what settings do together nor an optimum in the middle of a range; of few trials, small shares are chance.
    """
    ranks = _ranks(np.asarray(losses, dtype=np.float64))
    found = {name: _share([one[name] for one in settings], ranks) for name in settings[0]}
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def _share(values: list[Any], ranks: np.ndarray) -> float:
    n, total = len(ranks), float(((ranks - ranks.mean()) ** 2).sum())
    choices = list(dict.fromkeys(values))
    numeric = all(isinstance(value, (int, float)) for value in values)
    if len(choices) < 2 or not total:
        return 0.0
    if numeric:
        mine = _ranks(np.asarray(values, dtype=np.float64))
        between, free = total * float(np.corrcoef(mine, ranks)[0, 1]) ** 2, 1
    else:
        groups = [ranks[[value == choice for value in values]] for choice in choices]
        between, free = sum(len(g) * float(g.mean() - ranks.mean()) ** 2 for g in groups), len(choices) - 1
    if n - 1 <= free:
        return 0.0
    within = (total - between) / (n - 1 - free)
    return max(0.0, (between - free * within) / total)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equal values share the mean of theirs."""
    order = values.argsort(kind="stable")
    ranks = np.empty(len(values))
    ranks[order] = np.arange(len(values))
    for value in np.unique(values):
        same = values == value
        ranks[same] = ranks[same].mean()
    return ranks
