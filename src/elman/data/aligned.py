"""Plain text files side by side: line k of each belongs together, as in ``train.de`` and ``train.en``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError, InputError
from elman.data.files import decode, missing, read_bytes

__all__ = ["names_of", "read_aligned"]


def names_of(paths: list[Path]) -> list[str]:
    """The columns of aligned files: their suffixes (``de`` of ``train.de.gz``), or their names where those are alike.

    Raises:
        InputError: the names are alike too.
    """
    plain = [Path(path.name.removesuffix(".gz")) for path in paths]
    for names in ([path.suffix[1:] for path in plain], [path.stem for path in plain]):
        if all(names) and len(set(names)) == len(names):
            return names
    raise InputError(
        f"{'+'.join(map(str, paths))}: aligned files are told apart by their suffixes (train.de+train.en); rename one"
    )


def read_aligned(paths: list[Path]) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """A row a line, a column of text a file.

    Raises:
        DataError: a file is not there, empty or no UTF-8, or the numbers of lines differ.
        InputError: the files cannot be told apart by their names.
    """
    names = names_of(paths)
    columns = {name: _lines(path) for name, path in zip(names, paths, strict=True)}
    counts = [len(column) for column in columns.values()]
    if len(set(counts)) > 1:
        told = ", ".join(f"{path} has {count:,}" for path, count in zip(paths, counts, strict=True))
        raise DataError(
            f"line k of each file belongs together, but their numbers of lines differ: {told}; find the line that is "
            f"missing, for example: paste {' '.join(map(str, paths))} | less",
            file="+".join(map(str, paths)),
            row=min(counts) + 1,
        )
    return pl.DataFrame(columns), np.arange(1, counts[0] + 1, dtype=np.int64)


def _lines(path: Path) -> list[str]:
    file = str(path)
    if not path.is_file():
        raise DataError(missing(path), file=file)
    text = decode(read_bytes(path, file), file)
    if not text.strip():
        raise DataError("the file is empty; check how it was made", file=file)
    return text.removesuffix("\n").split("\n")
