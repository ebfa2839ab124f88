"""States are values: tensors ``(B, *)``, or tuples of states, handed in and handed back.

A leaf is a tensor whose first dimension is the batch, a :class:`Shared` tensor that all rows have in common
(such as one dropout mask over the recurrent weights), or ``None``. This file knows nothing of cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from elman.core.errors import InputError

__all__ = [
    "Shared",
    "State",
    "adopt",
    "check_state",
    "detach",
    "join_rows",
    "leaves",
    "map_state",
    "replace_leaves",
    "select",
    "take_rows",
]

State = Any
"""A tensor ``(B, *)``, a tuple or NamedTuple of states, a :class:`Shared`, or ``None``."""


@dataclass(frozen=True)
class Shared:
    """A tensor in a state that belongs to all rows at once and so has no batch dimension."""

    value: Tensor


def map_state(function: Callable[..., Tensor], *states: State) -> State:
    """Apply ``function`` to the tensors that stand at the same place of all states; keep Shared and None."""
    first = states[0]
    if first is None or isinstance(first, Shared):
        return first
    if isinstance(first, Tensor):
        return function(*states)
    parts = [map_state(function, *group) for group in zip(*states, strict=True)]
    return tuple(parts) if type(first) is tuple else type(first)(*parts)


def select(mask: Tensor, yes: State, no: State) -> State:
    """Row by row: ``yes`` where ``mask[B]`` is true, else ``no``; what is Shared comes from ``no``."""

    def choose(old: Tensor, new: Tensor | None) -> Tensor:
        # A mask that rides along out of training has no counterpart in a state made in evaluation.
        if new is None or new is old:
            return old
        return torch.where(mask.reshape(-1, *[1] * (new.dim() - 1)), new, old)

    return map_state(choose, no, yes)


def take_rows(state: State, index: Tensor) -> State:
    """The rows named by an integer index, in its order."""
    return map_state(lambda leaf: leaf[index.to(leaf.device)], state)


def join_rows(states: Sequence[State]) -> State:
    """One state whose batch is that of all given, one after the other."""
    return map_state(lambda *group: torch.cat(group), *states)


def detach(state: State) -> State:
    """The same values, cut from the graph (what truncated backpropagation does between chunks)."""
    return map_state(lambda leaf: leaf.detach(), state)


def leaves(state: State) -> list[Tensor]:
    """The tensors of a state that have a batch dimension, in order."""
    found: list[Tensor] = []

    def keep(leaf: Tensor) -> Tensor:
        found.append(leaf)
        return leaf

    map_state(keep, state)
    return found


def replace_leaves(state: State, tensors: Sequence[Tensor]) -> State:
    """The same form with other tensors, in the order of :func:`leaves`."""
    following = iter(tensors)
    return map_state(lambda _: next(following), state)


def check_state(given: State, wanted: State, name: str = "state") -> None:
    """Raise :class:`InputError` unless ``given`` has the form, shapes and dtypes of ``wanted``.

    Where ``wanted`` holds None, anything is welcome: a state that carries a dropout mask out of training may
    be used in evaluation, where the mask is not applied.
    """
    if not _fits(given, wanted):
        raise InputError(
            f"{name}: expected {_form(wanted)}, got {_form(given)}; "
            "cell.initial_state(batch, like) makes one of the right form"
        )


def _fits(given: State, wanted: State) -> bool:
    if wanted is None:
        return True
    if type(wanted) is tuple or (isinstance(wanted, tuple) and isinstance(given, tuple)):
        # A plain tuple is taken for a NamedTuple, so that torch's (h, c) is an LSTM state.
        return (
            isinstance(given, tuple)
            and len(given) == len(wanted)
            and all(_fits(a, b) for a, b in zip(given, wanted, strict=True))
        )
    return _form(given) == _form(wanted)


def adopt(given: State, form: State) -> State:
    """``given`` with the tuple types of ``form``: torch's ``(h, c)`` becomes an LSTMState."""
    if not isinstance(form, tuple):
        return given
    parts = [adopt(a, b) for a, b in zip(given, form, strict=True)]
    return tuple(parts) if type(form) is tuple else type(form)(*parts)


def _form(state: State) -> str:
    if state is None:
        return "None"
    if isinstance(state, Shared):
        return f"shared {tuple(state.value.shape)}"
    if isinstance(state, Tensor):
        return f"{str(state.dtype).removeprefix('torch.')} {tuple(state.shape)}"
    if isinstance(state, tuple):
        return "(" + ", ".join(_form(part) for part in state) + ")"
    return type(state).__name__
