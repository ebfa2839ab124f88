"""Averages of the weights over the last stretch of training: what is validated, kept and saved is the average.

The optimiser goes on with the weights as they are. An average of points around a minimum lies nearer to it than
most of them, so it does part of what a smaller learning rate would do.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch

from elman.model.network import SequenceModel
from elman.training.settings import LoopSettings

__all__ = ["Average", "MovingAverage", "NonMonotone", "averaging"]


class Average(ABC):
    """An average of a model's weights, which is a model itself; buffers are those of the model as it is.

    Cost: a copy of the model, and one pass over the weights a step.

    Attributes:
        model: with the averaged weights, once there are any (:attr:`begun`).
    """

    kind: ClassVar[str]

    def __init__(self, model: SequenceModel) -> None:
        self._source = model
        self.model = copy.deepcopy(model).requires_grad_(False)
        self._count = 0

    @abstractmethod
    def share(self) -> float:
        """The share that the weights of now get in the average; 0 for none."""

    @abstractmethod
    def judge(self, loss: float) -> str:
        """Take notice of a validation loss; what is to be said of it, or the empty string."""

    @abstractmethod
    def last_words(self) -> str:
        """What is to be said at the end of a training, or the empty string."""

    @property
    def begun(self) -> bool:
        """Whether any weights are in the average."""
        return self._count > 0

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights in, after an optimiser step."""
        share = self.share()
        if not share:
            return
        for mean, weight in zip(self.model.parameters(), self._source.parameters(), strict=True):
            mean.lerp_(weight, share)
        for mine, theirs in zip(self.model.buffers(), self._source.buffers(), strict=True):
            mine.copy_(theirs)
        self._count += 1

    def record(self) -> dict[str, Any]:
        """What a training that was broken off needs to go on, beside the weights of :attr:`model`; JSON."""
        return {"kind": self.kind, "count": self._count}

    def restore(self, record: dict[str, Any]) -> None:
        """Take up what :meth:`record` gave."""
        self._count = record["count"]


class MovingAverage(Average):
    """Exponential moving average (Polyak & Juditsky 1992; with a rising decay as in Kingma & Ba 2015's debiasing).

    ::

        a_n = d_n a_{n-1} + (1 - d_n) w_n           d_n = min(decay, n / (n + 10)),  n = 0, 1, ...

    Args:
        model: whose weights.
        decay: from 0 to below 1; the average looks back over about ``1 / (1 - decay)`` steps.
    """

    kind = "ema"

    def __init__(self, model: SequenceModel, decay: float) -> None:
        super().__init__(model)
        self.decay = decay

    def share(self) -> float:
        return 1 - min(self.decay, self._count / (self._count + 10))

    def judge(self, loss: float) -> str:
        return ""

    def last_words(self) -> str:
        return ""


class NonMonotone(Average):
    """The plain mean of all weights since validation stopped improving (the trigger of NT-ASGD, Merity et al. 2018).

    ::

        a_n = a_{n-1} + (w_n - a_{n-1}) / n         from the first validation on that is worse than the best of those
                                                    more than ``interval`` before it

    Deviation: the paper (arXiv 1708.02182) has SGD with a constant rate, here it is the loop's AdamW and schedule.

    Args:
        model: whose weights.
        interval: validations.
    """

    kind = "nt-asgd"

    def __init__(self, model: SequenceModel, interval: int) -> None:
        super().__init__(model)
        self.interval = interval
        self._losses: list[float] = []
        self._stalled = False

    def share(self) -> float:
        return 1 / (self._count + 1) if self._stalled else 0.0

    def judge(self, loss: float) -> str:
        before = self._losses[: max(0, len(self._losses) - self.interval)]
        self._losses.append(loss)
        if self._stalled or not before or loss <= min(before):
            return ""
        self._stalled = True
        return f"weights are averaged from here on (validation was better more than {self.interval} epochs ago)"

    def last_words(self) -> str:
        if self._stalled:
            return ""
        return "--average nt-asgd: validation never stopped improving, so no weights were averaged"

    def record(self) -> dict[str, Any]:
        return {**super().record(), "losses": list(self._losses), "stalled": self._stalled}

    def restore(self, record: dict[str, Any]) -> None:
        super().restore(record)
        self._losses, self._stalled = list(record["losses"]), record["stalled"]


def averaging(model: SequenceModel, settings: LoopSettings) -> Average | None:
    """The average that the settings ask for; None for none."""
    if settings.average == "ema":
        return MovingAverage(model, settings.ema_decay)
    if settings.average == "nt-asgd":
        # Half of the patience, or early stopping would always come first; 5 in the paper.
        return NonMonotone(model, max(1, min(5, settings.patience // 2)))
    return None
