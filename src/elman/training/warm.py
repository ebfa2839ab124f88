"""Where training starts from: a forecast's linear part begins at its least-squares solution."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from elman.data.batch import Batches, WindowSet
from elman.model.forecast import relative
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.number import LEVELS, NumberHead, NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn
from elman.model.network import SequenceModel

__all__ = ["warm_start"]

_MOST = 20_000
"""Windows that the solution is computed from, at the most."""

_PENALTIES = (1.0, 10.0, 100.0, 1_000.0)
"""L2 penalties that are tried, in units of the squared, rescaled history."""


@torch.no_grad()
def warm_start(model: SequenceModel, train: Batches, valid: Batches) -> None:
    """Have a forecast start from what needs no gradient; do nothing for a model that does not forecast at once.

    A highway starts as ridge regression on the training windows, with the penalty whose mean absolute error on the
    validation windows is least. Every quantile gets the same slopes; its offset is that quantile of the residuals. Of a
    distribution the middle gets them. Gradient descent would get there too, but in many more steps, for neighbouring
    steps of a series are almost the same number. Segments start from the last value, with the quantiles of how far
    training's futures lay from it.
    """
    out = model.config.output
    if not isinstance(out, NumberOut) or not isinstance(model.head, NumberHead):
        return
    if not isinstance(train, WindowSet) or not isinstance(valid, WindowSet):
        return
    if model.segments is not None and out.likelihood != "negbin":
        _segments(model.segments.start, out, train, model.config.input)
    if model.highway is not None:
        _highway(model.highway, out, train, valid, model.config.input)


def _segments(start: Tensor, out: NumberOut, train: WindowSet, kind: SeriesIn | TextIn | JoinedIn) -> None:
    _, future = _windows(train, out, kind)
    if np.isnan(future).all(0).any():
        return
    if out.likelihood == "quantiles":
        away = np.nanquantile(future, LEVELS, axis=0).T
        start.copy_(torch.from_numpy(away - away[:, LEVELS.index(0.5), None]).float())
    else:
        # softplus(log(e - 1) + w) is the width of a Gaussian or a Student.
        wide = np.nanstd(future, axis=0).clip(1e-2, 30)
        start[:, 1] = torch.from_numpy(np.log(np.expm1(wide)) - np.log(np.e - 1)).float()


def _highway(
    highway: nn.Linear, out: NumberOut, train: WindowSet, valid: WindowSet, kind: SeriesIn | TextIn | JoinedIn
) -> None:
    past, future = _windows(train, out, kind)
    judged = _windows(valid, out, kind)
    if np.isnan(future).all(0).any():
        # Of some step ahead training has no value at all: there is nothing to begin with.
        return
    slopes = min((_ridge(past, future, penalty) for penalty in _PENALTIES), key=lambda w: _error(w, *judged))
    weight = highway.weight.view(out.horizon, -1, train.lookback)
    bias = highway.bias.view(out.horizon, -1)
    if out.likelihood == "quantiles":
        weight.copy_(torch.from_numpy(slopes.T).float()[:, None].expand_as(weight))
        bias.copy_(torch.from_numpy(np.nanquantile(future - past @ slopes, LEVELS, axis=0).T).float())
    else:
        weight[:, 0].copy_(torch.from_numpy(slopes.T).float())
        bias[:, 0].copy_(torch.from_numpy(np.nanmean(future - past @ slopes, axis=0)).float())


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
    train: WindowSet, out: NumberOut, kind: SeriesIn | TextIn | JoinedIn | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Histories ``[N*C, L]`` and futures ``[N*C, H]`` as the model sees them; columns stand one below the other.

    Windows whose future has no value at all are left out.
    """
    anchors = out.anchors
    stride = max(1, len(train) * len(anchors) // _MOST)
    pasts, futures = [], []
    for part in train.in_order(4096):
        given, last, spread = relative(part.ragged.values[: train.lookback], kind, out.floor)
        future = (part.target - last[:, None, anchors]) / spread[:, None, anchors]
        pasts.append(given[..., anchors].permute(1, 2, 0))
        futures.append(future.transpose(1, 2))
    sides = [torch.cat(side)[::stride].flatten(0, 1).double().numpy() for side in (pasts, futures)]
    known = ~np.isnan(sides[1]).all(1)
    return sides[0][known], sides[1][known]
