"""A confusion matrix as a heat map with counts and the recall of each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from elman.pictures.axes import SIDE, head
from elman.pictures.series import Floats
from elman.pictures.series import labels as checked_labels
from elman.pictures.svg import FAINT, INK, SOFT, Canvas
from elman.pictures.text import clean, shorten_middle, text_width

_MOST = 100
_MOST_TIPS = 40
EMPTY = "#f3f5f7"
# Light to dark in one hue; a cell with a single case is already told from an empty one.
_STOPS = ((0xDD, 0xEC, 0xF6), (0x8C, 0xC1, 0xE0), (0x1F, 0x7F, 0xBB), (0x05, 0x3F, 0x6B))


def heat_color(share: float) -> str:
    """Return the colour of a cell that holds `share`, above 0 and up to 1, of its row."""
    at = min(max(share, 0.0), 1.0) * (len(_STOPS) - 1)
    low = min(int(at), len(_STOPS) - 2)
    rest = at - low
    mixed = (round(a + (b - a) * rest) for a, b in zip(_STOPS[low], _STOPS[low + 1], strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _counts(counts: ArrayLike) -> Floats:
    array = np.asarray(counts)
    if array.dtype.kind not in "buif":
        raise ValueError(f"counts must hold real numbers, got dtype {array.dtype}")
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"counts must be square, got shape {array.shape}")
    if array.shape[0] == 0:
        raise ValueError("counts is empty: there is nothing to draw")
    if array.shape[0] > _MOST:
        raise ValueError(f"at most {_MOST} classes fit a picture, got {array.shape[0]}")
    result = array.astype(np.float64)
    if not np.isfinite(result).all() or (result < 0).any():
        raise ValueError("counts must be finite and not negative")
    return result


def _write(count: float) -> str:
    return f"{count:,.0f}" if count == int(count) else f"{count:,.1f}"


def _percent(share: float) -> str:
    """Return a share in per cent; only what is complete reads 100.0%, only nothing 0.0%."""
    if 0 < share < 1:
        share = min(max(share, 0.001), 0.999)
    return f"{share:.1%}"


class _Layout:
    """Where the parts of the matrix lie; lengths in pixels."""

    def __init__(self, counts: Floats, names: list[str]) -> None:
        k = len(names)
        self.cell = max(10.0, min(54.0, 620.0 / k))
        self.label = min(12.0, max(8.0, self.cell * 0.62))
        # Where even the smallest type is taller than a row, only every other label is written.
        self.stride = int(np.ceil(self.label * 1.1 / self.cell))
        widest = max(text_width(clean(name), self.label) for name in names)
        self.room = min(widest, 150.0)
        self.flat = widest <= self.cell * 0.92
        self.left = SIDE + 22 + self.room + 8
        self.size = self.cell * k
        self.count = min(13.0, self.cell * 0.44)
        # The diagonal is bold, and bold is wider.
        longest = 1.2 * max(text_width(_write(c), 1.0) for c in counts.ravel().tolist())
        self.count = min(self.count, (self.cell - 3) / max(longest, 0.1))
        self.below = self.label + 8 if self.flat else self.room * 0.71 + 14
        slant = 0.0 if self.flat else max(0.0, self.room * 0.71 - self.left + SIDE)
        self.left += slant
        self.width = max(self.left + self.size + 62 + SIDE, 430.0)


def confusion(counts: ArrayLike, labels: Sequence[str], *, title: str, subtitle: str = "") -> str:
    """Draw a confusion matrix and return SVG text.

    `counts` (k, k) are numbers of cases, true classes down, predicted classes across; `labels`
    name the k classes, up to 100.  A cell is coloured by its share of its row, and the recall
    of a class (right cases of all its cases) stands behind its row.  Counts are left out where
    they would be too small to read.  `subtitle` is the overall accuracy unless given.
    """
    table = _counts(counts)
    names = checked_labels(labels, "labels", length=table.shape[0])
    place = _Layout(table, names)
    total, right = float(table.sum()), float(np.trace(table))
    told = f"{_write(right)} of {_write(total)} cases right ({_percent(right / total)})" if total else "no cases"
    canvas = Canvas(place.width, 0, title, f"Confusion matrix of {len(names)} classes: {told}.")
    top = head(canvas, title, subtitle or told) + 40
    _draw_cells(canvas, table, names, place, top)
    _draw_labels(canvas, names, place, top)
    _draw_recall(canvas, table, place, top)
    bottom = top + place.size + place.below
    canvas.text(place.left + place.size / 2, bottom + 16, "predicted class", color=SOFT, anchor="middle")
    canvas.text(SIDE + 10, top + place.size / 2, "true class", color=SOFT, anchor="middle", turn=-90)
    _draw_scale(canvas, place, bottom + 40)
    canvas.height = bottom + 74
    return canvas.svg()


def _draw_cells(canvas: Canvas, table: Floats, names: list[str], place: _Layout, top: float) -> None:
    gap = 1.5 if place.cell >= 16 else 0.5
    size = place.cell - gap
    sums = table.sum(axis=1)
    many = len(names) > _MOST_TIPS
    if many:
        canvas.rect(place.left, top, place.size - gap, place.size - gap, EMPTY)
    for i, row in enumerate(table.tolist()):
        for j, count in enumerate(row):
            if many and count == 0:
                continue
            x, y = place.left + j * place.cell, top + i * place.cell
            share = count / sums[i] if sums[i] else 0.0
            tip = f"{names[i]}, predicted {names[j]}: {_write(count)} of {_write(float(sums[i]))}"
            canvas.rect(
                x, y, size, size, heat_color(share) if count else EMPTY, radius=2 if place.cell > 24 else 0,
                tip=tip if count and not many else "",
            )  # fmt: skip
            if place.count < 7 or (count == 0 and len(names) > 12):
                continue
            ink = FAINT if count == 0 else "#ffffff" if share > 0.5 else INK
            canvas.text(
                x + size / 2, y + size / 2 + place.count * 0.35, _write(count), size=place.count,
                color=ink, anchor="middle", weight=600 if i == j and count else 400,
            )  # fmt: skip


def _draw_labels(canvas: Canvas, names: list[str], place: _Layout, top: float) -> None:
    below = top + place.size
    for i in range(0, len(names), place.stride):
        middle = (i + 0.5) * place.cell - 0.75
        name = shorten_middle(names[i], place.label, place.room)
        drop = place.label * 0.35
        canvas.text(place.left - 8, top + middle + drop, name, size=place.label, anchor="end")
        x = place.left + middle
        if place.flat:
            canvas.text(x, below + place.label + 4, name, size=place.label, anchor="middle")
        else:
            canvas.text(x + drop, below + 8, name, size=place.label, anchor="end", turn=-45)


def _draw_recall(canvas: Canvas, table: Floats, place: _Layout, top: float) -> None:
    x = place.left + place.size + 54
    canvas.text(x, top - 9, "recall", size=12, color=SOFT, anchor="end")
    sums = table.sum(axis=1)
    for i in range(0, len(sums), place.stride):
        recall = _percent(table[i, i] / sums[i]) if sums[i] else "–"
        y = top + (i + 0.5) * place.cell - 0.75 + place.label * 0.35
        canvas.text(x, y, recall, size=place.label, color=SOFT, anchor="end")


def _draw_scale(canvas: Canvas, place: _Layout, y: float) -> None:
    """Draw the key of the colours, in steps of five per cent."""
    x = min(place.left + 26, place.width - SIDE - 250)
    canvas.text(x - 6, y + 9, "0%", size=11, color=SOFT, anchor="end")
    canvas.rect(x, y, 7, 10, EMPTY)
    for i in range(20):
        canvas.rect(x + 7 * (i + 1), y, 7, 10, heat_color((i + 1) / 20))
    canvas.text(x + 7 * 21 + 6, y + 9, "100% of the row", size=11, color=SOFT)
