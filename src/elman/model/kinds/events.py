"""Categories as input: one or several columns of names, a name a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from elman.core.errors import InputError
from elman.model.kinds.schema import Schema
from elman.model.kinds.text import UNKNOWN

__all__ = ["EventsIn"]

_MANY = 20
"""Categories of a column above which those that training saw only once count as unknown."""


class EventsIn(Schema):
    """The categories of each column, by number.

    Number 0 of every column is the unknown category: what training never saw, what is missing, and in columns of many
    categories what it saw only once, so that there is something to learn the unknown from.

    Attributes:
        columns: the columns' names, C of them.
        vocabularies: the categories of each; the first is the unknown one.
    """

    kind: Literal["events"] = "events"
    columns: list[str]
    vocabularies: list[list[str]]

    @classmethod
    def fit(cls, sequences: Sequence[np.ndarray], columns: Sequence[str], most: int = 50_000) -> EventsIn:
        """Collect the categories of training sequences, names ``[T, C]`` each; None is a missing one."""
        vocabularies = []
        for place, name in enumerate(columns):
            counts = Counter(word for one in sequences for word in one[:, place].tolist() if word is not None)
            if not counts:
                raise InputError(f"column '{name}' has no value in the training part; leave it out")
            kept = [word for word, n in counts.most_common(most) if n > 1 or len(counts) <= _MANY]
            vocabularies.append([UNKNOWN, *sorted(kept or counts)])
        return cls(columns=list(columns), vocabularies=vocabularies)

    @property
    def width(self) -> int:
        """C, the number of columns."""
        return len(self.columns)

    @property
    def sizes(self) -> list[int]:
        """The number of categories of each column, the unknown one included."""
        return [len(one) for one in self.vocabularies]

    def encode(self, sequence: np.ndarray) -> Tensor:
        """The numbers of names ``[T, C]``, as float32 ``[T, C]`` so that they can stand beside other numbers.

        Whole numbers up to 2**24 are exact in float32.
        """
        if sequence.ndim != 2 or sequence.shape[1] != self.width:
            raise InputError(f"sequence: expected [T, {self.width}] for {self.columns}, got {list(sequence.shape)}")
        rows = [
            [index.get(word, 0) for word in column] for index, column in zip(self._indices, sequence.T, strict=True)
        ]
        return torch.tensor(rows, dtype=torch.float32).reshape(self.width, -1).T.contiguous()

    def unknown(self, sequence: np.ndarray) -> list[str]:
        """The names of a sequence that this model does not know, each once, in order."""
        found = [
            word
            for index, column in zip(self._indices, sequence.T, strict=True)
            for word in column
            if word is not None and word not in index
        ]
        return list(dict.fromkeys(found))

    @cached_property
    def _indices(self) -> list[dict[str, int]]:
        return [{word: n for n, word in enumerate(one)} for one in self.vocabularies]
