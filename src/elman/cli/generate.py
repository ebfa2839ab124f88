"""elman generate"""

from __future__ import annotations

import sys

import typer

__all__ = ["register"]

_HELP = """
Let a text model continue a prompt.

\b
  elman generate runs/book-1 --prompt "It was " --length 400 --temperature 0.8
"""


def register(app: typer.Typer) -> None:
    app.command("generate", help=_HELP)(generate)


def generate(
    run: str = typer.Argument(..., help="A run's folder."),
    prompt: str = typer.Option("", help="What the text begins with."),
    length: int = typer.Option(200, help="Characters (or words) to write at the most."),
    temperature: float = typer.Option(1.0, help="0 takes the likeliest; 1 samples as the model says."),
    top_k: int = typer.Option(0, help="Sample among the K likeliest only; 0 for all."),
    seed: int = typer.Option(0, help="The same seed writes the same text."),
    device: str = typer.Option("cpu", help="cpu or cuda."),
) -> None:
    from elman.cli import show
    from elman.model.decode import continue_text
    from elman.model.kinds.text import TextIn
    from elman.run import load
    from elman.training.make import check_device

    where = check_device(device)
    model = load(run).model.to(where)
    written = continue_text(model, prompt, length, temperature=temperature, top_k=top_k, seed=seed)
    kind = model.config.input
    if isinstance(kind, TextIn) and (unknown := kind.unknown(prompt)):
        shown = ", ".join(repr(token) for token in unknown[:5])
        show.notes([f"{len(unknown)} of the prompt's tokens were never seen in training: {shown}"])
    sys.stdout.write(prompt)
    for piece in written:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
