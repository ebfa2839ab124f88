"""elman compare: its words, its exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SIDES = ("--from", "text:review", "--to", "label:sentiment")
FAST = ("--epochs", "2", "--hidden", "4", "--seeds", "2", "--cells", "rnn,feedforward")


def test_a_table_a_verdict_and_what_to_do_next(work: Path, elman: Callable[..., Any]) -> None:
    said = elman("compare", "reviews.csv", *SIDES, *FAST)
    assert said.code == 0
    lines = said.out.splitlines()
    assert all(len(line.rstrip()) <= 80 for line in lines if "elman predict" not in line)
    table = [line.split() for line in lines if line.startswith(("rnn ", "feedforward ", "always "))]
    assert {row[0] for row in table} == {"rnn", "feedforward", "always"}
    assert "mean ± standard deviation over 2 seeds" in " ".join(said.out.split())
    assert "scores best: accuracy" in said.out
    assert "Saved in runs/reviews-compare" in said.out
    assert [line for line in said.err.splitlines() if "1/4  rnn-0" in line]
    predict = said.out.splitlines()[-1].split()
    assert elman("predict", predict[2], "reviews.csv", "--out", "p.csv").code == 0
    again = elman("compare", "--resume", "runs/reviews-compare")
    assert again.out == said.out
    assert again.err.count(" s  kept\n") == 4


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "a file is missing; as in: elman compare"),
        (("reviews.csv",), "--from is missing; as in: elman compare"),
        (("reviews.csv", *SIDES, "--cells", "grue"), "Did you mean 'gru'"),
        (("reviews.csv", *SIDES, "--seeds", "0"), "as in --seeds 3"),
        (("--resume", "runs/nowhere"), "there is no such folder"),
        (("--resume", "runs/nowhere", "--seeds", "4"), "--seeds has no effect; leave it out"),
        (("--resume", "runs/nowhere", "--lr", "0.1"), "--lr has no effect; leave it out"),
    ],
)
def test_bad_input_ends_in_one_message(work: Path, elman: Callable[..., Any], more: tuple[str, ...], told: str) -> None:
    said = elman("compare", *more)
    assert said.code == 2
    assert said.err.count("error:") == 1
    assert told in said.err
    assert said.out == ""
    assert not list(work.glob("runs/*/*-*"))


def test_every_option_of_a_training_but_its_cell_is_offered() -> None:
    import typer

    from elman.cli.verbs import app

    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {verb: {name for p in verbs[verb].params for name in p.opts} for verb in ("train", "compare")}
    assert options["train"] - options["compare"] == {"--cell", "--config", "--finish", "--anyway"}
    assert options["compare"] - options["train"] == {"--cells", "--seeds"}
