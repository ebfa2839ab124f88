"""Train on examples that are in memory, without a folder: nothing is written, nothing is saved on the way."""

from __future__ import annotations

from dataclasses import dataclass

from elman.data.roles import Examples
from elman.model.network import SequenceModel
from elman.training.history import History
from elman.training.loop import begin, go_on
from elman.training.make import Made
from elman.training.randomness import unchanged
from elman.training.scores import calibrate
from elman.training.settings import Job

__all__ = ["Learnt", "learn"]

_BATCH = 256


@dataclass(frozen=True)
class Learnt:
    """What a training leaves.

    Attributes:
        model: with the weights of the epoch that validated best, calibrated on the validation part, on the CPU.
        history: its epochs.
        notes: what was chosen from the data, and what was said on the way.
    """

    model: SequenceModel
    history: History
    notes: list[str]


def learn(job: Job, examples: Examples) -> Learnt:
    """Train as :func:`elman.train` does, on examples instead of a file; random states are left as they were.

    Of the same sequences and settings come the same weights, bit for bit, as ``elman train FILE --test OTHER`` gives
    on the same machine with as many threads.

    Args:
        job: the settings; its file is the name of what is given, for messages.
        examples: see :func:`elman.data.arrays.examples_from`.

    Raises:
        InputError: a setting is wrong. DataError: the data are. DivergedError: the loss is no longer finite.
    """
    with unchanged():
        made = Made.of(job, None, examples)
        state = begin(made.model, made.loop)
        go_on(state, made.data.train, made.data.valid, made.loop)
        made.notes += calibrate(made.model, made.data.valid, _BATCH, made.loop.device, conformal=made.job.conformal)
    said = [*state.history.notes, *state.history.ending]
    notes = [*made.notes, *(note for note in said if note not in made.notes)]
    return Learnt(made.model.cpu().eval(), state.history, notes)
