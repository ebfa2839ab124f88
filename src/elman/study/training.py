"""One training of a study: begun, gone on with or only read, and what came of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from elman.core.errors import InputError, ModelFileError
from elman.data.files import is_there
from elman.data.fingerprint import fingerprint
from elman.run import Started, resume, train_job
from elman.training import place
from elman.training.history import Epoch, Step
from elman.training.interrupt import Interrupted
from elman.training.loop import DivergedError
from elman.training.settings import Job

__all__ = [
    "Begun",
    "Ended",
    "Event",
    "Listener",
    "Outcome",
    "StudyInterrupted",
    "Told",
    "outcome_of",
    "refuse_other_counts",
    "trained",
]


@dataclass(frozen=True)
class Outcome:
    """What came of a training.

    Attributes:
        name: of its folder.
        cell: of the network. seed: of weights, order and masks.
        scores: by name, the headline first; empty if it failed. on: the part scored. count: how many were.
        baselines: headline of what costs nothing, by name.
        valid_loss: of the epoch that was kept. weights: of the network. seconds: of its epochs.
        epochs: how many it took. best_epoch: the one that was kept.
        spent: whether its time was over before its epochs. trouble: why it failed, if it did.
    """

    name: str
    cell: str
    seed: int
    scores: dict[str, float]
    on: str = "test"
    count: int = 0
    baselines: dict[str, float] | None = None
    valid_loss: float = float("nan")
    weights: int = 0
    seconds: float = 0.0
    epochs: int = 0
    best_epoch: int = 0
    spent: bool = False
    trouble: str = ""

    def record(self) -> dict[str, Any]:
        """It as JSON; baselines are the same for all and stand elsewhere."""
        made = asdict(self)
        del made["baselines"]
        return {name: value for name, value in made.items() if value == value}


@dataclass(frozen=True)
class Told:
    """What was chosen for all trainings, in sentences, before the first."""

    notes: list[str]


@dataclass(frozen=True)
class Begun:
    """A training begins or goes on: its name, which it is, of how many."""

    name: str
    number: int
    of: int


@dataclass(frozen=True)
class Ended:
    """A training is over.

    Attributes:
        outcome: what came of it. number: which it is. of: how many. kept: whether it was over before this session.
    """

    outcome: Outcome
    number: int
    of: int
    kept: bool


Event = Told | Begun | Ended | Started | Step | Epoch
Listener = Callable[[Event], None]


class StudyInterrupted(Interrupted):
    """A study was stopped in a training, which is saved; it goes on by the same command.

    Attributes:
        study: its folder. verb: of the command line.
    """

    def __init__(self, verb: str, study: Path, stop: Interrupted) -> None:
        self.verb, self.study = verb, study
        super().__init__(stop.path, stop.signal, stop.where, stop.best, stop.trouble)
        self.args = (f"{self.what}. Go on: elman {verb} --resume {study}",)


def trained(
    job: Job, folder: Path, listener: Callable[[Started | Step | Epoch], None], sha256: dict[str, str]
) -> Outcome:
    """Bring a training to its end, from wherever it stands; one that diverges is an outcome too.

    Args:
        job: its settings. folder: of its run. listener: as that of :func:`elman.train`.
        sha256: of the files that the study reads, by role.

    Raises:
        Interrupted: it was stopped, and is saved.
        InputError: the data are others than those of the study.
    """
    if not (folder / place.RECORD).is_file():
        for name, digest in sha256.items():
            if is_there(file := getattr(job, name)) and fingerprint(file) != digest:
                raise _changed(folder, file)
        try:
            if (folder / place.SETTINGS).is_file():
                # How often it is saved and on how many threads may be said anew; it is no other training for it.
                anew = {name: getattr(job, name) for name in ("save_every", "threads")}
                resume(folder, listener=listener, **anew)
            else:
                # Killed before its first word was written: nothing of it is lost.
                shutil.rmtree(folder, ignore_errors=True)
                train_job(job, out=folder, listener=listener)
        except DivergedError as error:
            shutil.rmtree(folder / place.CHECKPOINTS, ignore_errors=True)
            reason = str(error).partition(". ")[0]
            return Outcome(folder.name, job.cell or "", job.seed, {}, trouble=reason)
    return outcome_of(folder, job, sha256.get("file", ""))


def outcome_of(folder: Path, job: Job, sha256: str) -> Outcome:
    """What stands in the record of a finished run, on data of that sha256."""
    try:
        record = json.loads((folder / place.RECORD).read_text(encoding="utf-8"))
        found = Outcome(
            name=folder.name,
            cell=record["settings"]["cell"],
            seed=job.seed,
            scores=record["scores"],
            on=record["scored"]["on"],
            count=record["scored"]["count"],
            baselines={name: next(iter(values.values())) for name, values in record["baselines"].items()},
            valid_loss=record["valid_loss"],
            weights=record["weights"],
            seconds=record["seconds"],
            epochs=record["epochs"],
            best_epoch=record["best_epoch"],
            spent=record["history"]["spent"],
        )
        of = record["data_sha256"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelFileError(
            f"{folder / place.RECORD}: no record of a run ({error!r}); remove the folder, and it is trained again"
        ) from error
    if of != sha256:
        raise _changed(folder, job.file)
    return found


def _changed(folder: Path, file: str) -> InputError:
    return InputError(
        f"{folder}: '{file}' changed while the study was under way (its sha256 differs), so old and new trainings "
        "could not be compared; put the old data back, or begin anew: --out FOLDER"
    )


def refuse_other_counts(outcomes: list[Outcome]) -> None:
    """Refuse scores of more or fewer examples than those beside them.

    Raises:
        InputError: the last is of another number than the first.
    """
    scored = [one for one in outcomes if one.scores]
    if scored and scored[-1].count != scored[0].count:
        raise InputError(
            f"{scored[-1].name}: {scored[-1].count:,} were scored, of {scored[0].name} {scored[0].count:,}, so they "
            "cannot be compared: data or version changed while the study was under way; begin anew: --out FOLDER"
        )
