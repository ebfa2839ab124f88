"""How much of the forward pass is kept for the backward pass: everything, or only every k-th state."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint as run_again

from elman.core.engines.base import map_time
from elman.core.errors import InputError
from elman.core.ragged import Ragged
from elman.core.state import State

__all__ = ["Checkpoint", "Memory", "checkpoint", "in_chunks"]


@dataclass(frozen=True)
class Checkpoint:
    """Keep the state of every ``every``-th step and compute the rest again in the backward pass.

    With S bytes of state a step and A bytes that a step keeps otherwise, T steps need ``T/k S + k A`` instead
    of ``T A`` bytes for the price of one more forward pass (Gruslys et al. 2016, arXiv 1606.03401; sqrt(T)
    after Chen et al. 2016, arXiv 1604.06174). Outputs and inputs are O(T) in any case; so the native engine keeps
    the state of every step (an LSTM's c; h is the output), whatever ``every`` says, and computes the gates again.
    """

    every: int | None = None

    def size(self, steps: int) -> int:
        """The length of a chunk for T steps."""
        return self.every or max(1, math.isqrt(max(0, steps - 1)) + 1)

    def __str__(self) -> str:
        return f"checkpoint({self.every or ''})"


Memory = Literal["keep"] | Checkpoint


def checkpoint(every: int | None = None) -> Checkpoint:
    """A memory policy for :func:`elman.unfold`: recompute in chunks of ``every`` steps, or of sqrt(T)."""
    if every is not None and (not isinstance(every, int) or every < 1):
        raise InputError(f"every: expected a whole number of at least 1, or None for sqrt(T), got {every!r}")
    return Checkpoint(every)


Run = Callable[[Any, Ragged, State, Tensor | None], tuple[Tensor, State]]


def in_chunks(run: Run, x: Any, rows: Ragged, state: State, resets: Tensor | None, size: int) -> tuple[Tensor, State]:
    """Run one chunk after the other, keeping only what stands between them.

    ``run`` consults no random generator, so none is saved.
    """
    outputs = []
    for start in range(0, rows.steps, size):
        stop = min(start + size, rows.steps)
        part = map_time(lambda whole: whole[start:stop], x)  # noqa: B023 - used within this turn only
        marks = None if resets is None else resets[start:stop]
        y, state = run_again(
            run,
            part,
            rows.slice_time(start, stop),
            state,
            marks,
            use_reentrant=False,
            preserve_rng_state=False,
        )
        outputs.append(y)
    return torch.cat(outputs), state
