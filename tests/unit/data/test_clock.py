"""When the next steps are, on calendars and off them."""

from __future__ import annotations

import numpy as np
import pytest

from elman.data.clock import ahead


def _times(*words: str) -> np.ndarray:
    return np.array(words, dtype="datetime64[us]")


def _every(first: str, last: str, unit: str, step: int = 1, plus: int = 0) -> np.ndarray:
    return (np.arange(first, last, step, dtype=f"datetime64[{unit}]").astype("datetime64[D]") + plus).astype(
        "datetime64[us]"
    )


CALENDARS = {
    "months": (_every("1959-01", "1961-01", "M"), ["1961-01-01", "1961-02-01", "1961-03-01", "1961-04-01"]),
    "two months": (_times("2021-01-01", "2021-02-01"), ["2021-03-01", "2021-04-01"]),
    "mid month": (_every("2020-01", "2021-01", "M", plus=14), ["2021-01-15", "2021-02-15"]),
    "month ends": (_every("2020-02", "2021-01", "M", plus=-1), ["2020-12-31", "2021-01-31", "2021-02-28"]),
    "on the 30th": (_times("2020-11-30", "2020-12-30", "2021-01-30"), ["2021-02-28", "2021-03-30"]),
    "quarters": (_every("2019-01", "2021-01", "M", 3), ["2021-01-01", "2021-04-01", "2021-07-01"]),
    "quarter ends": (_every("2019-01", "2021-01", "M", 3, -1), ["2020-12-31", "2021-03-31", "2021-06-30"]),
    "years": (_every("2015", "2023", "Y"), ["2023-01-01", "2024-01-01", "2025-01-01"]),
    "leap days": (_times("2012-02-29", "2016-02-29", "2020-02-29"), ["2024-02-29", "2028-02-29"]),
    "a month is missing": (_times("2021-01-01", "2021-02-01", "2021-04-01", "2021-05-01"), ["2021-06-01"]),
    "at noon": (_every("2020-01", "2021-01", "M") + np.timedelta64(12, "h"), ["2021-01-01T12", "2021-02-01T12"]),
    "business days": (
        np.array([d for d in _every("2021-03-01", "2021-03-19", "D") if np.is_busday(d.astype("datetime64[D]"))]),
        ["2021-03-19", "2021-03-22", "2021-03-23"],
    ),
    "days": (_every("2021-03-01", "2021-03-20", "D"), ["2021-03-20", "2021-03-21", "2021-03-22"]),
    "days of one week": (_every("2021-03-01", "2021-03-06", "D"), ["2021-03-06", "2021-03-07"]),
    "weeks": (_every("2021-03-01", "2021-06-01", "D", 7), ["2021-06-07", "2021-06-14"]),
    "a gap in hours": (_times("2021-03-05T20", "2021-03-05T21", "2021-03-05T22", "2021-03-06T09"), ["2021-03-06T10"]),
    "hours": (np.arange("2021-03-05T20", "2021-03-06T00", dtype="datetime64[h]"), ["2021-03-06T00", "2021-03-06T01"]),
}


@pytest.mark.parametrize("name", CALENDARS)
def test_the_calendar_goes_on(name: str) -> None:
    times, expected = CALENDARS[name]
    found = ahead(times.astype("datetime64[us]"), len(expected))
    assert found.dtype == np.dtype("datetime64[us]")
    assert found.tolist() == _times(*expected).tolist()


def test_numbers_go_on_by_their_median_gap_and_one_time_by_none() -> None:
    assert ahead(np.array([1.0, 3.0, 5.0, 11.0]), 2).tolist() == [13.0, 15.0]
    assert np.isnan(ahead(np.array([1.0]), 2)).all()
    assert np.isnat(ahead(_times("2021-01-01"), 2)).all()
