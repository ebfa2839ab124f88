"""Sensible settings, chosen from the data where the user says nothing, and told."""

from __future__ import annotations

import numpy as np

from elman.core.errors import InputError
from elman.data.batch import ExampleSet
from elman.data.prepare import Prepared
from elman.model.grammar import ONE_ANSWER, PER_STEP
from elman.model.kinds.joined import JoinedIn
from elman.model.network import NetConfig
from elman.training.settings import Job, LoopSettings, seconds_in

__all__ = ["choose_loop", "choose_net"]


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
    elif kind == "future":
        wanted |= {"window": data.lookback, "highway": True, "dropout": 0.3}
    elif kind in ("tags", "series"):
        wanted |= {"readout": "every", "bidirectional": True, "dropout": 0.3}
    else:
        wanted |= {"readout": "every"}
        if isinstance(data.input, JoinedIn):
            wanted |= {"dropout": 0.2}
        if text:
            # Long unbroken streams: torch's LSTM is several times faster than its GRU there.
            wanted |= {"cell": "lstm", "hidden": 256, "dropout": 0.1}
    cell = job.cell or wanted.get("cell", "gru")
    if cell == "feedforward":
        wanted |= {"bidirectional": False, "layers": 2}
        if kind in (*ONE_ANSWER, "tags", "series"):
            wanted |= {"window": min(16, _longest(data))}
    names = ("hidden", "layers", "bidirectional", "dropout", "embedding", "readout")
    given = {name: value for name in names if (value := getattr(job, name)) is not None}
    return NetConfig.model_validate({**wanted, **given, "cell": cell})


def choose_loop(job: Job, data: Prepared) -> LoopSettings:
    """The loop's settings for a job: what the job names, else about as many steps as such data needs."""
    kind = data.target.kind
    count = len(data.train)
    batch = job.batch or (64 if kind == "future" else 32)
    steps = data.train.count(batch)
    text = any(part.kind == "text" for part in data.source)
    if kind == "next":
        epochs = 12 if text else 30
    elif text:
        epochs = 12
    else:
        per_epoch = max(1, count // batch)
        # A forecast starts from its least-squares solution, so it is there sooner.
        enough = (1_500, 8, 40) if kind == "future" else (4_000, 10, 120)
        epochs = int(np.clip(enough[0] // per_epoch, *enough[1:]))
    if 2 * epochs * steps < _STEPS:
        # An epoch of so little data is a handful of steps; early stopping ends what needs fewer.
        epochs = min(_STEPS // steps, 20 * epochs)
    rate = {"next": 3e-3, "future": 5e-4}.get(kind, 1e-3 if text and kind != "tags" else 3e-3)
    return LoopSettings(
        epochs=job.epochs or epochs,
        budget=seconds_in(job.budget, "--budget") if job.budget is not None else 0.0,
        batch=batch,
        lr=job.lr or rate,
        weight_decay=job.weight_decay,
        l1=job.l1,
        clip=job.clip,
        patience=job.patience or max(3, (job.epochs or epochs) // 4),
        seed=job.seed,
        device=job.device,
    )


def _refuse_idle(job: Job, data: Prepared) -> None:
    """Nothing is silent: an option that could have no effect, or would let the model see the answer, is an error."""
    target, named = (
        data.target.kind,
        any(part.kind == "text" for part in data.source) or isinstance(data.input, JoinedIn),
    )
    stepwise = target in PER_STEP
    idle = [
        ("readout", job.readout, stepwise, f"--to {target} answers at every step, so there is nothing to sum up"),
        ("bidirectional", job.bidirectional, target == "next", "read backwards, a model sees what it is to predict"),
        ("lookback", job.lookback, target != "future", "only forecasts (--to future:H) read a stretch of history"),
        ("embedding", job.embedding, not named, "numbers are read as they are; only text and events are embedded"),
    ]
    for name, value, useless, why in idle:
        if value and useless:
            shown = "" if value is True else f" {value}"
            raise InputError(f"--{name}{shown}: {why}; leave --{name} out")


def _longest(data: Prepared) -> int:
    if not isinstance(data.train, ExampleSet):
        return 16
    return max(1, max(len(sequence) for sequence in data.train.inputs))
