"""Text for pictures: cleaning, XML escaping, width estimates and shortening.

Widths are estimates.  A picture made of text cannot ask which font the reader has, so the
numbers here are those of a wide sans-serif face: a layout that fits them fits narrower faces.
"""

from __future__ import annotations

import html
import unicodedata

ELLIPSIS = "…"

_NARROW = frozenset("iljtfrI.,:;'|!()[]{}-/\\ `\u2009")
_WIDE = frozenset("mwMW@%…—")
# These reorder the text around them and could make a label read as something else.
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def clean(text: str) -> str:
    """Return `text` on one line without characters that XML forbids or a terminal would obey.

    Line ends and tabs become spaces; control characters, lone surrogates, non-characters and
    marks that reverse the writing direction are dropped.
    """
    kept = []
    for char in str(text):
        if char in "\n\r\t\u2028\u2029":
            kept.append(" ")
        elif unicodedata.category(char) in ("Cc", "Cs") or char in _BIDI or ord(char) & 0xFFFE == 0xFFFE:
            continue
        else:
            kept.append(char)
    return "".join(kept).strip()


def escape(text: str) -> str:
    """Return `text` cleaned and escaped for XML content and for quoted attributes."""
    return html.escape(clean(text), quote=True)


def _em(char: str) -> float:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(char) in ("W", "F"):
        return 1.0
    if char in _NARROW:
        return 0.37
    if char in _WIDE:
        return 0.97
    if char.isupper():
        return 0.70
    return 0.61


def text_width(text: str, size: float) -> float:
    """Return the estimated width in pixels of `text` set in `size` pixels."""
    return size * sum(_em(char) for char in text)


def shorten(text: str, size: float, room: float) -> str:
    """Return cleaned `text`, cut with an ellipsis where it is wider than `room` pixels."""
    text = clean(text)
    if text_width(text, size) <= room:
        return text
    room -= text_width(ELLIPSIS, size)
    used = 0.0
    kept = []
    for char in text:
        used += _em(char) * size
        if used > room:
            break
        kept.append(char)
    return "".join(kept).rstrip() + ELLIPSIS


def shorten_middle(text: str, size: float, room: float) -> str:
    """Return cleaned `text`, its middle left out where it is wider than `room` pixels.

    Names often begin alike and differ at their end, so a third of the room is the end's.
    """
    text = clean(text)
    if text_width(text, size) <= room:
        return text
    tail = ""
    while len(tail) < len(text) and text_width(text[-1 - len(tail) :], size) <= room / 3:
        tail = text[-1 - len(tail) :]
    return shorten(text[: len(text) - len(tail)] + ELLIPSIS, size, room - text_width(tail, size)) + tail


def columns(text: str) -> int:
    """Return the number of terminal columns that `text` takes."""
    total = 0
    for char in text:
        if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
            continue
        total += 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
    return total


def shorten_columns(text: str, room: int, *, unicode: bool = True) -> str:
    """Return cleaned `text` in at most `room` terminal columns; plain ASCII if not `unicode`."""
    text = clean(text)
    if not unicode:
        text = to_ascii(text)
    if columns(text) <= room:
        return text
    mark = ELLIPSIS if unicode else "~"
    kept = ""
    for char in text:
        if columns(kept + char) > room - 1:
            break
        kept += char
    return kept.rstrip() + mark if room > 0 else ""


def to_ascii(text: str) -> str:
    """Return `text` in ASCII: accents dropped, the typographic minus kept as '-', else '?'."""
    flat = text.replace("\u2212", "-").replace("\u2013", "-").replace(ELLIPSIS, "...")
    flat = unicodedata.normalize("NFKD", flat)
    flat = "".join(char for char in flat if not unicodedata.combining(char))
    return flat.encode("ascii", "replace").decode("ascii")
