"""scikit-learn's own checks of estimators, and those of them that sequences of any length cannot pass, with reasons.

``xfail_strict`` holds the table: a check in it that begins to pass fails here, as one does that is not in it and fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from elman.sklearn import SequenceClassifier, SequenceRegressor

_A_STEP = (
    "a row [T] is a sequence of T steps of one number and may be of any length; n_features_in_ counts the numbers of a "
    "step, so rows of another length are no error"
)

EXPECTED = {
    "SequenceClassifier": {
        "check_n_features_in": _A_STEP,
        "check_n_features_in_after_fitting": _A_STEP,
        "check_classifiers_train": f"its last step: {_A_STEP}",
        "check_estimators_empty_data_messages": "[n, 0] is n sequences without a step, and is refused as that",
    },
    "SequenceRegressor": {
        "check_n_features_in": _A_STEP,
        "check_n_features_in_after_fitting": _A_STEP,
        "check_estimators_empty_data_messages": "[n, 0] is n sequences without a step, and is refused as that",
    },
}
"""The checks that are expected to fail, and why."""

LABELS = SequenceClassifier(hidden=4, epochs=2, lr=0.1, settings={"bidirectional": False})

# One of ten steps tells the number in their data, which a small feed-forward net finds soonest.
NUMBERS = SequenceRegressor("feedforward", hidden=16, epochs=20, dropout=0.0, lr=0.05, settings={"batch": 16})


@parametrize_with_checks(
    [LABELS, NUMBERS],
    expected_failed_checks=lambda estimator: EXPECTED[type(estimator).__name__],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)
