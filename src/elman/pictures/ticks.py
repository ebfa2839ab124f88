"""Where the ticks of an axis go and what they say: linear, logarithmic and calendar ticks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MINUS = "\u2212"

# Larger numbers are refused: the difference of two of them may not be a finite number.
LARGEST = 1e300
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
# 1970-01-05 was a Monday: ticks a week apart fall on Mondays.
_MONDAY = 4 * _DAY


class Ticks(NamedTuple):
    """Tick positions in data units, their labels, and a second line of labels (may be "")."""

    values: list[float]
    labels: list[str]
    context: list[str]


def widen(low: float, high: float) -> tuple[float, float]:
    """Return a range that is never empty: a constant is put into the middle of a range.

    A spread below 1e-12 of the numbers themselves is rounding, not a signal, and counts as none.
    """
    size = max(abs(low), abs(high))
    if size > LARGEST:
        raise ValueError(f"numbers beyond {LARGEST:g} cannot be drawn, got {low!r} to {high!r}")
    if high - low > max(size * 1e-12, 1e-300):
        return low, high
    half = size * 0.1 if size > 1e-290 else 1.0
    return low - half, high + half


def _nice_step(span: float, count: int) -> tuple[int, int]:
    """Return (mantissa, exponent) of the smallest 1-2-5 step with at most `count` in `span`."""
    raw = span / max(count, 1)
    exponent = math.floor(math.log10(raw))
    fraction = raw / 10.0**exponent
    for mantissa in (1, 2, 5):
        if fraction <= mantissa * (1 + 1e-9):
            return mantissa, exponent
    return 1, exponent + 1


def _times_power(whole: int, exponent: int) -> float:
    # Integers keep 3 * 10**-1 at exactly 0.3, where 3 * 0.1 would not be.
    return float(whole * 10**exponent) if exponent >= 0 else whole / 10**-exponent


def linear_ticks(low: float, high: float, count: int = 6, *, inside: bool = False) -> Ticks:
    """Return ticks at multiples of a 1-2-5 step.

    Without `inside` the first tick is at or below `low` and the last at or above `high`, so
    that the ticks can serve as the ends of the axis; with it all ticks lie in the range.
    `count` is about how many steps the range is cut into.
    """
    low, high = widen(low, high)
    mantissa, exponent = _nice_step(high - low, count)
    step = _times_power(mantissa, exponent)
    first, last = math.floor(low / step), math.ceil(high / step)
    # The divisions round: step outwards until the ends are really covered.
    while _times_power(first * mantissa, exponent) > low:
        first -= 1
    while _times_power(last * mantissa, exponent) < high:
        last += 1
    values = [_times_power(i * mantissa, exponent) for i in range(first, last + 1)]
    if inside:
        values = [value for value in values if low <= value <= high]
    return Ticks(values, tick_labels(values, exponent), [""] * len(values))


def tick_labels(values: list[float], exponent: int) -> list[str]:
    """Return one label per value, all in one style; `exponent` is that of the step between."""
    largest = max((abs(value) for value in values), default=0.0)
    if largest >= 1e9 or (largest < 1e-4 and largest > 0):
        power = math.floor(math.log10(largest))
        digits = max(0, power - exponent)
        scale = 10.0 ** (power // 2)  # two factors: 10.0**-320 itself would be inexact
        rest = 10.0 ** (power - power // 2)
        tail = "×10" + str(power).translate(_SUPERSCRIPT)
        return [_signed(f"{v / scale / rest:.{digits}f}") + tail if v else "0" for v in values]
    digits = max(0, -exponent)
    return [_signed(f"{value:,.{digits}f}") for value in values]


def _signed(text: str) -> str:
    if text.startswith("-"):
        bare = text[1:]
        return bare if not bare.strip("0.,") else MINUS + bare
    return text


def number(value: float, digits: int = 4) -> str:
    """Return `value` for reading in running text, with `digits` significant digits."""
    if math.isnan(value):
        return "–"
    if value == 0:
        return "0"
    power = math.floor(math.log10(abs(value)))
    if power >= 9 or power < -4:
        mantissa, _, tail = f"{value:.{digits - 1}e}".partition("e")
        return _signed(mantissa) + "×10" + str(int(tail)).translate(_SUPERSCRIPT)
    return _signed(f"{value:,.{max(0, digits - 1 - power)}f}")


def log_ticks(low: float, high: float, count: int = 6) -> Ticks:
    """Return ticks of a logarithmic axis that cover `low` to `high` (both above zero).

    Powers of ten; with 1, 2, 5 in between over few decades, and only every k-th over many.
    """
    if low <= 0:
        raise ValueError(f"a logarithmic axis needs numbers above zero, got {low!r}")
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    last = max(last, first + 1)
    if last - first <= max(count // 2, 1):
        values = [_times_power(m, e) for e in range(first, last + 1) for m in (1, 2, 5)]
        # Keep one tick at or below the smallest number and one at or above the largest.
        begin = max((i for i, v in enumerate(values) if v <= low), default=0)
        end = min((i for i, v in enumerate(values) if v >= high), default=len(values) - 1)
        values = values[begin : max(end, begin + 1) + 1]
    else:
        stride = math.ceil((last - first) / count)
        last = first + stride * math.ceil((last - first) / stride)
        values = [_times_power(1, e) for e in range(first, last + 1, stride)]
    plain = values[0] >= 1e-4 and values[-1] < 1e6
    labels = [f"{v:,.{max(0, -_power(v))}f}" if plain else _scientific(v) for v in values]
    return Ticks(values, labels, [""] * len(values))


def _power(value: float) -> int:
    return math.floor(math.log10(value) + 1e-9)


def _scientific(value: float) -> str:
    lead, _, power = f"{value:.0e}".partition("e")
    return ("" if lead == "1" else lead + "×") + "10" + str(int(power)).translate(_SUPERSCRIPT)


def _time_steps() -> list[tuple[str, int, int]]:
    """Return (unit, count, about how many microseconds) from fine to coarse."""
    steps = [("us", m * 10**e, m * 10**e) for e in range(6) for m in (1, 2, 5)]
    steps += [("s", k, k * _SECOND) for k in (1, 2, 5, 10, 15, 30)]
    steps += [("m", k, k * _MINUTE) for k in (1, 2, 5, 10, 15, 30)]
    steps += [("h", k, k * _HOUR) for k in (1, 2, 3, 6, 12)]
    steps += [("D", k, k * _DAY) for k in (1, 2, 7, 14)]
    steps += [("M", k, k * 30 * _DAY) for k in (1, 2, 3, 6)]
    steps += [("Y", m * 10**e, m * 10**e * 365 * _DAY) for e in range(5) for m in (1, 2, 5)]
    return steps


_STEPS = _time_steps()


def time_ticks(low: int, high: int, count: int = 7) -> Ticks:
    """Return calendar ticks between `low` and `high`, microseconds since 1970-01-01.

    Steps are whole years, months, weeks, days, hours, minutes or seconds.  The labels name the
    step; the context line names the larger unit (the year, the date) where it begins.
    """
    span = max(high - low, 1)
    fitting = [step for step in _STEPS if span / step[2] <= count]
    unit, every, length = fitting[0] if fitting else _STEPS[-1]
    if unit in ("Y", "M"):
        edges = np.array([low, high], dtype="datetime64[us]").astype(f"datetime64[{unit}]")
        begin, end = (int(edge) for edge in edges.astype(np.int64))
        shift = 1970 if unit == "Y" else 0
        first = -(-(begin + shift) // every) * every - shift
        whole = np.arange(first, end + 1, every).astype(f"datetime64[{unit}]")
        moments = whole.astype("datetime64[us]").astype(np.int64)
    else:
        origin = _MONDAY if every % 7 == 0 and unit == "D" else 0
        first = -(-(low - origin) // length) * length + origin
        moments = np.arange(first, high + 1, length, dtype=np.int64)
    moments = moments[(moments >= low) & (moments <= high)]
    labels, context = _time_labels(moments, unit, every)
    return Ticks([float(moment) for moment in moments], labels, context)


def _time_labels(moments: NDArray[np.int64], unit: str, every: int) -> tuple[list[str], list[str]]:
    labels, larger = [], []
    for text in np.datetime_as_string(moments.astype("datetime64[us]"), unit="us").tolist():
        date, _, clock = text.partition("T")
        year, month, day = date.rsplit("-", 2)
        name = _MONTHS[int(month) - 1]
        if unit == "Y":
            labels.append(str(int(year)))
            larger.append("")
        elif unit == "M":
            labels.append(name)
            larger.append(str(int(year)))
        elif unit == "D":
            labels.append(f"{int(day)} {name}")
            larger.append(str(int(year)))
        else:
            labels.append(_clock(clock, unit, every))
            larger.append(f"{int(day)} {name} {int(year)}")
    shown = [text if i == 0 or text != larger[i - 1] else "" for i, text in enumerate(larger)]
    return labels, shown


def _clock(clock: str, unit: str, every: int) -> str:
    if unit in ("h", "m"):
        return clock[:5]
    if unit == "s":
        return clock[:8]
    zeros = len(str(every)) - len(str(every).rstrip("0"))
    return clock[: len("00:00:00.000000") - zeros]
