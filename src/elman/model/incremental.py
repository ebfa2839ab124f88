"""A decoder that writes: the same numbers as :class:`~elman.model.decoder.Decoder`, one step of N rows at a time."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from elman.core.cells.base import Cell, settle
from elman.core.layers.attend import Attend, Dot, InputFeeding, Memory
from elman.core.layers.stack import Recurrent
from elman.core.ragged import Ragged
from elman.core.state import State
from elman.model.decoder import Attending, Decoder
from elman.model.kinds.text import TokenHead

__all__ = ["Folded", "Incremental"]


class Folded(NamedTuple):
    """A memory as the steps of a writer want it.

    Attributes:
        memory: as the attention made it, for input feeding; else None.
        keys: ``(B, S, A)``, or ``(B, H, S)`` where the query's matrix is folded into them.
        found: ``(B, S, H)``, the values behind the part of the join that reads them; None with input feeding.
        pads: ``(B, 1, S)``, minus infinity at pads, to be added to scores; None where there are none.
    """

    memory: Memory | None
    keys: Tensor
    found: Tensor | None
    pads: Tensor | None

    def rows(self, index: Tensor) -> Folded:
        """Some of the sequences, by number."""
        memory = None if self.memory is None else self.memory.rows(index)
        rest = [None if part is None else part.index_select(0, index) for part in self[1:]]
        return Folded(memory, *rest)  # type: ignore[arg-type]


class Incremental:
    """Steps of a decoder and its head in evaluation, without the machinery that sequences need.

    What is the same at every step is done once: matrices lie in memory as a product of few rows reads them fastest, and
    of what is linear in the memory the products are taken before::

        score_s = (W q) . k_s = q . (W' k_s)                         dot attention
        W_j [h ; sum_s a_s m_s] = W_h h + sum_s a_s (W_m m_s)         what is found

    The weights are those of the moment; make another where they have changed. Time: that of reading the weights once a
    step, for up to some ten rows.

    Args:
        decoder, head: of a model; they are copied.
    """

    def __init__(self, decoder: Decoder, head: TokenHead) -> None:
        self.decoder = copy.deepcopy(decoder).eval().requires_grad_(False)
        self.table = self.decoder.table.weight.detach()
        first = self.decoder.first
        self.attention: Attend = first.attention
        for module in self.decoder.modules():
            if isinstance(module, nn.Embedding):
                continue
            for weight in module.parameters(recurse=False):
                if weight.dim() == 2:
                    weight.data = weight.data.t().contiguous().t()
        self.scores = _scoring(head)
        self.cells = [_ready(stage.cell) for stage in self._above()]
        self.cell = _ready(first.layer.cell) if isinstance(first, Attending) else None
        if isinstance(first, Attending):
            self.from_state, self.from_memory = self._split(first.join)

    def _split(self, join: nn.Linear) -> tuple[Tensor, Tensor]:
        """The join's matrix, transposed, by what it reads: ``(H, H')`` of the state, ``(F, H')`` of the memory."""
        whole, hidden = join.weight.detach().t(), self.attention.query.in_features
        return whole[:hidden].contiguous(), whole[hidden:].contiguous()

    def _above(self) -> list[Recurrent]:
        return [stage for stage in self.decoder.above if isinstance(stage, Recurrent)]

    def remember(self, encoded: Ragged) -> tuple[Folded, State]:
        """See :meth:`Decoder.remember <elman.model.decoder.Decoder.remember>`."""
        memory, (_, below, above) = self.decoder.remember(encoded)
        kept = zip(above, self.decoder.above, strict=True)
        states = (below, tuple(state for state, stage in kept if isinstance(stage, Recurrent)))
        if self.cell is None:
            return Folded(memory, memory.keys, None, None), states
        keys = memory.keys
        if isinstance(self.attention, Dot):
            weight = self.attention.query.weight * memory.keys.shape[-1] ** -0.5
            keys = (memory.keys @ weight).transpose(1, 2).contiguous()
        pads = None
        if not bool(memory.mask.all()):
            # A sequence without a step has a memory of zeros, so its context is zero whatever the weights are.
            hidden = ~memory.mask & memory.mask.any(1, keepdim=True)
            pads = keys.new_zeros(hidden.shape).masked_fill_(hidden, -torch.inf)[:, None]
        return Folded(None, keys, memory.values @ self.from_memory, pads), states

    def step(self, tokens: Tensor, folded: Folded, state: State) -> tuple[Tensor, State]:
        """Scores ``(N, V)`` of what follows ``tokens (N,)``, minus infinity of what is never written; the state."""
        below, above = state
        x = self.table.index_select(0, tokens)
        if self.cell is None:
            x, below = self._fed(x, folded, below)
        else:
            y, below = _one(self.cell, x, below)
            x = self._look(y, folded)
        after = []
        for cell, own in zip(self.cells, above, strict=True):
            x, own = _one(cell, x, own)
            after.append(own)
        if self.decoder.out is not None:
            x = self.decoder.out(x)
        weight, bias = self.scores
        return torch.addmm(bias, x, weight), (below, tuple(after))

    def _fed(self, x: Tensor, folded: Folded, state: State) -> tuple[Tensor, State]:
        first = self.decoder.first
        assert isinstance(first, InputFeeding)
        assert folded.memory is not None
        return _one(_ready(first.bound(folded.memory)), x, state)

    def _look(self, y: Tensor, folded: Folded) -> Tensor:
        """``tanh(W [y ; attention(y)] + b)``, K beams of a sequence side by side."""
        assert folded.found is not None
        batch = len(folded.found)
        asked = y.view(batch, len(y) // max(1, batch), y.shape[-1])
        if isinstance(self.attention, Dot):
            scores = asked @ folded.keys
        else:
            scores = self.attention.score(self.attention.query(asked), folded.keys)
        if folded.pads is not None:
            scores = scores + folded.pads
        found = (torch.softmax(scores, -1) @ folded.found).flatten(0, 1)
        join = self.decoder.first.join
        return torch.addmm(found.add_(join.bias), y, self.from_state).tanh_()


def _ready(cell: Cell) -> Cell:
    """A cell as it steps in evaluation, its masks and parametrised weights done with."""
    return settle(cell).resolve(cell.initial_state(1, torch.empty(1, 1)))


def _one(cell: Cell, x: Tensor, state: State) -> tuple[Tensor, State]:
    p = cell.project(cell.draw(x[None]))
    return cell.step(_first(p), state)


def _first(p: Any) -> Any:
    return tuple(map(_first, p)) if isinstance(p, tuple) else None if p is None else p[0]


def _scoring(head: TokenHead) -> tuple[Tensor, Tensor]:
    """The head's matrix, transposed, and its bias, minus infinity for what is never written."""
    weight, bias = head.weights
    index = torch.tensor(head.never, device=bias.device)
    return weight.detach().t().contiguous(), bias.detach().index_fill(0, index, -torch.inf)
