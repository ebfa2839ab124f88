"""The training loop: steps, warm-up and cosine schedule, early stopping, the best model kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from elman.core.errors import ElmanError
from elman.data.batch import Batches, ExampleSet
from elman.data.truncate import in_batches
from elman.model.network import SequenceModel
from elman.training.averaging import averaging
from elman.training.boldness import best_boldness, by_spans
from elman.training.checkpoint import Keeper
from elman.training.history import Epoch, History, Step
from elman.training.optimise import Taken, optimiser_of, steps_an_epoch, steps_of
from elman.training.scores import score as score_of
from elman.training.settings import LoopSettings
from elman.training.state import TrainingState

__all__ = ["DivergedError", "Epoch", "History", "Step", "begin", "fit", "go_on", "mean_loss"]


_AT_ONCE = 10
"""Steps in a row that may be left out; then there is no training to speak of."""


class DivergedError(ElmanError):
    """The loss became NaN or infinite."""


Listener = Callable[[Step | Epoch], None]


def fit(
    model: SequenceModel, train: Batches, valid: Batches, settings: LoopSettings, listener: Listener | None = None
) -> History:
    """Train a model in place, without a folder to save in; it ends with the weights of the epoch that validated best.

    Raises:
        DivergedError: the loss is no longer finite; the message says where and what to try.
    """
    state = begin(model, settings)
    go_on(state, train, valid, settings, listener)
    return state.history


def begin(model: SequenceModel, settings: LoopSettings) -> TrainingState:
    """A training before its first step."""
    model.to(torch.device(settings.device))
    optimiser, average = optimiser_of(model, settings), averaging(model, settings)
    return TrainingState(model, optimiser, History(limit=settings.epochs), average)


def go_on(
    state: TrainingState,
    train: Batches,
    valid: Batches,
    settings: LoopSettings,
    listener: Listener | None = None,
    keeper: Keeper | None = None,
) -> None:
    """Train to the end from wherever a training stands; its model ends with the weights of the best epoch.

    Args:
        state: what is trained; at every step boundary it is whole.
        train: to learn from. valid: to choose the epoch by.
        settings: the loop's.
        listener: called after every step and epoch.
        keeper: saves the state now and then, and stops the training when it is asked to.

    Raises:
        DivergedError: the loss is no longer finite; the message says where and what to try.
        Interrupted: the keeper was asked to stop, and has saved the state.
    """
    train = in_batches(train, settings.batch_tokens, settings.truncate)
    while not state.over:
        _epoch(state, train, settings, listener, keeper)
        line = _judged(state, valid, settings, keeper)
        state.close(line)
        if listener is not None:
            listener(line)
        if line.epoch - state.history.best.epoch >= settings.patience:
            state.history.stopped = f"no gain for {settings.patience} epochs"
        elif _used(state, settings) >= 1 and state.epoch <= settings.epochs:
            state.history.stopped, state.history.spent = f"the time was over in epoch {line.epoch}", True
        if state.history.stopped or state.epoch > settings.epochs:
            state.end()
        elif keeper is not None:
            keeper.look(state)


def _epoch(
    state: TrainingState, train: Batches, settings: LoopSettings, listener: Listener | None, keeper: Keeper | None
) -> None:
    """What is left of the epoch under way."""
    steps, first = steps_an_epoch(train, settings), state.step
    factor = _cosine(steps * settings.epochs)
    spent, began = state.means.seconds, time.monotonic()
    state.model.train()
    _set_rate(state.optimiser, settings.lr * factor(state.taken, _used(state, settings)))
    if state.step and _used(state, settings) >= 1:
        return
    whole = steps * settings.epochs
    _set_sampling(state, settings, whole)
    for taken in steps_of(state, train, settings):
        if taken.finite:
            state.count(taken.loss, taken.norm, clipped=taken.clipped)
        else:
            _leave_out(state, taken, settings)
        passed = time.monotonic() - began
        state.means.seconds = spent + passed
        _set_rate(state.optimiser, settings.lr * factor(state.taken, _used(state, settings)))
        _set_sampling(state, settings, whole)
        if listener is not None and taken.finite:
            rate = (state.step - first) / max(1e-9, passed)
            mean = state.means.loss / (state.step - len(state.means.skipped))
            listener(Step(state.epoch, settings.epochs, state.step, steps, mean, taken.norm, rate))
        if keeper is not None:
            keeper.stepped(state)
        if _used(state, settings) >= 1:
            return


def _used(state: TrainingState, settings: LoopSettings) -> float:
    """The share of the time allowed that is spent; 0 where there is no limit."""
    return state.seconds / settings.budget if settings.budget else 0.0


def _leave_out(state: TrainingState, taken: Taken, settings: LoopSettings) -> None:
    """Count a step that is not finite, or end the training by it."""
    if settings.nonfinite == "stop":
        raise DivergedError(_diverged(taken.loss, state.epoch, state.step + 1, settings, taken.blamed))
    state.skip(taken.blamed)
    skipped = state.means.skipped[-_AT_ONCE:]
    if len(skipped) == _AT_ONCE and skipped[0] == state.step - _AT_ONCE + 1:
        raise DivergedError(
            f"{_AT_ONCE} steps in a row were not finite, up to step {state.step} of epoch {state.epoch}"
            f"{_by(state.means.blamed)}. {_try(settings)}"
        )


def _judged(state: TrainingState, valid: Batches, settings: LoopSettings, keeper: Keeper | None) -> Epoch:
    """The line of the epoch whose steps are done: means over its steps, and the loss on the validation part."""
    began = time.monotonic()
    means, steps = state.means, state.step - len(state.means.skipped)
    if not steps:
        raise DivergedError(f"no step of epoch {state.epoch} was finite{_by(means.blamed)}. {_try(settings)}")
    look = None if keeper is None else partial(keeper.look, state)
    score = mean_loss(state.judged, valid, settings.batch, state.device, look)
    if not math.isfinite(score):
        raise DivergedError(_diverged(score, state.epoch, state.step, settings))
    line = Epoch(
        epoch=state.epoch,
        train_loss=means.loss / steps,
        valid_loss=score,
        grad_norm=means.norm / steps,
        clipped=means.clipped / steps,
        lr=state.optimiser.param_groups[0]["lr"],
        seconds=means.seconds + time.monotonic() - began,
        best=False,
        skipped=len(means.skipped),
        notes=tuple(_remarks(state, score, settings)),
        score=_chosen_by(state, valid, settings),
        chosen_by=settings.choose_by,
    )
    return replace(line, best=not state.history.epochs or line.cost < state.history.best.cost)


def _chosen_by(state: TrainingState, valid: Batches, settings: LoopSettings) -> float | None:
    """The metric that chooses the epoch, of the validation part; None where the loss does."""
    if settings.choose_by in ("loss", "last"):
        return None
    if settings.choose_by == "entity_f1" and isinstance(valid, ExampleSet) and by_spans(state.judged):
        # As it will be in the end, see calibrate.
        return best_boldness(state.judged, valid, settings.batch, settings.device)[1]
    return score_of(state.judged, valid, settings.batch, settings.device).values[settings.choose_by]


def _remarks(state: TrainingState, score: float, settings: LoopSettings) -> list[str]:
    """What is to be said of the epoch that ends; who watches it takes notice of its end."""
    said = [] if state.average is None else [state.average.judge(score)]
    said += state.health.epoch_over(settings)
    skipped = state.means.skipped
    if skipped:
        which = ", ".join(map(str, skipped[:5])) + (", ..." if len(skipped) > 5 else "")
        steps = "1 step was" if len(skipped) == 1 else f"{len(skipped)} steps were"
        said.append(
            f"{steps} left out, for the loss or the gradient was not finite (step {which} of this epoch)"
            f"{_by(state.means.blamed)}"
        )
    return [words for words in said if words]


@torch.inference_mode()
def mean_loss(
    model: SequenceModel,
    data: Batches,
    batch: int,
    device: torch.device,
    between: Callable[[], None] | None = None,
) -> float:
    """The mean loss over every example or scored step of some data, in evaluation.

    Args:
        model: the model. data: the data. batch: rows at once. device: where the model is.
        between: called after every batch; what it raises ends the evaluation.
    """
    model.eval()
    total, count, state = 0.0, 0, None
    for part in data.in_order(batch):
        moved = part.to(device)
        loss, state = model(moved.ragged, moved.target, moved.score, state if moved.goes_on else None)
        total, count = total + float(loss.sum()), count + loss.numel()
        if between is not None:
            between()
    return total / max(1, count)


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def _set_sampling(state: TrainingState, settings: LoopSettings, steps: int) -> None:
    """Scheduled sampling rises to its probability over the first half of a training, in a straight line."""
    if state.model.decoder is not None and settings.scheduled_sampling:
        done = max(state.taken / max(1, steps), _used(state, settings))
        state.model.decoder.sampling = settings.scheduled_sampling * min(1.0, 2 * done)


def _cosine(steps: int) -> Callable[[int, float], float]:
    """Rise over the first 2 % of all steps, then fall to 2 % of the rate along a half cosine.

    It falls with the steps or with the share of the time that is used, whichever is further: what a small budget ends
    is settled too (Li, Yumer & Ramanan 2020, "Budgeted Training").
    """
    rise = max(1, min(200, steps // 50))

    def factor(step: int, used: float) -> float:
        if step < rise:
            return (step + 1) / rise
        done = max((step - rise) / max(1, steps - rise), used)
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return factor


def _diverged(loss: float, epoch: int, step: int, settings: LoopSettings, blamed: str = "") -> str:
    look = "" if blamed else "; if it happens in the first steps, look for extreme values in the data"
    return (
        f"the loss or its gradient became {loss if not math.isfinite(loss) else 'infinite'} in epoch {epoch}, step "
        f"{step}{_by(blamed)}. {_try(settings)}{look}"
    )


def _by(blamed: str) -> str:
    return f": {blamed}" if blamed else ""


def _try(settings: LoopSettings) -> str:
    return f"Try --lr {settings.lr / 3:.2g}{'' if settings.clip else ' and --clip 1'}"
