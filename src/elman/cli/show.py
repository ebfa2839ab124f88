"""How the terminal is spoken to: right at 80 columns, in a pipe, in a log, with NO_COLOR."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from elman.model.kinds.number import NumberOut
from elman.model.kinds.text import TokenOut
from elman.model.kinds.written import TextOut
from elman.model.network import SequenceModel
from elman.training.loop import Epoch, Step
from elman.training.measures import Scores, digits
from elman.training.settings import Job
from elman.training.verdict import verdict

if TYPE_CHECKING:
    from elman.run import Run, Started

__all__ = [
    "Watch",
    "as_typed",
    "command",
    "explain",
    "fail",
    "notes",
    "out",
    "score_lines",
    "score_table",
    "unit_of",
    "verdict",
    "wrap",
]

out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
"""Results go here (standard output)."""

err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
"""Progress and errors go here (standard error)."""


def fail(message: str) -> None:
    """Print an error the way all of them look."""
    err.print(Text.assemble(("error: ", "bold red"), message))


_WRITING = ("beam", "best", "length_penalty", "temperature", "top_k", "top_p", "count", "length", "stop", "prompt")
"""What is said of writing texts, by its names in Python."""


def as_typed(message: str) -> str:
    """A message that begins with settings (``weight_decay: ...``), with them as options (``--weight-decay: ...``)."""
    head, colon, rest = message.partition(": ")
    names = head.split(", ")
    if not colon or not all((name in Job.model_fields and name != "file") or name in _WRITING for name in names):
        return message
    typed = {"source": "from", "target": "to", "best": "n-best"}
    return ", ".join(f"--{typed.get(name, name.replace('_', '-'))}" for name in names) + colon + rest


def notes(lines: Sequence[str]) -> None:
    """Print what was chosen or noticed, one line each."""
    for line in lines:
        err.print(wrap(line, "  - ", "    "))


def wrap(text: str, first: str = "", rest: str = "") -> str:
    """Break a text at words to the terminal's width, 100 columns at the most."""
    width = min(err.width, 100)
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def command(*words: str | Path) -> str:
    """A command line to paste; ``elman`` as the shell finds it."""
    program = _program() if words[0] == "elman" else [str(words[0])]
    return shlex.join([*program, *map(str, words[1:])])


def _program() -> list[str]:
    """How elman is called from here: by its name, by its place (seen from this folder), or through Python."""
    if shutil.which("elman"):
        return ["elman"]
    script = Path(sys.executable).parent / ("elman.exe" if os.name == "nt" else "elman")
    if not script.is_file():
        return [sys.executable, "-m", "elman"]
    if not script.is_relative_to(Path.cwd()):
        return [str(script)]
    near = script.relative_to(Path.cwd())
    return [str(near) if near.parent.name else f".{os.sep}{near}"]


def unit_of(model: SequenceModel, metric: str) -> str:
    """What a metric of a model is measured in, in words."""
    if metric == "exact" and isinstance(model.config.output, TextOut):
        return "share written just as it stands in the data"
    if metric == "nats":
        return (
            "cross-entropy of a token"
            if isinstance(model.config.output, (TokenOut, TextOut))
            else "mean of -log p of what came"
        )
    return _UNITS.get(metric, metric)


_UNITS = {
    "bleu": "BLEU of what was written, 0 to 100, more is better",
    "chrf": "chrF of what was written, 0 to 100, more is better",
    "accuracy": "share of right answers",
    "entity_f1": "F1 (of precision and recall) of the spans, exactly found and of the right kind",
    "macro_f1": "F1 (of precision and recall), the mean over classes",
    "micro_f1": "F1 (of precision and recall) of all decisions together",
    "exact": "share of examples whose classes are all right",
    "top3": "share whose truth is among the three likeliest",
    "mae": "mean absolute error, in standard deviations",
    "rmse": "root of the mean squared error, in standard deviations",
    "mase": "mean absolute error beside that of the seasonal-naive forecast before",
    "smape": "symmetric mean absolute percentage error, 0 to 200",
    "pinball": "mean loss of the quantiles, in standard deviations",
}
"""What the metrics that may be shown first are, in words."""


_COLUMNS = {"coverage": "in 80 %"}
"""What a score is called in a table, where it is not its own name."""

_EXPLAINED = {
    "coverage": "in 80 %: the share of what came that lay inside the 80 % interval; 0.8 is right",
    "mase": "mase: beside the error of the seasonal-naive forecast on the steps before",
    "smape": "smape: 200 |y - forecast| / (|y| + |forecast|)",
    "pinball": "pinball: the loss of the quantiles from 5 to 95 %; of a single number mae / 2",
    "chrf": "chrf: F-score of runs of 1 to 6 characters, 0 to 100",
    "nats": "nats: the mean of -log p of what came",
    "bits_per_byte": "bits per byte: of UTF-8, so that models of characters and of pieces compare",
    "macro_f1": "macro f1: the mean over classes of 2 precision recall / (precision + recall)",
    "top3": "top3: the share whose truth is among the three likeliest",
}
"""A line for each score whose name does not say what it is."""


def explain(scores: Scores) -> None:
    """Print what the columns of a table of scores mean, those that need it."""
    for name, words in _EXPLAINED.items():
        if name in scores.values:
            out.print(words)
    if scores.how:
        out.print(wrap(scores.how, "", "  "))


_WIDEST = 3
"""Columns up to which each has an error of its own in a table."""


def score_lines(run: Run, count: str) -> None:
    """Print the scores of a run beside its baselines, and what they mean."""
    if run.scores is None:
        return
    label = f"elman {run.model.config.net.cell}"
    metric = next(iter(run.scores.values))
    out.print(wrap(f"{metric} is the {unit_of(run.model, metric)}; {count}"))
    out.print(score_table({label: run.scores, **run.baselines}, label))
    explain(run.scores)
    told = run.model.config.output
    if isinstance(told, NumberOut) and len(told.columns) <= _WIDEST:
        units = ", ".join(f"{scale:.4g} of {name}" for name, scale in zip(told.columns, told.scale, strict=True))
        out.print(wrap(f"one standard deviation: {units}"))


def score_table(rows: dict[str, Scores], first: str) -> Table:
    """Scores of several models side by side; the row ``first`` stands out."""
    names = list(dict.fromkeys(name for scores in rows.values() for name in scores.values))
    columns = [name for name in names if name.startswith("mae_")]
    if "mase" in names or len(columns) > _WIDEST:
        # What compares over columns of all sizes is there; the others are in report.json.
        names = [name for name in names if name not in columns]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("model")
    for name in names:
        table.add_column(_COLUMNS.get(name, name.replace("_", " ")), justify="right")
    for label, scores in rows.items():
        cells = [digits(name, scores.values[name]) if name in scores.values else "" for name in names]
        table.add_row(label, *cells, style="bold" if label == first else "")
    return table


@contextmanager
def counting(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar for work that is counted, on a terminal; give it how many are done, of ``total`` where that is known."""
    columns = (TextColumn(what), BarColumn(bar_width=None), TaskProgressColumn(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


_LINES = 40
"""Lines that the table of epochs has at the most, about."""


class Watch:
    """Shows a training: a bar with rate, remaining time and loss on a terminal, a line an epoch in a log."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._every = self._epochs = 0
        if err.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TaskProgressColumn(),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(compact=True),
                console=err,
                transient=True,
            )
            self._task = self._bar.add_task("epoch 1", total=None, note="")

    def __enter__(self) -> Watch:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is KeyboardInterrupt:
            err.print("Interrupted before the training began; nothing was written")

    def __call__(self, event: Started | Step | Epoch) -> None:
        if isinstance(event, (Step, Epoch)) and not self._every:
            self._head()
        if isinstance(event, Step):
            self._step(event)
        elif isinstance(event, Epoch):
            self._epoch(event)
        else:
            notes(event.notes)
            if event.plan is not None:
                engines = sorted({f"{entry.engine} ({entry.reason})" for entry in event.plan.entries})
                notes([f"{event.weights:,} weights; engine: {', '.join(engines)}"])
            notes([f"writes to {event.path}; Ctrl-C saves and ends it, to go on later"])
            self._epochs = event.epochs

    def _head(self) -> None:
        """The head of the table of epochs, which is kept to about forty lines, and its key."""
        self._every = -(-self._epochs // _LINES)
        thinned = f"; a line every {self._every} epochs, all are in history.jsonl" if self._every > 1 else ""
        err.print(f"* the best so far{thinned}")
        err.print("epoch  training  validation  gradient  seconds")

    def _step(self, step: Step) -> None:
        if self._bar is None:
            return
        done = (step.epoch - 1) * step.steps + step.step
        self._bar.update(
            self._task,
            total=step.epochs * step.steps,
            completed=done,
            description=f"epoch {step.epoch}/{step.epochs}",
            note=f"loss {step.loss:.4f}  {step.rate:.0f} steps/s",
        )

    def _epoch(self, epoch: Epoch) -> None:
        if epoch.notes or epoch.epoch == 1 or not epoch.epoch % self._every:
            mark = " *" if epoch.best else ""
            score = "" if epoch.score is None else f"  {epoch.chosen_by} {epoch.score:.4f}"
            err.print(
                f"{epoch.epoch:5d}  {epoch.train_loss:8.4f}  {epoch.valid_loss:10.4f}  {epoch.grad_norm:8.3f}  "
                f"{epoch.seconds:7.1f}{score}{mark}"
            )
        notes(epoch.notes)


def interactive() -> bool:
    """Whether a person looks at standard output right now."""
    return sys.stdout.isatty()
