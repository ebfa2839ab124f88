"""Eight currencies, 96 days ahead: where the last value is very hard to beat.

    0.7855  1.6110  0.8617  0.6342  0.2112  0.0068  0.5930  0.5255
    0.7818  1.6100  0.8611  0.6335  0.2112  0.0069  0.5940  0.5240

7,588 days from 1990 to 2016, of Australia, Britain, Canada, Switzerland, China, Japan, New Zealand and Singapore; 60 %
for training, 20 % for validation, 20 % for the test.

A rate that could be told from its past would be traded away. Whether a net is no worse than the last value is what this
recipe shows; the intervals are what it can add. Published are other measures: relative squared errors three days ahead,
an autoregression 0.0228, LSTNet 0.0226, a GRU 0.0192 (Lai et al. 2018, arXiv 1703.07015).
"""

from __future__ import annotations

from pathlib import Path

from elman.core.errors import InputError
from elman.recipes.fetch import Files, Remote
from elman.recipes.recipe import Parts, Recipe, put

_URL = (
    "https://github.com/laiguokun/multivariate-time-series-data/raw/7f402f185cc2435b5e66aed13a3b560ed142e023/"
    "exchange_rate/exchange_rate.txt.gz"
)

_COUNTRIES = "australia,britain,canada,switzerland,china,japan,new_zealand,singapore"


def _prepare(files: Files, folder: Path) -> Parts:
    text = files.text("exchange_rate.txt").strip()
    for number, line in enumerate(text.splitlines(), 1):
        if line.count(",") != _COUNTRIES.count(","):
            raise InputError(f"exchange_rate.txt, line {number}: expected eight numbers, got {line[:60]!r}")
    return {"file": put(folder, "exchange_rate.csv", f"{_COUNTRIES}\n{text}\n")}


RECIPE = Recipe(
    name="exchange_rate",
    about="eight currencies, 96 days ahead",
    folder="exchange_rate",
    licence="none stated; public rates",
    files=(Remote("exchange_rate.txt", _URL, "0127465b51e3cd3c360f8eb2be30cfd294689a2a55903eb8245aafc396626c7f"),),
    source="series",
    target="future:96",
    prepare=_prepare,
    settings={
        "split": "0.6,0.2,0.2",
        "lookback": 96,
        "season": 1,
        "design": "segments",
        "average": "ema",
        "conformal": True,
    },
    minutes=10,
)
