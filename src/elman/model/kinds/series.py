"""Numeric series as input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from elman.core.errors import InputError
from elman.model.kinds.schema import Schema

__all__ = ["Gaps", "SeriesIn", "held", "interpolated", "moments", "scaled"]

Gaps = Literal["error", "input", "interpolate"]
"""What a missing value is."""

_FARTHEST = 1e15
"""Standard deviations from training's mean beyond which float32 cannot compute a variance of a window."""


class SeriesIn(Schema):
    """Channels scaled by the training data's mean and standard deviation.

    Attributes:
        columns: the channels' names, C of them.
        mean: of each channel over all training steps that have a value, in the data's units.
        scale: standard deviation of each channel, 1 where a channel is constant.
        gaps: what a missing value (NaN) is: an ``error``; an ``input`` of its own (the last value is held, and a
            channel beside says where); or to be put on the line between its neighbours (``interpolate``).
        flagged: the channels that have such a channel beside them, which is 1 where a value is missing.
    """

    kind: Literal["series"] = "series"
    columns: list[str]
    mean: list[float]
    scale: list[float]
    gaps: Gaps = "error"
    flagged: list[int] = Field(default_factory=list)

    @classmethod
    def fit(cls, sequences: Sequence[np.ndarray], columns: Sequence[str], gaps: Gaps = "error") -> SeriesIn:
        """Learn the scaling from training sequences, float64 ``[T, C]`` each."""
        mean, scale = moments(sequences, columns)
        missing = np.array([np.isnan(one).any(0) for one in sequences if len(one)]).any(0)
        flagged = np.flatnonzero(missing).tolist() if gaps == "input" else []
        return cls(columns=list(columns), mean=mean, scale=scale, gaps=gaps, flagged=flagged)

    @property
    def channels(self) -> int:
        """C, the number of columns."""
        return len(self.columns)

    @property
    def width(self) -> int:
        """Numbers a step once encoded: C and one for each flagged channel."""
        return len(self.columns) + len(self.flagged)

    @property
    def marks(self) -> list[int]:
        """The places that say where a value is missing."""
        return list(range(self.channels, self.width))

    def encode(self, sequence: np.ndarray, *, fill: bool = True) -> Tensor:
        """Scale ``[T, C]`` to float32 ``[T, width]``.

        Args:
            sequence: in the data's units; NaN is a gap.
            fill: whether gaps are filled; where windows are cut later, each has to be filled by itself, so that
                nothing behind its end is used.
        """
        if sequence.ndim != 2 or sequence.shape[1] != self.channels:
            raise InputError(f"sequence: expected [T, {self.channels}] for {self.columns}, got {list(sequence.shape)}")
        open_ = np.isfinite(sequence) if self.gaps == "error" else ~np.isinf(sequence)
        if not open_.all():
            raise InputError("sequence: expected finite numbers, got NaN or infinity")
        made = scaled(sequence, self.mean, self.scale, self.columns)
        if self.flagged:
            made = torch.cat([made, made[:, self.flagged].isnan().float()], dim=1)
        return self.fill(made) if fill else made

    def fill(self, values: Tensor) -> Tensor:
        """Fill the gaps of encoded ``(T, *, width)`` from what stands in it, along T; what nothing precedes is 0."""
        if self.gaps == "error" or not bool(values.isnan().any()):
            return values
        return interpolated(values) if self.gaps == "interpolate" else held(values)


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
    scale = np.where(scale > 1e-9 * np.maximum(1.0, np.abs(mean)), scale, 1.0)
    return mean.tolist(), scale.tolist()


def scaled(values: np.ndarray, mean: Sequence[float], scale: Sequence[float], columns: Sequence[str]) -> Tensor:
    """``(values - mean) / scale`` as float32, ``[N, C]``; values that float32 cannot compute with are an error.

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
    return torch.from_numpy(made.astype(np.float32))
