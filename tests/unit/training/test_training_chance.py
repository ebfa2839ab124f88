"""Is a difference more than chance, where do models go wrong: both against plain definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from elman.data.batch import ExampleSet, StreamSet, WindowSet
from elman.training.chance import _sign_test, chance, groups_of
from elman.training.measures import Scores, class_scores, set_scores
from elman.training.mistakes import _by_length
from elman.training.verdict import verdict


def _right(right: np.ndarray, groups: np.ndarray | None = None) -> Scores:
    return Scores({"accuracy": float(right.mean())}, len(right), each={"accuracy": right}, groups=groups)


def test_a_large_difference_is_more_than_chance_and_a_small_one_is_not() -> None:
    random = np.random.default_rng(0)
    base = random.random(1000) < 0.6
    better, like = random.random(1000) < 0.9, random.random(1000) < 0.605
    found = chance(_right(better), _right(base), "accuracy")
    assert found is not None
    assert found.sure
    apart = better.mean() - base.mean()
    spread = np.std(better.astype(float) - base) / math.sqrt(1000)
    assert found.low == pytest.approx(apart - 1.96 * spread, abs=0.006)
    assert found.high == pytest.approx(apart + 1.96 * spread, abs=0.006)
    unsure = chance(_right(like), _right(base), "accuracy")
    assert unsure is not None
    assert not unsure.sure


def test_no_better_model_is_called_better_more_often_than_it_may_be() -> None:
    """Of two equal models 200 times over: at most about one in twenty is called better or worse."""
    random = np.random.default_rng(1)
    pairs = [(random.random(60) < 0.7, random.random(60) < 0.7) for _ in range(200)]
    found = [chance(_right(one), _right(two), "accuracy") for one, two in pairs]
    assert sum(one is not None and one.sure for one in found) <= 20
    groups = np.repeat(np.arange(30), 20)
    # Steps of a sequence are right or wrong together: as many steps as they are, they are 30 pieces.
    pairs = [(np.repeat(random.random(30) < 0.7, 20), np.repeat(random.random(30) < 0.7, 20)) for _ in range(200)]
    found = [chance(_right(one, groups), _right(two, groups), "accuracy") for one, two in pairs]
    assert sum(one is not None and one.sure for one in found) <= 24


def test_few_examples_tell_nothing() -> None:
    found = chance(_right(np.ones(5, dtype=bool)), _right(np.zeros(5, dtype=bool)), "accuracy")
    assert found is not None
    assert not found.sure
    assert not found.enough


def test_the_sign_test_is_the_exact_one() -> None:
    mine, other = np.array([1] * 9 + [0]), np.array([0] * 9 + [1])
    assert _sign_test(mine, other) == pytest.approx(2 * 11 / 1024)
    assert _sign_test(mine, mine) == 1.0


@pytest.mark.parametrize("metric", ["macro_f1", "micro_f1", "exact"])
def test_what_a_metric_is_made_of_gives_the_metric(metric: str) -> None:
    random = np.random.default_rng(2)
    truth = random.random((300, 4)) < 0.4
    chances = np.clip(truth * 0.5 + random.random((300, 4)) * 0.6, 0, 1)
    mine = set_scores(chances, chances > 0.5, truth)
    nothing = set_scores(np.full_like(chances, 0.9), np.ones_like(truth), truth)
    found = chance(mine, nothing, metric)
    assert found is not None
    assert found.low < mine.values[metric] - nothing.values[metric] < found.high


def test_what_is_scored_together_hangs_together() -> None:
    series = [torch.zeros(40, 1), torch.zeros(30, 1)]
    windows = groups_of(WindowSet(series, series, [(0, 40), (0, 30)], lookback=6, horizon=3))
    assert windows is not None
    # Forecasts from steps 6 to 37 and from 6 to 27, six to a group and none over two series.
    assert len(windows) == 32 + 22
    assert windows[:6].tolist() == [0] * 6
    assert windows[31] != windows[32]
    assert np.diff(windows).min() >= 0
    assert groups_of(ExampleSet([torch.zeros(3, 1)] * 2, torch.zeros(2))) is None
    steps = groups_of(ExampleSet([torch.zeros(3, 1)] * 25, [torch.zeros(3)] * 25))
    assert steps is not None
    assert steps.tolist() == np.repeat(np.arange(25), 3).tolist()
    stream = groups_of(StreamSet(torch.zeros(600), torch.zeros(600), 64))
    assert stream is not None
    assert stream.max() == 2


def test_the_sentence_says_whether_it_may_be_chance() -> None:
    random = np.random.default_rng(3)
    truth = random.integers(0, 2, 400)
    said = np.where(random.random(400) < 0.9, truth, 1 - truth)
    mine = class_scores(np.eye(2)[said] * 0.8 + 0.1, truth)
    always = class_scores(np.tile([0.6, 0.4], (400, 1)), truth)
    words = verdict(mine, {"always": always}, {"always"})
    assert words.startswith("Better than the best baseline (always) by ")
    assert "More than chance: the lead is +" in words
    few = {"always": class_scores(np.tile([0.6, 0.4], (12, 1)), truth[:12])}
    words = verdict(class_scores(np.eye(2)[said[:12]] * 0.8 + 0.1, truth[:12]), few, {"always"})
    assert "may be chance" in words or "More than chance" in words
    words = verdict(
        class_scores(np.eye(2)[truth[:4]], truth[:4]), {"a": class_scores(np.eye(2)[1 - truth[:4]], truth[:4])}, {"a"}
    )
    assert words == (
        "Ahead of the best baseline (a) by 100.0 points, but that may be chance, for too little was scored (4). "
        "More test data would tell."
    )


def test_lengths_are_told_apart_where_they_differ() -> None:
    lengths = [3] * 10 + [5] * 10 + [9] * 10
    errors = np.array([0.1] * 10 + [0.2] * 10 + [0.9] * 10)
    found = _by_length(lengths, errors)
    assert [(one.first, one.last, one.count) for one in found] == [(3, 3, 10), (5, 5, 10), (9, 9, 10)]
    assert [one.error for one in found] == pytest.approx([0.1, 0.2, 0.9])
    assert sum(one.count for one in _by_length(list(range(100)), np.zeros(100))) == 100
    assert _by_length([4] * 50, np.zeros(50)) == []
    assert _by_length([1, 2, 3], np.zeros(3)) == []
