"""elman predict"""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elman.cli import show
from elman.cli.writing import BEAM, BEST, PENALTY, SEED, TEMPERATURE, TOP_K, TOP_P, how_of
from elman.core.errors import InputError

if TYPE_CHECKING:
    import polars as pl


__all__ = ["register"]

_HELP = """
Predict every sequence of a file.

\b
  elman predict runs/reviews-1 new.csv --out predicted.csv
  elman predict runs/demand-1 demand.csv > forecast.csv
  elman predict runs/machines-1 new.csv --keep site,owner --out p.parquet
  elman predict runs/german-1 new.csv --beam 10 --n-best 3
  elman predict runs/german-1 new.csv --n-best 5 --temperature 0.7
  elman predict runs/tagger-1 sentences.txt
  elman predict runs/vowels-1 new.ts --every-step

The id of every sequence (or its line) comes first, --keep puts other columns beside it. Labels come with the \
probability of every class, tags with that of the tag (p), texts with their mean log p a token (score), numbers and \
forecasts with an 80 % interval. A model that reads a text takes a .txt too, a text a line. \
Without --out the table goes to the terminal (shortened) or, as \
CSV, into a pipe. An existing file is not overwritten.
"""


def register(app: typer.Typer) -> None:
    app.command("predict", help=_HELP)(predict)


def predict(
    run: Annotated[str, typer.Argument(help="A run's folder.")],
    file: Annotated[list[str], typer.Argument(help="The data to predict from; several plain texts are aligned.")],
    keep: str | None = typer.Option(None, help="Columns of the file to put beside what is predicted: a,b."),
    out: str | None = typer.Option(None, help="Write the table here (.csv, .jsonl or .parquet)."),
    id: str | None = typer.Option(None, help="Column: rows of one value form one sequence (as in training)."),
    time: str | None = typer.Option(None, help="Column: time of a row (as in training)."),
    every_step: bool = typer.Option(False, "--every-step", help="What is said so far, after every step."),
    beam: int | None = BEAM,
    n_best: int | None = BEST,
    length_penalty: float | None = PENALTY,
    temperature: float | None = TEMPERATURE,
    top_k: int | None = TOP_K,
    top_p: float | None = TOP_P,
    seed: int | None = SEED,
    device: str = typer.Option("cpu", help="cpu or cuda."),
) -> None:
    from elman.data.keep import keep as beside
    from elman.run import load
    from elman.training.make import check_device
    from elman.training.predict import predict, read_for

    search = how_of((beam, length_penalty), n_best, (temperature, top_k, top_p), seed)
    if out is not None:
        check_out(Path(out))
    where = check_device(device)
    found = load(run)
    found.model.to(where)
    data = "+".join(file)
    examples = read_for(found.model, data, need_target=False, id=id, time=time)
    if search is None and found.model.decoder is None:
        made = predict(found.model, examples, early=every_step)
    else:
        with show.counting("writing", len(examples)) as done:
            made = predict(found.model, examples, search, done, early=every_step)
    if keep is not None:
        made = replace(made, frame=beside(made.frame, examples, data, [name.strip() for name in keep.split(",")]))
    show.notes(made.notes)
    if out is not None:
        # Parquet has times of its own, and room for every digit.
        write_table(made.frame if out.endswith(".parquet") else made.written(), Path(out))
        show.err.print(f"{len(made.frame):,} rows written to {out}")
    elif show.interactive():
        show.out.print(str(made.written()))
        show.err.print("all rows: add --out predicted.csv")
    else:
        sys.stdout.write(made.written().write_csv())


def check_out(path: Path) -> None:
    if path.suffix not in (".csv", ".jsonl", ".parquet"):
        raise InputError(f"--out {path}: the ending says the format; use .csv, .jsonl or .parquet")
    if not path.absolute().parent.is_dir():
        raise InputError(f"--out {path}: there is no folder '{path.parent}'; make it first, or name another")
    if path.exists():
        raise InputError(f"--out {path}: exists already and is not overwritten; name another file, or remove it")


def write_table(frame: pl.DataFrame, path: Path) -> None:
    made = False
    table = io.BytesIO()
    if path.suffix == ".csv":
        frame.write_csv(table)
    elif path.suffix == ".jsonl":
        frame.write_ndjson(table)
    else:
        frame.write_parquet(table)
    try:
        # "x": a file that appeared meanwhile is not overwritten either.
        with open(path, "xb") as file:
            made = True
            file.write(table.getvalue())
    except OSError as error:
        if made:
            path.unlink()
        raise InputError(f"--out {path}: cannot be written ({error.strerror}); name another, or make room") from error
