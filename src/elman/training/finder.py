"""The learning-rate range test: which rate to train with, found in a hundred steps."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch

from elman.core.errors import ElmanError
from elman.data.batch import Batches
from elman.data.truncate import in_batches
from elman.model.network import SequenceModel
from elman.training.history import History
from elman.training.optimise import Taken, optimiser_of, steps_of
from elman.training.randomness import borrowed, seed_all
from elman.training.settings import LoopSettings
from elman.training.state import TrainingState

__all__ = ["RateTest", "find_rate"]

_MEMORY = 0.9
"""Of the running mean of the loss."""

_FIRST = 10
"""Steps at rates that are too small to change much; what the loss does there is noise."""

_RISE = 0.5
"""How far the loss may rise above its lowest, as a share of what it fell, before the test ends."""


@dataclass(frozen=True)
class RateTest:
    """What a range test found.

    Attributes:
        rates: ``(N,)``, the learning rate of every step.
        losses: ``(N,)``, the running mean of the loss behind it.
        rate: the one to train with.
        words: what was found, as a sentence.
    """

    rates: np.ndarray
    losses: np.ndarray
    rate: float
    words: str


def find_rate(
    model: SequenceModel,
    train: Batches,
    settings: LoopSettings,
    *,
    lowest: float = 1e-5,
    highest: float = 1.0,
    steps: int = 100,
) -> RateTest:
    """Train a copy of the model with a rate that rises at every step (Smith 2017, arXiv 1506.01186).

    ::

        lr_k = lowest * (highest / lowest)^(k / (steps - 1))

    While the rate is too small nothing happens; then the loss falls; where the rate is too large it rises, and the
    test ends. A third of the rate at which the running mean of the loss is lowest is taken: the lowest point lies near
    the edge, beyond which training breaks. Where so few steps do not make the loss fall by more than it wavers (as in
    a forecast, which starts from its least-squares solution), a thirtieth of the edge itself is taken. The model, the
    order of the training and all random numbers to come stay what they were; the cost is that of ``steps`` steps and
    a copy of the weights.

    Args:
        model: as training will start.
        train: the training data.
        settings: of the loop; its rate is not used.
        lowest: rate of the first step.
        highest: rate of the last step.
        steps: at the most.

    Raises:
        ElmanError: the loss neither fell nor rose.
    """
    with borrowed():
        seed_all(settings.seed)
        copied = copy.deepcopy(model).to(torch.device(settings.device)).train()
        state = TrainingState(copied, optimiser_of(copied, settings), History())
        taking = _endless(state, in_batches(train, settings.batch_tokens, settings.truncate), settings)
        rates, raw, losses, mean = [], [], [], 0.0
        for k in range(steps):
            rate = lowest * (highest / lowest) ** (k / max(1, steps - 1))
            for group in state.optimiser.param_groups:
                group["lr"] = rate
            taken = next(taking)
            if not taken.finite:
                break
            mean = _MEMORY * mean + (1 - _MEMORY) * taken.loss
            rates.append(rate)
            raw.append(taken.loss)
            losses.append(mean / (1 - _MEMORY ** (k + 1)))
            if losses[-1] - min(losses) > max(_RISE * (losses[0] - min(losses)), 0.1 * abs(losses[0])):
                break
    return _judged(np.array(rates), np.array(raw), np.array(losses), broke=len(rates) < steps)


def _endless(state: TrainingState, train: Batches, settings: LoopSettings) -> Iterator[Taken]:
    for epoch in count(1):
        state.rewind(epoch)
        yield from steps_of(state, train, settings)


def _judged(rates: np.ndarray, raw: np.ndarray, losses: np.ndarray, broke: bool) -> RateTest:
    """The rate behind the curve: by its lowest point, if the loss fell by more than its noise, else by its edge."""
    found, how = 0.0, ""
    if len(raw) > _FIRST:
        noise = raw[:_FIRST].std() * math.sqrt((1 - _MEMORY) / (1 + _MEMORY))
        best = _FIRST + int(losses[_FIRST:].argmin())
        if raw[:_FIRST].mean() - losses[best] > 3 * noise:
            found, how = rates[best] / 3, f"the loss was lowest at {rates[best]:.2g}, a third of that is taken"
        elif broke:
            edge = rates[-1]
            how = f"the loss did not fall yet, but it rose at {edge:.2g}; a thirtieth of that is taken"
            found = edge / 30
    if not found:
        raise ElmanError(
            "--find-lr: the loss neither fell nor rose at any learning rate by more than it wavers by itself; leave "
            "--find-lr out, or name a rate: --lr 0.001"
        )
    rate = float(f"{found:.2g}")
    return RateTest(rates, losses, rate, f"lr {rate:g} by a range test of {len(rates)} steps: {how}")
