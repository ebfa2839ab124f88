"""A file as tables of some rows each, so that it need not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError
from elman.data.delimited import delimited_blocks
from elman.data.files import decode, is_pair, missing, pieces, suffix_of
from elman.data.nested import plain, read_jsonl
from elman.data.read import known_suffix, read

__all__ = ["PIECE", "Block", "blocks", "streams"]

PIECE = 8 << 20
"""Bytes of a file that a block is made of; decoded they take up to ten times as much."""

_CELLS = 1 << 20
"""Cells of a block of a Parquet file, where nobody knows how long a row is before it is read."""


@dataclass(frozen=True)
class Block:
    """Rows that stand together.

    Attributes:
        frame: the columns; those of CSV and TSV are text as it is written, whatever it means.
        lines: the line of each row (of Parquet row number + 1).
        part: which of the files examined together they come from.
    """

    frame: pl.DataFrame
    lines: NDArray[np.int64]
    part: int = 0


def streams(file: str) -> bool:
    """Whether :func:`blocks` holds some rows at a time and not the whole file: of tables, but not ``.parquet.gz``."""
    path = Path(file)
    if is_pair(file) or path.is_dir():
        return False
    return suffix_of(path) in (".csv", ".tsv", ".jsonl", ".ndjson") or path.suffix.lower() == ".parquet"


def blocks(file: str, part: int = 0) -> Iterator[Block]:
    """The rows of a file in its order; see :func:`elman.data.read.read` for the files and what is raised."""
    path = Path(file)
    if not streams(file):
        yield from _cut(file, part)
        return
    if not path.exists():
        raise DataError(missing(path), file=file)
    suffix = known_suffix(path)
    if suffix == ".parquet":
        yield from _row_groups(path, file, part)
    elif suffix in (".csv", ".tsv"):
        found = delimited_blocks(pieces(path, file, PIECE), "," if suffix == ".csv" else "\t", file)
        for frame, lines in found:
            yield Block(frame, lines, part)
    else:
        yield from _objects(path, file, part)


def _cut(file: str, part: int) -> Iterator[Block]:
    table = read(file)
    step = max(1, _CELLS // table.frame.width)
    for start in range(0, table.frame.height, step):
        yield Block(table.frame[start : start + step], table.lines[start : start + step], part)


def _objects(path: Path, file: str, part: int) -> Iterator[Block]:
    line, offset, found = 1, 0, False
    for piece in pieces(path, file, PIECE):
        text = decode(piece, file, line=line, offset=offset)
        if text.strip():
            found = True
            yield Block(*read_jsonl(text, file, line), part)
        line, offset = line + text.count("\n"), offset + len(piece)
    if not found:
        raise DataError("the file is empty; check how it was made", file=file)


def _row_groups(path: Path, file: str, part: int) -> Iterator[Block]:
    try:
        whole = pl.scan_parquet(path, low_memory=True, parallel="none", use_statistics=False)
        width = len(whole.collect_schema())
        height = int(whole.select(pl.len()).collect().item())
        step = max(1, _CELLS // max(width, 1))
        for start in range(0, height, step):
            frame = plain(whole.slice(start, step).collect())
            yield Block(frame, np.arange(start + 2, start + 2 + frame.height, dtype=np.int64), part)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"this is not a whole Parquet file ({reason}); write it anew", file=file) from error
    if not height:
        raise DataError("there are columns but no rows; check how the file was made", file=file)
