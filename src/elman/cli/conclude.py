"""What is said at the end of a training, and again by ``elman show``: scores, one sentence, files, what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elman.cli import show
from elman.cli.options import DATA, LOOP, SIDES, typed
from elman.data.files import is_there
from elman.record import said_of
from elman.training.place import HISTORY, SETTINGS, WORST

__all__ = ["conclude", "following", "kept_files"]

_KEPT = {
    "learning.svg": "losses over the epochs",
    "confusion.svg": "which classes are taken for which",
    "forecast.svg": "the last forecast and what came",
    "horizon.svg": "errors by step ahead",
    "calibration.svg": "whether the quantiles hold what they say",
    "lengths.svg": "errors by length",
    "kept.svg": "how long the units keep what they hold",
    "telling.svg": "the stretch of a series that tells most of its class",
    "early.svg": "how soon the class of a series is told",
    "attention.svg": "where the decoder looked while it wrote",
    "written.html": "texts that it wrote, beside those in the data",
    "tags.html": "sentences with their tags, mistakes marked",
    "surprise.html": "how much every token of a text surprised it",
    "rates.svg": "how the learning rate was found",
    WORST: "the examples it got most wrong",
    HISTORY: "all epochs",
    SETTINGS: "trains it again",
    "tensorboard": "tensorboard --logdir shows it",
}
"""What a run leaves for people, in words."""

_PROMPT = "Once "
"""How a text begins that a model is asked to go on with."""

_SAME = {"file", *SIDES, *DATA, "class_weights", "metric", "choose_by"}
"""Settings that say what the task is, not how it is learnt."""


def conclude(run: Any, file: str, settings: dict[str, Any]) -> None:
    """The score beside its baselines, one sentence, where everything is, and what to do next."""
    if run.scores is None:
        return
    best, history = run.history.best, run.history
    show.notes([*history.ending, *([history.stopped] if history.interrupted else [])])
    show.out.print()
    kept = "kept" if best.chosen_by == "last" else "best"
    count = (
        f"{run.scores.count:,} scored, held out from training (epoch {best.epoch} of {len(history.epochs)} was {kept})"
    )
    show.score_lines(run, count)
    show.out.print(show.wrap(said_of(run)))
    if history.spent:
        done = f"epoch {len(history.epochs)} of {history.limit} at the most"
        show.out.print(show.wrap(f"--budget {settings['budget']} ended it in {done}; more time may gain more."))
    if history.unfinished:
        limit = history.limit
        reached = f"{limit} epoch{'s' if limit > 1 else ''} was reached"
        show.out.print(show.wrap(f"Still improving when the limit of {reached}; try --epochs {4 * limit}"))
    kept_files(run.path)
    show.out.print("Next:")
    for words in (*following(run, file, settings)[:1], show.command("elman", "show", run.path), _again(settings)):
        show.out.print("  " + words)


def kept_files(path: Path) -> None:
    """Print where a run is and what lies there for people."""
    there = [name for name in _KEPT if (path / name).exists()]
    width = max(map(len, there), default=0)
    show.out.print(f"\nSaved in {path}")
    for name in there:
        show.out.print(f"  {name:{width}}  {_KEPT[name]}")


def following(run: Any, file: str, settings: dict[str, Any]) -> list[str]:
    """Commands that make use of a run, each as it works when it is pasted."""
    kind = run.model.config.target.partition(":")[0]
    data = settings.get("test", file)
    if kind == "next" and run.model.config.source == "text":
        # Other scripts have other beginnings.
        begin = [] if run.model.config.input.unknown(_PROMPT) else ["--prompt", _PROMPT]
        use = show.command("elman", "generate", run.path, *begin, "--length", "300")
    elif run.model.config.source == "label" and kind.startswith("text"):
        use = show.command("elman", "generate", run.path, "--count", "5")
    else:
        ahead = "with-rows-ahead.csv" if settings.get("known") else ""
        use = show.command("elman", "predict", run.path, *(ahead or data).split("+"), "--out", _free("predicted"))
        use += f"   # {settings['known']} of the steps to come, behind the data" if ahead else ""
    return [use, show.command("elman", "evaluate", run.path, *data.split("+"))] if is_there(data) else [use]


def _free(stem: str) -> str:
    """A name of a table that is not there yet: no file is overwritten."""
    names = [f"{stem}.csv", *(f"{stem}-{k}.csv" for k in range(2, 1_000))]
    return next(name for name in names if not Path(name).exists())


def _again(settings: dict[str, Any]) -> str:
    """The command that sets other nets beside it on the same data."""
    asked = {name: value for name, value in settings.items() if name in _SAME}
    return show.command("elman", "compare", *typed(asked, SIDES, DATA, LOOP)) + "   # do other nets do better?"
