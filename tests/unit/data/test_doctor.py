"""Values that can be read and are wrong all the same."""

from __future__ import annotations

import numpy as np
import pytest

from elman.core.errors import DataError
from elman.data.doctor import examine
from elman.data.roles import Examples
from elman.model.grammar import parse_source, parse_target


def _series(values: np.ndarray, times: np.ndarray | None = None) -> Examples:
    """One series of one column; the file's first row is line 2."""
    lines = np.arange(2, len(values) + 2)
    return Examples(
        inputs=[values[:, None]],
        targets=[values[:, None]],
        ids=["2"],
        times=None if times is None else [times],
        where=[("d.csv", 2)],
        steps=[lines],
        split=None,
        columns=("x",),
        target_columns=("x",),
        notes=[],
    )


def _notes(ex: Examples, target: str = "next") -> list[str]:
    return examine(ex, parse_source("series:x")[0], parse_target(target))


HONEST = {
    "normal": lambda random: random.normal(size=5_000),
    "Cauchy": lambda random: random.standard_cauchy(5_000),
    "lognormal": lambda random: np.exp(2.5 * random.normal(size=5_000)),
    "rare events": lambda random: (random.random(5_000) < 0.003).astype(float),
    "one event": lambda random: np.where(np.arange(500) == 77, 1e9, 0.0),
    "far from zero": lambda random: 1e12 + random.normal(size=500),
    "few": lambda random: np.array([1.0, 2.0, 3.0, 1e9]),
}


@pytest.mark.parametrize("kind", HONEST)
def test_honest_data_pass(kind: str) -> None:
    assert _notes(_series(HONEST[kind](np.random.default_rng(0)))) == []


@pytest.mark.parametrize("value", [1e39, -1e39, 1e9])
def test_an_absurd_value_is_refused_with_its_place(value: float) -> None:
    values = 10 + np.random.default_rng(0).normal(size=300)
    values[100] = value
    with pytest.raises(DataError, match=r"d\.csv, line 102, column 'x': the value .* 99 % of the others") as error:
        _notes(_series(values))
    assert f"filter(pl.col('x') != {value!r})" in str(error.value)
    # Three of them are as wrong as one.
    values[[5, 200]] = value
    with pytest.raises(DataError, match="the value"):
        _notes(_series(values))


DAYS = np.datetime64("2021-01-01", "us") + np.timedelta64(1, "D") * np.arange(60)


def test_a_gap_in_time_is_told_with_its_lines() -> None:
    times = np.concatenate([DAYS[:30], DAYS[30:] + np.timedelta64(30, "D")])
    values = np.arange(60.0)
    told = "--time: 31 days pass between lines 31 and 32, else 1 day from line to line; a forecast takes a gap for"
    assert _notes(_series(values, times), "future:3")[0].startswith(told)
    times[50:] += np.timedelta64(9, "D")
    assert "(2 such gaps)" in _notes(_series(values, times))[0]
    numbers = np.arange(60.0)
    numbers[40:] += 9
    assert "10 pass between lines 41 and 42, else 1 from" in _notes(_series(values, numbers))[0]


def test_times_that_are_regular_or_were_never_are_not_told() -> None:
    values = np.arange(60.0)
    months = np.arange("2016-01", "2021-01", dtype="datetime64[M]").astype("datetime64[us]")
    working = DAYS[0] + np.timedelta64(1, "D") * np.flatnonzero(np.arange(84) % 7 < 5)
    random = np.cumsum(np.random.default_rng(0).exponential(size=60))
    for times in (DAYS, months, working[:60], random, None):
        assert _notes(_series(values, times)) == []
