"""Columns whose every cell is a whole sequence (JSON lines and Parquet)."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError
from elman.data.columns import column, refuse_values
from elman.data.hints import paste
from elman.data.read import Table

__all__ = ["is_list", "refuse_words", "sequences"]


def is_list(dtype: pl.DataType) -> bool:
    """Return whether the cells are lists of numbers, or lists of lists of numbers."""
    leaf, depth = _leaf(dtype)
    return depth in (1, 2) and (leaf.is_numeric() or leaf == pl.Null)


def refuse_words(table: Table, name: str) -> None:
    """Raise :class:`DataError` for a column of lists that hold text, naming the first that is no number."""
    series = table.frame.get_column(name)
    leaf, depth = _leaf(series.dtype)
    if depth != 1 or leaf != pl.String:
        return
    items, lengths = _flatten(series.fill_null([]))
    if not len(items):
        return
    bad = (items.str.strip_chars().cast(pl.Float64, strict=False).is_null() & items.is_not_null()).to_numpy()
    at = int(bad.argmax()) if bad.any() else 0
    row = int(table.lines[np.repeat(np.arange(len(lengths)), lengths)[at]])
    do = (
        f"'{items[at]}' is not a number; correct it"
        if bad.any()
        else "the lists hold text; write their numbers without quotes"
    )
    raise DataError(do, file=table.file, row=row, column=name)


def _leaf(dtype: pl.DataType) -> tuple[pl.DataType, int]:
    depth = 0
    while isinstance(dtype, (pl.List, pl.Array)):
        inner = dtype.inner
        dtype = inner if isinstance(inner, pl.DataType) else inner()
        depth += 1
    return dtype, depth


def sequences(table: Table, names: tuple[str, ...], option: str, *, gaps: bool = False) -> list[NDArray[np.float64]]:
    """Return one float64 [T, C] a row.

    One column may hold numbers [T] or rows of numbers [T][C]; several columns hold numbers [T] each, as long
    as one another in every row, and stand side by side. An empty list is a sequence of length zero. With ``gaps``
    a missing value is NaN.

    Raises:
        DataError: a list is missing, as a whole or a value of it, is not of numbers, or differs in length.
    """
    series = [column(table, name, option) for name in names]
    for one in series:
        _check(table, one, option)
    if len(series) == 1 and _leaf(series[0].dtype)[1] == 2:
        flat, lengths = _rows_of_numbers(table, series[0])
    else:
        flat, lengths = _side_by_side(table, series, option)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    labels = names if flat.shape[1] == len(names) else names * flat.shape[1]
    refuse_values(table, labels, flat, table.lines[owner], option, gaps=gaps)
    ends = np.cumsum(lengths).tolist()
    return [flat[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _check(table: Table, series: pl.Series, option: str) -> None:
    if not is_list(series.dtype):
        lists = [name for name, dtype in table.frame.schema.items() if is_list(dtype)]
        raise DataError(
            f"{option} needs lists of numbers here, but this column is {series.dtype}; name only such "
            f"columns: {', '.join(lists) or 'none is there'}",
            file=table.file,
            column=series.name,
        )
    if series.null_count():
        row = int(series.is_null().to_numpy().argmax())
        drop = paste(table.file, f".drop_nulls({series.name!r})", "complete")
        raise DataError(
            f"the list is missing; write [] for an empty one, or drop such rows: {drop}",
            file=table.file,
            row=int(table.lines[row]),
            column=series.name,
        )


def _flatten(series: pl.Series) -> tuple[pl.Series, NDArray[np.int64]]:
    """Return the items of all lists behind one another, and how many each list has."""
    series = series.arr.to_list() if isinstance(series.dtype, pl.Array) else series
    lengths = series.list.len()
    # An empty list would be flattened to a null, so it is left out.
    return series.filter(lengths > 0).explode(), lengths.cast(pl.Int64).to_numpy()


def _floats(items: pl.Series) -> NDArray[np.float64]:
    return items.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _rows_of_numbers(table: Table, series: pl.Series) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    steps, lengths = _flatten(series)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    values, widths = _flatten(steps.fill_null([]))
    width = int(widths[0]) if widths.size else 1
    wrong = np.flatnonzero(widths != width) if width else np.arange(widths.size)
    if wrong.size:
        row = int(owner[wrong[0]])
        raise DataError(
            f"a step of {widths[wrong[0]]} numbers, but the first step of line {table.lines[owner[0]]} "
            f"has {width}; write as many numbers in every step, at least one",
            file=table.file,
            row=int(table.lines[row]),
            column=series.name,
        )
    return _floats(values).reshape(-1, width), lengths


def _side_by_side(table: Table, series: list[pl.Series], option: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    deep = [one.name for one in series if _leaf(one.dtype)[1] == 2]
    if deep:
        raise DataError(
            f"this column holds lists of lists, which cannot stand beside others; write {option}:{deep[0]}",
            file=table.file,
            column=deep[0],
        )
    flat = [_flatten(one) for one in series]
    lengths = flat[0][1]
    for one, (_, other) in zip(series, flat, strict=True):
        wrong = np.flatnonzero(other != lengths)
        if wrong.size:
            row = int(wrong[0])
            raise DataError(
                f"the list has {other[row]} numbers, but '{series[0].name}' has {lengths[row]}; make them equal",
                file=table.file,
                row=int(table.lines[row]),
                column=one.name,
            )
    return np.stack([_floats(items) for items, _ in flat], axis=1), lengths
