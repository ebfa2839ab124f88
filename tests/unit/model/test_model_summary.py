"""A few numbers a series, and plain models of them."""

from __future__ import annotations

import numpy as np
import pytest

from elman.model.summary import OF_CHANNEL, Logistic, RidgeOnSummary, summary


def test_the_summary_says_what_it_names() -> None:
    line = np.stack([np.array([1.0, 2.0, 3.0, 4.0]), np.array([5.0, 5.0, 1.0, 1.0])], axis=1)
    found = summary([line, line[:1], line[:0]])
    assert found.shape == (3, 2 * len(OF_CHANNEL) + 1)
    mean, spread, low, high, slope, last = found[0, :-1].reshape(len(OF_CHANNEL), 2)
    assert mean.tolist() == [2.5, 3.0]
    assert spread == pytest.approx([np.sqrt(1.25), 2.0])
    assert (low.tolist(), high.tolist(), last.tolist()) == ([1.0, 1.0], [4.0, 5.0], [4.0, 1.0])
    assert slope == pytest.approx([3.0, np.polyfit(np.linspace(0, 1, 4), line[:, 1], 1)[0]])
    assert found[:, -1].tolist() == [4, 1, 0]
    assert found[1, 8:10].tolist() == [0, 0]
    assert not found[2].any()


def test_logistic_regression_is_at_its_minimum() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 3)) * [1, 10, 0] + [0, 5, 2]
    truth = (x[:, 0] + random.normal(size=200) > 0).astype(np.int64) + (x[:, 1] > 12)
    fit = Logistic(x, truth, 3)
    found = fit.chances(x)
    assert found.sum(1) == pytest.approx(np.ones(200))
    # Where the penalised loss is least, its gradient is nil.
    assert found.sum(0) == pytest.approx(np.bincount(truth), abs=1e-2)
    scaled = (x[:, :2] - x[:, :2].mean(0)) / x[:, :2].std(0)
    assert scaled.T @ (found - np.eye(3)[truth]) == pytest.approx(-fit._weight.detach().numpy(), abs=2e-2)


def test_several_classes_each_hold_or_not() -> None:
    x = np.linspace(-2, 2, 80)[:, None]
    truth = np.stack([x[:, 0] > 0, x[:, 0] < 1], axis=1).astype(np.float32)
    found = Logistic(x, truth, 2).chances(x)
    assert ((found > 0.5) == (truth > 0.5)).mean() > 0.97


def test_ridge_finds_a_line() -> None:
    x = np.random.default_rng(0).normal(size=(400, 4))
    y = x @ [[1.0], [-2.0], [0.0], [0.5]] + 3
    assert RidgeOnSummary(x, y).predict(x) == pytest.approx(y, abs=0.05)
