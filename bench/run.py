"""Training time of elman's layers against torch.nn's, padded and with lengths, in one run.

First parity: no ratio is reported for a case whose outputs or gradients differ. Then rounds interleaved, medians.
``python bench/run.py [--rounds 15]`` prints a table and appends one JSON line a case to bench/results/layers.jsonl.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import elman

GRID = ((1, 100, 64), (8, 100, 128), (32, 100, 64), (32, 100, 128), (32, 100, 256))
CELLS = ("RNN", "GRU", "LSTM")
OUT = Path(__file__).parent / "results" / "layers.jsonl"


def case(
    cell: str, batch: int, steps: int, size: int, ragged: bool
) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """Two closures that train one step on the same weights and data: elman's layer and torch's."""
    torch.manual_seed(0)
    theirs = getattr(torch.nn, cell)(size, size)
    mine = getattr(elman, cell)(size, size)
    mine.load_state_dict(theirs.state_dict())
    x = torch.randn(steps, batch, size)
    lengths = torch.randint(1, steps + 1, (batch,)) if ragged else torch.full((batch,), steps)
    lengths[0] = steps

    def run_mine() -> Tensor:
        mine.zero_grad(set_to_none=True)
        y, _ = mine(x, lengths=lengths if ragged else None)
        y.square().sum().backward()
        return torch.cat([y.detach().flatten(), *(w.grad.flatten() for w in mine.parameters())])

    def run_theirs() -> Tensor:
        theirs.zero_grad(set_to_none=True)
        if ragged:
            packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
            y, _ = torch.nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], total_length=steps)
        else:
            y, _ = theirs(x)
        y.square().sum().backward()
        return torch.cat([y.detach().flatten(), *(w.grad.flatten() for w in theirs.parameters())])

    return run_mine, run_theirs


def measure(first: Callable[[], Tensor], second: Callable[[], Tensor], rounds: int) -> dict[str, float]:
    """Medians in milliseconds, interleaved, and the median of the ratios round by round."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for seconds, call in zip(times, (first, second), strict=True):
            began = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - began)
    ratios = [b / a for a, b in zip(*times, strict=True)]
    return {
        "elman_ms": round(1e3 * statistics.median(times[0]), 3),
        "torch_ms": round(1e3 * statistics.median(times[1]), 3),
        "ratio": round(statistics.median(ratios), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    about = {"torch": torch.__version__, "threads": torch.get_num_threads(), "machine": platform.machine()}
    OUT.parent.mkdir(exist_ok=True)
    print(f"{'case':34} {'elman ms':>9} {'torch ms':>9} {'torch / elman':>14}")
    with open(OUT, "a", encoding="utf-8") as file:
        for cell in CELLS:
            for batch, steps, size in GRID:
                for ragged in (False, True):
                    name = f"{cell} B{batch} T{steps} H{size} {'lengths 1..T' if ragged else 'padded'}"
                    mine, theirs = case(cell, batch, steps, size, ragged)
                    a, b = mine(), theirs()
                    if (a - b).abs().max() > 3e-4 * b.abs().max():
                        raise SystemExit(f"{name}: elman and torch differ; no time is worth reporting")
                    found = measure(mine, theirs, rounds)
                    print(f"{name:34} {found['elman_ms']:9.2f} {found['torch_ms']:9.2f} {found['ratio']:14.2f}")
                    line = {"case": name, "date": time.strftime("%Y-%m-%d"), **found, **about}
                    file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
