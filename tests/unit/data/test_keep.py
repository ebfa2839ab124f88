"""Columns of the file beside predictions."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from elman.core.errors import DataError
from elman.data.keep import keep
from elman.data.read import read
from elman.data.roles import Examples, Roles, assemble
from elman.model.grammar import parse_source, parse_target

MACHINES = "unit,site,x,y\n" + "".join(f"{k % 3},s{k % 3},{k},{k}\n" for k in range(9))


def _examples(path: Path, source: str, target: str, id: str | None = None) -> Examples:
    return assemble(read(path), parse_source(source), parse_target(target), Roles(id=id), need_target=False)


def test_a_column_stands_behind_the_id_once_a_predicted_row(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text(MACHINES)
    ex = _examples(path, "series:x", "future:2", "unit")
    predicted = pl.DataFrame({"unit": ["0", "0", "1", "1", "2", "2"], "step": [1, 2] * 3, "site": [0.5] * 6})
    found = keep(predicted, ex, str(path), ["site"])
    assert found.columns == ["unit", "site_given", "step", "site"]
    assert found["site_given"].to_list() == ["s0", "s0", "s1", "s1", "s2", "s2"]


def test_a_column_stands_in_every_row_of_sequences_of_any_length(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("unit,site\na,s\nb,t\na,s\na,s\n".replace("\n", ",1\n").replace("site,1", "site,x"))
    ex = _examples(path, "series:x", "next", "unit")
    found = keep(pl.DataFrame({"unit": ["a", "a", "a", "b"], "x": [1.0] * 4}), ex, str(path), ["site"])
    assert found["site"].to_list() == ["s", "s", "s", "t"]


def test_what_changes_within_a_case_of_a_ts_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.ts"
    path.write_text("@problemName d\n@classLabel true a b\n@data\n1,2,3:a\n4,5,6:b\n")
    ex = _examples(path, "series:x1", "label:label", "id")
    predicted = pl.DataFrame({"id": ex.ids, "label": ["a", "a"]})
    assert keep(predicted, ex, str(path), ["label"])["label_given"].to_list() == ["a", "b"]
    with pytest.raises(DataError, match=r"it is '2\.0' here, but '1\.0' in the first row"):
        keep(predicted, ex, str(path), ["x1"])


def test_a_column_of_texts_and_lists(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"x": [1, 2], "k": "a"}\n\n{"x": [], "k": null}\n{"x": [3], "k": "c"}\n')
    ex = _examples(path, "series:x", "number:k")
    found = keep(pl.DataFrame({"id": ["1", "3", "4"], "y": [1.0, 2.0, 3.0]}), ex, str(path), ["k", "x"])
    assert found.rows() == [("1", "a", [1, 2], 1.0), ("3", None, [], 2.0), ("4", "c", [3], 3.0)]


def test_what_changes_within_a_sequence_or_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text(MACHINES)
    ex = _examples(path, "series:x", "future:2", "unit")
    predicted = pl.DataFrame({"unit": ["0", "1", "2"]})
    with pytest.raises(DataError, match=r"line 5, column 'y': --keep: it is '3' here, but '0' in the first row"):
        keep(predicted, ex, str(path), ["y"])
    with pytest.raises(DataError, match=r"--keep names the column 'sit'.*Did you mean 'site'"):
        keep(predicted, ex, str(path), ["sit"])
