"""What the training loop goes through: data as they are, in batches of like size, or long sequences piece by piece."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from elman.core.errors import InputError
from elman.core.ragged import Ragged
from elman.data.batch import Batches, ExampleSet, PieceSet, StreamSet, TokenBatches
from elman.data.sequences import Sequences
from elman.model.shapes import Batch, Window, windows

__all__ = ["TruncatedSet", "in_batches", "longest"]


class TruncatedSet(Batches):
    """Long sequences with an answer a step, for truncated backpropagation through time.

    Sequences of like length go through time side by side, one window after the other (see
    :func:`~elman.model.shapes.windows`), and their states are carried on; where one has ended its row is empty. An
    epoch sorts them by length, in random order where lengths are equal, cuts them into batches, and shuffles these. So
    it has the same number of batches every time, in an order that is a function of (seed, epoch) alone.

    Args:
        whole: the sequences.
        every: k1, steps whose loss counts in an update.
        reach: k2, steps that gradients go back, at least k1.
    """

    carries = True

    def __init__(self, whole: ExampleSet, every: int, reach: int) -> None:
        if isinstance(whole.targets, torch.Tensor):
            raise TypeError("sequences with one answer each cannot be truncated")
        self.whole, self.every, self.reach = whole, every, reach
        self._targets, self._lengths = whole.targets, whole.inputs.lengths

    def __len__(self) -> int:
        return len(self.whole)

    def count(self, size: int) -> int:
        ordered = np.sort(self._lengths)
        return sum(-(-int(ordered[start : start + size][-1]) // self.every) for start in range(0, len(self), size))

    def epoch(self, size: int, seed: int, epoch: int, first: int = 0) -> Iterator[Batch]:
        random = np.random.default_rng((seed, epoch))
        order = random.permutation(len(self))
        order = order[np.argsort(self._lengths[order], kind="stable")]
        starts = np.arange(0, len(order), size)
        for start in random.permutation(starts):
            index = order[start : start + size]
            for part in windows(int(self._lengths[index].max()), self.every, self.reach):
                if first:
                    first -= 1
                else:
                    yield self._batch(index, part)

    def in_order(self, size: int) -> Iterator[Batch]:
        # Nothing is cut off where nothing is learnt.
        return self.whole.in_order(size)

    def _batch(self, index: np.ndarray, part: Window) -> Batch:
        begin, start, fresh, stop, _ = part
        whole = self.whole
        lead = _rows(whole.inputs.between(begin, start), index) if start > begin else None
        rows = _rows(whole.inputs.between(start, stop), index)
        score = rows.mask & (torch.arange(start, stop) >= fresh)[:, None]
        if whole.scores is not None:
            score &= whole.scores.between(start, stop).padded(index)
        target = self._targets.between(start, stop).padded(index)
        return Batch(rows, target, score, goes_on=begin > 0, lead=lead, window=part, numbers=index)


def _rows(sequences: Sequences, index: np.ndarray) -> Ragged:
    return Ragged(sequences.padded(index), torch.from_numpy(sequences.lengths[index]))


def in_batches(data: Batches, tokens: int | None, truncate: tuple[int, int] | None = None) -> Batches:
    """The data as training goes through them.

    Args:
        data: as they are, which is how they are gone through where nothing else is said.
        tokens: steps a batch, for examples, which differ in length.
        truncate: (k1, k2), for examples with an answer a step, and streams.
    """
    if truncate is not None:
        every, reach = truncate
        if isinstance(data, StreamSet):
            return StreamSet(data.inputs, data.targets, every, reach)
        return TruncatedSet(_whole(data), every, reach)
    if tokens is None:
        return data
    if not isinstance(data, ExampleSet):
        raise InputError(
            "--batch-tokens: windows and streams are of one length; leave it out, and say --batch ROWS in its place"
        )
    return TokenBatches(data, tokens)


def longest(data: Batches, size: int) -> int:
    """The steps of the longest sequence that training can go through; of ``size`` parallel streams, of each."""
    if isinstance(data, StreamSet):
        return data.length(size)
    return max(1, int(_whole(data).inputs.lengths.max(initial=0)))


def _whole(data: Batches) -> ExampleSet:
    whole = data.whole if isinstance(data, PieceSet) else data
    if not isinstance(whole, ExampleSet) or isinstance(whole.targets, torch.Tensor):
        raise TypeError(f"only sequences with an answer a step can be truncated, not {type(data).__name__}")
    return whole
