"""How much of a training step's wall time is arithmetic: elman's kernels and the matrix products around them.

    python bench/share.py FILE --from series --to label [--steps 60] [--set hidden=384 ...]

Prints the share, and where the rest goes. Steps are taken as ``elman train`` takes them, after a warm-up.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
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
    """The core, with the time of its two long calls added up and on the profiler's record."""

    def __init__(self, core: Any) -> None:
        self._core, self.seconds = core, 0.0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._core, name)
        if not name.startswith(("forward_", "backward_")):
            return call

        def recorded(*args: Any) -> Any:
            began = time.perf_counter()
            with record_function(KERNELS):
                result = call(*args)
            self.seconds += time.perf_counter() - began
            return result

        return recorded


class Done(BaseException):
    """Enough steps are measured."""


class Window:
    """Measures steps after a warm-up, then profiles as many more.

    The time of a step is that from one report to the next within an epoch; from the last step of an epoch to the
    first of the next there is an evaluation too, so that stretch does not count.
    """

    def __init__(self, core: Watched, steps: int) -> None:
        self.core, self.warm, self.steps = core, 10, steps
        self.seen, self.counted, self.wall, self.kernels = 0, 0, 0.0, 0.0
        self.last = (0.0, 0.0)
        self.profile = profile(activities=[ProfilerActivity.CPU])

    def __call__(self, event: object) -> None:
        if not isinstance(event, Step):
            return
        now, kernels = time.perf_counter(), self.core.seconds
        self.seen += 1
        if self.warm < self.seen <= self.warm + self.steps and event.step > 1:
            self.counted += 1
            self.wall += now - self.last[0]
            self.kernels += kernels - self.last[1]
        if self.seen == self.warm + self.steps:
            self.profile.__enter__()
        elif self.seen == self.warm + 2 * self.steps:
            self.profile.__exit__(None, None, None)
            raise Done
        self.last = (time.perf_counter(), self.core.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--from", dest="source", required=True)
    parser.add_argument("--to", dest="target", required=True)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    extra = {name: json.loads(value) for name, value in (pair.split("=", 1) for pair in given.set)}
    operators._native = core = Watched(operators._native)
    window = Window(core, given.steps)
    job = job_from({"file": given.file, "source": given.source, "target": given.target, **extra})
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Done):
        train_job(job, out=f"{folder}/run", listener=window)
    parts: Counter[str] = Counter()
    for entry in window.profile.key_averages():
        parts[entry.key] += entry.self_cpu_time_total / 1e6 / given.steps
    step, kernels = window.wall / window.counted, window.kernels / window.counted
    products = sum(parts[name] for name in PRODUCTS)
    print(f"a step: {1e3 * step:.2f} ms, {torch.get_num_threads()} threads")
    print(
        f"kernels {1e3 * kernels:.2f} ms and matrix products {1e3 * products:.2f} ms: "
        f"{100 * (kernels + products) / step:.0f} % of it"
    )
    print("profiled, evaluations between epochs included:")
    for name, seconds in parts.most_common(14):
        print(f"  {1e3 * seconds:8.3f} ms  {name}")


if __name__ == "__main__":
    main()
