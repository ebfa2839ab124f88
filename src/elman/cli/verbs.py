"""All verbs together."""

from __future__ import annotations

import sys

import typer

from elman.cli import bench, compare, data, demo, evaluate, generate, plan, predict, recipe, show_run, train, tune
from elman.cli.show import as_typed, fail
from elman.cli.welcome import WELCOME
from elman.core.errors import ElmanError

__all__ = ["app", "run"]

app = typer.Typer(
    name="elman",
    help="Recurrent neural networks for sequences in files: train, evaluate, predict.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (data, train, compare, tune, evaluate, predict, generate, show_run, recipe, plan, demo, bench):
    verb.register(app)


@app.callback(invoke_without_command=True)
def _alone(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and what it was built with."),
) -> None:
    if version:
        from elman import __version__
        from elman.native_info import describe

        typer.echo(f"elman {__version__}\n" + "\n".join(f"{name}: {value}" for name, value in describe().items()))
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(WELCOME)


def run() -> None:
    """Run the command line; errors made on purpose end in one message and exit code 2."""
    try:
        app()
    except ElmanError as error:
        fail(as_typed(str(error)))
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:
        # torch has no error of its own for this.
        if not isinstance(error, MemoryError) and "can't allocate memory" not in str(error):
            raise
        fail("not enough memory; take fewer --hidden units or a smaller --batch, or cut long sequences: docs/long.md")
        sys.exit(2)
    except OSError as error:
        # Such as a disk that is full. Its words say what and where.
        fail(str(error))
        sys.exit(2)
