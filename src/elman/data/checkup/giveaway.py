"""Columns that tell the answer: each of their values goes with one label, or the labels' numbers lie apart."""

from __future__ import annotations

import polars as pl

__all__ = ["Giveaway"]

_MANY = 2000
"""Pairs of a value and a label above which a column is left alone."""

_LABELS = 50
"""Labels above which nobody looks."""


class Giveaway:
    """Watches, for one label, what the other columns say of it.

    Memory: at most 2,000 pairs and 50 ranges a column.
    """

    def __init__(self, label: str, names: list[str]) -> None:
        self.label, self.names = label, names
        self._pairs: dict[str, pl.DataFrame] = {name: pl.DataFrame() for name in names}
        self._ranges: dict[str, pl.DataFrame] = {name: pl.DataFrame() for name in names}

    def add(self, label: pl.Series, columns: dict[str, tuple[pl.Series, pl.Series]]) -> None:
        """A block: the label of each row, and of every other column what it holds and its numbers (NaN for none)."""
        for name, (cells, numbers) in columns.items():
            both = pl.DataFrame({"y": label, "x": cells.cast(pl.String), "v": numbers}).filter(
                pl.col("y").is_not_null() & pl.col("x").is_not_null()
            )
            if name in self._pairs:
                self._count(name, both)
            if name in self._ranges:
                self._measure(name, both.filter(pl.col("v").is_finite()))

    def _count(self, name: str, both: pl.DataFrame) -> None:
        if both["x"].head(2 * _MANY).n_unique() > _MANY // 2:
            del self._pairs[name]
            return
        found = pl.concat([self._pairs[name], both.group_by("x", "y").len("n")], how="diagonal")
        self._pairs[name] = found.group_by("x", "y").agg(pl.col("n").sum())
        if self._pairs[name].height > _MANY:
            del self._pairs[name]

    def _measure(self, name: str, both: pl.DataFrame) -> None:
        new = both.group_by("y").agg(pl.col("v").min().alias("a"), pl.col("v").max().alias("b"), pl.len().alias("n"))
        found = pl.concat([self._ranges[name], new], how="diagonal")
        if found.width:
            self._ranges[name] = found.group_by("y").agg(pl.col("a").min(), pl.col("b").max(), pl.col("n").sum())
        if self._ranges[name].height > _LABELS:
            del self._ranges[name]

    def told(self, units: int, labels: int, numeric: set[str]) -> dict[str, str]:
        """The columns that give the label away, each with a sentence.

        Args:
            units: how many rows (or sequences) there are; with fewer than 20, nothing is called a rule.
            labels: how many labels there are.
            numeric: columns of numbers.
        """
        if units < 20 or labels < 2:
            return {}
        found = {}
        for name, pairs in self._pairs.items():
            values = pairs["x"].n_unique() if pairs.width else 0
            if values >= labels and units >= 5 * values and pairs.height == values and pairs["y"].n_unique() == labels:
                found[name] = f"each of its {values} values goes with one '{self.label}' only"
        for name, ranges in self._ranges.items():
            if name in found or name not in numeric or ranges.height != labels or ranges["n"].min() < 20:  # type: ignore[operator]
                continue
            ordered = ranges.sort("a")
            if (ordered["a"][1:] > ordered["b"][:-1]).all():
                found[name] = f"its numbers lie apart for every '{self.label}', so it alone tells them"
        return found
