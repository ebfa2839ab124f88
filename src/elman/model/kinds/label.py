"""One class out of several as output: of a sequence, of a step, or of the step that follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from elman.core.errors import InputError, nearest
from elman.model.kinds.schema import Schema

__all__ = ["LabelHead", "LabelOut", "parse_weights", "sorted_names"]


class LabelOut(Schema):
    """The classes, in sorted order.

    Attributes:
        column: where the labels stood.
        classes: K names.
        weights: what an example of each class counts in training, K numbers; empty where all count alike.
        boldness: what is taken from the score of ``O`` where tags that name spans are decided, chosen on the validation
            part; probabilities stay what they are.
    """

    kind: Literal["label"] = "label"
    column: str
    classes: list[str]
    weights: list[float] = Field(default_factory=list)
    boldness: float = 0.0

    @classmethod
    def fit(cls, labels: Sequence[str], column: str, weights: str | None = None) -> LabelOut:
        """Collect the classes of the training examples (or steps); one alone is an error.

        Args:
            labels: of all of them.
            column: where they stood.
            weights: ``balanced`` (``N / (K n_k)``, so that every class counts as much as any other in sum), or
                ``NAME=WEIGHT,...`` with 1 for what is not named; None for none.
        """
        classes = sorted_names(labels)
        if len(classes) < 2:
            only = f"one class only ('{classes[0]}')" if classes else "no class"
            raise InputError(
                f"column '{column}' holds {only} in the training part: nothing to tell "
                "apart. Check the column, or the split"
            )
        made = cls(column=column, classes=classes)
        if weights is None:
            return made
        counts = torch.bincount(made.encode(labels), minlength=len(classes)).tolist()
        balanced = [len(labels) / (len(classes) * count) for count in counts]
        return made.model_copy(update={"weights": parse_weights(weights, classes, balanced)})

    def encode(self, labels: Sequence[str]) -> Tensor:
        """Numbers of labels, int64 ``(N,)``; -1 for a label that training never saw."""
        index = {name: n for n, name in enumerate(self.classes)}
        return torch.tensor([index.get(label, -1) for label in labels], dtype=torch.int64)


class LabelHead(nn.Module):
    """``softmax(W f + b)`` over K classes; the loss is the negative log-likelihood in nats, times the class's weight.

    In training the labels may be smoothed (Szegedy et al. 2016, arXiv 1512.00567): with a share eps of the truth
    spread over all classes no answer has to be certain, ::

        loss = -(1 - eps) log p_y - eps/K sum_k log p_k         in evaluation -log p_y

    Args:
        width: F, the number of features.
        out: its settings.
        smoothing: eps, from 0 to below 1.
    """

    weights: Tensor | None

    def __init__(self, width: int, out: LabelOut, smoothing: float = 0.0) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.linear = nn.Linear(width, len(out.classes))
        self.register_buffer("weights", torch.tensor(out.weights) if out.weights else None, persistent=False)

    def raw(self, features: Tensor) -> Tensor:
        """Logits ``(..., K)`` of features ``(..., F)``."""
        logits: Tensor = self.linear(features)
        return logits

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Nats of every example: ``(N, K)`` and int64 ``(N,)`` to ``(N,)``."""
        smoothing = self.smoothing if self.training else 0.0
        return nn.functional.cross_entropy(logits, target, self.weights, reduction="none", label_smoothing=smoothing)


def sorted_names(names: Sequence[str]) -> list[str]:
    """Each name once, whole numbers first and by size."""
    return sorted(set(names), key=lambda name: (len(name), name) if name.isdigit() else (0, name))


def parse_weights(text: str, classes: Sequence[str], balanced: Sequence[float]) -> list[float]:
    """One weight a class from ``balanced`` or ``NAME=WEIGHT,...``; raise :class:`InputError` for anything else."""
    if text.strip() == "balanced":
        return list(balanced)
    found: dict[str, float] = {}
    for word in text.split(","):
        name, equals, number = word.rpartition("=")
        name = name.strip()
        if not equals or not _positive(number):
            raise InputError(
                f"--class-weights {text}: expected balanced, or a positive number a class such as "
                f"{classes[0]}=2, got '{word.strip()}'"
            )
        if name not in classes:
            known = ", ".join(classes[:8]) + (", ..." if len(classes) > 8 else "")
            raise InputError(f"--class-weights {text}: no class '{name}'.{nearest(name, classes)} Known: {known}")
        if name in found:
            raise InputError(f"--class-weights {text}: '{name}' stands there twice; give it one weight")
        found[name] = float(number)
    return [found.get(name, 1.0) for name in classes]


def _positive(text: str) -> bool:
    try:
        return 0 < float(text) < 1e9
    except ValueError:
        return False
