"""A recurrent network as text books print it: the folded cell and the cell unfolded in time."""

from __future__ import annotations

from elman.pictures.axes import head
from elman.pictures.svg import BLUE, FAINT, GREEN, INK, SOFT, VERMILION, Canvas, Stroke
from elman.pictures.text import clean, shorten, text_width

_WIDTH = 900.0
_BOX_WIDE = 64.0
_BOX_HIGH = 50.0
_RADIUS = 19.0
_RISE = 98.0
_FIRST = 366.0
_PITCH = 103.0
_FOLDED = 96.0

# Each weight has the colour of the arrows it works on.  The greens and reds of the palette are
# darkened where they carry text.
_INPUT, _STATE, _OUTPUT = "#00785a", BLUE, "#b54d00"
_TINT = {GREEN: "#e3f4ee", BLUE: "#e3eff8", VERMILION: "#fbeade"}


class _Labels:
    """The names in the picture: of the cell and of its input, state and output."""

    def __init__(self, name: str, x: str, h: str, y: str) -> None:
        self.name, self.x, self.h, self.y = clean(name), clean(x), clean(h), clean(y)


def unfolded(
    name: str, steps: int, input_label: str = "x", state_label: str = "h", output_label: str = "y",
    *, title: str, subtitle: str = "",
) -> str:  # fmt: skip
    """Draw a recurrent network folded and unfolded over `steps` time steps; return SVG text.

    `name` stands in the cell; the labels get the step as a subscript.  More than five steps are
    shown as the first three, dots and the last.  W, U and V name the weights that work on the
    input, on the state before, and on the state for the output: the same at every step.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be a whole number of at least 1, got {steps!r}")
    labels = _Labels(name, input_label, state_label, output_label)
    shown: list[int | None] = [*range(1, steps + 1)] if steps <= 5 else [1, 2, 3, None, steps]
    told = f"folded (left) and unfolded over {steps:,} steps; W, U and V are the same at every step"
    if steps == 1:
        told = "folded (left) and as the one step that it is"
    width = _WIDTH - (5 - len(shown)) * _PITCH
    canvas = Canvas(width, 0, title, f"{labels.name}, a recurrent network, {told}.")
    middle = head(canvas, title, subtitle or told[0].upper() + told[1:]) + 44 + _RADIUS + _RISE
    _draw_folded(canvas, labels, middle)
    canvas.text(228, middle + 9, "=", size=30, color=SOFT, anchor="middle", serif=True)
    _draw_steps(canvas, labels, shown, middle)
    canvas.height = middle + _RISE + _RADIUS + 62
    return canvas.svg()


def _math(canvas: Canvas, x: float, y: float, text: str, sub: str, room: float, color: str = INK) -> None:
    """Write a variable with its subscript, centred at (x, y), as large as `room` pixels allow."""
    size = 17.0
    while size > 10 and text_width(text, size) + text_width(sub, size * 0.68) > room:
        size -= 1
    text = shorten(text, size, room - text_width(sub, size * 0.68))
    canvas.text(x, y + size * 0.3, text, size=size, color=color, anchor="middle", italic=True, serif=True, sub=sub)


def _weight(canvas: Canvas, x: float, y: float, letter: str, color: str) -> None:
    canvas.text(x, y, letter, size=16, color=color, anchor="middle", weight=700, italic=True, serif=True)


def _node(canvas: Canvas, x: float, y: float, text: str, sub: str, color: str, tint: str) -> None:
    canvas.circle(x, y, _RADIUS, tint, Stroke(color, 1.5))
    _math(canvas, x, y, text, sub, 2 * _RADIUS - 7)


def _box(canvas: Canvas, x: float, y: float, name: str) -> None:
    left, top = x - _BOX_WIDE / 2, y - _BOX_HIGH / 2
    canvas.rect(left, top, _BOX_WIDE, _BOX_HIGH, _TINT[BLUE], radius=9, stroke=Stroke(_STATE, 1.7))
    room = _BOX_WIDE - 8
    size = 14.0
    while size > 11 and text_width(name, size) > room:
        size -= 0.5
    lines = _wrap(name, size, room)
    first = y + size * 0.35 - (len(lines) - 1) * size * 0.6
    for i, line in enumerate(lines):
        canvas.text(x, first + i * size * 1.2, line, size=size, anchor="middle", weight=600)


def _wrap(text: str, size: float, room: float) -> list[str]:
    """Return `text` in at most three lines, broken at spaces; what does not fit is shortened."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= room:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return [shorten(line, size, room) for line in [*lines[:2], " ".join(lines[2:])] if line]


def _up(canvas: Canvas, x: float, low: float, high: float, color: str) -> None:
    canvas.line(x, low, x, high + 6, Stroke(color, 1.6))
    canvas.arrow_head(x, high, 0, -1, color)


def _across(canvas: Canvas, left: float, right: float, y: float, color: str) -> None:
    canvas.line(left, y, right - 6, y, Stroke(color, 1.6))
    canvas.arrow_head(right, y, 1, 0, color)


def _column(canvas: Canvas, labels: _Labels, x: float, y: float, sub: str) -> None:
    """Draw one cell with its input below and its output above."""
    half = _BOX_HIGH / 2
    _up(canvas, x, y + _RISE - _RADIUS, y + half + 1, _INPUT)
    _up(canvas, x, y - half, y - _RISE + _RADIUS + 1, _OUTPUT)
    _weight(canvas, x + 13, y + (half + _RISE - _RADIUS) / 2 + 5, "W", _INPUT)
    _weight(canvas, x + 13, y - (half + _RISE - _RADIUS) / 2 + 7, "V", _OUTPUT)
    _node(canvas, x, y + _RISE, labels.x, sub, _INPUT, _TINT[GREEN])
    _node(canvas, x, y - _RISE, labels.y, sub, _OUTPUT, _TINT[VERMILION])
    _box(canvas, x, y, labels.name)


def _draw_folded(canvas: Canvas, labels: _Labels, y: float) -> None:
    _column(canvas, labels, _FOLDED, y, "t")
    edge = _FOLDED + _BOX_WIDE / 2
    canvas.path(
        f"M {edge} {y - 12} C {edge + 54} {y - 44}, {edge + 54} {y + 44}, {edge + 7} {y + 15}",
        Stroke(_STATE, 1.6),
    )
    canvas.arrow_head(edge + 1, y + 12, -0.88, -0.475, _STATE)
    _weight(canvas, edge + 54, y + 5, "U", _STATE)
    _math(canvas, edge + 26, y - 38, labels.h, "t", 60, _STATE)


def _draw_steps(canvas: Canvas, labels: _Labels, shown: list[int | None], y: float) -> None:
    half = _BOX_WIDE / 2
    before = 281.0
    _node(canvas, before, y, labels.h, "0", _STATE, "#ffffff")
    start = before + _RADIUS
    center, label = _FIRST, ""
    for i, step in enumerate(shown):
        center = _FIRST + i * _PITCH
        end = center - half - 1
        if step is None:
            _across(canvas, start, center - 20, y, _STATE)
            _state(canvas, labels, start, center - 20, y, label)
            for dot in (-9, 0, 9):
                canvas.circle(center + dot, y, 2, SOFT)
            start, label = center + 20, ""
            continue
        _across(canvas, start, end, y, _STATE)
        _state(canvas, labels, start, end, y, label)
        _column(canvas, labels, center, y, str(step))
        start, label = center + half, str(step)
    gap = _PITCH - _BOX_WIDE
    _across(canvas, start, start + gap, y, _STATE)
    _math(canvas, start + gap / 2 - 3, y - 15, labels.h, label, gap, _STATE)
    low = y + _RISE + _RADIUS + 26
    canvas.line(_FIRST - half, low, center + half - 6, low, Stroke(FAINT, 1.2))
    canvas.arrow_head(center + half, low, 1, 0, FAINT, 7)
    canvas.text((_FIRST + center) / 2, low + 17, "time", color=SOFT, anchor="middle")


def _state(canvas: Canvas, labels: _Labels, left: float, right: float, y: float, sub: str) -> None:
    """Label an arrow between two steps: the state above it, its weight U below."""
    middle = (left + right) / 2 - 3
    if sub:
        _math(canvas, middle, y - 15, labels.h, sub, right - left, _STATE)
    _weight(canvas, middle, y + 20, "U", _STATE)
