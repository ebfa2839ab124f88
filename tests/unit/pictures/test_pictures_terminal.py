"""Terminal pictures keep to their width and height, and to ASCII where asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.pictures import bar, chart, sparkline
from elman.pictures.text import columns

SETTINGS = settings(deadline=None, max_examples=40)
VALUE = st.one_of(st.floats(-1e9, 1e9, allow_nan=False), st.just(float("nan")))
SERIES = st.dictionaries(
    st.text(max_size=12), st.lists(VALUE, min_size=1, max_size=200), min_size=1, max_size=4
).filter(lambda d: any(not np.isnan(v).all() for v in d.values()))


@SETTINGS
@given(SERIES, st.integers(24, 120), st.integers(6, 30), st.booleans(), st.integers(0, 50))
def test_a_chart_keeps_to_its_size(
    series: dict[str, list[float]], width: int, height: int, unicode: bool, start: int
) -> None:
    last = list(series)[-1]
    text = chart(series, starts={last: start}, width=width, height=height, unicode=unicode)
    lines = text.split("\n")
    assert len(lines) == height
    assert max(columns(line) for line in lines) <= width
    assert unicode or text.isascii()


def test_a_chart_of_history_and_forecast() -> None:
    history, actual = np.sin(np.arange(50) / 5) * 9, np.sin(np.arange(50, 60) / 5) * 9
    series = {"history": history, "forecast": actual + 1, "actual": actual}
    text = chart(series, starts={"forecast": 50, "actual": 50}, x_ends=("2020", "2025"))
    assert text == chart(series, starts={"forecast": 50, "actual": 50}, x_ends=("2020", "2025"))
    lines = text.split("\n")
    assert "┊" in text
    assert lines[-1].split() == ["⠒⠒", "history,", "actual", "o", "forecast"]
    assert lines[-2].split() == ["2020", "2025"]
    assert any(line.startswith(" 0 ┤") or line.strip().startswith("0 ┤") for line in lines)
    assert "\x1b" not in text


def test_a_rising_line_rises() -> None:
    rows = chart({"a": np.arange(100)}, width=40, height=13, unicode=False).split("\n")[:10]
    places = [row.index("|" if "|" in row else "+") for row in rows]
    first = [next(i for i, c in enumerate(row[at + 1 :]) if c in ".':") for row, at in zip(rows, places, strict=True)]
    assert first == sorted(first, reverse=True)


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0], [np.nan, 5.0], [0.0]])
def test_charts_of_almost_nothing(values: list[float]) -> None:
    assert len(chart({"a": values}, height=8).split("\n")) == 8
    assert len(chart({"a": values}, height=8, unicode=False).split("\n")) == 8


def test_a_chart_of_many_points_and_hostile_names() -> None:
    text = chart({"\x1b[31m\n日本": np.random.default_rng(0).normal(size=100_000), "b": [1.0]}, width=30)
    assert "\x1b" not in text
    assert len(text.split("\n")) == 12
    assert max(columns(line) for line in text.split("\n")) <= 30


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: chart({}), "series is empty"),
        (lambda: chart({"a": []}), "is empty"),
        (lambda: chart({"a": [np.inf]}), "infinite"),
        (lambda: chart({"a": [np.nan]}), "every value is missing"),
        (lambda: chart({"a": [1]}, width=10), "width must be at least"),
        (lambda: chart({"a": [1]}, height=2), "height must be at least"),
        (lambda: chart({"a": [1]}, starts={"b": 1}), "starts names no series: b"),
        (lambda: chart({"a": [1]}, starts={"a": -1}), "not be negative"),
        (lambda: sparkline([]), "is empty"),
        (lambda: sparkline([1, np.inf]), "infinite"),
        (lambda: sparkline([1], 0), "width must be at least"),
        (lambda: bar(1, 0, 5), "maximum"),
        (lambda: bar(-1, 1, 5), "not negative"),
        (lambda: bar(np.inf, 1, 5), "finite"),
        (lambda: bar(1, 1, 0), "width"),
    ],
)  # fmt: skip
def test_wrong_input(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def test_sparklines() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, np.nan, 7]) == "▁ █"
    assert len(set(sparkline([3, 3, 3]))) == 1
    assert sparkline(np.arange(1000), 8, unicode=False) == "_.-:=+*#"
    assert len(sparkline(np.arange(1000), 33)) == 33
    assert sparkline([np.nan] * 50 + [1.0] * 50, 2)[0] == " "


@SETTINGS
@given(st.floats(0, 1e9), st.floats(1e-6, 1e9), st.integers(1, 60), st.booleans())
def test_bars_have_their_width(value: float, maximum: float, width: int, unicode: bool) -> None:
    text = bar(value, maximum, width, unicode=unicode)
    assert len(text) == width
    assert unicode or text.isascii()
    assert value < maximum or " " not in text


def test_bars() -> None:
    assert bar(1, 2, 4) == "██  "
    assert bar(5, 16, 2) == "▋ "
    assert bar(0, 1, 3) == "   "
    assert bar(float("nan"), 1, 3) == "   "
    assert bar(1, 2, 4, unicode=False) == "##  "
