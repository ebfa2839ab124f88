"""Whether gradients vanish on their way back through time, or explode: measured while training, told in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from elman.core.layers.stack import Bidirectional, Recurrent
from elman.core.ragged import Ragged
from elman.training.settings import LoopSettings

__all__ = ["Health", "Trace", "profile", "reach", "traced"]

_EVERY = 50
"""Optimiser steps from one look at the way back to the next; a look costs the gradient of the input."""

_SHORT = 10
"""Sequences with fewer steps than this are not looked at."""

_LOST = torch.finfo(torch.float32).eps
"""Gradients this small beside the largest are lost when they are added to it in float32."""

_SUDDEN = 100.0
"""How many times the usual norm is an explosion."""


class Trace:
    """The input of the first recurrent layer, and after the backward pass its gradient.

    Attributes:
        rows: the input; None where nothing recurrent has run.
        gradient: of the same shape; None before the backward pass.
    """

    rows: Ragged | None = None
    gradient: Tensor | None = None


@contextmanager
def traced(model: nn.Module) -> Iterator[Trace]:
    """While this is open, the model's next forward pass has the gradient of its first recurrent layer's input kept."""
    found = Trace()

    def listen(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        rows: Ragged = given[0]
        values = rows.values if rows.values.requires_grad else rows.values.detach().requires_grad_()
        values.register_hook(lambda gradient: setattr(found, "gradient", gradient.detach()))
        found.rows = rows.with_values(values)
        return (found.rows, *given[1:])

    first = next((part for part in model.modules() if isinstance(part, (Recurrent, Bidirectional))), None)
    handle = None if first is None else first.register_forward_pre_hook(listen)
    try:
        yield found
    finally:
        if handle is not None:
            handle.remove()


def profile(rows: Ragged, gradient: Tensor) -> Tensor:
    """How large the gradient of the loss is at each distance from the end (Pascanu et al. 2013, arXiv 1211.5063).

    ::

        g_k = sum over rows of |dL/dx| at k steps before the row's end

    Returns ``(T,)``. Where g falls by a constant factor a step, the gradient vanishes; where it grows, it explodes.
    What stands at pads counts for nothing.

    Args:
        rows: the input ``(T, B, *)``.
        gradient: of the loss, of the same shape.
    """
    size = torch.where(rows.mask, gradient.flatten(2).norm(dim=-1), gradient.new_zeros(()))
    back = (rows.lengths - 1 - torch.arange(rows.steps, device=size.device)[:, None]).clamp(min=0)
    return size.new_zeros(rows.steps).index_add(0, back.flatten(), size.flatten())


def reach(rows: Ragged, gradient: Tensor) -> int | None:
    """How many steps before a row's end the gradient of the loss still arrives; None where there is none at all.

    ::

        reach = 1 + max {k : g_k > eps max g}                   with g of :func:`profile`

    and eps the rounding of float32: what is less has no part in the gradient of a weight, which is a sum over steps.
    Where every step is answered, averaged or read backwards, each has a short way to the loss, and the reach is whole.

    Args:
        rows: the input ``(T, B, *)``.
        gradient: of the loss, of the same shape.
    """
    sizes = profile(rows, gradient)
    peak = float(sizes.max()) if rows.steps else 0.0
    if not math.isfinite(peak) or peak == 0:
        return None
    return int((sizes > _LOST * peak).nonzero().max()) + 1


@dataclass
class Health:
    """Watches the gradients of a training; what is amiss is told at the end of an epoch, in words.

    Exploding: the norm before clipping is more than a hundred times the geometric mean of the last norms, and of the
    first ones too, for where nearly all is learnt a single hard example stands out that far.
    Vanishing: twice in a row the gradient of the loss reached no more than half of a sequence, see :func:`reach`.

    Attributes:
        steps: that were seen.
        short: looks in a row at which the gradient did not reach far enough. told_vanishing: whether that was told.
        usual: mean logarithm of the last norms. first: that of the first ones.
        bursts: explosions so far. largest: of them. told_bursts: how many of them were told.
        unsaid: what is to be told when the epoch is over.
    """

    steps: int = 0
    short: int = 0
    told_vanishing: bool = False
    usual: float = 0.0
    first: float = 0.0
    bursts: int = 0
    largest: float = 0.0
    told_bursts: int = 0
    unsaid: list[str] = field(default_factory=list)

    @property
    def due(self) -> bool:
        """Whether the step to come is one to look at."""
        return not self.told_vanishing and self.steps % _EVERY == 0

    def saw(self, norm: float, trace: Trace | None) -> None:
        """Take notice of a step: the norm before clipping and, where one was due, the trace."""
        if trace is not None and trace.rows is not None and trace.gradient is not None:
            self._look(trace.rows, trace.gradient)
        if math.isfinite(norm) and norm > 0:
            size = math.log(norm)
            if self.steps >= 20 and size - max(self.usual, self.first) > math.log(_SUDDEN):
                self.bursts, self.largest = self.bursts + 1, max(self.largest, norm)
            # The mean of the first 50 norms, then one that forgets; an outlier moves it by a fiftieth of its size.
            self.usual += (size - self.usual) / min(self.steps + 1, _EVERY)
            if self.steps < _EVERY:
                self.first = self.usual
        self.steps += 1

    def _look(self, rows: Ragged, gradient: Tensor) -> None:
        longest = int(rows.host_lengths.max()) if rows.batch else 0
        arrived = reach(rows, gradient) if longest >= _SHORT else None
        self.short = self.short + 1 if arrived is not None and arrived <= longest / 2 else 0
        if self.short < 2:
            return
        self.told_vanishing = True
        self.unsaid.append(
            f"the gradient vanishes: it reaches the last {arrived} of {longest} steps only, so nothing is learnt from "
            "the steps before. Try --readout mean or attention where one answer is given a sequence, --cell lstm or "
            "gru in place of rnn, or shorter sequences (of a forecast --lookback)"
        )

    def epoch_over(self, settings: LoopSettings) -> list[str]:
        """What is to be said of an epoch; explosions are told once, and counted at the end of the training."""
        said, self.unsaid = self.unsaid, []
        if self.bursts and not self.told_bursts:
            self.told_bursts = self.bursts
            often = "once" if self.bursts == 1 else f"{self.bursts} times"
            limited = settings.clip and (settings.clip_by != "norm" or settings.clip < self.largest)
            cut = f"--clip {settings.clip:g} cut it down" if limited else "nothing cut it down; try --clip 1"
            usual = math.exp(max(self.usual, self.first))
            said.append(f"the gradient exploded {often}, up to {self.largest:.3g} where {usual:.3g} is usual; {cut}")
        return said

    def last_words(self) -> str:
        """What is to be said of explosions after the first that were told, or the empty string."""
        more = self.bursts - self.told_bursts
        return f"the gradient exploded {more} more time{'s' if more > 1 else ''}, as told before" if more else ""
