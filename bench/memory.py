"""Which cell can keep something, over how many steps: the adding problem to a small error, and copying.

    python bench/memory.py adding --out lines.jsonl --T 600 --cells "GRU" "minGRU x2" --seeds 2
    python bench/memory.py copy --out lines.jsonl --T 1000 --cells "LRU, ring"
    python bench/memory.py table lines.jsonl            the tables, as Markdown

Adding is as in adding.py. Copying (Hochreiter & Schmidhuber 1997, in the form of Bai, Kolter & Koltun 2018, arXiv
1803.01271): 10 symbols out of 8, T - 1 blanks, and 11 times a mark; while the last 10 of these are read, the 10
symbols are to be said, before that a blank. Symbols are read as vectors of zeros and a one. Who remembers nothing says
each with an accuracy of 1/8 and ln 8 = 2.08 nats.

Adam, clip 1; the rate stays until the task is solved (adding: validation error below 0.01; copying: 0.99 of the symbols
right) and then is multiplied by
--fall (0.9) every 100 steps, until the goal is met (adding: an error of 1.5e-5; copying: 1e-3 nats
a symbol) or the steps are used up. A line is appended for every finished training; what is there is not done again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from adding import adding
from torch import Tensor, nn

import elman

HIDDEN, BATCH, LOOK = 64, 20, 100
SYMBOLS, KEPT = 8, 10
CLASSES = SYMBOLS + 2
"""The symbols, the blank (0) and the mark (the last)."""
WIDTHS = {"adding": (2, 1), "copy": (CLASSES, CLASSES)}
SOLVED = {"adding": 0.01, "copy": 0.01}
"""Below that a task is solved: the mean squared error, or the share of symbols that are wrong."""
GOAL = {"adding": 1.5e-5, "copy": 1e-3}
"""Below that a training ends: the mean squared error, or nats a symbol."""


def _chrono(cell: Callable[[int, int], elman.Cell], times: int = 1) -> Callable[[int, int, int], elman.Cell]:
    def make(width: int, hidden: int, longest: int) -> elman.Cell:
        made = cell(width, hidden)
        elman.init.chrono_(made, times * longest)
        return made

    return make


def _plain(cell: Callable[[int, int], elman.Cell]) -> Callable[[int, int, int], elman.Cell]:
    return lambda width, hidden, _: cell(width, hidden)


def _ring(width: int, hidden: int, longest: int) -> elman.Cell:
    """Units that keep for half the lag at the least, turning at every pace."""
    return elman.LRUCell(width, hidden, glu=True, r_min=math.exp(-2 / longest), r_max=1)


def _slow(width: int, hidden: int, longest: int) -> elman.Cell:
    """Units that turn once over the lag at the most, and keep for 2 to that many steps."""
    made = elman.LRUCell(width, hidden, glu=True, max_phase=2 * math.pi / longest)
    elman.init.chrono_(made, longest)
    return made


def _lstm(width: int, hidden: int) -> elman.Cell:
    made = elman.LSTMCell(width, hidden)
    elman.init.forget_bias_(made, 1.0)
    return made


def _lru(width: int, hidden: int) -> elman.Cell:
    return elman.LRUCell(width, hidden, glu=True)


CELLS: dict[str, Callable[[int, int, int], elman.Cell]] = {
    "GRU": _plain(elman.GRUCell),
    "GRU, chrono": _chrono(elman.GRUCell),
    "LSTM": _plain(_lstm),
    "LSTM, chrono": _chrono(elman.LSTMCell),
    "minGRU": _plain(elman.MinGRUCell),
    "minGRU, chrono": _chrono(elman.MinGRUCell),
    "minGRU, chrono 10 T": _chrono(elman.MinGRUCell, 10),
    "minLSTM": _plain(elman.MinLSTMCell),
    "minLSTM, chrono": _chrono(elman.MinLSTMCell),
    "LRU": _plain(_lru),
    "LRU, chrono": _chrono(_lru),
    "LRU, slow": _slow,
    "LRU, ring": _ring,
}
"""From widths and the lag; with " x2" behind the name, two layers, the upper one residual."""
RATES = {"GRU": 1e-2, "LSTM": 1e-2, "minGRU": 1e-2, "minLSTM": 1e-2, "LRU": 3e-3}


class Job(NamedTuple):
    """What tells one training from another."""

    task: str
    cell: str
    T: int
    rate: float
    seed: int
    limit: int
    hidden: int = HIDDEN
    fall: float = 0.9
    batch: int = BATCH


def copying(lag: int, rows: int, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows of the copy task: input ``(T + 20, B, 10)`` of zeros and ones, answers ``(T + 20, B)``."""
    symbols = torch.randint(1, SYMBOLS + 1, (KEPT, rows), generator=source)
    read = torch.zeros(lag + 2 * KEPT, rows, dtype=torch.long)
    read[:KEPT], read[-KEPT - 1 :] = symbols, CLASSES - 1
    said = torch.zeros_like(read)
    said[-KEPT:] = symbols
    return nn.functional.one_hot(read, CLASSES).float(), said


TASKS = {"adding": adding, "copy": copying}


class Net(nn.Module):
    """Recurrent layers and a linear answer from their outputs."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        name, _, layers = job.cell.partition(" x")
        reads, says = WIDTHS[job.task]
        cells = [CELLS[name](reads if not k else job.hidden, job.hidden, job.T) for k in range(int(layers or 1))]
        self.layers = elman.Stack.of([elman.Residual(cell) if k else cell for k, cell in enumerate(cells)])
        self.answer = nn.Linear(job.hidden, says)

    def forward(self, x: Tensor) -> Tensor:
        steps = self.layers(elman.Ragged(x))[0].values
        # Adding asks after the last step alone.
        answer: Tensor = self.answer(steps[-1] if self.answer.out_features == 1 else steps)
        return answer


def loss(task: str, said: Tensor, truth: Tensor) -> Tensor:
    if task == "adding":
        return nn.functional.mse_loss(said[:, 0], truth)
    return nn.functional.cross_entropy(said.flatten(0, 1), truth.flatten())


@torch.no_grad()
def judge(job: Job, model: Net, x: Tensor, y: Tensor) -> dict[str, float]:
    """``wrong``, by which the task is solved, ``goal``, by which a training ends, and all other figures."""
    said = model(x)
    whole = float(loss(job.task, said, y))
    if job.task == "adding":
        return {"loss": whole, "wrong": whole, "goal": whole}
    nats = float(loss(job.task, said[-KEPT:], y[-KEPT:]))
    right = float((said[-KEPT:].argmax(-1) == y[-KEPT:]).float().mean())
    return {"loss": whole, "wrong": 1 - right, "goal": nats, "accuracy": right}


def train(job: Job, rows: int = 256) -> dict[str, Any]:
    """One training, from a fresh model to its line."""
    began = time.monotonic()
    make = TASKS[job.task]
    valid = make(job.T, rows, torch.Generator().manual_seed(1_000_001))
    test = make(job.T, 4 * rows, torch.Generator().manual_seed(1_000_002))
    stream = torch.Generator().manual_seed(1_000_003 + job.seed)
    torch.manual_seed(job.seed)
    model = Net(job)
    weights = list(model.parameters())
    optimiser = torch.optim.Adam(weights, lr=job.rate)
    curve: list[float] = []
    solved, done, end = None, 0, "used up"
    for step in range(1, job.limit + 1):
        optimiser.zero_grad()
        x, y = make(job.T, job.batch, stream)
        loss(job.task, model(x), y).backward()
        if not torch.isfinite(nn.utils.clip_grad_norm_(weights, 1.0)):
            end = "diverged"
            break
        optimiser.step()
        done = step
        if step % LOOK and step != job.limit:
            continue
        now = judge(job, model, *valid)
        curve.append(float(f"{now['goal']:.3g}"))
        if now["wrong"] <= SOLVED[job.task] and solved is None:
            solved = step
        if now["goal"] <= GOAL[job.task]:
            end = "goal"
            break
        if solved is not None:
            for group in optimiser.param_groups:
                group["lr"] *= job.fall
    found = {} if end == "diverged" else judge(job, model, *test)
    line = {**job._asdict(), "solved": solved, "steps": done, "end": end}
    line |= {name: float(f"{value:.4g}") for name, value in found.items() if name in ("loss", "goal", "accuracy")}
    return {**line, "valid": curve, "seconds": round(time.monotonic() - began, 1)}


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _job(line: dict[str, Any]) -> Job:
    return Job(*(line[name] for name in Job._fields))


def work(jobs: list[Job], out: Path) -> None:
    """Do what is not done yet, and append its lines."""
    there = {_job(line) for line in lines_of(out)}
    for job in jobs:
        if job in there:
            continue
        line = train(job)
        with out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(*job, {name: value for name, value in line.items() if name not in (*Job._fields, "valid")}, flush=True)


def table(lines: list[dict[str, Any]], task: str) -> str:
    """A row for all seeds of the same job; of several, each seed's figure."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for line in sorted(lines, key=lambda line: line["seed"]):
        if line["task"] == task:
            groups.setdefault(tuple(line[key] for key in ("cell", "T", "rate", "fall", "limit", "hidden")), []).append(
                line
            )
    figure = ("test MSE",) if task == "adding" else ("nats a symbol", "accuracy")
    heads = ["cell", "T", "rate", "fall", "most steps", "units", "solved at step", "steps", *figure, "seconds"]
    text = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    names = list(CELLS)
    for key in sorted(groups, key=lambda key: (key[1], names.index(key[0].partition(" x")[0]), key)):
        mine = groups[key]
        told = [", ".join(str(line[name] or "none") for line in mine) for name in ("solved", "steps")]
        for name in ("goal", "accuracy")[: len(figure)]:
            told.append(", ".join("diverged" if line["end"] == "diverged" else f"{line[name]:.2g}" for line in mine))
        told.append(", ".join(f"{line['seconds']:.0f}" for line in mine))
        text.append(f"| {' | '.join([*map(str, key), *told])} |")
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for task in TASKS:
        verb = verbs.add_parser(task)
        verb.add_argument("--out", type=Path, required=True)
        verb.add_argument("--cells", nargs="+", required=True, metavar="CELL", help=", ".join(CELLS))
        for name, usual in (("T", 600), ("limit", 6000), ("hidden", HIDDEN)):
            verb.add_argument(f"--{name}", type=int, default=usual)
        verb.add_argument("--rate", type=float)
        verb.add_argument("--fall", type=float, default=0.9)
        verb.add_argument("--seeds", type=int, nargs="+", default=[0])
    verbs.add_parser("table").add_argument("file", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.verb == "table":
        print("\n\n".join(table(lines_of(given.file), task) for task in TASKS))
        return
    jobs = []
    for seed in given.seeds:
        for cell in given.cells:
            usual = RATES[cell.partition(" x")[0].partition(",")[0]]
            jobs.append(
                Job(given.verb, cell, given.T, given.rate or usual, seed, given.limit, given.hidden, given.fall)
            )
    work(jobs, given.out)


if __name__ == "__main__":
    main()
