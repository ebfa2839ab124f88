"""What is said before, while and after a training, and of what was asked for."""

from __future__ import annotations

import io
import json
import os
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from elman.cli import show
from elman.run import Started
from elman.training.loop import Epoch, Step
from elman.training.scores import Scores

Elman = Callable[..., Any]
FAST = ("--epochs", "1", "--hidden", "4")
LABEL = ("--from", "text:review", "--to", "label:sentiment")


def _flat(text: str) -> str:
    """Words without the line breaks of a terminal."""
    return " ".join(text.split())


# The file that was trained on ---------------------------------------------------------------------------------


def test_a_score_on_the_training_file_is_told_from_a_fair_one(work: Path, models: Path, elman: Elman) -> None:
    said = elman("evaluate", models / "label", models / "reviews.csv")
    assert said.code == 0
    own = json.loads((models / "label/report.json").read_text())["scores"]["accuracy"]
    told = _flat(said.err)
    assert "reviews.csv is the file that this run was trained on" in told
    assert f"accuracy {own:.4f} on its own test part" in told
    assert "a fair figure needs rows that training has not seen" in told
    (work / "new.csv").write_text("review,sentiment\na great film,pos\na bad film,neg\n")
    assert elman("evaluate", models / "label", "new.csv").err == ""
    # A model without its record is scored all the same.
    assert elman("evaluate", models / "label/model", models / "reviews.csv").err == ""


def test_what_comes_next_is_no_score_on_the_training_file(trained: Any) -> None:
    said = trained[1]["label"].out
    assert "show label" in said
    assert not re.search(r"evaluate \S+ reviews\.csv", said)


# How long it trains -------------------------------------------------------------------------------------------


def test_a_training_that_still_improves_at_its_end_says_so(work: Path, elman: Elman) -> None:
    said = elman("train", "reviews.csv", *LABEL, *FAST, "--out", "o")
    assert "Still improving when the limit of 1 epoch was reached; try --epochs 4" in _flat(said.out)
    command = ("train", "reviews.csv", *LABEL, "--epochs", "40", "--lr", "0.05", "--patience", "3", "--out", "p")
    said = elman(*command)
    assert said.code == 0, said.err
    assert "Still improving" not in said.out


def _interrupting(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    def step(self: show.Watch, event: Step) -> None:
        if event.epoch == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(show.Watch, "_step", step)


def test_an_interrupted_training_says_how_it_goes_on_and_how_it_ends(
    work: Path, elman: Elman, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        _interrupting(patched, 3)
        said = elman("train", "reviews.csv", *LABEL, "--epochs", "9", "--hidden", "4", "--out", "o")
    assert said.code == 130
    assert "Stopped in epoch 3 after step 1; saved in o" in _flat(said.err)
    assert said.err.splitlines()[-2].startswith("Go on: ")
    assert said.err.splitlines()[-2].endswith("train --resume o")
    assert re.search(r"Finish: .*train --resume o --finish   \(keeps epoch [12], the best so far\)$", said.err)
    assert "Traceback" not in said.err
    said = elman("predict", "o", "reviews.csv")
    assert said.code == 2
    assert "its training was broken off; go on: elman train --resume o" in said.err
    said = elman("train", "--resume", "o", "--finish")
    assert said.code == 0
    assert re.search(r"Ended in epoch 3; the best so far \(epoch [12]\) is kept", _flat(said.err))
    assert "accuracy is the share of right answers" in said.out
    record = json.loads((work / "o/report.json").read_text())
    assert record["epochs"] == 2
    assert any(note.startswith("Ended in epoch 3") for note in record["notes"])
    assert elman("predict", "o", "reviews.csv").code == 0


def test_a_training_interrupted_in_its_first_epoch_goes_on(
    work: Path, elman: Elman, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        _interrupting(patched, 1)
        said = elman("train", "reviews.csv", *LABEL, *FAST, "--out", "o")
    assert said.code == 130
    assert "Stopped in epoch 1 after step 1; saved in o" in _flat(said.err)
    assert "Finish:" not in said.err
    said = elman("train", "--resume", "o", "--finish")
    assert said.code == 2
    assert "no epoch of o is complete" in said.err
    assert elman("train", "--resume", "o").code == 0
    assert elman("predict", "o", "reviews.csv").code == 0
    said = elman("train", "--resume", "o")
    assert said.code == 2
    assert "o: this run is finished" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--anyway",), "--anyway is for a run that goes on"),
        (("--finish", "reviews.csv"), "--finish is for a run that goes on"),
        (("--resume", "none"), "--resume none: no such folder"),
        (("--resume", "empty"), "it has no run.toml"),
        (("--resume", "empty", "--out", "p"), "--out p: a run goes on in its own folder"),
        (("--resume", "empty", "--config", "x.toml"), "--config x.toml: a run goes on"),
        (("reviews.csv", *LABEL, "--save-every", "often"), "--save-every often: expected 500 (steps), 30s, 5m, 1h"),
        (("reviews.csv", *LABEL, "--save-every", "0"), "--save-every 0: expected"),
    ],
)
def test_what_cannot_go_on_is_refused(work: Path, elman: Elman, words: tuple[str, ...], message: str) -> None:
    (work / "empty").mkdir()
    said = elman("train", *words)
    assert said.code == 2
    assert message in _flat(said.err)
    assert not (work / "runs").exists()
    assert list((work / "empty").iterdir()) == []


def test_an_interrupt_while_elman_loads_is_no_traceback(elman: Elman, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting(ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "elman.cli.verbs", Interrupting("verbs"))
    said = elman("--version")
    assert (said.code, said.out, said.err) == (130, "", "")


def test_an_interrupted_demo_ends(work: Path, elman: Elman, monkeypatch: pytest.MonkeyPatch) -> None:
    _interrupting(monkeypatch, 2)
    said = elman("demo", "--epochs", "2", "--out", "demo", "--horizon", "8")
    assert said.code == 130
    assert "Stopped in epoch 2" in _flat(said.err)
    assert "train --resume demo" in said.err
    assert [path.name for path in work.iterdir() if path.is_dir()] == ["demo"]


# The table of epochs ------------------------------------------------------------------------------------------


def _epoch(k: int, *, best: bool) -> Epoch:
    return Epoch(k, 1.0, 1.0, 1.0, 0.0, 1e-3, 0.1, best)


def _watched(monkeypatch: pytest.MonkeyPatch, epochs: int, *, terminal: bool) -> str:
    """What is printed of a training in which every epoch but the last is better."""
    file = io.StringIO()
    monkeypatch.setattr(show, "err", Console(file=file, force_terminal=terminal, width=80, highlight=False))
    with show.Watch() as watch:
        watch(Started([], None, 1, epochs, Path("o")))
        for k in range(1, epochs + 1):
            watch(Step(k, epochs, 1, 1, 1.0, 1.0, 1.0))
            watch(_epoch(k, best=k < epochs))
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", file.getvalue()).replace("\r", "\n")


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "log"])
def test_the_table_of_epochs_has_a_head_and_a_key(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    text = _watched(monkeypatch, 3, terminal=terminal)
    assert text.count("epoch  training  validation  gradient  seconds") == 1
    assert text.count("* the best so far") == 1
    assert text.index("seconds") < text.index("    1    1.0000")
    assert len(re.findall(r"^ +\d+ +1\.0000", text, re.MULTILINE)) == 3


def test_a_long_table_is_thinned_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    text = _watched(monkeypatch, 600, terminal=False)
    assert 20 <= len(re.findall(r"^ +\d+ +1\.0000", text, re.MULTILINE)) <= 60
    assert "a line every 15 epochs, all are in history.jsonl" in text


# Scores in words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "mine", "other", "words"),
    [
        ("mae", 1.0, 1.004, "About as good as the best baseline (ridge): ahead by 0.4 %."),
        ("mae", 1.004, 1.0, "About as good as the best baseline (ridge): behind by 0.4 %."),
        ("mae", 1.0, 1.0, "About as good as the best baseline (ridge)."),
        ("mae", 0.9, 1.0, "Better than the best baseline (ridge) by 10.0 %."),
        ("mae", 1.1, 1.0, "Not better than the best baseline (ridge): behind by 10.0 %. More"),
        ("accuracy", 0.755, 0.75, "About as good as the best baseline (ridge): ahead by 0.5 points."),
        ("accuracy", 0.8, 0.75, "Better than the best baseline (ridge) by 5.0 points."),
    ],
)
def test_a_small_difference_is_called_one(metric: str, mine: float, other: float, words: str) -> None:
    found = show.verdict(Scores({metric: mine}, 9), {"ridge": Scores({metric: other}, 9)}, {"ridge"})
    assert found.startswith(words)


def test_columns_that_need_it_are_explained(trained: Any, models: Path, elman: Elman) -> None:
    text = trained[1]["future"].out
    head = next(line for line in text.splitlines() if line.startswith("model "))
    assert head.endswith(" in 80 %")
    assert "coverage" not in text
    assert "in 80 %: the share of what came that lay inside the 80 % interval; 0.8 is right" in _flat(text)
    nats = "nats: the mean of -log p of what came"
    for said in (trained[1]["label"].out, trained[1]["book"].out, elman("evaluate", models / "book", "book.txt").out):
        assert nats in _flat(said) or said == ""
    assert nats not in text


# Commands to paste --------------------------------------------------------------------------------------------


def test_a_command_to_paste_is_one_that_is_found(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ".venv/bin"
    folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", os.devnull)
    assert show.command("elman", "plan", "a b") == f"{folder / 'python'} -m elman plan 'a b'"
    script = folder / ("elman.exe" if os.name == "nt" else "elman")
    script.write_text("")
    script.chmod(0o755)
    assert show.command("elman", "plan", "o") == f"{Path('.venv/bin') / script.name} plan o"
    monkeypatch.chdir(folder.parent)
    assert show.command("elman", "plan", "o") == f"{Path('bin') / script.name} plan o"
    monkeypatch.chdir(folder)
    assert show.command("elman", "plan", "o") == f".{os.sep}{script.name} plan o"
    monkeypatch.setenv("PATH", str(folder))
    assert show.command("elman", "plan", "o") == "elman plan o"


# Errors that lead on ------------------------------------------------------------------------------------------


def test_several_series_in_one_file_are_told_apart_by_a_column(work: Path, elman: Elman) -> None:
    chance = random.Random(0)
    rows = [(shop, day, chance.random()) for shop in "abc" for day in range(1, 30)]
    (work / "shops.csv").write_text("shop,day,x\n" + "".join(f"{s},2021-01-{d:02d},{x}\n" for s, d, x in rows))
    command = ("train", "shops.csv", "--from", "series:x", "--to", "future:3", "--time", "day", "--out", "o")
    said = elman(*command)
    assert said.code == 2
    assert "shops.csv, line 31, column 'day': time goes back: '2021-01-01' after '2021-01-29' in line 30." in said.err
    assert "Within each value of 'shop' it rises: add --id shop (3 values)" in said.err
    assert ".sort(" not in said.err
    rows.sort(key=lambda row: row[1])
    (work / "shops.csv").write_text("shop,day,x\n" + "".join(f"{s},2021-01-{d:02d},{x}\n" for s, d, x in rows))
    said = elman(*command)
    assert "the time '2021-01-01' is in line 2 already." in said.err
    assert "add --id shop (3 values)" in said.err
    assert ".unique(" not in said.err


def test_a_model_names_the_columns_it_reads(work: Path, models: Path, elman: Elman) -> None:
    said = elman("predict", models / "future", "machines.tsv")
    assert said.code == 2
    assert "machines.tsv: the model reads the columns 'load', 'date'; this file has unit, t, a, fault, wear" in said.err
    assert "--from" not in said.err
    said = elman("predict", models / "fault", "reviews.csv")
    assert "the model reads the columns 'a', 'unit', 't'; this file has review, sentiment" in said.err


def test_labels_that_no_model_knows_are_no_score_of_zero(work: Path, models: Path, elman: Elman) -> None:
    (work / "other.csv").write_text("review,sentiment\na film,good\na film,bad\n")
    said = elman("evaluate", models / "label", "other.csv")
    assert said.code == 2
    assert "none of the labels bad, good is known to this model (neg, pos)" in said.err


def test_a_model_that_writes_nothing_says_that_first(models: Path, elman: Elman) -> None:
    said = elman("generate", models / "label", "--prompt", "zebra yak")
    assert said.code == 2
    assert said.err.startswith("error: this model predicts no text; train one with")


def test_a_cell_in_capitals_is_recognised(work: Path, elman: Elman) -> None:
    assert "Did you mean 'gru'?" in elman("train", "reviews.csv", *LABEL, "--cell", "GRU", "--out", "o").err


# Forecasts as a table -----------------------------------------------------------------------------------------


def test_a_forecast_speaks_as_its_file_does(work: Path, models: Path, elman: Elman) -> None:
    lines = elman("predict", models / "future", "demand.csv").out.splitlines()
    assert lines[0] == "id,step,date,load,load_low,load_high"
    assert re.fullmatch(r"2,1,2021-05-09(,-?\d\.\d{1,5}){3}", lines[1]), lines[1]
    lines = elman("predict", models / "next", "machines.tsv").out.splitlines()
    assert lines[0] == "unit,step,t,a,a_low,a_high"
    assert lines[1].startswith("0,1,4,")


@pytest.mark.parametrize(
    ("stamps", "following"),
    [
        (
            [f"2021-01-01 {k // 60:02d}:{k % 60:02d}:05" for k in range(90)],
            ["2021-01-01 01:30:05", "2021-01-01 01:31:05"],
        ),
        ([f"2021-01-01T{k // 60:02d}:{k % 60:02d}" for k in range(120)], ["2021-01-01T02:00", "2021-01-01T02:01"]),
        ([f"{2001 + k // 12}-{k % 12 + 1:02d}" for k in range(120)], ["2011-01", "2011-02"]),
        ([f"{2001 + k // 12}-{k % 12 + 1:02d}-01" for k in range(120)], ["2011-01-01", "2011-02-01"]),
        ([f"202101{k + 1:02d}" for k in range(30)], ["20210131", "20210201"]),
        ([f"2021-01-01T{k // 60:02d}:{k % 60:02d}Z" for k in range(120)], ["2021-01-01T02:00Z", "2021-01-01T02:01Z"]),
        ([f"{k * 0.5}" for k in range(60)], ["30.0", "30.5"]),
    ],
    ids=["seconds", "minutes", "months", "first days", "digits", "zone", "numbers"],
)  # fmt: skip
def test_times_ahead_are_written_as_those_before(
    work: Path, elman: Elman, stamps: list[str], following: list[str]
) -> None:
    rows = "".join(f"{stamp},{100 * (k % 5) + k / 7}\n" for k, stamp in enumerate(stamps))
    (work / "s.csv").write_text("when,x\n" + rows)
    side = ("--from", "series:x", "--to", "future:2", "--time", "when", "--lookback", "4")
    assert elman("train", "s.csv", *side, *FAST, "--out", "o").code == 0
    lines = elman("predict", "o", "s.csv").out.splitlines()
    assert [line.split(",")[2] for line in lines[1:]] == following
    assert all(re.fullmatch(r"-?\d{1,3}\.\d{1,5}", cell) for line in lines[1:] for cell in line.split(",")[3:]), lines


def test_digits_that_tell_forecasts_apart_are_kept(work: Path, elman: Elman) -> None:
    (work / "s.csv").write_text("x\n" + "".join(f"{1e9 + k % 5}\n" for k in range(90)))
    assert elman("train", "s.csv", "--from", "series:x", "--to", "future:2", *FAST, "--out", "o").code == 0
    low, high = elman("predict", "o", "s.csv").out.splitlines()[1].split(",")[-2:]
    assert 0 < float(high) - float(low) < 50


# Pictures -----------------------------------------------------------------------------------------------------


def test_the_picture_of_a_forecast_says_what_it_shows(work: Path, elman: Elman) -> None:
    rows = [(shop, k, k % 7 + k / 9, k % 3) for shop in ("north", "south") for k in range(200)]
    (work / "s.csv").write_text("shop,t,x,z\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    sides = ("--from", "series:x,z", "--to", "future:4", "--id", "shop", "--time", "t")
    said = elman("train", "s.csv", *sides, *FAST, "--out", "o")
    assert said.code == 0, said.err
    svg = (work / "o/forecast.svg").read_text()
    assert "The last 4 steps of x (one of 2 columns), shop &#x27;south&#x27;" in svg
    # Thirty steps of history, the last of them the origin, then the four that are forecast.
    assert "30 values of history, then 4 forecast values" in svg
    assert re.search(r">0</text>", svg)


def test_the_picture_of_a_training_counts_epochs(models: Path) -> None:
    assert "Best in epoch 1:" in (models / "label/learning.svg").read_text()
