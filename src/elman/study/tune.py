"""Tune: look for settings by their validation loss, then set the best against the defaults on the test part, once."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import elman
from elman import pictures, report
from elman.core.errors import InputError
from elman.data.prepare import Prepared
from elman.model.folder import write_file
from elman.study.matters import MANY, explained
from elman.study.place import Asked, again, folder_of, in_python, opened
from elman.study.search import Known, Search, Trial, storage_of
from elman.study.space import space_of
from elman.study.spread import Paired, Spread
from elman.study.training import Begun, Ended, Event, Outcome, StudyInterrupted, Told, refuse_other_counts, trained
from elman.study.verdict import SHARES
from elman.training.interrupt import Interrupted
from elman.training.make import data_of
from elman.training.measures import METRICS, digits
from elman.training.settings import Job, job_from, seconds_in

__all__ = ["Tuning", "again", "folder_of", "tune", "tune_again", "tune_asked", "tuning_asked"]

RESULT, PICTURE, STUDY_FILE, BEST = "tune.json", "tune.svg", "study.db", "best.toml"

Listener = Callable[[Event | Known | Trial], None]


@dataclass
class Tuning:
    """What a search found.

    Attributes:
        path: its folder.
        trials: all of them, by number; 0 is that of the defaults.
        wanted: how many were asked for.
        job: the best settings, as a training of their own: ``best.toml`` holds it.
        outcomes: the trainings that set the best against the defaults: ``defaults-SEED`` and ``best-of-N-SEED``.
        notes: what was chosen, and what is to be known of it.
        looks: how many trials there were each time that the test part was scored, this time last.
    """

    path: Path
    trials: list[Trial]
    wanted: int
    job: Job
    outcomes: list[Outcome]
    notes: list[str] = field(default_factory=list)
    looks: list[int] = field(default_factory=list)

    @property
    def best(self) -> Trial:
        """The trial with the lowest validation loss."""
        return min((one for one in self.trials if one.complete), key=lambda one: one.loss)

    @property
    def metric(self) -> str:
        """The headline score."""
        return next(iter(self.best.scores))

    def spread(self, which: str) -> Spread:
        """The headline score of ``defaults`` or ``best`` over seeds; where the defaults are best, both are theirs."""
        return Spread(tuple(one.scores[self.metric] for one in self.of(which) if one.scores), self.metric)

    def of(self, which: str) -> list[Outcome]:
        """The trainings of ``defaults`` or ``best``."""
        which = which if self.best.number else "defaults"
        return [one for one in self.outcomes if one.name.startswith(which)]

    @property
    def lead(self) -> Paired:
        """How much better than the defaults the best is, paired by seed; more is better."""
        sides = [{one.seed: one.scores for one in self.of(which) if one.scores} for which in ("best", "defaults")]
        seeds = [seed for seed in sides[0] if seed in sides[1]]
        values = [[side[seed][self.metric] for seed in seeds] for side in sides]
        step = 1 / max(1, self.scored.count) if self.metric in SHARES else 0.0
        return Paired.of(values[0], values[1], more_is_better=METRICS[self.metric], step=step)

    @property
    def scored(self) -> Outcome:
        """A training of the check that came to its end; the first where none did."""
        return next((one for one in self.outcomes if one.scores), self.outcomes[0])

    @property
    def matters(self) -> dict[str, float]:
        """See :func:`elman.study.matters.explained`; empty of few trials."""
        done = [one for one in self.trials if one.complete]
        if len(done) < MANY:
            return {}
        return explained([one.settings for one in done], [one.loss for one in done])

    @property
    def verdict(self) -> list[str]:
        """What it found, in sentences, the most important first."""
        return _verdict(self)


def tune(
    file: str | Path,
    source: str,
    target: str,
    *,
    trials: int = 20,
    seeds: int = 3,
    budget: str | None = None,
    out: str | Path | None = None,
    listener: Listener | None = None,
    **settings: Any,
) -> Tuning:
    """Look for better settings than the defaults, with Optuna's TPE sampler (Bergstra et al. 2011) and median pruning.

    A trial is a training, judged by its lowest validation loss; trial 0 has the defaults. From four complete trials
    on, one whose best loss so far is above the median of theirs at the same share of the epochs is cut short. The test
    part is read once, at the end: the defaults and the best settings are trained anew on seeds that no trial has had.
    Broken off, even by ``kill -9``, the same call goes on in the middle of the trial that it was in.

    Args:
        file: the data. source: what to read. target: what to predict; see :func:`elman.train`.
        trials: how many; the same call with more goes on to them.
        seeds: trainings of the defaults and of the best at the end; their seeds are ``seed + 1``, ...
        budget: time for all of it, such as ``"10m"``: the search ends so early that the check has its time.
        out: the folder; None takes ``runs/NAME-tune``.
        listener: called with Told, Known, and every Trial, Begun, Ended, Started, Step and Epoch.
        settings: any of :class:`~elman.training.settings.Job`'s fields; what is given is not looked for.

    Raises:
        InputError: a setting is wrong; Optuna is not installed; another study stands in the folder; the data have
            changed.
        StudyInterrupted: it was stopped, and is saved.
    """
    given = {"file": str(file), "source": source, "target": target, **settings}
    with in_python():
        return tune_asked(tuning_asked(given, trials=trials, seeds=seeds, budget=budget), out, listener)


def tune_again(path: str | Path, listener: Listener | None = None) -> Tuning:
    """Go on with a search by its folder alone.

    Raises:
        InputError: there is none in this folder, or its data have changed.
    """
    return tune_asked(again(Path(path), "tune"), path, listener)


def tuning_asked(given: dict[str, Any], *, trials: int, seeds: int, budget: str | None) -> Asked:
    """Check what is asked for.

    Raises:
        InputError: it cannot be.
    """
    for name, value, what, example in (("trials", trials, "trials", 20), ("seeds", seeds, "trainings", 3)):
        if not 1 <= value <= 10_000:
            raise InputError(f"--{name} {value}: expected a number of {what}, at least 1; as in --{name} {example}")
    if budget is not None:
        seconds_in(budget, "--budget")
    for name, why in _OWN.items():
        if given.get(name):
            raise InputError(f"--{name.replace('_', '-')}: {why}; leave it out")
    given = {name: value for name, value in given.items() if value is not None}
    return Asked("tune", {"trials": trials, "seeds": seeds, "budget": budget}, job_from(given), tuple(given))


_OWN = {
    "find_lr": "a search looks for the rate itself",
    "score_on": "a search says itself what is scored",
    "choose_by": "a search judges by the loss",
}
"""Settings that a search does not take, and why."""


def tune_asked(asked: Asked, out: str | Path | None, listener: Listener | None = None) -> Tuning:
    """:func:`tune` for what is checked already."""
    hear = listener or (lambda _: None)
    data = data_of(asked.job)
    job = asked.job
    if data.drawn:
        job = job.model_copy(update={"split_seed": job.seed if job.split_seed is None else job.split_seed})
    space = space_of(job, asked.given, data)
    with opened(asked, folder_of(asked, out)) as path:
        told = ", ".join(f"{name.replace('_', ' ')} ({where})" for name, where in space.items())
        notes = [*data.notes, f"looks for {told}"]
        hear(Told(notes))
        try:
            trials, spent = _search(asked, job, path, space, hear)
            made = Tuning(path, trials, asked.options["trials"], job, [], notes)
            made.job = _best_job(made, job)
            write_file(path / BEST, report.toml(made.job).encode())
            _check(made, asked, job, hear)
        except Interrupted as stop:
            raise StudyInterrupted("tune", path, stop) from None
        made.looks = sorted({*_looks(path), len(trials)})
        _write(made, asked, spent, data)
    return made


def _search(
    asked: Asked, job: Job, path: Path, space: dict[str, Any], hear: Listener
) -> tuple[list[Trial], float]:  # fmt: skip
    """The trials, and the seconds that they took."""
    budget = asked.options.get("budget")
    limit = seconds_in(budget, "--budget") if budget is not None else math.inf
    number: int = asked.options["seeds"]

    def allowed(done: list[Trial]) -> float:
        complete = [one for one in done if one.complete]
        if not complete:
            return math.inf
        # What it takes to train the defaults and the best so far on every seed.
        best = min(complete, key=lambda one: one.loss)
        return limit - number * (done[0].seconds + best.seconds)

    # The loss judges trials, so it chooses their epochs too.
    scored = job.model_copy(update={"score_on": "valid", "choose_by": "loss"})
    with storage_of(path / STUDY_FILE) as storage:
        search = Search(storage, path / "trials", space, scored, allowed, asked.data)
        search.upto(asked.options["trials"], hear)
        return search.trials, search.spent


def _best_job(made: Tuning, job: Job) -> Job:
    if not any(one.complete for one in made.trials):
        raise InputError(
            f"no trial came to its end, not even that of the defaults ({made.trials[0].why}); see what ails it: "
            f"elman train {job.file} --from {job.source} --to {job.target}"
        )
    settings = made.best.settings if made.best.number else {}
    return job.model_copy(update=settings)


def _check(made: Tuning, asked: Asked, job: Job, hear: Listener) -> None:
    """Train the defaults and the best on seeds that no trial has had, and score them on the test part."""
    sides = {"defaults": job, **({"best": made.job} if made.best.number else {})}
    seeds = range(job.seed + 1, job.seed + 1 + asked.options["seeds"])
    names = [(which, seed) for seed in seeds for which in sides]
    for k, (which, seed) in enumerate(names, 1):
        # Of a search that went on to more trials, another one may be the best now.
        mark = f"-of-{made.best.number}" if which == "best" else ""
        folder = made.path / "check" / f"{which}{mark}-{seed}"
        kept = (folder / "report.json").is_file()
        if not kept:
            hear(Begun(folder.name, k, len(names)))
        outcome = trained(sides[which].model_copy(update={"seed": seed}), folder, hear, asked.data)
        made.outcomes.append(outcome)
        refuse_other_counts(made.outcomes)
        hear(Ended(outcome, k, len(names), kept))


def _verdict(made: Tuning) -> list[str]:
    done = sum(one.complete for one in made.trials)
    best, base = made.best, made.trials[0]
    short = f", {len(made.trials) - done} cut short" if done < len(made.trials) else ""
    if not best.number:
        return [
            f"No other trial of {len(made.trials)} ({short.removeprefix(', ') or 'all complete'}) had a lower "
            f"validation loss than the defaults ({base.loss:.4f}): keep them."
        ]
    lead, on = made.lead, {"test": "test", "valid": "validation"}[made.scored.on]
    if not lead.differences and made.spread("best").values:
        failed = base.why or next(one.trouble for one in made.of("defaults"))
        return [
            f"The defaults fail here ({failed}); trial {best.number} comes to its end, on the {on} part with "
            f"{made.metric} {made.spread('best')}: take it, for want of another to set it against."
        ]
    if not lead.differences:
        return ["The trainings of the check failed, so nothing can be said; see check/ in the folder."]
    sides = f"{made.metric} {made.spread('best')} against {made.spread('defaults')}"
    gain = digits(made.metric, abs(lead.mean))
    gain += f" ± {digits(made.metric, lead.half)}" if math.isfinite(lead.half) else ""
    seeds = f"better in {lead.ahead} of {len(lead.differences)} seeds"
    if lead.shown > 0:
        first = f"Tuned beats the defaults on the {on} part: {sides}, by {gain} ({seeds})."
    elif lead.mean > 0:
        first = (
            f"Tuned is ahead of the defaults on the {on} part, {sides}, by {gain} ({seeds}): no more than chance "
            "between so few seeds may make it; --seeds 10 could tell."
        )
    else:
        first = f"Tuned is not better than the defaults on the {on} part: {sides} ({seeds}). Keep the defaults."
    said = f"{base.loss:.4f}" if base.complete else f"failed ({base.why})"
    again = (
        f" The {on} part was scored before, after {', '.join(map(str, made.looks[:-1]))} trials: each look at it that "
        "a search goes on after makes its scores less those of unseen data."
        if made.looks[:-1]
        else ""
    )
    return [
        first,
        f"On validation, trial {best.number} had the lowest loss of {len(made.trials)} ({done} complete{short}): "
        f"{best.loss:.4f}, the defaults {said}. The lowest of many is partly luck, so that figure flatters; "
        f"the {on} scores are of other seeds"
        + (", and chose nothing." if on == "test" else ", but of the part that chose: there is no test part.")
        + again,
    ]


def _looks(path: Path) -> list[int]:
    """After how many trials the test part was scored in earlier sessions."""
    try:
        found = json.loads((path / RESULT).read_text(encoding="utf-8"))
        return [int(one) for one in found.get("looks", [len(found["trials"])])]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []


def _write(made: Tuning, asked: Asked, spent: float, data: Prepared) -> None:
    """tune.json and the picture."""
    check = {
        which: {
            "mean": made.spread(which).mean,
            "values": list(made.spread(which).values),
            **({"deviation": made.spread(which).deviation} if len(made.spread(which).values) > 1 else {}),
        }
        for which in ("defaults", "best")
        if made.spread(which).values
    }
    record = {
        "asked": {**asked.options, "settings": asked.settings, "sha256": asked.data},
        "metric": made.metric,
        "more_is_better": METRICS[made.metric],
        "best": made.best.number,
        "settings": made.best.settings if made.best.number else {},
        "check": {"on": made.scored.on, "count": made.scored.count, **check},
        "trainings": [one.record() for one in made.outcomes],
        "trials": [{k: v for k, v in asdict(one).items() if v == v} for one in made.trials],
        "looks": made.looks,
        "matters": made.matters,
        "seconds": spent,
        "verdict": made.verdict,
        "notes": made.notes,
        "elman": elman.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }
    write_file(made.path / RESULT, (json.dumps(record, indent=1) + "\n").encode())
    picture = pictures.trials(
        [one.number for one in made.trials],
        [one.loss for one in made.trials],
        [one.complete for one in made.trials],
        title=f"{len(made.trials)} trials of {Path(asked.job.file).name}",
        subtitle=f"trial 0 has the defaults; {len(data.valid):,} to validate on",
        y_label="lowest validation loss",
    )
    write_file(made.path / PICTURE, picture.encode())
