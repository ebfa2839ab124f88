"""Sequences in memory: whatever they come as is the same examples, trains as a file does, and is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, strategies

import elman
from elman import InputError
from elman.data.arrays import examples_from, sequences_from
from elman.data.prepare import Request, prepare
from elman.model.grammar import Part
from elman.training.memory import learn
from elman.training.settings import job_from

Forms = dict[str, Callable[[list[np.ndarray]], Any]]

FORMS: Forms = {
    "arrays": list,
    "tuple": tuple,
    "tensors": lambda xs: [torch.tensor(x, requires_grad=True) for x in xs],
    "nested lists": lambda xs: [x.tolist() for x in xs],
    "float32": lambda xs: [x.astype(np.float32) for x in xs],
    "objects": lambda xs: [x.astype(object) for x in xs],
    "object array": lambda xs: np.array([*xs, None], dtype=object)[:-1],
    "polars column": lambda xs: pl.Series([x.tolist() for x in xs]),
    "polars table": lambda xs: pl.DataFrame(
        {f"c{k}": [x[:, k].tolist() for x in xs] for k in range(xs[0].shape[1])},
        schema={f"c{k}": pl.List(pl.Float64) for k in range(xs[0].shape[1])},
    ),
}


@pytest.mark.parametrize("form", FORMS)
@given(lengths=strategies.lists(strategies.integers(0, 5), min_size=1, max_size=5), width=strategies.integers(1, 3))
def test_whatever_sequences_come_as_they_are_the_same(form: str, lengths: list[int], width: int) -> None:
    # Whole numbers, so that float32 is exact. The first sequence has a step, or nothing would tell the width.
    lengths = [lengths[0] + 1, *lengths[1:]]
    made = [np.arange(n * width, dtype=np.float64).reshape(n, width) - k for k, n in enumerate(lengths)]
    found = sequences_from(FORMS[form](made))
    assert found.width == width
    for one, other in zip(found.items, made, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("whole", [np.array, torch.tensor, lambda x: x, lambda x: np.array(x, dtype=object)])
def test_a_sequence_of_numbers_has_one_a_step(whole: Callable[[Any], Any]) -> None:
    found = sequences_from(whole([[1, 2, 3], [4, 5, 6]]))
    assert (found.width, found.flat, found.columns) == (1, True, ("x",))
    np.testing.assert_array_equal(found.items[1], [[4], [5], [6]])
    deep = sequences_from(whole([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]))
    assert (deep.width, deep.flat, deep.columns) == (2, False, ("x_0", "x_1"))
    np.testing.assert_array_equal(deep.items[1], [[5, 6], [7, 8]])


def test_pandas_columns_and_tables() -> None:
    pd = pytest.importorskip("pandas")
    np.testing.assert_array_equal(sequences_from(pd.Series([[1, 2], [3]])).items[0], [[1], [2]])
    table = pd.DataFrame({"a": [[1, 2], [3]], "b": [[4, 5], [6]]})
    np.testing.assert_array_equal(sequences_from(table).items[0], [[1, 4], [2, 5]])


FINE = np.ones((4, 2))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], r"^X: expected at least one sequence, got none \(0 samples\); write X="),
        (np.empty((0, 3)), r"^X: expected at least one sequence, got none"),
        (None, r"^X: expected a list of sequences, got NoneType; write X="),
        ("abc", r"^X: expected a list of sequences, got str"),
        (b"abc", r"^X: expected a list of sequences, got bytes"),
        ({"a": 1}, r"^X: expected a list of sequences, got dict"),
        (3, r"^X: expected a list of sequences, got int"),
        ([1.0, 2.0], r"^X\[0\]: expected a sequence, got float.* X=\[sequence\]"),
        (np.arange(5), r"^X\[0\]: expected a sequence, got int"),
        (torch.arange(5), r"^X\[0\]: expected a sequence, got int"),
        (np.ones((2, 2, 2, 2)), r"^X: expected an array \[n, T\] or \[n, T, D\], got 4 dimensions.*reshape"),
        ([FINE, np.ones((4, 3))], r"^X\[1\]: expected 2 numbers a step as in X\[0\], got 3 \(shape \[4, 3\]\)"),
        ([FINE, np.ones(4)], r"^X\[1\]: expected 2 numbers a step as in X\[0\], got 1"),
        ([np.empty((0, 1)), FINE, np.ones(4)], r"^X\[2\]: expected 2 numbers a step as in X\[1\], got 1"),
        ([FINE, np.ones((2, 2, 2))], r"^X\[1\]: expected an array \[T\] or \[T, D\], got shape \[2, 2, 2\]"),
        ([FINE, np.ones((4, 0))], r"^X\[1\]: expected an array \[T\] or \[T, D\], got shape \[4, 0\]"),
        ([FINE, 3.0], r"^X\[1\]: expected an array \[T\] or \[T, D\], got shape \[\]"),
        ([FINE, [[1.0, 2.0], [1.0, np.nan]]], r"^X\[1\]: .* got NaN at step 1, number 1 of it \(1 such values\).*gaps"),
        ([FINE, [[1.0, None]]], r"^X\[1\]: expected finite numbers, got NaN at step 0, number 1"),
        ([FINE, [[1.0, -np.inf]]], r"^X\[1\]: expected finite numbers, got inf at step 0, number 1"),
        ([FINE, [[1.0, "a"]]], r"^X\[1\]: expected numbers, got 'a' \(str\) at \[0, 1\]"),
        (pl.DataFrame({"a": [[1], [2, 3]], "b": [[1], [2]]}), r"^X\[1\]: its columns hold 2, 1 steps"),
        ([FINE, [[1.0, {}]]], r"^X\[1\]: expected numbers, got \{\} \(dict\) at \[0, 1\]"),
        ([FINE, [object()]], r"^X\[1\]: expected numbers, got <object"),
        ([FINE, [[1, 2], [1]]], r"^X\[1\]: expected an array \[T\] or \[T, D\], got steps of different sizes"),
        ([FINE, FINE + 1j], r"^X\[1\]: Complex data not supported; stack its parts"),
        ([FINE, "abc"], r"^X\[1\]: expected numbers, got a text"),
        (["abc", FINE], r"^X\[1\]: expected a text as in X\[0\], got ndarray"),
        (["abc", ["a", "b"]], r"^X\[1\]: expected a text as in X\[0\], got list"),
    ],
)
def test_what_is_no_list_of_sequences_is_refused_by_name_and_place(given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        sequences_from(given)


def test_gaps_may_be_allowed_but_infinity_never() -> None:
    assert np.isnan(sequences_from([[1.0, np.nan]], gaps="input").items[0]).any()
    with pytest.raises(InputError, match=r"X\[0\]: expected finite numbers, got inf at step 1"):
        sequences_from([[np.nan, np.inf]], gaps="input")
    with pytest.raises(InputError, match=r"X\[0\]: expected numbers, got a text; only labels and numbers"):
        sequences_from(["abc"], texts=False)


# ------------------------------------------------------------------ the same as a file


def _written(path: Path, sequences: list[np.ndarray], answers: list[Any]) -> str:
    rows = [
        {**{f"x_{k}": one[:, k].tolist() for k in range(one.shape[1])}, "y": y}
        for one, y in zip(sequences, answers, strict=True)
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return str(path)


def _drawn(count: int, steps: int = 8) -> list[np.ndarray]:
    draw = np.random.default_rng(5)
    return [draw.normal(size=(int(draw.integers(3, steps)), 2)) for _ in range(count)]


QUICK = {"epochs": 2, "hidden": 3, "seed": 4}


def _same(ours: elman.Run | Any, theirs: Any) -> None:
    one, other = ours.model.state_dict(), theirs.model.state_dict()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert [(e.train_loss, e.valid_loss) for e in ours.history.epochs] == [
        (e.train_loss, e.valid_loss) for e in theirs.history.epochs
    ]
    assert ours.model.config == theirs.model.config


@pytest.mark.parametrize("kind", ["label", "number"])
def test_from_arrays_come_the_weights_that_come_from_a_file(tmp_path: Path, kind: str) -> None:
    sequences = _drawn(40)
    numbers = [float(one.sum()) for one in sequences]
    answers: list[Any] = ["up" if y > 0 else "down" for y in numbers] if kind == "label" else numbers
    cuts = (("a", 0, 30), ("b", 30, 40))
    file, other = (_written(tmp_path / f"{k}.jsonl", sequences[a:b], answers[a:b]) for k, a, b in cuts)
    run = elman.train(file, "series:x_0,x_1", f"{kind}:y", test=other, out=tmp_path / "run", **QUICK)
    targets: list[Any] = answers[:30] if kind == "label" else [np.array([y]) for y in answers[:30]]
    given = examples_from(sequences_from(sequences[:30]), Part(kind, "", ("y",)), targets)
    learnt = learn(job_from({"file": "X", "source": "series:x_0,x_1", "target": f"{kind}:y", **QUICK}), given)
    _same(learnt, run)


def test_a_forecast_from_arrays_has_the_weights_of_one_from_a_file(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    series = [np.sin(np.arange(120) / 3)[:, None] + draw.normal(0, 0.1, (120, 1)) for _ in range(3)]
    rows = [{"x": one[:, 0].tolist(), "name": f"s{k}"} for k, one in enumerate(series)]
    later = [{"x": (one[:, 0] + 1).tolist(), "name": f"t{k}"} for k, one in enumerate(series)]
    for name, table in (("a", rows), ("b", later)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, table)) + "\n")
    files = {"test": str(tmp_path / "b.jsonl"), "id": "name", "out": tmp_path / "run"}
    run = elman.train(tmp_path / "a.jsonl", "series:x", "future:4:x", **files, **QUICK)
    given = examples_from(sequences_from(series), Part("future", "", ("x",), 4), series)
    learnt = learn(job_from({"file": "X", "source": "series:x", "target": "future:4:x", **QUICK}), given)
    learnt.model.config = learnt.model.config.model_copy(update={"roles": run.model.config.roles})
    _same(learnt, run)


def test_nothing_is_kept_for_a_test_and_one_forecast_at_least_validates() -> None:
    given = examples_from(sequences_from(_drawn(40)), Part("number", "", ("y",)), [np.array([k]) for k in range(40)])
    made = prepare(Request("X", "series:x_0,x_1", "number:y"), given)
    assert (len(made.train), len(made.valid), made.test) == (36, 4, None)
    assert made.notes == ["a tenth, drawn at random (seed 0), validates"]
    series = [np.arange(30.0)[:, None] ** 2]
    short = prepare(
        Request("X", "series:x", "future:6:x"),
        examples_from(sequences_from(series), Part("future", "", ("x",), 6), series),
    )
    assert len(short.valid) == 1
    assert short.test is None


def test_random_states_and_threads_are_left_alone_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = examples_from(sequences_from(_drawn(20)), Part("label", "", ("y",)), ["a", "b"] * 10)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    learn(job_from({"file": "X", "source": "series", "target": "label:y", **QUICK}), given)
    assert torch.equal(before, torch.get_rng_state())
    assert list(tmp_path.iterdir()) == []
