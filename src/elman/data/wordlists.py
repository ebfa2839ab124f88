"""Names instead of numbers: cells that may be missing, columns of lists of words, sets of classes."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError
from elman.data.columns import column, is_missing, is_number, is_text, words
from elman.data.hints import paste
from elman.data.lists import is_list
from elman.data.read import Table

__all__ = ["class_columns", "class_sets", "is_sequence", "is_word_list", "names", "word_lists"]

Names = NDArray[np.object_]

_YES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}
"""What the cells of a 0/1 column may hold, in small letters."""


def is_word_list(dtype: pl.DataType) -> bool:
    """Return whether the cells are lists of words."""
    if not isinstance(dtype, (pl.List, pl.Array)):
        return False
    inner = dtype.inner if isinstance(dtype.inner, pl.DataType) else dtype.inner()
    return is_text(inner) or inner == pl.Null


def is_sequence(dtype: pl.DataType) -> bool:
    """Return whether each cell is a whole sequence, of numbers or of words."""
    return is_list(dtype) or is_word_list(dtype)


def names(table: Table, column_names: tuple[str, ...], option: str, *, gaps: bool = False) -> Names:
    """Return the words of the columns, ``[rows, C]``; with ``gaps`` None where one is missing."""
    found = np.empty((table.frame.height, len(column_names)), dtype=object)
    for place, name in enumerate(column_names):
        if not gaps:
            found[:, place] = words(table, name, option)
            continue
        series = column(table, name, option)
        empty = series.cast(pl.String).str.strip_chars() == "" if is_text(series.dtype) else is_missing(series)
        missing = (is_missing(series) | empty).to_numpy()
        present = _rows(table, ~missing)
        if present.frame.height:
            found[~missing, place] = words(present, name, option)
    return found


def _rows(table: Table, keep: NDArray[np.bool_]) -> Table:
    mask = pl.Series(keep)
    spelt = {name: cells.filter(mask) for name, cells in table.spelt.items()}
    return Table(table.frame.filter(mask), table.file, table.lines[keep], spelt)


def word_lists(table: Table, name: str, option: str) -> list[Names]:
    """Return the words of each row's list, ``[T]``; numbers are taken as words.

    Raises:
        DataError: the column holds no lists, a list is missing, or a word in one is.
    """
    series = column(table, name, option)
    if not is_sequence(series.dtype):
        raise DataError(
            f"{option} needs a list of words a row here, as the columns beside it have, but this column is "
            f"{series.dtype}; write lists, or one row a step and name --id",
            file=table.file,
            column=name,
        )
    lists = series.arr.to_list() if isinstance(series.dtype, pl.Array) else series
    inner = lists.dtype.inner if isinstance(lists.dtype, pl.List) else pl.Null
    cells = lists.to_list()
    for row, cell in enumerate(cells):
        if cell is None or None in cell:
            raise DataError(
                f"{option}: {'the list is missing' if cell is None else 'a word of the list is missing'}; correct it, "
                f"or drop such rows: {paste(table.file, f'.drop_nulls({name!r})', 'complete')}",
                file=table.file,
                row=int(table.lines[row]),
                column=name,
            )
    whole = isinstance(inner, pl.DataType) and inner.is_float()
    spoken = [[str(int(w)) if whole and w == int(w) else str(w) for w in cell] for cell in cells]
    return [np.array(cell, dtype=object) for cell in spoken]


def class_columns(table: Table, column_names: tuple[str, ...], option: str) -> list[tuple[str, ...]]:
    """The names of the columns that say yes in each row: 1, true or yes; 0, false, no or nothing say no."""
    found: list[list[str]] = [[] for _ in range(table.frame.height)]
    for name in column_names:
        series = table.spelt.get(name, column(table, name, option))
        if series.dtype.is_nested():
            raise DataError(
                f"{option}: of several columns each is one class and holds 0 or 1, but this one is {series.dtype}; "
                f"write {option}:{name} alone",
                file=table.file,
                column=name,
            )
        plain = series.cast(pl.Int64, strict=False) if is_number(series.dtype) else series.cast(pl.String)
        cells = plain.cast(pl.String).fill_null("").str.strip_chars().str.to_lowercase().to_list()
        for row, cell in enumerate(cells):
            value = cell.removesuffix(".0") if cell in ("1.0", "0.0") else cell
            if value not in _YES or (is_number(series.dtype) and series[row] not in (0, 1, None)):
                raise DataError(
                    f"{option}: of several columns each is one class and holds 0 or 1, but here is '{series[row]}'; "
                    "correct it, or leave the column out",
                    file=table.file,
                    row=int(table.lines[row]),
                    column=name,
                )
            if _YES[value]:
                found[row].append(name)
    return [tuple(one) for one in found]


def class_sets(table: Table, name: str, option: str) -> list[tuple[str, ...]]:
    """The classes of each row from one column: a list of words, or words with ``|`` between; none is allowed."""
    series = column(table, name, option)
    if series.dtype.is_nested():
        return [tuple(sorted(set(one.tolist()))) for one in word_lists(table, name, option)]
    cells = names(table, (name,), option, gaps=True)[:, 0].tolist()
    split = [[word.strip() for word in (cell or "").split("|")] for cell in cells]
    return [tuple(sorted({word for word in one if word})) for one in split]
