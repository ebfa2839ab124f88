"""The part of a forecast that reads what is known ahead."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elman.core.cells import init
from elman.core.cells.gru import GRUCell
from elman.core.layers.stack import Bidirectional
from elman.core.ragged import Ragged
from elman.model.embed import Embed
from elman.model.kinds.joined import JoinedIn

__all__ = ["Ahead"]


class Ahead(nn.Module):
    """What is known of the steps ahead, added to a forecast: an encoder-decoder whose decoder reads both ways.

    ::

        d_1..H = GRU(known_1..H), forwards from s and backwards from s,   s = tanh(W v + b)
        out_h  = V [d_h ; known_h] + c                                    v: what the encoder says of the history

    It may read backwards, for all of the horizon is known at once. ``V`` and ``c`` start from zero.

    Args:
        kind: what is read, and which of it is known ahead.
        width: of v.
        size: units a direction.
        embedding: width of category vectors at the most.
        outputs: numbers a step.
    """

    def __init__(self, kind: JoinedIn, width: int, size: int, embedding: int, outputs: int) -> None:
        super().__init__()
        self.embed = Embed(kind, embedding, kind.ahead)
        self.start = nn.Linear(width, size)
        cells = [GRUCell(self.embed.width, size) for _ in range(2)]
        for cell in cells:
            init.orthogonal_(cell)
        self.decoder = Bidirectional(*cells)
        self.out = nn.Linear(2 * size + self.embed.width, outputs)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, behind: Tensor, vector: Tensor) -> Tensor:
        """Steps ahead ``(H, B, D)`` and ``(B, F)`` to ``(B, H, outputs)``."""
        known = self.embed.vectors(behind)
        start = torch.tanh(self.start(vector))
        steps, _ = self.decoder(Ragged(known), (start, start))
        added: Tensor = self.out(torch.cat([steps.values, known], dim=-1)).transpose(0, 1)
        return added
