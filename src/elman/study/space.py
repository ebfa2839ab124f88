"""Where settings are looked for: a range or a choice each, around the defaults, by the kind of data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from elman.core.errors import InputError
from elman.data.prepare import Prepared
from elman.model.grammar import ONE_ANSWER
from elman.model.kinds.label import LabelOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn
from elman.training.defaults import choose_loop, choose_net
from elman.training.settings import Job

__all__ = ["Choice", "Dimension", "Range", "space_of"]


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; ``log``: their logarithms are drawn; ``whole`` ones only."""

    default: float
    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.low:.3g} to {self.high:.3g}"


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    default: Any
    values: tuple[Any, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))


Dimension = Range | Choice


def space_of(job: Job, given: Iterable[str], data: Prepared) -> dict[str, Dimension]:
    """The settings that are looked for, by name; what is given is fixed, and so in none.

    Ranges reach a factor of 2 to 10 to both sides of the default, which is what :func:`elman.train` would choose.
    Rates, widths and decays are drawn by their logarithms, for it is their ratio that counts (Bergstra & Bengio 2012).
    What changes which steps are scored, such as ``lookback``, is never looked for.

    Raises:
        InputError: everything is given, so nothing is left to look for.
    """
    net, loop = choose_net(job, data), choose_loop(job, data)
    one = data.target.kind in ONE_ANSWER
    wide = 4 if net.hidden <= 64 else 2
    found: dict[str, Dimension] = {
        "hidden": Range(net.hidden, max(1, net.hidden // 4), net.hidden * wide, log=True, whole=True),
        "layers": Range(net.layers, 1, max(3, net.layers), whole=True),
        "dropout": Range(net.dropout, 0.0, max(0.7, net.dropout)),
        "lr": Range(loop.lr, loop.lr / 10, loop.lr * 10, log=True),
        "weight_decay": Range(loop.weight_decay, 1e-3, 0.3, log=True),
    }
    if net.cell in ("gru", "lstm"):
        found["cell"] = Choice(net.cell, ("gru", "lstm"))
    if one:
        found["readout"] = Choice(net.readout, ("last", "mean", "max", "attention"))
    if job.batch_tokens is None:
        sizes = [loop.batch // 2, loop.batch, loop.batch * 2]
        fitting = tuple(b for b in sizes if b == loop.batch or 1 <= b <= len(data.train) // 4)
        found |= {"batch": Choice(loop.batch, fitting)} if len(fitting) > 1 else {}
    if loop.clip:
        found["clip"] = Range(loop.clip, loop.clip / 10, loop.clip * 10, log=True)
    found |= _by_kind(data, net.input_dropout or 0.0, net.word_dropout, net.label_smoothing, net.embedding)
    # None of what is given: it stays as it is. A value of zero has no logarithm, so it is only given.
    left = {name: where for name, where in found.items() if name not in set(given) and _sound(where)}
    if not left:
        raise InputError(
            f"everything that could be tuned is given ({', '.join(found)}); leave out what is to be looked for"
        )
    return left


def _by_kind(
    data: Prepared, input_dropout: float, word_dropout: float, smoothing: float, embedding: int
) -> dict[str, Dimension]:
    """What only some kinds of data have."""
    found: dict[str, Dimension] = {}
    one = data.target.kind in ONE_ANSWER
    if isinstance(data.output, LabelOut):
        found["label_smoothing"] = Range(smoothing, 0.0, max(0.2, smoothing))
    if isinstance(data.input, TextIn):
        found["embedding"] = Range(embedding, max(1, embedding // 2), embedding * 4, log=True, whole=True)
        if one:
            found["word_dropout"] = Range(word_dropout, 0.0, max(0.3, word_dropout))
    elif isinstance(data.input, SeriesIn) and one:
        found["input_dropout"] = Range(input_dropout, 0.0, max(0.5, input_dropout))
    return found


def _sound(where: Dimension) -> bool:
    if isinstance(where, Choice):
        return len(where.values) > 1
    return where.low < where.high and where.low <= where.default <= where.high
