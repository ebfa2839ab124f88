"""Cells whose next state is linear in the last: all steps of a sequence can be computed at once, by a scan."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from elman.core.cells.base import Cell, check_input, whole_number
from elman.core.errors import InputError

__all__ = ["LinearCell", "MinGRUCell", "MinLSTMCell"]


class LinearCell(Cell):
    """A cell with gates that know the input alone.

    ::

        h_t = a_t * h_{t-1} + b_t          a_t, b_t functions of x_t
        y_t = read(h_t, ...)               h_t itself, where a cell says nothing else

    One of your own is :meth:`project`, which gives a and b for all steps, and :meth:`read` where the output is not the
    state; the engine ``scan`` then needs no loop over time. The weights are ``weight_ih (G*H, D)`` and ``bias_ih
    (G*H,)``, drawn from U(-1/sqrt(D), 1/sqrt(D)), G gates in the order ``GATES``; a cell without gates makes its own.

    Args:
        input_size: D.
        hidden_size: H.
        bias: whether there is b_ih.

    Shapes: x ``(T, B, D)``; state and y ``(B, H)``. Cost of a step: 2 G B H D flops, of which the state has 2 B H.
    """

    GATES: ClassVar[tuple[str, ...]] = ()
    KEEPING: ClassVar[dict[str, int]] = {}
    """The gates whose bias says how much is kept, and with which sign."""
    PAIRS: ClassVar[bool] = False
    """Whether state, a and b are complex numbers: tensors ``(*, 2)`` of real and imaginary parts."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        self.input_size, self.hidden_size = (
            whole_number("input_size", input_size),
            whole_number("hidden_size", hidden_size),
        )
        self.bias = bias
        if not self.GATES:
            return
        rows = len(self.GATES) * self.hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, self.input_size))
        self.bias_ih = nn.Parameter(torch.empty(rows)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = self.input_size**-0.5
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound)

    @property
    def linear(self) -> bool:
        return type(self).step is LinearCell.step and type(self).observe is Cell.observe

    def initial_state(self, batch: int, like: Tensor) -> Tensor:
        return like.new_zeros(batch, self.hidden_size)

    @abstractmethod
    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        """``a, b`` of all steps, ``(T, B, H)`` each, from x ``(T, B, D)``, and behind them what :meth:`read` needs."""

    def read(self, h: Tensor, *more: Tensor) -> Tensor:
        """The outputs of states ``(*, H)``, of one step or of all at once, with what ``project`` gave besides."""
        return h

    def step(self, p: Any, state: Tensor) -> tuple[Tensor, Tensor]:
        a, b, *more = p
        h = (turned(a, state) if self.PAIRS else a * state) + b
        return self.read(h, *more), h

    def gates(self, x: Tensor) -> tuple[Tensor, ...]:
        """The G pre-activations ``W x + b`` of all steps, ``(T, B, H)`` each."""
        check_input(x, self.weight_ih)
        return nn.functional.linear(x, self.weight_ih, self.bias_ih).chunk(len(self.GATES), dim=-1)

    def keep_(self, value: Tensor) -> None:
        """Have unit k keep ``sigmoid(value_k)`` of its state a step where x says nothing; see ``init.chrono_``.

        Raises:
            InputError: as :meth:`check_keep`.
        """
        self.check_keep()
        assert self.bias_ih is not None
        blocks = dict(zip(self.GATES, self.bias_ih.chunk(len(self.GATES)), strict=True))
        for name, sign in self.KEEPING.items():
            blocks[name].copy_(sign * value)

    def check_keep(self) -> None:
        """Raise :class:`InputError` where no bias says how much is kept."""
        if not self.KEEPING:
            name = type(self).__name__
            raise InputError(f"{name} does not say which of its gates keep; name them in {name}.KEEPING")
        if self.bias_ih is None:
            raise InputError("this cell has no bias (bias=False), so its gates cannot start biased")

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


def turned(a: Tensor, b: Tensor) -> Tensor:
    """The product of complex numbers as pairs ``(*, 2)``."""
    (re, im), (real, imaginary) = a.unbind(-1), b.unbind(-1)
    return torch.stack((re * real - im * imaginary, re * imaginary + im * real), -1)


class MinGRUCell(LinearCell):
    """The GRU without what its gates know of the state (Feng et al. 2024, arXiv 2410.01201).

    ::

        z = sigmoid(W_z x_t + b_z)                      z near 0 keeps the past
        n = W_n x_t + b_n
        h_t = (1 - z) * h_{t-1} + z * n

    Blocks of H rows: z, n. See :class:`LinearCell`.
    """

    GATES = ("z", "n")
    KEEPING: ClassVar[dict[str, int]] = {"z": -1}

    def project(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, n = self.gates(x)
        # 1 - sigmoid(z), without what is lost where z is near 1.
        return torch.sigmoid(-z), torch.sigmoid(z) * n


class MinLSTMCell(LinearCell):
    """The LSTM without what its gates know of the state, the two made one in sum (Feng et al. 2024, as MinGRU).

    ::

        f = sigmoid(W_f x_t + b_f),  i = sigmoid(W_i x_t + b_i),  n = W_n x_t + b_n
        h_t = f / (f + i) * h_{t-1} + i / (f + i) * n

    Blocks of H rows: f, i, n. See :class:`LinearCell`.
    """

    GATES = ("f", "i", "n")
    KEEPING: ClassVar[dict[str, int]] = {"f": 1, "i": -1}

    def project(self, x: Tensor) -> tuple[Tensor, Tensor]:
        f, i, n = self.gates(x)
        # f / (f + i) = sigmoid(log f - log i), which stands where both vanish.
        keep = nn.functional.logsigmoid(f) - nn.functional.logsigmoid(i)
        return torch.sigmoid(keep), torch.sigmoid(-keep) * n
