"""Searches: the defaults first, the test part last, nothing lost by a kill and nothing drawn twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman
from elman.core.errors import InputError
from elman.study import search as searching
from elman.study import tune as tuning
from elman.study.matters import explained
from elman.study.search import Trial
from elman.study.space import Choice, Dimension, Range, space_of
from elman.study.training import Begun, Ended, Outcome, StudyInterrupted
from elman.study.tune import Tuning, tune_again
from elman.training.defaults import choose_loop, choose_net
from elman.training.history import Epoch, Step
from elman.training.make import data_of
from elman.training.place import read_settings
from elman.training.settings import job_from

needs_optuna = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import optuna"], check=False, capture_output=True).returncode != 0,
    reason="optuna is not installed: pip install 'elman[tune]'",
)
ASKED: dict[str, Any] = {"source": "series:v", "target": "label:kind"}
SETTINGS: dict[str, Any] = {"epochs": 5, "hidden": 4, "batch": 8, "save_every": "4", "trials": 6, "seeds": 2}


def made(file: str | Path, **more: Any) -> Tuning:
    return elman.tune(file, **{**ASKED, **SETTINGS, **more})


def known(found: Tuning) -> list[Trial]:
    """What does not depend on the clock."""
    return [replace(one, seconds=0.0) for one in found.trials]


def weights(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("model.safetensors"))}


@pytest.fixture(scope="module")
def whole(apart: Path) -> Tuning:
    """One that was never broken off."""
    return made(apart / "kinds.jsonl", out=apart / "tuned")


# ------------------------------------------------------------------ where settings are looked for

SIDES = {
    "label": ("kinds.jsonl", "series:v", "label:kind"),
    "future": ("series.csv", "series:y", "future:3"),
    "text": ("texts.csv", "text:words", "label:kind"),
    "book": ("book.txt", "text.char", "next"),
    "number": ("texts.csv", "text:words", "number:size"),
}


@pytest.fixture
def files(kinds: str) -> None:
    Path("series.csv").write_text("y\n" + "\n".join(str(k % 7) for k in range(200)))
    Path("texts.csv").write_text(
        "words,kind,size\n" + "".join(f"{['good', 'bad', 'ugly'][k % 3]} film,{'xyz'[k % 3]},{k}\n" for k in range(60))
    )
    Path("book.txt").write_text("abcde fgh. " * 60)


def space(kind: str, **given: Any) -> dict[str, Dimension]:
    job = job_from(dict(zip(("file", "source", "target"), SIDES[kind], strict=True)) | given)
    return space_of(job, ("file", "source", "target", *given), data_of(job))


@pytest.mark.parametrize("kind", SIDES)
def test_the_defaults_lie_in_the_space_and_are_those_of_a_training(files: None, kind: str) -> None:
    job = job_from(dict(zip(("file", "source", "target"), SIDES[kind], strict=True)))
    data = data_of(job)
    chosen = {**choose_loop(job, data).model_dump(), **choose_net(job, data).model_dump()}
    found = space(kind)
    assert {"hidden", "layers", "lr", "dropout", "weight_decay", "cell"} <= set(found)
    for name, where in found.items():
        assert where.default == (chosen[name] or 0), name
        if isinstance(where, Choice):
            assert where.default in where.values, name
        else:
            assert where.low <= where.default <= where.high, name


def test_each_kind_is_looked_for_what_it_has(files: None) -> None:
    assert {"readout", "label_smoothing", "input_dropout"} <= set(space("label"))
    assert not {"readout", "label_smoothing", "input_dropout", "embedding"} & set(space("future"))
    assert {"embedding", "word_dropout", "label_smoothing"} <= set(space("text"))
    assert "label_smoothing" not in space("number")
    assert not {"readout", "word_dropout"} & set(space("book"))


def test_every_corner_of_the_space_can_be_trained(files: None) -> None:
    for kind in SIDES:
        job = job_from(dict(zip(("file", "source", "target"), SIDES[kind], strict=True)))
        data, found = data_of(job), space(kind)
        for end in (0, -1):
            corner = {n: w.values[end] if isinstance(w, Choice) else (w.low, w.high)[end] for n, w in found.items()}
            settings = job_from({**job.model_dump(exclude_none=True), **corner})
            assert choose_net(settings, data)
            assert choose_loop(settings, data)


def test_what_is_given_is_fixed(files: None) -> None:
    assert not {"lr", "cell", "clip"} & set(space("label", lr=0.01, cell="lstm", clip=0.0))
    assert "cell" not in space("label", cell="feedforward")
    everything = {n: w.default for n, w in space("label").items()}
    with pytest.raises(InputError, match="everything that could be tuned is given"):
        space("label", **everything)


# ------------------------------------------------------------------ trials


@needs_optuna
def test_the_first_trial_is_what_a_training_would_be(whole: Tuning, apart: Path, tmp_path: Path) -> None:
    own = {name: SETTINGS[name] for name in ("epochs", "hidden", "batch")}
    run = elman.train(apart / "kinds.jsonl", **ASKED, **own, score_on="valid", out=tmp_path / "plain")
    mine = whole.path / "trials" / "0000"
    assert weights(mine) == weights(run.path)
    assert whole.trials[0].loss == run.history.best.valid_loss
    assert run.scores is not None
    assert whole.trials[0].scores == run.scores.values


@needs_optuna
def test_the_test_part_is_read_at_the_end_only(whole: Tuning) -> None:
    for one in whole.trials:
        record = whole.path / "trials" / f"{one.number:04d}" / "report.json"
        assert record.is_file() == one.complete
        if one.complete:
            assert json.loads(record.read_text())["scored"]["on"] == "valid"
    assert whole.outcomes
    assert {one.on for one in whole.outcomes} == {"test"}


@needs_optuna
def test_the_check_is_of_the_same_seeds_and_of_none_that_a_trial_had(whole: Tuning) -> None:
    seeds = {which: [one.seed for one in whole.of(which)] for which in ("best", "defaults")}
    assert seeds["best"] == seeds["defaults"] == [1, 2]
    assert whole.best.loss == min(one.loss for one in whole.trials if one.complete)
    for one in whole.outcomes:
        settings = read_settings(whole.path / "check" / one.name / "run.toml", "")
        assert settings["split_seed"] == 0
        tuned = {name: settings.get(name) for name in whole.best.settings}
        assert (tuned == whole.best.settings) == one.name.startswith("best")


@needs_optuna
def test_poor_trials_are_cut_short_and_say_where(whole: Tuning) -> None:
    short = [one for one in whole.trials if not one.complete]
    assert short
    for one in short:
        assert one.number >= 4
        assert "worse than the median after" in one.why
        assert one.epochs < SETTINGS["epochs"]
    assert [one.number for one in whole.trials] == list(range(6))
    assert len({json.dumps(one.settings) for one in whole.trials}) == 6


@needs_optuna
def test_what_is_left_trains_the_best_again(whole: Tuning) -> None:
    record = json.loads((whole.path / "tune.json").read_text())
    assert record["best"] == whole.best.number
    assert record["verdict"] == whole.verdict
    assert len(record["trials"]) == 6
    assert "<svg" in (whole.path / "tune.svg").read_text()
    settings = read_settings(whole.path / "best.toml", "")
    assert {name: settings[name] for name in whole.best.settings} == whole.best.settings
    assert "score_on" not in settings


@needs_optuna
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is not there")
def test_a_killed_search_goes_on_in_the_trial_it_was_in_and_ends_as_an_unbroken_one(
    whole: Tuning, apart: Path, tmp_path: Path
) -> None:
    """Killed in a step of the first trial, behind an epoch of a later one, and in the check; nothing is lost."""
    out = tmp_path / "killed"
    program = Path(__file__).with_name("killed.py")
    kills = ("Step:7", "Epoch:12", "Ended:1")
    done = subprocess.run(
        [sys.executable, program, apart / "kinds.jsonl", out, *kills], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [f"{kill} {-signal.SIGKILL}" for kill in kills], done.stderr
    events: list[object] = []
    again = tune_again(out, events.append)
    assert known(again) == known(whole)
    assert again.best == replace(whole.best, seconds=again.best.seconds)
    assert weights(out) == weights(whole.path)
    kept = [event.kept for event in events if isinstance(event, Ended)]
    assert kept == [True] + [False] * (len(whole.outcomes) - 1)
    assert not [event for event in events if isinstance(event, Trial)]


@needs_optuna
def test_a_killed_trial_does_not_begin_again(apart: Path, tmp_path: Path) -> None:
    """The steps before the kill are not taken twice."""
    seen: list[Step] = []

    def stop(event: object) -> None:
        if isinstance(event, Step):
            seen.append(event)
            if len(seen) == 7:
                raise KeyboardInterrupt

    with pytest.raises(StudyInterrupted, match="elman tune --resume"):
        made(apart / "kinds.jsonl", out=tmp_path / "out", listener=stop)
    later: list[Step] = []
    made(apart / "kinds.jsonl", out=tmp_path / "out", listener=lambda e: later.append(e) if isinstance(e, Step) else 0)
    after = (later[0].epoch, later[0].step)
    assert after > (seen[-1].epoch, seen[-1].step)


@needs_optuna
def test_more_trials_go_on_with_what_is_there(whole: Tuning, apart: Path, tmp_path: Path) -> None:
    made(apart / "kinds.jsonl", out=tmp_path / "out", trials=4)
    more = made(apart / "kinds.jsonl", out=tmp_path / "out")
    assert known(more) == known(whole)
    assert {n: w for n, w in weights(more.path).items() if n.startswith("trials")} == {
        n: w for n, w in weights(whole.path).items() if n.startswith("trials")
    }
    assert read_settings(more.path / "study.toml", "")["trials"] == 6


@needs_optuna
def test_the_same_call_again_trains_nothing(whole: Tuning, apart: Path) -> None:
    events: list[object] = []
    again = made(apart / "kinds.jsonl", out=whole.path, listener=events.append)
    assert not [event for event in events if isinstance(event, (Step, Epoch, Begun, Trial))]
    assert again.verdict == whole.verdict


@needs_optuna
def test_the_time_ends_the_search_and_the_check_follows(kinds: str) -> None:
    found = made(kinds, budget="0.01s", out="out")
    assert found.trials[0].complete
    assert len(found.trials) < SETTINGS["trials"]
    assert [one.seed for one in found.of("defaults")] == [1, 2]


@needs_optuna
def test_a_trial_that_diverges_is_no_end_of_the_search(kinds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wild = {"lr": Range(0.003, 0.002, 1e30, log=True)}
    monkeypatch.setattr(tuning, "space_of", lambda *_: wild)
    found = made(kinds, clip=0, out="out", trials=5)
    failed = [one for one in found.trials if "became" in one.why]
    assert failed
    assert all(not one.complete for one in failed)
    assert found.best.complete


@needs_optuna
def test_defaults_that_fail_are_said_with_what_to_do(kinds: str) -> None:
    with pytest.raises(InputError, match=r"no trial came to its end.*elman train kinds.jsonl"):
        made(kinds, lr=1e30, clip=0, out="out", trials=1)


def test_without_optuna_one_message_says_how_to_get_it(kinds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"elman tune needs Optuna.*pip install 'elman\[tune\]'"):
        made(kinds, out="out")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"trials": 0}, "^trials=0: expected .* as in trials=20$"),
        ({"seeds": 0}, "^seeds=0: expected"),
        ({"budget": "soon"}, "^budget='soon': "),
        ({"find_lr": True}, "looks for the rate itself"),
        ({"score_on": "valid"}, "says itself what is scored"),
        ({"lookback": 3}, "only forecasts"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(kinds: str, more: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        made(kinds, out="out", **more)
    assert not list(Path().glob("out/trials/*"))


# ------------------------------------------------------------------ words


def found(best: list[float], defaults: list[float], losses: list[float], metric: str = "mae") -> Tuning:
    """A search that came out as is said."""
    job = job_from({"file": "x.csv", "source": "series", "target": "number"})
    trials = [Trial(k, {"lr": 0.1 * k}, loss, True, scores={metric: loss}) for k, loss in enumerate(losses)]
    sides = {"best": best, "defaults": defaults}
    outcomes = [
        Outcome(f"{which}-{seed}", "gru", seed, {metric: value}, count=100)
        for which, values in sides.items()
        for seed, value in enumerate(values, 1)
    ]
    return Tuning(Path(), trials, len(trials), job, outcomes)


@pytest.mark.parametrize(
    ("best", "told"),
    [
        ([0.10, 0.11, 0.12], "Tuned beats the defaults on the test part"),
        ([0.10, 0.35, 0.29], "no more than chance"),
        ([0.40, 0.41, 0.42], "Tuned is not better than the defaults"),
    ],
)
def test_the_verdict_is_that_of_the_test_part(best: list[float], told: str) -> None:
    said = " ".join(found(best, [0.30, 0.31, 0.32], [0.5, 0.4]).verdict)
    assert told in said
    assert "partly luck, so that figure flatters" in said


def test_defaults_that_nothing_beats_are_kept() -> None:
    said = found([], [0.3, 0.3, 0.3], [0.4, 0.5]).verdict
    assert "keep them" in said[0]


# ------------------------------------------------------------------ what mattered


def test_the_setting_that_was_planted_is_found() -> None:
    chance = np.random.default_rng(0)
    settings = [
        {"lr": chance.random(), "cell": str(chance.choice(["a", "b"])), "idle": chance.random()} for _ in range(60)
    ]
    share = explained(settings, [one["lr"] + 0.05 * chance.random() for one in settings])
    assert next(iter(share)) == "lr"
    assert share["lr"] > 0.95
    assert share["idle"] < 0.1
    share = explained(settings, [(one["cell"] == "a") + 0.5 * chance.random() for one in settings])
    assert next(iter(share)) == "cell"


def test_of_chance_about_nothing_is_explained() -> None:
    chance = np.random.default_rng(1)
    shares = [
        explained([{"a": chance.random(), "b": str(chance.integers(3))} for _ in range(20)], chance.random(20).tolist())
        for _ in range(200)
    ]
    assert np.mean([one["a"] for one in shares]) < 0.05
    assert np.mean([one["b"] for one in shares]) < 0.05


def test_a_setting_that_never_changed_explains_nothing() -> None:
    assert explained([{"a": 1.0}, {"a": 1.0}, {"a": 1.0}], [1.0, 2.0, 3.0]) == {"a": 0.0}


# What a review found ------------------------------------------------------------------------------------------


@needs_optuna
def test_a_setting_of_none_is_not_given(kinds: str) -> None:
    found = made(kinds, out="o", lr=None, trials=2)
    assert "lr" in found.trials[1].settings
    assert [one.settings for one in tune_again("o").trials] == [one.settings for one in found.trials]


@needs_optuna
def test_a_search_killed_between_two_settings_of_a_trial_draws_the_same(
    whole: Tuning, kinds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    drawn, count = searching._drawn, 0

    def dying(*what: Any) -> Any:
        nonlocal count
        count += 1
        if count == 3 * len(drawn_of_one) // 2:
            raise Killed
        return drawn(*what)

    drawn_of_one = list(whole.trials[1].settings)
    with monkeypatch.context() as patched:
        patched.setattr(searching, "_drawn", dying)
        with pytest.raises(Killed):
            made(kinds, out="o")
    assert [one.settings for one in made(kinds, out="o").trials] == [one.settings for one in whole.trials]


@needs_optuna
def test_every_part_that_an_epoch_passes_is_told(whole: Tuning) -> None:
    """Five epochs pass four twentieths each: who lands on other ones is compared at the same."""
    import optuna

    study = optuna.load_study(study_name="tune", storage=f"sqlite:///{whole.path / 'study.db'}")
    for trial in study.get_trials():
        told = sorted(trial.intermediate_values)
        assert told == list(range(1, len(told) + 1))


@needs_optuna
def test_a_trial_that_takes_ten_times_as_long_as_the_defaults_is_cut_short(
    kinds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "_MINUTE", 0.0)
    monkeypatch.setattr(searching, "_DEAR", 0.0)
    found = made(kinds, out="o", trials=3)
    assert [one.complete for one in found.trials] == [True, False, False]
    assert "as long as the defaults" in found.trials[1].why


@needs_optuna
def test_a_search_does_not_pass_for_a_run_that_was_broken_off(whole: Tuning) -> None:
    assert not (whole.path / "run.toml").exists()
    with pytest.raises(elman.ModelFileError, match=r"study of several trainings.*elman tune --resume"):
        elman.load(whole.path)
    with pytest.raises(InputError, match="study of several trainings; go on: elman tune --resume"):
        elman.resume(whole.path)


def test_defaults_that_fail_are_told_and_the_best_is_taken(tmp_path: Path) -> None:
    failed = Trial(0, {}, float("nan"), complete=False, epochs=1, seconds=1.0, scores={}, why="the loss became nan")
    other = Trial(1, {"lr": 0.1}, 0.5, complete=True, epochs=1, seconds=1.0, scores={"accuracy": 0.9}, why="")
    runs = [
        Outcome("defaults-1", "gru", 1, {}, trouble="the loss became nan"),
        Outcome("best-of-1-1", "gru", 1, {"accuracy": 0.8}, count=10),
    ]
    job = job_from({"file": "a.csv", **ASKED})
    found = Tuning(tmp_path, [failed, other], 2, job, runs)
    assert found.metric == "accuracy"
    assert found.verdict == [
        "The defaults fail here (the loss became nan); trial 1 comes to its end, on the test part with accuracy "
        "0.8000: take it, for want of another to set it against."
    ]


@needs_optuna
def test_a_search_goes_on_when_the_first_trial_fails(kinds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = searching.trained

    def failing(job: Any, folder: Path, *more: Any) -> Outcome:
        return Outcome("0000", "gru", 0, {}, trouble="nan") if folder.name == "0000" else real(job, folder, *more)

    monkeypatch.setattr(searching, "trained", failing)
    monkeypatch.setattr(searching, "_MINUTE", 0.0)
    found = made(kinds, out="o", trials=2)
    assert [one.complete for one in found.trials] == [False, True]
    assert "the defaults failed (nan)" in found.verdict[1]
    assert "nan nan" not in " ".join(found.verdict)


@needs_optuna
def test_a_search_of_another_space_is_not_gone_on_with(kinds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made(kinds, out="o", trials=1, seeds=1)
    real = tuning.space_of
    monkeypatch.setattr(
        tuning, "space_of", lambda *what: {n: w for n, w in real(*what).items() if n != "clip"} | {"ar": Range(1, 0, 2)}
    )
    with pytest.raises(InputError, match=r"clip was .* is not looked for; ar was not looked for, is 0 to 2.*out="):
        made(kinds, out="o", trials=2, seeds=1)


@needs_optuna
def test_a_trial_killed_behind_its_last_epoch_takes_no_step_more(kinds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the study was told that it took too long."""

    class Killed(BaseException):
        pass

    def dies(*_: Any, **__: Any) -> None:
        raise Killed

    monkeypatch.setattr(searching, "_MINUTE", 0.0)
    monkeypatch.setattr(searching, "_DEAR", 0)
    whole = made(kinds, out="whole", trials=2, save_every="1")
    with monkeypatch.context() as patched:
        patched.setattr(
            searching._Watch, "judge", lambda self, **_: dies() if self.trial.number and self.told else None
        )
        with pytest.raises(Killed):
            made(kinds, out="o", trials=2, save_every="1")
    events: list[object] = []
    again = made(kinds, out="o", trials=2, save_every="1", listener=events.append)
    ended = next(k for k, event in enumerate(events) if isinstance(event, Trial))
    assert not [event for event in events[:ended] if isinstance(event, (Step, Epoch))]
    assert "as long as the defaults" in again.trials[1].why
    assert known(again) == known(whole)
    assert again.trials[1].epochs == 1
    assert np.isfinite(again.trials[1].loss)


@needs_optuna
def test_looks_at_the_test_part_are_counted(kinds: str) -> None:
    first = made(kinds, out="o", trials=3)
    assert made(kinds, out="o", trials=3).looks == first.looks == [3]
    later = made(kinds, out="o", trials=4)
    assert later.looks == [3, 4]
    assert tune_again("o").looks == [3, 4]


def test_a_second_look_at_the_test_part_is_told() -> None:
    one = found([0.10, 0.11, 0.12], [0.30, 0.31, 0.32], [0.5, 0.4])
    assert "scored before" not in one.verdict[-1]
    one.looks = [20, 40]
    assert "The test part was scored before, after 20 trials" in one.verdict[-1]
