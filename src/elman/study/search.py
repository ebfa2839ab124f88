"""The search for settings: trials that an Optuna study draws, prunes and remembers, each a training of its own.

The study is a SQLite file. It is written after every epoch that counts, and a trial's run saves itself, so that a
killed search goes on in the middle of the trial that it was in, under the same number. What is drawn for a trial
depends on the seed, its number and the trials before it, not on how often the search was broken off.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.core.errors import InputError
from elman.run import Started
from elman.study.space import Choice, Dimension
from elman.study.training import Outcome, trained
from elman.training import place
from elman.training.history import Epoch, Step
from elman.training.settings import Job

if TYPE_CHECKING:
    import optuna

__all__ = ["Found", "Known", "Pruned", "Search", "Trial", "storage_of"]

_DEAR, _MINUTE = 10, 60.0
"""A trial may take ten times as long as that of the defaults, and a minute in any case: below, clocks say little. One
wide network can be most of a search else."""

_PARTS = 20
"""Parts of a training after each of which a trial is compared with those before it."""

_FREELY = 4
"""Trials that come to their end before the first is cut short; and parts of a training before it may be."""

_NAME = "tune"


@dataclass(frozen=True)
class Trial:
    """A trial that is over.

    Attributes:
        number: from 0; 0 is that of the defaults.
        settings: that it tried.
        loss: the lowest on the validation part; of a pruned trial so far; NaN if there was none.
        complete: whether it came to its end. why: why it did not.
        epochs: how many it took. seconds: of its epochs. scores: on the validation part.
    """

    number: int
    settings: dict[str, Any]
    loss: float
    complete: bool
    why: str = ""
    epochs: int = 0
    seconds: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What a search goes on with: the trials that were over before this session."""

    trials: list[Trial]


Found = Known | Trial | Started | Step | Epoch
"""What a search tells."""


class Pruned(Exception):  # noqa: N818 - no error, an end
    """Ends a trial's training before its end."""


@contextmanager
def storage_of(file: Path) -> Iterator[optuna.storages.RDBStorage]:
    """The file of a study, opened.

    Raises:
        InputError: Optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            f"elman tune needs Optuna, which is not there ({error}); install it: pip install 'elman[tune]' "
            "(or: pip install optuna)"
        ) from error
    loud = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{file.absolute()}")
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()
    finally:
        optuna.logging.set_verbosity(loud)


class Search:
    """The trials of a study.

    Args:
        storage: its file.
        folder: where the trials' runs are.
        space: what is looked for.
        job: the settings that all trials share, with the seed of weights and search.
        allowed: seconds that the search may take, given the trials so far; infinite for as many as it takes.
        sha256: of the files that are read, by role; a trial on others is refused.
    """

    def __init__(
        self,
        storage: optuna.storages.RDBStorage,
        folder: Path,
        space: dict[str, Dimension],
        job: Job,
        allowed: Callable[[list[Trial]], float],
        sha256: dict[str, str],
    ) -> None:
        import optuna

        self.folder, self.space, self.job, self.allowed = folder, space, job, allowed
        self.storage, self.sha256 = storage, sha256
        self.study = optuna.create_study(
            storage=storage,
            study_name=_NAME,
            direction="minimize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_FREELY, n_warmup_steps=_FREELY),
        )
        self._began = time.monotonic() - float(self.study.user_attrs.get("spent", 0.0))
        if not self.study.get_trials(deepcopy=False):
            # The defaults are the first trial.
            self.study.enqueue_trial({name: where.default for name, where in space.items()})
        self._keep_space()
        for trial in self.trials:
            if not trial.complete:
                shutil.rmtree(self._place(trial.number), ignore_errors=True)

    def _keep_space(self) -> None:
        """Keep what is looked for, and where; trials of one search are all of the same space."""
        now = {name: str(where) for name, where in self.space.items()}
        then = self.study.user_attrs.get("space", now)
        names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
        if names:
            told = "; ".join(
                f"{n} was {then.get(n, 'not looked for')}, is {now.get(n, 'not looked for')}" for n in names
            )
            raise InputError(
                f"{self.folder.parent}: this search looks for other settings than it began with ({told}), as another "
                "version of elman may; begin anew: --out FOLDER"
            )
        self.study.set_user_attr("space", now)

    @property
    def spent(self) -> float:
        """Seconds that the search has taken, in all sessions."""
        return time.monotonic() - self._began

    @property
    def trials(self) -> list[Trial]:
        """All that are over, by number."""
        return [_trial(one) for one in self.study.get_trials(deepcopy=False) if one.state.is_finished()]

    def upto(self, trials: int, listener: Callable[[Found], None]) -> None:
        """Go on until there are so many trials, or the time is over.

        Raises:
            Interrupted: a trial was stopped, and is saved; it goes on when the search does.
        """
        import optuna

        if before := self.trials:
            listener(Known(before))
        while True:
            known = self.study.get_trials(deepcopy=False)
            open_ = [one.number for one in known if one.state == optuna.trial.TrialState.RUNNING]
            waits = any(one.state == optuna.trial.TrialState.WAITING for one in known)
            if not open_ and not waits and (len(known) >= trials or self._late):
                self.note_time()
                return
            number = open_[0] if open_ else 0 if waits else len(known)
            self._sampler(number, 0)
            trial = self._again(number) if open_ else self.study.ask()
            self._run(trial, listener)
            listener(next(one for one in self.trials if one.number == number))

    @property
    def _late(self) -> bool:
        done = self.trials
        return bool(done) and self.spent > self.allowed(done)

    def _sampler(self, number: int, place: int) -> None:
        """A generator for each setting of each trial, so a search that goes on draws what an unbroken one would."""
        import optuna

        seed = int(np.random.SeedSequence([self.job.seed, number, place]).generate_state(1)[0])
        self.study.sampler = optuna.samplers.TPESampler(n_startup_trials=6, seed=seed)

    def _again(self, number: int) -> optuna.Trial:
        """The trial that was under way when the search was broken off."""
        import optuna

        study = self.storage.get_study_id_from_name(_NAME)
        return optuna.Trial(self.study, self.storage.get_trial_id_from_study_id_trial_number(study, number))

    def _place(self, number: int) -> Path:
        return self.folder / f"{number:04d}"

    def _run(self, trial: optuna.Trial, listener: Callable[[Found], None]) -> None:
        """Train a trial to its end, or to where it is cut short, and tell the study."""
        import optuna

        settings = {}
        for place_, (name, where) in enumerate(self.space.items(), 1):
            self._sampler(trial.number, place_)
            settings[name] = _drawn(trial, name, where)
        # The first is what elman train does by itself, not what it would do if told the same.
        job = self.job.model_copy(update=settings if trial.number else {})
        folder = self._place(trial.number)
        watch = _Watch(trial, folder, self, listener)
        try:
            watch.judge()
            outcome = trained(job, folder, watch, self.sha256)
        except Pruned as end:
            trial.set_user_attr("best", float(watch.best))
            self._close(trial, watch.epochs, watch.seconds, why=str(end))
            self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            shutil.rmtree(folder, ignore_errors=True)
            return
        if not outcome.scores:
            self._close(trial, watch.epochs, watch.seconds, why=outcome.trouble)
            self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            shutil.rmtree(folder, ignore_errors=True)
            return
        watch.fill(outcome)
        trial.set_user_attr("scores", outcome.scores)
        self._close(trial, outcome.epochs, outcome.seconds)
        self.study.tell(trial, outcome.valid_loss)

    def _close(self, trial: optuna.Trial, epochs: int, seconds: float, why: str = "") -> None:
        for name, value in (("epochs", epochs), ("seconds", seconds), ("why", why)):
            trial.set_user_attr(name, value)
        self.note_time()

    def note_time(self) -> None:
        """Keep how much time is spent."""
        self.study.set_user_attr("spent", self.spent)


class _Watch:
    """Follows a trial's training: reports how it goes, and cuts it short."""

    def __init__(
        self,
        trial: optuna.Trial,
        folder: Path,
        search: Search,
        listener: Callable[[Found], None],
    ) -> None:
        self.trial, self.search, self.listener = trial, search, listener
        losses, self.seconds = _history(folder)
        self.epochs, self.best = len(losses), min(losses, default=np.inf)
        self.limit, self.deadline = 0, search.allowed(search.trials)
        first = next((one for one in search.trials if one.complete and not one.number), None)
        self.dear = max(_MINUTE, _DEAR * first.seconds) if first else np.inf
        frozen = next(one for one in search.study.get_trials(deepcopy=False) if one.number == trial.number)
        self.told = set(frozen.intermediate_values)

    def __call__(self, event: Started | Step | Epoch) -> None:
        self.listener(event)
        if isinstance(event, Started):
            self.limit = event.epochs
        elif isinstance(event, Step):
            if self.trial.number and self.search.spent > self.deadline:
                raise Pruned("the time was over")
        else:
            self._epoch(event)

    def _epoch(self, epoch: Epoch) -> None:
        self.best = min(self.best, epoch.valid_loss)
        if epoch.epoch > self.epochs:
            self.epochs, self.seconds = epoch.epoch, self.seconds + epoch.seconds
        # All parts up to here: trials of other batches, with other numbers of epochs, are compared at the same ones.
        news = range(max(self.told, default=0) + 1, _PARTS * epoch.epoch // self.limit + 1)
        for part in news:
            self.told.add(part)
            self.trial.report(self.best, part)
        if news:
            self.search.note_time()
        self.judge(compared=bool(news))

    def judge(self, *, compared: bool = True) -> None:
        """End the trial if it takes too long, or is worse than most were at this point.

        Asked again where a search goes on: one that was killed behind the last epoch of a trial takes no other.
        """
        if self.trial.number and self.seconds > self.dear:
            raise Pruned(f"it took {_DEAR} times as long as the defaults")
        if compared and self.trial.number and self.told and self.trial.should_prune():
            raise Pruned(f"worse than the median after {100 * max(self.told) // _PARTS} % of its epochs")

    def fill(self, outcome: Outcome) -> None:
        """One that stopped early has for the rest what it kept: later trials are compared with that."""
        for part in range(max(self.told, default=0) + 1, _PARTS + 1):
            self.trial.report(outcome.valid_loss, part)


def _history(folder: Path) -> tuple[list[float], float]:
    """The validation losses of the epochs that a run has behind it, and their seconds."""
    losses, seconds = [], 0.0
    try:
        lines = (folder / place.HISTORY).read_text(encoding="utf-8").splitlines()
    except OSError:
        return [], 0.0
    for line in lines:
        try:
            epoch = json.loads(line)
        except ValueError:
            break  # torn by a kill: this epoch comes again
        losses.append(float(epoch["valid_loss"]))
        seconds += float(epoch["seconds"])
    return losses, seconds


def _drawn(trial: optuna.Trial, name: str, where: Dimension) -> Any:
    if isinstance(where, Choice):
        return trial.suggest_categorical(name, where.values)
    if where.whole:
        return trial.suggest_int(name, int(where.low), int(where.high), log=where.log)
    return _short(trial.suggest_float(name, where.low, where.high, log=where.log))


def _short(value: Any) -> Any:
    """Three digits are enough to say what was tried, and to type it."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _trial(one: optuna.trial.FrozenTrial) -> Trial:
    """A trial as the study remembers it."""
    import optuna

    attrs = one.user_attrs
    reported = list(one.intermediate_values.values())
    complete = one.state == optuna.trial.TrialState.COMPLETE
    best = attrs.get("best", np.inf)
    so_far = best if np.isfinite(best) else min(reported, default=float("nan"))
    loss = one.value if complete and one.value is not None else so_far
    return Trial(
        number=one.number,
        settings={name: _short(value) for name, value in one.params.items()},
        loss=loss,
        complete=complete,
        why=attrs.get("why", ""),
        epochs=attrs.get("epochs", 0),
        seconds=attrs.get("seconds", 0.0),
        scores=attrs.get("scores", {}),
    )
