"""From tables to examples."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.core.errors import DataError, InputError
from elman.data.delimited import read_delimited
from elman.data.nested import read_jsonl
from elman.data.read import Table, read
from elman.data.roles import Examples, Roles, assemble
from elman.data.ts import read_ts
from elman.model.grammar import parse_source, parse_target


def table(text: str, file: str = "t.csv") -> Table:
    if file.endswith(".csv"):
        frame, lines, spelt = read_delimited(text, ",", file)
        return Table(frame, file, lines, spelt)
    if file.endswith(".ts"):
        frame, lines = read_ts(text, file)
    else:
        frame, lines = read_jsonl(text, file)
    return Table(frame, file, lines)


def made(text: str, source: str, target: str, file: str = "t.csv", need: bool = True, **roles: str) -> Examples:
    return assemble(table(text, file), parse_source(source), parse_target(target), Roles(**roles), need_target=need)


MACHINES = """m,t,a,b,fault
2,1,0,10,no
1,1,1,11,yes
2,2,2,12,no
1,2,3,13,yes
1,3,4,14,yes
"""


def test_rows_of_one_id_form_a_sequence() -> None:
    ex = made(MACHINES, "series", "label:fault", id="m", time="t")
    assert ex.ids == ["2", "1"]
    assert [one.tolist() for one in ex.inputs] == [[[0, 10], [2, 12]], [[1, 11], [3, 13], [4, 14]]]
    assert ex.inputs[0].dtype == np.float64
    assert ex.targets == ["no", "yes"]
    assert ex.times is not None
    assert [one.tolist() for one in ex.times] == [[1, 2], [1, 2, 3]]
    assert ex.where == [("t.csv", 2), ("t.csv", 3)]
    assert [one.tolist() for one in ex.steps] == [[2, 4], [3, 5, 6]]
    assert ex.split is None
    assert (ex.columns, ex.target_columns) == (("a", "b"), ("fault",))
    assert ex.notes == ["--from series: took the columns a, b"]
    assert len(ex) == 2


def test_named_columns_in_their_order() -> None:
    ex = made(MACHINES, "series:b,t", "next:a", id="m", time="t")
    assert ex.inputs[0].tolist() == [[10, 1], [12, 2]]
    assert ex.targets is not None
    assert ex.targets[0].tolist() == [[0], [2]]
    assert (ex.columns, ex.target_columns, ex.notes) == (("b", "t"), ("a",), [])


def test_the_whole_table_is_one_series() -> None:
    ex = made("day,x,w\n2020-01-01,1,a\n2020-01-02,2,b\n", "series", "future:3", time="day")
    assert ex.inputs[0].tolist() == [[1], [2]]
    assert ex.targets is not None
    assert ex.targets[0].tolist() == [[1], [2]]
    assert ex.times is not None
    assert ex.times[0].tolist() == np.array(["2020-01-01", "2020-01-02"], "datetime64[us]").tolist()
    assert (ex.ids, ex.target_columns) == (["2"], ("x",))
    assert ex.notes == ["--from series: took the column x; left out w (text)"]


def test_numbers() -> None:
    ex = made("id,x,p,q\na,1,5,6\na,2,5,6\nb,3,7,8\n", "series", "number:q,p", id="id")
    assert ex.columns == ("x",)
    assert ex.targets is not None
    assert [one.tolist() for one in ex.targets] == [[6, 5], [8, 7]]
    assert ex.targets[0].dtype == np.float64


def test_each_row_is_a_text() -> None:
    ex = made('review,label\n"good, yes",1\n"",0\nbad,0.5\n', "text", "label")
    assert ex.inputs == ["good, yes", "", "bad"]
    assert ex.targets == ["1", "0", "0.5"]
    assert ex.ids == ["2", "3", "4"]
    assert ex.notes == [
        "--to label: took the column label",
        "--from text: took the column review",
        "--from text: 1 sequence is empty (length zero), the first in line 3",
    ]


def test_texts_of_one_id_are_joined() -> None:
    ex = made("who,line\na,one\nb,two\na,three\n", "text.char:line", "next", id="who")
    assert ex.inputs == ["one\nthree", "two"]
    assert ex.targets is None
    assert (ex.columns, ex.target_columns) == (("line",), ())
    assert "joined" in ex.notes[0]
    assert made("who,line\nb,one\na,two\n", "text:line", "next", id="who").notes == []


def test_a_plain_text() -> None:
    ex = assemble(
        Table(read_jsonl('{"text": "abc"}', "t.txt")[0], "t.txt", np.array([1])),
        parse_source("text"),
        parse_target("next"),
        Roles(),
    )
    assert (ex.inputs, ex.targets, ex.ids, ex.notes) == (["abc"], None, ["1"], [])


def test_lists_are_sequences() -> None:
    text = '{"v": [1, 2], "age": 7, "y": "a"}\n{"v": [], "age": 8, "y": "b"}\n'
    ex = made(text, "series", "label", "t.jsonl")
    assert [one.tolist() for one in ex.inputs] == [[[1], [2]], []]
    assert ex.inputs[1].shape == (0, 1)
    assert ex.targets == ["a", "b"]
    assert [one.tolist() for one in ex.steps] == [[1, 1], []]
    assert "took the column v; left out age (numbers)" in ex.notes[1]
    assert "1 sequence is empty (length zero), the first in line 2" in ex.notes[2]
    assert made(text, "series:v", "number:age", "t.jsonl", id="y").ids == ["a", "b"]


def test_lists_that_go_on() -> None:
    text = '{"v": [[1, 2], [3, 4]], "w": [5, 6]}\n'
    ex = made(text, "series:v", "next:w", "t.jsonl")
    assert ex.targets is not None
    assert (ex.inputs[0].tolist(), ex.targets[0].tolist()) == ([[1, 2], [3, 4]], [[5], [6]])
    ex = made(text, "series:v", "future:1", "t.jsonl")
    assert ex.targets is not None
    assert ex.targets[0].shape == (2, 2)


def test_ts_tables_know_their_roles() -> None:
    text = "@classLabel true u v\n@data\n1,2:3,4:u\n5:6:v\n"
    ex = made(text, "series", "label", "t.ts")
    assert (ex.ids, ex.targets, ex.columns) == (["0", "1"], ["u", "v"], ("x1", "x2"))
    assert [one.tolist() for one in ex.inputs] == [[[1, 3], [2, 4]], [[5, 6]]]
    assert ex.times is not None
    assert ex.times[0].tolist() == [0, 1]
    assert ex.where == [("t.ts", 3), ("t.ts", 4)]
    assert made("@targetlabel true\n@data\n1,2:0.5\n", "series", "number", "t.ts").targets == [[0.5]]


def test_split_columns() -> None:
    ex = made("text,part\na,Train\nb,dev\nc,val\nd,TESTING\n", "text", "next", split="part")
    assert ex.split == ["train", "valid", "valid", "test"]


def test_prediction_needs_no_target() -> None:
    assert made("text\na\n", "text", "label", need=False).targets is None
    assert made("text\na\n", "text", "label:mood", need=False).targets is None
    assert made("text,mood\na,x\n", "text:text", "label:mood", need=False).targets == ["x"]
    ex = made("text,mood\na,x\nb,\n", "text:text", "label:mood", need=False)
    assert ex.targets is None
    assert "values are missing in mood" in ex.notes[-1]
    assert made("x\n1\n", "series:x", "next:y", need=False).targets is None
    assert made("x\n1\n", "series:x", "next", need=False).targets is not None


TWO = "id,t,x,label\na,1,5,u\na,2,6,u\nb,1,7,v\n"
BAD = {
    "column": (
        TWO,
        "series:xx",
        "label",
        {"id": "id"},
        None,
        "--from series names .*'xx', .*Did you mean 'x'.*Columns: id, t, x",
    ),
    "target column": (
        TWO,
        "series",
        "label:labl",
        {"id": "id"},
        None,
        "--to label names .*Did you mean 'label'",
    ),
    "next column": (TWO, "series:x", "next:z", {"id": "id"}, None, "--to next names the column 'z'"),
    "id column": (
        TWO,
        "series",
        "label",
        {"id": "ids"},
        None,
        "--id names the column 'ids'.*Did you mean 'id'",
    ),
    "time column": (TWO, "series", "label", {"id": "id", "time": "tt"}, None, "--time names"),
    "no id": (
        TWO,
        "series:x",
        "label",
        {},
        None,
        "--to label needs to know which rows form one sequence.*--id id",
    ),
    "no target": (
        "id,x\na,1\n",
        "series",
        "label",
        {"id": "id"},
        None,
        "none is called label, class.*Write --to label:x",
    ),
    "differs": (
        "id,x,label\na,1,u\nb,2,v\na,3,w\n",
        "series",
        "label",
        {"id": "id"},
        (4, "label"),
        "constant within one id, but it is 'w' here and 'u' in line 2; correct it, name an --id whose rows share it, "
        "or predict one a step: --to tags:label",
    ),
    "number differs": (
        "id,x,y\na,1,5\na,3,6\n",
        "series:x",
        "number:y",
        {"id": "id"},
        (3, "y"),
        "it is '6.0' here and '5.0' in line 2; for a value at every step write --to series:y, --to next:y or "
        "--to future:24:y",
    ),
    "label missing": (
        "id,x,label\na,1,\n",
        "series",
        "label",
        {"id": "id"},
        (2, "label"),
        "--to label needs a value",
    ),
    "number text": (
        "id,x,y\na,1,hi\n",
        "series",
        "number:y",
        {"id": "id"},
        (2, "y"),
        "--to number needs numbers, but here is 'hi'",
    ),
    "text in series": ("x\n1\n2,\n".replace(",", "x"), "series:x", "next", {}, (3, "x"), "here is '2x'"),
    "gap": (
        "t,x\n1,2\n2,\n",
        "series:x",
        "next",
        {"time": "t"},
        (3, "x"),
        "value is missing.*--gaps input.*fill_null",
    ),
    "time text": (
        "t,x\n1/2/2020,2\n",
        "series:x",
        "next",
        {"time": "t"},
        (2, "t"),
        "'1/2/2020' is not a time",
    ),
    "back": (
        "t,x\n1,2\n3,3\n2,4\n",
        "series:x",
        "next",
        {"time": "t"},
        (4, "t"),
        r"time goes back: '2' after '3' in line 3. If .*--id COLUMN. To sort: .*\.sort\(\['t'\]\)",
    ),
    "back within": (
        "id,t,x\na,2,2\nb,1,3\na,1,4\n",
        "series:x",
        "next",
        {"time": "t", "id": "id"},
        (4, "t"),
        r"within the id 'a': '1' after '2' in line 2. To sort: .*\.sort\(\['id', 't'\]\)",
    ),
    "twice": (
        "t,x\n1,2\n1,3\n",
        "series:x",
        "next",
        {"time": "t"},
        (3, "t"),
        "'1' is in line 2 already.*--id COLUMN",
    ),
    "twice within": (
        "id,t,x\na,2,2\nb,1,3\na,2,4\n",
        "series:x",
        "next",
        {"time": "t", "id": "id"},
        (4, "t"),
        r"'2' is in line 2 already within the id 'a'. .*\.unique\(\['id', 't'\]",
    ),
    "id missing": (
        "id,x\na,1\n,2\n",
        "series",
        "next",
        {"id": "id"},
        (3, "id"),
        "--id needs a value in every row",
    ),
    "part": (
        "text,s\na,train\nb,tset\n",
        "text",
        "next",
        {"split": "s"},
        (3, "s"),
        "'tset' is no part. Did you mean 'test'",
    ),
    "part differs": (
        "id,x,s\na,1,train\na,2,test\n",
        "series",
        "next",
        {"id": "id", "split": "s"},
        (3, "s"),
        "--split must be constant within one id.*'test' here and 'train' in line 2; .*--split 0.9",
    ),
    "text missing": (
        "a,b\n1,x\n2,\n",
        "text:b",
        "number:a",
        {},
        (3, "b"),
        "--from text needs a text.*drop_nulls",
    ),
    "two texts": (
        "a,b\nx,y\n",
        "text",
        "next",
        {},
        None,
        "several text columns are left: a, b.*Write --from text:a",
    ),
    "no text": ("a,b\n1,2\n", "text", "next", {}, None, "no text column is left.*a \\(numbers\\)"),
    "no numbers": (
        "a,b\nx,y\n",
        "series",
        "next",
        {},
        None,
        "found no numeric column.*a \\(text\\).*Correct .*series:a",
    ),
    "all taken": ("t\n1\n", "series", "next", {"time": "t"}, None, "Roles: --time t. Leave out --time t"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables(case: str) -> None:
    text, source, target, roles, place, says = BAD[case]
    with pytest.raises(DataError) as caught:
        made(text, source, target, **roles)
    line, column = place or (None, None)
    start = "t.csv" + (f", line {line}" if line else "") + (f", column '{column}'" if column else "") + ": "
    assert str(caught.value).startswith(start), caught.value
    assert re.search(says, str(caught.value)), caught.value
    assert (caught.value.file, caught.value.row, caught.value.column) == ("t.csv", line, column)


@pytest.mark.parametrize(
    ("source", "target", "roles", "says"),
    [
        (
            "series",
            "label:x,t",
            {"id": "id"},
            "a label is one column; write --to label:x, --to labels:x,t if each says yes or no, or --to number:x,t",
        ),
        ("series:x,label", "label", {"id": "id"}, "none is called"),
        (
            "series:x",
            "number:x",
            {"id": "id"},
            "'x' is named by both --to number and --from series; leave it out",
        ),
        ("series:id", "next", {"id": "id"}, "'id' is named by both --from series and --id"),
        ("series", "next", {"id": "id", "time": "id"}, "'id' is named by both --id and --time"),
        ("text:id,label", "next", {}, "a text is one column; write --from text:id"),
        ("text:id", "next:label", {}, "a text is continued by itself, here the column 'id'; write --to next"),
    ],
)
def test_roles_that_do_not_fit(source: str, target: str, roles: dict[str, str], says: str) -> None:
    with pytest.raises((InputError, DataError), match=says):
        made(TWO, source, target, **roles)


@pytest.mark.parametrize(
    ("roles", "error", "says"),
    [
        ({"time": "t"}, InputError, "holds a whole sequence in each row, .*leave --time out"),
        (
            {"id": "k"},
            DataError,
            "t.jsonl, line 2, column 'k': .*lines 1 and 2 have the same id; leave --id out",
        ),
    ],
)
def test_roles_that_do_not_fit_lists(roles: dict[str, str], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        made('{"v": [1], "t": 1, "k": 5}\n{"v": [2], "t": 2, "k": 5}', "series:v", "next", "t.jsonl", **roles)


def test_unequal_target_lists() -> None:
    with pytest.raises(DataError, match=r"t.jsonl, line 1, column 'w': --to next has 1 steps, but v has 2"):
        made('{"v": [1, 2], "w": [1]}', "series:v", "next:w", "t.jsonl")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_grouping_loses_and_mixes_nothing(ids: list[int]) -> None:
    text = "id,x\n" + "".join(f"{name},{row}\n" for row, name in enumerate(ids))
    ex = made(text, "series", "next", id="id")
    assert ex.ids == [str(name) for name in dict.fromkeys(ids)]
    for name, one, steps in zip(ex.ids, ex.inputs, ex.steps, strict=True):
        rows = [row for row, other in enumerate(ids) if str(other) == name]
        assert one[:, 0].tolist() == rows
        assert steps.tolist() == [row + 2 for row in rows]


@pytest.mark.skipif("ELMAN_DATA" not in os.environ, reason="needs $ELMAN_DATA")
def test_electricity_transformer() -> None:
    path = Path(os.environ["ELMAN_DATA"]) / "ett_hourly" / "ETTh1.csv.gz"
    ex = assemble(read(path), parse_source("series"), parse_target("future:24:OT"), Roles(time="date"))
    assert ex.columns == ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    assert ex.inputs[0].shape == (17420, 7)
    assert ex.targets is not None
    assert ex.targets[0].shape == (17420, 1)
    assert ex.times is not None
    assert set(np.diff(ex.times[0])) == {np.timedelta64(1, "h")}


# Numbers as words ---------------------------------------------------------------------------------------------


def test_ids_and_labels_are_told_apart_as_they_are_written() -> None:
    text = "id,x,y\n1.1,0,1E3\n1.1,1,1E3\n1.10,2,1000\n 1.10,3,1000\n"
    ex = made(text, "series:x", "label:y", id="id")
    assert ex.ids == ["1.1", "1.10"]
    assert ex.targets == ["1E3", "1000"]
    assert [len(one) for one in ex.inputs] == [2, 2]


def test_a_text_of_digits_is_a_text() -> None:
    ex = made("t,y\n12,a\n", "text:t", "label:y")
    assert ex.inputs == ["12"]
    assert ex.notes == ["--from text: all cells of t are numbers, read as text; as numbers: --from series:t"]
    assert made("t,y\n 1.50,a\n07,b\n", "text:t", "label:y").inputs == [" 1.50", "07"]


@pytest.mark.parametrize("target", ["next:s", "next:x,s", "future:2:s"])
def test_what_tells_sequences_apart_is_not_predicted(target: str) -> None:
    text = "s,t,x\n1,1,5\n1,2,6\n2,1,7\n2,2,8\n"
    with pytest.raises(InputError, match=r"the column 's' is named by both --to (next|future) and --id; leave it"):
        made(text, "series:x", target, id="s", time="t")
    assert made(text, "series:x", "next:t", id="s", time="t").target_columns == ("t",)
