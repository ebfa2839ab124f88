"""What a training is made of, before its first step: data read, settings chosen, a network built."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from elman.core.errors import ElmanError, InputError
from elman.core.plan import Plan, plan
from elman.data.batch import ExampleSet, PieceSet, WindowSet
from elman.data.prepare import Prepared, Request, prepare
from elman.data.roles import Examples
from elman.model.config import ModelConfig
from elman.model.embed import Embed
from elman.model.file import serialise
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn
from elman.model.network import Cells, SequenceModel
from elman.model.shapes import shape_of
from elman.training.board import check_board
from elman.training.checkpoint import Every
from elman.training.defaults import choose_likelihood, choose_loop, choose_net
from elman.training.finder import RateTest, find_rate
from elman.training.measures import check_choice, check_metric
from elman.training.randomness import seed_all
from elman.training.settings import Job, LoopSettings
from elman.training.through_time import parse_truncate, remember, truncated_words
from elman.training.warm import warm_start
from elman.training.written import check_installed

__all__ = ["Made", "check_device", "data_of", "input_size"]


@dataclass
class Made:
    """What a training is made of, before its first step.

    Attributes:
        job: its settings; a learning rate that was found stands in them as if it had been given.
        test: how it was found, if it was.
    """

    job: Job
    data: Prepared
    model: SequenceModel
    loop: LoopSettings
    plan: Plan | None
    notes: list[str]
    test: RateTest | None = None

    @classmethod
    def of(cls, job: Job, cells: Cells | None, given: Examples | None = None) -> Made:
        """Read the data and build the network; a function of the settings and the data alone.

        Examples that are ``given`` stand in place of the job's files.
        """
        Every.parse(job.save_every)
        parse_truncate(job)
        if job.tensorboard:
            check_board()
        device = check_device(job.device)
        data = data_of(job, given)
        if job.metric:
            check_metric(job.metric, data.output, data.target.kind, data.source[0].kind)
            check_installed(job.metric)
        if job.choose_by:
            check_choice(job.choose_by, data.output, data.target.kind, data.source[0].kind)
            check_installed(job.choose_by)
        loop = choose_loop(job, data)
        seed_all(job.seed)
        model = SequenceModel(_config(job, data), cells)
        threads = job.threads or (1 if _small(model, data, loop) else torch.get_num_threads())
        torch.set_num_threads(threads)
        serialise(model)
        remember(model, job.memory)
        warm_start(model, data.train, data.valid)
        model.to(device)
        test = find_rate(model, data.train, loop) if job.find_lr else None
        if test is not None:
            job = job.model_copy(update={"find_lr": False, "lr": test.rate})
            loop = loop.model_copy(update={"lr": test.rate})
        notes = [*data.notes, *([] if test is None else [test.words]), _network_in_words(model, data, loop)]
        notes += truncated_words(loop.truncate, data, loop.batch)
        # Planned here, not later: trying a cell may draw, and a training that goes on must draw on where it stood.
        return cls(job, data, model, loop, _plan(model, data, loop, notes), notes, test)


def data_of(job: Job, given: Examples | None = None) -> Prepared:
    """The data of a job, or examples given in their place: read, split and encoded.

    Raises:
        InputError: as :func:`~elman.data.prepare.prepare`; or ``split_seed`` where nothing is drawn at random.
    """
    wanted = {name: getattr(job, name) for name in Request.__dataclass_fields__}
    data = prepare(Request(**{**wanted, "seed": job.seed if job.split_seed is None else job.split_seed}), given)
    if job.split_seed is not None and not data.drawn:
        raise InputError(
            f"--split-seed {job.split_seed}: nothing is drawn at random here, for the parts are given by a column, by "
            "files or by time; leave --split-seed out"
        )
    if job.score_on == "valid" and data.test is not None:
        data.test = None
        data.notes.append("scored on the validation part, which chose the epoch; the test part is left unseen")
    return data


def check_device(name: str) -> torch.device:
    """The device of a name; ``cpu`` and ``cuda`` only, others are refused with the reason."""
    kind, _, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or not (name == "cuda" or number.isdecimal())):
        raise InputError(f"--device {name}: only cpu, cuda and cuda:N are offered; use --device cpu")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        seen = f"{count} CUDA devices" if count else "no CUDA device"
        raise InputError(f"--device {name}: this torch ({torch.__version__}) sees {seen}; use --device cpu")
    return torch.device(name)


def _config(job: Job, data: Prepared) -> ModelConfig:
    roles = {name: value for name in ("id", "time") if (value := getattr(job, name)) is not None}
    target = f"future:{data.target.horizon}" if data.target.kind == "future" else data.target.kind
    return ModelConfig(
        source="+".join(part.kind for part in data.source),
        target=target,
        lookback=data.lookback,
        roles=roles,
        metric=job.metric or "",
        input=data.input,
        output=choose_likelihood(job, data) if isinstance(data.output, NumberOut) else data.output,
        net=choose_net(job, data),
    )


def _network_in_words(model: SequenceModel, data: Prepared, loop: LoopSettings) -> str:
    net = model.config.net
    ways = ", both ways" if net.bidirectional else ""
    ways += " beside convolution" if net.front else ""
    readout = "" if net.readout == "every" else f", {net.readout} readout"
    if model.config.lookback:
        readout = f", {_designed(model)}"
    if model.decoder is not None:
        fed, tied = ", input feeding" if net.input_feeding else "", ", tied" if net.tied else ""
        readout = f", decoder of {net.hidden} with {net.attention} attention{fed}{tied}"
    layers = f"{net.layers} x " if net.layers > 1 else ""
    time = f" or {loop.budget:g} s" if loop.budget else ""
    shape = shape_of(data.source[0].kind, data.target.kind)
    what = _data_in_words(data, cut=loop.truncate is None)
    return (
        f"{what} -> {layers}{net.cell} {net.hidden}{ways}{readout}, {net.drops} "
        f"({shape}); {loop.epochs} epochs{time} at the most, {loop.batches}, lr {loop.lr:g}"
    )


def _designed(model: SequenceModel) -> str:
    """How a forecast is made, in words."""
    net, out = model.config.net, model.config.output
    likely = out.likelihood if isinstance(out, NumberOut) else ""
    if model.segments is not None:
        return f"by segments of {model.segments.size} steps (--design), {likely}"
    return f"step by step (--design), {likely}" if net.design == "steps" else f"all steps at once (--design), {likely}"


def _data_in_words(data: Prepared, *, cut: bool) -> str:
    """How many examples train, and how many steps and columns each has; pieces, where sequences are ``cut``."""
    train, kind = data.train, data.input
    train = train.whole if isinstance(train, PieceSet) and not cut else train
    if isinstance(train, WindowSet):
        return f"{len(train):,} windows of {data.lookback} x {len(kind.columns)}"
    if not isinstance(train, ExampleSet):
        return f"{len(train):,} tokens, {kind.width:,} different"
    lengths = [len(one) for one in train.inputs]
    steps = f"{min(lengths)} to {max(lengths)}" if min(lengths) < max(lengths) else f"{max(lengths)}"
    if isinstance(kind, TextIn):
        return f"{len(train):,} texts of {steps} {kind.unit}"
    many = "pieces" if isinstance(train, PieceSet) else "series" if isinstance(kind, SeriesIn) else "sequences"
    return f"{len(train):,} {many} of {steps} x {len(kind.columns)}"


def _plan(model: SequenceModel, data: Prepared, loop: LoopSettings, notes: list[str]) -> Plan | None:
    """The plan, to be told; what cannot be planned may be trained all the same."""
    if model.config.net.cell == "feedforward":
        return None
    first = next(iter(data.train.in_order(1 if data.train.carries else loop.batch)))
    try:
        steps = loop.truncate[1] if loop.truncate else first.ragged.steps
        return plan(model, steps=max(1, steps), batch=loop.batch, input_size=input_size(model))
    except (ElmanError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError) as error:
        notes.append(f"there is no plan of the engines: {error}")
        return None


SMALL = 5e7
"""Multiply-adds of a batch on its way forward, up to which one thread is taken. Measured on two cores: a second one
gains at most a fifth there, and where other programs want a core too, threads that wait for each other make it 25 times
slower. It is a rule of sizes, not of the moment: a thread more may change the last digits."""


def _small(model: SequenceModel, data: Prepared, loop: LoopSettings) -> bool:
    """Whether a batch is so small that more threads would mostly wait for each other."""
    rows = 1 if data.train.carries else loop.batch
    first = next(iter(data.train.in_order(rows)))
    read = int(first.ragged.lengths.sum()) * loop.batch // rows
    parts = (part for part in model.trunk.modules() if not isinstance(part, nn.Embedding))
    weights = sum(one.numel() for part in parts for one in part.parameters(recurse=False) if one.dim() > 1)
    return read * weights < SMALL


def input_size(model: SequenceModel) -> int | None:
    """What the recurrent layer reads; of several layers each reads something else."""
    kind, net = model.config.input, model.config.net
    if net.layers > 1:
        return None
    if model.segments is not None:
        return net.hidden
    if isinstance(kind, JoinedIn):
        return next(stage.width for stage in model.trunk.modules() if isinstance(stage, Embed))
    return net.embedding if isinstance(kind, TextIn) else kind.width
