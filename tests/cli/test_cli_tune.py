"""elman tune: its words, its exit codes, and the command that it gives to paste."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SIDES = ("--from", "text:review", "--to", "label:sentiment")
FAST = ("--epochs", "2", "--hidden", "4", "--seeds", "1", "--trials", "2")


def test_a_line_a_trial_and_commands_that_train_the_best(work: Path, elman: Callable[..., Any]) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed: pip install 'elman[tune]'")
    said = elman("tune", "reviews.csv", *SIDES, *FAST)
    assert said.code == 0, said.err
    assert [line for line in said.err.splitlines() if line.startswith("  0  loss")]
    assert [line for line in said.err.splitlines() if line.startswith("  1  loss")]
    lines = said.out.splitlines()
    assert all(len(line.rstrip()) <= 80 for line in lines if "elman train" not in line)
    assert "Saved in runs/reviews-tune" in said.out
    pasted = [shlex.split(line)[1:] for line in lines if "elman train" in line]
    for k, words in enumerate(pasted):
        assert elman(*words, "--out", f"again-{k}").code == 0
    weights = {(work / f"again-{k}" / "model" / "model.safetensors").read_bytes() for k in range(len(pasted))}
    assert len(weights) == 1
    again = elman("tune", "--resume", "runs/reviews-tune")
    assert again.out == said.out
    assert "  0  loss" not in again.err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "a file is missing; as in: elman tune"),
        (("reviews.csv", *SIDES, "--trials", "0"), "as in --trials 20"),
        (("--resume", "runs/nowhere"), "there is no such folder"),
        (("--resume", "runs/nowhere", "--seeds", "4"), "--seeds has no effect; leave it out"),
        (("--resume", "runs/nowhere", "--lr", "0.1"), "--lr has no effect; leave it out"),
    ],
)
def test_bad_input_ends_in_one_message(work: Path, elman: Callable[..., Any], more: tuple[str, ...], told: str) -> None:
    said = elman("tune", *more)
    assert said.code == 2
    assert said.err.count("error:") == 1
    assert told in said.err
    assert said.out == ""
    assert not list(work.glob("runs/*"))


def test_without_optuna_the_line_to_paste_is_given(
    work: Path, elman: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    said = elman("tune", "reviews.csv", *SIDES, *FAST)
    assert said.code == 2
    assert "pip install 'elman[tune]'" in said.err


def test_a_study_of_the_other_verb_is_named(work: Path, elman: Callable[..., Any]) -> None:
    fast = ("--epochs", "1", "--hidden", "4", "--seeds", "1", "--cells", "rnn")
    assert elman("compare", "reviews.csv", *SIDES, *fast, "--out", "mine").code == 0
    said = elman("tune", "--resume", "mine")
    assert said.code == 2
    assert "elman compare --resume mine" in said.err


def test_a_search_that_goes_on_says_what_is_there_and_marks_only_what_is_better(
    work: Path, elman: Callable[..., Any]
) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed: pip install 'elman[tune]'")
    fast = ("--epochs", "2", "--hidden", "4", "--seeds", "1")
    elman("tune", "reviews.csv", *SIDES, *fast, "--trials", "2")
    said = elman("tune", "reviews.csv", *SIDES, *fast, "--trials", "5")
    assert "2 trials are there already; the lowest loss is" in said.err
    best = float(said.err.partition("the lowest loss is ")[2].split()[0])
    rows = [line.split() for line in said.err.splitlines() if " loss " in line and line[:3].strip().isdecimal()]
    assert [row[0] for row in rows] == ["2", "3", "4"]
    for row in rows:
        better = float(row[2]) < best
        assert ("*" in row) == better
        best = min(best, float(row[2]))
