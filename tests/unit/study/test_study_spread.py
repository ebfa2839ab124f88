"""What a few seeds can tell, and the words for it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.study.spread import Paired, Spread
from elman.study.verdict import verdict

VALUES = st.lists(st.floats(-1e3, 1e3).map(lambda v: round(v, 6)), min_size=2, max_size=8)


@given(VALUES)
def test_mean_and_deviation_are_those_of_the_sample(values: list[float]) -> None:
    spread = Spread(tuple(values))
    assert spread.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert spread.deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)


def test_one_value_has_no_deviation() -> None:
    assert math.isnan(Spread((0.5,)).deviation)
    assert str(Spread((0.5,))) == "0.5000"
    assert str(Spread((0.4, 0.6))) == "0.5000 ± 0.1414"


def test_the_interval_is_students() -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with scikit-learn, which is not installed")
    chance = np.random.default_rng(0)
    for n in (2, 3, 5, 10, 31):
        differences = chance.normal(size=n)
        low, high = stats.t.interval(0.95, n - 1, differences.mean(), differences.std(ddof=1) / math.sqrt(n))
        assert Paired(tuple(differences)).half == pytest.approx((high - low) / 2, rel=2e-4)


def test_a_true_lead_is_shown_and_chance_is_not_more_often_than_one_time_in_twenty() -> None:
    chance = np.random.default_rng(1)
    shown = [Paired(tuple(chance.normal(size=3))).shown for _ in range(4000)]
    assert 0.035 < np.mean(np.abs(shown)) < 0.065
    assert Paired((0.10, 0.11, 0.12)).shown == 1
    assert Paired((-0.10, -0.11, -0.12)).shown == -1


def test_equal_differences_of_a_coarse_score_are_no_proof() -> None:
    assert Paired((0.01, 0.01, 0.01)).shown == 1
    assert Paired((0.01, 0.01, 0.01), step=0.01).shown == 0


def test_one_seed_shows_nothing() -> None:
    assert Paired((5.0,)).shown == 0


@given(VALUES, st.floats(-1, 1))
def test_pairs_are_turned_so_that_more_is_better(values: list[float], shift: float) -> None:
    other = [value + shift for value in values]
    more = Paired.of(values, other, more_is_better=True)
    less = Paired.of(values, other, more_is_better=False)
    assert more.mean == pytest.approx(-less.mean)
    assert more.shown == -less.shown


# ------------------------------------------------------------------ words


def words(nets: dict[str, list[float]], baselines: dict[str, float], metric: str = "mae", count: int = 500) -> str:
    seconds = {name: 1.0 + k for k, name in enumerate(nets)}
    by_seed = {name: dict(enumerate(values)) for name, values in nets.items()}
    better = metric == "accuracy"
    return " ".join(verdict(by_seed, baselines, seconds, metric=metric, more_is_better=better, count=count))


def test_a_clear_lead_is_called_one() -> None:
    said = words({"gru": [0.10, 0.11, 0.105], "rnn": [0.20, 0.21, 0.205]}, {"last value": 0.3})
    assert "gru scores best: mae 0.1050" in said
    assert "Ahead of rnn by 0.1000" in said
    assert "gru, rnn beat the best naive baseline (last value" in said
    assert "equal" not in said


def test_a_lead_within_the_spread_is_not_called_one_and_the_fastest_is_named() -> None:
    said = words({"gru": [0.21, 0.10, 0.19], "lstm": [0.10, 0.20, 0.18]}, {})
    assert "Ahead of" not in said
    assert "no larger than chance between seeds may make it" in said
    assert "gru is the fastest" in said


@pytest.mark.parametrize(("rival", "told"), [(0.05, "gru is worse"), (0.105, "gru is not told apart from it")])
def test_a_baseline_that_is_not_beaten_is_recommended(rival: float, told: str) -> None:
    said = words({"gru": [0.10, 0.11, 0.105]}, {"ridge": rival, "last value": 0.9})
    assert "No net is shown to beat the best naive baseline (ridge" in said
    assert told in said
    assert "take it" in said


def test_nets_that_beat_the_baseline_and_those_that_do_not_are_told_apart() -> None:
    said = words({"gru": [0.10, 0.101, 0.102], "rnn": [0.30, 0.301, 0.302]}, {"ridge": 0.2})
    assert "gru beats the best naive baseline" in said
    assert "rnn: worse than it" in said


def test_of_shares_the_size_of_the_test_part_is_told() -> None:
    said = words({"gru": [0.9, 0.91, 0.92], "rnn": [0.8, 0.81, 0.82]}, {}, "accuracy", 100)
    assert "gru scores best" in said
    assert "one of them is 0.0100" in said
    assert "± 0.029" in said


def test_a_single_seed_decides_nothing() -> None:
    said = words({"gru": [0.1], "rnn": [0.9]}, {"ridge": 0.5})
    assert "A single seed shows no spread" in said
    assert "Ahead of" not in said
    assert "gru is ahead of it by 0.4000. One seed shows no spread" in said
    assert "take it" not in said


def test_a_single_net_of_one_seed_far_ahead_is_not_called_as_good_as_a_baseline() -> None:
    said = words({"gru": [0.97]}, {"always": 0.08}, "accuracy", 100)
    assert "gru is ahead of it by 0.8900" in said
    assert "No net is shown" not in said


def test_a_net_that_is_ahead_of_a_baseline_by_chance_or_not_is_not_given_up_for_it() -> None:
    said = words({"gru": [0.97, 0.55], "rnn": [0.01, 0.02]}, {"always": 0.08}, "accuracy", 100)
    assert "gru, rnn are not told apart from it by these seeds" in said
    assert "Ahead on average: gru by 0.6800; more seeds could tell: --seeds 10." in said
    assert "take it" not in said


def test_a_net_that_failed_on_a_seed_is_not_best_by_the_seeds_that_are_left() -> None:
    nets = {"gru": {0: 0.5, 1: 0.5, 2: 0.5}, "rnn": {0: 0.1}}
    said = verdict(nets, {}, {"gru": 1.0, "rnn": 1.0}, metric="mae", more_is_better=False, count=9)
    assert said[0].startswith("gru scores best")
    assert "rnn: not all trainings came to their end." in said[-1]


def test_nothing_to_compare_is_said() -> None:
    assert "nothing to compare" in verdict({}, {}, {}, metric="mae", more_is_better=False, count=0)[0]
