"""Several parts, names, lists and what is known ahead: from tables to sequences and their targets."""

# ruff: noqa: E501 - a case a line

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elman import DataError, InputError
from elman.data.batch import WindowSet
from elman.data.prepare import Request, prepare
from elman.data.read import Table
from elman.data.roles import Examples, Roles, assemble
from elman.model.grammar import parse_source, parse_target
from elman.model.kinds.joined import JoinedIn, Steps


def _read(source: str, target: str, columns: dict[str, Any], *, need: bool = True, **roles: Any) -> Examples:
    frame = pl.DataFrame(columns)
    table = Table(frame, "d.csv", np.arange(2, 2 + frame.height))
    return assemble(table, parse_source(source), parse_target(target), Roles(**roles), need_target=need)


def _plain(steps: Steps) -> list[Any]:
    return [part.tolist() if isinstance(part, np.ndarray) else part for part in steps.parts]


# Rows ---------------------------------------------------------------------------------------------------------

CLICKS = {"s": ["u", "u", "v"], "page": ["a", "b", "a"], "price": [1.0, 2.0, 3.0], "vip": [1, 1, 0]}


def test_rows_of_several_parts_are_steps_side_by_side() -> None:
    ex = _read("events:page+series:price", "next:page", CLICKS, id="s", static=("vip",))
    assert [_plain(one) for one in ex.inputs] == [[[["a"], ["b"]], [[1.0], [2.0]]], [[["a"]], [[3.0]]]]
    assert [one.static[0].tolist() for one in ex.inputs] == [[[1.0]], [[0.0]]]
    assert ex.targets is not None
    assert [one.tolist() for one in ex.targets] == [["a", "b"], ["a"]]
    assert ex.choice is not None
    assert ex.choice.words


def test_columns_that_nobody_names_are_chosen_by_their_type() -> None:
    ex = _read("events+series", "next:page", CLICKS, id="s")
    assert ex.choice is not None
    assert [str(part) for part in ex.choice.source] == ["events:page", "series:price,vip"]
    assert "--from events: took the column page; left out price (numbers), vip (numbers)" in ex.notes


def test_an_id_may_be_constant_too() -> None:
    ex = _read("series:price", "future:1", {**CLICKS, "t": [1, 2, 1]}, id="s", static=("s",))
    assert [one.static[0].tolist() for one in ex.inputs] == [[["u"]], [["v"]]]


def test_a_word_a_row_with_tags_is_a_sentence_an_id() -> None:
    ex = _read("text:w", "tags", {"n": [1, 1, 2], "w": ["The", "cat", "Run"], "upos": ["D", "N", "V"]}, id="n")
    assert ex.inputs == [["The", "cat"], ["Run"]]
    assert ex.targets is not None
    assert [one.tolist() for one in ex.targets] == [["D", "N"], ["V"]]
    with pytest.raises(DataError, match=r"--id n.*as a list of words in one row"):
        _read("text:w", "tags", {"n": [1, 1, 2], "w": ["The", "cat", "Run"], "upos": ["D", "N", "V"]})


# Lists --------------------------------------------------------------------------------------------------------


def test_lists_of_words_are_sequences_with_a_tag_a_word() -> None:
    ex = _read("text:w", "tags:y", {"w": [["a", "b"], []], "y": [["X", "Y"], []]})
    assert ex.inputs == [["a", "b"], []]
    assert ex.targets is not None
    assert [one.tolist() for one in ex.targets] == [["X", "Y"], []]


@pytest.mark.parametrize(
    ("columns", "source", "target", "line", "said"),
    [
        ({"w": [["a", "b"]], "y": [["X"]]}, "text:w", "tags:y", 2, "--to tags has 1 steps, but w has 2; make them equal"),
        ({"w": [["a"], ["a", None]], "y": [["X"], ["X", "Y"]]}, "text:w", "tags:y", 3, "a word of the list is missing"),
        ({"w": [["a"], None], "y": [["X"], ["X"]]}, "text:w", "tags:y", 3, "the list is missing"),
        ({"w": [["a"]], "y": ["X"]}, "text:w", "tags:y", None, "--to tags needs a list of words a row here"),
        ({"e": [["a", "b"]], "f": [["a"]], "y": [1]}, "events:e,f", "number:y", 2, "the list has 1 words, but 'e' has 2"),
        ({"x": [[1.0, 2.0]], "e": [["a"]], "y": [1]}, "series:x+events:e", "number:y", 2, "'e' has 1 steps, but 'x' has 2, and both are read side by side; what holds for the whole sequence is named by --static e"),
    ],
)  # fmt: skip
def test_lists_that_do_not_fit_are_refused(
    columns: dict[str, Any], source: str, target: str, line: int | None, said: str
) -> None:
    with pytest.raises(DataError) as caught:
        _read(source, target, columns)
    assert said in str(caught.value)
    assert caught.value.row == line


def test_lists_that_are_known_go_on_behind_those_that_are_read() -> None:
    columns = {"y": [[1.0, 2.0, 3.0]], "k": [[0.0, 0.0, 1.0, 5.0, 6.0]], "c": ["n"]}
    (one,) = _read("series:y", "future:2:y", columns, known=("k",), static=("c",)).inputs
    assert _plain(one) == [[[1.0], [2.0], [3.0]], [[0.0], [0.0], [1.0]]]
    assert one.ahead[0].tolist() == [[5.0], [6.0]]
    assert one.static[0].tolist() == [["n"]]
    with pytest.raises(DataError, match="--known has 1 steps, but 'y' has 3; it must go as far at least"):
        _read("series:y", "future:2:y", {**columns, "k": [[0.0]]}, known=("k",))


# Labels -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "target"),
    [
        ({"labels": [["b", "a"], [], ["a"]]}, "labels"),
        ({"labels": ["b|a", "", "a | a"]}, "labels"),
        ({"a": [1, 0, 1], "b": [1, None, 0]}, "labels:a,b"),
        ({"a": [True, False, True], "b": [True, False, False]}, "labels:a,b"),
        ({"a": ["yes", "no", "TRUE"], "b": ["1.0", "", "false"]}, "labels:a,b"),
    ],
)
def test_several_labels_are_written_in_several_ways(columns: dict[str, Any], target: str) -> None:
    ex = _read("series:x", target, {"x": [[1.0], [2.0], [3.0]], **columns})
    assert ex.targets is not None
    assert [set(one) for one in ex.targets] == [{"a", "b"}, set(), {"a"}]


# What is known ahead ------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 4)), min_size=1, max_size=4))
def test_rows_behind_the_last_value_are_ahead_of_their_own_series(shape: list[tuple[int, int]]) -> None:
    rows = [
        (f"s{k}", step, float(10 * k + step) if step < count else None, float(step))
        for k, (count, ahead) in enumerate(shape)
        for step in range(count + ahead)
    ]
    ids, times, values, known = zip(*rows, strict=True)
    columns = {"id": ids, "t": times, "y": values, "k": known}
    ex = _read("series:y", "future:1", columns, id="id", time="t", known=("k",))
    assert ex.ids == [f"s{k}" for k in range(len(shape))]
    assert ex.times is not None
    for k, ((count, ahead), one, times_) in enumerate(zip(shape, ex.inputs, ex.times, strict=True)):
        assert one.parts[0][:, 0].tolist() == [10.0 * k + step for step in range(count)]
        assert one.parts[1][:, 0].tolist() == list(range(count))
        assert (one.ahead[0][:, 0].tolist() if one.ahead else []) == list(range(count, count + ahead))
        assert len(times_) == count


def test_a_value_missing_within_a_series_is_no_end_of_it() -> None:
    columns = {"y": [1.0, None, 3.0, None], "k": [0.0, 1.0, 2.0, 3.0]}
    with pytest.raises(DataError, match="the value is missing") as caught:
        _read("series:y", "future:1", columns, known=("k",))
    assert caught.value.row == 3
    (one,) = _read("series:y", "future:1", columns, known=("k",), gaps="input").inputs
    assert len(one) == 3
    assert one.ahead[0].tolist() == [[3.0]]


def test_history_is_needed() -> None:
    with pytest.raises(DataError, match="no row has a value of y; give the history too"):
        _read("series:y", "future:1", {"y": [None, None], "k": [0.0, 1.0]}, known=("k",))


# Windows ------------------------------------------------------------------------------------------------------


def _shops(folder: Path) -> str:
    rows = [
        {"shop": shop, "y": k + 1000.0 * (shop == "b"), "temp": k + 0.5, "promo": k % 3, "kind": shop}
        for shop in "ab"
        for k in range(60)
    ]
    pl.DataFrame(rows).write_csv(folder / "d.csv")
    return str(folder / "d.csv")


def test_a_window_holds_of_the_future_what_is_known_and_nothing_else(tmp_path: Path) -> None:
    request = Request(
        _shops(tmp_path), "series:y,temp", "future:3:y", id="shop", known="promo", static="kind", lookback=8
    )
    made = prepare(request)
    kind = made.input
    assert isinstance(kind, JoinedIn)
    others = [place for place in range(kind.width) if place not in kind.ahead]
    for part in (made.train, made.valid, made.test):
        assert isinstance(part, WindowSet)
        for batch in part.in_order(16):
            values = batch.ragged.values
            assert len(values) == 8 + 3
            assert values[8:][..., others].eq(0).all()
            promo = values[..., kind.ahead[0]]
            # A promotion comes every third day, in what is ahead as well.
            assert torch.equal(promo[3:], promo[:-3])
    # The scaling is that of the training part alone.
    assert kind.parts[0].columns == ["y", "temp"]
    assert kind.parts[0].mean[1] == pytest.approx(np.arange(42).mean() + 0.5)


def test_gaps_of_a_window_are_closed_from_within_it(tmp_path: Path) -> None:
    values = [float(k) if k not in (5, 6, 20) else None for k in range(60)]
    pl.DataFrame({"x": values}).write_csv(tmp_path / "d.csv")
    made = prepare(Request(str(tmp_path / "d.csv"), "series:x", "future:1", gaps="interpolate", lookback=7))
    assert isinstance(made.train, WindowSet)
    rows = torch.cat([batch.ragged.values for batch in made.train.in_order(64)], dim=1)[..., 0].T
    scale, mean = made.input.scale[0], made.input.mean[0]
    found = {round(float(row[0]) * scale + mean): row * scale + mean for row in rows}
    # The window 0..6 ends in the gap: nothing behind its end closes it.
    assert found[0].tolist() == pytest.approx([0, 1, 2, 3, 4, 4, 4], abs=1e-4)
    assert found[2].tolist() == pytest.approx([2, 3, 4, 5, 6, 7, 8], abs=1e-4)
    # Nor is a missing value a target.
    targets = torch.cat([batch.target for batch in made.train.in_order(64)])
    assert int(targets.isnan().sum()) == 1


def test_options_without_effect_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--class-weights: y is a number and has no classes; leave it out"):
        prepare(Request(_shops(tmp_path), "series:y", "next", id="shop", class_weights="balanced"))
