"""Unfolding in time: a cell, a batch of sequences, and the choice of how it is computed."""

from __future__ import annotations

from typing import Any, Literal, overload

import torch
from torch import Tensor

from elman.core.cells.base import Cell, settle
from elman.core.engines.base import Engine, Request, WholeEngine
from elman.core.engines.loop import LoopEngine, Record, record
from elman.core.engines.memory import Checkpoint, Memory, in_chunks
from elman.core.engines.native import NativeEngine
from elman.core.engines.scan import ScanEngine
from elman.core.engines.vendor import VendorEngine
from elman.core.errors import EngineError, InputError, nearest
from elman.core.ragged import Ragged
from elman.core.state import State, adopt, check_state, map_state

__all__ = ["ENGINES", "Choice", "choose", "unfold"]

ENGINES: dict[str, Engine] = {
    engine.name: engine for engine in (NativeEngine(), VendorEngine(), ScanEngine(), LoopEngine())
}
"""The engines by name, the one that ``auto`` prefers first."""


class Choice:
    """Which engine runs a case, and why not the others.

    Attributes:
        engine: the engine.
        reason: why it was taken.
        refused: by engine name, why it was not.
    """

    def __init__(self, engine: Engine, reason: str, refused: dict[str, str]) -> None:
        self.engine, self.reason, self.refused = engine, reason, refused


def choose(cell: Cell, request: Request, engine: str = "auto") -> Choice:
    """Pick the engine for a case; raise :class:`EngineError` where a named one cannot run it."""
    if engine != "auto":
        if engine not in ENGINES:
            raise InputError(f"engine: unknown name '{engine}'.{nearest(engine, ENGINES)} Known: auto, {_names()}")
        why = ENGINES[engine].refusal(cell, request)
        if why:
            raise EngineError(f"engine='{engine}' cannot run this: {why}. Use engine='auto' or 'loop'")
        others = {name: "another engine was named" for name in ENGINES if name != engine}
        return Choice(ENGINES[engine], "named by the caller", others)
    refused: dict[str, str] = {}
    for name, candidate in ENGINES.items():
        why = candidate.refusal(cell, request)
        if why is None:
            rest = [other for other in ENGINES if other != name and other not in refused]
            same = f"{name} computes the same and is faster"
            slower = {other: ENGINES[other].refusal(cell, request) or same for other in rest}
            return Choice(candidate, "the fastest that can", refused | slower)
        refused[name] = why
    raise EngineError("no engine can run this cell")


def _runner(cell: Cell, request: Request, engine: str) -> Engine:
    """The engine of :func:`choose`, without its words on the others."""
    if engine == "auto":
        for candidate in ENGINES.values():
            if candidate.refusal(cell, request) is None:
                return candidate
    return choose(cell, request, engine).engine


@overload
def unfold(
    cell: Cell,
    ragged: Ragged,
    state: State = ...,
    *,
    engine: str = ...,
    memory: Memory = ...,
    resets: Tensor | None = ...,
    record: Literal[False] = ...,
    reverse: bool = ...,
) -> tuple[Ragged, State]: ...
@overload
def unfold(
    cell: Cell,
    ragged: Ragged,
    state: State = ...,
    *,
    engine: str = ...,
    memory: Memory = ...,
    resets: Tensor | None = ...,
    record: Literal[True],
    reverse: bool = ...,
) -> tuple[Ragged, State, Record]: ...


def unfold(
    cell: Cell,
    ragged: Ragged,
    state: State = None,
    *,
    engine: str = "auto",
    memory: Memory = "keep",
    resets: Tensor | None = None,
    record: bool = False,
    reverse: bool = False,
) -> tuple[Ragged, State] | tuple[Ragged, State, Record]:
    """Run a cell over sequences.

    ::

        y_1, s_1 = cell(x_1, s_0);  y_2, s_2 = cell(x_2, s_1);  ...

    Args:
        cell: the cell; in training mode its dropout is active.
        ragged: x ``(T, B, *)`` with lengths. What stands behind a row's end is never read.
        state: s_0; None means ``cell.initial_state``. Torch's ``(h, c)`` is welcome.
        engine: ``auto``, ``loop`` (any cell, the definition), ``native`` (elman's kernels), ``vendor`` (torch's) or
            ``scan`` (cells that are linear in their state).
            All give the same values and gradients; :func:`elman.plan` tells what ``auto`` takes and why.
        memory: ``"keep"`` everything for the backward pass, or :func:`elman.checkpoint`.
        resets: ``(T, B)`` bool; where true, the row starts anew, before that step's input is read.
        record: also return a :class:`~elman.core.engines.loop.Record` of all states and gates (loop only; it
            keeps everything, so ``memory`` must be ``"keep"``).
        reverse: read every row backwards within its own length. Outputs, resets and what is recorded stand where
            their inputs do; a row's final state is that after its first step.

    Returns:
        Outputs as :class:`Ragged` ``(T, B, *)``, exactly zero behind every row's end, and the state of every
        row after its own last step; a row of length zero keeps its initial state.

    Raises:
        InputError: wrong shapes, dtypes or names. EngineError: the named engine cannot run this case.
    """
    if not isinstance(ragged, Ragged):
        raise InputError(f"ragged: expected elman.Ragged(x, lengths), got {type(ragged).__name__}; wrap it: Ragged(x)")
    if memory != "keep" and not isinstance(memory, Checkpoint):
        raise InputError(f"memory: expected 'keep' or elman.checkpoint(k), got {memory!r}")
    fresh = cell.initial_state(ragged.batch, ragged.values) if state is None or resets is not None else None
    state = fresh if state is None else _given(cell, ragged, state)
    # A parametrised weight is computed once an unfold, not once a step or once a recomputed chunk.
    cell = settle(cell).resolve(state)
    runner = _runner(cell, Request(ragged.values.dtype, ragged.values.device, record), engine)
    if isinstance(runner, WholeEngine) and resets is None:
        y, state = runner.run(cell, ragged.values, ragged, state, None, reverse, memory != "keep")
        return ragged.with_values(y), state
    turn = Ragged.reverse if reverse else _as_it_is
    rows = turn(ragged).clean()
    marks = None if resets is None else turn(ragged.with_values(_marks(resets, ragged))).values
    x = cell.draw(rows.values)
    kept = None
    if record:
        if memory != "keep":
            raise InputError(f"memory: a record keeps every step, so expected 'keep', got {memory!r}")
        y, state, kept = _record(cell, x, rows, state, None if marks is None else (marks, fresh))
    else:
        y, state = _run(runner, cell, x, rows, state, marks, fresh, memory)
    outputs = turn(rows.with_values(y).clean())
    if kept is None:
        return outputs, state
    gates = {name: turn(rows.with_values(gate)).values for name, gate in kept.gates.items()}
    states = map_state(lambda leaf: turn(rows.with_values(leaf)).values, kept.states)
    return outputs, state, Record(states, gates)


def _as_it_is(rows: Ragged) -> Ragged:
    return rows


_record = record


def _run(
    engine: Engine,
    cell: Cell,
    x: Any,
    rows: Ragged,
    state: State,
    marks: Tensor | None,
    fresh: State,
    memory: Memory,
) -> tuple[Tensor, State]:
    def run(part: Any, lengths: Ragged, before: State, resets: Tensor | None) -> tuple[Tensor, State]:
        given = None if resets is None else (resets, fresh)
        if isinstance(engine, WholeEngine):
            return engine.run(cell, part, lengths, before, given, recompute=memory != "keep")
        return engine.run(cell, part, lengths, before, given)

    if not isinstance(engine, WholeEngine) and isinstance(memory, Checkpoint):
        size = memory.size(rows.steps)
        if torch.is_grad_enabled() and size < rows.steps:
            return in_chunks(run, x, rows, state, marks, size)
    return run(x, rows, state, marks)


def _given(cell: Cell, rows: Ragged, state: State) -> State:
    form = cell.initial_state(rows.batch, rows.values)
    if torch.is_autocast_enabled(rows.values.device.type):
        # What one call gives out may be of another precision than what the next one reads; both are welcome.
        same = map_state(lambda leaf: leaf.to(rows.values.dtype) if leaf.is_floating_point() else leaf, state)
        check_state(same, form)
    else:
        check_state(state, form)
    return adopt(state, form)


def _marks(resets: Tensor, rows: Ragged) -> Tensor:
    if not isinstance(resets, Tensor):
        raise InputError(f"resets: expected a bool tensor (T, B), got {type(resets).__name__}")
    if resets.dtype != torch.bool or resets.shape != (rows.steps, rows.batch):
        came = f"{resets.dtype} {tuple(resets.shape)}"
        raise InputError(f"resets: expected bool ({rows.steps}, {rows.batch}), got {came}")
    return resets.to(rows.values.device)


def _names() -> str:
    return ", ".join(sorted(ENGINES))
