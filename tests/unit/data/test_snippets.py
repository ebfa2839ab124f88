"""What an error says to paste, pasted: the new file is then accepted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from elman.core.errors import DataError
from elman.data.read import read
from elman.data.roles import Examples, Roles, assemble
from elman.model.grammar import parse_source, parse_target

CASES = {
    "gap": ("t.csv", "t,x\n1,\n2,5\n3,NA\n", "series:x", "filled.csv"),
    "infinite": ("t.csv", "t,x\n1,2\n2,inf\n3,4\n", "series:x", "finite.csv"),
    "back": ("t.tsv", "t\tx\n2\t1\n1\t2\n", "series:x", "sorted.csv"),
    "twice": ("t.csv", "t,x\n1,2\n1,3\n2,4\n", "series:x", "unique.csv"),
    "no time": ("t.csv", "t,x\n1,2\n,3\n", "series:x", "complete.csv"),
    "dates": ("t.csv", "t,x\n01/02/2020,2\n02/02/2020,3\n", "series:x", "dated.csv"),
    "day": ("t.csv", "t,x\n20200101,2\n20201301,3\n", "series:x", "dated.csv"),
    "text": ("t.jsonl", '{"t": 1, "x": "a"}\n{"t": 2, "x": null}\n', "text:x", "complete.parquet"),
    "list": ("t.jsonl", '{"x": [1]}\n{"x": null}\n', "series:x", "complete.parquet"),
    "quotes": ("t.csv", 'x\n5" disk\n', "text:x", "quoted.csv"),
    "separator": ("t.csv", "t;x\n1;2\n", "series:x", "commas.csv"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_line_to_paste_works(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, text, source, out = CASES[case]
    (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)

    def attempt(file: str) -> Examples:
        table = read(file)
        time = "t" if "t" in table.frame.columns else None
        return assemble(table, parse_source(source), parse_target("next"), Roles(time=time))

    with pytest.raises(DataError) as caught:
        attempt(name)
    code = re.search(r"(import polars as pl; |from elman).*\)$", str(caught.value))
    assert code is not None, caught.value
    exec(code.group(0), {})
    assert len(attempt(out).inputs[0]) >= 1
