"""One class out of several as output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from elman.core.errors import InputError
from elman.model.kinds.schema import Schema

__all__ = ["LabelHead", "LabelOut"]


class LabelOut(Schema):
    """The classes, in sorted order.

    Attributes:
        column: where the labels stood.
        classes: K names.
    """

    kind: Literal["label"] = "label"
    column: str
    classes: list[str]

    @classmethod
    def fit(cls, labels: Sequence[str], column: str) -> LabelOut:
        """Collect the classes of the training examples; one alone is an error."""
        classes = sorted(set(labels), key=lambda name: (len(name), name) if name.isdigit() else (0, name))
        if len(classes) < 2:
            raise InputError(
                f"column '{column}' holds one class only ('{classes[0]}') in the training part: nothing to tell "
                "apart. Check the column, or the split"
            )
        return cls(column=column, classes=classes)

    def encode(self, labels: Sequence[str]) -> Tensor:
        """Numbers of labels, int64 ``(N,)``; -1 for a label that training never saw."""
        index = {name: n for n, name in enumerate(self.classes)}
        return torch.tensor([index.get(label, -1) for label in labels], dtype=torch.int64)


class LabelHead(nn.Module):
    """``softmax(W f + b)`` over K classes; the loss is the negative log-likelihood in nats.

    In training the labels may be smoothed (Szegedy et al. 2016, arXiv 1512.00567): with a share eps of the truth
    spread over all classes no answer has to be certain, ::

        loss = -(1 - eps) log p_y - eps/K sum_k log p_k         in evaluation -log p_y

    Args:
        width: F, the number of features.
        out: its settings.
        smoothing: eps, from 0 to below 1.
    """

    def __init__(self, width: int, out: LabelOut, smoothing: float = 0.0) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.linear = nn.Linear(width, len(out.classes))

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Nats of every example: ``(N, K)`` and int64 ``(N,)`` to ``(N,)``."""
        smoothing = self.smoothing if self.training else 0.0
        return nn.functional.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)
