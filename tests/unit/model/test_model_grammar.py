"""The words of --from and --to."""

from __future__ import annotations

import pytest

from elman import InputError
from elman.model.grammar import Part, check_pair, parse_source, parse_target


def test_sides_are_read() -> None:
    assert parse_source("series:a,b") == (Part("series", "", ("a", "b"), 0),)
    assert parse_source("text.char") == (Part("text", "char", (), 0),)
    assert parse_target("future:24:a") == Part("future", "", ("a",), 24)
    assert parse_target("label") == Part("label", "", (), 0)
    assert str(parse_target("future:24:a")) == "future:24:a"


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("serie:a", "next", "--from serie:a: unknown kind 'serie'. Did you mean 'series'"),
        ("text.chars", "next", "unknown variant 'chars'. Known: text, text.char"),
        ("series:a:b", "next", "too many colons; write series:COLUMN,COLUMN"),
        ("series:a,,b", "next", "a column name is empty"),
        ("series:a,a", "next", "named twice"),
        ("text+label:a", "text", "a label is read alone"),
        ("series:a", "future", "got nothing; write future:24"),
        ("series:a", "future:0", "got '0'; write future:24"),
        ("series:a", "future:x:a", "got 'x'; write future:24"),
        ("series:a", "label+number", "one target at a time; write --to label"),
        ("series:a+series:b", "label", "series stands there twice; write its columns together: series:a,b"),
        ("series:a+events:a", "label", "the column 'a' is read twice"),
        ("text:a+series:b", "next", "a text is continued by itself alone"),
        ("events:a", "future:3", "events alone have no numbers to forecast; add them"),
        ("text:a+series:b", "future:3", "text has no numbers to forecast"),
        ("text:a", "series:b", "use --to number for one a text"),
        ("series:a", "events:b", "--to events:b: say which: those that follow"),
        ("text:b", "future:3", "text has no numbers to forecast; use --to next"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_write(source: str, target: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        check_pair(parse_source(source), parse_target(target))
    assert message in str(error.value)
