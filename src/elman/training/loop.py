"""The training loop: AdamW, warm-up and cosine schedule, clipping, early stopping, the best model kept."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from elman.core.errors import ElmanError
from elman.core.state import detach
from elman.data.batch import Batches
from elman.model.network import SequenceModel
from elman.model.shapes import Batch
from elman.training.settings import LoopSettings

__all__ = ["DivergedError", "Epoch", "History", "Step", "fit", "mean_loss"]


class DivergedError(ElmanError):
    """The loss became NaN or infinite."""


@dataclass(frozen=True)
class Step:
    """What the loop reports after every step: where it is, and how it goes."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    grad_norm: float
    rate: float


@dataclass(frozen=True)
class Epoch:
    """One line of the history.

    Attributes:
        epoch: counted from 1.
        train_loss: mean over the epoch's steps, with dropout active.
        valid_loss: mean over the validation part, in evaluation.
        grad_norm: mean norm of the gradient before clipping.
        clipped: share of the steps whose gradient was clipped.
        lr: learning rate at the end of the epoch.
        seconds: of the epoch, validation included.
        best: whether the validation loss is the lowest so far.
    """

    epoch: int
    train_loss: float
    valid_loss: float
    grad_norm: float
    clipped: float
    lr: float
    seconds: float
    best: bool


@dataclass
class History:
    """All epochs of a run.

    Attributes:
        epochs: one line each.
        limit: how many were allowed.
        stopped: why there are fewer, in words; empty if there are not.
        interrupted: whether the user ended it.
    """

    epochs: list[Epoch] = field(default_factory=list)
    limit: int = 0
    stopped: str = ""
    interrupted: bool = False

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return min(self.epochs, key=lambda epoch: epoch.valid_loss)

    @property
    def unfinished(self) -> bool:
        """Whether the last epoch that was allowed is the best: more of them might have gained more."""
        return bool(self.epochs) and self.limit == len(self.epochs) == self.best.epoch


Listener = Callable[[Step | Epoch], None]


def fit(
    model: SequenceModel, train: Batches, valid: Batches, settings: LoopSettings, listener: Listener | None = None
) -> History:
    """Train a model in place; it ends with the weights of the epoch that validated best.

    An interrupt (Ctrl-C) ends the training as if it had stopped early; before the end of the first epoch there is
    nothing to keep, and it goes on to the caller.

    Raises:
        DivergedError: the loss is no longer finite; the message says where and what to try.
    """
    device = torch.device(settings.device)
    model.to(device)
    optimiser = _optimiser(model, settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _cosine(train.count(settings.batch) * settings.epochs))
    history = History(limit=settings.epochs)
    best: dict[str, Tensor] = {}
    try:
        for epoch in range(1, settings.epochs + 1):
            began = time.monotonic()
            means = _epoch(model, train, optimiser, schedule, settings, epoch, listener)
            score = mean_loss(model, valid, settings.batch, device)
            if not math.isfinite(score):
                raise DivergedError(_diverged(score, epoch, train.count(settings.batch), settings))
            better = not history.epochs or score < history.best.valid_loss
            if better:
                best = copy.deepcopy(model.state_dict())
            rate = float(schedule.get_last_lr()[0])
            line = Epoch(epoch, means[0], score, means[1], means[2], rate, time.monotonic() - began, better)
            history.epochs.append(line)
            if listener is not None:
                listener(line)
            if epoch - history.best.epoch >= settings.patience:
                history.stopped = f"no gain for {settings.patience} epochs"
                break
    except KeyboardInterrupt:
        if not history.epochs:
            raise
        history.interrupted = True
        history.stopped = (
            f"Interrupted in epoch {len(history.epochs) + 1}; the best so far (epoch {history.best.epoch}) is kept"
        )
    model.load_state_dict(best)
    model.eval()
    return history


def _epoch(
    model: SequenceModel,
    train: Batches,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    settings: LoopSettings,
    epoch: int,
    listener: Listener | None,
) -> tuple[float, float, float]:
    """One pass over the data; means of the loss and of the gradient's norm, and the share of clipped steps."""
    began, steps = time.monotonic(), train.count(settings.batch)
    model.train()
    total, norms, clipped, seen = 0.0, 0.0, 0, 0
    batches = train.epoch(settings.batch, settings.seed, epoch)
    for k, (loss, norm) in enumerate(_steps(model, batches, optimiser, settings)):
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise DivergedError(_diverged(loss, epoch, k + 1, settings))
        schedule.step()
        total, norms, seen = total + loss, norms + norm, k + 1
        clipped += bool(settings.clip and norm > settings.clip)
        if listener is not None:
            rate = (k + 1) / max(1e-9, time.monotonic() - began)
            listener(Step(epoch, settings.epochs, k + 1, steps, total / seen, norm, rate))
    return total / seen, norms / seen, clipped / seen


@torch.inference_mode()
def mean_loss(model: SequenceModel, data: Batches, batch: int, device: torch.device) -> float:
    """The mean loss over every example or scored step of some data, in evaluation."""
    model.eval()
    total, count, state = 0.0, 0, None
    for part in data.in_order(batch):
        moved = part.to(device)
        loss, state = model(moved.ragged, moved.target, moved.score, state if moved.goes_on else None)
        total, count = total + float(loss.sum()), count + loss.numel()
    return total / max(1, count)


def _steps(
    model: SequenceModel,
    batches: Iterator[Batch],
    optimiser: torch.optim.Optimizer,
    settings: LoopSettings,
) -> Iterator[tuple[float, float]]:
    """Take one optimiser step a batch; yield its loss and the norm of its gradient before clipping.

    A step whose gradient is not finite is not taken.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    state = None
    for batch in batches:
        moved = batch.to(torch.device(settings.device))
        before = model.trunk.renew(detach(state)) if moved.goes_on else None
        losses, state = model(moved.ragged, moved.target, moved.score, before)
        loss = losses.mean()
        objective = loss + settings.l1 * _magnitude(model) if settings.l1 else loss
        optimiser.zero_grad(set_to_none=True)
        objective.backward()
        norm = float(nn.utils.clip_grad_norm_(weights, settings.clip or math.inf))
        if math.isfinite(norm):
            optimiser.step()
        yield float(loss.detach()), norm


def _magnitude(model: SequenceModel) -> Tensor:
    """The sum of the magnitudes of all matrices."""
    return torch.stack([weight.abs().sum() for weight in model.parameters() if weight.dim() > 1]).sum()


def _optimiser(model: SequenceModel, settings: LoopSettings) -> torch.optim.Optimizer:
    """AdamW; biases are not decayed."""
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    vectors = [weight for weight in model.parameters() if weight.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.lr, fused=True)


def _cosine(steps: int) -> Callable[[int], float]:
    """Rise over the first 2 % of all steps, then fall to 2 % of the rate along a half cosine."""
    rise = max(1, min(200, steps // 50))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        done = (step - rise) / max(1, steps - rise)
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return factor


def _diverged(loss: float, epoch: int, step: int, settings: LoopSettings) -> str:
    clip = "" if settings.clip else " and --clip 1"
    return (
        f"the loss or its gradient became {loss if not math.isfinite(loss) else 'infinite'} in epoch {epoch}, step "
        f"{step}; nothing was saved. Try --lr {settings.lr / 3:.2g}{clip}; if it happens in the first steps, "
        "look for extreme values in the data"
    )
