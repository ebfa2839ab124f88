"""Batches of sequences of different lengths: padded values and the true lengths, together.

A :class:`Ragged` is a value. It is never sorted, its lengths may stand in any order and may be zero, and
nothing ever reads what lies behind a row's end. This file knows nothing of cells or engines.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from elman.core.errors import InputError

__all__ = ["Lengths", "Ragged"]

Lengths = Tensor | Sequence[int] | None


class Ragged:
    """Sequences of different lengths as one time-major tensor.

    Args:
        values: ``(T, B, *)``, any dtype. Row ``b`` is real in its first ``lengths[b]`` steps; what stands
            behind (NaN included) has no influence on anything.
        lengths: ``(B,)`` whole numbers from 0 to T, as a list or as an integer tensor on any device; ``None``
            means that every row is T steps long.

    Raises:
        InputError: wrong number of dimensions, wrong dtype, or lengths that do not fit.

    Memory: the values and ``8 B`` bytes a row for the lengths (twice, where the values are on another device).
    """

    __slots__ = ("_full", "_lengths", "_on_host", "values")

    values: Tensor
    _lengths: Tensor | None  # None: all rows are full, and nobody has asked for a tensor that says so
    _on_host: Tensor | None

    def __init__(self, values: Tensor, lengths: Lengths = None) -> None:
        if not isinstance(values, Tensor) or values.dim() < 2:
            came = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
            raise InputError(f"values: expected a tensor (T, B, ...), got {came}; use Ragged.from_list for a list")
        self.values = values
        self._lengths = self._on_host = None
        self._full = lengths is None
        if lengths is None:
            return
        steps, batch = values.shape[:2]
        host = self._on_host = _host_lengths(lengths, steps, batch)
        # A compiler sees no values: what comes with lengths may have pads for all it knows.
        self._full = not (torch.compiler.is_compiling() or (batch and int(host.min()) < steps))
        if isinstance(lengths, Tensor) and lengths.device == values.device and values.device.type != "cpu":
            self._lengths = lengths.detach().to(torch.int64, copy=True)
        else:
            self._lengths = host.to(values.device)

    @classmethod
    def _trusted(cls, values: Tensor, lengths: Tensor, host: Tensor) -> Ragged:
        """Join parts that are known to fit, without looking at them again."""
        new = object.__new__(cls)
        new.values, new._lengths, new._on_host = values, lengths, host
        new._full = len(host) == 0 or int(host.min()) == len(values)
        return new

    # Shape ---------------------------------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """T, the number of steps of the padded tensor."""
        return self.values.shape[0]

    @property
    def batch(self) -> int:
        """B, the number of rows."""
        return self.values.shape[1]

    @property
    def lengths(self) -> Tensor:
        """The lengths, ``(B,)`` int64, on the device of the values."""
        if self._lengths is None:
            self._lengths = self.host_lengths.to(self.values.device)
        return self._lengths

    @property
    def host_lengths(self) -> Tensor:
        """The lengths on the CPU, ``(B,)`` int64; no copy from the device is made again."""
        if self._on_host is None:
            self._on_host = torch.full((self.batch,), self.steps, dtype=torch.int64, device="cpu")
        return self._on_host

    @property
    def full(self) -> bool:
        """Whether every row is T steps long, so that there is no pad at all."""
        return self._full

    @property
    def mask(self) -> Tensor:
        """``(T, B)`` bool: true where a step is real."""
        return torch.arange(self.steps, device=self.values.device)[:, None] < self.lengths

    def __repr__(self) -> str:
        shape = tuple(self.values.shape)
        if not self.batch:
            return f"Ragged{shape}, no rows"
        low, high = int(self.host_lengths.min()), int(self.host_lengths.max())
        real = 100 * int(self.host_lengths.sum()) / max(1, self.steps * self.batch)
        return f"Ragged{shape}, lengths {low}..{high}, {real:.0f} % real"

    # New from old --------------------------------------------------------------------------------------

    def with_values(self, values: Tensor) -> Ragged:
        """The same rows with other values ``(T, B, *)``; only the trailing dimensions may differ."""
        if values.shape[:2] != self.values.shape[:2]:
            expected = f"({self.steps}, {self.batch}, ...)"
            raise InputError(f"values: expected {expected}, got {tuple(values.shape)}")
        new = object.__new__(Ragged)
        new.values, new._lengths, new._on_host, new._full = values, self._lengths, self._on_host, self._full
        return new

    def map(self, function: Callable[[Tensor], Tensor]) -> Ragged:
        """Apply a function of ``(T, B, *)`` that mixes neither steps nor rows."""
        return self.with_values(function(self.values))

    def clean(self) -> Ragged:
        """The same rows with every pad exactly zero (and no gradient through it)."""
        if self.full:
            return self
        mask = self.mask.reshape(self.steps, self.batch, *[1] * (self.values.dim() - 2))
        return self.with_values(torch.where(mask, self.values, self.values.new_zeros(())))

    def reverse(self) -> Ragged:
        """Every row read backwards within its own length; pads stay where they are."""
        steps = torch.arange(self.steps, device=self.values.device)[:, None]
        index = torch.where(steps < self.lengths, self.lengths - 1 - steps, steps)
        return self.with_values(self.values[index, torch.arange(self.batch, device=self.values.device)])

    def slice_time(self, start: int, stop: int) -> Ragged:
        """Steps ``start`` to ``stop`` of every row; rows that ended before have length zero."""
        if start < 0 or stop < start:
            raise InputError(f"start, stop: expected 0 <= start <= stop, got {start} and {stop}")
        values = self.values[start:stop]
        size = len(values)
        return Ragged._trusted(
            values,
            (self.lengths - start).clamp(0, size),
            (self.host_lengths - start).clamp(0, size),
        )

    def rows(self, index: Tensor) -> Ragged:
        """The rows named by an integer index, in its order."""
        return Ragged._trusted(
            self.values[:, index.to(self.values.device)],
            self.lengths[index.to(self.lengths.device)],
            self.host_lengths[index.cpu()],
        )

    # Lists ---------------------------------------------------------------------------------------------

    @classmethod
    def from_list(cls, sequences: Sequence[Tensor]) -> Ragged:
        """Join tensors ``(T_i, *)`` of one trailing shape; pads are zero."""
        if not sequences:
            raise InputError("sequences: expected at least one tensor (T, ...), got an empty list")
        if not all(isinstance(s, Tensor) and s.dim() > 0 for s in sequences):
            raise InputError("sequences: expected tensors (T, ...); make them with torch.tensor(...) first")
        tails = {(tuple(s.shape[1:]), s.dtype, s.device) for s in sequences}
        if len(tails) != 1:
            came = ", ".join(sorted(f"{tuple(s.shape)} {s.dtype}" for s in sequences[:4]))
            raise InputError(f"sequences: expected tensors (T, ...) alike but for T, got {came}, ...")
        values = torch.nn.utils.rnn.pad_sequence(list(sequences))
        return cls(values, [len(s) for s in sequences])

    def to_list(self) -> list[Tensor]:
        """The rows as tensors ``(T_i, *)``, without pads."""
        return [self.values[:n, b] for b, n in enumerate(self.host_lengths.tolist())]

    # PackedSequence ------------------------------------------------------------------------------------

    @classmethod
    def from_packed(cls, packed: PackedSequence) -> Ragged:
        """Read a PackedSequence, with the rows in the order of the caller's batch (as torch unsorts them)."""
        values, lengths = torch.nn.utils.rnn.pad_packed_sequence(packed)
        return cls(values, lengths)

    def to_packed(self, like: PackedSequence | None = None) -> PackedSequence:
        """Write a PackedSequence; torch's format has no rows of length zero.

        Args:
            like: a PackedSequence of the same lengths whose order is to be kept.
        """
        if self.batch == 0 or int(self.host_lengths.min()) < 1:
            raise InputError("a PackedSequence cannot hold rows of length 0; stay with Ragged, which can")
        if like is None:
            return torch.nn.utils.rnn.pack_padded_sequence(self.values, self.host_lengths, enforce_sorted=False)
        order = like.sorted_indices
        values = self.values if order is None else self.values[:, order]
        sizes = like.batch_sizes.to(values.device)
        real = torch.arange(self.batch, device=values.device) < sizes[:, None]
        return PackedSequence(values[: len(sizes)][real], like.batch_sizes, order, like.unsorted_indices)

    # Nested tensors ------------------------------------------------------------------------------------

    @classmethod
    def from_nested(cls, nested: Tensor) -> Ragged:
        """Read a jagged nested tensor ``(B, j, *)``."""
        if not nested.is_nested or nested.layout != torch.jagged:
            raise InputError("nested: expected torch.nested.nested_tensor(..., layout=torch.jagged)")
        return cls.from_list(list(nested.unbind()))

    def to_nested(self) -> Tensor:
        """Write a jagged nested tensor ``(B, j, *)``."""
        return torch.nested.as_nested_tensor(self.to_list(), layout=torch.jagged)


def _host_lengths(lengths: Tensor | Sequence[int], steps: int, batch: int) -> Tensor:
    if isinstance(lengths, Tensor):
        if lengths.shape != (batch,):
            raise InputError(f"lengths: expected one a row, shape ({batch},), got {tuple(lengths.shape)}")
        if lengths.dtype.is_floating_point or lengths.dtype.is_complex or lengths.dtype == torch.bool:
            raise InputError(f"lengths: expected whole numbers, got dtype {lengths.dtype}; use lengths.long()")
        # A copy: writing into the caller's tensor afterwards must not change what has been checked here.
        host = lengths.detach().to("cpu", torch.int64, copy=True)
        if torch.compiler.is_compiling():
            return host  # no values to look at; the native operator checks them when it runs
        if batch:
            _check_range(int(host.min()), int(host.max()), steps)
        return host
    numbers = _whole_numbers(lengths)
    if len(numbers) != batch:
        raise InputError(f"lengths: expected one a row, shape ({batch},), got ({len(numbers)},)")
    if batch:
        _check_range(min(numbers), max(numbers), steps)
    return torch.tensor(numbers, dtype=torch.int64, device="cpu")  # the default device may be another one


def _check_range(low: int, high: int, steps: int) -> None:
    if low < 0 or high > steps:
        raise InputError(f"lengths: expected values from 0 to T={steps}, got {low}..{high}")


def _whole_numbers(lengths: Sequence[int]) -> list[int]:
    if not isinstance(lengths, (Sequence, np.ndarray)):  # a generator, a dict, a set
        raise InputError(f"lengths: expected a list or tensor of whole numbers, got {type(lengths).__name__}")
    if any(isinstance(n, bool) for n in lengths):
        raise InputError(f"lengths: expected whole numbers, got {list(lengths)[:5]}")
    try:
        return [operator.index(n) for n in lengths]
    except TypeError:
        raise InputError(f"lengths: expected whole numbers, got {list(lengths)[:5]}") from None
