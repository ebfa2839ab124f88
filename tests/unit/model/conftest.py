"""Small models of every legal pair and every cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from elman import Ragged
from elman.model.grammar import parse_target
from elman.model.kinds.label import LabelOut
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn, TokenOut
from elman.model.network import ModelConfig, NetConfig, SequenceModel
from elman.model.shapes import Batch

PAIRS = (
    "series-label",
    "series-number",
    "series-next",
    "series-future:3",
    "text-label",
    "text-number",
    "text-next",
)
"""Every pair that the grammar allows."""

CASES = [
    (pair, cell, both)
    for pair in PAIRS
    for cell in ("gru", "lstm", "rnn", "feedforward")
    for both in (False, True)
    if not (both and (cell == "feedforward" or pair.endswith("next")))
]
"""Every model that training can make, one size each."""

LOOKBACK = 8


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
        words = ["<unknown>", "<end>", *"abcdefgh"]
        scale = {"mean": [0.0, 0.0], "scale": [1.0, 1.0]}
        out: LabelOut | NumberOut | TokenOut = TokenOut(size=len(words))
        if kind == "label":
            out = LabelOut(column="y", classes=["a", "b", "c"])
        elif kind == "number":
            out = NumberOut(columns=["y", "z"], **scale)
        elif self.source == "series":
            out = NumberOut(columns=["q", "p"], **scale, horizon=3 if kind == "future" else 1, anchors=[1, 0])
        settings = {
            "cell": self.cell,
            "hidden": 6,
            "embedding": 5,
            "window": 3,
            "bidirectional": self.both,
            "readout": "every" if kind == "next" else "mean",
            "highway": kind == "future",
        }
        return ModelConfig(
            source=self.source,
            target=self.target,
            lookback=LOOKBACK if kind == "future" else 0,
            input=SeriesIn(columns=["p", "q"], **scale)
            if self.source == "series"
            else TextIn(column="t", variant="char", vocabulary=words),
            output=out,
            net=NetConfig.model_validate({**settings, **net}),
        )

    def model(self, **net: object) -> SequenceModel:
        """A model whose every weight is drawn at random, the head's and the highway's too."""
        torch.manual_seed(0)
        made = SequenceModel(self.config(**net))
        for weight in [*made.head.parameters(), *(made.highway.parameters() if made.highway else ())]:
            torch.nn.init.normal_(weight, std=0.3)
        return made.eval()

    def batch(self, lengths: tuple[int, ...] = (5, 9, 0, 1, 7)) -> Batch:
        """A clean batch; forecasts read windows of one length."""
        source = torch.Generator().manual_seed(3)
        kind, rows, steps = parse_target(self.target).kind, len(lengths), max(lengths)
        if kind == "future":
            values = torch.randn(LOOKBACK, rows, 2, generator=source)
            return Batch(Ragged(values), torch.randn(rows, 3, 2, generator=source))
        values = torch.randn(steps, rows, 2, generator=source)
        if self.source == "text":
            values = torch.randint(0, 10, (steps, rows), generator=source)
        ragged = Ragged(values, list(lengths)).clean()
        if kind == "label":
            return Batch(ragged, torch.arange(rows) % 3)
        if kind == "number":
            return Batch(ragged, torch.randn(rows, 1, 2, generator=source))
        if self.source == "text":
            return Batch(ragged, torch.randint(0, 10, (steps, rows), generator=source))
        # The first two steps are given, not scored.
        scored = (torch.arange(steps)[:, None] >= 2).expand(steps, rows)
        return Batch(ragged, torch.randn(steps, rows, 1, 2, generator=source), scored)


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
