"""Checks of the numbers, and thinning that keeps what the eye sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from elman.pictures.series import band_segments, extent, named, numbers, positions, segments

SETTINGS = settings(deadline=None, max_examples=50)
VALUES = hnp.arrays(
    np.float64,
    st.integers(1, 600),
    elements=st.one_of(st.floats(-1e6, 1e6, allow_nan=False), st.just(float("nan"))),
)


@SETTINGS
@given(VALUES, st.integers(2, 40))
def test_thinning_keeps_the_extremes_of_each_column(y: np.ndarray, columns: int) -> None:
    px = np.linspace(0.0, columns, y.size) if y.size > 1 else np.zeros(1)
    parts = segments(px, y, columns)
    kept_x = np.concatenate([part[0] for part in parts]) if parts else np.empty(0)
    kept_y = np.concatenate([part[1] for part in parts]) if parts else np.empty(0)
    present = ~np.isnan(y)
    assert kept_x.size <= max(4 * columns, 8 * (columns + 1))
    assert not np.isnan(kept_y).any()
    assert (np.diff(kept_x) > 0).all()
    assert set(zip(kept_x, kept_y, strict=True)) <= set(zip(px[present], y[present], strict=True))
    if present.any():
        ends = np.flatnonzero(present)[[0, -1]]
        assert {kept_x[0], kept_x[-1]} == set(px[ends])
    for column in range(columns):
        inside = present & (np.floor(px) == column)
        if inside.any():
            found = kept_y[np.floor(kept_x) == column]
            assert found.min() == y[inside].min()
            assert found.max() == y[inside].max()


@SETTINGS
@given(VALUES, st.integers(2, 40))
def test_a_thinned_band_is_as_wide_as_the_whole(y: np.ndarray, columns: int) -> None:
    px = np.linspace(0.0, columns, y.size) if y.size > 1 else np.zeros(1)
    parts = band_segments(px, y, y + 1, columns)
    present = ~np.isnan(y)
    assert bool(parts) == bool(present.any())
    if parts:
        assert min(part[1].min() for part in parts) == y[present].min()
        assert max(part[2].max() for part in parts) == y[present].max() + 1
        assert all((low <= high).all() for _, low, high in parts)
        assert all((np.diff(x) > 0).all() for x, _, _ in parts)


def test_a_short_line_breaks_at_each_gap() -> None:
    y = np.array([np.nan, 1, 2, np.nan, 3, np.nan, np.nan, 4, 5])
    parts = segments(np.arange(9.0), y, 100)
    assert [part[1].tolist() for part in parts] == [[1, 2], [3], [4, 5]]


def test_a_long_line_breaks_only_where_a_gap_can_be_seen() -> None:
    y = np.zeros(10_000)
    y[5000] = np.nan
    assert len(segments(np.linspace(0, 100, y.size), y, 100)) == 1
    y[5000:5500] = np.nan
    assert len(segments(np.linspace(0, 100, y.size), y, 100)) == 2


def test_nothing_present_gives_no_parts() -> None:
    empty = np.full(3, np.nan)
    assert segments(np.arange(3.0), empty, 10) == []
    assert band_segments(np.arange(3.0), empty, empty, 10) == []
    with pytest.raises(ValueError, match="every value is missing"):
        extent([empty])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "loss is empty"),
        ([1.0, np.inf], "loss holds an infinite number at index 1"),
        ([[1.0]], r"vector, got shape \(1, 1\)"),
        (["a"], "real numbers"),
        ([1j], "real numbers"),
        ([None, 1.0], "real numbers"),
    ],
)
def test_wrong_numbers_are_named(values: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        numbers(values, "loss")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, np.nan], "x holds NaN at index 1"),
        ([1, 1], "x must increase, but does not at index 1"),
        (np.array(["2024-01-01", "NaT"], dtype="datetime64[D]"), "x holds NaT at index 1"),
        (np.array([20_000], dtype="datetime64[Y]"), "years 1 to 9999"),
        (np.array([2**60], dtype="datetime64[Y]"), "years 1 to 9999"),
        (np.array([], dtype="datetime64[us]"), "x is empty"),
    ],
)
def test_wrong_positions_are_named(values: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        positions(values, "x")  # type: ignore[arg-type]


def test_dates_become_microseconds_and_lengths_are_checked() -> None:
    places = positions(np.array(["1970-01-01", "1970-01-02"], dtype="datetime64[D]"), "x")
    assert places.time
    assert places.values.tolist() == [0.0, 86_400e6]
    assert numbers([True, False], "b").tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="must have 3 numbers, got 2"):
        numbers([1, 2], "x", length=3)
    with pytest.raises(ValueError, match="curves is empty"):
        named({}, "curves")
