"""Numeric series as input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from elman.core.errors import InputError
from elman.model.kinds.schema import Schema

__all__ = ["Gaps", "SeriesIn", "held", "interpolated", "moments", "scaled", "usual"]

Gaps = Literal["error", "input", "interpolate"]
"""What a missing value is."""

_UNEVEN, _APART = 0.01, 0.25
"""The share of distances that must differ from the usual one for rows to be uneven, and by which part of it."""

_FARTHEST = 1e15
"""Standard deviations from training's mean beyond which float32 cannot compute a variance of a window."""


class SeriesIn(Schema):
    """Channels scaled by the training data's mean and standard deviation.

    Attributes:
        columns: the channels' names, C of them.
        mean: of each channel over all training steps that have a value, in the data's units.
        scale: standard deviation of each channel, 1 where a channel is constant.
        gaps: what a missing value (NaN) is: an ``error``; an ``input`` of its own (the last value is held, and
            channels beside say where and how old it is); or to be put on the line between its neighbours
            (``interpolate``).
        flagged: the channels that have such a channel beside them, which is 1 where a value is missing.
        since: whether each of these has another one beside it, ``log(1 + d)``, where d is the time from the last value
            before this step (or from the first step, where there was none) to this step (delta of GRU-D, Che et al.
            2018, arXiv 1606.01865); in steps or, where rows are uneven, in usual distances.
        unit: the usual distance of one row from the one before, where rows are not evenly spaced in time; then the
            last channel is ``log(1 + distance / unit)``. In seconds where times are dates; 0 where rows are even.
        dates: whether times are dates.
    """

    kind: Literal["series"] = "series"
    columns: list[str]
    mean: list[float]
    scale: list[float]
    gaps: Gaps = "error"
    flagged: list[int] = Field(default_factory=list)
    since: bool = False
    unit: float = Field(0.0, ge=0)
    dates: bool = False

    @classmethod
    def fit(
        cls,
        sequences: Sequence[np.ndarray],
        columns: Sequence[str],
        gaps: Gaps = "error",
        times: Sequence[np.ndarray] | None = None,
    ) -> SeriesIn:
        """Learn the scaling from training sequences, float64 ``[T, C]`` each, and the times of their rows, [T] each."""
        mean, scale = moments(sequences, columns)
        missing = np.array([np.isnan(one).any(0) for one in sequences if len(one)]).any(0)
        told = gaps == "input"
        flagged = np.flatnonzero(missing).tolist() if told else []
        unit = usual([distances(one)[1:] for one in times]) if told and times else 0.0
        dates = bool(unit and times and times[0].dtype.kind == "M")
        columns = list(columns)
        return cls(
            columns=columns,
            mean=mean,
            scale=scale,
            gaps=gaps,
            flagged=flagged,
            since=bool(flagged),
            unit=unit,
            dates=dates,
        )

    @property
    def channels(self) -> int:
        """C, the number of columns."""
        return len(self.columns)

    @property
    def width(self) -> int:
        """Numbers a step once encoded: C, one or two for each flagged channel, and the distance of rows."""
        return len(self.columns) + (1 + self.since) * len(self.flagged) + bool(self.unit)

    @property
    def ages(self) -> list[int]:
        """The places that say how old something is: since the last value, or the row before."""
        return list(range(len(self.columns) + len(self.flagged), self.width))

    @property
    def marks(self) -> list[int]:
        """The places that say where a value is missing, and how old something is."""
        return list(range(self.channels, self.width))

    def mark_of(self, place: int) -> int | None:
        """The place that says where the channel at a place has no value; None where there is none."""
        return self.channels + self.flagged.index(place) if place in self.flagged else None

    def encode(
        self, sequence: np.ndarray, times: np.ndarray | None = None, *, fill: bool = True, exact: bool = False
    ) -> Tensor:
        """Scale ``[T, C]`` to float32 ``[T, width]``.

        Args:
            sequence: in the data's units; NaN is a gap.
            times: of the rows, ``[T]``, datetime64 or numbers; needed where rows were uneven in training.
            fill: whether gaps are filled; where windows are cut later, each has to be filled by itself, so that
                nothing behind its end is used.
            exact: keep float64, for windows of series of all sizes, which are made relative only later.
        """
        if sequence.ndim != 2 or sequence.shape[1] != self.channels:
            raise InputError(f"sequence: expected [T, {self.channels}] for {self.columns}, got {list(sequence.shape)}")
        open_ = np.isfinite(sequence) if self.gaps == "error" else ~np.isinf(sequence)
        if not open_.all():
            raise InputError("sequence: expected finite numbers, got NaN or infinity")
        made = scaled(sequence, self.mean, self.scale, self.columns, exact=exact)
        if self.flagged:
            missing = made[:, self.flagged].isnan().to(made)
            made = torch.cat([made, missing, *([torch.zeros_like(missing)] if self.since else [])], dim=1)
        if self.unit:
            made = torch.cat([made, self._distances(times, len(made))], dim=1)
        return self.fill(made) if fill else made

    def fill(self, values: Tensor) -> Tensor:
        """Fill the gaps of encoded ``(T, *, width)`` from what stands in it, along T; what nothing precedes is 0.

        The first step is as old as it says, and as far from what was before it as is usual. So a stretch that goes on
        from another is filled behind the last step of that, which is then left out.
        """
        if self.gaps == "error":
            return values
        if self.ages and len(values):
            values = self._aged(values)
        if not bool(values.isnan().any()):
            return values
        return interpolated(values) if self.gaps == "interpolate" else held(values)

    def _aged(self, values: Tensor) -> Tensor:
        """The same with the channels of :attr:`ages`.

        ::

            d_t = s_t - s_{t-1} + (d_{t-1} where the value of t - 1 is missing, else 0)
        """
        values = values.clone()
        if self.unit:
            values[0, ..., -1] = math.log(2.0)
        if not self.since:
            return values
        first, count = len(self.columns), len(self.flagged)
        flags = values[..., first : first + count]
        # In float64: the clock of a long sequence is a large number.
        passed = torch.expm1(values[..., -1:].double()) if self.unit else torch.ones_like(flags[..., :1]).double()
        clock = (passed.cumsum(0) - passed[0]).expand(flags.shape)
        begun = torch.expm1(values[0, ..., first + count : first + 2 * count].double())
        seen = torch.cat([torch.full_like(flags[:1], -1).long(), _last_seen(flags > 0)[:-1]])
        ages = clock - torch.where(seen < 0, -begun, clock.gather(0, seen.clamp(min=0)))
        values[..., first + count : first + 2 * count] = torch.log1p(ages).to(values.dtype)
        return values

    def _distances(self, times: np.ndarray | None, steps: int) -> Tensor:
        """``log(1 + distance / unit)`` of every row, float32 ``[T, 1]``."""
        wanted = "dates" if self.dates else "numbers"
        if times is None:
            raise InputError(
                "sequence: the rows that this model learnt from were not evenly spaced in time (--time), so it reads "
                "when each comes; give a file with the times, not sequences alone"
            )
        if len(times) and (times.dtype.kind == "M") != self.dates:
            raise InputError(
                f"--time: the times of training were {wanted}, and these are {'numbers' if self.dates else 'dates'}; "
                f"write them as {wanted}, in the same unit"
            )
        if len(times) != steps:
            raise InputError(f"times: expected one a row, {steps}, got {len(times)}")
        return torch.from_numpy(np.log1p(distances(times) / self.unit).astype(np.float32))[:, None]


def distances(times: np.ndarray) -> np.ndarray:
    """How far each row is from the one before, float64 ``[T]``, 0 for the first; of dates in seconds."""
    passed = np.diff(times, prepend=times[:1])
    return passed / np.timedelta64(1, "s") if times.dtype.kind == "M" else passed.astype(np.float64)


def usual(passed: Sequence[np.ndarray]) -> float:
    """The (lower) median of all distances where rows are not evenly spaced, 0 where they are.

    They are where 99 of 100 distances differ by no more than a quarter from it, so those of months are even.
    """
    every = np.concatenate([one for one in passed if len(one)] or [np.zeros(0)])
    if not len(every):
        return 0.0
    middle = float(np.sort(every)[(len(every) - 1) // 2])
    return middle if (np.abs(every - middle) > _APART * middle).mean() > _UNEVEN else 0.0


def held(values: Tensor) -> Tensor:
    """NaN replaced by the last number before it along the first dimension, or by 0 where there is none."""
    return _taken(values, _last_seen(values.isnan()))


def interpolated(values: Tensor) -> Tensor:
    """NaN replaced by the line between its neighbours along the first dimension; at the ends by the nearest number.

    ::

        x_t = x_a + (x_b - x_a) (t - a) / (b - a)         a < t < b the nearest steps that have a number
    """
    steps, gap = len(values), values.isnan()
    before = _last_seen(gap)
    after = steps - 1 - _last_seen(gap.flip(0)).flip(0)
    after = torch.where(after >= steps, before, after)
    before = torch.where(before < 0, torch.where(after < 0, before, after), before)
    left, right = _taken(values, before), _taken(values, after)
    now = torch.arange(steps, device=values.device).reshape(-1, *[1] * (values.dim() - 1))
    share = (now - before).to(values.dtype) / (after - before).clamp(min=1)
    return torch.where(gap, left + (right - left) * share.clamp(0, 1), values)


def _last_seen(gap: Tensor) -> Tensor:
    """The last step up to each that is no gap, -1 where there is none."""
    steps = torch.arange(len(gap), device=gap.device).reshape(-1, *[1] * (gap.dim() - 1))
    return torch.where(gap, -1, steps).cummax(0).values if len(gap) else steps.expand(gap.shape)


def _taken(values: Tensor, index: Tensor) -> Tensor:
    return torch.where(index < 0, values.new_zeros(()), values.gather(0, index.clamp(min=0)))


def moments(sequences: Sequence[np.ndarray], columns: Sequence[str]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of every channel over all steps with a value; a constant one gets scale 1."""
    steps = np.concatenate([s for s in sequences if len(s)])
    for name, channel in zip(columns, steps.T, strict=True):
        if np.isnan(channel).all():
            raise InputError(f"column '{name}' has no value in the training part; leave it out, or divide otherwise")
    with np.errstate(over="ignore", invalid="ignore"):
        # Without a gap the plain functions, whose sums are more exact.
        whole = not np.isnan(steps).any()
        mean, scale = (steps.mean(0), steps.std(0)) if whole else (np.nanmean(steps, 0), np.nanstd(steps, 0))
    for name, spread, channel in zip(columns, scale, steps.T, strict=True):
        if not np.isfinite(spread):
            raise InputError(
                f"column '{name}': values up to {np.nanmax(np.abs(channel)):.3g} are too large for a standard "
                "deviation; divide them by a power of ten"
            )
    # A spread that is rounding error of the values themselves is no spread.
    scale = np.where((scale > 1e-9 * np.abs(mean)) & (scale > 0), scale, 1.0)
    return mean.tolist(), scale.tolist()


def scaled(
    values: np.ndarray, mean: Sequence[float], scale: Sequence[float], columns: Sequence[str], *, exact: bool = False
) -> Tensor:
    """``(values - mean) / scale`` as float32, ``[N, C]``; values that float32 cannot compute with are an error.

    ``exact`` keeps float64.

    NaN stays NaN.
    """
    made = (values - np.asarray(mean)) / np.asarray(scale)
    far = np.argwhere(np.abs(made) >= _FARTHEST)
    if len(far):
        row, channel = far[0]
        raise InputError(
            f"column '{columns[channel]}': {values[row, channel]:.6g} lies {abs(made[row, channel]):.3g} standard "
            "deviations from what training saw, too far to compute with; check the value and its unit"
        )
    return torch.from_numpy(made if exact else made.astype(np.float32))
