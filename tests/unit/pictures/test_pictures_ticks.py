"""Ticks are nice, sorted and cover what they should."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.pictures.axes import y_axis
from elman.pictures.ticks import linear_ticks, log_ticks, number, tick_labels, time_ticks, widen

FINITE = st.floats(min_value=-1e200, max_value=1e200, allow_nan=False)
SETTINGS = settings(deadline=None, max_examples=80)
DAY = 86_400_000_000


def mantissa(step: float) -> float:
    return step / 10.0 ** math.floor(math.log10(step) + 1e-9)


@SETTINGS
@given(FINITE, FINITE, st.integers(1, 12))
def test_linear_ticks_cover_the_range_in_nice_steps(a: float, b: float, count: int) -> None:
    low, high = min(a, b), max(a, b)
    values, labels, _ = linear_ticks(low, high, count)
    low, high = widen(low, high)
    assert values[0] <= low
    assert values[-1] >= high
    assert all(first < second for first, second in itertools.pairwise(values))
    assert 2 <= len(values) <= count + 3
    assert len(labels) == len(values) == len(set(labels))
    step = (values[-1] - values[0]) / (len(values) - 1)
    assert round(mantissa(step), 2) in (1, 2, 5)


@SETTINGS
@given(FINITE, FINITE, st.integers(1, 12))
def test_ticks_inside_stay_inside(a: float, b: float, count: int) -> None:
    low, high = widen(min(a, b), max(a, b))
    values = linear_ticks(low, high, count, inside=True).values
    assert all(low <= value <= high for value in values)
    assert values == sorted(values)


@SETTINGS
@given(FINITE, FINITE)
def test_an_axis_contains_its_data_and_its_ticks(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    axis = y_axis(low, high)
    assert axis.low <= low
    assert axis.high >= high
    assert axis.low < axis.high
    assert axis.ticks.values
    assert all(axis.low <= value <= axis.high for value in axis.ticks.values)


@SETTINGS
@given(st.floats(1e-200, 1e200), st.floats(1e-200, 1e200), st.integers(2, 9))
def test_log_ticks_cover_the_range(a: float, b: float, count: int) -> None:
    low, high = min(a, b), max(a, b)
    values, labels, _ = log_ticks(low, high, count)
    assert values[0] <= low * (1 + 1e-9)
    assert values[-1] >= high * (1 - 1e-9)
    assert values == sorted(set(values))
    assert len(labels) == len(set(labels)) == len(values) >= 2
    assert all(round(mantissa(value), 6) in (1, 2, 5, 10) for value in values)


def test_log_ticks_refuse_zero() -> None:
    with pytest.raises(ValueError, match="above zero"):
        log_ticks(0.0, 1.0)


@SETTINGS
@given(st.integers(-DAY * 365 * 250, DAY * 365 * 100), st.integers(1, DAY * 365 * 180), st.integers(2, 9))
def test_time_ticks_are_evenly_spread_inside(low: int, span: int, count: int) -> None:
    values, labels, context = time_ticks(low, low + span, count)
    assert all(low <= value <= low + span for value in values)
    assert values == sorted(set(values))
    assert len(values) <= count + 2
    assert len(labels) == len(context) == len(values)
    if len(values) > 2:
        gaps = np.diff(values)
        # Months and years differ in length, by no more than February from March.
        assert gaps.max() <= gaps.min() * 1.15
        assert values[0] - low <= gaps.min() * 1.15
        assert low + span - values[-1] <= gaps.min() * 1.15


@pytest.mark.parametrize(
    ("low", "high", "labels", "context"),
    [
        ("1950-06-01", "1990-01-01", "1960|1970|1980|1990", "|||"),
        ("2023-11-05", "2024-02-20", "Dec|Jan|Feb", "2023|2024|"),
        ("2024-02-27", "2024-03-02", "27 Feb|28 Feb|29 Feb|1 Mar|2 Mar", "2024||||"),
        ("2024-05-31T20:00", "2024-06-01T07:00", "21:00|00:00|03:00|06:00", "31 May 2024|1 Jun 2024||"),
        ("2024-05-31T20:00:00", "2024-05-31T20:00:10", "20:00:00|20:00:05|20:00:10", "31 May 2024||"),
    ],
)
def test_calendar_labels(low: str, high: str, labels: str, context: str) -> None:
    ends = np.array([low, high], dtype="datetime64[us]").astype(np.int64)
    found = time_ticks(int(ends[0]), int(ends[1]), 4)
    assert found.labels == labels.split("|")
    assert found.context == context.split("|")


def test_weeks_begin_on_monday() -> None:
    ends = np.array(["2024-01-02", "2024-02-01"], dtype="datetime64[us]").astype(np.int64)
    days = np.array(time_ticks(int(ends[0]), int(ends[1]), 5).values).astype("datetime64[us]")
    assert set(days.astype("datetime64[D]").astype(int) % 7) == {4}


def test_parts_of_a_second() -> None:
    assert time_ticks(0, 500_000, 5).labels[1] == "00:00:00.1"


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0, 1e-305, 1e299])
def test_a_constant_gets_a_range_around_it(value: float) -> None:
    low, high = widen(value, value)
    assert low < value < high


def test_rounding_noise_is_a_constant_and_giants_are_refused() -> None:
    low, high = widen(1.0, 1.0 + 1e-15)
    assert high - low > 0.1
    with pytest.raises(ValueError, match="cannot be drawn"):
        widen(-1e305, 1e305)


def test_labels_share_their_decimals() -> None:
    assert tick_labels([-0.5, 0.0, 0.5], -1) == ["−0.5", "0.0", "0.5"]
    assert tick_labels([0.0, 1000.0, 20000.0], 3) == ["0", "1,000", "20,000"]
    assert tick_labels([0.0, 2e-7, 4e-7], -7) == ["0", "2×10⁻⁷", "4×10⁻⁷"]
    assert tick_labels([1e12, 1.5e12], 11) == ["1.0×10¹²", "1.5×10¹²"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (float("nan"), "–"), (0.0123456, "0.01235"), (-12.5, "−12.50"),
        (123456.0, "123,456"), (9.99999e9, "1.000×10¹⁰"), (-2.5e-9, "−2.500×10⁻⁹"),
    ],
)  # fmt: skip
def test_numbers_for_reading(value: float, text: str) -> None:
    assert number(value) == text
