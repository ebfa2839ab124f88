"""elman train"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from elman.cli import show
from elman.core.errors import InputError
from elman.model.grammar import PAIRS, experimental, parse_source, parse_target

__all__ = ["conclude", "register", "stoppable"]


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

\b
to read:     series\\[:COLUMN,...]   text\\[:COLUMN]   text.char\\[:COLUMN]
             events\\[:COLUMN,...]   several, side by side: events:a+series:b
one answer:  label\\[:COLUMN]   labels\\[:COLUMN,...]   number\\[:COLUMN,...]
one a step:  tags\\[:COLUMN]   series:COLUMN,...   next\\[:COLUMN]
a stretch:   future:STEPS\\[:COLUMN,...]

A score is on record for {_listed(recorded=True)}. All others are experimental: {_listed(recorded=False)}, and \
several parts at once.

labels are a list, words with | between, or one 0/1 column each. Files: CSV, TSV, JSONL, Parquet, .ts, .conllu, .conll \
and plain .txt, each also with .gz; folders with metadata.csv; several plain texts, aligned. With --id all rows of one \
id are one sequence, and no part of a split divides it, but by time in forecasts. What you do not say is chosen from \
the data, and told. A folder that exists is never overwritten.

A training is saved as it goes. Ctrl-C (or SIGTERM) saves it and ends; after that, or after a crash, it goes on by \
[bold]elman train --resume RUN[/bold] to the very same result, or ends with its best epoch by [bold]--finish[/bold].
"""

DATA, NET, LOOP, LESS = "Data", "Network", "Training", "Regularisation"
SAVE = "Saving, and going on"


def register(app: typer.Typer) -> None:
    app.command("train", help=_EXAMPLES)(train)


def train(
    file: Annotated[list[str] | None, typer.Argument(help="The data; several plain texts are aligned.")] = None,
    source: str | None = typer.Option(None, "--from", help="What to read.", metavar="KIND"),
    target: str | None = typer.Option(None, "--to", help="What to predict.", metavar="KIND"),
    id: str | None = typer.Option(None, help="Column: rows of one value form one sequence.", rich_help_panel=DATA),
    time: str | None = typer.Option(None, help="Column: time of a row, checked to rise.", rich_help_panel=DATA),
    split: str | None = typer.Option(
        None, help="Column with train/valid/test; or 0.8,0.1,0.1; or dates of valid and test.", rich_help_panel=DATA
    ),
    valid: str | None = typer.Option(None, help="File for validation.", rich_help_panel=DATA),
    test: str | None = typer.Option(None, help="File for the final test.", rich_help_panel=DATA),
    known: str | None = typer.Option(
        None, help="Columns known ahead of a forecast; rows with them alone may follow.", rich_help_panel=DATA
    ),
    static: str | None = typer.Option(
        None, help="Columns constant in a sequence, read beside every step.", rich_help_panel=DATA
    ),
    gaps: str | None = typer.Option(
        None, help="Missing numbers: error, input (told to the model) or interpolate (error).", rich_help_panel=DATA
    ),
    lookback: int | None = typer.Option(None, help="Steps of history a forecast reads.", rich_help_panel=DATA),
    cell: str | None = typer.Option(None, help="gru, lstm, rnn, or feedforward to compare.", rich_help_panel=NET),
    hidden: int | None = typer.Option(None, help="Units a layer.", rich_help_panel=NET),
    layers: int | None = typer.Option(None, help="Recurrent layers.", rich_help_panel=NET),
    bidirectional: bool | None = typer.Option(
        None, "--bidirectional/--causal", help="Read both ways, or only forwards.", rich_help_panel=NET
    ),
    embedding: int | None = typer.Option(None, help="Width of word or character vectors.", rich_help_panel=NET),
    readout: str | None = typer.Option(None, help="last, mean, max or attention.", rich_help_panel=NET),
    epochs: int | None = typer.Option(None, help="Passes over the data at the most.", rich_help_panel=LOOP),
    budget: str | None = typer.Option(None, help="Time for training at the most: 90s, 2m, 1h.", rich_help_panel=LOOP),
    batch: int | None = typer.Option(None, help="Rows a batch.", rich_help_panel=LOOP),
    batch_tokens: int | None = typer.Option(
        None, help="Instead: words, characters or rows of series a batch.", rich_help_panel=LOOP
    ),
    truncate: str | None = typer.Option(
        None,
        metavar="K1[,K2]",
        help="Long sequences: weights change every K1 steps, gradients go K2 back; or whole, or auto (auto).",
        rich_help_panel=LOOP,
    ),
    memory: str | None = typer.Option(
        None,
        help="keep all for the backward pass, or checkpoint: compute again, hold less (keep).",
        rich_help_panel=LOOP,
    ),
    accumulate: int | None = typer.Option(None, help="Batches a step, their mean gradient (1).", rich_help_panel=LOOP),
    lr: float | None = typer.Option(None, help="Learning rate of AdamW.", rich_help_panel=LOOP),
    find_lr: bool = typer.Option(
        False, "--find-lr", help="Find the rate first, in 100 steps, with a picture.", rich_help_panel=LOOP
    ),
    clip: float | None = typer.Option(None, help="Largest gradient, 0 for none.", rich_help_panel=LOOP),
    clip_by: str | None = typer.Option(
        None, help="norm of all (1), value (0.5), or ratio to a unit's weights (0.01).", rich_help_panel=LOOP
    ),
    nonfinite: str | None = typer.Option(
        None, help="A step that is not finite: stop, or skip and count (stop).", rich_help_panel=LOOP
    ),
    patience: int | None = typer.Option(None, help="Epochs without gain before stopping.", rich_help_panel=LOOP),
    class_weights: str | None = typer.Option(
        None, help="balanced, or CLASS=WEIGHT,...: what each counts in training.", rich_help_panel=LOOP
    ),
    metric: str | None = typer.Option(
        None, help="Score to show first: accuracy, macro_f1, micro_f1, exact, mae, rmse ...", rich_help_panel=LOOP
    ),
    seed: int | None = typer.Option(None, help="Of split, weights, order and masks (0).", rich_help_panel=LOOP),
    device: str | None = typer.Option(None, help="cpu or cuda (cpu).", rich_help_panel=LOOP),
    threads: int | None = typer.Option(None, help="Threads of torch.", rich_help_panel=LOOP),
    dropout: float | None = typer.Option(
        None, help="Between layers, before the answer, on word vectors.", rich_help_panel=LESS
    ),
    input_dropout: float | None = typer.Option(None, help="On what is read, the same all along.", rich_help_panel=LESS),
    word_dropout: float | None = typer.Option(None, help="Of whole words, wherever they stand.", rich_help_panel=LESS),
    recurrent_dropout: float | None = typer.Option(
        None, help="Between recurrent units, the same all along (slow).", rich_help_panel=LESS
    ),
    weight_drop: float | None = typer.Option(None, help="Of recurrent weights.", rich_help_panel=LESS),
    zoneout: float | None = typer.Option(
        None, help="Units that keep their value for a step (slow).", rich_help_panel=LESS
    ),
    label_smoothing: float | None = typer.Option(
        None, help="Share of the truth spread over all classes.", rich_help_panel=LESS
    ),
    weight_decay: float | None = typer.Option(None, help="Decoupled decay of matrices (0.01).", rich_help_panel=LESS),
    embedding_decay: float | None = typer.Option(
        None, help="That of word vectors (as --weight-decay).", rich_help_panel=LESS
    ),
    bias_decay: float | None = typer.Option(None, help="That of biases and norms (0).", rich_help_panel=LESS),
    l2: float | None = typer.Option(None, help="Weight of the sum of squares in the loss (0).", rich_help_panel=LESS),
    l1: float | None = typer.Option(None, help="Weight of the sum of magnitudes (0).", rich_help_panel=LESS),
    ar: float | None = typer.Option(None, help="Weight of the outputs' squares (0).", rich_help_panel=LESS),
    tar: float | None = typer.Option(None, help="Weight of their changes from step to step (0).", rich_help_panel=LESS),
    average: str | None = typer.Option(
        None, help="Use averaged weights: ema, or nt-asgd once validation stalls.", rich_help_panel=LESS
    ),
    ema_decay: float | None = typer.Option(None, help="Of ema (about an epoch's).", rich_help_panel=LESS),
    save_every: str | None = typer.Option(
        None, help="How often to save what to go on from: 500 (steps), 30s, 5m, never (30s).", rich_help_panel=SAVE
    ),
    resume: str | None = typer.Option(
        None, metavar="RUN", help="Go on with a training that was broken off.", rich_help_panel=SAVE
    ),
    finish: bool = typer.Option(
        False, "--finish", help="With --resume: end now with the best epoch so far.", rich_help_panel=SAVE
    ),
    anyway: bool = typer.Option(
        False, "--anyway", help="With --resume: although data or settings are others now.", rich_help_panel=SAVE
    ),
    out: str | None = typer.Option(None, help="Folder to make (runs/NAME-N)."),
    config: str | None = typer.Option(None, help="A run.toml whose settings hold where no option says otherwise."),
) -> None:
    given = {name: value for name, value in {**locals(), "find_lr": find_lr or None}.items() if value is not None}
    for name in ("file", "out", "config", "resume", "finish", "anyway"):
        given.pop(name, None)
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
    from elman.run import train_job
    from elman.training.settings import job_from

    job = job_from(settings)
    sides = parse_source(job.source), parse_target(job.target)
    mark = " (experimental: no score on record)" if experimental(*sides) else ""
    show.err.print(f"{Path(job.file).name}: {job.source} -> {job.target}{mark}")
    with stoppable(), show.Watch() as watch:
        run = train_job(job, out=out, listener=watch)
    conclude(run, job.file, job.model_dump(exclude_defaults=True))


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


def conclude(run: Any, file: str, settings: dict[str, Any]) -> None:
    """The score beside its baselines, one sentence, where everything is, and what to do next."""
    if run.scores is None:
        return
    label = f"elman {run.model.config.net.cell}"
    rows = {label: run.scores, **run.baselines}
    metric = next(iter(run.scores.values))
    best = run.history.best
    show.notes([*run.history.ending, *([run.history.stopped] if run.history.interrupted else [])])
    show.out.print()
    show.out.print(
        show.wrap(
            f"{metric} is the {show.unit_of(run.model)}; {run.scores.count:,} scored, none seen in training "
            f"(epoch {best.epoch} of {len(run.history.epochs)} was best)"
        )
    )
    show.out.print(show.score_table(rows, label))
    show.explain(run.scores)
    early = bool(run.history.stopped) and not run.history.spent
    show.out.print(show.wrap(show.verdict(run.scores, run.baselines, set(run.baselines), early=early)))
    if run.history.spent:
        done = f"epoch {len(run.history.epochs)} of {run.history.limit} at the most"
        show.out.print(show.wrap(f"--budget {settings['budget']} ended it in {done}; more time may gain more."))
    if run.history.unfinished:
        limit = run.history.limit
        reached = f"{limit} epoch{'s' if limit > 1 else ''} was reached"
        show.out.print(show.wrap(f"Still improving when the limit of {reached}; try --epochs {4 * limit}"))
    pictures = ", ".join(sorted(path.name for path in run.path.glob("*.svg")))
    show.out.print(f"\nSaved in {run.path} (pictures: {pictures})")
    show.out.print("Next:")
    for words in _next(run, file, settings):
        show.out.print("  " + words)


def _next(run: Any, file: str, settings: dict[str, Any]) -> list[str]:
    kind = run.model.config.target.partition(":")[0]
    if kind == "next" and run.model.config.source == "text":
        use = show.command("elman", "generate", run.path, "--prompt", "Once ", "--length", "300")
    else:
        use = show.command("elman", "predict", run.path, settings.get("test", file), "--out", "predicted.csv")
    judge = show.command("elman", "evaluate", run.path, "NEW_FILE")
    other = "feedforward" if run.model.config.net.cell != "feedforward" else "gru"
    off: list[str] = []
    if other == "feedforward":
        # What it has no use for is refused, so it is switched off where it was asked for.
        off = ["--causal"] if settings.get("bidirectional") else []
        for name in ("recurrent_dropout", "weight_drop", "zoneout"):
            off += [f"--{name.replace('_', '-')}", "0"] if settings.get(name) else []
        off += ["--truncate", "auto"] if settings.get("truncate") else []
        off += ["--memory", "keep"] if settings.get("memory") else []
    again = show.command("elman", "train", "--config", run.path / "run.toml", "--cell", other, *off)
    return [use, judge, f"{again}   (compare)"]


def _config(path: str | None) -> dict[str, Any]:
    """The settings of a run.toml."""
    from elman.training.place import read_settings

    return {} if path is None else read_settings(Path(path), f"--config {path}")
