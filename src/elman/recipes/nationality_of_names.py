"""The language of a surname: 18 languages.

    Bellandini -> Italian
    Zhidovsky  -> Russian
    Katsumura  -> Japanese

The data and the parts are those of names_nationality, whose written names this model can judge.

Published, accuracy, on other parts of the same names: 0.80 to 0.85; always the commonest language 0.47.
"""

from __future__ import annotations

from elman.recipes.names_nationality import FILES, prepare
from elman.recipes.recipe import Published, Recipe

RECIPE = Recipe(
    name="nationality_of_names",
    about="the language of a surname",
    folder="names_nationality",
    licence="MIT",
    files=FILES,
    source="text.char:name",
    target="label:nationality",
    prepare=prepare,
    settings={"split": "split", "hidden": 128, "embedding": 32, "lr": 2e-3, "epochs": 20, "average": "ema"},
    minutes=10,
    published=(Published("a small GRU, other parts of the data", "accuracy", 0.80),),
)
