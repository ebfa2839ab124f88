"""Scores of several models over seeds: a row each, a dot a seed, mean and spread; others are single marks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from elman.pictures.axes import SIDE, WIDTH, Axis, head
from elman.pictures.series import Floats, numbers
from elman.pictures.svg import BLUE, FAINT, GRID, GROUND, INK, SOFT, Canvas, Stroke
from elman.pictures.text import clean, shorten, text_width
from elman.pictures.ticks import linear_ticks, number, widen

_ROW = 30.0
_MARK = Stroke("#6e7781", 1.4)
_NAMES = 270.0
_FAR = 1.5
"""A single mark further from the models than that many times their extent does not widen the axis."""


def scores_by_seed(
    models: Mapping[str, Sequence[float]], marks: Mapping[str, float], *, title: str, subtitle: str = "",
    x_label: str = "",
) -> str:  # fmt: skip
    """Draw the scores of models over seeds, and single marks below, and return SVG text.

    `models` holds at least one model, each with a value a seed: a dot each, a bar at their mean and a line of one
    standard deviation to both sides.  `marks` are values without spread.  Marks far away stand at the edge, with an
    arrow.  Raises ValueError on no model, no values and values that are not finite.
    """
    if not models:
        raise ValueError("at least one model is needed")
    rows = {name: numbers(values, name) for name, values in models.items()}
    for name, values in rows.items():
        if not values.size or not np.isfinite(values).all():
            raise ValueError(f"{name}: needs finite values, one a seed")
    x = _axis(rows, marks)
    names = [clean(name) for name in (*rows, *marks)]
    room = min(max(text_width(name, 12) for name in names), _NAMES)
    written = {name: _written(values) for name, values in rows.items()} | {k: number(v) for k, v in marks.items()}
    canvas = Canvas(WIDTH, 0, title, f"Scores of {', '.join(rows)} over seeds.")
    top = head(canvas, title, subtitle) + 24
    left, right = SIDE + room + 16, WIDTH - SIDE - 14 - max(text_width(text, 11.5) for text in written.values())
    bottom = top + _ROW * (len(rows) + len(marks)) + (8 if marks else 0)
    canvas.height = bottom + 30 + (22 if clean(x_label) else 0)
    _grid(canvas, x, (left, right, top, bottom), x_label)

    def place(values: Floats) -> Floats:
        return left + (right - left) * x.place(values)

    y = top + _ROW / 2
    for name, values in rows.items():
        _row(canvas, place, values, y)
        _label(canvas, name, written[name], y, room, right)
        y += _ROW
    y += 8
    for name, value in marks.items():
        _single(canvas, x, float(value), (left, right), y)
        _label(canvas, name, written[name], y, room, right, SOFT)
        y += _ROW
    return canvas.svg()


def _axis(rows: Mapping[str, Floats], marks: Mapping[str, float]) -> Axis:
    values = np.concatenate(list(rows.values()))
    low, high = float(values.min()), float(values.max())
    for one in rows.values():
        spread = float(one.std(ddof=1)) if one.size > 1 else 0.0
        low, high = min(low, float(one.mean()) - spread), max(high, float(one.mean()) + spread)
    reach = _FAR * (high - low)
    near = [value for value in marks.values() if low - reach <= value <= high + reach]
    low, high = widen(min([low, *near]), max([high, *near]))
    margin = 0.05 * (high - low)
    ticks = linear_ticks(low - margin, high + margin, 6, inside=True)
    return Axis(low - margin, high + margin, ticks)


def _written(values: Floats) -> str:
    mean = number(float(values.mean()))
    return f"{mean} ± {number(float(values.std(ddof=1)), 2)}" if values.size > 1 else mean


def _grid(canvas: Canvas, x: Axis, sides: tuple[float, float, float, float], x_label: str) -> None:
    left, right, top, bottom = sides
    for value, label in zip(x.ticks.values, x.ticks.labels, strict=True):
        at = left + (right - left) * float(x.place(np.array([value]))[0])
        canvas.line(at, top, at, bottom, Stroke(GRID, 1))
        canvas.text(at, bottom + 17, label, size=11.5, color=SOFT, anchor="middle")
    canvas.line(left, bottom, right, bottom, Stroke(FAINT, 1))
    if clean(x_label):
        canvas.text((left + right) / 2, bottom + 38, shorten(x_label, 12, right - left), color=SOFT, anchor="middle")


def _label(
    canvas: Canvas, name: str, written: str, y: float, room: float, right: float, color: str = INK
) -> None:  # fmt: skip
    canvas.text(SIDE + room, y + 4, shorten(name, 12, room), color=color, anchor="end")
    canvas.text(right + 14, y + 4, written, size=11.5, color=color)


def _row(canvas: Canvas, place: Callable[[Floats], Floats], values: Floats, y: float) -> None:
    mean = float(values.mean())
    if values.size > 1:
        spread = float(values.std(ddof=1))
        ends = place(np.array([mean - spread, mean + spread])).tolist()
        canvas.line(ends[0], y, ends[1], y, Stroke(BLUE, 2, opacity=0.45))
    at = float(place(np.array([mean]))[0])
    canvas.rect(at - 1.5, y - 9, 3, 18, BLUE)
    before: list[int] = []
    for dot in place(values).tolist():
        # Seeds that score alike would hide each other: they stand one above the other.
        alike = before.count(round(dot))
        before.append(round(dot))
        canvas.circle(dot, y + (alike + 1) // 2 * (6 if alike % 2 else -6), 3.6, GROUND, Stroke(BLUE, 1.6))


def _single(canvas: Canvas, x: Axis, value: float, sides: tuple[float, float], y: float) -> None:
    left, right = sides
    if x.low <= value <= x.high:
        at = left + (right - left) * float(x.place(np.array([value]))[0])
        canvas.area([at, at + 5, at, at - 5], [y - 5, y, y + 5, y], _MARK.color, 1.0)
        return
    at, way = (left, -1.0) if value < x.low else (right, 1.0)
    canvas.line(at - way * 22, y, at - way * 6, y, _MARK)
    canvas.arrow_head(at, y, way, 0, _MARK.color)
