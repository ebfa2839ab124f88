"""The ``.ts`` files of the UCR/UEA archives: one labelled, possibly multivariate series a line.

::

    @problemName Vowels          header lines, in letters of any case
    @classLabel true 1 2 3
    @data
    1.2,1.4,1.1:0.3,?,0.2:2      channels between colons, steps between commas, the label last
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError, nearest

__all__ = ["read_ts"]


@dataclass
class _Header:
    """What the lines before ``@data`` say."""

    target: str = ""
    classes: list[str] = field(default_factory=list)
    dimensions: int = 0


def read_ts(text: str, file: str) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Parse a ``.ts`` file into a long table, in the file's order.

    The columns are ``id`` (the series, from 0), ``step`` (from 0 in each series), ``x1`` ... ``xN`` (float64,
    NaN where the file has ``?`` or NaN) and, if ``@classLabel`` is true, ``label`` (text); a numeric
    ``@targetLabel`` gives ``number`` (float64). Series may differ in length.

    Returns:
        The frame and the line of each row: all steps of one series have the same line.

    Raises:
        DataError: no ``@data``, no series, time stamps, a cell that is no number, channels of unequal length
            or number, an unknown class.
    """
    rows = text.split("\n")
    header, first = _header(rows, file)
    blocks: list[NDArray[np.float64]] = []
    targets: list[str] = []
    lines: list[int] = []
    for line, row in enumerate(rows[first:], start=first + 1):
        row = row.strip()
        if not row or row[0] in "#%":
            continue
        block, target = _series(row, header, line, file)
        if blocks and block.shape[1] != blocks[0].shape[1]:
            raise DataError(
                f"{block.shape[1]} channels, but line {lines[0]} has {blocks[0].shape[1]}; make them equal",
                file=file,
                row=line,
            )
        blocks.append(block)
        targets.append(target)
        lines.append(line)
    if not blocks:
        raise DataError("there is no series after @data; check how the file was made", file=file, row=len(rows))
    return _long(blocks, targets, lines, header, file)


def _header(rows: list[str], file: str) -> tuple[_Header, int]:
    """Return the header and the number of lines it takes."""
    header = _Header()
    for line, row in enumerate(rows, start=1):
        words = row.strip().split()
        if not words or words[0][0] in "#%":
            continue
        name, values = words[0].lower(), words[1:]
        if not name.startswith("@"):
            raise DataError("values before @data; add a line '@data' above them", file=file, row=line)
        if name == "@data":
            return header, line
        yes = bool(values) and values[0].lower() == "true"
        if name == "@timestamps" and yes:
            raise DataError(
                "time stamps in .ts files are not supported; write a CSV with columns id,time,x1,label "
                "and one row a step, and name them: --id id --time time",
                file=file,
                row=line,
            )
        if name == "@classlabel" and yes:
            header.target, header.classes = "label", values[1:]
        elif name == "@targetlabel" and yes:
            header.target = "number"
        elif name in ("@dimension", "@dimensions"):
            if not (values and re.fullmatch(r"[0-9]{1,6}", values[0])):
                raise DataError(f"'{row.strip()}' names no number; write @dimensions 3", file=file, row=line)
            header.dimensions = int(values[0])
    raise DataError("there is no line '@data'; add it above the series", file=file, row=len(rows))


def _series(row: str, header: _Header, line: int, file: str) -> tuple[NDArray[np.float64], str]:
    """Return one series as float64 [T, N], and its label."""
    parts = row.split(":")
    target = parts.pop().strip() if header.target else ""
    if not parts:
        raise DataError(f"'{target}' stands alone, without a series; write 1.2,1.4:{target}", file=file, row=line)
    if header.classes and target not in header.classes:
        raise DataError(
            f"the label '{target}' is not one of @classLabel.{nearest(target, header.classes)} Add it to "
            f"the header: @classLabel true {' '.join(header.classes)} {target}",
            file=file,
            row=line,
            column="label",
        )
    if header.dimensions and len(parts) != header.dimensions:
        raise DataError(
            f"{len(parts)} channels, but @dimensions says {header.dimensions}; correct one of them",
            file=file,
            row=line,
        )
    channels = [_channel(part, f"x{place}", line, file) for place, part in enumerate(parts, start=1)]
    for place, channel in enumerate(channels, start=1):
        if len(channel) != len(channels[0]):
            raise DataError(
                f"{len(channel)} steps, but x1 has {len(channels[0])}; fill the shorter one with ?",
                file=file,
                row=line,
                column=f"x{place}",
            )
    return np.array(channels, dtype=np.float64).T, target


def _channel(part: str, name: str, line: int, file: str) -> list[float]:
    if not part.strip():
        raise DataError("a channel without steps; drop this series or fill it", file=file, row=line, column=name)
    if "?" in part:
        part = ",".join("nan" if cell.strip() == "?" else cell for cell in part.split(","))
    cells = part.split(",")
    try:
        values = list(map(float, cells))
    except ValueError:
        values = []
    # float() takes 1_000 too, which here is a slip of the pen.
    if values and "_" not in part:
        return values
    bad = next(place for place, cell in enumerate(cells) if not _is_number(cell))
    raise DataError(
        f"'{cells[bad].strip()}' at step {bad} is not a number; write a number, or ? where it is missing",
        file=file,
        row=line,
        column=name,
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _long(
    blocks: list[NDArray[np.float64]], targets: list[str], lines: list[int], header: _Header, file: str
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    lengths = np.array([len(block) for block in blocks], dtype=np.int64)
    place = np.repeat(np.arange(len(blocks), dtype=np.int64), lengths)
    starts = np.cumsum(lengths) - lengths
    values = np.concatenate(blocks)
    columns = [
        pl.Series("id", place),
        pl.Series("step", np.arange(len(place), dtype=np.int64) - starts[place]),
        *(pl.Series(f"x{channel + 1}", values[:, channel]) for channel in range(values.shape[1])),
    ]
    if header.target == "label":
        columns.append(pl.Series("label", targets).gather(place))
    elif header.target == "number":
        numbers = [_channel(target, "number", line, file)[0] for target, line in zip(targets, lines, strict=True)]
        columns.append(pl.Series("number", np.array(numbers)[place]))
    return pl.DataFrame(columns), np.array(lines, dtype=np.int64)[place]
