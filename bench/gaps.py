"""What it is worth to tell a model how old its values are, and to let old ones fade: three real data sets with gaps.

    python bench/gaps.py run ett30 decay 0 --out table.jsonl     one training; the line is appended
    python bench/gaps.py all --out table.jsonl                   every set, arm and seed (0 to 2); what is there is kept
    python bench/gaps.py table table.jsonl                       the table, as Markdown

``ettN``: ETTh1, seven channels, of which N % of all values are taken out at random; OT of the next 24 hours, scored
where it is there (MAE, in standard deviations). ``vowelsN``: JapaneseVowels likewise (accuracy). ``rowsN``: the same
with N % of all rows taken out, and the number of each row as its time. ``waves``: sines of two frequencies, 1 and 1.3,
of random phase, 40 points at distances drawn from an exponential distribution (accuracy); who knows no times can hardly
tell them. ``traffic-NAME``: the next value of a sensor of NAB's realTraffic, whose rows come every 5 or 10 minutes with
pauses of up to three days (MAE, in standard deviations). What is taken out is the same for every arm and seed. Data lie
in $ELMAN_DATA.

Arms: ``mask``, the last value is held and a channel beside says where (what --gaps input was before); ``delta``,
``--gaps input``, channels that say how old it is; ``decay``, the same into GRU-D (Che et al. 2018).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import tempfile
import time
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
import torch
from torch import nn

import elman
from elman.data.read import read
from elman.model.kinds.series import SeriesIn

ARMS = ("mask", "delta", "decay")
SEEDS = (0, 1, 2)
TRAFFIC = ("speed_6005", "speed_7578", "occupancy_6005", "TravelTime_387", "TravelTime_451")
SETS = ("ett30", "ett60", "vowels30", "vowels60", "rows60", "waves", *(f"traffic-{name}" for name in TRAFFIC))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    single, every, shown = (verbs.add_parser(name) for name in ("run", "all", "table"))
    single.add_argument("data", choices=SETS)
    single.add_argument("arm", choices=ARMS)
    single.add_argument("seed", type=int)
    every.add_argument("--sets", nargs="*", choices=SETS, default=SETS)
    for verb in (single, every):
        verb.add_argument("--out", type=Path, required=True)
    shown.add_argument("file", type=Path)
    given = parser.parse_args()
    if given.verb == "table":
        print(table(lines_of(given.file)))
        return
    todo = [(given.data, given.arm, given.seed)] if given.verb == "run" else _all(given.sets)
    there = {(line["data"], line["arm"], line["seed"]) for line in lines_of(given.out)}
    for data, arm, seed in todo:
        if (data, arm, seed) not in there:
            one(data, arm, seed, given.out)


def _all(sets: Sequence[str]) -> list[tuple[str, str, int]]:
    return [(data, arm, seed) for data in sets for seed in SEEDS for arm in ARMS]


def one(data: str, arm: str, seed: int, out: Path) -> None:
    """Train once and append what came of it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as made:
        job = job_of(data, Path(made))
        fits: list[SeriesIn] = []
        with patch.object(SeriesIn, "fit", partial(_fitted, fits, arm)):
            run = elman.train(
                **job, gaps="input", seed=seed, threads=1, out=Path(made) / "run",
                **({"cell": "grud", "cells": {"grud": partial(GRUD, fits)}} if arm == "decay" else {}),
            )  # fmt: skip
    assert run.scores is not None
    metric = "accuracy" if "accuracy" in run.scores.values else "mae"
    line = {
        "data": data,
        "arm": arm,
        "seed": seed,
        "score": run.scores.values[metric],
        "valid": run.history.best.valid_loss,
        "best epoch": run.history.best.epoch,
        "seconds": round(time.monotonic() - began, 1),
    }
    with out.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


_FIT = SeriesIn.fit


def _fitted(fits: list[SeriesIn], arm: str, *given: Any) -> SeriesIn:
    """The kind, noted down; ``mask``: without any channel that says how old something is."""
    fits.append(_FIT(*given).model_copy(update={"since": False, "unit": 0.0} if arm == "mask" else {}))
    return fits[-1]


class GRUD(elman.Decay):
    """GRU-D: the state fades, and so do values that are held, to the mean (0), before a GRU reads them.

    ::

        x_c = m_c x_c + (1 - m_c) exp(-relu(w_c d_c + b_c)) x'_c         x' the value held, m whether there is one

    Of a forecast, whose window is read relative to its last value, 0 is that value.
    """

    def __init__(self, fits: list[SeriesIn], width: int, hidden: int) -> None:
        cell = elman.GRUCell(width, hidden)
        elman.init.orthogonal_(cell)
        kind = fits[0]
        super().__init__(cell, kind.ages, math.log(2.0))
        self.held, flags = kind.flagged, len(kind.flagged) if kind.since else 0
        self.flags = list(range(kind.channels, kind.channels + flags))
        self.weight_held, self.bias_held = nn.Parameter(torch.full((flags,), 0.1)), nn.Parameter(torch.zeros(flags))

    def project(self, x: Any) -> Any:
        inside, told = x
        if self.flags:
            kept = torch.exp(-torch.relu(self.weight_held * told[..., self.ages_held] + self.bias_held))
            faded = torch.where(told[..., self.flags] > 0, kept * told[..., self.held], told[..., self.held])
            inside = inside.index_copy(-1, torch.tensor(self.held), faded)
        return super().project((inside, told))

    @property
    def ages_held(self) -> list[int]:
        return [place + len(self.flags) for place in self.flags]


def job_of(data: str, folder: Path) -> dict[str, Any]:
    """The files of a set, with what is taken out, and how it is trained."""
    name, share = data.rstrip("0123456789"), float(f"0.{data[-2:]}") if data[-2:].isdigit() else 0.0
    source = Path(os.environ["ELMAN_DATA"])
    if name == "ett":
        table = pl.read_csv(source / "ett_hourly/ETTh1.csv.gz")[:14_400]
        table = table.with_columns(_thinned(table[name], share, k) for k, name in enumerate(table.columns[1:]))
        table.write_csv(folder / "ett.csv")
        columns = ",".join(table.columns[1:])
        return {
            "file": folder / "ett.csv", "source": f"series:{columns}", "target": "future:24:OT", "time": "date",
            "split": "0.6,0.2,0.2", "lookback": 96, "hidden": 32, "epochs": 6,
        }  # fmt: skip
    if name == "waves":
        _waves(folder / "waves.parquet")
        return {
            "file": folder / "waves.parquet", "source": "series:x", "target": "label:label", "id": "id", "time": "t",
            "hidden": 32, "epochs": 60, "bidirectional": False,
        }  # fmt: skip
    if name.startswith("traffic-"):
        with zipfile.ZipFile(source / "nab/nab.zip") as archive:
            pl.read_csv(archive.read(f"data/realTraffic/{data[8:]}.csv")).write_csv(folder / "t.csv")
        return {
            "file": folder / "t.csv", "source": "series:value", "target": "next:value", "time": "timestamp",
            "split": "0.6,0.2,0.2", "hidden": 32,
        }  # fmt: skip
    return _vowels(folder, share, rows=name == "rows")


def _thinned(column: pl.Series, share: float, seed: int) -> pl.Series:
    """The same with a share of all values taken out."""
    gone = np.random.default_rng(seed).random(len(column)) < share
    return pl.Series(column.name, np.where(gone, np.nan, column.to_numpy())).fill_nan(None)


def _waves(path: Path) -> None:
    """1,000 sines in noise of deviation 0.1, seen at random times."""
    chance, frames = np.random.default_rng(0), []
    for k in range(1000):
        times = np.cumsum(chance.exponential(size=40))
        wave = np.sin((1.0, 1.3)[k % 2] * times + chance.uniform(0, 2 * np.pi)) + 0.1 * chance.normal(size=40)
        frames.append(pl.DataFrame({"id": k, "t": times, "x": wave, "label": "ab"[k % 2]}))
    pl.concat(frames).write_parquet(path)


def _vowels(folder: Path, share: float, *, rows: bool) -> dict[str, Any]:
    """JapaneseVowels with values or whole rows (but the first of each sequence) taken out."""
    for k, part in enumerate(("TRAIN", "TEST")):
        frame = read(str(Path(os.environ["ELMAN_DATA"]) / f"ucr_uea/JapaneseVowels_{part}.ts.gz")).frame
        if rows:
            kept = np.random.default_rng(100 + k).random(frame.height) >= share
            frame = frame.filter(pl.Series(kept) | (pl.col("step") == 0))
        else:
            frame = frame.with_columns(_thinned(frame[f"x{c}"], share, 100 * k + c) for c in range(1, 13))
        frame.write_parquet(folder / f"{part}.parquet")
    columns = ",".join(f"x{c}" for c in range(1, 13))
    return {
        "file": folder / "TRAIN.parquet", "source": f"series:{columns}", "target": "label:label", "id": "id",
        "time": "step", "test": str(folder / "TEST.parquet"), "hidden": 32, "epochs": 60, "bidirectional": False,
    }  # fmt: skip


def lines_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def table(lines: list[dict[str, Any]]) -> str:
    """Mean and spread over seeds, and the difference to ``mask`` in the same seeds with its standard error."""
    text = ["| data | arm | score | against mask | validation loss | best epoch | s |", "|---|---|---|---|---|---|---|"]
    for data, arm in [(data, arm) for data in SETS for arm in ARMS]:
        mine = [line for line in lines if (line["data"], line["arm"]) == (data, arm)]
        if not mine:
            continue
        plain = {line["seed"]: line["score"] for line in lines if (line["data"], line["arm"]) == (data, "mask")}
        apart = [line["score"] - plain[line["seed"]] for line in mine if line["seed"] in plain]
        against = "" if arm == "mask" else f"{statistics.mean(apart):+.4f} ± {_error(apart):.4f}"
        scores = [line["score"] for line in mine]
        spread = statistics.stdev(scores) if len(scores) > 1 else math.nan
        others = [f"{statistics.mean(line[name] for line in mine):{form}}" for name, form in _SHOWN.items()]
        cells = [data, arm, f"{statistics.mean(scores):.4f} ± {spread:.4f}", against, *others]
        text.append(f"| {' | '.join(cells)} |")
    return "\n".join(text)


_SHOWN = {"valid": ".4f", "best epoch": ".0f", "seconds": ".0f"}


def _error(values: list[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


if __name__ == "__main__":
    main()
