"""What a few seeds can tell: mean and standard deviation, and differences that are paired by seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from elman.training.measures import digits

__all__ = ["Paired", "Spread"]

_T95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131),
    *(2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""Student's t for an interval of 95 % on both sides, for 1, 2, ... degrees of freedom."""


@dataclass(frozen=True)
class Spread:
    """The values of one model over seeds; ``metric``: what they are, for the digits that are told."""

    values: tuple[float, ...]
    metric: str = ""

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float:
        """The standard deviation of the sample (n - 1); NaN of a single value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else math.nan

    def __str__(self) -> str:
        return digits(self.metric, self.mean) + (
            f" ± {digits(self.metric, self.deviation)}" if len(self.values) > 1 else ""
        )


@dataclass(frozen=True)
class Paired:
    """The differences of two models on the same seeds.

    Both learn from the same parts, and a seed gives both the same order of examples, so that what a seed does to both
    cancels out. The interval is Student's, ``mean ± t(n - 1) · s / sqrt(n)``, and supposes differences that are about
    normal; with three seeds t is 4.3, so only differences well above their spread stand out.

    Attributes:
        differences: a seed each, better is more.
        step: the least difference that the score can show, such as one example of the test part; the standard
            deviation is taken to be at least that, for equal differences are no proof where scores are coarse.
    """

    differences: tuple[float, ...]
    step: float = 0.0

    @classmethod
    def of(cls, one: Sequence[float], other: Sequence[float], *, more_is_better: bool, step: float = 0.0) -> Paired:
        """The differences ``one - other``, turned so that more is better for ``one``."""
        sign = 1 if more_is_better else -1
        return cls(tuple(sign * (a - b) for a, b in zip(one, other, strict=True)), step)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.differences)

    @property
    def deviation(self) -> float:
        return statistics.stdev(self.differences) if len(self.differences) > 1 else math.nan

    @property
    def half(self) -> float:
        """Half of the 95 % interval's width; infinite of a single seed."""
        n = len(self.differences)
        if n < 2:
            return math.inf
        t = _T95[n - 2] if n - 2 < len(_T95) else 1.96
        return t * max(self.deviation, self.step) / math.sqrt(n)

    @property
    def shown(self) -> int:
        """1 if the seeds show the first to be better, -1 if worse, 0 if they show no difference."""
        return 0 if abs(self.mean) <= self.half else (1 if self.mean > 0 else -1)

    @property
    def ahead(self) -> int:
        """Seeds in which the first is better."""
        return sum(d > 0 for d in self.differences)
