"""Where encoded sequences come from, so that people can find them again in their file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elman.data.roles import Examples
from elman.model.kinds.joined import Steps

__all__ = ["Whence", "whence"]

_SHOWN = 120
"""Letters of a text that are shown."""


@dataclass(frozen=True)
class Whence:
    """The origin of every sequence of some data.

    Attributes:
        ids: the id, or the line where no column is the id.
        where: file and line of each first row.
        texts: the beginning of each text; empty where none is read.
        times: of each row, or None.
        lines: of each row.
        shift: steps from an input to its target.
    """

    ids: list[str]
    where: list[tuple[str, int]]
    texts: list[str]
    times: list[Any] | None
    lines: list[np.ndarray]
    shift: int = 0


def whence(ex: Examples, kept: Sequence[int] | None = None, shift: int = 0) -> Whence:
    """The origin of some examples, or of those at the places ``kept``."""
    places = range(len(ex)) if kept is None else kept
    return Whence(
        ids=[str(ex.ids[k]) for k in places],
        where=[ex.where[k] for k in places],
        texts=[_beginning(ex.inputs[k]) for k in places],
        times=None if ex.times is None else [ex.times[k] for k in places],
        lines=[ex.steps[k] for k in places],
        shift=shift,
    )


def _beginning(raw: Any) -> str:
    if isinstance(raw, Steps):
        raw = next((part for part in raw.parts if isinstance(part, (str, list))), "")
    if isinstance(raw, str):
        text = raw
    elif isinstance(raw, (list, tuple)) and all(isinstance(word, str) for word in raw[:_SHOWN]):
        text = " ".join(raw[:_SHOWN])
    else:
        return ""
    text = " ".join(text[: 4 * _SHOWN].split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
