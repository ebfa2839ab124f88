"""What the epoch is chosen by: the loss, or a metric of the validation part."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import elman
from elman import InputError

TAGS = {"Ann": "B-PER", "Bob": "B-PER", "Lee": "I-PER", "Rome": "B-LOC"}
WORDS = ["sees", "the", "and", "in", "dog", *TAGS]


@pytest.fixture(scope="module")
def news(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chance, file = random.Random(0), tmp_path_factory.mktemp("news") / "news.jsonl"
    rows = []
    for _ in range(60):
        words = [chance.choice(WORDS) for _ in range(chance.randint(2, 6))]
        # A tenth of the tags are wrong, so that loss and F1 do not fall and rise as one.
        tags = [TAGS.get(word, "O") if chance.random() > 0.1 else "O" for word in words]
        rows.append(json.dumps({"words": words, "tags": tags}))
    file.write_text("\n".join(rows))
    return file


def _train(news: Path, out: Path, **settings: object) -> elman.Run:
    return elman.train(
        file=str(news), source="text:words", target="tags:tags", out=out, epochs=12, hidden=8, lr=0.02, **settings
    )


def test_names_in_texts_are_chosen_by_their_f1(news: Path, tmp_path: Path) -> None:
    run = _train(news, tmp_path / "o")
    scores = [epoch.score for epoch in run.history.epochs]
    assert all(score is not None and 0 <= score <= 1 for score in scores)
    assert run.history.best.score == max(score for score in scores if score is not None)
    # The first of equals is kept, and the marks say so.
    assert run.history.best.epoch == 1 + scores.index(run.history.best.score)
    marked = [epoch.epoch for epoch in run.history.epochs if epoch.best]
    assert marked[-1] == run.history.best.epoch
    assert json.loads((tmp_path / "o/report.json").read_text())["settings"]["choose_by"] == "entity_f1"
    kept = elman.load(tmp_path / "o").history.best
    assert kept == run.history.best


def test_the_loss_chooses_on_request_and_everywhere_else(news: Path, tmp_path: Path) -> None:
    run = _train(news, tmp_path / "o", choose_by="loss")
    assert {epoch.score for epoch in run.history.epochs} == {None}
    assert run.history.best.valid_loss == min(epoch.valid_loss for epoch in run.history.epochs)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("mae", r"choose_by='mae': epochs are chosen by loss or entity_f1 or accuracy or macro_f1"),
        ("entityf1", "Did you mean 'entity_f1'"),
        ("nats", "choose_by='nats': epochs are chosen by loss or"),
    ],
)
def test_what_an_epoch_cannot_be_chosen_by_is_refused(news: Path, tmp_path: Path, choice: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _train(news, tmp_path / "o", choose_by=choice)
