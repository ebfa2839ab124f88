"""What goes wrong is told once, with its place and a way out; nothing is made, nothing is lost, code 2."""

# ruff: noqa: E501 - a case a line

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from full_disk import largest_file

from elman.model.folder import FORMAT, _sealed

Elman = Callable[..., Any]

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256))
SERIES = "train d.csv --from series:x --to future:3 --out o"
LABEL = "train d.csv --from text:t --to label:y --out o"
GOOD = "t,y\n" + "aa bb,u\naa cc,v\n" * 10


def _x(*cells: object) -> str:
    return "x\n" + "".join(f"{cell}\n" for cell in cells)


LONG = _x(*[k % 7 for k in range(60)])

DATA: list[tuple[str, str | bytes | None, str, list[str]]] = [
    # the file
    ("missing file", None, "train reviewz.csv --from text --to label --out o", ["reviewz.csv: no such file. Did you mean 'reviews.csv'?"]),
    ("missing folder", None, "train no/d.csv --from text --to label --out o", ["no folder 'no'; check the path"]),
    ("folder", None, "train sub --from text --to label --out o", ["sub: this is a folder without metadata.csv or metadata.jsonl; name one file in it, such as"]),
    ("empty", "", SERIES, ["d.csv: the file is empty; check how it was made"]),
    ("header only", "x,y\n", SERIES, ["d.csv, line 1: there is a header but no row below it; check"]),
    ("garbage", bytes(range(256)) * 4, SERIES, ["d.csv: this is not text", "give a table or a text"]),
    ("png", PNG, SERIES, ["d.csv: this is not text", "give a table or a text"]),
    ("unknown suffix", None, "train pic.png --from series --to next --out o", ["pic.png: unknown kind of file '.png'", "convert the file"]),
    ("no gzip", None, "train fake.csv.gz --from series:x --to next --out o", ["fake.csv.gz: this is not a whole gzip file", "drop '.gz' from its name"]),
    ("no parquet", None, "train fake.parquet --from series:x --to next --out o", ["fake.parquet: this is not a whole Parquet file", "write it anew"]),
    ("ragged rows", "x,y\n1,2\n3\n", SERIES, ["d.csv, line 3: 1 cells, but the header has 2; add"]),
    # columns and cells
    ("misnamed column", "xx,y\n1,2\n", SERIES, ["d.csv: --from series names the column 'x', which is not there. Did you mean 'xx'? Columns: xx, y"]),
    ("missing time", LONG, SERIES + " --time when", ["--time names the column 'when', which is not there. Columns: x"]),
    ("text among numbers", _x(1, 2, "three", 4), SERIES, ["d.csv, line 4, column 'x': --from series needs numbers, but here is 'three'; correct it"]),
    ("empty cell", "x,y\n1,1\n,2\n3,3\n", SERIES, ["d.csv, line 3, column 'x': the value is missing", "fill"]),
    ("nan", _x(1, "nan", 3), SERIES, ["d.csv, line 3, column 'x': the value is missing", ".drop_nulls('x')"]),
    ("infinite", _x(1, "inf", 3), SERIES, ["d.csv, line 3, column 'x': the value is infinite; drop such rows:"]),
    ("unsorted", "t,x\n1,1\n3,1\n2,1\n", SERIES + " --time t", ["d.csv, line 4, column 't': time goes back: '2' after '3' in line 3", ".sort(['t'])"]),
    ("clocks put back", "t,x\n" + "".join(f"2024-10-27 {h:02}:{m:02},{h + m}\n" for h, m in [(0, 0), (0, 30), (1, 0), (1, 30), (2, 0), (2, 30), (2, 0), (2, 30), (3, 0)]), SERIES + " --time t", ["d.csv, line 8, column 't': the hour of '2024-10-27 02:00' comes twice, here and before line 8", "2024-10-27 02:00+01:00", "replace_time_zone('Europe/Berlin'"]),
    ("some with an offset", "t,x\n2024-01-01 00:00+01:00,1\n2024-01-01 01:00,2\n", SERIES + " --time t", ["d.csv, line 3, column 't': '2024-01-01 01:00' and the times above differ", "write all with theirs, such as 2021-04-30 13:00+02:00"]),
    ("name of a zone", "t,x\n2024-01-01 00:00 CET,1\n", SERIES + " --time t", ["line 2, column 't': '2024-01-01 00:00 CET' ends in the name of a zone", "write the offset: 2024-01-01 00:00+02:00"]),
    ("no value at all", "x,y\n" + "".join(f"{k % 7},\n" for k in range(60)), "train d.csv --from series:x,y --to future:3:x --gaps input --out o", ["d.csv: column 'y' has no value in any row; leave it out, or check how the file was made"]),
    ("nothing to forecast", "x,y\n" + "".join(f"{k % 7},\n" for k in range(60)), "train d.csv --from series:x --to future:3:y --gaps input --out o", ["d.csv: column 'y' has no value in any row; leave it out"]),
    ("duplicate time", "t,x\n1,1\n3,1\n3,1\n", SERIES + " --time t", ["d.csv, line 4, column 't': the time '3' is in line 3 already", ".unique("]),
    ("absurd value", _x(*[10 + k % 3 for k in range(60)], 1e39), SERIES, ["d.csv, line 62, column 'x': the value 1e+39 lies", "than 99 % of the others do from the median, 11; correct it, or drop such rows:", ".filter(pl.col('x') != 1e+39)"]),
    ("absurd target", "u,x,y\n" + "".join(f"{k},{k % 3},{-9e12 if k == 20 else k % 5}\n" for k in range(40)), "train d.csv --from series:x --to number:y --id u --out o", ["d.csv, line 22, column 'y': the value -9e+12 lies"]),
    ("absurd value in a list", None, "train absurd.jsonl --from series:v --to number:n --out o", ["absurd.jsonl, line 7, column 'v': the value 1e+30 lies", "; correct it"]),
    ("constant series", _x(*[5] * 60), SERIES, ["d.csv: column 'x' is 5 in every row: there is nothing to forecast; name another column"]),
    ("constant number", "u,x,y\n" + "".join(f"{k},{k % 3},0.5\n" for k in range(40)), "train d.csv --from series:x --to number:y --id u --out o", ["d.csv: column 'y' is 0.5 in every row: there is nothing to learn"]),
    ("text in a list", None, "train lens.jsonl --from series:v --to label:l --out o", ["lens.jsonl, line 2, column 'v': 'three' is not a number; correct it"]),
    ("numbers as text in a list", None, "train quoted.jsonl --from series:v --to label:l --out o", ["quoted.jsonl, line 1, column 'v': the lists hold text; write their numbers without quotes"]),
    ("label of a text file", None, "train abc.txt --from text --to label --out o", ["abc.txt: a text file has no labels; use --to next, or a CSV with a label column"]),
    ("number of a text file", None, "train abc.txt --from text --to number:x --out o", ["abc.txt: a text file has no numbers; use --to next, or a CSV with a number column"]),
    ("unknown suffix before gz", None, "train x.pos.gz --from text --to next --out o", ["x.pos.gz: unknown kind of file '.pos'", "call it x.txt.gz if it is plain text"]),
    ("too large", _x(*[f"{k}e300" for k in range(60)]), SERIES, ["column 'x': values up to", "are too large for a standard deviation; divide them"]),
    ("missing label", GOOD.replace("bb,u", "bb,", 1), LABEL, ["d.csv, line 2, column 'y': --to label needs a value in every row", "fill it in, or drop"]),
    ("one class", "t,y\n" + "aa bb,u\n" * 20, LABEL, ["column 'y' holds one class only ('u')", "Check the column, or the split"]),
    ("rare words", "t,y\naa,u\nbb,v\ncc,u\ndd,v\nee,u\nff,v\n", LABEL, ["no word that occurs 2 times; give more text, or read characters: --from text.char"]),
    ("unseen label", "t,y,part\n" + "aa,u,train\naa,v,train\n" * 9 + "aa,w,test\n", LABEL + " --split part", ["d.csv, line 20, column 'y': label 'w' (1 of 1 examples) does not occur in the training part, which has: u, v. Drop"]),
    ("no such part", "t,y,part\n" + "aa,u,trian\n" * 9, LABEL + " --split part", ["d.csv, line 2, column 'part': 'trian' is no part. Did you mean 'train'? Write train, valid or test"]),
    ("few examples", "t,y\naa,u\naa,v\n", LABEL, ["2 examples cannot be divided into train, valid and test; at least 3 are needed: add some"]),
    ("no id", LONG, "train d.csv --from series:x --to number:x --out o", ["leave it out of --to number"]),
    ("rows of which sequence", "x,y\n1,2\n3,4\n", "train d.csv --from series:x --to label:y --out o", ["needs to know which rows form one sequence", "--id COLUMN"]),
    # lengths
    ("horizon too long", LONG, "train d.csv --from series:x --to future:50 --out o", ["a forecast of 50 steps needs a history before it, and both must lie in the training part", "the longest has 42 steps; write --to future:10, or give longer series"]),
    ("lookback too long", LONG, SERIES + " --lookback 50", ["needs a history of 50 steps (--lookback)", "write --lookback 19, or give longer series"]),
    ("nothing to forecast", _x(1, 2, 3), "train d.csv --from series:x --to future:1 --out o", ["has 1 steps; give longer series"]),
    ("nothing to validate", _x(*range(25)), "train d.csv --from series:x --to future:4 --out o", ["the validation part has no step to predict: a forecast takes 7 steps before it and 4 of its own; give longer data, take a shorter horizon, or divide it otherwise, such as --split 0.6,0.2,0.2"]),
    ("three steps", _x(1, 2, 3), "train d.csv --from series:x --to next --out o", ["the training part has no step to predict; give longer data"]),
    ("three characters", None, "train abc.txt --from text.char --to next --out o", ["abc.txt: the training part has no step to predict; give longer data"]),
    ("one character", None, "train a.txt --from text.char --to next --out o", ["has 1 steps, but cut into train, valid and test it needs at least 3"]),
    # kinds
    ("series to text", LONG, "train d.csv --from series:x --to text --out o", ["--to text names no column. Columns: x. Write --to text:COLUMN"]),
    ("unknown source", LONG, "train d.csv --from sries:x --to next --out o", ["--from sries:x: unknown kind 'sries'. Did you mean 'series'?"]),
    ("text to future", GOOD, "train d.csv --from text:t --to future:3 --out o", ["--from text --to future: text has no numbers to forecast; use --to next"]),
    ("two sources", "t,x,y\n" + "aa bb,1,u\naa cc,2,v\n" * 10, "train d.csv --from text:t+series:x --to label:y --out o", ["'x' has 1 steps, but 't' has", "what holds for the whole sequence is named by --static x"]),
    ("two targets", GOOD, "train d.csv --from text:t --to label:y+next --out o", ["one target at a time; write --to label:y"]),
    ("no step ahead", LONG, "train d.csv --from series:x --to future:0 --out o", ["--to future:0: future needs a number of steps of at least 1, got '0'; write future:24"]),
    ("no season", LONG, SERIES + " --season 0", ["--season: expected at least 1, got 0; leave it out"]),
    ("no such design", LONG, SERIES + " --design deep", ["--design: expected 'direct', 'segments' or 'steps', got 'deep'"]),
    ("paths of quantiles", LONG, SERIES + " --design steps --likelihood quantiles", ["--likelihood quantiles: a forecast step by step draws paths", "write gaussian, student or negbin"]),
    ("steps of what nobody knows", "x,y\n" + "".join(f"{k % 7},{k % 5}\n" for k in range(90)), "train d.csv --from series:x,y --to future:3:x --design steps --out o", ["--design steps: every step ahead reads the one before, and nothing says what y will be; name it --known or --static"]),
    ("segments without a state", LONG, SERIES + " --design segments --cell feedforward", ["--design segments: goes on from a state, and a feed-forward net has none; write direct"]),
    ("segments both ways", LONG, SERIES + " --design segments --bidirectional", ["--design segments: goes on from the last state, forwards; leave --bidirectional out"]),
    ("segments of what is not read", "x,y\n" + "".join(f"{k % 7},{k % 5}\n" for k in range(90)), "train d.csv --from series:x --to future:3:y --design segments --out o", ["--design segments: goes on from what is forecast, so that must be read too (--from)"]),
    ("segments with a readout", LONG, SERIES + " --design segments --readout mean", ["--readout mean: a forecast by segments goes on from the last state; leave --readout out"]),
    ("segments with dropped input", LONG, SERIES + " --design segments --input-dropout 0.5", ["--input-dropout 0.5: segments are read as they are; leave --input-dropout out"]),
    ("counts with parts", _x(*[k % 7 + 0.5 for k in range(60)]), SERIES + " --likelihood negbin", ["--likelihood negbin: counts are whole numbers from 0 on, and 'x' has", "write gaussian or student"]),
    ("counts below zero", _x(*[k % 7 - 3 for k in range(60)]), SERIES + " --likelihood negbin", ["--likelihood negbin: counts are whole numbers from 0 on, and 'x' has -"]),
    ("no steps ahead", LONG, "train d.csv --from series:x --to future --out o", ["future needs a number of steps of at least 1, got nothing; write future:24"]),
    # what is missing on the command line
    ("no file", None, "train --from text --to label", ["a file is missing (reviews.csv); as in: elman train reviews.csv"]),
    ("no source", None, "train reviews.csv --to label", ["--from is missing"]),
    ("no target", None, "train reviews.csv --from text", ["--to is missing"]),
    ("no config", None, "train --config no.toml", ["--config no.toml: cannot be read (No such file or directory); give the run.toml of a run"]),
    ("config in ruins", None, "train --config pic.png", ["--config pic.png: not TOML", "give the run.toml of a run"]),
    ("config with a wrong word", None, "train --config wrong.toml", ["unknown setting 'epoch'. Did you mean 'epochs'?"]),
]  # fmt: skip

OPTIONS: list[tuple[str, list[str]]] = [
    ("--cell gruu", ["cell: unknown name 'gruu'. Did you mean 'gru'? Known: gru, lstm, rnn, mingru, minlstm, lru, feedforward"]),
    ("--readout lst", ["readout: expected 'last', 'mean', 'max' or 'attention', got 'lst'; leave it out to have it chosen"]),
    ("--dropout 1.5", ["dropout: expected less than 1, got 1.5; leave it out"]),
    ("--dropout nan", ["dropout: expected a finite number, got nan"]),
    ("--epochs 0", ["epochs: expected at least 1, got 0; leave it out to have it chosen"]),
    ("--lr -1", ["lr: expected more than 0, got -1.0; leave it out"]),
    ("--lr inf", ["lr: expected a finite number, got inf"]),
    ("--lr 1e38", ["lr: expected at most 1e+30, got 1e+38"]),
    ("--hidden 0", ["hidden: expected at least 1, got 0"]),
    ("--batch -3", ["batch: expected at least 1, got -3"]),
    ("--clip -1", ["clip: expected at least 0, got -1.0; leave it out to have it chosen"]),
    ("--seed -1", ["seed: expected at least 0, got -1; leave it out for 0"]),
    ("--seed 99999999999999999999999", ["seed: expected less than 9.22e+18, got 99999999999999999999999; leave it out for 0"]),
    ("--threads 0", ["threads: expected at least 1, got 0"]),
    ("--device mps", ["--device mps: only cpu, cuda and cuda:N are offered; use --device cpu"]),
    ("--device cpu:foo", ["--device cpu:foo: only cpu, cuda"]),
    ("--device cuda:-1", ["--device cuda:-1: only cpu, cuda"]),
    ("--device cuda:99", ["--device cuda:99: this torch", "use --device cpu"]),
    ("--split nonsense", ["--split names the column 'nonsense', which is not there"]),
    ("--split 0.9,0.2", ["--split 0.9,0.2: 2 fractions; write --split 0.9, or"]),
    ("--split 0.9,0.2,0.1", ["--split 0.9,0.2,0.1: the fractions sum to 1.2, not 1; write"]),
    ("--split 2017-01-01", ["a date cuts the steps of a sequence", "write --split 0.9"]),
    ("--split 0.9 --test reviews.csv", ["--split and --test both say what the test part is; leave one of them out"]),
    ("--valid no.csv", ["no.csv: no such file"]),
    ("--design segments", ["--design segments: only forecasts (--to future:H) have one; leave --design out"]),
    ("--likelihood gaussian", ["--likelihood gaussian: --to label has no numbers; leave --likelihood out"]),
    ("--no-conformal", ["--no-conformal: --to label has no intervals; leave --no-conformal out"]),
    ("--conformal", ["--conformal: --to label has no intervals; leave --conformal out"]),
    ("--season 7", ["--season 7: only forecasts (--to future:H) are held against a season; leave --season out"]),
    ("--lookback 5", ["--lookback 5: only forecasts (--to future:H) read a stretch of history; leave --lookback out"]),
    ("--cell feedforward --bidirectional", ["a feed-forward net has one direction; leave --bidirectional out"]),
    ("--out sub", ["--out sub: exists already and is not overwritten; name another folder, or remove it"]),
    ("--out reviews.csv", ["--out reviews.csv: exists already and is not overwritten"]),
    ("--out reviews.csv/o", ["--out reviews.csv/o: 'reviews.csv' is a file, no folder can be made there; name another --out"]),
    ("--out reviews.csv/a/b", ["'reviews.csv' is a file"]),
    ("--lr 1e30 --epochs 2 --cell rnn", ["became nan in epoch", ". Try --lr 3.3e+29", ". Nothing was saved"]),
]  # fmt: skip

USE: list[tuple[str, list[str]]] = [
    ("evaluate label nolabel.csv", ["nolabel.csv: the model predicts the column 'sentiment'; this file has review"]),
    ("evaluate label no.csv", ["no.csv: no such file"]),
    ("evaluate future short.csv", ["short.csv: too short to score: give at least 45 steps"]),
    ("evaluate next one.tsv", ["one.tsv: too short to score: give at least 2 steps"]),
    ("evaluate book a.txt", ["a.txt: too short to score: give at least 2 steps"]),
    ("predict future short.csv", ["short.csv, line 2: the series has 5 steps, but this model reads 39 before it predicts; give more, or train with --lookback 5"]),
    ("predict future far.csv", ["column 'load':", "standard deviations from what training saw", "check the value and its unit"]),
    ("predict fault far.csv", ["far.csv: the model reads the columns 'a', 'unit', 't'; this file has date, load"]),
    ("predict label one.csv", ["the model reads the column 'review'; this file has text. If that is it, call it so: make its first line review."]),
    ("predict label demand.csv", ["demand.csv: the model reads the column 'review'; this file has date, load"]),
    ("predict book book.txt", ["this model continues texts: use elman generate RUN --prompt"]),
    ("predict label reviews.csv --device mps", ["--device mps: only cpu"]),
    ("predict label reviews.csv --out p.txt", ["--out p.txt: the ending says the format; use .csv, .jsonl or .parquet"]),
    ("predict label reviews.csv --out demand.csv", ["--out demand.csv: exists already and is not overwritten; name another file, or remove it"]),
    ("predict label reviews.csv --out no/p.csv", ["--out no/p.csv: there is no folder 'no'; make it first, or name another"]),
    ("predict label reviews.csv --out book.txt/p.csv", ["there is no folder 'book.txt'; make it first"]),
    ("predict no reviews.csv", ["no: no such folder; elman train makes one"]),
    ("predict book.txt reviews.csv", ["book.txt: no such folder"]),
    ("predict sub reviews.csv", ["sub: no model here (it has no manifest.json); give the folder that elman train made"]),
    ("predict flipped reviews.csv", ["model.safetensors: damaged (its sha256 does not fit); restore the folder from a copy, or train again"]),
    ("predict cut reviews.csv", ["model.safetensors: truncated or changed", "restore the folder from a copy, or train again"]),
    ("predict newer reviews.csv", ["made by a newer elman (format 2, this one reads up to 1): pip install -U elman"]),
    ("generate label", ["this model predicts no text; train one with --from text.char --to next"]),
    ("generate book --length 0 --prompt ab", ["--length: expected at least 1", "got 0"]),
    ("generate book --temperature -1", ["--temperature: expected 0 (the likeliest) or a number above, up to 1,000,000, got -1.0"]),
    ("generate book --temperature nan", ["--temperature: expected", "got nan"]),
    ("generate book --seed -1", ["seed: expected at least 0", "got -1"]),
    ("generate book --top-p 0", ["--top-p: expected a share above 0 and up to 1 (all tokens), got 0.0"]),
    ("generate book --top-k -2", ["--top-k: expected a whole number from 0"]),
    ("generate book --stop=", ["--stop: an empty text stands everywhere"]),
    ("generate book --of a", ["--of is for a model of --from label; this one reads text"]),
    ("generate book --out p.csv", ["--out is for a model of --from label"]),
    ("plan label --steps 0", ["steps, batch: expected at least 1, got 0 and 32"]),
    ("demo --horizon 0 --out o", ["future needs a number of steps of at least 1, got '0'; write future:24"]),
    ("demo --epochs 0 --out o", ["epochs: expected at least 1, got 0"]),
    ("demo --out book.txt/o", ["'book.txt' is a file"]),
]  # fmt: skip


def _refused(said: Any, parts: list[str], *, told: bool = False) -> None:
    """One message, all of it, and nothing else; before it only what the command told of its work."""
    assert said.code == 2, said.out + said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[-1].startswith("error: ")
    assert sum(line.startswith("error: ") for line in lines) == 1
    assert told or len(lines) <= 2, lines
    for part in parts:
        assert part in lines[-1], lines[-1]


@pytest.fixture
def place(work: Path) -> Path:
    """The folder with what the tables above name."""
    (work / "sub").mkdir()
    (work / "sub/d.csv").write_text(LONG)
    (work / "pic.png").write_bytes(PNG)
    (work / "fake.csv.gz").write_text(LONG)
    (work / "fake.parquet").write_bytes(PNG)
    (work / "abc.txt").write_text("abc")
    (work / "a.txt").write_text("a")
    (work / "x.pos.gz").write_bytes(b"")
    (work / "lens.jsonl").write_text('{"v":[1,2],"l":"a"}\n{"v":[1,2,"three"],"l":"b"}\n')
    (work / "quoted.jsonl").write_text('{"v":["1","2"],"l":"a"}\n{"v":["3"],"l":"b"}\n')
    lists = [{"v": [k % 3, 1e30 if k == 6 else 1], "n": k % 5} for k in range(30)]
    (work / "absurd.jsonl").write_text("\n".join(map(json.dumps, lists)))
    (work / "wrong.toml").write_text('file = "d.csv"\nsource = "text"\ntarget = "label"\nepoch = 3\n')
    return work


@pytest.mark.parametrize(("name", "content", "words", "parts"), DATA, ids=[row[0] for row in DATA])
def test_bad_data_is_refused(
    place: Path, elman: Elman, look: Any, name: str, content: str | bytes | None, words: str, parts: list[str]
) -> None:
    if content is not None:
        (place / "d.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = look(place)
    _refused(elman(*words.split()), parts)
    assert look(place) == before


@pytest.mark.parametrize(("words", "parts"), OPTIONS, ids=[row[0] for row in OPTIONS])
def test_bad_options_are_refused(place: Path, elman: Elman, look: Any, words: str, parts: list[str]) -> None:
    before = look(place)
    command = ["train", "reviews.csv", "--from", "text:review", "--to", "label:sentiment"]
    out = [] if "--out" in words else ["--out", "o"]
    _refused(elman(*command, *out, *words.split()), parts, told="epochs 2" in words)
    assert look(place) == before


@pytest.mark.parametrize(
    ("target", "words", "part"),
    [
        ("next", "--readout last", "--readout last: --to next answers at every step"),
        ("next", "--bidirectional", "--bidirectional: read backwards, a model sees what it is to predict"),
        ("next", "--lookback 3", "--lookback 3: only forecasts"),
        ("future:3", "--embedding 8", "--embedding 8: numbers are read as they are"),
        ("future:3", "--front conv", "--front conv: it is for one answer a sequence, not for --to future"),
        ("next", "--choose-by last --patience 3", "--patience 3: --choose-by last trains to the last epoch"),
    ],
)
def test_options_without_use_are_refused(
    place: Path, elman: Elman, look: Any, target: str, words: str, part: str
) -> None:
    before = look(place)
    said = elman("train", "demand.csv", "--from", "series:load", "--to", target, "--out", "o", *words.split())
    _refused(said, [part, f"; leave {part.split()[0].rstrip(':')} out"])
    assert look(place) == before


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("train reviews.csv --from text --to label --epochs few", "--epochs"),
        ("train reviews.csv --from text --to label --epoch 3", "No such option: --epoch"),
        ("trian reviews.csv", "No such command 'trian'. Did you mean 'train'?"),
        ("predict", "Missing argument"),
    ],
)
def test_commands_that_are_none_are_refused(place: Path, elman: Elman, look: Any, words: str, part: str) -> None:
    before = look(place)
    said = elman(*words.split())
    assert said.code == 2
    assert said.out == ""
    assert part in said.err
    assert "Traceback" not in said.err
    assert look(place) == before


@pytest.fixture(scope="module")
def used(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with trained models, damaged ones, and files that do not fit them."""
    folder = tmp_path_factory.mktemp("used") / "here"
    shutil.copytree(trained[0], folder)
    (folder / "sub").mkdir()
    (folder / "a.txt").write_text("a")
    (folder / "one.csv").write_text("text\na\n")
    (folder / "nolabel.csv").write_text("review\na film\n")
    (folder / "one.tsv").write_text("unit\tt\ta\n7\t5\t1.0\n")
    days = [f"2021-01-{1 + k:02d}" for k in range(5)]
    (folder / "short.csv").write_text("date,load\n" + "".join(f"{day},1\n" for day in days))
    far = (folder / "demand.csv").read_text().splitlines()
    (folder / "far.csv").write_text("\n".join([*far[:-1], far[-1].split(",")[0] + ",1e300"]))
    for name in ("flipped", "cut", "newer"):
        shutil.copytree(folder / "label", folder / name)
    weights = folder / "label/model/model.safetensors"
    data = bytearray(weights.read_bytes())
    (folder / "cut/model/model.safetensors").write_bytes(data[:-1])
    data[-1] ^= 4
    (folder / "flipped/model/model.safetensors").write_bytes(data)
    manifest = folder / "newer/model/manifest.json"
    files = json.loads(manifest.read_text())["files"]
    manifest.write_bytes(_sealed({"format": FORMAT + 1, "files": files}))
    return folder


@pytest.mark.parametrize(("words", "parts"), USE, ids=[row[0] for row in USE])
def test_what_does_not_fit_a_model_is_refused(
    used: Path, monkeypatch: pytest.MonkeyPatch, elman: Elman, look: Any, words: str, parts: list[str]
) -> None:
    monkeypatch.chdir(used)
    before = look(used)
    _refused(elman(*words.split()), parts, told=words.startswith("demo"))
    assert look(used) == before


def test_a_file_in_the_place_of_runs_is_no_folder(place: Path, elman: Elman, look: Any) -> None:
    (place / "runs").write_text("mine")
    before = look(place)
    said = elman("train", "reviews.csv", "--from", "text:review", "--to", "label:sentiment", "--epochs", "1")
    _refused(said, ["--out runs: 'runs' is a file", "name another --out"])
    assert look(place) == before


def test_a_disk_that_is_full_at_the_end_is_told_and_nothing_half_is_left(place: Path, elman: Elman, look: Any) -> None:
    before = look(place)
    command = ("train", "reviews.csv", "--from", "text:review", "--to", "label:sentiment", "--epochs", "1")
    with largest_file(2000):
        said = elman(*command, "--hidden", "16", "--out", "o")
    _refused(
        said, ["o/model: could not be saved (File too large). Make room and try again. Nothing was saved"], told=True
    )
    assert look(place) == before


def test_predictions_that_do_not_fit_the_disk_leave_no_half_file(used: Path, elman: Elman, look: Any) -> None:
    before = look(used)
    with largest_file(100):
        said = elman("predict", used / "label", used / "reviews.csv", "--out", used / "p.csv")
    _refused(said, ["p.csv: cannot be written (File too large); name another, or make room"])
    assert look(used) == before
