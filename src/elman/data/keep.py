"""Columns of the file beside what was predicted from it."""

from __future__ import annotations

from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError
from elman.data.columns import column
from elman.data.read import read
from elman.data.roles import Examples

__all__ = ["keep"]


def keep(frame: pl.DataFrame, ex: Examples, file: str, names: list[str]) -> pl.DataFrame:
    """Put columns of the file behind the first of a table of predictions.

    Args:
        frame: predictions, whose first column is the id of an example; any number of rows for each.
        ex: the examples.
        file: where they come from.
        names: the columns; one that the predictions have too is called NAME_given.

    Raises:
        DataError: a column is not there, or differs within a sequence.
    """
    table = read(file)
    rows = [_rows(table.lines, one, line) for one, (_, line) in zip(ex.steps, ex.where, strict=True)]
    firsts = np.array([one[0] for one in rows], dtype=np.int64)
    owner = np.repeat(np.arange(len(rows)), [len(one) for one in rows])
    every = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
    again = firsts[_owners(frame, ex.ids)]
    kept = []
    for name in dict.fromkeys(names):
        series = column(table, name, "--keep")
        before = series.gather(firsts[owner])
        differs = series.gather(every).ne_missing(before).to_numpy()
        if differs.any():
            place = int(differs.argmax())
            row = int(every[place])
            raise DataError(
                f"--keep: it is '{series[row]}' here, but '{before[place]}' in the first row of this sequence; keep "
                "columns that do not change within one",
                file=file,
                row=int(table.lines[row]),
                column=name,
            )
        kept.append(series.gather(again).alias(f"{name}_given" if name in frame.columns else name))
    first, *rest = frame.get_columns()
    return pl.DataFrame([first, *kept, *rest])


def _rows(lines: NDArray[np.int64], steps: NDArray[np.int64], line: int) -> NDArray[np.int64]:
    """The rows of an example: those of the lines of its steps, or of its own line where it has none."""
    wanted = np.unique(steps) if len(steps) else np.array([line])
    first, behind = np.searchsorted(lines, wanted), np.searchsorted(lines, wanted, side="right")
    # In .ts files all rows of an example come from one line.
    single = bool((behind - first == 1).all())
    return first if single else np.concatenate([np.arange(a, b) for a, b in zip(first, behind, strict=True)])


def _owners(frame: pl.DataFrame, ids: list[str]) -> NDArray[np.int64]:
    """Which example each row of the predictions is about."""
    said = frame.to_series(0).to_list()
    each = len(said) // len(ids)
    if said == [id for id in ids for _ in range(each)]:
        return np.repeat(np.arange(len(ids)), each)
    # One row a step, of sequences that differ in length.
    places = {id: place for place, id in enumerate(ids)}
    return np.array([places[id] for id in said], dtype=np.int64)
