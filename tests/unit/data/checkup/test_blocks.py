"""A file in blocks is the file; no more than a few blocks are held at a time."""

from __future__ import annotations

import gzip
import json
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elman.core.errors import DataError
from elman.data.checkup import blocks as module
from elman.data.checkup import examine as front
from elman.data.checkup.blocks import Block, blocks, streams
from elman.data.checkup.examine import examine
from elman.data.delimited import delimited_blocks, read_delimited, typed
from elman.data.read import read

CELL = st.text(st.sampled_from('a1 ,\t"\n'), max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(1, 3).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1)),
    size=st.integers(1, 30),
    separator=st.sampled_from([",", "\t"]),
    blank=st.sampled_from(["", "\n", "\r\n"]),
)
def test_rows_do_not_depend_on_where_the_file_is_cut(
    tmp_path: Path, rows: list[list[str]], size: int, separator: str, blank: str
) -> None:
    names = [f"name {k}" for k in range(len(rows[0]))]
    quoted = ['"' + cell.replace('"', '""') + '"' if len(cell) % 2 else cell.translate(str.maketrans("", "", ',\t"\n')) for row in [names, *rows] for cell in row]  # fmt: skip  # noqa: E501
    width = len(names)
    lines = [separator.join(quoted[k : k + width]) for k in range(0, len(quoted), width)]
    text = "\ufeff" + blank + "\n".join(lines) + "\n" + blank
    data = text.encode()
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    wrong = _refusal(lambda: read_delimited(plain, separator, "f"))
    assert _refusal(lambda: list(delimited_blocks(_pieces(data, size), separator, "f"))) == wrong
    if wrong:
        return
    whole, at, spelt = read_delimited(plain, separator, "f")
    found = list(delimited_blocks(_pieces(data, size), separator, "f"))
    frame, written = typed(pl.concat([frame for frame, _ in found]))
    assert frame.equals(whole)
    assert {name: cells.to_list() for name, cells in written.items()} == {n: c.to_list() for n, c in spelt.items()}
    assert np.concatenate([lines for _, lines in found]).tolist() == at.tolist()


def _refusal(read: Callable[[], object]) -> str:
    """What is said of a table that is malformed; nothing of others."""
    try:
        read()
    except DataError as error:
        return str(error)
    return ""


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    """The file cut behind line ends, as it is when read."""
    held = b""
    for line in data.splitlines(keepends=True):
        held += line
        if len(held) >= size and held.endswith(b"\n"):
            yield held
            held = b""
    if held:
        yield held


def _frame(rows: int = 5000) -> pl.DataFrame:
    return pl.DataFrame({"id": np.arange(rows) // 100, "t": np.arange(rows) % 100, "x": np.sin(np.arange(rows))})


def _file(folder: Path, kind: str, frame: pl.DataFrame) -> Path:
    path = folder / f"d.{kind}"
    if kind == "parquet":
        frame.write_parquet(path, row_group_size=700)
    elif kind.startswith("jsonl"):
        path.write_text("\n\n".join(json.dumps(row) for row in frame.iter_rows(named=True)))
    else:
        data = frame.write_csv(separator="\t" if "tsv" in kind else ",").encode()
        path.write_bytes(gzip.compress(data) if kind.endswith("gz") else data)
    return path


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "tsv", "jsonl", "parquet"])
def test_blocks_are_the_file_and_only_few_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = _file(tmp_path, kind, _frame())
    monkeypatch.setattr(module, "PIECE", 16_384)
    monkeypatch.setattr(module, "_CELLS", 1000)
    monkeypatch.setattr("elman.data.files._BLOCK", 2048)
    assert streams(str(path))
    table = read(path)
    found = list(blocks(str(path)))
    assert len(found) > 5
    assert sum(block.frame.height for block in found) == table.frame.height
    assert np.concatenate([block.lines for block in found]).tolist() == table.lines.tolist()
    joined = pl.concat([block.frame for block in found])
    assert joined.cast(table.frame.schema).equals(table.frame)
    del found, joined
    alive: list[weakref.ref[Block]] = []
    most = 0

    def watched(file: str, part: int = 0) -> Iterator[Block]:
        nonlocal most
        for block in blocks(file, part):
            alive.append(weakref.ref(block))
            yield block
            del block
            most = max(most, sum(one() is not None for one in alive))

    monkeypatch.setattr(front, "blocks", watched)
    found_out = examine(path)
    assert found_out.rows == 5000
    assert found_out.command[3:] == ["--from", "series:x", "--to", "future:10", "--id", "id", "--time", "t"]
    # The first, from which everything is guessed, the last, and the one that is being made.
    assert most <= 3


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_what_is_found_does_not_depend_on_the_size_of_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    frame = _frame()
    rows = [*range(300), 250, *range(301, 400), *range(430, 3000), *range(3000, 5000)]
    frame = frame[rows].with_columns(
        pl.when(pl.int_range(len(rows)) == 1234).then(None).otherwise(pl.col("x")).alias("x")
    )
    path = _file(tmp_path, kind, frame)
    options = {"source": "series:x", "target": "future:5:x", "id": "id", "time": "t"}
    whole = examine(path, **options)
    monkeypatch.setattr(module, "PIECE", 4096)
    monkeypatch.setattr(module, "_CELLS", 500)
    monkeypatch.setattr("elman.data.files._BLOCK", 2048)
    cut = examine(path, **options)
    assert {one.kind for one in whole.findings} >= {"time goes back", "missing"}
    assert cut.findings == whole.findings
    assert (cut.lengths, cut.sequences, cut.every) == (whole.lengths, whole.sequences, whole.every)
    assert [column.shows for column in cut.columns[:2]] == [column.shows for column in whole.columns[:2]]


def test_a_line_far_down_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", 4096)
    monkeypatch.setattr("elman.data.files._BLOCK", 2048)
    path = _file(tmp_path, "csv", _frame())
    path.write_text(path.read_text().replace("\n30,50,", "\n30,50,0,"))
    with pytest.raises(DataError, match="line 3052: 4 cells, but the header has 3"):
        examine(path)
    path.write_bytes(path.read_bytes().replace(b"\n30,50,0,", b"\n30,\xe9,"))
    with pytest.raises(DataError, match="line 3052: not UTF-8: byte 0xe9 at offset"):
        examine(path)
    path = _file(tmp_path, "jsonl", _frame())
    path.write_text(path.read_text().replace('"id": 30, "t": 50', '"id": true, "t": 50'))
    with pytest.raises(DataError, match="line 6101, column 'id': true/false, but line"):
        examine(path)
