"""What lies beside a model may have been edited, damaged or planted: it costs one message, never a crash."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

Elman = Any

LABEL = ("--from", "text:review", "--to", "label:sentiment", "--epochs", "1", "--hidden", "4", "--threads", "1")


@pytest.fixture
def here(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with the data and a run."""
    shutil.copytree(models / "label", tmp_path / "run")
    shutil.copy(models / "reviews.csv", tmp_path / "t.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("details", []), ("details", None), ("details", {"scores": {"confusion": [[1], [1, 2], "x"]}}),
        ("scored", {"on": "nope"}), ("scored", {"on": "test", "count": "x"}), ("scores", {"accuracy": "high"}),
        ("notes", 3), ("plan", [{"x": 1}]), ("epochs", "many"), ("seconds", "long"), ("by_length", {"ranges": [1]}),
        ("settings", []), ("versions", [1]), ("verdict", 7), ("baselines", {"a": 3}), ("history", {"notes": 1}),
    ],
)  # fmt: skip
def test_a_damaged_report_is_told_and_the_model_is_used(here: Path, elman: Elman, name: str, value: Any) -> None:
    report = Path("run/report.json")
    report.write_text(json.dumps({**json.loads(report.read_text()), name: value}))
    for verb in (("show", "run"), ("evaluate", "run", "t.csv"), ("predict", "run", "t.csv", "--out", "p.csv")):
        with pytest.warns(UserWarning, match=r"report\.json: damaged; the model is whole"):
            said = elman(*verb)
        assert said.code == 0, (verb, said.err)


@pytest.mark.parametrize("text", ["[" * 100_000, "[1, 2]", '{"loss": "x"}\n"s"\n7', "\udcff\udcfe"])
def test_worst_examples_that_are_none_are_left_out(here: Path, elman: Elman, text: str) -> None:
    Path("run/worst.jsonl").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert elman("show", "run").code == 0


def test_settings_that_are_none_cost_the_proposals_only(here: Path, elman: Elman) -> None:
    Path("run/run.toml").write_text('file = 3\nsource = ["a"]\n')
    said = elman("show", "run")
    assert said.code == 0, said.err
    assert "Next:" not in said.out


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")
@pytest.mark.parametrize("name", ["model/manifest.json", "model/model.safetensors", "worst.jsonl", "report.json"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(here: Path, elman: Elman, name: str) -> None:
    Path("run", name).unlink()
    os.mkfifo(Path("run", name))
    said = elman("show", "run")
    if name.startswith("model"):
        assert said.code == 2
        assert "not a plain file" in said.err
    else:
        assert said.code == 0, said.err


@pytest.mark.parametrize(
    "option",
    ["hidden", "layers", "embedding", "epochs", "batch", "batch-tokens", "accumulate", "patience", "threads"],
)
@pytest.mark.parametrize("value", [10**12, 2**63 - 1, 10**23])
def test_numbers_beyond_all_measure_are_refused(here: Path, elman: Elman, option: str, value: int) -> None:
    said = elman("train", "t.csv", *LABEL[:4], f"--{option}", str(value), "--out", "o")
    assert said.code == 2, said.err
    assert re.search(f"{option}: expected at most", said.err.replace("_", "-"))
    assert not Path("o").exists()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("deep.jsonl", '{"v": ' + "[" * 50_000 + "]" * 50_000 + "}", "lists in lists"),
        ("big.jsonl", '{"v": [1, ' + "9" * 6_000 + ']}\n{"v": ["x"]}', "digits"),
        ("two.ts", "@dimensions ²\n@classlabel true a b\n@data\n1,2:a\n", "names no number"),
        ("long.ts", "@dimensions " + "9" * 5_000 + "\n@classlabel true a b\n@data\n1,2:a\n", "names no number"),
    ],
)
def test_files_that_no_parser_takes_are_told(here: Path, elman: Elman, name: str, text: str, told: str) -> None:
    Path(name).write_text(text)
    for command in (("data", name), ("train", name, "--from", "series:v", "--to", "label:k")):
        said = elman(*command)
        assert said.code == 2, (command, said.err)
        assert told in said.err


def test_spans_and_bytes_of_parquet_are_read_as_seconds_and_hexadecimal(here: Path, elman: Elman) -> None:
    spans = pl.Series([1_500_000, 2_000_000] * 20).cast(pl.Duration("us"))
    raw = pl.Series([b"\xff", b"\xfe"] * 20)
    pl.DataFrame({"x": [[1.0, 2.0]] * 40, "span": spans, "raw": raw}).write_parquet("types.parquet")
    assert elman("data", "types.parquet").code in (0, 1)
    fast = ("--epochs", "1", "--hidden", "4")
    said = elman("train", "types.parquet", "--from", "series:x", "--to", "label:raw", *fast, "--out", "o")
    assert said.code == 0, said.err
    assert "always 'f" in said.out
    said = elman("train", "types.parquet", "--from", "series:x", "--to", "number:span", *fast, "--out", "p")
    assert said.code == 0, said.err


def test_a_column_kept_twice_is_kept_once(here: Path, elman: Elman) -> None:
    said = elman("predict", "run", "t.csv", "--keep", "sentiment,sentiment", "--out", "p.csv")
    assert said.code == 0, said.err
    assert Path("p.csv").read_text().splitlines()[0].count("sentiment_given") <= 1
