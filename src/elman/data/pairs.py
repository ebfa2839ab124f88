"""Sequences and the texts to be written of them, two lengths a pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from elman.core.ragged import Ragged
from elman.data.batch import ExampleSet
from elman.data.sequences import Sequences
from elman.model.shapes import Batch

__all__ = ["PairSet"]


class PairSet(ExampleSet):
    """Sequences, each with a text as its target.

    Args:
        inputs: encoded, ``[T_i, *]`` each.
        targets: the tokens of the texts with their ends, int64 ``[U_i]`` each.
        texts: as they stood in the file.
    """

    def __init__(self, inputs: Sequence[Tensor], targets: Sequence[Tensor], texts: Sequence[str]) -> None:
        super().__init__(Sequences.of(inputs), Sequences.of(targets))
        self.written, self.texts = Sequences.of(targets), list(texts)

    def batch(self, index: np.ndarray) -> Batch:
        """The pairs of an index as one batch; targets ``(U, B)``, -1 behind their ends."""
        rows = Ragged(self.inputs.padded(index), torch.from_numpy(self.inputs.lengths[index]))
        tokens, lengths = self.written.padded(index), torch.from_numpy(self.written.lengths[index])
        behind = torch.arange(len(tokens))[:, None] >= lengths
        return Batch(rows, tokens.masked_fill(behind, -1), numbers=index)
