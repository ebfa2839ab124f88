"""What the first rows tell, and lines to paste that mend it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elman.core.errors import DataError
from elman.data.checkup.examine import Checkup, examine
from elman.data.checkup.findings import Finding
from elman.data.checkup.tally import Histogram
from elman.data.read import read

WORDS = ("a fine film", "a dull film", "a long song", "one more role")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _look(name: str, text: str, *sides: str) -> Checkup:
    Path(name).write_text(text)
    return examine(name, *sides)


def _one(found: Checkup, kind: str) -> Finding:
    return next(one for one in found.findings if one.kind == kind)


def _kinds(found: Checkup) -> set[str]:
    return {one.kind for one in found.findings}


@pytest.mark.parametrize(("suffix", "mark"), [("csv", ","), ("tsv", "\t")])
def test_a_table_without_names_gets_some(suffix: str, mark: str) -> None:
    text = "".join(f"{WORDS[k % 4]} {k}{mark}{k % 2}\n" for k in range(40))
    found = _look(f"d.{suffix}", text)
    one = _one(found, "names")
    assert (one.severity, one.line, one.column) == ("warning", 1, "0")
    exec(one.paste)
    again = examine(f"named.{suffix}")
    assert "names" not in _kinds(again)
    assert (again.rows, again.command[-1]) == (40, "label:c2")


def test_columns_that_are_counted_are_names() -> None:
    assert "names" not in _kinds(_look("d.csv", "u,0,1\n" + "".join(f"m{k},{k % 3},{k % 2}\n" for k in range(40))))


@pytest.mark.parametrize(
    ("text", "name", "columns"),
    [
        ("".join(f"{k},{k % 7}\n" for k in range(40)), "b.csv", ["c1", "c2"]),
        ("x,y\n" + "".join(f"{k},{k % 7}\n" for k in range(40)), "b.csv", ["x", "y"]),
        ("".join(f"hello {k}\tgood day {k}\n" for k in range(40)), "b.tsv", ["c1", "c2"]),
    ],
)
def test_a_text_that_is_a_table_is_told_with_the_line_that_makes_it_one(
    text: str, name: str, columns: list[str]
) -> None:
    exec(_one(_look("b.txt", text), "table").paste)
    table = read(name)
    assert (table.frame.columns, table.frame.height) == (columns, 40)


def test_prose_with_a_comma_in_every_line_is_no_table() -> None:
    assert _look("b.txt", "well, he said, she said\n" * 40).findings == []


def _dated(slips: int, first: str = "2021-01-01") -> str:
    days = [f"2021-01-{k + 1:02d}" for k in range(30)]
    days[30 - slips :] = [f"{k + 1:02d}/02/2021" for k in range(slips)]
    days[0] = first
    return "date,load\n" + "".join(f"{day},{k * k % 7}\n" for k, day in enumerate(days))


def test_a_few_dates_of_another_calendar_are_an_error_and_the_column_is_time_still() -> None:
    found = _look("d.csv", _dated(2))
    one = _one(found, "time")
    assert (one.severity, one.line, one.column) == ("error", 30, "date")
    assert found.command[-2:] == ["--time", "date"]


def test_two_calendars_are_an_error_and_one_unknown_a_warning() -> None:
    one = _one(_look("d.csv", _dated(15)), "time")
    assert (one.severity, one.line) == ("error", 17)
    one = _one(_look("d.csv", _dated(29, "30/01/2021")), "time")
    assert (one.severity, one.line) == ("warning", 2)


def test_names_that_the_grammar_would_cut_are_an_error_and_renamed() -> None:
    found = _look("d.csv", '"load, in kW",b\n' + "".join(f"{k * k % 7},{k % 5}\n" for k in range(40)))
    assert found.command[4] == "series:b"
    found = _look("d.csv", '"load, in kW"\n' + "".join(f"{k * k % 7}\n" for k in range(40)))
    one = _one(found, "name")
    assert one.severity == "error"
    exec(one.paste)
    assert examine("renamed.csv").command[4] == "series:load_in_kW"


def test_a_file_of_another_part_lacks_a_column() -> None:
    Path("other.csv").write_text("b\n1\n2\n")
    Path("d.csv").write_text("a\n" + "".join(f"{k * k % 7}\n" for k in range(40)))
    one = _one(examine("d.csv", test="other.csv"), "columns")
    assert (one.severity, one.file) == ("error", "other.csv")
    assert one.what == "column 'a' is not there, which d.csv has; there is: b"


def test_two_rows_are_too_few_and_none_is_no_table() -> None:
    assert _one(_look("d.csv", "a,b\n1,2\n2,3\n"), "few").severity == "error"
    with pytest.raises(DataError, match="the file is empty"):
        _look("d.jsonl", "\n\n")


def test_no_more_values_are_distinct_than_there_are() -> None:
    found = _look("d.csv", "a\n" + "".join(f"{k * k % 9973}.5\n" for k in range(4990)))
    column = found.columns[0]
    assert not column.exact
    assert 0.9 * 4987 < column.distinct <= 4990


def test_lengths_beyond_what_is_counted_one_by_one() -> None:
    lengths = Histogram()
    lengths.add(np.array([100_000]))
    assert (lengths.shortest, lengths.quantile(0.5), lengths.longest) == (100_000, 100_000, 100_000)
    lengths.add(np.array([3, 3, 3]))
    assert (lengths.shortest, lengths.quantile(0.5), lengths.longest, lengths.total) == (3, 3, 100_000, 4)
