"""What comes later changes nothing before it: no scaler, no split, no imputation, no season, no weight, no forecast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import elman
from elman.data.batch import WindowSet
from elman.data.prepare import Prepared, Request, prepare
from elman.model.kinds.series import Gaps

ROWS, TRAIN, TEST = 240, 168, 192
"""Rows of the file, and the first ones of the validation and the test part."""


def _file(path: Path, gaps: str, later: int, change: float) -> str:
    """Two series with a season of 12 and a covariate; from row ``later`` on each value is another."""
    random = np.random.default_rng(0)
    tables = []
    for name, level in (("a", 10.0), ("b", 500.0)):
        step = np.arange(ROWS)
        wave = level + level / 4 * np.sin(step * 2 * np.pi / 12) + level / 20 * random.standard_normal(ROWS)
        promo = (step % 7 == 0).astype(float)
        if gaps != "error":
            wave[random.random(ROWS) < 0.1] = np.nan
        wave[later:] = wave[later:] * change - 3 * (change - 1)
        promo[later:] = promo[later:] * change
        tables.append(pl.DataFrame({"id": name, "step": step, "y": wave, "promo": promo}))
    pl.concat(tables).with_columns(pl.col("y").fill_nan(None)).write_csv(path)
    return str(path)


def _prepared(path: Path, gaps: Gaps, later: int = ROWS, change: float = 1.0) -> Prepared:
    file = _file(path, gaps, later, change)
    return prepare(
        Request(
            file,
            "series:y",
            "future:6",
            id="id",
            time="step",
            split=f"{TRAIN / ROWS},{(TEST - TRAIN) / ROWS},{(ROWS - TEST) / ROWS}",
            known="promo",
            gaps=gaps,
            lookback=24,
        )
    )


def _same(one: WindowSet | None, other: WindowSet | None) -> None:
    assert isinstance(one, WindowSet)
    assert isinstance(other, WindowSet)
    assert one.season == other.season
    np.testing.assert_array_equal(one.naive, other.naive)
    for a, b in zip(one.in_order(64), other.in_order(64), strict=True):
        torch.testing.assert_close(a.ragged.values, b.ragged.values, rtol=0, atol=0, equal_nan=True)
        torch.testing.assert_close(a.target, b.target, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("gaps", ["error", "input", "interpolate"])
def test_what_is_tested_on_changes_nothing_that_is_learnt(tmp_path: Path, gaps: Gaps) -> None:
    before = _prepared(tmp_path / "a.csv", gaps)
    after = _prepared(tmp_path / "b.csv", gaps, TEST, 7.0)
    assert before.input == after.input
    assert before.output == after.output
    assert before.output.model_dump()["season"] == 12
    _same(before.train, after.train)  # type: ignore[arg-type]
    _same(before.valid, after.valid)  # type: ignore[arg-type]
    assert isinstance(before.test, WindowSet)
    assert isinstance(after.test, WindowSet)
    assert not torch.equal(next(before.test.in_order(8)).target, next(after.test.in_order(8)).target)


@pytest.mark.parametrize("gaps", ["error", "input", "interpolate"])
def test_what_validates_changes_nothing_that_is_trained_on(tmp_path: Path, gaps: Gaps) -> None:
    before = _prepared(tmp_path / "a.csv", gaps)
    after = _prepared(tmp_path / "b.csv", gaps, TRAIN, 7.0)
    assert before.input == after.input
    assert before.output == after.output
    _same(before.train, after.train)  # type: ignore[arg-type]


@pytest.mark.parametrize("gaps", ["input", "interpolate"])
def test_a_window_is_filled_from_nothing_behind_it(tmp_path: Path, gaps: Gaps) -> None:
    """Wherever the future begins to differ, every window that ends before is the same."""
    whole = _prepared(tmp_path / "a.csv", gaps).test
    assert isinstance(whole, WindowSet)
    for later in (TEST + 5, TEST + 17):
        other = _prepared(tmp_path / "b.csv", gaps, later, -5.0).test
        assert isinstance(other, WindowSet)
        pairs = zip(whole.in_order(1), other.in_order(1), strict=True)
        for k, (a, b) in enumerate(pairs):
            if whole.place(k)[1] <= later:
                assert torch.equal(a.ragged.values[:24, :, :1], b.ragged.values[:24, :, :1])


@pytest.mark.parametrize("design", ["direct", "segments", "steps"])
def test_no_forecast_knows_what_comes_after_it(tmp_path: Path, design: str) -> None:
    file = _file(tmp_path / "a.csv", "input", ROWS, 1.0)
    settings = {"id": "id", "time": "step", "gaps": "input", "lookback": 24, "epochs": 1, "hidden": 4, "design": design}
    run = elman.train(file, "series:y", "future:6", out=tmp_path / "run", **settings)
    history = pl.read_csv(file).filter(pl.col("step") < TEST)
    history.write_csv(tmp_path / "history.csv")
    before = run.predict(str(tmp_path / "history.csv"))
    # The same weights from a file whose test part is another.
    other = _file(tmp_path / "b.csv", "input", TEST, 9.0)
    again = elman.train(other, "series:y", "future:6", out=tmp_path / "again", **settings)
    for one, two in zip(run.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, two)
    assert again.predict(str(tmp_path / "history.csv")).equals(before)
