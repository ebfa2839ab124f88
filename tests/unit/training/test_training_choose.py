"""What the epoch is chosen by: the loss, or a metric of the validation part."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

import elman
from elman import InputError
from elman.training.history import Epoch, History
from elman.training.origin import changes

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
    # Of equals the one with the lowest loss is kept, and the marks say so.
    equal = [epoch for epoch in run.history.epochs if epoch.score == run.history.best.score]
    assert run.history.best.valid_loss == min(epoch.valid_loss for epoch in equal)
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


def test_of_equal_scores_the_lower_loss_goes_on_and_wins() -> None:
    def epoch(number: int, loss: float, score: float | None) -> Epoch:
        return Epoch(number, 1.0, loss, 1.0, 0.0, 0.1, 1.0, best=False, score=score)

    history = History([epoch(1, 0.5, 0.0), epoch(2, 0.4, 0.0), epoch(3, 0.6, 0.0)])
    assert history.best.epoch == 2
    history.epochs.append(epoch(4, 0.9, 0.1))
    assert history.best.epoch == 4
    assert History([epoch(1, 0.5, None), epoch(2, 0.4, None)]).best.epoch == 2


def test_a_search_chooses_and_judges_by_the_loss(news: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"choose_by.*a search judges by the loss; leave it out"):
        elman.tune(str(news), "text:words", "tags:tags", out=tmp_path / "t", choose_by="accuracy")


def test_a_training_does_not_go_on_with_another_choice(news: Path, tmp_path: Path) -> None:
    then = origin(choose_by="loss")
    assert not changes(then, origin(choose_by="loss")).impossible
    assert "another score (--choose-by)" in changes(then, origin(choose_by="accuracy")).impossible
    # A training of before there was a choice.
    assert not changes(origin(), origin(choose_by="loss")).impossible


def origin(**settings: str) -> dict[str, Any]:
    return {"where": {}, "settings": settings, "data": {}, "kinds": "", "words": ""}


def test_top3_is_offered_where_there_are_more_than_three(tmp_path: Path) -> None:
    file = tmp_path / "clicks.csv"
    file.write_text("id,page\n" + "".join(f"{k // 5},{'ab'[k % 2]}\n" for k in range(200)))
    with pytest.raises(InputError, match="choose_by='top3': epochs are chosen by loss or accuracy or macro_f1"):
        elman.train(str(file), "events:page", "next:page", id="id", out=tmp_path / "o", choose_by="top3")
