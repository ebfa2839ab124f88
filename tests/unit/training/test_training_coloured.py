"""What is shown word by word: the tags that the model says, and the surprise of every token."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import elman
from elman.training.coloured import sentences, surprises
from elman.training.make import data_of
from elman.training.settings import Job


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> elman.Run:
    folder = tmp_path_factory.mktemp("book")
    (folder / "book.txt").write_text("The cat sat.\nThe dog ran, ä!\n" * 60)
    settings = {"source": "text.char", "target": "next", "epochs": 1, "hidden": 8}
    return elman.train(file=str(folder / "book.txt"), out=folder / "run", **settings)


@pytest.fixture(scope="module")
def news(tmp_path_factory: pytest.TempPathFactory) -> elman.Run:
    folder = tmp_path_factory.mktemp("news")
    rows = [{"words": ["Ann", "sees", f"w{k % 7}", "Rome"], "tags": ["B-PER", "O", "O", "B-LOC"]} for k in range(60)]
    (folder / "news.jsonl").write_text("\n".join(map(json.dumps, rows)))
    settings = {"source": "text:words", "target": "tags:tags", "epochs": 2, "hidden": 8}
    return elman.train(file=str(folder / "news.jsonl"), out=folder / "run", **settings)


def _data(run: elman.Run):  # type: ignore[no-untyped-def]
    import tomllib

    return data_of(Job.model_validate(tomllib.loads((run.path / "run.toml").read_text())), None)


def test_surprises_are_the_losses_of_the_tokens_in_their_order(book: elman.Run) -> None:
    data = _data(book)
    (found,) = surprises(book.model, data.test)
    kind = book.model.config.input
    numbers = [int(data.test.inputs[0]), *data.test.targets[:1500].tolist()]
    assert "".join(one.text for one in found) == kind.decode(numbers)
    assert found[0].expected == []
    mean = float(np.mean([one.nats for one in found[1:]]))
    if len(data.test) <= 1500:
        assert mean == pytest.approx(book.scores.values["nats"], rel=1e-4)
    for one in found[1:]:
        chances = [chance for _, chance in one.expected]
        assert chances == sorted(chances, reverse=True)
        # Nothing is likelier than the likeliest, and what came is among them where it has that chance.
        assert math.exp(-one.nats) <= chances[0] + 1e-6
    page = (book.path / "surprise.html").read_text()
    told = f"{len(found) - 1:,} of the {len(data.test):,} tokens of the test part; {mean:.2f} nats a token here"
    assert told in page
    assert not (book.path / "tags.html").exists()


def test_sentences_stand_as_in_the_file_with_what_is_said_and_what_is_true(news: elman.Run) -> None:
    found = sentences(news.model, _data(news).test)
    assert found
    for one in found:
        assert [one.words[0], one.words[1], one.words[3]] == ["Ann", "sees", "Rome"]
        assert one.true == ["B-PER", "O", "O", "B-LOC"]
    right = np.mean([a == b for one in found for a, b in zip(one.said, one.true, strict=True)])
    assert right == pytest.approx(news.scores.values["accuracy"])
    page = (news.path / "tags.html").read_text()
    assert page.count('class="s"') == len(found)
    assert not (news.path / "surprise.html").exists()
