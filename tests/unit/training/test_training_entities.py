"""Spans counted as seqeval counts them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.training.entities import add_entities, found_entities
from elman.training.measures import class_scores

CLASSES = ["B-loc", "B-per", "I-loc", "I-per", "O"]
TAGS = st.integers(0, 4)
PAIRS = st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=8), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(pairs=PAIRS)
def test_precision_recall_and_f1_are_those_of_seqeval(pairs: list[list[tuple[int, int]]]) -> None:
    seqeval = pytest.importorskip("seqeval.metrics", reason="seqeval is not installed")
    truth = [[CLASSES[one] for one, _ in sentence] for sentence in pairs]
    said = [[CLASSES[one] for _, one in sentence] for sentence in pairs]
    flat = np.array([pair for sentence in pairs for pair in sentence])
    scores = class_scores(np.eye(5)[flat[:, 1]], flat[:, 0])
    add_entities(scores, flat[:, 1], flat[:, 0], CLASSES, np.array([len(one) for one in pairs]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, theirs in (("entity_f1", "f1_score"), ("precision", "precision_score"), ("recall", "recall_score")):
            expected = getattr(seqeval, theirs)(truth, said, zero_division=0)
            assert scores.values[name] == pytest.approx(expected), name
    assert next(iter(scores.values)) == "entity_f1"
    right, told, came = scores.each["entity_f1"].sum(0)[:, 0]
    assert 2 * right / max(1, told + came) == pytest.approx(scores.values["entity_f1"])


# What seqeval 1.2.2 gives: first and last token, kind.
CASES = [
    ("B-per I-per O B-loc", [(0, 1, "per"), (3, 3, "loc")]),
    ("I-per I-per", [(0, 1, "per")]),
    ("B-per I-loc", [(0, 0, "per"), (1, 1, "loc")]),
    ("B-per B-per I-per", [(0, 0, "per"), (1, 2, "per")]),
    ("O O", []),
    ("I-loc B-loc", [(0, 0, "loc"), (1, 1, "loc")]),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_which_spans_tags_name(text: str, expected: list[tuple[int, int, str]]) -> None:
    tags = np.array([CLASSES.index(name) for name in text.split()])
    fresh = np.arange(len(tags)) == 0
    found = [(int(a), int(b), ["loc", "per"][k]) for a, b, k in found_entities(tags, CLASSES, fresh)]
    assert found == expected


def test_a_span_ends_with_its_sequence() -> None:
    tags = np.array([1, 3, 3, 3])  # B-per I-per | I-per I-per
    assert found_entities(tags, CLASSES, np.array([True, False, True, False])).tolist() == [[0, 1, 1], [2, 3, 1]]


def test_tags_that_training_never_saw_are_spans_of_their_own() -> None:
    found = found_entities(np.array([4, -1, -1]), CLASSES, np.array([True, False, False]))
    assert found.tolist() == [[1, 1, 2], [2, 2, 2]]


def test_sentences_without_a_token_begin_nothing() -> None:
    scores = class_scores(np.eye(5)[[0, 2]], np.array([0, 2]))
    add_entities(scores, np.array([0, 2]), np.array([0, 2]), CLASSES, np.array([0, 1, 0, 1, 0]))
    assert scores.values["entity_f1"] == 1.0
    assert scores.each["entity_f1"].sum(0)[:, 0].tolist() == [2, 2, 2]
