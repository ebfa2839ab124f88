"""Libraries side by side: the rows that are forecast, the scores, and elman's entry on a series that is soon learnt."""

from __future__ import annotations

import argparse
import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import forecasters
import numpy as np
import pytest


def _task(*, known: bool = False) -> forecasters.Task:
    """A wave of twelve steps; where something is known ahead, it is doubled on days that are."""
    steps = np.arange(240)
    special = ((steps // 12) % 3 == 1).astype(float)
    values = np.sin(steps * np.pi / 6) * (1 + special * known)
    times = [datetime(2020, 1, 1) + timedelta(hours=k) for k in range(240)]
    ahead, names = (special[:, None], ["special"]) if known else (np.zeros((240, 0)), [])
    return forecasters.Task("wave", times, values, ahead, names, 140, 190, 12, 6, 12, 5)


def test_forecasts_begin_every_stride_and_end_with_the_rows() -> None:
    task = _task()
    assert task.origins.tolist() == list(range(190, 235, 5))
    assert task.truth.shape == (9, 6)
    assert task.truth[-1].tolist() == task.values[230:236].tolist()


def test_scores_are_those_by_hand() -> None:
    task = _task()
    steps = np.arange(240)
    # Two steps of 1 and 3 in turn: the naive error a season of one before is 2 in training.
    values = np.where(steps % 2 == 0, 1.0, 3.0)
    task = forecasters.Task("two", task.times, values, task.known, [], 140, 190, 12, 6, 1, 5)
    found = forecasters.scores(task, np.full((9, 6), 2.0))
    assert found == pytest.approx({"mse": 1.0, "mae": 1.0, "mase": 0.5})
    for wrong in (np.full((9, 5), 2.0), np.full((9, 6), np.nan)):
        with pytest.raises(SystemExit, match="expected finite forecasts"):
            forecasters.scores(task, wrong)


@pytest.mark.parametrize(("settings", "error"), [({}, 0.0), ({"season": 1}, 0.6)])
def test_the_naive_forecast_repeats_a_season(settings: dict[str, int], error: float) -> None:
    task = _task()
    made = forecasters.by_naive(task, settings, 0, forecasters.Watch(60))
    assert forecasters.scores(task, made.forecasts)["mae"] == pytest.approx(error, abs=0.35 if error else 1e-12)


@pytest.mark.parametrize("known", [False, True])
def test_elmans_entry_forecasts_every_window_and_uses_what_is_known_ahead(*, known: bool) -> None:
    task, watch = _task(known=known), forecasters.Watch(60)
    made = forecasters.by_elman(task, {"hidden": 8, "epochs": 60, "lr": 0.01}, 0, watch)
    assert made.train > 0
    assert made.model == "gru 8"
    assert forecasters.scores(task, made.forecasts)["mae"] < 0.15


def test_elmans_training_ends_when_its_seconds_are_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    task, watch = _task(), forecasters.Watch(60)
    monkeypatch.setattr(watch, "over", lambda: watch.steps >= 20)
    made = forecasters.by_elman(task, {"hidden": 8, "epochs": 500}, 0, watch)
    assert 20 <= watch.steps <= 22
    assert made.train > 0
    assert made.forecasts.shape == task.truth.shape


def test_a_watch_is_over_once_its_seconds_are_spent() -> None:
    watch = forecasters.Watch(0.02)
    watch.begin()
    assert not watch.over()
    while not watch.over():
        sum(range(1000))
    watch.end()
    assert watch.stopped
    assert watch.seconds > 0.02


def test_a_run_is_a_line_and_lines_are_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(forecasters.SETS, "etth1", lambda _: _task())
    out = tmp_path / "lines.jsonl"
    asked = argparse.Namespace(
        data="x", set="etth1", library="naive", preset="default", settings=[], minutes=1, seed=0, out=out
    )
    forecasters.run(asked)
    asked.settings = ["season=1"]
    forecasters.run(asked)
    asked.library, asked.preset = "elman", "sensible"
    with pytest.raises(SystemExit, match="elman has none"):
        forecasters.run(asked)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["settings"] for line in lines] == [{}, {"season": 1}]
    shown = forecasters.table(lines[::-1]).splitlines()
    assert shown[2].startswith("| naive, seasonal naive (12) | defaults | 0.0000 |")
    assert shown[3].startswith("| naive, last value | season 1 |")


@pytest.mark.skipif(not os.environ.get("ELMAN_DATA"), reason="ELMAN_DATA is not set")
@pytest.mark.parametrize(("name", "windows", "parts"), [("etth1", 2785, (8640, 11520)), ("vic", 731, (35110, 43798))])
def test_the_sets_have_the_rows_that_are_published(name: str, windows: int, parts: tuple[int, int]) -> None:
    task = forecasters.SETS[name](Path(os.environ["ELMAN_DATA"]))
    assert (task.valid, task.test) == parts
    assert len(task.truth) == windows
    assert task.values[: task.valid].std() == pytest.approx(1)


def test_the_tables_on_record_are_those_of_the_recorded_lines() -> None:
    root = Path(__file__).parents[3]
    lines = (root / "bench/results/forecasters-2026-11-28.jsonl").read_text(encoding="utf-8").splitlines()
    shown = forecasters.table([json.loads(line) for line in lines])
    assert shown in (root / "docs/results.md").read_text(encoding="utf-8")
