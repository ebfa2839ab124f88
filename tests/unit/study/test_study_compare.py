"""Comparisons: one split, every training kept, gone on with exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import elman
from elman.core.errors import InputError
from elman.study.compare import Comparison, compare_again
from elman.study.training import Begun, Ended, Event, Outcome, StudyInterrupted
from elman.training.history import Step
from elman.training.make import data_of
from elman.training.settings import job_from

SMALL: dict[str, Any] = {"epochs": 3, "hidden": 4, "save_every": "never"}
ASKED: dict[str, Any] = {"source": "series:v", "target": "label:kind", "cells": ("gru", "feedforward"), "seeds": 2}


def made(file: str | Path, **more: Any) -> Comparison:
    return elman.compare(file, **{**ASKED, **SMALL, **more})


@pytest.fixture(scope="module")
def whole(apart: Path) -> Comparison:
    """One that was never broken off."""
    return made(apart / "kinds.jsonl", out=apart / "whole")


def test_every_net_is_trained_on_every_seed(whole: Comparison) -> None:
    assert [one.name for one in whole.outcomes] == ["gru-0", "feedforward-0", "gru-1", "feedforward-1"]
    assert {cell: sorted(values) for cell, values in whole.nets.items()} == {"gru": [0, 1], "feedforward": [0, 1]}
    assert all((whole.path / one.name / "model").is_dir() for one in whole.outcomes)
    assert whole.metric == "accuracy"


def test_the_split_does_not_change_with_the_seed(whole: Comparison) -> None:
    """The same examples in all, though the trainings differ."""
    tests, weights = [], []
    for one in whole.outcomes:
        run = (whole.path / one.name / "run.toml").read_text()
        assert "split_seed = 0" in run
        settings = dict(line.split(" = ") for line in run.splitlines() if " = " in line)
        job = job_from({name: json.loads(value) for name, value in settings.items()})
        tests.append([t.tolist() for t in data_of(job).test.inputs])  # type: ignore[union-attr]
        weights.append((whole.path / one.name / "model" / "model.safetensors").read_bytes())
    assert all(part == tests[0] for part in tests)
    assert len(set(weights)) == len(weights)
    assert len({json.dumps(one.baselines) for one in whole.outcomes}) == 1


def test_without_a_seed_of_its_own_the_split_follows_the_seed(apart: Path) -> None:
    asked = {"file": str(apart / "kinds.jsonl"), "source": "series:v", "target": "label:kind"}
    parts = [
        [t.tolist() for t in data_of(job_from({**asked, **seeds})).test.inputs]  # type: ignore[union-attr]
        for seeds in ({"seed": 1}, {"seed": 2}, {"seed": 2, "split_seed": 1})
    ]
    assert parts[0] != parts[1]
    assert parts[0] == parts[2]


def test_the_record_holds_everything(whole: Comparison) -> None:
    record = json.loads((whole.path / "compare.json").read_text())
    assert record["finished"] is True
    assert record["verdict"] == whole.verdict
    assert record["scored"] == {"on": "test", "count": whole.count}
    mean = sum(whole.nets["gru"].values()) / 2
    assert record["nets"]["gru"]["scores"]["accuracy"]["mean"] == pytest.approx(mean)
    assert record["nets"]["gru"]["weights"] > 0
    assert record["baselines"] == whole.baselines != {}
    assert [one["name"] for one in record["trainings"]] == [one.name for one in whole.outcomes]
    for one in record["trainings"]:
        own = json.loads((whole.path / one["name"] / "report.json").read_text())
        assert one["scores"] == own["scores"]
    assert "<svg" in (whole.path / "compare.svg").read_text()


def test_the_same_call_again_trains_nothing(whole: Comparison, apart: Path) -> None:
    events: list[Event] = []
    again = made(apart / "kinds.jsonl", out=whole.path, listener=events.append)
    assert [event.kept for event in events if isinstance(event, Ended)] == [True] * 4
    assert not [event for event in events if isinstance(event, (Step, Begun))]
    assert again.outcomes == whole.outcomes


@pytest.mark.parametrize("which", [1, 3])
def test_one_that_was_broken_off_goes_on_to_the_same_result(
    whole: Comparison, apart: Path, tmp_path: Path, which: int
) -> None:
    """Stopped in a step of a training; then by the folder alone."""
    seen: list[Event] = []

    def stop(event: Event) -> None:
        seen.append(event)
        if isinstance(event, Step) and sum(isinstance(e, Begun) for e in seen) == which and event.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(StudyInterrupted, match="elman compare --resume") as stopped:
        made(apart / "kinds.jsonl", out=tmp_path / "broken", listener=stop)
    assert stopped.value.study == tmp_path / "broken"
    again = compare_again(tmp_path / "broken")
    assert [(one.name, one.scores, one.epochs) for one in again.outcomes] == [
        (one.name, one.scores, one.epochs) for one in whole.outcomes
    ]
    for one in again.outcomes:
        parts = [
            (folder / one.name / "model" / "model.safetensors").read_bytes() for folder in (again.path, whole.path)
        ]
        assert parts[0] == parts[1]


def test_a_training_without_a_word_of_its_own_begins_anew(whole: Comparison, apart: Path, tmp_path: Path) -> None:
    """Killed between making its folder and writing into it."""
    (tmp_path / "out" / "gru-0").mkdir(parents=True)
    (tmp_path / "out" / "study.toml").write_bytes((whole.path / "study.toml").read_bytes())
    assert made(apart / "kinds.jsonl", out=tmp_path / "out").nets == whole.nets


def test_a_training_that_diverges_is_told_and_the_others_go_on(kinds: str) -> None:
    found = made(kinds, cells=("gru",), lr=1e30, clip=0, out="out")
    assert found.nets == {}
    assert all("became" in one.trouble for one in found.outcomes)
    assert "nothing to compare" in found.verdict[0]
    again = made(kinds, cells=("gru",), lr=1e30, clip=0, out="out")
    assert [one.trouble for one in again.outcomes] == [one.trouble for one in found.outcomes]


def test_the_budget_is_for_all_in_equal_shares(kinds: str) -> None:
    found = made(kinds, budget="8s", out="out", cells=("gru", "rnn"))
    runs = [(found.path / one.name / "run.toml").read_text() for one in found.outcomes]
    assert all('budget = "2.000s"' in run for run in runs)
    assert any("may take 2 s" in note for note in found.notes)


def test_what_only_recurrent_nets_have_is_left_out_for_the_other_and_told(kinds: str) -> None:
    found = made(kinds, zoneout=0.1, seeds=1, out="out")
    assert any("feedforward goes without zoneout" in note for note in found.notes)
    assert "zoneout = 0.1" in (found.path / "gru-0" / "run.toml").read_text()
    assert "zoneout" not in (found.path / "feedforward-0" / "run.toml").read_text()


def test_time_is_no_lottery_so_no_seed_of_the_split_is_named(kinds: str) -> None:
    Path("series.csv").write_text("y\n" + "\n".join(str(k % 7) for k in range(120)))
    found = elman.compare("series.csv", "series:y", "future:2", cells=["gru"], seeds=2, out="out", **SMALL)
    assert "split_seed" not in (found.path / "gru-1" / "run.toml").read_text()
    with pytest.raises(InputError, match="split_seed='3': nothing is drawn at random"):
        elman.compare("series.csv", "series:y", "future:2", split_seed=3, out="other")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"cells": ("gru", "grew")}, r"^cells=\[\"grew\"\]: no such net. Did you mean 'gru'"),
        ({"cells": ("gru", "gru")}, "^cells: gru is named 2 times"),
        ({"cells": ()}, r"^cells: no net is named; as in cells=\[\"gru\", \"feedforward\"\]"),
        ({"cell": "gru"}, r"^cell='gru': .*name them: cells=\[\"gru\", \"gru\"\]"),
        ({"seeds": 0}, "^seeds=0: expected .* as in seeds=3$"),
        ({"budget": "soon"}, "^budget='soon': expected a stretch of time.*as in budget=\"2m\"$"),
        ({"readout": "middle"}, "readout: expected"),
        ({"lookback": 3}, "only forecasts"),
        ({"ema_decay": 0.5}, "belongs to --average ema"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(kinds: str, more: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        made(kinds, out="out", **more)
    assert not list(Path().glob("out/*-*"))


def test_another_study_is_not_mixed_into_one(whole: Comparison, apart: Path) -> None:
    with pytest.raises(InputError, match=r"seeds was 2, is 5.*--resume.*out=\"FOLDER\""):
        made(apart / "kinds.jsonl", out=whole.path, seeds=5)
    with pytest.raises(InputError, match="epochs was 3, is 9"):
        made(apart / "kinds.jsonl", out=whole.path, epochs=9)


def test_changed_data_are_refused(kinds: str) -> None:
    made(kinds, out="out", seeds=1, cells=("gru",))
    lines = Path(kinds).read_text().splitlines()
    Path(kinds).write_text("\n".join(lines[:-1]))
    with pytest.raises(InputError, match="its data have changed"):
        made(kinds, out="out", seeds=1, cells=("gru",))


def test_a_folder_of_something_else_is_not_touched(kinds: str) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("dear diary")
    with pytest.raises(InputError, match="exists already and is not overwritten"):
        made(kinds, out="mine")
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]
    with pytest.raises(InputError, match="no study to go on with"):
        compare_again("mine")


# What changes while a study is under way ----------------------------------------------------------------------


def test_data_that_change_between_two_trainings_are_refused(kinds: str) -> None:
    def listen(event: Event) -> None:
        if isinstance(event, Ended):
            lines = Path(kinds).read_text().splitlines()
            Path(kinds).write_text("\n".join(lines[:-6]))

    with pytest.raises(InputError, match=r"gru-1|feedforward-0.*changed while the study was under way"):
        made(kinds, out="o", listener=listen)


def test_a_file_to_validate_on_that_changes_is_refused(kinds: str) -> None:
    lines = [json.dumps({"v": [k / 9, 1.0, -1.0, k / 7], "kind": "ab"[k % 2]}) for k in range(12)]
    Path("valid.jsonl").write_text("\n".join(lines))

    def listen(event: Event) -> None:
        if isinstance(event, Ended):
            Path("valid.jsonl").write_text("\n".join(lines[:9]))

    with pytest.raises(InputError, match=r"feedforward-0: 'valid.jsonl' changed while the study was under way"):
        made(kinds, out="o", valid="valid.jsonl", listener=listen)


def test_scores_of_more_or_fewer_examples_are_not_set_beside_each_other(kinds: str) -> None:
    found = made(kinds, out="o", seeds=1)
    record = found.path / "feedforward-0" / "report.json"
    told = json.loads(record.read_text())
    told["scored"]["count"] += 1
    record.write_text(json.dumps(told))
    with pytest.raises(InputError, match=r"feedforward-0: \d+ were scored, of gru-0 \d+"):
        compare_again(found.path)


def test_how_often_it_is_saved_may_be_said_anew_for_the_training_under_way(kinds: str) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(StudyInterrupted):
        made(kinds, out="o", seeds=1, listener=stop)
    made(kinds, out="o", seeds=1, save_every="7", threads=1)
    runs = [(Path("o") / name / "run.toml").read_text() for name in ("gru-0", "feedforward-0")]
    assert all('save_every = "7"' in run and "threads = 1" in run for run in runs)


def test_data_that_are_not_there_are_not_called_changed(kinds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made(kinds, out="o")
    found = Path("o").absolute()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    with pytest.raises(InputError, match=r"not there|no such file"):
        compare_again(found)


def test_a_first_write_that_was_killed_is_not_in_the_way(kinds: str) -> None:
    Path("o").mkdir()
    (Path("o") / ".study.toml.x1y2.new").write_text("half")
    assert made(kinds, out="o").outcomes
    assert not list(Path("o").glob("*.new"))


def test_a_finished_comparison_asked_for_again_is_finished_all_along(
    whole: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def listen(_: Event) -> None:
        seen.append(json.loads((whole.path / "compare.json").read_text())["finished"])

    compare_again(whole.path, listen)
    assert set(seen) == {True}


def test_budgets_that_ended_trainings_are_told(kinds: str) -> None:
    found = made(kinds, out="o", epochs=4000, budget="0.4s", cells=("gru",), seeds=2)
    assert all(one.spent for one in found.outcomes)
    assert "--budget ended gru-0, gru-1 before the last epoch" in " ".join(found.verdict)


def test_a_budget_of_nothing_is_refused(kinds: str) -> None:
    with pytest.raises(InputError, match="less than a millisecond each; as in budget"):
        made(kinds, out="o", budget="0.001s")
    assert not Path("o").exists()


def test_the_table_and_the_verdict_name_the_same_net_as_best() -> None:
    """One that failed on a seed has a mean of fewer; it stands behind those that did not."""
    scores = {("gru", 0): 0.99, ("rnn", 0): 0.5, ("rnn", 1): 0.6, ("lstm", 0): 0.7, ("lstm", 1): 0.8}
    runs = [Outcome(f"{c}-{s}", c, s, {"accuracy": v}, count=9, seconds=1.0) for (c, s), v in scores.items()]
    found = Comparison(Path("o"), "accuracy", True, [*runs, Outcome("gru-1", "gru", 1, {}, trouble="nan")], {}, [], 2)
    assert list(found.ranked) == ["lstm", "rnn", "gru"]
    assert found.verdict[0].startswith("lstm scores best")


def test_a_study_does_not_pass_for_a_run(whole: Comparison) -> None:
    with pytest.raises(elman.ModelFileError, match=r"study of several trainings.*elman compare --resume"):
        elman.load(whole.path)
    with pytest.raises(InputError, match="study of several trainings; go on: elman compare --resume"):
        elman.resume(whole.path)
