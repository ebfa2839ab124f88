"""What is learnt of a number: its quantiles, or a distribution."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

__all__ = ["LEVELS", "LIKELIHOODS", "Gaussian", "Likelihood", "NegativeBinomial", "Quantiles", "Student", "likelihood"]

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""The quantiles that are told of every number."""

LIKELIHOODS = ("quantiles", "gaussian", "student", "negbin")
"""The names that ``--likelihood`` knows."""

Name = Literal["quantiles", "gaussian", "student", "negbin"]

_LEAST = 1e-4
"""The least standard deviation, in units of a series' own: below, one value known exactly would outweigh all others."""

_ONE = math.log(math.e - 1)
"""softplus(_ONE) = 1."""


class Likelihood(nn.Module, ABC):
    """From the K numbers that a head says of each number to a loss, and to quantiles.

    A head speaks in units of a window: relative to its last value and its spread. :meth:`placed` brings what it says
    to units of the target's scale, in which :meth:`loss` and :meth:`at` read it.
    """

    size: int
    """K."""

    @abstractmethod
    def placed(self, raw: Tensor, last: Tensor, spread: Tensor) -> Tensor:
        """``(..., C, K)`` as the head says it to parameters, with ``last`` and ``spread`` broadcast to ``(..., C)``."""

    @abstractmethod
    def loss(self, placed: Tensor, target: Tensor) -> Tensor:
        """``(..., K)`` and ``(...)`` to ``(...)``."""

    @abstractmethod
    def at(self, placed: Tensor, levels: Tensor) -> Tensor:
        """The quantiles of levels ``(..., Q)`` that broadcast to ``placed`` but for its last dimension."""

    def forward(self, placed: Tensor, target: Tensor) -> Tensor:
        return self.loss(placed, target)


class Quantiles(Likelihood):
    """The quantiles themselves, learnt by the pinball loss (Koenker & Bassett 1978).

    ::

        loss_q = max(q e, (q - 1) e),   e = y - prediction_q          averaged over LEVELS

    They are put in order where they are told, which makes none of them worse (Chernozhukov et al. 2010); only
    :data:`LEVELS` are known.
    """

    size = len(LEVELS)
    levels: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(LEVELS), persistent=False)

    def placed(self, raw: Tensor, last: Tensor, spread: Tensor) -> Tensor:
        return raw * spread[..., None] + last[..., None]

    def loss(self, placed: Tensor, target: Tensor) -> Tensor:
        apart = target[..., None] - placed
        return torch.maximum(self.levels * apart, (self.levels - 1) * apart).mean(-1)

    def at(self, placed: Tensor, levels: Tensor) -> Tensor:
        known = [LEVELS.index(round(float(level), 4)) for level in levels]
        return placed.sort(dim=-1).values[..., known]


class Gaussian(Likelihood):
    """A normal distribution.

    ::

        mu = last + m spread,   sigma = spread softplus(s + c)        c: softplus(c) = 1
        loss = log sigma + (y - mu)^2 / (2 sigma^2)
    """

    size = 2

    def placed(self, raw: Tensor, last: Tensor, spread: Tensor) -> Tensor:
        middle, wide = raw.unbind(-1)
        return torch.stack([middle * spread + last, (softplus(wide + _ONE) + _LEAST) * spread], dim=-1)

    def loss(self, placed: Tensor, target: Tensor) -> Tensor:
        middle, wide = placed.unbind(-1)
        each: Tensor = wide.log() + ((target - middle) / wide).square() / 2
        return each

    def at(self, placed: Tensor, levels: Tensor) -> Tensor:
        middle, wide = placed[..., None].unbind(-2)
        found: Tensor = middle + wide * torch.special.ndtri(levels)
        return found


class Student(Likelihood):
    """Student's t, whose tails take in what comes from far off.

    ::

        mu, sigma as of the Gaussian;   nu = 2 + softplus(d + 6)
        loss = -log t_nu((y - mu) / sigma) + log sigma
    """

    size = 3

    def placed(self, raw: Tensor, last: Tensor, spread: Tensor) -> Tensor:
        middle, wide, tail = raw.unbind(-1)
        wide = (softplus(wide + _ONE) + _LEAST) * spread
        return torch.stack([middle * spread + last, wide, 2 + softplus(tail + 6)], dim=-1)

    def loss(self, placed: Tensor, target: Tensor) -> Tensor:
        middle, wide, nu = placed.unbind(-1)
        whole = torch.lgamma(nu / 2) - torch.lgamma((nu + 1) / 2) + (math.pi * nu).log() / 2
        return whole + wide.log() + (nu + 1) / 2 * ((target - middle) / wide).square().div(nu).log1p()

    def at(self, placed: Tensor, levels: Tensor) -> Tensor:
        middle, wide, nu = placed[..., None].unbind(-2)
        return middle + wide * student_quantile(levels, nu)


class NegativeBinomial(Likelihood):
    """Counts, with a variance that grows faster than their mean.

    ::

        mu = softplus(last + m spread in the data's units),   alpha = softplus(a)
        p(k) = G(k + r) / (G(r) k!) (r / (r + mu))^r (mu / (r + mu))^k,    r = 1 / alpha;   variance mu + alpha mu^2

    Args:
        mean, scale: of every column, C each: between counts and units of scale.
    """

    size = 2
    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Sequence[float], scale: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("scale", torch.tensor(scale), persistent=False)

    def placed(self, raw: Tensor, last: Tensor, spread: Tensor) -> Tensor:
        middle, tail = raw.unbind(-1)
        counts = (middle * spread + last) * self.scale + self.mean
        return torch.stack([softplus(counts) + 1e-3, softplus(tail) + 1e-4], dim=-1)

    def loss(self, placed: Tensor, target: Tensor) -> Tensor:
        mu, alpha = placed.unbind(-1)
        k, r = (target * self.scale + self.mean).round().clamp(min=0), 1 / alpha
        ways = torch.lgamma(r) + torch.lgamma(k + 1) - torch.lgamma(k + r)
        return ways + r * (alpha * mu).log1p() + k * ((r + mu) / mu).log()

    def at(self, placed: Tensor, levels: Tensor) -> Tensor:
        mu, alpha = placed[..., None].unbind(-2)
        counts = count_quantile(levels, mu, alpha)
        return (counts - self.mean[..., None]) / self.scale[..., None]


def likelihood(name: str, mean: Sequence[float], scale: Sequence[float]) -> Likelihood:
    """The likelihood of a name of :data:`LIKELIHOODS`."""
    if name == "negbin":
        return NegativeBinomial(mean, scale)
    known: dict[str, type[Likelihood]] = {"quantiles": Quantiles, "gaussian": Gaussian, "student": Student}
    return known[name]()


# Quantiles of Student's t -------------------------------------------------------------------------------------

_TABLE = 129
"""Places of 2 / nu, from 0 to 1, at which quantiles are tabulated; between them they are interpolated."""


def student_quantile(levels: Tensor, nu: Tensor) -> Tensor:
    """The quantiles of t with ``nu`` > 2 degrees of freedom; within 2e-4 of their size for levels in 0.001 ... 0.999.

    They are smooth in 1 / nu, so a table in it serves all nu.
    """
    known, where = levels.unique(return_inverse=True)
    where, nu = torch.broadcast_tensors(where, nu)
    table = _student_table(tuple(known.double().tolist())).to(nu)
    place = (2 / nu).clamp(0, 1) * (_TABLE - 1)
    low = place.floor().clamp(max=_TABLE - 2)
    left, right = table[low.long(), where], table[low.long() + 1, where]
    return left + (right - left) * (place - low)


@lru_cache(maxsize=64)
def _student_table(levels: tuple[float, ...]) -> Tensor:
    """Quantiles ``[_TABLE, levels]`` by bisection of the distribution function.

    With t = sqrt(nu) tan(a) it is ``1/2 + c * integral from 0 to a of cos^(nu - 1)``, c so that the whole is 1.
    """
    wanted = torch.tensor(levels, dtype=torch.float64)
    nu = 2 / torch.linspace(0, 1, _TABLE, dtype=torch.float64)[1:, None]
    nodes, weights = _gauss_legendre(64)

    def share(angle: Tensor) -> Tensor:
        log = (nu[..., None] - 1) * (angle[..., None] * (nodes + 1) / 2).cos().log()
        return angle / 2 * (log.exp() * weights).sum(-1)

    # Behind this angle nothing is left of the density.
    end = (40 / nu.sqrt()).clamp(max=math.pi / 2)
    whole = 2 * share(end)
    low, high = -end.expand(-1, len(wanted)).clone(), end.expand(-1, len(wanted)).clone()
    for _ in range(60):
        middle = (low + high) / 2
        under = 0.5 + share(middle) / whole < wanted
        low, high = torch.where(under, middle, low), torch.where(under, high, middle)
    found = nu.sqrt() * ((low + high) / 2).tan()
    return torch.cat([torch.special.ndtri(wanted)[None], found])


def _gauss_legendre(count: int) -> tuple[Tensor, Tensor]:
    """Nodes in -1 ... 1 and weights (Golub & Welsch 1969)."""
    k = torch.arange(1, count, dtype=torch.float64)
    off = k / (4 * k * k - 1).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))
    return nodes, 2 * vectors[0].square()


# Quantiles of counts ------------------------------------------------------------------------------------------

_COUNTED = 200.0
"""The mean up to which a quantile is found by counting; above, the gamma distribution of the same mean and variance is
as good."""


def count_quantile(levels: Tensor, mu: Tensor, alpha: Tensor) -> Tensor:
    """The least k with ``P(counts <= k) >= level`` of a negative binomial: mean mu, variance mu + alpha mu^2."""
    levels, mu, alpha = torch.broadcast_tensors(levels, mu, alpha)
    few = mu <= _COUNTED
    found = _gamma_quantile(levels, torch.where(few, 1.0, mu), torch.where(few, 1.0, alpha))
    return torch.where(few, _counted(levels, torch.where(few, mu, 1.0), torch.where(few, alpha, 1.0)), found)


def _counted(levels: Tensor, mu: Tensor, alpha: Tensor) -> Tensor:
    r = 1 / alpha.double()
    mu = mu.double()
    chance = (-r * (mu / r).log1p()).exp()
    under, found, k = chance.clone(), torch.zeros_like(mu), 0
    last = int((mu + 40 * (mu + mu * mu / r).sqrt()).max().clamp(max=1e5)) if mu.numel() else 0
    step = mu / (r + mu)
    while k < last and bool((open_ := under < levels).any()):
        chance = chance * (k + r) / (k + 1) * step
        found, under, k = found + open_, under + chance, k + 1
    return found.to(levels)


def _gamma_quantile(levels: Tensor, mu: Tensor, alpha: Tensor) -> Tensor:
    shape = mu / (1 + alpha * mu)
    low, high = torch.zeros_like(mu), mu * (1 + 40 / shape.sqrt()) + 40
    for _ in range(50):
        middle = (low + high) / 2
        under = torch.special.gammainc(shape, shape * middle / mu) < levels
        low, high = torch.where(under, middle, low), torch.where(under, high, middle)
    return high.round()
