"""A text as output: a sequence of tokens of its own length, written one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from elman.model.kinds.schema import Schema
from elman.model.kinds.text import TextIn, Variant

__all__ = ["TextOut"]


class TextOut(Schema):
    """The tokens of the target texts, learnt from the training part.

    Attributes:
        tokens: the vocabulary; its number 1 ends a text.
        longest: tokens of the longest text of training, from which the limit of what is written follows.
    """

    kind: Literal["text"] = "text"
    tokens: TextIn
    longest: int

    @classmethod
    def fit(cls, texts: Sequence[str], column: str, variant: Variant, *, most: int | None = None) -> TextOut:
        """Learn a vocabulary; see :meth:`TextIn.fit`."""
        tokens = TextIn.fit(texts, column, variant, most=most)
        return cls(tokens=tokens, longest=max(len(tokens.encode(text)) for text in texts))

    @property
    def column(self) -> str:
        """Where the texts stood."""
        return self.tokens.column

    @property
    def columns(self) -> list[str]:
        """The one column."""
        return [self.column]

    @property
    def size(self) -> int:
        """V, the number of tokens."""
        return self.tokens.width

    @property
    def separate(self) -> bool:
        """Texts stand by themselves, each with an end."""
        return True

    @property
    def limit(self) -> int:
        """Tokens after which writing ends where no end mark comes: half as much again as the longest of training."""
        return self.longest + self.longest // 2 + 10

    def encode(self, text: str) -> Tensor:
        """The numbers of a text's tokens and of its end, int64 ``[U]``."""
        return torch.cat([self.tokens.encode(text), torch.ones(1, dtype=torch.int64)])

    def decode(self, numbers: Sequence[int]) -> str:
        """The text of token numbers up to the first end mark."""
        found = list(numbers)
        return self.tokens.decode(found[: found.index(1)] if 1 in found else found)
