"""A small canvas that writes SVG: shapes, text, colours; the same calls give the same bytes.

Coordinates are pixels from the top left corner.  Nothing refers to an id, so that any number
of pictures can stand in one HTML page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from elman.pictures.text import escape

# The colours of Okabe and Ito, told apart with every common kind of colour blindness; ordered
# so that the first ones are the darkest, since they meet a white ground.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
)  # fmt: skip
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
DASHES = ("", "6 3", "2 3", "8 3 2 3")

INK = "#1f2328"
SOFT = "#57606a"
FAINT = "#8c959f"
GRID = "#e4e7eb"
GROUND = "#ffffff"

SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
SERIF = "'STIX Two Text', Cambria, 'Times New Roman', 'Liberation Serif', Georgia, serif"


class Stroke(NamedTuple):
    """How a line looks: colour, width in pixels, dash pattern, opacity."""

    color: str = INK
    width: float = 1.5
    dash: str = ""
    opacity: float = 1.0


def style_of(index: int) -> tuple[str, str]:
    """Return colour and dash of the series number `index`; they repeat after 24 series."""
    return PALETTE[index % len(PALETTE)], DASHES[index // len(PALETTE) % len(DASHES)]


def num(value: float) -> str:
    """Return `value` in at most two decimals, without trailing zeros: 3, 0.5, -1.25."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _points(xs: Iterable[float], ys: Iterable[float]) -> str:
    # One decimal is a tenth of a pixel: enough for a curve, and it halves the file.
    return " ".join(f"{x:.1f},{y:.1f}".replace(".0,", ",").removesuffix(".0") for x, y in zip(xs, ys, strict=True))


class Canvas:
    """Collects shapes and writes them as one SVG picture of `width` by `height` pixels."""

    def __init__(self, width: float, height: float, title: str, description: str) -> None:
        self.width = width
        self.height = height
        self._head = (title, description)
        self._parts: list[str] = []

    def svg(self) -> str:
        """Return the picture as text."""
        title, description = (escape(text) for text in self._head)
        w, h = num(self.width), num(self.height)
        # The ground is drawn, not left out: on a dark page the dark ink would vanish.
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" '
            f'role="img" font-family="{SANS}" font-size="12" fill="{INK}" '
            'style="max-width:100%;height:auto">\n'
            f"<title>{title}</title>\n<desc>{description}</desc>\n"
            f'<rect width="{w}" height="{h}" rx="6" fill="{GROUND}"/>\n'
        )
        return head + "\n".join(self._parts) + "\n</svg>\n"

    def _add(self, name: str, attributes: dict[str, str], inner: str = "") -> None:
        written = "".join(f' {key}="{value}"' for key, value in attributes.items())
        self._parts.append(f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>")

    @staticmethod
    def _stroke(stroke: Stroke) -> dict[str, str]:
        attributes = {"stroke": stroke.color, "stroke-width": num(stroke.width)}
        if stroke.dash:
            attributes["stroke-dasharray"] = stroke.dash
        if stroke.opacity != 1.0:
            attributes["stroke-opacity"] = num(stroke.opacity)
        return attributes

    def line(self, x1: float, y1: float, x2: float, y2: float, stroke: Stroke) -> None:
        """Draw a straight line."""
        ends = {"x1": num(x1), "y1": num(y1), "x2": num(x2), "y2": num(y2)}
        self._add("line", ends | self._stroke(stroke))

    def polyline(self, xs: Sequence[float], ys: Sequence[float], stroke: Stroke) -> None:
        """Draw a line through points."""
        joins = {"stroke-linejoin": "round", "stroke-linecap": "butt" if stroke.dash else "round"}
        self._add("polyline", {"points": _points(xs, ys), "fill": "none"} | self._stroke(stroke) | joins)

    def area(self, xs: Sequence[float], ys: Sequence[float], fill: str, opacity: float) -> None:
        """Fill the polygon whose corners are given."""
        self._add("polygon", {"points": _points(xs, ys), "fill": fill, "fill-opacity": num(opacity)})

    def rect(
        self, x: float, y: float, width: float, height: float, fill: str, *,
        opacity: float = 1.0, radius: float = 0.0, stroke: Stroke | None = None, tip: str = "",
    ) -> None:  # fmt: skip
        """Draw a rectangle; `tip` is shown when a pointer rests on it."""
        at = {"x": num(x), "y": num(y), "width": num(width), "height": num(height)}
        if radius:
            at["rx"] = num(radius)
        at["fill"] = fill
        if opacity != 1.0:
            at["fill-opacity"] = num(opacity)
        if stroke is not None:
            at |= self._stroke(stroke)
        self._add("rect", at, f"<title>{escape(tip)}</title>" if tip else "")

    def circle(self, x: float, y: float, radius: float, fill: str, stroke: Stroke | None = None) -> None:
        """Draw a disc."""
        at = {"cx": num(x), "cy": num(y), "r": num(radius), "fill": fill}
        self._add("circle", at | (self._stroke(stroke) if stroke is not None else {}))

    def path(self, data: str, stroke: Stroke) -> None:
        """Draw an unfilled path; `data` is in the path language of SVG."""
        self._add("path", {"d": data, "fill": "none"} | self._stroke(stroke))

    def text(
        self, x: float, y: float, text: str, *, size: float = 12, color: str = INK,
        anchor: str = "start", weight: int = 400, italic: bool = False, serif: bool = False,
        halo: bool = False, turn: float = 0.0, sub: str = "",
    ) -> None:  # fmt: skip
        """Write `text` with its base line at `y`.

        `anchor` is start, middle or end; `sub` is set as a subscript behind the text; `turn` is
        an angle in degrees, clockwise, about (x, y); `halo` keeps the text readable on lines.
        """
        at = {"x": num(x), "y": num(y), "font-size": num(size)}
        if color != INK:
            at["fill"] = color
        if anchor != "start":
            at["text-anchor"] = anchor
        if weight != 400:
            at["font-weight"] = str(weight)
        if italic:
            at["font-style"] = "italic"
        if serif:
            at["font-family"] = SERIF
        if halo:
            at |= {"stroke": GROUND, "stroke-width": "3", "paint-order": "stroke", "stroke-linejoin": "round"}
        if turn:
            at["transform"] = f"rotate({num(turn)} {num(x)} {num(y)})"
        inner = escape(text)
        if sub:
            # dy, since not every viewer knows baseline-shift.
            inner += f'<tspan dy="{num(size * 0.25)}" font-size="{num(size * 0.68)}">{escape(sub)}</tspan>'
        if inner:
            self._add("text", at, inner)

    def arrow_head(self, x: float, y: float, dx: float, dy: float, color: str, size: float = 8) -> None:
        """Draw an arrow head whose tip is at (x, y) and that points along (dx, dy), length 1."""
        back_x, back_y = x - size * dx, y - size * dy
        half = size * 0.38
        xs = [x, back_x - half * dy, back_x + half * dy]
        ys = [y, back_y + half * dx, back_y - half * dx]
        self.area(xs, ys, color, 1.0)
