"""What costs nothing to predict with, against sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.model.baselines import Ridge, bigram_nats, drift, last_value, majority, season_of, seasonal_naive

HISTORY = np.array([[1.0, 2.0, 4.0, 3.0, 4.0, 6.0], [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]])
"""Two histories of two seasons of three steps."""


def test_the_simplest() -> None:
    assert majority([2, 1, 1, 0]) == 1
    assert last_value(HISTORY, 2).tolist() == [[6.0, 6.0], [1.0, 1.0]]
    assert drift(HISTORY, 2) == pytest.approx(np.array([[7.0, 8.0], [1.2, 1.4]]))
    assert drift(np.array([[3.0]]), 2).tolist() == [[3.0, 3.0]]


def test_the_last_season_is_repeated() -> None:
    assert seasonal_naive(HISTORY, 5, 3)[0].tolist() == [3.0, 4.0, 6.0, 3.0, 4.0]


def test_with_drift_every_season_adds_the_mean_change_of_a_season() -> None:
    # Changes over a season: 3 - 1, 4 - 2, 6 - 4: two a season.
    assert seasonal_naive(HISTORY, 7, 3, with_drift=True)[0].tolist() == [5.0, 6.0, 8.0, 7.0, 8.0, 10.0, 9.0]
    # A history of one season has nothing to compare.
    assert seasonal_naive(HISTORY[:, :3], 3, 3, with_drift=True)[0].tolist() == [1.0, 2.0, 4.0]


def test_ridge_recovers_an_autoregressive_process() -> None:
    random = np.random.default_rng(0)
    # Its changes are autoregressive; its level wanders.
    change = np.zeros(4000)
    for t in range(2, 4000):
        change[t] = 0.6 * change[t - 1] - 0.3 * change[t - 2] + 0.1 * random.normal()
    x = np.cumsum(change)
    windows = np.lib.stride_tricks.sliding_window_view(x, 5)
    ridge = Ridge(windows[:3000, :4], windows[:3000, 4:], penalty=1e-3)
    found = ridge.predict(windows[3000:, :4])[:, 0]
    one, two = windows[3000:, 3] - windows[3000:, 2], windows[3000:, 2] - windows[3000:, 1]
    known = windows[3000:, 3] + 0.6 * one - 0.3 * two
    assert np.abs(found - known).mean() < 0.01
    # The best that anybody can do is the noise.
    assert np.std(windows[3000:, 4] - found) == pytest.approx(0.1, rel=0.05)


def test_ridge_moves_with_the_level() -> None:
    random = np.random.default_rng(1)
    past, future = random.normal(size=(50, 4)), random.normal(size=(50, 2))
    ridge = Ridge(past, future)
    assert ridge.predict(past + 100.0) == pytest.approx(ridge.predict(past) + 100.0)


@pytest.mark.parametrize("season", [4, 7, 10, 12, 24, 33])
@pytest.mark.parametrize("trend", [0.0, 0.05])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_season_is_found_under_trend_and_noise(season: int, trend: float, noise: float) -> None:
    random = np.random.default_rng(season)
    shape = random.normal(size=season)
    steps = np.arange(20 * season)
    series = shape[steps % season] + trend * steps + noise * random.normal(size=len(steps))
    assert season_of(series, 100) == season


def test_where_there_is_no_season_it_is_one() -> None:
    random = np.random.default_rng(0)
    assert season_of(np.cumsum(random.normal(size=500)), 60) == 1
    assert season_of(np.arange(100.0), 50) == 1
    assert season_of(np.ones(100), 50) == 1
    assert season_of(np.arange(4.0), 50) == 1


def test_the_season_of_a_slow_wave_is_its_period() -> None:
    random = np.random.default_rng(0)
    steps = np.arange(1200)
    series = np.sin(2 * np.pi * steps / 52) + 0.001 * steps + 0.05 * random.normal(size=1200)
    assert season_of(series, 120) == 52


def test_a_customary_season_beside_a_flat_minimum_is_preferred() -> None:
    # In these the noise moves the minimum by a step or two.
    for season, seed in ((52, 1), (52, 7), (24, 5), (24, 11), (96, 14)):
        steps = np.arange(30 * season)
        series = np.sin(2 * np.pi * steps / season) + 0.8 * np.random.default_rng(seed).normal(size=len(steps))
        assert season_of(series, 2 * season - 1) == season


def test_bigrams_are_counts_mixed_with_those_of_single_tokens() -> None:
    before, after = np.array([0, 0, 0, 1]), np.array([1, 1, 2, 0])
    # Singles (each plus one, of 3 tokens): 0: 2/7, 1: 3/7, 2: 2/7. After token 0, three pairs: (0,1) twice.
    by_hand = [(2 + 2 * 3 / 7) / (3 + 2), (0 + 2 * 3 / 7) / (1 + 2), (0 + 2 * 2 / 7) / (0 + 2)]
    test = np.array([0, 1, 2]), np.array([1, 1, 0])
    assert bigram_nats((before, after), test, 3).mean() == pytest.approx(-np.mean(np.log(by_hand)))


@given(st.lists(st.integers(0, 4), min_size=3, max_size=30), st.integers(0, 4))
def test_bigrams_are_a_distribution(text: list[int], before: int) -> None:
    tokens = np.array(text)
    train = tokens[:-1], tokens[1:]
    total = sum(np.exp(-bigram_nats(train, (np.array([before]), np.array([after])), 5)[0]) for after in range(5))
    assert total == pytest.approx(1.0)
