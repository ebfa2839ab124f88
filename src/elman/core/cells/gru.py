"""The gated recurrent unit (Cho et al. 2014, arXiv 1406.1078v1: the reset gate after the product)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from elman.core.cells.base import Kernel, WeightedCell

__all__ = ["GRUCell"]


class GRUCell(WeightedCell):
    """The GRU cell as torch and cuDNN define it: the reset gate acts after the recurrent product.

    ::

        r = sigmoid(W_ir x_t + b_ir + W_hr h + b_hr)            h = h_{t-1}; blocks of H rows: r, z, n
        z = sigmoid(W_iz x_t + b_iz + W_hz h + b_hz)
        n = tanh(W_in x_t + b_in + r * (W_hn h + b_hn))
        h_t = (1 - z) * n + z * h                               z near 1 keeps the past
        y_t = h_t

    Args:
        input_size: D.
        hidden_size: H.
        bias: whether there are b_ih and b_hh.

    Shapes: x ``(T, B, D)``; state and y ``(B, H)``. Cost of a step: 6 B H (D + H) flops. Kept for the
    backward pass over T steps on the loop engine: about 12 T B H numbers.
    """

    GATES = ("r", "z", "n")

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__(input_size, hidden_size, bias=bias, recurrent_size=hidden_size)
        self.reset_parameters()

    def initial_state(self, batch: int, like: Tensor) -> Tensor:
        return like.new_zeros(batch, self.hidden_size)

    def recur(self, state: Tensor) -> Tensor:
        return nn.functional.linear(state, self.weight_hh, self.bias_hh)

    def pointwise(self, p: Any, q: Tensor, state: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        p_r, p_z, p_n = p.chunk(3, dim=-1)
        q_r, q_z, q_n = q.chunk(3, dim=-1)
        r, z = (p_r + q_r).sigmoid(), (p_z + q_z).sigmoid()
        n = (p_n + r * q_n).tanh()
        h = n + z * (state - n)
        return h, h, {"r": r, "z": z, "n": n}

    def mask_recurrent(self, state: Tensor, mask: Tensor) -> Tensor:
        return state * mask

    def kernel(self) -> Kernel | None:
        return self._kernel("GRU")
