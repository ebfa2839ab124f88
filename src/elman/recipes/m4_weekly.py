"""Thirteen weeks ahead of 359 series at once: the weekly part of the M4 competition.

    W1    1089.2  1078.91  1079.88  1063.58 ...    2,186 weeks, of which thirteen are to be told

80 to 2,597 weeks of each, of finance, industry, demography and more, of all sizes. One model learns from all; what is
scored are the last thirteen weeks of each, once. Some series are parts of others, shifted in time, as in the
competition; a model that learns from all has seen more of what is to come than one of each series alone.

Published, sMAPE and MASE (season 1): Naive2 9.16 and 2.78; the winner, an LSTM in an exponential smoothing, 7.82 and
2.36 (Makridakis, Spiliotis & Assimakopoulos 2020, doi 10.1016/j.ijforecast.2019.04.014).
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from elman.core.errors import InputError
from elman.recipes.fetch import Files, Remote
from elman.recipes.recipe import Parts, Published, Recipe, put

_BASE = "https://raw.githubusercontent.com/Mcompetitions/M4-methods/6c1067e5a57161249b17289a565178dc7a3fb3ca/Dataset/"


def _prepare(files: Files, folder: Path) -> Parts:
    train, test = (_series(files.text(f"Weekly-{part}.csv"), part) for part in ("train", "test"))
    whole = {name: [*values, *test.get(name, [])] for name, values in train.items()}
    return {
        "file": put(folder, "m4_weekly_train.csv", _table(train)),
        "test": put(folder, "m4_weekly_all.csv", _table(whole)),
    }


def _series(text: str, part: str) -> dict[str, list[str]]:
    """The values of every series, as they are written; a row a series, its name first, empty cells behind its end."""
    rows = csv.reader(io.StringIO(text))
    next(rows, None)
    made = {row[0]: [cell for cell in row[1:] if cell] for row in rows if row}
    if not made:
        raise InputError(f"Weekly-{part}.csv: expected a row a series, got none")
    return made


def _table(series: dict[str, list[str]]) -> str:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["series", "week", "value"])
    for name, values in series.items():
        table.writerows((name, week, value) for week, value in enumerate(values, 1))
    return out.getvalue()


RECIPE = Recipe(
    name="m4_weekly",
    about="thirteen weeks ahead of 359 series of all kinds",
    folder="m4_weekly",
    licence="none stated; published for free use",
    files=(
        Remote(
            "Weekly-train.csv",
            _BASE + "Train/Weekly-train.csv",
            "d478d3f6ed673e6ed3c2cb0fbed5425f72eedd51318ebebeb0b5ecfcefc37714",
        ),
        Remote(
            "Weekly-test.csv",
            _BASE + "Test/Weekly-test.csv",
            "3b2bc4be8e636e802260dcd843ca3c5da40536a1fbe1ecb3229a97dae4f44688",
        ),
    ),
    source="series:value",
    target="future:13",
    prepare=_prepare,
    settings={
        "id": "series",
        "time": "week",
        "lookback": 52,
        "season": 1,
        "design": "segments",
        "average": "ema",
        "metric": "smape",
    },
    minutes=15,
    published=(
        Published("Naive2", "smape", 9.16),
        Published("Naive2", "mase", 2.78),
        Published("winner of M4, an LSTM in exponential smoothing (2020)", "smape", 7.82),
        Published("winner of M4, an LSTM in exponential smoothing (2020)", "mase", 2.36),
    ),
)
