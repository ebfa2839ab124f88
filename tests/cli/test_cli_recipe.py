"""Every recipe runs, on data of the published form made here; the list and the words of each are right."""

from __future__ import annotations

import json
import random
import re
import shlex
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from elman.recipes import NAMES, find

Elman = Callable[..., Any]

_WORDS = [
    "a",
    "the",
    "film",
    "plot",
    "actor",
    "is",
    "was",
    "good",
    "bad",
    "slow",
    "sharp",
    "funny",
    "and",
    "but",
    "not",
    "very",
    "of",
    "with",
]


def _sentence(chance: random.Random) -> str:
    return " ".join(chance.choices(_WORDS, k=chance.randint(3, 9)))


def _sst2(folder: Path, chance: random.Random) -> None:
    for part in ("train", "dev", "test"):
        rows = [f"{_sentence(chance)}\t{chance.randint(0, 1)}\n" for _ in range(40)]
        (folder / f"{part}.tsv").write_text("".join(rows))


def _ud(folder: Path, chance: random.Random) -> None:
    for part in ("train", "dev", "test"):
        lines = []
        for _ in range(20):
            for n, word in enumerate(_sentence(chance).split(), 1):
                tag = "DET" if word in ("a", "the") else "NOUN"
                lines.append("\t".join([str(n), word, word, tag, "_", "_", "0", "root", "_", "_"]))
            lines.append("")
        (folder / f"en_ewt-ud-{part}.conllu").write_text("\n".join(lines) + "\n")


def _wnut(folder: Path, chance: random.Random) -> None:
    for name in ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"):
        lines = []
        for _ in range(20):
            words = _sentence(chance).split()
            lines += [f"{word}\t{'B-person' if word == 'actor' else 'O'}" for word in words] + [""]
        (folder / name).write_text("\n".join(lines) + "\n")


def _shakespeare(folder: Path, chance: random.Random) -> None:
    (folder / "input.txt").write_text("\n".join(_sentence(chance) for _ in range(200)))


def _names(folder: Path, chance: random.Random) -> None:
    (folder / "names").mkdir()
    for file in find("names_nationality").files:
        names = {"".join(chance.choices("abcdefgh", k=chance.randint(3, 8))).title() for _ in range(25)}
        (folder / file.name).write_text("\n".join(sorted(names)) + "\n")


def _multi30k(folder: Path, chance: random.Random) -> None:
    for part, count in (("train", 60), ("val", 10), ("test_2016_flickr", 10)):
        texts = [_sentence(chance) for _ in range(count)]
        (folder / f"{part}.de").write_text("\n".join(texts) + "\n")
        (folder / f"{part}.en").write_text("\n".join(text.upper() for text in texts) + "\n")


def _ett(folder: Path, chance: random.Random) -> None:
    """Every sixth hour: the dates of the parts are those of the station."""
    names = ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]
    hours = [datetime(2016, 7, 1) + timedelta(hours=6 * k) for k in range(2_420)]
    rows = [f"{hour:%Y-%m-%d %H:%M:%S}," + ",".join(f"{chance.gauss(3, 1):.3f}" for _ in names) for hour in hours]
    for name in ("ETTh1", "ETTh2"):
        (folder / f"{name}.csv").write_text("\n".join(["date," + ",".join(names), *rows]) + "\n")


def _m4(folder: Path, chance: random.Random) -> None:
    for part, least, most in (("train", 120, 150), ("test", 13, 13)):
        rows = []
        for k in range(6):
            values = [f"{1000 + 10 * chance.random():.2f}" for _ in range(chance.randint(least, most))]
            rows.append(",".join([f'"W{k}"', *values, *[""] * (most - len(values))]))
        head = ",".join(f'"V{k}"' for k in range(1, most + 2))
        (folder / f"Weekly-{part}.csv").write_text("\n".join([head, *rows]) + "\n")


def _vic(folder: Path, chance: random.Random) -> None:
    hours = [datetime(2012, 1, 1) + timedelta(hours=6 * k) for k in range(4_300)]
    rows = [
        f"{hour:%Y-%m-%dT%H:%M:%SZ},{4000 + 500 * chance.random():.1f},{10 + 10 * chance.random():.1f},"
        f"{hour:%Y-%m-%d},{'TRUE' if hour.day == 1 else 'FALSE'}"
        for hour in hours
    ]
    text = "\n".join(["Time,Demand,Temperature,Date,Holiday", *rows]) + "\n"
    (folder / "vic_electricity.csv").write_text(text)


def _exchange(folder: Path, chance: random.Random) -> None:
    rows = [",".join(f"{chance.random():.6f}" for _ in range(8)) for _ in range(800)]
    (folder / "exchange_rate.txt").write_text("\n".join(rows) + "\n")


MADE = {
    "sst2": _sst2,
    "ud_english_ewt": _ud,
    "wnut17": _wnut,
    "tiny_shakespeare": _shakespeare,
    "names_nationality": _names,
    "multi30k_en_de": _multi30k,
    "ett_hourly": _ett,
    "m4_weekly": _m4,
    "vic_electricity": _vic,
    "exchange_rate": _exchange,
}
"""How the data of each folder are made."""

SMALL = ("--hidden", "4", "--epochs", "1", "--batch", "64", "--threads", "1")


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_runs(elman: Elman, tmp_path: Path, name: str) -> None:
    one = find(name)
    data = tmp_path / "data" / one.folder
    data.mkdir(parents=True)
    MADE[one.folder](data, random.Random(0))
    said = elman("recipe", "run", name, "--data", tmp_path / "data", "--out", tmp_path / "runs" / name, *SMALL)
    assert said.code == 0, said.err
    assert "is not as published" in said.err
    record = json.loads((tmp_path / "runs" / name / "report.json").read_text())
    assert record["scored"]["on"] == "test"
    for entry in one.published:
        assert entry.who in said.out
        assert entry.metric in record["scores"]
    for key, value in one.settings.items():
        if key not in ("hidden", "epochs", "batch", "truncate"):
            assert record["settings"][key] == value


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_opens_with_an_example_and_names_its_files(elman: Elman, name: str) -> None:
    one = find(name)
    assert one.name == name
    said = elman("recipe", "show", name)
    assert said.code == 0
    assert re.search(r"^    \S.*", said.out, re.MULTILINE)
    assert "ublished" in said.out
    for file in one.files:
        assert file.url.startswith("https://")
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
    listed = elman("recipe", "list").out
    assert f" {name} " in listed


def test_the_printed_command_does_the_same(elman: Elman, tmp_path: Path) -> None:
    folder = tmp_path / "sst2"
    folder.mkdir()
    _sst2(folder, random.Random(0))
    said = elman("recipe", "run", "sst2", "--data", tmp_path, "--out", tmp_path / "a", *SMALL)
    (line,) = [line for line in said.err.splitlines() if " train " in line and "--from" in line]
    words = shlex.split(line)
    elman(*words[words.index("train") :], "--out", tmp_path / "b")
    a, b = (json.loads((tmp_path / run / "report.json").read_text())["scores"] for run in "ab")
    assert a == b


def test_bad_words_are_refused_with_what_there_is(elman: Elman, tmp_path: Path) -> None:
    said = elman("recipe", "run", "sst", "--out", tmp_path / "a")
    assert said.code == 2
    assert "Did you mean 'sst2'?" in said.err
    said = elman("recipe", "run", "sst2", "--data", tmp_path, "--out", tmp_path / "a")
    assert said.code == 2
    assert "train.tsv is not there" in said.err
    (tmp_path / "train.tsv").write_text("no mark\n")
    said = elman("recipe", "run", "sst2", "--data", tmp_path, "--out", tmp_path / "a")
    assert said.code == 2
    assert "train.tsv, line 1: expected a sentence, a tab and 0 or 1" in said.err
    assert not (tmp_path / "a").exists()
    said = elman("recipe", "run", "sst2", "--data", tmp_path, "--out", tmp_path)
    assert said.code == 2
    assert "exists already" in said.err
