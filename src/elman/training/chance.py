"""Whether one model is better than another by more than chance, on the examples that happened to be scored."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from elman.data.batch import Batches, ExampleSet, StreamSet, WindowSet
from elman.data.pairs import PairSet
from elman.training.measures import Scores

__all__ = ["Chance", "chance", "groups_of"]

_DRAWS, _LEVEL = 2_000, 0.95
_FEWEST, _MOST = 10, 2_000
"""Groups below which nothing can be told, and above which neighbours are joined."""

_TOKENS = 256
"""Tokens of a long text that are one group."""

_SEQUENCES = 20
"""Sequences from which on each is one group; of fewer, stretches of steps are."""


@dataclass(frozen=True)
class Chance:
    """How sure the difference of a score is.

    Attributes:
        low, high: the difference (mine less the other's) lies between them with 95 % confidence.
        sure: whether it is more than chance. groups: how many independent pieces this rests on.
    """

    low: float
    high: float
    sure: bool
    groups: int

    @property
    def enough(self) -> bool:
        """Whether there are enough pieces to tell anything."""
        return self.groups >= _FEWEST


def groups_of(data: Batches) -> np.ndarray | None:
    """Numbers of what hangs together among the scored steps, ``[N]``, rising; None where each stands for itself.

    The steps of a sequence are one group, of fewer than 20 sequences stretches of about the root of their length;
    windows of one series are grouped over twice the horizon, for those nearer share what they forecast.
    """
    if isinstance(data, WindowSet):
        places = np.array([data.place(k) for k in range(len(data))]).reshape(-1, 2)
        return _numbered(places[:, 0], places[:, 1] // (2 * data.horizon))
    if isinstance(data, StreamSet):
        return np.arange(len(data)) // _TOKENS
    if isinstance(data, PairSet):
        return np.repeat(np.arange(len(data)), data.written.lengths)
    if not isinstance(data, ExampleSet) or isinstance(data.targets, Tensor):
        return None
    counted = data.counted
    sequence = np.repeat(np.arange(len(counted)), counted)
    if len(counted) >= _SEQUENCES:
        return sequence
    size = np.repeat([max(8, math.isqrt(one)) for one in counted], counted)
    step = np.concatenate([np.arange(one) for one in counted]) if len(counted) else np.zeros(0, dtype=np.int64)
    return _numbered(sequence, step // size)


def _numbered(*keys: np.ndarray) -> np.ndarray:
    """0, 1, 2 ... for each new combination of keys along the way."""
    new = np.zeros(len(keys[0]), dtype=bool)
    for key in keys:
        new[1:] |= key[1:] != key[:-1]
    return np.cumsum(new)


def chance(mine: Scores, other: Scores, metric: str) -> Chance | None:
    """Compare two scores on the same examples, in pairs; None where what they are made of is not known.

    The interval is that of a paired bootstrap over groups (Efron & Tibshirani 1993): groups are drawn with replacement
    2,000 times, and the metric's difference computed each time. Where each example is right or wrong on its own, the
    exact sign test on those where the two differ (McNemar 1947) has to agree: of a handful the bootstrap knows too
    little.
    """
    sides = [one.each.get(metric) for one in (mine, other)]
    if sides[0] is None or sides[1] is None or len(sides[0]) != len(sides[1]):
        return None
    stacked = np.stack([side.reshape(len(side), -1).astype(np.float64) for side in (sides[0], sides[1])])
    known = ~np.asarray(np.isnan(stacked).any(axis=(0, 2)))
    # Texts that are compared as wholes stand for themselves; groups are those of their tokens.
    alone = mine.groups is None or len(mine.groups) != len(known)
    groups = (np.arange(len(known)) if alone or mine.groups is None else mine.groups)[known]
    stacked = stacked[:, known]
    if not stacked.shape[1]:
        return None
    first = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1))
    count = len(first)
    first = first[:: -(-count // _MOST)]
    sums = np.add.reduceat(stacked, first, axis=1)
    sizes = np.diff(np.append(first, stacked.shape[1]))
    random, draws = np.random.default_rng(0), len(first)
    drawn = random.multinomial(draws, np.full(draws, 1 / draws), size=_DRAWS).astype(np.float64)
    total = drawn @ sizes
    made = [_value(metric, drawn @ side, total, sides[0].shape) for side in sums]
    low, high = np.quantile(made[0] - made[1], [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    sure = count >= _FEWEST and not low <= 0 <= high
    if sure and sides[0].dtype == bool and sides[0].ndim == 1 and alone:
        sure = _sign_test(stacked[0, :, 0], stacked[1, :, 0]) < 1 - _LEVEL
    return Chance(float(low), float(high), bool(sure), count)


def _value(metric: str, sums: np.ndarray, total: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A metric from the sums ``[R, k]`` over what it is made of."""
    if metric in ("macro_f1", "micro_f1", "entity_f1"):
        right, said, came = sums.reshape(len(sums), 3, shape[-1]).transpose(1, 0, 2)
        if metric != "macro_f1":
            right, said, came = (one.sum(1, keepdims=True) for one in (right, said, came))
        f1, there = 2 * right / np.maximum(1, said + came), (said + came) > 0
        found: np.ndarray = (f1 * there).sum(1) / np.maximum(1, there.sum(1))
        return found
    if metric == "bleu":
        return _bleu(sums)
    mean: np.ndarray = sums[:, 0] / total
    return np.sqrt(mean) if metric == "rmse" else mean


def _bleu(sums: np.ndarray) -> np.ndarray:
    """BLEU from sums ``[R, 10]`` of counts (see :func:`elman.training.written.compared`), smoothed as sacrebleu does.

    ``100 min(1, exp(1 - r / c)) (p_1 p_2 p_3 p_4)**(1/4)``, where the k-th of the p that are 0 is ``1 / (2**k total)``.
    """
    right, total, made, came = sums[:, :4], sums[:, 4:8], sums[:, 8], sums[:, 9]
    none = (right == 0) & (total > 0)
    halved = np.where(none, 0.5 ** np.cumsum(none, axis=1), right)
    shares = halved / np.maximum(1, total)
    short = np.exp(np.minimum(0.0, 1 - came / np.maximum(1e-9, made)))
    found: np.ndarray = 100 * short * np.prod(shares, axis=1) ** 0.25 * (right.sum(1) > 0)
    return found


def _sign_test(mine: np.ndarray, other: np.ndarray) -> float:
    """The two-sided probability that wins and losses divide at least so unevenly if either is as likely."""
    wins, losses = int((mine > other).sum()), int((mine < other).sum())
    count, fewer = wins + losses, min(wins, losses)
    if not count:
        return 1.0
    logs = [math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) for k in range(fewer + 1)]
    return min(1.0, 2 * sum(math.exp(one - count * math.log(2)) for one in logs))
