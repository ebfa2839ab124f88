"""Every verb does its work: on every format, into files, terminals and pipes."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import elman as package
from elman.run import load

Elman = Callable[..., Any]
FAST = ("--epochs", "1", "--hidden", "4")
KEPT = {"model", "history.jsonl", "report.json", "run.toml", "worst.jsonl"}
LABEL = ("--from", "text:review", "--to", "label:sentiment")


def _table(text: str) -> pl.DataFrame:
    return pl.read_csv(io.StringIO(text))


# What a training leaves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", ["label", "future", "book", "fault", "price", "next"])
def test_a_run_leaves_a_model_with_its_record(trained: Any, job: str) -> None:
    folder, said = trained
    assert said[job].code == 0, said[job].err
    run = folder / job
    pictures = {"learning.svg"} | {"label": {"confusion.svg"}, "fault": {"confusion.svg", "telling.svg"}}.get(
        job, set()
    )
    pictures |= {"forecast.svg", "horizon.svg"} if job == "future" else set()
    pictures |= {"calibration.svg"} if job in ("future", "price", "next") else set()
    pages = {"surprise.html"} if job == "book" else set()
    assert {path.name for path in run.iterdir()} == KEPT | pictures | pages
    for name in pictures:
        assert ElementTree.parse(run / name).getroot().tag.endswith("svg")
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in history] == [1]
    record = json.loads((run / "report.json").read_text())
    assert record["scores"]
    assert record["baselines"]
    assert record["settings"]["hidden"] == 4
    assert record["scored"]["on"] == "test"
    assert load(run).model.config.net.hidden == 4


def test_the_screen_after_a_training_tells_the_score_its_baseline_and_what_to_do_next(trained: Any) -> None:
    said = trained[1]["label"]
    assert "accuracy is the share of right answers; 3 scored" in said.out
    assert "always '" in said.out
    assert re.search(
        r"^(Not better than|Better than|About as good as|Ahead of|Behind) the best baseline", said.out, re.MULTILINE
    )
    assert "elman predict label reviews.csv --out predicted.csv" in said.out
    assert "elman compare reviews.csv --from text:review --to label:sentiment" in said.out
    assert "elman generate book --length 300" in trained[1]["book"].out


def test_a_run_is_trained_again_from_its_record(work: Path, elman: Elman) -> None:
    assert elman("train", "reviews.csv", *LABEL, *FAST, "--seed", "3", "--out", "one").code == 0
    assert elman("train", "--config", "one/run.toml", "--out", "two").code == 0
    assert (work / "one/model/model.safetensors").read_bytes() == (work / "two/model/model.safetensors").read_bytes()
    assert (work / "one/run.toml").read_text() == (work / "two/run.toml").read_text()
    # Options on the command line come first.
    assert elman("train", "--config", "one/run.toml", "--seed", "4", "--hidden", "5", "--out", "three").code == 0
    assert load("three").model.config.net.hidden == 5
    assert "seed = 4" in (work / "three/run.toml").read_text()


def test_names_of_all_the_world_come_back_from_the_record(work: Path, elman: Elman) -> None:
    name, column = "データ \N{GRINNING FACE}.csv", 'a "b" [/c] \N{GRINNING FACE}'
    rows = (work / "reviews.csv").read_text().splitlines()[1:]
    quoted = column.replace('"', '""')
    (work / name).write_text(f'"{quoted}",:heart:\n' + "\n".join(row.replace("pos", "[bold]") for row in rows))
    said = elman("train", name, "--from", f"text:{column}", "--to", "label::heart:", *FAST, "--out", "one")
    # The grammar has no columns with colons in their names; here it must say so, not guess.
    assert said.code == 2
    (work / name).write_text(f'"{quoted}",y\n' + "\n".join(row.replace("pos", "[/bold]") for row in rows))
    said = elman("train", name, "--from", f"text:{column}", "--to", "label:y", *FAST, "--out", "[one]")
    assert said.code == 0, said.err
    assert "[one]" in said.out
    assert re.search(r"always '(\[/bold\]|neg)'", said.out)
    assert elman("train", "--config", "[one]/run.toml", "--out", "two").code == 0


def test_runs_without_a_name_are_numbered(work: Path, elman: Elman) -> None:
    for _ in range(2):
        assert elman("train", "book.txt", "--from", "text.char", "--to", "next", *FAST).code == 0
    assert sorted(path.name for path in (work / "runs").iterdir()) == ["book-1", "book-2"]


def test_training_in_a_pipe_prints_a_line_an_epoch(work: Path, elman: Elman) -> None:
    said = elman("train", "reviews.csv", *LABEL, "--epochs", "3", "--hidden", "4", "--out", "o")
    lines = [line for line in said.err.splitlines() if re.match(r" +\d+ +\d\.\d", line)]
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    assert "\r" not in said.err
    assert "epoch  training  validation" in said.err
    assert "24 train, 3 valid, 3 test" in " ".join(said.err.split())


@pytest.mark.parametrize("cell", ["lstm", "rnn", "feedforward"])
def test_other_cells_are_trained_and_used(work: Path, elman: Elman, cell: str) -> None:
    said = elman(
        "train", "demand.csv", "--from", "series:load", "--to", "future:6", "--cell", cell, *FAST, "--out", "o"
    )
    assert said.code == 0, said.err
    assert f"elman {cell}" in said.out
    assert _table(elman("predict", "o", "demand.csv").out).height == 6
    assert elman("plan", "o").code == 0


# Formats ------------------------------------------------------------------------------------------------------


def _parquet(frame: pl.DataFrame) -> bytes:
    made = io.BytesIO()
    frame.write_parquet(made)
    return made.getvalue()


_TS = """@problemName toy
@univariate true
@equalLength false
@classLabel true a b
@data
""" + "".join(f"{k % 3}.5,{k % 2}.0,{k % 2}.25:{'ab'[k % 2]}\n" for k in range(30))


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet", "ts", "txt"])
def test_every_format_is_trained_scored_and_predicted(work: Path, elman: Elman, kind: str, zipped: bool) -> None:
    rows = [{"review": f"a {word} film", "mood": word[0]} for word in ("good", "bad") for _ in range(15)]
    frame = pl.DataFrame(rows)
    content = {
        "csv": frame.write_csv().encode(),
        "tsv": frame.write_csv(separator="\t").encode(),
        "jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "parquet": _parquet(frame),
        "ts": _TS.encode(),
        "txt": b"abcab. " * 40,
    }[kind]
    file = work / f"d.{kind}{'.gz' if zipped else ''}"
    file.write_bytes(gzip.compress(content) if zipped else content)
    sides = {"ts": ("series", "label"), "txt": ("text.char", "next")}.get(kind, ("text:review", "label:mood"))
    said = elman("train", file, "--from", sides[0], "--to", sides[1], *FAST, "--out", "o")
    assert said.code == 0, said.err
    said = elman("evaluate", "o", file)
    assert said.code == 0, said.err
    if kind == "txt":
        assert "279 scored" in said.out
        assert len(elman("generate", "o", "--prompt", "ab", "--length", "9").out) == 2 + 9 + 1
        return
    assert "30 scored" in said.out
    assert _table(elman("predict", "o", file).out).height == 30


# Predicting ---------------------------------------------------------------------------------------------------


def test_a_table_in_a_pipe_is_csv_and_nothing_else(models: Path, elman: Elman) -> None:
    said = elman("predict", models / "label", models / "reviews.csv")
    found = _table(said.out)
    assert found.columns == ["id", "label", "p_neg", "p_pos"]
    assert found.height == 30
    assert (found["p_neg"] + found["p_pos"]).to_list() == pytest.approx([1.0] * 30)
    assert said.err == ""


def test_a_forecast_goes_on_in_the_files_own_time_and_units(models: Path, elman: Elman) -> None:
    found = _table(elman("predict", models / "future", models / "demand.csv").out)
    assert found.columns == ["id", "step", "date", "load", "load_low", "load_high"]
    assert found["step"].to_list() == [1, 2, 3, 4, 5, 6]
    assert found["date"].to_list()[0] == "2021-05-09"
    assert ((found["load_low"] <= found["load"]) & (found["load"] <= found["load_high"])).all()
    assert found["load"].is_between(0.5, 4.0).all()


def test_numbers_and_next_values_have_an_interval(models: Path, elman: Elman) -> None:
    price = _table(elman("predict", models / "price", models / "houses.jsonl").out)
    assert price.columns == ["id", "price", "price_low", "price_high"]
    assert price.height == 30
    following = _table(elman("predict", models / "next", models / "machines.tsv").out)
    assert following.columns == ["unit", "step", "t", "a", "a_low", "a_high"]
    assert following["t"].to_list() == [4] * 30


def test_what_comes_after_a_single_step_is_predicted_without_a_time(work: Path, models: Path, elman: Elman) -> None:
    (work / "one.tsv").write_text("unit\tt\ta\n7\t5\t1.0\n")
    said = elman("predict", models / "next", "one.tsv")
    assert said.code == 0, said.err
    assert _table(said.out)["unit"].to_list() == [7]
    assert said.out.splitlines()[1].startswith("7,1,NaN,")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_predictions_are_written_once(work: Path, models: Path, elman: Elman, kind: str) -> None:
    out = work / f"p.{kind}"
    said = elman("predict", models / "label", "reviews.csv", "--out", out)
    assert said.code == 0, said.err
    assert "30 rows written to" in said.err
    read = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}[kind]
    assert read(out).height == 30  # type: ignore[operator]
    before = out.read_bytes()
    again = elman("predict", models / "label", "reviews.csv", "--out", out)
    assert again.code == 2
    assert "exists already and is not overwritten" in again.err
    assert out.read_bytes() == before


def test_what_was_never_seen_is_said_and_counted(work: Path, models: Path, elman: Elman) -> None:
    (work / "new.csv").write_text('review,sentiment\na zebra film,pos\nzebra yak,odd\n"",neg\n')
    said = elman("predict", models / "label", "new.csv")
    assert said.code == 0
    assert _table(said.out).height == 3
    assert "3 of 5 words were never seen in training: 'zebra', 'yak'" in " ".join(said.err.split())
    assert "1 of 3 sequences are empty" in said.err
    said = elman("evaluate", models / "label", "new.csv")
    assert said.code == 0
    assert "1 of 3 labels never occurred in training and count as errors" in said.err
    said = elman("generate", models / "book", "--prompt", "Zab", "--length", "4")
    assert said.code == 0
    assert "1 of the prompt's tokens were never seen in training: 'Z'" in said.err


def test_an_empty_text_is_learnt_from_and_told(work: Path, elman: Elman) -> None:
    with open("reviews.csv", "a") as file:
        file.write('"",pos\n"",neg\n')
    said = elman("train", "reviews.csv", *LABEL, *FAST, "--out", "o")
    assert said.code == 0
    assert "2 sequences are empty (length zero), the first in line 32" in " ".join(said.err.split())


def test_a_target_called_like_a_column_of_the_answer_loses_nothing(work: Path, elman: Elman) -> None:
    (work / "s.csv").write_text("step\n" + "".join(f"{k % 5}\n" for k in range(60)))
    assert elman("train", "s.csv", "--from", "series:step", "--to", "future:3", *FAST, "--out", "o").code == 0
    found = _table(elman("predict", "o", "s.csv").out)
    assert found["step"].to_list() == [1, 2, 3]
    assert "step_predicted" in found.columns


def test_generating_is_repeatable(models: Path, elman: Elman) -> None:
    words = ("generate", models / "book", "--prompt", "ab", "--length", "20")
    assert elman(*words, "--seed", "1").out == elman(*words, "--seed", "1").out
    assert elman(*words, "--seed", "1").out != elman(*words, "--seed", "2").out
    assert elman(*words, "--top-k", "1").out == elman(*words, "--temperature", "0").out


def test_a_plan_names_the_engine_and_the_memory(models: Path, elman: Elman) -> None:
    said = elman("plan", models / "future", "--steps", "50", "--batch", "2")
    assert said.code == 0
    assert "plan for T=50 B=2" in said.out
    assert "GRUCell(1, 4)" in said.out


def test_a_validation_part_that_is_scored_for_want_of_a_test_is_told(work: Path, elman: Elman) -> None:
    rows = (work / "reviews.csv").read_text().splitlines()
    parts = ["part", *(["train"] * 4 + ["valid"]) * 6]
    (work / "parts.csv").write_text("".join(f"{row},{part}\n" for row, part in zip(rows, parts, strict=True)))
    said = elman("train", "parts.csv", *LABEL, "--split", "part", *FAST, "--out", "o")
    assert "there is no test part: the scores are those of the validation part" in " ".join(said.err.split())
    assert json.loads((work / "o/report.json").read_text())["scored"]["on"] == "valid"


def test_the_demo_fits_a_screen(work: Path, elman: Elman) -> None:
    said = elman("demo", "--epochs", "1", "--out", "demo", "--horizon", "8")
    assert said.code == 0, said.err
    assert {path.name for path in work.iterdir() if path.is_dir()} == {"demo", "demo-feedforward"}
    lines = said.out.splitlines()
    # A command line to paste is not broken.
    assert [line for line in lines if len(line) > 80 and not re.match(r"  \S*elman ", line)] == []
    assert "CO2 at Mauna Loa, 8 weeks ahead" in said.out
    for word in ("elman gru", "elman feedforward", "seasonal-naive", "one streamed step", "history (ppm)"):
        assert word in said.out


# Words for people ---------------------------------------------------------------------------------------------

VERBS = ("data", "train", "compare", "tune", "evaluate", "predict", "generate", "plan", "demo")


def test_alone_it_welcomes(elman: Elman) -> None:
    said = elman()
    assert said.code == 0
    assert said.out.startswith("elman: recurrent neural networks for sequences in files")
    assert max(map(len, said.out.splitlines())) <= 80
    assert package.__version__ in elman("--version").out


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_fits_80_columns(elman: Elman, verb: str) -> None:
    said = elman(*([verb] if verb else []), "--help")
    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= 80
    assert "\x1b" not in said.out
    for name in VERBS if not verb else ():
        assert f" {name} " in said.out


@pytest.mark.parametrize(
    ("verb", "lines"),
    [
        (
            "train",
            [
                "elman train reviews.csv --from text:review --to label:sentiment",
                "elman train machines.csv --from series:temp,load --to label:fault --id unit",
                "elman train demand.csv --from series:load --to future:24 --time date",
                "to read:     series[:COLUMN,...]   text[:COLUMN]   label[:COLUMN]",
                "one answer:  label[:COLUMN]   labels[:COLUMN,...]   number[:COLUMN,...]",
                "one a step:  tags[:COLUMN]   series:COLUMN,...   next[:COLUMN]",
                "a stretch:   future:STEPS[:COLUMN,...]",
            ],
        ),
        ("evaluate", ["elman evaluate runs/reviews-1 new.csv"]),
        ("predict", ["elman predict runs/reviews-1 new.csv --out predicted.csv", "> forecast.csv"]),
        ("generate", ['elman generate runs/book-1 --prompt "It was " --length 400 --temperature 0.8']),
        ("plan", ["elman plan runs/demand-1 --steps 96 --batch 64"]),
        ("demo", ["Mauna Loa, 1958-2001"]),
    ],
)
def test_help_shows_its_examples_uncut(elman: Elman, verb: str, lines: list[str]) -> None:
    shown = elman(verb, "--help").out
    for line in lines:
        assert line in shown


def test_help_leaves_no_paragraph_ragged(elman: Elman) -> None:
    """A line that ends early in the middle of a paragraph comes from a line break in the source."""
    for verb in VERBS:
        text = elman(verb, "--help").out.partition("╭")[0]
        lines = [line.strip() for line in text.splitlines()]
        for one, other in pairwise(lines):
            listed = one.startswith(("elman", "--", "to ", "events[", "one ", "a ")) or other.startswith("elman")
            if one and other and not listed:
                assert len(one) + 1 + len(other.split()[0]) > 76, (verb, one)


# Another process ----------------------------------------------------------------------------------------------


def _python(*words: object, **how: Any) -> subprocess.CompletedProcess[str]:
    source = str(Path(package.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "NO_COLOR": "1", "COLUMNS": "80"}
    command = [sys.executable, "-W", "error", "-m", "elman", *map(str, words)]
    return subprocess.run(command, text=True, capture_output=True, env=environment, timeout=120, **how)


def test_in_a_process_of_its_own_it_trains_and_speaks_plainly(work: Path) -> None:
    said = _python("train", "reviews.csv", *LABEL, *FAST, "--out", "o", cwd=work)
    assert said.returncode == 0, said.stderr
    assert "\x1b" not in said.stdout + said.stderr
    assert "Saved in o" in said.stdout
    assert (work / "o/model/manifest.json").is_file()


def test_in_a_process_of_its_own_an_error_is_one_message_and_code_2(work: Path) -> None:
    said = _python("predict", "nothing", "reviews.csv", cwd=work)
    assert said.returncode == 2
    assert said.stdout == ""
    assert said.stderr == "error: nothing: no such folder; elman train makes one, elman show lists those under runs/\n"


def test_a_pipe_that_is_closed_early_is_no_traceback(models: Path, work: Path) -> None:
    with open("many.csv", "w") as file:
        file.write("review\n" + "a great film\n" * 20_000)
    words = f"'{sys.executable}' -m elman predict '{models / 'label'}' many.csv | head -n 1"
    source = str(Path(package.__file__).parents[1])
    said = subprocess.run(
        ["bash", "-c", words],
        text=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": source},
        cwd=work,
        timeout=120,
        check=False,
    )
    assert said.stdout == "id,label,p_neg,p_pos\n"
    assert "Traceback" not in said.stderr
    assert "Exception" not in said.stderr
