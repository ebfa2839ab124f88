"""Names in short, noisy texts: the shared task on emerging entities of WNUT 2017.

    Thinking  about  Bowlounge   on  Saturday  night  .
    O         O      B-location  O   O         O      O

3,394 messages to learn from, 1,009 for validation, 1,287 for the test, whose names hardly occur in the others: that is
what makes it hard. Six kinds of names.

Published, F1 of the names found: the task's best system 41.9, with data from elsewhere (Derczynski et al. 2017,
W17-4418); recurrent nets with a CRF and no other data 20 to 38.
"""

from __future__ import annotations

from pathlib import Path

from elman.recipes.fetch import Files, Remote
from elman.recipes.recipe import Parts, Published, Recipe, put

_BASE = "https://raw.githubusercontent.com/leondz/emerging_entities_17/e52a2d2a71ac1a051ca2d532eef28653c5c02603/"
_TRAIN, _DEV, _TEST = "wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"


def _prepare(files: Files, folder: Path) -> Parts:
    # The ending of the test part says nothing, so it is given one.
    test = put(folder, "emerging.test.conll", files.text(_TEST))
    return {"file": str(files.path(_TRAIN)), "valid": str(files.path(_DEV)), "test": test}


RECIPE = Recipe(
    name="wnut17",
    about="names in short, noisy texts",
    folder="wnut17",
    licence="CC BY 4.0",
    files=(
        Remote(_TRAIN, _BASE + _TRAIN, "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5"),
        Remote(_DEV, _BASE + _DEV, "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8"),
        Remote(_TEST, _BASE + _TEST, "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0"),
    ),
    source="text",
    target="tags",
    prepare=_prepare,
    settings={"dropout": 0.5, "lr": 2e-3, "epochs": 16, "patience": 16, "average": "ema"},
    minutes=30,
    published=(
        Published("recurrent nets with a CRF, no other data: from", "entity_f1", 0.20),
        Published("best of the shared task, other data (2017)", "entity_f1", 0.419),
    ),
)
