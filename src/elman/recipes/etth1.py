"""Seven channels of a power transformer, a hundred hours ahead: ETTh1, the usual test of long forecasts.

    2016-07-01 00:00   HUFL 5.83  HULL 2.01  MUFL 1.60  MULL 0.46  LUFL 4.20  LULL 1.34  OT 30.53
    2016-07-01 01:00   HUFL 5.69  HULL 2.08  MUFL 1.49  MULL 0.43  LUFL 4.14  LULL 1.37  OT 27.79

17,420 hours from July 2016 on: six loads and the oil's temperature. The first twelve months are for training, the next
four for validation, four more for the test; every window of 96 hours is continued by 96 hours of all channels.

Published, the root of the mean squared error in standard deviations of the training part (squared: as papers give it):
SegRNN 0.368, DLinear 0.386, iTransformer 0.386, PatchTST 0.414, all from 96 hours (Lin et al. 2023, arXiv 2308.11200;
Liu et al. 2024, arXiv 2310.06625).
"""

from __future__ import annotations

from elman.recipes.fetch import Remote
from elman.recipes.recipe import Published, Recipe, as_published

__all__ = ["RECIPE", "SETTINGS", "ett"]

_BASE = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/1d16c8f4f943005d613b5bc962e9eeb06058cf07/ETT-small/"

SETTINGS = {
    "time": "date",
    "split": "2017-06-26,2017-10-24,2018-02-21",
    "lookback": 96,
    "design": "segments",
    "average": "ema",
    "metric": "rmse",
}
"""Both stations are divided and forecast alike."""


def ett(name: str, sha256: str, published: tuple[Published, ...]) -> Recipe:
    """The recipe of one station."""
    return Recipe(
        name=name.lower(),
        about="seven channels of a power transformer, 96 hours ahead",
        folder="ett_hourly",
        licence="CC BY-ND 4.0",
        files=(Remote(f"{name}.csv", f"{_BASE}{name}.csv", sha256),),
        source="series",
        target="future:96",
        prepare=as_published(f"{name}.csv"),
        settings=SETTINGS,
        minutes=10,
        published=published,
    )


RECIPE = ett(
    "ETTh1",
    "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
    (
        Published("SegRNN (2023), mse 0.368", "rmse", 0.607),
        Published("DLinear (2023), mse 0.386", "rmse", 0.621),
        Published("iTransformer (2024), mse 0.386", "rmse", 0.621),
    ),
)
