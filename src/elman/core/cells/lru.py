"""The linear recurrent unit: complex numbers that turn and fade, each at a pace of its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from elman.core.cells.base import check_input
from elman.core.cells.linear import LinearCell
from elman.core.errors import InputError

__all__ = ["LRUCell"]


class LRUCell(LinearCell):
    """The linear recurrent unit (Orvieto et al. 2023, arXiv 2303.06349).

    ::

        lambda = exp(-exp(nu) + i exp(theta))                       in the unit circle, whatever nu and theta are
        h_t = lambda * h_{t-1} + sqrt(1 - |lambda|^2) * B x_t       H complex numbers
        u = Re(C h_t) + S x_t + c
        y_t = u,    or with glu = True  u_1 * sigmoid(u_2), the halves of a u twice as wide

    A unit keeps for -1/ln|lambda| steps and turns once in 2 pi/exp(theta). At the start |lambda|^2 is uniform from
    ``r_min^2`` to ``r_max^2``, the angle from 0 to ``max_phase``; :func:`elman.init.chrono_` spreads what is kept, and
    leaves the angles. The input's factor follows lambda in training (the paper learns it apart). Without ``glu`` the
    cell is linear in all it reads, so layers of it alone are no more than one.

    Weights: ``nu, theta (H,)``, ``weight_ih (2H, D)`` and ``weight_hy (G*H, 2H)``, rows and columns 2k, 2k+1 the two
    parts of unit k, ``weight_iy (G*H, D)``, ``bias_y (G*H,)``; G is 2 with ``glu``, else 1.

    Args:
        input_size: D.
        hidden_size: H, complex units and outputs.
        bias: whether there is c.
        glu: whether the output is gated.
        r_min: of the ring of eigenvalues at the start, from 0.
        r_max: above r_min, at most 1.
        max_phase: in radians, above 0; 2 pi is the whole ring. A small one is for slow things.

    Shapes: x ``(T, B, D)``; state ``(B, H, 2)``, real and imaginary parts; y ``(B, H)``.
    """

    PAIRS = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        glu: bool = False,
        r_min: float = 0.0,
        r_max: float = 1.0,
        max_phase: float = 2 * math.pi,
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        if not 0 <= r_min < r_max <= 1:
            raise InputError(f"r_min, r_max: expected 0 <= r_min < r_max <= 1, got {r_min} and {r_max}")
        if not 0 < max_phase <= 2 * math.pi:
            raise InputError(f"max_phase: expected above 0 and at most 2 pi, got {max_phase}")
        self.glu, self.r_min, self.r_max, self.max_phase = glu, r_min, r_max, max_phase
        units, outputs = self.hidden_size, (2 if glu else 1) * self.hidden_size
        self.nu, self.theta = nn.Parameter(torch.empty(units)), nn.Parameter(torch.empty(units))
        self.weight_ih = nn.Parameter(torch.empty(2 * units, self.input_size))
        self.weight_hy = nn.Parameter(torch.empty(outputs, 2 * units))
        self.weight_iy = nn.Parameter(torch.empty(outputs, self.input_size))
        self.bias_y = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        # 1 - u is above 0, so neither logarithm is infinite.
        squared = self.r_min**2 + (self.r_max**2 - self.r_min**2) * (1 - torch.rand(self.hidden_size))
        self.nu.copy_((-0.5 * squared.clamp(max=1 - 1e-7).log()).log())
        self.theta.copy_((self.max_phase * (1 - torch.rand(self.hidden_size))).log())
        for weight, reads in ((self.weight_ih, 2 * self.input_size), (self.weight_hy, self.hidden_size)):
            nn.init.normal_(weight, std=reads**-0.5)
        nn.init.normal_(self.weight_iy, std=self.input_size**-0.5)
        if self.bias_y is not None:
            nn.init.zeros_(self.bias_y)

    def initial_state(self, batch: int, like: Tensor) -> Tensor:
        return like.new_zeros(batch, self.hidden_size, 2)

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        check_input(x, self.weight_ih)
        fading, angle = self.nu.exp(), self.theta.exp()
        turn = torch.exp(-fading)[:, None] * torch.stack((angle.cos(), angle.sin()), -1)
        # sqrt(1 - |lambda|^2), without what is lost where |lambda| is near 1.
        scale = torch.sqrt(-torch.expm1(-2 * fading)).repeat_interleave(2)
        b = nn.functional.linear(x, scale[:, None] * self.weight_ih).unflatten(-1, (self.hidden_size, 2))
        return turn.expand(b.shape), b, nn.functional.linear(x, self.weight_iy, self.bias_y)

    def read(self, h: Tensor, *more: Tensor) -> Tensor:
        (past,) = more
        out = nn.functional.linear(h.flatten(-2), self.weight_hy) + past
        return nn.functional.glu(out) if self.glu else out

    def check_keep(self) -> None:
        """The modulus of lambda says how much is kept, so nothing is in the way."""

    def keep_(self, value: Tensor) -> None:
        # |lambda| = sigmoid(value)
        self.nu.copy_(nn.functional.softplus(-value).log())

    def extra_repr(self) -> str:
        ring = f", r_min={self.r_min:g}, r_max={self.r_max:g}, max_phase={self.max_phase:.3g}"
        return super().extra_repr() + (", glu=True" if self.glu else "") + ring
