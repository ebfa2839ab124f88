"""Trainings that are killed at random and go on, compared bit for bit with those that were left alone.

A program of its own: ``python tests/campaigns/kills.py RUNS KILLS TERMS SEED`` prints a summary as JSON. Everything is
imported once; each training is a fork of this process, so a kill costs tenths of a second. Marks that the training
writes into a pipe say what it is doing, so that kills fall into steps, saves, evaluations, ends of epochs and scores.
"""

from __future__ import annotations

import json
import math
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

import elman
from elman import run as front
from elman.core.cells.gru import GRUCell
from elman.core.cells.lstm import LSTMCell
from elman.core.cells.wrap import VariationalDropout, WeightDrop
from elman.model.file import packed
from elman.training import loop
from elman.training.checkpoint import Checkpoints
from elman.training.history import Step
from elman.training.optimise import Taken
from elman.training.state import TrainingState

Listener = Callable[[Any], None]
STOPPED, BROKEN = 75, 1
MARKS = {"s": ("step", 0.003), "c": ("save", 0.006), "e": ("evaluation", 0.003), "k": ("end of epoch", 0.004)}
MARKS |= {"j": ("scores", 0.03)}
"""What a training is about to do, and for how long it may then be left to it, in seconds."""


class Dropping(WeightDrop):
    """Its state carries a mask that all rows share."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(LSTMCell(input_size, hidden_size), 0.3)


class Varied(VariationalDropout):
    """Its state carries a mask a row."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(GRUCell(input_size, hidden_size), 0.3)


class Drawing(elman.Cell):
    """Adds noise from Python's generator to what torch computes."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.cell = GRUCell(input_size, hidden_size)

    def initial_state(self, batch: int, like: torch.Tensor) -> Any:
        return self.cell.initial_state(batch, like)

    def project(self, x: torch.Tensor) -> torch.Tensor:
        return self.cell.project(x)

    def step(self, p: torch.Tensor, state: Any) -> Any:
        return self.cell.step(p, state)

    def draw(self, x: torch.Tensor) -> torch.Tensor:
        return x * (1 + 0.1 * random.random()) if self.training else x


CELLS = {"dropping": Dropping, "varied": Varied, "drawing": Drawing}
STREAM, LABEL = ("book.txt", "text.char", "next"), ("waves.jsonl", "series:x", "label:y")
PIECES, WINDOWS = ("wave.csv", "series:a,b", "next"), ("wave.csv", "series:a,b", "future:3")
BESIDE = ("wave.csv", "series:a", "series:b")
WORDS, NUMBER = ("waves.jsonl", "text:t", "label:y"), ("waves.jsonl", "series:x", "number:n")
JOBS: list[tuple[tuple[str, str, str], dict[str, Any]]] = [
    (STREAM, {"cell": "lstm", "dropout": 0.2, "truncate": "20,50", "save_every": "2"}),
    (LABEL, {"cell": "gru", "dropout": 0.3, "save_every": "3"}),
    (STREAM, {"cell": "dropping", "truncate": "30", "save_every": "1"}),
    (WINDOWS, {"cell": "gru", "dropout": 0.2, "average": "ema", "save_every": "0.01s"}),
    (PIECES, {"cell": "lstm", "truncate": "24,60", "save_every": "2"}),
    (STREAM, {"cell": "gru", "layers": 2, "dropout": 0.3, "accumulate": 2, "average": "ema", "save_every": "0.02s"}),
    (WORDS, {"cell": "rnn", "dropout": 0.5, "word_dropout": 0.2, "accumulate": 2, "save_every": "2"}),
    (STREAM, {"cell": "varied", "truncate": "30,45", "save_every": "3"}),
    (NUMBER, {"cell": "gru", "average": "nt-asgd", "patience": 2, "lr": 0.1, "save_every": "1"}),
    (STREAM, {"cell": "feedforward", "dropout": 0.2, "save_every": "2"}),
    (STREAM, {"cell": "drawing", "dropout": 0.1, "save_every": "2"}),
    (WINDOWS, {"cell": "feedforward", "dropout": 0.3, "save_every": "2"}),
    (LABEL, {"cell": "lstm", "readout": "attention", "l1": 1e-4, "save_every": "0.01s"}),
    (STREAM, {"cell": "rnn", "layers": 2, "save_every": "1"}),
    (PIECES, {"cell": "gru", "dropout": 0.2, "save_every": "4"}),
    (
        WORDS,
        {"cell": "lstm", "dropout": 0.2, "batch": None, "batch_tokens": 40, "average": "ema", "save_every": "0.01s"},
    ),
    (STREAM, {"cell": "lstm", "layers": 2, "ar": 1.0, "tar": 1.0, "weight_drop": 0.3, "clip": 0.0, "save_every": "5"}),
    (BESIDE, {"cell": "gru", "layers": 2, "dropout": 0.2, "truncate": "25,40", "tar": 1.0, "save_every": "0.01s"}),
    (LABEL, {"cell": "dropping", "bidirectional": False, "memory": "checkpoint", "save_every": "2"}),
    (STREAM, {"cell": "gru", "save_every": "never"}),
]


def data(folder: Path) -> None:
    """Small files; written without polars, whose threads would not survive a fork."""
    chance = random.Random(0)
    (folder / "book.txt").write_text("".join(chance.choice(["aab", "acd", "bd. "]) for _ in range(1200)))
    waves = [f"{math.sin(k / 4) + 0.1 * chance.random()},{math.cos(k / 4)}" for k in range(420)]
    (folder / "wave.csv").write_text("a,b\n" + "\n".join(waves))
    rows = []
    for k in range(120):
        x = [k % 2 + chance.random() for _ in range(chance.randint(3, 9))]
        words = " ".join(chance.choice(["one", "two", "red"]) for _ in range(4)) + (" up" if k % 2 else " down")
        rows.append(json.dumps({"x": x, "t": words, "y": "ab"[k % 2], "n": sum(x) / len(x)}))
    (folder / "waves.jsonl").write_text("\n".join(rows))


# ------------------------------------------------------------------ in the child


def marked(pipe: int, kept: Path) -> None:
    """Have this process tell what it does, and keep its whole state of the end of its training."""

    def tell(mark: str) -> None:
        os.write(pipe, mark.encode())

    def before(owner: Any, name: str, mark: str) -> None:
        real = getattr(owner, name)

        def call(*args: Any, **named: Any) -> Any:
            tell(mark)
            return real(*args, **named)

        setattr(owner, name, call)

    def steps(*args: Any) -> Iterator[Taken]:
        tell("s")
        for each in real_steps(*args):
            yield each
            tell("s")

    def end(state: TrainingState) -> None:
        tensors, record = state.pack()
        kept.write_bytes(packed(tensors) + json.dumps(timeless(record), sort_keys=True).encode())
        real_end(state)

    real_steps, real_end = loop.steps_of, TrainingState.end
    loop.steps_of = steps
    TrainingState.end = end  # type: ignore[method-assign]
    before(Checkpoints, "save", "c")
    before(loop, "mean_loss", "e")
    before(TrainingState, "close", "k")
    before(front, "_judge", "j")


def timeless(record: Any) -> Any:
    """Without the seconds, which no two trainings share."""
    if isinstance(record, dict):
        return {key: timeless(value) for key, value in record.items() if key != "seconds"}
    return [timeless(value) for value in record] if isinstance(record, list) else record


def fork(work: Callable[[Listener], None], kept: Path) -> tuple[int, int]:
    """Run a training in a child; its number, and where its marks are read."""
    out, into = os.pipe()
    child = os.fork()
    if child:
        os.close(into)
        return child, out
    code = 0
    try:
        os.close(out)
        marked(into, kept)
        work(lambda event: os.write(into, b"d") if isinstance(event, Step) else None)  # type: ignore[arg-type]
    except elman.Interrupted:
        code = STOPPED
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        code = BROKEN
    os._exit(code)


# ------------------------------------------------------------------ in the parent


def leave_alone(work: Callable[[Listener], None], kept: Path) -> None:
    child, marks = fork(work, kept)
    while os.read(marks, 4096):
        pass
    os.close(marks)
    if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise SystemExit(f"a training that nobody touched ended with {code}")


def hit(
    work: Callable[[Listener], None], kept: Path, number: int, mark: str, count: int, wait: float
) -> tuple[int, float, int]:
    """Send a signal ``wait`` seconds after the ``count``-th mark: exit code, seconds until then, steps done."""
    child, marks = fork(work, kept)
    done = 0
    while count and (read := os.read(marks, 1).decode()):
        done += read == "d"
        count -= read == mark
    if not count:
        select.select([], [], [], wait)
        os.kill(child, number)
    began = time.monotonic()
    while rest := os.read(marks, 4096):
        done += rest.count(b"d")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(marks)
    return code, time.monotonic() - began, done


def left(path: Path, kept: Path) -> dict[str, Any]:
    """All that must not differ."""
    history = [json.loads(line) for line in (path / "history.jsonl").read_text().splitlines()]
    record = json.loads((path / "report.json").read_text())
    return {
        "state": kept.read_bytes(),
        "weights": (path / "model/model.safetensors").read_bytes(),
        "config": (path / "model/config.json").read_bytes(),
        "history": timeless(history),
        "scores": record["scores"],
        "litter": sorted(entry.name for entry in path.iterdir()),
    }


def start(job: tuple[tuple[str, str, str], dict[str, Any]], path: Path, listener: Listener) -> None:
    words, settings = job
    named = {name: CELLS[name] for name in CELLS if name == settings["cell"]} or None
    small: dict[str, Any] = {"hidden": 7, "epochs": 4, "batch": 8, "seed": 3, "lr": 0.01, **settings}
    if not named and words[0] == "book.txt":
        small["embedding"] = 6
    elman.train(*words, out=path, cells=named, listener=listener, **small)


def go_on(path: Path, listener: Listener) -> None:
    # A kill may have come before there was anything but the folder.
    elman.resume(path, cells=CELLS, listener=listener)


def campaign(runs: int, kills: int, terms: int, seed: int) -> dict[str, Any]:
    chance, hits, differ = random.Random(seed), Counter[str](), []
    slowest, lost, stopped, killed, torn, went_on = 0.0, 0, 0, 0, 0, 0
    for number in range(runs):
        job = JOBS[number % len(JOBS)]
        alone, path, kept = Path(f"alone-{number}"), Path(f"run-{number}"), Path(f"state-{number}")
        leave_alone(partial(start, job, alone), kept)
        wanted = left(alone, kept)
        todo = [signal.SIGKILL] * kills + [signal.SIGTERM] * (terms // runs + (number < terms % runs))
        chance.shuffle(todo)
        while True:
            work = partial(go_on, path) if (path / "run.toml").is_file() else partial(start, job, path)
            if work.func != go_on:
                shutil.rmtree(path, ignore_errors=True)
            if not todo:
                leave_alone(work, kept)
                break
            mark = chance.choice("sssceekj" if (path / "checkpoints").is_dir() else "sscek")
            name, longest = MARKS[mark]
            before = taken(path)
            went_on += before > 0
            most = 9 if mark in "sc" else 1
            code, seconds, steps = hit(work, kept, todo[-1], mark, chance.randint(1, most), chance.uniform(0, longest))
            torn += any((path / "checkpoints").glob(".*"))
            if code == -signal.SIGKILL and (path / "report.json").is_file():
                # Killed when all was written; what was left to clear away is cleared away by whoever asks.
                todo.pop()
                killed, hits[name] = killed + 1, hits[name] + 1
                refused_as_finished(path)
                differ += compare(number, left(path, kept), wanted)
                shutil.rmtree(path)
            elif code == 0:
                # It was done before the signal came: what it left must be right, and the rest falls on a new one.
                differ += compare(number, left(path, kept), wanted)
                shutil.rmtree(path)
            elif code == -signal.SIGKILL:
                todo.pop()
                killed, hits[name] = killed + 1, hits[name] + 1
            elif code == STOPPED:
                todo.pop()
                stopped, slowest = stopped + 1, max(slowest, seconds)
                lost += before + steps - taken(path)
            else:
                raise SystemExit(f"run {number} {job}: ended with {code} after a signal in {name}")
        differ += compare(number, left(path, kept), wanted)
        print(f"{number + 1} of {runs}: {killed} kills, {stopped} stops, {len(differ)} differences", file=sys.stderr)
    return {
        "kills": killed, "hits": dict(hits), "torn_saves": torn, "went_on": went_on, "differences": differ,
        "stops": stopped, "steps_lost": lost, "slowest_stop": round(slowest, 3),
    }  # fmt: skip


def refused_as_finished(path: Path) -> None:
    try:
        elman.resume(path)
    except elman.InputError as error:
        if "is finished" in str(error):
            return
        raise
    raise SystemExit(f"{path} is finished and went on")


def taken(path: Path) -> int:
    """The steps in the newest checkpoint."""
    return max((int(place.name[5:]) for place in (path / "checkpoints").glob("step-*")), default=0)


def compare(number: int, found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    return [f"run {number}: {name}" for name in wanted if found[name] != wanted[name]]


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        data(Path())
        print(json.dumps(campaign(*map(int, sys.argv[1:]))))
