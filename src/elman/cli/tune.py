"""elman tune"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from elman.cli import show, studies
from elman.cli.options import DATA, LESS, LOOP, NET, SAVE, SIDES, typed, with_options

if TYPE_CHECKING:
    from elman.study.search import Known, Trial
    from elman.study.training import Event
    from elman.study.tune import Tuning

__all__ = ["register"]

_HELP = """
Look for better settings than the defaults, then set the best against the defaults on the test part.

\b
  elman tune reviews.csv --from text:review --to label:sentiment
  elman tune demand.csv --from series:load --to future:24 --time date \\
             --trials 40 --budget 20m
  elman tune --resume runs/reviews-tune

A trial is a training, judged on the validation part; the first has the defaults, poor ones are cut short. An option \
that is given, such as [bold]--cell lstm[/bold], stays as it is; all others of a network are looked for. \
[bold]--budget[/bold] is for all of it. The test part is read once, at the end. What was broken off goes on by the \
same command, and with a larger [bold]--trials[/bold] to more of them. It needs Optuna: pip install 'elman\\[tune]'
"""


def register(app: typer.Typer) -> None:
    app.command("tune", help=_HELP)(tune)


_LOOP = {name: option for name, option in LOOP.items() if name not in ("budget", "find_lr", "score_on")}


@with_options(SIDES, DATA, NET, _LOOP, LESS, SAVE)
def tune(
    given: dict[str, Any],
    file: Annotated[list[str] | None, typer.Argument(help="The data; several plain texts are aligned.")] = None,
    trials: int | None = typer.Option(None, help="Trials, that of the defaults included (20)."),
    seeds: int | None = typer.Option(None, help="Trainings of the defaults and of the best at the end (3)."),
    budget: str | None = typer.Option(None, help="Time for all of it, about: 90s, 10m, 1h."),
    out: str | None = typer.Option(None, help="Folder to make, or to go on in (runs/NAME-tune)."),
    resume: str | None = typer.Option(None, metavar="FOLDER", help="Go on with a search that was broken off."),
) -> None:
    from elman.study import tune as study

    if resume is not None:
        named = {f"--{name.replace('_', '-')}": value is not None for name, value in given.items()}
        studies.refuse_beside_resume(resume, "tune", {"FILE": file, "--seeds": seeds, "--out": out, **named})
        path = Path(resume)
        before = study.again(path, "tune")
        new = {name: value for name, value in (("trials", trials), ("budget", budget)) if value is not None}
        more = {**before.options, **new}
        asked = study.tuning_asked(
            before.settings, trials=more["trials"], seeds=more["seeds"], budget=more.get("budget")
        )
    else:
        settings = studies.asked_for(file, given, "tune")
        number = 20 if trials is None else trials
        asked = study.tuning_asked(settings, trials=number, seeds=3 if seeds is None else seeds, budget=budget)
        path = study.folder_of(asked, out)
    show.err.print(f"{Path(asked.job.file).name}: {asked.job.source} -> {asked.job.target}; writes to {path}")
    watch = _Watch()
    with studies.stoppable("tune", path), watch:
        found = study.tune_asked(asked, path, watch)
    _conclude(found, asked.given)


class _Watch(studies.Watch):
    """A line a trial as well."""

    def __init__(self) -> None:
        super().__init__()
        self._best, self._checked, self._headed, self._name = float("inf"), False, False, "trial 0"

    def __call__(self, event: Event | Known | Trial) -> None:
        from elman.study.search import Known, Trial
        from elman.study.training import Begun, Ended

        if isinstance(event, Trial):
            self._trial(event)
            return
        if isinstance(event, Known):
            self._known(event)
            return
        if isinstance(event, (Begun, Ended)) and not self._checked:
            self._checked = True
            show.err.print("The check, on the test part and seeds that no trial has had:")
        super().__call__(event)

    def _known(self, event: Known) -> None:
        """Trials of an earlier session."""
        self._best = min((one.loss for one in event.trials if one.complete), default=self._best)
        count = len(event.trials)
        self._name = f"trial {count}"
        trials = f"{count} trials are" if count > 1 else "1 trial is"
        show.err.print(f"{trials} there already; the lowest loss is {self._best:.4f}")

    def _trial(self, one: Trial) -> None:
        if not self._headed:
            self._headed = True
            show.err.print("* the best so far   - cut short   (validation loss; trial 0 has the defaults)")
        better = one.complete and one.loss < self._best
        self._best = one.loss if better else self._best
        show.err.print(_line(one, better))
        self._name = f"trial {one.number + 1}"


def _line(one: Trial, better: bool) -> str:
    tried = one.settings
    words = [str(tried[name]) for name in ("cell",) if name in tried]
    if "hidden" in tried:
        words.append(f"{tried.get('layers', '')}{' x ' if 'layers' in tried else ''}{tried['hidden']}")
    words += [f"{name} {tried[name]:.2g}" for name in ("lr", "dropout") if name in tried]
    loss = f"{one.loss:.4f}" if one.loss == one.loss else "none"
    ended = "*" if better else " " if one.complete else "-"
    return f"{one.number:3d}  loss {loss:>7} {ended}  {one.epochs:3d} epochs  {one.seconds:6.1f} s  {', '.join(words)}"


def _conclude(found: Tuning, given: tuple[str, ...]) -> None:
    show.out.print()
    if found.best.number and found.spread("best").values:
        on = {"test": "test part", "valid": "validation part"}[found.outcomes[0].on]
        many = len(found.spread("best").values)
        words = f"{found.metric} on the {on}; mean ± standard deviation over {many} seeds"
        show.out.print(show.wrap(words if many > 1 else f"{found.metric} on the {on}, one seed"))
        show.out.print(_table(found))
    for sentence in found.verdict:
        show.out.print(show.wrap(sentence))
    if found.matters:
        told = ", ".join(f"{name.replace('_', ' ')} {share:.2f}" for name, share in list(found.matters.items())[:5])
        show.out.print(show.wrap(f"Share of the losses' ranks that a setting explains by itself: {told}."))
    show.out.print(f"\nSaved in {found.path} (best.toml, tune.json, tune.svg, study.db)")
    show.out.print("Train with it:")
    show.out.print("  " + show.command("elman", "train", "--config", found.path / "best.toml"))
    if found.best.number:
        show.out.print("or, in full:")
        show.out.print("  " + show.command("elman", "train", *_words(found, given)))


def _table(found: Tuning) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("settings")
    for head in (found.metric.replace("_", " "), "weights", "epochs", "seconds"):
        table.add_column(head, justify="right")
    for which, name in (("best", f"trial {found.best.number}"), ("defaults", "the defaults")):
        runs = [one for one in found.of(which) if one.scores]
        if runs:
            epochs, seconds = (
                sum(each) / len(runs) for each in zip(*((r.epochs, r.seconds) for r in runs), strict=True)
            )
            cells = (str(found.spread(which)), f"{runs[0].weights:,}", f"{epochs:.0f}", f"{seconds:.1f}")
            table.add_row(name, *cells, style="bold" if which == "best" else "")
    return table


def _words(found: Tuning, given: tuple[str, ...]) -> list[str]:
    """The command line of the best settings: what was asked for, and what was found."""
    wanted = {"file", *given, *found.best.settings}
    settings = {name: value for name, value in found.job.model_dump().items() if name in wanted}
    return typed(settings, SIDES, DATA, NET, LOOP, LESS, SAVE)
