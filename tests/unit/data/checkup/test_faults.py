"""Planted faults are found, with their place; data without faults pass; the command works."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import elman
from elman.data.checkup.examine import Checkup, examine
from elman.data.prepare import Request, prepare

DAY, HOUR = np.timedelta64(1, "D"), np.timedelta64(1, "h")


def machines(ids: int = 30, steps: int = 24, step: np.timedelta64 = HOUR) -> pl.DataFrame:
    """Machines with two sensors at every hour, a fault each, and a part each; nothing is wrong with them."""
    random = np.random.default_rng(0)
    start = np.datetime64("2021-06-01T00:00:00", "ms")
    return pl.DataFrame(
        {
            "machine": np.repeat([f"m{k:02d}" for k in range(ids)], steps),
            "ts": (np.tile(start + np.arange(steps) * step, ids)).astype("datetime64[ms]"),
            "load": random.normal(size=ids * steps).round(4),
            "temp": random.normal(60, 5, size=ids * steps).round(2),
            "fault": np.repeat([("ok", "worn", "broken")[k % 3] for k in range(ids)], steps),
            "part": np.repeat([("train", "train", "train", "valid", "test")[k % 5] for k in range(ids)], steps),
        }
    )


def reviews(count: int = 120) -> pl.DataFrame:
    """Texts with a sentiment and a part each; nothing is wrong with them."""
    words = ["film", "plot", "cast", "end", "scene", "joke", "song", "role"]
    random = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "review": [f"the {' '.join(random.choice(words, 6))} {k}" for k in range(count)],
            "sentiment": [("pos", "neg")[int(random.random() < 0.5)] for _ in range(count)],
            "split": [("train", "train", "train", "valid", "test")[k % 5] for k in range(count)],
        }
    )


def demand(steps: int = 400) -> pl.DataFrame:
    """One series by the hour without a fault."""
    start = np.datetime64("2021-10-20T00:00:00", "ms")
    random = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "time": (start + np.arange(steps) * HOUR).astype("datetime64[ms]"),
            "load": (10 + np.sin(np.arange(steps) / 4) + random.normal(0, 0.1, steps)).round(4),
        }
    )


def _write(frame: pl.DataFrame, path: Path) -> Path:
    kind = path.suffix
    if kind == ".parquet":
        frame.write_parquet(path)
    elif kind == ".jsonl":
        path.write_text("".join(json.dumps(row, default=str) + "\n" for row in frame.iter_rows(named=True)))
    else:
        frame.write_csv(path, datetime_format="%Y-%m-%d %H:%M:%S")
    return path


def _set(frame: pl.DataFrame, row: int, **cells: object) -> pl.DataFrame:
    """The frame with other cells in one row."""
    rows = pl.Series(range(frame.height)) == row
    return frame.with_columns(
        pl.when(rows).then(pl.lit(value)).otherwise(pl.col(name)).alias(name) for name, value in cells.items()
    )


def _copy(frame: pl.DataFrame, of: str, to: str, *names: str) -> pl.DataFrame:
    """The frame in which the machine ``to`` measured what ``of`` did."""
    values = {name: frame.filter(pl.col("machine") == of)[name] for name in names}
    rows = np.flatnonzero((frame["machine"] == to).to_numpy())
    for name, column in values.items():
        frame = frame.with_columns(frame[name].scatter(rows, column))
    return frame


def _again(frame: pl.DataFrame) -> pl.DataFrame:
    """Hours as a clock on the wall shows them: on the last Sunday of October the hour from two to three comes twice."""
    local = frame["time"].dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin").dt.replace_time_zone(None)
    return frame.with_columns(local.alias("time"))


Fault = tuple[Callable[[], pl.DataFrame], str, str, int | None, str | None]

FAULTS: dict[str, Fault] = {
    "missing": (lambda: _set(machines(), 40, load=None), "warning", "missing", 42, "load"),
    "missing answer": (lambda: _set(machines(), 40, fault=None), "error", "missing", 42, "fault"),
    "gap": (lambda: demand().filter(~pl.int_range(pl.len()).is_between(50, 80)), "warning", "gap", 52, "time"),
    "duplicate row": (lambda: machines()[[*range(50), 49, *range(50, 720)]], "error", "duplicate", 52, None),
    "duplicate text": (lambda: reviews()[[*range(60), 5, *range(60, 120)]], "note", "duplicate", 62, None),
    "copied sequence": (lambda: _copy(machines(), "m00", "m05", "load", "temp"), "warning", "copy", 122, None),
    "leaking sequence": (lambda: _copy(machines(), "m00", "m04", "load", "temp"), "warning", "leak", 98, None),
    "leaking text": (lambda: _set(reviews(), 9, review=reviews()["review"][0]), "warning", "leak", 11, None),
    "id in two parts": (lambda: _set(machines(), 30, part="test"), "error", "id in two parts", 32, "part"),
    "giveaway": (
        lambda: machines().with_columns(code=pl.col("fault").replace_strict({"ok": 4, "worn": 7, "broken": 9})),
        "warning", "giveaway", None, "code",
    ),
    "giveaway by ranges": (
        lambda: reviews().with_columns(
            ((pl.col("sentiment") == "pos").cast(pl.Float64) + pl.int_range(pl.len()) / 1000).alias("score")
        ),
        "warning", "giveaway", None, "score",
    ),
    "imbalance": (
        lambda: reviews(200).with_columns(
            pl.when(pl.int_range(pl.len()) % 20 == 0).then(pl.lit("neg")).otherwise(pl.lit("pos")).alias("sentiment")
        ),
        "warning", "imbalance", None, "sentiment",
    ),
    "rare label": (lambda: _set(reviews(), 5, sentiment="mixed"), "warning", "rare", None, "sentiment"),
    "constant": (lambda: machines().with_columns(pl.lit(3).alias("site")), "note", "constant", None, "site"),
    "absurd": (lambda: _set(machines(), 77, load=-9.99e9), "warning", "absurd", 79, "load"),
    "mixed": (
        lambda: _set(machines().with_columns(pl.col("load").cast(pl.String)), 11, load="off"),
        "warning", "mixed", 13, "load",
    ),
    "time goes back": (
        lambda: machines()[[*range(30), 31, 30, *range(32, 720)]], "error", "time goes back", 33, "ts",
    ),
    "time twice": (
        lambda: _set(machines(), 100, ts=machines()["ts"][99]), "error", "time twice", 102, "ts",
    ),
    "daylight saving": (lambda: _again(demand()), "error", "daylight saving", 267, "time"),
    "frequency": (
        lambda: pl.concat([machines(25), machines(30, step=2 * HOUR)[600:]]), "warning", "frequency", 602, "ts",
    ),
    "changing answer": (lambda: _set(machines(), 35, fault="broken"), "error", "changing", 37, "fault"),
    "no part": (lambda: _set(reviews(), 8, split="tset"), "error", "part", 10, "split"),
    "lost letters": (lambda: _set(reviews(), 8, review="caf\ufffd and a film"), "warning", "damaged", 10, "review"),
    "empty text": (lambda: _set(reviews(), 8, review="  "), "warning", "empty", 10, "review"),
}  # fmt: skip
"""Data with one fault each, and what is to be found: how grave, which, and where in a CSV."""

CLEAN = {"machines": machines, "reviews": reviews, "demand": demand}


def _found(path: Path) -> Checkup:
    # What these data are for is said, so that a fault cannot change the guess.
    sides = {
        "machine": {"id": "machine", "time": "ts", "split": "part", "target": "label:fault"},
        "review": {"source": "text:review", "target": "label:sentiment", "split": "split"},
        "time": {"time": "time"},
    }
    first = pl.read_csv(path, n_rows=1).columns[0] if path.suffix == ".csv" else "machine"
    return examine(path, **sides[first])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_with_its_place(tmp_path: Path, fault: str) -> None:
    make, severity, kind, line, column = FAULTS[fault]
    found = _found(_write(make(), tmp_path / "d.csv"))
    hits = [one for one in found.findings if one.kind == kind]
    assert hits, [one.kind for one in found.findings]
    assert (hits[0].severity, hits[0].column) == (severity, column)
    if line is not None:
        assert hits[0].line == line
    assert found.healthy == all(one.severity != "error" for one in found.findings)
    # Nothing else is said, but what follows from the fault.
    follows = {"duplicate": {"time twice"}, "missing": {"changing"}, "leak": {"duplicate", "copy"}}
    assert {one.kind for one in found.findings} - {kind} <= follows.get(kind, set())


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "jsonl"])
@pytest.mark.parametrize("name", CLEAN)
def test_data_without_a_fault_pass_and_the_command_works(tmp_path: Path, name: str, kind: str) -> None:
    frame = CLEAN[name]()
    path = tmp_path / f"d.{kind}"
    if kind == "tsv":
        frame.write_csv(path, separator="\t", datetime_format="%Y-%m-%d %H:%M:%S")
    else:
        _write(frame, path)
    found = examine(path)
    assert found.findings == []
    words = found.command
    assert words[:3] == ["elman", "train", str(path)]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    expected = {
        "machines": {
            "--from": "series:load,temp", "--to": "label:fault", "--id": "machine", "--time": "ts", "--split": "part"
        },
        "reviews": {"--from": "text:review", "--to": "label:sentiment", "--split": "split"},
        "demand": {"--from": "series:load", "--to": "future:24", "--time": "time"},
    }[name]  # fmt: skip
    assert options == expected
    names = {"--from": "source", "--to": "target"}
    prepare(Request(str(path), **{names.get(option, option[2:]): value for option, value in options.items()}))


def test_a_long_forecast_frame_is_known(tmp_path: Path) -> None:
    frame = machines().select(unique_id="machine", ds="ts", y="load")
    found = examine(_write(frame, tmp_path / "d.csv"))
    assert found.findings == []
    assert found.command[3:] == [
        "--from", "series:y", "--to", "future:2", "--id", "unique_id", "--time", "ds",
    ]  # fmt: skip
    assert (found.shape, found.sequences, found.every) == ("rows", 30, "1 hour")


def test_columns_with_a_fault_are_left_out_of_the_command(tmp_path: Path) -> None:
    frame = _set(machines().with_columns(pl.lit(1.5).alias("site")), 40, load=None)
    found = examine(_write(frame, tmp_path / "d.csv"))
    assert found.command[4] == "series:temp"
    assert found.healthy


def test_a_text_in_two_files_is_a_leak(tmp_path: Path) -> None:
    main = _write(reviews()[:100], tmp_path / "a.csv")
    other = _write(reviews()[99:], tmp_path / "b.csv")
    found = examine(main, test=str(other))
    assert [one.kind for one in found.findings] == ["leak"]
    assert (found.findings[0].file, found.findings[0].line) == (str(other), 2)
    assert f"line 2 of {other} is line 101 again" in found.findings[0].what
    assert found.command[-2:] == ["--test", str(other)]


def test_what_training_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("t,x\n" + "".join(f"{k},{k * k % 7}\n" for k in range(4)))
    found = examine(tmp_path / "d.csv", "series:x", "future:3:x")
    assert [one.kind for one in found.findings] == ["refused"]
    assert not found.healthy


def test_a_table_on_its_side_is_told_with_the_line_that_turns_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    wide = {f"V{k}": [float(x) if k < 40 else None for x in random.normal(size=20)] for k in range(2, 45)}
    pl.DataFrame({"V1": [f"w{k}" for k in range(20)], **wide}).write_csv("d.csv")
    found = examine("d.csv")
    assert [one.kind for one in found.findings] == ["wide"]
    exec(found.findings[0].paste)
    turned = examine("series.parquet")
    assert turned.healthy
    assert turned.command[3:] == ["--from", "series:x", "--to", "next"]
    assert turned.lengths == [(38, 38, 20)]


@pytest.mark.parametrize(
    "fault", ["missing answer", "duplicate row", "duplicate text", "mixed", "time goes back", "absurd"]
)
def test_the_line_to_paste_mends_the_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.chdir(tmp_path)
    make, _, kind, *_ = FAULTS[fault]
    _write(make(), Path("d.csv"))
    one = next(one for one in _found(Path("d.csv")).findings if one.kind == kind)
    exec(one.paste)
    mended = next(path for path in tmp_path.iterdir() if path.name != "d.csv")
    assert kind not in {one.kind for one in _found(mended).findings}


def test_the_public_function() -> None:
    assert elman.examine is examine


REAL = {
    "ett_hourly/ETTh1.csv.gz": set(),
    "ett_hourly/ETTh2.csv.gz": set(),
    "vic_electricity/vic_electricity.csv.gz": set(),
    "small_series/airline-passengers.csv": set(),
    "small_series/nile.csv": set(),
    "small_series/monthly-sunspots.csv": set(),
    "small_series/daily-min-temperatures.csv": set(),
    "small_series/taylor-halfhourly-demand.csv": set(),
    "small_series/gasrate_co2.csv": set(),
    # Weeks without a measurement, days and values that are missing, American dates: all of it is true.
    "small_series/co2-weekly.csv": {"missing"},
    "small_series/wp_log_peyton_manning.csv": {"gap"},
    "small_series/yosemite_temps.csv": {"missing"},
    "small_series/us_gasoline.csv": {"time"},
    "tiny_shakespeare/input.txt.gz": set(),
    "ucr_uea/JapaneseVowels_TRAIN.ts.gz": set(),
    "ucr_uea/BasicMotions_TEST.ts.gz": set(),
    "ucr_uea/GunPoint_TRAIN.ts.gz": set(),
    "nlvr_captions/captions.jsonl.gz": {"duplicate"},
}


@pytest.mark.skipif("ELMAN_DATA" not in os.environ, reason="ELMAN_DATA is not set")
@pytest.mark.parametrize("name", REAL)
def test_real_data_raise_no_false_alarm(name: str) -> None:
    found = examine(Path(os.environ["ELMAN_DATA"]) / name)
    assert {one.kind for one in found.findings} == REAL[name]
    assert found.command
