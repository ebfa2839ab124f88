"""The errors that elman raises on purpose.

Every one of them is an :class:`ElmanError`: the command line prints its message and exits with code 2.
A message names the thing, says what came and what was expected, and ends with something to do. This file
knows nothing of tensors, files or models.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["DataError", "ElmanError", "EngineError", "InputError", "ModelFileError", "nearest"]


class ElmanError(Exception):
    """Base of all errors that elman raises on purpose."""


class InputError(ElmanError, ValueError):
    """An argument has the wrong value, shape or dtype."""


class EngineError(ElmanError, RuntimeError):
    """A named engine cannot run this case; the message says why and which engine can."""


class ModelFileError(ElmanError):
    """A model folder is missing, damaged, truncated or of another version."""


class DataError(ElmanError):
    """A data file is not as expected.

    Args:
        message: what came, what was expected, what to do.
        file: the file's name, if there is one.
        row: 1-based line of the file (the header is line 1), if known.
        column: the column's name, if known.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        row: int | None = None,
        column: str | None = None,
    ) -> None:
        self.message, self.file, self.row, self.column = message, file, row, column
        place = [str(file)] if file else []
        if row is not None:
            place.append(f"line {row}")
        if column is not None:
            place.append(f"column '{column}'")
        super().__init__(f"{', '.join(place)}: {message}" if place else message)


def nearest(word: str, choices: Iterable[str], cutoff: float = 0.5) -> str:
    """Return `` Did you mean 'X'?`` for the choice most like ``word``, or an empty string."""
    found = difflib.get_close_matches(word, list(choices), n=1, cutoff=cutoff)
    return f" Did you mean '{found[0]}'?" if found else ""
