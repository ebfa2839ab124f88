"""Encoded data from examples: whole sequences, forecast windows, what comes next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from elman.core.errors import DataError
from elman.data.batch import ExampleSet, PieceSet, StreamSet, WindowSet
from elman.data.roles import Examples
from elman.model.kinds.label import LabelOut
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn

__all__ = ["encode_examples", "encode_windows", "next_tokens", "next_values", "pieces", "stream"]

_CHUNK = 64
"""Steps of a training piece where a long sequence is cut (truncated backpropagation through time)."""


def encode_examples(
    kind: SeriesIn | TextIn, output: LabelOut | NumberOut, ex: Examples, *, seen: bool = True
) -> ExampleSet:
    """Encode whole sequences with one target each; a label that training never saw is an error."""
    inputs = [kind.encode(raw) for raw in ex.inputs]
    targets = ex.targets or []
    if isinstance(output, NumberOut):
        return ExampleSet(inputs, output.encode(np.stack(targets)).unsqueeze(1))
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
    return ExampleSet(inputs, numbers)


def encode_windows(
    kind: SeriesIn,
    output: NumberOut,
    ex: Examples,
    lookback: int,
    ranges: Sequence[tuple[int, int]] | None = None,
) -> WindowSet:
    """Encode series for forecasting; without ranges every step that has enough history is forecast."""
    inputs = [kind.encode(series) for series in ex.inputs]
    targets = [output.encode(series) for series in ex.targets or []]
    spans = ranges or [(0, len(series)) for series in inputs]
    return WindowSet(inputs, targets, spans, lookback, output.horizon, ex.ids)


def next_values(
    kind: SeriesIn, output: NumberOut, ex: Examples, ranges: Sequence[tuple[int, int]] | None = None
) -> ExampleSet:
    """Encode series and, for every step, the values one step later; only steps within the ranges count."""
    inputs, targets, scores = [], [], []
    for k, (raw, wanted) in enumerate(zip(ex.inputs, ex.targets or [], strict=True)):
        first, last = (0, len(raw)) if ranges is None else ranges[k]
        if last - max(first, 1) < 1:
            continue
        inputs.append(kind.encode(raw)[: last - 1])
        targets.append(output.encode(wanted)[1:last].unsqueeze(1))
        scores.append(torch.arange(1, last) >= first)
    return ExampleSet(inputs, targets, scores)


def pieces(whole: ExampleSet) -> PieceSet:
    """Long sequences cut into pieces for training."""
    return PieceSet(whole, _CHUNK)


def next_tokens(kind: TextIn, ex: Examples) -> ExampleSet:
    """Encode separate texts: from the end mark through every token to the end mark."""
    end = torch.ones(1, dtype=torch.int64)
    whole = [torch.cat([end, kind.encode(text), end]) for text in ex.inputs]
    return ExampleSet([text[:-1] for text in whole], [text[1:] for text in whole])


def stream(numbers: Tensor) -> StreamSet:
    """One long text as a stream: every token and the one behind it."""
    return StreamSet(numbers[:-1], numbers[1:], _CHUNK)
