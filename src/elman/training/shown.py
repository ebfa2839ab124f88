"""Some of what a model writes, for people: examples beside their references, and where it looked while it wrote."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from elman.data.pairs import PairSet
from elman.model.kinds.events import EventsIn
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.text import TextIn
from elman.model.kinds.written import TextOut
from elman.model.network import SequenceModel
from elman.model.search import END
from elman.model.write import Search, attended, parts_of, write_all

__all__ = ["Glance", "Wrote", "evenly", "examples", "glances"]

_EXAMPLES, _EACH, _GLANCES = 20, 5, 4
"""Examples that are shown, texts of each label, and heat maps."""

_SHORT, _LONG, _MOST = 5, 14, 40
"""Steps that what is looked at should have, from and to, and steps that are shown at the most."""


@dataclass(frozen=True)
class Wrote:
    """What a model wrote of one example.

    Attributes:
        name: the line of the file, or the label's. read: what it read, as text; its id where that is no text.
        true: what stands in the data. written: what the model wrote, the best first.
    """

    name: str
    read: str
    true: list[str]
    written: list[str]


@dataclass(frozen=True)
class Glance:
    """Where a model looked while it wrote.

    Attributes:
        read, written: labels of the steps. weights: ``(U, T)``. caption: which example, and what was left out.
    """

    read: list[str]
    written: list[str]
    weights: np.ndarray = field(repr=False)
    caption: str = ""


def examples(model: SequenceModel, data: PairSet) -> list[Wrote]:
    """Twenty examples, evenly over the data, by a beam of 5; of labels each once, with five texts."""
    _, _, out = parts_of(model)
    if model.config.source == "label":
        return _of_labels(model, data, out)
    chosen = evenly(len(data), _EXAMPLES)
    found = write_all(model, [data.inputs[k] for k in chosen], Search())
    return [
        Wrote(_name(data, k), _read(model, data, k), [data.texts[k]], [out.decode(one[0].tokens)])
        for k, one in zip(chosen, found, strict=True)
    ]


def glances(model: SequenceModel, data: PairSet) -> list[Glance]:
    """A few examples of moderate length, and where the model looks while it writes them by a beam of 5.

    Of a label there is nothing to look over: no glance.
    """
    _, _, out = parts_of(model)
    if model.config.source == "label":
        return []
    lengths = data.inputs.lengths
    wanted = (lengths >= _SHORT) & (lengths <= _LONG)
    fitting = np.flatnonzero(wanted if wanted.any() else lengths > 0)
    if not len(fitting):
        return []
    if not wanted.any():
        fitting = fitting[np.argsort(np.abs(lengths[fitting] - _LONG), kind="stable")][: 2 * _GLANCES]
    chosen = [int(fitting[k]) for k in evenly(len(fitting), _GLANCES)]
    found = write_all(model, [data.inputs[k] for k in chosen], Search())
    return [
        _glance(model, out, data.inputs[k], one[0].tokens, _name(data, k)) for k, one in zip(chosen, found, strict=True)
    ]


def _glance(model: SequenceModel, out: TextOut, source: Tensor, tokens: list[int], name: str) -> Glance:
    weights = attended(model, source, tokens)
    read = _labels(model, source)
    written = [*out.tokens.shown([n for n in tokens if n != END]), *["(end)"] * (tokens[-1:] == [END])]
    told = [name]
    for side, what in ((read, "read"), (written, "written")):
        if len(side) > _MOST:
            told.append(f"the first {_MOST} of {len(side):,} {what}")
    return Glance(read[:_MOST], written[:_MOST], weights[:_MOST, :_MOST].double().numpy(), ", ".join(told))


def _labels(model: SequenceModel, source: Tensor) -> list[str]:
    """Labels of what is read: its tokens, or the numbers of its steps."""
    kind = model.config.input
    if isinstance(kind, TextIn):
        return kind.shown(source.tolist())
    return [str(step) for step in range(1, len(source) + 1)]


def _of_labels(model: SequenceModel, data: PairSet, out: TextOut) -> list[Wrote]:
    """Each label once: some of its texts in the data, and the likeliest that the model writes of it."""
    groups: dict[str, list[int]] = {}
    for k in range(len(data)):
        groups.setdefault(_read(model, data, k), []).append(k)
    names = list(groups)[:_EXAMPLES]
    found = write_all(model, [data.inputs[groups[name][0]] for name in names], Search(best=_EACH))
    made = []
    for name, one in zip(names, found, strict=True):
        true = [data.texts[groups[name][k]] for k in evenly(len(groups[name]), _EACH)]
        made.append(Wrote("", name, true, [out.decode(text.tokens) for text in one]))
    return made


def _read(model: SequenceModel, data: PairSet, k: int) -> str:
    """What an example reads, in words."""
    kind, known = model.config.input, data.whence
    if known is not None and known.texts[k] and not known.texts[k].endswith("..."):
        return known.texts[k]
    if isinstance(kind, TextIn):
        return kind.decode(data.inputs[k].tolist())
    if isinstance(kind, JoinedIn) and isinstance(kind.parts[0], EventsIn) and model.config.source == "label":
        return kind.parts[0].vocabularies[0][int(data.inputs[k][0, 0])]
    return f"{len(data.inputs[k])} steps"


def _name(data: PairSet, k: int) -> str:
    known = data.whence
    return str(k + 1) if known is None else known.ids[k]


def evenly(count: int, most: int) -> list[int]:
    """Places spread over a range, all of a short one."""
    if count <= most:
        return list(range(count))
    return [int(place) for place in np.linspace(0, count - 1, most).round()]
