"""Attention of a decoder over what an encoder left: weights over the real steps of a memory, and their mean of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from elman.core.cells.base import Cell, WeightedCell, view_of
from elman.core.cells.wrap import VariationalDropout, WeightDrop, Wrapper, begun
from elman.core.errors import InputError, nearest
from elman.core.ragged import Ragged
from elman.core.state import State

__all__ = ["ATTENTIONS", "Additive", "Attend", "Dot", "InputFeeding", "Memory", "attend"]


class Memory(NamedTuple):
    """What a decoder looks at: B sequences of S steps, read once and used at every step.

    Attributes:
        values: ``(B, S, F)``; zero at pads.
        keys: ``(B, S, A)``, projected once.
        mask: ``(B, S)`` bool: true where a step is real.
    """

    values: Tensor
    keys: Tensor
    mask: Tensor

    def rows(self, index: Tensor) -> Memory:
        """Some of the sequences, by number."""
        return Memory(*(part.index_select(0, index) for part in self))


class Attend(nn.Module, ABC):
    """Queries ``(Q, N, H)`` and a memory of B sequences to contexts ``(Q, N, F)`` and weights ``(Q, N, S)``.

    ::

        a_s = softmax_s(score(q, m_s))     over the real steps of the query's own sequence
        c = sum_s a_s m_s

    N is B, or a multiple K B of it, as of K beams a sequence: rows ``b K`` to ``b K + K - 1`` read sequence b, and no
    copy of it is made. A sequence without a step gives weights and a context of zero.

    Args:
        query: H. memory: F. size: A, the width in which queries and memory meet.
    """

    def __init__(self, query: int, memory: int, size: int) -> None:
        super().__init__()
        self.query = nn.Linear(query, size, bias=False)
        self.key = nn.Linear(memory, size)

    def remember(self, ragged: Ragged) -> Memory:
        """Make a memory of an encoder's outputs ``(S, B, F)``."""
        values = ragged.clean().values.transpose(0, 1).contiguous()
        return Memory(values, self.key(values), ragged.mask.T.contiguous())

    @abstractmethod
    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        """Scores ``(B, R, S)`` of projected queries ``(B, R, A)`` and keys ``(B, S, A)``."""

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        steps, rows = query.shape[:2]
        batch = len(memory.mask)
        if rows % max(1, batch):
            raise InputError(f"query: {rows} rows are no multiple of the memory's {batch}")
        beams = rows // max(1, batch)
        # (Q, B K, A) to (B, Q K, A): all queries of one sequence side by side.
        asked = self.query(query).unflatten(1, (batch, beams)).transpose(0, 1).reshape(batch, steps * beams, -1)
        scores = self.score(asked, memory.keys)
        mask = memory.mask[:, None]
        if not bool(memory.mask.all()):
            scores = torch.where(mask, scores, scores.new_full((), torch.finfo(scores.dtype).min))
            weights = torch.where(mask, torch.softmax(scores, dim=-1), scores.new_zeros(()))
        else:
            weights = torch.softmax(scores, dim=-1)
        context = weights @ memory.values
        return self._back(context, steps, beams), self._back(weights, steps, beams)

    def _back(self, made: Tensor, steps: int, beams: int) -> Tensor:
        turned: Tensor = made.unflatten(1, (steps, beams)).transpose(0, 1)
        return turned.flatten(1, 2)


class Dot(Attend):
    """``score = (W q) . (U m + b) / sqrt(A)`` (Luong et al. 2015, arXiv 1508.04025; scaled: Vaswani et al. 2017)."""

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        scores: Tensor = (query * query.shape[-1] ** -0.5) @ keys.transpose(1, 2)
        return scores


class Additive(Attend):
    """``score = v . tanh(W q + U m + b)`` (Bahdanau et al. 2015, arXiv 1409.0473).

    Time and memory: A numbers for every pair of a query and a step, where :class:`Dot` has one.
    """

    def __init__(self, query: int, memory: int, size: int) -> None:
        super().__init__(query, memory, size)
        self.weight = nn.Parameter(torch.empty(size).uniform_(-(size**-0.5), size**-0.5))

    def score(self, query: Tensor, keys: Tensor) -> Tensor:
        scores: Tensor = torch.tanh(query[:, :, None] + keys[:, None]) @ self.weight
        return scores


ATTENTIONS: dict[str, type[Attend]] = {"dot": Dot, "additive": Additive}
"""The names that :func:`attend` knows."""


def attend(name: str, query: int, memory: int, size: int) -> Attend:
    """Make an attention by name; see :class:`Attend` for the sizes."""
    if name not in ATTENTIONS:
        known = ", ".join(ATTENTIONS)
        raise InputError(f"attention: unknown name '{name}'.{nearest(name, ATTENTIONS)} Known: {known}")
    return ATTENTIONS[name](query, memory, size)


class Fed(NamedTuple):
    """The state of :class:`InputFeeding`.

    Attributes:
        state: of the cell inside.
        found: ``(B, H)``, the attentional vector of the step before.
    """

    state: State
    found: Tensor


class InputFeeding(Wrapper):
    """A cell that looks at a memory after every step and reads at the next what it found (Luong et al. 2015, 3.3).

    ::

        h_t, s_t = cell([x_t ; a_{t-1}], s_{t-1})
        c_t = attention(h_t, memory)
        a_t = tanh(W [h_t ; c_t])                   the output

    The memory is no part of the state: ``bound(memory)`` gives the cell that can step. It runs on the loop.

    Args:
        cell: reads ``D + H`` numbers and gives H; Elman, LSTM or GRU, perhaps with dropout of its recurrent weights.
        attention: with queries of H.
        join: W, from ``H + F`` to H.
    """

    def __init__(self, cell: Cell, attention: Attend, join: nn.Linear) -> None:
        super().__init__(cell)
        inside = self._inside()
        self.attention, self.join = attention, join
        self.width = inside.weight_ih.shape[1] - join.out_features
        self.memory: Memory | None = None

    def bound(self, memory: Memory) -> InputFeeding:
        """A view of this cell that looks at a memory."""
        return view_of(self, memory=memory)

    def inner(self, state: Fed) -> State:
        return state.state

    def initial_state(self, batch: int, like: Tensor) -> Fed:
        return Fed(self.cell.initial_state(batch, like), like.new_zeros(batch, self.join.out_features))

    def begin(self, batch: int, like: Tensor, inside: State) -> Fed:
        """The state before the first step, in which the bare cell remembers ``inside``."""
        fresh = self.initial_state(batch, like)
        return fresh._replace(state=begun(fresh.state, inside))

    def project(self, x: Tensor) -> Tensor:
        nothing = x.new_zeros(()).expand(*x.shape[:-1], self.join.out_features)
        projected: Tensor = self.cell.project(torch.cat([x, nothing], dim=-1))
        return projected

    def observe(self, p: Tensor, state: Fed) -> tuple[Tensor, Fed, dict[str, Tensor]]:
        if self.memory is None:
            raise InputError("memory: this cell looks at none; step with cell.bound(memory)")
        p = p + nn.functional.linear(state.found, self._inside().weight_ih[:, self.width :])
        y, inner, gates = self.cell.observe(p, state.state)
        context, weights = self.attention(y[None], self.memory)
        found = torch.tanh(self.join(torch.cat([y, context[0]], dim=-1)))
        return found, Fed(inner, found), {**gates, "attention": weights[0]}

    def _inside(self) -> WeightedCell:
        cell: Any = self.cell
        while isinstance(cell, (VariationalDropout, WeightDrop)):
            cell = cell.cell
        if not isinstance(cell, WeightedCell):
            raise InputError(
                "cell: input feeding adds to what ElmanCell, LSTMCell or GRUCell reads (weight-drop and variational "
                f"dropout may be around it), got {type(cell).__name__}"
            )
        return cell
