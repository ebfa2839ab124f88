"""Series with a number, and with several labels: elman beside linear models of summary features, on the same split.

    python bench/answers.py peak --out lines.jsonl          tomorrow's peak of electricity demand from today
    python bench/answers.py harmony --out lines.jsonl       which pitch classes sound under the last note of a melody
    python bench/answers.py files peak --to FOLDER          only the files, for the command line
    python bench/answers.py table lines.jsonl

`peak`: the half hours of a day in Victoria (48 steps of demand and temperature) and the highest demand of the day
behind it. 2012 and 2013 train, the first half of 2014 validates, the rest tests. `harmony`: sixteen quarters of the
highest voice of a chorale of Bach's, and the pitch classes that the three voices below it sound at the last of them;
the split of the chorales is the given one. `$ELMAN_DATA` names the folder of the data. Baselines are those that every
training scores: the median or the commonest set, and ridge or logistic regression on mean, standard deviation,
extremes, slope and last value of every channel and the length (with thresholds of the best F1 in training). A line is
appended for every finished training; what is there is not done again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

import elman

PITCHES = ("C", "Cis", "D", "Es", "E", "F", "Fis", "G", "As", "A", "B", "H")
STEPS, STRIDE = 16, 2

TASKS: dict[str, dict[str, Any]] = {
    "peak": {"source": "series:demand,temperature", "target": "number:peak", "id": "day", "split": "part"},
    "harmony": {"source": "series:melody", "target": "labels:below", "id": "excerpt", "split": "part"},
}
METRICS = {"peak": ("mae_units", "rmse"), "harmony": ("macro_f1", "micro_f1", "exact")}


def data() -> Path:
    return Path(os.environ["ELMAN_DATA"])


def peak() -> pl.DataFrame:
    """A row a half hour, with the highest demand of the next day."""
    raw = pl.read_csv(data() / "vic_electricity" / "vic_electricity.csv.gz")
    frame = pl.DataFrame({"day": raw["Date"], "demand": raw["Demand"], "temperature": raw["Temperature"]})
    highest = frame.group_by("day").agg(pl.len().alias("steps"), pl.col("demand").max().alias("peak")).sort("day")
    highest = highest.with_columns(pl.col("peak").shift(-1)).filter(
        (pl.col("steps") == 48) & pl.col("peak").is_not_null()
    )
    part = pl.when(pl.col("day") < "2014-01-01").then(pl.lit("train"))
    part = part.when(pl.col("day") < "2014-07-01").then(pl.lit("valid")).otherwise(pl.lit("test"))
    return frame.join(highest.drop("steps"), on="day", maintain_order="left").with_columns(part.alias("part"))


def harmony() -> pl.DataFrame:
    """A row a quarter of the melody; an excerpt ends at every other quarter."""
    with gzip.open(data() / "jsb_chorales" / "Jsb16thSeparated.json.gz") as file:
        chorales = json.load(file)
    rows: list[dict[str, Any]] = []
    for part in ("train", "valid", "test"):
        for k, chorale in enumerate(chorales[part]):
            quarters = chorale[::4]
            for end in range(STEPS, len(quarters) + 1, STRIDE):
                chord = sorted({int(note) % 12 for note in quarters[end - 1][1:] if note >= 0})
                said = "|".join(PITCHES[one] for one in chord)
                name = f"{part}-{k}-{end}"
                rows += [
                    {"excerpt": name, "melody": float(voices[0]), "below": said, "part": part}
                    for voices in quarters[end - STEPS : end]
                ]
    return pl.DataFrame(rows)


def one(task: str, seed: int, **settings: Any) -> dict[str, Any]:
    """Train on a task with a seed; what came of it as a line."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{task}.csv"
        {"peak": peak, "harmony": harmony}[task]().write_csv(file)
        run = elman.train(file, **TASKS[task], out=Path(folder) / "run", seed=seed, threads=1, **settings)
        if run.scores is None:
            raise AssertionError("a test part is always scored")
        return {
            "task": task,
            "seed": seed,
            "scores": run.scores.values,
            "baselines": {name: scores.values for name, scores in run.baselines.items()},
            "count": run.scores.count,
            "epochs": len(run.history.epochs),
            "seconds": round(time.monotonic() - began, 1),
            "settings": settings,
        }


def table(lines: list[dict[str, Any]]) -> str:
    rows = []
    for task, metrics in METRICS.items():
        own = [line for line in lines if line["task"] == task]
        if not own:
            continue
        rows += [f"| {task} | {' | '.join(metrics)} |", "|---" * (len(metrics) + 1) + "|"]
        for name, scores in own[0]["baselines"].items():
            rows.append(f"| {name} | {' | '.join(f'{scores[metric]:.4g}' for metric in metrics)} |")
        medians = [statistics.median(line["scores"][metric] for line in own) for metric in metrics]
        rows += [f"| elman, median of {len(own)} | {' | '.join(f'{value:.4g}' for value in medians)} |", ""]
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for task in TASKS:
        asked = verbs.add_parser(task)
        asked.add_argument("--out", type=Path, required=True)
        asked.add_argument("--seeds", type=int, default=3)
        asked.add_argument("--front", action="store_true", help="with convolution beside the recurrent layers")
    made = verbs.add_parser("files")
    made.add_argument("task", choices=list(TASKS))
    made.add_argument("--to", type=Path, required=True)
    verbs.add_parser("table").add_argument("lines", type=Path)
    given = parser.parse_args()
    if given.verb == "table":
        print(table([json.loads(line) for line in given.lines.read_text().splitlines()]))
    elif given.verb == "files":
        {"peak": peak, "harmony": harmony}[given.task]().write_csv(given.to / f"{given.task}.csv")
    else:
        settings = {"front": "conv"} if given.front else {}
        there = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.exists() else []
        done = [line["seed"] for line in there if (line["task"], line["settings"]) == (given.verb, settings)]
        for seed in sorted(set(range(given.seeds)) - set(done)):
            line = one(given.verb, seed, **settings)
            with given.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(json.dumps({key: line[key] for key in ("scores", "baselines", "seconds")}), flush=True)


if __name__ == "__main__":
    main()
