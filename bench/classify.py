"""Thirteen sets of the UCR and UEA archives by one command line, beside 1-NN with dynamic time warping and LSTM-FCN.

    python bench/classify.py run --out lines.jsonl               every set, three seeds; small sets come first
    python bench/classify.py run --sets Coffee,Plane --seeds 1 --out lines.jsonl
    python bench/classify.py command                             the command line of a set
    python bench/classify.py table lines.jsonl                   medians over the seeds, as Markdown

The split is that of the archives, the settings are SETTINGS for all; `$ELMAN_DATA` names the folder of the data. A line
is appended for every finished training; what is there is not done again. Figures of 1-NN DTW and of LSTM-FCN (Karim
et al. 2018, arXiv 1709.05206; JapaneseVowels: MLSTM-FCN, arXiv 1801.04503) are recalled, not measured here.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import elman

SETTINGS: dict[str, Any] = {"front": "conv", "batch": 8, "dropout": 0.2, "choose_by": "last", "average": "ema"}
"""Chosen by folds within the training parts of three sets; see docs/log.md."""

DTW = {
    "ItalyPowerDemand": 0.95, "Coffee": 1.0, "FaceFour": 0.83, "GunPoint": 0.91, "BasicMotions": 0.98, "ECG200": 0.77,
    "ArrowHead": 0.70, "Plane": 1.0, "JapaneseVowels": 0.95, "Lightning7": 0.73, "OSULeaf": 0.59, "ACSF1": 0.64,
    "PLAID": 0.84,
}  # fmt: skip
"""The sets, quick ones first, and the accuracy of 1-NN DTW on their test parts."""

FCN = {
    "ArrowHead": 0.9086, "Coffee": 1.0, "ECG200": 0.9, "GunPoint": 1.0, "ItalyPowerDemand": 0.9631,
    "JapaneseVowels": 0.99,
}  # fmt: skip
"""The accuracy of LSTM-FCN where it is known."""


def files(name: str) -> tuple[Path, Path]:
    """The training and the test file of a set."""
    folder = Path(os.environ["ELMAN_DATA"]) / "ucr_uea"
    return folder / f"{name}_TRAIN.ts.gz", folder / f"{name}_TEST.ts.gz"


def one(name: str, seed: int, **settings: Any) -> dict[str, Any]:
    """Train on a set with a seed; what came of it as a line."""
    train, test = files(name)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run = elman.train(
            train, "series", "label", test=str(test), out=Path(folder) / "run", seed=seed, threads=1, **settings
        )
        if run.scores is None:
            raise AssertionError("a test part is always scored")
        return {
            "set": name,
            "seed": seed,
            "accuracy": run.scores.values["accuracy"],
            "nats": run.scores.values["nats"],
            "count": run.scores.count,
            "epochs": len(run.history.epochs),
            "seconds": round(time.monotonic() - began, 1),
            "settings": settings,
        }


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run(out: Path, sets: list[str], seeds: int) -> None:
    for seed in range(seeds):
        for name in sets:
            done = [(line["set"], line["seed"]) for line in lines_of(out) if line["settings"] == SETTINGS]
            if (name, seed) in done:
                continue
            line = one(name, seed, **SETTINGS)
            with out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(f"{name} seed {seed}: {line['accuracy']:.4f} in {line['seconds']:.0f} s", flush=True)


def table(lines: list[dict[str, Any]]) -> str:
    """A row a set: the median over seeds and all of them, beside what others reach."""
    rows = ["| set | elman, median | seeds | 1-NN DTW | LSTM-FCN | seconds |", "|---|---|---|---|---|---|"]
    above = judged = 0
    for name, dtw in DTW.items():
        own = [line for line in lines if line["set"] == name]
        if not own:
            continue
        scores = [line["accuracy"] for line in own]
        median, seconds = statistics.median(scores), statistics.median(line["seconds"] for line in own)
        # DTW's figures are known to two digits.
        above, judged = above + (round(median, 2) >= dtw), judged + 1
        fcn = f"{FCN[name]:.4f}" if name in FCN else ""
        each = " ".join(f"{score:.4f}" for score in scores)
        rows.append(f"| {name} | {median:.4f} | {each} | {dtw:.2f} | {fcn} | {seconds:.0f} |")
    known = [name for name in FCN if any(line["set"] == name for line in lines)]
    level = [name for name in known if _median(lines, name) >= FCN[name]]
    rows += ["", f"At or above 1-NN DTW on {above} of {judged}, at or above LSTM-FCN on {len(level)} of {len(known)}."]
    return "\n".join(rows)


def _median(lines: list[dict[str, Any]], name: str) -> float:
    return statistics.median(line["accuracy"] for line in lines if line["set"] == name)


def command(name: str) -> str:
    words = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in SETTINGS.items())
    train, test = (f"$ELMAN_DATA/ucr_uea/{name}_{part}.ts.gz" for part in ("TRAIN", "TEST"))
    return f"elman train {train} --test {test} --from series --to label {words}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    train = verbs.add_parser("run")
    train.add_argument("--out", type=Path, required=True)
    train.add_argument("--sets", default=",".join(DTW))
    train.add_argument("--seeds", type=int, default=3)
    verbs.add_parser("command").add_argument("--set", default="ArrowHead", choices=list(DTW))
    verbs.add_parser("table").add_argument("lines", type=Path)
    given = parser.parse_args()
    if given.verb == "run":
        run(given.out, given.sets.split(","), given.seeds)
    else:
        print(command(given.set) if given.verb == "command" else table(lines_of(given.lines)))


if __name__ == "__main__":
    main()
