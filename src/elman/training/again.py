"""Going on with a training that was broken off: with the settings it began with, from where it was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elman.core.errors import InputError
from elman.training import place
from elman.training.checkpoint import Checkpoints, Saved
from elman.training.make import Made
from elman.training.origin import FILES, PLACES, changed_words, changes, refuse
from elman.training.settings import Job, job_from
from elman.training.state import TrainingState

__all__ = ["end_early", "job_again", "restore"]


def job_again(path: Path, given: dict[str, Any], *, finish: bool, anyway: bool) -> Job:
    """The settings of a run that goes on: its own, and what is given anew."""
    idle = [name for name in given if name not in (*FILES, *PLACES)]
    if finish and idle:
        raise InputError(f"--finish: trains no further, so {idle[0]} has no effect; leave one of them out")
    own = place.reopen(path)
    before, job = job_from(own), job_from({**own, **given})
    words = changed_words(before, job)
    if words and not anyway:
        raise refuse(path, words)
    for name in FILES:
        file = getattr(job, name)
        if file and not Path(file).exists():
            anew = "FILE" if name == "file" else f"--{name} FILE"
            raise InputError(
                f"--resume {path}: its data '{file}' are not here; go to the folder it was started in, or name them "
                f"anew: elman train --resume {path} {anew}"
            )
    return job


def restore(made: Made, state: TrainingState, saved: Saved | None, checkpoints: Checkpoints, anyway: bool) -> None:
    """Have a training stand where its checkpoint says, unless it has become another training.

    If it has and that is wanted, it is saved as such at once: from here on it is the training to go on with.
    """
    path = checkpoints.folder.parent
    if saved is None:
        made.notes.append("nothing was saved before it was broken off, so it begins again")
        return
    found = changes(saved.origin, checkpoints.origin)
    if found.impossible:
        raise InputError(f"--resume {path}: {found.impossible}")
    if found.words and not anyway:
        raise refuse(path, found.words)
    saved.restore(state)
    if found.words and state.over:
        raise InputError(f"--resume {path}: only its scores are missing, so nothing can change; leave --anyway out")
    if state.epoch > made.loop.epochs and not state.over:
        raise InputError(
            f"--resume {path}: epoch {state.epoch} is under way already, --epochs {made.loop.epochs} is over; to end "
            f"with the best epoch so far: elman train --resume {path} --finish"
        )
    where = "only the scores are missing" if state.over else f"in epoch {state.epoch} after step {state.step}"
    made.notes.append(f"it goes on {where} ({state.taken:,} steps were taken in all)")
    if found.order:
        state.rewind(state.epoch)
        made.notes.append(f"epoch {state.epoch} begins again, for its batches are others now")
    made.notes.extend(f"changed: {words}" for words in found.words)
    if found.where:
        made.notes.append(f"the last digits may differ from an unbroken run: {'; '.join(found.where)}")
    if found.words:
        checkpoints.save(state)


def end_early(path: Path, state: TrainingState) -> None:
    if not state.history.epochs:
        raise InputError(f"--finish: no epoch of {path} is complete, so there is nothing to keep; leave --finish out")
    if not state.over:
        kept = f"the best so far (epoch {state.history.best.epoch}) is kept"
        state.history.interrupted, state.history.stopped = True, f"Ended in epoch {state.epoch}; {kept}"
        state.end()
