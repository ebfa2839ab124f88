"""Text is safe in XML and in a terminal, and fits the room it is given."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from elman.pictures.svg import Canvas, Stroke, num
from elman.pictures.text import clean, columns, escape, shorten, shorten_columns, shorten_middle, text_width

SETTINGS = settings(deadline=None, max_examples=80)
SVG = "{http://www.w3.org/2000/svg}"
# All code points, surrogates included: what a file name can hold.
ANY = st.text(st.characters(), max_size=60)


@SETTINGS
@given(ANY)
def test_any_text_is_carried_unharmed_and_harmless(text: str) -> None:
    canvas = Canvas(100, 50, text, text)
    canvas.text(1, 2, text, sub=text)
    canvas.rect(0, 0, 1, 1, "#000000", tip=text)
    root = ET.fromstring(canvas.svg())
    assert (root.findtext(f"{SVG}title") or "") == clean(text)
    assert {node.tag for node in root.iter()} <= {
        f"{SVG}{t}" for t in ("svg", "title", "desc", "rect", "text", "tspan")
    }


def test_control_characters_and_reversals_are_dropped() -> None:
    assert clean(" a\x1b[31mb\nc\u202ed\x00\ufffe\ud800 ") == "a[31mb cd"
    assert escape("<a href=\"x\" b='y'>&") == "&lt;a href=&quot;x&quot; b=&#x27;y&#x27;&gt;&amp;"


@SETTINGS
@given(ANY, st.floats(40, 400))
def test_shortened_text_fits(text: str, room: float) -> None:
    assert text_width(shorten(text, 12, room), 12) <= room + 1e-9


@SETTINGS
@given(ANY, st.floats(40, 400))
def test_text_shortened_in_its_middle_fits(text: str, room: float) -> None:
    assert text_width(shorten_middle(text, 12, room), 12) <= room + 1e-9


def test_what_differs_at_its_end_is_still_told_apart() -> None:
    names = [f"department of the interior, section {k}" for k in (1, 2)]
    short = [shorten_middle(name, 12, 150) for name in names]
    assert [name[:5] for name in short] == ["depar", "depar"]
    assert [name[-1] for name in short] == ["1", "2"]
    assert all(name.count("…") == 1 for name in short)
    assert shorten_middle("as it is", 12, 150) == "as it is"


@SETTINGS
@given(ANY, st.integers(0, 30), st.booleans())
def test_shortened_columns_fit(text: str, room: int, unicode: bool) -> None:
    short = shorten_columns(text, room, unicode=unicode)
    assert columns(short) <= room
    assert unicode or short.isascii()


def test_width_of_wide_and_combining_letters() -> None:
    assert columns("日本") == 4
    assert columns("e\u0301") == 1
    assert text_width("日", 10) == 10
    assert shorten_columns("Zürich", 10, unicode=False) == "Zurich"


def test_numbers_have_no_needless_digits() -> None:
    assert [num(v) for v in (3.0, 0.5, -1.254, -0.001, 100.0)] == ["3", "0.5", "-1.25", "0", "100"]


def test_shapes_are_written() -> None:
    canvas = Canvas(10, 10, "t", "d")
    canvas.polyline([0, 1.26], [2.0, 3.0], Stroke("#000000", 1, "2 2", 0.5))
    assert 'points="0,2 1.3,3"' in canvas.svg()
    assert 'stroke-opacity="0.5"' in canvas.svg()
