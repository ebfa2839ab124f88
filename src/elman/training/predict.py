"""A trained model on new data: tables of predictions, and scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
import torch

from elman.core.errors import DataError, InputError, nearest
from elman.data.aligned import read_aligned
from elman.data.batch import Batches, WindowSet
from elman.data.encode import encode_examples, encode_pairs, encode_steps, encode_windows, next_tokens, stream
from elman.data.files import is_pair
from elman.data.fit import roles_of, sides_of
from elman.data.hints import listed
from elman.data.read import KNOWN, Table, read
from elman.data.roles import Examples, assemble
from elman.model.grammar import ONE_ANSWER, PER_STEP, Part, parse_target
from elman.model.kinds.events import EventsIn
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn, TokenOut
from elman.model.kinds.written import TextOut
from elman.model.network import SequenceModel
from elman.model.write import Draws, Search, parts_of
from elman.training.early import early_frame
from elman.training.frames import digits, frame_of, silent
from elman.training.scores import Scores, score

__all__ = ["Prediction", "evaluate", "examples_of", "predict", "read_for"]

_BATCH = 256


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
    table = _read_plain(model, path, need_target=need_target) or read(path)
    _check_columns(model, table, _target_columns(model) if need_target else ())
    roles = roles_of(model.config.input, id or model.config.roles.get("id"), time or model.config.roles.get("time"))
    found = assemble(
        table, sides_of(model.config.input, model.config.source), _goal(model), roles, need_target=need_target
    )
    if not len(found):
        raise DataError("no example in it; the file has no rows", file=path)
    return found


def _read_plain(model: SequenceModel, path: str, *, need_target: bool) -> Table | None:
    """A plain text, as ``new.txt`` or named after the one column that the model reads (``new.de``): a line an example.

    Where every word is answered a line is cut into words as a text is that is one string.
    """
    kind, target = model.config.input, parse_target(model.config.target).kind
    if not isinstance(kind, TextIn) or target == "next" or is_pair(path) or not Path(path).is_file():
        return None
    name = Path(path.removesuffix(".gz"))
    plain = name.suffix == ".txt" and not need_target
    if not plain and (name.suffix != f".{kind.column}" or name.suffix in KNOWN):
        return None
    frame, lines = read_aligned([Path(path)])
    texts = frame.to_series().rename(kind.column)
    if target in PER_STEP:
        texts = pl.Series(kind.column, [kind.written(text) for text in texts.to_list()], dtype=pl.List(pl.String))
    return Table(texts.to_frame(), path, lines)


def _target_columns(model: SequenceModel) -> tuple[str, ...]:
    out = model.config.output
    if isinstance(out, LabelOut):
        return (out.column,)
    return () if isinstance(out, TokenOut) else tuple(out.columns)


def _goal(model: SequenceModel) -> Part:
    return parse_target(model.config.target).of(_target_columns(model))


def _check_columns(model: SequenceModel, table: Table, targets: tuple[str, ...]) -> None:
    """Name what the model reads and the file has not; the options of its training are no help to who uses it."""
    have, kind = table.frame.columns, model.config.input
    parts = kind.every if isinstance(kind, JoinedIn) else [kind]
    reads = [name for part in parts for name in part.columns]
    ahead = [name for part in kind.known for name in part.columns] if isinstance(kind, JoinedIn) else []
    for verb, wanted in (("reads", [*reads, *model.config.roles.values()]), ("predicts", list(targets))):
        missing = [name for name in dict.fromkeys(wanted) if name not in have]
        if missing:
            names = ", ".join(f"'{name}'" for name in missing)
            beyond = " It must be there for the steps to be forecast too." if missing[0] in ahead else ""
            if len(have) == len(wanted) == 1:
                beyond += f" If that is it, call it so: make its first line {missing[0]}."
            raise DataError(
                f"the model {verb} the column{'s' if len(missing) > 1 else ''} {names}; this file has "
                f"{listed(have)}.{nearest(missing[0], have)}{beyond}",
                file=table.file,
            )


def examples_of(model: SequenceModel, sequences: list[Any]) -> Examples:
    """Raw sequences as examples: texts, or arrays ``[T, C]`` (``[T]`` for one channel).

    Of several parts, events, or with what is known or constant, each is a dictionary: the name of a column to its
    values, a list over the steps (longer for what is known ahead) or, of what is constant, one value.
    """
    if not isinstance(sequences, (list, tuple, np.ndarray)) or not len(sequences):
        came = type(sequences).__name__ if not isinstance(sequences, (list, tuple)) else "none"
        raise InputError(f"data: expected a file's name or a list of sequences, got {came}; write predict([sequence])")
    kind = model.config.input
    if isinstance(kind, JoinedIn):
        return _from_rows(model, kind, list(sequences))
    inputs = [_raw(kind, sequence, k) for k, sequence in enumerate(sequences)]
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


def _from_rows(model: SequenceModel, kind: JoinedIn, sequences: list[Any]) -> Examples:
    """Dictionaries as a table whose cells are sequences."""
    columns = list(dict.fromkeys(kind.columns))
    for k, one in enumerate(sequences):
        if not isinstance(one, dict) or not set(columns) <= set(one):
            came = f"one with {listed(list(map(str, one)))}" if isinstance(one, dict) else type(one).__name__
            raise InputError(
                f"sequences[{k}]: expected a dictionary with {listed(columns)}, each a list over the steps (what is "
                f"constant: one value), got {came}"
            )
    plain = {name: [_plain(one[name]) for one in sequences] for name in columns}
    try:
        frame = pl.DataFrame(plain, strict=False)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise InputError(f"sequences: expected lists of numbers or of words, all alike ({error})") from error
    table = Table(frame, "sequences", np.arange(len(sequences)))
    return assemble(
        table, sides_of(kind, model.config.source), _goal(model), roles_of(kind, None, None), need_target=False
    )


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else list(value) if isinstance(value, tuple) else value


def _raw(kind: SeriesIn | TextIn, sequence: Any, k: int) -> Any:
    """One sequence of the user's: a text, the list of its words, or float64 ``[T, C]``."""
    if isinstance(kind, TextIn) and isinstance(sequence, str):
        return sequence
    if isinstance(kind, TextIn) and isinstance(sequence, list) and all(isinstance(word, str) for word in sequence):
        return sequence
    wanted = "a text" if isinstance(kind, TextIn) else f"an array [T, {kind.channels}] of {', '.join(kind.columns)}"
    wrong = InputError(f"sequences[{k}]: expected {wanted}, got {type(sequence).__name__}")
    if isinstance(kind, TextIn) or isinstance(sequence, str):
        raise wrong
    try:
        array = np.asarray(sequence, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise wrong from error
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] != kind.channels:
        raise InputError(f"sequences[{k}]: expected {wanted}, got shape {list(np.shape(sequence))}")
    if not (np.isfinite(array) if kind.gaps == "error" else ~np.isinf(array)).all():
        step, channel = np.argwhere(~np.isfinite(array))[0]
        came = f"{array[step, channel]} in step {step} of '{kind.columns[channel]}'"
        raise InputError(f"sequences[{k}]: expected finite numbers, got {came}; fill it in or leave the step out")
    return array


@torch.inference_mode()
def predict(
    model: SequenceModel,
    ex: Examples,
    search: Search | Draws | None = None,
    progress: Callable[[int], None] | None = None,
    *,
    early: bool = False,
) -> Prediction:
    """Predict every example; see :class:`Prediction`.

    Args:
        model: the model. ex: the examples.
        search: how texts are searched for or drawn, of a model that writes.
        progress: told how many texts are written, now and then.
        early: say after every step what is thought so far, see :func:`~elman.training.early.early_frame`.
    """
    model.eval()
    out = model.config.output
    if search is not None:
        parts_of(model)
    ex, left_out = _long_enough(model, ex)
    notes = [*left_out, *_empty(ex), *_unknown(model.config.input, ex)]
    frame = early_frame(model, ex) if early else frame_of(model, _split_texts(model, ex), search, progress)
    if not isinstance(out, NumberOut):
        return Prediction(frame, notes, ex.form if ex.times is not None else "")
    return Prediction(frame, notes, ex.form, digits(out, frame.columns[-3 * len(out.columns) :]))


def _long_enough(model: SequenceModel, ex: Examples) -> tuple[Examples, list[str]]:
    """Of a file of several series those that can be forecast, and what is to be said of the others.

    Where there is none, all are left for the error that says why.
    """
    lookback, out = model.config.lookback, model.config.output
    if not lookback or len(ex) < 2 or ex.where[0][0] == "sequences" or not isinstance(out, NumberOut):
        return ex, []
    fit = [k for k, raw in enumerate(ex.inputs) if len(raw) >= lookback and not silent(model, raw)]
    if not fit or len(fit) == len(ex):
        return ex, []
    others = [ex.ids[k] for k in range(len(ex)) if k not in set(fit)]
    why = f"for there are no {lookback} steps of them, or no value in these"
    told = f"{len(others)} of {len(ex)} series are left out, {why}"
    return ex.subset(fit), [f"{told}: {listed(others)}"]


def _split_texts(model: SequenceModel, ex: Examples) -> Examples:
    """Texts whose steps are answered are lists of words."""
    kind = model.config.input
    if not isinstance(kind, TextIn) or parse_target(model.config.target).kind not in ("tags", "series"):
        return ex
    return replace(ex, inputs=[kind.written(one) if isinstance(one, str) else one for one in ex.inputs])


def evaluate(model: SequenceModel, ex: Examples, search: Search | None = None) -> tuple[Scores, list[str]]:
    """Score a model on all of some examples; a label that it never saw counts as an error, and is told.

    ``search``: how texts are written, of a model that writes.
    """
    if search is not None:
        parts_of(model)
    kind, out = model.config.input, model.config.output
    notes = [*_empty(ex), *_unknown(kind, ex), *_short(model, ex), *_unseen(model, ex)]
    data = _data(model, ex)
    if isinstance(data, WindowSet) and len(data) and not data.known:
        raise DataError(f"no value of {', '.join(_target_columns(model))} to score against", file=ex.where[0][0])
    if not len(data):
        need = (model.config.lookback or 1) + getattr(out, "horizon", 1)
        raise DataError(f"too short to score: give at least {need} steps", file=ex.where[0][0])
    return score(model, data, _BATCH, str(next(model.parameters()).device), search), notes


def _data(model: SequenceModel, ex: Examples) -> Batches:
    """All of some examples, encoded for scoring."""
    kind, out, target = model.config.input, model.config.output, parse_target(model.config.target).kind
    if isinstance(out, TokenOut):
        if not isinstance(kind, TextIn):
            raise InputError("this model's kinds cannot be scored")
        return next_tokens(kind, ex) if out.separate else stream(kind.encode("\n".join(ex.inputs)))
    if isinstance(out, TextOut):
        return encode_pairs(kind, out, ex)
    if target in ONE_ANSWER:
        return encode_examples(kind, out, ex, seen=False)
    if isinstance(out, LabelsOut):
        raise InputError("this model's kinds cannot be scored")
    if target != "future":
        return encode_steps(kind, out, ex, shift=int(target == "next"))
    if isinstance(kind, TextIn) or not isinstance(out, NumberOut):
        raise InputError("this model's kinds cannot be scored")
    return encode_windows(kind, out, ex, model.config.lookback)


def _unseen(model: SequenceModel, ex: Examples) -> list[str]:
    """What is to be said of classes that training never saw."""
    out, targets = model.config.output, ex.targets or []
    if isinstance(out, LabelsOut):
        new = out.unseen(targets)
        return [f"{', '.join(new)}: never in training, so never predicted and not scored"] if new else []
    if not isinstance(out, LabelOut):
        return []
    single = parse_target(model.config.target).kind == "label"
    labels = targets if single else [name for one in targets for name in one if name is not None]
    unseen = int((out.encode(labels) < 0).sum())
    if unseen and unseen == len(labels):
        came, known = (listed(sorted(set(names))) for names in (labels, out.classes))
        raise DataError(f"none of the labels {came} is known to this model ({known})", file=ex.where[0][0])
    return [f"{unseen} of {len(labels)} labels never occurred in training and count as errors"] if unseen else []


def _empty(ex: Examples) -> list[str]:
    """What is to be said of sequences without a single step."""
    count = sum(not len(raw) for raw in ex.inputs)
    if not count:
        return []
    return [f"{count} of {len(ex)} sequences are empty: what is predicted for them is what is usual"]


def _short(model: SequenceModel, ex: Examples) -> list[str]:
    """What is to be said of sequences that hold no step to score."""
    out = model.config.output
    if not isinstance(out, NumberOut) or parse_target(model.config.target).kind in ("number", "series"):
        return []
    need = (model.config.lookback or 1) + out.horizon
    count = sum(len(raw) < need for raw in ex.inputs)
    return [f"{count} of {len(ex)} sequences are left out: they have fewer than {need} steps"] if count else []


def _unknown(kind: SeriesIn | TextIn | JoinedIn, ex: Examples) -> list[str]:
    """What is to be said of words, characters and categories that training never saw."""
    if isinstance(kind, TextIn):
        return _unknown_words(kind, ex.inputs)
    if not isinstance(kind, JoinedIn):
        return []
    notes = []
    for k, part in enumerate(kind.every):
        ahead = k - len(kind.parts) - len(kind.known)
        values = [one.static[ahead] if ahead >= 0 else one.parts[k] for one in ex.inputs]
        if isinstance(part, TextIn):
            notes += _unknown_words(part, values)
        elif isinstance(part, EventsIn):
            distinct = list(dict.fromkeys(word for one in values for word in part.unknown(one)))
            names = ", ".join(part.columns)
            notes += [f"{names}: never seen (or once) in training: {_some(distinct)}"] if distinct else []
    return notes


def _unknown_words(kind: TextIn, texts: list[Any]) -> list[str]:
    total = sum(len(kind.split(text)) for text in texts)
    unknown = [kind.unknown(text) for text in texts]
    distinct = list(dict.fromkeys(token for tokens in unknown for token in tokens))
    if not distinct:
        return []
    count = sum(kind.lost(text) for text in texts)
    return [f"{count} of {total} {kind.unit} were never seen in training: {_some(distinct)}"]


def _some(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")
