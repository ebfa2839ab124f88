"""How old a value is and when a row comes, as channels; learnt on training, filled from a window alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elman.core.errors import InputError, ModelFileError
from elman.data.batch import WindowSet
from elman.data.prepare import Prepared, Request, prepare
from elman.model.config import ModelConfig, NetConfig
from elman.model.kinds.joined import JoinedIn, Steps
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import SeriesIn, usual
from elman.model.sound import check_config
from elman.run import Run, load, train

NAN = np.nan


def _kind(unit: float = 0.0, **more: Any) -> SeriesIn:
    return SeriesIn(
        columns=["a", "b"], mean=[0, 0], scale=[1, 1], gaps="input", flagged=[1], since=True, unit=unit, **more
    )


def _ages(missing: list[bool], passed: list[float]) -> list[float]:
    """The definition of GRU-D, one step after the other."""
    found = [0.0]
    for t in range(1, len(missing)):
        found.append(passed[t] + (found[-1] if missing[t - 1] else 0.0))
    return found


@given(st.data(), st.booleans())
def test_ages_are_those_of_the_definition_in_whole_and_in_pieces(data: st.DataObject, uneven: bool) -> None:
    steps = data.draw(st.integers(1, 12))
    missing = data.draw(st.lists(st.booleans(), min_size=steps, max_size=steps))
    passed = data.draw(st.lists(st.floats(0.1, 9), min_size=steps, max_size=steps)) if uneven else [1.0] * steps
    kind, times = _kind(2.0 if uneven else 0.0), np.cumsum(passed) * 2
    values = np.stack([np.arange(steps), np.where(missing, NAN, np.arange(steps))], axis=1)
    made = kind.encode(values, times)
    assert made.shape == (steps, kind.width)
    np.testing.assert_allclose(made[:, 2], np.array(missing, float))
    np.testing.assert_allclose(torch.expm1(made[:, 3]), _ages(missing, passed), rtol=1e-4, atol=1e-5)
    if uneven:
        np.testing.assert_allclose(torch.expm1(made[1:, 4]), passed[1:], rtol=1e-4)
        assert float(made[0, 4]) == pytest.approx(math.log(2))
    assert torch.equal(kind.fill(made), made) or not uneven
    cut = data.draw(st.integers(1, steps))
    open_ = kind.encode(values, times, fill=False)
    first = kind.fill(open_[:cut])
    second = kind.fill(torch.cat([first[-1:], open_[cut:]]))[1:]
    torch.testing.assert_close(torch.cat([first, second]), made, rtol=1e-4, atol=1e-5)


def test_a_window_knows_nothing_from_outside_it() -> None:
    kind = _kind(1.0)
    values = np.stack([np.arange(9.0), np.array([1, NAN, 2, NAN, NAN, 3, NAN, 4, 5])], axis=1)
    times = np.array([0, 1, 5, 6, 8, 9, 20, 21, 22.0])
    window = kind.fill(kind.encode(values, times, fill=False)[3:7])
    alone = kind.encode(values[3:7], times[3:7])
    assert torch.equal(window, alone)
    np.testing.assert_allclose(torch.expm1(window[:, 3]), [0, 2, 3, 11], rtol=1e-5)


def test_rows_are_uneven_where_more_than_one_of_a_hundred_distances_is_another() -> None:
    months = np.diff(np.arange("2000-01", "2020-01", dtype="datetime64[M]").astype("datetime64[D]")).astype(float)
    assert usual([months]) == 0
    assert usual([]) == usual([np.zeros(0)]) == 0
    assert usual([np.array([3600.0] * 200 + [7200.0])]) == 0
    assert usual([np.array([3600.0] * 200 + [7200.0] * 5)]) == 3600


def test_nothing_changes_where_rows_come_evenly_and_nothing_is_missing() -> None:
    values, times = np.arange(8.0).reshape(4, 2), np.arange(4).astype("datetime64[D]").astype("datetime64[us]")
    told, plain = SeriesIn.fit([values], ["a", "b"], "input", [times]), SeriesIn.fit([values], ["a", "b"])
    assert (told.since, told.unit, told.width) == (False, 0, 2)
    assert torch.equal(told.encode(values, times), plain.encode(values))


def test_a_kind_saved_before_there_were_ages_reads_as_it_did() -> None:
    kind = SeriesIn.model_validate({"columns": ["a"], "mean": [0], "scale": [1], "gaps": "input", "flagged": [0]})
    assert kind.encode(np.array([[1.0], [NAN]])).tolist() == [[1, 0], [1, 1]]


def test_times_of_another_kind_or_none_are_refused() -> None:
    days = np.arange(3).astype("datetime64[D]")
    with pytest.raises(InputError, match="times of training were numbers, and these are dates; write them as numbers"):
        _kind(1.0).encode(np.zeros((3, 2)), days)
    with pytest.raises(InputError, match="times of training were dates, and these are numbers; write them as dates"):
        _kind(1.0, dates=True).encode(np.zeros((3, 2)), np.arange(3.0))
    with pytest.raises(InputError, match=r"were not evenly spaced in time .* give a file with the times"):
        _kind(1.0).encode(np.zeros((3, 2)))
    with pytest.raises(InputError, match="times: expected one a row, 3, got 2"):
        _kind(1.0).encode(np.zeros((3, 2)), np.arange(2.0))


@pytest.mark.parametrize(("change", "why"), [
    ({"flagged": []}, "input.since: belongs to flagged channels"),
    ({"unit": math.inf}, "input.unit: finite"),
    ({"gaps": "interpolate", "unit": 1.0}, "input.unit: finite, for gaps told"),
])  # fmt: skip
def test_a_kind_that_contradicts_itself_is_refused(change: dict[str, Any], why: str) -> None:
    kind = _kind().model_copy(update=change)
    out = NumberOut(columns=["y"], mean=[0], scale=[1])
    config = ModelConfig(source="series", target="number", input=kind, output=out, net=NetConfig())
    with pytest.raises(ModelFileError, match=why):
        check_config(config)


def test_parts_side_by_side_have_their_ages() -> None:
    kind = JoinedIn(parts=[_kind(1.0)], static=[SeriesIn(columns=["s"], mean=[0], scale=[1])])
    assert (kind.width, kind.ages, kind.numbers, kind.unit) == (6, [3, 4], [0, 1], 1.0)
    raw = Steps((np.array([[1, NAN], [2, 2.0], [3, NAN]]),), (np.array([[7.0]]),))
    made = kind.encode(raw, np.array([0, 1, 3.0]))
    np.testing.assert_allclose(torch.expm1(made[:, [3, 4]]), [[0, 1], [1, 1], [2, 2]], rtol=1e-5)
    assert made[:, 5].tolist() == [7, 7, 7]
    assert torch.equal(kind.fill(kind.encode(raw, np.array([0, 1, 3.0]), fill=False)), made)


# From files -------------------------------------------------------------------------------------------------------

CHANCE = np.random.default_rng(0)


def _file(path: Path, steps: int = 120, pace: float = 1.0) -> str:
    """Minutes of a series with gaps, of which every third row is twice as late."""
    passed = np.where(np.arange(steps) % 3 == 0, 2, 1) * pace * 60
    times = np.datetime64("2024-01-01", "ms") + (1000 * np.cumsum(passed)).astype("timedelta64[ms]")
    x = [None if k % 5 == 4 else math.sin(k / 3) for k in range(steps)]
    pl.DataFrame({"t": times, "x": x, "y": CHANCE.normal(size=steps), "z": CHANCE.normal(size=steps)}).write_csv(path)
    return str(path)


def _prepared(path: str, target: str, **more: Any) -> Prepared:
    return prepare(Request(path, "series:x,y", target, time="t", gaps="input", **more))


@pytest.mark.parametrize("target", ["future:3:x", "next:x", "series:z"])
def test_units_are_learnt_on_the_training_part_alone(tmp_path: Path, target: str) -> None:
    frame = pl.read_csv(_file(tmp_path / "d.csv"), try_parse_dates=True)
    made = _prepared(str(tmp_path / "d.csv"), target)
    assert isinstance(made.input, SeriesIn)
    assert (made.input.flagged, made.input.since, made.input.unit, made.input.dates) == ([0], True, 60.0, True)
    assert "--time: rows are not evenly spaced (1 minute is usual); the distance" in "\n".join(made.notes)
    # What comes behind the training part is a hundred times as slow, and changes nothing.
    late = frame.with_columns(
        t=pl.when(pl.int_range(pl.len()) < 90)
        .then("t")
        .otherwise(pl.col("t") + 6000 * pl.duration(seconds=pl.int_range(pl.len())))
    )
    late.write_csv(tmp_path / "late.csv")
    assert _prepared(str(tmp_path / "late.csv"), target).input == made.input


def test_windows_are_filled_one_by_one(tmp_path: Path) -> None:
    made = _prepared(_file(tmp_path / "d.csv"), "future:2:y", lookback=6)
    assert isinstance(made.train, WindowSet)
    for batch in made.train.in_order(16):
        window = batch.ragged.values
        assert not window.isnan().any()
        # 0 before the first step; then never longer than the window.
        assert (window[0, :, 3] == 0).all()
        assert (torch.expm1(window[..., 3]).max(0).values <= torch.expm1(window[1:, :, 4]).sum(0) + 1e-4).all()


def _trained(tmp_path: Path, target: str, **more: Any) -> Run:
    file = _file(tmp_path / "d.csv")
    train(file, "series:x,y", target, time="t", epochs=1, hidden=4, out=tmp_path / "run", **more)
    return load(tmp_path / "run")


def test_new_files_are_read_in_the_units_of_training(tmp_path: Path) -> None:
    run = _trained(tmp_path, "next:y", gaps="input")
    same = run.predict(_file(tmp_path / "same.csv"))
    slow = run.predict(_file(tmp_path / "slow.csv", pace=9))
    assert same.columns == slow.columns
    assert same["y"].item() != slow["y"].item()
    with pytest.raises(InputError, match="give a file with the times, not sequences alone"):
        run.predict([np.zeros((9, 2))])
    with pytest.raises(InputError, match=r"reads when each row comes.*use run\.predict on a file with all rows"):
        run.stream()


def test_forecasts_begin_where_no_window_has_its_whole_future(tmp_path: Path) -> None:
    x = [math.sin(k / 3) if k % 4 else None for k in range(200)]
    pl.DataFrame({"x": x}).write_csv(tmp_path / "d.csv")
    run = train(
        tmp_path / "d.csv", "series:x", "future:8:x", gaps="input", epochs=1, hidden=4, out=tmp_path / "o", lookback=24
    )
    assert run.scores is not None
    # The ridge that a forecast begins with knows a sine.
    assert run.scores.values["mae"] < 0.3
