"""The .ts files of the UCR/UEA archives."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from elman.core.errors import DataError
from elman.data.read import read
from elman.data.ts import read_ts

HEAD = "#about\n@problemName P\n@TIMESTAMPS false\n@ClassLabel true a b\n"


def test_long_table() -> None:
    frame, lines = read_ts(HEAD + "@DATA\n\n1,2,?:3,NaN,5:a\n% aside\n6 : 7 :b\n", "p.ts")
    assert frame.columns == ["id", "step", "x1", "x2", "label"]
    assert frame.dtypes == [pl.Int64, pl.Int64, pl.Float64, pl.Float64, pl.String]
    assert frame["id"].to_list() == [0, 0, 0, 1]
    assert frame["step"].to_list() == [0, 1, 2, 0]
    assert frame["label"].to_list() == ["a", "a", "a", "b"]
    np.testing.assert_array_equal(frame["x1"].to_numpy(), [1, 2, math.nan, 6])
    np.testing.assert_array_equal(frame["x2"].to_numpy(), [3, math.nan, 5, 7])
    assert lines.tolist() == [7, 7, 7, 9]


def test_without_classes() -> None:
    frame, _ = read_ts("@classLabel false\n@data\n1,2\n3\n", "p.ts")
    assert frame.to_dict(as_series=False) == {"id": [0, 0, 1], "step": [0, 1, 0], "x1": [1.0, 2.0, 3.0]}


def test_a_numeric_target() -> None:
    frame, _ = read_ts("@targetlabel true\n@data\n1,2:0.5\n3:7\n", "p.ts")
    assert frame["number"].to_list() == [0.5, 0.5, 7.0]


BAD = {
    "no data": (HEAD, 5, "no line '@data'; add"),
    "no series": (HEAD + "@data\n", 6, "no series after @data"),
    "values first": (HEAD + "1,2:a\n", 5, "values before @data"),
    "time stamps": (
        "@timeStamps true\n@data\n(1,2):a\n",
        1,
        "time stamps .* not supported; .*--id id --time time",
    ),
    "dimensions": ("@dimensions many\n@data\n1\n", 1, "write @dimensions 3"),
    "text": (HEAD + "@data\n1,2:a\n1,2:3,x4:b\n", 7, "column 'x2': 'x4' at step 1 is not a number"),
    "underscore": (HEAD + "@data\n1_000:a\n", 6, "column 'x1': '1_000' at step 0 is not a number"),
    "empty cell": (HEAD + "@data\n1,,2:a\n", 6, "'' at step 1"),
    "no steps": (HEAD + "@data\n:a\n", 6, "column 'x1': a channel without steps"),
    "label": (
        HEAD + "@data\n1:a\n1:bb\n",
        7,
        "column 'label': the label 'bb' .*Did you mean 'b'.*@classLabel true a b bb",
    ),
    "label only": (HEAD + "@data\nb\n", 6, "'b' stands alone, without a series; write 1.2,1.4:b"),
    "unequal": (HEAD + "@data\n1,2:1:a\n", 6, "column 'x2': 1 steps, but x1 has 2"),
    "channels": (HEAD + "@data\n1:2:a\n1:a\n", 7, "1 channels, but line 6 has 2"),
    "declared": (HEAD + "@dimensions 3\n@data\n1:2:a\n", 7, "2 channels, but @dimensions says 3"),
    "target": ("@targetlabel true\n@data\n1:x\n", 3, "column 'number': 'x'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(case: str) -> None:
    text, line, says = BAD[case]
    with pytest.raises(DataError) as caught:
        read_ts(text, "p.ts")
    assert str(caught.value).startswith(f"p.ts, line {line}"), caught.value
    assert re.search(says, str(caught.value)), caught.value


@pytest.mark.skipif("ELMAN_DATA" not in os.environ, reason="needs $ELMAN_DATA")
def test_japanese_vowels() -> None:
    table = read(Path(os.environ["ELMAN_DATA"]) / "ucr_uea" / "JapaneseVowels_TRAIN.ts.gz")
    lengths = table.frame.group_by("id").len()["len"]
    assert len(lengths) == 270
    assert (lengths.min(), lengths.max()) == (7, 26)
    assert table.frame.columns == ["id", "step", *(f"x{k}" for k in range(1, 13)), "label"]
    assert sorted(table.frame["label"].unique()) == [str(k) for k in range(1, 10)]
