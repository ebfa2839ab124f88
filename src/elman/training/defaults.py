"""Sensible settings, chosen from the data where the user says nothing, and told."""

from __future__ import annotations

import numpy as np
import torch

from elman.core.errors import InputError
from elman.data.batch import ExampleSet, WindowSet
from elman.data.prepare import Prepared
from elman.data.truncate import in_batches
from elman.model.config import NetConfig
from elman.model.forecast import segment_of
from elman.model.grammar import ONE_ANSWER, PER_STEP
from elman.model.kinds.crf import spans
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut
from elman.model.kinds.number import NumberOut
from elman.model.kinds.text import TextIn
from elman.training.settings import Job, LoopSettings, seconds_in
from elman.training.through_time import choose_truncate, parse_truncate

__all__ = ["choose_likelihood", "choose_loop", "choose_net"]


_AS_GIVEN = (
    *("batch_tokens", "accumulate", "scheduled_sampling", "weight_decay", "bias_decay", "l2", "l1", "ar", "tar"),
    *("average", "clip_by", "nonfinite", "seed", "device"),
)
"""Settings of the loop that stand in a job as they are."""

_DROPS = ("input_dropout", "word_dropout", "recurrent_dropout", "weight_drop", "zoneout", "label_smoothing")

_SHAPE = ("design", "hidden", "layers", "bidirectional", "embedding", "readout", "dropout", "front")

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
        wanted |= _forecast(job, data)
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
    given = {name: value for name in (*_SHAPE, *_DECODER, *_DROPS) if (value := getattr(job, name)) is not None}
    return NetConfig.model_validate({**wanted, **given, "cell": cell})


def choose_likelihood(job: Job, data: Prepared) -> NumberOut:
    """What is learnt of the numbers of a job.

    Raises:
        InputError: counts are asked for where there are none, or quantiles where paths are to be drawn.
    """
    out = data.output
    if not isinstance(out, NumberOut):
        raise TypeError("only numbers have a likelihood")
    stepwise = job.design == "steps"
    if stepwise and job.likelihood == "quantiles":
        raise InputError(
            "--likelihood quantiles: a forecast step by step draws paths, and between and beyond quantiles nothing is "
            "said; write gaussian, student or negbin"
        )
    name = job.likelihood or ("student" if stepwise else "quantiles")
    if name == "negbin":
        _check_counts(out, data)
    return out.model_copy(update={"likelihood": name})


def _check_counts(out: NumberOut, data: Prepared) -> None:
    """Raise InputError where targets are no counts."""
    given = data.train.targets if isinstance(data.train, (WindowSet, ExampleSet)) else None
    every = given if isinstance(given, torch.Tensor) else torch.cat(list(given)) if given is not None else None
    if every is None:
        return
    values = out.decode(every.reshape(-1, len(out.columns)).double().numpy())
    # What was scaled to float32 and back is a whole number but for its last digits.
    off = np.abs(values - values.round()) > 1e-3 + 1e-5 * np.abs(values)
    wrong = np.argwhere((off | (values < -1e-3)) & ~np.isnan(values))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(
            f"--likelihood negbin: counts are whole numbers from 0 on, and '{out.columns[column]}' has "
            f"{values[row, column]:.6g}; write gaussian or student, or leave it out"
        )


def _forecast(job: Job, data: Prepared) -> dict[str, object]:
    """The network of a forecast, by its design."""
    design = job.design or _design(job, data)
    if design == "direct":
        return {"design": design, "window": data.lookback, "highway": True, "dropout": 0.3}
    _check_design(design, job, data)
    return {"design": design, "hidden": 128, "dropout": 0.3} if design == "segments" else {"design": design}


def _rows(data: Prepared) -> int:
    """Windows a batch of segments: columns are rows too, and few steps of few rows leave a processor idle."""
    return int(np.clip(512 // len(data.target.columns), 64, 512))


_WINDOWS = 4_000
"""Windows from which on a forecast by segments is learnt better than one that starts from least squares."""

_SEGMENT = 8
"""Steps of a segment below which there is nothing to gain by it."""


def _design(job: Job, data: Prepared) -> str:
    """Segments where there is much to learn from and a long way to look ahead; measured: see docs/forecasts.md."""
    out = data.output
    if not isinstance(out, NumberOut) or not out.anchors or job.cell == "feedforward":
        return "direct"
    if job.bidirectional or job.readout or job.input_dropout:
        return "direct"
    long = segment_of(data.lookback, out.horizon) >= _SEGMENT
    return "segments" if long and len(data.train) >= _WINDOWS else "direct"


def _check_design(design: str, job: Job, data: Prepared) -> None:
    """Raise InputError where a design cannot forecast what is asked."""
    out, kind = data.output, data.input
    if job.cell == "feedforward":
        raise InputError(f"--design {design}: goes on from a state, and a feed-forward net has none; write direct")
    if job.bidirectional:
        raise InputError(f"--design {design}: goes on from the last state, forwards; leave --bidirectional out")
    if not isinstance(out, NumberOut) or not out.anchors:
        raise InputError(
            f"--design {design}: goes on from what is forecast, so that must be read too (--from); or write direct"
        )
    places = set(range(kind.width)) - set(out.anchors) - set(kind.marks if not isinstance(kind, TextIn) else ())
    if isinstance(kind, JoinedIn):
        places -= {*kind.ahead, *kind.constant}
    if design == "steps" and places:
        names = kind.columns if len(kind.columns) == kind.width else []
        told = ", ".join(names[place] for place in sorted(places)) if names else "what is read beside the targets"
        raise InputError(
            f"--design steps: every step ahead reads the one before, and nothing says what {told} will be; name it "
            "--known or --static, forecast it too, or leave it out"
        )


def choose_loop(job: Job, data: Prepared) -> LoopSettings:
    """The loop's settings for a job: what the job names, else about as many steps as such data needs."""
    kind = data.target.kind
    count = len(data.train)
    segments = kind == "future" and (job.design or _design(job, data)) == "segments"
    batch = job.batch or (_rows(data) if segments else 64 if kind == "future" else 32)
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
    rate = {"next": 3e-3, "future": 3e-3 if segments else 5e-4, "tags": 2e-3 if text else 3e-3}.get(
        kind, 1e-3 if text else 3e-3
    )
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
    design = (job.design or _design(job, data)) if target == "future" else ""
    chained, whole = _chained(job, data), "tags that know their neighbours are learnt whole (take --no-crf for others)"
    idle: list[tuple[str, object, bool, str]] = [
        ("readout", job.readout, stepwise, f"--to {target} answers at every step, so there is nothing to sum up"),
        ("readout", job.readout, target == "text", "a decoder looks at every step of what is read"),
        ("bidirectional", job.bidirectional, target == "next", "read backwards, a model sees what it is to predict"),
        ("lookback", job.lookback, target != "future", "only forecasts (--to future:H) read a stretch of history"),
        ("season", job.season, target != "future", "only forecasts (--to future:H) are held against a season"),
        ("design", job.design, target != "future", "only forecasts (--to future:H) have one"),
        (
            "no-conformal" if job.conformal is False else "conformal",
            job.conformal is not None,
            not isinstance(data.output, NumberOut),
            f"--to {target} has no intervals",
        ),
        (
            "readout",
            job.readout,
            design in ("segments", "steps"),
            f"a forecast by {design} goes on from the last state",
        ),
        ("input-dropout", job.input_dropout, design == "segments", "segments are read as they are"),
        ("likelihood", job.likelihood, not isinstance(data.output, NumberOut), f"--to {target} has no numbers"),
        ("crf", job.crf, target != "tags", "only tags (--to tags) have neighbours"),
        ("attention", job.attention, target != "text", not_written),
        ("input-feeding", job.input_feeding, target != "text", not_written),
        ("tied", job.tied, target != "text", not_written),
        ("scheduled-sampling", job.scheduled_sampling, target != "text", not_written),
        ("front", job.front, target not in ONE_ANSWER, f"it is for one answer a sequence, not for --to {target}"),
        ("front", job.front, only_text, "filters over time are for series"),
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
        ("patience", job.patience, job.choose_by == "last", "--choose-by last trains to the last epoch"),
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
