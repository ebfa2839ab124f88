"""Sequences of 50,000 steps train in little memory, by truncation and by computing again."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

STEPS = 50_000

CODE = """
import sys
import elman.run, elman.cli.verbs

def most():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024

before = most()
elman.train({file!r}, "series:x", "series:y", id="id", valid={few!r}, test={test!r}, batch=2, epochs=1, threads=1,
            bidirectional=False, hidden=128, out={out!r}, save_every="never", **{how!r})
print("MiB", most() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
@pytest.mark.parametrize(
    ("how", "limit"),
    [({"truncate": "500"}, 250), ({"truncate": "whole", "memory": "checkpoint"}, 450)],
    ids=["truncated", "computed again"],
)
def test_fifty_thousand_steps_train_within_a_gibibyte(tmp_path: Path, how: dict[str, str], limit: int) -> None:
    """The limits are far below 1,024 MiB, and near to what was measured, so that a slow growth is seen."""
    draw = np.random.default_rng(0)
    for name, ids, steps in (("long.csv", 2, STEPS), ("few.csv", 2, 50), ("test.csv", 2, 50)):
        lines = ["id,x,y"]
        for one in range(ids):
            x = np.sin(np.arange(steps) / 9) + 0.3 * draw.normal(size=steps)
            lines += [f"{name[0]}{one},{a:.3f},{a * a:.3f}" for a in x]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    code = CODE.format(
        file=str(tmp_path / "long.csv"),
        few=str(tmp_path / "few.csv"),
        test=str(tmp_path / "test.csv"),
        out=str(tmp_path / "o"),
        how=how,
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = re.search(r"MiB ([\d.]+)", done.stdout)
    assert found is not None
    assert float(found[1]) < limit
    said = (tmp_path / "o/report.json").read_text()
    assert f"2 series of {STEPS} x 1" in said
    assert ("weights change every 500 steps" in said) == (how["truncate"] == "500")
