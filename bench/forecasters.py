"""Forecasts by elman and by other libraries: the same rows, the same budget, the same scores.

    python bench/forecasters.py run --with elman --set etth1 --out lines.jsonl        (--data DIR or $ELMAN_DATA)
    python bench/forecasters.py run --with neuralforecast --set vic --preset sensible --out lines.jsonl
    python bench/forecasters.py run --with elman --set etth1 --settings hidden=128 dropout=0.3 --out lines.jsonl
    python bench/forecasters.py table lines.jsonl

Each library runs in an environment of its own, which needs numpy beside it: elman; neuralforecast; skforecast with
lightgbm; ``naive`` needs nothing. Sets:

- ``etth1``: oil temperature, hourly; 96 steps from 96 steps, every window of the test rows (8640 / 2880 / 2880 rows).
- ``vic``: electricity demand, half-hourly; 48 steps from 96 steps, four forecasts a day over the second half of 2014;
  trained on 2012-2013, validated on the first half of 2014; temperature, holidays and the clock are known ahead.

Values are standardised by the training rows, and so are the errors. MASE is the mean absolute error divided by that of
the seasonal naive forecast on the training rows (Hyndman & Koehler 2006); seasons: 24 and 336 steps. A training ends
after ``--minutes`` of the process's own time, whatever else the machine does; one thread.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import importlib.metadata
import json
import math
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """One series to forecast; ``[N]`` values in units of the training rows' deviation, ``[N, K]`` known ahead.

    Rows ``[0, valid)`` train, ``[valid, test)`` validate, ``[test, N)`` are forecast, beginning every ``stride`` rows.
    """

    name: str
    times: list[datetime]
    values: Floats
    known: Floats
    names: list[str]
    valid: int
    test: int
    lookback: int
    horizon: int
    season: int
    stride: int

    @property
    def origins(self) -> NDArray[np.int64]:
        """The first row of every forecast."""
        return np.arange(self.test, len(self.values) - self.horizon + 1, self.stride)

    @property
    def truth(self) -> Floats:
        """What is to be forecast, ``[N, H]``."""
        return self.values[self.origins[:, None] + np.arange(self.horizon)]


@dataclass
class Made:
    """What a library gave: forecasts ``[N, H]``, and the seconds that training and forecasting took."""

    forecasts: Floats
    model: str
    train: float = 0.0
    predict: float = 0.0


class Watch:
    """The seconds of a training, of this process alone, whatever else the machine does; ``over`` when spent."""

    def __init__(self, budget: float) -> None:
        self.budget, self.stopped, self.steps = budget, False, 0
        self.began, self.seconds = time.process_time(), 0.0

    def begin(self) -> None:
        self.began = time.process_time()

    def end(self) -> None:
        self.seconds = time.process_time() - self.began

    def over(self) -> bool:
        self.stopped = self.stopped or time.process_time() - self.began > self.budget
        return self.stopped


# Data ---------------------------------------------------------------------------------------------------------


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _standard(values: Floats, count: int) -> Floats:
    """In units of the deviation of the first ``count`` rows, from their mean."""
    return (values - values[:count].mean(0)) / values[:count].std(0)


def etth1(data: Path) -> Task:
    rows = _rows(data / "ett_hourly/ETTh1.csv.gz")[:14400]
    values = _standard(np.array([float(row["OT"]) for row in rows]), 8640)
    times = [datetime.fromisoformat(row["date"]) for row in rows]
    return Task("etth1", times, values, np.zeros((len(rows), 0)), [], 8640, 11520, 96, 96, 24, 1)


def vic(data: Path) -> Task:
    rows = _rows(data / "vic_electricity/vic_electricity.csv.gz")
    times = [datetime.fromisoformat(row["Time"].removesuffix("Z")) for row in rows]
    valid, test = (sum(one < when for one in times) for when in (datetime(2014, 1, 1), datetime(2014, 7, 1)))
    # Whole strides, so that every library forecasts the same windows.
    end = test + 48 + (len(rows) - test - 48) // 12 * 12
    rows, times = rows[:end], times[:end]
    values = _standard(np.array([float(row["Demand"]) for row in rows]), valid)
    warm = _standard(np.array([float(row["Temperature"]) for row in rows]), valid)
    hour = np.array([(one.hour + one.minute / 60) / 24 for one in times]) * 2 * math.pi
    # Days as people live them: the column is the local date.
    day = np.array([datetime.fromisoformat(row["Date"]).weekday() for row in rows]) * 2 * math.pi / 7
    names = ["temperature", "holiday", "hour_sin", "hour_cos", "day_sin", "day_cos"]
    holiday = np.array([float(row["Holiday"] == "TRUE") for row in rows])
    known = np.stack([warm, holiday, np.sin(hour), np.cos(hour), np.sin(day), np.cos(day)], 1)
    return Task("vic", times, values, known, names, valid, test, 96, 48, 336, 12)


SETS: dict[str, Callable[[Path], Task]] = {"etth1": etth1, "vic": vic}


# Scores -------------------------------------------------------------------------------------------------------


def scores(task: Task, forecasts: Floats) -> dict[str, float]:
    """Mean squared and mean absolute error of all steps of all forecasts, and MASE."""
    if forecasts.shape != task.truth.shape or not np.isfinite(forecasts).all():
        raise SystemExit(f"expected finite forecasts {list(task.truth.shape)}, got {list(forecasts.shape)}")
    apart = forecasts - task.truth
    trained = task.values[: task.valid]
    naive = float(np.abs(trained[task.season :] - trained[: -task.season]).mean())
    mae = float(np.abs(apart).mean())
    return {"mse": float((apart**2).mean()), "mae": mae, "mase": mae / naive}


# Libraries ----------------------------------------------------------------------------------------------------


def by_naive(task: Task, settings: dict[str, Any], seed: int, watch: Watch) -> Made:
    """The value a season before; ``season=1``: the last value."""
    season = int(settings.get("season", task.season))
    back = np.arange(task.horizon) % season - season
    name = "last value" if season == 1 else f"seasonal naive ({season})"
    return Made(task.values[task.origins[:, None] + back], name)


def by_elman(task: Task, settings: dict[str, Any], seed: int, watch: Watch) -> Made:
    import elman
    from elman.training.history import Epoch, Step
    from elman.training.interrupt import Interrupted

    # A column may not be read and known ahead: what is known of the past is a column of its own.
    past = [f"{name}_so_far" for name in task.names]

    def hear(event: object) -> None:
        if isinstance(event, Step):
            watch.steps += 1
            if watch.over():
                # As Ctrl-C does: it is saved, and ends below with the best epoch so far.
                raise KeyboardInterrupt
        elif isinstance(event, Epoch):
            watch.end()
        else:
            watch.begin()

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{task.name}.csv")
        with file.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["time", "value", *past, *task.names])
            for when, value, known in zip(task.times, task.values, task.known, strict=True):
                writer.writerow([when.isoformat(" "), repr(float(value)), *map(float, known), *map(float, known)])
        asked = {
            "time": "time",
            "split": ",".join(task.times[k].isoformat() for k in (task.valid, task.test)),
            "lookback": task.lookback,
            "known": ",".join(task.names) or None,
            "threads": 1,
            "seed": seed,
            **settings,
        }
        out, source = Path(folder, "run"), ",".join(["series:value", *past])
        try:
            run = elman.train(file, source, f"future:{task.horizon}:value", out=out, listener=hear, **asked)
        except Interrupted:
            watch.end()
            run = elman.resume(out, finish=True)
        made = _elman_forecasts(task, run, past)
    made.train = watch.seconds
    return made


def _elman_forecasts(task: Task, run: Any, past: list[str]) -> Made:
    began = time.process_time()
    windows: list[Any] = []
    for first in task.origins:
        start, end = first - task.lookback, first + task.horizon
        if not task.names:
            windows.append(task.values[start:first])
            continue
        history = {name: task.known[start:first, k].tolist() for k, name in enumerate(past)}
        ahead = {name: task.known[start:end, k].tolist() for k, name in enumerate(task.names)}
        windows.append({"value": task.values[start:first].tolist(), **history, **ahead})
    found = run.predict(windows).get_column("value").to_numpy().reshape(-1, task.horizon)
    name = f"{run.model.config.net.cell} {run.model.config.net.hidden}"
    return Made(found, name, predict=time.process_time() - began)


def _lightning(watch: Watch) -> Any:
    """A callback that keeps the time and ends the training once it is spent."""
    from pytorch_lightning import Callback

    class Timed(Callback):  # type: ignore[misc]
        def on_fit_start(self, *_: Any) -> None:
            watch.begin()

        def on_fit_end(self, *_: Any) -> None:
            watch.end()

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            watch.steps = trainer.global_step
            trainer.should_stop = trainer.should_stop or watch.over()

    return Timed()


QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False}


def by_neuralforecast(task: Task, settings: dict[str, Any], seed: int, watch: Watch) -> Made:
    import neuralforecast
    import pandas as pd

    kind = getattr(neuralforecast.models, str(settings.get("model", "GRU")))
    own = {name: value for name, value in settings.items() if name != "model"}
    frame = pd.DataFrame({"unique_id": "series", "ds": task.times, "y": task.values})
    frame[task.names] = task.known
    model = kind(
        h=task.horizon,
        random_seed=seed,
        callbacks=[_lightning(watch)],
        **QUIET,
        **{"input_size": task.lookback, "futr_exog_list": task.names or None, **own},
    )
    whole = neuralforecast.NeuralForecast([model], freq=task.times[1] - task.times[0])
    began = time.process_time()
    found = whole.cross_validation(
        frame,
        n_windows=None,
        val_size=task.test - task.valid,
        test_size=len(task.values) - task.test,
        step_size=task.stride,
    )
    spent = time.process_time() - began
    values = found.sort_values(["cutoff", "ds"])[kind.__name__].to_numpy(np.float64).reshape(-1, task.horizon)
    return Made(values, kind.__name__, watch.seconds, spent - watch.seconds)


def by_skforecast(task: Task, settings: dict[str, Any], seed: int, watch: Watch) -> Made:
    """Lags into a regressor, step by step: ridge, or with ``model=lightgbm`` trees."""
    import pandas as pd
    from lightgbm import LGBMRegressor
    from skforecast.recursive import ForecasterRecursive
    from sklearn.linear_model import Ridge

    own = {name: value for name, value in settings.items() if name != "model"}
    trees = settings.get("model") == "lightgbm"
    regressor = LGBMRegressor(random_state=seed, n_jobs=1, verbose=-1, **own) if trees else Ridge(**own)
    index = pd.date_range(task.times[0], periods=len(task.times), freq=task.times[1] - task.times[0])
    series = pd.Series(task.values, index=index, name="y")
    known = pd.DataFrame(task.known, index=index, columns=task.names) if task.names else None
    forecaster = ForecasterRecursive(estimator=regressor, lags=task.lookback)
    watch.begin()
    forecaster.fit(series[: task.valid], exog=None if known is None else known[: task.valid])
    watch.end()
    began, found = time.process_time(), []
    for first in task.origins:
        ahead = None if known is None else known.iloc[first : first + task.horizon]
        last = series.iloc[first - task.lookback : first]
        found.append(forecaster.predict(task.horizon, last_window=last, exog=ahead, check_inputs=False).to_numpy())
    return Made(np.stack(found), "LightGBM" if trees else "ridge", watch.seconds, time.process_time() - began)


LIBRARIES: dict[str, Callable[[Task, dict[str, Any], int, Watch], Made]] = {
    "naive": by_naive,
    "elman": by_elman,
    "neuralforecast": by_neuralforecast,
    "skforecast": by_skforecast,
}

SENSIBLE: dict[str, dict[str, Any]] = {
    "naive": {"season": 1},
    "neuralforecast": {
        "encoder_n_layers": 1,
        "encoder_hidden_size": 64,
        "scaler_type": "robust",
        "max_steps": 2000,
        "val_check_steps": 100,
        "early_stop_patience_steps": 5,
    },
    "skforecast": {"model": "lightgbm"},
}
"""One setting beside a library's defaults, as one would choose it without looking at the test rows."""


# Command line -------------------------------------------------------------------------------------------------


def _setting(word: str) -> tuple[str, Any]:
    name, _, value = word.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def run(args: argparse.Namespace) -> None:
    data = args.data or os.environ.get("ELMAN_DATA")
    if not data:
        raise SystemExit("where is the data? --data DIR, or $ELMAN_DATA")
    if args.preset == "sensible" and args.library not in SENSIBLE:
        raise SystemExit(f"--preset sensible: {args.library} has none; say --settings NAME=VALUE ...")
    task = SETS[args.set](Path(data))
    settings = (SENSIBLE[args.library] if args.preset == "sensible" else {}) | dict(map(_setting, args.settings))
    watch = Watch(60 * args.minutes)
    made = LIBRARIES[args.library](task, settings, args.seed, watch)
    line = {
        "set": task.name,
        "library": args.library,
        "version": "" if args.library == "naive" else importlib.metadata.version(args.library),
        "model": made.model,
        "preset": args.preset,
        "settings": settings,
        "seed": args.seed,
        **{name: round(value, 5) for name, value in scores(task, made.forecasts).items()},
        "forecasts": len(made.forecasts),
        "train_seconds": round(made.train, 1),
        "predict_seconds": round(made.predict, 1),
        "minutes": args.minutes,
        "stopped": watch.stopped,
        "steps": watch.steps,
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
        "python": platform.python_version(),
        "date": date.today().isoformat(),
    }
    with args.out.open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")
    print(json.dumps(line))


def _seconds(line: dict[str, Any]) -> str:
    if not line["train_seconds"]:
        return "–"
    return str(timedelta(seconds=round(line["train_seconds"])))[2:] + ("+" if line["stopped"] else "")


def table(lines: list[dict[str, Any]]) -> str:
    """The lines as Markdown, the best first in every set."""
    made = []
    for name in dict.fromkeys(line["set"] for line in lines):
        made += [
            f"| {name} | settings | MSE | MAE | MASE | training, min | forecasting, s |",
            "|---|---|---|---|---|---|---|",
        ]
        for line in sorted((one for one in lines if one["set"] == name), key=lambda one: one["mae"]):
            said = ", ".join(f"{key} {value}" for key, value in line["settings"].items()) or "defaults"
            who = f"{line['library']} {line['version']}".strip() + f", {line['model']}"
            errors = " | ".join(f"{line[key]:.4f}" for key in ("mse", "mae", "mase"))
            made.append(f"| {who} | {said} | {errors} | {_seconds(line)} | {line['predict_seconds']:.0f} |")
        made.append("")
    return "\n".join(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("run")
    one.add_argument("--with", dest="library", choices=LIBRARIES, required=True)
    one.add_argument("--set", choices=SETS, required=True)
    one.add_argument("--preset", choices=("default", "sensible"), default="default")
    one.add_argument("--settings", nargs="*", default=[], metavar="NAME=VALUE")
    one.add_argument("--minutes", type=float, default=10.0)
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--data")
    one.add_argument("--out", type=Path, required=True)
    shown = verbs.add_parser("table")
    shown.add_argument("lines", type=Path)
    args = parser.parse_args()
    if args.verb == "run":
        run(args)
    else:
        print(table([json.loads(line) for line in args.lines.read_text(encoding="utf-8").splitlines()]))


if __name__ == "__main__":
    main()
