"""Series as a few numbers a channel, and plain models of these: what a network that reads every step has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from elman.model.baselines import Ridge

__all__ = ["OF_CHANNEL", "Logistic", "RidgeOnSummary", "summary"]

OF_CHANNEL = ("mean", "standard deviation", "lowest", "highest", "slope", "last")
"""What is taken of every channel; beside them stands the length."""


def summary(series: Sequence[np.ndarray]) -> np.ndarray:
    """:data:`OF_CHANNEL` of every channel and the length, ``[N, 6 C + 1]`` from ``[T_i, C]``; of no steps zeros.

    The slope is that of the least-squares line over the series, from 0 at its first step to 1 at its last.
    """
    return np.stack([_of_one(np.asarray(one, dtype=np.float64)) for one in series])


def _of_one(values: np.ndarray) -> np.ndarray:
    if not len(values):
        return np.zeros(6 * values.shape[1] + 1)
    mean = values.mean(0)
    at = np.linspace(-0.5, 0.5, len(values)) if len(values) > 1 else np.zeros(1)
    slope = at @ (values - mean) / max(float(at @ at), 1e-12)
    return np.concatenate([mean, values.std(0), values.min(0), values.max(0), slope, values[-1], [len(values)]])


class _Scaled:
    """Features in units of their spread in training; what does not vary there is left out."""

    def __init__(self, features: np.ndarray) -> None:
        self._mean, spread = features.mean(0), features.std(0)
        self._kept = (spread > 1e-9 * np.abs(self._mean)) & (spread > 0)
        self._scale = spread[self._kept]

    def __call__(self, features: np.ndarray) -> np.ndarray:
        # Far from all that was seen a linear model says anything at all.
        scaled: np.ndarray = np.clip((features - self._mean)[:, self._kept] / self._scale, -10, 10)
        return scaled


class Logistic:
    """Logistic regression with an L2 penalty, of one class out of K or of K that each hold or not.

    ::

        min_W  sum_n loss(W x_n + b, y_n) + |W|^2 / 2

    Args:
        features: ``[N, F]``.
        truth: ``[N]`` numbers of classes, or ``[N, K]`` zeros and ones.
        classes: K.
    """

    def __init__(self, features: np.ndarray, truth: np.ndarray, classes: int) -> None:
        self._scaled = _Scaled(features)
        self._several = truth.ndim == 2
        x, y = torch.from_numpy(self._scaled(features)), torch.from_numpy(truth)
        self._weight = torch.zeros(x.shape[1], classes, dtype=torch.float64, requires_grad=True)
        self._bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.LBFGS(
            [self._weight, self._bias], max_iter=200, tolerance_change=1e-12, line_search_fn="strong_wolfe"
        )

        def closure() -> torch.Tensor:
            optimiser.zero_grad()
            logits = x @ self._weight + self._bias
            if self._several:
                loss = nn.functional.binary_cross_entropy_with_logits(logits, y.double(), reduction="sum")
            else:
                loss = nn.functional.cross_entropy(logits, y, reduction="sum")
            # The mean, so that the line search meets numbers of any data's size.
            loss = (loss + self._weight.square().sum() / 2) / len(x)
            loss.backward()
            return loss

        with torch.enable_grad():
            optimiser.step(closure)

    def chances(self, features: np.ndarray) -> np.ndarray:
        """Probabilities ``[N, K]``."""
        with torch.no_grad():
            logits = torch.from_numpy(self._scaled(features)) @ self._weight + self._bias
            made = torch.sigmoid(logits) if self._several else torch.softmax(logits, dim=-1)
        found: np.ndarray = made.numpy()
        return found


class RidgeOnSummary:
    """Ridge regression of numbers ``[N, K]`` on features ``[N, F]``."""

    def __init__(self, features: np.ndarray, target: np.ndarray) -> None:
        self._scaled = _Scaled(features)
        self._ridge = Ridge(self._scaled(features), target, anchored=False)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """``[N, K]``."""
        return self._ridge.predict(self._scaled(features))
