"""Everything a run can be told, in one schema: what ``run.toml`` holds and the command line sets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import Field, ValidationError

from elman.core.errors import EngineError, InputError, nearest
from elman.model.kinds.schema import Schema

__all__ = ["Job", "LoopSettings", "as_argument", "job_from", "named_in_python", "seconds_in"]


class Job(Schema):
    """One training run. None means: chosen from the data, and told.

    Attributes:
        file: the data.
        source: the ``--from`` side, such as ``text:review``.
        target: the ``--to`` side, such as ``label:sentiment``.
        id: column whose values say which rows form one sequence.
        time: column of each row's time.
        split: a column with train/valid/test, fractions such as ``0.8,0.1,0.1``, or dates.
        valid: file for validation. test: file for the final test.
        known: columns known ahead of a forecast, with a comma between.
        static: columns constant in a sequence, likewise.
        gaps: what a missing value is: an ``error``, an ``input`` of its own, or to ``interpolate``.
        metric: the score that is shown first. class_weights: ``balanced``, or ``NAME=WEIGHT,...``.
        choose_by: what the epoch is chosen by on the validation part, ``loss`` or a metric of which more is better
            (None: ``entity_f1`` of tags that name spans, else ``loss``).
        cell: ``gru``, ``lstm``, ``rnn``, ``feedforward``, or a cell of your own by name.
        hidden: units a layer. layers: recurrent layers. bidirectional: read both ways.
        dropout: from 0 to below 1, and so input_dropout, word_dropout, recurrent_dropout, weight_drop, zoneout and
            label_smoothing; what each acts on: see NetConfig.
        embedding: width of token vectors. readout: see NetConfig.
        attention: ``dot`` or ``additive``. input_feeding, tied: of a decoder; see NetConfig.
        scheduled_sampling: share of what a decoder reads in training that it wrote itself, reached half-way.
        vocabulary: tokens of a text at the most. characters: read words with their spelling (None: for tags).
        crf: tags that know their neighbours (None: where they are spans, B-X I-X O).
        lookback: steps of history of a forecast.
        epochs: passes over the data at the most. batch: rows a step. batch_tokens: in place of it, steps of sequences
            a batch, pads included. accumulate: batches an optimiser step.
        truncate: ``K1`` or ``K1,K2`` steps for truncated backpropagation through time: weights change every K1 steps,
            gradients go K2 back (None: K1), states are carried on. ``whole``: sequences are not cut. ``auto``, as None:
            streams of text by 64 steps, a series that continues itself in separate pieces of 64, all else whole.
        memory: what recurrent layers hold for the backward pass: ``keep`` everything, or ``checkpoint``, see
            :func:`elman.checkpoint`.
        budget: time for the training at the most, such as ``90s``, ``2m`` or ``1h``. The learning rate falls with it,
            so that what is learnt is settled when it ends; the last digits then depend on the speed of the machine.
        lr: learning rate. find_lr: have it found by a range test, see :mod:`elman.training.finder`.
        weight_decay: decoupled decay (AdamW) of all matrices; embedding_decay: of token vectors, None for the same;
            bias_decay: of biases and norms. l2, l1: weights of the sums of all matrices' squares and magnitudes.
        ar, tar: weights of the squares of the last layer's outputs, and of their changes from step to step.
        average: ``ema`` or ``nt-asgd``, see :mod:`elman.training.averaging`. ema_decay: None for about an epoch.
        clip: largest gradient; 0 for none. clip_by: what is measured, see :func:`elman.training.optimise.clip_`.
        nonfinite: whether a step whose loss or gradient is not finite ends the training (``stop``) or is left out
            and counted (``skip``).
        patience: epochs without gain before stopping.
        seed: of the split, the weights, the order and the masks. split_seed: of the split alone, so that trainings of
            several seeds learn from and are scored on the same parts; None takes ``seed``.
        score_on: the part that the final scores are of: ``test`` (None), or ``valid``, which leaves the test part
            unseen while settings are still being chosen.
        device: ``cpu`` or ``cuda``. threads: of torch; None takes one where batches are small.
        save_every: how often the training is saved, to go on from if it is broken off: ``500`` (steps), ``30s``,
            ``5m``, or ``never`` but when it is stopped. By the clock it takes 2 % of the time at the most.
        tensorboard: leave event files for TensorBoard too; needs the extra ``tensorboard``.
    """

    file: str
    source: str
    target: str
    id: str | None = None
    time: str | None = None
    split: str | None = None
    valid: str | None = None
    test: str | None = None
    known: str | None = None
    static: str | None = None
    gaps: Literal["error", "input", "interpolate"] = "error"
    metric: str | None = None
    choose_by: str | None = None
    class_weights: str | None = None
    cell: str | None = None
    hidden: int | None = Field(None, ge=1, le=100_000)
    layers: int | None = Field(None, ge=1, le=1_000)
    bidirectional: bool | None = None
    dropout: float | None = Field(None, ge=0, lt=1)
    input_dropout: float | None = Field(None, ge=0, lt=1)
    word_dropout: float | None = Field(None, ge=0, lt=1)
    recurrent_dropout: float | None = Field(None, ge=0, lt=1)
    weight_drop: float | None = Field(None, ge=0, lt=1)
    zoneout: float | None = Field(None, ge=0, lt=1)
    label_smoothing: float | None = Field(None, ge=0, lt=1)
    embedding: int | None = Field(None, ge=1, le=100_000)
    readout: Literal["last", "mean", "max", "attention"] | None = None
    attention: Literal["dot", "additive"] | None = None
    input_feeding: bool | None = None
    tied: bool | None = None
    scheduled_sampling: float = Field(0.0, ge=0, lt=1)
    vocabulary: int | None = Field(None, ge=1, le=10**7)
    characters: bool | None = None
    crf: bool | None = None
    lookback: int | None = Field(None, ge=1, le=10**9)
    epochs: int | None = Field(None, ge=1, le=10**6)
    budget: str | None = None
    batch: int | None = Field(None, ge=1, le=10**9)
    batch_tokens: int | None = Field(None, ge=1, le=10**9)
    truncate: int | str | None = None
    memory: Literal["keep", "checkpoint"] | None = None
    accumulate: int = Field(1, ge=1, le=10**6)
    lr: float | None = Field(None, gt=0, le=1e30)
    find_lr: bool = False
    weight_decay: float = Field(0.01, ge=0)
    embedding_decay: float | None = Field(None, ge=0)
    bias_decay: float = Field(0.0, ge=0)
    l2: float = Field(0.0, ge=0)
    l1: float = Field(0.0, ge=0)
    ar: float = Field(0.0, ge=0)
    tar: float = Field(0.0, ge=0)
    average: Literal["ema", "nt-asgd"] | None = None
    ema_decay: float | None = Field(None, ge=0, lt=1)
    clip: float | None = Field(None, ge=0)
    clip_by: Literal["norm", "value", "ratio"] = "norm"
    nonfinite: Literal["stop", "skip"] = "stop"
    patience: int | None = Field(None, ge=1, le=10**6)
    seed: int = Field(0, ge=0, lt=2**63)
    split_seed: int | None = Field(None, ge=0, lt=2**63)
    score_on: Literal["test", "valid"] | None = None
    device: str = "cpu"
    threads: int | None = Field(None, ge=1, le=1_024)
    save_every: str = "30s"
    tensorboard: bool = False


def job_from(settings: dict[str, Any]) -> Job:
    """Check settings by name and value; raise InputError naming the first that is wrong."""
    for name in settings:
        if name not in Job.model_fields:
            known = ", ".join(Job.model_fields)
            raise InputError(f"unknown setting '{name}'.{nearest(name, Job.model_fields)} Known: {known}")
    try:
        return Job.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        expected = first["msg"].removeprefix("Input should be ").removeprefix("a valid ")
        for words, short in _SHORTER.items():
            expected = expected.replace(words, short)
        expected = re.sub(r"\d{10,}", lambda number: f"{float(number[0]):.3g}", expected)
        raise InputError(f"{name}: expected {expected}, got {settings.get(name)!r}{_instead(name)}") from error


@contextmanager
def named_in_python() -> Iterator[None]:
    """Have errors that begin with options (``--known a: ...``) begin with arguments (``known: 'a' ...``) instead."""
    try:
        yield
    except (InputError, EngineError) as error:
        words = as_argument(str(error))
        if words == str(error):
            raise
        raise type(error)(words) from error


def as_argument(message: str) -> str:
    """The message with the option that it begins with as the argument of that name.

    Commands further on, to be pasted into a shell, stay what they are.
    """
    found = re.match(r"--([a-z][a-z-]*)(?: ((?!--)[^:]*))?: ", message)
    if not found:
        return message
    name = {"from": "source", "to": "target"}.get(found[1], found[1].replace("-", "_"))
    if name not in {*Job.model_fields, "out"}:
        return message
    value = "" if found[2] is None else f"{name}={found[2]!r}"
    return f"{value or name}: {message[found.end() :]}"


_SHORTER = {"greater than or equal to": "at least", "less than or equal to": "at most", "greater than": "more than"}


def _instead(name: str) -> str:
    """What happens without a setting."""
    known = Job.model_fields[name]
    if known.is_required():
        return ""
    return "; leave it out to have it chosen" if known.default is None else f"; leave it out for {known.default}"


def seconds_in(text: str, option: str) -> float:
    """A stretch of time such as ``90s``, ``2m`` or ``1h`` in seconds; raise :class:`InputError` for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found or not float(found[1]):
        raise InputError(f"{option} {text}: expected a stretch of time such as 90s, 2m or 1h; as in {option} 2m")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


class LoopSettings(Schema):
    """What the training loop needs; all chosen. See :class:`Job`.

    Attributes:
        budget: seconds at the most; 0 for as many as it takes.
        truncate: (k1, k2), see :func:`~elman.model.shapes.windows`; None for the data's own way.
    """

    epochs: int
    budget: float = 0.0
    batch: int
    lr: float
    batch_tokens: int | None = None
    truncate: tuple[int, int] | None = None
    accumulate: int = 1
    scheduled_sampling: float = 0.0
    weight_decay: float = 0.01
    embedding_decay: float = 0.01
    bias_decay: float = 0.0
    l2: float = 0.0
    l1: float = 0.0
    ar: float = 0.0
    tar: float = 0.0
    average: Literal["ema", "nt-asgd"] | None = None
    ema_decay: float = 0.99
    clip: float = 1.0
    clip_by: Literal["norm", "value", "ratio"] = "norm"
    nonfinite: Literal["stop", "skip"] = "stop"
    patience: int = 10
    choose_by: str = "loss"
    seed: int = 0
    device: str = "cpu"

    @property
    def batches(self) -> str:
        """What one optimiser step is made of, in words."""
        size = f"batches of {self.batch_tokens:,} steps" if self.batch_tokens else f"batch {self.batch}"
        return f"{size}, {self.accumulate} a step" if self.accumulate > 1 else size
