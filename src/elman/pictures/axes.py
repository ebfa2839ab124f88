"""The frame of a chart: head lines, legend, axes with ticks, and drawing in data units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from elman.pictures.series import Floats, Positions, band_segments, segments
from elman.pictures.svg import FAINT, GRID, SOFT, Canvas, Stroke
from elman.pictures.text import clean, shorten, text_width
from elman.pictures.ticks import Ticks, linear_ticks, log_ticks, time_ticks, widen

WIDTH = 820.0
HEIGHT = 440.0
SIDE = 24.0
_SMALL = 11.5
_LEGEND = 12.0
_DAY = 86_400_000_000.0


class Key(NamedTuple):
    """One entry of a legend: its name and how it is drawn ("line", "band" or "bar")."""

    name: str
    stroke: Stroke
    kind: str = "line"
    dots: bool = False


class Axis(NamedTuple):
    """A range in data units with its ticks."""

    low: float
    high: float
    ticks: Ticks
    log: bool = False

    def place(self, values: Floats) -> Floats:
        """Return where `values` lie between the two ends: 0 at `low`, 1 at `high`."""
        if self.log:
            low, high = np.log(self.low), np.log(self.high)
            return np.asarray((np.log(values) - low) / (high - low), dtype=np.float64)
        return np.asarray((values - self.low) / (self.high - self.low), dtype=np.float64)


def y_axis(low: float, high: float, *, log: bool = False, count: int = 6) -> Axis:
    """Return an axis a little wider than `low` to `high`, up to the next tick where that is near."""
    if log:
        ticks = log_ticks(low, high, count)
        return Axis(ticks.values[0], ticks.values[-1], ticks, log)
    low, high = widen(low, high)
    ticks = linear_ticks(low, high, count)
    margin = 0.06 * (high - low)
    first, last = max(ticks.values[0], low - margin), min(ticks.values[-1], high + margin)
    kept = [i for i, value in enumerate(ticks.values) if first <= value <= last]
    inside = Ticks([ticks.values[i] for i in kept], [ticks.labels[i] for i in kept], [""] * len(kept))
    return Axis(first, last, inside)


def x_axis(x: Positions, end: float | None = None) -> Axis:
    """Return an axis from the first of `x` to `end`, else to its last, with ticks that fit."""
    low, high = float(x.values[0]), float(x.values[-1]) if end is None else end
    room = WIDTH - 100
    time = x.time
    if time:
        if high <= low:
            low, high = low - 2 * _DAY, high + 2 * _DAY
        return Axis(low, high, time_ticks(int(low), int(high), max(2, int(room // 85))))
    # Between whole steps there is nothing: no ticks at half a step.
    whole = high > low and bool((x.values == np.rint(x.values)).all())
    most = int(min(9.0, high - low)) if whole else 9
    low, high = widen(low, high)
    ticks = Ticks([], [], [])
    for count in range(max(most, 1), 0, -1):
        ticks = linear_ticks(low, high, count, inside=True)
        if sum(text_width(label, _SMALL) + 18 for label in ticks.labels) <= room:
            break
    return Axis(low, high, ticks)


class Frame:
    """A chart in the making: a canvas, the plot area on it, and the two axes.

    The head (title, subtitle, legend, name of the y axis) takes what it needs from the top and
    the tick labels from the left; `left`, `right`, `top` and `bottom` bound what remains.  `note`
    keeps the row of the axis name free for words above the plot, `x_lines` is the number of
    lines of labels below it.
    """

    def __init__(
        self, title: str, subtitle: str, keys: Sequence[Key], y: Axis, *, x_label: str = "",
        y_label: str = "", note: bool = False, x_lines: int = 1, description: str = "",
    ) -> None:  # fmt: skip
        self.canvas = Canvas(WIDTH, HEIGHT, title, description or subtitle)
        self.y = y
        self.x = Axis(0.0, 1.0, Ticks([], [], []))
        widest = max((text_width(label, _SMALL) for label in y.ticks.labels), default=0.0)
        self.left = SIDE + widest + 8
        self.right = WIDTH - SIDE - 6
        self.y_label = clean(y_label)
        self.top = self._head(title, subtitle, keys, note)
        # The plot keeps its size under a legend of many rows: the picture grows instead.
        self.canvas.height = max(HEIGHT, self.top + 260.0)
        self.bottom = self.canvas.height - 20 - 15 * x_lines - (20 if clean(x_label) else 0)
        if clean(x_label):
            middle = (self.left + self.right) / 2
            name = shorten(x_label, 12, self.right - self.left)
            self.canvas.text(middle, self.canvas.height - 16, name, color=SOFT, anchor="middle")

    def _head(self, title: str, subtitle: str, keys: Sequence[Key], note: bool) -> float:
        base = head(self.canvas, title, subtitle)
        if keys:
            base = legend(self.canvas, keys, SIDE, base + 24)
        return base + (42 if self.y_label or note else 18)

    def px(self, values: Floats) -> Floats:
        """Return the horizontal pixel positions of data values."""
        return self.left + (self.right - self.left) * self.x.place(values)

    def py(self, values: Floats) -> Floats:
        """Return the vertical pixel positions of data values."""
        return self.bottom - (self.bottom - self.top) * self.y.place(values)

    def draw_y(self, room: float = WIDTH - 2 * SIDE) -> None:
        """Draw the horizontal grid, its labels, and the name of the axis in `room` pixels."""
        if self.y_label and room > 30:
            self.canvas.text(SIDE, self.top - 14, shorten(self.y_label, 12, room), color=SOFT)
        for value, label in zip(self.y.ticks.values, self.y.ticks.labels, strict=True):
            at = float(self.py(np.array([value]))[0])
            self.canvas.line(self.left, at, self.right, at, Stroke(GRID, 1))
            self.canvas.text(self.left - 8, at + 4, label, size=_SMALL, color=SOFT, anchor="end")

    def draw_x(self, x: Axis) -> None:
        """Take `x` as the horizontal axis and draw it."""
        self.x = x
        canvas = self.canvas
        canvas.line(self.left, self.bottom, self.right, self.bottom, Stroke(FAINT, 1))
        places = [float(at) for at in self.px(np.array(x.ticks.values, dtype=np.float64))]
        for at, label in zip(places, x.ticks.labels, strict=True):
            canvas.line(at, self.bottom, at, self.bottom + 5, Stroke(FAINT, 1))
            canvas.text(at, self.bottom + 18, label, size=_SMALL, color=SOFT, anchor="middle")
        context = [(at, text) for at, text in zip(places, x.ticks.context, strict=True) if text]
        for i, (at, text) in enumerate(context):
            # The first one only repeats what the next one implies: it yields where both collide.
            if i + 1 < len(context) and context[i + 1][0] - at < text_width(text, _SMALL) + 8:
                continue
            canvas.text(at, self.bottom + 33, text, size=_SMALL, color=FAINT, anchor="middle")

    def line(self, x: Floats, y: Floats, stroke: Stroke, *, columns: int = 0, dots: float = 0.0) -> None:
        """Draw values over positions, broken at NaN; a point without neighbours is a dot.

        `dots` is the radius of a dot at each point (pixels), 0 for none but the lonely ones.
        """
        for xs, ys in segments(self.px(x), y, columns or self.columns()):
            py = self.py(ys)
            if xs.size > 1:
                self.canvas.polyline(xs.tolist(), py.tolist(), stroke)
            if xs.size == 1 or dots:
                for at, height in zip(xs.tolist(), py.tolist(), strict=True):
                    self.canvas.circle(at, height, dots or max(1.6, stroke.width * 1.3), stroke.color)

    def band(self, x: Floats, lower: Floats, upper: Floats, color: str, opacity: float) -> None:
        """Fill between two lines, broken at NaN; a point without neighbours is an upright bar."""
        for xs, low, high in band_segments(self.px(x), lower, upper, self.columns()):
            if xs.size == 1:
                xs, low, high = np.array([xs[0] - 3, xs[0] + 3]), low.repeat(2), high.repeat(2)
            outline = np.concatenate((self.py(high), self.py(low)[::-1]))
            around = np.concatenate((xs, xs[::-1]))
            self.canvas.area(around.tolist(), outline.tolist(), color, opacity)

    def columns(self, lines: int = 1) -> int:
        """Return into how many columns to thin each of `lines` long lines.

        A column for each pixel, fewer where so many lines would make the file large.
        """
        return int(min(self.right - self.left, max(60, 5000 // max(lines, 1))))


def head(canvas: Canvas, title: str, subtitle: str) -> float:
    """Write the title and the line under it; return the base line of the last one written."""
    room = canvas.width - 2 * SIDE
    base = 14.0
    if clean(title):
        base = 36.0
        canvas.text(SIDE, base, shorten(title, 19.5, room), size=17, weight=600)
    if clean(subtitle):
        base += 21
        canvas.text(SIDE, base, shorten(subtitle, 12.5, room), size=12.5, color=SOFT)
    return base


def legend(canvas: Canvas, keys: Sequence[Key], left: float, base: float) -> float:
    """Write a legend in as many rows as it needs from base line `base`; return the last one."""
    at = left
    for key in keys:
        name = shorten(key.name, _LEGEND, 260)
        length = 28 + text_width(name, _LEGEND) + 20
        if at > left and at + length > canvas.width - SIDE:
            at, base = left, base + 20
        _sample(canvas, key, at, base - 4)
        canvas.text(at + 28, base, name, size=_LEGEND)
        at += length
    return base


def _sample(canvas: Canvas, key: Key, x: float, y: float) -> None:
    if key.kind == "band":
        canvas.rect(x, y - 5, 22, 10, key.stroke.color, opacity=key.stroke.opacity)
    elif key.kind == "bar":
        canvas.rect(x + 5, y - 6, 12, 12, key.stroke.color, radius=2)
    else:
        canvas.line(x, y, x + 22, y, key.stroke)
        if key.dots:
            canvas.circle(x + 11, y, 2.8, key.stroke.color)
