"""Numbers as output: quantiles, so that every prediction comes with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from elman.model.kinds.schema import Schema
from elman.model.kinds.series import moments, scaled

__all__ = ["INTERVAL", "LEVELS", "NumberHead", "NumberOut"]

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""The quantiles that are learnt."""

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
        margin: how far the interval is widened at both ends, in units of ``scale``, H*C numbers; learnt on the
            validation part (conformalised quantile regression, Romano et al. 2019). Empty before that.
    """

    kind: Literal["number"] = "number"
    columns: list[str]
    mean: list[float]
    scale: list[float]
    horizon: int = 1
    anchors: list[int] = Field(default_factory=list)
    margin: list[float] = Field(default_factory=list)

    @classmethod
    def fit(
        cls, targets: Sequence[np.ndarray], columns: Sequence[str], *, horizon: int = 1, anchors: Sequence[int] = ()
    ) -> NumberOut:
        """Learn the scaling from training targets, float64 ``[N, C]`` each."""
        mean, scale = moments(targets, columns)
        return cls(columns=list(columns), mean=mean, scale=scale, horizon=horizon, anchors=list(anchors))

    def encode(self, target: np.ndarray) -> Tensor:
        """Scale ``[N, C]`` to float32."""
        return scaled(target, self.mean, self.scale, self.columns)

    def decode(self, values: np.ndarray) -> np.ndarray:
        """From units of ``scale`` back to the data's units, ``[..., C]``."""
        decoded: np.ndarray = values * np.asarray(self.scale) + np.asarray(self.mean)
        return decoded


class NumberHead(nn.Module):
    """Quantiles of every number, learnt by the pinball loss (Koenker & Bassett 1978).

    ::

        loss_q = max(q e, (q - 1) e),   e = y - prediction_q          averaged over quantiles, steps and columns

    Args:
        width: F, the number of features.
        out: its settings.
    """

    levels: Tensor

    def __init__(self, width: int, out: NumberOut) -> None:
        super().__init__()
        self.horizon, self.columns = out.horizon, len(out.columns)
        self.linear = nn.Linear(width, self.horizon * self.columns * len(LEVELS))
        self.register_buffer("levels", torch.tensor(LEVELS), persistent=False)
        # Starting from zero means starting from "as the last value" or "as the mean".
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def raw(self, features: Tensor) -> Tensor:
        """``(N, F)`` to ``(N, H, C, Q)`` in units of scale; quantiles may still cross."""
        flat: Tensor = self.linear(features)
        quantiles: Tensor = flat.unflatten(-1, (self.horizon, self.columns, len(LEVELS)))
        return quantiles

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """The mean pinball loss of every example: ``(N, H, C, Q)`` and ``(N, H, C)`` to ``(N,)``.

        A target that is missing (NaN) does not count; an example without any has the loss 0.
        """
        apart = target[..., None] - raw
        each = torch.maximum(self.levels * apart, (self.levels - 1) * apart)
        gap = target.isnan()
        if not bool(gap.any()):
            return each.flatten(1).mean(1)
        known = torch.where(gap[..., None], each.new_zeros(()), each).flatten(1).sum(1)
        return known / ((~gap).flatten(1).sum(1).clamp(min=1) * len(LEVELS))
