"""Texts in colour on a page: the tag of every word, or how much every token of a text surprised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from elman.pictures.page import page
from elman.pictures.svg import FAINT, GRID, PALETTE, SOFT, VERMILION
from elman.pictures.text import escape

__all__ = ["Read", "Word", "surprise", "tagged"]

_TAGS = f"""
.s {{ border-top: 1px solid {GRID}; padding: .6rem 0 .7rem; display: flex; gap: .9rem; }}
.n {{ flex: 0 0 2.6rem; color: {FAINT}; font-variant-numeric: tabular-nums;
  line-height: 1.7; overflow-wrap: anywhere; }}
.t {{ flex: 1; }}
.w {{ display: inline-block; vertical-align: top; margin: 0 .45rem .3rem 0; line-height: 1.35; }}
.w b {{ font-weight: 400; display: block; padding: .05rem .2rem; border-radius: 3px; unicode-bidi: isolate; }}
.w i {{ font-style: normal; display: block; font-size: .72rem; color: {SOFT}; padding: 0 .2rem; }}
.w i.no {{ color: {VERMILION}; text-decoration: underline wavy; text-underline-offset: 3px;
  text-decoration-thickness: 1px; }}
.w s {{ color: {SOFT}; text-decoration: none; }}
"""

_SURPRISE = f"""
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; font: 15px/1.75 ui-monospace, 'SFMono-Regular', Menlo, Consolas,
  'DejaVu Sans Mono', monospace; margin: 0 0 1.1rem; padding-top: .8rem; border-top: 1px solid {GRID}; }}
pre span {{ border-radius: 2px; }}
.key span {{ padding: .1rem .5rem; }}
.end {{ color: {FAINT}; }}
"""

_STEPS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Nats from which on a token is darker."""

_SHADES = ("#ffffff", "#fdf0e6", "#fbd9bf", "#f5b183", "#e8823f", "#c65102")


class Word(NamedTuple):
    """A word, what the model said of it, and what stands in the data (None where it is not known)."""

    text: str
    said: str
    true: str | None


class Read(NamedTuple):
    """A token, its surprise in nats, and what was thought likelier, the likeliest first, with chances."""

    text: str
    nats: float
    expected: Sequence[tuple[str, float]]


def tagged(rows: Sequence[tuple[str, Sequence[Word]]], *, title: str, subtitle: str = "", none: str = "") -> str:
    """Return a page of sentences, each a name and its words, with the tag under every word.

    Kinds have colours, B-X and I-X the same one; a tag that is wrong is underlined, and what is right stands beside it.
    The tag `none` (the O of names in texts) is shown where it is wrong only.
    """
    if not rows:
        raise ValueError("rows is empty: there is nothing to show")
    kinds = sorted({_kind(tag) for _, words in rows for word in words for tag in (word.said, word.true or none)})
    colors = {kind: PALETTE[n % len(PALETTE)] for n, kind in enumerate(k for k in kinds if k and k != none)}
    body = [
        f'<div class="s"><div class="n">{escape(name)}</div><div class="t" dir="auto">'
        + "".join(_word(word, colors, none) for word in words)
        + "</div></div>"
        for name, words in rows
    ]
    key = (
        "in front the line or id; under each word what the model says; "
        '<span class="w" style="margin:0"><i class="no" style="display:inline">'
        'what is wrong</i> <i style="display:inline">&rarr; what is right</i></span>'
    )
    return page(title, subtitle, key, _TAGS, body)


def _word(word: Word, colors: dict[str, str], none: str) -> str:
    color = colors.get(_kind(word.said))
    ground = f' style="background:{color}2b"' if color else ""
    wrong = word.true is not None and word.true != word.said
    if wrong:
        tag = f'<i class="no">{escape(word.said)} <s>&rarr; {escape(str(word.true))}</s></i>'
    else:
        tag = f"<i>{'&nbsp;' if word.said == none else escape(word.said)}</i>"
    return f'<span class="w"><b{ground}>{escape(word.text)}</b>{tag}</span>'


def _kind(tag: str) -> str:
    return tag[2:] if tag[:2] in ("B-", "I-") else tag


def surprise(texts: Sequence[Sequence[Read]], *, title: str, subtitle: str = "") -> str:
    """Return a page of texts whose every token is the darker the less it was expected; pointed at, it says of what.

    The surprise of a token is ``-log p`` in nats: 0.7 where it came with a chance of one half, 2.3 with one tenth.
    """
    if not texts:
        raise ValueError("texts is empty: there is nothing to show")
    names = [f"under {_STEPS[0]:g}", *(f"{step:g}" for step in _STEPS)]
    key = '<span class="key">nats: ' + " ".join(
        f'<span style="background:{shade};color:{_ink(n)};border:1px solid {GRID}">{name}</span>'
        for n, (shade, name) in enumerate(zip(_SHADES, names, strict=True))
    )
    key += " and more; point at a token to see what was expected</span>"
    body = ["<pre dir=auto>" + "".join(map(_token, text)) + "</pre>" for text in texts]
    return page(title, subtitle, key, _SURPRISE, body)


def _token(read: Read) -> str:
    level = sum(read.nats >= step for step in _STEPS)
    told = ", ".join(f"{name} {chance:.0%}" for name, chance in read.expected)
    title = f"{read.nats:.2f} nats ({math.exp(-read.nats):.1%}); likeliest: {told}" if read.expected else "the first"
    style = f' style="background:{_SHADES[level]};color:{_ink(level)}"' if level else ""
    if read.text == "\n":
        return f'<span class="end"{style} title="{escape(title)}">&crarr;</span>\n'
    text = read.text.lstrip(" ")
    inner = " " * (len(read.text) - len(text)) + escape(text) + " " * (len(text) - len(text.rstrip(" ")))
    return f'<span{style} title="{escape(title)}">{inner}</span>'


def _ink(level: int) -> str:
    return "#ffffff" if level == len(_SHADES) - 1 else "inherit"
