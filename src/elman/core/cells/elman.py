"""Elman's cell (J. L. Elman, "Finding Structure in Time", Cognitive Science 14, 1990)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from elman.core.cells.base import Kernel, WeightedCell
from elman.core.errors import InputError, nearest
from elman.core.state import State

__all__ = ["NONLINEARITIES", "ElmanCell"]

NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softsign": nn.functional.softsign,
    "hardtanh": nn.functional.hardtanh,
    "elu": nn.functional.elu,
    "identity": lambda x: x,
}
"""The functions that a saved model can name."""


class ElmanCell(WeightedCell):
    """The simple recurrent cell.

    ::

        h_t = f(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)          y_t = h_t

    Args:
        input_size: D.
        hidden_size: H.
        nonlinearity: f, a name of :data:`NONLINEARITIES` or any pointwise function of a tensor (a model with
            an unnamed function refuses to be saved).
        bias: whether there are b_ih and b_hh.

    Shapes: x ``(T, B, D)``; state and y ``(B, H)``. Cost of a step: 2 B H (D + H) flops. Kept for the
    backward pass over T steps on the loop engine: about 3 T B H numbers.
    """

    GATES = ("h",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        nonlinearity: str | Callable[[Tensor], Tensor] = "tanh",
        bias: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, recurrent_size=hidden_size)
        if isinstance(nonlinearity, str) and nonlinearity not in NONLINEARITIES:
            known = ", ".join(NONLINEARITIES)
            hint = nearest(nonlinearity, NONLINEARITIES)
            raise InputError(f"nonlinearity: unknown name '{nonlinearity}'.{hint} Known: {known}")
        self.nonlinearity = nonlinearity
        self.function = NONLINEARITIES[nonlinearity] if isinstance(nonlinearity, str) else nonlinearity
        self.reset_parameters()

    def initial_state(self, batch: int, like: Tensor) -> Tensor:
        return like.new_zeros(batch, self.hidden_size)

    def recur(self, state: Tensor) -> Tensor:
        return nn.functional.linear(state, self.weight_hh, self.bias_hh)

    def pointwise(self, p: Any, q: Tensor, state: State) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        h = self.function(p + q)
        return h, h, {}

    def mask_recurrent(self, state: Tensor, mask: Tensor) -> Tensor:
        return state * mask

    def kernel(self) -> Kernel | None:
        mode = {"tanh": "RNN_TANH", "relu": "RNN_RELU", "sigmoid": "RNN_SIGMOID"}.get(str(self.nonlinearity))
        return self._kernel(mode) if mode else None

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, nonlinearity={self.nonlinearity!r}"
