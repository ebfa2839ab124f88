"""Where a model goes wrong: its worst examples, and how its error depends on the length of what is read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from elman.core.state import State
from elman.data.batch import Batches, ExampleSet, StreamSet, WindowSet
from elman.data.pairs import PairSet
from elman.data.whence import Whence
from elman.model.answers import chances, next_quantiles, quantiles, step_chances, tagged
from elman.model.grammar import parse_target
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut
from elman.model.kinds.number import LEVELS, NumberOut
from elman.model.kinds.text import TextIn
from elman.model.kinds.written import TextOut
from elman.model.network import SequenceModel
from elman.model.shapes import Batch
from elman.model.write import Search, write_all

__all__ = ["Length", "Mistakes", "mistakes"]

_KEPT = 50
"""Worst examples that are written down."""

_BARS, _LEAST = 8, 20
"""Ranges of length at the most, and examples below which lengths are not told apart."""

_MIDDLE = LEVELS.index(0.5)


@dataclass(frozen=True)
class Length:
    """The mean error of the examples of some lengths.

    Attributes:
        first, last: the shortest and the longest of them; see :attr:`Mistakes.reads`.
        count: how many there are.
        error: their mean error; see :attr:`Mistakes.unit`.
    """

    first: int
    last: int
    count: int
    error: float


@dataclass
class Mistakes:
    """Where a model goes wrong on some data.

    Attributes:
        worst: the examples with the highest loss, the worst first, at the most 50: ``id``, ``line``, ``length``,
            ``truth``, ``answer``, ``loss``, and of a text its beginning. Of sequences with an answer a step, ``step``
            is the worst step, and truth and answer are its own; of forecasts, ``step`` is the number of rows before
            it, and windows that overlap a worse one are left out.
        by_length: the error over the length of what is read; empty where all is of one length.
        unit: what the error is, in words. reads: what lengths count, in the plural.
    """

    worst: list[dict[str, Any]] = field(default_factory=list)
    by_length: list[Length] = field(default_factory=list)
    unit: str = ""
    reads: str = "steps"

    def jsonl(self) -> str:
        """The worst examples, a line each."""
        return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in self.worst)


@dataclass(frozen=True)
class _Found:
    """One example, window or stretch: its loss and error (means over what is scored), its worst step."""

    loss: float
    error: float
    step: int
    truth: Any
    answer: Any


@torch.inference_mode()
def mistakes(model: SequenceModel, data: Batches, batch: int, device: str) -> Mistakes:
    """Go through some data once more and find where the model goes wrong; cost: that of scoring it.

    The loss of classes and tokens is ``-log p(truth)`` in nats (of several labels its mean over them), that of numbers
    the absolute error in standard deviations; of an answer a step, and of forecasts, the mean over the scored steps.
    """
    model.eval().to(device)
    found: list[_Found] = []
    state: State = None
    for part in data.in_order(batch):
        some, state = _batch(model, part, torch.device(device), state if part.goes_on else None)
        found += some
    losses = np.array([one.loss for one in found])
    order = np.argsort(-np.where(np.isnan(losses), -np.inf, losses), kind="stable")
    chosen = [k for k in order.tolist() if not math.isnan(found[k].loss)]
    if isinstance(data, WindowSet):
        chosen = _apart(chosen, data)
    if isinstance(data, PairSet):
        _answered(model, data, found, chosen[:_KEPT])
    worst = [_line(model, data, k, found[k]) for k in chosen[:_KEPT]]
    kind = model.config.input
    made = Mistakes(worst, unit=_unit(model), reads=kind.unit if isinstance(kind, TextIn) else "steps")
    if isinstance(data, ExampleSet):
        made.by_length = _by_length([len(one) for one in data.inputs], np.array([one.error for one in found]))
    return made


def _unit(model: SequenceModel) -> str:
    out = model.config.output
    if isinstance(out, NumberOut):
        return "mean absolute error, in standard deviations"
    return "share of wrong answers" if isinstance(out, (LabelOut, LabelsOut)) else "nats a token"


def _batch(model: SequenceModel, part: Batch, device: torch.device, state: State) -> tuple[list[_Found], State]:
    moved, out = part.to(device), model.config.output
    if isinstance(out, TextOut):
        return _texts(model, moved, out), None
    if model.readout is None:
        return _steps(model, part, moved, state)
    if isinstance(out, LabelsOut):
        return list(_sets(out, chances(model, moved.ragged).double().cpu().numpy(), part.target.numpy())), None
    if isinstance(out, LabelOut):
        found = chances(model, moved.ragged).double().cpu().numpy()
        truth, real = part.target.numpy()[:, None], np.array([True])
        return [_named(out.classes, said[None], one, real) for said, one in zip(found, truth, strict=True)], None
    if not isinstance(out, NumberOut):
        raise TypeError(type(out).__name__)
    middle = quantiles(model, moved.ragged)[..., _MIDDLE].cpu().numpy()
    return [_numbers(out, row, goal) for row, goal in zip(middle, part.target.numpy(), strict=True)], None


def _steps(model: SequenceModel, part: Batch, moved: Batch, state: State) -> tuple[list[_Found], State]:
    """The sequences of a batch whose every step is answered."""
    out, mask = model.config.output, part.ragged.mask
    real = (mask if part.score is None else mask & part.score).numpy()
    rows = range(real.shape[1])
    if isinstance(out, NumberOut):
        levels, state = next_quantiles(model, moved.ragged, state)
        middle = levels[..., _MIDDLE].cpu().numpy()
        goals = np.where(real[..., None], part.target.numpy().reshape(middle.shape), np.nan)
        return [_numbers(out, middle[:, b], goals[:, b], single=True) for b in rows], state
    chosen = None
    if isinstance(out, LabelOut) and parse_target(model.config.target).kind == "tags":
        said, tags = tagged(model, moved.ragged)
        chosen = tags.cpu().numpy()
    elif isinstance(out, LabelOut):
        said, state = step_chances(model, moved.ragged, state)
    else:
        logits, state = model.answers(moved.ragged, state)
        said = torch.softmax(logits, dim=-1)
    values, truth = said.double().cpu().numpy(), part.target.numpy()
    names = out.classes if isinstance(out, LabelOut) else _tokens(model)
    best = values.argmax(-1) if chosen is None else chosen
    found = [_named(names, values[:, b], truth[:, b], real[:, b], best[:, b]) for b in rows]
    return (found if isinstance(out, LabelOut) else [replace(one, error=one.loss) for one in found]), state


def _texts(model: SequenceModel, part: Batch, out: TextOut) -> list[_Found]:
    """The texts of a batch, by the nats of their tokens; what the model writes itself is found later, of the worst."""
    losses, _ = model(part.ragged, part.target)
    nats = part.target.new_zeros(part.target.shape, dtype=torch.float64)
    nats[part.target >= 0] = losses.double()
    found = []
    for each, tokens in zip(nats.T.cpu().numpy(), part.target.T.cpu().numpy(), strict=True):
        loss = float(each.sum() / max(1, int((tokens >= 0).sum())))
        found.append(_Found(loss, loss, int(each.argmax()), out.decode(tokens[tokens >= 0].tolist()), None))
    return found


def _answered(model: SequenceModel, data: PairSet, found: list[_Found], chosen: list[int]) -> None:
    """Put what the model writes beside some of the texts."""
    out = model.config.output
    if isinstance(out, TextOut):
        written = write_all(model, [data.inputs[k] for k in chosen], Search())
        for k, one in zip(chosen, written, strict=True):
            found[k] = replace(found[k], answer=out.decode(one[0].tokens))


def _tokens(model: SequenceModel) -> list[str]:
    kind = model.config.input
    return kind.vocabulary if isinstance(kind, TextIn) else []


def _named(
    names: list[str], said: np.ndarray, truth: np.ndarray, real: np.ndarray, best: np.ndarray | None = None
) -> _Found:
    """Chances ``[T, K]`` and what is said (None: the likeliest) against classes ``[T]``, of the steps that count.

    A class never seen has no chance.
    """
    if not real.any():
        return _Found(math.nan, math.nan, 0, None, None)
    chance = np.where(truth >= 0, said[np.arange(len(truth)), np.maximum(truth, 0)], 0.0)
    nats = np.where(real, -np.log(np.maximum(chance, 1e-12)), -1.0)
    best, worst = said.argmax(1) if best is None else best, int(nats.argmax())
    wrong = float((best != truth)[real].mean())
    came = names[truth[worst]] if truth[worst] >= 0 else "(never seen in training)"
    return _Found(float(nats[real].mean()), wrong, worst, came, names[best[worst]])


def _numbers(out: NumberOut, found: np.ndarray, goal: np.ndarray, *, single: bool = False) -> _Found:
    """Medians ``[H, C]`` against what came, NaN where nothing counts; ``single``: only the worst step is shown."""
    apart = np.abs(found - goal)
    if np.isnan(apart).all():
        return _Found(math.nan, math.nan, 0, None, None)
    each = np.array([math.nan if np.isnan(row).all() else np.nanmean(row) for row in apart])
    worst, loss = int(np.nanargmax(each)), float(np.nanmean(apart))
    truth, answer = out.decode(goal), out.decode(found)
    if single or len(goal) == 1:
        truth, answer = truth[worst : worst + 1], answer[worst : worst + 1]
    return _Found(loss, loss, worst, _written(out, truth), _written(out, answer))


def _written(out: NumberOut, values: np.ndarray) -> Any:
    """``[H, C]`` in the data's units: a number, a list over the steps, or either by column."""
    columns = [[_number(v) for v in values[:, c]] for c in range(values.shape[1])]
    made = [one[0] if len(one) == 1 else one for one in columns]
    return made[0] if len(made) == 1 else dict(zip(out.columns, made, strict=True))


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.6g}")


def _sets(out: LabelsOut, found: np.ndarray, truth: np.ndarray) -> Iterator[_Found]:
    holds, said = truth > 0.5, out.decide(found)
    nats = -np.log(np.maximum(np.where(holds, found, 1 - found), 1e-12)).mean(1)
    for k in range(len(found)):
        names = ["|".join(c for c, yes in zip(out.classes, one[k], strict=True) if yes) for one in (holds, said)]
        yield _Found(float(nats[k]), float((said[k] != holds[k]).mean()), 0, *names)


# Written down -------------------------------------------------------------------------------------------------


def _line(model: SequenceModel, data: Batches, k: int, found: _Found) -> dict[str, Any]:
    """One of the worst, as it is written."""
    line: dict[str, Any] = {}
    if isinstance(data, ExampleSet):
        line = _example(model, data, k, found)
    elif isinstance(data, WindowSet):
        line = _window(data, k)
    elif isinstance(data, StreamSet):
        line = _stretch(model, data, k, found)
    return {**line, "truth": found.truth, "answer": found.answer, "loss": float(f"{found.loss:.6g}")}


def _example(model: SequenceModel, data: ExampleSet, k: int, found: _Found) -> dict[str, Any]:
    known, line = data.whence, {"length": len(data.inputs[k])}
    if known is None:
        return line
    made: dict[str, Any] = {"id": known.ids[k], "line": known.where[k][1], **line}
    if model.readout is None and not isinstance(data, PairSet):
        step = found.step + known.shift
        made["step"] = step + 1
        if step < len(known.lines[k]):
            made["line"] = int(known.lines[k][step])
        made |= _time(known, k, step)
    return {**made, "text": known.texts[k]} if known.texts[k] else made


def _window(data: WindowSet, k: int) -> dict[str, Any]:
    series, step = data.place(k)
    if data.whence is None:
        return {"step": step}
    known = data.whence
    made: dict[str, Any] = {"id": known.ids[series], "step": step}
    if step < len(known.lines[series]):
        made["line"] = int(known.lines[series][step])
    return {**made, "length": data.lookback, **_time(known, series, step)}


def _stretch(model: SequenceModel, data: StreamSet, k: int, found: _Found) -> dict[str, Any]:
    first, kind = k * data.chunk, model.config.input
    length = min(data.chunk, len(data) - first)
    text = kind.decode(data.inputs[first : first + length].tolist()) if isinstance(kind, TextIn) else ""
    return {"token": first + found.step + 1, "length": length, "text": text}


def _time(known: Whence, k: int, step: int) -> dict[str, str]:
    times = None if known.times is None else known.times[k]
    if times is None or step >= len(times):
        return {}
    return {"time": str(times[step]).removesuffix(".000000").removesuffix("T00:00:00")}


def _apart(order: list[int], data: WindowSet) -> list[int]:
    """Those that overlap no worse one of the same series."""
    kept: list[int] = []
    taken: set[tuple[int, int]] = set()
    for k in order:
        series, step = data.place(k)
        block = step // data.horizon
        near = [(series, b) for b in (block - 1, block, block + 1)]
        if not any(one in taken for one in near):
            kept.append(k)
            taken.add((series, block))
        if len(kept) == _KEPT:
            break
    return kept


def _by_length(lengths: list[int], errors: np.ndarray) -> list[Length]:
    """Ranges of about as many examples each; a length is in one range only."""
    sizes, known = np.array(lengths), ~np.isnan(errors)
    sizes, errors = sizes[known], errors[known]
    distinct = np.unique(sizes)
    if len(distinct) < 2 or len(sizes) < _LEAST:
        return []
    bars = min(_BARS, len(distinct), max(2, len(sizes) // 5))
    edges = np.unique(np.quantile(sizes, np.linspace(0, 1, bars + 1)[1:-1], method="lower"))
    place = np.searchsorted(edges, sizes)
    found = []
    for k in np.unique(place):
        here = place == k
        of = sizes[here]
        found.append(Length(int(of.min()), int(of.max()), int(here.sum()), float(errors[here].mean())))
    return found
