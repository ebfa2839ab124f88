"""scikit-learn estimators for sequences of any length; they need ``pip install 'elman[sklearn]'``.

>>> from elman.sklearn import SequenceClassifier
>>> SequenceClassifier().fit(sequences, labels).predict(others)
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("sklearn") is None:
    raise ModuleNotFoundError(
        "elman.sklearn needs scikit-learn; install it: pip install 'elman[sklearn]'", name="sklearn"
    )

from elman.sklearn.estimators import SequenceClassifier, SequenceForecaster, SequenceRegressor

__all__ = ["SequenceClassifier", "SequenceForecaster", "SequenceRegressor"]
