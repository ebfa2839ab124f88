"""Resets for engines whose kernels know none: every piece between two resets is a row of its own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from elman.core.ragged import Ragged
from elman.core.state import State, leaves, replace_leaves, select, take_rows

__all__ = ["in_segments", "scatter_rows"]


def in_segments(
    call: Callable[[Ragged, State], tuple[Tensor, State]], rows: Ragged, state: State, resets: Tensor, fresh: State
) -> tuple[Tensor, State]:
    """Cut every row at its resets and run the pieces side by side.

    Args:
        call: runs rows of at least one step from their states.
        rows: the input; pads are not read.
        state: of every row before its first step.
        resets: ``(T, B)`` bool.
        fresh: the state to restart from.

    Returns:
        Outputs ``(T, B, H)``, zero at pads, and every row's final state.
    """
    x = rows.values
    real = resets.cpu() & (torch.arange(rows.steps, device="cpu")[:, None] < rows.host_lengths)
    starts = torch.cat([torch.ones(1, rows.batch, dtype=torch.bool, device="cpu"), real[1:]]) if rows.steps else real
    row, start = (starts & (rows.host_lengths > 0)).t().nonzero().unbind(1)
    if not len(row):
        return call(rows, state)
    last = torch.cat([row[1:] != row[:-1], torch.tensor([True], device="cpu")])
    stop = torch.where(last, rows.host_lengths[row], torch.cat([start[1:], start[:1]]))
    pieces = (stop - start).tolist()
    sliced = [x[a:b, r] for a, b, r in zip(start.tolist(), stop.tolist(), row.tolist(), strict=True)]
    at = row.to(x.device)
    restarted = (start > 0) | real[0, row]
    begin = select(restarted.to(x.device), take_rows(fresh, at), take_rows(state, at))
    batch = Ragged.from_list(sliced)
    outputs, ends = call(batch, begin)
    flat = torch.cat([outputs[:n, k] for k, n in enumerate(pieces)])
    step = torch.cat([torch.arange(a, b, device="cpu") for a, b in zip(start.tolist(), stop.tolist(), strict=True)])
    where = (step.to(x.device), at.repeat_interleave(torch.tensor(pieces, device=x.device)))
    whole = x.new_zeros(rows.steps, rows.batch, outputs.shape[-1]).index_put(where, flat)
    final = take_rows(ends, last.nonzero().flatten())
    return whole, scatter_rows(state, final, row[last].to(x.device))


def scatter_rows(state: State, new: State, index: Tensor) -> State:
    """``state`` with the rows at ``index`` replaced."""
    merged = [old.index_copy(0, index, now) for old, now in zip(leaves(state), leaves(new), strict=True)]
    return replace_leaves(state, merged)
