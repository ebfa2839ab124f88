"""Anomalies in 58 series, found by the error of a forecast of the next value: the Numenta Anomaly Benchmark.

    python bench/nab.py forecast FOLDER                     elman's forecasts (--data DIR or $ELMAN_DATA; --jobs 1)
    python bench/nab.py table FOLDER                        their score beside those of simpler detectors, as Markdown
    python bench/nab.py picture FOLDER --series nyc_taxi --to FILE.svg

A detector gives every row a number in [0, 1] and knows only rows up to it. One threshold for all series turns numbers
into alarms; it is the one of the best total, as the benchmark has it: :func:`total`.

elman's is a GRU that says the next value, ``--from series:value,sin,cos --to next:value`` (the hour as a point on a
circle). It first learns from the probation rows, and again whenever there are twice as many rows as it last learnt
from, from those alone; it is streamed over the rows that follow. What makes an error an anomaly is the same for all
forecasts: :func:`surprise`. Its constants were chosen on these very series, as those of other detectors were: there are
no others.
"""

from __future__ import annotations

import argparse
import bisect
import csv
import io
import json
import math
import multiprocessing
import os
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.pictures.axes import Frame, Key, x_axis, y_axis
from elman.pictures.series import extent, positions
from elman.pictures.svg import BLUE, FAINT, ORANGE, VERMILION, Stroke

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
    last = np.append(level[1:] != level[:-1], True) & (level > 0)  # a score of 0 is no alarm at any threshold
    place = int(np.argmax(np.where(last, sums, -np.inf)))
    gained = max(float(sums[place]), 0.0)
    return 100 * gained / ((WEIGHTS["hit"] + WEIGHTS["miss"]) * count), float(level[place])


# Forecasts of the next value ----------------------------------------------------------------------------------


def by_elman(one: Series, seed: int) -> Floats:
    """What a GRU says of every row from those before it; of the probation in hindsight."""
    made, last = naive(one), 0
    known, read = one.probation, _read(one)
    with tempfile.TemporaryDirectory() as folder:
        while last < len(one.values):
            until = min(2 * known, len(one.values))
            # What has never changed is forecast to stay.
            if one.values[:known].std() > 0:
                run = _learnt(read[:known], Path(folder), seed)
                said = run.stream().push(read[:until]).get_column("value").to_numpy()
                first = max(last, 1)
                made[first:until] = said[first - 1 : until - 1]
            last = known = until
    return made


def _read(one: Series) -> Floats:
    """What the GRU reads of every row: the value and the hour, as a point on a circle."""
    hour = np.array([when.hour + when.minute / 60 for when in one.times]) * np.pi / 12
    return np.stack([one.values, np.sin(hour), np.cos(hour)], 1)


def _learnt(read: Floats, folder: Path, seed: int) -> Any:
    import elman

    file = folder / "series.csv"
    file.write_text("\n".join(["value,sin,cos", *(",".join(map(repr, row)) for row in read.tolist())]))
    return elman.train(
        file,
        source="series:value,sin,cos",
        target="next:value",
        out=folder / str(len(read)),
        split="0.83,0.15,0.02",
        hidden=32,
        # About as many steps for much as for little.
        epochs=max(30, min(150, 300_000 // len(read))),
        threads=1,
        seed=seed,
    )


def naive(one: Series) -> Floats:
    """The last value."""
    return one.values[[0, *range(len(one.values) - 1)]]


def seasonal(one: Series) -> Floats:
    """The value a day before; the last one where there is none."""
    gap = float(np.median(np.diff([when.timestamp() for when in one.times])))
    day = max(1, round(86_400 / gap))
    made = naive(one)
    made[day:] = one.values[:-day]
    return made


# From errors to scores ----------------------------------------------------------------------------------------

EXTREME, LONG = 0.998, 20
"""The share of errors that is usual, and the rows that an error lasts."""
REST, GROW = 0.2, 0.03
"""How long an alarm rings: in probations, and as a share of the rows so far."""


def tail(errors: Floats, least: float) -> Floats:
    """How improbable every error is, in [0, 1): 1 less its tail probability among all before it.

    ::

        1 - (1 - q) u / e    of an error e above u, the q = 0.998 quantile of those before it
        q F(e)               of any other; F is the share of those before it that are smaller

    Above u that is the tail of a Pareto distribution of index 1, for errors beyond all others still differ. ``least``
    is added to u, so that series without noise know no anomalies of nothing.
    """
    before: list[float] = []
    made = np.zeros(len(errors))
    for t, error in enumerate(errors.tolist()):
        count = len(before)
        if count > LONG:
            usual = before[min(count - 1, int(EXTREME * count))] + least
            share = bisect.bisect_left(before, error) / count
            made[t] = 1 - (1 - EXTREME) * usual / error if error > usual else EXTREME * share
        bisect.insort(before, error)
    return made


def surprise(one: Series, *errors: Floats) -> Floats:
    """The score of every row: the largest tail of its errors and of their means over the last 20 rows.

    A score that is no larger than one of the last rows (a fifth of the probation, or 3 % of all so far if that is more)
    is 0: an alarm that rings is not raised again.
    """
    least = 1e-3 * float(one.values[: one.probation].std()) + 1e-12
    t = np.arange(1, len(one.values) + 1)
    begin = np.maximum(t - LONG, 0)
    sums = [np.concatenate([[0.0], some.cumsum()]) for some in errors]
    lasting = [(each[t] - each[begin]) / (t - begin) for each in sums]
    return rested(one, np.maximum.reduce([tail(some, least) for some in (*errors, *lasting)]))


def rested(one: Series, raw: Floats) -> Floats:
    """0 where an alarm still rings; see :func:`surprise`."""
    made = raw.copy()
    rising: deque[tuple[int, float]] = deque()  # the largest of the last rows, and what may come after it
    for t, score in enumerate(raw.tolist()):
        while rising and rising[0][0] < t - max(1, int(REST * one.probation), int(GROW * t)):
            rising.popleft()
        if rising and rising[0][1] >= score:
            made[t] = 0
        while rising and rising[-1][1] <= score:
            rising.pop()
        rising.append((t, score))
    return made


def gaussian(one: Series) -> Floats:
    """The tail of every value in a normal distribution with mean and deviation of the rows before it, at most 6,400.

    The benchmark's own simple detector, with its published score: a check of :func:`total`.
    """
    t = np.arange(1, len(one.values))
    begin = np.maximum(t - 6400, 0)
    centred = one.values - one.values[0]
    sums, squares = (np.concatenate([[0.0], part.cumsum()]) for part in (centred, centred**2))
    mean = (sums[t] - sums[begin]) / (t - begin)
    deviation = np.sqrt(np.maximum((squares[t] - squares[begin]) / (t - begin) - mean**2, 1e-12))
    z = np.abs(centred[1:] - mean) / deviation
    return np.concatenate([[0.0], 1 - np.array([math.erfc(one / math.sqrt(2)) / 2 for one in z.tolist()])])


def told(one: Series, forecasts: Floats) -> Floats:
    """The score by forecasts: a row surprises by its error, or by its change.

    What leaps as was forecast is an anomaly all the same: a net that learns as it goes learns anomalies too.
    """
    return surprise(one, np.abs(one.values - forecasts), np.abs(one.values - naive(one)))


DETECTORS: dict[str, Callable[[Series], Floats]] = {
    "windowed Gaussian": gaussian,
    "last value": lambda one: surprise(one, np.abs(one.values - naive(one))),
    "value a day before": lambda one: surprise(one, np.abs(one.values - seasonal(one))),
}
"""Those that need no training."""

# Command line -------------------------------------------------------------------------------------------------


def _forecast(job: tuple[Series, int, Path]) -> None:
    one, seed, folder = job
    file = folder / f"{one.name.replace('/', '__')}.npy"
    if not file.exists():
        np.save(file, by_elman(one, seed))
        print(one.name, flush=True)


def _forecasts(series: Sequence[Series], folder: Path) -> list[Floats]:
    files = [folder / f"{one.name.replace('/', '__')}.npy" for one in series]
    if missing := [file.name for file in files if not file.exists()]:
        raise SystemExit(f"{folder}: {len(missing)} forecasts are not there; first: bench/nab.py forecast {folder}")
    return [np.load(file) for file in files]


def table(series: Sequence[Series], folder: Path, draws: int = 10) -> str:
    """All detectors as Markdown, the best last."""
    found: dict[str, list[tuple[float, float]]] = {"random": []}
    for seed in range(draws):
        source = np.random.default_rng(seed)
        found["random"].append(total(series, [source.random(len(one.values)) for one in series]))
    for name, detect in DETECTORS.items():
        found[name] = [total(series, [detect(one) for one in series])]
    said = _forecasts(series, folder)
    pairs = list(zip(series, said, strict=True))
    found["elman, forecast alone"] = [total(series, [surprise(one, np.abs(one.values - f)) for one, f in pairs])]
    found["elman"] = [total(series, [told(one, f) for one, f in pairs])]
    rows = ["| detector | score | threshold |", "|---|---|---|"]
    for name, some in found.items():
        scores = [score for score, _ in some]
        spread = f" ± {np.std(scores):.1f} ({len(scores)} seeds)" if len(scores) > 1 else ""
        rows.append(f"| {name} | {np.mean(scores):.1f}{spread} | {some[0][1]:.5f} |")
    return "\n".join(rows)


def picture(series: Sequence[Series], folder: Path, name: str) -> str:
    """A series with its windows, what was said of it, and the alarms at the threshold of all series, as SVG."""
    pairs = list(zip(series, _forecasts(series, folder), strict=True))
    scores = [told(one, said) for one, said in pairs]
    _, threshold = total(series, scores)
    chosen = [(one, said) for one, said in zip(series, scores, strict=True) if name in one.name]
    if len(chosen) != 1:
        raise SystemExit(f"--series {name}: {len(chosen)} series are called so; give one, such as nyc_taxi")
    one, said = chosen[0]
    times = np.array(one.times, dtype="datetime64[us]")
    # Where clocks were put back, an hour is there twice: of the line the second is left out.
    rising = np.append(True, times[1:] > np.maximum.accumulate(times)[:-1])
    places, at = positions(times[rising], "times"), times.astype(np.int64).astype(np.float64)
    axis, y = x_axis(places), y_axis(*extent([one.values]))
    keys = [
        Key("value", Stroke(BLUE, 1.2)),
        Key("labelled anomaly", Stroke(ORANGE, opacity=0.3), "band"),
        Key("probation", Stroke(FAINT, opacity=0.2), "band"),
        Key("alarm", Stroke(VERMILION, 1.6), dots=True),
    ]
    title = Path(one.name).stem.replace("_", " ").capitalize()
    frame = Frame(title, "Alarms at the one threshold that serves all 58 series", keys, y, x_lines=2)
    frame.draw_y()
    frame.draw_x(axis)
    low, high = np.full(2, y.low), np.full(2, y.high)
    for first, last in one.windows:
        frame.band(at[[first, last]], low, high, ORANGE, 0.3)
    frame.band(at[[0, one.probation]], low, high, FAINT, 0.2)
    frame.line(places.values, one.values[rising], Stroke(BLUE, 1.2))
    rows = np.flatnonzero((said >= threshold) & (np.arange(len(said)) >= one.probation))
    for x, height in zip(frame.px(at[rows]).tolist(), frame.py(one.values[rows]).tolist(), strict=True):
        frame.canvas.line(x, frame.bottom, x, height, Stroke(VERMILION, 1.2))
        frame.canvas.circle(x, height, 3.5, VERMILION)
    return frame.canvas.svg()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("forecast", "table", "picture"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", default=os.environ.get("ELMAN_DATA"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--series", default="", help="those whose names hold this")
    parser.add_argument("--to", type=Path)
    args = parser.parse_args()
    if args.data is None:
        raise SystemExit("where is the data? --data DIR, or $ELMAN_DATA")
    series = corpus(Path(args.data))
    if args.verb == "forecast":
        args.folder.mkdir(parents=True, exist_ok=True)
        some = [one for one in series if args.series in one.name]
        jobs = [(one, args.seed, args.folder) for one in sorted(some, key=lambda one: -len(one.values))]
        with multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
            for _ in pool.imap_unordered(_forecast, jobs):
                pass
    elif args.verb == "table":
        print(table(series, args.folder))
    elif args.to is None:
        raise SystemExit("where to? --to FILE.svg")
    else:
        args.to.write_text(picture(series, args.folder, args.series), encoding="utf-8")


if __name__ == "__main__":
    main()
