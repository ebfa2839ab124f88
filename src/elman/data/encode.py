"""Encoded data from examples: whole sequences, steps, forecast windows, texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from elman.core.errors import DataError
from elman.data.batch import ExampleSet, PieceSet, StreamSet, WindowSet, naive_errors
from elman.data.fit import Input
from elman.data.pairs import PairSet
from elman.data.roles import Examples
from elman.data.whence import whence
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn
from elman.model.kinds.written import TextOut

__all__ = [
    "encode_examples",
    "encode_pairs",
    "encode_steps",
    "encode_windows",
    "encoded",
    "next_tokens",
    "pieces",
    "stream",
]

_CHUNK = 64
"""Steps of a training piece where a long sequence is cut (truncated backpropagation through time)."""

Ranges = Sequence[tuple[int, int]]


def encoded(
    kind: Input, ex: Examples, k: int, span: slice = slice(None), *, fill: bool = True, exact: bool = False
) -> Tensor:
    """Encode some of the steps of one example; where the kind reads when rows come, with their times."""
    raw = ex.inputs[k][span]
    if isinstance(kind, TextIn):
        return kind.encode(raw)
    return kind.encode(raw, None if ex.times is None else ex.times[k][span], fill=fill, exact=exact)


def encode_examples(
    kind: Input, output: LabelOut | LabelsOut | NumberOut, ex: Examples, *, seen: bool = True
) -> ExampleSet:
    """Encode whole sequences with one target each; a label that training never saw is an error if ``seen``."""
    made = ExampleSet([encoded(kind, ex, k) for k in range(len(ex))], _answers(output, ex, seen=seen))
    made.whence = whence(ex)
    return made


def encode_pairs(kind: Input, output: TextOut, ex: Examples) -> PairSet:
    """Encode whole sequences with a text to be written of each."""
    texts = ex.targets or []
    made = PairSet([encoded(kind, ex, k) for k in range(len(ex))], [output.encode(text) for text in texts], texts)
    made.whence = whence(ex)
    return made


def _answers(output: LabelOut | LabelsOut | NumberOut, ex: Examples, *, seen: bool) -> Tensor:
    """One encoded target a sequence."""
    targets = ex.targets or []
    if isinstance(output, NumberOut):
        return output.encode(np.stack(targets)).unsqueeze(1)
    if isinstance(output, LabelsOut):
        return output.encode(targets)
    numbers = output.encode(targets)
    unseen = (numbers < 0).nonzero().flatten().tolist()
    if unseen and seen:
        file, line = ex.where[unseen[0]]
        known = ", ".join(output.classes[:8]) + (", ..." if len(output.classes) > 8 else "")
        raise DataError(
            f"label '{targets[unseen[0]]}' ({len(unseen)} of {len(numbers)} examples) does not occur in "
            f"the training part, which has: {known}. Drop these rows, or put examples of it into the "
            "training part",
            file=file,
            row=line,
            column=output.column,
        )
    return numbers


def encode_windows(
    kind: SeriesIn | JoinedIn,
    output: NumberOut,
    ex: Examples,
    lookback: int,
    ranges: Ranges | None = None,
) -> WindowSet:
    """Encode series for forecasting; without ranges every step that has enough history is forecast.

    Gaps are left open: every window closes its own, from nothing behind its end.

    Args:
        kind, output: as fit.
        ex: with targets.
        lookback: steps of history.
        ranges: first and last step (exclusive) that may be forecast, one pair a series; the steps before the first are
            what errors are told in units of (MASE).
    """
    inputs = [encoded(kind, ex, k, fill=False, exact=True) for k in range(len(ex))]
    targets = [output.encode(series, exact=True) for series in ex.targets or []]
    spans = ranges or [(0, len(series)) for series in inputs]
    ahead = kind.ahead if isinstance(kind, JoinedIn) else []
    made = WindowSet(inputs, targets, spans, lookback, output.horizon, ex.ids, ahead=ahead, fill=kind.fill)
    made.whence = whence(ex)
    made.season = output.season
    for k, given in enumerate(targets):
        made.naive[k] = naive_errors(given, max(spans[k][0], lookback), output.season)
    return made


def encode_steps(
    kind: Input, output: LabelOut | NumberOut, ex: Examples, ranges: Ranges | None = None, *, shift: int
) -> ExampleSet:
    """Encode sequences with a target at every step; only steps within the ranges count.

    Args:
        kind, output: as fit.
        ex: with targets.
        ranges: first and last step (exclusive) that counts, one pair a sequence; None for all.
        shift: 0 where the target is beside its step, 1 where it is that of the step behind.
    """
    inputs, targets, scores, kept = [], [], [], []
    for k, wanted in enumerate(ex.targets or []):
        first, last = (0, len(ex.inputs[k])) if ranges is None else ranges[k]
        if last - max(first, shift) < 1:
            continue
        goal = output.encode(wanted[shift:last])
        missing = goal.isnan().all(-1) if isinstance(output, NumberOut) else _none(wanted[shift:last])
        # What lies behind the last step that counts is not even read.
        inputs.append(encoded(kind, ex, k, slice(last - shift)))
        targets.append(goal.unsqueeze(1) if isinstance(output, NumberOut) else goal)
        scores.append((torch.arange(shift, last) >= first) & ~missing)
        kept.append(k)
    made = ExampleSet(inputs, targets, scores)
    made.whence = whence(ex, kept, shift)
    return made


def _none(names: np.ndarray) -> Tensor:
    return torch.tensor([name is None for name in names])


def pieces(whole: ExampleSet) -> PieceSet:
    """Long sequences cut into pieces for training."""
    return PieceSet(whole, _CHUNK)


def next_tokens(kind: TextIn, ex: Examples) -> ExampleSet:
    """Encode separate texts: from the end mark through every token to the end mark."""
    end = torch.ones(1, dtype=torch.int64)
    whole = [torch.cat([end, kind.encode(text), end]) for text in ex.inputs]
    made = ExampleSet([text[:-1] for text in whole], [text[1:] for text in whole])
    made.whence = whence(ex)
    return made


def stream(numbers: Tensor) -> StreamSet:
    """One long text as a stream: every token and the one behind it."""
    return StreamSet(numbers[:-1], numbers[1:], _CHUNK)
