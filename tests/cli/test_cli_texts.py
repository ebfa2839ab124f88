"""Texts as people have them: scripts from right to left, signs that combine, endless lines, next to nothing in them."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import elman as package
from elman import InputError

Elman = Callable[..., Any]
FAST = ("--epochs", "1", "--hidden", "4", "--out", "o")
SCRIPTS = ["שלום", "עולם", "مرحبا", "e\u0301te\u0301", "नमस्ते", "👩‍👩‍👧", "İstanbul", "ﬁ"]
"""From right to left, with combining marks, joined signs, letters that grow in small letters."""


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _mixed(chance: random.Random, count: int = 40) -> list[str]:
    return [" ".join(chance.choices(SCRIPTS, k=chance.randint(1, 5))) for _ in range(count)]


@pytest.mark.parametrize("kind", ["text", "text.char", "text.bpe"])
def test_any_script_is_read_written_and_shown(elman: Elman, there: Path, kind: str) -> None:
    chance = random.Random(0)
    lines = _mixed(chance)
    (there / "a.src").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (there / "a.tgt").write_text("\n".join(reversed(lines)) + "\n", encoding="utf-8")
    said = elman("train", "a.src", "a.tgt", "--from", f"{kind}:src", "--to", f"{kind}:tgt", *FAST)
    assert said.code == 0, said.err
    page = (there / "o/written.html").read_text(encoding="utf-8")
    assert 'dir="auto"' in page
    said = elman("predict", "o", "a.src", "--beam", "2")
    assert said.code == 0, said.err
    # A model that has learnt nothing writes ends of lines too, within quotes.
    assert len(list(csv.reader(io.StringIO(said.out, newline="")))) == 41


def test_a_text_of_any_script_goes_on(elman: Elman, there: Path) -> None:
    (there / "book.txt").write_text("\n".join(_mixed(random.Random(1), 200)), encoding="utf-8")
    assert elman("train", "book.txt", "--from", "text.char", "--to", "next", *FAST).code == 0
    said = elman("generate", "o", "--prompt", "שלום ", "--length", "12")
    assert said.code == 0, said.err
    assert said.out.startswith("שלום ")
    page = (there / "o/surprise.html").read_text(encoding="utf-8")
    assert "ש" in page


@pytest.mark.parametrize("kind", ["text", "text.char", "text.bpe"])
def test_one_endless_line_is_a_text_like_any_other(elman: Elman, there: Path, kind: str) -> None:
    chance = random.Random(2)
    words = ["".join(chance.choices("abcdefgh", k=chance.randint(1, 3))) for _ in range(20_000)]
    (there / "endless.txt").write_text(" ".join(words))
    said = elman("train", "endless.txt", "--from", kind, "--to", "next", *FAST)
    assert said.code == 0, said.err
    assert elman("evaluate", "o", "endless.txt").code == 0


@pytest.mark.parametrize("kind", ["text", "text.char", "text.bpe"])
def test_a_vocabulary_of_one_word_has_nothing_to_learn_and_does_no_harm(elman: Elman, there: Path, kind: str) -> None:
    (there / "one.txt").write_text("word " * 300)
    said = elman("train", "one.txt", "--from", kind, "--to", "next", *FAST)
    assert said.code == 0, said.err
    said = elman("generate", "o", "--prompt", "word", "--length", "3", "--temperature", "0")
    assert said.code == 0
    assert said.out.startswith("word")


@pytest.mark.parametrize("name", ["bad.txt", "bad.csv", "bad.jsonl"])
def test_what_is_not_utf8_is_refused_with_the_place_and_a_way_out(elman: Elman, there: Path, name: str) -> None:
    head = {"bad.txt": b"ok\n", "bad.csv": b"text,label\n", "bad.jsonl": b""}[name]
    (there / name).write_bytes(head + (b'{"text": "caf\xe9"}\n' if name.endswith("l") else b"caf\xe9 au lait,a\n") * 9)
    goal = ("--from", "text.char", "--to", "next") if name == "bad.txt" else ("--from", "text:text", "--to", "label")
    said = elman("train", name, *goal, *FAST)
    assert said.code == 2
    assert re.search(rf"{name}, line \d: not UTF-8: byte 0xe9 at offset \d+\. Convert it", said.err)
    assert not (there / "o").exists()


def test_pairs_with_an_empty_side_are_learnt_from_and_predicted(elman: Elman, there: Path) -> None:
    pairs = [("a b c", "x y"), ("", "z"), ("d e", ""), ("f g", "z x")] * 15
    for ending, side in (("de", 0), ("en", 1)):
        (there / f"p.{ending}").write_text("".join(pair[side] + "\n" for pair in pairs))
    said = elman("train", "p.de", "p.en", "--from", "text:de", "--to", "text:en", *FAST)
    assert said.code == 0, said.err
    assert len(elman("predict", "o", "p.de").out.splitlines()) == 61
    assert elman("evaluate", "o", "p.de", "p.en").code == 0


def test_a_target_far_longer_than_any_in_training_is_scored_and_writing_ends(elman: Elman, there: Path) -> None:
    (there / "t.de").write_text("a b\nb a\n" * 30)
    (there / "t.en").write_text("x y\ny x\n" * 30)
    assert elman("train", "t.de", "t.en", "--from", "text:de", "--to", "text:en", *FAST).code == 0
    (there / "far.de").write_text("a b\nb a\n")
    (there / "far.en").write_text("x y " * 1500 + "\nx\n")
    said = elman("evaluate", "o", "far.de", "far.en")
    assert said.code == 0, said.err
    # The longest of training has two tokens; what is written ends at half as many again, and ten.
    texts = [line.split(",")[1] for line in elman("predict", "o", "far.de").out.splitlines()[1:]]
    assert max(len(text.split()) for text in texts) <= 13


def test_tags_not_as_long_as_their_words_are_refused_with_the_line(elman: Elman, there: Path) -> None:
    rows = [{"w": ["a", "b"], "t": ["X", "Y"]}] * 20 + [{"w": ["a", "b", "c"], "t": ["X", "Y"]}]
    (there / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    said = elman("train", "t.jsonl", "--from", "text:w", "--to", "tags:t", *FAST)
    assert said.code == 2
    assert "t.jsonl, line 21, column 't': --to tags has 2 steps, but w has 3; make them equal" in said.err


# Tags that know their neighbours ------------------------------------------------------------------------------


@pytest.fixture
def named(there: Path) -> str:
    rows = [{"w": ["Ann", "sees", "Rome"], "t": ["B-P", "O", "B-L"]}] * 40
    (there / "named.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return "named.jsonl"


@pytest.mark.parametrize("option", ["--class-weights balanced", "--label-smoothing 0.1", "--truncate 2"])
def test_what_has_no_meaning_for_tags_that_know_their_neighbours_is_refused(
    elman: Elman, named: str, option: str
) -> None:
    words = ("train", named, "--from", "text:w", "--to", "tags:t", *option.split(), *FAST)
    said = elman(*words)
    assert said.code == 2
    assert f"{option}: tags that know their neighbours are learnt whole (take --no-crf for others)" in said.err
    assert elman(*words, "--no-crf").code == 0


def test_sentences_of_a_plain_text_are_tagged_word_by_word(elman: Elman, named: str) -> None:
    assert elman("train", named, "--from", "text:w", "--to", "tags:t", *FAST).code == 0
    Path("mine.txt").write_text("Ann sees Rome.\n\nBob, too\n")
    table = list(csv.DictReader(io.StringIO(elman("predict", "o", "mine.txt").out)))
    assert [(row["id"], row["w"]) for row in table] == [
        *(("1", word) for word in ("Ann", "sees", "Rome", ".")),
        *(("3", word) for word in ("Bob", ",", "too")),
    ]
    said = elman("evaluate", "o", "mine.txt")
    assert said.code == 2


def test_tags_that_know_their_neighbours_do_not_stream(elman: Elman, named: str) -> None:
    assert elman("train", named, "--from", "text:w", "--to", "tags:t", "--causal", *FAST).code == 0
    with pytest.raises(InputError, match=r"know their neighbours, those behind them too: .*--causal --no-crf"):
        package.load("o").stream()
