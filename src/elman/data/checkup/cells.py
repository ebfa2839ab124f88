"""A column of a block, seen as numbers, words, lists or times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.data.columns import is_missing, is_text, times
from elman.data.delimited import MISSING
from elman.data.read import Table

__all__ = ["Cells", "Clock", "cells", "clock"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

_CODE = r"^[+-]?0\d|^\d{19,}$"
"""Numbers that are codes, such as 007, and would lose their form."""


@dataclass(frozen=True)
class Cells:
    """One column of a block.

    Attributes:
        series: as it came.
        blank: true where there is nothing: null, NaN, an empty cell of a CSV.
        absent: true where a word says that there is nothing, such as NA; where there are words only.
        values: the number, NaN where there is none.
        words: true where there is something that is no number.
        codes: whether some number is a code.
    """

    series: pl.Series
    blank: Bools
    absent: Bools
    values: Floats
    words: Bools
    codes: bool = False


def cells(series: pl.Series) -> Cells:
    """See a column as numbers and words; lists, times and objects are words."""
    blank = is_missing(series).to_numpy()
    none = np.zeros(len(series), dtype=bool)
    if series.dtype.is_numeric():
        return Cells(series, blank, none, series.cast(pl.Float64).fill_null(float("nan")).to_numpy(), none)
    nothing = np.full(len(series), np.nan)
    if not is_text(series.dtype):
        return Cells(series, blank, none, nothing, ~blank)
    text = series.cast(pl.String).str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    values = numbers.fill_null(float("nan")).to_numpy()
    other = np.isnan(values) & ~blank
    absent = none
    if other.any():
        absent = np.zeros(len(series), dtype=bool)
        absent[other] = text.filter(pl.Series(other)).str.to_lowercase().is_in(MISSING).to_numpy()
    whole = values[np.isfinite(values)]
    codes = bool(len(whole)) and bool((whole == np.floor(whole)).all()) and bool(text.str.contains(_CODE).any())
    return Cells(series, blank, absent, values, other & ~absent, codes)


@dataclass(frozen=True)
class Clock:
    """The times of a block's rows.

    Attributes:
        ticks: int64 microseconds, or the numbers that stand for times, [rows].
        dates: whether they are dates.
    """

    ticks: NDArray[np.int64] | Floats
    dates: bool


def clock(series: pl.Series, file: str, lines: NDArray[np.int64]) -> Clock:
    """The times of some rows; raise :class:`DataError` for one that is missing or not understood."""
    quick = _like_the_first(series)
    found = times(Table(pl.DataFrame([series]), file, lines), series.name) if quick is None else quick
    dates = found.dtype.kind == "M"
    return Clock(found.astype("datetime64[us]").astype(np.int64) if dates else found.astype(np.float64), dates)


def _like_the_first(series: pl.Series) -> NDArray[np.datetime64] | None:
    """Times of text that are all written as the first, the fast way; None where this is not so."""
    if series.dtype != pl.String or not len(series) or series[0] is None:
        return None
    form = {10: "%Y-%m-%d", 16: "%Y-%m-%d %H:%M", 19: "%Y-%m-%d %H:%M:%S", 20: "%Y-%m-%dT%H:%M:%SZ"}.get(len(series[0]))
    if form is None:
        return None
    form = form.replace(" ", series[0][10:11] or " ") if len(series[0]) < 20 else form
    try:
        found = series.str.to_datetime(form, strict=False, time_unit="us", time_zone=None)
    except pl.exceptions.PolarsError:
        return None
    return None if found.null_count() else found.to_numpy()
