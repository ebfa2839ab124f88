"""Counting in bounded memory agrees with counting, exactly while there is room and about after."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from elman.data.checkup.sieve import Distinct, Sample, Seen, mixed


def _hashes(values: np.ndarray) -> np.ndarray:
    return mixed(values.astype(np.uint64))


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=9), max_size=5))
def test_what_came_before_is_counted_block_by_block(blocks: list[list[tuple[int, int]]]) -> None:
    seen, line, first = Seen(), 0, {}
    repeated = leaks = 0
    again, leak = [], []
    for block in blocks:
        lines = np.arange(line, line + len(block))
        for at, (thing, part) in zip(lines.tolist(), block, strict=True):
            if thing not in first:
                first[thing] = (at, part)
            elif first[thing][1] == part:
                repeated += 1
                again.append((at, first[thing][0]))
            else:
                leaks += 1
                leak.append((at, first[thing][0]))
        things = np.array([thing for thing, _ in block], dtype=np.int64)
        seen.add(_hashes(things), lines, np.array([part for _, part in block], dtype=np.int64))
        line += len(block)
    assert (seen.repeated, seen.leaks) == (repeated, leaks)
    assert seen.again == (again[0] if again else None)
    assert seen.leak == (leak[0] if leak else None)


def test_beyond_its_room_it_keeps_a_fair_share() -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 200_000, size=400_000)
    seen = Seen(most=1 << 12)
    for block in np.array_split(values, 17):
        seen.add(_hashes(block), np.arange(len(block)), np.zeros(len(block), dtype=np.int64))
    assert seen.level > 4
    assert len(seen._hashes) <= 1 << 12
    assert abs(seen.repeated / (400_000 - len(np.unique(values))) - 1) < 0.1


@given(st.lists(st.lists(st.integers(0, 99), max_size=50), max_size=4))
def test_few_distinct_things_are_counted(blocks: list[list[int]]) -> None:
    found = Distinct(size=128)
    for block in blocks:
        found.add(_hashes(np.array(block, dtype=np.int64)))
    assert found.exact
    assert found.count == len({value for block in blocks for value in block})


def test_many_distinct_things_are_estimated() -> None:
    found = Distinct()
    for start in range(0, 500_000, 50_000):
        found.add(_hashes(np.arange(start, start + 100_000)))
    assert not found.exact
    assert abs(found.count / 550_000 - 1) < 0.06


def test_a_sample_is_fair() -> None:
    found, counts = Sample(size=100), Counter[int]()
    for start in range(0, 1000, 10):
        found.add(np.arange(start, start + 10, dtype=np.float64))
    assert len(found.values) == 100
    assert len(np.unique(found.values)) == 100
    counts.update((found.values // 250).astype(int).tolist())
    assert min(counts.values()) > 12
    small = Sample(size=100)
    small.add(np.arange(7.0))
    assert small.values.tolist() == list(range(7))
