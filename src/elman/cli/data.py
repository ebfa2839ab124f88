"""elman data"""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from elman.cli import show
from elman.pictures import bar

if TYPE_CHECKING:
    from elman.data.checkup.examine import Checkup
    from elman.data.checkup.findings import Finding

__all__ = ["register"]

_HELP = """
Look through a file: what it holds, what is wrong with it, and the command that trains on it.

\b
  elman data reviews.csv
  elman data machines.parquet --to label:fault --id unit --time ts
  elman data reviews.csv --test new.csv --json

CSV, TSV, JSONL and Parquet may be larger than memory: they are read some rows at a time. What you do not say is \
guessed from names and values. The exit code is 2 if the file cannot be read, 1 if training would refuse it, else 0.
"""

_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold"}

_SHAPES = {
    "rows": "rows of one {id} are one sequence",
    "row": "each row is one sequence",
    "table": "the table is one sequence",
    "text": "one text",
}

_SHOWN = 12
"""Labels that are shown, and columns of a file that has more than twice as many."""

_NAME = 24
"""Letters of a name that are shown."""


def register(app: typer.Typer) -> None:
    app.command("data", help=_HELP)(data)


def data(
    file: Annotated[list[str], typer.Argument(help="The data; several plain texts are aligned.")],
    source: str = typer.Option("", "--from", help="What is to be read (guessed).", metavar="KIND"),
    target: str = typer.Option("", "--to", help="What is to be predicted (guessed).", metavar="KIND"),
    id: str | None = typer.Option(None, help="Column: rows of one value form one sequence (guessed)."),
    time: str | None = typer.Option(None, help="Column: time of a row (guessed)."),
    split: str | None = typer.Option(None, help="Column with train/valid/test (guessed)."),
    valid: str | None = typer.Option(None, help="File for validation, compared with the first."),
    test: str | None = typer.Option(None, help="File for the test, compared with the first."),
    as_json: bool = typer.Option(False, "--json", help="All of it as JSON, for programs."),
) -> None:
    from elman.data.checkup.examine import examine

    found = examine("+".join(file), source, target, id=id, time=time, split=split, valid=valid, test=test)
    if as_json:
        sys.stdout.write(json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n")
    else:
        _tell(found)
    raise typer.Exit(0 if found.healthy else 1)


def _tell(found: Checkup) -> None:
    sequences = "" if found.sequences == 1 else f"; {found.sequences:,} sequences"
    rows = "" if found.shape == "text" else f"{found.rows:,} row{'' if found.rows == 1 else 's'}, "
    id = next((column.name for column in found.columns if column.role == "id"), "id")
    every = f", {found.every} apart" if found.every else ""
    show.out.print(show.wrap(f"{found.file}: {rows}{_SHAPES[found.shape].format(id=id)}{sequences}{every}"))
    if found.parts:
        show.out.print("parts: " + ", ".join(f"{count:,} {name}" for name, count in found.parts.items()))
    show.out.print()
    show.out.print(_columns(found))
    for sentence in found.approximate:
        show.out.print(show.wrap(sentence, "~ ", "  "))
    if found.sequences > 1 and found.lengths:
        _bars(f"length in {found.unit}", {_range(a, b): count for a, b, count in found.lengths})
    if found.labels:
        _bars("label", dict(list(found.labels.items())[:_SHOWN]))
        if len(found.labels) > _SHOWN:
            show.out.print(f"  and {len(found.labels) - _SHOWN:,} more")
    _findings(found)
    _command(found)


def _columns(found: Checkup) -> Table:
    """A line a column; of very many the first."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), width=min(show.out.width, 100))
    for name, side in (
        ("column", "left"),
        ("holds", "left"),
        ("as", "left"),
        ("missing", "right"),
        ("distinct", "right"),
    ):
        table.add_column(name, justify=side, no_wrap=True, overflow="ellipsis", max_width=_NAME)  # type: ignore[arg-type]
    table.add_column("", ratio=1, no_wrap=True, overflow="ellipsis")
    shown = found.columns if len(found.columns) <= 2 * _SHOWN else found.columns[:_SHOWN]
    for column in shown:
        distinct = f"{column.distinct:,}" if column.exact else f"~{column.distinct:,}"
        table.add_row(
            Text(column.name),
            column.kind,
            column.role,
            f"{column.missing:,}" if column.missing else "",
            distinct if column.kind != "lists" else "",
            Text(column.shows),
        )
    if len(found.columns) > len(shown):
        table.add_row(f"and {len(found.columns) - len(shown):,} more", "", "", "", "", "")
    return table


def _range(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


def _bars(title: str, counts: dict[str, int]) -> None:
    """A bar a line, as long as there are many."""
    most, wide = max(max(counts.values()), 1), min(_NAME, max(map(len, counts)))
    unicode = (show.out.encoding or "").lower().startswith("utf")
    show.out.print(f"\n{title}")
    for name, count in counts.items():
        shown = name if len(name) <= wide else name[: wide - 1] + "…"
        drawn = bar(count, most, 30, unicode=unicode).rstrip()
        show.out.print(Text(f"  {shown:>{wide}}  {drawn} {count:,}"))


def _findings(found: Checkup) -> None:
    if not found.findings:
        show.out.print("\nNo fault found.")
        return
    counts = {name: sum(one.severity == name for one in found.findings) for name in _STYLES}
    told = ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items() if count)
    show.out.print(f"\nFound: {told}")
    for one in found.findings:
        show.out.print(Text.assemble((one.severity, _STYLES[one.severity]), f": {one.kind}{_where(one, found.file)}"))
        show.out.print(show.wrap(one.what, "    ", "    "))
        if one.todo:
            show.out.print(show.wrap(f"-> {one.todo}{':' if one.paste else ''}", "    ", "       "))
        if one.paste:
            # On a line of its own, however long: it is to be pasted.
            show.out.print(Text(f"python -c {json.dumps(one.paste, ensure_ascii=False)}"))


def _where(one: Finding, file: str) -> str:
    place = [one.file] if one.file != file else []
    place += [f"line {one.line:,}"] if one.line is not None else []
    place += [f"column '{one.column}'"] if one.column is not None else []
    return " in " + ", ".join(place) if place else ""


def _command(found: Checkup) -> None:
    if not found.command:
        if found.healthy:
            show.out.print("\nNo training command fits by itself. Say what is read and predicted:")
            show.out.print(f"  elman train {shlex.quote(found.file)} --from series:COLUMN --to label:COLUMN")
        else:
            show.out.print("\nNo training command fits the file as it is; mend the errors, then look again.")
        return
    show.out.print("\nTrain:" if found.healthy else "\nTrain, once the errors are mended:")
    show.out.print("  " + show.command(*found.command))
