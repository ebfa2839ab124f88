"""Sensible settings, chosen from the data where the user says nothing, and told."""

from __future__ import annotations

import numpy as np

from elman.core.errors import InputError
from elman.data.batch import ExampleSet
from elman.data.prepare import Prepared
from elman.data.truncate import in_batches
from elman.model.config import NetConfig
from elman.model.grammar import ONE_ANSWER, PER_STEP
from elman.model.kinds.crf import spans
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut
from elman.model.kinds.number import NumberOut
from elman.model.kinds.text import TextIn
from elman.training.settings import Job, LoopSettings, seconds_in
from elman.training.through_time import choose_truncate, parse_truncate

__all__ = ["choose_loop", "choose_net"]


_AS_GIVEN = (
    *("batch_tokens", "accumulate", "scheduled_sampling", "weight_decay", "bias_decay", "l2", "l1", "ar", "tar"),
    *("average", "clip_by", "nonfinite", "seed", "device"),
)
"""Settings of the loop that stand in a job as they are."""

_DROPS = ("input_dropout", "word_dropout", "recurrent_dropout", "weight_drop", "zoneout", "label_smoothing")

_DECODER = ("attention", "input_feeding", "tied")

_CLIPS = {"norm": 1.0, "value": 0.5, "ratio": 0.01}
"""Where the gradient is cut down, by what is measured; the last is that of the paper."""

_STEPS = 1_500
"""Optimiser steps that are allowed where the usual number of epochs makes fewer than half of them."""


def choose_net(job: Job, data: Prepared) -> NetConfig:
    """The network for a job: what the job names, else what fits the shape of the data.

    Raises:
        InputError: something is named that this job has no use for.
    """
    _refuse_idle(job, data)
    wanted: dict[str, object] = {"hidden": 64, "readout": "last"}
    kind = data.target.kind
    text = any(part.kind == "text" for part in data.source)
    if kind in ONE_ANSWER:
        wanted |= {"bidirectional": True, "readout": "max" if text else "mean", "dropout": 0.5}
    elif kind == "text":
        wanted |= {"readout": "every", "bidirectional": data.source[0].kind != "label", "dropout": 0.3, "tied": True}
        wanted |= {"hidden": 256, "embedding": 256, "label_smoothing": 0.1}
    elif kind == "future":
        wanted |= {"window": data.lookback, "highway": True, "dropout": 0.3}
    elif kind in ("tags", "series"):
        # A state can be carried on forwards only.
        wanted |= {"readout": "every", "bidirectional": parse_truncate(job) in (None, "whole"), "dropout": 0.3}
        if kind == "tags" and isinstance(data.input, TextIn):
            wanted |= {"hidden": 128, "embedding": 100, "dropout": 0.4, "word_dropout": 0.1}
    else:
        wanted |= {"readout": "every"}
        if isinstance(data.input, JoinedIn):
            wanted |= {"dropout": 0.2}
        if text:
            # Long unbroken streams: torch's LSTM is several times faster than its GRU there.
            wanted |= {"cell": "lstm", "hidden": 256, "dropout": 0.1}
    wanted |= {"crf": _chained(job, data)}
    cell = job.cell or wanted.get("cell", "gru")
    if cell == "feedforward" and kind == "text":
        raise InputError("--cell feedforward: it has no state to write a text with; take gru, lstm or rnn")
    if cell == "feedforward":
        wanted |= {"bidirectional": False, "layers": 2}
        if kind in (*ONE_ANSWER, "tags", "series"):
            wanted |= {"window": min(16, _longest(data))}
    names = ("hidden", "layers", "bidirectional", "embedding", "readout", "dropout", *_DECODER, *_DROPS)
    given = {name: value for name in names if (value := getattr(job, name)) is not None}
    return NetConfig.model_validate({**wanted, **given, "cell": cell})


def choose_loop(job: Job, data: Prepared) -> LoopSettings:
    """The loop's settings for a job: what the job names, else about as many steps as such data needs."""
    kind = data.target.kind
    count = len(data.train)
    batch = job.batch or (64 if kind == "future" else 32)
    truncate = choose_truncate(job, data, batch)
    steps = -(-in_batches(data.train, job.batch_tokens, truncate).count(batch) // job.accumulate)
    text = any(part.kind == "text" for part in data.source)
    if kind == "next":
        epochs = 12 if text else 30
    elif kind == "text":
        epochs = int(np.clip(12_000 // steps, 10, 40))
    elif text:
        epochs = 12
    else:
        per_epoch = steps if truncate else max(1, count // batch)
        # A forecast starts from its least-squares solution, so it is there sooner.
        enough = (1_500, 8, 40) if kind == "future" else (4_000, 10, 120)
        epochs = int(np.clip(enough[0] // per_epoch, *enough[1:]))
    if 2 * epochs * steps < _STEPS:
        # An epoch of so little data is a handful of steps; early stopping ends what needs fewer.
        epochs = min(_STEPS // steps, 20 * epochs)
    rate = {"next": 3e-3, "future": 5e-4, "tags": 2e-3 if text else 3e-3}.get(kind, 1e-3 if text else 3e-3)
    return LoopSettings(
        epochs=job.epochs or epochs,
        budget=seconds_in(job.budget, "--budget") if job.budget is not None else 0.0,
        batch=batch,
        truncate=truncate,
        lr=job.lr or rate,
        embedding_decay=job.weight_decay if job.embedding_decay is None else job.embedding_decay,
        # Of a short epoch's few weights an average would be none.
        ema_decay=1 - 1 / max(10, steps) if job.ema_decay is None else job.ema_decay,
        clip=_CLIPS[job.clip_by] if job.clip is None else job.clip,
        choose_by=job.choose_by or _chosen_by(data),
        patience=job.patience or max(3, (job.epochs or epochs) // 4),
        **{name: getattr(job, name) for name in _AS_GIVEN},
    )


def _chosen_by(data: Prepared) -> str:
    """Names in texts are few among many words, so the loss, of all words, is long past its best when most are found."""
    return "entity_f1" if _spans(data) else "loss"


def _refuse_idle(job: Job, data: Prepared) -> None:
    """Nothing is silent: an option that could have no effect, or would let the model see the answer, is an error."""
    target, only_text = data.target.kind, isinstance(data.input, TextIn)
    named = isinstance(data.input, (TextIn, JoinedIn)) or target == "text"
    not_written = f"only a text is written (--to text), not {target}"
    stepwise, still = target in PER_STEP, job.cell == "feedforward"
    no_units, no_words = (
        "a feed-forward net has no recurrent units",
        "numbers are read as they are; only text has words",
    )
    not_alone = no_words if not named else "words are dropped where text is all that is read"
    chained, whole = _chained(job, data), "tags that know their neighbours are learnt whole (take --no-crf for others)"
    idle: list[tuple[str, object, bool, str]] = [
        ("readout", job.readout, stepwise, f"--to {target} answers at every step, so there is nothing to sum up"),
        ("readout", job.readout, target == "text", "a decoder looks at every step of what is read"),
        ("bidirectional", job.bidirectional, target == "next", "read backwards, a model sees what it is to predict"),
        ("lookback", job.lookback, target != "future", "only forecasts (--to future:H) read a stretch of history"),
        ("crf", job.crf, target != "tags", "only tags (--to tags) have neighbours"),
        ("attention", job.attention, target != "text", not_written),
        ("input-feeding", job.input_feeding, target != "text", not_written),
        ("tied", job.tied, target != "text", not_written),
        ("scheduled-sampling", job.scheduled_sampling, target != "text", not_written),
        ("embedding", job.embedding, not named, "numbers are read as they are; only text and events are embedded"),
    ]
    idle += [
        ("recurrent-dropout", job.recurrent_dropout, still, no_units),
        ("weight-drop", job.weight_drop, still, no_units),
        ("zoneout", job.zoneout, still, no_units),
        ("memory", job.memory == "checkpoint" and job.memory, still, no_units),
        ("word-dropout", job.word_dropout, not only_text, not_alone),
        ("embedding-decay", job.embedding_decay is not None, not named, no_words),
        ("label-smoothing", job.label_smoothing, isinstance(data.output, NumberOut), "numbers have no classes"),
        ("label-smoothing", job.label_smoothing, isinstance(data.output, LabelsOut), "each label is a yes or no"),
        ("class-weights", job.class_weights, chained, whole),
        ("label-smoothing", job.label_smoothing, chained, whole),
        ("truncate", job.truncate, chained and isinstance(parse_truncate(job), tuple), whole),
        ("ema-decay", job.ema_decay is not None, job.average != "ema", "belongs to --average ema"),
        ("clip-by", job.clip_by != "norm" and job.clip_by, job.clip == 0, "--clip 0 cuts nothing down"),
        ("batch-tokens", job.batch_tokens, job.batch is not None, "--batch and this both say how large a batch is"),
        ("find-lr", job.find_lr, job.lr is not None, "--lr (or lr in the run.toml) says the rate already"),
    ]
    for name, value, useless, why in idle:
        if value and useless:
            shown = "" if value is True else f" {value}"
            raise InputError(f"--{name}{shown}: {why}; leave --{name} out")


def _chained(job: Job, data: Prepared) -> bool:
    """Whether tags know their neighbours."""
    return bool(_spans(data) if job.crf is None else job.crf)


def _spans(data: Prepared) -> bool:
    """Whether tags name spans of words."""
    return data.target.kind == "tags" and isinstance(data.output, LabelOut) and spans(data.output.classes)


def _longest(data: Prepared) -> int:
    if not isinstance(data.train, ExampleSet):
        return 16
    return max(1, max(len(sequence) for sequence in data.train.inputs))
