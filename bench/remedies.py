"""What the remedies of training are worth: none, each alone, and a mix, on two real data sets.

    python bench/remedies.py run reviews none 0 --out table.jsonl     one training; the line is appended
    python bench/remedies.py all reviews --out table.jsonl            every remedy, seeds 0 to 2; what is there is kept
    python bench/remedies.py table table.jsonl                        the table, as Markdown

One training takes a quarter of a minute, a minute where it runs on the loop engine; both tables 40 minutes on a core.

``reviews`` is rt_polarity (accuracy on every tenth line, larger is better), ``chorales`` are the JSB chorales as 88
0/1 keys a step (nats a step of the next step's keys, smaller is better; every key by itself). Data lie in $ELMAN_DATA.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import elman
from elman.data.batch import ExampleSet
from elman.model.config import ModelConfig, NetConfig
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TokenOut
from elman.model.network import SequenceModel
from elman.training.loop import fit, mean_loss
from elman.training.settings import LoopSettings

NONE: dict[str, Any] = {"dropout": 0.0, "weight_decay": 0.0, "clip": 0.0}

REMEDIES: dict[str, dict[str, Any]] = {
    "none": {},
    "dropout 0.5": {"dropout": 0.5, "input_dropout": 0.0},
    "input dropout 0.3": {"input_dropout": 0.3},
    "word dropout 0.2": {"word_dropout": 0.2},
    "recurrent dropout 0.3": {"recurrent_dropout": 0.3},
    "weight-drop 0.5": {"weight_drop": 0.5},
    "zoneout 0.1": {"zoneout": 0.1},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "weight decay 0.1": {"weight_decay": 0.1},
    "L2 1e-4": {"l2": 1e-4},
    "L1 1e-5": {"l1": 1e-5},
    "AR 1": {"ar": 1.0},
    "TAR 1": {"tar": 1.0},
    "EMA": {"average": "ema"},
    "NT-ASGD": {"average": "nt-asgd"},
    "clip 1": {"clip": 1.0},
    "clip by value 0.1": {"clip": 0.1, "clip_by": "value"},
    "clip by ratio 0.01": {"clip": 0.01, "clip_by": "ratio"},
    "mix": {
        "dropout": 0.5,
        "input_dropout": 0.3,
        "weight_drop": 0.3,
        "weight_decay": 0.05,
        "average": "ema",
        "clip": 1.0,
    },
}
"""By name, what is changed in a training without any."""

SKIPPED = {"chorales": ("word dropout 0.2", "label smoothing 0.1")}
"""What has no meaning there: keys are neither words nor classes that exclude each other."""


def reviews(settings: dict[str, Any], seed: int) -> dict[str, float]:
    """rt_polarity, word by word, both ways, the default's 64 units, 8 epochs of 4,264 lines, four of ten."""
    folder = Path(os.environ["ELMAN_DATA"]) / "rt_polarity"
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "rt.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for label in ("neg", "pos"):
                with gzip.open(folder / f"rt-polarity.{label}.gz", "rt", encoding="latin-1") as lines:
                    for k, line in enumerate(lines):
                        part = {0: "test", 1: "valid", 2: "train", 4: "train", 6: "train", 8: "train"}.get(k % 10)
                        if part is None:
                            continue
                        file.write(json.dumps({"text": line.strip(), "label": label, "part": part}) + "\n")
        run = elman.train(
            path, "text:text", "label:label", split="part", epochs=8, seed=seed, out=Path(made) / "run",
            **{**NONE, **settings},
        )  # fmt: skip
    assert run.scores is not None
    return {"score": run.scores.values["accuracy"], "best epoch": run.history.best.epoch}


class Keys(nn.Module):
    """88 keys, each down or up by itself: ``sigmoid(W f + b)``; the loss is summed over keys, nats a step."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 88)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)


def chorales(settings: dict[str, Any], seed: int) -> dict[str, float]:
    """JSB chorales, an LSTM of 150 units one way, 30 epochs."""
    data = np.load(Path(os.environ["ELMAN_DATA"]) / "jsb_chorales/JSB_Chorales.npz")
    parts = {}
    for name in ("train", "valid", "test"):
        rolls = torch.from_numpy(np.unpackbits(data[f"{name}_roll"], axis=1)[:, :88]).float()
        pieces = rolls.split(data[f"{name}_len"].tolist())
        parts[name] = ExampleSet([piece[:-1] for piece in pieces], [piece[1:] for piece in pieces])
    given = {**NONE, **settings}
    net = {name: value for name, value in given.items() if name in NetConfig.model_fields}
    loop = {name: value for name, value in given.items() if name in LoopSettings.model_fields}
    torch.manual_seed(seed)
    config = ModelConfig(
        source="series", target="next", input=SeriesIn(columns=["key"] * 88, mean=[0.0] * 88, scale=[1.0] * 88),
        output=TokenOut(size=88), net=NetConfig(cell="lstm", hidden=150, readout="every", **net),
    )  # fmt: skip
    model = SequenceModel(config)
    model.head = Keys(150)  # type: ignore[assignment]
    how = LoopSettings(epochs=30, batch=8, lr=1e-2, patience=12, seed=seed, ema_decay=1 - 1 / 29, **loop)
    history = fit(model, parts["train"], parts["valid"], how)
    loss = mean_loss(model, parts["test"], 16, torch.device("cpu"))
    return {"score": loss, "best epoch": history.best.epoch}


SETS = {"reviews": reviews, "chorales": chorales}


def one(data: str, name: str, seed: int, out: Path) -> None:
    """Train once and append what came of it."""
    began = time.monotonic()
    found = SETS[data](REMEDIES[name], seed)
    line = {"data": data, "remedy": name, "seed": seed, **found, "seconds": round(time.monotonic() - began, 1)}
    with out.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def lines_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def table(out: Path) -> str:
    """Mean and spread over seeds, with the difference to none in the same seeds and its standard error."""
    text = []
    for data in dict.fromkeys(line["data"] for line in lines_of(out)):
        lines = [line for line in lines_of(out) if line["data"] == data]
        plain = {line["seed"]: line["score"] for line in lines if line["remedy"] == "none"}
        text += [f"{data}", "", "| remedy | score | against none | best epoch | s |", "|---|---|---|---|---|"]
        for name in REMEDIES:
            mine = [line for line in lines if line["remedy"] == name]
            if not mine:
                continue
            scores = [line["score"] for line in mine]
            apart = [line["score"] - plain[line["seed"]] for line in mine if line["seed"] in plain]
            error = statistics.stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else math.nan
            spread = statistics.stdev(scores) if len(scores) > 1 else math.nan
            epoch = statistics.mean(line["best epoch"] for line in mine)
            seconds = statistics.mean(line["seconds"] for line in mine)
            against = "" if name == "none" else f"{statistics.mean(apart):+.4f} ± {error:.4f}"
            mean = f"{statistics.mean(scores):.4f} ± {spread:.4f}"
            text.append(f"| {name} | {mean} | {against} | {epoch:.0f} | {seconds:.0f} |")
        text.append("")
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    single, every, shown = (verbs.add_parser(name) for name in ("run", "all", "table"))
    for verb in (single, every):
        verb.add_argument("data", choices=SETS)
    single.add_argument("remedy", choices=REMEDIES)
    single.add_argument("seed", type=int)
    for verb in (single, every):
        verb.add_argument("--out", type=Path, required=True)
    shown.add_argument("file", type=Path)
    given = parser.parse_args()
    if given.verb == "table":
        print(table(given.file))
        return
    todo = [(given.remedy, given.seed)] if given.verb == "run" else [(name, k) for k in range(3) for name in REMEDIES]
    there = {(line["data"], line["remedy"], line["seed"]) for line in lines_of(given.out)}
    for name, seed in todo:
        if (given.data, name, seed) not in there and name not in SKIPPED.get(given.data, ()):
            one(given.data, name, seed, given.out)


if __name__ == "__main__":
    main()
