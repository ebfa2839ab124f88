"""Lines to paste: what an error message of this folder ends in."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["listed", "paste"]

_SHOWN = 20


def paste(file: str, change: str, out: str) -> str:
    """Return one line of Python that reads ``file``, applies ``change`` and writes a new table.

    Args:
        file: the table's name, as the user wrote it.
        change: polars methods to call on the frame, such as ``.sort('t')``.
        out: name of the file to write, without suffix.

    Tables that can hold lists are written as Parquet, all others as CSV.
    """
    kind = file.lower().removesuffix(".gz").rpartition(".")[2]
    flat = kind in ("csv", "tsv", "ts", "txt") or "+" in file
    write = f"write_csv('{out}.csv')" if flat else f"write_parquet('{out}.parquet')"
    load = "import polars as pl; " if "pl." in change else ""
    return f"{load}from elman.data.read import read; read({file!r}).frame{change}.{write}"


def listed(names: Sequence[str]) -> str:
    """Return the names joined by commas; of a long list only the first ones and how many there are."""
    if len(names) <= _SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[:_SHOWN])}, ... ({len(names)} in all)"
