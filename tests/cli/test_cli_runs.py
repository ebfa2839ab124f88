"""What a run leaves for people, and what `elman show` tells of it."""

from __future__ import annotations

import json
import re
import shlex
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elman import InputError, Ragged
from elman.cli import show
from elman.model.answers import chances
from elman.run import Run, load, train

Elman = Callable[..., Any]
LABEL = ("--from", "text:review", "--to", "label:sentiment")
FAST = ("--epochs", "1", "--hidden", "4")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# The worst examples -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", ["label", "future", "book", "fault", "price", "next"])
def test_the_worst_examples_come_first(trained: Any, job: str) -> None:
    found = _lines(trained[0] / job / "worst.jsonl")
    assert found
    losses = [one["loss"] for one in found]
    assert losses == sorted(losses, reverse=True)
    assert all({"truth", "answer", "length"} <= set(one) for one in found)


def test_a_worst_example_is_where_it_says_and_as_wrong_as_it_says(trained: Any) -> None:
    folder = trained[0]
    run, rows = load(folder / "label"), (folder / "reviews.csv").read_text().splitlines()
    classes = run.model.config.output.model_dump()["classes"]
    for one in _lines(folder / "label/worst.jsonl"):
        text, label = rows[one["line"] - 1].rsplit(",", 1)
        assert (one["text"], one["truth"]) == (text, label)
        encoded = run.model.config.input.encode(text)  # type: ignore[arg-type]
        with torch.inference_mode():
            said = chances(run.model, Ragged(encoded[:, None]))[0].numpy()
        assert one["answer"] == classes[said.argmax()]
        assert one["loss"] == pytest.approx(-np.log(said[classes.index(label)]), rel=1e-4)


def test_a_worst_step_is_a_row_of_the_file(trained: Any) -> None:
    folder = trained[0]
    rows = (folder / "machines.tsv").read_text().splitlines()
    for one in _lines(folder / "next/worst.jsonl"):
        unit, step, value = rows[one["line"] - 1].split("\t")[:3]
        assert one["id"] == unit
        assert one["step"] == int(step) + 1
        assert one["truth"] == pytest.approx(float(value), rel=1e-5)


def test_worst_forecasts_are_in_the_files_units_and_do_not_overlap(trained: Any) -> None:
    folder = trained[0]
    rows = [row.split(",") for row in (folder / "demand.csv").read_text().splitlines()]
    found = _lines(folder / "future/worst.jsonl")
    for one in found:
        assert one["truth"] == pytest.approx([float(row[1]) for row in rows[one["line"] - 1 :][:6]], rel=1e-4)
        assert one["time"] == rows[one["line"] - 1][0]
    steps = sorted(one["step"] for one in found)
    assert np.diff(steps).min() > 6


# Errors by length ---------------------------------------------------------------------------------------------


def test_errors_by_length_are_drawn_and_recorded(work: Path, elman: Elman) -> None:
    rows = [
        {"x": [k % 2 + 0.5] * (2 + k % 9), "y": "ab"[k % 2], "part": ("train", "valid", "test")[k % 3]}
        for k in range(180)
    ]
    (work / "many.jsonl").write_text("\n".join(map(json.dumps, rows)))
    said = elman("train", "many.jsonl", "--from", "series:x", "--to", "label:y", "--split", "part", *FAST, "--out", "o")
    assert said.code == 0, said.err
    record = json.loads((work / "o/report.json").read_text())["by_length"]
    assert record["error"] == "share of wrong answers"
    assert sum(one["count"] for one in record["ranges"]) == 60
    mean = sum(one["count"] * one["error"] for one in record["ranges"]) / 60
    assert 1 - mean == pytest.approx(load("o").scores.values["accuracy"])  # type: ignore[union-attr]
    assert "Errors by length" in (work / "o/lengths.svg").read_text()
    assert "lengths.svg" in said.out
    assert re.search(r"by length: share of wrong answers\n +4 steps", elman("show", "o").out)


# Loaded again -------------------------------------------------------------------------------------------------


def test_a_loaded_run_knows_what_the_fresh_one_knew(work: Path) -> None:
    fresh = train("reviews.csv", "text:review", "label:sentiment", out="o", epochs=2, hidden=4)
    _same(fresh, load("o"))
    ahead = train("demand.csv", "series:load", "future:6", out="p", epochs=1, hidden=4)
    _same(ahead, load("p"))


def _same(fresh: Run, again: Run) -> None:
    assert again.scores is not None
    assert fresh.scores is not None
    assert again.scores.values == fresh.scores.values
    assert again.scores.count == fresh.scores.count
    for name in ("confusion", "by_step"):
        np.testing.assert_array_equal(getattr(again.scores, name), getattr(fresh.scores, name))
    assert {name: one.values for name, one in again.baselines.items()} == {
        name: one.values for name, one in fresh.baselines.items()
    }
    assert again.history == fresh.history
    assert again.notes == fresh.notes


def test_a_damaged_record_does_not_keep_a_model_from_being_used(work: Path) -> None:
    train("reviews.csv", "text:review", "label:sentiment", out="o", epochs=1, hidden=4)
    (work / "o/report.json").write_text("{")
    with pytest.warns(UserWarning, match=r"report.json: damaged; the model is whole"):
        run = load("o")
    assert run.scores is None
    assert len(run.predict(["a great film"])) == 1


# elman show ---------------------------------------------------------------------------------------------------


def test_show_tells_the_scores_the_sentence_and_the_versions(models: Path, elman: Elman) -> None:
    said = elman("show", models / "label")
    assert said.code == 0, said.err
    record = json.loads((models / "label/report.json").read_text())
    assert record["verdict"] in " ".join(said.out.split())
    assert "accuracy  macro f1" in said.out
    assert record["data_sha256"][:16] in said.out
    assert f"torch {torch.__version__}" in said.out
    assert "engine native" in " ".join(said.out.split())
    assert "worst.jsonl" in said.out


def test_show_lists_runs_and_says_how_to_make_one(work: Path, elman: Elman) -> None:
    assert "elman train reviews.csv" in elman("show").out
    assert elman("train", "reviews.csv", *LABEL, *FAST).code == 0
    assert elman("show").out.startswith("runs/reviews-1  20")
    assert elman("show", "none").code == 2


# What is to be pasted works -----------------------------------------------------------------------------------


@pytest.mark.parametrize("job", ["label", "future", "book"])
def test_all_commands_at_the_end_work_when_they_are_pasted(
    trained: Any, elman: Elman, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    folder, said = trained
    monkeypatch.chdir(folder)
    commands = said[job].out.split("Next:\n")[1].splitlines()
    assert len(commands) == 3
    shown = elman("show", job).out.split("Next:\n")[1].splitlines()
    for place, line in enumerate([*commands, *shown]):
        words = shlex.split(line, comments=True)
        assert words[0].endswith("elman")
        if words[1] == "compare":
            words += ["--out", f"{job}-again", "--epochs", "1", "--seeds", "1", "--cells", "gru,feedforward"]
        if "predicted.csv" in words:
            words[-1] = f"{job}-{place}.csv"
        done = elman(*words[1:])
        assert done.code == 0, (line, done.err)


# TensorBoard --------------------------------------------------------------------------------------------------


def _events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    read = accumulator.EventAccumulator(str(folder))
    read.Reload()
    return {tag: [(event.step, event.value) for event in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def test_events_for_tensorboard_hold_every_epoch_once_after_it_goes_on(
    work: Path, elman: Elman, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch.utils.tensorboard")

    def step(self: show.Watch, event: Any) -> None:
        if event.epoch == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(show.Watch, "_step", step)
        said = elman("train", "reviews.csv", *LABEL, "--epochs", "5", "--hidden", "4", "--tensorboard", "--out", "o")
    assert said.code == 130, said.err
    assert [step for step, _ in _events(work / "o/tensorboard")["loss/validation"]] == [1, 2]
    assert elman("train", "--resume", "o").code == 0
    found, epochs = _events(work / "o/tensorboard"), _lines(work / "o/history.jsonl")
    for tag, field in (("loss/training", "train_loss"), ("loss/validation", "valid_loss"), ("learning rate", "lr")):
        assert [step for step, _ in found[tag]] == [one["epoch"] for one in epochs]
        assert [value for _, value in found[tag]] == pytest.approx([one[field] for one in epochs], rel=1e-6)
    # Their writers are closed: each has a thread of its own, which would live as long as the process.
    assert not [one for one in threading.enumerate() if "EventLogger" in type(one).__name__]


def test_a_missing_tensorboard_is_one_message_with_the_line_to_paste(
    work: Path, elman: Elman, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    said = elman("train", "reviews.csv", *LABEL, *FAST, "--tensorboard", "--out", "o")
    assert said.code == 2
    assert "--tensorboard: TensorBoard is not installed" in said.err
    assert said.err.rstrip().endswith("pip install 'elman[tensorboard]'")
    assert not (work / "o").exists()
    with pytest.raises(InputError, match="not installed"):
        train("reviews.csv", "text:review", "label:sentiment", out="o", tensorboard=True)
