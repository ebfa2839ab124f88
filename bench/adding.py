"""Vanishing and exploding gradients, measured on the adding problem (Hochreiter & Schmidhuber 1997).

    python bench/adding.py rates --out lines.jsonl      every learning rate of every cell at T = 100
    python bench/adding.py all --out lines.jsonl        T = 100 to 600 at each cell's best rate, clipped and not
    python bench/adding.py sgd --out lines.jsonl        T = 100 with plain gradient descent, two rates
    python bench/adding.py long --out lines.jsonl       10,000 steps in place of 3,000, for what 3,000 did not teach
    python bench/adding.py starts --out lines.jsonl     the LSTM with other biases at the start, T = 100 to 600
    python bench/adding.py table lines.jsonl            the tables, as Markdown
    python bench/adding.py summary lines.jsonl          who learns what, a row a cell
    python bench/adding.py slim lines.jsonl --to f      without the profiles that no picture shows
    python bench/adding.py picture lines.jsonl --steps 200 --to docs/pictures

A sequence has T steps of two numbers: one uniform in [0, 1], and a mark that is 1 at two steps (one in each half) and 0
elsewhere. The answer, asked for after the last step, is the sum of the two marked numbers. Who always answers 1 has a
mean squared error of 1/6. A line is appended for every finished training; what is there is not done again.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import elman
from elman.pictures import learning_curves
from elman.training.health import profile, reach

LENGTHS = (100, 200, 400, 600)
RATES = {"adam": (3e-4, 1e-3, 3e-3, 1e-2), "sgd": (1e-2, 1e-1)}
BASELINE = 1 / 6
HIDDEN, BATCH, STEPS, LONG, LOOK = 64, 20, 3000, 10_000, 100
SOLVED, STOP = 0.01, 0.001
"""A validation error below SOLVED is a solution; below STOP the training ends."""
FLOOR = -20.0
"""The picture shows gradients down to 1e-20 of the largest."""


def _irnn(hidden: int) -> nn.Module:
    """Le, Jaitly & Hinton 2015: recurrent weights the identity, biases 0, input weights of deviation 0.001."""
    rnn = elman.RNN(2, hidden, nonlinearity="relu")
    elman.init.identity_(rnn)
    nn.init.normal_(rnn.get_parameter("weight_ih_l0"), std=0.001)
    return rnn


def _orthogonal(hidden: int) -> nn.Module:
    rnn = elman.RNN(2, hidden)
    elman.init.orthogonal_(rnn)
    return rnn


def _lstm(hidden: int) -> nn.Module:
    lstm = elman.LSTM(2, hidden)
    elman.init.forget_bias_(lstm, 1.0)
    return lstm


def _chrono(hidden: int, longest: int) -> nn.Module:
    """Tallec & Ollivier 2018: forget gates that keep for 2 to ``longest`` steps."""
    lstm = elman.LSTM(2, hidden)
    elman.init.chrono_(lstm, longest)
    return lstm


CELLS: dict[str, Callable[[int], nn.Module]] = {
    "tanh": lambda hidden: elman.RNN(2, hidden),
    "tanh, orthogonal": _orthogonal,
    "ReLU": lambda hidden: elman.RNN(2, hidden, nonlinearity="relu"),
    "IRNN": _irnn,
    "LSTM": _lstm,
    "GRU": lambda hidden: elman.GRU(2, hidden),
}
"""Where nothing is said of the recurrent weights they are uniform in ±1/sqrt(H), the usual start."""
STARTS: dict[str, Callable[[int, int], nn.Module]] = {
    "LSTM, torch's bias": lambda hidden, _: elman.LSTM(2, hidden),
    "LSTM, chrono": _chrono,
}
"""Other starts of the LSTM, which in CELLS has a forget bias of 1; the second argument is T."""


class Job(NamedTuple):
    """What tells one training from another.

    ``clip`` 0 is none, ``seed`` -1 the one that rates are chosen with, ``limit`` the most steps.
    """

    cell: str
    T: int
    optimiser: str
    rate: float
    clip: float
    seed: int
    limit: int = STEPS


class Size(NamedTuple):
    """How large a training is; the lines of a table all have the same."""

    hidden: int = HIDDEN
    batch: int = BATCH
    rows: int = 256


def adding(steps: int, rows: int, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows of the adding problem: input ``(T, B, 2)``, answers ``(B,)``."""
    half = steps // 2
    numbers = torch.rand(steps, rows, generator=source)
    first = torch.randint(0, half, (rows,), generator=source)
    second = torch.randint(half, steps, (rows,), generator=source)
    marks = torch.zeros(steps, rows)
    every = torch.arange(rows)
    marks[first, every] = marks[second, every] = 1
    return torch.stack((numbers, marks), -1), numbers[first, every] + numbers[second, every]


class Adder(nn.Module):
    """A recurrent layer, and a linear answer from its last output."""

    def __init__(self, cell: str, hidden: int, steps: int) -> None:
        super().__init__()
        self.layer = CELLS[cell](hidden) if cell in CELLS else STARTS[cell](hidden, steps)
        self.answer = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.answer(self.layer(x)[0][-1])[:, 0]
        return answer


def error(model: Adder, x: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        return float(nn.functional.mse_loss(model(x), y))


def flow(model: Adder, x: Tensor, y: Tensor) -> dict[str, Any]:
    """How the gradient of the loss fades on its way back; in float64, where nothing underflows on the way."""
    exact = copy.deepcopy(model).double()
    values = x.double().requires_grad_()
    (gradient,) = torch.autograd.grad(nn.functional.mse_loss(exact(values), y.double()), values)
    rows = elman.Ragged(values.detach())
    sizes = profile(rows, gradient)
    at = sorted({round(k) for k in np.linspace(0, len(sizes) - 1, 100)})
    logs = [round(math.log10(max(float(sizes[k]), 1e-300)), 2) for k in at]
    return {"reach": reach(rows, gradient), "back": at, "log10": logs}


def train(job: Job, size: Size) -> dict[str, Any]:
    """One training, from a fresh model to its line."""
    began = time.monotonic()
    # Validation and test are the same for all; a training's own stream depends on its seed alone.
    valid = adding(job.T, size.rows, torch.Generator().manual_seed(1_000_001))
    test = adding(job.T, 4 * size.rows, torch.Generator().manual_seed(1_000_002))
    stream = torch.Generator().manual_seed(1_000_003 + job.seed)
    torch.manual_seed(job.seed)
    model = Adder(job.cell, size.hidden, job.T)
    weights = list(model.parameters())
    optimiser = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[job.optimiser](weights, lr=job.rate)
    line: dict[str, Any] = {**job._asdict(), "hidden": size.hidden, "batch": size.batch}
    line |= {"begin": flow(model, *valid), "solved": None, "diverged": False}
    norms: list[float] = []
    curve: list[float] = []
    for step in range(1, job.limit + 1):
        x, y = adding(job.T, size.batch, stream)
        optimiser.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        norms.append(float(nn.utils.clip_grad_norm_(weights, job.clip or math.inf)))
        if not math.isfinite(norms[-1]):
            line["diverged"] = True
            break
        optimiser.step()
        if step % LOOK == 0 or step == job.limit:
            curve.append(error(model, *valid))
            if curve[-1] < SOLVED and line["solved"] is None:
                line["solved"] = step
            if curve[-1] < STOP:
                break
    finite = [norm for norm in norms if math.isfinite(norm)]
    line |= {
        "steps": len(norms),
        "above": sum(norm > 1 for norm in finite) / len(norms),
        "largest": max(finite, default=0),
    }
    line |= {"valid": [round(value, 5) for value in curve], "test": error(model, *test)}
    line["end"] = None if line["diverged"] else flow(model, *valid)
    return {**line, "seconds": round(time.monotonic() - began, 1)}


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _job(line: dict[str, Any]) -> Job:
    return Job(*(line[name] for name in Job._fields))


def work(jobs: Iterable[Job], out: Path, size: Size) -> None:
    """Do what is not done yet, and append its lines."""
    there = {_job(line) for line in lines_of(out)}
    for job in jobs:
        if job in there:
            continue
        line = train(job, size)
        with out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        shown = {name: line[name] for name in ("solved", "diverged", "steps", "test", "above", "largest", "seconds")}
        print(*job, shown, flush=True)


def rate_jobs() -> list[Job]:
    return [Job(cell, 100, "adam", rate, 1.0, -1) for cell in CELLS for rate in RATES["adam"]]


def best_rate(lines: list[dict[str, Any]], cell: str) -> float:
    """The rate with which validation was solved soonest; where none was, with the smallest median of the last third.

    Of the median, for errors that leap now and then make a mean a matter of chance.
    """
    mine = [line for line in lines if line["cell"] == cell and line["seed"] == -1]
    if not mine:
        raise SystemExit(f"no rates of {cell} in the file; first: python bench/adding.py rates --out FILE")

    def order(line: dict[str, Any]) -> tuple[float, float]:
        last = line["valid"][-(len(line["valid"]) // 3 + 1) :]
        return line["solved"] or math.inf, math.inf if line["diverged"] else statistics.median(last)

    return float(min(mine, key=order)["rate"])


def main_jobs(lines: list[dict[str, Any]], seeds: int, lengths: Iterable[int] = LENGTHS) -> list[Job]:
    """In the order in which they are worth having: short before long, the first seed of all before the second."""
    best = {cell: best_rate(lines, cell) for cell in CELLS}
    return [
        Job(cell, length, "adam", best[cell], clip, seed)
        for seed in range(seeds)
        for length in lengths
        for clip in (0.0, 1.0)
        for cell in CELLS
    ]


def long_jobs(lines: list[dict[str, Any]], seeds: int) -> list[Job]:
    """What is not learnt in 3,000 steps may be in more: cells without gates up to T = 200, the LSTM above 100."""
    wanted = [(cell, length) for length in (100, 200) for cell in CELLS if cell not in ("LSTM", "GRU")]
    wanted += [("LSTM", length) for length in LENGTHS[1:]]
    return [
        Job(cell, length, "adam", best_rate(lines, cell), 1.0, seed, LONG)
        for seed in range(seeds)
        for cell, length in wanted
    ]


def start_jobs(lines: list[dict[str, Any]], seeds: int) -> list[Job]:
    """With the LSTM's rate, so that nothing differs but the biases at the start."""
    rate = best_rate(lines, "LSTM")
    return [Job(cell, T, "adam", rate, 1.0, seed) for seed in range(seeds) for T in LENGTHS for cell in STARTS]


def sgd_jobs() -> list[Job]:
    return [Job(cell, 100, "sgd", rate, clip, 0) for rate in RATES["sgd"] for clip in (0.0, 1.0) for cell in CELLS]


def _power(value: float) -> str:
    """A gradient's norm in a table: 0.31, 12, 3.4e+05."""
    return f"{value:.2g}" if value < 1000 else f"{value:.1e}"


def _reach(found: dict[str, Any] | None) -> str:
    """Of a model that diverged a dash; ``none`` where every gradient is 0, as with ReLU units that no input opens."""
    return "–" if found is None else str(found["reach"] or "none")


def _rows(lines: list[dict[str, Any]], keys: tuple[str, ...]) -> list[str]:
    """A row for all seeds of the same job; of several, each seed's figure."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for line in sorted(lines, key=lambda line: line["seed"]):
        groups.setdefault(tuple(line[key] for key in keys), []).append(line)
    order = [*CELLS, *STARTS]
    found = []
    for key in sorted(groups, key=lambda key: [order.index(part) if part in order else part for part in key]):
        mine = groups[key]
        tests = ", ".join("diverged" if line["diverged"] else f"{line['test']:.4f}" for line in mine)
        solved = ", ".join(str(line["solved"] or f"not in {line['steps']}") for line in mine)
        above = f"{statistics.mean(line['above'] for line in mine):.0%}"
        largest = _power(max(line["largest"] for line in mine))
        begin, end = ("/".join(_reach(line[at]) for line in mine) for at in ("begin", "end"))
        names = [("none" if part == 0 else f"{part:g}") if isinstance(part, float) else str(part) for part in key]
        found.append(f"| {' | '.join(names)} | {tests} | {solved} | {above} | {largest} | {begin} | {end} |")
    return found


def table(lines: list[dict[str, Any]]) -> str:
    """The tables: T by T with Adam, some of it longer, plain gradient descent, and what the rates were chosen from."""
    trained = [line for line in lines if line["optimiser"] == "adam" and line["seed"] >= 0]
    starts = [x for x in trained if x["cell"] in STARTS or (x["cell"], x["clip"], x["limit"]) == ("LSTM", 1.0, STEPS)]
    cells = [x for x in trained if x["cell"] in CELLS]
    adam, longer = ([x for x in cells if (x["limit"] == LONG) is wanted] for wanted in (False, True))
    parts = {
        "Adam, each cell's best rate": (("T", "cell", "rate", "clip"), adam),
        "The same, longer": (("T", "cell", "rate", "clip"), longer),
        "Starts of the LSTM": (("T", "cell", "rate", "clip"), starts),
        "Plain gradient descent": (("T", "cell", "rate", "clip"), [x for x in lines if x["optimiser"] == "sgd"]),
        "The rates": (("cell", "rate"), [x for x in lines if x["seed"] == -1]),
    }  # fmt: skip
    text = []
    for name, (keys, mine) in parts.items():
        if mine:
            heads = [*keys, "test MSE", "solved at step", "norm > 1", "largest norm", "reach at first", "at the end"]
            text += [f"**{name}**", "", f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *_rows(mine, keys), ""]
    return "\n".join(text)


def summary(lines: list[dict[str, Any]]) -> str:
    """Who learns what, with Adam: where it is solved the step, else the error at the end; an entry has all seeds."""
    rows: dict[tuple[str, int, float], dict[int, list[str]]] = {}
    for line in sorted(lines, key=lambda line: line["seed"]):
        if line["optimiser"] == "adam" and line["seed"] >= 0:
            entry = f"**{line['solved']}**" if line["solved"] else f"({line['test']:.2g})"
            key = (line["cell"], line["limit"], line["clip"])
            rows.setdefault(key, {}).setdefault(line["T"], []).append(entry)
    order = [*CELLS, *STARTS]
    text = [f"| cell | steps | clip | {' | '.join(f'T = {length}' for length in LENGTHS)} |", "|---" * 7 + "|"]
    for key in sorted(rows, key=lambda key: (key[1], order.index(key[0]), key[2])):
        cell, limit, clip = key
        entries = (", ".join(rows[key].get(length, ())) for length in LENGTHS)
        text.append(f"| {cell} | {limit:,} | {f'{clip:g}' if clip else 'none'} | {' | '.join(entries)} |")
    return "\n".join(text)


def slim(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines with the profiles of the pictures alone: Adam, clip 1, the first seed."""
    kept = []
    for line in lines:
        drawn = (line["optimiser"], line["clip"], line["seed"], line["limit"]) == ("adam", 1.0, 0, STEPS)
        ends = {when: line[when] and {"reach": line[when]["reach"]} for when in ("begin", "end")}
        kept.append(line if drawn else line | ends)
    return kept


def picture(lines: list[dict[str, Any]], length: int, clip: float, when: str) -> str:
    """How large the gradient is, k steps before the end, beside the largest: a line a cell, as SVG."""
    curves = {}
    back: list[int] = []
    for cell in CELLS:
        wanted = (cell, length, "adam", clip, 0)
        mine = [x for x in lines if (*_job(x)[:3], *_job(x)[4:6]) == wanted and x["limit"] != LONG]
        if mine and mine[0][when] and "back" in mine[0][when]:
            back, logs = mine[0][when]["back"], np.array(mine[0][when]["log10"])
            relative = logs - logs.max()
            curves[cell] = np.where(relative < FLOOR, np.nan, relative)
    if not curves:
        raise SystemExit(f"no trainings of {length} steps with clip {clip:g} and seed 0 in the file")
    # What is less is lost in float32 when the steps' shares of a weight's gradient are summed.
    curves["lost in float32"] = np.full(len(back), math.log10(torch.finfo(torch.float32).eps))
    name = {"begin": "before training", "end": "after training"}[when]
    return learning_curves(
        back, curves, title=f"The gradient on its way back through {length} steps, {name}",
        subtitle="|dL/dx| summed over 256 sequences, beside its largest; what is below 1e-20 is not drawn",
        x_label="steps before the end", y_label="log10 of the share",
    )  # fmt: skip


def learnt(lines: list[dict[str, Any]], length: int, clip: float) -> str:
    """The validation error over the steps of training: of every cell the longest training there is, as SVG."""
    curves = {}
    for cell in CELLS:
        wanted = (cell, length, "adam", clip, 0)
        mine = [x for x in lines if (*_job(x)[:3], *_job(x)[4:6]) == wanted]
        if mine:
            curves[cell] = max(mine, key=lambda line: line["limit"])["valid"]
    if not curves:
        raise SystemExit(f"no trainings of {length} steps with clip {clip:g} and seed 0 in the file")
    looks = max(len(values) for values in curves.values())
    padded = {cell: [*values, *[math.nan] * (looks - len(values))] for cell, values in curves.items()}
    return learning_curves(
        [LOOK * (k + 1) for k in range(looks)], padded, title=f"Who learns to add two numbers over {length} steps",
        subtitle=f"a line ends below {STOP:g}, or with its training; who always answers 1 has {BASELINE:.3f}",
        x_label="steps of training", y_label="mean squared error",
    )  # fmt: skip


def _jobs(given: argparse.Namespace) -> list[Job]:
    lines = lines_of(given.out)
    if given.verb == "rates":
        return rate_jobs()
    if given.verb == "sgd":
        return sgd_jobs()
    if given.verb == "long":
        return long_jobs(lines, given.seeds)
    if given.verb == "starts":
        return start_jobs(lines, given.seeds)
    return main_jobs(lines, given.seeds, given.lengths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    doing = {name: verbs.add_parser(name) for name in ("rates", "all", "sgd", "long", "starts")}
    for verb in doing.values():
        verb.add_argument("--out", type=Path, required=True)
    for name in ("all", "long", "starts"):
        doing[name].add_argument("--seeds", type=int, default=2)
    doing["all"].add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    telling = {name: verbs.add_parser(name) for name in ("table", "summary", "slim", "picture")}
    for verb in telling.values():
        verb.add_argument("file", type=Path)
    telling["picture"].add_argument("--steps", type=int, default=200)
    telling["picture"].add_argument("--clip", type=float, default=1.0)
    for name in ("slim", "picture"):
        telling[name].add_argument("--to", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.verb == "table":
        print(table(lines_of(given.file)))
    elif given.verb == "summary":
        print(summary(lines_of(given.file)))
    elif given.verb == "slim":
        given.to.write_text("".join(json.dumps(line) + "\n" for line in slim(lines_of(given.file))))
    elif given.verb == "picture":
        given.to.mkdir(parents=True, exist_ok=True)
        for when in ("begin", "end"):
            path = given.to / f"vanishing-{given.steps}-{when}.svg"
            path.write_text(picture(lines_of(given.file), given.steps, given.clip, when), encoding="utf-8")
        path = given.to / f"vanishing-{given.steps}-learnt.svg"
        path.write_text(learnt(lines_of(given.file), given.steps, given.clip), encoding="utf-8")
    else:
        work(_jobs(given), given.out, Size())


if __name__ == "__main__":
    main()
