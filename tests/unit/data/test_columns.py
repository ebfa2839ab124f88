"""Single columns as numbers, words, texts and times."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.core.errors import DataError
from elman.data.columns import numbers, texts, times, words
from elman.data.hints import listed
from elman.data.lists import sequences
from elman.data.read import Table


def table(file: str = "t.csv", **columns: Any) -> Table:
    frame = pl.DataFrame(columns)
    return Table(frame, file, np.arange(2, frame.height + 2))


def at(line: int | None, column: str | None, says: str) -> str:
    """Return the pattern of a message about that place."""
    place = "t.csv" + (f", line {line}" if line else "") + (f", column '{column}'" if column else "")
    return f"^{re.escape(place)}: .*{says}"


def test_numbers() -> None:
    made = table(a=[1, 2], b=[0.5, 1.5], c=["3", " 04 "], d=[True, False])
    found = numbers(made, ("a", "b", "c", "d"), "--from series")
    assert found.dtype == np.float64
    assert found.tolist() == [[1, 0.5, 3, 1], [2, 1.5, 4, 0]]


@pytest.mark.parametrize(
    ("values", "line", "says"),
    [
        (
            [1, None],
            3,
            r"value is missing.*--gaps input.*--gaps interpolate.*\.drop_nulls\('x'\).*fill_null.*write_csv",
        ),
        ([1.0, math.nan], 3, "value is missing"),
        ([math.inf, 1.0], 2, r"infinite.*\.filter\(pl\.col\('x'\)\.is_finite\(\)\)"),
        (["1", "two"], 3, "--from series needs numbers, but here is 'two'; correct it, or name .*: other"),
        (["1", None], 3, "value is missing"),
        ([dt.date(2020, 1, 1)] * 2, None, "needs numbers, but this column is Date; name .*: other"),
        ([[1], [2]], None, "this column is List"),
    ],
)
def test_bad_numbers(values: list[Any], line: int | None, says: str) -> None:
    with pytest.raises(DataError, match=at(line, "x", says)):
        numbers(table(other=[1, 2], x=values), ("other", "x"), "--from series")


def test_words_are_str_of_the_value() -> None:
    made = table(i=[1, -2], f=[1.0, 2.5], b=[True, False], s=["a", " b"], d=[dt.date(2020, 1, 1), dt.date(2020, 1, 2)])
    found = {name: words(made, name, "--to label") for name in made.frame.columns}
    assert found == {
        "i": ["1", "-2"],
        "f": ["1", "2.5"],
        "b": ["True", "False"],
        "s": ["a", " b"],
        "d": ["2020-01-01", "2020-01-02"],
    }
    assert words(table(x=pl.Series(["a", "b"], dtype=pl.Categorical)), "x", "--id") == ["a", "b"]


@pytest.mark.parametrize("values", [[1, None], ["a", ""], ["a", "  "], [0.5, math.nan], ["a", None]])
def test_missing_words(values: list[Any]) -> None:
    with pytest.raises(DataError, match=at(3, "x", r"--id needs a value in every row.*\.drop_nulls\('x'\)")):
        words(table(x=values), "x", "--id")


def test_lists_are_no_words() -> None:
    with pytest.raises(DataError, match=at(None, "x", "one word or number a row.*name another")):
        words(table(x=[[1], [2]]), "x", "--to label")


def test_texts() -> None:
    assert texts(table(x=["a", ""]), "x", "--from text") == ["a", ""]
    with pytest.raises(DataError, match=at(3, "x", r"needs a text.*\.drop_nulls\('x'\)")):
        texts(table(x=["a", None]), "x", "--from text")
    with pytest.raises(DataError, match=at(None, "x", "needs text, but this column is Int64; .*--from series:x")):
        texts(table(x=[1, 2]), "x", "--from text")


def test_absent_columns_name_the_nearest() -> None:
    with pytest.raises(DataError, match=r"t\.csv: --id names the column 'shp', .* Did you mean 'shop'\? Columns: shop"):
        words(table(shop=[1]), "shp", "--id")


def test_long_lists_are_cut() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(k) for k in range(99)]).endswith("18, 19, ... (99 in all)")


DAY = np.datetime64("2020-02-03", "us")
NOON = np.datetime64("2020-02-03T12:30:00", "us")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5.0),
        (-1.5, -1.5),
        ("7", 7.0),
        ("0.25", 0.25),
        (20200203, DAY),
        ("20200203", DAY),
        ("2020-02-03", DAY),
        (" 2020-02-03 ", DAY),
        ("2020-02", np.datetime64("2020-02-01", "us")),
        ("2020-02-03 12:30", NOON),
        ("2020-02-03T12:30:00", NOON),
        ("2020-02-03 12:30:00.25", NOON + np.timedelta64(250, "ms")),
        ("2020-02-03T12:30:00.123456789", NOON + np.timedelta64(123456, "us")),
        ("2020-02-03T12:30:00Z", NOON),
        ("2020-02-03 14:30:00+02:00", NOON),
        ("2020-02-03T05:30-0700", NOON),
        (dt.date(2020, 2, 3), DAY),
        (dt.datetime(2020, 2, 3, 12, 30), NOON),
        (dt.datetime(2020, 2, 3, 12, 30, tzinfo=dt.timezone.utc), NOON),
        (1_600_000_000, 1.6e9),
        (20201399, 20201399.0),
    ],
)
def test_times(value: Any, expected: Any) -> None:
    found = times(table(t=[value]), "t")
    assert found.dtype == (np.dtype("datetime64[us]") if isinstance(expected, np.datetime64) else np.float64)
    assert found.tolist() == np.array([expected]).tolist()


@pytest.mark.parametrize(
    ("values", "line", "says"),
    [
        (
            ["2020-01-01", "02/01/2020"],
            3,
            r"'02/01/2020' is not a time that is understood.*2021-04-30.*str\.to_date",
        ),
        (["2020-01-01", "2020-02-30"], 3, "'2020-02-30' is no time of the calendar"),
        (["2020-01-01 10:00", "2020-01-01 25:00"], 3, "no time of the calendar"),
        (["2020-01-01T10:00", "2020-01-01T11:00Z"], 3, "some have an offset and some none"),
        ([20200101, 20201301], 3, r"'20201301' is no day of the calendar.*\.filter"),
        (["2020-01-01", None], 3, r"--time needs a time in every row.*\.drop_nulls\('t'\)"),
        ([1.0, math.nan], 3, "needs a time in every row"),
        ([1.0, math.inf], 3, "infinite"),
        ([dt.time(1, 2)], None, "this column is Time"),
    ],
)
def test_bad_times(values: list[Any], line: int | None, says: str) -> None:
    with pytest.raises(DataError, match=at(line, "t", says)):
        times(table(t=values), "t")


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)), min_size=1, max_size=5),
    st.sampled_from([" ", "T"]),
)
def test_every_iso_time_is_read(stamps: list[dt.datetime], between: str) -> None:
    found = times(table(t=[stamp.isoformat(between) for stamp in stamps]), "t")
    assert found.tolist() == stamps


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=4), min_size=1, max_size=6), st.booleans())
def test_lists_round_trip(rows: list[list[float]], nested: bool) -> None:
    if nested:
        frame = pl.DataFrame({"x": [[[v, -v] for v in row] for row in rows]}, {"x": pl.List(pl.List(pl.Float64))})
        names: tuple[str, ...] = ("x",)
    else:
        frame = pl.DataFrame(
            {"x": rows, "y": [[-v for v in row] for row in rows]}, dict.fromkeys("xy", pl.List(pl.Float64))
        )
        names = ("x", "y")
    found = sequences(Table(frame, "t.parquet", np.arange(2, len(rows) + 2)), names, "--from series")
    assert [one.tolist() for one in found] == [[[v, -v] for v in row] for row in rows]


def test_fixed_size_lists() -> None:
    made = table(x=pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int64, 2)))
    assert [one.tolist() for one in sequences(made, ("x",), "--from series")] == [[[1], [2]], [[3], [4]]]


@pytest.mark.parametrize(
    ("columns", "names", "line", "says"),
    [
        ({"x": [[1], None]}, "x", 3, r"list is missing; write \[\].*\.drop_nulls\('x'\).*write_csv"),
        ({"x": [[1], [2, None]]}, "x", 3, "value is missing"),
        ({"x": [[1.0], [math.inf]]}, "x", 3, "infinite"),
        ({"x": [[1], [2]], "y": [[1], [2, 3]]}, "xy", 3, "the list has 2 numbers, but 'x' has 1"),
        ({"x": [[[1, 2]], [[1, 2], [3]]]}, "x", 3, "a step of 1 numbers, but the first step of line 2 has 2"),
        ({"x": [[[1, 2]], [None, [3, 4]]]}, "x", 3, "a step of 0 numbers"),
        ({"x": [[[1]], [[2]]], "y": [[1], [2]]}, "xy", None, "lists of lists.*write --from series:x"),
        (
            {"x": [["a"], ["b"]]},
            "x",
            None,
            "needs lists of numbers here, but this column is List.*none is there",
        ),
        ({"x": [[1], [2]], "y": [1, 2]}, "xy", None, "name only such columns: x"),
    ],
)
def test_bad_lists(columns: dict[str, Any], names: str, line: int | None, says: str) -> None:
    with pytest.raises(DataError, match=at(line, names[-1] if "lists of lists" not in says else "x", says)):
        sequences(table(**columns), tuple(names), "--from series")
