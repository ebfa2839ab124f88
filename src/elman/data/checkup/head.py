"""What the first rows alone show: a table on its side, one without names, one that is called text, dates unread."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import polars as pl

from elman.data.checkup.findings import Finding
from elman.data.checkup.guess import Guess, unread_time
from elman.data.files import suffix_of
from elman.data.read import Table

__all__ = ["of_head"]

_LINES = 50
"""Lines that a text must have between the same marks to look like a table."""


def of_head(head: Table, found: Guess, wide: list[str]) -> Iterator[Finding]:
    """What is wrong with the first rows; ``wide`` are columns that are steps."""
    if wide:
        yield _wide(head, wide)
    error = unread_time(head, found)
    if error is not None:
        # Where the first is a time, the column is one, and training would refuse it.
        severity = "warning" if error.row == head.lines[0] else "error"
        yield Finding(severity, "time", error.message, "", head.file, error.row, error.column)
    if found.shape == "text":
        yield from _tabular(head)
    elif suffix_of(Path(head.file)) in (".csv", ".tsv"):
        yield from _nameless(head)


def _wide(head: Table, wide: list[str]) -> Finding:
    others = [name for name in head.frame.columns if name not in wide]
    lists = f"pl.concat_list(pl.exclude({others!r}).cast(pl.Float64, strict=False)).list.drop_nulls().alias('x')"
    turn = (
        f"import polars as pl; from elman.data.read import read; read({head.file!r}).frame"
        f".select(*{others!r}, {lists}).write_parquet('series.parquet')"
    )
    what = f"{len(wide):,} columns, {wide[0]} to {wide[-1]}, seem to be the steps of one series a row"
    do = "make a list of them; then: elman data series.parquet"
    return Finding("error", "wide", what, do, head.file, count=len(wide), paste=turn)


def _nameless(head: Table) -> Iterator[Finding]:
    """A table whose first line is data: a name of a column is one of its values too."""
    frame = head.frame
    numbers = [float(name) for name in frame.columns if _is_number(name)]
    if len(numbers) > 1 and all(b - a == 1 for a, b in pairwise(numbers)):
        # Columns that somebody counted.
        return
    for name in frame.columns:
        spelt = head.spelt.get(name, frame[name]).cast(pl.String).str.strip_chars()
        if (spelt == name).any():
            suffix = suffix_of(Path(head.file))
            line = _names(frame.width, "," if suffix == ".csv" else "\t") + "\n"
            paste = (
                f"import pathlib; from elman.data.files import decode, read_bytes; file = {head.file!r}; "
                f"pathlib.Path('named{suffix}').write_text({line!r} + "
                "decode(read_bytes(pathlib.Path(file), file), file))"
            )
            yield Finding(
                "warning", "names",
                f"'{name[:40]}' names a column and is a value of it too: the first line seems to be data",
                f"put a line of names above it, such as {_names(frame.width, ' ')}", head.file, 1, name[:40],
                paste=paste,
            )  # fmt: skip
            return


def _tabular(head: Table) -> Iterator[Finding]:
    """A text that is a table: as many tabs in every line, or numbers between commas."""
    lines = [line for line in str(head.frame["text"][0]).split("\n", _LINES)[:_LINES] if line.strip()]
    for mark, kind in (("\t", "tsv"), (",", "csv")):
        cells = [line.split(mark) for line in lines]
        width = len(cells[0])
        alike = width > 1 and all(len(row) == width for row in cells)
        numeric = all(_is_number(cell) for row in cells[1:] for cell in row)
        if len(lines) < 10 or not alike or (mark == "," and not numeric):
            continue
        named = numeric and not any(map(_is_number, cells[0]))
        name = f"{Path(head.file).name.split('.')[0]}.{kind}"
        line = "" if named else repr(_names(width, mark) + "\n") + " + "
        yield Finding(
            "warning", "table",
            f"every line holds {width} cells between {'tabs' if kind == 'tsv' else 'commas'}, as that of a table does",
            f"call it {name}" + ("" if named else f", with a line of names above it, such as {_names(width, ' ')}"),
            head.file,
            paste=f"import pathlib; from elman.data.read import read; pathlib.Path({name!r}).write_text({line}"
            f"read({head.file!r}).frame['text'][0])",
        )  # fmt: skip


def _names(width: int, mark: str) -> str:
    return mark.join(f"c{place}" for place in range(1, width + 1))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
