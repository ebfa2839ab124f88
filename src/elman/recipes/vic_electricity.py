"""The demand for electricity of a day, every half hour, with its temperature: Victoria, 2012 to 2014.

    2011-12-31 13:00 UTC   4,383 MW   21.4 degrees   holiday
    2011-12-31 13:30 UTC   4,263 MW   21.1 degrees   holiday

52,608 half hours. 2012 and 2013 are for training, the first half of 2014 for validation, the second for the test. A
week is read and a day is forecast, from every half hour on; temperature and holidays of that day are known, as from a
forecast of the weather that is right.

There is no published figure that is comparable. What people use: the same half hour a week before (seasonal-naive).
"""

from __future__ import annotations

from elman.recipes.fetch import Remote
from elman.recipes.recipe import Recipe, as_published

_BASE = (
    "https://raw.githubusercontent.com/skforecast/skforecast-datasets/f8c3d7fe5ec41ef86f93e969c31ec4b469b7c949/data/"
)

RECIPE = Recipe(
    name="vic_electricity",
    about="the demand for electricity of a day, with its temperature",
    folder="vic_electricity",
    licence="BSD 3-Clause; the data by AEMO and the Bureau of Meteorology",
    files=(
        Remote(
            "vic_electricity.csv",
            _BASE + "vic_electricity.csv",
            "6fa81bc3552f8822e984900f727584b82b3f10f41d78a1a0cdda2879a29a122e",
        ),
    ),
    source="series:Demand",
    target="future:48",
    prepare=as_published("vic_electricity.csv"),
    settings={
        "time": "Time",
        "known": "Temperature,Holiday",
        "split": "2014-01-01,2014-07-01",
        "lookback": 336,
        "season": 336,
        "design": "segments",
        "average": "ema",
        "metric": "mase",
    },
    minutes=15,
)
