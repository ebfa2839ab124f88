"""Turn single columns into numbers, words or times; refuse, with line and value, what cannot be turned."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError, nearest
from elman.data.hints import listed, paste
from elman.data.read import Table

__all__ = [
    "column",
    "is_missing",
    "is_number",
    "is_text",
    "numbers",
    "refuse_slips",
    "refuse_values",
    "texts",
    "time_form",
    "times",
    "words",
]

_SLIPS = 0.1
"""The largest share of words in a column of numbers that are slips; where there are more, it holds names."""

_DAY_INTS = (17000101, 22001231)
"""Integers in this range may be days written as YYYYMMDD."""

_ISO = (
    r"^(\d{4}-\d{2}(?:-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?)?)"
    r"\s*(?:Z|[+-]\d{2}:?\d{2})?$"
)
_ZONE = r":\d{2}(?:\.\d+)?\s*(Z|[+-]\d{2}:?\d{2})$"
_PARTS = re.compile(r"\d{4}-\d{2}(-\d{2})?(?:([T ])\d{2}:\d{2}(:\d{2})?(\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?$")
"""An ISO time: day, separator, seconds, what follows them, offset."""

_MICROSECONDS = 26
"""Characters of an ISO time down to the microsecond."""


def column(table: Table, name: str, option: str) -> pl.Series:
    """Return the column that ``option`` names; raise :class:`DataError` if there is none."""
    try:
        return table.frame.get_column(name)
    except pl.exceptions.ColumnNotFoundError:
        names = table.frame.columns
        raise DataError(
            f"{option} names the column '{name}', which is not there.{nearest(name, names)} Columns: {listed(names)}",
            file=table.file,
        ) from None


def is_number(dtype: pl.DataType) -> bool:
    """Return whether the type is a number (true/false and dates are not)."""
    return dtype.is_numeric()


def is_text(dtype: pl.DataType) -> bool:
    """Return whether the type is text or categories of text."""
    return dtype in (pl.String, pl.Categorical, pl.Enum)


def is_missing(series: pl.Series) -> pl.Series:
    """Return true where the value is null or NaN."""
    missing = series.is_null()
    return missing | series.is_nan().fill_null(False) if series.dtype.is_float() else missing


def refuse_values(
    table: Table,
    names: Iterable[str],
    values: NDArray[np.float64],
    lines: NDArray[np.int64],
    option: str,
    *,
    gaps: bool = False,
) -> None:
    """Raise :class:`DataError` for the first NaN or infinity in ``values`` [rows, C] from ``lines``.

    With ``gaps`` a NaN is no fault. ``option`` says what the values are for, and so what can be done.
    """
    bad = np.isinf(values) if gaps else ~np.isfinite(values)
    if not bad.any():
        return
    row, place = (int(found[0]) for found in np.nonzero(bad))
    name = list(names)[place]
    if np.isinf(values[row, place]):
        drop = paste(table.file, f".filter(pl.col({name!r}).is_finite())", "finite")
        raise DataError(
            f"the value is infinite; drop such rows: {drop}",
            file=table.file,
            row=int(lines[row]),
            column=name,
        )
    fill = paste(table.file, ".fill_nan(None).fill_null(strategy='forward').fill_null(strategy='backward')", "filled")
    raise DataError(
        f"{_missing(option)}drop such rows with .drop_nulls({name!r}), or fill each with the value before it: {fill}",
        file=table.file,
        row=int(lines[row]),
        column=name,
    )


def _missing(option: str) -> str:
    """What to say of a missing number; --gaps closes what is read or follows at every step, and nothing else."""
    if option not in ("--from series", "--to series", "--to next", "--to future"):
        return f"{option} needs a value in every row, but here it is missing; fill it in, "
    told = " (where it is missing is told to the model)" if option == "--from series" else ""
    other = "" if option == "--to next" else " or --gaps interpolate"
    return f"the value is missing. Write --gaps input{told}{other}; or "


def numbers(table: Table, names: tuple[str, ...], option: str, *, gaps: bool = False) -> NDArray[np.float64]:
    """Return the columns as float64 [rows, C]; with ``gaps`` a value that is missing is NaN.

    Raises:
        DataError: a column is absent or not numeric, or a value is text, infinite or (without ``gaps``) missing.
    """
    stacked = np.empty((table.frame.height, len(names)), dtype=np.float64)
    for place, name in enumerate(names):
        stacked[:, place] = _floats(table, column(table, name, option), option).to_numpy()
    refuse_values(table, names, stacked, table.lines, option, gaps=gaps)
    return stacked


def refuse_slips(table: Table, name: str, option: str) -> None:
    """Raise :class:`DataError` for a column of numbers but for a few words, which would be taken for names."""
    cells = table.frame.get_column(name).cast(pl.String).str.strip_chars().drop_nulls()
    slips = cells.filter(cells.cast(pl.Float64, strict=False).is_null())
    if 0 < len(slips) <= _SLIPS * len(cells):
        row = int((table.frame.get_column(name).cast(pl.String).str.strip_chars() == slips[0]).arg_max() or 0)
        raise DataError(
            f"{option}: here is '{slips[0]}', but nearly all others are numbers; correct it, or where all are names "
            "write them as words, such as n1",
            file=table.file,
            row=int(table.lines[row]),
            column=name,
        )


def _floats(table: Table, series: pl.Series, option: str) -> pl.Series:
    if is_number(series.dtype) or series.dtype == pl.Boolean:
        return series.cast(pl.Float64)
    if not is_text(series.dtype):
        raise DataError(
            f"{option} needs numbers, but this column is {series.dtype}; name a numeric one of: "
            f"{listed(_numeric(table)) or 'none is there'}",
            file=table.file,
            column=series.name,
        )
    cells = series.cast(pl.String).str.strip_chars()
    floats = cells.cast(pl.Float64, strict=False)
    bad = (floats.is_null() & cells.is_not_null()).to_numpy()
    if bad.any():
        row = int(bad.argmax())
        numeric = listed(_numeric(table))
        instead = f", or name only numeric columns: {numeric}" if numeric else ""
        raise DataError(
            f"{option} needs numbers, but here is '{cells[row]}'; correct it{instead}",
            file=table.file,
            row=int(table.lines[row]),
            column=series.name,
        )
    return floats


def _numeric(table: Table) -> list[str]:
    return [name for name, dtype in table.frame.schema.items() if is_number(dtype)]


def texts(table: Table, name: str, option: str) -> list[str]:
    """Return a text column as it is; an empty text is allowed, a missing one is a :class:`DataError`."""
    series = table.spelt.get(name, column(table, name, option))
    if not is_text(series.dtype):
        raise DataError(
            f"{option} needs text, but this column is {series.dtype}; for numbers write --from series:{name}",
            file=table.file,
            column=name,
        )
    _refuse_missing(table, series, series.is_null(), f"{option} needs a text", f".drop_nulls({name!r})")
    found: list[str] = series.cast(pl.String).to_list()
    return found


def words(table: Table, name: str, option: str) -> list[str]:
    """Return ``str(value)`` of each row, whole floats without ``.0``; of a CSV the cell as it is written.

    Raises:
        DataError: the column is absent or holds lists, or a value is missing or empty.
    """
    series = column(table, name, option)
    if series.dtype.is_nested():
        raise DataError(
            f"{option} needs one word or number a row, but this column is {series.dtype}; name another",
            file=table.file,
            column=name,
        )
    if name in table.spelt:
        spoken = table.spelt[name].str.strip_chars()
    elif series.dtype == pl.Boolean:
        spoken = series.replace_strict({True: "True", False: "False"}, return_dtype=pl.String)
    else:
        spoken = series.cast(pl.String)
    if series.dtype.is_float() and name not in table.spelt:
        spoken = spoken.str.replace(r"\.0$", "")
    missing = is_missing(series) | (spoken.str.strip_chars() == "").fill_null(True)
    _refuse_missing(table, series, missing, f"{option} needs a value in every row", f".drop_nulls({name!r})")
    found: list[str] = spoken.to_list()
    return found


def _refuse_missing(table: Table, series: pl.Series, missing: pl.Series, need: str, change: str) -> None:
    if not missing.any():
        return
    row = int(missing.to_numpy().argmax())
    drop = paste(table.file, change, "complete")
    raise DataError(
        f"{need}, but here it is missing; fill it in, or drop such rows: {drop}",
        file=table.file,
        row=int(table.lines[row]),
        column=series.name,
    )


def times(table: Table, name: str) -> NDArray[np.datetime64] | NDArray[np.float64]:
    """Return the time of each row, [rows].

    Dates, date-times, ISO text (``2021-04``, ``2021-04-30``, ``2021-04-30 13:00``, with or without seconds
    and offset) and ``YYYYMMDD`` become datetime64[us], in UTC if they have an offset; other numbers float64.

    Raises:
        DataError: the column is absent, or a time is missing or not one of these.
    """
    series = column(table, name, "--time")
    _refuse_missing(table, series, is_missing(series), "--time needs a time in every row", f".drop_nulls({name!r})")
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if series.dtype in (pl.Date, pl.Datetime):
        return series.cast(pl.Datetime("us")).to_numpy()
    if is_text(series.dtype):
        cells = series.cast(pl.String).str.strip_chars()
        plain = cells.cast(pl.Int64, strict=False)
        plain = plain if not plain.null_count() else cells.cast(pl.Float64, strict=False)
        if plain.null_count():
            return _iso(table, cells)
        series = plain
    if not is_number(series.dtype):
        raise DataError(
            f"--time needs numbers or dates, but this column is {series.dtype}; name another",
            file=table.file,
            column=name,
        )
    if series.dtype.is_integer() and _looks_like_days(series):
        return _days(table, series)
    values: NDArray[np.float64] = series.cast(pl.Float64).to_numpy()
    refuse_values(table, [name], values[:, None], table.lines, "--time")
    return values


def time_form(table: Table, name: str) -> str:
    """How a text file writes its times, as strftime says it; empty for numbers and for files with times of their own.

    The first cell speaks for all. What had an offset is in UTC.
    """
    series = column(table, name, "--time")
    if series.dtype.is_integer() and _looks_like_days(series):
        return "%Y%m%d"
    if not is_text(series.dtype) or not len(series):
        return ""
    found = _PARTS.match(str(series[0]).strip())
    if found is None:
        return ""
    day, gap, seconds, rest, zone = found.groups()
    form = "%Y-%m" + ("-%d" if day else "") + (f"{gap}%H:%M" if gap else "")
    return form + (":%S" if seconds else "") + ("%.6f" if rest else "") + ("Z" if zone else "")


def _looks_like_days(series: pl.Series) -> bool:
    """Tell whether the integers are days: all in the range, and the first one a day of the calendar."""
    if not series.is_between(*_DAY_INTS).all():
        return False
    return series[:1].cast(pl.String).str.to_date("%Y%m%d", strict=False).null_count() == 0


def _days(table: Table, series: pl.Series) -> NDArray[np.datetime64]:
    days = series.cast(pl.String).str.to_date("%Y%m%d", strict=False)
    if days.null_count():
        row = int(days.is_null().to_numpy().argmax())
        raise _no_time(table, series, row, "is no day of the calendar")
    return days.cast(pl.Datetime("us")).to_numpy()


def _iso(table: Table, cells: pl.Series) -> NDArray[np.datetime64]:
    bodies = cells.str.extract(_ISO, 1)
    if bodies.null_count():
        raise _no_time(table, cells, int(bodies.is_null().to_numpy().argmax()), "is not a time that is understood")
    stamps = bodies.str.slice(0, _MICROSECONDS).to_list()
    try:
        found = np.array(stamps, dtype="datetime64[us]")
    except ValueError:
        row = next(row for row, stamp in enumerate(stamps) if not _is_stamp(stamp))
        raise _no_time(table, cells, row, "is no time of the calendar") from None
    zones = cells.str.extract(_ZONE, 1)
    if zones.null_count() == len(zones):
        return found
    if zones.null_count():
        row = int((zones.is_null() != zones.is_null()[0]).to_numpy().argmax())
        raise DataError(
            f"'{cells[row]}' and the times above differ: some have an offset and some none; write all with theirs, "
            "such as 2021-04-30 13:00+02:00, or all in UTC",
            file=table.file,
            row=int(table.lines[row]),
            column=cells.name,
        )
    local: NDArray[np.datetime64] = np.subtract(found, _offsets(zones))
    return local


def _offsets(zones: pl.Series) -> NDArray[np.timedelta64]:
    """Return how far each ``+02:00`` is ahead of UTC."""
    minutes = {"Z": 0}
    for zone in zones.unique().to_list():
        if zone != "Z":
            size = 60 * int(zone[1:3]) + int(zone[-2:])
            minutes[zone] = -size if zone[0] == "-" else size
    ahead = zones.replace_strict(minutes, return_dtype=pl.Int64)
    return ahead.to_numpy().astype("timedelta64[m]")


def _is_stamp(stamp: str) -> bool:
    try:
        np.datetime64(stamp, "us")
    except ValueError:
        return False
    return True


def _no_time(table: Table, series: pl.Series, row: int, why: str) -> DataError:
    name = series.name
    zoned = re.fullmatch(r"(\d{4}-\d{2}-\d{2}[T ][\d:.]+)\s*\[?[A-Za-z][A-Za-z_/]+\]?", str(series[row]))
    if zoned:
        return DataError(
            f"'{series[row]}' ends in the name of a zone, and names change their meaning twice a year; write the "
            f"offset: {zoned[1]}+02:00",
            file=table.file,
            row=int(table.lines[row]),
            column=name,
        )
    if is_text(series.dtype):
        change = f".with_columns(pl.col({name!r}).str.to_date('%d/%m/%Y'))"
        note = "put your own format for %d/%m/%Y in: "
    else:
        change, note = f".filter(pl.col({name!r}) != {series[row]})", "correct it, or drop it: "
    return DataError(
        f"'{series[row]}' {why}. Times are numbers, 2021-04-30, 2021-04-30 13:00 or 20210430; "
        f"{note}{paste(table.file, change, 'dated')}",
        file=table.file,
        row=int(table.lines[row]),
        column=name,
    )
