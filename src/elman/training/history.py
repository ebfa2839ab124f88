"""What a training tells while it runs, and what stays of it: steps, epochs, all epochs of a run."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

__all__ = ["Epoch", "History", "HistoryFile", "Step"]


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
        train_loss: mean over the epoch's steps, with dropout active and labels smoothed, without penalties.
        valid_loss: mean over the validation part, in evaluation, with the averaged weights where there are such.
        grad_norm: mean norm of the gradient before clipping.
        clipped: share of the steps whose gradient was clipped.
        lr: learning rate at the end of the epoch.
        seconds: of the epoch, validation included.
        best: whether it is the best so far.
        skipped: steps left out, for the loss or the gradient was not finite; they are in none of the means.
        notes: what is to be said of it.
        score: of the validation part, by the metric that chooses the epoch, of which more is better; None where the
            loss chooses it. chosen_by: its name.
    """

    epoch: int
    train_loss: float
    valid_loss: float
    grad_norm: float
    clipped: float
    lr: float
    seconds: float
    best: bool
    skipped: int = 0
    notes: tuple[str, ...] = ()
    score: float | None = None
    chosen_by: str = "loss"

    @property
    def cost(self) -> tuple[float, float]:
        """What epochs are chosen by, the less the better; of two with the same score the one with the lower loss."""
        if self.chosen_by == "last":
            return (-float(self.epoch), self.valid_loss)
        return (0.0 if self.score is None else -self.score, self.valid_loss)


@dataclass
class History:
    """All epochs of a run.

    Attributes:
        epochs: one line each.
        limit: how many were allowed.
        stopped: why there are fewer, in words; empty if there are not.
        interrupted: whether the user ended it.
        notes: what was said of the training on the way, each once. ending: what is to be said at its end.
        spent: whether the time that it was given is over.
    """

    epochs: list[Epoch] = field(default_factory=list)
    limit: int = 0
    stopped: str = ""
    interrupted: bool = False
    notes: list[str] = field(default_factory=list)
    ending: list[str] = field(default_factory=list)
    spent: bool = False

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return min(self.epochs, key=lambda epoch: epoch.cost)

    @property
    def seconds(self) -> float:
        """The time of all epochs."""
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def unfinished(self) -> bool:
        """Whether the last epoch that was allowed is the best: more of them might have gained more."""
        chosen = bool(self.epochs) and self.best.chosen_by != "last"
        return chosen and self.limit == len(self.epochs) == self.best.epoch


class HistoryFile:
    """A history on disk: JSON, a line an epoch. It begins with those that are complete already.

    Args:
        path: of the file; what stands there is replaced.
        history: what is written.
    """

    def __init__(self, path: Path, history: History) -> None:
        self.path, self.history = path, history
        self._written = 0

    def write(self) -> None:
        """Write the epochs that are not in the file yet; after a failure all of them, for a line may be torn.

        Warns:
            UserWarning: the disk is full or not writable.
        """
        try:
            with open(self.path, "a" if self._written else "w", encoding="utf-8") as file:
                file.writelines(json.dumps(asdict(epoch)) + "\n" for epoch in self.history.epochs[self._written :])
        except OSError as error:
            self._written = 0
            warnings.warn(f"{self.path}: could not be written ({error.strerror}); make room", stacklevel=2)
        else:
            self._written = len(self.history.epochs)
