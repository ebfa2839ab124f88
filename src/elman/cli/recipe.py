"""elman recipe"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from elman.cli import show
from elman.cli.options import DATA, LESS, LOOP, NET, SAVE, SIDES, typed, with_options
from elman.cli.train import carry_out

if TYPE_CHECKING:
    from elman.recipes import Recipe
    from elman.recipes.recipe import Published

__all__ = ["register"]

_ALL = """
Known jobs on public data, with settings that work and published scores beside.

\b
  elman recipe list
  elman recipe show sst2
  elman recipe run sst2 --data ~/data
"""

_RUN = """
Run a recipe: fetch its data where it is not here, train, and set published scores beside.

\b
  elman recipe run sst2                     fetched once, and kept in the cache
  elman recipe run sst2 --data ~/data       taken from there: ~/data/sst2/train.tsv, or with .gz
  elman recipe run sst2 --hidden 32 --seed 1

Without --data the folder that $ELMAN_DATA names is looked into first. The command that is printed does the same \
without the recipe.  It goes on, when it was stopped, by elman train --resume RUN.
"""


def register(app: typer.Typer) -> None:
    verbs = typer.Typer(help=_ALL, no_args_is_help=True, rich_markup_mode="rich")
    verbs.command("list", help="All recipes, a line each.")(listed)
    verbs.command("show", help="What a recipe is, with an example, published scores and its command.")(shown)
    verbs.command("run", help=_RUN)(run)
    app.add_typer(verbs, name="recipe")


def listed() -> None:
    from elman.recipes import NAMES, find

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in ("recipe", "job"):
        table.add_column(head)
    table.add_column("minutes", justify="right")
    for name in NAMES:
        one = find(name)
        table.add_row(name, f"{one.about}: {one.source} -> {one.target}", str(one.minutes))
    show.out.print(table)
    show.out.print("minutes: at the most, on two cores. More of one: elman recipe show NAME")


def shown(name: str = typer.Argument(..., help="As in the list.")) -> None:
    from elman.recipes import find

    one = find(name)
    show.out.print((sys.modules[f"elman.recipes.{name}"].__doc__ or "").strip(), highlight=False, markup=False)
    show.out.print(f"\nData (licence: {one.licence}):", highlight=False)
    for file in one.files[:3]:
        show.out.print(f"  {file.url}", soft_wrap=True, highlight=False)
    if len(one.files) > 3:
        show.out.print(f"  and {len(one.files) - 3} more")
    show.out.print("Run:  " + show.command("elman", "recipe", "run", name))
    words = _words({"file": "", "source": one.source, "target": one.target, **one.settings})[1:]
    show.out.print("With: " + shlex.join(words), soft_wrap=True, highlight=False)


@with_options(NET, LOOP, LESS, SAVE)
def run(
    given: dict[str, Any],
    name: str = typer.Argument(..., help="As in the list."),
    data: str | None = typer.Option(None, help="Folder that holds the data ($ELMAN_DATA, else fetched)."),
    out: str | None = typer.Option(None, help="Folder to make (runs/NAME-N)."),
) -> None:
    from elman.recipes import find
    from elman.recipes.fetch import Files
    from elman.training.place import check_out

    one = find(name)
    path = Path(out) if out is not None else _free(name)
    check_out(path, new=True)
    with show.counting(f"the data of {name}", None) as fetched:
        files = Files(one.folder, one.files, data, lambda file, done: fetched(done))
        parts = one.prepare(files, path.parent / "data" / name)
    show.notes(files.notes)
    settings = {**parts, "source": one.source, "target": one.target, **one.settings, **given}
    show.err.print(f"{one.about}; licence of the data: {one.licence}; the same without the recipe:")
    show.err.print("  " + show.command("elman", "train", *_words(settings)), soft_wrap=True, highlight=False)
    carry_out(settings, str(path))
    if one.published and settings.get("score_on") != "valid":
        _beside(one)


def _free(name: str) -> Path:
    """The first free ``runs/NAME-N``."""
    return next(path for k in range(1, 10_000) if not (path := Path("runs") / f"{name}-{k}").exists())


def _beside(one: Recipe) -> None:
    """The scores of others."""
    show.out.print(f"Published (elman recipe show {one.name} says on what):")
    width = max(len(entry.who) for entry in one.published)
    for entry in one.published:
        show.out.print(f"  {entry.who:{width}}  {_told(entry)}", highlight=False)


def _told(entry: Published) -> str:
    from elman.training.measures import digits

    return f"{entry.metric.replace('_', ' ')} {digits(entry.metric, entry.value)}"


def _words(settings: dict[str, Any]) -> list[str]:
    return typed(settings, SIDES, DATA, NET, LOOP, LESS, SAVE)
