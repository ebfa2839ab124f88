"""Where a decoder looked while it wrote: heat maps of what is read (across) against what is written (down)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from elman.pictures.axes import SIDE, head
from elman.pictures.matrix import EMPTY, heat_color
from elman.pictures.series import Floats
from elman.pictures.svg import FAINT, INK, SOFT, Canvas
from elman.pictures.text import clean, shorten, shorten_middle, text_width

__all__ = ["Look", "attention"]

_MOST = 80
_WIDE = 1_000.0
_GAP, _BETWEEN, _CAPTION = 4.0, 36.0, 22.0
_ROOM = 120.0


class Look(NamedTuple):
    """One text that was written, and where its writer looked.

    Attributes:
        read: labels of what is read, `T`; one that begins with a space (or its sign, ␣) begins a word.
        written: labels of what was written, `U`, likewise.
        weights: `(U, T)`, the shares of each written token's look, 0 to 1.
        caption: a line above it.
    """

    read: Sequence[str]
    written: Sequence[str]
    weights: ArrayLike
    caption: str = ""


class _Panel:
    """Where one heat map's parts lie; lengths in pixels, from its own corner."""

    def __init__(self, look: Look) -> None:
        self.look, self.table = look, _checked(look)
        written, read = self.table.shape
        self.cell = max(9.0, min(22.0, 520.0 / max(written, read)))
        self.label = min(12.0, max(8.5, self.cell * 0.62))
        # Where even the smallest type is taller than a row, only every other label is written.
        self.stride = int(np.ceil(self.label * 1.1 / self.cell))
        self.room = tuple(
            min(_ROOM, max(text_width(clean(name), self.label) for name in side)) for side in (look.written, look.read)
        )
        self.down, self.across = (_places(side, self.cell) for side in (look.written, look.read))
        self.left, self.top = self.room[0] + 8, self.room[1] * 0.71 + 12 + (_CAPTION if look.caption else 0)
        # The last slanted label leans out to the right.
        self.width = self.left + max(self.across[-1] + self.cell + self.room[1] * 0.71, 150.0)
        self.height = self.top + self.down[-1] + self.cell


def _checked(look: Look) -> Floats:
    table = np.asarray(look.weights, dtype=np.float64)
    if table.shape != (len(look.written), len(look.read)) or not table.size:
        raise ValueError(f"weights must be written x read, {len(look.written)} x {len(look.read)}, got {table.shape}")
    if max(table.shape) > _MOST:
        raise ValueError(f"at most {_MOST} tokens fit a side, got {max(table.shape)}")
    if not np.isfinite(table).all() or (table < 0).any() or (table > 1 + 1e-4).any():
        raise ValueError("weights must be shares from 0 to 1")
    return table


def _places(labels: Sequence[str], cell: float) -> list[float]:
    """Where each cell begins; the pieces of a word stand together, with a thin gap before the next word."""
    found, at = [], 0.0
    for k, name in enumerate(labels):
        if k and name[:1] in (" ", "␣"):
            at += _GAP
        found.append(at)
        at += cell
    return found


def attention(looks: Sequence[Look], *, title: str, subtitle: str = "") -> str:
    """Draw where a writer looked, one heat map a text, and return SVG text.

    A row is one written token, from top to bottom; its cells are the shares of its look over what is read, from left
    to right in the order of reading, whatever the direction of the script.  Up to 80 tokens a side.
    """
    panels = [_Panel(look) for look in looks]
    if not panels:
        raise ValueError("looks is empty: there is nothing to draw")
    lines = _lines(panels)
    inner = max(sum(one.width for one in line) + _BETWEEN * (len(line) - 1) for line in lines)
    said = f"{len(panels)} heat maps: rows are written tokens, columns tokens that are read, darker is more attention."
    canvas = Canvas(max(inner + 2 * SIDE, 430.0), 0, title, said)
    top = head(canvas, title, subtitle) + 20
    for line in lines:
        left = SIDE
        for panel in line:
            _draw(canvas, panel, left, top)
            left += panel.width + _BETWEEN
        top += max(one.height for one in line) + _BETWEEN
    _key(canvas, top - 6)
    canvas.height = top + 24
    return canvas.svg()


def _lines(panels: list[_Panel]) -> list[list[_Panel]]:
    """Panels side by side, as many as fit."""
    lines: list[list[_Panel]] = [[]]
    used = 0.0
    for panel in panels:
        if lines[-1] and used + _BETWEEN + panel.width > _WIDE:
            lines.append([])
            used = 0.0
        used += panel.width + (_BETWEEN if lines[-1] else 0.0)
        lines[-1].append(panel)
    return lines


def _draw(canvas: Canvas, panel: _Panel, left: float, top: float) -> None:
    look, size = panel.look, panel.cell - (1.5 if panel.cell >= 16 else 0.5)
    if look.caption:
        canvas.text(left, top + 11, shorten(look.caption, 12, panel.width), color=SOFT)
    x0, y0, drop = left + panel.left, top + panel.top, panel.label * 0.35
    for i in range(0, len(look.written), panel.stride):
        name = shorten_middle(look.written[i], panel.label, _ROOM)
        y = y0 + panel.down[i] + size / 2 + drop
        canvas.text(x0 - 7, y, name, size=panel.label, anchor="end", color=_ink(look.written[i]))
    for j in range(0, len(look.read), panel.stride):
        name = shorten_middle(look.read[j], panel.label, _ROOM)
        x = x0 + panel.across[j] + size / 2 + drop
        canvas.text(x, y0 - 6, name, size=panel.label, turn=-45, color=_ink(look.read[j]))
    for i, row in enumerate(panel.table.tolist()):
        # The ground of a row, so that what is hardly looked at needs no cell of its own.
        for first, last in _words(panel.across):
            y, wide = y0 + panel.down[i], panel.across[last] - panel.across[first] + size
            canvas.rect(x0 + panel.across[first], y, wide, size, EMPTY)
        for j, share in enumerate(row):
            if share >= 0.01:
                tip = f"{clean(look.written[i])} looks at {clean(look.read[j])}: {share:.0%}"
                x, y = x0 + panel.across[j], y0 + panel.down[i]
                canvas.rect(x, y, size, size, heat_color(share), radius=2 if panel.cell > 16 else 0, tip=tip)


def _words(places: list[float]) -> list[tuple[int, int]]:
    """First and last cell of each stretch without a gap."""
    if len(places) == 1:
        return [(0, 0)]
    steps = np.diff(places)
    ends = [*np.flatnonzero(steps > steps.min() + _GAP / 2).tolist(), len(places) - 1]
    return list(zip([0, *(end + 1 for end in ends[:-1])], ends, strict=True))


def _ink(label: str) -> str:
    """Marks that are no text, such as that of the end, are lighter."""
    return FAINT if label.startswith("(") and label.endswith(")") and len(label) > 2 else INK


def _key(canvas: Canvas, y: float) -> None:
    """The key of the colours, in steps of five per cent."""
    x = SIDE + 26.0
    canvas.text(x - 6, y + 9, "0%", size=11, color=SOFT, anchor="end")
    canvas.rect(x, y, 7, 10, EMPTY)
    for i in range(20):
        canvas.rect(x + 7 * (i + 1), y, 7, 10, heat_color((i + 1) / 20))
    canvas.text(x + 7 * 21 + 6, y + 9, "100% of a written token's attention", size=11, color=SOFT)
