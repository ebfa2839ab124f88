"""Small data whose labels can be learnt."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest


def write(folder: Path) -> Path:
    """48 sequences of two kinds, which differ in their mean."""
    chance = random.Random(0)
    rows = [
        {"v": [round(chance.gauss(1.0 if k % 2 else -1.0, 1.5), 3) for _ in range(4 + k % 3)], "kind": "ab"[k % 2]}
        for k in range(48)
    ]
    path = folder / "kinds.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture
def kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the file in the folder that is worked in."""
    monkeypatch.chdir(tmp_path)
    return write(tmp_path).name


@pytest.fixture(scope="session")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what several tests look at."""
    folder = tmp_path_factory.mktemp("study")
    write(folder)
    return folder
