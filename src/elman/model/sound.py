"""Whether a model that came from elsewhere hangs together, before memory is taken for it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from elman.core.errors import InputError, ModelFileError
from elman.model.config import CELLS, ModelConfig
from elman.model.grammar import PER_STEP, parse_target
from elman.model.kinds.crf import OUTSIDE
from elman.model.kinds.events import EventsIn
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import END, UNKNOWN, TextIn, TokenOut
from elman.model.kinds.written import TextOut
from elman.model.network import Cells, SequenceModel

__all__ = ["check_config", "check_weights"]


def check_config(config: ModelConfig) -> None:
    """Raise :class:`ModelFileError` for settings that fit their schema but not one another."""
    kind, out = config.input, config.output
    try:
        target = parse_target(config.target)
    except InputError as error:
        raise ModelFileError(f"target: {error}") from error
    names = {
        LabelOut: ("label", "tags", "next"),
        LabelsOut: ("labels",),
        TokenOut: ("next",),
        TextOut: ("text",),
        NumberOut: ("number", "series", "next", "future"),
    }
    _need(target.kind in names[type(out)] and not target.columns, "target: does not fit the output")
    parts = kind.parts if isinstance(kind, JoinedIn) else [kind]
    kinds = "+".join(part.kind for part in parts)
    _need(config.source == kinds or (config.source, kinds) == ("label", "events"), "source: does not fit the input")
    every = target.kind in (*PER_STEP, "text")
    _need(every == (config.net.readout == "every"), "net.readout: does not fit the target")
    _need((config.lookback >= 1) == (target.kind == "future"), "lookback: belongs to a forecast, at least 1")
    _need(set(config.roles) <= {"id", "time"}, "roles: only id and time")
    if isinstance(kind, JoinedIn):
        _need(not kind.known or target.kind == "future", "input.known: belongs to a forecast")
        _need(
            all(isinstance(part, (SeriesIn, EventsIn)) for part in (*kind.known, *kind.static)), "input: text is read"
        )
        for part in kind.every:
            _check_part(part)
    else:
        _check_part(kind)
    if isinstance(out, LabelOut):
        _need(len(out.classes) >= 2, "output.classes: at least 2")
        bold = 0 <= out.boldness < 1e3 and (not out.boldness or OUTSIDE in out.classes)
        _need(bold, f"output.boldness: expected 0, or a number above where a class is {OUTSIDE}, got {out.boldness}")
        _check_weights(out.weights, out.classes)
    elif isinstance(out, LabelsOut):
        _need(len(out.classes) >= 1, "output.classes: at least 1")
        _need(len(out.thresholds) in (0, len(out.classes)), "output.thresholds: one number a class")
        _check_weights(out.weights, out.classes)
    elif isinstance(out, TokenOut):
        _need(isinstance(kind, TextIn) and out.size == kind.width, "output.size: not that of the vocabulary")
    elif isinstance(out, TextOut):
        _need(1 <= out.longest <= 10**9, f"output.longest: expected from 1 to 10**9, got {out.longest}")
        _check_part(out.tokens, "output.tokens")
    else:
        _check_scale("output", out.columns, out.mean, out.scale)
        places = kind.numbers if isinstance(kind, JoinedIn) else []
        places = list(range(kind.channels)) if isinstance(kind, SeriesIn) else places
        inside = all(anchor in places for anchor in out.anchors)
        _need(out.horizon == (target.horizon or 1), "output.horizon: not that of the target")
        _need(len(out.anchors) in (0, len(out.columns)) and inside, "output.anchors: one input channel a column")
        _need(len(out.margin) in (0, len(out.columns) * out.horizon), "output.margin: one number a step and column")


def check_weights(config: ModelConfig, cells: Cells, weights: dict[str, Tensor]) -> None:
    """Raise :class:`ModelFileError` unless tensors have the names and shapes that the settings ask for, and are finite.

    The model to compare with is built without memory (on torch's ``meta`` device), so that a few bytes of settings
    cannot ask for terabytes.
    """
    _need(config.net.layers <= len(weights), f"net.layers: {config.net.layers}, but there are {len(weights)} tensors")
    try:
        with torch.device("meta"):
            wanted = {name: tuple(tensor.shape) for name, tensor in SequenceModel(config, cells).state_dict().items()}
    except (RuntimeError, OverflowError, TypeError, InputError) as error:
        if config.net.cell in CELLS:
            raise ModelFileError(f"net: no such model can be built ({str(error).splitlines()[0]})") from error
        if isinstance(error, InputError):
            raise
        # A cell of the user's own need not know how to be built without memory; it is trusted.
        wanted = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    odd = sorted(wanted.keys() ^ weights.keys())
    _need(not odd, f"{', '.join(odd[:3])}: in the file or in the settings, not in both")
    for name, tensor in weights.items():
        _need(tuple(tensor.shape) == wanted[name], f"{name}: {tuple(tensor.shape)}, expected {wanted[name]}")
        _need(bool(torch.isfinite(tensor).all()), f"{name}: holds NaN or infinity")


def _check_part(part: SeriesIn | EventsIn | TextIn, side: str = "input") -> None:
    if isinstance(part, TextIn):
        _need(part.vocabulary[:2] == [UNKNOWN, END], f"{side}.vocabulary: expected {UNKNOWN} and {END} first")
        _need(len(set(part.vocabulary)) == len(part.vocabulary), f"{side}.vocabulary: a token stands there twice")
        _need(not part.merges or part.variant == "bpe", f"{side}.merges: belong to pieces of words")
    elif isinstance(part, EventsIn):
        _need(len(part.columns) == len(part.vocabularies) > 0, "input.vocabularies: one a column")
        _need(all(part.vocabularies), "input.vocabularies: at least the unknown category")
    else:
        _check_scale("input", part.columns, part.mean, part.scale)
        flags = part.flagged
        _need(len(set(flags)) == len(flags), "input.flagged: each channel once")
        _need(all(0 <= place < part.channels for place in flags), "input.flagged: channels")
        _need(bool(flags) or not part.since, "input.since: belongs to flagged channels")
        _need(
            0 <= part.unit < math.inf and (not part.unit or part.gaps == "input"), "input.unit: finite, for gaps told"
        )


def _check_weights(weights: list[float], classes: list[str]) -> None:
    _need(len(weights) in (0, len(classes)), "output.weights: one number a class")
    _need(all(0 < weight < math.inf for weight in weights), "output.weights: positive numbers only")


def _check_scale(side: str, columns: list[str], mean: list[float], scale: list[float]) -> None:
    _need(len(columns) == len(mean) == len(scale) > 0, f"{side}: one mean and one scale a column")
    _need(all(math.isfinite(m) for m in mean), f"{side}.mean: not finite")
    _need(all(0 < s < math.inf for s in scale), f"{side}.scale: positive numbers only")


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ModelFileError(otherwise)
