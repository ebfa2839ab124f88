"""A state that fades with the time that passed between two steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from elman.core.cells.base import Cell
from elman.core.cells.linear import LinearCell
from elman.core.cells.wrap import Dropped, Wrapper
from elman.core.errors import InputError
from elman.core.state import State, leaves

__all__ = ["Decay"]


class Decay(Wrapper):
    """Let what is remembered fade before every step, by what the step says of the time that passed.

    ::

        s_t = cell(x_t, exp(-relu(W d_t + b)) * s_{t-1})         d_t = x_t[places]

    The decay of the hidden state of GRU-D (Che et al. 2018, arXiv 1606.01865), around any cell; every number of the
    state has a rate of its own (h and c of an LSTM), and masks that live in it stay. Over a cell that is linear in its
    state it is one factor more in a_t, so the engine scan runs it; the compiled kernels know no such factor. Weights:
    ``weight_age (S, F)``, drawn from U(0, 1/F), and ``bias_age (S,)``, S numbers of the state, F places. Memory: S
    numbers a row and step.

    Args:
        cell: any cell.
        places: the numbers of x that say how long ago something was, F of them.
        usual: what they are where nothing is late; there nothing fades at the start.
    """

    def __init__(self, cell: Cell, places: Sequence[int], usual: float = 0.0) -> None:
        super().__init__(cell)
        if not places:
            raise InputError("places: expected at least one number of the input that says how much time passed")
        self.places = [int(place) for place in places]
        bare = cell
        while isinstance(bare, Wrapper):
            bare = bare.cell
        size = sum(leaf.shape[1:].numel() for leaf in leaves(bare.initial_state(1, torch.zeros(()))))
        self.weight_age = nn.Parameter(torch.empty(size, len(self.places)).uniform_(0, 1 / len(self.places)))
        self.bias_age = nn.Parameter(-usual * self.weight_age.detach().sum(1))

    @property
    def linear(self) -> bool:
        own = type(self).project is Decay.project and type(self).observe is Decay.observe
        bare = self.cell
        while isinstance(bare, Decay):
            bare = bare.cell
        # Of complex numbers each part would fade by itself, which no factor of the whole does.
        real = isinstance(bare, LinearCell) and not bare.PAIRS
        return own and real and type(self).step is Wrapper.step and self.cell.linear

    def draw(self, x: Any) -> Any:
        return self.cell.draw(x), x

    def project(self, x: Any) -> Any:
        inside, told = x
        p = self.cell.project(inside)
        rate = nn.functional.linear(told[..., self.places], self.weight_age, self.bias_age)
        keep = torch.exp(-torch.relu(rate))
        return (p[0] * keep, *p[1:]) if self.linear else (p, keep)

    def observe(self, p: Any, state: State) -> tuple[Tensor, State, dict[str, Tensor]]:
        if self.linear:
            return self.cell.observe(p, state)
        inside, keep = p
        return self.cell.observe(inside, _faded(state, iter(keep.split(_sizes(state), dim=-1))))

    def extra_repr(self) -> str:
        return f"places={self.places}"


def _remembered(state: State) -> Iterator[Tensor]:
    """The leaves that are no masks."""
    if isinstance(state, Dropped):
        yield from _remembered(state.state)
    elif isinstance(state, Tensor):
        yield state
    elif isinstance(state, tuple):
        for part in state:
            yield from _remembered(part)


def _sizes(state: State) -> list[int]:
    return [leaf.shape[1:].numel() for leaf in _remembered(state)]


def _faded(state: State, keep: Iterator[Tensor]) -> State:
    if isinstance(state, Dropped):
        return Dropped(_faded(state.state, keep), state.mask)
    if isinstance(state, Tensor):
        return state * next(keep).reshape(state.shape)
    if not isinstance(state, tuple):
        return state
    parts = [_faded(part, keep) for part in state]
    return tuple(parts) if type(state) is tuple else type(state)(*parts)
