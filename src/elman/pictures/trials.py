"""The trials of a search: what each reached, in order, and the best so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from elman.pictures.axes import SIDE, WIDTH, Frame, Key, x_axis, y_axis
from elman.pictures.series import Floats, numbers, positions
from elman.pictures.svg import BLUE, FAINT, GROUND, SOFT, VERMILION, Stroke
from elman.pictures.ticks import number

_BEST = Stroke(VERMILION, 1.8)
_SHORT = Stroke(FAINT, 1.4)
_BASE = Stroke(SOFT, 1.2, "5 3")
_ROOM = 1.0
"""What lies that many times the complete trials' extent above them stands at the upper edge, with an arrow."""


def trials(
    numbers_: Sequence[int], losses: ArrayLike, complete: Sequence[bool], *, title: str, subtitle: str = "",
    y_label: str = "loss",
) -> str:  # fmt: skip
    """Draw the losses of trials by number and return SVG text; less is better.

    The first trial is what the others are compared with: a dashed line.  Those that are not complete were cut short;
    their loss is that until then, NaN for none.  The line is the best complete one so far.  Raises ValueError where
    no trial is complete, and for lengths that do not fit.
    """
    x = positions(numbers_, "numbers")
    loss = numbers(losses, "losses", length=x.values.size)
    done = np.asarray(complete, dtype=bool)
    if done.shape != loss.shape or not (done & ~np.isnan(loss)).any():
        raise ValueError("at least one trial must be complete, and complete must be as long as losses")
    reached = loss[done]
    low, high = float(np.nanmin(loss)), float(np.nanmax(reached))
    limit = high + _ROOM * max(high - low, 1e-12)
    shown = loss[loss <= limit]
    keys = [Key("complete", Stroke(BLUE, 1.6), dots=True), Key("best so far", _BEST)]
    if not done.all():
        keys.insert(1, Key("cut short", _SHORT, dots=True))
    if done[0]:
        keys.append(Key("the defaults", _BASE))
    told = f"{int(done.sum())} complete trials of {loss.size}; the lowest loss is {number(float(np.nanmin(reached)))}."
    axis = y_axis(float(shown.min()), float(shown.max()))
    frame = Frame(title, subtitle, keys, axis, x_label="trial", y_label=y_label, description=told)
    frame.draw_y(WIDTH - 2 * SIDE)
    frame.draw_x(x_axis(x))
    _draw(frame, x.values, loss, done)
    return frame.canvas.svg()


def _draw(frame: Frame, x: Floats, loss: Floats, done: np.ndarray) -> None:
    canvas = frame.canvas
    if done[0]:
        at = float(frame.py(loss[:1])[0])
        canvas.line(frame.left, at, frame.right, at, _BASE)
    best = np.minimum.accumulate(np.where(done, loss, np.inf))
    first = int(done.argmax())
    xs, ys = frame.px(x[first:]), frame.py(best[first:])
    # A step: what is best holds until another is better.
    canvas.polyline(np.repeat(xs, 2)[1:].tolist(), np.repeat(ys, 2)[:-1].tolist(), _BEST)
    places, heights = frame.px(x).tolist(), frame.py(loss).tolist()
    for at, height, value, whole in zip(places, heights, loss.tolist(), done.tolist(), strict=True):
        if np.isnan(value) or value > frame.y.high:
            canvas.line(at, frame.top + 16, at, frame.top + 6, _SHORT)
            canvas.arrow_head(at, frame.top, 0, -1, _SHORT.color, 7)
        elif whole:
            canvas.circle(at, height, 4, BLUE)
        else:
            canvas.circle(at, height, 3.4, GROUND, _SHORT)
