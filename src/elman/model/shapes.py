"""How the two sides are joined: one answer a sequence, one a step, or a stretch of the future."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from elman.core.ragged import Ragged
from elman.model.grammar import ONE_ANSWER

__all__ = ["Batch", "Window", "shape_of", "windows"]


class Window(NamedTuple):
    """Where one update stands in long sequences, counted in steps from their beginning.

    Attributes:
        begin: where the state that is carried stands.
        start: from where on gradients flow; the state is brought there without any.
        fresh: the first step whose loss counts.
        stop: behind the last one.
        again: whether the next window reaches back into this one, so that the state to carry is that at ``start`` and
            not that at ``stop``.
    """

    begin: int
    start: int
    fresh: int
    stop: int
    again: bool


def windows(length: int, every: int, reach: int) -> Iterator[Window]:
    """Truncated backpropagation through time as BPTT(k2; k1) (Williams & Peng 1990): the windows of a sequence.

    ::

        update n:  loss of the steps n k1 .. (n + 1) k1,  gradient from step max(0, (n + 1) k1 - k2) on

    Args:
        length: T. every: k1, steps from one update to the next. reach: k2, steps that gradients go back; at least k1.
    """
    begin = 0
    for fresh in range(0, length, every):
        start = max(0, fresh + every - reach)
        yield Window(begin if reach > every else start, start, fresh, min(fresh + every, length), reach > every)
        begin = start


@dataclass(frozen=True)
class Batch:
    """What a model is trained on at once.

    Attributes:
        ragged: encoded inputs, ``(T, B, *)``; of a forecast the window, and behind it, where something is known
            ahead, the horizon, in which that alone stands.
        target: ``(B,)``, ``(B, K)``, ``(B, H, C)`` or ``(T, B, *)``; see :class:`~elman.model.network.SequenceModel`.
        score: ``(T, B)`` bool, the steps that count, or None for all real ones.
        goes_on: whether every row continues the same row of the batch before.
        lead: inputs before ``ragged`` that only bring the state that is carried to where it begins.
        window: where ``ragged`` stands in long sequences, if it is a piece of such.
        numbers: ``(B,)``, which examples of the data the rows are, from 0; None where that is not known.
    """

    ragged: Ragged
    target: Tensor
    score: Tensor | None = None
    goes_on: bool = False
    lead: Ragged | None = None
    window: Window | None = None
    numbers: np.ndarray | None = None

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        if self.target.device == device:
            return self
        rows = _moved(self.ragged, device)
        lead = None if self.lead is None else _moved(self.lead, device)
        score = None if self.score is None else self.score.to(device)
        return replace(self, ragged=rows, target=self.target.to(device), score=score, lead=lead)


def _moved(rows: Ragged, device: torch.device) -> Ragged:
    return Ragged(rows.values.to(device), rows.host_lengths)


def shape_of(source: str, target: str) -> str:
    """The network's shape in words, by the kind read and the kind or relation predicted."""
    if target in ONE_ANSWER:
        return "many-to-one"
    if target == "text":
        return "one-to-many" if source == "label" else "many-to-many, of another length"
    return "many-to-many, a stretch ahead" if target == "future" else "many-to-many, one answer a step"
