"""report.json: what a run is known by when it is loaded again. Scores, baselines, history, versions, which data."""

from __future__ import annotations

import json
import platform
import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import elman
from elman.model.folder import write_file
from elman.recorded import Recorded
from elman.training import place
from elman.training.history import Epoch, History
from elman.training.measures import Scores
from elman.training.mistakes import Mistakes
from elman.training.verdict import verdict

if TYPE_CHECKING:
    from elman.run import Run
    from elman.training.make import Made

__all__ = ["known", "read_record", "said_of", "write_record"]


def write_record(run: Run, made: Made, found: Mistakes, sha256: str) -> None:
    """Write report.json, as a whole, last of all: with it the run is finished.

    Args:
        run: whose. made: what it was made of. found: its worst examples.
        sha256: of the data as they were read; the file may be gone by now.
    """
    job, loop, data, history = made.job, made.loop, made.data, run.history
    chosen = {**job.model_dump(exclude_none=True), **loop.model_dump(), **run.model.config.net.model_dump()}
    scores = run.scores
    record = {
        "scores": scores.values if scores else {},
        "scored": {"on": "valid" if data.test is None else "test", "count": scores.count if scores else 0},
        "baselines": {name: one.values for name, one in run.baselines.items()},
        "verdict": said_of(run),
        "details": {"scores": _details(scores), "baselines": {n: _details(one) for n, one in run.baselines.items()}},
        "best_epoch": history.best.epoch,
        "epochs": len(history.epochs),
        "seconds": history.seconds,
        "valid_loss": history.best.valid_loss,
        "chosen_by": {history.best.chosen_by: history.best.score},
        "weights": sum(weight.numel() for weight in run.model.parameters()),
        "history": {name: value for name, value in vars(history).items() if name != "epochs"},
        "by_length": {"error": found.unit, "of": found.reads, "ranges": [asdict(one) for one in found.by_length]},
        "plan": [] if made.plan is None else [_planned(entry) for entry in made.plan.entries],
        "notes": run.notes,
        "settings": chosen,
        "versions": {"elman": elman.__version__, "torch": torch.__version__, "python": platform.python_version()},
        "data_sha256": sha256,
        "date": time.strftime("%Y-%m-%d"),
    }
    write_file(run.path / place.RECORD, (json.dumps(record, indent=1) + "\n").encode())


def said_of(run: Run) -> str:
    """The honest sentence on a run's score."""
    early = bool(run.history.stopped) and not run.history.spent
    return verdict(run.scores, run.baselines, set(run.baselines), early=early) if run.scores else ""


def _planned(entry: Any) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in ("name", "cell", "engine", "reason", "weights", "refused")}


def _details(scores: Scores | None) -> dict[str, Any]:
    if scores is None:
        return {}
    made: dict[str, Any] = {"count": scores.count, **({"how": scores.how} if scores.how else {})}
    for name, value in (("confusion", scores.confusion), ("by_step", scores.by_step)):
        if value is not None:
            made[name] = value.tolist()
    return made


def read_record(path: Path) -> dict[str, Any] | None:
    """What report.json of a run says; None where there is none.

    Warns:
        UserWarning: it is damaged. The model has checksums of its own, and is used all the same.
    """
    try:
        if not (path / place.RECORD).is_file():
            return None
        found = Recorded.model_validate(json.loads((path / place.RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        warnings.warn(f"{path / place.RECORD}: damaged; the model is whole, its scores are not known", stacklevel=3)
        return None
    return found.model_dump(exclude_none=True)


def known(path: Path) -> dict[str, Any]:
    """What a finished run's folder tells beside its model: the fields of a Run, those that are known."""
    record = read_record(path)
    if record is None:
        return {}
    details, scored = record.get("details", {}), record.get("scored", {})
    baselines = {
        name: _scores(values, details.get("baselines", {}).get(name, {}), scored)
        for name, values in record["baselines"].items()
    }
    scores = _scores(record["scores"], details.get("scores", {}), scored) if record["scores"] else None
    return {
        "scores": scores,
        "baselines": baselines,
        "history": _history(path, record.get("history", {})),
        "notes": list(record.get("notes", [])),
    }


def _scores(values: dict[str, float], more: dict[str, Any], scored: dict[str, Any]) -> Scores:
    confusion, by_step = (np.array(more[name]) if name in more else None for name in ("confusion", "by_step"))
    count, how = int(more.get("count", scored.get("count", 0))), str(more.get("how", ""))
    return Scores(dict(values), count, confusion, by_step, how=how)


def _history(path: Path, more: dict[str, Any]) -> History:
    """The history of history.jsonl; empty where that is gone or damaged, which is told.

    Warns:
        UserWarning: it cannot be read.
    """
    history = History(**{name: more[name] for name in vars(History()) if name in more})
    try:
        lines = [json.loads(line) for line in (path / place.HISTORY).read_text(encoding="utf-8").splitlines()]
        history.epochs = [Epoch(**{**line, "notes": tuple(line.get("notes", ()))}) for line in lines]
    except (OSError, ValueError, TypeError, RecursionError) as error:
        warnings.warn(f"{path / place.HISTORY}: cannot be read ({error}); the history is empty", stacklevel=4)
    return history
