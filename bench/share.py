"""How much of a training step's wall time is arithmetic: elman's kernels and the matrix products around them.

    python bench/share.py FILE --from series --to label [--steps 60] [--set hidden=384 ...]

Prints the share, and where the rest goes. Steps are taken as ``elman train`` takes them, after a warm-up.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections import Counter
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from elman.core.engines import operators
from elman.run import train_job
from elman.training.loop import Step
from elman.training.settings import job_from

PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")
KERNELS = "elman kernels"


class Watched:
    """The core, with its two long calls on the profiler's record."""

    def __init__(self, core: Any) -> None:
        self._core = core

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._core, name)
        if not name.startswith(("forward_", "backward_")):
            return call

        def recorded(*args: Any) -> Any:
            with record_function(KERNELS):
                return call(*args)

        return recorded


class Done(BaseException):
    """Enough steps are measured."""


class Window:
    """Profiles the steps after a warm-up; the time of a step is that from one report to the next."""

    def __init__(self, steps: int) -> None:
        self.warm, self.steps, self.seen, self.began = 10, steps, 0, 0.0
        self.profile = profile(activities=[ProfilerActivity.CPU])
        self.bare, self.wall = 0.0, 0.0

    def __call__(self, event: object) -> None:
        if not isinstance(event, Step):
            return
        self.seen += 1
        now = time.perf_counter()
        if self.seen == self.warm:
            self.began = now
        elif self.seen == self.warm + self.steps:
            self.bare = (now - self.began) / self.steps
            self.profile.__enter__()
            self.began = time.perf_counter()
        elif self.seen == self.warm + 2 * self.steps:
            self.wall = (now - self.began) / self.steps
            self.profile.__exit__(None, None, None)
            raise Done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--from", dest="source", required=True)
    parser.add_argument("--to", dest="target", required=True)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--out", default="share-run")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    extra = {name: json.loads(value) for name, value in (pair.split("=", 1) for pair in given.set)}
    operators._native = Watched(operators._native)
    window = Window(given.steps)
    with contextlib.suppress(Done):
        train_job(
            job_from({"file": given.file, "source": given.source, "target": given.target, **extra}),
            out=given.out,
            listener=window,
        )
    parts: Counter[str] = Counter()
    for entry in window.profile.key_averages():
        parts[entry.key] += entry.self_cpu_time_total / 1e6 / given.steps
    arithmetic = parts[KERNELS] + sum(parts[name] for name in PRODUCTS)
    threads = torch.get_num_threads()
    print(f"a step: {1e3 * window.bare:.2f} ms ({1e3 * window.wall:.2f} ms while profiled), {threads} threads")
    print(f"kernels and matrix products: {1e3 * arithmetic:.2f} ms, {100 * arithmetic / window.bare:.0f} % of it")
    for name, seconds in parts.most_common(14):
        print(f"  {1e3 * seconds:8.3f} ms  {name}")


if __name__ == "__main__":
    main()
