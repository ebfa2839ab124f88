"""The definition: one step after the other, in Python. Every other engine must give these values."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elman.core.cells.base import Cell
from elman.core.engines.base import Engine, Request, map_time
from elman.core.ragged import Ragged
from elman.core.state import State, map_state, select

__all__ = ["LoopEngine", "Record", "record"]


class LoopEngine(Engine):
    """Plain steps through ``Cell.step``: runs every cell, differentiable to any order, as slow as Python is."""

    name = "loop"

    def refusal(self, cell: Cell, request: Request) -> str | None:
        return None

    def run(
        self, cell: Cell, x: Any, rows: Ragged, state: State, resets: tuple[Tensor, State] | None
    ) -> tuple[Tensor, State]:
        parts = _steps(cell.project(x), rows.steps)
        if not parts:
            return _no_steps(cell, x, rows.batch, state), state
        outputs: list[Tensor] = []
        shortest, mask = _shortest(rows), rows.mask
        for t, p in enumerate(parts):
            if resets is not None:
                state = select(resets[0][t] & mask[t], resets[1], state)
            y, new = cell.step(p, state)
            state = new if t < shortest else select(mask[t], new, state)
            outputs.append(y)
        return torch.stack(outputs), state


class Record:
    """Everything one unfold passed through.

    Attributes:
        states: the state after every step, each tensor ``(T, B, *)``; behind a row's end it stays as it was.
        gates: by name, ``(T, B, *)``; zero behind a row's end.
    """

    def __init__(self, states: State, gates: dict[str, Tensor]) -> None:
        self.states, self.gates = states, gates


def record(
    cell: Cell, x: Any, rows: Ragged, state: State, resets: tuple[Tensor, State] | None
) -> tuple[Tensor, State, Record]:
    """The loop once more, keeping every state and gate. Memory: T times that of one step."""
    parts = _steps(cell.project(x), rows.steps)
    if not parts:
        empty = map_state(lambda leaf: leaf.new_zeros(0, *leaf.shape), state)
        return _no_steps(cell, x, rows.batch, state), state, Record(empty, {})
    mask = rows.mask
    outputs: list[Tensor] = []
    states: list[State] = []
    gates: list[dict[str, Tensor]] = []
    for t, p in enumerate(parts):
        if resets is not None:
            state = select(resets[0][t] & mask[t], resets[1], state)
        y, new, named = cell.observe(p, state)
        state = select(mask[t], new, state)
        outputs.append(y)
        states.append(state)
        gates.append(named)
    stacked = {name: rows.with_values(torch.stack([g[name] for g in gates])).clean().values for name in gates[0]}
    every = map_state(lambda *leaves: torch.stack(leaves), *states)
    return torch.stack(outputs), state, Record(every, stacked)


def _steps(p: Any, steps: int) -> list[Any]:
    """Cut what ``project`` gave into steps. One unbind: indexing each step would cost O(T) in its backward."""
    if isinstance(p, Tensor):
        return list(p.unbind(0))
    if p is None:
        return [None] * steps
    return list(zip(*(_steps(part, steps) for part in p), strict=True))


def _no_steps(cell: Cell, x: Any, batch: int, state: State) -> Tensor:
    """Outputs ``(0, B, *)`` for T = 0; one step on zeros tells their width."""
    with torch.no_grad():
        blank = map_time(lambda part: part.new_zeros(1, *part.shape[1:]), x)
        y, _ = cell.step(_steps(cell.project(blank), 1)[0], state)
    return y.new_zeros(0, *y.shape)


def _shortest(rows: Ragged) -> int:
    return int(rows.host_lengths.min()) if rows.batch else 0
