"""Checking of the numbers a picture is made of, and their decimation to pixel columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Positions(NamedTuple):
    """Places along the x axis: numbers, or microseconds since 1970 where `time` is set."""

    values: Floats
    time: bool


def numbers(values: ArrayLike, name: str, *, length: int | None = None) -> Floats:
    """Return `values` as a vector of float64; NaN is a gap, infinity is refused.

    Raises ValueError, naming `name`, for anything that is not a vector of real numbers, for an
    empty vector, and for a vector that has not `length` numbers.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{name} must be a vector, got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} is empty: there is nothing to draw")
    if length is not None and array.size != length:
        raise ValueError(f"{name} must have {length} numbers, got {array.size}")
    result = array.astype(np.float64)
    if np.isinf(result).any():
        where = int(np.flatnonzero(np.isinf(result))[0])
        raise ValueError(f"{name} holds an infinite number at index {where}")
    return result


def positions(values: ArrayLike, name: str) -> Positions:
    """Return checked places along the x axis; they may be numbers or datetime64 of any unit.

    Raises ValueError if they are empty, missing (NaN, NaT), infinite or not increasing.
    """
    array = np.asarray(values)
    time = array.dtype.kind == "M"
    if time:
        if np.isnat(array).any():
            raise ValueError(f"{name} holds NaT at index {int(np.flatnonzero(np.isnat(array))[0])}")
        # Asked in years, since numpy lets far years overflow silently on the way to microseconds.
        years = array.astype("datetime64[Y]").astype(np.int64) + 1970
        if ((years < 1) | (years > 9999)).any():
            raise ValueError(f"{name} must lie within the years 1 to 9999")
        array = array.astype("datetime64[us]").astype(np.int64)
    result = numbers(array, name)
    if np.isnan(result).any():
        raise ValueError(f"{name} holds NaN at index {int(np.flatnonzero(np.isnan(result))[0])}")
    if (np.diff(result) <= 0).any():
        where = int(np.flatnonzero(np.diff(result) <= 0)[0]) + 1
        raise ValueError(f"{name} must increase, but does not at index {where}")
    return Positions(result, time)


def extent(arrays: Iterable[Floats]) -> tuple[float, float]:
    """Return the smallest and the largest number in `arrays`, leaving NaN out."""
    present = [array[~np.isnan(array)] for array in arrays]
    present = [array for array in present if array.size]
    if not present:
        raise ValueError("there is nothing to draw: every value is missing (NaN)")
    return min(float(a.min()) for a in present), max(float(a.max()) for a in present)


def _runs(px: Floats, finite: NDArray[np.intp], least: float) -> NDArray[np.intp]:
    """Return for each finite point the number of the unbroken run that it belongs to."""
    broken = np.diff(finite) > 1
    if least > 0:
        broken &= np.diff(px[finite]) > least
    return np.concatenate(([0], np.cumsum(broken))).astype(np.intp)


def _keep(
    keys: NDArray[np.intp], lows: Floats, highs: Floats
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return where each group of equal `keys` starts, the place of its lowest and its highest."""
    starts = np.concatenate(([0], np.flatnonzero(np.diff(keys)) + 1)).astype(np.intp)
    ends = np.concatenate((starts[1:], [keys.size])).astype(np.intp)
    lowest = np.lexsort((lows, keys))[starts]
    highest = np.lexsort((highs, keys))[ends - 1]
    return starts, lowest, highest


def segments(px: Floats, y: Floats, columns: int) -> list[tuple[Floats, Floats]]:
    """Cut a line at its gaps and thin it so that a drawing of `columns` columns shows the same.

    `px` (n,) are increasing pixel positions, `y` (n,) values with NaN for gaps.  Each run of
    present values comes back as a pair of vectors.  A line with more than four points for each
    column keeps the first, last, lowest and highest point of each column and run only: the
    extremes, which are what the eye sees, stay.  Gaps narrower than a column do not break it.
    """
    finite = np.flatnonzero(~np.isnan(y))
    if finite.size == 0:
        return []
    if finite.size > 4 * columns:
        width = (px[-1] - px[0]) / columns
        run = _runs(px, finite, 1.5 * width)
        column = np.floor((px[finite] - px[0]) / max(width, 1e-12)).astype(np.intp)
        values = y[finite]
        _, lowest, highest = _keep(run * (columns + 2) + column, values, values)
        edges = np.concatenate(([0], np.flatnonzero(np.diff(run)), np.flatnonzero(np.diff(run)) + 1))
        kept = np.unique(np.concatenate((lowest, highest, edges, [finite.size - 1])).astype(np.intp))
        finite, run = finite[kept], run[kept]
    else:
        run = _runs(px, finite, 0.0)
    cuts = np.flatnonzero(np.diff(run)) + 1
    return [(px[part], y[part]) for part in np.split(finite, cuts)]


def band_segments(px: Floats, lower: Floats, upper: Floats, columns: int) -> list[tuple[Floats, Floats, Floats]]:
    """Cut a band at its gaps and thin it to one lowest and one highest value per column."""
    finite = np.flatnonzero(~(np.isnan(lower) | np.isnan(upper)))
    if finite.size == 0:
        return []
    if finite.size <= 2 * columns:
        cuts = np.flatnonzero(_runs(px, finite, 0.0)[1:] != _runs(px, finite, 0.0)[:-1]) + 1
        return [(px[part], lower[part], upper[part]) for part in np.split(finite, cuts)]
    width = (px[-1] - px[0]) / columns
    run = _runs(px, finite, 1.5 * width)
    column = np.floor((px[finite] - px[0]) / max(width, 1e-12)).astype(np.intp)
    starts, lowest, highest = _keep(run * (columns + 2) + column, lower[finite], upper[finite])
    middle = px[finite][starts]
    # The last column is drawn up to the last point, or the band would end before its line.
    middle[-1] = px[finite][-1]
    cuts = np.flatnonzero(np.diff(run[starts])) + 1
    low, high = lower[finite][lowest], upper[finite][highest]
    parts = np.split(np.arange(starts.size), cuts)
    return [(middle[part], low[part], high[part]) for part in parts]


def named(series: Mapping[str, ArrayLike], name: str, *, length: int | None = None) -> dict[str, Floats]:
    """Return a checked copy of a dictionary of vectors; ValueError where it holds none."""
    if not series:
        raise ValueError(f"{name} is empty: there is nothing to draw")
    return {str(key): numbers(value, f"{name}[{key!r}]", length=length) for key, value in series.items()}


def labels(values: Sequence[str], name: str, *, length: int) -> list[str]:
    """Return `values` as text, checked to be `length` of them."""
    result = [str(value) for value in values]
    if len(result) != length:
        raise ValueError(f"{name} must have {length} labels, got {len(result)}")
    return result
