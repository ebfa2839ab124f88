"""Layer normalisation inside a recurrent cell."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from elman.core.cells.base import GatedCell
from elman.core.cells.wrap import GatedWrapper
from elman.core.errors import InputError
from elman.core.state import State

__all__ = ["LayerNorm"]


class LayerNorm(GatedWrapper):
    """Normalise the pre-activations (Ba, Kiros & Hinton 2016, arXiv 1607.06450).

    ::

        p_t = LN(W_ih x_t + b_ih; g_1, b_1)         q_t = LN(W_hh h_{t-1} + b_hh; g_2, b_2)

    Each runs over all G*H numbers of a row, as in the paper. Deviation: the paper also normalises the LSTM's
    memory c before the output; here c stays as it is.

    Args:
        cell: a gated cell.
    """

    def __init__(self, cell: GatedCell) -> None:
        super().__init__(cell)
        rows = cell.recurrent_weight.shape[0]
        if rows < 2:
            raise InputError("cell: LayerNorm of a single pre-activation is always zero; use hidden_size >= 2")
        self.norm_input = nn.LayerNorm(rows)
        self.norm_recurrent = nn.LayerNorm(rows)

    def project(self, x: Any) -> Tensor:
        normed: Tensor = self.norm_input(self.cell.project(x))
        return normed

    def recur(self, state: State) -> Tensor:
        normed: Tensor = self.norm_recurrent(self.cell.recur(state))
        return normed
