"""What is known of a column when all its cells have passed by."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.data.checkup.cells import Cells
from elman.data.checkup.sieve import Distinct, Ints, Sample

__all__ = ["First", "Histogram", "Tally"]

_FEW = 1000
"""Distinct values up to which every one of them is counted."""

_DAMAGED = "\ufffd"
"""What decoders write in the place of bytes that they cannot read."""

_LONGEST = 1 << 16


@dataclass
class First:
    """How often something was met, and what is known of the first.

    Attributes:
        count: how often.
        line: of the first; ``what`` its words.
        other: the line that it comes after, or that it is like.
        size: its stretch of time.
    """

    count: int = 0
    line: int | None = None
    what: str = ""
    other: int = 0
    size: float = 0.0

    def add(self, chosen: NDArray[np.bool_], lines: Ints, series: pl.Series | None = None) -> None:
        """Count the rows that are chosen."""
        met = int(np.count_nonzero(chosen))
        if met and self.line is None:
            row = int(chosen.argmax())
            self.line = int(lines[row])
            self.what = "" if series is None else str(series[row])
        self.count += met


@dataclass
class Histogram:
    """How long sequences are: exact counts up to 65,535, all longer ones together."""

    counts: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    shortest: int = 0
    longest: int = 0

    def add(self, lengths: Ints) -> None:
        if not len(lengths):
            return
        least = int(lengths.min())
        self.shortest = min(self.shortest, least) if self.total else least
        self.longest = max(self.longest, int(lengths.max()))
        new = np.bincount(np.minimum(lengths, _LONGEST))
        size = max(len(new), len(self.counts))
        self.counts = np.pad(self.counts, (0, size - len(self.counts))) + np.pad(new, (0, size - len(new)))

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def quantile(self, share: float) -> int:
        """The length that ``share`` of the sequences do not exceed; the longest where that is over 65,535."""
        if not self.total:
            return 0
        place = int(np.searchsorted(np.cumsum(self.counts), share * self.total))
        return place if place < _LONGEST else self.longest

    def bars(self, most: int = 8) -> list[tuple[int, int, int]]:
        """At most ``most`` ranges of about equal width on a scale of logarithms: first, last, how many."""
        if self.total < 2:
            return [(self.longest, self.longest, 1)] * self.total
        low, high = self.shortest, self.longest
        if high - low < most:
            edges = list(range(low, high + 2))
        else:
            scale = np.geomspace(max(low, 1), high + 1, most + 1)
            edges = sorted({low, high + 1, *(int(edge) for edge in scale[1:-1])})
        cumulative = np.concatenate([[0], np.cumsum(self.counts)])
        at = cumulative[np.minimum(edges, len(cumulative) - 1)]
        at[-1] = self.total
        return [(a, b - 1, int(n)) for a, b, n in zip(edges, edges[1:], np.diff(at).tolist(), strict=False)]


class Tally:
    """One column: counts are exact, quantiles come from a sample of 16,384 numbers.

    Attributes:
        name: the column.
        rows: cells so far, those of rows that lack the column included.
        blank, absent, words, infinite, damaged, empty: cells of each sort (see Cells); ``empty`` are lists and texts
            without anything in them.
        numbers: how many are numbers; ``low`` and ``high`` the least and the greatest with their lines.
        codes: whether some number is a code such as 007.
        values: how often each value comes, while there are at most a thousand; else None.
        lengths: items of lists, words of texts.
        holes: lists with a missing item.
        dtype: what the file says that the column holds.
        example: the first cell with something in it.
    """

    def __init__(self, name: str, rows: int = 0) -> None:
        self.name, self.rows = name, rows
        self.blank, self.absent, self.words = First(rows), First(), First()
        self.infinite, self.damaged, self.empty, self.holes = First(), First(), First(), First()
        self.numbers, self.codes = 0, False
        self.low: tuple[float, int] | None = None
        self.high: tuple[float, int] | None = None
        self.sample, self.distinct, self.lengths = Sample(), Distinct(), Histogram()
        self.values: dict[str, int] | None = {}
        self.dtype: pl.DataType | None = None
        self.example = ""

    def skip(self, rows: int, line: int) -> None:
        """Rows of a block that lacks the column."""
        self.rows += rows
        self.blank.add(np.ones(rows, dtype=bool), np.full(rows, line))

    def add(self, cells: Cells, lines: Ints) -> None:
        """The cells of a block."""
        series = cells.series
        self.dtype = series.dtype if self.dtype is None or self.dtype == pl.Null else self.dtype
        self.rows += len(series)
        self.blank.add(cells.blank, lines)
        self.absent.add(cells.absent, lines, series)
        self.words.add(cells.words, lines, series)
        self.codes = self.codes or cells.codes
        if not self.example and not cells.blank.all():
            self.example = str(series[int(np.argmin(cells.blank))])
        if series.dtype.is_nested():
            self._lists(series, lines)
        else:
            self._values(series)
            self._numbers(cells, lines)
            if series.dtype == pl.String and cells.words.any():
                self._text(series, lines)

    def _numbers(self, cells: Cells, lines: Ints) -> None:
        infinite = np.isinf(cells.values)
        self.infinite.add(infinite, lines)
        there = ~np.isnan(cells.values) & ~infinite
        values, at = cells.values[there], lines[there]
        if not len(values):
            return
        self.numbers += len(values)
        least, most = int(values.argmin()), int(values.argmax())
        if self.low is None or values[least] < self.low[0]:
            self.low = (float(values[least]), int(at[least]))
        if self.high is None or values[most] > self.high[0]:
            self.high = (float(values[most]), int(at[most]))
        self.sample.add(values)

    def _values(self, series: pl.Series) -> None:
        filled = series.drop_nulls()
        self.distinct.add(filled.hash(0).to_numpy())
        if self.values is None:
            return
        # A few rows tell most columns of many values at once.
        if filled.head(4 * _FEW).n_unique() > _FEW:
            self.values = None
            return
        found = filled.cast(pl.String).value_counts()
        for value, count in found.iter_rows():
            self.values[value] = self.values.get(value, 0) + count
        if len(self.values) > _FEW:
            self.values = None

    def _text(self, series: pl.Series, lines: Ints) -> None:
        there = series.fill_null("")
        self.lengths.add(there.filter(series.is_not_null()).str.count_matches(r"\S+").cast(pl.Int64).to_numpy())
        self.damaged.add(there.str.contains(_DAMAGED, literal=True).to_numpy(), lines)
        self.empty.add((series.str.strip_chars() == "").fill_null(False).to_numpy(), lines)

    def _lists(self, series: pl.Series, lines: Ints) -> None:
        if isinstance(series.dtype, pl.Array):
            series = series.arr.to_list()
        if not isinstance(series.dtype, pl.List):
            return
        sizes = series.list.len()
        self.lengths.add(sizes.drop_nulls().cast(pl.Int64).to_numpy())
        self.empty.add((sizes == 0).fill_null(False).to_numpy(), lines)
        gone = pl.element().is_null().any()
        if series.dtype.inner.is_float():
            gone = gone | pl.element().is_nan().any()
        self.holes.add(series.list.eval(gone).list.first().fill_null(False).to_numpy(), lines)

    # What it comes to ------------------------------------------------------------------------------------------

    @property
    def kind(self) -> str:
        """``numbers``, ``text``, ``lists``, ``times``, ``yes/no``, ``nothing`` or ``objects``."""
        dtype = self.dtype
        if dtype is None or dtype == pl.Null or not self.filled:
            return "nothing"
        if isinstance(dtype, (pl.List, pl.Array)):
            return "lists"
        if dtype == pl.Boolean:
            return "yes/no"
        if dtype.is_temporal():
            return "times"
        if dtype.is_nested():
            return "objects"
        return "text" if self.words.count or self.codes else "numbers"

    @property
    def filled(self) -> int:
        """Cells with something in them."""
        return self.rows - self.missing.count

    @property
    def missing(self) -> First:
        """Cells without a value: in a column of words NA is a word, unless it has numbers too."""
        if self.words.count and not self.numbers:
            return self.blank
        count = self.blank.count + self.absent.count
        both = [one.line for one in (self.blank, self.absent) if one.line is not None]
        return First(count, min(both) if both else None)

    @property
    def mixed(self) -> bool:
        """Whether it is a column of numbers in which some cells are not."""
        return bool(self.words.count) and not self.codes and self.words.count <= 0.1 * self.numbers

    @property
    def constant(self) -> bool:
        return self.distinct.exact and self.distinct.count == 1 and self.kind != "lists"
