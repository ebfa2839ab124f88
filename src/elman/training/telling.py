"""Which stretch of a series tells most of its class: what happens to the answer when a stretch is smoothed away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from elman.core.ragged import Ragged
from elman.data.batch import Batches, ExampleSet
from elman.data.whence import Whence
from elman.model.answers import chances
from elman.model.kinds.label import LabelOut
from elman.model.kinds.series import SeriesIn
from elman.model.network import SequenceModel

__all__ = ["Told", "falls", "telling_stretches"]

_SHARE, _PLACES, _SHOWN = 0.1, 60, 4
"""The share of a series that is smoothed away at once, the places that are tried, and examples that are shown."""


@dataclass(frozen=True)
class Told:
    """One example and what tells most of its class.

    Attributes:
        name: of the example. truth: its class. chance: the model's of it. without: its chance without the stretch.
        fall: of its log-odds then.
        values: ``[T, C]``, in the data's units.
        falls: ``[T]``, by how much the log-odds of the class fall without a step, the mean of all stretches it is in.
        first, last: the steps of the stretch that tells most, counted from 1.
    """

    name: str
    truth: str
    chance: float
    without: float
    fall: float
    values: np.ndarray
    falls: np.ndarray
    first: int
    last: int


def falls(odds: Callable[[Tensor], Tensor], series: Tensor, size: int, places: int = _PLACES) -> tuple[Tensor, Tensor]:
    """By how much the log-odds fall where a stretch of a series is replaced by the line between its ends.

    ::

        fall_a = odds(x) - odds(x with steps a .. a+size-1 on the line from x_{a-1} to x_{a+size})

    At the ends of the series the nearer neighbour is held. Whoever gives the odds may be any model (occlusion, Zeiler &
    Fergus 2014, arXiv 1311.2901).

    Args:
        odds: of series ``(T, N, C)``, ``(N,)``.
        series: ``(T, C)``.
        size: steps of a stretch, from 1 to T.
        places: stretches that are tried at the most, evenly spread.

    Returns:
        The first steps of the stretches, int64 ``(N,)``, and the falls, ``(N,)``.
    """
    steps = len(series)
    starts = torch.linspace(0, steps - size, min(places, steps - size + 1)).round().long().unique()
    made = series[:, None].repeat(1, len(starts) + 1, 1)
    for k, a in enumerate(starts.tolist()):
        made[a : a + size, k + 1] = _line(series, a, a + size)
    found = odds(made)
    return starts, found[0] - found[1:]


def _line(series: Tensor, a: int, b: int) -> Tensor:
    """The line between the steps around a stretch, without them, ``(b - a, C)``."""
    left = series[a - 1] if a else (series[b] if b < len(series) else series.mean(0))
    right = series[b] if b < len(series) else left
    share = torch.arange(1, b - a + 1, dtype=series.dtype)[:, None] / (b - a + 1)
    return left + (right - left) * share


@torch.inference_mode()
def telling_stretches(model: SequenceModel, data: Batches) -> list[Told]:
    """Some examples of classes told rightly, one a class; none where series are not told apart by a class each.

    Of each class it is the first example that is told rightly. Cost: that of some hundred predictions.
    """
    kind, out = model.config.input, model.config.output
    single = isinstance(kind, SeriesIn) and isinstance(out, LabelOut) and model.readout is not None
    if not single or not isinstance(data, ExampleSet) or not isinstance(kind, SeriesIn):
        return []
    model.eval()
    found: dict[int, Told] = {}
    for batch in data.in_order(64):
        said = chances(model, batch.to(_device(model)).ragged).argmax(-1).cpu()
        for row in (said == batch.target).nonzero().flatten().tolist():
            label, steps = int(batch.target[row]), int(batch.ragged.host_lengths[row])
            if label not in found and steps >= 3 and batch.numbers is not None:
                series = batch.ragged.values[:steps, row]
                found[label] = _told(model, series, label, _name(data.whence, int(batch.numbers[row])))
        if len(found) >= _SHOWN:
            break
    return [found[label] for label in sorted(found)[:_SHOWN]]


def _told(model: SequenceModel, series: Tensor, label: int, name: str) -> Told:
    kind, out = model.config.input, model.config.output
    if not isinstance(kind, SeriesIn) or not isinstance(out, LabelOut):
        raise TypeError(type(out).__name__)

    def odds(values: Tensor) -> Tensor:
        logits = model.answer(Ragged(values.to(_device(model)))).double().cpu()
        rest = logits.clone()
        rest[:, label] = -torch.inf
        return logits[:, label] - rest.logsumexp(-1)

    size = max(1, round(_SHARE * len(series)))
    starts, fall = falls(odds, series, size)
    total, count = torch.zeros(len(series)).double(), torch.zeros(len(series))
    for a, one in zip(starts.tolist(), fall, strict=True):
        total[a : a + size] += one
        count[a : a + size] += 1
    whole = odds(series[:, None])[0]
    best = int(fall.argmax())
    values = series[:, : kind.channels].double().numpy() * np.array(kind.scale) + np.array(kind.mean)
    return Told(
        name,
        out.classes[label],
        float(torch.sigmoid(whole)),
        float(torch.sigmoid(whole - fall[best])),
        float(fall[best]),
        values,
        (total / count.clamp(min=1)).numpy(),
        int(starts[best]) + 1,
        int(starts[best]) + size,
    )


def _device(model: SequenceModel) -> torch.device:
    return next(model.parameters()).device


def _name(whence: Whence | None, number: int) -> str:
    return f"example {number + 1}" if whence is None else f"series {whence.ids[number]}"
