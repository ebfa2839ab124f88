"""Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from elman.core.cells.base import Kernel, WeightedCell, whole_number
from elman.core.errors import InputError

__all__ = ["LSTMCell", "LSTMState"]


class LSTMState(NamedTuple):
    """The state of an LSTM, torch's ``(h, c)``.

    Attributes:
        h: ``(B, H)``, or ``(B, P)`` with a projection: what the step gives out and reads again.
        c: ``(B, H)``: the memory.
    """

    h: Tensor
    c: Tensor


class LSTMCell(WeightedCell):
    """The LSTM cell as torch defines it.

    ::

        i, f, g, o = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh      four blocks of H rows, in this order
        c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)
        h_t = sigmoid(o) * tanh(c_t)                            then W_hr h_t, with a projection
        y_t = h_t

    Args:
        input_size: D.
        hidden_size: H.
        bias: whether there are b_ih and b_hh. All start in U(-1/sqrt(H), 1/sqrt(H)) as torch's do; see
            :func:`elman.init.forget_bias_` for the customary forget bias of 1.
        proj_size: P, the size of the projected output (Sak et al. 2014); 0 means none.

    Shapes: x ``(T, B, D)``; state :class:`LSTMState`; y ``(B, P or H)``. Cost of a step: 8 B H (D + H) flops.
    Kept for the backward pass over T steps on the loop engine: about 13 T B H numbers.
    """

    GATES = ("i", "f", "g", "o")

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, proj_size: int = 0) -> None:
        hidden_size = whole_number("hidden_size", hidden_size)
        proj_size = whole_number("proj_size", proj_size, 0)
        if proj_size >= hidden_size:
            raise InputError(f"proj_size: expected 0 (none) or less than hidden_size={hidden_size}, got {proj_size}")
        super().__init__(input_size, hidden_size, bias=bias, recurrent_size=proj_size or hidden_size)
        self.proj_size = proj_size
        self.weight_hr = nn.Parameter(torch.empty(proj_size, hidden_size)) if proj_size else None
        self.reset_parameters()

    def initial_state(self, batch: int, like: Tensor) -> LSTMState:
        size = self.proj_size or self.hidden_size
        return LSTMState(like.new_zeros(batch, size), like.new_zeros(batch, self.hidden_size))

    def recur(self, state: LSTMState) -> Tensor:
        return nn.functional.linear(state[0], self.weight_hh, self.bias_hh)

    def pointwise(self, p: Any, q: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState, dict[str, Tensor]]:
        i, f, g, o = (p + q).chunk(4, dim=-1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * state[1] + i * g
        h = o * c.tanh()
        if self.weight_hr is not None:
            h = nn.functional.linear(h, self.weight_hr)
        return h, LSTMState(h, c), {"i": i, "f": f, "g": g, "o": o}

    def mask_recurrent(self, state: LSTMState, mask: Tensor) -> LSTMState:
        return LSTMState(state[0] * mask, state[1])

    def kernel(self) -> Kernel | None:
        return self._kernel("LSTM", () if self.weight_hr is None else (self.weight_hr,))

    def extra_repr(self) -> str:
        return super().extra_repr() + (f", proj_size={self.proj_size}" if self.proj_size else "")
