"""CSV and TSV: find the records and their lines, refuse what is malformed, type the columns.

polars parses the cells. It fills short rows silently, renames duplicated columns and tells no lines, so the
structure (which newlines and separators are outside quotes) is found and checked here first.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError
from elman.data.files import decode

__all__ = ["MISSING", "delimited_blocks", "read_delimited", "typed"]

MISSING = ("", "na", "n/a", "nan", "#n/a", "null", "none", "?")
"""Cells that say "no value" in a numeric column, in small letters."""

_QUOTE, _NEWLINE = 34, 10

_LONGEST = 256 << 20
"""Bytes that a record may have where a file is read in blocks."""


@dataclass(frozen=True)
class _Records:
    """Where the records of a file are: byte ranges [starts, ends), cells in each, the line each begins on."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    cells: NDArray[np.int64]
    lines: NDArray[np.int64]

    def keep(self, chosen: NDArray[np.bool_]) -> _Records:
        return _Records(self.starts[chosen], self.ends[chosen], self.cells[chosen], self.lines[chosen])


def read_delimited(
    text: str, separator: str, file: str
) -> tuple[pl.DataFrame, NDArray[np.int64], dict[str, pl.Series]]:
    """Parse a table with a header.

    Blank lines are skipped, except between the rows of a one-column file, where they are missing values.

    Args:
        text: the whole file, line ends ``\\n``.
        separator: a comma or a tab.
        file: its name, for messages.

    Returns:
        The frame, the 1-based line on which each of its rows begins, and the cells of the columns that became
        numbers as they are written, by name: as ids, labels and texts, 1.1 and 1.10 are two.

    Raises:
        DataError: no rows, rows of another length than the header, duplicated names, stray quotes.
    """
    data = text.encode()
    records = _without_blanks(_scan(data, separator, file))
    if len(records.lines) == 1:
        raise _no_rows(file)
    cells, lines = _header(*_table(data, records, separator, file), file)
    frame, spelt = typed(cells)
    return frame, lines, spelt


def typed(cells: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, pl.Series]]:
    """Columns of text as numbers where all their cells are; and of those, by name, the cells as they are written."""
    found = pl.DataFrame([_typed(column) for column in cells.get_columns()])
    return found, {column.name: column for column in cells.get_columns() if found.schema[column.name] != pl.String}


def delimited_blocks(
    pieces: Iterable[bytes], separator: str, file: str
) -> Iterator[tuple[pl.DataFrame, NDArray[np.int64]]]:
    """As :func:`read_delimited`, but some rows at a time, and all cells as they are written.

    Args:
        pieces: the bytes of the file, each but the last ending with a line.
        separator, file: see there.

    Yields:
        The rows of a piece, or of several where records are longer, with the line on which each begins. Memory:
        several times that of a piece.
    """
    names: list[str] = []
    held, line, offset, rows = b"", 1, 0, 0
    for piece in chain(pieces, [b""]):
        held += piece
        cut = _whole(held) if piece and len(held) < _LONGEST else len(held)
        if not cut:
            continue
        data = decode(held[:cut], file, line=line, offset=offset).encode()
        held, offset = held[cut:], offset + cut
        if data.strip(b"\n"):
            records = _without_blanks(_scan(data, separator, file, line), header=not names)
            cells, lines = _table(data, records, separator, file, len(names))
            if not names:
                cells, lines = _header(cells, lines, file)
                names = cells.columns
            if cells.height:
                rows += cells.height
                yield cells.rename(dict(zip(cells.columns, names, strict=True))), lines
        line += data.count(b"\n")
    if not rows:
        raise _no_rows(file) if names else DataError("the file is empty; check how it was made", file=file)


def _whole(data: bytes) -> int:
    """How many bytes of whole records ``data`` begins with; blank lines behind them belong to what follows."""
    body = np.frombuffer(data, dtype=np.uint8)
    quotes, ends = np.flatnonzero(body == _QUOTE), np.flatnonzero(body == _NEWLINE)
    ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
    if not ends.size:
        return 0
    kept = len(data[: int(ends[-1]) + 1].rstrip(b"\r\n"))
    return int(ends[np.searchsorted(ends, kept)]) + 1 if kept else 0


def _no_rows(file: str) -> DataError:
    return DataError("there is a header but no row below it; check how the file was made", file=file, row=1)


def _table(
    data: bytes, records: _Records, separator: str, file: str, width: int = 0
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """All records as text, and the line on which each begins; without a ``width`` the first is the header."""
    if not width:
        _check_separator(data[records.starts[0] : records.ends[0]].decode(), separator, records, file)
    _check_width(records, width or int(records.cells[0]), separator, file)
    return _cells(data, records, separator, file), records.lines


def _header(cells: pl.DataFrame, lines: NDArray[np.int64], file: str) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """The same with the columns called as the first row says, and without it."""
    names = _names(cells.row(0), int(lines[0]), file)
    return cells[1:].rename(dict(zip(cells.columns, names, strict=True))), lines[1:]


def _scan(data: bytes, separator: str, file: str, line: int = 1) -> _Records:
    """Find the records: newlines and separators count only where the number of quotes before is even."""
    body = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(body == _QUOTE)
    newlines = np.flatnonzero(body == _NEWLINE)
    cuts = np.flatnonzero(body == ord(separator))
    ends = newlines
    if quotes.size:
        _check_quotes(body, quotes, newlines, separator, file, line)
        ends = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
        cuts = cuts[np.searchsorted(quotes, cuts) % 2 == 0]
    if not ends.size or ends[-1] != len(data) - 1:
        ends = np.append(ends, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1])
    cells = np.searchsorted(cuts, ends) - np.searchsorted(cuts, starts) + 1
    lines = np.searchsorted(newlines, starts) + line
    return _Records(starts, ends, cells, lines)


def _check_quotes(
    body: NDArray[np.uint8],
    quotes: NDArray[np.int64],
    newlines: NDArray[np.int64],
    separator: str,
    file: str,
    line: int,
) -> None:
    """Refuse quotes that neither open a cell, close one, nor stand doubled inside one."""
    edge = np.array([_QUOTE, _NEWLINE, ord(separator)], dtype=np.uint8)
    opening, closing = quotes[0::2], quotes[1::2]
    before = np.where(opening > 0, body[opening - 1], _NEWLINE)
    after = body[np.minimum(closing + 1, body.size - 1)]
    stray = np.concatenate(
        [opening[~np.isin(before, edge)], closing[~np.isin(after, edge) & (closing + 1 < body.size)]]
    )
    if not stray.size and quotes.size % 2 == 0:
        return
    where = int(stray.min()) if stray.size else int(quotes[-1])
    what = "a quote inside a cell" if stray.size else "a quote is opened here and never closed"
    raise DataError(
        f'{what}; put the whole cell in quotes and double the quotes in it, as in "say ""yes""". If quotes '
        f"mean nothing in this file: import polars as pl; pl.read_csv({file!r}, separator={separator!r}, "
        "quote_char=None).write_csv('quoted.csv')",
        file=file,
        row=int(np.searchsorted(newlines, where)) + line,
    )


def _without_blanks(records: _Records, *, header: bool = True) -> _Records:
    """Blank lines are no records, but between the rows of one column (behind its header) they are missing values."""
    filled = records.ends > records.starts
    if records.cells[filled][0] > 1:
        return records.keep(filled)
    first, last = np.flatnonzero(filled)[[0, -1]]
    place = np.arange(filled.size)
    return records.keep((place >= first * header) & (place <= last))


def _check_separator(header: str, separator: str, records: _Records, file: str) -> None:
    """Refuse a header of one cell that another separator would divide."""
    others = [mark for mark in (",", ";", "\t", "|") if mark != separator and mark in header]
    if records.cells[0] == 1 and others and '"' not in header:
        raise DataError(
            f"the header is one cell, {header[:60]!r}: the separator seems to be {others[0]!r}. Write the "
            f"file anew: import polars as pl; pl.read_csv({file!r}, "
            f"separator={others[0]!r}).write_csv('commas.csv')",
            file=file,
            row=int(records.lines[0]),
        )


def _check_width(records: _Records, width: int, separator: str, file: str) -> None:
    wrong = np.flatnonzero(records.cells != width)
    if not wrong.size:
        return
    row, cells = int(records.lines[wrong[0]]), int(records.cells[wrong[0]])
    name = "comma" if separator == "," else "tab"
    do = f"put cells that hold a {name} in quotes" if cells > width else "add the missing cells"
    raise DataError(f"{cells} cells, but the header has {width}; {do}", file=file, row=row)


def _cells(data: bytes, records: _Records, separator: str, file: str) -> pl.DataFrame:
    """Return all records, the header too, as text; unquoted empty cells are null."""
    gaps = records.starts[1:] != records.ends[:-1] + 1
    if gaps.any() or records.starts[0] > 0 or records.ends[-1] < len(data) - 1:
        spans = zip(records.starts.tolist(), records.ends.tolist(), strict=True)
        data = b"\n".join(data[start:end] for start, end in spans)
    try:
        frame = pl.read_csv(io.BytesIO(data), has_header=False, separator=separator, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"cannot be parsed ({error}); check its separators and quotes", file=file) from error
    if frame.height != len(records.lines):
        raise DataError(
            f"{len(records.lines)} rows are seen but {frame.height} parsed; check the quotes in it", file=file
        )
    return frame


def _names(header: Sequence[str | None], row: int, file: str) -> list[str]:
    names = [(name or "").strip() or f"column_{place}" for place, name in enumerate(header, start=1)]
    if pl.Series(names).cast(pl.Float64, strict=False).is_finite().fill_null(False).all():
        raise DataError(
            f"the first line must name the columns, but holds numbers only: {', '.join(names)[:60]}. Put a line of "
            f"names above it, such as {','.join(f'c{place}' for place in range(1, min(len(names), 4) + 1))}",
            file=file,
            row=row,
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError("this column is there twice; rename one of them", file=file, row=row, column=twice)
    return names


def _typed(column: pl.Series) -> pl.Series:
    """Return the column as Int64 or Float64 if all its cells are numbers or missing, else as it came."""
    cells = column.str.strip_chars()
    missing = cells.is_null() | cells.str.to_lowercase().is_in(MISSING)
    values = cells.filter(~missing)
    numbers = values.cast(pl.Float64, strict=False)
    if values.is_empty() or numbers.null_count():
        return column
    # Codes such as 007 or 19-digit identifiers would lose their form, so they stay text.
    if values.str.contains(r"^[+-]?0\d|^\d{19,}$").any():
        return column
    whole = values.cast(pl.Int64, strict=False)
    kind = pl.Float64 if whole.null_count() else pl.Int64
    return cells.set(missing, None).cast(kind)
