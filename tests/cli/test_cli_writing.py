"""Writing texts at the terminal: on from a prompt, of labels, and drawn in place of predicted."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

Elman = Callable[..., Any]
ENDINGS = {"Greek": "os", "Italian": "ini", "Polish": "ski"}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory, elman: Elman) -> Path:
    """A model that writes names of a nationality."""
    folder, chance = tmp_path_factory.mktemp("names"), random.Random(0)
    rows = [
        ("".join(chance.choices("abelmnort", k=3)).title() + end, label)
        for label, end in ENDINGS.items()
        for _ in range(60)
    ]
    (folder / "names.csv").write_text("name,nationality\n" + "".join(f"{a},{b}\n" for a, b in rows))
    words = (
        "--from",
        "label:nationality",
        "--to",
        "text.char:name",
        "--epochs",
        "12",
        "--hidden",
        "32",
        "--lr",
        "0.01",
    )
    said = elman("train", folder / "names.csv", *words, "--out", folder / "run")
    assert said.code == 0, said.err
    return folder / "run"


def _table(text: str) -> pl.DataFrame:
    return pl.read_csv(io.StringIO(text))


def test_texts_are_written_of_every_label_or_of_those_named(names: Path, elman: Elman) -> None:
    every = _table(elman("generate", names).out)
    assert every.columns == ["nationality", "name"]
    assert every["nationality"].to_list() == [label for label in ENDINGS for _ in range(3)]
    some = _table(elman("generate", names, "--of", "Polish, Greek", "--count", "20").out)
    assert some["nationality"].unique(maintain_order=True).to_list() == ["Polish", "Greek"]
    for (label,), rows in some.group_by("nationality"):
        assert sum(name.endswith(ENDINGS[str(label)]) for name in rows["name"]) > 10
        assert rows["name"].n_unique() > 10


def test_a_seed_writes_the_same_and_another_one_others(names: Path, elman: Elman) -> None:
    words = ("generate", names, "--of", "Greek", "--count", "10")
    assert elman(*words, "--seed", "1").out == elman(*words, "--seed", "1").out
    assert elman(*words, "--seed", "1").out != elman(*words, "--seed", "2").out
    cold = _table(elman(*words, "--temperature", "0").out)
    assert cold["name"].n_unique() == 1


def test_a_prompt_begins_every_text_and_length_ends_it(names: Path, elman: Elman) -> None:
    made = _table(elman("generate", names, "--prompt", "Abb", "--length", "2").out)
    assert all(name.startswith("Abb") and len(name) <= 5 for name in made["name"])


def test_a_table_of_texts_is_scored_as_any_other(names: Path, elman: Elman, tmp_path: Path) -> None:
    made = tmp_path / "made.csv"
    said = elman("generate", names, "--count", "5", "--out", made)
    assert said.code == 0
    assert f"15 rows written to {made}" in said.err
    assert "nats" in elman("evaluate", names, made).out
    again = elman("generate", names, "--out", made)
    assert again.code == 2
    assert "exists already and is not overwritten" in again.err


def test_predictions_are_drawn_on_request(names: Path, elman: Elman) -> None:
    file = names.parent / "names.csv"
    words = ("predict", names, file, "--n-best", "4", "--seed", "3")
    drawn = _table(elman(*words).out)
    assert drawn["rank"].to_list()[:4] == [1, 2, 3, 4]
    assert drawn.equals(_table(elman(*words).out))
    assert not drawn.equals(_table(elman("predict", names, file, "--n-best", "4").out))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("generate run --of Dutch", "label 'Dutch' is none that training saw. Known: Greek, Italian, Polish"),
        ("generate run --of Griek", "Did you mean 'Greek'?"),
        ("generate run --count 0", "--count 0: expected a number of texts, at least 1"),
        (
            "predict run names.csv --temperature 1 --n-best 0",
            "--n-best: expected a whole number from 1 to 1,000,000, got 0",
        ),
        ("generate run --length 0", "--length: expected a whole number from 1"),
        ("generate run --stop a", "--stop is for a text that goes on"),
        ("generate run --prompt 7", "--prompt: training never saw '7', so no text begins with it"),
        ("generate run --out made.txt", "--out made.txt: the ending says the format"),
        ("generate run --top-p 2", "--top-p: expected a share above 0 and up to 1 (all tokens), got 2.0"),
        ("predict run names.csv --beam 3 --temperature 0.5", "say the one or the other"),
        ("predict run names.csv --temperature -1", "--temperature: expected 0 (the likeliest) or a number above"),
        ("predict run names.csv --beam 0", "--beam: expected a whole number from 1 (greedy) to 10,000, got 0"),
        (
            "generate run --temperature 1e300",
            "--temperature: expected 0 (the likeliest) or a number above, up to 1,000,000",
        ),
        ("predict run names.csv --n-best 0", "--n-best: expected a whole number of texts from 1 to 10,000, got 0"),
        ("predict run names.csv --n-best 99999", "--n-best: expected a whole number of texts from 1 to 10,000"),
        ("predict run names.csv --n-best 9 --beam 2", "--n-best: a beam of 2 finds from 1 to 2 texts, got 9"),
        ("evaluate run names.csv --beam 0", "--beam: expected a whole number from 1 (greedy) to 10,000, got 0"),
    ],
)
def test_what_cannot_be_is_refused(
    names: Path, elman: Elman, monkeypatch: pytest.MonkeyPatch, words: str, message: str
) -> None:
    monkeypatch.chdir(names.parent)
    said = elman(*words.split())
    assert said.code == 2
    assert message in said.err
    assert said.out == ""


def test_a_prompt_is_read_from_standard_input_and_a_stop_ends_the_text(
    models: Path, elman: Elman, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("generate", models / "book", "--length", "30", "--seed", "4")
    whole = elman(*words, "--prompt", "ab").out
    monkeypatch.setattr("sys.stdin", io.StringIO("ab\n"))
    assert elman(*words, "--prompt", "-").out == whole
    stop = whole.removesuffix("\n")[10:12]
    said = elman(*words, "--prompt", "ab", "--stop", stop)
    assert said.out == whole[: whole.index(stop, 2)] + "\n"


def test_what_comes_next_is_a_command_that_writes(names: Path, elman: Elman) -> None:
    said = elman("show", names)
    assert f"elman generate {names} --count 5" in said.out.replace("\n", " ")


def test_closed_standard_input_is_told(models: Path, elman: Elman, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    said = elman("generate", models / "book", "--prompt", "-")
    assert said.code == 2
    assert "--prompt -: standard input is closed" in said.err


def test_a_text_of_a_text_is_no_text_that_goes_on(elman: Elman, tmp_path: Path) -> None:
    for ending in ("de", "en"):
        (tmp_path / f"a.{ending}").write_text("a b\nb a\n" * 20)
    words = ("--from", "text:de", "--to", "text:en", "--epochs", "1", "--hidden", "4", "--out", tmp_path / "o")
    assert elman("train", tmp_path / "a.de", tmp_path / "a.en", *words).code == 0
    said = elman("generate", tmp_path / "o", "--prompt", "a b")
    assert said.code == 2
    assert said.out == ""
    assert "this model writes texts of what it reads: elman predict RUN FILE" in said.err


def test_a_label_may_hold_a_comma(elman: Elman, tmp_path: Path) -> None:
    rows = "".join('ab,"New, York"\nba,Rome\n' for _ in range(20))
    (tmp_path / "names.csv").write_text("name,place\n" + rows)
    words = ("--from", "label:place", "--to", "text.char:name", "--epochs", "1", "--hidden", "4")
    assert elman("train", tmp_path / "names.csv", *words, "--out", tmp_path / "o").code == 0
    made = _table(elman("generate", tmp_path / "o", "--of", "New, York", "--count", "2").out)
    assert made["place"].to_list() == ["New, York"] * 2
