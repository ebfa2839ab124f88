"""Texts side by side on a page: what was read, what stands in the data, what was written, differences marked."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from elman.pictures.page import page
from elman.pictures.svg import BLUE, FAINT, GRID, SOFT, VERMILION
from elman.pictures.text import ELLIPSIS, escape

__all__ = ["Told", "side_by_side"]

_MOST = 600
"""Letters of a text that are shown."""

_WORD = re.compile(r"\s+|\w+(?:['’\-]\w+)*|[^\w\s]", re.UNICODE)

_STYLE = f"""
table {{ border-collapse: collapse; width: 100%; table-layout: fixed; }}
th, td {{ text-align: start; vertical-align: top; padding: .55rem .9rem .55rem 0; overflow-wrap: anywhere;
  border-top: 1px solid {GRID}; unicode-bidi: plaintext; }}
th {{ color: {SOFT}; font-weight: 600; border-top: 0; }}
.n {{ width: 3.2rem; color: {FAINT}; font-variant-numeric: tabular-nums; }}
td div + div {{ margin-top: .35rem; }}
ins {{ color: {VERMILION}; text-decoration: underline wavy; text-decoration-thickness: 1px;
  text-underline-offset: 3px; }}
del {{ color: {BLUE}; text-decoration: underline dotted; text-decoration-thickness: 2px;
  text-underline-offset: 3px; }}
.same {{ color: #00704f; }}
.empty {{ color: {FAINT}; }}
"""


class Told(NamedTuple):
    """One line of the page.

    Attributes:
        name: where it stands, such as the line of the file.
        read: what was read. true: what stands in the data. written: what was written, the best first.
    """

    name: str
    read: str
    true: Sequence[str]
    written: Sequence[str]


def side_by_side(
    rows: Sequence[Told], heads: tuple[str, str, str], *, title: str, subtitle: str = "", compared: bool = True
) -> str:
    """Return a page of HTML, without a script and without anything from elsewhere.

    `heads` name the three columns.  If `compared`, the first true text of a row is set against the first that was
    written, word by word (letter by letter where there are no spaces): what was written and is not there is underlined
    wavy, what is there and was not written dotted, so that no colour is needed to tell them.
    """
    if not rows:
        raise ValueError("rows is empty: there is nothing to show")
    key = (
        " <ins>written, not in the data</ins> &nbsp; <del>in the data, not written</del> &nbsp; "
        '<span class="same">✓ the same</span>'
    )
    table = (
        '<table><tr><th class="n"></th>' + "".join(f"<th>{escape(head)}</th>" for head in heads) + "</tr>",
        *(_row(row, compared=compared) for row in rows),
        "</table>",
    )
    return page(title, subtitle, key if compared else "", _STYLE, table)


def _row(row: Told, *, compared: bool) -> str:
    true, written = ([_cut(text) for text in side] for side in (row.true, row.written))
    there, made = [_plain(text) for text in true], [_plain(text) for text in written]
    if compared and true and written:
        if true[0] == written[0]:
            made[0] = f'<span class="same">✓</span> {made[0]}'
        else:
            there[0], made[0] = _marked(true[0], written[0])
    cells = (
        "".join(f'<div dir="auto">{text}</div>' for text in side) for side in ([_plain(_cut(row.read))], there, made)
    )
    return f'<tr><td class="n">{escape(row.name)}</td>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _plain(text: str) -> str:
    return escape(text) or '<span class="empty">(empty)</span>'


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else text[: _MOST - 1] + ELLIPSIS


def _marked(true: str, written: str) -> tuple[str, str]:
    """Both texts with what the other has not marked."""
    spaced = any(char.isspace() for char in true.strip() + written.strip())
    sides: list[list[str]] = [_WORD.findall(text) if spaced else _letters(text) for text in (true, written)]
    there, made = [], []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, sides[0], sides[1], autojunk=False).get_opcodes():
        there.append(_mark("del" if kind != "equal" else "", sides[0][a:b]))
        made.append(_mark("ins" if kind != "equal" else "", sides[1][c:d]))
    return "".join(there) or _plain(true), "".join(made) or _plain(written)


def _mark(tag: str, parts: list[str]) -> str:
    """Parts of a text in a tag, without the spaces at its ends."""
    text = "".join(parts)
    inner = escape(text)
    if not tag or not inner:
        return " " * (text[:1].isspace()) + inner + " " * (bool(inner) and text[-1:].isspace())
    return f"{' ' * text[:1].isspace()}<{tag}>{inner}</{tag}>{' ' * text[-1:].isspace()}"


def _letters(text: str) -> list[str]:
    """The letters of a text, each with the marks that combine with it."""
    found: list[str] = []
    for char in text:
        if found and (unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Mc", "Cf")):
            found[-1] += char
        else:
            found.append(char)
    return found
