"""Numeric series as input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from elman.core.errors import InputError
from elman.model.kinds.schema import Schema

__all__ = ["SeriesIn", "moments"]


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
        mean, scale = moments(sequences)
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
        return torch.from_numpy(((sequence - self.mean) / self.scale).astype(np.float32))


def moments(sequences: Sequence[np.ndarray]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of every channel over all steps; a constant channel gets scale 1."""
    steps = np.concatenate([s for s in sequences if len(s)])
    mean, scale = steps.mean(0), steps.std(0)
    # A spread that is rounding error of the values themselves is no spread.
    scale = np.where(scale > 1e-9 * np.maximum(1.0, np.abs(mean)), scale, 1.0)
    return mean.tolist(), scale.tolist()
