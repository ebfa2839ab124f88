"""Checkpoints of a training: written at step boundaries as sealed folders, the last two kept, the last good one found.

A checkpoint is ``step-N`` with ``state.safetensors``, ``state.json`` and ``manifest.json``; see
:mod:`elman.model.folder` for how it is written and checked. It holds numbers and words, never code.
"""

from __future__ import annotations

import json
import re
import shutil
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from elman.core.errors import ElmanError, InputError, ModelFileError
from elman.model.file import packed
from elman.model.folder import clear_leftovers, read_folder, write_folder
from elman.training.interrupt import Interrupted, Interrupts
from elman.training.state import TrainingState

__all__ = ["Checkpoints", "Every", "Keeper", "Saved"]

_TENSORS, _RECORD = "state.safetensors", "state.json"
_KEPT = 2
_SHARE = 50
"""A checkpoint by the clock is due only after that many times what the last one took: at most 2 % of the time."""


@dataclass(frozen=True)
class Every:
    """How often to save: after so many steps, or so many seconds; neither means never (but when stopped)."""

    steps: int = 0
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Every:
        """``500`` (steps), ``30s``, ``5m``, ``1h`` or ``never``.

        Raises:
            InputError: it is none of these.
        """
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
        if text == "never":
            return cls()
        if not found or not float(found[1]) or (not found[2] and "." in found[1]):
            raise InputError(f"--save-every {text}: expected 500 (steps), 30s, 5m, 1h or never; as in --save-every 30s")
        if not found[2]:
            return cls(steps=int(found[1]))
        return cls(seconds=float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]])


@dataclass(frozen=True)
class Saved:
    """A checkpoint as read: whose it is, tensors, and the rest of a :class:`TrainingState`.

    Attributes:
        origin: what the training was made with, as given to :class:`Checkpoints`.
    """

    path: Path
    origin: dict[str, Any]
    tensors: dict[str, Tensor]
    record: dict[str, Any]

    def restore(self, state: TrainingState) -> None:
        """Have a training stand where it stood.

        Raises:
            InputError: the network is another one.
            ModelFileError: the checkpoint does not say all that this version of elman needs.
        """
        try:
            state.unpack(self.tensors, self.record)
        except ElmanError:
            raise
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            raise ModelFileError(
                f"{self.path}: not a checkpoint that this version of elman can go on from ({error!r}); go on with the "
                "version that wrote it, or train anew"
            ) from error


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they are; made when the first is written.
        every: how often to save.
        origin: what the training is made with, as JSON; a checkpoint of other data or settings is told by it.
    """

    def __init__(self, folder: Path, every: Every, origin: dict[str, Any]) -> None:
        self.folder, self.every, self.origin = folder, every, origin
        self._last = time.monotonic()
        self._took = 0.0
        self._held: tuple[int, bool] | None = None

    def due(self, state: TrainingState) -> bool:
        """Whether it is time to save."""
        if self.every.steps:
            return state.taken % self.every.steps == 0
        pause = max(self.every.seconds, _SHARE * self._took)
        return bool(self.every.seconds) and time.monotonic() - self._last >= pause

    def save(self, state: TrainingState) -> None:
        """Write a checkpoint, unless this very state is in the last one; then remove all but the last two.

        Raises:
            ModelFileError: the disk is full or not writable; the checkpoints before are untouched.
        """
        if self._held == (state.taken, state.over):
            return
        began = time.monotonic()
        try:
            self._write(state)
        finally:
            # After a failure as well: the next try is due after a pause, not after the next step.
            self._last = time.monotonic()
            self._took = self._last - began

    def _write(self, state: TrainingState) -> None:
        tensors, record = state.pack()
        body = json.dumps({"origin": self.origin, "state": record})
        place = self.folder / f"step-{state.taken}"
        write_folder(place, {_TENSORS: packed(tensors), _RECORD: body.encode()}, "checkpoint")
        self._held = (state.taken, state.over)
        # What lies ahead was given up, as damaged.
        ahead = [other for other in self._places() if _number(other) > state.taken]
        for old in (*ahead, *[other for other in self._places() if other not in ahead][:-_KEPT]):
            shutil.rmtree(old, ignore_errors=True)

    def newest(self) -> tuple[Saved | None, list[str]]:
        """The last good checkpoint, None if there are none at all, and a sentence for each one that is damaged.

        What killed writes left is cleared away, so nobody else may be writing.

        Raises:
            ModelFileError: there are some, and all are damaged.
        """
        clear_leftovers(self.folder)
        places, trouble = self._places()[::-1], []
        for place in places:
            try:
                saved = _read(place)
            except ModelFileError as error:
                trouble.append(str(error))
                continue
            # Of another make, it does not stand for what is trained from now on.
            same = saved.origin == self.origin
            self._held = (saved.record["taken"], saved.record["over"]) if same else None
            passed = [f"a checkpoint is passed over, and {place.name} is taken instead: {words}" for words in trouble]
            return saved, passed
        if trouble:
            raise ModelFileError("no checkpoint can be read: " + "; ".join(trouble))
        return None, []

    def remove(self) -> None:
        """Remove them all: the run is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def __bool__(self) -> bool:
        return bool(self._places())

    def _places(self) -> list[Path]:
        """All checkpoints, the oldest first."""
        return sorted((p for p in self.folder.glob("step-*") if p.name[5:].isdecimal()), key=_number)


def _number(place: Path) -> int:
    return int(place.name[5:])


def _read(place: Path) -> Saved:
    files = read_folder(place, (_TENSORS, _RECORD), "checkpoint", "remove it")
    try:
        body = json.loads(files[_RECORD])
        record = body["state"]
        return Saved(place, body["origin"], load_tensors(files[_TENSORS]), {**record, "taken": int(record["taken"])})
    except (SafetensorError, ValueError, LookupError, TypeError) as error:
        raise ModelFileError(f"{place}: not a checkpoint ({error!r}); remove it") from error


class Keeper:
    """Sees to it, from inside the loop, that a training is saved: now and then, and when it is asked to stop.

    Args:
        path: the run's folder.
        checkpoints: where the state goes.
        interrupts: who asks.
    """

    def __init__(self, path: Path, checkpoints: Checkpoints, interrupts: Interrupts) -> None:
        self.path, self.checkpoints, self.interrupts = path, checkpoints, interrupts

    def stepped(self, state: TrainingState) -> None:
        """Called after every step. A save that fails is a warning: the training goes on, and so does its last save."""
        self.look(state)
        if self.checkpoints.due(state):
            try:
                self.checkpoints.save(state)
            except ModelFileError as error:
                warnings.warn(str(error), stacklevel=2)

    def look(self, state: TrainingState) -> None:
        """Called wherever a training may stop: after a step, and between the batches of an evaluation.

        Raises:
            Interrupted: a stop was asked for; all is saved.
        """
        if self.interrupts.asked:
            raise self.leave(state)

    def leave(self, state: TrainingState) -> Interrupted:
        """Save, and give what is to be raised."""
        try:
            self.checkpoints.save(state)
        except ModelFileError as error:
            return self._interrupted(state, str(error))
        return self._interrupted(state)

    def broken_off(self, state: TrainingState) -> Interrupted:
        """What is to be raised for a KeyboardInterrupt that did not wait for a step to end.

        Once the training is over its state is whole at any time, and is saved.
        """
        if state.over:
            return self.leave(state)
        return self._interrupted(state, "ended at once, in the middle of a step")

    def _interrupted(self, state: TrainingState, trouble: str = "") -> Interrupted:
        best = state.history.best.epoch if state.history.epochs else 0
        where = "before its scores" if state.over else f"in epoch {state.epoch} after step {state.step}"
        return Interrupted(self.path, self.interrupts.asked, where, best, trouble)
