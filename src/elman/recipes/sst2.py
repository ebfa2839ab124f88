"""Sentiment of a sentence: the Stanford Sentiment Treebank, two classes.

    an edgy thriller that delivers a surprising punch   -> positive
    suffers from a flat script and a low budget         -> negative

6,920 sentences of film reviews to learn from, 872 for validation, 1,821 for the test; lower case, cut into words.

Published, accuracy on this test part: an LSTM 84.9, both ways 87.5, over trees 88.0, all with pretrained word vectors
(Tai, Socher & Manning 2015, arXiv 1503.00075); a convolutional net without any 82.7 (Kim 2014, arXiv 1408.5882).
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from elman.core.errors import InputError
from elman.recipes.fetch import Files, Remote
from elman.recipes.recipe import Parts, Published, Recipe, put

_BASE = (
    "https://raw.githubusercontent.com/clairett/pytorch-sentiment-classification/"
    "457ffd83de90a9d6d472d8ffc31bbffe40a8b236/data/SST2/"
)

_FILES = (
    Remote("train.tsv", _BASE + "train.tsv", "ec192f833a64da08f475488a77b0d0b47db47acd0f458bd18433fc793b569920"),
    Remote("dev.tsv", _BASE + "dev.tsv", "eddea6b39e601dd4e7a672b53cc40fdf6019fa80522f351206c24340ca5d9359"),
    Remote("test.tsv", _BASE + "test.tsv", "831169c7e2e429d6026e1bdbb542f33b636e3e596caad9602ebc953c205928b7"),
)


def _prepare(files: Files, folder: Path) -> Parts:
    made = [put(folder, f"{part}.csv", _table(files.text(f"{part}.tsv"), part)) for part in ("train", "dev", "test")]
    return dict(zip(("file", "valid", "test"), made, strict=True))


def _table(text: str, part: str) -> str:
    """The lines as a table with a head, 0 and 1 by their names."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["sentence", "sentiment"])
    for number, line in enumerate(text.splitlines(), 1):
        sentence, tab, mark = line.rpartition("\t")
        if not tab or mark not in ("0", "1"):
            raise InputError(f"{part}.tsv, line {number}: expected a sentence, a tab and 0 or 1, got {line[:60]!r}")
        table.writerow([sentence, ("negative", "positive")[int(mark)]])
    return out.getvalue()


RECIPE = Recipe(
    name="sst2",
    about="sentiment of a sentence",
    folder="sst2",
    licence="none stated; free for research",
    files=_FILES,
    source="text:sentence",
    target="label:sentiment",
    prepare=_prepare,
    settings={
        "hidden": 128, "embedding": 200, "readout": "mean", "word_dropout": 0.3, "average": "ema",
    },
    minutes=20,
    published=(
        Published("convolutions, no pretrained vectors (Kim 2014)", "accuracy", 0.827),
        Published("LSTM with pretrained vectors (Tai et al. 2015)", "accuracy", 0.849),
        Published("LSTM both ways with pretrained vectors (Tai et al. 2015)", "accuracy", 0.875),
    ),
)  # fmt: skip
