"""Read one file into a table that remembers the line of every row.

Known are CSV, TSV, JSON lines, Parquet, UCR/UEA ``.ts``, CoNLL-U, CoNLL columns and plain text, each also with
``.gz`` behind; plain texts side by side (``train.de+train.en``); and folders with ``metadata.csv`` or ``.jsonl``.
What a column is for (series, label, time, ...) is decided later, in :mod:`elman.data.roles`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError, InputError, nearest
from elman.data.aligned import read_aligned
from elman.data.conll import read_conll, read_conllu
from elman.data.delimited import read_delimited
from elman.data.files import METADATA, decode, is_pair, missing, read_bytes, suffix_of
from elman.data.folder import read_folder
from elman.data.nested import read_jsonl, read_parquet
from elman.data.ts import read_ts

__all__ = ["KNOWN", "Table", "known_suffix", "read"]

_TOKENS = (".conll", ".bio", ".iob", ".iob2")

KNOWN = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".ts", ".conllu", *_TOKENS, ".txt")
"""Suffixes that :func:`read` knows; each may be followed by ``.gz``."""

_ARCHIVES = {".zip": "unzip", ".tar": "tar xf", ".tgz": "tar xf", ".7z": "7z x"}


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

    Files with a ``+`` between them are plain texts side by side, a column each, called after its suffix (see
    :func:`elman.data.aligned.read_aligned`). A folder is read through its metadata (see
    :func:`elman.data.folder.read_folder`), sentences of CoNLL a row each (see :mod:`elman.data.conll`).

    Nothing that is read is ever executed. Cost: the whole file and its decoded form are held in memory.

    Raises:
        InputError: the suffix is not known.
        DataError: no such file, a folder without metadata, an empty file, damaged gzip or one that unpacks to more
            than 256 MiB and 100 times its size, not UTF-8, or badly formed inside.
    """
    file = str(path)
    if is_pair(file):
        _check_plain(file)
        frame, lines = read_aligned([Path(name) for name in file.split("+")])
        return Table(frame, file, lines)
    path = Path(path)
    if not path.exists():
        raise DataError(missing(path), file=file)
    if path.is_dir():
        return _folder(path, file)
    suffix = known_suffix(path)
    data = read_bytes(path, file)
    if not data.strip():
        raise DataError("the file is empty; check how it was made", file=file)
    return _parse(data, suffix, file)


def _check_plain(file: str) -> None:
    """Only plain texts stand side by side; their suffix is a name of their own, or .txt."""
    for name in file.split("+"):
        if suffix_of(Path(name)) in KNOWN[:-1]:
            raise InputError(
                f"{file}: {name} is a table, and only plain texts stand side by side; give one file, and name those of "
                "other parts: --valid FILE --test FILE"
            )


def known_suffix(path: Path) -> str:
    """The suffix that tells the kind of a file; raise :class:`InputError` for one that is not known."""
    suffix = suffix_of(path)
    if suffix in _ARCHIVES:
        raise InputError(f"{path}: an archive; unpack it, then name a file in it: {_ARCHIVES[suffix]} '{path}'")
    if suffix not in KNOWN:
        known = ", ".join(KNOWN)
        # The dot that all have in common makes any two short suffixes half alike.
        close = nearest(suffix, KNOWN, cutoff=0.6)
        stem = path.name.split(".")[0] or path.name
        plain = f"{stem}.txt{'.gz' if path.suffix.lower() == '.gz' else ''}"
        raise InputError(
            f"{path}: unknown kind of file '{suffix or path.name}'.{close} Known: {known}, each also with .gz; convert "
            f"the file, or call it {plain} if it is plain text ({plain.replace('.txt', '.conll')} if a line is a word "
            "with its tag)"
        )
    return suffix


def _folder(folder: Path, file: str) -> Table:
    for name in METADATA:
        if (folder / name).is_file():
            table = read(folder / name)
            frame = read_folder(folder, table.frame, table.lines, table.file)
            return Table(frame, file, table.lines, table.spelt)
    tables = [entry for entry in sorted(folder.iterdir()) if suffix_of(entry) in KNOWN and entry.stem != "README"]
    one = f"name one file in it, such as '{tables[0]}', or " if tables else ""
    raise DataError(
        f"this is a folder without {METADATA[0]} or {METADATA[2]}; {one}write a {METADATA[0]} with the line "
        "file_name,label and a row for every file",
        file=file,
    )


def _parse(data: bytes, suffix: str, file: str) -> Table:
    if suffix == ".parquet":
        frame, lines = read_parquet(data, file)
        return Table(frame, file, lines)
    text = decode(data, file)
    if suffix in (".csv", ".tsv"):
        frame, lines, spelt = read_delimited(text, "," if suffix == ".csv" else "\t", file)
        return Table(frame, file, lines, spelt)
    if suffix == ".txt":
        return Table(pl.DataFrame({"text": [text]}), file, np.ones(1, dtype=np.int64))
    parse = {".jsonl": read_jsonl, ".ndjson": read_jsonl, ".ts": read_ts, ".conllu": read_conllu}
    frame, lines = parse.get(suffix, read_conll)(text, file)
    return Table(frame, file, lines)
