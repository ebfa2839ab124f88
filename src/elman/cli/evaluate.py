"""elman evaluate"""

from __future__ import annotations

import typer

from elman.cli import show

__all__ = ["register"]

_HELP = """
Score a trained model on all examples of a file.

\b
  elman evaluate runs/reviews-1 new.csv

The file must hold the columns that the model reads, and the one that it predicts.
"""


def register(app: typer.Typer) -> None:
    app.command("evaluate", help=_HELP)(evaluate)


def evaluate(
    run: str = typer.Argument(..., help="A run's folder."),
    file: str = typer.Argument(..., help="The data to score on."),
    id: str | None = typer.Option(None, help="Column: rows of one value form one sequence (as in training)."),
    time: str | None = typer.Option(None, help="Column: time of a row (as in training)."),
    device: str = typer.Option("cpu", help="cpu or cuda."),
) -> None:
    from elman.report import trained_on
    from elman.run import load
    from elman.training.make import check_device
    from elman.training.predict import evaluate, read_for

    where = check_device(device)
    found = load(run)
    found.model.to(where)
    scores, notes = evaluate(found.model, read_for(found.model, file, need_target=True, id=id, time=time))
    own = trained_on(found.path, file)
    show.notes([*notes, own] if own else notes)
    label = f"elman {found.model.config.net.cell}"
    show.out.print(f"{next(iter(scores.values))} is the {show.unit_of(found.model)}; {scores.count:,} scored")
    show.out.print(show.score_table({label: scores}, label))
    show.explain(scores)
