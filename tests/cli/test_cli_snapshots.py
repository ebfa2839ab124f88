"""The terminal's texts, held word for word at 80 columns in a pipe; times, versions and machines are replaced.

``ELMAN_RENEW=1 python -m pytest tests/cli/test_cli_snapshots.py`` writes them anew; look at the difference in git.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

Elman = Callable[..., Any]
KEPT = Path(__file__).parent / "snapshots"
LABEL = "--from text:review --to label:sentiment"
SMALL = "--epochs 2 --hidden 4 --threads 1"

SAID = {
    "elman": "",
    **{
        f"help-{verb}": f"{verb} --help"
        for verb in ("data", "train", "evaluate", "predict", "generate", "show", "plan", "demo", "bench")
    },
    "data": "data reviews.csv",
    "data-series": "data demand.csv",
    "train": f"train reviews.csv {LABEL} {SMALL} --out o",
    "show": "show o",
    "evaluate": "evaluate o reviews.csv",
    "predict": "predict o reviews.csv",
    "predict-out": "predict o reviews.csv --out p.csv",
    "plan": "plan o",
    "show-nothing": "show",
    "error-column": "train reviews.csv --from text:revue --to label:sentiment",
    "error-option": f"train reviews.csv {LABEL} --dropout 2",
    "error-missing": "train reviews.csv --from text:review",
    "error-file": f"train none.csv {LABEL}",
    "error-run": "predict none reviews.csv",
}
"""What is said to elman, by the snapshot's name; later ones use the run of earlier ones."""

PLACES = (
    (r"\S*/bin/elman|\S*python\S* -m elman", "elman"),
    (r"elman \d+\.\d+\.\d+\S*", "elman VERSION"),
    (r"torch \d\S*?(?=[,\s;)]|$)", "torch VERSION"),
    (r"python \d+\.\d+\.\d+", "python VERSION"),
    (r"\d{4}-\d\d-\d\d(?=:)", "DATE"),
    (r"(?<=sha256 )[0-9a-f]{16}", "HASH"),
    # Seconds stand last in the table of epochs.
    (r"(?m)^( +\d+  +\d+\.\d+ +\d+\.\d+ +\d+\.\d+ +)\d+\.\d", r"\g<1>S"),
    (r"in \d+ s\b", "in S s"),
    (r"by \d+\.\d (?=points|%)", "by N "),
    # What was learnt differs in its last digits from one processor to the next.
    (r"(?<![\w.])[-+]?\d+\.\d{2,}(?:e-?\d+)?", "N"),
)


def _plain(text: str) -> str:
    for pattern, name in PLACES:
        text = re.sub(pattern, name, text)
    return re.sub(r"[ \t]+(?=\n|$)", "", text)


def _pinned() -> bool:
    """Whether typer and rich, which lay out the help, are the versions that the tests are made with."""
    wanted = dict(re.findall(r"(?m)^(typer|rich)==([\d.]+)", (KEPT.parents[2] / "constraints.txt").read_text()))
    return all(version(name) == number for name, number in wanted.items())


@pytest.fixture
def said(work: Path, elman: Elman) -> dict[str, str]:
    found = {}
    for name, words in SAID.items():
        done = elman(*shlex.split(words))
        found[name] = _plain(f"$ elman {words}".rstrip() + f"\n{done.err}{done.out}[exit code {done.code}]\n")
    return found


def test_the_terminal_says_what_it_said(said: dict[str, str]) -> None:
    if os.environ.get("ELMAN_RENEW"):
        for old in KEPT.glob("*.txt"):
            old.unlink()
        for name, text in said.items():
            (KEPT / f"{name}.txt").write_text(text, encoding="utf-8")
    kept = {path.stem: path.read_text(encoding="utf-8") for path in KEPT.glob("*.txt")}
    assert set(kept) == set(said)
    for name, text in said.items():
        if name.startswith("help-") and not _pinned():
            continue
        assert text == kept[name], f"{name}: to take it over: ELMAN_RENEW=1 python -m pytest {__file__}"


def test_the_terminal_is_plain_in_a_pipe_and_fits(said: dict[str, str]) -> None:
    for name, text in said.items():
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text), name
        lines = text.splitlines()[1:]
        # What is to be pasted stays on one line, however long; a table is as wide as its columns.
        wide = [line for line in lines if len(line) > 80 and not re.search(r"elman \w+ .*--", line) and "," not in line]
        assert wide == [], name


def test_every_error_ends_with_something_to_do(said: dict[str, str]) -> None:
    for name, text in said.items():
        if name.startswith("error-"):
            assert "[exit code 2]" in text
            assert re.search(r"Did you mean|elman \w+ |leave it out|name another|give |there is", text), text
    assert "--dropout: expected" in said["error-option"]
