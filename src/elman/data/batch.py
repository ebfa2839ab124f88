"""Encoded data in batches. The order of an epoch is a function of (seed, epoch) and of nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from elman.core.ragged import Ragged
from elman.data.sequences import Sequences
from elman.data.whence import Whence
from elman.model.shapes import Batch, windows

__all__ = ["Batches", "ExampleSet", "PieceSet", "StreamSet", "TokenBatches", "WindowSet", "naive_errors"]


Steps = Sequence[Tensor] | Sequences


class Batches(ABC):
    """Data that can be gone through, shuffled for training or in order for evaluation."""

    carries = False
    """Whether batches go on from each other, so that the state has to be handed on."""

    whence: Whence | None = None
    """Where its sequences come from, where that is known."""

    @abstractmethod
    def epoch(self, size: int, seed: int, epoch: int, first: int = 0) -> Iterator[Batch]:
        """One pass in the order that (seed, epoch) gives, ``size`` rows at a time, from batch ``first`` on.

        The batches left out are not made, so a training that was broken off goes on at once.
        """

    @abstractmethod
    def in_order(self, size: int) -> Iterator[Batch]:
        """One pass in the data's own order."""

    @abstractmethod
    def count(self, size: int) -> int:
        """The number of batches in an epoch."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of examples, windows or steps."""


class ExampleSet(Batches):
    """Separate sequences, each with one target or one a step.

    Args:
        inputs: encoded, ``[T_i, *]`` each.
        targets: ``(N, *)``, or a list of ``[T_i, *]`` for one target a step.
        scores: which steps count, bool ``[T_i]`` each; None means all.
    """

    def __init__(
        self,
        inputs: Steps,
        targets: Tensor | Steps,
        scores: Steps | None = None,
    ) -> None:
        self.inputs = _at_one_place(inputs)
        self.targets = targets if isinstance(targets, Tensor) else _at_one_place(targets)
        self.scores = None if scores is None else _at_one_place(scores)

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def counted(self) -> np.ndarray:
        """Scored steps of each sequence, ``[N]``, where there is a target a step."""
        return self.inputs.lengths if self.scores is None else np.array([int(one.sum()) for one in self.scores])

    def count(self, size: int) -> int:
        return -(-len(self) // size)

    def epoch(self, size: int, seed: int, epoch: int, first: int = 0) -> Iterator[Batch]:
        random = np.random.default_rng((seed, epoch))
        order = random.permutation(len(self))
        # Rows of like length go together: sort within pools of 20 batches, then shuffle the batches.
        lengths = self.inputs.lengths
        pools = [order[k : k + 20 * size] for k in range(0, len(order), 20 * size)]
        order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
        starts = np.arange(0, len(order), size)
        for start in random.permutation(starts)[first:]:
            yield self.batch(order[start : start + size])

    def in_order(self, size: int) -> Iterator[Batch]:
        for start in range(0, len(self), size):
            yield self.batch(np.arange(start, min(start + size, len(self))))

    def batch(self, index: np.ndarray) -> Batch:
        """The examples of an index as one batch."""
        rows = Ragged(self.inputs.padded(index), torch.from_numpy(self.inputs.lengths[index]))
        if isinstance(self.targets, Tensor):
            return Batch(rows, self.targets[torch.from_numpy(index)], numbers=index)
        score = None if self.scores is None else self.scores.padded(index)
        return Batch(rows, self.targets.padded(index), score, numbers=index)


def _at_one_place(sequences: Steps) -> Sequences:
    return sequences if isinstance(sequences, Sequences) else Sequences.of(sequences)


class PieceSet(ExampleSet):
    """Pieces of long sequences, for training: each begins anew, and they come in any order.

    Where their states are to be carried on, :class:`~elman.data.truncate.TruncatedSet` takes the whole sequences.

    Args:
        whole: the sequences; kept as :attr:`whole`.
        size: steps of a piece at the most.
    """

    def __init__(self, whole: ExampleSet, size: int) -> None:
        self.whole = whole
        if isinstance(whole.targets, Tensor):
            raise TypeError("sequences with one answer each cannot be cut")
        scores = None if whole.scores is None else whole.scores.cut(size)
        super().__init__(whole.inputs.cut(size), whole.targets.cut(size), scores)


class TokenBatches(Batches):
    """Examples in batches of like size in steps, not in rows: many short ones, or few long ones.

    An epoch sorts the examples by length, in random order where lengths are equal, cuts them into batches, and shuffles
    these. So a batch has next to no pads, an epoch always has the same number of batches, and its order is a function
    of (seed, epoch) alone.

    Args:
        examples: the data.
        tokens: rows times the longest of them, at the most; an example that is longer is a batch of its own.
    """

    def __init__(self, examples: ExampleSet, tokens: int) -> None:
        self.examples, self.tokens = examples, tokens
        self._lengths = np.maximum(1, examples.inputs.lengths)
        self._starts = self._cut(np.sort(self._lengths))

    def __len__(self) -> int:
        return len(self.examples)

    def count(self, size: int) -> int:
        return len(self._starts)

    def epoch(self, size: int, seed: int, epoch: int, first: int = 0) -> Iterator[Batch]:
        random = np.random.default_rng((seed, epoch))
        order = random.permutation(len(self))
        order = order[np.argsort(self._lengths[order], kind="stable")]
        batches = np.split(order, self._starts[1:])
        for k in random.permutation(len(batches))[first:]:
            yield self.examples.batch(batches[k])

    def in_order(self, size: int) -> Iterator[Batch]:
        for index in np.split(np.arange(len(self)), self._cut(self._lengths)[1:]):
            yield self.examples.batch(index)

    def _cut(self, lengths: np.ndarray) -> list[int]:
        """Where batches start."""
        starts, longest = [0], 0
        for k, length in enumerate(lengths.tolist()):
            longest = max(longest, length)
            if k > starts[-1] and (k + 1 - starts[-1]) * longest > self.tokens:
                starts.append(k)
                longest = length
        return starts


class WindowSet(Batches):
    """Windows of long series: L steps of history, H steps to forecast.

    Where something is known ahead, H steps stand behind the history in which that alone stands, all else being 0.

    Args:
        inputs: encoded series, ``[T_i, D]`` each; gaps are NaN.
        targets: the columns to forecast, encoded, ``[T_i, C]`` each.
        ranges: first and last step (exclusive) that may be forecast, one pair a series; history may reach
            back before it.
        lookback: L.
        horizon: H.
        names: of the series, for people.
        ahead: the places of D that are known ahead.
        fill: closes the gaps of histories ``(L, B, D)``, from what stands in each.

    Attributes:
        season: steps after which the series come round, 1 for none.
        naive: what their seasonal-naive forecast of one step errs by, ``[series, C]`` (see :func:`naive_errors`).
    """

    season = 1

    def __init__(
        self,
        inputs: Sequence[Tensor],
        targets: Sequence[Tensor],
        ranges: Sequence[tuple[int, int]],
        lookback: int,
        horizon: int,
        names: Sequence[str] = (),
        *,
        ahead: Sequence[int] = (),
        fill: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.lookback, self.horizon, self.ahead, self._fill = lookback, horizon, list(ahead), fill
        lengths = [len(series) for series in inputs]
        self._offsets = offsets = np.cumsum([0, *lengths[:-1]])
        self.inputs, self.targets = torch.cat(list(inputs)), torch.cat(list(targets))
        starts = [
            np.arange(max(first, self.lookback), last - self.horizon + 1) + offset
            for (first, last), offset in zip(ranges, offsets, strict=True)
        ]
        self.starts = np.concatenate(starts) if starts else np.zeros(0, dtype=np.int64)
        filled = [name for name, one in zip(names, starts, strict=False) if len(one)]
        self.last_name = filled[-1] if filled else ""
        self.naive = np.full((len(inputs), self.targets.shape[1]), np.nan)

    def place(self, window: int) -> tuple[int, int]:
        """The series of a window, and how many of its steps lie before what is forecast."""
        start = int(self.starts[window])
        series = int(np.searchsorted(self._offsets, start, side="right")) - 1
        return series, start - int(self._offsets[series])

    @property
    def known(self) -> int:
        """The windows of which some value came."""
        rows = (~self.targets.isnan()).any(1).numpy()
        before = np.concatenate([[0], np.cumsum(rows)])
        return int((before[self.starts + self.horizon] > before[self.starts]).sum())

    def errors(self) -> np.ndarray:
        """:attr:`naive` of the series of every window, ``[N, C]``."""
        series = np.searchsorted(self._offsets, self.starts, side="right") - 1
        found: np.ndarray = self.naive[series]
        return found

    def __len__(self) -> int:
        return len(self.starts)

    def count(self, size: int) -> int:
        return -(-len(self) // size)

    def epoch(self, size: int, seed: int, epoch: int, first: int = 0) -> Iterator[Batch]:
        order = np.random.default_rng((seed, epoch)).permutation(len(self))
        for start in range(first * size, len(order), size):
            yield self._batch(self.starts[order[start : start + size]])

    def in_order(self, size: int) -> Iterator[Batch]:
        for start in range(0, len(self), size):
            yield self._batch(self.starts[start : start + size])

    def latest(self) -> Iterator[Batch]:
        """The windows of the series that the last one is of, from that backwards, one at a time."""
        for k in range(len(self) - 1, -1, -1):
            if self.place(k)[0] != self.place(len(self) - 1)[0]:
                return
            yield self._batch(self.starts[k : k + 1])

    def _batch(self, starts: np.ndarray) -> Batch:
        first = torch.from_numpy(starts)
        history = self.inputs[torch.arange(-self.lookback, 0)[:, None] + first]
        if self._fill is not None:
            history = self._fill(history)
        if self.ahead:
            known = self.inputs[torch.arange(self.horizon)[:, None] + first][..., self.ahead]
            behind = known.new_zeros(self.horizon, len(starts), self.inputs.shape[1])
            behind[..., self.ahead] = known
            history = torch.cat([history, behind])
        return Batch(Ragged(history), self.targets[first[:, None] + torch.arange(self.horizon)])


def naive_errors(targets: Tensor, steps: int, season: int) -> np.ndarray:
    """What ``y_t = y_{t - season}`` errs by on the first steps, ``[C]``: mean |y_t - y_{t - season}|.

    NaN where nothing can be told, of less than two seasons, or where it never errs.
    """
    given = targets[:steps].double().numpy()
    if len(given) < 2 * season:
        return np.full(targets.shape[1], np.nan)
    apart = np.abs(given[season:] - given[:-season])
    known = (~np.isnan(apart)).sum(0)
    found = np.nansum(apart, axis=0) / np.maximum(1, known)
    errs: np.ndarray = np.where((known > 0) & (found > 1e-15), found, np.nan)
    return errs


class StreamSet(Batches):
    """One long sequence, cut into parallel streams that go on from batch to batch.

    Args:
        inputs: ``[T, *]``, encoded.
        targets: ``[T, *]``, one a step.
        chunk: steps a batch, whose loss counts.
        reach: steps that gradients go back, at least ``chunk``; None for these alone.
    """

    carries = True

    def __init__(self, inputs: Tensor, targets: Tensor, chunk: int, reach: int | None = None) -> None:
        self.inputs, self.targets, self.chunk, self.reach = inputs, targets, chunk, reach or chunk

    def __len__(self) -> int:
        return len(self.inputs)

    def length(self, size: int) -> int:
        """The steps of each stream, where there are ``size`` of them."""
        return len(self) // min(size, len(self))

    def count(self, size: int) -> int:
        return -(-self.length(size) // self.chunk)

    def epoch(self, size: int, seed: int, epoch: int, first: int = 0) -> Iterator[Batch]:
        # Streams begin at another place every epoch, so that their seams do not stand still.
        rows = min(size, len(self))
        shift = int(np.random.default_rng((seed, epoch)).integers(len(self)))
        turned = [torch.roll(part, -shift, 0) for part in (self.inputs, self.targets)]
        yield from self._streams(turned[0], turned[1], rows, self.reach, first)

    def in_order(self, size: int) -> Iterator[Batch]:
        # One stream: its state is the whole past, as when the model runs.
        yield from self._streams(self.inputs, self.targets, 1, self.chunk)

    def _streams(self, inputs: Tensor, targets: Tensor, rows: int, reach: int, first: int = 0) -> Iterator[Batch]:
        length = self.length(rows)
        x, y = (p[: rows * length].unflatten(0, (rows, length)).transpose(0, 1) for p in (inputs, targets))
        for part in islice(windows(length, self.chunk, reach), first, None):
            begin, start, fresh, stop, _ = part
            lead = Ragged(x[begin:start].contiguous()) if start > begin else None
            score = (torch.arange(start, stop) >= fresh)[:, None].expand(-1, rows) if fresh > start else None
            own, target = Ragged(x[start:stop].contiguous()), y[start:stop].contiguous()
            yield Batch(own, target, score, goes_on=begin > 0, lead=lead, window=part)
