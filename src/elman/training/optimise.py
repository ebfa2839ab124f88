"""From batches to one optimiser step: the gradient gathered, penalised, clipped, and the step taken or left out."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor, nn

from elman.core.ragged import Ragged
from elman.core.state import State
from elman.data.batch import Batches
from elman.model.network import SequenceModel
from elman.model.shapes import Batch
from elman.training.health import Trace, traced
from elman.training.regularise import activation_penalty, outputs_of, weight_penalty
from elman.training.settings import LoopSettings
from elman.training.state import TrainingState, settled

__all__ = ["Taken", "blame", "clip_", "optimiser_of", "steps_an_epoch", "steps_of"]


class _AdamW(torch.optim.AdamW):
    """torch's, without its compiler, which these methods load only to tell it to leave them alone: seconds."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


def optimiser_of(model: nn.Module, settings: LoopSettings) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), with one decay a kind of weights.

    ::

        w <- w - lr * (adam(g) + decay * w)

    Matrices decay by ``weight_decay``, tables of embeddings by ``embedding_decay``, all vectors (biases, norms) by
    ``bias_decay``.
    """
    tables = {id(part.weight) for part in model.modules() if isinstance(part, nn.Embedding)}
    kinds: dict[str, list[nn.Parameter]] = {"matrices": [], "embeddings": [], "vectors": []}
    for weight in model.parameters():
        kind = "embeddings" if id(weight) in tables else "matrices" if weight.dim() > 1 else "vectors"
        kinds[kind].append(weight)
    decay = {
        "matrices": settings.weight_decay, "embeddings": settings.embedding_decay, "vectors": settings.bias_decay,
    }  # fmt: skip
    groups = [{"params": weights, "weight_decay": decay[kind]} for kind, weights in kinds.items() if weights]
    return _AdamW(groups, lr=settings.lr, fused=True)


def clip_(named: Mapping[str, nn.Parameter], limit: float, by: str) -> tuple[float, bool]:
    """Cut the gradient of a model's weights down where it is too large; give its norm before, and whether it was.

    ::

        norm    g   <- g min(1, limit / |g|)                             of all weights together
        value   g_i <- max(-limit, min(limit, g_i))                      every number by itself
        ratio   g_u <- g_u min(1, limit max(|w_u|, 1e-3) / |g_u|)        every unit's, beside its weights

    By norm: Pascanu et al. 2013 (arXiv 1211.5063); by value: Mikolov 2012; by ratio: adaptive clipping (Brock et al.
    2021, arXiv 2102.06171), where a unit is a row of a matrix or a whole vector, and the output layer is left alone.

    Args:
        named: the weights by name, with gradients.
        limit: 0 for no limit.
        by: ``norm``, ``value`` or ``ratio``.
    """
    weights = [weight for weight in named.values() if weight.grad is not None]
    if by == "norm" or not limit:
        norm = float(nn.utils.clip_grad_norm_(weights, limit or math.inf))
        return norm, bool(limit and norm > limit)
    norm = float(nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None]))
    if by == "value":
        highest = max((float(weight.grad.abs().max()) for weight in weights if weight.grad is not None), default=0.0)
        nn.utils.clip_grad_value_(weights, limit)
        return norm, highest > limit
    return norm, _clip_ratio(named, limit)


@torch.no_grad()
def _clip_ratio(named: Mapping[str, nn.Parameter], limit: float) -> bool:
    clipped = False
    for name, weight in named.items():
        if weight.grad is None or name.startswith(("head", "highway")):
            continue
        factor = limit * _unit_norms(weight).clamp(min=1e-3) / _unit_norms(weight.grad).clamp(min=1e-12)
        clipped = clipped or bool((factor < 1).any())
        weight.grad.mul_(factor.clamp(max=1))
    return clipped


def _unit_norms(weight: Tensor) -> Tensor:
    """The norm of every unit's weights, to be multiplied with them."""
    over = tuple(range(1, weight.dim())) if weight.dim() > 1 else None
    norms: Tensor = torch.linalg.vector_norm(weight, dim=over, keepdim=weight.dim() > 1)
    return norms


class Taken(NamedTuple):
    """One optimiser step.

    Attributes:
        loss: the mean over its examples (or scored steps), without penalties.
        norm: of the gradient before clipping, penalties included.
        clipped: whether the gradient was cut down.
        finite: whether loss and norm are; if not, the step was not taken.
        blamed: which data made it so, in words; empty where the data are not at fault.
    """

    loss: float
    norm: float
    clipped: bool
    finite: bool
    blamed: str = ""


def steps_of(state: TrainingState, train: Batches, settings: LoopSettings) -> Iterator[Taken]:
    """Take the steps that are left of the epoch under way, from the cursor on.

    A step is made of ``accumulate`` batches, the last of an epoch perhaps of fewer: of the mean gradient over all
    their examples. A step whose loss or gradient is not finite is not taken; streams start anew behind it, for what
    would be carried on may hold NaN too.
    """
    model = state.model
    batches = train.epoch(settings.batch, settings.seed, state.epoch, state.step * settings.accumulate)
    while group := list(islice(batches, settings.accumulate)):
        gradient = _Gradient(model, settings, watch=state.health.due)
        for batch in group:
            moved = batch.to(state.device)
            after = gradient.add(moved, model.trunk.renew(state.carried) if moved.goes_on else None)
            state.carried = settled(after) if train.carries else None
        yield _take(state, gradient, settings)


def steps_an_epoch(train: Batches, settings: LoopSettings) -> int:
    """The number of optimiser steps of an epoch."""
    return -(-train.count(settings.batch) // settings.accumulate)


class _Gradient:
    """The gradient of one step, gathered batch by batch in the weights' ``grad``.

    Args:
        model: whose gradient.
        settings: of the loop.
        watch: whether the way back through time of its first batch is to be looked at.
    """

    def __init__(self, model: SequenceModel, settings: LoopSettings, *, watch: bool) -> None:
        self.model, self.settings, self.watch = model, settings, watch
        self.loss, self.count, self.blamed = 0.0, 0, ""
        self.trace: Trace | None = None

    def add(self, batch: Batch, before: State) -> State:
        """Add that of a batch, by its share of all examples; give the recurrent state to carry on."""
        settings, first = self.settings, not self.count
        if batch.lead is not None:
            before = self._led(batch.lead, before)
        with ExitStack() as hooks:
            outputs = hooks.enter_context(outputs_of(self.model.trunk)) if settings.ar or settings.tar else []
            if first and self.watch:
                self.trace = hooks.enter_context(traced(self.model.trunk))
            losses, after = self.model(batch.ragged, batch.target, batch.score, before)
        if batch.window is not None and batch.window.again:
            after = before
        if not losses.numel():
            return after
        loss = objective = losses.mean()
        for made in outputs:
            objective = objective + activation_penalty(_new(made, batch), settings.ar, settings.tar)
        self.count += losses.numel()
        share = losses.numel() / self.count
        if not first:
            self._scale(1 - share)
        (objective if first else objective * share).backward()
        value = float(loss.detach())
        if not math.isfinite(value):
            self.blamed = self.blamed or blame(batch)
        self.loss += share * (value - self.loss)
        return after

    @torch.no_grad()
    def _led(self, lead: Ragged, before: State) -> State:
        """The state behind some steps from which no gradient comes back."""
        return settled(self.model.trunk(lead, before)[1])

    @torch.no_grad()
    def _scale(self, factor: float) -> None:
        for weight in self.model.parameters():
            if weight.grad is not None:
                weight.grad.mul_(factor)


def _new(made: Ragged, batch: Batch) -> Ragged:
    """What stands at the steps whose loss counts; those before were penalised when they were new."""
    old = 0 if batch.window is None else batch.window.fresh - batch.window.start
    return made.slice_time(old, made.steps) if old else made


def _take(state: TrainingState, gradient: _Gradient, settings: LoopSettings) -> Taken:
    """Make the step and forget the gradient."""
    penalty = weight_penalty(state.model, settings)
    if penalty is not None:
        penalty.backward()
    norm, clipped = clip_(state.weights, settings.clip, settings.clip_by)
    finite = math.isfinite(norm) and math.isfinite(gradient.loss)
    if not finite:
        state.carried = None
    else:
        state.optimiser.step()
        if state.average is not None:
            state.average.update()
    state.health.saw(norm, gradient.trace)
    for weight in state.weights.values():
        weight.grad = None
    return Taken(gradient.loss, norm, clipped, finite, gradient.blamed)


def blame(batch: Batch) -> str:
    """Which example of a batch holds a value that is not finite, in words; empty if none does."""
    rows = batch.ragged
    # Of a long sequence, the steps are those of the whole; streams know no beginning to count from.
    passed = 0 if batch.window is None or batch.numbers is None else batch.window.start
    for what, values in (("input", rows.values), ("target", batch.target)):
        # One answer a sequence is looked at as if all stood at one step.
        stepped = values.shape[:2] == (rows.steps, rows.batch)
        table = values if stepped else values[None]
        table = table.reshape(*table.shape[:2], -1)
        bad = ~torch.isfinite(table)
        if stepped:
            bad &= rows.mask[..., None]
        for step, row, column in bad.nonzero()[:1].tolist():
            which = f"row {row} of its batch" if batch.numbers is None else f"example {int(batch.numbers[row])}"
            at = f" at step {passed + step}" if stepped else ""
            return f"the {what} of {which}{at} is {float(table[step, row, column])} (counted from 0)"
    return ""
