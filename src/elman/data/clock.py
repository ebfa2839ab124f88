"""When the next steps of a series are, told from its times: calendars do not step by a fixed number of days."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["HOUR", "ahead", "autumn_night"]

HOUR, _DAY = 3_600_000_000, 86_400_000_000
"""In microseconds."""

_Days = NDArray[np.datetime64]


def ahead(times: NDArray[Any], horizon: int) -> NDArray[Any]:
    """The ``horizon`` times that follow rising ones, datetime64[us] or float64.

    Times on the same day of every month (or on its last), every quarter or every year go on by months; days without
    weekends go on over weekends; all others by their median gap. After a single time nobody knows when the next
    one is: the answer is NaT, or NaN.
    """
    steps = np.arange(1, horizon + 1)
    dates = times.dtype.kind == "M"
    if len(times) < 2:
        return np.full(horizon, np.datetime64("NaT", "us") if dates else np.nan)
    if dates:
        found = _months(times, steps)
        found = _workdays(times, steps) if found is None else found
        if found is not None:
            return found
    gap = float(np.median(np.diff(times).astype(np.float64)))
    further: NDArray[Any] = times[-1] + ((gap * steps).astype("timedelta64[us]") if dates else gap * steps)
    return further


def _months(times: _Days, steps: NDArray[np.int64]) -> _Days | None:
    """By whole months, where every time is on the same day of its month, or on the last of shorter ones."""
    days = times.astype("datetime64[D]")
    months = times.astype("datetime64[M]")
    clock, day = times - days, (days - months).astype(np.int64)
    gaps = np.diff(months.astype(np.int64))
    last = _length(months) - 1
    anchor = 30 if (day == last).all() else int(day.max())
    if (gaps < 1).any() or (clock != clock[0]).any() or (day != np.minimum(anchor, last)).any():
        return None
    following = months[-1] + steps * int(np.median(gaps))
    found: _Days = following.astype("datetime64[D]") + np.minimum(anchor, _length(following) - 1) + clock[0]
    return found


def _length(months: _Days) -> NDArray[np.int64]:
    """Days of each month."""
    first = months.astype("datetime64[D]")
    days: NDArray[np.int64] = ((months + 1).astype("datetime64[D]") - first).astype(np.int64)
    return days


def _workdays(times: _Days, steps: NDArray[np.int64]) -> _Days | None:
    """Over weekends, where some were passed and none has a time."""
    days = times.astype("datetime64[D]")
    clock = times - days
    if (clock != clock[0]).any() or not np.is_busday(days).all():
        return None
    working = np.busday_count(days[:-1], days[1:])
    if np.median(working) != 1 or (working == np.diff(days).astype(np.int64)).all():
        return None
    found: _Days = np.busday_offset(days[-1], steps) + clock[0]
    return found


def autumn_night(ticks: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a time, in microseconds since 1970, is in the early morning of a Sunday in spring or autumn.

    In one such night, before five, clocks are put back somewhere.
    """
    days = np.floor(ticks / _DAY)
    stamps = days.astype(np.int64).astype("datetime64[D]")
    month = stamps.astype("datetime64[M]").astype(np.int64) % 12 + 1
    # 1970-01-01 was a Thursday.
    sunday = (days.astype(np.int64) + 4) % 7 == 0
    result: NDArray[np.bool_] = sunday & np.isin(month, (3, 4, 9, 10, 11)) & (ticks - days * _DAY < 5 * HOUR)
    return result
