"""Errors by horizon, by length or by model: bars from zero, rows of bars, or lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from elman.pictures.axes import SIDE, WIDTH, Axis, Frame, Key, head, legend, x_axis, y_axis
from elman.pictures.series import Floats, extent, named, positions
from elman.pictures.svg import FAINT, INK, SOFT, Canvas, Stroke, style_of
from elman.pictures.text import clean, shorten, text_width
from elman.pictures.ticks import Ticks, number

_KINDS = ("auto", "bars", "line")
_MANY_BARS = 40
_MANY_DOTS = 40
_MOST_ROWS = 200
_ROW = 20.0
_GAP = 10.0


def errors_by(
    x: ArrayLike | Sequence[str], values: ArrayLike | Mapping[str, ArrayLike], *, title: str,
    subtitle: str = "", x_label: str = "", y_label: str = "error", kind: str = "auto",
) -> str:  # fmt: skip
    """Draw values over horizons, lengths or names and return SVG text.

    `x` (n,) holds increasing numbers or names; `values` is a vector (n,) or a dictionary of
    named vectors (n,), in the unit that `y_label` names; NaN is a gap.  Names get one
    horizontal bar each, with its value.  Numbers get upright bars from zero (`kind` "bars") or
    lines ("line"); "auto" takes bars while they are few.
    """
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}, got {kind!r}")
    several = isinstance(values, Mapping)
    places = np.asarray(x)
    if places.ndim != 1:
        raise ValueError(f"x must be a vector, got shape {places.shape}")
    if places.dtype.kind in "UT" or (places.dtype.kind == "O" and all(isinstance(v, str) for v in places)):
        names = [str(name) for name in places]
        checked = _series(values, len(names), y_label)
        return _rows(names, checked, several, title, subtitle, y_label)
    at = positions(x, "x")
    checked = _series(values, at.values.size, y_label)
    if kind == "auto":
        kind = "line" if at.time or at.values.size * len(checked) > _MANY_BARS else "bars"
    if kind == "bars" and at.values.size > WIDTH / 3:
        raise ValueError(f"{at.values.size} bars do not fit a picture; draw them as a line")
    strokes = {name: Stroke(color, 1.9, dash) for name, (color, dash) in _styles(checked).items()}
    dotted = kind == "line" and at.values.size <= _MANY_DOTS
    mark = "bar" if kind == "bars" else "line"
    keys = [Key(name, strokes[name], mark, dotted) for name in checked] if several else []
    low, high = extent(checked.values())
    if kind == "bars":
        low, high = min(low, 0.0), max(high, 0.0) or float(low >= 0)
    x_line = x_axis(at)
    frame = Frame(
        title, subtitle, keys, y_axis(low, high), x_label=x_label, y_label=y_label,
        x_lines=2 if any(x_line.ticks.context) else 1,
        description=f"Chart of {', '.join(checked)} at {at.values.size} places.",
    )  # fmt: skip
    frame.draw_y()
    if kind == "bars":
        _bars(frame, at.values, checked, strokes)
        return frame.canvas.svg()
    frame.draw_x(x_line)
    columns, dots = frame.columns(2 * len(checked)), 2.8 if dotted else 0.0
    for name, line in checked.items():
        frame.line(at.values, line, strokes[name], columns=columns, dots=dots)
    return frame.canvas.svg()


def _styles(series: dict[str, Floats]) -> dict[str, tuple[str, str]]:
    return {name: style_of(i) for i, name in enumerate(series)}


def _series(values: ArrayLike | Mapping[str, ArrayLike], n: int, y_label: str) -> dict[str, Floats]:
    if isinstance(values, Mapping):
        return named(values, "values", length=n)
    return named({clean(y_label) or "value": values}, "values", length=n)


def _bars(frame: Frame, x: Floats, series: dict[str, Floats], strokes: dict[str, Stroke]) -> None:
    """Draw groups of upright bars, one slot for each x however far apart they are."""
    slot = (frame.right - frame.left) / x.size
    bar = min(slot * 0.76 / len(series), 46.0)
    zero = float(frame.py(np.zeros(1))[0])
    for i, (name, values) in enumerate(series.items()):
        shift = (i - len(series) / 2) * bar
        for j, top in enumerate(frame.py(values).tolist()):
            if np.isnan(top):
                continue
            left = frame.left + (j + 0.5) * slot + shift
            wide = max(bar - (1 if bar > 4 else 0), 0.8)
            tip = f"{name} at {x[j]:,.10g}: {number(values[j])}"
            frame.canvas.rect(left, min(top, zero), wide, abs(top - zero), strokes[name].color, tip=tip)
    names = [f"{value:,.10g}" for value in x]
    widest = max(text_width(name, 11.5) for name in names) + 10
    stride = max(1, int(np.ceil(widest / slot)))
    centers = (np.arange(x.size) + 0.5) / x.size
    shown = range(0, x.size, stride)
    labels = [names[j] for j in shown]
    ticks = Ticks([float(centers[j]) for j in shown], labels, [""] * len(labels))
    frame.draw_x(Axis(0.0, 1.0, ticks))
    if zero < frame.bottom - 1:
        frame.canvas.line(frame.left, zero, frame.right, zero, Stroke(FAINT, 1))


def _rows(names: list[str], series: dict[str, Floats], several: bool, title: str, subtitle: str, y_label: str) -> str:
    """Draw one group of horizontal bars for each name, each with its value written behind it."""
    if len(names) * len(series) > _MOST_ROWS:
        raise ValueError(f"{len(names) * len(series)} rows do not fit a picture (at most {_MOST_ROWS})")
    low, high = extent(series.values())
    low, high = min(low, 0.0), max(high, 0.0) or float(low >= 0)
    room = min(max(text_width(clean(name), 12) for name in names), 260.0)
    group = _ROW * len(series) + (_GAP if len(series) > 1 else 6.0)
    canvas, top = _rows_head(names, series, several, title, subtitle, y_label, group)
    written = max(text_width(_written(v), 11.5) for values in series.values() for v in values.tolist()) + 8
    left = SIDE + room + 12 + (written if low < 0 else 0.0)
    right = WIDTH - SIDE - (written if high > 0 else 0.0)
    scale = (right - left) / (high - low)
    zero = left - low * scale
    for j, name in enumerate(names):
        y = top + j * group
        middle = y + _ROW * len(series) / 2
        canvas.text(SIDE + room, middle + 4, shorten(name, 12, room), anchor="end")
        for i, values in enumerate(series.values()):
            _row(canvas, float(values[j]), zero, scale, y + i * _ROW, style_of(i)[0])
    canvas.line(zero, top - 4, zero, top + len(names) * group, Stroke(FAINT, 1))
    return canvas.svg()


def _rows_head(
    names: list[str], series: dict[str, Floats], several: bool, title: str, subtitle: str,
    y_label: str, group: float,
) -> tuple[Canvas, float]:  # fmt: skip
    keys = [Key(name, Stroke(style_of(i)[0]), "bar") for i, name in enumerate(series)] if several else []
    told = f"Bar chart of {', '.join(series)} for {len(names)} names."
    canvas = Canvas(WIDTH, 0, title, told)
    base = head(canvas, title, subtitle)
    if keys:
        base = legend(canvas, keys, SIDE, base + 24)
    if clean(y_label):
        base += 24
        canvas.text(SIDE, base, shorten(y_label, 12, WIDTH - 2 * SIDE), color=SOFT)
    canvas.height = base + 18 + group * len(names) + 16
    return canvas, base + 18


def _row(canvas: Canvas, value: float, zero: float, scale: float, y: float, color: str) -> None:
    if np.isnan(value):
        canvas.text(zero + 6, y + _ROW / 2 + 4, "missing", size=11.5, color=SOFT)
        return
    length = abs(value) * scale
    canvas.rect(zero if value >= 0 else zero - length, y + 2, length, _ROW - 4, color)
    if value >= 0:
        canvas.text(zero + length + 6, y + _ROW / 2 + 4, _written(value), size=11.5, color=INK)
    else:
        canvas.text(zero - length - 6, y + _ROW / 2 + 4, _written(value), size=11.5, color=INK, anchor="end")


def _written(value: float) -> str:
    """Return `value` with three digits, whole numbers as they are."""
    whole = value == round(value) if abs(value) < 1e6 else False
    return number(value, max(1, len(str(round(abs(value)))))) if whole else number(value, 3)
