"""What is wrong with values that can be read: refused here, before a model learns nonsense from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.core.errors import DataError
from elman.data.hints import paste
from elman.data.roles import Examples
from elman.model.grammar import Part

__all__ = ["ABSURD", "EVEN", "FEWEST", "RARE", "examine", "examined", "refuse_absurd", "span"]

ABSURD = 1e6
"""A value this many times further from the median than 99 % of the others is a slip, not an outlier."""

FEWEST = 20
"""Values below which nothing is called unusual."""

RARE, EVEN = 0.05, 0.9
"""The largest share of steps in time that may be gaps, and the least that must be alike, for gaps to be told."""


def examined(ex: Examples, *, again: bool = False) -> list[str]:
    """Have the numbers looked through; what is no number has nothing absurd."""
    choice = ex.choice
    if choice is None:
        return []
    seen, source, target = ex, choice.source[0], choice.target
    place = next((k for k, part in enumerate(choice.source) if part.kind == "series"), None)
    if choice.joined:
        inputs = [one.parts[place] if place is not None else np.empty((len(one), 0)) for one in ex.inputs]
        columns = () if place is None else choice.source[place].columns
        seen, source = replace(ex, inputs=inputs, columns=columns), Part("series")
    if choice.words or target.kind in ("label", "labels", "tags", "text"):
        seen, target = replace(seen, targets=None), Part("label")
    elif target.kind == "series":
        # Nothing is passed over from step to step: gaps in time are no matter.
        seen, target = replace(seen, times=None), Part("next", "", target.columns)
    notes = []
    if source.kind == "series":
        notes = _unseen(seen)
        seen = replace(seen, inputs=_closed(seen.inputs, seen.columns, ex))
        seen = replace(seen, targets=seen.targets and _closed(seen.targets, target.columns, ex))
    if again:
        refuse_absurd(seen, source, target)
        return notes
    return [*notes, *examine(seen, source, target)]


def _unseen(ex: Examples) -> list[str]:
    """Sentences on sequences in which a column has no value at all."""
    found = []
    for place, name in enumerate(ex.columns):
        some = [k for k, one in enumerate(ex.inputs) if len(one) and np.isnan(one[:, place]).all()]
        if some:
            have = "has" if len(some) == 1 else "have"
            found.append(
                f"{len(some)} of {len(ex)} sequences {have} no value of {name} at all, the first begins in line "
                f"{ex.where[some[0]][1]}"
            )
    return found


def _closed(sequences: list[Any], names: tuple[str, ...], ex: Examples) -> list[Any]:
    """The same with the median of all where a value is missing, which is never absurd."""
    if not any(one.dtype.kind == "f" and np.isnan(one).any() for one in sequences):
        return sequences
    every = np.concatenate([np.atleast_2d(one) for one in sequences if len(one)])
    empty = np.flatnonzero(np.isnan(every).all(0))
    if len(empty):
        raise DataError(
            f"column '{names[int(empty[0]) % len(names)]}' has no value in any row; leave it out, or check how the "
            "file was made",
            file=ex.where[0][0],
        )
    middle = np.nanmedian(every, axis=0)
    return [np.where(np.isnan(one), middle, one) if len(one) else one for one in sequences]


def examine(ex: Examples, source: Part, target: Part) -> list[str]:
    """Refuse absurd values and targets that never change; return what is to be noted of the rest.

    Raises:
        DataError: with the file, the line and the column.
    """
    refuse_absurd(ex, source, target)
    if target.kind in ("number", "next", "future") and ex.targets:
        _refuse_constant(ex, target)
    return [*_gaps(ex), *_paces(ex)] if target.kind in ("next", "future") else []


def refuse_absurd(ex: Examples, source: Part, target: Part) -> None:
    """Raise DataError for a number that lies a million times further out than the others do.

    One of them in training makes the unit of all so large that every error looks like nothing.
    """
    if source.kind == "series":
        _check(ex, _lines(ex), ex.inputs, ex.columns)
    if target.kind == "number" and ex.targets:
        _check(ex, np.array([line for _, line in ex.where]), [np.stack(ex.targets)], ex.target_columns)
    elif target.kind in ("next", "future") and ex.targets:
        _check(ex, _lines(ex), ex.targets, ex.target_columns)


def _lines(ex: Examples) -> NDArray[np.int64]:
    return np.concatenate(ex.steps)


def _check(
    ex: Examples, lines: NDArray[np.int64], sequences: list[NDArray[np.float64]], names: tuple[str, ...]
) -> None:
    values = np.concatenate([one for one in sequences if len(one)] or [np.empty((0, len(names)))])
    if len(values) < FEWEST:
        return
    for place in range(values.shape[1]):
        column = values[:, place]
        middle = float(np.median(column))
        with np.errstate(over="ignore"):
            away = np.abs(column - middle)
        worst = int(away.argmax())
        usual = float(np.quantile(np.delete(away, worst), 0.99))
        if not 0 < usual * ABSURD < away[worst]:
            continue
        name = names[place % len(names)]
        file = ex.where[0][0]
        value = float(column[worst])
        # A cell that is a list has no value of its own to filter by.
        rows = len(lines) == len(np.unique(lines))
        drop = f", or drop such rows: {paste(file, f'.filter(pl.col({name!r}) != {value!r})', 'plain')}" if rows else ""
        raise DataError(
            f"the value {value:.6g} lies {away[worst] / usual:.2g} times further than 99 % of the others do from the "
            f"median, {middle:.6g}; correct it{drop}",
            file=file,
            row=int(lines[worst]),
            column=name,
        )


def _refuse_constant(ex: Examples, target: Part) -> None:
    goals = [np.stack(ex.targets or [])] if target.kind == "number" else [one for one in ex.targets or [] if len(one)]
    values = np.concatenate(goals) if goals else np.empty((0, 0))
    for place in range(values.shape[1] if len(values) > 1 else 0):
        if (values[:, place] == values[0, place]).all():
            name = ex.target_columns[place % len(ex.target_columns)]
            do = "learn" if target.kind == "number" else "forecast"
            raise DataError(
                f"column '{name}' is {values[0, place]:.6g} in every row: there is nothing to {do}; name another "
                "column, or check how the file was made",
                file=ex.where[0][0],
            )


def _gaps(ex: Examples) -> list[str]:
    """A sentence on times that are regular but for a few gaps; none where there are no gaps, or too many."""
    told, count = "", 0
    for times, lines in zip(ex.times or [], ex.steps, strict=False):
        gaps = np.diff(times).astype(np.float64)
        if len(gaps) < FEWEST:
            continue
        usual = float(np.median(gaps))
        wide = np.flatnonzero(gaps > 1.75 * usual)
        even = float((np.abs(gaps - usual) <= 0.25 * usual).mean())
        if not wide.size or wide.size > RARE * len(gaps) or even < EVEN:
            continue
        count += wide.size
        if not told:
            dates, first = times.dtype.kind == "M", int(wide[0])
            apart = f"{span(float(gaps[first]), dates)} pass between lines {lines[first]} and {lines[first + 1]}"
            told = f"--time: {apart}, else {span(usual, dates)} from line to line"
    if not told:
        return []
    more = f" ({count} such gaps)" if count > 1 else ""
    return [f"{told}{more}; a forecast takes a gap for one step"]


def _paces(ex: Examples) -> list[str]:
    """A sentence on series of different pace, such as days and weeks, in one file."""
    found: dict[str, float] = {}
    for name, times in zip(ex.ids, ex.times or [], strict=False):
        if len(times) > FEWEST:
            found[name] = float(np.median(np.diff(times).astype(np.float64)))
    if not found or max(found.values()) < 1.75 * min(found.values()):
        return []
    dates = (ex.times or [])[0].dtype.kind == "M"
    fast, slow = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
    least, most = (span(found[name], dates) for name in (fast, slow))
    return [f"--time: lines are {least} apart in '{fast}', {most} in '{slow}'; a step is one line, whatever its time"]


def span(size: float, dates: bool) -> str:
    """A stretch of time in words; of dates ``size`` is in microseconds."""
    if not dates:
        return f"{size:g}"
    for name, unit in (("day", 86_400e6), ("hour", 3_600e6), ("minute", 60e6), ("second", 1e6)):
        if size >= unit:
            return f"{size / unit:.3g} {name}{'' if size == unit else 's'}"
    return f"{size / 1e6:.3g} seconds"
