"""elman data, and what it leads to."""

from __future__ import annotations

import gzip
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

Elman = Callable[..., Any]
FAST = ("--epochs", "1", "--hidden", "4", "--out", "o")

SCREEN = """\
reviews.csv: 30 rows, each row is one sequence; 30 sequences

column     holds  as    missing  distinct
review     text   from                  6  3 words
sentiment  text   to                    2  neg 15, pos 15

length in words
  3  ############################## 30

label
  neg  ############################## 15
  pos  ############################## 15

Found: 1 warning
warning: duplicate in line 5
    24 of 30 rows came before (80 %): line 5 is line 3 again
    -> keep one of each:
python -c "from elman.data.read import read; read('reviews.csv').frame.unique(['review', 'sentiment'], maintain_order=True).write_csv('unique.csv')"

Train:
  elman train reviews.csv --from text:review --to label:sentiment
"""  # noqa: E501


def _ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name)


def test_the_screen(work: Path, elman: Elman, monkeypatch: pytest.MonkeyPatch) -> None:
    _ascii(monkeypatch)
    said = elman("data", "reviews.csv")
    assert (said.code, said.err) == (0, "")
    plain = "\n".join(line.rstrip() for line in said.out.splitlines()).replace("█", "#")
    assert plain + "\n" == SCREEN
    assert "\x1b" not in said.out


def _command(out: str) -> list[str]:
    lines = out.splitlines()
    return shlex.split(lines[next(k for k, line in enumerate(lines) if line.startswith("Train")) + 1])[1:]


@pytest.mark.parametrize("file", ["reviews.csv", "demand.csv", "machines.tsv", "houses.jsonl", "book.txt"])
def test_the_command_that_it_ends_with_trains(
    work: Path, elman: Elman, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ascii(monkeypatch)
    said = elman("data", file)
    assert said.code == 0, said.out
    assert max(len(line) for line in said.out.splitlines() if not line.startswith(("python", "  elman"))) <= 80
    done = elman(*_command(said.out), *FAST)
    assert done.code == 0, done.err


def test_an_error_ends_with_code_1_and_the_command_for_later(
    work: Path, elman: Elman, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ascii(monkeypatch)
    rows = (work / "demand.csv").read_text().splitlines()
    rows[50] = rows[50].split(",")[0] + ","
    (work / "d.csv").write_text("\n".join(rows))
    said = elman("data", "d.csv")
    assert said.code == 1
    assert "error: missing in line 51, column 'load'\n    1 of 120 values are missing (0.833 %)\n" in said.out
    assert "\nTrain, once the errors are mended:\n  elman train d.csv" in said.out


def test_json_is_all_of_it(work: Path, elman: Elman) -> None:
    said = elman("data", "machines.tsv", "--json")
    found = json.loads(said.out)
    assert (found["file"], found["rows"], found["sequences"], found["healthy"]) == ("machines.tsv", 120, 30, True)
    assert [column["role"] for column in found["columns"]] == ["id", "time", "from", "to", "from"]
    assert found["findings"][0].keys() >= {"severity", "kind", "what", "todo", "file", "line", "column", "paste"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("nothing.csv", "no such file"),
        ("demand.csv --time dat", "--time names the column 'dat'"),
        ("demand.csv --from text:date --to future:3", "text has no numbers to forecast"),
        ("demand.csv --to label:lod", "Did you mean 'load'?"),
    ],
)
def test_what_cannot_be_looked_at_is_one_message(work: Path, elman: Elman, words: str, said: str) -> None:
    done = elman("data", *words.split())
    assert (done.code, done.out) == (2, "")
    assert said in done.err


GOOD = "u,t,x,y\n" + "".join(f"{k // 6},2021-01-{1 + k % 6:02d},{k % 7},{'ab'[k // 6 % 2]}\n" for k in range(60))

BAD: list[tuple[str, str, bytes, list[str]]] = [
    ("no id", "d.csv --id nope", GOOD.encode(), ["--id names the column 'nope'", "Columns: u, t, x, y"]),
    ("no time", "d.csv --time nope", GOOD.encode(), ["--time names the column 'nope'"]),
    ("no split", "d.csv --split nope", GOOD.encode(), ["--split names the column 'nope'"]),
    ("no input", "d.csv --from series:nope", GOOD.encode(), ["--from names the column 'nope'"]),
    ("no target", "d.csv --to label:nope", GOOD.encode(), ["--to names the column 'nope'"]),
    ("no file of a part", "d.csv --valid demnd.csv", GOOD.encode(), ["demnd.csv: no such file. Did you mean 'demand"]),
    ("latin", "d.csv", GOOD.encode() + b"9,2021-01-01,1,caf\xe9\n", ["d.csv, line 62: not UTF-8", "iconv"]),
    ("empty", "d.csv", b"", ["d.csv: the file is empty"]),
    ("blank lines", "d.jsonl", b"\n\n", ["d.jsonl: the file is empty"]),
    ("header only", "d.csv", b"a,b\n", ["d.csv, line 1: there is a header but no row below it"]),
    ("ragged", "d.csv", b"a,b\n1,2\n3\n", ["d.csv, line 3: 1 cells, but the header has 2; add the missing cells"]),
    ("zeros", "d.csv", bytes(5000), ["d.csv: this is not text: it holds binary zeros, the first at offset 0"]),
    ("zeros further down", "d.csv", GOOD.encode() + bytes(9), ["binary zeros, the first at offset 1028"]),
    ("half a gzip", "d.csv.gz", gzip.compress(GOOD.encode())[:60], ["d.csv.gz: this is not a whole gzip file"]),
    ("archive", "d.zip", b"PK", ["d.zip: an archive; unpack it, then name a file in it: unzip 'd.zip'"]),
    ("no metadata", "sub", b"", ["sub: this is a folder without metadata.csv", "such as 'sub/a.csv'"]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "content", "said"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_input_is_one_message_and_code_2(
    work: Path, elman: Elman, words: str, content: bytes, said: list[str]
) -> None:
    if words == "sub":
        (work / "sub").mkdir()
        (work / "sub" / "a.csv").write_text("x\n1\n")
    else:
        (work / words.split()[0]).write_bytes(content)
    done = elman("data", *words.split())
    assert (done.code, done.out, done.err.count("error:")) == (2, "", 1)
    assert len(done.err.splitlines()) == 1
    for part in said:
        assert part in done.err


def test_a_gzip_file_that_unpacks_without_end_is_refused(work: Path, elman: Elman) -> None:
    member = gzip.compress(bytes(32 << 20))
    (work / "d.txt.gz").write_bytes(9 * member)
    done = elman("data", "d.txt.gz")
    assert (done.code, done.out) == (2, "")
    assert "unpack to more than 268,435,456, as a trap does" in done.err


# Files that the readers bring ---------------------------------------------------------------------------------


def test_texts_side_by_side_are_trained_scored_and_predicted(work: Path, elman: Elman) -> None:
    rows = [("gut", "a good film", "pos"), ("schlecht", "a bad film", "neg")] * 15
    for k, suffix in enumerate(("de", "en", "mood")):
        (work / f"t.{suffix}").write_text("".join(row[k] + "\n" for row in rows))
    files = ("t.en", "t.mood")
    said = elman("train", *files, "--from", "text:en", "--to", "label:mood", *FAST)
    assert said.code == 0, said.err
    assert elman("evaluate", "o", *files).code == 0
    assert elman("predict", "o", *files, "--keep", "en,mood", "--out", "p.csv").code == 0
    frame = pl.read_csv("p.csv")
    assert frame.columns == ["id", "en", "mood", "label", "p_neg", "p_pos"]
    assert frame["en"].to_list() == [row[1] for row in rows]
    assert elman("train", "--config", "o/run.toml", *FAST[:4], "--out", "q").code == 0
    (work / "t.en").write_text("one line\n")
    said = elman("train", *files, "--from", "text:en", "--to", "label:mood", *FAST[:4])
    assert said.code == 2
    assert "t.en has 1, t.mood has 30" in said.err


def test_a_folder_is_trained_scored_and_predicted(work: Path, elman: Elman) -> None:
    folder = work / "data"
    folder.mkdir()
    for k in range(30):
        (folder / f"{k}.csv").write_text("x\n" + "".join(f"{k % 2 + step / 9}\n" for step in range(3 + k % 4)))
    body = "".join(f"{k}.csv,{'ab'[k % 2]}\n" for k in range(30))
    (folder / "metadata.csv").write_text("file_name,kind\n" + body)
    said = elman("data", "data")
    assert said.code == 0, said.out
    done = elman(*_command(said.out), *FAST)
    assert done.code == 0, done.err
    assert elman("evaluate", "o", "data").code == 0
    assert elman("predict", "o", "data", "--keep", "file_name", "--out", "p.csv").code == 0
    assert pl.read_csv("p.csv")["file_name"].to_list() == [f"{k}.csv" for k in range(30)]


def test_sentences_of_conll_are_looked_at(work: Path, elman: Elman) -> None:
    text = "".join(f"{word}\tO\nrained{k}\tO\n\n" for k, word in enumerate(["it", "he", "she"] * 10))
    Path("t.conll.gz").write_bytes(gzip.compress(text.encode()))
    said = elman("data", "t.conll.gz", "--json")
    found = json.loads(said.out)
    assert (found["rows"], found["shape"], found["lengths"]) == (30, "row", [[2, 2, 30]])
