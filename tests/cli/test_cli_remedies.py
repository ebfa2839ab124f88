"""The remedies of training on the command line: all at once, each refused where it would do nothing, and told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elman.training.settings import Job

Elman = Callable[..., Any]
FAST = ("--epochs", "2", "--hidden", "4")
LABEL = ("reviews.csv", "--from", "text:review", "--to", "label:sentiment")
FUTURE = ("demand.csv", "--from", "series:load", "--to", "future:6", "--time", "date")
BOOK = ("book.txt", "--from", "text.char", "--to", "next")

DROPS = {
    "dropout": 0.5,
    "input_dropout": 0.2,
    "word_dropout": 0.1,
    "recurrent_dropout": 0.2,
    "weight_drop": 0.3,
    "zoneout": 0.1,
    "label_smoothing": 0.05,
}
OTHERS = {
    "weight_decay": 0.1,
    "embedding_decay": 0.2,
    "bias_decay": 0.01,
    "l2": 1e-4,
    "l1": 1e-5,
    "ar": 1.0,
    "tar": 0.5,
    "average": "ema",
    "ema_decay": 0.9,
    "clip": 0.02,
    "clip_by": "ratio",
    "nonfinite": "skip",
    "accumulate": 2,
}


def _flat(text: str) -> str:
    return " ".join(text.split())


def _options(settings: dict[str, Any]) -> list[str]:
    return [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]


@pytest.mark.parametrize("what", [(*LABEL, "--batch-tokens", "40"), BOOK], ids=["label", "book"])
def test_all_of_them_train_together_and_are_written_down(work: Path, elman: Elman, what: tuple[str, ...]) -> None:
    said = elman("train", *what, *FAST, *_options({**DROPS, **OTHERS}), "--out", "o")
    assert said.code == 0, said.err
    kept = json.loads((work / "o/report.json").read_text())["settings"]
    assert {name: kept[name] for name in {**DROPS, **OTHERS}} == {**DROPS, **OTHERS}
    told = _flat(said.err)
    assert "dropout 0.5, input dropout 0.2, word dropout 0.1, recurrent dropout 0.2, weight drop 0.3, zoneout" in told
    assert ("batches of 40 steps, 2 a step" if "--batch-tokens" in what else "batch 32, 2 a step") in told
    again = elman("train", "--config", "o/run.toml", "--out", "p")
    assert again.code == 0, again.err
    # What is proposed to compare with is the task, without what only some nets have a use for.
    line = next(line for line in said.out.splitlines() if "do other nets do better?" in line)
    assert not any(f"--{name.replace('_', '-')}" in line for name in (*DROPS, *OTHERS))
    proposed = line.partition("#")[0].split()[1:]
    assert elman(*proposed, "--cells", "rnn,feedforward", "--seeds", "1", "--epochs", "1", "--out", "q").code == 0
    assert (work / "o/model/model.safetensors").read_bytes() == (work / "p/model/model.safetensors").read_bytes()


def test_every_one_is_an_option_that_help_explains(elman: Elman) -> None:
    shown = elman("train", "--help").out
    assert "Regularisation" in shown
    for name in {**DROPS, **OTHERS, "batch_tokens": 1, "find_lr": True}:
        assert name in Job.model_fields
        assert f"--{name.replace('_', '-')}" in shown


IDLE = [
    (FUTURE, "--word-dropout 0.1", "--word-dropout 0.1: numbers are read as they are; only text has words; leave"),
    (FUTURE, "--embedding-decay 0", "--embedding-decay: numbers are read as they are; only text has words; leave"),
    (FUTURE, "--label-smoothing 0.1", "--label-smoothing 0.1: numbers have no classes; leave --label-smoothing out"),
    (FUTURE, "--batch-tokens 500", "--batch-tokens: windows and streams are of one length; leave it out, and say"),
    (BOOK, "--batch-tokens 500", "--batch-tokens: windows and streams are of one length; leave it out, and say"),
    (LABEL, "--batch-tokens 500 --batch 8", "--batch-tokens 500: --batch and this both say how large a batch is"),
    (LABEL, "--cell feedforward --zoneout 0.1", "--zoneout 0.1: a feed-forward net has no recurrent units; leave"),
    (LABEL, "--cell feedforward --weight-drop 0.1", "--weight-drop 0.1: a feed-forward net has no recurrent units"),
    (LABEL, "--cell feedforward --recurrent-dropout 0.1", "--recurrent-dropout 0.1: a feed-forward net has no recurr"),
    (LABEL, "--ema-decay 0.9", "--ema-decay: belongs to --average ema; leave --ema-decay out"),
    (LABEL, "--average nt-asgd --ema-decay 0.9", "--ema-decay: belongs to --average ema; leave --ema-decay out"),
    (LABEL, "--clip 0 --clip-by value", "--clip-by value: --clip 0 cuts nothing down; leave --clip-by out"),
    (LABEL, "--find-lr --lr 0.1", "--find-lr: --lr (or lr in the run.toml) says the rate already; leave"),
    (LABEL, "--zoneout 1", "zoneout: expected less than 1, got 1.0; leave it out to have it chosen"),
    (LABEL, "--tar -1", "tar: expected at least 0, got -1.0; leave it out for 0.0"),
    (LABEL, "--average swa", "average: expected 'ema' or 'nt-asgd', got 'swa'; leave it out"),
    (LABEL, "--clip-by size", "--clip-by: expected 'norm', 'value' or 'ratio', got 'size'; leave it out for norm"),
    (LABEL, "--nonfinite go", "nonfinite: expected 'stop' or 'skip', got 'go'; leave it out for stop"),
    (LABEL, "--accumulate 0", "accumulate: expected at least 1, got 0; leave it out for 1"),
    (LABEL, "--batch-tokens 0", "--batch-tokens: expected at least 1, got 0; leave it out to have it chosen"),
]


@pytest.mark.parametrize(("what", "options", "words"), IDLE, ids=[row[1] for row in IDLE])
def test_one_that_would_do_nothing_is_an_error(
    work: Path, elman: Elman, what: tuple[str, ...], options: str, words: str
) -> None:
    said = elman("train", *what, *options.split(), "--out", "o")
    assert said.code == 2
    assert words in _flat(said.err)
    assert not (work / "o").exists()


@pytest.mark.parametrize("value", ["1", "-0.1", "nan"])
@pytest.mark.parametrize("name", DROPS)
def test_a_share_that_is_none_is_an_error(work: Path, elman: Elman, name: str, value: str) -> None:
    said = elman("train", *LABEL, f"--{name.replace('_', '-')}", value, "--out", "o")
    assert said.code == 2
    wanted = {"1": "less than 1", "-0.1": "at least 0", "nan": "a finite number"}[value]
    assert f"--{name.replace('_', '-')}: expected {wanted}, got {float(value)}" in _flat(said.err)
    assert not (work / "o").exists()


def test_a_rate_is_found_told_drawn_and_trained_with(work: Path, elman: Elman) -> None:
    said = elman("train", *LABEL, *FAST, "--find-lr", "--out", "o")
    assert said.code == 0, said.err
    kept = json.loads((work / "o/report.json").read_text())["settings"]
    assert f"lr {kept['lr']:g} by a range test of " in _flat(said.err)
    assert "find_lr = false\n" in (work / "o/run.toml").read_text()
    assert f"lr = {kept['lr']!r}\n" in (work / "o/run.toml").read_text()
    assert "Loss while the learning rate rises" in (work / "o/rates.svg").read_text()
    assert "rates.svg" in said.out


def test_what_is_to_be_said_at_the_end_is(work: Path, elman: Elman) -> None:
    said = elman("train", *LABEL, *FAST, "--average", "nt-asgd", "--out", "o")
    assert said.code == 0, said.err
    words = "--average nt-asgd: validation never stopped improving, so no weights were averaged"
    assert words in _flat(said.err)
    assert words in json.loads((work / "o/report.json").read_text())["notes"]


def test_what_happened_in_an_epoch_is_told_below_it_and_kept(work: Path, elman: Elman) -> None:
    options = ("--average", "nt-asgd", "--lr", "0.5", "--patience", "9", "--epochs", "40", "--hidden", "4")
    said = elman("train", *LABEL, *options, "--out", "o")
    assert said.code == 0, said.err
    assert "- weights are averaged from here on" in _flat(said.err)
    lines = [json.loads(line) for line in (work / "o/history.jsonl").read_text().splitlines()]
    (epoch,) = [line["epoch"] for line in lines if any("averaged" in note for note in line["notes"])]
    notes = json.loads((work / "o/report.json").read_text())["notes"]
    assert any(note.startswith(f"epoch {epoch}: weights are averaged") for note in notes)
