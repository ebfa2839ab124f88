"""JSON lines and Parquet: tables whose cells may be lists."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError

__all__ = ["plain", "read_jsonl", "read_parquet"]

_KINDS = {
    bool: "true/false",
    int: "a number",
    float: "a number",
    str: "text",
    dict: "an object",
}


def read_parquet(data: bytes, file: str) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Parse a Parquet file; "lines" are row numbers + 1.

    Raises:
        DataError: it is not Parquet or has no rows.
    """
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"this is not a whole Parquet file ({reason}); write it anew", file=file) from error
    if not frame.height:
        raise DataError("there are columns but no rows; check how the file was made", file=file)
    return plain(frame), np.arange(2, frame.height + 2, dtype=np.int64)


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns of Parquet that are neither number, word nor time, as such: spans in seconds, bytes in hexadecimal."""
    spans = [(pl.col(name).dt.total_microseconds() / 1e6) for name in frame.columns if frame[name].dtype == pl.Duration]
    raw = [pl.col(name).bin.encode("hex") for name in frame.columns if frame[name].dtype == pl.Binary]
    return frame.with_columns(*spans, *raw) if spans or raw else frame


def read_jsonl(text: str, file: str, first: int = 1) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Parse JSON lines: one object a line, its keys are the columns; blank lines are skipped.

    Types are inferred over the whole text: numbers beside text become text, a key that is absent is null. ``first``
    is the line of the file on which the text begins.

    Raises:
        DataError: a line is not one JSON object, or a column holds values of kinds that do not mix.
    """
    rows = text.split("\n")
    lines = np.array([place for place, row in enumerate(rows, start=first) if row.strip()], dtype=np.int64)
    try:
        frame = pl.read_ndjson(io.BytesIO(text.encode()), infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        # polars names no line, so the file is read once more, slowly, to find it.
        _diagnose(rows, file, first)
        raise DataError(f"cannot be parsed ({str(error).splitlines()[0]}); check its values", file=file) from error
    if frame.height != len(lines) or not frame.width:
        _diagnose(rows, file, first)
        raise DataError(f"{len(lines)} objects are seen but {frame.height} parsed; check its lines", file=file)
    return frame, lines


def _diagnose(rows: list[str], file: str, first: int) -> None:
    """Raise for the first line that is not a JSON object, or of another kind than the same key before."""
    seen: dict[str, tuple[str, int]] = {}
    for line, row in enumerate(rows, start=first):
        if not row.strip():
            continue
        for key, value in _object(row, line, file).items():
            kind = _kind(value)
            if not kind:
                continue
            usual, at = seen.setdefault(key, (kind, line))
            if usual == "a list" and kind.startswith(usual):
                seen[key] = usual, at = kind, line
            fits = usual == kind or (kind == "a list" and usual.startswith(kind))
            if not fits or " and " in kind:
                before = f", but line {at} has {usual}" if usual != kind else ""
                raise DataError(
                    f"{kind}{before}; write the same kind of value in every line",
                    file=file,
                    row=line,
                    column=key,
                )


def _kind(value: Any) -> str:
    """Return the kind of a JSON value in words, of lists with what is in them; nothing for null."""
    if value is None:
        return ""
    if not isinstance(value, list):
        return _KINDS[type(value)]
    inner = {_kind(item) for item in value} - {""}
    if any(kind.startswith("a list of") for kind in inner):
        inner.discard("a list")  # an empty list goes with any other
    return f"a list of ({' and '.join(sorted(inner))})" if inner else "a list"


class _NoNumberError(ValueError):
    """NaN or Infinity, which Python reads and JSON does not know."""


def _refuse_constant(name: str) -> float:
    raise _NoNumberError(name)


def _object(row: str, line: int, file: str) -> dict[str, Any]:
    try:
        value = json.loads(row, parse_constant=_refuse_constant)
    except _NoNumberError as error:
        raise DataError(f"{error} is no JSON value; fill it in, or leave the step out", file=file, row=line) from error
    except RecursionError as error:
        raise DataError("lists in lists without end; check the line", file=file, row=line) from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"invalid JSON at character {error.colno} ({error.msg}): {row[:60]!r}; every line must be one "
            "object, "
            'such as {"text": "hello", "label": "a"}',
            file=file,
            row=line,
        ) from error
    except ValueError as error:
        # Python reads no whole number of more than 4,300 digits.
        raise DataError(
            "a number with thousands of digits; write fewer, or put it in quotes", file=file, row=line
        ) from error
    if not isinstance(value, dict) or not value:
        raise DataError(
            f'{row[:60]!r} is not an object with keys; write a line such as {{"text": "hello", "label": "a"}}',
            file=file,
            row=line,
        )
    return value
