"""Numeric series as input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from elman.core.errors import InputError
from elman.model.kinds.schema import Schema

__all__ = ["SeriesIn", "moments", "scaled"]

_FARTHEST = 1e15
"""Standard deviations from training's mean beyond which float32 cannot compute a variance of a window."""


class SeriesIn(Schema):
    """Channels scaled by the training data's mean and standard deviation.

    Attributes:
        columns: the channels' names, C of them.
        mean: of each channel over all training steps, in the data's units.
        scale: standard deviation of each channel, 1 where a channel is constant.
    """

    kind: Literal["series"] = "series"
    columns: list[str]
    mean: list[float]
    scale: list[float]

    @classmethod
    def fit(cls, sequences: Sequence[np.ndarray], columns: Sequence[str]) -> SeriesIn:
        """Learn the scaling from training sequences, float64 ``[T, C]`` each."""
        mean, scale = moments(sequences, columns)
        return cls(columns=list(columns), mean=mean, scale=scale)

    @property
    def width(self) -> int:
        """C, the number of channels."""
        return len(self.columns)

    def encode(self, sequence: np.ndarray) -> Tensor:
        """Scale ``[T, C]`` to float32 ``[T, C]``."""
        if sequence.ndim != 2 or sequence.shape[1] != self.width:
            raise InputError(f"sequence: expected [T, {self.width}] for {self.columns}, got {list(sequence.shape)}")
        if not np.isfinite(sequence).all():
            raise InputError("sequence: expected finite numbers, got NaN or infinity")
        return scaled(sequence, self.mean, self.scale, self.columns)


def moments(sequences: Sequence[np.ndarray], columns: Sequence[str]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of every channel over all steps; a constant channel gets scale 1."""
    steps = np.concatenate([s for s in sequences if len(s)])
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = steps.mean(0), steps.std(0)
    for name, spread, channel in zip(columns, scale, steps.T, strict=True):
        if not np.isfinite(spread):
            raise InputError(
                f"column '{name}': values up to {np.abs(channel).max():.3g} are too large for a standard deviation; "
                "divide them by a power of ten"
            )
    # A spread that is rounding error of the values themselves is no spread.
    scale = np.where(scale > 1e-9 * np.maximum(1.0, np.abs(mean)), scale, 1.0)
    return mean.tolist(), scale.tolist()


def scaled(values: np.ndarray, mean: Sequence[float], scale: Sequence[float], columns: Sequence[str]) -> Tensor:
    """``(values - mean) / scale`` as float32, ``[N, C]``; values that float32 cannot compute with are an error."""
    made = (values - np.asarray(mean)) / np.asarray(scale)
    far = np.argwhere(~(np.abs(made) < _FARTHEST))
    if len(far):
        row, channel = far[0]
        raise InputError(
            f"column '{columns[channel]}': {values[row, channel]:.6g} lies {abs(made[row, channel]):.3g} standard "
            "deviations from what training saw, too far to compute with; check the value and its unit"
        )
    return torch.from_numpy(made.astype(np.float32))
