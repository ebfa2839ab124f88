"""Sequences of different lengths end to end in one tensor, so that a padded batch of any of them is one gather."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["Sequences"]


class Sequences:
    """Tensors ``[T_i, *]`` alike but for their lengths.

    Args:
        values: all steps one after the other, and behind them one step of zeros, ``(sum T_i + 1, *)``.
        starts: where each sequence begins. lengths: T_i.
    """

    def __init__(self, values: Tensor, starts: np.ndarray, lengths: np.ndarray) -> None:
        self.values, self.starts, self.lengths = values, starts, lengths

    @classmethod
    def of(cls, sequences: Sequence[Tensor]) -> Sequences:
        """Copy tensors to one place."""
        lengths = np.array([len(one) for one in sequences], dtype=np.int64)
        zero = sequences[0].new_zeros(1, *sequences[0].shape[1:]) if len(sequences) else torch.zeros(1)
        return cls(torch.cat([*sequences, zero]), np.cumsum(lengths) - lengths, lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, k: int) -> Tensor:
        """One sequence, ``(T_k, *)``, without a copy."""
        start = int(self.starts[k])
        return self.values[start : start + int(self.lengths[k])]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[k] for k in range(len(self)))

    def padded(self, index: np.ndarray) -> Tensor:
        """Some of them side by side, ``(T, B, *)``, zero behind their ends."""
        lengths = self.lengths[index]
        steps = np.arange(lengths.max(initial=0))[:, None]
        places = np.where(steps < lengths, self.starts[index] + steps, len(self.values) - 1)
        flat = self.values.index_select(0, torch.from_numpy(places.reshape(-1)))
        return flat.view(*places.shape, *flat.shape[1:])

    def between(self, start: int, stop: int) -> Sequences:
        """Their steps ``start`` to ``stop`` (exclusive), fewer or none where a sequence has ended; without a copy."""
        lengths = np.clip(self.lengths - start, 0, stop - start)
        return Sequences(self.values, self.starts + np.minimum(start, self.lengths), lengths)

    def cut(self, size: int) -> Sequences:
        """Pieces of ``size`` steps at the most, in order, without a copy."""
        counts = np.maximum(1, -(-self.lengths // size))
        owner = np.repeat(np.arange(len(self)), counts)
        offset = size * (np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts))
        return Sequences(self.values, self.starts[owner] + offset, np.minimum(size, self.lengths[owner] - offset))
