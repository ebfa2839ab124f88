"""From what an encoder left to a text: a recurrent net that reads what it has written and looks at its memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from elman.core.cells.base import Cell
from elman.core.cells.wrap import Residual, begun
from elman.core.errors import InputError
from elman.core.layers.attend import Attend, InputFeeding, Memory, attend
from elman.core.layers.readout import Mean
from elman.core.layers.stack import LockedDropout, Recurrent
from elman.core.ragged import Ragged
from elman.core.stage import Stage
from elman.core.state import State, leaves, replace_leaves
from elman.core.unfold import unfold
from elman.model.config import NetConfig

__all__ = ["Decoder", "Written"]

Make = Callable[[int, int], Cell]
"""Makes a bare cell of an input and a hidden size."""


class Written(NamedTuple):
    """What a decoder makes of the tokens it is given.

    Attributes:
        features: ``(U, N, F)``, of what comes behind every token.
        state: behind the last.
        weights: of the attention, ``(U, N, S)``.
    """

    features: Ragged
    state: State
    weights: Tensor


class Decoder(nn.Module):
    """Tokens so far, and a memory, to features of the next token.

    ::

        h_t = cell(E[y_{t-1}], h_{t-1})                      h_0 = tanh(V mean_s(m_s) + b)
        a_t = tanh(W [h_t ; attention(h_t, memory)])         for all steps at once, or fed back as in InputFeeding
        f_t = layer_L(... layer_2(a_t))                      residual layers, with states of their own

    With tied embeddings ``f_t`` is brought to the width of E, whose rows then score the tokens.

    Args:
        net: the settings. size: V, the number of tokens. memory: F, the width of the encoder's outputs.
        make: makes a bare cell. around: puts around it what regularises it.
    """

    def __init__(self, net: NetConfig, size: int, memory: int, make: Make, around: Callable[[Cell], Cell]) -> None:
        super().__init__()
        hidden, width = net.hidden, net.embedding
        self.table = nn.Embedding(size, width)
        nn.init.normal_(self.table.weight, std=0.1)
        self.on_words = LockedDropout(net.dropout if net.input_dropout is None else net.input_dropout)
        attention, join = attend(net.attention, hidden, memory, hidden), nn.Linear(hidden + memory, hidden)
        bare = make(width + hidden if net.input_feeding else width, hidden)
        upper = [make(hidden, hidden) for _ in range(net.layers - 1)]
        self.first: Attending | InputFeeding = (
            InputFeeding(around(bare), attention, join)
            if net.input_feeding
            else Attending(around(bare), attention, join)
        )
        above: list[Stage] = []
        for cell in upper:
            above += [LockedDropout(net.dropout), Recurrent(Residual(around(cell)))]
        self.above = nn.ModuleList(above)
        self.starts = nn.ModuleList(_Start(memory, cell) for cell in (bare, *upper))
        self.out = nn.Linear(hidden, width) if net.tied else None
        self.width = width if net.tied else hidden
        self.sampling = 0.0

    def remember(self, encoded: Ragged) -> tuple[Memory, State]:
        """The memory of an encoder's outputs ``(S, B, F)``, and the state in which writing begins."""
        memory = self.first.attention.remember(encoded)
        mean = Mean()(encoded)
        starts = [start(mean) for start in self.starts]
        began = self.first.begin(encoded.batch, mean, starts[0])
        above: list[State] = []
        for stage in self._above():
            own = stage.initial_state(encoded.batch, mean)
            above.append(begun(own, starts[1 + len(above) // 2]) if isinstance(stage, Recurrent) else own)
        return memory, (None, began, tuple(above))

    def forward(self, tokens: Ragged, memory: Memory, state: State) -> Written:
        """Features of every step.

        Args:
            tokens: int64 ``(U, N)``, what is read: the end mark, then what is written.
            memory: of B sequences, N being a multiple of B (see :class:`~elman.core.layers.attend.Attend`).
            state: as :meth:`remember` or a call before gave it; N rows.
        """
        mask, below, above = state
        x, mask = self.on_words(tokens.clean().map(self.table), mask)
        if isinstance(self.first, InputFeeding):
            x, below, weights = self._fed(self.first.bound(memory), x, below)
        else:
            x, below, weights = self.first(x, memory, below)
        after: list[State] = []
        for stage, own in zip(self._above(), above, strict=True):
            x, own = stage(x, own)
            after.append(own)
        if self.out is not None:
            x = x.map(self.out)
        return Written(x, (mask, below, tuple(after)), weights)

    def _fed(self, cell: InputFeeding, x: Ragged, state: State) -> tuple[Ragged, State, Tensor]:
        if self.training:
            found, state = unfold(cell, x, state)
            return found, state, x.values.new_empty(0)
        found, state, kept = unfold(cell, x, state, record=True)
        return found, state, kept.gates["attention"]

    def _above(self) -> list[Stage]:
        return [stage for stage in self.above if isinstance(stage, Stage)]


class Attending(nn.Module):
    """A cell unfolded over all steps, and a look at the memory above every one of them.

    Args:
        cell: the cell. attention: with queries of H. join: from ``H + F`` to H.
    """

    def __init__(self, cell: Cell, attention: Attend, join: nn.Linear) -> None:
        super().__init__()
        self.layer, self.attention, self.join = Recurrent(cell), attention, join

    def begin(self, batch: int, like: Tensor, inside: State) -> State:
        """The state before the first step, remembering ``inside``."""
        return begun(self.layer.initial_state(batch, like), inside)

    def forward(self, x: Ragged, memory: Memory, state: State) -> tuple[Ragged, State, Tensor]:
        x, state = self.layer(x, state)
        context, weights = self.attention(x.values, memory)
        found = torch.tanh(self.join(torch.cat([x.values, context], dim=-1)))
        return x.with_values(found).clean(), state, weights


class _Start(nn.Module):
    """Where a cell's state begins: ``tanh(W m + b)`` of the memory's mean, one part for each tensor of the state."""

    def __init__(self, memory: int, cell: Cell) -> None:
        super().__init__()
        self.form = cell.initial_state(1, torch.empty(1, 1))
        self.sizes = [leaf.numel() for leaf in leaves(self.form)]
        if not self.sizes:
            raise InputError(f"cell: {type(cell).__name__} remembers nothing, so it cannot write a text")
        self.linear = nn.Linear(memory, sum(self.sizes))

    def forward(self, mean: Tensor) -> State:
        parts = torch.tanh(self.linear(mean)).split(self.sizes, dim=-1)
        shapes = [leaf.shape[1:] for leaf in leaves(self.form)]
        return replace_leaves(self.form, [part.unflatten(-1, shape) for part, shape in zip(parts, shapes, strict=True)])
