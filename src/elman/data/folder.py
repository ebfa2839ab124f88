"""Folders: a table ``metadata.csv`` (or .tsv, .jsonl, .parquet) whose every row names a file with one sequence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError, nearest
from elman.data.delimited import read_delimited
from elman.data.files import decode, read_bytes, suffix_of

__all__ = ["FILES", "read_folder"]

FILES = (".csv", ".tsv", ".npy", ".txt")
"""What a folder's sequences may lie in; text files also with ``.gz``."""

_NAMES = ("file_name", "file", "filename", "path")

Cells = dict[str, Any]


def read_folder(folder: Path, frame: pl.DataFrame, lines: NDArray[np.int64], file: str) -> pl.DataFrame:
    """Add to the rows of the metadata what is in the files that they name.

    A table gives a list of numbers for each of its columns; an array ``[T]`` of numpy the list ``x``, an array
    ``[T, C]`` the lists ``x1`` ... ``xC``; a text file the text ``text``.

    Args:
        folder: the folder.
        frame: its metadata, one column of which (``file_name``, ``file``, ``filename`` or ``path``) names files.
        lines: the line of each row of the metadata.
        file: the name of the metadata, for messages.

    Raises:
        DataError: no such column; a file is missing, lies outside the folder, holds no numbers, or has other
            columns than the first.
    """
    name = _naming(frame, file)
    read = {".csv": _table(","), ".tsv": _table("\t"), ".npy": _array, ".txt": _text}
    rows: list[Cells] = []
    for cell, line in zip(frame[name].to_list(), lines.tolist(), strict=True):
        path = _inside(folder, cell, file, line, name)
        kind = suffix_of(path)
        if kind not in read:
            raise DataError(
                f"'{cell}' is no kind of file that is read here; known: {', '.join(FILES)}",
                file=file, row=line, column=name,
            )  # fmt: skip
        cells = read[kind](path)
        if rows and cells.keys() != rows[0].keys():
            raise DataError(
                f"'{cell}' holds {', '.join(cells)}, but the first file {', '.join(rows[0])}; all must hold the same",
                file=file, row=line, column=name,
            )  # fmt: skip
        rows.append(cells)
    twice = [column for column in rows[0] if column in frame.columns]
    if twice:
        raise DataError(f"column '{twice[0]}' is in the metadata and in the files; rename it in one", file=file)
    return frame.with_columns(pl.Series(column, [cells[column] for cells in rows]) for column in rows[0])


def _naming(frame: pl.DataFrame, file: str) -> str:
    for name in _NAMES:
        if name in frame.columns:
            if frame.schema[name] != pl.String:
                raise DataError("the names of files must be text", file=file, column=name)
            return name
    raise DataError(
        f"no column says which file a row is about.{nearest('file_name', frame.columns)} Call it file_name; there is: "
        f"{', '.join(frame.columns)}",
        file=file,
    )


def _inside(folder: Path, cell: str | None, file: str, line: int, column: str) -> Path:
    """The file that a row names; it must lie in the folder, whatever ``..`` and links say."""
    if not cell:
        raise DataError("this row names no file; fill it in or drop the row", file=file, row=line, column=column)
    path = folder / cell
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"'{cell}' lies outside the folder; move it inside", file=file, row=line, column=column)
    if not path.is_file():
        raise DataError(f"there is no file '{path}'; check the name", file=file, row=line, column=column)
    return path


def _text(path: Path) -> Cells:
    return {"text": decode(read_bytes(path, str(path)), str(path))}


def _table(separator: str) -> Callable[[Path], Cells]:
    def read(path: Path) -> Cells:
        file = str(path)
        frame, lines, _ = read_delimited(decode(read_bytes(path, file), file), separator, file)
        for column in frame.get_columns():
            if not column.dtype.is_numeric():
                number = column.cast(pl.String).cast(pl.Float64, strict=False)
                row = int((number.is_null() & column.is_not_null()).to_numpy().argmax())
                raise DataError(
                    f"a series holds numbers, but here is {column[row]!r}; correct it, or drop the column",
                    file=file,
                    row=int(lines[row]),
                    column=column.name,
                )
        return {column.name: column.cast(pl.Float64) for column in frame.get_columns()}

    return read


def _array(path: Path) -> Cells:
    file = str(path)
    try:
        # Mapped: a head that promises more than the file holds is refused before any memory is taken.
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(
            f"this is no whole array of numbers ({error}); write it with numpy.save(name, x.astype(float))", file=file
        ) from error
    if not isinstance(found, np.ndarray) or found.ndim not in (1, 2) or found.dtype.kind not in "biuf":
        shape = list(np.shape(found)) if isinstance(found, np.ndarray) else "several arrays"
        raise DataError(f"a series is an array [T] or [T, C] of numbers, but this is {shape}", file=file)
    values = np.array(found, dtype=np.float64)
    if values.ndim == 1:
        return {"x": pl.Series(values)}
    return {f"x{place + 1}": pl.Series(values[:, place]) for place in range(values.shape[1])}
