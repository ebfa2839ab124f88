"""Several classes at once as output: any number of K may hold of one sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from elman.core.errors import InputError
from elman.model.kinds.label import parse_weights, sorted_names
from elman.model.kinds.schema import Schema

__all__ = ["LabelsHead", "LabelsOut", "best_thresholds"]


class LabelsOut(Schema):
    """The classes, and from which probability on each is said to hold.

    Attributes:
        columns: where they stood: one column of lists or of ``a|b``, or one 0/1 column a class.
        classes: K names.
        thresholds: K probabilities, chosen on the validation part; empty before that, which means one half.
        weights: what an example in which the class holds counts for it in training; empty where all count alike.
    """

    kind: Literal["labels"] = "labels"
    columns: list[str]
    classes: list[str]
    thresholds: list[float] = Field(default_factory=list)
    weights: list[float] = Field(default_factory=list)

    @classmethod
    def fit(cls, sets: Sequence[tuple[str, ...]], columns: Sequence[str], weights: str | None = None) -> LabelsOut:
        """Collect the classes of the training examples; one that holds always or never is an error.

        Args:
            sets: the classes that hold of each example.
            columns: where they stood; several of them are the classes themselves.
            weights: ``balanced`` (absent over present), or ``NAME=WEIGHT,...``; None for none.
        """
        classes = list(columns) if len(columns) > 1 else sorted_names([name for one in sets for name in one])
        if not classes:
            raise InputError(f"column '{columns[0]}' names no class in the training part; check it, or the split")
        counts = [sum(name in one for one in sets) for name in classes]
        leave = "leave its column out" if len(columns) > 1 else f"leave it out of '{columns[0]}'"
        for name, count in zip(classes, counts, strict=True):
            if count in (0, len(sets)):
                how = "always" if count else "never"
                raise InputError(
                    f"class '{name}' holds {how} in the training part: nothing to learn; {leave}, or divide the data "
                    "otherwise"
                )
        made = cls(columns=list(columns), classes=classes)
        if weights is None:
            return made
        balanced = [(len(sets) - count) / count for count in counts]
        return made.model_copy(update={"weights": parse_weights(weights, classes, balanced)})

    def encode(self, sets: Sequence[tuple[str, ...]]) -> Tensor:
        """0/1 float32 ``(N, K)``; classes that training never saw have no place in it."""
        return torch.tensor([[float(name in one) for name in self.classes] for one in sets]).reshape(
            len(sets), len(self.classes)
        )

    def unseen(self, sets: Sequence[tuple[str, ...]]) -> list[str]:
        """Classes that training never saw, each once, in order."""
        return [name for name in dict.fromkeys(n for one in sets for n in one) if name not in self.classes]

    def decide(self, chances: np.ndarray) -> np.ndarray:
        """Which classes hold, bool ``[N, K]``, by their probabilities ``[N, K]``."""
        decided: np.ndarray = chances >= (np.asarray(self.thresholds) if self.thresholds else 0.5)
        return decided


class LabelsHead(nn.Module):
    """``sigmoid(W f + b)`` for each of K classes; the loss is their mean binary cross-entropy in nats.

    ::

        loss = -mean_k [w_k y_k log p_k + (1 - y_k) log (1 - p_k)]

    Args:
        width: F, the number of features.
        out: its settings.
    """

    weights: Tensor | None

    def __init__(self, width: int, out: LabelsOut) -> None:
        super().__init__()
        self.linear = nn.Linear(width, len(out.classes))
        self.register_buffer("weights", torch.tensor(out.weights) if out.weights else None, persistent=False)

    def raw(self, features: Tensor) -> Tensor:
        """Logits ``(..., K)`` of features ``(..., F)``."""
        logits: Tensor = self.linear(features)
        return logits

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Nats of every example, ``(N, K)`` and 0/1 ``(N, K)`` to ``(N,)``."""
        each = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none", pos_weight=self.weights)
        return each.mean(-1)


def best_thresholds(chances: np.ndarray, truth: np.ndarray) -> list[float]:
    """For each class the probability from which saying "holds" gives the best F1, ``[N, K]`` twice to K numbers.

    Each candidate lies midway between two neighbouring probabilities. A class that never holds here keeps one half,
    and so does one whose best gain over that is nothing (Lipton, Elkan & Naryanaswamy 2014, arXiv 1402.1892).
    """
    found = []
    for chance, holds in zip(chances.T, truth.T, strict=True):
        order = np.argsort(-chance, kind="stable")
        hits = np.cumsum(holds[order])
        f1 = 2 * hits / np.maximum(1, np.arange(1, len(hits) + 1) + holds.sum())
        # A cut between two equal probabilities is none.
        sizes = np.append(chance[order][:-1] > chance[order][1:], True)
        best = int(np.argmax(np.where(sizes, f1, -1.0)))
        half = _f1(chance >= 0.5, holds)
        if not holds.any() or f1[best] <= half:
            found.append(0.5)
            continue
        below = chance[order][best + 1] if best + 1 < len(order) else 0.0
        found.append(float((chance[order][best] + below) / 2))
    return found


def _f1(said: np.ndarray, holds: np.ndarray) -> float:
    return float(2 * (said & (holds > 0)).sum() / max(1.0, float(said.sum() + holds.sum())))
