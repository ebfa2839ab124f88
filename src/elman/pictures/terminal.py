"""Pictures for a terminal: a line of blocks, a bar, and a chart of braille dots.

No colour codes: the pictures can be piped into a file.  With ``unicode=False`` they are plain
ASCII.  Widths are counted in terminal columns, so that wide letters count two.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elman.pictures.series import Floats, extent, named, numbers, segments
from elman.pictures.text import columns, shorten_columns, to_ascii
from elman.pictures.ticks import linear_ticks, widen

_BLOCKS = "▁▂▃▄▅▆▇█"
_LEVELS = "_.-:=+*#"
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_MARKS = "o+x*#@%&"
_LEAST_WIDTH = 24
_LEAST_HEIGHT = 6
# Bit of each dot of a braille character, by row and column.
_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def _at_least(value: int, least: int, name: str) -> None:
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def sparkline(values: ArrayLike, width: int = 60, *, unicode: bool = True) -> str:
    """Return `values` (n,) as one line of at most `width` characters; NaN is a blank.

    One character stands for one value, or for the mean of several where they are more than
    `width`.  The lowest is the lowest block, the highest the highest; a constant is in the middle.
    """
    _at_least(width, 1, "width")
    line = numbers(values, "values")
    low, high = widen(*extent([line]))
    if line.size > width:
        edges = np.linspace(0, line.size, width + 1).astype(np.intp)
        line = np.array([_mean(line[a:b]) for a, b in pairwise(edges.tolist())])
    levels = _BLOCKS if unicode else _LEVELS
    # A value is rounded to the nearest level: half of one lies beyond each end.
    steps = np.clip(np.rint((line - low) / (high - low) * (len(levels) - 1)), 0, len(levels) - 1)
    return "".join(" " if math.isnan(step) else levels[int(step)] for step in steps.tolist())


def _mean(values: Floats) -> float:
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else math.nan


def bar(value: float, maximum: float, width: int = 20, *, unicode: bool = True) -> str:
    """Return a bar of exactly `width` characters, full at `maximum`; NaN gives blanks.

    The end is drawn to an eighth of a character, in ASCII to a whole one.  A value beyond
    `maximum` fills the bar, a negative one is refused.
    """
    _at_least(width, 1, "width")
    if not (math.isfinite(maximum) and maximum > 0):
        raise ValueError(f"maximum must be finite and above zero, got {maximum}")
    if math.isinf(value) or value < 0:
        raise ValueError(f"value must be finite and not negative, got {value}")
    if math.isnan(value):
        return " " * width
    share = min(value / maximum, 1.0)
    if not unicode:
        return ("#" * round(share * width)).ljust(width)
    full, rest = divmod(round(share * width * 8), 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


class _Plot(NamedTuple):
    """The cells of a chart and the range of its y axis."""

    cells: list[list[str]]
    low: float
    high: float
    unicode: bool

    def rows(self, values: Floats, dots: int) -> NDArray[np.intp]:
        """Return the dot rows of `values`, from the top, with `dots` dots in a cell."""
        last = len(self.cells) * dots - 1
        share = (values - self.low) / (self.high - self.low)
        return np.clip(np.rint((1 - share) * last), 0, last).astype(np.intp)


def chart(
    series: Mapping[str, ArrayLike], *, starts: dict[str, int] | None = None,
    lines: Collection[str] = ("history", "actual"), x_ends: tuple[str, str] | None = None,
    width: int = 78, height: int = 12, unicode: bool = True,
) -> str:  # fmt: skip
    """Return a line chart of exactly `height` lines, none wider than `width` columns.

    Each of `series` is a vector of its own length, NaN for gaps, drawn from position
    ``starts[name]`` on (0 if not given): a history of n values and a forecast that starts at n
    stand side by side, with an upright line between.  The first series and those named in
    `lines` are drawn as lines, the others with a mark for each value.  `x_ends` are the labels
    of the first and the last position, else the positions themselves.
    """
    _at_least(width, _LEAST_WIDTH, "width")
    _at_least(height, _LEAST_HEIGHT, "height")
    checked = named(series, "series")
    begin = _starts(checked, starts)
    end = max(begin[name] + values.size for name, values in checked.items())
    low, high = extent(checked.values())
    rows = height - 3
    low, high = widen(low, high)
    ticks = linear_ticks(low, high, max(2, rows // 3), inside=True)
    if len(ticks.values) < 3:
        ticks = linear_ticks(low, high, max(4, rows * 2 // 3), inside=True)
    names = [label if unicode else to_ascii(label) for label in ticks.labels]
    room = min(max(columns(name) for name in names), width // 3)
    wide = width - room - 2
    plot = _Plot([[" "] * wide for _ in range(rows)], low, high, unicode)
    marks = _marks(checked, lines)
    _divide(plot, begin, end, wide)
    # Marks are drawn over lines, and those of the first series over those of later ones.
    back_to_front = [name for name in checked if not marks[name]]
    back_to_front += [name for name in reversed(checked) if marks[name]]
    for name in back_to_front:
        at = _places(begin[name], checked[name].size, end)
        if marks[name]:
            _draw_marks(plot, at, checked[name], marks[name])
        else:
            _draw_line(plot, at, checked[name])
    margin = _margin(plot, ticks.values, names, room)
    text = [left + "".join(cells) for left, cells in zip(margin, plot.cells, strict=True)]
    corner, dash = ("└", "─") if unicode else ("+", "-")
    text.append(" " * (room + 1) + corner + dash * wide)
    text.append(" " * (room + 2) + _ends(x_ends or ("0", str(end - 1)), wide, unicode))
    text.append(" " * (room + 2) + _legend(marks, wide, unicode))
    return "\n".join(line.rstrip() for line in text)


def _starts(series: dict[str, Floats], starts: dict[str, int] | None) -> dict[str, int]:
    given = starts or {}
    unknown = sorted(set(given) - set(series))
    if unknown:
        raise ValueError(f"starts names no series: {', '.join(unknown)}")
    if any(start < 0 for start in given.values()):
        raise ValueError("starts must not be negative")
    return {name: int(given.get(name, 0)) for name in series}


def _places(start: int, size: int, end: int) -> Floats:
    """Return positions as shares of the width: 0 at the left, 1 at the right."""
    if end == 1:
        return np.full(size, 0.5)
    return (start + np.arange(size, dtype=np.float64)) / (end - 1)


def _marks(series: dict[str, Floats], lines: Collection[str]) -> dict[str, str]:
    """Return the mark of each series, "" for those drawn as lines."""
    marked = [name for i, name in enumerate(series) if i and name not in lines]
    found = {name: _MARKS[i % len(_MARKS)] for i, name in enumerate(marked)}
    return {name: found.get(name, "") for name in series}


def _divide(plot: _Plot, begin: dict[str, int], end: int, wide: int) -> None:
    """Draw an upright line where the first series after the beginning starts."""
    later = [start for start in begin.values() if start > 0]
    if not later or end < 2:
        return
    at = round((min(later) - 0.5) / (end - 1) * (wide - 1))
    for row in plot.cells:
        row[at] = "┊" if plot.unicode else ":"


def _draw_marks(plot: _Plot, at: Floats, values: Floats, mark: str) -> None:
    present = ~np.isnan(values)
    last = len(plot.cells[0]) - 1
    across = np.rint(at[present] * last).astype(np.intp)
    for row, column in zip(plot.rows(values[present], 1), across, strict=True):
        plot.cells[row][column] = mark


def _draw_line(plot: _Plot, at: Floats, values: Floats) -> None:
    """Draw a line of dots: 2 by 4 of them in a braille cell, 1 by 2 in an ASCII cell."""
    across, down = (2, 4) if plot.unicode else (1, 2)
    wide = len(plot.cells[0]) * across
    dots = np.zeros((len(plot.cells) * down, wide), dtype=bool)
    for xs, ys in segments(at * (wide - 1), values, wide):
        columns_, rows = np.rint(xs).astype(np.intp), plot.rows(ys, down)
        dots[rows, columns_] = True
        for i in range(len(rows) - 1):
            count = max(abs(int(rows[i + 1] - rows[i])), int(columns_[i + 1] - columns_[i])) + 1
            between = np.linspace(0.0, 1.0, count)
            down_to = np.rint(rows[i] + between * (rows[i + 1] - rows[i])).astype(np.intp)
            dots[down_to, np.rint(columns_[i] + between * (columns_[i + 1] - columns_[i])).astype(np.intp)] = True
    for r, row in enumerate(plot.cells):
        for c in range(len(row)):
            block = dots[r * down : (r + 1) * down, c * across : (c + 1) * across]
            if block.any():
                row[c] = _glyph(block, row[c], plot.unicode)


def _glyph(block: NDArray[np.bool_], before: str, unicode: bool) -> str:
    """Return the character of a cell, with the dots that an earlier line left in it."""
    if not unicode:
        drawn = (bool(block[0, 0]) or before in "':", bool(block[1, 0]) or before in ".:")
        return ":" if all(drawn) else "'" if drawn[0] else "."
    bits = ord(before) - 0x2800 if 0x2800 <= ord(before) <= 0x28FF else 0
    for r, c in zip(*np.nonzero(block), strict=True):
        bits |= _BRAILLE[r][c]
    return chr(0x2800 + bits)


def _margin(plot: _Plot, values: list[float], names: list[str], room: int) -> list[str]:
    """Return the labels left of each row, with the axis line; crowded labels yield."""
    tick, line = ("┤", "│") if plot.unicode else ("+", "|")
    margin = [" " * (room + 1) + line for _ in plot.cells]
    taken = -2
    for row, name in sorted(zip(plot.rows(np.array(values), 1).tolist(), names, strict=True)):
        if row > taken:
            text = shorten_columns(name, room, unicode=plot.unicode)
            margin[row] = " " * (room - columns(text)) + text + " " + tick
            taken = row
    return margin


def _ends(ends: tuple[str, str], wide: int, unicode: bool) -> str:
    left = shorten_columns(ends[0], wide // 2 - 1, unicode=unicode)
    right = shorten_columns(ends[1], wide // 2 - 1, unicode=unicode)
    return left + " " * (wide - columns(left) - columns(right)) + right


def _legend(marks: dict[str, str], wide: int, unicode: bool) -> str:
    sample = "⠒⠒" if unicode else ".."
    drawn = [name for name in marks if not marks[name]]
    parts = [f"{sample} {', '.join(drawn)}"]
    parts += [f"{mark} {name}" for name, mark in marks.items() if mark]
    return shorten_columns("   ".join(parts), wide, unicode=unicode)
