"""Where training starts from: a forecast's linear part begins at its least-squares solution."""

from __future__ import annotations

import numpy as np
import torch

from elman.data.batch import Batches, WindowSet
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.number import LEVELS, NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn
from elman.model.network import SequenceModel, relative

__all__ = ["warm_start"]

_MOST = 20_000
"""Windows that the solution is computed from, at the most."""

_PENALTIES = (1.0, 10.0, 100.0, 1_000.0)
"""L2 penalties that are tried, in units of the squared, rescaled history."""


@torch.no_grad()
def warm_start(model: SequenceModel, train: Batches, valid: Batches) -> None:
    """Set a model's highway to ridge regression on the training windows; do nothing for a model without one.

    The penalty is the one whose mean absolute error on the validation windows is least. Every quantile gets the
    same slopes; its offset is that quantile of the residuals. Gradient descent would get there too, but in many
    more steps, for neighbouring steps of a series are almost the same number.
    """
    out = model.config.output
    if model.highway is None or not isinstance(out, NumberOut):
        return
    if not isinstance(train, WindowSet) or not isinstance(valid, WindowSet):
        return
    kind = model.config.input
    past, future = _windows(train, out.anchors, kind)
    judged = _windows(valid, out.anchors, kind)
    if np.isnan(future).all(0).any():
        # Of some step ahead training has no value at all: there is nothing to begin with.
        return
    slopes = min((_ridge(past, future, penalty) for penalty in _PENALTIES), key=lambda w: _error(w, *judged))
    whole = not np.isnan(future).any()
    offsets = (np.quantile if whole else np.nanquantile)(future - past @ slopes, LEVELS, axis=0)
    weight = np.repeat(slopes.T, len(LEVELS), axis=0)
    model.highway.weight.copy_(torch.from_numpy(weight).float())
    model.highway.bias.copy_(torch.from_numpy(offsets.T.reshape(-1)).float())


def _ridge(past: np.ndarray, future: np.ndarray, penalty: float) -> np.ndarray:
    """Slopes ``[L, H]``; those of a step ahead from the windows in which it is there."""
    known = ~np.isnan(future)
    if not known.all():
        each = [_ridge(past[there], goal[there, None], penalty) for there, goal in zip(known.T, future.T, strict=True)]
        return np.concatenate(each, axis=1)
    gram = past.T @ past + penalty * np.eye(past.shape[1])
    slopes: np.ndarray = np.linalg.solve(gram, past.T @ future)
    return slopes


def _error(slopes: np.ndarray, past: np.ndarray, future: np.ndarray) -> float:
    apart = np.abs(future - past @ slopes)
    return float(np.nanmean(apart)) if not np.isnan(apart).all() else np.inf


def _windows(
    train: WindowSet, anchors: list[int], kind: SeriesIn | TextIn | JoinedIn | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Histories ``[N*C, L]`` and futures ``[N*C, H]`` as the model sees them; columns stand one below the other.

    Windows whose future has no value at all are left out.
    """
    stride = max(1, len(train) * len(anchors) // _MOST)
    pasts, futures = [], []
    for part in train.in_order(4096):
        given, last, spread = relative(part.ragged.values[: train.lookback], kind)
        future = (part.target - last[:, None, anchors]) / spread[:, None, anchors]
        pasts.append(given[..., anchors].permute(1, 2, 0))
        futures.append(future.transpose(1, 2))
    sides = [torch.cat(side)[::stride].flatten(0, 1).double().numpy() for side in (pasts, futures)]
    known = ~np.isnan(sides[1]).all(1)
    return sides[0][known], sides[1][known]
