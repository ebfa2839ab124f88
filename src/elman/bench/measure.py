"""Times in turns, and no ratio where results differ."""

from __future__ import annotations

import datetime
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from elman.bench.busy import NOISE, Busy
from elman.bench.cases import Case, Data
from elman.bench.peers import Call, contenders
from elman.core.engines.operators import kernels_in_use, rates
from elman.core.errors import ElmanError

__all__ = ["Machine", "ParityError", "Result", "machine", "measure"]

TOLERANCE = 2e-4
"""Largest difference from torch's result, relative to the largest number of a tensor, in float32 over T steps."""

_BLOCK = 0.03
"""Seconds that one contender runs for before the next has its turn."""

_FRAMES = 10
"""How many frames are compared where one is timed."""

_PAUSE = 0.002
"""Seconds between turns, in which the threads of the last contender go to sleep."""


class ParityError(ElmanError):
    """Two contenders that should compute the same do not."""


@dataclass(frozen=True)
class Result:
    """The times of a case.

    Attributes:
        case: what was timed.
        first: seconds of the first call, compilation included.
        median: seconds a call, by contender.
        low: the fastest quarter's edge.
        high: the slowest quarter's edge.
        ratio: how many times as long as elman each other one takes: the median of the rounds' ratios.
        rate: elman's operations a second, in 10^9, counting the products alone.
        rounds: how many turns each one had.
        others: the cores that others kept busy meanwhile; None where that is not known.
    """

    case: Case
    first: dict[str, float]
    median: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]
    ratio: dict[str, float]
    rate: float
    rounds: int
    others: float | None = None

    @property
    def noisy(self) -> bool:
        """Whether others kept the machine so busy that the times are not to be trusted."""
        return self.others is not None and self.others > NOISE

    def line(self) -> dict[str, Any]:
        """As one line of JSON; times in milliseconds."""
        case = self.case
        times = {name: [_ms(self.low[name]), _ms(value), _ms(self.high[name])] for name, value in self.median.items()}
        return {
            "job": case.job,
            "cell": case.cell,
            "batch": case.batch,
            "steps": case.steps,
            "size": case.size,
            "ms": times,
            "first_ms": {name: _ms(value) for name, value in self.first.items()},
            "ratio": {name: round(value, 3) for name, value in self.ratio.items()},
            "gflops": round(self.rate, 1),
            "rounds": self.rounds,
            "others": None if self.others is None else round(self.others, 2),
        }


def measure(case: Case, rounds: int, threads: int, seen: Callable[[str], None] = lambda _: None) -> Result:
    """Time all contenders of a case in turns.

    Raises:
        ParityError: results differ from torch's by more than float32's rounding explains.
    """
    data = Data.of(case)
    calls = contenders(case, data, threads)
    first, results = {}, {}
    for name, call in calls.items():
        seen(f"{case}: {name}")
        first[name], results[name] = _timed(call)
        # The first frame finds a state of zero, so only those after it show the recurrent weights.
        if case.job == "step":
            results[name] += [part for _ in range(_FRAMES - 1) for part in _timed(call)[1]]
    _gate(case, results)
    counts = {name: max(1, int(_BLOCK / max(_timed(call)[0], 1e-7))) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    with Busy() as busy:
        for _ in range(rounds):
            for name, call in calls.items():
                time.sleep(_PAUSE)
                call()
                begin = time.perf_counter()
                for _ in range(counts[name]):
                    call()
                times[name].append((time.perf_counter() - begin) / counts[name])
    ratio = {
        name: statistics.median(other / own for own, other in zip(times["elman"], values, strict=True))
        for name, values in times.items()
        if name != "elman"
    }
    median = {name: statistics.median(values) for name, values in times.items()}
    low, high = ({name: _quartile(values, part) for name, values in times.items()} for part in (0, 2))
    return Result(
        case, first, median, low, high, ratio, case.operations(data.tokens) / median["elman"] / 1e9, rounds, busy.others
    )


def _quartile(values: list[float], part: int) -> float:
    return statistics.quantiles(values, n=4, method="inclusive")[part] if len(values) > 1 else values[0]


def _timed(call: Call) -> tuple[float, list[Tensor]]:
    begin = time.perf_counter()
    results = call()
    return time.perf_counter() - begin, [result.clone() for result in results]


def _gate(case: Case, results: dict[str, list[Tensor]]) -> None:
    for name, given in results.items():
        for number, (got, expected) in enumerate(zip(given, results["torch"], strict=True)):
            off = float((got - expected).abs().max()) / max(1e-6, float(expected.abs().max()))
            if not off < TOLERANCE:
                what = "outputs" if number == 0 else f"gradient {number}"
                what = f"frame {number + 1}" if case.job == "step" else what
                raise ParityError(
                    f"{case}: {name} differs from torch in {what} by {off:.1e}, relative; nothing was timed"
                )


@dataclass(frozen=True)
class Machine:
    """Where the times were taken.

    Attributes:
        about: processor, versions, threads, kernels, date.
        arithmetic: 10^9 operations a second that the multiply-add units can do on these threads, measured.
        reads: 10^9 bytes a second, all threads together, read from 16 kB, 256 kB and 8 MB a thread.
    """

    about: dict[str, Any]
    arithmetic: float
    reads: tuple[float, ...]


def machine(threads: int) -> Machine:
    """Look the machine up and measure its ceilings."""
    # The best of several, apart in time: another process may hold a core during one of them.
    tries = []
    for _ in range(4):
        tries.append(rates(threads, (16 << 10, 256 << 10, 8 << 20)))
        time.sleep(0.2)
    arithmetic, *reads = map(max, zip(*tries, strict=True))
    about = {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": threads,
        "kernels": kernels_in_use(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
    }
    return Machine(about, arithmetic, tuple(reads))


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            named = next((line for line in file if line.startswith("model name")), "")
    except OSError:
        named = ""
    return named.partition(":")[2].strip() or platform.processor() or platform.machine()


def _ms(seconds: float) -> float:
    return round(1e3 * seconds, 5)
