"""elman train"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from elman.cli import show
from elman.cli.conclude import conclude
from elman.cli.options import DATA, LESS, LOOP, NET, SAVE, SIDES, with_options
from elman.core.errors import InputError
from elman.model.grammar import PAIRS, experimental, parse_source, parse_target

__all__ = ["carry_out", "register", "stoppable"]


def _listed(*, recorded: bool) -> str:
    """The pairs with a score on record, or without, by what is read."""
    found: dict[str, list[str]] = {}
    for (source, target), score in PAIRS.items():
        if bool(score) == recorded:
            found.setdefault(source, []).append(target)
    return "; ".join(f"{source} to {', '.join(targets)}" for source, targets in found.items())


_EXAMPLES = f"""
Train a model on a file of sequences.

[bold]--from[/bold] says what is read, [bold]--to[/bold] what is predicted; the shape of the network follows.

\b
  elman train reviews.csv --from text:review --to label:sentiment
  elman train machines.csv --from series:temp,load --to label:fault --id unit
  elman train ecg.jsonl --from series:lead --to labels:findings
  elman train news.jsonl --from text:words --to tags:upos
  elman train demand.csv --from series:load --to future:24 --time date
  elman train shops.parquet --from series:sales --to future:28 --id shop \\
              --time day --known promo --static region
  elman train clicks.csv --from events:page+series:price --to next:page \\
              --id session --time ts
  elman train houses.jsonl --from series:visits --to number:price,days
  elman train book.txt --from text.char --to next
  elman train train.de train.en --from text.bpe:de --to text.bpe:en
  elman train names.csv --from label:nationality --to text.char:name

\b
to read:     series\\[:COLUMN,...]   text\\[:COLUMN]   label\\[:COLUMN]
             events\\[:COLUMN,...]   several, side by side: events:a+series:b
one answer:  label\\[:COLUMN]   labels\\[:COLUMN,...]   number\\[:COLUMN,...]
one a step:  tags\\[:COLUMN]   series:COLUMN,...   next\\[:COLUMN]
a stretch:   future:STEPS\\[:COLUMN,...]   text\\[:COLUMN]
texts are:   words (text)   characters (text.char)   pieces (text.bpe)

A score is on record for {_listed(recorded=True)}. All others are experimental: {_listed(recorded=False)}, and \
several parts at once.

labels are a list, words with | between, or one 0/1 column each. Files: CSV, TSV, JSONL, Parquet, .ts, .conllu, .conll \
and plain .txt, each also with .gz; folders with metadata.csv; several plain texts, aligned. With --id all rows of one \
id are one sequence, and no part of a split divides it, but by time in forecasts. What you do not say is chosen from \
the data, and told. A folder that exists is never overwritten.

A training is saved as it goes. Ctrl-C (or SIGTERM) saves it and ends; after that, or after a crash, it goes on by \
[bold]elman train --resume RUN[/bold] to the very same result, or ends with its best epoch by [bold]--finish[/bold].
"""

_SAVING = "Saving, and going on"


def register(app: typer.Typer) -> None:
    app.command("train", help=_EXAMPLES)(train)


@with_options(SIDES, DATA, NET, LOOP, LESS, SAVE)
def train(
    given: dict[str, Any],
    file: Annotated[list[str] | None, typer.Argument(help="The data; several plain texts are aligned.")] = None,
    resume: str | None = typer.Option(
        None, metavar="RUN", help="Go on with a training that was broken off.", rich_help_panel=_SAVING
    ),
    finish: bool = typer.Option(
        False, "--finish", help="With --resume: end now with the best epoch so far.", rich_help_panel=_SAVING
    ),
    anyway: bool = typer.Option(
        False, "--anyway", help="With --resume: although data or settings are others now.", rich_help_panel=_SAVING
    ),
    out: str | None = typer.Option(None, help="Folder to make (runs/NAME-N)."),
    config: str | None = typer.Option(None, help="A run.toml whose settings hold where no option says otherwise."),
) -> None:
    if file:
        given["file"] = "+".join(file)
    if resume is not None:
        _resume(resume, given, {"--out": out, "--config": config}, finish=finish, anyway=anyway)
        return
    for name, said in (("--finish", finish), ("--anyway", anyway)):
        if said:
            raise InputError(f"{name} is for a run that goes on; as in: elman train --resume RUN {name}")
    settings = {**_config(config), **given}
    for name, example in (("file", "reviews.csv"), ("source", "--from text:review"), ("target", "--to label")):
        if name not in settings:
            words = {"file": "a file", "source": "--from", "target": "--to"}[name]
            raise InputError(
                f"{words} is missing ({example}); as in: "
                "elman train reviews.csv --from text:review --to label:sentiment"
            )
    carry_out(settings, out)


def carry_out(settings: dict[str, Any], out: str | None) -> None:
    """Train by settings, under the eyes of who waits, and say how it went."""
    from elman.run import train_job
    from elman.training.settings import job_from

    job = job_from(settings)
    sides = parse_source(job.source), parse_target(job.target)
    mark = " (experimental: no score on record)" if experimental(*sides) else ""
    show.err.print(f"{Path(job.file).name}: {job.source} -> {job.target}{mark}")
    if show.err.is_terminal and job.threads is None:
        show.notes(_crowd())
    with stoppable(), show.Watch() as watch:
        run = train_job(job, out=out, listener=watch)
    conclude(run, job.file, job.model_dump(exclude_defaults=True))


def _crowd() -> list[str]:
    """A hint where other programs keep the cores busy: threads that wait for each other then are many times slower."""
    load, cores = (os.getloadavg()[0] if sys.platform != "win32" else 0.0), os.cpu_count() or 1
    if load < cores:
        return []
    return [f"other programs are busy here (load {load:.1f} on {cores} cores); --threads 1 may be much faster"]


def _resume(run: str, given: dict[str, Any], others: dict[str, str | None], *, finish: bool, anyway: bool) -> None:
    for name, value in others.items():
        if value is not None:
            raise InputError(f"{name} {value}: a run goes on in its own folder, by its own run.toml; leave {name} out")
    from elman.run import resume
    from elman.training.place import SETTINGS, read_settings

    with stoppable(), show.Watch() as watch:
        made = resume(run, finish=finish, anyway=anyway, listener=watch, **given)
    settings = read_settings(made.path / SETTINGS, SETTINGS)
    conclude(made, settings["file"], settings)


@contextmanager
def stoppable() -> Iterator[None]:
    """End a training that was stopped with where it is saved and how it goes on, and a shell's exit code for it."""
    from elman.training.interrupt import Interrupted

    try:
        yield
    except Interrupted as stop:
        again = show.command("elman", "train", "--resume", stop.path)
        show.err.print(show.wrap(stop.what))
        show.err.print(f"Go on:   {again}")
        if stop.best:
            show.err.print(f"Finish:  {again} --finish   (keeps epoch {stop.best}, the best so far)")
        raise typer.Exit(128 + stop.signal) from None


def _config(path: str | None) -> dict[str, Any]:
    """The settings of a run.toml."""
    from elman.training.place import read_settings

    return {} if path is None else read_settings(Path(path), f"--config {path}")
