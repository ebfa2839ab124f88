"""Kinds learnt from training examples, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from elman.core.errors import DataError
from elman.data.choose import Choice
from elman.data.roles import Roles
from elman.model.grammar import Part
from elman.model.kinds.events import EventsIn
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.label import LabelOut
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import Gaps, SeriesIn
from elman.model.kinds.text import TextIn, Variant

__all__ = ["Input", "fit_input", "fit_names", "fit_numbers", "part_of", "roles_of", "sides_of", "variant_of"]

Input = SeriesIn | TextIn | JoinedIn


def fit_input(
    choice: Choice,
    sequences: Sequence[Any],
    gaps: Gaps,
    file: str,
    times: Sequence[np.ndarray] | None = None,
    *,
    vocabulary: int | None = None,
    spelt: bool = False,
) -> Input:
    """Fit what is read on raw training sequences, each cut to its training part, and the times of their rows.

    ``vocabulary``: tokens of a text at the most. ``spelt``: whether its words are read with their characters.
    """
    if not any(len(one) for one in sequences):
        raise DataError("every training sequence is empty; nothing to learn from", file=file)
    if not choice.joined:
        kind = _part(choice.source[0], list(sequences), gaps, vocabulary, times, spelt=spelt)
        return kind if isinstance(kind, (SeriesIn, TextIn)) else JoinedIn(parts=[kind])
    known, static = len(choice.source), range(len(choice.static))
    return JoinedIn(
        parts=[
            _part(part, [one.parts[k] for one in sequences], gaps, vocabulary, times)
            for k, part in enumerate(choice.source)
        ],
        known=[
            _part(part, [one.parts[known + k] for one in sequences], "error") for k, part in enumerate(choice.known)
        ],
        # Each sequence counts by its steps, so that what is constant is no rarity.
        static=[
            _part(choice.static[k], [_repeated(one.static[k], len(one)) for one in sequences], "error") for k in static
        ],
    )


def _part(
    part: Part,
    values: list[Any],
    gaps: Gaps,
    most: int | None = None,
    times: Sequence[np.ndarray] | None = None,
    *,
    spelt: bool = False,
) -> SeriesIn | EventsIn | TextIn:
    if part.kind == "text":
        return TextIn.fit(values, part.columns[0], variant_of(part), most=most, spelt=spelt)
    if part.kind in ("events", "label"):
        return EventsIn.fit(values, part.columns)
    return SeriesIn.fit(values, part.columns, gaps, times)


def variant_of(part: Part) -> Variant:
    """How a part of text is cut."""
    found: dict[str, Variant] = {"": "", "char": "char", "bpe": "bpe"}
    return found[part.variant]


def _repeated(constant: np.ndarray, steps: int) -> np.ndarray:
    return np.repeat(constant, max(1, steps), axis=0)


def fit_numbers(kind: Input, target: Part, goals: Sequence[np.ndarray], *, follows: bool) -> NumberOut:
    """Fit numbers at steps on training targets ``[T, C]``.

    What follows is predicted as a change from the last value where that is an input; then the input must be fit on
    the very same steps, for its units are those of the last value.
    """
    anchors: list[int] = []
    if follows and not isinstance(kind, TextIn):
        columns = kind.columns if isinstance(kind, SeriesIn) else []
        places = [
            kind.place_of(name) if isinstance(kind, JoinedIn) else columns.index(name) if name in columns else None
            for name in target.columns
        ]
        anchors = [place for place in places if place is not None] if None not in places else []
    return NumberOut.fit(goals, target.columns, horizon=target.horizon or 1, anchors=anchors)


def fit_names(target: Part, goals: Sequence[np.ndarray], weights: str | None) -> LabelOut:
    """Fit names at steps on training targets ``[T]``."""
    return LabelOut.fit([name for name in chain.from_iterable(goals) if name is not None], target.columns[0], weights)


def part_of(kind: SeriesIn | TextIn | EventsIn) -> Part:
    """The ``--from`` part that reads what this kind was fit on."""
    if isinstance(kind, TextIn):
        return Part("text", kind.variant, (kind.column,))
    return Part(kind.kind, "", tuple(kind.columns))


def sides_of(kind: Input, source: str = "") -> tuple[Part, ...]:
    """The parts of ``--from`` that read what this kind was fit on; ``source`` are its kinds as the model has them."""
    made = tuple(part_of(part) for part in (kind.parts if isinstance(kind, JoinedIn) else [kind]))
    return tuple(replace(part, kind="label") for part in made) if source == "label" else made


def roles_of(kind: Input, id: str | None, time: str | None) -> Roles:
    """The roles of columns with which this kind was fit, and an id and a time."""
    parts = kind.parts if isinstance(kind, JoinedIn) else [kind]
    gaps: Gaps = next((part.gaps for part in parts if isinstance(part, SeriesIn)), "error")
    if not isinstance(kind, JoinedIn):
        return Roles(id, time, gaps=gaps)
    known, static = (tuple(part_of(part) for part in some) for some in (kind.known, kind.static))
    return Roles(id, time, None, known, static, gaps)
