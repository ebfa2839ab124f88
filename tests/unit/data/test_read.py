"""Reading files: what comes back, and what is said when a file is not as expected."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elman.core.errors import DataError, InputError
from elman.data.read import read


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.lower().endswith(".gz") else data)
    return path


def refused(path: Path, error: type[Exception] = DataError) -> str:
    with pytest.raises(error) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".CSV", ".tsv", ".tsv.gz"])
def test_delimited_types_and_lines(tmp_path: Path, suffix: str) -> None:
    text = "when,n,x,code,word\n2020-01-01,1,1.5,007,a\n2020-01-02,,NaN,012,\n2020-01-03,-3,na,9,b c\n"
    text = text.replace(",", "\t") if "tsv" in suffix else text
    table = read(write(tmp_path, f"t{suffix}", text))
    assert table.frame.to_dict(as_series=False) == {
        "when": ["2020-01-01", "2020-01-02", "2020-01-03"],
        "n": [1, None, -3],
        "x": [1.5, None, None],
        "code": ["007", "012", "9"],
        "word": ["a", None, "b c"],
    }
    assert table.frame.dtypes == [pl.String, pl.Int64, pl.Float64, pl.String, pl.String]
    assert table.lines.tolist() == [2, 3, 4]
    assert table.lines.dtype == np.int64
    assert table.file.endswith(f"t{suffix}")


def test_types_come_from_the_whole_column(tmp_path: Path) -> None:
    rows = ["1"] * 5000
    assert read(write(tmp_path, "a.csv", "\n".join(["x", *rows, "2.5"]))).frame.dtypes == [pl.Float64]
    assert read(write(tmp_path, "b.csv", "\n".join(["x", *rows, "two"]))).frame.dtypes == [pl.String]


def test_long_identifiers_stay_text(tmp_path: Path) -> None:
    frame = read(write(tmp_path, "t.csv", "id,x\n12345678901234567890,1\n12345678901234567891,2\n")).frame
    assert frame["id"].n_unique() == 2
    assert frame.dtypes == [pl.String, pl.Int64]


def test_quotes_newlines_and_blank_lines(tmp_path: Path) -> None:
    text = '\ufeffname,text\r\na,"one\r\ntwo, ""three"""\r\n\r\nb,""\r\nc,\r\n\r\n'
    table = read(write(tmp_path, "t.csv", text))
    assert table.frame["text"].to_list() == ['one\ntwo, "three"', "", None]
    assert table.lines.tolist() == [2, 5, 6]


def test_one_column_keeps_blank_rows_between_as_missing(tmp_path: Path) -> None:
    table = read(write(tmp_path, "t.csv", "\nx\n1\n\n3\n\n\n"))
    assert table.frame["x"].to_list() == [1, None, 3]
    assert table.lines.tolist() == [3, 4, 5]


def test_names_are_stripped_and_empty_ones_called_after_their_place(tmp_path: Path) -> None:
    assert read(write(tmp_path, "t.csv", ", a ,b\n0,1,2\n")).frame.columns == ["column_1", "a", "b"]


def test_text_is_one_row(tmp_path: Path) -> None:
    table = read(write(tmp_path, "t.txt.gz", "first\r\nsecond é\n"))
    assert table.frame.to_dict(as_series=False) == {"text": ["first\nsecond é\n"]}
    assert table.lines.tolist() == [1]


def test_jsonl(tmp_path: Path) -> None:
    text = '{"a": 1, "b": [1, 2.5]}\n\n{"a": 2, "b": [], "c": "x"}\n'
    table = read(write(tmp_path, "t.ndjson", text))
    assert table.frame.rows() == [(1, [1.0, 2.5], None), (2, [], "x")]
    assert table.lines.tolist() == [1, 3]


@pytest.mark.parametrize("name", ["t.parquet", "t.parquet.gz"])
def test_parquet(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": [[1.0], []]})
    frame.write_parquet(tmp_path / "plain.parquet")
    table = read(write(tmp_path, name, (tmp_path / "plain.parquet").read_bytes()))
    assert table.frame.equals(frame)
    assert table.lines.tolist() == [2, 3]


BAD = {
    "empty": ("t.csv", "", None, "empty"),
    "blank": ("t.jsonl", " \n\n", None, "empty"),
    "header only": ("t.csv", "a,b\n", 1, "no row below"),
    "short row": ("t.csv", "a,b\n1,2\n\n3\n", 4, "1 cells, but the header has 2; add"),
    "long row": (
        "t.csv",
        'a,b\n1,"2\n3"\n4,5,6\n',
        4,
        "3 cells, but the header has 2; put cells that hold a comma",
    ),
    "tsv": ("t.tsv", "a\tb\n1\t2\t3\n", 2, "cells that hold a tab in quotes"),
    "twice": ("t.csv", "a,b, a\n1,2,3\n", 1, "column 'a': this column is there twice; rename"),
    "semicolons": ("t.csv", "a;b\n1,5;2\n", 1, "separator seems to be ';'.*separator=';'"),
    "commas in tsv": ("t.tsv", "a,b\n1,2\n", 1, "separator seems to be ','"),
    "stray quote": ("t.csv", 'a,b\n1,5" disk\n', 2, "quote inside a cell; .*quote_char=None"),
    "after a quote": ("t.csv", 'a,b\n1,2\n"x" y,2\n', 3, "quote inside a cell"),
    "open quote": ("t.csv", 'a,b\n1,"x\n2,y\n', 2, "never closed"),
    "not utf-8": ("t.csv", b"a,b\n1,\xe9\n", 2, "byte 0xe9 at offset 6.*iconv .*WINDOWS-1252"),
    "not utf-8 txt": ("t.txt", b"\xef\xbb\xbfab\n\nc\xff", 3, "byte 0xff at offset 8.*iconv"),
    "not utf-8 gz": ("t.txt.gz", b"ab\xff", 1, "gunzip -c .*iconv.* > 'utf8-t.txt'"),
    "utf-16": ("t.txt", "abc".encode("utf-16"), 1, "-f UTF-16"),
    "json": (
        "t.jsonl",
        '{"a": 1}\n\n{"a": }\n',
        3,
        "invalid JSON at character 7.*every line must be one object",
    ),
    "json twice": ("t.jsonl", '{"a": 1} {"a": 2}\n', 1, "invalid JSON"),
    "json value": ("t.jsonl", '{"a": 1}\n[1]\n', 2, "is not an object"),
    "json empty": ("t.jsonl", "{}\n", 1, "is not an object"),
    "json kinds": (
        "t.jsonl",
        '{"a": 1}\n{"a": true}\n',
        2,
        "column 'a': true/false, but line 1 has a number",
    ),
    "json lists": (
        "t.jsonl",
        '{"a": []}\n{"a": [1]}\n{"a": [[1]]}\n',
        3,
        r"column 'a': a list of \(a list of \(a number\)\), but line 2 has a list of \(a number\)",
    ),
    "json mixed": (
        "t.jsonl",
        '{"a": [1, [2]]}\n',
        1,
        r"column 'a': a list of \(a list .* and a number\); write",
    ),
    "json nan": ("t.jsonl", '{"a": 1}\n{"a": nan}\n', 2, "invalid JSON"),
    "parquet": ("t.parquet", b"PAR1 no", None, "not a whole Parquet file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path: Path, case: str) -> None:
    name, content, line, says = BAD[case]
    path = write(tmp_path, name, content)
    message = refused(path)
    assert message.startswith(f"{path}, line {line}" if line else f"{path}: "), message
    assert re.search(says, message), message


def test_empty_parquet(tmp_path: Path) -> None:
    pl.DataFrame({"a": []}).write_parquet(tmp_path / "t.parquet")
    assert "no rows" in refused(tmp_path / "t.parquet")


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "machines.csv", "a\n1\n")
    assert "Did you mean 'machines.csv'?" in refused(tmp_path / "machine.cvs")
    assert "no folder" in refused(tmp_path / "none" / "machines.csv")


def test_a_folder_names_a_file_in_it(tmp_path: Path) -> None:
    assert "data.csv" in refused(tmp_path)
    write(tmp_path, "some.jsonl", "{}")
    assert "some.jsonl" in refused(tmp_path)


@pytest.mark.parametrize("name", ["t.xlsx", "t", "t.gz", "t.cvs"])
def test_unknown_suffix(tmp_path: Path, name: str) -> None:
    message = refused(write(tmp_path, name, "x"), InputError)
    assert ".csv, .tsv, .jsonl, .ndjson, .parquet, .ts, .conllu, .conll, .bio, .iob, .iob2, .txt" in message
    assert ("Did you mean '.csv'" in message) == (name == "t.cvs")


@pytest.mark.parametrize(
    "data",
    [b"plain", gzip.compress(b"a,b\n" * 99)[:-12], gzip.compress(b"ab")[:-8] + b"12345678"],
    ids=["not compressed", "cut short", "wrong checksum"],
)
def test_damaged_gzip(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(data)
    assert re.search(r"t\.csv\.gz: this is not a whole gzip file .* fetch it again", refused(path))


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(path: Path, mode: str) -> BinaryIO:
        raise PermissionError(13, "Permission denied", str(path))

    path = write(tmp_path, "t.csv", "a\n1\n")
    monkeypatch.setattr("builtins.open", deny)
    assert re.search(r"t\.csv: cannot be read \(Permission denied\); check its permissions", refused(path))


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=6)
COLUMN = st.sampled_from(["int", "float", "text"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), height=st.integers(1, 6), kinds=st.lists(COLUMN, min_size=1, max_size=4))
def test_csv_round_trip(tmp_path: Path, data: st.DataObject, height: int, kinds: list[str]) -> None:
    values = {
        "int": st.integers(-(10**15), 10**15),
        "float": st.floats(allow_nan=False, allow_infinity=False),
        "text": CELLS.map(lambda cell: f"t{cell}"),
    }
    columns = {
        f"c{place}": data.draw(st.lists(values[kind], min_size=height, max_size=height))
        for place, kind in enumerate(kinds)
    }
    frame = pl.DataFrame(columns)
    separator, name = data.draw(st.sampled_from([(",", "t.csv"), ("\t", "t.tsv")]))
    frame.write_csv(tmp_path / name, separator=separator)
    table = read(tmp_path / name)
    assert table.frame.rows() == frame.rows()
    breaks = [sum(cell.count("\n") for cell in row if isinstance(cell, str)) for row in frame.rows()]
    assert table.lines.tolist() == [2 + row + sum(breaks[:row]) for row in range(height)]


def test_cells_that_became_numbers_keep_their_spelling(tmp_path: Path) -> None:
    table = read(write(tmp_path, "t.csv", "id,y,t\n1.1,1E3, 7\n1.10,1000,8\n,NA,9\n"))
    assert table.frame.dtypes == [pl.Float64, pl.Float64, pl.Int64]
    assert {name: cells.to_list() for name, cells in table.spelt.items()} == {
        "id": ["1.1", "1.10", None],
        "y": ["1E3", "1000", "NA"],
        "t": [" 7", "8", "9"],
    }


@pytest.mark.parametrize("text", ["0.5\n1\n2\n", "1,2\n3,4\n", "1e3,1e3\n3,4\n", "-1\n\n2\n"])
def test_a_first_line_of_numbers_is_no_header(tmp_path: Path, text: str) -> None:
    said = refused(write(tmp_path, "t.csv", text))
    assert "line 1: the first line must name the columns, but holds numbers only: " in said
    assert "such as c1" in said
    assert read(write(tmp_path, "u.csv", "2020,x\n1,2\n")).frame.columns == ["2020", "x"]
    assert read(write(tmp_path, "v.csv", "2020,\n1,2\n")).frame.columns == ["2020", "column_2"]
    assert read(write(tmp_path, "w.csv", "nan,inf\n1,2\n")).frame.columns == ["nan", "inf"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("cell", ["[1, {}]", "{}"])
def test_what_json_does_not_know_is_named_with_its_line(tmp_path: Path, value: str, cell: str) -> None:
    rows = ['{"x": [1, 2]}' if "[" in cell else '{"x": 1}', '{"x": ' + cell.format(value) + "}"]
    said = refused(write(tmp_path, "t.jsonl", "\n".join(rows)))
    assert f"line 2: {value} is no JSON value; fill it in, or leave the step out" in said
