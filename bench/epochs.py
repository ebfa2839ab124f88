"""How long an epoch of each recipe takes with elman's engines, and with the same model on torch's.

    python bench/epochs.py        (--data DIR or $ELMAN_DATA; --steps 30, --threads 1, --only sst2)

The recipe's own model, data and batches, forward, backward and update; two copies that differ in the engine take the
same steps in turn, and an epoch's seconds are those of a median step times the number of steps. The ratio is the median
of the ratios of steps that were taken one after the other. Validation is not counted.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from pathlib import Path

import torch

from elman.core.layers.stack import Recurrent
from elman.data.truncate import in_batches
from elman.recipes import NAMES, find
from elman.recipes.fetch import Files
from elman.training.loop import begin
from elman.training.make import Made
from elman.training.optimise import steps_an_epoch, steps_of
from elman.training.settings import job_from

ENGINES = ("auto", "vendor")


def made_of(name: str, data: str | None, folder: Path, threads: int) -> Made:
    """What a recipe trains, before its first step."""
    one = find(name)
    parts = one.prepare(Files(one.folder, one.files, data), folder)
    settings = {**parts, "source": one.source, "target": one.target, **one.settings, "threads": threads}
    return Made.of(job_from(settings), None)


def measured(made: Made, count: int) -> tuple[int, dict[str, list[float]]]:
    """Steps of an epoch, and the seconds of ``count`` of them by engine, the first two left out."""
    train = in_batches(made.data.train, made.loop.batch_tokens, made.loop.truncate)
    runs, seconds = {}, {engine: [] for engine in ENGINES}
    for engine in ENGINES:
        model = copy.deepcopy(made.model).train()
        for stage in model.modules():
            if isinstance(stage, Recurrent):
                stage.engine = engine
        torch.manual_seed(0)
        runs[engine] = steps_of(begin(model, made.loop), train, made.loop)
    steps = steps_an_epoch(train, made.loop)
    for k in range(max(3, min(steps, count + 2))):
        for engine in ENGINES if k % 2 else reversed(ENGINES):
            began = time.perf_counter()
            next(runs[engine])
            if k > 1:
                seconds[engine].append(time.perf_counter() - began)
    return steps, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--only", choices=NAMES, nargs="*", default=NAMES)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    print(f"{'recipe':22}{'steps':>7}{'elman s':>10}{'torch s':>10}{'torch / elman':>15}   of an epoch")
    with tempfile.TemporaryDirectory() as folder:
        for name in args.only:
            steps, seconds = measured(made_of(name, args.data, Path(folder), args.threads), args.steps)
            own, torchs = (statistics.median(seconds[engine]) * steps for engine in ENGINES)
            ratio = statistics.median(b / a for a, b in zip(*seconds.values(), strict=True))
            print(f"{name:22}{steps:7}{own:10.1f}{torchs:10.1f}{ratio:15.2f}", flush=True)


if __name__ == "__main__":
    main()
