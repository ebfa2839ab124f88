"""Seven channels of another power transformer, a hundred hours ahead: ETTh2.

    the same columns, months and parts as of etth1; this station's temperature falls over the two years

Published, mean squared error in standard deviations of the training part: iTransformer 0.297, DLinear 0.333 (Liu et
al. 2024, arXiv 2310.06625).
"""

from __future__ import annotations

from elman.recipes.etth1 import ett
from elman.recipes.recipe import Published

RECIPE = ett(
    "ETTh2",
    "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b",
    (
        Published("iTransformer (2024), mse 0.297", "rmse", 0.545),
        Published("DLinear (2023), mse 0.333", "rmse", 0.577),
    ),
)
