"""Which rows form which example, and what must hold within one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError
from elman.data.clock import HOUR, autumn_night
from elman.data.hints import paste
from elman.data.read import Table

__all__ = ["Groups", "by_id", "check_order", "constant"]


@dataclass(frozen=True)
class Groups:
    """Which rows form which example: rows ``order[starts[k]:starts[k + 1]]`` form example k."""

    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def firsts(self) -> NDArray[np.int64]:
        """The first row of each example, [examples]."""
        return self.order[self.starts[:-1]]

    def cut(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Divide values of all rows, [rows, ...], into one array per example."""
        ordered, ends = rows[self.order], self.starts.tolist()
        return [ordered[start:end] for start, end in pairwise(ends)]


def by_id(names: list[str]) -> tuple[Groups, list[str]]:
    """Group the rows by name; return the groups and their names, in order of first appearance."""
    rows = pl.DataFrame({"name": names, "row": np.arange(len(names))})
    found = rows.group_by("name", maintain_order=True).agg(pl.col("row"))
    lengths = found["row"].list.len().to_numpy()
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return Groups(found["row"].explode().to_numpy(), starts), found["name"].to_list()


def check_order(table: Table, groups: Groups, clock: NDArray[Any], time: str, id: str | None) -> None:
    """Raise :class:`DataError` for the first row whose time is not after the one before it in its example.

    Args:
        table: the table.
        groups: which rows form which example.
        clock: the time of each row, [rows].
        time, id: the columns, for messages.
    """
    ordered = clock[groups.order]
    inside = np.ones(len(ordered), dtype=bool)
    inside[groups.starts[:-1]] = False
    stuck = np.flatnonzero(inside[1:] & (ordered[1:] <= ordered[:-1])) + 1
    if not stuck.size:
        return
    place = int(stuck[0])
    row, before = int(groups.order[place]), int(groups.order[place - 1])
    cells, line = table.frame.get_column(time), int(table.lines[before])
    within = f" within the id '{table.frame.get_column(id)[row]}'" if id else ""
    again = bool(ordered[place] == ordered[place - 1])
    if again:
        what = f"the time '{cells[row]}' is in line {line} already{within}."
    else:
        what = f"time goes back{within}: '{cells[row]}' after '{cells[before]}' in line {line}."
    if _put_back(table, ordered, groups, clock, place):
        local = str(cells[row])
        raise DataError(
            f"the hour of '{local}' comes twice{within}, here and before line {line + 1}: clocks are put back. Write "
            f"times in UTC or with their offset, {local}+01:00; or with your own zone for Europe/Berlin: "
            f"{_with_zone(table, time, id)}",
            file=table.file,
            row=int(table.lines[row]),
            column=time,
        )
    teller = None if id else _teller(table, clock, time, len(stuck))
    do = _mend(table, time, id, again=again) if teller is None else teller
    raise DataError(f"{what} {do}", file=table.file, row=int(table.lines[row]), column=time)


def _put_back(table: Table, ordered: NDArray[Any], groups: Groups, clock: NDArray[Any], place: int) -> bool:
    """Whether dates go on an hour too early there, in a night in which clocks are put back somewhere."""
    if ordered.dtype.kind != "M":
        return False
    first = int(groups.starts[np.searchsorted(groups.starts, place, side="right") - 1])
    last = int(groups.starts[np.searchsorted(groups.starts, place, side="right")])
    ticks = ordered[first:last].astype("datetime64[us]").astype(np.float64)
    steps = np.diff(ticks)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else np.inf
    early = abs(float(steps[place - first - 1]) - (usual - HOUR)) < 1
    return usual <= HOUR and early and bool(autumn_night(ticks[place - first : place - first + 1])[0])


def _with_zone(table: Table, time: str, id: str | None) -> str:
    """A line to paste that gives local times their zone and writes them in UTC."""
    cells = table.frame.get_column(time)
    local = f"pl.col({time!r})" + (".str.to_datetime()" if cells.dtype == pl.String else "")
    once = f"pl.col({time!r}).is_first_distinct()" + (f".over({id!r})" if id else "")
    which = f"pl.when({once}).then(pl.lit('earliest')).otherwise(pl.lit('latest'))"
    zoned = (
        f".with_columns({local}.dt.replace_time_zone('Europe/Berlin', ambiguous={which}).dt.convert_time_zone('UTC'))"
    )
    return paste(table.file, zoned, "utc")


def _mend(table: Table, time: str, id: str | None, *, again: bool) -> str:
    """A line to paste that keeps the first of equal times, or sorts."""
    keys = [id, time] if id else [time]
    several = "" if id else "If the file holds several series, tell them apart with --id COLUMN. "
    if again:
        once = paste(table.file, f".unique({keys!r}, keep='first', maintain_order=True)", "unique")
        return f"{several}To keep the first: {once}"
    return f"{several}To sort: {paste(table.file, f'.sort({keys!r})', 'sorted')}"


def _teller(table: Table, clock: NDArray[Any], time: str, stuck: int) -> str | None:
    """What to do where several series stand in one file: name the column of fewest values within which time rises.

    Args:
        table: the table.
        clock: the time of each row.
        time: its column.
        stuck: how often time does not rise; K series give at least K - 1 such places, a slip gives one.
    """
    found: list[tuple[int, str]] = []
    for series in table.frame.get_columns():
        count = series.n_unique()
        if series.name == time or series.dtype.is_float() or series.dtype.is_nested():
            continue
        if not 2 <= count <= min(stuck + 1, len(clock) // 2) or series.null_count():
            continue
        code = np.unique(series.cast(pl.String).to_numpy(), return_inverse=True)[1]
        order = np.argsort(code, kind="stable")
        same = code[order][1:] == code[order][:-1]
        if (clock[order][1:] > clock[order][:-1])[same].all():
            found.append((count, series.name))
    if not found:
        return None
    count, name = min(found)
    return f"Within each value of '{name}' it rises: add --id {shlex.quote(name)} ({count} values)"


def constant(
    table: Table, rows: list[str] | NDArray[np.float64], name: str, option: str, groups: Groups
) -> NDArray[Any]:
    """Return the one value of each example, [examples].

    Args:
        table: the table.
        rows: the value of each row.
        name, option: the column and what names it, for messages.
        groups: which rows form which example.

    Raises:
        DataError: a row differs from the first of its example.
    """
    values = np.asarray(rows, dtype=object if isinstance(rows, list) else np.float64)
    first = values[groups.firsts]
    ordered = values[groups.order]
    owner = np.repeat(np.arange(len(first)), np.diff(groups.starts))
    other = np.flatnonzero(ordered != first[owner])
    if other.size:
        row, start = int(groups.order[other[0]]), int(groups.firsts[owner[other[0]]])
        instead = instead_of(table, name, option)
        raise DataError(
            f"{option} must be constant within one id, but it is '{values[row]}' here and "
            f"'{values[start]}' in line {table.lines[start]}; {instead}",
            file=table.file,
            row=int(table.lines[row]),
            column=name,
        )
    return first


def instead_of(table: Table, name: str, option: str) -> str:
    """What to write where a column changes within an id, but must not."""
    if option == "--split":
        return "give every row of an id the same part, or cut by time: --split 0.9"
    if option == "--static":
        return f"what changes from step to step is read: --from ...+{_kind(table, name)}:{name}"
    if option == "--to labels":
        return "correct it, or name an --id whose rows share it"
    if table.frame.schema[name].is_numeric():
        return f"for a value at every step write --to series:{name}, --to next:{name} or --to future:24:{name}"
    return f"correct it, name an --id whose rows share it, or predict one a step: --to tags:{name}"


def _kind(table: Table, name: str) -> str:
    return "series" if table.frame.schema[name].is_numeric() else "events"
