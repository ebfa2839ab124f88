"""Scores are those of their definitions, whatever is missing, unseen or empty."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from elman import InputError
from elman.data.batch import naive_errors
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut
from elman.model.kinds.number import LEVELS, NumberOut
from elman.model.kinds.text import TokenOut
from elman.training.measures import (
    Scores,
    check_metric,
    class_scores,
    headline,
    metrics_of,
    set_scores,
)
from elman.training.numbers import number_scores

LABEL, LABELS = LabelOut(column="y", classes=["a", "b"]), LabelsOut(columns=["y"], classes=["a", "b"])
NUMBER = NumberOut(columns=["y"], mean=[0.0], scale=[2.0])


def _f1(said: np.ndarray, truth: np.ndarray) -> float:
    return 2 * int((said & truth).sum()) / max(1, int(said.sum() + truth.sum()))


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 3)), min_size=1, max_size=20))
def test_scores_of_one_class_are_those_of_the_definition(pairs: list[tuple[int, int]]) -> None:
    truth, said = (np.array(side) for side in zip(*pairs, strict=True))
    chances = np.full((len(said), 4), 0.1)
    chances[np.arange(len(said)), said] = 0.7
    found = class_scores(chances, truth, top=3)
    assert found.count == len(truth)
    assert found.values["accuracy"] == pytest.approx((truth == said).mean())
    # A class counts if it came or was said; what training never saw (-1) is no class, and always an error.
    each = [_f1(said == k, truth == k) for k in range(4) if (said == k).any() or (truth == k).any()]
    assert found.values["macro_f1"] == pytest.approx(np.mean(each))
    chance = np.where(truth == said, 0.7, np.where(truth < 0, 1e-12, 0.1))
    assert found.values["nats"] == pytest.approx(-np.log(chance).mean())
    assert found.values["top3"] >= found.values["accuracy"]
    assert found.confusion is not None
    assert found.confusion.sum() == (truth >= 0).sum()


def test_one_of_the_three_likeliest_is_enough_for_top3() -> None:
    chances = np.array([[0.4, 0.3, 0.2, 0.1]] * 4)
    assert class_scores(chances, np.arange(4), top=3).values["top3"] == 0.75


def test_no_example_has_the_score_nought() -> None:
    found = class_scores(np.zeros((0, 3)), np.zeros(0, dtype=np.int64))
    assert set(found.values.values()) == {0.0}


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(hnp.arrays(np.bool_, (n, 3)), hnp.arrays(np.bool_, (n, 3)), st.just(n))
    )
)
def test_scores_of_several_classes_are_those_of_the_definition(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    said, truth, _ = case
    found = set_scores(np.where(said, 0.8, 0.3), said, truth.astype(float)).values
    assert found["macro_f1"] == pytest.approx(np.mean([_f1(said[:, k], truth[:, k]) for k in range(3)]))
    assert found["micro_f1"] == pytest.approx(_f1(said.ravel(), truth.ravel()))
    assert found["exact"] == pytest.approx(np.mean([(a == b).all() for a, b in zip(said, truth, strict=True)]))
    chance = np.where(said, 0.8, 0.3)
    assert found["nats"] == pytest.approx(-np.log(np.where(truth, chance, 1 - chance)).mean())


def test_a_missing_target_is_no_error_and_no_hit() -> None:
    target = np.array([[[1.0]], [[np.nan]], [[5.0]]])
    found = np.repeat(np.zeros((3, 1, 1, 1)), len(LEVELS), axis=-1)
    found[..., LEVELS.index(0.9)] = 2.0
    made = number_scores(found, target, NUMBER)
    assert made.values["mae"] == 3.0
    assert made.values["rmse"] == pytest.approx(np.sqrt(13.0))
    assert made.values["mae_units"] == 6.0
    assert made.values["coverage"] == 0.5


def test_columns_of_several_units_have_an_error_each() -> None:
    out = NumberOut(columns=["y", "z"], mean=[0.0, 0.0], scale=[2.0, 10.0])
    found = np.zeros((2, 1, 2, len(LEVELS)))
    made = number_scores(found, np.array([[[1.0, 1.0]], [[3.0, 1.0]]]), out)
    assert made.values["mae"] == 1.5
    assert made.values["mae_y"] == 4.0
    assert made.values["mae_z"] == 10.0
    assert "mae_units" not in made.values


def test_the_metric_that_is_wanted_comes_first() -> None:
    scores = Scores({"accuracy": 0.5, "nats": 1.0}, 2)
    assert next(iter(headline(scores, "nats").values)) == "nats"
    assert list(headline(Scores({"accuracy": 0.5, "nats": 1.0}, 2), "").values) == ["accuracy", "nats"]
    assert list(headline(Scores({"mae": 0.5}, 2), "coverage").values) == ["mae"]


@pytest.mark.parametrize(
    ("out", "target", "known"),
    [
        (LABEL, "label", ("accuracy", "macro_f1", "nats")),
        (LABEL, "next", ("accuracy", "macro_f1", *(["top3"] if len(LABEL.classes) > 3 else []), "nats")),
        (LabelOut(column="y", classes=list("abcd")), "next", ("accuracy", "macro_f1", "top3", "nats")),
        (LABELS, "labels", ("macro_f1", "micro_f1", "exact", "nats")),
        (NUMBER, "number", ("mae", "rmse", "pinball")),
        (NUMBER, "future", ("mae", "rmse", "mase", "smape", "pinball")),
        (TokenOut(size=3), "next", ("nats",)),
    ],
)
def test_every_output_has_its_metrics(out: object, target: str, known: tuple[str, ...]) -> None:
    assert metrics_of(out, target) == known
    for metric in known:
        check_metric(metric, out, target)
    with pytest.raises(InputError, match=r"--metric f1: no score of this\..* There is: "):
        check_metric("f1", out, target)


# Forecasts ----------------------------------------------------------------------------------------------------


def test_counts_that_were_scaled_and_back_meet_their_quantiles() -> None:
    """Of ties none comes out below or above by the last digits of float32."""
    out = NumberOut(columns=["y"], mean=[2.1], scale=[1.37], likelihood="negbin")
    counts = np.arange(6.0)
    target = ((counts - 2.1) / 1.37).astype(np.float32)[:, None, None]
    quantile = np.float32((np.float32(3.0) - np.float32(2.1)) / np.float32(1.37))
    made = number_scores(np.full((6, 1, 1, len(LEVELS)), quantile), target, out)
    assert made.reached.tolist() == [4 / 6] * len(LEVELS)
    assert made.values["coverage"] == pytest.approx(1 / 6)


def test_percentages_know_a_zero_that_was_scaled_and_back() -> None:
    out = NumberOut(columns=["y"], mean=[0.3], scale=[0.77])
    came = np.array([0.0, 0.0, 2.0, 0.0, 1.0])
    target = ((came - 0.3) / 0.77).astype(np.float32)[:, None, None]
    zero = np.full((5, 1, 1, len(LEVELS)), np.float32(-0.3 / 0.77))
    made = number_scores(zero, target, out, np.full((5, 1), 0.5))
    assert made.values["smape"] == pytest.approx(200 * 2 / 5, rel=1e-5)
    assert made.values["mase"] == pytest.approx(3 / 5 / 0.77 / 0.5, rel=1e-5)


def test_below_zero_there_is_no_percentage() -> None:
    out = NumberOut(columns=["y"], mean=[0.0], scale=[1.0])
    made = number_scores(np.zeros((2, 1, 1, len(LEVELS))), np.array([[[1.0]], [[-1.0]]]), out, np.ones((2, 1)))
    assert "smape" not in made.values
    assert made.values["mase"] == 1.0


def test_the_naive_error_is_that_of_whole_seasons() -> None:
    wave = torch.tensor([0.0, 1.0, 5.0] * 4)[:, None]
    assert naive_errors(wave, 12, 1) == pytest.approx(np.abs(np.diff(wave[:, 0].numpy())).mean())
    assert np.isnan(naive_errors(wave, 12, 3)).all()  # it never errs
    assert np.isnan(naive_errors(wave, 7, 4)).all()  # less than two seasons
    assert naive_errors(wave, 8, 4) == pytest.approx(float((wave[4:8, 0] - wave[:4, 0]).abs().mean()))
