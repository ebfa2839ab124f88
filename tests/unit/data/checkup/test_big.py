"""Files of 2 GiB are looked through in a bounded memory (make big)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

SIZE = 2 << 30
STEPS, IDS = 2000, 50

LOOK = """
import re, sys, time
import polars
from elman.data.checkup.examine import examine

def peak():
    # Not getrusage: its peak is that of whoever started this process, where that was larger.
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

before, start = peak(), time.perf_counter()
found = examine(sys.argv[1])
print(f"{peak() - before:.0f} {time.perf_counter() - start:.0f} {found.rows} {found.sequences} {len(found.findings)}")
"""


def _csv(path: Path) -> None:
    """Machines with six sensors by the hour and a fault each, until the file is large enough."""
    random, start, first = np.random.default_rng(0), np.datetime64("2001-01-01T00", "ms"), 0
    times = np.tile(start + np.arange(STEPS) * np.timedelta64(1, "h"), IDS)
    with open(path, "wb") as file:
        while file.tell() < SIZE:
            ids = np.repeat(np.arange(first, first + IDS), STEPS)
            sensors = {f"x{k}": random.normal(size=len(ids)).round(4) for k in range(6)}
            columns = {
                "machine": [f"m{k}" for k in ids],
                "ts": times,
                **sensors,
                "fault": np.take(["ok", "worn"], ids % 2),
            }
            pl.DataFrame(columns).write_csv(file, include_header=not first, datetime_format="%Y-%m-%d %H:%M:%S")
            first += IDS


def _parquet(csv: Path, path: Path) -> None:
    """The same with a few columns more, so that it is as large."""
    more = {f"y{k}": pl.col("x0").hash(k) / 2.0**64 for k in range(4)}
    pl.scan_csv(csv, try_parse_dates=True).with_columns(**more).sink_parquet(path, compression="uncompressed")


@pytest.mark.campaign
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_two_gibibytes_take_less_than_500_mebibytes(tmp_path: Path) -> None:
    csv, parquet = tmp_path / "d.csv", tmp_path / "d.parquet"
    _csv(csv)
    _parquet(csv, parquet)
    try:
        for path in (csv, parquet):
            assert path.stat().st_size >= SIZE
            said = subprocess.run([sys.executable, "-c", LOOK, path], capture_output=True, text=True, check=True).stdout
            peak, seconds, rows, sequences, findings = map(int, said.split())
            size = path.stat().st_size / 2**30
            print(f"\n{path.name}: {size:.2f} GiB, {rows:,} rows, {sequences:,} sequences: {peak} MiB, {seconds} s")
            assert rows == sequences * STEPS
            assert findings == 0
            assert peak < 500
    finally:
        csv.unlink()
        parquet.unlink()
