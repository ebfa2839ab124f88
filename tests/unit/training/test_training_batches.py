"""Encoded data in batches: every example once, in an order that (seed, epoch) gives, and no leak."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from elman.core.errors import DataError, InputError
from elman.data.batch import Batches, ExampleSet, StreamSet, TokenBatches, WindowSet
from elman.data.prepare import Prepared, Request, prepare
from elman.data.truncate import in_batches
from elman.model.shapes import Batch


def _numbered(lengths: list[int]) -> ExampleSet:
    """Examples that hold nothing but their own number."""
    inputs = [torch.full((n, 1), float(k)) for k, n in enumerate(lengths)]
    return ExampleSet(inputs, torch.arange(len(lengths)))


def _order(data: Batches, size: int, seed: int, epoch: int) -> list[list[float]]:
    return [batch.target.flatten().tolist() for batch in data.epoch(size, seed, epoch)]


# Examples -----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 9), st.integers(0, 3), st.integers(1, 3))
def test_every_example_comes_once_an_epoch(lengths: list[int], size: int, seed: int, epoch: int) -> None:
    data = _numbered(lengths)
    batches = list(data.epoch(size, seed, epoch))
    assert len(batches) == data.count(size)
    assert sorted(k for batch in batches for k in batch.target.tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert batch.ragged.host_lengths.tolist() == [lengths[k] for k in batch.target.tolist()]
        for row, k in zip(batch.ragged.to_list(), batch.target.tolist(), strict=True):
            assert (row == k).all()
    assert [k for batch in data.in_order(size) for k in batch.target.tolist()] == list(range(len(lengths)))


def _sets() -> dict[str, Batches]:
    series = torch.arange(60.0)[:, None]
    tokens = torch.arange(200)
    return {
        "examples": _numbered([k % 7 for k in range(50)]),
        "windows": WindowSet([series], [series], [(0, 60)], 4, 2),
        "stream": StreamSet(tokens[:-1], tokens[1:], 8),
    }


@pytest.mark.parametrize("kind", ["examples", "windows", "stream"])
def test_the_order_is_a_function_of_seed_and_epoch(kind: str) -> None:
    data = _sets()[kind]
    first = _order(data, 8, 1, 1)
    torch.manual_seed(99)
    np.random.default_rng(99)
    assert _order(_sets()[kind], 8, 1, 1) == first
    assert _order(data, 8, 1, 2) != first
    assert _order(data, 8, 2, 1) != first


def test_rows_of_like_length_stand_together() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 400).tolist()
    batches = list(_numbered(lengths).epoch(20, 0, 1))
    real = sum(int(batch.ragged.host_lengths.sum()) for batch in batches)
    padded = sum(batch.ragged.steps * batch.ragged.batch for batch in batches)
    assert real / padded > 0.9


# Windows ------------------------------------------------------------------------------------------------------


def _long(lengths: list[int]) -> tuple[list[Tensor], list[Tensor]]:
    """Series whose values say which series and step they are; targets are the negatives."""
    inputs = [torch.arange(float(n))[:, None] + 1000 * (k + 1) for k, n in enumerate(lengths)]
    return inputs, [-one for one in inputs]


def _windows(batches: list[Batch]) -> list[tuple[list[float], list[float]]]:
    return [
        (batch.ragged.values[:, b, 0].tolist(), batch.target[b, :, 0].tolist())
        for batch in batches
        for b in range(batch.ragged.batch)
    ]


@given(
    st.lists(st.integers(1, 25), min_size=1, max_size=4),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(0, 10),
    st.integers(0, 25),
)
def test_windows_are_those_of_naive_slicing(
    lengths: list[int], lookback: int, horizon: int, first: int, last: int
) -> None:
    inputs, targets = _long(lengths)
    ranges = [(min(first, n), min(max(first, last), n)) for n in lengths]
    data = WindowSet(inputs, targets, ranges, lookback, horizon)
    naive = [
        (x[t - lookback : t, 0].tolist(), y[t : t + horizon, 0].tolist())
        for x, y, (start, stop) in zip(inputs, targets, ranges, strict=True)
        for t in range(len(x))
        if t >= lookback and t >= start and t + horizon <= stop
    ]
    assert _windows(list(data.in_order(7))) == naive
    assert len(data) == len(naive)
    assert sorted(_windows(list(data.epoch(7, 0, 1)))) == sorted(naive)
    assert len(list(data.epoch(7, 0, 1))) == data.count(7)


# Streams ------------------------------------------------------------------------------------------------------


@given(st.integers(2, 300), st.integers(1, 12), st.integers(1, 40), st.integers(1, 3))
def test_streams_go_on_from_batch_to_batch(length: int, size: int, chunk: int, epoch: int) -> None:
    tokens = torch.arange(length + 1)
    data = StreamSet(tokens[:-1], tokens[1:], chunk)
    batches = list(data.epoch(size, 0, epoch))
    assert len(batches) == data.count(size)
    assert [batch.goes_on for batch in batches] == [k > 0 for k in range(len(batches))]
    for batch in batches:
        assert torch.equal(batch.target, batch.ragged.values + 1)
        assert batch.ragged.full
    whole = torch.cat([batch.ragged.values for batch in batches])
    assert (whole.diff(dim=0) % length == 1 % length).all()
    # Nothing comes twice, and no more than a step a stream is left out.
    assert len(set(whole.flatten().tolist())) == whole.numel()
    assert length - whole.numel() < min(size, length)


def test_in_order_a_stream_is_one_and_whole() -> None:
    tokens = torch.arange(51)
    batches = list(StreamSet(tokens[:-1], tokens[1:], 8).in_order(32))
    assert torch.cat([batch.ragged.values for batch in batches]).flatten().tolist() == list(range(50))
    assert all(batch.ragged.batch == 1 for batch in batches)


# No leak ------------------------------------------------------------------------------------------------------


def _series_csv(path: Path, values: np.ndarray) -> Path:
    path.write_text("a,b\n" + "".join(f"{x},{y}\n" for x, y in values))
    return path


def _text(path: Path, words: list[str]) -> Path:
    path.write_text(" ".join(words))
    return path


def _same(one: Batches, other: Batches) -> bool:
    pairs = zip(one.in_order(16), other.in_order(16), strict=True)
    return all(
        torch.equal(a.ragged.values, b.ragged.values)
        and torch.equal(a.target, b.target)
        and (a.score is None or (b.score is not None and torch.equal(a.score, b.score)))
        for a, b in pairs
    )


@pytest.mark.parametrize("target", ["future:4", "future:4:b", "next", "next:a"])
def test_no_value_after_a_part_changes_it(tmp_path: Path, target: str) -> None:
    values = np.random.default_rng(0).normal(size=(100, 2))

    def made(change_from: int) -> Prepared:
        other = values.copy()
        other[change_from:] = 1e4 + 50 * np.random.default_rng(1).normal(size=other[change_from:].shape)
        path = _series_csv(tmp_path / f"from{change_from}.csv", other)
        return prepare(Request(str(path), "series:a,b", target))

    # 70 steps train, 10 validate, 20 test.
    whole, after_train, after_valid = made(100), made(70), made(80)
    for changed in (after_train, after_valid):
        assert changed.input == whole.input
        assert changed.output == whole.output
        assert changed.lookback == whole.lookback
        assert _same(changed.train, whole.train)
    assert _same(after_valid.valid, whole.valid)
    assert not _same(after_train.valid, whole.valid)
    assert whole.test is not None
    assert after_valid.test is not None
    assert not _same(after_valid.test, whole.test)


@pytest.mark.parametrize("source", ["text", "text.char"])
def test_no_word_after_a_part_changes_it(tmp_path: Path, source: str) -> None:
    words = np.random.default_rng(0).choice(["aa", "bb", "cc", "dd"], 400).tolist()

    def made(change_from: int) -> Prepared:
        other = [*words[:change_from], *["zz" for _ in words[change_from:]]]
        return prepare(Request(str(_text(tmp_path / f"from{change_from}.txt", other)), source, "next"))

    whole, after_train, after_valid = made(400), made(280), made(320)
    for changed in (after_train, after_valid):
        assert changed.input == whole.input
        assert changed.output == whole.output
        assert _same(changed.train, whole.train)
    assert _same(after_valid.valid, whole.valid)
    assert not _same(after_train.valid, whole.valid)


@pytest.mark.parametrize("target", ["label:y", "number:n"])
def test_no_test_row_changes_what_is_learnt_of_the_others(tmp_path: Path, target: str) -> None:
    def made(test_words: str, value: float) -> Prepared:
        rows = [("aa bb aa", "u", 1.0, "train"), ("bb bb aa", "v", 2.0, "train")] * 5
        rows += [("aa", "u", 1.5, "valid"), (test_words, "v", value, "test")]
        path = tmp_path / f"{value}.csv"
        path.write_text("t,y,n,part\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
        return prepare(Request(str(path), "text:t", target, split="part"))

    one, other = made("aa", 3.0), made("zz zz zz zz", 1e6)
    assert one.input == other.input
    assert one.output == other.output
    assert _same(one.train, other.train)
    assert _same(one.valid, other.valid)


def test_series_of_several_ids_are_cut_each_by_itself(tmp_path: Path) -> None:
    def made(change: bool) -> Prepared:
        random = np.random.default_rng(0)
        lines = ["id,a"]
        for k, count in enumerate((60, 100, 80)):
            values = random.normal(size=count)
            if change:
                values[int(0.7 * count) :] = 1e5
            lines += [f"{k},{value}" for value in values]
        path = tmp_path / f"{change}.csv"
        path.write_text("\n".join(lines))
        return prepare(Request(str(path), "series:a", "future:3", id="id"))

    one, other = made(False), made(True)
    assert one.input == other.input
    assert _same(one.train, other.train)
    assert not _same(one.valid, other.valid)


# Files of their own -------------------------------------------------------------------------------------------


@pytest.fixture
def series(tmp_path: Path) -> Callable[[str, int, float], str]:
    def write(name: str, count: int, level: float = 0.0) -> str:
        values = np.random.default_rng(count).normal(size=(count, 2)) + level
        return str(_series_csv(tmp_path / name, values))

    return write


def test_parts_from_files_are_those_files(series: Callable[..., str]) -> None:
    request = Request(
        series("t.csv", 60),
        "series:a",
        "future:3",
        valid=series("v.csv", 40, 5.0),
        test=series("e.csv", 50),
        lookback=10,
    )
    made = prepare(request)
    assert len(made.train) == 60 - 10 - 3 + 1
    assert len(made.valid) == 40 - 10 - 3 + 1
    assert made.test is not None
    assert len(made.test) == 50 - 10 - 3 + 1
    assert float(next(iter(made.valid.in_order(1))).ragged.values.mean()) > 2


def test_with_a_validation_file_its_share_is_trained_on(series: Callable[..., str]) -> None:
    alone = prepare(Request(series("t.csv", 100), "series:a", "future:3", lookback=10))
    made = prepare(Request(series("t.csv", 100), "series:a", "future:3", valid=series("v.csv", 40), lookback=10))
    assert len(alone.train) == 70 - 12
    assert len(made.train) == 80 - 12
    assert made.test is not None
    assert alone.test is not None
    assert len(made.test) == len(alone.test)
    assert "trained on" in made.notes[0]


@pytest.mark.parametrize("role", ["valid", "test"])
@pytest.mark.parametrize(("target", "count"), [("future:3", 12), ("next", 1)])
def test_a_file_too_short_is_said_to_be(series: Callable[..., str], role: str, target: str, count: int) -> None:
    lookback = 10 if target.startswith("future") else None
    other: dict[str, Any] = {role: series("short.csv", count), "lookback": lookback}
    with pytest.raises(DataError, match=r"short\.csv: the (validation|test) part has no step.*; give longer"):
        prepare(Request(series("t.csv", 100), "series:a", target, **other))


def test_all_texts_of_a_validation_file_validate(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n" + '"' + "ab " * 100 + '"\n')
    (tmp_path / "v.csv").write_text("x\nabab\nba\n")
    made = prepare(Request(str(tmp_path / "t.csv"), "text.char:x", "next", valid=str(tmp_path / "v.csv")))
    assert len(made.valid) == len("abab\nba") - 1


def test_short_series_do_not_change_the_units_of_a_forecast(tmp_path: Path) -> None:
    """What is predicted starts from the last value read, so both must be in the same units."""
    lines = ["id,a"] + [f"long,{k % 9}" for k in range(200)] + [f"short,{1000 + k}" for k in range(8)]
    (tmp_path / "s.csv").write_text("\n".join(lines))
    made = prepare(Request(str(tmp_path / "s.csv"), "series:a", "future:6", id="id"))
    assert any("1 of 2 series are too short" in note for note in made.notes)
    assert made.input.model_dump(include={"mean", "scale"}) == made.output.model_dump(include={"mean", "scale"})


def test_scored_steps_of_next_are_those_of_the_part(tmp_path: Path) -> None:
    path = _series_csv(tmp_path / "s.csv", np.arange(40.0).repeat(2).reshape(-1, 2))
    made = prepare(Request(str(path), "series:a", "next"))
    for part, (first, last) in zip((made.valid, made.test), pairwise((28, 32, 40)), strict=True):
        assert part is not None
        batch = next(iter(part.in_order(1)))
        assert batch.score is not None
        steps = batch.target[batch.score]
        back = steps.flatten() * made.output.model_dump()["scale"][0] + made.output.model_dump()["mean"][0]
        torch.testing.assert_close(back, torch.arange(float(first), float(last)))


# Batches by steps ---------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 30), min_size=1, max_size=80), st.integers(1, 90), st.integers(0, 3), st.integers(1, 3))
def test_batches_by_steps_are_no_larger_than_asked_and_lose_nothing(
    lengths: list[int], tokens: int, seed: int, epoch: int
) -> None:
    data = TokenBatches(_numbered(lengths), tokens)
    batches = list(data.epoch(32, seed, epoch))
    assert len(batches) == data.count(32)
    assert sorted(k for batch in batches for k in batch.target.tolist()) == list(range(len(lengths)))
    assert [k for batch in data.in_order(32) for k in batch.target.tolist()] == list(range(len(lengths)))
    for batch in [*batches, *data.in_order(32)]:
        assert batch.ragged.batch == 1 or batch.ragged.batch * max(1, batch.ragged.steps) <= tokens
    # The first of the next batch would not have fitted into the one before.
    sizes = [(int(b.ragged.host_lengths.min()), b.ragged.steps, -b.ragged.batch) for b in batches]
    for (_, _, rows), (shortest, _, _) in pairwise(sorted(sizes)):
        assert (1 - rows) * max(1, shortest) > tokens
    later = [batch.target.tolist() for batch in data.epoch(32, seed, epoch, 1)]
    assert later == [batch.target.tolist() for batch in batches[1:]]


def test_batches_by_steps_have_an_order_of_their_own_and_few_pads() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 400).tolist()
    data = TokenBatches(_numbered(lengths), 1000)
    assert _order(data, 8, 1, 1) == _order(TokenBatches(_numbered(lengths), 1000), 99, 1, 1)
    assert _order(data, 8, 1, 1) != _order(data, 8, 1, 2)
    real = sum(int(batch.ragged.host_lengths.sum()) for batch in data.epoch(8, 0, 1))
    padded = sum(batch.ragged.steps * batch.ragged.batch for batch in data.epoch(8, 0, 1))
    assert real / padded > 0.93


def test_what_is_all_of_one_length_is_not_batched_by_steps() -> None:
    sets = _sets()
    assert in_batches(sets["stream"], None) is sets["stream"]
    assert isinstance(in_batches(sets["examples"], 20), TokenBatches)
    for kind in ("windows", "stream"):
        with pytest.raises(InputError, match="of one length; leave it out, and say --batch ROWS"):
            in_batches(sets[kind], 20)
