"""How wide a cell's input is, and whether one step of it runs: asked before anything long is done with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from elman.core.cells.base import Cell, WeightedCell
from elman.core.cells.wrap import Wrapper
from elman.core.engines.base import map_time
from elman.core.errors import InputError
from elman.core.state import check_state, leaves

__all__ = ["one_step", "undisturbed", "width_of"]

_FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AttributeError)
"""What a step raises on an input of the wrong width, whatever it is made of."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Leave torch's global random state as it was, that of CUDA too where it is in use."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices):
        yield


def width_of(cell: Cell, call: str = "check_cell(cell, {})", given: int | None = None) -> int:
    """D, the width of a cell's input: what the cell says as ``input_size``, or else a guess that one step confirms.

    Args:
        cell: the cell.
        call: what the caller is to write where the guess is wrong, with ``{}`` for ``input_size=D``.
        given: the width of a cell that does not say it, in place of a guess.

    Raises:
        InputError: neither; the message names a width that would do, if there is one.
    """
    known = _said(cell) or given
    if known:
        return known
    sizes = list(_guesses(cell))
    if not sizes:
        raise InputError(f"input_size: cannot tell it from the cell; call {call.format('input_size=D')}")
    try:
        one_step(cell, (sizes[0],))
    except _FAILURES as error:
        other = next((size for size in sizes[1:] if _runs(cell, size)), "D")
        raise InputError(
            f"could not run the cell on inputs of {sizes[0]} features; say {call.format(f'input_size={other}')}"
        ) from error
    return sizes[0]


def one_step(cell: Cell, width: tuple[int, ...]) -> None:
    """Run one step of zeros; raise what it raises, or InputError for an answer that is no output and state."""
    like: Tensor = next(cell.parameters(), torch.zeros(()))
    with undisturbed(), torch.no_grad():
        x = like.new_zeros(1, 2, *width)
        state = cell.initial_state(2, x)
        ready = cell.resolve(state)
        made: Any = ready.step(map_time(lambda part: part[0], ready.project(ready.draw(x))), state)
    if not isinstance(made, tuple) or len(made) != 2 or not isinstance(made[0], Tensor):
        raise InputError(f"{type(cell).__name__}.step must return (output, state), got {type(made).__name__}")
    check_state(made[1], state, f"the state that {type(cell).__name__}.step returns")


def _runs(cell: Cell, size: int) -> bool:
    try:
        one_step(cell, (size,))
    except _FAILURES:
        return False
    return True


def _said(cell: Cell) -> int | None:
    while isinstance(cell, Wrapper):
        cell = cell.cell
    if isinstance(cell, WeightedCell):
        return cell.input_size
    own = cell.__dict__.get("input_size")
    return own if isinstance(own, int) else None


def _guesses(cell: Cell) -> Iterator[int]:
    """The widths that parts of a cell read, the first first; then those less a state that is read beside the input."""
    widths = []
    for part in cell.modules():
        if isinstance(part, WeightedCell) or isinstance(part.__dict__.get("input_size"), int):
            widths.append(int(part.input_size))  # type: ignore[arg-type]
        elif isinstance(part, nn.Linear):
            widths.append(part.in_features)
    yield from widths
    states = {leaf.shape[-1] for leaf in leaves(cell.initial_state(1, torch.zeros(1))) if leaf.dim() > 1}
    yield from sorted({width - size for width in widths for size in states if width > size}, reverse=True)
