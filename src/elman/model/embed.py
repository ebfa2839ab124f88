"""How several kinds side by side enter the network: categories and words as vectors, numbers as they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elman.core.ragged import Ragged
from elman.core.stage import Stage
from elman.core.state import State
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn

__all__ = ["Embed", "vector_size"]


class Embed(Stage):
    """Steps ``(T, B, D)`` of numbers and of numbers of categories to ``(T, B, E)``; no step knows another.

    Args:
        kind: says which places are what.
        size: width of a word's vector, and of a category's at the most (see :func:`vector_size`).
        places: the places that are read; None for all.
    """

    def __init__(self, kind: JoinedIn, size: int, places: list[int] | None = None) -> None:
        super().__init__()
        self.numbers: list[int] = []
        self.names: list[int] = []
        tables: list[nn.Module] = []
        for part, (first, last) in zip(kind.every, kind.spans, strict=True):
            wanted = [place for place in range(first, last) if places is None or place in places]
            if isinstance(part, SeriesIn):
                self.numbers += wanted
                continue
            for place in wanted:
                count = part.width if isinstance(part, TextIn) else part.sizes[place - first]
                tables.append(nn.Embedding(count, size if isinstance(part, TextIn) else vector_size(count, size)))
                self.names.append(place)
        self.tables = nn.ModuleList(tables)
        for table in self._each():
            nn.init.normal_(table.weight, std=0.1)
        self.width = len(self.numbers) + sum(table.embedding_dim for table in self._each())

    def forward(self, ragged: Ragged, state: State = None) -> tuple[Ragged, State]:
        return ragged.clean().map(self.vectors).clean(), None

    def vectors(self, values: Tensor) -> Tensor:
        """``(..., D)`` to ``(..., E)``; a number that is no category's is the unknown one's."""
        found = [values[..., self.numbers]]
        for table, place in zip(self._each(), self.names, strict=True):
            index = values[..., place].long()
            found.append(table(torch.where((index < 0) | (index >= table.num_embeddings), 0, index)))
        return torch.cat(found, dim=-1)

    def _each(self) -> list[nn.Embedding]:
        return [table for table in self.tables if isinstance(table, nn.Embedding)]


def vector_size(count: int, most: int) -> int:
    """The width of a category's vector: ``min(most, round(1.6 n**0.56))``, a rule of thumb (Howard & Gugger 2020)."""
    return max(1, min(most, int(1.6 * float(count) ** 0.56 + 0.5)))
