"""A trained model on new data: tables of predictions, and scores."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
import torch

from elman.core.errors import DataError, InputError, nearest
from elman.core.ragged import Ragged
from elman.data.batch import Batches, ExampleSet
from elman.data.clock import ahead
from elman.data.encode import encode_examples, encode_windows, next_tokens, next_values, stream
from elman.data.hints import listed
from elman.data.prepare import part_of
from elman.data.read import Table, read
from elman.data.roles import Examples, Roles, assemble
from elman.model.answers import chances, next_quantiles, quantiles
from elman.model.grammar import Part, parse_target
from elman.model.kinds.label import LabelOut
from elman.model.kinds.number import LEVELS, NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn, TokenOut
from elman.model.network import SequenceModel
from elman.training.scores import Scores, score

__all__ = ["Prediction", "evaluate", "examples_of", "predict", "read_for"]

_BATCH = 256
_SHOWN = [LEVELS.index(level) for level in (0.5, 0.1, 0.9)]


@dataclass(frozen=True)
class Prediction:
    """A table of predictions and what is to be said about it.

    Attributes:
        frame: one row an example, or a step ahead.
        notes: sentences, such as how many words the model had never seen.
        form: how the file writes its times; see :meth:`written`.
        digits: of the columns that are numbers predicted, how many tell them apart.
    """

    frame: pl.DataFrame
    notes: list[str]
    form: str = ""
    digits: dict[str, int] = field(default_factory=dict)

    def written(self) -> pl.DataFrame:
        """The table as it is written: times as the file has them, numbers without digits that say nothing."""
        changed = [pl.col(name).round_sig_figs(count) for name, count in self.digits.items()]
        if self.form:
            changed.append(cs.temporal().dt.strftime(self.form))
        return self.frame.with_columns(changed)


def read_for(
    model: SequenceModel, path: str, *, need_target: bool, id: str | None = None, time: str | None = None
) -> Examples:
    """Read a file with the columns and roles that the model was trained with, or with another ``id`` and ``time``."""
    config = model.config
    target = parse_target(config.target)
    names: tuple[str, ...] = ()
    if isinstance(config.output, LabelOut):
        names = (config.output.column,)
    elif isinstance(config.output, NumberOut):
        names = tuple(config.output.columns)
    roles = Roles(id or config.roles.get("id"), time or config.roles.get("time"))
    goal = Part(target.kind, target.variant, names, target.horizon)
    table = read(path)
    _check_columns(model, table, names if need_target else ())
    found = assemble(table, part_of(config.input), goal, roles, need_target=need_target)
    if not len(found):
        raise DataError("no example in it; the file has no rows", file=path)
    return found


def _check_columns(model: SequenceModel, table: Table, targets: tuple[str, ...]) -> None:
    """Name what the model reads and the file has not; the options of its training are no help to who uses it."""
    have = table.frame.columns
    reads = [*part_of(model.config.input).columns, *model.config.roles.values()]
    for verb, wanted in (("reads", reads), ("predicts", list(targets))):
        missing = [name for name in wanted if name not in have]
        if missing:
            names = ", ".join(f"'{name}'" for name in missing)
            raise DataError(
                f"the model {verb} the column{'s' if len(missing) > 1 else ''} {names}; this file has "
                f"{listed(have)}.{nearest(missing[0], have)}",
                file=table.file,
            )


def examples_of(model: SequenceModel, sequences: list[Any]) -> Examples:
    """Raw sequences as examples: texts, or arrays ``[T, C]`` (``[T]`` for one channel)."""
    if not isinstance(sequences, (list, tuple, np.ndarray)) or not len(sequences):
        came = type(sequences).__name__ if not isinstance(sequences, (list, tuple)) else "none"
        raise InputError(f"data: expected a file's name or a list of sequences, got {came}; write predict([sequence])")
    inputs = [_raw(model.config.input, sequence, k) for k, sequence in enumerate(sequences)]
    names = [str(k) for k in range(len(inputs))]
    return Examples(
        inputs=inputs,
        targets=None,
        ids=names,
        times=None,
        where=[("sequences", k) for k in range(len(inputs))],
        steps=[np.arange(len(x)) for x in inputs],
        split=None,
        columns=(),
        target_columns=(),
        notes=[],
    )


def _raw(kind: SeriesIn | TextIn, sequence: Any, k: int) -> Any:
    """One sequence of the user's: a text, or float64 ``[T, C]``."""
    if isinstance(kind, TextIn) and isinstance(sequence, str):
        return sequence
    wanted = "a text" if isinstance(kind, TextIn) else f"an array [T, {kind.width}] of {', '.join(kind.columns)}"
    wrong = InputError(f"sequences[{k}]: expected {wanted}, got {type(sequence).__name__}")
    if isinstance(kind, TextIn) or isinstance(sequence, str):
        raise wrong
    try:
        array = np.asarray(sequence, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise wrong from error
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] != kind.width:
        raise InputError(f"sequences[{k}]: expected {wanted}, got shape {list(np.shape(sequence))}")
    if not np.isfinite(array).all():
        step, channel = np.argwhere(~np.isfinite(array))[0]
        came = f"{array[step, channel]} in step {step} of '{kind.columns[channel]}'"
        raise InputError(f"sequences[{k}]: expected finite numbers, got {came}; fill it in or leave the step out")
    return array


@torch.inference_mode()
def predict(model: SequenceModel, ex: Examples) -> Prediction:
    """Predict every example; see :class:`Prediction`."""
    model.eval()
    out = model.config.output
    notes = [*_empty(ex), *_unknown(model.config.input, ex)]
    if isinstance(out, LabelOut):
        return Prediction(_label_frame(model, ex, out), notes)
    if isinstance(out, NumberOut):
        frame = _number_frame(model, ex, out)
        return Prediction(frame, notes, ex.form, _digits(out, frame.columns[-3 * len(out.columns) :]))
    raise InputError("this model continues texts: use elman generate RUN --prompt '...' (run.generate in Python)")


def evaluate(model: SequenceModel, ex: Examples) -> tuple[Scores, list[str]]:
    """Score a model on all of some examples; a label that it never saw counts as an error, and is told."""
    kind, out = model.config.input, model.config.output
    notes = [*_empty(ex), *_unknown(kind, ex), *_short(model, ex)]
    data: Batches
    if isinstance(out, LabelOut):
        data = encode_examples(kind, out, ex, seen=False)
        unseen = int((out.encode(ex.targets or []) < 0).sum())
        if unseen == len(ex):
            came, known = (listed(sorted(set(labels))) for labels in (ex.targets or [], out.classes))
            raise DataError(f"none of the labels {came} is known to this model ({known})", file=ex.where[0][0])
        if unseen:
            notes.append(f"{unseen} of {len(ex)} labels never occurred in training and count as errors")
    elif isinstance(out, NumberOut) and isinstance(kind, SeriesIn) and model.config.lookback:
        data = encode_windows(kind, out, ex, model.config.lookback)
    elif isinstance(out, NumberOut) and isinstance(kind, SeriesIn) and model.readout is None:
        data = next_values(kind, out, ex)
    elif isinstance(out, NumberOut):
        data = encode_examples(kind, out, ex)
    elif isinstance(kind, TextIn) and isinstance(out, TokenOut):
        data = next_tokens(kind, ex) if out.separate else stream(kind.encode("\n".join(ex.inputs)))
    else:
        raise InputError("this model's kinds cannot be scored")
    if not len(data):
        need = (model.config.lookback or 1) + getattr(out, "horizon", 1)
        raise DataError(f"too short to score: give at least {need} steps", file=ex.where[0][0])
    return score(model, data, _BATCH, str(_device(model))), notes


def _label_frame(model: SequenceModel, ex: Examples, out: LabelOut) -> pl.DataFrame:
    kind = model.config.input
    data = ExampleSet([kind.encode(raw) for raw in ex.inputs], torch.zeros(len(ex)))
    parts = [chances(model, batch.to(_device(model)).ragged).cpu() for batch in data.in_order(_BATCH)]
    found = torch.cat(parts).numpy()
    name = _role(model, "id")
    columns: dict[str, Any] = {
        "id" if name == "label" else name: ex.ids,
        "label": [out.classes[k] for k in found.argmax(1)],
    }
    return pl.DataFrame(columns | {f"p_{name}": found[:, k] for k, name in enumerate(out.classes)})


def _number_frame(model: SequenceModel, ex: Examples, out: NumberOut) -> pl.DataFrame:
    """Median and 80 % interval of every number; for forecasts a row a step ahead."""
    inputs = [_history(model, raw, k, ex) for k, raw in enumerate(ex.inputs)]
    device = _device(model)
    parts = []
    for start in range(0, len(inputs), _BATCH):
        rows = Ragged.from_list(inputs[start : start + _BATCH])
        rows = Ragged(rows.values.to(device), rows.host_lengths)
        if model.readout is not None:
            parts.append(quantiles(model, rows).cpu().numpy())
            continue
        every, _ = next_quantiles(model, rows)
        last = (rows.lengths - 1).clamp(min=0)
        parts.append(every[last, torch.arange(rows.batch, device=device)].unsqueeze(1).cpu().numpy())
    # [N, H, C, Q] -> [N, H, 3, C] in the data's units
    found = out.decode(np.moveaxis(np.concatenate(parts)[..., _SHOWN], -1, 2))
    columns: dict[str, Any] = {_role(model, "id"): np.repeat(ex.ids, out.horizon).tolist()}
    if parse_target(model.config.target).kind in ("future", "next"):
        step = "step_ahead" if "step" in model.config.roles.values() else "step"
        columns[step] = list(range(1, out.horizon + 1)) * len(ex)
        if ex.times is not None:
            columns[_role(model, "time")] = _when(ex.times, out.horizon)
    for c, column in enumerate(out.columns):
        name, suffixes = column, ("", "_low", "_high")
        # A name that is given already would write over its column.
        while {name + suffix for suffix in suffixes} & {"id", "step", "time", *columns}:
            name += "_predicted"
        for k, suffix in enumerate(suffixes):
            columns[name + suffix] = found[:, :, k, c].reshape(-1)
    return pl.DataFrame(columns)


def _role(model: SequenceModel, role: str) -> str:
    """The column of a role, under the name that the training file gave it."""
    return model.config.roles.get(role, role)


def _digits(out: NumberOut, names: list[str]) -> dict[str, int]:
    """Six significant digits, and more where numbers lie far from zero for their spread."""
    found: dict[str, int] = {}
    for c, (mean, scale) in enumerate(zip(out.mean, out.scale, strict=True)):
        level = max(abs(mean) / scale, 1.0)
        found |= dict.fromkeys(names[3 * c : 3 * c + 3], max(6, 4 + math.ceil(math.log10(level))))
    return found


def _history(model: SequenceModel, raw: Any, k: int, ex: Examples) -> torch.Tensor:
    """One encoded sequence; of a forecast's history only what the model reads."""
    lookback = model.config.lookback
    least = lookback or int(model.readout is None)
    if len(raw) < least:
        file, line = ex.where[k]
        which = f"'{ex.ids[k]}'" if "id" in model.config.roles else "the series"
        shorter = f", or train with --lookback {len(raw)}" if len(raw) else ""
        raise DataError(
            f"{which} has {len(raw)} steps, but this model reads {least} before it predicts; give more{shorter}",
            file=file,
            row=line,
        )
    encoded = model.config.input.encode(raw)
    return encoded[-lookback:] if lookback else encoded


def _when(times: list[np.ndarray], horizon: int) -> np.ndarray:
    """The times that the steps ahead stand for; days without an hour, and whole numbers, stay what they are."""
    made = np.concatenate([ahead(one, horizon) for one in times])
    every = np.concatenate([*times, made])
    dates = every.dtype.kind == "M"
    if not dates and not (np.abs(every) < 2**53).all():
        return made
    whole = every.astype("datetime64[D]" if dates else np.int64)
    return whole[-len(made) :] if (whole == every).all() else made


def _empty(ex: Examples) -> list[str]:
    """What is to be said of sequences without a single step."""
    count = sum(not len(raw) for raw in ex.inputs)
    if not count:
        return []
    return [f"{count} of {len(ex)} sequences are empty: what is predicted for them is what is usual"]


def _short(model: SequenceModel, ex: Examples) -> list[str]:
    """What is to be said of sequences that hold no step to score."""
    out = model.config.output
    if not isinstance(out, NumberOut) or parse_target(model.config.target).kind == "number":
        return []
    need = (model.config.lookback or 1) + out.horizon
    count = sum(len(raw) < need for raw in ex.inputs)
    return [f"{count} of {len(ex)} sequences are left out: they have fewer than {need} steps"] if count else []


def _unknown(kind: SeriesIn | TextIn, ex: Examples) -> list[str]:
    if not isinstance(kind, TextIn):
        return []
    total = sum(len(kind.split(text)) for text in ex.inputs)
    unknown = [kind.unknown(text) for text in ex.inputs]
    distinct = list(dict.fromkeys(token for tokens in unknown for token in tokens))
    if not distinct:
        return []
    name = "characters" if kind.variant == "char" else "words"
    count = sum(int((kind.encode(text) == 0).sum()) for text in ex.inputs)
    shown = ", ".join(repr(token) for token in distinct[:5]) + (", ..." if len(distinct) > 5 else "")
    return [f"{count} of {total} {name} were never seen in training: {shown}"]


def _device(model: SequenceModel) -> torch.device:
    return next(model.parameters()).device
