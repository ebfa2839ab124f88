"""Nets of cells that are linear in their state, from the command line: trained by scan, loaded, streamed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import elman as package

Elman = Callable[..., Any]


@pytest.mark.parametrize("cell", ["mingru", "minlstm", "lru"])
@pytest.mark.parametrize(
    ("file", "sides", "more"),
    [
        ("reviews.csv", "text:review label:sentiment", "--layers 2"),
        ("demand.csv", "series:load future:6", "--time date"),
        ("machines.tsv", "series:a tags:fault", "--id unit --time t --bidirectional"),
        ("book.txt", "text.char next", "--truncate 8"),
        ("reviews.csv", "text:review text.char:sentiment", "--input-feeding --no-tied"),
        ("reviews.csv", "text:review text.char:sentiment", "--zoneout 0.1"),
    ],
)
def test_they_learn_every_task(work: Path, elman: Elman, cell: str, file: str, sides: str, more: str) -> None:
    source, target = sides.split()
    words = ("train", file, "--from", source, "--to", target, "--cell", cell, "--hidden", "4", "--epochs", "1")
    said = elman(*words, *more.split(), "--out", "o")
    if "--input-feeding" in more:
        # It adds to what a cell reads by the weights of Elman, LSTM and GRU.
        assert said.code == 2
        assert "input feeding" in said.err
        return
    assert said.code == 0, said.err
    plan = json.loads((work / "o/report.json").read_text())["plan"]
    assert {one["engine"] for one in plan} == ({"loop"} if "--zoneout" in more else {"scan"})
    use = ("generate", "o", "--length", "3") if target == "next" else ("predict", "o", file)
    assert elman(*use).code == 0
    assert elman("evaluate", "o", file).code == 0


@pytest.mark.parametrize("cell", ["mingru", "lru"])
def test_a_stream_says_what_the_whole_says(work: Path, elman: Elman, cell: str) -> None:
    words = ("train", "machines.tsv", "--from", "series:a", "--to", "tags:fault", "--id", "unit", "--time", "t")
    assert elman(*words, "--cell", cell, "--causal", "--epochs", "1", "--out", "o").code == 0
    run = package.load("o")
    values = [[0.3], [-1.0], [2.0], [0.1]]
    whole, stream = run.predict([values]), run.stream()
    parts = [stream.push([row]) for row in values]
    assert [part["tag"][0] for part in parts] == whole["tag"].to_list()
    assert [part["p"][0] for part in parts] == pytest.approx(whole["p"].to_list(), abs=1e-5)


@pytest.mark.parametrize(
    ("cell", "more", "line"),
    [
        (
            "lru",
            "",
            r"keeps for \S+ to [\d,.]+ steps \(median \S+\), turns once in \S+ to [\d,.]+ steps \(median \S+\)",
        ),
        ("mingru", "", r"keeps for \S+ to \S+ steps \(median \S+\), by its biases"),
        ("mingru", "--zoneout 0.1", None),
        ("gru", "", None),
    ],
)
def test_what_the_units_keep_is_shown(work: Path, elman: Elman, cell: str, more: str, line: str | None) -> None:
    words = ("train", "machines.tsv", "--from", "series:a", "--to", "tags:fault", "--id", "unit", "--time", "t")
    assert elman(*words, "--cell", cell, "--hidden", "6", *more.split(), "--epochs", "1", "--out", "o").code == 0
    said = elman("show", "o").out
    assert (work / "o/kept.svg").exists() is (line is not None)
    assert ("kept.svg" in said) is (line is not None)
    if line is None:
        assert "keeps for" not in said
    else:
        assert re.search(line, " ".join(said.split()))
