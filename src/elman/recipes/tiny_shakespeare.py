"""A language model of characters: 1.1 million of them from Shakespeare's plays.

    First Citizen:
    Before we proceed any further, hear me spea -> k

The first 88 % are learnt from, 2 % choose the epoch, the last 10 % are the test; 65 different characters. The score is
the mean of -log p of the next character, in nats.

Published, on the last 10 %, which also chose the epoch there: a transformer of 10.7 million weights on a graphics card
1.47, a small one on a laptop's processor in 3 minutes 1.88 (nanoGPT, README); linear recurrent nets 1.55 (Feng et al.
2024, arXiv 2410.01201).
"""

from __future__ import annotations

from pathlib import Path

from elman.recipes.fetch import Files, Remote
from elman.recipes.recipe import Parts, Published, Recipe, put

_BASE = "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/"


def _prepare(files: Files, folder: Path) -> Parts:
    return {"file": put(folder, "shakespeare.txt", files.text("input.txt"))}


RECIPE = Recipe(
    name="tiny_shakespeare",
    about="the next character of plays",
    folder="tiny_shakespeare",
    licence="public domain",
    files=(
        Remote(
            "input.txt",
            _BASE + "tinyshakespeare/input.txt",
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        ),
    ),
    source="text.char",
    target="next",
    prepare=_prepare,
    settings={
        "split": "0.88,0.02,0.10", "cell": "lstm", "hidden": 384, "layers": 2, "dropout": 0.25, "input_dropout": 0.05,
        "batch": 32, "truncate": "64", "lr": 3e-3, "epochs": 15, "weight_decay": 0.1, "average": "ema",
    },
    minutes=30,
    published=(
        Published("small transformer, laptop, 3 minutes (nanoGPT)", "nats", 1.88),
        Published("minLSTM and minGRU (Feng et al. 2024)", "nats", 1.55),
        Published("transformer of 10.7 million weights (nanoGPT)", "nats", 1.47),
    ),
)  # fmt: skip
