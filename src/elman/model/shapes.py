"""How the two sides are joined: one answer a sequence, one a step, or a stretch of the future."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from elman.core.ragged import Ragged
from elman.model.grammar import ONE_ANSWER

__all__ = ["Batch", "shape_of"]


@dataclass(frozen=True)
class Batch:
    """What a model is trained on at once.

    Attributes:
        ragged: encoded inputs, ``(T, B, *)``; of a forecast the window, and behind it, where something is known
            ahead, the horizon, in which that alone stands.
        target: ``(B,)``, ``(B, K)``, ``(B, H, C)`` or ``(T, B, *)``; see :class:`~elman.model.network.SequenceModel`.
        score: ``(T, B)`` bool, the steps that count, or None for all real ones.
        goes_on: whether every row continues the same row of the batch before.
        numbers: ``(B,)``, which examples of the data the rows are, from 0; None where that is not known.
    """

    ragged: Ragged
    target: Tensor
    score: Tensor | None = None
    goes_on: bool = False
    numbers: np.ndarray | None = None

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        if self.target.device == device:
            return self
        rows = Ragged(self.ragged.values.to(device), self.ragged.host_lengths)
        score = None if self.score is None else self.score.to(device)
        return replace(self, ragged=rows, target=self.target.to(device), score=score)


def shape_of(target: str) -> str:
    """The network's shape in words, by the kind or relation predicted."""
    if target in ONE_ANSWER:
        return "many-to-one"
    return "many-to-many, a stretch ahead" if target == "future" else "many-to-many, one answer a step"
