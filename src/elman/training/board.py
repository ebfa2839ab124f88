"""A training for TensorBoard: its epochs as event files, on request."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from elman.core.errors import InputError
from elman.training.history import History

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

__all__ = ["FOLDER", "Board", "check_board"]

FOLDER = "tensorboard"
"""Where the event files of a run lie, in its folder."""

_SHOWN = {
    "loss/training": "train_loss",
    "loss/validation": "valid_loss",
    "gradient/norm": "grad_norm",
    "gradient/clipped": "clipped",
    "learning rate": "lr",
    "seconds": "seconds",
}


def check_board() -> None:
    """Raise :class:`InputError` with the line to paste where TensorBoard is not installed."""
    try:
        import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise InputError(
            f"--tensorboard: TensorBoard is not installed ({error}); leave --tensorboard out, or: "
            "pip install 'elman[tensorboard]'"
        ) from None


class Board:
    """Writes every epoch of a history, once, as scalars.

    A training that goes on writes a fresh file that begins with the epochs that are complete, and removes what it wrote
    before: event files can only be added to, and what an epoch under way had left in one would stand in it twice.

    Args:
        path: the run's folder. history: what is written.
    """

    def __init__(self, path: Path, history: History) -> None:
        check_board()
        from torch.utils.tensorboard.writer import SummaryWriter

        folder = path / FOLDER
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self.history, self._written = history, 0
        self._writer: SummaryWriter = SummaryWriter(str(folder))

    def write(self) -> None:
        """Write the epochs that are not in the file yet."""
        for epoch in self.history.epochs[self._written :]:
            for name, field in _SHOWN.items():
                self._writer.add_scalar(name, getattr(epoch, field), epoch.epoch)
        self._written = len(self.history.epochs)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
