"""Whether quantiles are what they say: the share of what came at or below each, over the share that should."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from elman.pictures.axes import SIDE, head
from elman.pictures.series import Floats, numbers
from elman.pictures.svg import BLUE, FAINT, GRID, GROUND, INK, SOFT, Canvas, Stroke, style_of
from elman.pictures.text import clean, shorten, text_width

__all__ = ["reliability"]

_WIDTH, _PLOT = 620.0, 380.0
_DIAGONAL = Stroke(FAINT, 1.2, "4 4")


def reliability(levels: ArrayLike, reached: Mapping[str, ArrayLike], *, title: str, subtitle: str = "") -> str:
    """Draw how often what came lay at or below each quantile and return SVG text.

    `levels` (Q,) are the shares that should, rising from above 0 to below 1; `reached` the shares that did, (Q,) by
    name, the first one bold.  Honest quantiles lie on the diagonal.  Raises ValueError on lengths that do not fit, and
    shares outside 0 to 1.
    """
    wanted = _shares(levels, "levels")
    if (np.diff(wanted) <= 0).any():
        raise ValueError("levels must rise")
    if not reached:
        raise ValueError("reached is empty: there is nothing to draw")
    found = {clean(name): _shares(values, name, len(wanted)) for name, values in reached.items()}
    first = next(iter(found.values()))
    told = ", ".join(f"{100 * a:.0f} % -> {100 * b:.1f} %" for a, b in zip(wanted, first, strict=True))
    canvas = Canvas(_WIDTH, 0, title, f"Share of values at or below each quantile: {told}.")
    top = head(canvas, title, subtitle) + 36
    left = SIDE + 46
    canvas.height = top + _PLOT + 58

    def x(values: Floats) -> Floats:
        return left + _PLOT * values

    def y(values: Floats) -> Floats:
        return top + _PLOT * (1 - values)

    _grid(canvas, left, top)
    for k, (name, values) in enumerate(found.items()):
        stroke = Stroke(BLUE, 2.2) if k == 0 else Stroke(style_of(k)[0], 1.4, "5 3")
        canvas.polyline(x(wanted).tolist(), y(values).tolist(), stroke)
        for a, b in zip(x(wanted).tolist(), y(values).tolist(), strict=True):
            canvas.circle(a, b, 4.0 if k == 0 else 2.6, GROUND, Stroke(stroke.color, 1.8))
        at = top + 12 + 22 * k
        canvas.line(left + _PLOT + 18, at - 4, left + _PLOT + 38, at - 4, stroke)
        canvas.text(left + _PLOT + 44, at, shorten(name, 12, _WIDTH - left - _PLOT - 50), color=INK)
    _words(canvas, left, top)
    return canvas.svg()


def _shares(values: ArrayLike, name: str, length: int | None = None) -> Floats:
    found = numbers(values, name, length=length)
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError(f"{name}: shares lie between 0 and 1")
    return found


def _grid(canvas: Canvas, left: float, top: float) -> None:
    for share in np.linspace(0, 1, 6).tolist():
        across, down, label = left + _PLOT * share, top + _PLOT * (1 - share), f"{100 * share:.0f} %"
        canvas.line(across, top, across, top + _PLOT, Stroke(GRID, 1))
        canvas.line(left, down, left + _PLOT, down, Stroke(GRID, 1))
        canvas.text(across, top + _PLOT + 18, label, size=11.5, color=SOFT, anchor="middle")
        canvas.text(left - 8, down + 4, label, size=11.5, color=SOFT, anchor="end")
    canvas.line(left, top + _PLOT, left + _PLOT, top, _DIAGONAL)


def _words(canvas: Canvas, left: float, top: float) -> None:
    canvas.text(left + _PLOT / 2, top + _PLOT + 42, "quantile of the forecast", color=SOFT, anchor="middle")
    canvas.text(SIDE, top - 14, "share of what came at or below it", color=SOFT)
    places = (("quantiles too low", 0.72, 0.3), ("quantiles too high", 0.3, 0.72))
    for words, across, up in places:
        half = text_width(words, 11.5) / 2
        canvas.text(left + _PLOT * across - half, top + _PLOT * (1 - up), words, size=11.5, color=FAINT)
