"""Several kinds side by side, step by step, as one input; and what is known ahead or never changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from elman.core.errors import InputError
from elman.model.kinds.events import EventsIn
from elman.model.kinds.schema import Schema
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn

__all__ = ["JoinedIn", "PartIn", "Steps"]

PartIn = Annotated[SeriesIn | EventsIn | TextIn, Field(discriminator="kind")]


@dataclass(frozen=True)
class Steps:
    """A sequence of several parts before any encoding.

    Attributes:
        parts: of a series float64 ``[T, C]``, of events names ``[T, C]``, of a text its T tokens; in the order of
            ``--from``, then what is known ahead.
        static: what is constant, as arrays of one step.
        ahead: what is known of the steps behind the last, one for each part that is known ahead.
    """

    parts: tuple[Any, ...]
    static: tuple[Any, ...] = ()
    ahead: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self.parts[0])

    def __getitem__(self, span: slice) -> Steps:
        """Some of the steps, without what is ahead; what is constant stays."""
        return Steps(tuple(one[span] for one in self.parts), self.static)


class JoinedIn(Schema):
    """Parts that have the same steps: their encodings stand side by side, ``[T, width]`` float32.

    Attributes:
        parts: what ``--from`` names, in its order.
        known: what is known ahead (``--known``), for forecasts.
        static: what does not change within a sequence (``--static``); it stands beside every step.
    """

    kind: Literal["joined"] = "joined"
    parts: list[PartIn]
    known: list[PartIn] = Field(default_factory=list)
    static: list[PartIn] = Field(default_factory=list)

    @property
    def every(self) -> list[SeriesIn | EventsIn | TextIn]:
        """All parts in the order of the encoding."""
        return [*self.parts, *self.known, *self.static]

    @property
    def width(self) -> int:
        """Numbers a step once encoded; of a text or a category its number is one."""
        return sum(_width(part) for part in self.every)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where each part stands in a step: first place and the one behind the last."""
        ends = np.cumsum([_width(part) for part in self.every]).tolist()
        return list(zip([0, *ends[:-1]], ends, strict=True))

    @property
    def numbers(self) -> list[int]:
        """The places of what ``--from`` names as series."""
        spans = zip(self.parts, self.spans, strict=False)
        return [place for part, (a, _) in spans if isinstance(part, SeriesIn) for place in range(a, a + part.channels)]

    @property
    def columns(self) -> list[str]:
        """The names of all columns read, in the order of the encoding."""
        return [name for part in self.every for name in part.columns]

    @property
    def ahead(self) -> list[int]:
        """The places of what is known ahead."""
        first, last = len(self.parts), len(self.parts) + len(self.known)
        return [place for a, b in self.spans[first:last] for place in range(a, b)]

    @property
    def constant(self) -> list[int]:
        """The places of what is constant."""
        first = len(self.parts) + len(self.known)
        return [place for a, b in self.spans[first:] for place in range(a, b)]

    @property
    def marks(self) -> list[int]:
        """The places that say where a value is missing."""
        spans = zip(self.every, self.spans, strict=True)
        return [a + place for part, (a, _) in spans if isinstance(part, SeriesIn) for place in part.marks]

    def mark_of(self, place: int) -> int | None:
        """The place that says where the channel at a place has no value; None where there is none."""
        for part, (a, b) in zip(self.every, self.spans, strict=True):
            if isinstance(part, SeriesIn) and a <= place < b:
                mark = part.mark_of(place - a)
                return None if mark is None else a + mark
        return None

    def place_of(self, column: str) -> int | None:
        """Where a column of numbers of ``--from`` stands in a step; None for any other."""
        for part, (a, _) in zip(self.parts, self.spans, strict=False):
            if isinstance(part, SeriesIn) and column in part.columns:
                return a + part.columns.index(column)
        return None

    @property
    def ages(self) -> list[int]:
        """The places that say how old something is; see :attr:`SeriesIn.ages`."""
        spans = zip(self.parts, self.spans, strict=False)
        return [a + place for part, (a, _) in spans if isinstance(part, SeriesIn) for place in part.ages]

    @property
    def unit(self) -> float:
        """The usual distance of rows where they are uneven and told, else 0; see :class:`SeriesIn`."""
        return max((part.unit for part in self.parts if isinstance(part, SeriesIn)), default=0.0)

    def encode(
        self, sequence: Steps, times: np.ndarray | None = None, *, fill: bool = True, exact: bool = False
    ) -> Tensor:
        """Encode a sequence to ``[T, width]``; see :meth:`SeriesIn.encode`."""
        steps, given = len(sequence), (*sequence.parts, *sequence.static)
        if len(given) != len(self.every):
            raise InputError(f"sequence: expected {len(self.every)} parts, got {len(given)}")
        made = [_encoded(part, raw, fill, times, exact=exact) for part, raw in zip(self.every, given, strict=True)]
        constant = len(self.parts) + len(self.known)
        made[constant:] = [one.expand(steps, -1) for one in made[constant:]]
        for part, one in zip(self.every, made, strict=True):
            if len(one) != steps:
                raise InputError(f"sequence: {part.kind} has {len(one)} steps, the first part has {steps}")
        return torch.cat(made, dim=1)

    def encode_ahead(self, ahead: Sequence[Any]) -> Tensor:
        """Steps in which only what is known ahead stands, ``[H, width]``; all other places are 0."""
        made = [_encoded(part, raw, True) for part, raw in zip(self.known, ahead, strict=True)]
        known = torch.cat(made, dim=1)
        return known.new_zeros(len(known), self.width).index_copy(1, torch.tensor(self.ahead), known)

    def fill(self, values: Tensor) -> Tensor:
        """Close the gaps of encoded ``(T, *, width)``; see :meth:`SeriesIn.fill`."""
        if not self.ages and not bool(values.isnan().any()):
            return values
        spans = zip(self.every, self.spans, strict=True)
        made = [
            part.fill(values[..., a:b]) if isinstance(part, SeriesIn) else values[..., a:b] for part, (a, b) in spans
        ]
        return torch.cat(made, dim=-1)


def _width(part: SeriesIn | EventsIn | TextIn) -> int:
    return 1 if isinstance(part, TextIn) else part.width


def _encoded(
    part: SeriesIn | EventsIn | TextIn, raw: Any, fill: bool, times: np.ndarray | None = None, *, exact: bool = False
) -> Tensor:
    if isinstance(part, SeriesIn):
        return part.encode(raw, times, fill=fill, exact=exact)
    return part.encode(raw)[:, None].float() if isinstance(part, TextIn) else part.encode(raw)
