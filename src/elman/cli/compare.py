"""elman compare"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from elman.cli import show, studies
from elman.cli.options import DATA, LESS, LOOP, NET, SAVE, SIDES, with_options
from elman.model.config import CELLS
from elman.training.measures import digits

if TYPE_CHECKING:
    from elman.study.compare import Comparison

__all__ = ["register"]

_HELP = """
Train several networks on one split, over several seeds, beside naive baselines, and say what that shows.

\b
  elman compare demand.csv --from series:load --to future:24 --time date
  elman compare reviews.csv --from text:review --to label:sentiment \\
                --cells gru,feedforward --seeds 5 --budget 10m
  elman compare --resume runs/demand-compare

The split is drawn once; seeds are those of weights, order and masks. The epoch is chosen on the validation part, what \
is shown is scored on the test part. [bold]--budget[/bold] is for all trainings together, in equal shares. Other \
options hold for all nets, as in [bold]elman train[/bold]. What was broken off goes on by the same command.
"""


def register(app: typer.Typer) -> None:
    app.command("compare", help=_HELP)(compare)


_LOOP = {name: option for name, option in LOOP.items() if name != "budget"}


@with_options(SIDES, DATA, NET, _LOOP, LESS, SAVE, leave=("cell",))
def compare(
    given: dict[str, Any],
    file: Annotated[list[str] | None, typer.Argument(help="The data; several plain texts are aligned.")] = None,
    cells: str | None = typer.Option(None, help=f"Nets, with commas: {','.join(CELLS)} (gru,lstm,rnn,feedforward)."),
    seeds: int | None = typer.Option(None, help="Trainings a net (3)."),
    budget: str | None = typer.Option(None, help="Time for all trainings together: 90s, 10m, 1h."),
    out: str | None = typer.Option(None, help="Folder to make, or to go on in (runs/NAME-compare)."),
    resume: str | None = typer.Option(None, metavar="FOLDER", help="Go on with a comparison that was broken off."),
) -> None:
    from elman.study import compare as study

    if resume is not None:
        own = {"FILE": file, "--cells": cells, "--seeds": seeds, "--budget": budget, "--out": out}
        named = {f"--{name.replace('_', '-')}": value is not None for name, value in given.items()}
        studies.refuse_beside_resume(resume, "compare", {**own, **named})
        asked, path = study.again(Path(resume), "compare"), Path(resume)
    else:
        settings = studies.asked_for(file, given, "compare")
        names = (
            [name.strip() for name in cells.split(",") if name.strip()]
            if cells is not None
            else study.nets_for(settings["target"])
        )
        asked = study.comparison_asked(settings, cells=names, seeds=3 if seeds is None else seeds, budget=budget)
        path = study.folder_of(asked, out)
    show.err.print(f"{Path(asked.job.file).name}: {asked.job.source} -> {asked.job.target}; writes to {path}")
    with studies.stoppable("compare", path), studies.Watch() as watch:
        found = study.compare_asked(asked, path, watch)
    _conclude(found)


def _conclude(found: Comparison) -> None:
    show.out.print()
    if found.nets:
        on = {"test": "test part", "valid": "validation part, which chose the epoch"}[found.on]
        better = "more" if found.more_is_better else "less"
        words = f"{found.metric} on the {on} ({better} is better); mean ± standard deviation over {found.seeds} seeds"
        show.out.print(show.wrap(words if found.seeds > 1 else f"{found.metric} on the {on}, one seed"))
        show.out.print(_table(found))
    for sentence in found.verdict:
        show.out.print(show.wrap(sentence))
    if found.nets:
        show.out.print(f"\nSaved in {found.path} (compare.json, compare.svg, a run a folder)")
        best = next(iter(found.ranked))
        show.out.print("Next:")
        show.out.print("  " + show.command("elman", "predict", found.path / found.of(best)[0].name, "NEW_FILE"))


def _table(found: Comparison) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("model")
    for head in (found.metric.replace("_", " "), "weights", "epochs", "seconds"):
        table.add_column(head, justify="right")
    for k, (cell, spread) in enumerate(found.ranked.items()):
        runs = found.of(cell)
        name = cell if len(runs) == found.seeds else f"{cell} ({len(runs)} of {found.seeds})"
        epochs = sum(one.epochs for one in runs) / len(runs)
        seconds = sum(one.seconds for one in runs) / len(runs)
        cells = (str(spread), f"{runs[0].weights:,}", f"{epochs:.0f}", f"{seconds:.1f}")
        table.add_row(name, *cells, style="" if k else "bold")
    for name, value in sorted(found.baselines.items(), key=lambda one: one[1], reverse=found.more_is_better):
        table.add_row(
            name,
            digits(found.metric, value) + (" " * (3 + len(digits(found.metric, 1.0))) if found.seeds > 1 else ""),
            "",
            "",
            "",
        )
    return table
