"""The options that say how texts are searched for or drawn, which several verbs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from elman.core.errors import InputError

if TYPE_CHECKING:
    from elman.model.sampling import Sampling
    from elman.model.write import Draws, Search

__all__ = ["BEAM", "BEST", "PENALTY", "SEED", "TEMPERATURE", "TOP_K", "TOP_P", "how_of", "sampling_of", "search_of"]

BEAM: Any = typer.Option(None, help="Texts: beginnings kept at every step; 1 is greedy (5).")
BEST: Any = typer.Option(None, help="Texts: so many of each, the best first (1).")
PENALTY: Any = typer.Option(None, help="Texts: 0 favours short ones, 1 compares means (1).")
TEMPERATURE: Any = typer.Option(None, help="Texts: draw them; below 1 bolder, 0 the likeliest (1).")
TOP_K: Any = typer.Option(None, help="Texts: draw among the K likeliest tokens only; 0 all (0).")
TOP_P: Any = typer.Option(None, help="Texts: draw among the likeliest that reach P together (1).")
SEED: Any = typer.Option(None, help="Texts: the same seed draws the same (0).")


def search_of(beam: int | None, best: int | None, length_penalty: float | None) -> Search | None:
    """How texts are searched for, if anything was said of it.

    Raises:
        InputError: a number is out of its range.
    """
    if beam is None and best is None and length_penalty is None:
        return None
    from elman.model.write import Search

    usual = Search()
    return Search(
        beam=max(usual.beam, best or 1) if beam is None else beam,
        best=usual.best if best is None else best,
        length_penalty=usual.length_penalty if length_penalty is None else length_penalty,
    )


def sampling_of(temperature: float | None, top_k: int | None, top_p: float | None) -> Sampling:
    """How a token is drawn.

    Raises:
        InputError: a number is out of its range.
    """
    from elman.model.sampling import Sampling

    said = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    return Sampling(**{name: value for name, value in said.items() if value is not None})  # type: ignore[arg-type]


def how_of(
    searched: tuple[int | None, float | None],
    best: int | None,
    drawn: tuple[float | None, int | None, float | None],
    seed: int | None,
) -> Search | Draws | None:
    """How texts are written, if anything was said of it: searched for, or drawn.

    Args:
        searched: beam and length penalty. best: texts of each. drawn: temperature, top_k, top_p. seed: of drawing.

    Raises:
        InputError: both were asked for, or a number is out of its range.
    """
    if all(value is None for value in (*drawn, seed)):
        return search_of(searched[0], best, searched[1])
    if any(value is not None for value in searched):
        raise InputError(
            "--beam and --length-penalty search for the likeliest text, --temperature, --top-k, --top-p and --seed "
            "draw one; say the one or the other"
        )
    from elman.model.write import Draws

    return Draws(sampling=sampling_of(*drawn), best=1 if best is None else best, seed=seed or 0)
