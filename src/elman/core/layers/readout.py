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

    @abstractmethod
    def so_far(self, ragged: Ragged) -> Ragged:
        """The vector after every step, ``(T, B, F)``: at step t that of the row's first t steps."""


class Last(Readout):
    """The output at every row's own last step.

    Args:
        both_ways: the second half of the features comes from a backward pass, whose last step is the first.
        backward: how many of the last features do; None for half of them.
    """

    def __init__(self, both_ways: bool = False, backward: int | None = None) -> None:
        super().__init__()
        self.both_ways, self.backward = both_ways, backward

    def forward(self, ragged: Ragged) -> Tensor:
        values = ragged.clean().values
        if ragged.steps == 0:
            return values.new_zeros(values.shape[1:])
        last = (ragged.lengths - 1).clamp(min=0)
        ends = values[last, torch.arange(ragged.batch, device=values.device)]
        if not self.both_ways:
            return ends
        size = values.shape[-1]
        ahead = size - (size - size // 2 if self.backward is None else self.backward)
        return torch.cat([ends[:, :ahead], values[0, :, ahead:]], dim=-1)

    def so_far(self, ragged: Ragged) -> Ragged:
        if self.both_ways:
            raise InputError("readout: half of the features come from the end of a row, so there are none before it")
        return ragged.clean()


class Mean(Readout):
    """The mean over every row's real steps."""

    def forward(self, ragged: Ragged) -> Tensor:
        count = ragged.lengths.clamp(min=1).to(ragged.values.dtype)
        return ragged.clean().values.sum(0) / count[:, None]

    def so_far(self, ragged: Ragged) -> Ragged:
        values = ragged.clean().values
        count = torch.arange(1, ragged.steps + 1, device=values.device)[:, None, None]
        # In float64, for sums of many steps lie far above their terms.
        return ragged.with_values((values.double().cumsum(0) / count).to(values.dtype)).clean()


class Max(Readout):
    """The maximum over every row's real steps, feature by feature."""

    def forward(self, ragged: Ragged) -> Tensor:
        if ragged.steps == 0:
            return ragged.values.new_zeros(ragged.values.shape[1:])
        values = ragged.clean().values
        lowest = torch.finfo(values.dtype).min
        highest = torch.where(ragged.mask[..., None], values, values.new_full((), lowest)).amax(0)
        return torch.where((ragged.lengths > 0)[:, None], highest, highest.new_zeros(()))

    def so_far(self, ragged: Ragged) -> Ragged:
        values = ragged.clean().values
        return ragged.with_values(values.cummax(0).values if ragged.steps else values).clean()


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

    def so_far(self, ragged: Ragged) -> Ragged:
        values = ragged.clean().values
        scores = self.score(torch.tanh(self.hidden(values))).double()
        top = scores.cummax(0).values if ragged.steps else scores
        weight, total, made = torch.zeros_like(top[:1]), values.new_zeros(values.shape[1:]).double(), []
        for t in range(ragged.steps):
            # What was summed up by weights relative to the highest score so far, brought to that of now.
            old = torch.exp(top[t - 1] - top[t]) if t else torch.zeros_like(top[0])
            new = torch.exp(scores[t] - top[t])
            weight, total = weight * old + new, total * old + new * values[t]
            made.append(total / weight[0])
        return ragged.with_values(torch.stack(made).to(values.dtype) if made else values).clean()


READOUTS = ("last", "mean", "max", "attention")
"""The names that :func:`readout` knows; ``every`` (a vector a step) needs no readout."""


def readout(name: str, size: int, *, both_ways: bool = False, backward: int | None = None) -> Readout:
    """Make a readout by name.

    Args:
        name: one of :data:`READOUTS`.
        size: F, the number of features of a step.
        both_ways: whether the second half of the features was read backwards; ``backward``: or how many of the last.
    """
    if name == "last":
        return Last(both_ways, backward)
    if name == "attention":
        return Attention(size)
    if name in READOUTS:
        return {"mean": Mean, "max": Max}[name]()
    raise InputError(f"readout: unknown name '{name}'.{nearest(name, READOUTS)} Known: {', '.join(READOUTS)}")
