"""What the verbs that train several models have in common: progress, and how they are stopped and gone on with."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn

from elman.cli import show
from elman.core.errors import InputError
from elman.training.history import Step
from elman.training.measures import digits

if TYPE_CHECKING:
    from elman.study.training import Begun, Ended, Event

__all__ = ["Watch", "asked_for", "refuse_beside_resume", "stoppable"]


class Watch:
    """A line for each training that is over; on a terminal a bar for the one under way."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: Any = None
        self._name = ""
        if show.err.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[note]}"))
            self._bar = Progress(*columns, console=show.err, transient=True)
            self._task = self._bar.add_task("", total=None, note="")

    def __enter__(self) -> Watch:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begun(self, event: Begun) -> None:
        """A training begins."""
        self._name = f"{event.number}/{event.of} {event.name}"

    def stepped(self, event: Event) -> None:
        """Show a step on the bar; nothing of other events."""
        if self._bar is not None and isinstance(event, Step):
            self._bar.update(
                self._task,
                total=event.epochs * event.steps,
                completed=(event.epoch - 1) * event.steps + event.step,
                description=self._name,
                note=f"epoch {event.epoch}/{event.epochs}  loss {event.loss:.4f}",
            )

    def __call__(self, event: Event) -> None:
        from elman.study.training import Begun, Ended, Told

        if isinstance(event, Told):
            show.notes(event.notes)
            return
        if isinstance(event, Begun):
            self.begun(event)
        elif isinstance(event, Ended):
            show.err.print(_line(event))
        else:
            self.stepped(event)


def _line(event: Ended) -> str:
    one = event.outcome
    head = f"{event.number:3d}/{event.of}  {one.name:<14}"
    if not one.scores:
        return show.wrap(f"{head}failed: {one.trouble}", rest=" " * 8)
    metric, value = next(iter(one.scores.items()))
    kept = "  kept" if event.kept else ""
    return f"{head}{metric} {digits(metric, value)}  epoch {one.best_epoch} of {one.epochs}  {one.seconds:6.1f} s{kept}"


def asked_for(file: list[str] | None, given: dict[str, Any], verb: str) -> dict[str, Any]:
    """The settings of a study, with its file; raise :class:`InputError` where one of the three that it needs lacks."""
    settings = {**given, **({"file": "+".join(file)} if file else {})}
    for name, words in (("file", "a file"), ("source", "--from"), ("target", "--to")):
        if name not in settings:
            raise InputError(
                f"{words} is missing; as in: elman {verb} reviews.csv --from text:review --to label:sentiment"
            )
    return settings


def refuse_beside_resume(resume: str, verb: str, given: dict[str, Any]) -> None:
    """A study goes on as it was asked for."""
    for name, value in given.items():
        if value is not None and value is not False:
            raise InputError(
                f"--resume {resume}: a study goes on as it was asked for, so {name} has no effect; leave it out: "
                f"elman {verb} --resume {resume}"
            )


@contextmanager
def stoppable(verb: str, path: Path) -> Iterator[None]:
    """End a study that was stopped with how it goes on, and a shell's exit code for it."""
    from elman.study.training import StudyInterrupted

    try:
        yield
    except StudyInterrupted as stop:
        show.err.print(show.wrap(stop.what))
        show.err.print(f"Go on:   {show.command('elman', verb, '--resume', stop.study)}")
        raise typer.Exit(128 + stop.signal) from None
    except KeyboardInterrupt:
        # Between two trainings: all that are over are kept.
        if not path.is_dir():
            show.err.print("Interrupted before the first training; nothing was written")
        else:
            show.err.print("Interrupted between two trainings; all that are over are kept")
            show.err.print(f"Go on:   {show.command('elman', verb, '--resume', path)}")
        raise typer.Exit(128 + signal.SIGINT) from None
