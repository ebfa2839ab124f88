"""From a sequence to one vector: last step, mean, maximum, attention. Pads have no say in any of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from elman.core.errors import InputError, nearest
from elman.core.ragged import Ragged

__all__ = ["READOUTS", "Attention", "Last", "Max", "Mean", "Readout", "readout"]


class Readout(nn.Module, ABC):
    """Sequences ``(T, B, F)`` to one vector a row, ``(B, F)``; a row of length zero gives zeros."""

    @abstractmethod
    def forward(self, ragged: Ragged) -> Tensor:
        """One vector a row, ``(B, F)``."""


class Last(Readout):
    """The output at every row's own last step.

    Args:
        both_ways: the second half of the features comes from a backward pass, whose last step is the first.
    """

    def __init__(self, both_ways: bool = False) -> None:
        super().__init__()
        self.both_ways = both_ways

    def forward(self, ragged: Ragged) -> Tensor:
        values = ragged.clean().values
        if ragged.steps == 0:
            return values.new_zeros(values.shape[1:])
        last = (ragged.lengths - 1).clamp(min=0)
        ends = values[last, torch.arange(ragged.batch, device=values.device)]
        if not self.both_ways:
            return ends
        half = values.shape[-1] // 2
        return torch.cat([ends[:, :half], values[0, :, half:]], dim=-1)


class Mean(Readout):
    """The mean over every row's real steps."""

    def forward(self, ragged: Ragged) -> Tensor:
        count = ragged.lengths.clamp(min=1).to(ragged.values.dtype)
        return ragged.clean().values.sum(0) / count[:, None]


class Max(Readout):
    """The maximum over every row's real steps, feature by feature."""

    def forward(self, ragged: Ragged) -> Tensor:
        if ragged.steps == 0:
            return ragged.values.new_zeros(ragged.values.shape[1:])
        values = ragged.clean().values
        lowest = torch.finfo(values.dtype).min
        highest = torch.where(ragged.mask[..., None], values, values.new_full((), lowest)).amax(0)
        return torch.where((ragged.lengths > 0)[:, None], highest, highest.new_zeros(()))


class Attention(Readout):
    """A weighted mean whose weights are learnt from each step's features.

    ::

        a_t = softmax_t(v . tanh(W y_t + b))     over the row's real steps          (Yang et al. 2016)
        out = sum_t a_t y_t

    Args:
        size: F.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(size, size)
        self.score = nn.Linear(size, 1, bias=False)

    def weights(self, ragged: Ragged) -> Tensor:
        """The weights ``(T, B)``: zero at pads, summing to 1 over every row that has a step."""
        scores = self.score(torch.tanh(self.hidden(ragged.clean().values))).squeeze(-1)
        mask = ragged.mask
        scores = torch.where(mask, scores, scores.new_full((), torch.finfo(scores.dtype).min))
        return torch.where(mask, torch.softmax(scores, dim=0), scores.new_zeros(()))

    def forward(self, ragged: Ragged) -> Tensor:
        return (self.weights(ragged)[..., None] * ragged.clean().values).sum(0)


READOUTS = ("last", "mean", "max", "attention")
"""The names that :func:`readout` knows; ``every`` (a vector a step) needs no readout."""


def readout(name: str, size: int, *, both_ways: bool = False) -> Readout:
    """Make a readout by name.

    Args:
        name: one of :data:`READOUTS`.
        size: F, the number of features of a step.
        both_ways: whether the second half of the features was read backwards.
    """
    if name == "last":
        return Last(both_ways)
    if name == "attention":
        return Attention(size)
    if name in READOUTS:
        return {"mean": Mean, "max": Max}[name]()
    raise InputError(f"readout: unknown name '{name}'.{nearest(name, READOUTS)} Known: {', '.join(READOUTS)}")
