"""Columns in the wrong role, files that overlap, options that contradict: one message, with its place, code 2."""

# ruff: noqa: E501 - a case a line

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elman.run import train

Elman = Callable[..., Any]
Rows = list[dict[str, Any]]
FAST = ("--epochs", "1", "--hidden", "4", "--out", "o")
FORECAST = "--from series:y --to future:3:y --id shop --time ds --lookback 6"
TAGS = "--from series:y --to tags:kind --id shop --time ds"


def _day(k: int) -> str:
    return (datetime.date(2024, 1, 1) + datetime.timedelta(days=k)).isoformat()


def _rows(count: int = 40, known: int = 0) -> Rows:
    """Two shops of some days; ``known`` more days say what is known ahead only."""
    return [
        {
            "shop": shop,
            "ds": _day(k),
            "y": k % 7 + 0.1 * k if k < count else "",
            "promo": k % 3 // 2,
            "region": {"a": "north", "b": "south"}[shop],
            "kind": "xz"[k % 2],
        }
        for shop in "ab"
        for k in range(count + known)
    ]


def _write(file: str, rows: Rows) -> None:
    names = list(rows[0])
    lines = [",".join(names), *(",".join(str(row[name]) for name in names) for row in rows)]
    Path(file).write_text("\n".join(lines) + "\n")


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _write("d.csv", _rows())
    _write("later.csv", _rows(50))
    _write("no_promo.csv", [{name: row[name] for name in row if name != "promo"} for row in _rows()])


def _refused(said: Any, *parts: str) -> None:
    assert said.code == 2, said.out + said.err
    assert said.out == ""
    last = said.err.splitlines()[-1]
    assert last.startswith("error: ")
    assert said.err.count("error: ") == 1
    for part in parts:
        assert part in last
    assert not Path("o").exists()


WORDS: list[tuple[str, str, list[str]]] = [
    # a column that is not there
    ("id", "--from series:y --to next --id shopp", ["d.csv: --id names the column 'shopp', which is not there. Did you mean 'shop'?"]),
    ("time", "--from series:y --to next --id shop --time dss", ["d.csv: --time names the column 'dss', which is not there. Did you mean 'ds'?"]),
    ("split", "--from series:y --to label:region --id shop --split parts", ["d.csv: --split names the column 'parts', which is not there."]),
    ("known", f"{FORECAST} --known promos", ["d.csv: --known names the column 'promos', which is not there. Did you mean 'promo'?"]),
    ("static", f"{FORECAST} --static regions", ["d.csv: --static names the column 'regions', which is not there. Did you mean 'region'?"]),
    ("events", "--from events:kindd --to next --id shop", ["d.csv: --from events names the column 'kindd', which is not there. Did you mean 'kind'?"]),
    ("labels", "--from series:y --to labels:kind,b --id shop", ["d.csv: --to labels names the column 'b', which is not there."]),
    ("tags", "--from series:y --to tags:kid --id shop", ["d.csv: --to tags names the column 'kid', which is not there. Did you mean 'kind'?"]),
    ("series at steps", "--from series:y --to series:z --id shop", ["d.csv: --to series names the column 'z', which is not there."]),
    # a column of the wrong type
    ("words as numbers", "--from series:kind --to next --id shop", ["d.csv, line 2, column 'kind': --from series needs numbers, but here is 'x'"]),
    ("words to predict", "--from series:y --to series:kind --id shop", ["d.csv, line 2, column 'kind': --to series needs numbers, but here is 'x'"]),
    ("words as time", "--from series:y --to next --id shop --time kind", ["d.csv, line 2, column 'kind': 'x' is not a time that is understood"]),
    ("words as a part", "--from series:y --to label:region --id shop --split kind", ["d.csv, line 2, column 'kind': 'x' is no part. Write train, valid or test"]),
    ("classes that are no 0 and 1", "--from series:promo --to labels:y,kind --id shop", ["d.csv, line 3, column 'y': --to labels: of several columns each is one class and holds 0 or 1, but here is '1.1'"]),
    # what changes within an id
    ("label", "--from series:y --to label:kind --id shop", ["d.csv, line 3, column 'kind': --to label must be constant within one id, but it is 'z' here and 'x' in line 2", "--to tags:kind"]),
    ("labels", "--from series:y --to labels:kind --id shop", ["d.csv, line 3, column 'kind': --to labels must be constant within one id"]),
    ("static name", f"{FORECAST} --static kind", ["d.csv, line 3, column 'kind': --static must be constant within one id", "--from ...+events:kind"]),
    ("static number", f"{FORECAST} --static promo", ["d.csv, line 4, column 'promo': --static must be constant within one id", "--from ...+series:promo"]),
    # one column twice
    ("known and static", f"{FORECAST} --known promo --static promo", ["the column 'promo' is named by both --known and --static; leave one out"]),
    ("known and read", f"{FORECAST} --known y", ["the column 'y' is named by both --from series and --known"]),
    ("known and predicted", "--from series:promo --to future:3:y --id shop --known y", ["the column 'y' is named by both --to future and --known"]),
    ("id and read", "--from events:shop --to next --id shop", ["the column 'shop' is named by both --from events and --id"]),
    ("id and part", f"{FORECAST} --split shop", ["the column 'shop' is named by both --id and --split"]),
    ("named twice", f"{FORECAST} --known promo,promo", ["--known promo,promo: expected names of columns, each once"]),
    # options that do nothing here, or contradict
    ("known without a forecast", "--from series:y --to next:y --id shop --known promo", ["--known promo: only a forecast (--to future:H) has steps ahead; leave --known out, and read what is given at all steps: --from series:y,promo"]),
    ("known without a forecast, of names", "--from events:kind --to next --id shop --known promo", ["--from events:kind+series:promo"]),
    ("gaps from the future", "--from series:y --to next:y --id shop --gaps interpolate", ["--gaps interpolate: at every step it would look at values that come later", "--gaps input"]),
    ("gaps between names", "--from events:kind+series:y --to label:region --id shop --gaps interpolate", ["--gaps interpolate: there is nothing between two names"]),
    ("gaps otherwise", f"{FORECAST} --gaps zero", ["gaps: expected 'error', 'input' or 'interpolate', got 'zero'"]),
    ("weights of numbers", f"{FORECAST} --class-weights balanced", ["--class-weights: --to future has no classes; leave it out"]),
    ("weight of no class", f"{TAGS} --class-weights w=2", ["--class-weights w=2: no class 'w'. Known: x, z"]),
    ("weights otherwise", f"{TAGS} --class-weights even", ["--class-weights even: expected balanced, or a positive number a class such as x=2, got 'even'"]),
    ("weight below zero", f"{TAGS} --class-weights x=-2", ["expected balanced, or a positive number a class", "got 'x=-2'"]),
    ("metric of classes", f"{FORECAST} --metric accuracy", ["--metric accuracy: no score of this. There is: mae, rmse"]),
    ("metric otherwise", f"{TAGS} --metric macrof1", ["--metric macrof1: no score of this. Did you mean 'macro_f1'? There is: accuracy, macro_f1, nats"]),
    ("a budget of no time", f"{FORECAST} --budget 2", ["--budget 2: expected a stretch of time such as 90s, 2m or 1h; as in --budget 2m"]),
    ("both ways ahead", "--from events:kind --to next --id shop --bidirectional", ["read backwards, a model sees what it is to predict; leave --bidirectional out"]),
    ("vectors of numbers", f"{FORECAST} --embedding 8", ["only text and events are embedded; leave --embedding out"]),
    ("parts by column in a forecast", f"{FORECAST} --split region", ["d.csv, line 2, column 'region': 'north' is no part"]),
    ("dates that go back", f"{FORECAST} --split 2024-02-01,2024-01-20", ["every date comes after the one before it"]),
    # what is to be predicted
    ("of two names", "--from events:kind,region --to next --id shop", ["name the one that is to be predicted: --to next:kind"]),
    ("of two parts", "--from events:kind+series:y --to next --id shop", ["--to next: of several parts, say what is to be predicted: --to next:kind or --to next:y"]),
    ("two names at once", "--from events:kind,region --to next:kind,region --id shop", ["a name is predicted alone; write --to next:kind"]),
    ("a stretch of names", "--from events:kind+series:y --to future:3:kind --id shop", ["'kind' holds names, which are predicted one step ahead: --to next:kind"]),
    # files that overlap
    ("the same to validate", f"{FORECAST} --valid d.csv", ["--valid d.csv: all 80 of its steps stand in the files before it too; name a file that goes on behind them, or leave --valid out"]),
    ("the same to test", f"{FORECAST} --test d.csv", ["--test d.csv: all 80 of its steps"]),
    ("the same twice", f"{FORECAST} --valid later.csv --test later.csv", ["--test later.csv: all 100 of its steps"]),
    ("the same steps", f"{TAGS} --test d.csv", ["--test d.csv: all 80 of its steps"]),
    ("known, not in the other file", f"{FORECAST} --known promo --test no_promo.csv", ["no_promo.csv: --known names the column 'promo', which is not there."]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "words", "parts"), WORDS, ids=[f"{k} {row[0]}" for k, row in enumerate(WORDS)])
def test_wrong_words_are_refused(elman: Elman, name: str, words: str, parts: list[str]) -> None:
    _refused(elman("train", "d.csv", *words.split(), *FAST), *parts)


CELLS: list[tuple[str, str, str, str, list[str]]] = [
    ("a word among numbers known ahead", "promo", "many", f"{FORECAST} --known promo", ["d.csv, line 7, column 'promo': --known: here is 'many', but nearly all others are numbers; correct it"]),
    ("a number known ahead is missing", "promo", "", f"{FORECAST} --known promo", ["d.csv, line 7, column 'promo': --known needs a value in every row, but here it is missing; fill it in"]),
    ("a name known ahead is missing", "kind", "", f"{FORECAST} --known kind", ["d.csv, line 7, column 'kind': --known needs a value in every row"]),
    ("what is constant is missing", "region", "", f"{FORECAST} --static region", ["d.csv, line 7, column 'region': --static needs a value in every row"]),
    ("what is constant changes once", "region", "west", f"{FORECAST} --static region", ["d.csv, line 7, column 'region': --static must be constant within one id, but it is 'west' here and 'north' in line 2"]),
    ("another calendar", "ds", "01/06/2024", FORECAST, ["d.csv, line 7, column 'ds': '01/06/2024' is not a time that is understood", "put your own format"]),
    ("a time with an offset among others", "ds", "2024-01-06T00:00+02:00", FORECAST, ["d.csv, line 7, column 'ds'", "some have an offset and some none"]),
    ("no time", "ds", "", FORECAST, ["d.csv, line 7, column 'ds': --time needs a time in every row"]),
    ("no id", "shop", "", FORECAST, ["d.csv, line 7, column 'shop': --id needs a value in every row"]),
    ("no value", "y", "", FORECAST, ["d.csv, line 7, column 'y': the value is missing. Write --gaps input (where it is missing is told to the model) or --gaps interpolate; or drop"]),
    ("no value, and no way to close it", "y", "", "--from series:y --to next --id shop", ["d.csv, line 7, column 'y': the value is missing"]),
    ("no event", "kind", "", "--from events:kind --to next --id shop", ["d.csv, line 7, column 'kind': --from events needs a value in every row"]),
    ("no tag", "kind", "", TAGS, ["d.csv, line 7, column 'kind': --to tags needs a value in every row"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "column", "cell", "words", "parts"), CELLS, ids=[row[0] for row in CELLS])
def test_a_wrong_cell_is_refused_with_its_line(
    elman: Elman, name: str, column: str, cell: str, words: str, parts: list[str]
) -> None:
    rows = _rows()
    rows[5][column] = cell
    _write("d.csv", rows)
    _refused(elman("train", "d.csv", *words.split(), *FAST), *parts)


def test_a_split_that_divides_an_id_is_refused(elman: Elman) -> None:
    rows = [{**row, "part": "train" if k % 2 else "test"} for k, row in enumerate(_rows())]
    _write("d.csv", rows)
    words = "--from series:y --to label:region --id shop --split part"
    _refused(
        elman("train", "d.csv", *words.split(), *FAST),
        "d.csv, line 3, column 'part': --split must be constant within one id, but it is 'train' here and 'test' in",
        "give every row of an id the same part",
    )


def test_a_file_of_the_very_sequences_that_are_learnt_is_no_test(elman: Elman) -> None:
    rows = [{"u": k // 3, "x": k * k % 97, "l": "ab"[k // 3 % 2]} for k in range(90)]
    _write("d.csv", rows)
    _write("t.csv", rows[30:45])
    words = "--from series:x --to label:l --id u --test t.csv"
    _refused(
        elman("train", "d.csv", *words.split(), *FAST),
        "--test t.csv: all 5 of its sequences stand in the files before it too, with their answers",
    )


# What is told, and no error -----------------------------------------------------------------------------------


def _told(said: Any) -> str:
    assert said.code == 0, said.err
    return " ".join(said.err.split())


def test_steps_that_stand_in_both_files_are_history_and_not_scored(elman: Elman) -> None:
    said = elman("train", "d.csv", *FORECAST.split(), "--test", "later.csv", *FAST)
    assert "--test: 80 of 100 steps stand in the files before it too; they are history, and not scored" in _told(said)
    # Of the ten new days of each shop, eight begin a stretch of three.
    assert "16 scored" in said.out


def test_gaps_and_mixed_calendars_are_told(elman: Elman) -> None:
    rows = _rows()
    del rows[20]
    for k, row in enumerate(rows[39:]):
        row["ds"] = _day(7 * k)
    _write("d.csv", rows)
    told = _told(elman("train", "d.csv", *FORECAST.split(), *FAST))
    assert "--time: 2 days pass between lines 21 and 22, else 1 day from line to line" in told
    assert "--time: lines are 1 day apart in 'a', 7 days in 'b'; a step is one line, whatever its time" in told


def test_missing_values_may_be_an_input(elman: Elman) -> None:
    rows = _rows()
    rows[5]["y"] = rows[60]["y"] = ""
    _write("d.csv", rows)
    assert elman("train", "d.csv", *FORECAST.split(), "--gaps", "input", *FAST).code == 0
    assert elman("predict", "o", "d.csv", "--out", "p.csv").code == 0


def test_a_budget_that_ends_a_training_is_told(elman: Elman) -> None:
    said = elman("train", "d.csv", *FORECAST.split(), "--hidden", "4", "--budget", "0.0001s", "--out", "o")
    assert "epochs or 0.0001 s at the most" in _told(said)
    assert "--budget 0.0001s ended it in epoch 1 of" in said.out
    assert "more time may gain more." in " ".join(said.out.split())


# Prediction ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forecaster")
    _write(str(folder / "d.csv"), _rows())
    roles = {"id": "shop", "time": "ds", "known": "promo,kind", "static": "region"}
    sides = {"source": "series:y", "target": "future:3:y"}
    return train(folder / "d.csv", **sides, **roles, lookback=6, epochs=1, hidden=4, out=folder / "o").path


AHEAD: list[tuple[str, Callable[[Rows], Rows], list[str]]] = [
    ("nothing ahead", lambda rows: _rows(), ["d.csv, line 2: a forecast of 3 steps needs promo, kind of each of them, and 'a' has 0 rows behind its last value; add rows with promo, kind, in which y may be empty"]),
    ("too little ahead", lambda rows: [row for row in rows if row["ds"] != _day(42)], ["and 'a' has 2 rows behind its last value"]),
    ("not of the second", lambda rows: [row for row in rows if row["shop"] == "a" or row["ds"] < _day(40)], ["'b' has 0 rows behind its last value"]),
    ("no such column", lambda rows: [{name: row[name] for name in row if name != "promo"} for row in rows], ["the model reads the column 'promo'; this file has", "It must be there for the steps to be forecast too."]),
    ("nothing constant", lambda rows: [{name: row[name] for name in row if name != "region"} for row in rows], ["the model reads the column 'region'; this file has"]),
    ("an empty cell ahead", lambda rows: [{**row, "promo": "" if row["ds"] == _day(41) else row["promo"]} for row in rows], ["d.csv, line 43, column 'promo': --known needs a value in every row"]),
    ("too short", lambda rows: [row for row in rows if row["ds"] > _day(36)], ["'a' has 3 steps, but this model reads 6 before it predicts"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "parts"), AHEAD, ids=[row[0] for row in AHEAD])
def test_what_is_not_known_ahead_is_named(
    elman: Elman, forecaster: Path, name: str, change: Callable[[Rows], Rows], parts: list[str]
) -> None:
    shutil.copytree(forecaster, "run")
    _write("d.csv", change(_rows(known=3)))
    _refused(elman("predict", "run", "d.csv", "--out", "p.csv"), *parts)
    assert not Path("p.csv").exists()


def test_a_name_never_seen_is_told_and_predicted_all_the_same(elman: Elman, forecaster: Path) -> None:
    shutil.copytree(forecaster, "run")
    _write("d.csv", [{**row, "region": "west" if row["shop"] == "b" else "north"} for row in _rows(known=3)])
    said = elman("predict", "run", "d.csv", "--out", "p.csv")
    assert "region: never seen (or once) in training: 'west'" in _told(said)
