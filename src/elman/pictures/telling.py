"""Series with the stretch marked that tells most of the answer: a panel an example."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from elman.pictures.axes import SIDE, WIDTH, Axis, Key, head, legend, x_axis
from elman.pictures.series import Floats, Positions, numbers
from elman.pictures.svg import FAINT, SOFT, VERMILION, Canvas, Stroke, style_of
from elman.pictures.text import shorten, text_width
from elman.pictures.ticks import linear_ticks

__all__ = ["Telling", "telling"]

_PANEL, _STRIP, _GAP, _WORDS = 92.0, 10.0, 22.0, 24.0
_MOST = 4
"""Channels that are drawn."""


class Telling(NamedTuple):
    """One series: `values` (T, C), `weight` (T,) of every step, and the steps `first` to `last` that tell most."""

    caption: str
    values: ArrayLike
    weight: ArrayLike
    first: int
    last: int
    remark: str = ""


def telling(examples: Sequence[Telling], channels: Sequence[str], *, title: str, subtitle: str = "") -> str:
    """Draw series, the stretch that tells most and the weight of every step below them, and return SVG text.

    Steps are counted from 1.  Of several channels the first four are drawn, each moved and scaled to fill its panel.
    The strip below a series is the darker the larger the weight; weights below zero are drawn as none.  Raises
    ValueError on no example, lengths that do not fit, and stretches outside their series.
    """
    if not examples:
        raise ValueError("at least one example is needed")
    shown = [_checked(one, len(channels)) for one in examples]
    canvas = Canvas(WIDTH, 0, title, f"{len(examples)} series, each with the stretch that tells most of its class.")
    base = head(canvas, title, subtitle)
    base = legend(canvas, _keys(channels), SIDE, base + 24)
    for k, (one, (values, weight)) in enumerate(zip(examples, shown, strict=True)):
        base = _panel(canvas, one, (values, weight), base + (16 if k == 0 else _GAP))
    canvas.height = base + 26
    canvas.text(WIDTH / 2, base + 12, "step", color=SOFT, anchor="middle")
    return canvas.svg()


def _checked(one: Telling, channels: int) -> tuple[Floats, Floats]:
    values = np.asarray(one.values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != channels or not len(values):
        raise ValueError(f"values must be (T, {channels}) with at least one step, got {values.shape}")
    weight = numbers(one.weight, "weight", length=len(values))
    if not 1 <= one.first <= one.last <= len(values):
        raise ValueError(f"the stretch {one.first} to {one.last} is not within 1 to {len(values)}")
    return values[:, :_MOST], weight


def _keys(channels: Sequence[str]) -> list[Key]:
    lines = [Key(name, _stroke(k, len(channels))) for k, name in enumerate(channels[:_MOST])] if channels[1:] else []
    more = len(channels) - _MOST
    if more > 0:
        lines[-1] = lines[-1]._replace(name=f"{channels[_MOST - 1]} (and {more} more, not drawn)")
    lines += [Key("what stands in its place", Stroke(VERMILION, 1.3, "4 3"))] if len(channels) == 1 else []
    marked = Key("the stretch that tells most", Stroke(VERMILION, opacity=0.22), "band")
    return [
        marked,
        *lines,
        Key("how much each step tells", Stroke(VERMILION, opacity=0.8), "bar"),
    ]


def _stroke(channel: int, channels: int) -> Stroke:
    # One channel alone is ink; of several none has the colour of the mark.
    colors = [style_of(k)[0] for k in range(_MOST + 1) if style_of(k)[0] != VERMILION]
    return Stroke("#24292f" if channels == 1 else colors[channel], 1.5)


def _panel(canvas: Canvas, one: Telling, shown: tuple[Floats, Floats], top: float) -> float:
    """Draw an example from `top` on; return the base line of its axis labels."""
    values, weight = shown
    left, right = SIDE, WIDTH - SIDE
    caption = shorten(one.caption, 13, (right - left) / 2)
    canvas.text(left, top + 12, caption, size=12.5, weight=600)
    room = right - left - text_width(caption, 13.5) - 20
    canvas.text(right, top + 12, shorten(one.remark, 12, room), color=SOFT, anchor="end")
    top += _WORDS
    x = _steps(len(values))
    edges = left + (right - left) * x.place(np.arange(len(values) + 1, dtype=np.float64) + 0.5)
    first, last = float(edges[one.first - 1]), float(edges[one.last])
    canvas.rect(first, top, max(2.0, last - first), _PANEL, VERMILION, opacity=0.22)
    middle = (edges[1:] + edges[:-1]) / 2
    for k, line in enumerate(values.T):
        low, high = float(np.nanmin(line)), float(np.nanmax(line))
        place = (line - low) / (high - low) if high > low else np.full(len(line), 0.5)
        heights = top + _PANEL - 6 - (_PANEL - 12) * place
        canvas.polyline(middle.tolist(), heights.tolist(), _stroke(k, values.shape[1]))
        if values.shape[1] == 1:
            _instead(canvas, middle, heights, one)
    bottom = top + _PANEL + 4
    _strip(canvas, edges, weight, bottom)
    for value, label in zip(x.ticks.values, x.ticks.labels, strict=True):
        at = left + (right - left) * float(x.place(np.array([value]))[0])
        canvas.line(at, bottom + _STRIP, at, bottom + _STRIP + 4, Stroke(FAINT, 1))
        canvas.text(at, bottom + _STRIP + 16, label, size=11.5, color=SOFT, anchor="middle")
    return bottom + _STRIP + 18


def _instead(canvas: Canvas, at: Floats, heights: Floats, one: Telling) -> None:
    """The line that stands in place of the stretch, from the step before it to the one behind it."""
    before, behind = max(0, one.first - 2), min(len(at) - 1, one.last)
    ends = (heights[behind if one.first == 1 else before], heights[before if one.last == len(at) else behind])
    canvas.line(float(at[before]), float(ends[0]), float(at[behind]), float(ends[1]), Stroke(VERMILION, 1.3, "4 3"))


def _steps(count: int) -> Axis:
    """Half a step of room at both ends."""
    made = x_axis(Positions(np.arange(1, count + 1, dtype=np.float64), False))
    ticks = made.ticks if count > 1 else linear_ticks(1.0, 2.0, 1, inside=True)
    kept = [k for k, value in enumerate(ticks.values) if 1 <= value <= count]
    inside = ticks._replace(values=[ticks.values[k] for k in kept], labels=[ticks.labels[k] for k in kept])
    return Axis(0.5, count + 0.5, inside)


def _strip(canvas: Canvas, edges: Floats, weight: Floats, top: float) -> None:
    """A rectangle a run of equal weights; long series are thinned to the pixels there are."""
    highest = float(np.nanmax(weight))
    canvas.rect(float(edges[0]), top, float(edges[-1] - edges[0]), _STRIP, "#f0f2f4")
    if not highest > 0:
        return
    shade = np.rint(10 * np.clip(np.nan_to_num(weight), 0, None) / highest)
    starts = [0, *(np.flatnonzero(np.diff(shade)) + 1).tolist(), len(shade)]
    for a, b in pairwise(starts):
        if shade[a]:
            canvas.rect(
                float(edges[a]), top, float(edges[b] - edges[a]), _STRIP, VERMILION, opacity=float(shade[a]) / 10
            )
