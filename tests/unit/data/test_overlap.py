"""What two files share is found, whatever it is; what they do not share is left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman import InputError
from elman.data.overlap import fresh_steps, note_shared
from elman.data.read import Table
from elman.data.roles import Examples, Roles, assemble
from elman.model.grammar import parse_source, parse_target


def _table(file: str, **columns: list[Any]) -> Table:
    frame = pl.DataFrame(columns)
    return Table(frame, file, np.arange(2, 2 + frame.height))


def _series(
    file: str, first: int, last: int, *, shift: float = 0.0, source: str = "series:x", **roles: str
) -> Examples:
    """Two series of days ``first`` to ``last``, whose values tell series and day."""
    rows = [(name, day) for name in "ab" for day in range(first, last)]
    table = _table(
        file,
        id=[name for name, _ in rows],
        t=[float(day) for _, day in rows],
        x=[day * day + (name == "b") * 0.5 + shift for name, day in rows],
        e=[f"{name}{day}" for name, day in rows],
    )
    return assemble(table, parse_source(source), parse_target("next:x"), Roles(id="id", **roles))


@given(st.integers(1, 12), st.integers(0, 12), st.integers(1, 12), st.sampled_from(["series:x", "series:x+events:e"]))
def test_steps_behind_the_first_file_are_fresh(length: int, first: int, count: int, source: str) -> None:
    main = _series("d.csv", 0, length, source=source, time="t")
    other = _series("v.csv", first, first + count, source=source, time="t")
    old = max(0, min(length, first + count) - first)
    if old == count:
        with pytest.raises(InputError, match=rf"--valid v.csv: all {2 * count} of its steps stand in the files before"):
            fresh_steps([main], other, "--valid")
        return
    ranges, told = fresh_steps([main], other, "--valid")
    assert ranges == [(old, count)] * 2
    assert len(told) == (old > 0)


def test_one_of_several_series_goes_on_by_its_name() -> None:
    main, both = _series("d.csv", 0, 5, time="t"), _series("v.csv", 2, 9, time="t")
    ranges, told = fresh_steps([main], both.subset([1]), "--test")
    assert ranges == [(3, 7)]
    assert told == ["--test: 3 of 7 steps stand in the files before it too; they are history, and not scored"]


def test_other_values_at_the_same_times_are_another_series() -> None:
    main, other = _series("d.csv", 0, 9, time="t"), _series("v.csv", 3, 12, shift=0.25, time="t")
    assert fresh_steps([main], other, "--test") == ([(0, 9), (0, 9)], [])


def test_a_gap_is_like_a_gap() -> None:
    def holed(file: str, days: range) -> Examples:
        table = _table(file, t=list(days), x=[None if day == 3 else float(day) for day in days])
        return assemble(table, parse_source("series:x"), parse_target("next"), Roles(time="t", gaps="input"))

    ranges, _ = fresh_steps([holed("d.csv", range(6))], holed("v.csv", range(2, 9)), "--test")
    assert ranges == [(4, 7)]


def test_without_times_only_the_whole_is_compared() -> None:
    main = _series("d.csv", 0, 6)
    with pytest.raises(InputError, match="all 12 of its steps"):
        fresh_steps([main], _series("v.csv", 0, 6), "--test")
    assert fresh_steps([main], _series("v.csv", 0, 5), "--test") == ([(0, 5), (0, 5)], [])


def _texts(file: str, *pairs: tuple[str, str]) -> Examples:
    table = _table(file, t=[text for text, _ in pairs], y=[label for _, label in pairs])
    return assemble(table, parse_source("text:t"), parse_target("label:y"), Roles())


def test_sequences_of_both_files_are_counted_with_their_answers() -> None:
    main = _texts("d.csv", ("a b", "u"), ("c d", "v"), ("e f", "u"))
    assert note_shared([main], _texts("t.csv", ("a b", "v"), ("x y", "u")), "--test") == []
    told = note_shared([main], _texts("t.csv", ("a b", "u"), ("x y", "u")), "--test")
    assert told == ["--test: 1 of 2 sequences stand in the files before it too"]
    with pytest.raises(InputError, match=r"--test t.csv: all 2 of its sequences stand .* or leave --test out"):
        note_shared([main], _texts("t.csv", ("a b", "u"), ("c d", "v")), "--test")


def test_where_training_repeats_itself_a_repetition_is_no_error() -> None:
    main = _texts("d.csv", *[("yes", "u"), ("no", "v")] * 5)
    assert note_shared([main], _texts("t.csv", ("yes", "u")), "--test") == [
        "--test: 1 of 1 sequences stand in the files before it too"
    ]
