"""elman demo"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import typer

from elman.cli import show
from elman.cli.train import stoppable
from elman.core.plan import bytes_in_words
from elman.data.sample import CO2
from elman.training.predict import predict, read_for

if TYPE_CHECKING:
    from elman.report import Example
    from elman.run import Run
    from elman.training.scores import Scores

__all__ = ["register"]

_HELP = """
Forecast atmospheric CO2 a year ahead, in about a minute, and compare.

Trains a recurrent and a feed-forward net on a real weekly series that ships with elman (Mauna Loa, 1958-2001) \
and sets both beside what costs nothing. Needs no network and no file of yours.
"""

_WIDTH = 80


def register(app: typer.Typer) -> None:
    app.command("demo", help=_HELP)(demo)


def demo(
    out: str = typer.Option("runs/demo", help="Folder to make; the feed-forward net's is next to it."),
    horizon: int = typer.Option(52, help="Weeks to forecast."),
    epochs: int | None = typer.Option(None, help="Passes over the data at the most."),
) -> None:
    from elman.data.prepare import Request, prepare
    from elman.report import example
    from elman.run import train_job
    from elman.training.settings import job_from

    began = time.monotonic()
    folder = _fresh(Path(out))
    show.err.print(f"weekly CO2 at Mauna Loa, 2,284 weeks -> the next {horizon}; the last fifth is the test")
    runs: dict[str, Run] = {}
    for cell in ("gru", "feedforward"):
        path = folder if cell == "gru" else folder.with_name(folder.name + "-feedforward")
        show.err.print(f"training {cell}")
        job = {"file": str(CO2), "source": "series:co2", "target": f"future:{horizon}", "time": "date", "cell": cell}
        with stoppable(), show.Watch() as watch:
            runs[cell] = train_job(
                job_from(job if epochs is None else {**job, "epochs": epochs}), out=path, listener=watch
            )
    run = runs["gru"]
    data = prepare(Request(str(CO2), "series:co2", f"future:{horizon}", time="date"))
    shown = example(run, data)
    rows: dict[str, Scores] = {f"elman {name}": made.scores for name, made in runs.items() if made.scores}
    _screen(run, {**rows, **run.baselines}, shown, time.monotonic() - began)


def _fresh(path: Path) -> Path:
    """The folder to make; a demo's own folders of an earlier time are numbered past."""
    k = 1
    fresh = path
    while fresh.exists() or fresh.with_name(fresh.name + "-feedforward").exists():
        k += 1
        fresh = path.with_name(f"{path.name}-{k}")
    return fresh


def _screen(run: Run, rows: dict[str, Scores], shown: Example | None, seconds: float) -> None:
    """One screen of 80 columns: scores, picture, cost, what to do next."""
    from elman.pictures import chart

    say = show.out.print
    count = run.scores.count if run.scores else 0
    ahead = run.model.config.target.partition(":")[2]
    say(f"\nCO2 at Mauna Loa, {ahead} weeks ahead: {count:,} forecasts of weeks none was trained on")
    say(show.score_table(rows, "elman gru"))
    mine = rows.pop("elman gru")
    show.explain(mine)
    say(show.wrap(show.verdict(mine, rows, set(run.baselines), early=bool(run.history.stopped))))
    if shown is not None:
        past = len(shown.history)
        text = chart(
            {"history (ppm)": shown.history, "what came": shown.actual, "forecast": shown.forecast},
            starts={"what came": past, "forecast": past},
            lines=("history (ppm)", "what came"),
            x_ends=(f"{past} weeks back", f"{len(shown.actual)} weeks ahead"),
            width=_WIDTH - 2,
            height=12,
        )
        say(text, markup=False)
    entry = run.plan(run.model.config.lookback, 64).entries[0]
    cost = f"{_latency(run)}; {entry.weights:,} recurrent weights; training keeps {bytes_in_words(entry.kept)}"
    say(show.wrap(f"cost: {cost}"))
    say(show.wrap(f"plan: {entry.cell} on {entry.engine} ({entry.reason})"))
    say(show.wrap(f"picture: {run.path / 'forecast.svg'}; all of it took {seconds:.0f} s"))
    say("Next:")
    say("  " + show.command("elman", "predict", run.path, CO2, "--out", "co2-forecast.csv"))
    words = ("train", "YOUR.csv", "--from", "series:COLUMN", "--to", "future:24", "--time", "COLUMN")
    say("  " + show.command("elman", *words))


def _latency(run: Run) -> str:
    """Medians of 50 calls: one forecast from a raw history, and one streamed step."""
    import elman

    series = read_for(run.model, str(CO2), need_target=False)
    session = elman.Session(run.model.trunk)
    frame = torch.zeros(1, run.model.config.input.width)
    forecast = _median(lambda: predict(run.model, series))
    step = _median(lambda: session.push(frame))
    return f"one forecast {forecast * 1e3:.1f} ms, one streamed step {step * 1e6:.0f} us"


def _median(call: Callable[[], object], times: int = 50) -> float:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
