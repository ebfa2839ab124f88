"""Signals that end a training in good order: it is asked to stop, and stops where it can be saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupted", "Interrupts"]

_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in dir(signal)]
"""Ctrl-C, the polite request to end that systems and schedulers send, and a terminal that was closed."""


class Interrupted(KeyboardInterrupt):
    """A training was stopped by a signal (or by a KeyboardInterrupt of a listener), and can go on.

    Attributes:
        path: the run's folder.
        signal: the number of the signal.
        where: how far the training is, in words.
        best: the best of the epochs that are complete; 0 before the first is.
        trouble: why the last state could not be saved, if so; the run then goes on from the checkpoint before.
    """

    def __init__(self, path: Path, number: int, where: str, best: int, trouble: str = "") -> None:
        self.path, self.signal, self.where, self.best, self.trouble = path, number, where, best, trouble
        ways = [f"Go on: elman.resume({str(path)!r})"]
        if best:
            ways.append(f"end here with epoch {best}, the best so far: elman.resume({str(path)!r}, finish=True)")
        super().__init__(f"{self.what}. {'; '.join(ways)}")

    @property
    def what(self) -> str:
        """What has happened, in a sentence without its full stop."""
        saved = f"not saved: {self.trouble}" if self.trouble else f"saved in {self.path}"
        return f"Stopped {self.where}; {saved}"


class Interrupts:
    """While it is entered, signals ask the training to stop instead of ending the process.

    A second Ctrl-C ends it at once. Handlers can be set in the main thread only; elsewhere nothing is changed. A
    signal that the process ignores (as under nohup) goes on being ignored.
    """

    def __init__(self) -> None:
        self._asked = 0
        self._at_once = False
        self._before: dict[int, Any] = {}

    @property
    def asked(self) -> int:
        """The number of the signal that asked for a stop; 0 if none did."""
        return self._asked

    def ask(self, number: int = signal.SIGINT) -> None:
        """Ask for a stop as a signal does."""
        self._asked = self._asked or number

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Raise KeyboardInterrupt as soon as a signal comes: there are no steps to wait for."""
        self._at_once = True
        try:
            if self._asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._at_once = False

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in _ENDING:
                before = signal.getsignal(number)
                # None: set by something that is not Python, which could not be put back.
                if before not in (signal.SIG_IGN, None):
                    self._before[number] = before
                    signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()
        if self._asked and kind is None:
            # It came when there was nothing left to stop: whoever would have heard it without us hears it now.
            signal.raise_signal(self._asked)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        # Only a person at a keyboard is impatient; schedulers repeat SIGTERM while the state is being saved.
        impatient = bool(self._asked) and number == signal.SIGINT
        self.ask(number)
        if self._at_once or impatient:
            raise KeyboardInterrupt
