"""The options that say how texts are searched for, which several verbs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from elman.core.errors import InputError

if TYPE_CHECKING:
    from elman.model.write import Search

__all__ = ["BEAM", "BEST", "PENALTY", "search_of"]

BEAM: Any = typer.Option(None, help="Texts: beginnings kept at every step; 1 is greedy (5).")
BEST: Any = typer.Option(None, help="Texts: so many of each, the best first (1).")
PENALTY: Any = typer.Option(None, help="Texts: 0 favours short ones, 1 compares means (1).")

_OPTIONS = {"beam": "--beam", "best": "--n-best", "length_penalty": "--length-penalty"}


def search_of(beam: int | None, best: int | None, length_penalty: float | None) -> Search | None:
    """How texts are searched for, if anything was said of it.

    Raises:
        InputError: a number is out of its range.
    """
    if beam is None and best is None and length_penalty is None:
        return None
    from elman.model.write import Search

    usual = Search()
    try:
        return Search(
            beam=max(usual.beam, best or 1) if beam is None else beam,
            best=usual.best if best is None else best,
            length_penalty=usual.length_penalty if length_penalty is None else length_penalty,
        )
    except InputError as error:
        name, _, rest = str(error).partition(": ")
        raise InputError(f"{_OPTIONS[name]}: {rest.replace('beam=', '--beam ')}") from error
