"""Trainings survive kill -9 and SIGTERM: a sample of the campaign, and all of it under ``make kills``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KILLS = Path(__file__).with_name("kills.py")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="trainings are forked and killed, which Windows cannot")


def _campaign(runs: int, kills: int, terms: int, seed: int) -> dict[str, Any]:
    words = [sys.executable, str(KILLS), *map(str, (runs, kills, terms, seed))]
    # A program of its own: what is forked must not have threads, and this process may.
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_few_trainings_that_are_killed_end_as_if_they_were_not() -> None:
    found = _campaign(3, 3, 3, 0)
    assert found["differences"] == []
    assert (found["kills"], found["stops"], found["steps_lost"]) == (9, 3, 0)
    assert found["went_on"] > 3
    assert found["slowest_stop"] < 2


@pytest.mark.campaign
@pytest.mark.parametrize("seed", [0])
def test_every_training_that_is_killed_ends_as_if_it_was_not(seed: int) -> None:
    found = _campaign(20, 10, 20, seed)
    print(found)
    assert found["differences"] == []
    assert (found["kills"], found["stops"], found["steps_lost"]) == (200, 20, 0)
    assert found["slowest_stop"] < 2
    assert found["torn_saves"] > 0
    assert set(found["hits"]) == {"step", "save", "evaluation", "end of epoch", "scores"}
