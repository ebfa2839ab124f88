"""Sequences made of many rows: their lengths, their times, what must not change in them, and which are copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.data.checkup.cells import Clock
from elman.data.checkup.sieve import Hashes, Ints, find, mixed, passes
from elman.data.checkup.tally import First
from elman.data.clock import HOUR, autumn_night
from elman.data.doctor import FEWEST

__all__ = ["Sequences"]

_WIDE, _EVEN = 2.5, 0.25
"""A step is a gap from so many usual ones on, and as usual within such a share of one."""

_STATE = {
    "count": np.int64,
    "first": np.int64,
    "last": np.float64,
    "last_line": np.int64,
    "step": np.float64,
    "seen": np.int64,
    "copy": np.uint64,
    "part": np.int64,
    "fixed": np.uint64,
}
"""What is kept of a sequence: steps, line of the first, time and line of the last, usual step in time, on how many
steps that rests, hash of the content, part, hash of what must not change."""


class Sequences:
    """Follows every sequence through a file; rows of one sequence need not stand together.

    Of more than ``most`` sequences a fair share is followed, chosen by the hash of the id: 2^-level of all.

    Attributes:
        level: 0 while all are followed.
        back, twice, doubled: rows whose time lies before that of the row before, is the same, or is that of the hour
            that comes twice when daylight-saving time ends.
        gaps: rows before which more than 2.5 usual steps passed; ``steps`` how many were looked at, ``even`` how many
            of them were usual.
        changed: rows where what must not change does.
        moved: rows whose part is not that of their sequence.
        dates: whether times are dates; stretches of time are in microseconds then.
    """

    def __init__(self, most: int = 1 << 18) -> None:
        self.level = 0
        self.back, self.twice, self.doubled, self.gaps = First(), First(), First(), First()
        self.changed, self.moved = First(), First()
        self.steps = self.even = 0
        self.dates = False
        self._most = most
        self._ids: Hashes = np.empty(0, dtype=np.uint64)
        self._state: dict[str, NDArray[Any]] = {name: np.empty(0, dtype=kind) for name, kind in _STATE.items()}

    def add(
        self,
        ids: Hashes,
        lines: Ints,
        parts: Ints,
        content: Hashes,
        fixed: Hashes | None = None,
        clock: Clock | None = None,
    ) -> Ints:
        """The rows of a block; returned are those on which a sequence begins.

        Args:
            ids: hash of each row's id.
            lines: the line of each row. parts: its part. content: hash of its values.
            fixed: hash of what must not change within a sequence, if there is such.
            clock: the times, if there are such.
        """
        order = np.argsort(ids, kind="stable")
        order = order[passes(ids[order], self.level)]
        if not len(order):
            return order
        ids, lines, parts, content = ids[order], lines[order], parts[order], content[order]
        new = np.ones(len(ids), dtype=bool)
        new[1:] = ids[1:] != ids[:-1]
        starts, owner = np.flatnonzero(new), np.cumsum(new) - 1
        begun = order[starts[~find(self._ids, ids[starts])[1]]]
        at = self._places(ids[starts], lines[starts], parts[starts], None if fixed is None else fixed[order][starts])
        row = at[owner]
        sizes = np.diff(np.append(starts, len(ids)))
        within = np.arange(len(ids)) - np.repeat(starts, sizes) + self._state["count"][row]
        told = mixed(content ^ mixed(within.astype(np.uint64)))
        self._state["copy"][at] += np.add.reduceat(told, starts)
        self.moved.add(parts != self._state["part"][row], lines)
        if fixed is not None:
            self.changed.add(fixed[order] != self._state["fixed"][row], lines)
        if clock is not None:
            self.dates = clock.dates
            self._times(clock.ticks[order].astype(np.float64), lines, starts, owner, at)
        self._state["count"][at] += sizes
        while len(self._ids) > self._most:
            self._halve()
        return begun

    def _places(self, ids: Hashes, lines: Ints, parts: Ints, fixed: Hashes | None) -> Ints:
        """Where the state of each id stands; those met for the first time get one."""
        place, known = find(self._ids, ids)
        if not known.all():
            fresh = place[~known]
            start = {
                "first": lines,
                "part": parts,
                "last": np.full(len(ids), np.nan),
                "step": np.full(len(ids), np.nan),
            }
            if fixed is not None:
                start["fixed"] = fixed
            for name, kind in _STATE.items():
                values = start.get(name, np.zeros(len(ids), dtype=kind))
                self._state[name] = np.insert(self._state[name], fresh, values[~known].astype(kind))
            self._ids = np.insert(self._ids, fresh, ids[~known])
        return np.searchsorted(self._ids, ids)

    def _times(self, ticks: NDArray[np.float64], lines: Ints, starts: Ints, owner: Ints, at: Ints) -> None:
        """Steps from row to row, each from the row before of the same sequence, be it of an earlier block."""
        before, before_line = np.empty_like(ticks), np.empty_like(lines)
        before[1:], before_line[1:] = ticks[:-1], lines[:-1]
        before[starts], before_line[starts] = self._state["last"][at], self._state["last_line"][at]
        step = ticks - before
        usual = self._usual(step, owner, at)[owner]
        back, twice = step < 0, step == 0
        if self.dates:
            # From 02:30 to 02:00: the hour from two to three comes again, on a Sunday of spring (south) or autumn.
            doubled = (usual > 0) & (usual <= HOUR) & (np.abs(step - (usual - HOUR)) < 1) & autumn_night(ticks)
            back, twice = back & ~doubled, twice & ~doubled
            _note(self.doubled, doubled, lines, before_line, step)
        _note(self.back, back, lines, before_line, step)
        _note(self.twice, twice, lines, before_line, step)
        looked = (usual > 0) & (step > 0)
        self.steps += int(looked.sum())
        self.even += int((looked & (np.abs(step - usual) <= _EVEN * usual)).sum())
        _note(self.gaps, looked & (step > _WIDE * usual), lines, before_line, step)
        ends = np.append(starts[1:], len(ticks)) - 1
        self._state["last"][at], self._state["last_line"][at] = ticks[ends], lines[ends]

    def _usual(self, step: NDArray[np.float64], owner: Ints, at: Ints) -> NDArray[np.float64]:
        """The usual step of each sequence of the block: the median here, or of the block that showed most of it."""
        forward = step > 0
        found = pl.DataFrame({"g": owner[forward], "d": step[forward]}).group_by("g").agg(
            pl.col("d").median(), pl.len().alias("n")
        )  # fmt: skip
        group = found["g"].to_numpy()
        median, count = np.full(len(at), np.nan), np.zeros(len(at), dtype=np.int64)
        median[group], count[group] = found["d"].to_numpy(), found["n"].to_numpy()
        more = count > self._state["seen"][at]
        self._state["step"][at[more]], self._state["seen"][at[more]] = median[more], count[more]
        usual: NDArray[np.float64] = self._state["step"][at]
        short = self._state["seen"][at] < FEWEST
        if short.any():
            pooled = float(np.median(step[forward])) if forward.sum() >= FEWEST else np.nan
            usual = np.where(short, pooled, usual)
        return usual

    def _halve(self) -> None:
        self.level += 1
        kept = passes(self._ids, self.level)
        self._ids = self._ids[kept]
        for name, values in self._state.items():
            self._state[name] = values[kept]

    # What it comes to ------------------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many sequences there are."""
        return len(self._ids) << self.level

    @property
    def lengths(self) -> Ints:
        """The lengths of those that were followed."""
        lengths: Ints = self._state["count"]
        return lengths

    @property
    def usual(self) -> NDArray[np.float64]:
        """The usual step in time of every sequence of enough steps."""
        enough = self._state["seen"] >= FEWEST - 1
        found: NDArray[np.float64] = self._state["step"][enough]
        return found

    def copies(self, least: int) -> tuple[First, First]:
        """Sequences of at least ``least`` steps whose values another has step by step: all, and those in two parts.

        ``other`` is the line where the other begins.
        """
        long = np.flatnonzero(self._state["count"] >= least)
        order = long[np.lexsort((self._state["first"][long], self._state["copy"][long]))]
        copy, first, part = (self._state[name][order] for name in ("copy", "first", "part"))
        same = np.zeros(len(order), dtype=bool)
        same[1:] = copy[1:] == copy[:-1]
        apart = same.copy()
        apart[1:] &= part[1:] != part[:-1]
        return self._pairs(same, first), self._pairs(apart, first)

    def _pairs(self, chosen: NDArray[np.bool_], first: Ints) -> First:
        if not chosen.any():
            return First()
        row = int(chosen.argmax())
        return First(int(chosen.sum()) << self.level, int(first[row]), other=int(first[row - 1]))

    def other_steps(self) -> tuple[First, float]:
        """Sequences whose usual step in time is not about that of most, and the step of most.

        Months differ in length and count as alike, so steps up to 1.5 times as long are.
        """
        steps = self.usual
        if len(steps) < 2:
            return First(), float("nan")
        middle = float(np.sort(steps)[len(steps) // 2])
        enough = self._state["seen"] >= FEWEST - 1
        other = (steps > 1.5 * middle) | (steps < middle / 1.5)
        lines: Ints = self._state["first"][enough]
        if not other.any():
            return First(), middle
        row = _earliest(other, lines)
        return First(int(other.sum()) << self.level, int(lines[row]), size=float(steps[row])), middle


def _earliest(chosen: NDArray[np.bool_], lines: Ints) -> int:
    """The chosen row that stands first in the file."""
    return int(np.where(chosen, lines, np.iinfo(np.int64).max).argmin())


def _note(first: First, chosen: NDArray[np.bool_], lines: Ints, before: Ints, step: NDArray[np.float64]) -> None:
    """Count rows, and keep of the first the line before and the time that passed."""
    if first.line is None and chosen.any():
        row = _earliest(chosen, lines)
        first.line, first.other, first.size = int(lines[row]), int(before[row]), float(step[row])
    first.add(chosen, lines)
