"""Answers before the end: what a model that reads forwards would say of each sequence after every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch

from elman.core.errors import InputError
from elman.data.batch import Batches, ExampleSet
from elman.data.roles import Examples
from elman.model.answers import chances, chances_from, quantiles_from
from elman.model.grammar import ONE_ANSWER, parse_target
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.network import SequenceModel
from elman.training.frames import encoded_rows, every_step, intervals

__all__ = ["Early", "early_curves", "early_frame", "looks_ahead"]

_CURVES = 5
"""Classes whose chances are drawn."""


@dataclass(frozen=True)
class Early:
    """How the answer on one example came about.

    Attributes:
        name: of the example. truth: its class.
        classes: the truth, and those that were thought likeliest on the way. chances: of them, ``[T, K]``.
        settled: the first step from which on the answer stays what it is in the end.
    """

    name: str
    truth: str
    classes: list[str]
    chances: np.ndarray
    settled: int


_OPTION = "--every-step"


def looks_ahead(model: SequenceModel) -> str:
    """Why a model says nothing of a sequence before its end; empty if it does."""
    target = parse_target(model.config.target).kind
    if target not in ONE_ANSWER:
        return f"this model ({model.config.target}) gives no one answer a sequence that could come early"
    if not model.causal:
        return (
            "this model reads both ways, so it needs the end of a sequence before it says anything; train one that "
            "reads forwards: elman train ... --causal"
        )
    kind = model.config.input
    parts = kind.parts if isinstance(kind, JoinedIn) else [kind]
    if any(isinstance(part, SeriesIn) and part.gaps == "interpolate" for part in parts):
        return (
            "this model puts a missing value between its neighbours, of which the later one is not there yet; train "
            "one that does not: elman train ... --gaps input"
        )
    return ""


def early_frame(model: SequenceModel, ex: Examples) -> pl.DataFrame:
    """A row a step: what the model says of each sequence up to there, as if it ended there.

    Raises:
        InputError: the model needs what comes later.
    """
    if why := looks_ahead(model):
        raise InputError(f"{_OPTION}: {why}")
    found = []
    for rows in encoded_rows(model, ex):
        made = rows.with_values(model.answers_so_far(rows))
        found += [one.cpu() for one in made.to_list()]
    columns: dict[str, Any] = every_step(model, ex)
    out = model.config.output
    if isinstance(out, NumberOut):
        said = np.concatenate([quantiles_from(model, one).numpy() for one in found])
        return pl.DataFrame(intervals(columns, out, said.reshape(len(said), *said.shape[2:])))
    every = np.concatenate([chances_from(model, one).numpy() for one in found])
    if isinstance(out, LabelsOut):
        sets = ["|".join(c for c, holds in zip(out.classes, row, strict=True) if holds) for row in out.decide(every)]
        columns["labels"] = sets
    elif isinstance(out, LabelOut):
        columns["label"] = [out.classes[k] for k in every.argmax(1)]
    else:
        raise TypeError(type(out).__name__)
    return pl.DataFrame(columns | {f"p_{name}": every[:, k] for k, name in enumerate(out.classes)})


@torch.inference_mode()
def early_curves(model: SequenceModel, data: Batches) -> Early | None:
    """How the answer came about on the first example that is told rightly; None where nothing can be said early."""
    out = model.config.output
    if looks_ahead(model) or not isinstance(out, LabelOut) or not isinstance(data, ExampleSet):
        return None
    model.eval()
    device = next(model.parameters()).device
    for batch in data.in_order(64):
        moved = batch.to(device)
        right = (chances(model, moved.ragged).argmax(-1).cpu() == batch.target) & (batch.ragged.host_lengths > 1)
        for row in right.nonzero().flatten().tolist()[:1]:
            one = moved.ragged.rows(torch.tensor([row])).slice_time(0, int(batch.ragged.host_lengths[row]))
            found = torch.softmax(model.answers_so_far(one)[:, 0], dim=-1).cpu().numpy()
            truth, said = int(batch.target[row]), found.argmax(1)
            others = [k for k in np.argsort(-found.max(0), kind="stable").tolist() if k != truth]
            kept = [truth, *others[: _CURVES - 1]]
            wrong = np.flatnonzero(said != said[-1])
            number = row if batch.numbers is None else int(batch.numbers[row])
            name = f"series {data.whence.ids[number]}" if data.whence is not None else f"example {number + 1}"
            settled = int(wrong[-1]) + 2 if len(wrong) else 1
            return Early(name, out.classes[truth], [out.classes[k] for k in kept], found[:, kept], settled)
    return None
