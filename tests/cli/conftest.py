"""The command line, run in this process, and small models trained with it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from elman.cli import main

FAST = ("--epochs", "1", "--hidden", "4")


@dataclass
class Said:
    """What a command said."""

    code: int
    out: str
    err: str


def run(*words: object) -> Said:
    """Run ``elman WORDS`` as a shell would, into a pipe."""
    out, err, code, before = io.StringIO(), io.StringIO(), 0, sys.argv
    sys.argv = ["elman", *map(str, words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        sys.argv = before
    return Said(code, out.getvalue(), err.getvalue())


def tree(folder: Path) -> dict[str, str]:
    """Everything below a folder: names and what is in them."""
    return {
        str(path.relative_to(folder)): "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
    }


def data(folder: Path) -> None:
    """Write the small files that the tests read."""
    chance = random.Random(0)
    words = [("great", "pos"), ("bad", "neg")] * 15
    reviews = [(f"{chance.choice(['a', 'an', 'the'])} {word} film", label) for word, label in words]
    (folder / "reviews.csv").write_text("review,sentiment\n" + "".join(f"{a},{b}\n" for a, b in reviews))
    load = [math.sin(k / 3) + k / 50 for k in range(120)]
    days = [f"2021-{1 + k // 28:02d}-{1 + k % 28:02d}" for k in range(120)]
    rows = zip(days, load, strict=True)
    (folder / "demand.csv").write_text("date,load\n" + "".join(f"{day},{value:.4f}\n" for day, value in rows))
    (folder / "book.txt").write_text("abcde fgh. " * 40)
    steps = [(m, k, (-1) ** m + chance.random(), "yn"[m % 2], m % 2 + 0.5) for m in range(30) for k in range(4)]
    body = "".join("\t".join(map(str, row)) + "\n" for row in steps)
    (folder / "machines.tsv").write_text("unit\tt\ta\tfault\twear\n" + body)
    lists = [{"visits": [chance.random() + m % 2 for _ in range(3 + m % 3)], "price": m % 2 + 0.1} for m in range(30)]
    (folder / "houses.jsonl").write_text("\n".join(map(json.dumps, lists)))


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns without wishes of its own."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "GITHUB_ACTIONS", "PY_COLORS", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the small files."""
    monkeypatch.chdir(tmp_path)
    data(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def elman() -> Callable[..., Said]:
    return run


@pytest.fixture
def look() -> Callable[[Path], dict[str, str]]:
    return tree


JOBS = {
    "label": ("reviews.csv", "text:review", "label:sentiment"),
    "future": ("demand.csv", "series:load", "future:6", "--time", "date"),
    "book": ("book.txt", "text.char", "next"),
    "fault": ("machines.tsv", "series:a", "label:fault", "--id", "unit", "--time", "t"),
    "price": ("houses.jsonl", "series:visits", "number:price"),
    "next": ("machines.tsv", "series:a", "next", "--id", "unit", "--time", "t"),
}
"""Small jobs; their models are trained once."""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Said]]:
    """A folder with a run of every job, and what the training said."""
    folder, before, said = tmp_path_factory.mktemp("trained"), os.getcwd(), {}
    os.chdir(folder)
    try:
        data(folder)
        for name, (file, source, target, *more) in JOBS.items():
            said[name] = run("train", file, "--from", source, "--to", target, *more, "--out", name, *FAST)
    finally:
        os.chdir(before)
    return folder, said


@pytest.fixture
def models(trained: tuple[Path, dict[str, Said]]) -> Path:
    return trained[0]
