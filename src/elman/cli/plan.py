"""elman plan"""

from __future__ import annotations

import typer

__all__ = ["register"]

_HELP = """
Tell which engine will run a trained model, why no other, and what memory training takes.

\b
  elman plan runs/demand-1 --steps 96 --batch 64
"""


def register(app: typer.Typer) -> None:
    app.command("plan", help=_HELP)(plan)


def plan(
    run: str = typer.Argument(..., help="A run's folder."),
    steps: int = typer.Option(100, help="Length of the sequences."),
    batch: int = typer.Option(32, help="Sequences at once."),
) -> None:
    from elman.cli import show
    from elman.run import load

    model = load(run).model
    if model.config.net.cell == "feedforward":
        weights = sum(weight.numel() for weight in model.parameters())
        show.out.print(f"a feed-forward net of {weights:,} weights: nothing recurrent to plan")
        return
    from elman.core.plan import plan as make

    show.out.print(str(make(model, steps=steps, batch=batch)), markup=False)
