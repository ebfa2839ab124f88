"""elman evaluate"""

from __future__ import annotations

from typing import Annotated

import typer

from elman.cli import show
from elman.cli.writing import BEAM, PENALTY, search_of

__all__ = ["register"]

_HELP = """
Score a trained model on all examples of a file.

\b
  elman evaluate runs/reviews-1 new.csv
  elman evaluate runs/german-1 test.de test.en --beam 10

The file must hold the columns that the model reads, and the one that it predicts.
"""


def register(app: typer.Typer) -> None:
    app.command("evaluate", help=_HELP)(evaluate)


def evaluate(
    run: Annotated[str, typer.Argument(help="A run's folder.")],
    file: Annotated[list[str], typer.Argument(help="The data to score on; several plain texts are aligned.")],
    id: str | None = typer.Option(None, help="Column: rows of one value form one sequence (as in training)."),
    time: str | None = typer.Option(None, help="Column: time of a row (as in training)."),
    beam: int | None = BEAM,
    length_penalty: float | None = PENALTY,
    device: str = typer.Option("cpu", help="cpu or cuda."),
) -> None:
    from elman.report import trained_on
    from elman.run import load
    from elman.training.make import check_device
    from elman.training.predict import evaluate, read_for

    data, where, search = "+".join(file), check_device(device), search_of(beam, None, length_penalty)
    found = load(run)
    found.model.to(where)
    scores, notes = evaluate(found.model, read_for(found.model, data, need_target=True, id=id, time=time), search)
    own = trained_on(found.path, data)
    show.notes([*notes, own] if own else notes)
    label = f"elman {found.model.config.net.cell}"
    metric = next(iter(scores.values))
    show.out.print(show.wrap(f"{metric} is the {show.unit_of(found.model, metric)}; {scores.count:,} scored"))
    show.out.print(show.score_table({label: scores}, label))
    show.explain(scores)
