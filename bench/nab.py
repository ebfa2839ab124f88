"""Anomalies in 58 series, found by the error of a forecast of the next value: the Numenta Anomaly Benchmark.

    python bench/nab.py detect --with elman --out FOLDER     (--data DIR or $ELMAN_DATA; --jobs 1, --seed 0)
    python bench/nab.py detect --with naive --out FOLDER     also: seasonal, random; a second or two each
    python bench/nab.py table FOLDER                         what is in the folder, scored, as Markdown

A detector gives every row a number in [0, 1] and knows only rows up to it. One threshold for all series turns numbers
into alarms; it is the one of the best total, as the benchmark has it. Scores: :func:`total`.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One series: the time and the value of every row, and the first and last row of every anomaly."""

    name: str
    times: list[datetime]
    values: Floats
    windows: list[tuple[int, int]]

    @property
    def probation(self) -> int:
        """Rows that are not scored: the first 15 %, at most 750."""
        return min(len(self.values) * 15 // 100, 750)


def corpus(data: Path) -> list[Series]:
    """All series of the benchmark, from ``nab/nab.zip``."""
    with zipfile.ZipFile(data / "nab/nab.zip") as file:
        labels = json.loads(file.read("labels/combined_windows.json"))
        return [_series(name, file.read(f"data/{name}").decode(), spans) for name, spans in sorted(labels.items())]


def _series(name: str, text: str, spans: Sequence[Sequence[str]]) -> Series:
    rows = list(csv.reader(io.StringIO(text)))[1:]
    times = [datetime.fromisoformat(when) for when, _ in rows]
    ends = [[times.index(datetime.fromisoformat(when)) for when in span] for span in spans]
    return Series(name, times, np.array([float(value) for _, value in rows]), [(a, b) for a, b in ends])


# The benchmark's score ----------------------------------------------------------------------------------------

WEIGHTS = {"hit": 1.0, "false": 0.11, "miss": 1.0}
"""The standard profile."""


def worth(place: Floats) -> Floats:
    """What alarms are worth, from 1 to -1: ``2 / (1 + exp(5 x)) - 1``, and -1 from x = 3 on.

    ``place`` is where they lie, in widths of the window from its end: -1 at its first row, 0 behind its last.
    """
    return np.where(place > 3, -1.0, 2 / (1 + np.exp(5 * np.minimum(place, 3))) - 1)


def gains(one: Series) -> tuple[Floats, NDArray[np.int64]]:
    """Of every row what an alarm there is worth, and the number of its window, -1 for none.

    In a window of rows a to b it is ``worth(-(b - t + 1) / (b - a + 1)) / worth(-1)``; behind it
    ``0.11 worth((t - b) / (b - a))``, and before the first window -0.11.
    """
    value, window = np.full(len(one.values), -WEIGHTS["false"]), np.full(len(one.values), -1)
    for k, (first, last) in enumerate(one.windows):
        width = last - first + 1
        inside, behind = np.arange(width) + first, np.arange(last + 1, len(value))
        value[inside] = WEIGHTS["hit"] * worth(-(last - inside + 1) / width) / worth(np.array(-1.0))
        value[behind] = WEIGHTS["false"] * worth((behind - last) / max(width - 1, 1))
        window[inside] = k
    return value, window


def total(series: Sequence[Series], scores: Sequence[Floats]) -> tuple[float, float]:
    """The score of a detector over all series, 0 for one that says nothing and 100 for a perfect one; its threshold.

    A window counts once, by its first alarm; a window without any costs 1; every alarm outside costs up to 0.11, less
    shortly behind a window. Rows of the probation count for nothing. (Lavin & Ahmad 2015, arXiv 1510.03336)
    """
    levels, changes, count = [], [], 0
    for one, said in zip(series, scores, strict=True):
        if said.shape != one.values.shape or not ((said >= 0) & (said <= 1)).all():
            raise ValueError(f"{one.name}: expected a score in [0, 1] for each of {len(one.values)} rows")
        value, window = gains(one)
        judged = np.arange(len(value)) >= one.probation
        outside = judged & (window < 0)
        levels.append(said[outside])
        changes.append(value[outside])
        for k in range(len(one.windows)):
            inside = np.flatnonzero(judged & (window == k))
            count += 1
            order = inside[np.argsort(-said[inside], kind="stable")]
            # As the threshold falls, what the window is worth rises to the best of its alarms.
            best = np.maximum.accumulate(np.concatenate([[-WEIGHTS["miss"]], value[order]]))
            levels.append(said[order])
            changes.append(np.diff(best))
    level, change = np.concatenate(levels), np.concatenate(changes)
    order = np.argsort(-level, kind="stable")
    level, sums = level[order], change[order].cumsum()
    last = np.append(level[1:] != level[:-1], True)
    place = int(np.argmax(np.where(last, sums, -np.inf)))
    gained = max(float(sums[place]), 0.0)
    return 100 * gained / ((WEIGHTS["hit"] + WEIGHTS["miss"]) * count), float(level[place])
