"""Texts in colour: what the pages say of every word, whatever the words are."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.pictures import Read, Word, surprise, tagged

TAGS = st.sampled_from(["O", "B-person", "I-person", "NOUN", "<b>"])
WORD = st.text(max_size=6)


def _words(page: str) -> list[str]:
    return [unescape(one) for one in re.findall(r"<b(?: style=\"[^\"]*\")?>(.*?)</b>", page)]


def _parsed(page: str) -> ET.Element:
    """The page as XML, which is stricter than HTML: nothing is left open, nothing from a text is taken for a tag."""
    body = page[page.index("<body>") : page.index("</body>") + 7]
    named = {"&nbsp;": "\N{NO-BREAK SPACE}", "&rarr;": "→", "&crarr;": "↵"}
    for name, char in named.items():
        body = body.replace(name, char)
    return ET.fromstring(body.replace("<pre dir=auto>", "<pre>").replace("<br>", "<br/>"))


@given(st.lists(st.lists(st.tuples(WORD, TAGS, st.none() | TAGS), max_size=5), min_size=1, max_size=4))
def test_any_words_and_tags_make_a_sound_page(rows: list[list[tuple[str, str, str | None]]]) -> None:
    page = tagged([(str(n), [Word(*one) for one in row]) for n, row in enumerate(rows)], title="t", none="O")
    root = _parsed(page)
    assert len(root.findall("div")) == len(rows)
    wrong = sum(true is not None and true != said for row in rows for _, said, true in row)
    assert page.count('<i class="no">') == wrong
    assert "<script" not in page


def test_a_tag_stands_under_its_word_and_what_is_right_beside_what_is_wrong() -> None:
    words = [Word("Ann", "B-per", "B-per"), Word("saw", "O", "O"), Word("Rome", "O", "B-loc"), Word("x", "B-per", None)]
    page = tagged([("7", words)], title="What it says", subtitle="4 words", none="O")
    assert _words(page) == ["Ann", "saw", "Rome", "x"]
    assert '<i class="no">O <s>&rarr; B-loc</s></i>' in page
    assert page.count("<i>B-per</i>") == 2
    assert page.count("<i>&nbsp;</i>") == 1
    grounds = re.findall(r"<b style=\"background:(\S+?)\">(\w+)</b>", page)
    assert [word for _, word in grounds] == ["Ann", "x"]
    assert len({color for color, _ in grounds}) == 1


def test_beginnings_and_insides_of_a_kind_have_one_colour_and_kinds_have_others() -> None:
    tags = ["B-per", "I-per", "B-loc", "I-loc"]
    page = tagged([("1", [Word(tag, tag, tag) for tag in tags])], title="t", none="O")
    colors = re.findall(r"background:(#\w+)", page[page.index("<body") :])
    assert colors[0] == colors[1] != colors[2] == colors[3]


@given(
    st.lists(
        st.tuples(
            st.text(min_size=1, max_size=3) | st.just("\n"),
            st.floats(0, 50),
            st.lists(st.tuples(WORD, st.floats(0, 1)), max_size=3),
        ),
        max_size=8,
    )
)
def test_any_tokens_make_a_sound_page(tokens: list[tuple[str, float, list[tuple[str, float]]]]) -> None:
    page = surprise([[Read(*one) for one in tokens]], title="t")
    assert len(_parsed(page).findall("pre/span")) == len(tokens)


def test_the_darker_the_less_expected_and_the_text_stands_as_it_was() -> None:
    nats = [0.1, 0.7, 1.5, 3.0, 5.0, 9.0]
    texts = ["The", " cat", "\n", " ", "sat", "!"]
    page = surprise([[Read(a, b, [("x", 0.5)]) for a, b in zip(texts, nats, strict=True)]], title="t")
    root = _parsed(page)
    spans = root.findall("pre/span")
    assert "".join(span.text or "" for span in spans) == "The cat↵ sat!"
    shades = [re.search(r"background:(#\w+)", span.get("style", "background:#ffffff")) for span in spans]
    light = [sum(int(one[1][k : k + 2], 16) for k in (1, 3, 5)) for one in shades if one]
    assert light == sorted(light, reverse=True)
    assert len(set(light)) == len(light)
    assert spans[0].get("title") == "0.10 nats (90.5%); likeliest: x 50%"


@pytest.mark.parametrize("page", [tagged, surprise])
def test_nothing_to_show_is_an_error(page: object) -> None:
    with pytest.raises(ValueError, match="nothing to show"):
        page([], title="t")  # type: ignore[operator]
