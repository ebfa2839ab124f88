"""Recurrent stages: one cell over time, two directions, many layers, dropout between them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from elman.core.cells.base import Cell
from elman.core.cells.wrap import renewed
from elman.core.engines.memory import Memory
from elman.core.errors import InputError
from elman.core.ragged import Ragged
from elman.core.stage import Stage
from elman.core.state import State
from elman.core.unfold import unfold

__all__ = ["Bidirectional", "LockedDropout", "Recurrent", "Stack"]


class Recurrent(Stage):
    """One cell unfolded over time.

    Args:
        cell: the cell.
        reverse: read every row backwards within its own length; such a stage cannot stream.
        engine: see :func:`elman.unfold`.
        memory: see :func:`elman.unfold`.
    """

    def __init__(self, cell: Cell, *, reverse: bool = False, engine: str = "auto", memory: Memory = "keep") -> None:
        super().__init__()
        self.cell, self.reverse, self.engine, self.memory = cell, reverse, engine, memory
        self.causal = not reverse

    def initial_state(self, batch: int, like: Tensor) -> State:
        return self.cell.initial_state(batch, like)

    def forward(self, ragged: Ragged, state: State = None) -> tuple[Ragged, State]:
        return unfold(self.cell, ragged, state, engine=self.engine, memory=self.memory, reverse=self.reverse)

    def renew(self, state: State) -> State:
        return renewed(self.cell, state)

    def extra_repr(self) -> str:
        return f"reverse={self.reverse}, engine={self.engine!r}, memory={self.memory}"


class Bidirectional(Stage):
    """Two cells, one reading forwards and one backwards within each row's length; outputs side by side.

    ::

        y_t = [forward_t ; backward_t]          (Schuster & Paliwal 1997)

    The backward half of a step has seen the whole rest of the row, so this stage cannot stream.

    Args:
        forward_cell: reads from the first step on.
        backward_cell: reads from the row's own last step on.
    """

    causal = False

    def __init__(self, forward_cell: Cell, backward_cell: Cell, *, engine: str = "auto", memory: Memory = "keep"):
        super().__init__()
        self.ahead = Recurrent(forward_cell, engine=engine, memory=memory)
        self.back = Recurrent(backward_cell, reverse=True, engine=engine, memory=memory)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return self.ahead.initial_state(batch, like), self.back.initial_state(batch, like)

    def forward(self, ragged: Ragged, state: State = None) -> tuple[Ragged, State]:
        before = state if state is not None else (None, None)
        ahead, ended = self.ahead(ragged, before[0])
        back, began = self.back(ragged, before[1])
        return ragged.with_values(torch.cat([ahead.values, back.values], dim=-1)), (ended, began)

    def renew(self, state: State) -> State:
        return None if state is None else (self.ahead.renew(state[0]), self.back.renew(state[1]))


class Several(Stage):
    """What stages of stages have in common: each has its own state, and theirs is the tuple of them.

    Args:
        stages: at least one.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        super().__init__()
        if not stages:
            raise InputError("stages: expected at least one, got an empty list")
        for stage in stages:
            if not isinstance(stage, Stage):
                raise InputError(f"stages: expected elman.Stage, got {type(stage).__name__}; Stack.of takes cells")
        self.stages = nn.ModuleList(stages)
        self.causal = all(stage.causal for stage in stages)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return tuple(stage.initial_state(batch, like) for stage in self._each())

    def renew(self, state: State) -> State:
        if state is None:
            return None
        return tuple(stage.renew(own) for stage, own in zip(self._each(), state, strict=True))

    def _each(self) -> list[Stage]:
        return [stage for stage in self.stages if isinstance(stage, Stage)]

    def _with_states(self, state: State) -> list[tuple[Stage, State]]:
        """Every stage with its own part of the state."""
        before = state if state is not None else [None] * len(self.stages)
        if len(before) != len(self.stages):
            raise InputError(f"state: expected one of each of {len(self.stages)} stages, got {len(before)}")
        return list(zip(self._each(), before, strict=True))


class Stack(Several):
    """Stages one after the other; the state is the tuple of theirs.

    ``Stack.of([GRUCell(12, 64)] + [Residual(GRUCell(64, 64)) for _ in range(7)], dropout=0.2)`` is a deep net
    whose upper layers learn what to add.

    Args:
        stages: at least one.
    """

    @classmethod
    def of(cls, cells: Sequence[Cell], *, dropout: float = 0.0, engine: str = "auto", memory: Memory = "keep") -> Stack:
        """Recurrent layers over each other, with locked dropout between them."""
        stages: list[Stage] = []
        for cell in cells:
            if stages and dropout:
                stages.append(LockedDropout(dropout))
            stages.append(Recurrent(cell, engine=engine, memory=memory))
        return cls(stages)

    def forward(self, ragged: Ragged, state: State = None) -> tuple[Ragged, State]:
        after = []
        for stage, own in self._with_states(state):
            ragged, own = stage(ragged, own)
            after.append(own)
        return ragged, tuple(after)


class LockedDropout(Stage):
    """Drop the same inputs at every step of a sequence (variational dropout of inputs, Gal & Ghahramani 2016).

    ::

        y_t = m * x_t          m ~ Bernoulli(1 - p) / (1 - p), one mask a row and sequence

    The mask is the stage's state, so chunks of one sequence share it. In evaluation ``y = x``.

    Args:
        p: the probability of dropping, from 0 to below 1.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise InputError(f"p: expected a probability from 0 to below 1, got {p}")
        self.p = p

    def forward(self, ragged: Ragged, state: State = None) -> tuple[Ragged, State]:
        ragged = ragged.clean()
        if not self.training or self.p == 0:
            return ragged, None
        if state is None:
            state = ragged.values.new_empty(ragged.values.shape[1:]).bernoulli_(1 - self.p).div_(1 - self.p)
        return ragged.with_values(ragged.values * state), state

    def renew(self, state: State) -> State:
        return None

    def extra_repr(self) -> str:
        return f"p={self.p}"
