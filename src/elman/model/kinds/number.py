"""Numbers as output: quantiles or a distribution, so that every prediction comes with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from elman.model.kinds.likelihood import LEVELS, likelihood
from elman.model.kinds.likelihood import Name as Likely
from elman.model.kinds.schema import Schema
from elman.model.kinds.series import moments, scaled

__all__ = ["INTERVAL", "LEVELS", "NumberHead", "NumberOut"]

INTERVAL = 0.8
"""The nominal coverage of the intervals that are reported: from the 10 % to the 90 % quantile."""


class NumberOut(Schema):
    """Numbers to predict: C columns, each over H steps (H = 1 but for ``future:H``).

    Attributes:
        columns: their names, C of them.
        mean: over the training targets, in the data's units.
        scale: their standard deviation, 1 where constant.
        horizon: H.
        anchors: the input channels whose last value a prediction starts from, one a column, or none.
        likelihood: what is learnt of them, see :mod:`elman.model.kinds.likelihood`.
        own_units: whether an error of quantiles counts in units of its window's own spread, so that series of all sizes
            count alike; else in units of ``scale``.
        season: steps after which a forecast's series come round, 1 for none.
        floor: the least spread of a window that is a unit, in units of ``scale``.
        margin: how far the interval is widened at both ends, H*C numbers; learnt on the validation part (conformalised
            quantile regression, Romano et al. 2019). Empty before that.
        margin_unit: what it is told in: ``scale``, or of forecasts each ``window``'s own spread.
    """

    kind: Literal["number"] = "number"
    columns: list[str]
    mean: list[float]
    scale: list[float]
    horizon: int = 1
    anchors: list[int] = Field(default_factory=list)
    likelihood: Likely = "quantiles"
    season: int = 1
    own_units: bool = False
    floor: float = 0.05
    margin: list[float] = Field(default_factory=list)
    margin_unit: Literal["scale", "window"] = "scale"

    @classmethod
    def fit(
        cls, targets: Sequence[np.ndarray], columns: Sequence[str], *, horizon: int = 1, anchors: Sequence[int] = ()
    ) -> NumberOut:
        """Learn the scaling from training targets, float64 ``[N, C]`` each."""
        mean, scale = moments(targets, columns)
        return cls(columns=list(columns), mean=mean, scale=scale, horizon=horizon, anchors=list(anchors))

    def encode(self, target: np.ndarray, *, exact: bool = False) -> Tensor:
        """Scale ``[N, C]`` to float32; see :meth:`SeriesIn.encode` for ``exact``."""
        return scaled(target, self.mean, self.scale, self.columns, exact=exact)

    def decode(self, values: np.ndarray) -> np.ndarray:
        """From units of ``scale`` back to the data's units, ``[..., C]``."""
        decoded: np.ndarray = values * np.asarray(self.scale) + np.asarray(self.mean)
        return decoded


class NumberHead(nn.Module):
    """What is learnt of every number, see :mod:`elman.model.kinds.likelihood`: K parameters each.

    Args:
        width: F, the number of features.
        out: its settings.
        horizon: steps that one vector of features speaks of; None for all of ``out``'s.
        columns: columns that it speaks of; None for all of ``out``'s.
    """

    def __init__(self, width: int, out: NumberOut, *, horizon: int | None = None, columns: int | None = None) -> None:
        super().__init__()
        self.horizon, self.columns = horizon or out.horizon, columns or len(out.columns)
        self.likelihood = likelihood(out.likelihood, out.mean, out.scale)
        self.linear = nn.Linear(width, self.horizon * self.columns * self.likelihood.size)
        # Starting from zero means starting from "as the last value" or "as the mean".
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def raw(self, features: Tensor) -> Tensor:
        """``(N, F)`` to ``(N, H, C, K)``: what is said in units of a window, before it is placed."""
        flat: Tensor = self.linear(features)
        said: Tensor = flat.unflatten(-1, (self.horizon, self.columns, self.likelihood.size))
        return said

    def placed(self, raw: Tensor, last: Tensor | None = None, spread: Tensor | None = None) -> Tensor:
        """Parameters in units of scale, relative to ``last`` (0) and in units of ``spread`` (1), ``(N, H, C)`` each."""
        level = raw.new_zeros(()).expand(raw.shape[:-1]) if last is None else last
        return self.likelihood.placed(raw, level, torch.ones_like(level) if spread is None else spread)

    def loss(self, placed: Tensor, target: Tensor) -> Tensor:
        """The mean loss of every example: ``(N, H, C, K)`` and ``(N, H, C)`` to ``(N,)``.

        A target that is missing (NaN) does not count; an example without any has the loss 0.
        """
        gap = target.isnan()
        if not bool(gap.any()):
            return self.likelihood.loss(placed, target).flatten(1).mean(1)
        each = self.likelihood.loss(placed, torch.where(gap, 0.0, target))
        known = torch.where(gap, each.new_zeros(()), each).flatten(1).sum(1)
        return known / (~gap).flatten(1).sum(1).clamp(min=1)

    def quantiles(self, placed: Tensor) -> Tensor:
        """The quantiles :data:`LEVELS` in order, ``(..., K)`` to ``(..., Q)``."""
        return self.likelihood.at(placed, placed.new_tensor(LEVELS))
