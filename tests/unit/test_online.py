"""A trained model on a stream: in whatever pieces rows come, it says what prediction says of all of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import elman
from elman import InputError
from elman.run import Run

CHANCE = np.random.default_rng(0)
FAST = {"epochs": 1, "hidden": 5}


def _sequences(gaps: bool = False) -> list[dict[str, Any]]:
    found = []
    for k in range(40):
        steps = 4 + k % 5
        a = [None if gaps and CHANCE.random() < 0.3 and t else float(CHANCE.normal() + k % 2) for t in range(steps)]
        found.append(
            {
                "a": a,
                "b": CHANCE.normal(size=steps).tolist(),
                "page": CHANCE.choice(["home", "cart", "pay"], steps).tolist(),
                "region": "ns"[k % 2],
                "y": "ab"[k % 2],
                "both": [["a", "b", "a|b"][k % 3]],
                "price": k % 2 + 0.5,
                "tag": CHANCE.choice(["x", "z"], steps).tolist(),
                "out": CHANCE.normal(size=steps).tolist(),
                "text": f"a {['good', 'bad'][k % 2]} film of {['love', 'war'][k % 3 % 2]}",
            }
        )
    return found


JOBS: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{name: ("series:a,b", "label:y", {"readout": name}) for name in ("last", "mean", "max", "attention")},
    "lstm": ("series:a,b", "label:y", {"cell": "lstm", "layers": 2}),
    "feedforward": ("series:a,b", "label:y", {"cell": "feedforward"}),
    "number": ("series:a,b", "number:price", {"readout": "mean"}),
    "joined": ("events:page+series:a", "label:y", {"static": "region", "readout": "last"}),
    "next": ("series:a", "next:a", {}),
    "event": ("events:page", "next:page", {}),
    "tags": ("series:a,b", "tags:tag", {}),
    "series": ("series:a,b", "series:out", {}),
    "text": ("text:text", "label:y", {"readout": "max"}),
    "gaps": ("series:a,b", "label:y", {"gaps": "input"}),
    "gaps beside": ("series:a,b+events:page", "label:y", {"gaps": "input", "readout": "last"}),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Run, list[dict[str, Any]]]]:
    folder, made = tmp_path_factory.mktemp("online"), {}
    rows = {False: _sequences(), True: _sequences(gaps=True)}
    for gaps, some in rows.items():
        (folder / f"{gaps}.jsonl").write_text("\n".join(map(json.dumps, some)))

    def get(name: str) -> tuple[Run, list[dict[str, Any]]]:
        source, target, more = JOBS[name]
        gaps = name.startswith("gaps")
        if name not in made:
            ways = {} if target.startswith("next") else {"bidirectional": False}
            out = folder / name
            elman.train(folder / f"{gaps}.jsonl", source, target, out=out, split="0.6,0.2,0.2", **FAST, **ways, **more)
            made[name] = elman.load(out)
        return made[name], rows[gaps]

    return get


def _given(run: Run, row: dict[str, Any], first: int, last: int) -> Any:
    """Rows of a sequence as they would come: a list of dictionaries, or words."""
    kind = run.model.config.input
    if kind.kind == "text":
        return row["text"].split()[first:last]
    names = list(dict.fromkeys(kind.columns))
    steps = range(first, last)
    return [{n: row[n][t] if isinstance(row[n], list) else row[n] for n in names} for t in steps]


def _whole(run: Run, row: dict[str, Any], last: int) -> Any:
    kind = run.model.config.input
    if kind.kind == "text":
        return row["text"].split()[:last]
    if kind.kind == "series":
        return np.array([row[n][:last] for n in kind.columns], dtype=np.float64).T
    return {n: row[n][:last] if isinstance(row[n], list) else row[n] for n in kind.columns}


@pytest.mark.parametrize("name", JOBS)
def test_a_stream_in_pieces_says_what_prediction_says_of_the_whole(runs: Any, name: str) -> None:
    run, rows = runs(name)
    every = run.model.config.net.readout == "every" and not run.model.config.target.startswith("next")
    stream = run.stream()
    for row in rows[:4]:
        steps = len(row["text"].split()) if name == "text" else len(row["b"])
        cuts = [0, *sorted(CHANCE.choice(np.arange(1, steps), 2, replace=False).tolist()), steps]
        stream.reset()
        pieces = [stream.push(_given(run, row, a, b)) for a, b in itertools.pairwise(cuts)]
        said = pl.concat(pieces)
        assert said["step"].to_list() == list(range(1, steps + 1))
        for step in [steps] if every else range(1, steps + 1):
            whole = run.predict([_whole(run, row, step)])
            answers = said if every else said[step - 1 : step]
            shared = [c for c in said.columns if c in whole.columns and c != "step"]
            assert len(shared) >= 2
            assert_frame_equal(
                answers.select(shared), whole.select(shared), check_dtypes=False, rel_tol=1e-4, abs_tol=1e-5
            )


@given(cuts=st.lists(st.integers(0, 60), max_size=4))
def test_forecasts_are_those_of_all_rows_so_far(forecast: tuple[Run, np.ndarray], cuts: list[int]) -> None:
    run, wave = forecast
    stream, places = run.stream(), sorted({*cuts, 60})
    first = 0
    for last in places:
        said = stream.push(wave[first:last])
        first = last
        if last < run.model.config.lookback:
            assert said.is_empty()
        else:
            assert_frame_equal(said, run.predict([wave[:last]]).drop("id"))


@pytest.fixture(scope="module")
def forecast(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, np.ndarray]:
    folder = tmp_path_factory.mktemp("ahead")
    wave = np.stack([np.sin(np.arange(120) / 3), np.cos(np.arange(120) / 5)], axis=1)
    pl.DataFrame({"a": wave[:, 0], "b": wave[:, 1]}).write_csv(folder / "w.csv")
    return elman.train(folder / "w.csv", "series:a,b", "future:3:a", out=folder / "o", lookback=20, **FAST), wave


def test_frames_dictionaries_and_arrays_are_rows_alike(runs: Any) -> None:
    run, rows = runs("last")
    values = np.array([rows[0]["a"], rows[0]["b"]]).T
    table = {"a": rows[0]["a"], "b": rows[0]["b"]}
    ways = [values, table, pl.DataFrame(table), _given(run, rows[0], 0, len(values))]
    first, *others = [run.stream().push(one) for one in ways]
    for other in others:
        assert_frame_equal(first, other)


def test_wrong_rows_leave_the_stream_as_it_was(runs: Any) -> None:
    run, rows = runs("last")
    values = np.array([rows[0]["a"], rows[0]["b"]]).T
    stream = run.stream()
    stream.push(values[:2])
    for wrong in (np.full((1, 2), np.nan), np.ones((2, 3)), [{"a": 1.0}], "words"):
        with pytest.raises(InputError):
            stream.push(wrong)
    after = stream.push(values[2:])
    assert_frame_equal(after, run.stream().push(values)[2:])


def test_a_constant_of_rows_that_were_refused_is_forgotten(runs: Any) -> None:
    run, rows = runs("joined")
    stream, fine = run.stream(), _given(run, rows[0], 0, 2)
    with pytest.raises(InputError):
        stream.push([{**fine[0], "region": "s"}, {**fine[1], "region": "another"}])
    with pytest.raises(elman.DataError):
        stream.push([{**one, "region": "s", "a": "no number"} for one in fine])
    assert_frame_equal(stream.push(fine), run.stream().push(fine))


def test_a_forecast_that_fails_moves_no_window(
    forecast: tuple[Run, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, wave = forecast
    stream = run.stream()
    stream.push(wave[:30])

    def failing(*_: Any) -> Any:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("elman.online.predict", failing)
        with pytest.raises(MemoryError):
            stream.push(wave[30:40])
    assert stream.count == 30
    assert_frame_equal(stream.push(wave[30:40]), run.predict([wave[:40]]).drop("id"))


def test_what_is_constant_may_not_change(runs: Any) -> None:
    run, rows = runs("joined")
    stream = run.stream()
    stream.push(_given(run, rows[0], 0, 2))
    with pytest.raises(InputError, match="'region' is constant in a sequence"):
        stream.push([{**_given(run, rows[0], 2, 3)[0], "region": "s"}])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bidirectional": True}, "reads both ways.*elman train --config .*/run.toml --causal"),
        ({"bidirectional": False, "gaps": "interpolate"}, "the later one is not there yet.*--gaps input"),
    ],
)
def test_what_needs_the_end_is_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, _sequences(gaps="gaps" in settings))))
    run = elman.train(tmp_path / "d.jsonl", "series:a,b", "label:y", out=tmp_path / "o", **FAST, **settings)
    with pytest.raises(InputError, match=message):
        run.stream()


def test_a_text_that_goes_on_is_generated(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("abcd " * 80)
    run = elman.train(tmp_path / "b.txt", "text.char", "next", out=tmp_path / "o", **FAST)
    with pytest.raises(InputError, match=r"use run\.generate"):
        run.stream()
