"""A page of HTML around what is shown: one style, no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from elman.pictures.svg import INK, SANS, SOFT
from elman.pictures.text import escape

__all__ = ["page"]

_STYLE = f"""
body {{ font: 15px/1.5 {SANS};
  color: {INK}; background: #fff; margin: 2rem auto; max-width: 72rem; padding: 0 1.5rem; }}
h1 {{ font-size: 1.25rem; font-weight: 600; margin: 0; }}
p {{ color: {SOFT}; margin: .3rem 0 1.2rem; }}
"""


def page(title: str, subtitle: str, key: str, style: str, body: Iterable[str]) -> str:
    """Return a page.

    `title` and `subtitle` are text, `key` (what colours and lines mean) and `body` are HTML, `style` is CSS.
    """
    told = "<br>".join(part for part in (escape(subtitle), key) if part)
    lines = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title><style>{_STYLE}{style.lstrip()}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        f"<p>{told}</p>",
        *body,
        "</body></html>",
    ]
    return "\n".join(lines) + "\n"
