"""Compare networks: the same data and parts, several seeds each, beside what costs nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import elman
from elman import pictures
from elman.core.errors import InputError, nearest
from elman.model.config import CELLS
from elman.model.folder import write_file
from elman.model.grammar import parse_target
from elman.study.place import Asked, again, folder_of, in_python, opened
from elman.study.spread import Spread
from elman.study.training import Begun, Ended, Listener, Outcome, StudyInterrupted, Told, refuse_other_counts, trained
from elman.study.verdict import verdict
from elman.training.defaults import choose_loop, choose_net
from elman.training.interrupt import Interrupted
from elman.training.make import data_of
from elman.training.measures import METRICS
from elman.training.settings import Job, job_from, seconds_in

__all__ = [
    "RESULT",
    "Comparison",
    "again",
    "compare",
    "compare_again",
    "compare_asked",
    "comparison_asked",
    "folder_of",
    "nets_for",
]

RESULT, PICTURE = "compare.json", "compare.svg"

_RECURRENT = ("bidirectional", "recurrent_dropout", "weight_drop", "zoneout", "truncate", "memory", "design")
"""Settings that a feed-forward net has no use for."""


@dataclass
class Comparison:
    """What a comparison found.

    Attributes:
        path: its folder; every training has one of its own in it.
        metric: the headline score. more_is_better: whether more of it is better.
        outcomes: of every training.
        baselines: the headline score of what costs nothing, by name.
        notes: what was chosen, and what is to be known of it.
        seeds: how many.
    """

    path: Path
    metric: str
    more_is_better: bool
    outcomes: list[Outcome]
    baselines: dict[str, float]
    notes: list[str] = field(default_factory=list)
    seeds: int = 0

    @property
    def nets(self) -> dict[str, dict[int, float]]:
        """The headline score by net and seed, of the trainings that came to their end."""
        made: dict[str, dict[int, float]] = {}
        for one in self.outcomes:
            if one.scores:
                made.setdefault(one.cell, {})[one.seed] = one.scores[self.metric]
        return made

    def of(self, cell: str) -> list[Outcome]:
        """The trainings of one net that came to their end."""
        return [one for one in self.outcomes if one.cell == cell and one.scores]

    @property
    def ranked(self) -> dict[str, Spread]:
        """The spread of every net's headline score, the best mean first; behind them those that failed on some seeds.

        A mean over fewer seeds is not set against one over all, here as in the verdict.
        """
        nets = self.nets
        spreads = {cell: Spread(tuple(values.values()), self.metric) for cell, values in nets.items()}
        sign = -1 if self.more_is_better else 1
        return dict(sorted(spreads.items(), key=lambda one: (-len(nets[one[0]]), sign * one[1].mean)))

    @property
    def on(self) -> str:
        """The part that was scored: ``test`` or ``valid``."""
        return next((one.on for one in self.outcomes if one.scores), "test")

    @property
    def count(self) -> int:
        """How many were scored."""
        return max((one.count for one in self.outcomes), default=0)

    @property
    def verdict(self) -> list[str]:
        """What it shows, in sentences; see :func:`elman.study.verdict.verdict`."""
        seconds = {cell: Spread(tuple(one.seconds for one in self.of(cell))).mean for cell in self.nets}
        said = verdict(
            self.nets,
            self.baselines,
            seconds,
            metric=self.metric,
            more_is_better=self.more_is_better,
            count=self.count,
        )
        if spent := [one.name for one in self.outcomes if one.spent]:
            said.append(
                f"--budget ended {', '.join(spent)} before the last epoch; with more time they may stand otherwise."
            )
        return said


def compare(
    file: str | Path,
    source: str,
    target: str,
    *,
    cells: Sequence[str] | None = None,
    seeds: int = 3,
    budget: str | None = None,
    out: str | Path | None = None,
    listener: Listener | None = None,
    **settings: Any,
) -> Comparison:
    """Train several networks on one split of a file, over several seeds, and put naive baselines beside them.

    The split is drawn once; a seed is that of weights, order and masks. The epoch is chosen on the validation part,
    what is shown is scored on the test part. Every training is a run of its own in the folder; if the comparison is
    broken off, even by ``kill -9``, the same call goes on where it stood.

    Args:
        file: the data. source: what to read. target: what to predict; see :func:`elman.train`.
        cells: the nets: some of ``gru``, ``lstm``, ``rnn``, ``feedforward``; None takes all that can do the task: a
            feed-forward net writes no text.
        seeds: trainings a net; their seeds are ``seed``, ``seed + 1``, ...
        budget: time for all trainings together, such as ``"10m"``; each may take an equal share, and what one leaves
            goes to no other.
        out: the folder; None takes ``runs/NAME-compare``.
        listener: called with Told, and every Begun, Ended, Started, Step and Epoch.
        settings: any of :class:`~elman.training.settings.Job`'s fields but ``cell``, for all nets alike; the
            feed-forward net goes without those that only recurrent ones have.

    Raises:
        InputError: a setting is wrong; another study stands in the folder; the data have changed.
        StudyInterrupted: it was stopped, and is saved.
    """
    given = {"file": str(file), "source": source, "target": target, **settings}
    with in_python():
        asked = comparison_asked(given, cells=nets_for(target) if cells is None else cells, seeds=seeds, budget=budget)
        return compare_asked(asked, out, listener)


_USUAL = ("gru", "lstm", "rnn", "feedforward")


def nets_for(target: str) -> Sequence[str]:
    """The nets that are compared where none is named, and can do the task."""
    return [name for name in _USUAL if name != "feedforward" or parse_target(target).kind != "text"]


def compare_again(path: str | Path, listener: Listener | None = None) -> Comparison:
    """Go on with a comparison by its folder alone.

    Raises:
        InputError: there is none in this folder, or its data have changed.
    """
    return compare_asked(again(Path(path), "compare"), path, listener)


def comparison_asked(given: dict[str, Any], *, cells: Sequence[str], seeds: int, budget: str | None) -> Asked:
    """Check what is asked for.

    Raises:
        InputError: it cannot be.
    """
    if "cell" in given:
        raise InputError(f"--cell {given['cell']}: several nets are compared; name them: --cells gru,{given['cell']}")
    if not cells:
        raise InputError("--cells: no net is named; as in --cells gru,feedforward")
    for name in cells:
        if name not in CELLS:
            raise InputError(f"--cells {name}: no such net.{nearest(name, CELLS)} There are: {', '.join(CELLS)}")
        if cells.count(name) > 1:
            raise InputError(f"--cells: {name} is named {cells.count(name)} times; name it once")
    if not 1 <= seeds <= 1000:
        raise InputError(f"--seeds {seeds}: expected a number of trainings a net, from 1 to 1000; as in --seeds 3")
    if budget is not None and seconds_in(budget, "--budget") < 0.001 * len(cells) * seeds:
        raise InputError(
            f"--budget {budget}: in {len(cells) * seeds} equal shares that is less than a millisecond each; as in "
            "--budget 10m"
        )
    given = {name: value for name, value in given.items() if value is not None}
    job = job_from(given)
    return Asked("compare", {"cells": list(cells), "seeds": seeds, "budget": budget}, job, tuple(given))


def compare_asked(asked: Asked, out: str | Path | None, listener: Listener | None = None) -> Comparison:
    """:func:`compare` for what is checked already."""
    with opened(asked, folder_of(asked, out)) as path:
        jobs, notes = _jobs(asked)
        failed = _failed(path)
        made = Comparison(path, "", True, [], {}, notes, asked.options["seeds"])
        hear = listener or (lambda _: None)
        if listener is not None:
            listener(Told(notes))
        for number, (name, job) in enumerate(jobs.items(), 1):
            kept = name in failed or (path / name / "report.json").is_file()
            if listener is not None and not kept:
                listener(Begun(name, number, len(jobs)))
            try:
                outcome = failed.get(name) or trained(job, path / name, hear, asked.data)
            except Interrupted as stop:
                raise StudyInterrupted("compare", path, stop) from None
            _add(made, outcome)
            if not kept or number == len(jobs):
                _write(made, asked, len(jobs))
            if listener is not None:
                listener(Ended(outcome, number, len(jobs), kept))
        if made.nets:
            write_file(path / PICTURE, _picture(made).encode())
    return made


def _jobs(asked: Asked) -> tuple[dict[str, Job], list[str]]:
    """The trainings by name, all of one seed before the next; and what is to be said of them."""
    cells, seeds = asked.options["cells"], asked.options["seeds"]
    budget, base = asked.options.get("budget"), asked.job
    if base.seed + seeds > 2**63:
        raise InputError(f"--seed {base.seed}: there are no {seeds} seeds from it on; take a smaller one")
    data = data_of(base)
    notes = [*data.notes]
    shared: dict[str, Any] = {}
    if data.drawn:
        shared["split_seed"] = base.seed if base.split_seed is None else base.split_seed
    if budget is not None:
        share = seconds_in(budget, "--budget") / (len(cells) * seeds)
        shared["budget"] = f"{share:.3f}s"
        notes.append(f"each of the {len(cells) * seeds} trainings may take {share:.3g} s, its share of {budget}")
    jobs: dict[str, Job] = {}
    for seed in range(base.seed, base.seed + seeds):
        for cell in cells:
            off = {name: None for name in _RECURRENT if cell == "feedforward" and getattr(base, name)}
            jobs[f"{cell}-{seed}"] = base.model_copy(update={**shared, **off, "cell": cell, "seed": seed})
            if off and seed == base.seed:
                notes.append(f"feedforward goes without {', '.join(off)}, which only recurrent nets have")
    for cell in cells:
        # What is wrong with one of them is said before the first is trained.
        choose_net(jobs[f"{cell}-{base.seed}"], data)
        choose_loop(jobs[f"{cell}-{base.seed}"], data)
    return jobs, notes


def _failed(path: Path) -> dict[str, Outcome]:
    """Trainings that failed before, by name: they would fail again."""
    try:
        found = json.loads((path / RESULT).read_text(encoding="utf-8"))
        failed = [one for one in found["trainings"] if one.get("trouble")]
        return {
            one["name"]: Outcome(one["name"], one["cell"], one["seed"], {}, trouble=one["trouble"]) for one in failed
        }
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _add(made: Comparison, outcome: Outcome) -> None:
    made.outcomes.append(outcome)
    refuse_other_counts(made.outcomes)
    if not outcome.scores:
        made.notes.append(f"{outcome.name} failed: {outcome.trouble}")
        return
    if not made.metric:
        made.metric = next(iter(outcome.scores))
        made.more_is_better = METRICS[made.metric]
        made.baselines = outcome.baselines or {}


def _write(made: Comparison, asked: Asked, planned: int) -> None:
    """compare.json: everything, after every training."""
    nets = {}
    for cell in made.nets:
        runs = made.of(cell)
        spreads = {name: Spread(tuple(one.scores[name] for one in runs)) for name in runs[0].scores}
        nets[cell] = {
            "scores": {
                name: {"mean": s.mean, **({"deviation": s.deviation} if len(s.values) > 1 else {})}
                for name, s in spreads.items()
            },
            "weights": runs[0].weights,
            "seconds": Spread(tuple(one.seconds for one in runs)).mean,
        }
    record = {
        "asked": {**asked.options, "settings": asked.settings, "sha256": asked.data},
        "finished": len(made.outcomes) == planned,
        "metric": made.metric,
        "more_is_better": made.more_is_better,
        "scored": {"on": made.on, "count": made.count},
        "nets": nets,
        "baselines": made.baselines,
        "verdict": made.verdict,
        "trainings": [one.record() for one in made.outcomes],
        "notes": made.notes,
        "elman": elman.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }
    write_file(made.path / RESULT, (json.dumps(record, indent=1) + "\n").encode())


def _picture(made: Comparison) -> str:
    on = {"test": "test", "valid": "validation"}[made.on]
    better = "more is better" if made.more_is_better else "less is better"
    return pictures.scores_by_seed(
        {cell: spread.values for cell, spread in made.ranked.items()},
        dict(sorted(made.baselines.items(), key=lambda one: one[1], reverse=made.more_is_better)),
        title=f"{made.metric} on the {on} part, over {made.seeds} seed{'s' if made.seeds > 1 else ''}",
        subtitle=f"a dot a seed; bar: mean, line: ± one standard deviation; {made.count:,} scored",
        x_label=f"{made.metric} ({better})",
    )
