"""Small models of every legal pair and every cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from elman import Ragged
from elman.model.config import ModelConfig, NetConfig
from elman.model.grammar import PER_STEP, parse_target
from elman.model.kinds.events import EventsIn
from elman.model.kinds.joined import JoinedIn, PartIn
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn, TokenOut
from elman.model.network import SequenceModel
from elman.model.shapes import Batch

PAIRS = (
    "series-label",
    "series-number",
    "series-next",
    "series-future:3",
    "text-label",
    "text-number",
    "text-next",
    "text-tags",
    "series-labels",
    "series-tags",
    "series-series",
    "events-next",
    "series+events-label",
    "series+text-tags",
    "series+events-next",
    "series+events-future:3",
)
"""Pairs that cover every kind on either side; of several parts there are more."""

CASES = [
    (pair, cell, both)
    for pair in PAIRS
    for cell in ("gru", "lstm", "rnn", "feedforward")
    for both in (False, True)
    if not (both and (cell == "feedforward" or pair.endswith("next")))
]
"""Every model that training can make, one size each."""

LOOKBACK, HORIZON = 8, 3

WORDS = ["<unknown>", "<end>", *"abcdefgh"]
SCALE = {"mean": [0.0, 0.0], "scale": [1.0, 1.0]}


@dataclass
class Small:
    """Makes models and batches of a pair."""

    pair: str
    cell: str = "gru"
    both: bool = False

    @property
    def source(self) -> str:
        return self.pair.partition("-")[0]

    @property
    def target(self) -> str:
        return self.pair.partition("-")[2]

    def config(self, **net: object) -> ModelConfig:
        kind = parse_target(self.target).kind
        settings = {
            "cell": self.cell,
            "hidden": 6,
            "embedding": 5,
            "window": 3,
            "bidirectional": self.both,
            "readout": "every" if kind in PER_STEP else "mean",
            "highway": kind == "future",
        }
        return ModelConfig(
            source=self.source,
            target=self.target,
            lookback=LOOKBACK if kind == "future" else 0,
            input=self.input(),
            output=self.output(),
            net=NetConfig.model_validate({**settings, **net}),
        )

    def input(self) -> SeriesIn | TextIn | JoinedIn:
        kinds: dict[str, PartIn] = {
            "series": SeriesIn(columns=["p", "q"], **SCALE),
            "text": TextIn(column="t", variant="char", vocabulary=WORDS),
            "events": EventsIn(columns=["e"], vocabularies=[WORDS]),
        }
        parts = [kinds[name] for name in self.source.split("+")]
        if len(parts) == 1 and not isinstance(parts[0], EventsIn):
            return parts[0]
        fixed: dict[str, list[PartIn]] = {}
        if self.target.startswith("future"):
            known = [SeriesIn(columns=["k"], mean=[0.0], scale=[1.0]), EventsIn(columns=["w"], vocabularies=[WORDS])]
            fixed = {"known": known, "static": [EventsIn(columns=["s"], vocabularies=[WORDS])]}
        return JoinedIn(parts=parts, **fixed)

    def output(self) -> LabelOut | LabelsOut | NumberOut | TokenOut:
        kind = parse_target(self.target).kind
        if kind in ("label", "tags") or self.pair == "events-next":
            return LabelOut(column="y", classes=["a", "b", "c"])
        if kind == "labels":
            return LabelsOut(columns=["y"], classes=["a", "b", "c"], weights=[1.0, 2.0, 0.5])
        if kind in ("number", "series"):
            return NumberOut(columns=["y", "z"], **SCALE)
        if self.source == "text":
            return TokenOut(size=len(WORDS))
        return NumberOut(columns=["q", "p"], **SCALE, horizon=HORIZON if kind == "future" else 1, anchors=[1, 0])

    def model(self, **net: object) -> SequenceModel:
        """A model whose every weight is drawn at random, the head's and the highway's too."""
        torch.manual_seed(0)
        made = SequenceModel(self.config(**net))
        zeros = [made.head, made.highway, made.ahead and made.ahead.out]
        for weight in [weight for part in zeros if part is not None for weight in part.parameters()]:
            torch.nn.init.normal_(weight, std=0.3)
        return made.eval()

    def batch(self, lengths: tuple[int, ...] = (5, 9, 0, 1, 7)) -> Batch:
        """A clean batch; forecasts read windows of one length."""
        source = torch.Generator().manual_seed(3)
        kind, rows, steps = parse_target(self.target).kind, len(lengths), max(lengths)
        if kind == "future":
            return Batch(Ragged(self._windows(rows, source)), torch.randn(rows, HORIZON, 2, generator=source))
        ragged = Ragged(self._values(steps, rows, source), list(lengths)).clean()
        if kind == "label":
            return Batch(ragged, torch.arange(rows) % 3)
        if kind == "labels":
            return Batch(ragged, torch.randint(0, 2, (rows, 3), generator=source).float())
        if kind == "number":
            return Batch(ragged, torch.randn(rows, 1, 2, generator=source))
        # The first two steps are given, not scored.
        scored = (torch.arange(steps)[:, None] >= 2).expand(steps, rows)
        out = self.output()
        if isinstance(out, TokenOut):
            return Batch(ragged, torch.randint(0, 10, (steps, rows), generator=source))
        if isinstance(out, LabelOut):
            return Batch(ragged, torch.randint(0, 3, (steps, rows), generator=source), scored)
        return Batch(ragged, torch.randn(steps, rows, 1, 2, generator=source), scored)

    def _values(self, steps: int, rows: int, source: torch.Generator) -> torch.Tensor:
        """Numbers ``(T, B, 2)``, words ``(T, B)``, or several parts side by side, where a name is a number."""
        made = {
            "series": torch.randn(steps, rows, 2, generator=source),
            "text": torch.randint(0, 10, (steps, rows), generator=source),
        }
        if self.source in made:
            return made[self.source]
        names = torch.randint(0, 10, (steps, rows, 1), generator=source).float()
        return torch.cat([made["series"] if name == "series" else names for name in self.source.split("+")], dim=-1)

    def _windows(self, rows: int, source: torch.Generator) -> torch.Tensor:
        """Windows, and of several parts the steps ahead too, in which only what is known stands."""
        if self.source == "series":
            return torch.randn(LOOKBACK, rows, 2, generator=source)
        steps = LOOKBACK + HORIZON
        number, name = (
            torch.randn(steps, rows, 1, generator=source),
            torch.randint(0, 10, (steps, rows, 1), generator=source),
        )
        read, constant = self._values(steps, rows, source), name[:1].expand(steps, -1, -1)
        read[LOOKBACK:] = 0.0
        return torch.cat([read, number, name.float(), constant.float()], dim=-1)


@pytest.fixture(params=CASES, ids=lambda case: "-".join(map(str, case[:2])) + ("-both" if case[2] else ""))
def small(request: pytest.FixtureRequest) -> Small:
    return Small(*request.param)


@pytest.fixture(params=[case for case in CASES if case[1] == "gru" and not case[2]], ids=lambda case: case[0])
def pair(request: pytest.FixtureRequest) -> Small:
    """Every pair, with one cell."""
    return Small(*request.param)


@pytest.fixture(scope="session")
def make() -> Callable[..., Small]:
    return Small
