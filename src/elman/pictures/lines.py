"""Line charts: a forecast with its history, and the curves of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from elman.pictures.axes import SIDE, WIDTH, Axis, Frame, Key, x_axis, y_axis
from elman.pictures.series import Floats, Positions, extent, named, numbers, positions
from elman.pictures.svg import BLUE, FAINT, GROUND, INK, SOFT, Stroke, style_of
from elman.pictures.text import clean, text_width
from elman.pictures.ticks import number

_BAND = 0.2
_HISTORY = Stroke("#6e7781", 1.4)
_ACTUAL = Stroke(INK, 1.6)
_FORECAST = Stroke(BLUE, 2.2)
# Competitors skip blue, the colour of the forecast itself, and are all dashed and thin.
_RIVAL_DASHES = ("5 3", "2 2.5", "8 3 2 3")
_ORIGIN = "forecast origin"

# A loss that falls by more than this factor hides its end on a linear axis.
_LOG_SPREAD = 30.0


class _Future(NamedTuple):
    """The checked numbers right of the forecast origin, all as long as `x`."""

    x: Floats
    forecasts: dict[str, Floats]
    lower: Floats | None
    upper: Floats | None
    actual: Floats | None
    inner: tuple[Floats, Floats] | None


def forecast(
    history_x: ArrayLike, history: ArrayLike, future_x: ArrayLike, forecasts: Mapping[str, ArrayLike], *,
    lower: ArrayLike | None = None, upper: ArrayLike | None = None, actual: ArrayLike | None = None,
    inner: tuple[ArrayLike, ArrayLike] | None = None, title: str, subtitle: str = "", x_label: str = "",
    y_label: str = "", interval_label: str = "interval",
) -> str:  # fmt: skip
    """Draw a forecast behind its history and return SVG text.

    `history_x` (n,) and `future_x` (m,) are increasing numbers or datetime64, the future after
    the history; `history` (n,) are the known values.  The first of `forecasts`, vectors (m,), is
    the forecast itself and drawn bold; the others are its competitors, thin and dashed.
    `lower` and `upper` (m,) bound its interval, named `interval_label` in the legend, and `inner` a
    narrower one within it, which is drawn darker; `actual` (m,) is what really happened.  All
    values are in the unit that `y_label` names; NaN is a
    gap.  Raises ValueError on lengths that do not fit, infinite values and crossed bounds.
    """
    past_x, future_places = _axes_of(history_x, future_x)
    past = numbers(history, "history", length=past_x.values.size)
    future = _future(future_places.values, forecasts, lower, upper, actual, inner)
    low, high = extent([past, *_drawn(future)])
    x = x_axis(past_x, float(future.x[-1]))
    frame = Frame(
        title, subtitle, _forecast_keys(future, interval_label), y_axis(low, high), x_label=x_label,
        y_label=y_label, note=True, x_lines=2 if any(x.ticks.context) else 1,
        description=_tell_forecast(past, future),
    )  # fmt: skip
    _draw_forecast(frame, x, past_x.values, past, future)
    return frame.canvas.svg()


def _axes_of(history_x: ArrayLike, future_x: ArrayLike) -> tuple[Positions, Positions]:
    past, future = positions(history_x, "history_x"), positions(future_x, "future_x")
    if past.time != future.time:
        raise ValueError("history_x and future_x must both be numbers or both be datetime64")
    if future.values[0] <= past.values[-1]:
        raise ValueError("future_x must begin after the end of history_x")
    return past, future


def _future(
    x: Floats, forecasts: Mapping[str, ArrayLike], lower: ArrayLike | None, upper: ArrayLike | None,
    actual: ArrayLike | None, inner: tuple[ArrayLike, ArrayLike] | None,
) -> _Future:  # fmt: skip
    m = x.size
    if (lower is None) != (upper is None):
        raise ValueError("lower and upper must be given together")
    low = None if lower is None else numbers(lower, "lower", length=m)
    high = None if upper is None else numbers(upper, "upper", length=m)
    if low is not None and high is not None and (low > high).any():
        raise ValueError(f"lower is above upper at index {int(np.flatnonzero(low > high)[0])}")
    core = None if inner is None else (numbers(inner[0], "inner", length=m), numbers(inner[1], "inner", length=m))
    if core is not None and (low is None or (core[0] > core[1]).any()):
        raise ValueError("inner must be a lower and an upper bound, within lower and upper")
    truth = None if actual is None else numbers(actual, "actual", length=m)
    return _Future(x, named(forecasts, "forecasts", length=m), low, high, truth, core)


def _drawn(future: _Future) -> list[Floats]:
    others = [part for part in (future.lower, future.upper, future.actual) if part is not None]
    return [*future.forecasts.values(), *others]


def _rival(index: int) -> Stroke:
    color, _ = style_of(1 + index % 5)
    return Stroke(color, 1.5, _RIVAL_DASHES[index // 5 % len(_RIVAL_DASHES)])


def _forecast_keys(future: _Future, interval_label: str) -> list[Key]:
    names = list(future.forecasts)
    keys = [Key("history", _HISTORY)]
    if future.actual is not None:
        keys.append(Key("actual", _ACTUAL))
    keys.append(Key(names[0], _FORECAST))
    if future.lower is not None:
        keys.append(Key(interval_label, Stroke(BLUE, opacity=_BAND), "band"))
    return keys + [Key(name, _rival(i)) for i, name in enumerate(names[1:])]


def _draw_forecast(frame: Frame, x: Axis, past_x: Floats, past: Floats, future: _Future) -> None:
    frame.x = x
    origin = float(frame.px(past_x[-1:])[0])
    half = text_width(_ORIGIN, 11.5) / 2
    label = min(max(origin, SIDE + half), WIDTH - SIDE - half)
    before = label - half - SIDE - 12
    # Above the plot the words are in nobody's way, unless the name of the axis needs that place.
    inside = origin < WIDTH / 2 and before < text_width(frame.y_label, 12)
    frame.draw_y(WIDTH - 2 * SIDE if inside else before)
    frame.canvas.line(origin, frame.top - (0 if inside else 8), origin, frame.bottom, Stroke(FAINT, 1, "3 3"))
    frame.draw_x(x)
    _draw_parts(frame, past_x, past, future)
    if inside:
        frame.canvas.text(origin + 7, frame.top + 13, _ORIGIN, size=11.5, color=SOFT, halo=True)
    else:
        frame.canvas.text(label, frame.top - 14, _ORIGIN, size=11.5, color=SOFT, anchor="middle")


def _draw_parts(frame: Frame, past_x: Floats, past: Floats, future: _Future) -> None:
    """Draw from the back to the front: interval, history, actual values, competitors, forecast."""
    columns = frame.columns(len(future.forecasts) + 2)
    if future.lower is not None and future.upper is not None:
        frame.band(future.x, future.lower, future.upper, BLUE, _BAND)
    if future.inner is not None:
        frame.band(future.x, *future.inner, BLUE, _BAND)
    frame.line(past_x, past, _HISTORY, columns=columns)
    if future.actual is not None:
        # What was observed is one line: it goes on from the last value of the history.
        joined = np.concatenate((past_x[-1:], future.x)), np.concatenate((past[-1:], future.actual))
        frame.line(*joined, _ACTUAL, columns=columns)
    ordered = list(future.forecasts.values())
    for i, values in reversed(list(enumerate(ordered[1:]))):
        frame.line(future.x, values, _rival(i), columns=columns)
    frame.line(future.x, ordered[0], _FORECAST, columns=columns)


def _tell_forecast(past: Floats, future: _Future) -> str:
    names = list(future.forecasts)
    text = f"Line chart: {past.size} values of history, then {future.x.size} forecast values by {names[0]}"
    if len(names) > 1:
        text += ", compared with " + ", ".join(names[1:])
    if future.actual is not None:
        text += "; the actual values are shown"
    return text + "."


def learning_curves(
    steps: ArrayLike, curves: Mapping[str, ArrayLike], *, best_step: float | None = None, title: str,
    subtitle: str = "", x_label: str = "step", y_label: str = "", linear: bool = False,
) -> str:  # fmt: skip
    """Draw losses or metrics over training steps and return SVG text.

    `steps` (n,) increase; each of `curves` is a vector (n,).  NaN is a gap, except that a curve
    without two neighbouring values was measured every few steps and is drawn through.
    `best_step` is marked, and its values are named in the line under the title unless
    `subtitle` says something else.  The y axis is logarithmic when all values are above zero
    and the largest is more than 30 times the smallest, unless it is to be `linear`.
    """
    places = positions(steps, "steps")
    checked = named(curves, "curves", length=places.values.size)
    low, high = extent(checked.values())
    log = not linear and low > 0 and high > _LOG_SPREAD * low
    if best_step is not None and not places.values[0] <= best_step <= places.values[-1]:
        raise ValueError(f"best_step {best_step} is outside the steps that are drawn")
    x = x_axis(places)
    styles = {name: style_of(i) for i, name in enumerate(checked)}
    strokes = {name: Stroke(color, 1.9, dash) for name, (color, dash) in styles.items()}
    scale = f"{clean(y_label) or 'value'} (logarithmic axis)" if log else y_label
    told = _tell_best(places.values, checked, best_step, x_label)
    frame = Frame(
        title, subtitle or told, [Key(name, strokes[name]) for name in checked],
        y_axis(low, high, log=log), x_label=x_label, y_label=scale,
        x_lines=2 if any(x.ticks.context) else 1,
        description=f"Line chart of {', '.join(checked)} over {places.values.size} steps. {told}".strip(),
    )  # fmt: skip
    frame.draw_y()
    frame.draw_x(x)
    best = None if best_step is None else float(best_step)
    if best is not None:
        at = float(frame.px(np.array([best]))[0])
        frame.canvas.line(at, frame.top, at, frame.bottom, Stroke(FAINT, 1, "3 3"))
    for name, values in checked.items():
        _draw_curve(frame, places.values, values, strokes[name], frame.columns(2 * len(checked)))
    if best is not None:
        _mark_best(frame, places.values, checked, strokes, best)
    return frame.canvas.svg()


def _draw_curve(frame: Frame, steps: Floats, values: Floats, stroke: Stroke, columns: int) -> None:
    present = ~np.isnan(values)
    if not (present[1:] & present[:-1]).any():
        steps, values = steps[present], values[present]
    frame.line(steps, values, stroke, columns=columns)


def _at_step(steps: Floats, values: Floats, step: float) -> float:
    where = np.flatnonzero(steps == step)
    return float(values[where[0]]) if where.size else float("nan")


def _tell_best(steps: Floats, curves: dict[str, Floats], best: float | None, unit: str) -> str:
    if best is None:
        return ""
    values = {name: _at_step(steps, line, best) for name, line in curves.items()}
    told = ", ".join(f"{name} {number(v)}" for name, v in values.items() if not np.isnan(v))
    where = "at step" if unit in ("", "step") else f"in {clean(unit)}"
    return f"Best {where} {best:,.10g}" + (f": {told}" if told else "")


def _mark_best(frame: Frame, steps: Floats, curves: dict[str, Floats], strokes: dict[str, Stroke], best: float) -> None:
    at = float(frame.px(np.array([best]))[0])
    for name, values in curves.items():
        value = _at_step(steps, values, best)
        if not np.isnan(value):
            height = float(frame.py(np.array([value]))[0])
            frame.canvas.circle(at, height, 4.5, strokes[name].color, Stroke(GROUND, 1.5))
    # Words go to the side with more room.
    left = at > (frame.left + frame.right) / 2
    frame.canvas.text(
        at - 7 if left else at + 7, frame.top + 11, "best", size=11.5, color=SOFT,
        anchor="end" if left else "start", halo=True,
    )  # fmt: skip
