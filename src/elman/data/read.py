"""Read one file into a table that remembers the line of every row.

Known are CSV, TSV, JSON lines, Parquet, UCR/UEA ``.ts`` and plain text, each also with ``.gz`` behind.
What a column is for (series, label, time, ...) is decided later, in :mod:`elman.data.roles`.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError, InputError, nearest
from elman.data.delimited import read_delimited
from elman.data.nested import read_jsonl, read_parquet
from elman.data.ts import read_ts

__all__ = ["KNOWN", "Table", "read"]

KNOWN = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".ts", ".txt")
"""Suffixes that :func:`read` knows; each may be followed by ``.gz``."""

_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
"""How files in UTF-16 begin."""


@dataclass(frozen=True)
class Table:
    """A table as read, before any column has a role.

    Attributes:
        frame: the columns. Numbers are numbers, everything else is text; dates in text files stay text.
        file: the file's name as it was given, for messages.
        lines: int64 [rows], the 1-based line of the file on which each row begins (Parquet has no lines:
            row number + 1, as if there were a header).
        spelt: the cells of CSV columns that became numbers, as they are written in the file.
    """

    frame: pl.DataFrame
    file: str
    lines: NDArray[np.int64]
    spelt: dict[str, pl.Series] = field(default_factory=dict)


def read(path: str | Path) -> Table:
    """Read the file at ``path``; its kind is told by its suffix.

    A ``.txt`` file becomes one column ``text`` with one row, its line ends turned into ``\\n``. A ``.ts``
    file becomes a long table (see :func:`elman.data.ts.read_ts`). In CSV and TSV a column is numeric when
    every cell is a number or missing (empty, NA, NaN, null, ...); numbers with leading zeros stay text; a
    header cell that is empty is called ``column_1``, ``column_2``, ... after its place.

    Cost: the whole file and its decoded form are held in memory.

    Raises:
        InputError: the suffix is not known.
        DataError: no such file, a folder, an empty file, damaged gzip, not UTF-8, or badly formed inside.
    """
    path = Path(path)
    file = str(path)
    if not path.exists():
        raise DataError(_missing(path), file=file)
    suffix = _suffix(path)
    if path.is_dir():
        raise DataError(f"this is a folder; name one file in it, such as {_example(path)}", file=file)
    if suffix not in KNOWN:
        known = ", ".join(KNOWN)
        stem = path.name.split(".")[0] or path.name
        plain = f"{stem}.txt{'.gz' if path.suffix.lower() == '.gz' else ''}"
        raise InputError(
            f"{file}: unknown kind of file '{suffix or path.name}'.{nearest(suffix, KNOWN)} Known: "
            f"{known}, each also with .gz; convert the file, or call it {plain} if it is plain text"
        )
    data = _bytes(path, file)
    if not data.strip():
        raise DataError("the file is empty; check how it was made", file=file)
    return _parse(data, suffix, file)


def _parse(data: bytes, suffix: str, file: str) -> Table:
    if suffix == ".parquet":
        frame, lines = read_parquet(data, file)
        return Table(frame, file, lines)
    text = _decode(data, file)
    if suffix in (".csv", ".tsv"):
        frame, lines, spelt = read_delimited(text, "," if suffix == ".csv" else "\t", file)
        return Table(frame, file, lines, spelt)
    if suffix in (".jsonl", ".ndjson"):
        frame, lines = read_jsonl(text, file)
    elif suffix == ".ts":
        frame, lines = read_ts(text, file)
    else:
        frame, lines = pl.DataFrame({"text": [text]}), np.ones(1, dtype=np.int64)
    return Table(frame, file, lines)


def _suffix(path: Path) -> str:
    """Return the suffix that tells the kind, in small letters and without ``.gz``."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _missing(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"no such file, and no folder '{folder}'; check the path"
    names = sorted(entry.name for entry in folder.iterdir())
    return f"no such file.{nearest(path.name, names) or ' Check the path'}"


def _example(folder: Path) -> str:
    for entry in sorted(folder.iterdir()):
        if _suffix(entry) in KNOWN:
            return f"'{entry}'"
    return f"'{folder / 'data.csv'}'"


def _bytes(path: Path, file: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}); check its permissions", file=file) from error
    if not path.name.lower().endswith(".gz"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"this is not a whole gzip file ({error}); fetch it again, or drop '.gz' from its name if it "
            "is not compressed",
            file=file,
        ) from error


def _decode(data: bytes, file: str) -> str:
    """Return the text with line ends ``\\n`` and without a byte order mark."""
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        if b"\0" in data[:4096] and data[:2] not in _WIDE_MARKS:
            raise DataError(
                "this is not text (it holds binary zeros), whatever its name says; give a table or a text", file=file
            ) from error
        of = "UTF-16" if data[:2] in _WIDE_MARKS else "WINDOWS-1252"
        feed = f"gunzip -c '{file}' | iconv" if file.lower().endswith(".gz") else f"iconv '{file}'"
        name = Path(file).name.removesuffix(".gz")
        raise DataError(
            f"not UTF-8: byte {data[error.start]:#04x} at offset {error.start}. Convert it, for example "
            f"from {of}: {feed} -f {of} -t UTF-8 > 'utf8-{name}'",
            file=file,
            row=data.count(b"\n", 0, error.start) + 1,
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
