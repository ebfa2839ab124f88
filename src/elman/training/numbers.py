"""Scores of numbers and forecasts from quantiles and what came, in numpy: nothing here knows a model."""

from __future__ import annotations

import numpy as np

from elman.model.kinds.number import LEVELS, NumberOut
from elman.training.measures import Scores

__all__ = ["number_scores", "point_scores"]

_LOW, _MIDDLE, _HIGH = LEVELS.index(0.1), LEVELS.index(0.5), LEVELS.index(0.9)


def number_scores(found: np.ndarray, target: np.ndarray, out: NumberOut, naive: np.ndarray | None = None) -> Scores:
    """Scores of quantiles ``[N, H, C, Q]`` against ``[N, H, C]``, in units of scale; NaN is no target.

    ::

        mae   mean |y - median|                          rmse  sqrt(mean (y - median)^2)
        mase  mean |y - median| / naive                  (Hyndman & Koehler 2006)
        smape 200 mean |y - median| / (|y| + |median|)   in the data's units, where none of them is negative
        pinball  mean over LEVELS of max(q e, (q - 1) e)       coverage  share of 10 % quantile <= y <= 90 % quantile

    Args:
        found, target, out: what was said, what came, and of what.
        naive: ``[N, C]``, of forecasts: what the seasonal-naive forecast of one step errs by on the series' steps
            before the first that is scored, in units of scale; NaN where it never errs.
    """
    if out.likelihood == "negbin":
        # Counts that were scaled and back are whole numbers but for their last digits.
        target, found = (_counts(np.moveaxis(one, 2, -1), out, 2) for one in (target, found))
    apart = target - found[..., _MIDDLE]
    known = ~np.isnan(target)
    each = np.abs(apart)
    alone = len(out.columns) == 1
    by_step = mean(each * (np.asarray(out.scale) if alone else 1.0), (0, 2))
    values = {"mae": float(mean(each)), "rmse": float(np.sqrt(mean(apart**2)))}
    rows = {"mae": _mean_of_rows(each), "rmse": _mean_of_rows(apart**2)}
    values |= _by_column(each, out)
    if naive is not None:
        _add_relative(values, rows, found, target, out, naive)
    values["pinball"] = float(np.mean([mean(_pinball(target - found[..., k], q)) for k, q in enumerate(LEVELS)]))
    inside = (target >= found[..., _LOW]) & (target <= found[..., _HIGH])
    values["coverage"] = float(inside[known].mean()) if known.any() else float("nan")
    made = Scores(values, len(target), by_step=by_step, each=rows)
    if known.any():
        made.reached = np.array([float((target <= found[..., k])[known].mean()) for k in range(len(LEVELS))])
    return made


def point_scores(found: np.ndarray, target: np.ndarray, out: NumberOut, naive: np.ndarray | None = None) -> Scores:
    """The same of one number each, ``[N, H, C]``, which has no interval."""
    made = number_scores(np.repeat(found[..., None], len(LEVELS), axis=-1), target, out, naive)
    del made.values["coverage"]
    made.reached = np.zeros(0)
    return made


def _counts(values: np.ndarray, out: NumberOut, axis: int) -> np.ndarray:
    """Values whose last dimension is that of the columns, in units of scale of whole numbers; that goes to ``axis``."""
    whole = out.decode(values.astype(np.float64)).round()
    made: np.ndarray = (whole - np.asarray(out.mean)) / np.asarray(out.scale)
    return np.moveaxis(made, -1, axis)


def _pinball(apart: np.ndarray, level: float) -> np.ndarray:
    return np.maximum(level * apart, (level - 1) * apart)


def _by_column(each: np.ndarray, out: NumberOut) -> dict[str, float]:
    """Mean absolute errors in the data's units: columns of different units have no mean in any."""
    if len(out.columns) == 1:
        return {"mae_units": float(mean(each)) * out.scale[0]}
    columns = mean(each, (0, 1)) * np.asarray(out.scale)
    return {f"mae_{name}": float(value) for name, value in zip(out.columns, columns, strict=True)}


def _add_relative(
    values: dict[str, float],
    rows: dict[str, np.ndarray],
    found: np.ndarray,
    target: np.ndarray,
    out: NumberOut,
    naive: np.ndarray,
) -> None:
    """Of forecasts: what compares over series of all sizes."""
    scaled = np.abs(target - found[..., _MIDDLE]) / naive[:, None]
    if not np.isnan(scaled).all():
        values["mase"], rows["mase"] = float(mean(scaled)), _mean_of_rows(scaled)
    nothing = 1e-6 * (np.asarray(out.scale) + np.abs(np.asarray(out.mean)))
    # What was scaled and back is 0 but for its last digits.
    came, said = (
        np.where(np.abs(one) < nothing, 0.0, one) for one in (out.decode(target), out.decode(found[..., _MIDDLE]))
    )
    if np.nanmin(came, initial=np.inf) < 0:
        return
    whole = np.abs(came) + np.abs(said)
    share = 200 * np.abs(came - said) / np.where(whole > 0, whole, 1.0)
    values["smape"], rows["smape"] = float(mean(share)), _mean_of_rows(share)


def _mean_of_rows(values: np.ndarray) -> np.ndarray:
    """The mean of what is known of each row; NaN where nothing is."""
    flat = values.reshape(len(values), -1)
    known = (~np.isnan(flat)).sum(1)
    found: np.ndarray = np.where(known > 0, np.nansum(flat, axis=1) / np.maximum(1, known), np.nan)
    return found


def mean(values: np.ndarray, axis: tuple[int, ...] | None = None) -> np.ndarray:
    """The mean of what is known; 0 where nothing is."""
    gap = np.isnan(values)
    if not gap.any():
        return np.asarray(values.mean(axis=axis))
    total = np.where(gap, 0.0, values).sum(axis=axis)
    return np.asarray(total / np.maximum(1, (~gap).sum(axis=axis)))
