"""What an engine is: one way to compute the same function of time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from elman.core.cells.base import Cell
from elman.core.ragged import Ragged
from elman.core.state import State

__all__ = ["Engine", "Request", "WholeEngine", "inside_transform", "map_time"]


class Request(NamedTuple):
    """What one unfold asks for, beyond the cell and the data; what an engine may have to refuse.

    Attributes:
        dtype: of the values.
        device: where the values are.
        record: whether all states and gates are wanted.
    """

    dtype: torch.dtype
    device: torch.device
    record: bool = False


class Engine(ABC):
    """One way to run a cell over time. Values and gradients must equal the ``loop`` engine's."""

    name: str

    @abstractmethod
    def refusal(self, cell: Cell, request: Request) -> str | None:
        """Why this engine cannot run the case, in words, or None where it can."""

    @abstractmethod
    def run(
        self, cell: Cell, x: Any, rows: Ragged, state: State, resets: tuple[Tensor, State] | None
    ) -> tuple[Tensor, State]:
        """Run the cell.

        Args:
            cell: already resolved for this unfold.
            x: what ``project`` takes: a tensor ``(T, B, *)`` or, where a wrapper drew masks, a tuple of such.
            rows: the plain input with its lengths, pads zero.
            state: the state before the first step.
            resets: ``(T, B)`` bool and the state to restart from, or None.

        Returns:
            Outputs ``(T, B, *)``, whose pads the caller sets to zero, and every row's state after its own
            last step.
        """


class WholeEngine(Engine):
    """An engine that needs no help with pads, reading backwards and recomputing.

    The pads of its input may hold anything; it sets those of its outputs to zero.
    """

    @abstractmethod
    def run(
        self,
        cell: Cell,
        x: Any,
        rows: Ragged,
        state: State,
        resets: tuple[Tensor, State] | None,
        reverse: bool = False,
        recompute: bool = False,
    ) -> tuple[Tensor, State]:
        """As :meth:`Engine.run`.

        Args:
            reverse: read every row backwards within its own length; not together with resets.
            recompute: keep no more than states for the backward pass.
        """


def inside_transform() -> bool:
    """Whether a transform of torch.func or forward-mode differentiation is at work."""
    if torch.compiler.is_compiling():
        return False
    inside = torch._C._functorch.peek_interpreter_stack() is not None
    return inside or torch.autograd.forward_ad._current_level >= 0


def map_time(function: Callable[[Tensor], Any], x: Any) -> Any:
    """Apply a function to every tensor of what may be a tuple of tuples; None stays."""
    if x is None or isinstance(x, Tensor):
        return None if x is None else function(x)
    return tuple(map_time(function, part) for part in x)
