"""elman generate"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elman.cli.writing import sampling_of
from elman.core.errors import InputError

if TYPE_CHECKING:
    from elman.model.network import SequenceModel
    from elman.model.write import Draws

__all__ = ["register"]

_HELP = """
Let a model write: on from a prompt, or texts of a label.

\b
  elman generate runs/book-1 --prompt "It was " --length 400 --temperature 0.8
  elman generate runs/book-1 --prompt - --stop "\\n\\n" < beginning.txt
  elman generate runs/names-1 --of Italian,Greek --count 5
  elman generate runs/names-1 --count 100 --seed 7 --out made.csv

A model of --to next goes on where the prompt ends. One of --from label --to text writes texts of every label, or of \
those named, as many of each: held against real ones, draw one for each of these by elman predict RUN FILE \
--temperature 1. The prompt begins them too. To write texts of texts, see elman predict.
"""

_LENGTH, _COUNT = 200, 3


def register(app: typer.Typer) -> None:
    app.command("generate", help=_HELP)(generate)


def generate(
    run: str = typer.Argument(..., help="A run's folder."),
    prompt: str = typer.Option("", help="What the text begins with; - reads it from standard input."),
    length: int | None = typer.Option(
        None, help="Characters, words or pieces to write at the most (200; of a label as many as texts have)."
    ),
    stop: Annotated[
        list[str] | None, typer.Option(help=r"End before this text; may be repeated; \n is a new line.")
    ] = None,
    of: str | None = typer.Option(None, help="Labels to write of: a,b (all)."),
    count: int | None = typer.Option(None, help="Texts of each label (3)."),
    temperature: float | None = typer.Option(None, help="0 takes the likeliest; 1 draws as the model says (1)."),
    top_k: int | None = typer.Option(None, help="Draw among the K likeliest only; 0 for all (0)."),
    top_p: float | None = typer.Option(None, help="Draw among the likeliest that together reach P (1)."),
    seed: int = typer.Option(0, help="The same seed writes the same text."),
    out: str | None = typer.Option(None, help="Of labels: write a table here (.csv, .jsonl or .parquet)."),
    device: str = typer.Option("cpu", help="cpu or cuda."),
) -> None:
    from elman.model.write import Draws
    from elman.run import load
    from elman.training.make import check_device

    sampling, where = sampling_of(temperature, top_k, top_p), check_device(device)
    model = load(run).model.to(where)
    text = _read() if prompt == "-" else prompt
    labelled = model.config.source == "label"
    for name, said in (("--of", of), ("--count", count), ("--out", out)):
        if said is not None and not labelled:
            raise InputError(f"{name} is for a model of --from label; this one reads {model.config.source}")
    if not labelled:
        steps = _LENGTH if length is None else length
        _go_on(model, text, steps, sampling=sampling, stop=[_line(one) for one in stop or []], seed=seed)
        return
    if stop:
        raise InputError("--stop is for a text that goes on; those of a label end by themselves")
    if count is not None and count < 1:
        raise InputError(f"--count {count}: expected a number of texts, at least 1; as in --count 5")
    draws = Draws(sampling, _COUNT if count is None else count, seed, text, length)
    _of_labels(model, of, draws, out)


def _read() -> str:
    """What standard input holds, without the end of its last line."""
    if sys.stdin is None:
        raise InputError("--prompt -: standard input is closed; write the text as it is: --prompt 'It was '")
    return sys.stdin.read().removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").removesuffix("\n")


def _line(text: str) -> str:
    return text.replace("\\n", "\n")


def _go_on(model: SequenceModel, prompt: str, length: int, **how: object) -> None:
    """Print a text as it is written."""
    from elman.cli import show
    from elman.model.decode import continue_text
    from elman.model.kinds.text import TextIn

    written = continue_text(model, prompt, length, **how)  # type: ignore[arg-type]
    kind = model.config.input
    if isinstance(kind, TextIn) and (unknown := kind.unknown(prompt)):
        shown = ", ".join(repr(token) for token in unknown[:5])
        show.notes([f"{len(unknown)} of the prompt's tokens were never seen in training: {shown}"])
    sys.stdout.write(prompt)
    for piece in written:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")


def _of_labels(model: SequenceModel, of: str | None, draws: Draws, out: str | None) -> None:
    """A table of texts, a row each: written to a file, into a pipe, or shown label by label."""
    from elman.cli import show
    from elman.cli.predict import check_out, write_table
    from elman.training.made import labels_of, made_of

    # A label may hold a comma itself.
    labels = None if of is None else [of] if of in labels_of(model) else [name.strip() for name in of.split(",")]
    if out is not None:
        check_out(Path(out))
    frame = made_of(model, labels, draws)
    label, text = frame.columns
    if out is not None:
        write_table(frame, Path(out))
        show.err.print(f"{len(frame):,} rows written to {out}")
    elif show.interactive():
        for (name,), rows in frame.group_by(label, maintain_order=True):
            show.out.print(show.wrap(", ".join(rows[text]), f"{name}: ", "  "))
    else:
        sys.stdout.write(frame.write_csv())
