"""Tables of predictions: a row a sequence, a step, or a step ahead."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from elman.core.errors import DataError, InputError
from elman.core.ragged import Ragged
from elman.data.clock import ahead
from elman.data.encode import encoded
from elman.data.roles import Examples
from elman.model.answers import chances, next_quantiles, quantiles, step_chances, tagged
from elman.model.grammar import parse_target
from elman.model.kinds.joined import JoinedIn, Steps
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut
from elman.model.kinds.number import LEVELS, NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn
from elman.model.kinds.written import TextOut
from elman.model.network import SequenceModel
from elman.model.write import Draws, Search, write_all

__all__ = ["digits", "encoded_rows", "every_step", "frame_of", "free", "intervals", "likeliest", "silent"]

_BATCH = 256
_SHOWN = [LEVELS.index(level) for level in (0.5, 0.1, 0.9)]

_LIKELIEST = 3
"""How many names are given of what may follow."""


def frame_of(
    model: SequenceModel,
    ex: Examples,
    search: Search | Draws | None = None,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:
    """What a model says of every example; ``search``, ``progress``: see :func:`elman.training.predict.predict`."""
    out, target = model.config.output, parse_target(model.config.target).kind
    if isinstance(out, LabelsOut):
        return _sets(model, ex, out)
    if isinstance(out, LabelOut):
        return {"label": _labels, "tags": _tags, "next": _following}[target](model, ex, out)
    if isinstance(out, NumberOut):
        return _steps(model, ex, out) if target == "series" else _numbers(model, ex, out)
    if isinstance(out, TextOut):
        return _written(model, ex, out, search or Search(), progress)
    raise InputError("this model continues texts: use elman generate RUN --prompt '...' (run.generate in Python)")


def _written(
    model: SequenceModel, ex: Examples, out: TextOut, search: Search | Draws, progress: Callable[[int], None] | None
) -> pl.DataFrame:
    """The best texts of every example, each with its mean of ``log p`` a token; of several, a row each, ranked."""
    found = write_all(model, [encoded(model.config.input, ex, k) for k in range(len(ex))], search, progress)
    # Texts that were drawn come in no order.
    ranked = [sorted(some, key=lambda one: -one.score) if isinstance(search, Draws) else some for some in found]
    id_, pairs = _role(model, "id"), [(k, rank, one) for k, some in enumerate(ranked) for rank, one in enumerate(some)]
    columns: dict[str, Any] = {id_: [ex.ids[k] for k, _, _ in pairs]}
    if search.best > 1:
        columns[free("rank", columns)] = [rank + 1 for _, rank, _ in pairs]
    columns[free(out.column, columns)] = [out.decode(one.tokens) for _, _, one in pairs]
    columns[free("score", columns)] = [-one.nats / len(one.tokens) for _, _, one in pairs]
    return pl.DataFrame(columns)


def digits(out: NumberOut, names: list[str]) -> dict[str, int]:
    """Six significant digits, and more where numbers lie far from zero for their spread."""
    found: dict[str, int] = {}
    for c, (mean, scale) in enumerate(zip(out.mean, out.scale, strict=True)):
        level = max(abs(mean) / scale, 1.0)
        found |= dict.fromkeys(names[3 * c : 3 * c + 3], max(6, 4 + math.ceil(math.log10(level))))
    return found


# One row a sequence -------------------------------------------------------------------------------------------


def _labels(model: SequenceModel, ex: Examples, out: LabelOut) -> pl.DataFrame:
    found = np.concatenate([chances(model, rows).cpu().numpy() for rows in encoded_rows(model, ex)])
    name = _role(model, "id")
    columns: dict[str, Any] = {
        "id" if name == "label" else name: ex.ids,
        "label": [out.classes[k] for k in found.argmax(1)],
    }
    return pl.DataFrame(columns | {f"p_{name}": found[:, k] for k, name in enumerate(out.classes)})


def _sets(model: SequenceModel, ex: Examples, out: LabelsOut) -> pl.DataFrame:
    found = np.concatenate([chances(model, rows).cpu().numpy() for rows in encoded_rows(model, ex)])
    name = _role(model, "id")
    said = ["|".join(c for c, holds in zip(out.classes, row, strict=True) if holds) for row in out.decide(found)]
    columns: dict[str, Any] = {"id" if name == "labels" else name: ex.ids, "labels": said}
    return pl.DataFrame(columns | {f"p_{name}": found[:, k] for k, name in enumerate(out.classes)})


def _following(model: SequenceModel, ex: Examples, out: LabelOut) -> pl.DataFrame:
    """The likeliest names after the last step of every sequence, the first under the column's own name."""
    last = [one[-1] for one in _stepwise(model, ex, lambda rows: step_chances(model, rows)[0])]
    return pl.DataFrame(likeliest(_heads(model, ex, 1), out, np.stack(last)))


def likeliest(columns: dict[str, Any], out: LabelOut, found: np.ndarray) -> dict[str, Any]:
    """The likeliest names of chances ``[N, K]`` with their chances, beside other columns."""
    count = min(_LIKELIEST, len(out.classes))
    best = np.argsort(-found, axis=1, kind="stable")[:, :count]
    for k in range(count):
        name = free(out.column if k == 0 else f"{out.column}_{k + 1}", columns)
        columns[name] = [out.classes[place] for place in best[:, k]]
        columns["p" if k == 0 else f"p_{k + 1}"] = found[np.arange(len(found)), best[:, k]]
    return columns


def _numbers(model: SequenceModel, ex: Examples, out: NumberOut) -> pl.DataFrame:
    """Median and 80 % interval of every number; for forecasts a row a step ahead."""
    if model.readout is None:
        # [T, C, Q] of every sequence -> what it says of the step behind the last
        every = _stepwise(model, ex, lambda rows: next_quantiles(model, rows)[0])
        found = np.stack([one[-1] for one in every])[:, None]
    else:
        found = np.concatenate([quantiles(model, rows).cpu().numpy() for rows in encoded_rows(model, ex)])
    columns: dict[str, Any] = {_role(model, "id"): np.repeat(ex.ids, out.horizon).tolist()}
    if parse_target(model.config.target).kind in ("future", "next"):
        columns = _heads(model, ex, out.horizon)
    return pl.DataFrame(intervals(columns, out, found.reshape(-1, *found.shape[2:])))


def _heads(model: SequenceModel, ex: Examples, horizon: int) -> dict[str, Any]:
    """Id, step ahead and time of what is to come."""
    columns: dict[str, Any] = {_role(model, "id"): np.repeat(ex.ids, horizon).tolist()}
    step = "step_ahead" if "step" in model.config.roles.values() else "step"
    columns[step] = list(range(1, horizon + 1)) * len(ex)
    if ex.times is not None:
        columns[_role(model, "time")] = _when(ex.times, horizon)
    return columns


# One row a step -----------------------------------------------------------------------------------------------


def _tags(model: SequenceModel, ex: Examples, out: LabelOut) -> pl.DataFrame:
    def both(rows: Ragged) -> Tensor:
        every, said = tagged(model, rows)
        return torch.cat([every, said[..., None].to(every.dtype)], dim=-1)

    found = np.concatenate(list(_stepwise(model, ex, both)))
    said = found[:, -1].astype(np.int64)
    columns = every_step(model, ex)
    columns[free("tag", columns)] = [out.classes[k] for k in said]
    columns[free("p", columns)] = found[np.arange(len(found)), said]
    return pl.DataFrame(columns)


def _steps(model: SequenceModel, ex: Examples, out: NumberOut) -> pl.DataFrame:
    found = np.concatenate(list(_stepwise(model, ex, lambda rows: next_quantiles(model, rows)[0])))
    return pl.DataFrame(intervals(every_step(model, ex), out, found))


def every_step(model: SequenceModel, ex: Examples) -> dict[str, Any]:
    """Id, number, time and, of a text, the word of every step."""
    lengths = [len(one) for one in ex.inputs]
    columns: dict[str, Any] = {_role(model, "id"): np.repeat(ex.ids, lengths).tolist()}
    if ex.times is not None:
        columns[_role(model, "time")] = np.concatenate(ex.times)
    else:
        columns["step"] = [step for length in lengths for step in range(1, length + 1)]
    kind = model.config.input
    first = kind.parts[0] if isinstance(kind, JoinedIn) else kind
    if isinstance(first, TextIn):
        raw = [one.parts[0] if isinstance(one, Steps) else one for one in ex.inputs]
        columns[free(first.column, columns)] = [str(word) for words in raw for word in words]
    return columns


# Encoding -----------------------------------------------------------------------------------------------------


def encoded_rows(model: SequenceModel, ex: Examples) -> Iterator[Ragged]:
    """What a model reads of every example, some at once, where the model is; of a history only what it needs."""
    inputs = [_history(model, raw, k, ex) for k, raw in enumerate(ex.inputs)]
    device = next(model.parameters()).device
    for start in range(0, len(inputs), _BATCH):
        rows = Ragged.from_list(inputs[start : start + _BATCH])
        yield Ragged(rows.values.to(device), rows.host_lengths)


def _stepwise(model: SequenceModel, ex: Examples, say: Callable[[Ragged], Tensor]) -> Iterator[np.ndarray]:
    """What is said of every step, ``[T, *]`` of each sequence."""
    for rows in encoded_rows(model, ex):
        yield from (one.cpu().numpy() for one in rows.with_values(say(rows)).to_list())


def _history(model: SequenceModel, raw: Any, k: int, ex: Examples) -> Tensor:
    """One encoded sequence; of a forecast's history only what the model reads, and what is known ahead behind it."""
    config = model.config
    kind, lookback = config.input, config.lookback
    least = lookback or int(parse_target(config.target).kind == "next")
    if len(raw) < least:
        file, line = ex.where[k]
        shorter = f", or train with --lookback {len(raw)}" if len(raw) else ""
        raise DataError(
            f"{_which(model, ex, k)} has {len(raw)} steps, but this model reads {least} before it predicts; give "
            f"more{shorter}",
            file=file,
            row=line,
        )
    if not lookback:
        return encoded(kind, ex, k)
    history = encoded(kind, ex, k, slice(-lookback, None), exact=True)
    if silent(model, raw):
        file, line = ex.where[k]
        raise DataError(
            f"the last {lookback} steps of {_which(model, ex, k)} hold no value, and a forecast goes on from what was; "
            "give some, or leave it out",
            file=file,
            row=line,
        )
    if not isinstance(kind, JoinedIn) or not kind.known:
        return history
    horizon = parse_target(config.target).horizon
    given = len(raw.ahead[0]) if raw.ahead else 0
    if given < horizon:
        names = ", ".join(name for part in kind.known for name in part.columns)
        read = ", ".join(name for part in kind.parts for name in part.columns)
        file, line = ex.where[k]
        raise DataError(
            f"a forecast of {horizon} steps needs {names} of each of them, and {_which(model, ex, k)} has {given} rows "
            f"behind its last value; add rows with {names}, in which {read} may be empty",
            file=file,
            row=line,
        )
    return torch.cat([history, kind.encode_ahead([one[:horizon] for one in raw.ahead])])


def silent(model: SequenceModel, raw: Any) -> bool:
    """Whether a forecast's window holds no number at all, so that nothing could be said."""
    kind, out = model.config.input, model.config.output
    if not isinstance(out, NumberOut) or not out.anchors or isinstance(kind, TextIn):
        return False
    rows = raw[-model.config.lookback :]
    parts = list(zip(kind.parts, rows.parts, strict=False)) if isinstance(kind, JoinedIn) else [(kind, rows)]
    return all(np.isnan(one).all() for part, one in parts if isinstance(part, SeriesIn))


def _which(model: SequenceModel, ex: Examples, k: int) -> str:
    return f"'{ex.ids[k]}'" if "id" in model.config.roles else "the series"


def intervals(columns: dict[str, Any], out: NumberOut, found: np.ndarray) -> dict[str, Any]:
    """Median, low and high of every column beside what is there, from ``[N, C, Q]`` in units of scale."""
    values = out.decode(np.moveaxis(found[..., _SHOWN], -1, 1))
    if out.likelihood == "negbin":
        # Counts that were scaled and back are whole numbers but for their last digits.
        values = np.abs(values.round())
    for c, column in enumerate(out.columns):
        name, suffixes = column, ("", "_low", "_high")
        # A name that is given already would write over its column.
        while {name + suffix for suffix in suffixes} & {"id", "step", "time", *columns}:
            name += "_predicted"
        for k, suffix in enumerate(suffixes):
            columns[name + suffix] = values[:, k, c]
    return columns


def free(name: str, columns: dict[str, Any]) -> str:
    """A name that would not write over a column."""
    while name in columns:
        name += "_predicted"
    return name


def _role(model: SequenceModel, role: str) -> str:
    """The column of a role, under the name that the training file gave it."""
    return model.config.roles.get(role, role)


def _when(times: list[np.ndarray], horizon: int) -> np.ndarray:
    """The times that the steps ahead stand for; days without an hour, and whole numbers, stay what they are."""
    made = np.concatenate([ahead(one, horizon) for one in times])
    every = np.concatenate([*times, made])
    dates = every.dtype.kind == "M"
    if not dates and not (np.abs(every) < 2**53).all():
        return made
    whole = every.astype("datetime64[D]" if dates else np.int64)
    return whole[-len(made) :] if (whole == every).all() else made
