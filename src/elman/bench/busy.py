"""How busy others kept the machine while something was timed."""

from __future__ import annotations

import os
import time
from types import TracebackType

__all__ = ["NOISE", "Busy"]

NOISE = 0.1
"""Cores' worth of work by others from which on a time is marked."""


class Busy:
    """Measures, from entry to exit, the cores that other processes and other guests of the machine kept busy.

    ::

        others = (busy time of all cores + time stolen by other guests - this process's) / time passed

    From ``/proc/stat``, whose clock ticks 100 times a second: over less than a second it is a rough figure.

    Attributes:
        others: cores, 0 or more; None where there is no ``/proc/stat``.
    """

    others: float | None = None

    def __enter__(self) -> Busy:
        self._all, self._own, self._began = _ticks(), time.process_time(), time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        after, passed = _ticks(), time.monotonic() - self._began
        if self._all is not None and after is not None and passed > 0:
            self.others = max(0.0, (after - self._all - (time.process_time() - self._own)) / passed)


def _ticks() -> float | None:
    """Seconds that all cores together were busy since the machine started; None where it is not told."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, irq, softirq, *more = map(int, file.readline().split()[1:])
    except (OSError, ValueError):
        return None
    stolen = more[0] if more else 0
    return (user + nice + system + irq + softirq + stolen) / os.sysconf("SC_CLK_TCK")
