"""Dividing examples and steps."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.core.errors import DataError, InputError
from elman.data.roles import Examples
from elman.data.split import Split, is_rule, split_examples, split_time


def examples(count: int, labels: list[str] | None = None, split: list[str] | None = None) -> Examples:
    return Examples(
        inputs=[f"text {k}" for k in range(count)],
        targets=list(labels) if labels is not None else ["a"] * count,
        ids=[str(k) for k in range(count)],
        times=None,
        where=[("t.csv", k + 2) for k in range(count)],
        steps=[np.array([k + 2]) for k in range(count)],
        split=split,
        columns=("text",),
        target_columns=("label",),
        notes=[],
    )


def dated(lengths: list[int], start: str = "2020-01-01", numbers: bool = False) -> Examples:
    made = examples(len(lengths))
    first = np.datetime64(start, "us")
    day = np.timedelta64(1, "D")
    made.times = [np.arange(n, dtype=float) if numbers else first + day * np.arange(n) for n in lengths]
    return made


def ids(parts: Split) -> list[list[str]]:
    return [part.ids if part is not None else [] for part in (parts.train, parts.valid, parts.test)]


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(3, 200),
    seed=st.integers(0, 2**32),
    rule=st.sampled_from([None, "0.9", "0.5", "0.01", "0.99", "0.8,0.1,0.1", "0.2,0.3,0.5"]),
    classes=st.integers(0, 8),
)
def test_random_parts_are_disjoint_and_cover(count: int, seed: int, rule: str | None, classes: int) -> None:
    labels = [str(k * k % classes) for k in range(count)] if classes else None
    made = examples(count, labels)
    parts = split_examples(made, rule, seed=seed, stratify=bool(classes))
    found = ids(parts)
    assert all(found)
    assert sorted([name for part in found for name in part], key=int) == made.ids
    assert ids(split_examples(made, rule, seed=seed, stratify=bool(classes))) == found
    for part in found:
        assert part == sorted(part, key=int)


def test_sizes_and_seeds() -> None:
    made = examples(100)
    default = split_examples(made, None, seed=0, stratify=False)
    assert [len(part) for part in ids(default)] == [80, 10, 10]
    assert "80 train, 10 valid, 10 test" in default.how
    assert "seed 0" in default.how
    assert ids(default) != ids(split_examples(made, None, seed=1, stratify=False))
    assert [len(part) for part in ids(split_examples(made, "0.9", seed=0, stratify=False))] == [81, 9, 10]
    assert [len(part) for part in ids(split_examples(made, "0.6,0.1,0.3", seed=0, stratify=False))] == [
        60,
        10,
        30,
    ]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_stratified_parts_keep_the_shares(seed: int, sizes: list[int]) -> None:
    labels = [str(label) for label, size in enumerate(sizes) for _ in range(size)]
    if len(labels) < 30:
        labels += ["0"] * (30 - len(labels))
    parts = split_examples(examples(len(labels), labels), None, seed=seed, stratify=True)
    whole = Counter(labels)
    for part, share in ((parts.train, 0.8), (parts.valid, 0.1), (parts.test, 0.1)):
        assert part is not None
        assert part.targets is not None
        found = Counter(part.targets)
        for label, count in whole.items():
            assert abs(found[label] - share * count) <= 2
    assert parts.train.targets is not None
    assert set(parts.train.targets) == set(whole)


def test_a_column_says_the_parts() -> None:
    split = ["train"] * 4 + ["valid", "test", "test"]
    parts = split_examples(examples(7, split=split), None, seed=0, stratify=False)
    assert ids(parts) == [["0", "1", "2", "3"], ["4"], ["5", "6"]]
    assert "split column" in parts.how


def test_a_column_without_valid_or_test() -> None:
    labels = ["a", "b"] * 10
    parts = split_examples(examples(20, labels, ["train"] * 20), None, seed=3, stratify=True)
    assert parts.test is None
    assert (len(parts.train), len(parts.valid)) == (18, 2)
    assert "10 % of train drawn for valid" in parts.how
    assert sorted(parts.train.ids + parts.valid.ids, key=int) == [str(k) for k in range(20)]


@pytest.mark.parametrize(
    ("split", "says"),
    [(["test", "valid"], "no example is in the part 'train'"), (["train", "test"], "too few")],
)
def test_bad_columns(split: list[str], says: str) -> None:
    with pytest.raises(DataError, match=rf"t\.csv: .*{says}.*split column"):
        split_examples(examples(2, split=split), None, seed=0, stratify=False)


BAD = [
    ("0.9,0.1", "2 fractions; write --split 0.9, or --split 0.8,0.1,0.1"),
    ("0.5,0.1,0.1", "sum to 0.7, not 1; write"),
    ("1.0", "between 0 and 1; write"),
    ("0", "between 0 and 1; write"),
    ("-0.5", "between 0 and 1; write"),
    ("0.9,0.1,0", "between 0 and 1; write"),
    ("0.9,x", "neither fractions nor dates; write"),
    ("", "neither fractions nor dates; write"),
]


@pytest.mark.parametrize(("rule", "says"), BAD)
def test_bad_fractions(rule: str, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"--split {rule}: ") + ".*" + re.escape(says)):
        split_examples(examples(20), rule, seed=0, stratify=False)
    with pytest.raises(InputError, match=re.escape(f"--split {rule}: ") + ".*" + re.escape(says)):
        split_time(dated([20]), rule, [20])


def test_examples_take_no_dates_and_must_be_enough() -> None:
    with pytest.raises(InputError, match=r"2020-01-01: a date cuts the steps .* write --split 0.9"):
        split_examples(examples(20), "2020-01-01", seed=0, stratify=False)
    with pytest.raises(InputError, match=r"2 examples cannot .* at least 3 are needed"):
        split_examples(examples(2), None, seed=0, stratify=False)
    with pytest.raises(InputError, match="seed=0"):
        split_examples(examples(20), None, seed=-1, stratify=False)


def test_stratify_needs_labels() -> None:
    made = examples(10)
    made.targets = [np.zeros(1)] * 10
    with pytest.raises(InputError, match="stratify=False"):
        split_examples(made, None, seed=0, stratify=True)


def test_subset_of_everything() -> None:
    made = dated([1, 1, 1])
    made.split = ["train", "valid", "test"]
    part = made.subset(np.array([2, 0]))
    assert (part.ids, part.split, len(part)) == (["2", "0"], ["test", "train"], 2)
    assert part.times is not None
    assert made.times is not None
    assert part.times[0] is made.times[2]
    assert part.where == [("t.csv", 4), ("t.csv", 2)]


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("0.9", True),
        (".8,0.1,0.1", True),
        ("2017-01-01", True),
        ("2017-01", True),
        ("2017-01-01 12:30", True),
        ("2017-01-01,2018-01-01T00:00:00", True),
        ("1", True),
        ("split", False),
        ("0.9,part", False),
        ("", False),
        ("fold-1", False),
    ],
)
def test_is_rule(text: str, yes: bool) -> None:
    assert is_rule(text) is yes


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(3, 300), min_size=1, max_size=6),
    rule=st.sampled_from([None, "0.9", "0.05", "0.8,0.1,0.1", "0.98,0.01,0.01"]),
)
def test_time_ranges_rise_and_no_part_is_empty(lengths: list[int], rule: str | None) -> None:
    for (zero, a, b, c), count in zip(split_time(dated(lengths), rule, lengths).ranges, lengths, strict=True):
        assert zero == 0 < a < b < c == count


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    days=st.lists(st.integers(0, 50), min_size=1, max_size=3),
)
def test_dates_cut_at_the_dates_or_are_refused(lengths: list[int], days: list[int]) -> None:
    made = dated(lengths)
    dates = [np.datetime64("2020-01-01") + day for day in days]
    try:
        found = split_time(made, ",".join(map(str, dates)), lengths)
    except InputError:
        return
    assert days == sorted(set(days))
    starts = days if len(days) > 1 else [None, *days]
    for (zero, a, b, c), count in zip(found.ranges, lengths, strict=True):
        assert 0 == zero <= a <= b <= c <= count
        assert b == min(starts[1], count)
        if starts[0] is not None:
            assert a == min(starts[0], count)
        assert c == (min(days[2], count) if len(days) == 3 else count)
    assert all(sum(one[k + 1] - one[k] for one in found.ranges) for k in range(3))


def test_time_defaults() -> None:
    assert split_time(dated([100]), None, [100]).ranges == [(0, 70, 80, 100)]
    assert split_time(dated([100]), "0.9", [100]).ranges == [(0, 81, 90, 100)]
    assert split_time(dated([100]), "2020-01-31", [100]).ranges == [(0, 27, 30, 100)]
    both = split_time(dated([100, 10]), "2020-01-31,2020-02-10,2020-02-20", [100, 10])
    assert both.ranges == [(0, 30, 40, 50), (0, 10, 10, 10)]
    assert "1 of 2 sequences have no step in some part" in both.how
    assert "(40 train, 10 valid, 10 test steps)" in both.how
    assert split_time(dated([60]), "2020-02-15,2020-02-20,2030-01-01", [60]).ranges == [(0, 45, 50, 60)]


def test_short_sequences_are_named() -> None:
    with pytest.raises(DataError, match=r"t.csv, line 2: the sequence '0' has 2 steps, .* at least 3; leave it"):
        split_time(dated([2]), None, [2])
    # One among many is for training, if for anything.
    assert split_time(dated([9, 2]), None, [9, 2]).ranges[1] == (0, 2, 2, 2)
    with pytest.raises(InputError, match="lengths"):
        split_time(dated([9, 2]), None, [9])


BAD_DATES = [
    ("2030-01-01", "lies outside the data, which run from 2020-01-01 to 2020-04-09; .* --split 2020-03-20"),
    ("2020-01-01", "lies outside"),
    ("2019-01-01,2020-02-01", "2019-01-01 lies outside"),
    ("2020-03-01,2020-02-01", "every date comes after the one before it; write --split 2017-01-01"),
    ("2020-02-30", "2020-02-30 is no day of the calendar"),
    ("2020-02-01,0.5", "one, two or three dates"),
    ("2020-02-01,2020-02-02,2020-02-03,2020-02-04", "one, two or three dates"),
    ("2020-01-02", "no step is left for the validation part"),
]


@pytest.mark.parametrize(("rule", "says"), BAD_DATES)
def test_bad_dates(rule: str, says: str) -> None:
    with pytest.raises(InputError, match=f"--split {rule}: .*{says}"):
        split_time(dated([100]), rule, [100])


def test_dates_need_dates() -> None:
    with pytest.raises(InputError, match="needs a time column; name it with --time"):
        split_time(examples(1), "2020-02-01", [9])
    with pytest.raises(InputError, match="holds numbers, not dates"):
        split_time(dated([9], numbers=True), "2020-02-01", [9])
    with pytest.raises(InputError, match="8 steps but 9 times"):
        split_time(dated([9]), "2020-01-05", [8])
