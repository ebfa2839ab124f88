"""What a training is made with: data, settings, what was learnt of the data, and where it runs.

It stands in every checkpoint, so that a run does not go on with other data or settings unless that is wanted.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elman.core.errors import InputError
from elman.data.files import is_there
from elman.data.fingerprint import fingerprint
from elman.model.config import ModelConfig
from elman.training.settings import Job, LoopSettings

__all__ = ["FILES", "PLACES", "Changes", "changed_words", "changes", "origin_of", "refuse"]

FILES = ("file", "valid", "test")
"""Settings that name data: they may name another place, for it is the content that counts."""

PLACES = ("threads", "device")
"""Settings that say where it runs; they may change, and that is told, for the last digits may."""

_NEUTRAL = (*FILES, *PLACES, "save_every", "tensorboard")
"""Settings that may change from one session to the next."""

_SAME_ORDER = (
    *("epochs", "lr", "weight_decay", "embedding_decay", "bias_decay", "l1", "l2", "ar", "tar", "average", "ema_decay"),
    *("budget", "metric", "score_on", "clip", "clip_by", "nonfinite", "patience", "dropout"),
    *("label_smoothing", "memory"),
)
"""Settings whose change leaves the batches of an epoch what they are."""


def origin_of(job: Job, config: ModelConfig, loop: LoopSettings, where: dict[str, Any]) -> dict[str, Any]:
    """What a training is made with, as JSON.

    Args:
        job: its settings. config: its model's. loop: its loop's.
        where: versions, threads and the like, on which the last digits may depend.
    """
    kinds = {"input": config.input.model_dump(), "output": config.output.model_dump(), "lookback": config.lookback}
    settings = {**loop.model_dump(), **config.net.model_dump(), **job.model_dump(exclude_none=True)}
    made = {
        "data": {name: fingerprint(file) for name in FILES if (file := getattr(job, name)) and is_there(file)},
        "settings": {name: value for name, value in settings.items() if name not in _NEUTRAL},
        "kinds": _digest(kinds),
        "words": _digest(_without_numbers(kinds)),
        "where": {**where, "device": loop.device},
    }
    plain: dict[str, Any] = json.loads(json.dumps(made))
    return plain


@dataclass
class Changes:
    """How a training that goes on differs from what it began as.

    Attributes:
        words: what is different, each in a few words; empty if nothing is that could change the result.
        order: whether the batches of the epoch under way are others, so that it has to begin again.
        impossible: why it cannot go on at all, if so.
        where: what is different about the place that it runs in.
    """

    words: list[str] = field(default_factory=list)
    order: bool = False
    impossible: str = ""
    where: list[str] = field(default_factory=list)


def changes(then: dict[str, Any], now: dict[str, Any]) -> Changes:
    """Compare what :func:`origin_of` gave then and gives now."""
    found = Changes(where=_differing(then["where"], now["where"]))
    settings = _differing(then["settings"], now["settings"])
    data = [
        f"the data are others ({name}: its sha256 differs)"
        for name in FILES
        if then["data"].get(name) != now["data"].get(name)
    ]
    found.words = data + settings
    if not found.words and then["kinds"] != now["kinds"]:
        found.words.append("the same data are read in another way, by another version of elman")
    kept = all(words.partition(" ")[0] in _SAME_ORDER for words in settings)
    found.order = bool(found.words) and (bool(data) or not kept or then["kinds"] != now["kinds"])
    if then["settings"].get("choose_by", "loss") != now["settings"].get("choose_by", "loss"):
        found.impossible = (
            "epochs chosen by another score (--choose-by) cannot be held against those so far; train anew"
        )
    if then["words"] != now["words"]:
        found.impossible = "columns, words or classes are not those it began with; train anew"
    return found


def changed_words(before: Job, job: Job) -> list[str]:
    """Settings in which two jobs differ, each in a few words."""
    sides = [{name: v for name, v in one.model_dump().items() if name not in _NEUTRAL} for one in (before, job)]
    return _differing(*sides)


def refuse(path: Path, words: list[str]) -> InputError:
    """What to say of a run that would go on as another."""
    return InputError(
        f"--resume {path}: it began otherwise: {'; '.join(words)}. Go on as it began, or say --anyway to go on with "
        "what is new"
    )


def _differing(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return [f"{name} was {_said(then.get(name))}, is {_said(now.get(name))}" for name in names]


def _said(value: Any) -> str:
    return "not set" if value is None else str(value)


def _without_numbers(value: Any) -> Any:
    """What is left of settings without fractions: names and sizes, not means and scales."""
    if isinstance(value, dict):
        return {key: _without_numbers(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_numbers(part) for part in value if not isinstance(part, float)]
    return None if isinstance(value, float) else value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
