"""The estimators: labels, numbers and forecasts of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from elman.core.errors import InputError, ModelFileError
from elman.data.arrays import sequences_from
from elman.model.answers import chances
from elman.model.file import model_from, serialise
from elman.model.grammar import Part
from elman.model.kinds.label import LabelOut
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import SeriesIn
from elman.sklearn.answers import IntervalEstimator, check_count, class_names, number_targets
from elman.sklearn.base import SequenceEstimator
from elman.sklearn.keep import Kept, classes_from, plain, read_estimator, write_estimator

__all__ = ["SequenceClassifier", "SequenceForecaster", "SequenceRegressor"]


class _Saved(SequenceEstimator):
    """Saving and loading as a folder of elman's."""

    _flat: bool
    classes_: NDArray[Any]

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator into a new folder: safetensors, JSON, and a manifest of sizes and hashes.

        Raises:
            NotFittedError: it is not fitted. InputError: the folder exists, or a parameter is none that JSON knows.
        """
        check_is_fitted(self, "model_")
        classes = vars(self).get("classes_")
        kept = Kept(
            estimator=type(self).__name__,
            params=plain(self.get_params(deep=False)),
            classes=[] if classes is None else classes.tolist(),
            dtype="" if classes is None else classes.dtype.str,
            features=vars(self).get("n_features_in_", 0),
            flat=vars(self).get("_flat", False),
            history=self.history_,
            notes=self.notes_,
        )
        write_estimator(path, kept, serialise(self.model_))

    @classmethod
    def load(cls, path: str | Path) -> Any:
        """Read what :meth:`save` wrote; every byte is checked and nothing is executed, unlike with pickle.

        Raises:
            ModelFileError: missing, damaged, of another version, or of another estimator.
        """
        kept, files = read_estimator(path)
        if kept.estimator != cls.__name__:
            raise ModelFileError(f"{path}: holds a {kept.estimator}; write {kept.estimator}.load({str(path)!r})")
        if unknown := set(kept.params) - set(cls().get_params(deep=False)):
            raise ModelFileError(f"{path}: params: {cls.__name__} has no {', '.join(sorted(unknown))}")
        made = cls(**kept.params)
        made.model_ = model_from(files, Path(path))
        made.history_ = [{**line, "epoch": int(line["epoch"])} for line in kept.history]
        made.n_iter_, made.notes_ = len(kept.history), kept.notes
        if kept.features:
            made.n_features_in_ = kept.features
        if kept.classes:
            made.classes_ = classes_from(kept, path)
        else:
            made._flat = kept.flat
        return made


class SequenceClassifier(ClassifierMixin, _Saved):  # type: ignore[misc, unused-ignore]
    """A recurrent network that tells one label of each sequence.

    ::

        h_t = cell(x_t, h_{t-1})        f = readout(h_1 ... h_T)        p = softmax(W f + b)

    It learns as ``elman train --to label`` does: a tenth of the sequences, drawn with the shares of the labels kept,
    chooses the epoch and ends the training. What is None is chosen from the data, and told in ``notes_``.

    Args:
        cell: ``gru``, ``lstm``, ``rnn`` or ``feedforward``.
        hidden: units a layer. layers: recurrent layers. dropout: from 0 to below 1.
        epochs: passes over the data at the most. lr: learning rate.
        random_state: a whole number is the seed of elman; None or a RandomState draw one.
        settings: any other of :class:`~elman.training.settings.Job`'s by name, such as ``{"batch": 16, "patience": 5,
            "bidirectional": False, "readout": "last", "gaps": "input", "class_weights": "balanced"}``. In a grid they
            are ``settings__batch`` and so on. class_weights may be a dict from labels to weights. Of texts,
            ``{"variant": "char"}`` reads characters.

    Attributes:
        classes_: the labels, sorted. n_features_in_: numbers a step; not there for texts.
        model_: the network. history_: a dict an epoch. n_iter_: epochs trained. notes_: what was chosen, in sentences.
    """

    _TARGET = "label"

    def __init__(
        self,
        cell: str | None = None,
        hidden: int | None = None,
        layers: int | None = None,
        dropout: float | None = None,
        epochs: int | None = None,
        lr: float | None = None,
        random_state: Any = 0,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.cell = cell
        self.hidden = hidden
        self.layers = layers
        self.dropout = dropout
        self.epochs = epochs
        self.lr = lr
        self.random_state = random_state
        self.settings = settings

    def fit(self, X: Any, y: Any) -> SequenceClassifier:
        """Learn from sequences and their labels.

        Args:
            X: a list of ``[T]`` or ``[T, D]``, of any lengths, an array ``[n, T]`` or ``[n, T, D]``, or texts; see
                :func:`elman.data.arrays.sequences_from`.
            y: n labels: strings, whole numbers or booleans.

        Raises:
            InputError: a ValueError that names the argument and the item.
        """
        sequences = self._read(X)
        labels = _labels(y, self)
        check_count(len(sequences), len(labels))
        classes, places = np.unique(labels, return_inverse=True)
        names = class_names(classes)
        if len(classes) < 2:
            raise InputError(f"y: expected at least two classes, got one class only ({names[0]!r})")
        self._learn(sequences, Part("label", "", ("y",)), [names[k] for k in places])
        self.classes_ = classes
        return self

    def _chosen(self) -> dict[str, Any]:
        found = super()._chosen()
        weights = found.get("class_weights")
        if isinstance(weights, dict):
            # A label that is unknown, or no weight, is refused by the one who reads the words.
            given = zip(class_names(np.array(list(weights))), weights.values(), strict=True)
            found["class_weights"] = ",".join(f"{name}={weight}" for name, weight in given)
        return found

    @torch.inference_mode()
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities ``[n, K]``, in the order of ``classes_``; rows sum to 1."""
        check_is_fitted(self, "model_")
        found = np.concatenate([chances(self.model_, rows).double().numpy() for rows in self._batches(X)])
        found /= found.sum(axis=1, keepdims=True)
        out = self.model_.config.output
        known = out.classes if isinstance(out, LabelOut) else []
        made = np.zeros((len(found), len(self.classes_)))
        for k, name in enumerate(class_names(self.classes_)):
            if name in known:
                made[:, k] = found[:, known.index(name)]
        return made

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest label of each sequence, of the type that ``y`` had."""
        likeliest: NDArray[Any] = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = np.asarray(self.classes_)[likeliest]
        return labels


def _labels(y: Any, estimator: SequenceClassifier) -> NDArray[Any]:
    """Labels ``[n]``, checked."""
    if y is None:
        name = type(estimator).__name__
        raise InputError(f"This {name} estimator requires y to be passed, but the target y is None")
    given = np.asarray(y.detach().cpu().numpy() if isinstance(y, torch.Tensor) else y)
    if given.ndim == 2 and given.shape[1] > 1:
        raise InputError(f"y: expected one label a sequence, got shape {list(given.shape)}; bad input shape")
    for k, one in enumerate(given.ravel().tolist()):
        if one is None or one != one:
            raise InputError(f"y[{k}]: expected a label, got {one}. Input y contains NaN")
        if isinstance(one, float) and abs(one) == np.inf:
            raise InputError(
                f"y[{k}]: expected a label, got {one}. Input y contains infinity or a value too large for "
                "dtype('float64')."
            )
    if given.dtype == object and len(kinds := {type(one).__name__ for one in given.ravel()}) > 1:
        raise InputError(f"y: expected labels of one type, got {' and '.join(sorted(kinds))}; write list(map(str, y))")
    labels: NDArray[Any] = column_or_1d(given, warn=True)
    check_classification_targets(labels)
    return labels


class SequenceRegressor(RegressorMixin, _Saved, IntervalEstimator):  # type: ignore[misc, unused-ignore]
    """A recurrent network that tells one or more numbers of each sequence, as quantiles.

    It learns as ``elman train --to number`` does: the pinball loss of seven quantiles, averaged (see
    :class:`~elman.model.kinds.number.NumberHead`); the median is what is predicted. Parameters and attributes are
    those of :class:`SequenceClassifier`, without classes.
    """

    _TARGET = "number"

    def __init__(
        self,
        cell: str | None = None,
        hidden: int | None = None,
        layers: int | None = None,
        dropout: float | None = None,
        epochs: int | None = None,
        lr: float | None = None,
        random_state: Any = 0,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.cell = cell
        self.hidden = hidden
        self.layers = layers
        self.dropout = dropout
        self.epochs = epochs
        self.lr = lr
        self.random_state = random_state
        self.settings = settings

    def fit(self, X: Any, y: Any) -> SequenceRegressor:
        """Learn from sequences and their numbers; see :meth:`SequenceClassifier.fit`.

        Args:
            X: the sequences.
            y: ``[n]``, or ``[n, k]`` for k numbers a sequence.
        """
        sequences = self._read(X)
        if y is None:
            raise InputError("This SequenceRegressor estimator requires y to be passed, but the target y is None")
        targets = number_targets(y)
        check_count(len(sequences), len(targets))
        self._flat = targets.ndim == 1
        rows = targets.reshape(len(targets), -1)
        columns = ("y",) if rows.shape[1] == 1 else tuple(f"y_{k}" for k in range(rows.shape[1]))
        self._learn(sequences, Part("number", "", columns), list(rows))
        return self

    def _shaped(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        return found[:, 0, 0] if self._flat else found[:, 0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class SequenceForecaster(_Saved, IntervalEstimator):  # type: ignore[misc, unused-ignore]
    """A recurrent network that goes on with series: the next ``horizon`` steps, as quantiles.

    It learns as ``elman train --to future:H`` does, from windows of all series together. The last tenth of every
    series, but at least one horizon, chooses the epoch.

    Args:
        horizon: H, steps ahead.
        targets: which numbers of a step are predicted, counted from 0; None for all.
        cell, hidden, epochs, lr, random_state, settings: see :class:`SequenceClassifier`. ``layers``, ``dropout`` and
            ``lookback`` (steps of history that are read; None chooses) are among the settings.

    Attributes:
        n_features_in_, model_, history_, n_iter_, notes_: see :class:`SequenceClassifier`.
        lookback_: steps of history that a series must have to be gone on with.
    """

    _TARGET = "future"
    _TEXTS = False

    def __init__(
        self,
        horizon: int = 1,
        targets: Sequence[int] | None = None,
        cell: str | None = None,
        hidden: int | None = None,
        epochs: int | None = None,
        lr: float | None = None,
        random_state: Any = 0,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.horizon = horizon
        self.targets = targets
        self.cell = cell
        self.hidden = hidden
        self.epochs = epochs
        self.lr = lr
        self.random_state = random_state
        self.settings = settings

    def fit(self, X: Any, y: None = None) -> SequenceForecaster:
        """Learn from series ``[T]`` or ``[T, D]``, of any lengths; what follows in them is the answer, so y is None."""
        if y is not None:
            raise InputError("y: a forecaster learns from what follows in the series themselves; write fit(X)")
        if isinstance(self.horizon, bool) or not isinstance(self.horizon, (int, np.integer)) or self.horizon < 1:
            raise InputError(f"horizon: expected a whole number of at least 1, got {self.horizon!r}")
        series = self._read(X)
        places = _places(self.targets, series.width)
        target = Part("future", "", tuple(series.columns[k] for k in places), int(self.horizon))
        self._flat = series.flat
        self._learn(series, target, [one[:, places] for one in series.items])
        return self

    @property
    def lookback_(self) -> int:
        """Steps of history that are read."""
        check_is_fitted(self, "model_")
        return self.model_.config.lookback

    def _shaped(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        return found[:, :, 0] if self._flat else found

    def score(self, X: Any, y: Any = None) -> float:
        """How much better than repeating the last value: 1 is perfect, 0 as good, below 0 worse.

        ::

            1 - sum |y - prediction| / sum |y - last known value|         averaged over the numbers of a step

        Steps where y is missing, and series of which no value is known, count in neither sum.

        Args:
            X: series.
            y: what followed them, as ``predict`` is shaped; None holds back the last ``horizon`` steps of each.
        """
        check_is_fitted(self, "model_")
        kind = self.model_.config.input
        series = sequences_from(X, gaps=kind.gaps if isinstance(kind, SeriesIn) else "error", texts=False)
        out = self.model_.config.output
        # What it was fit with, whatever has been set since.
        if not isinstance(out, NumberOut):
            raise TypeError("a forecaster predicts numbers")
        given, horizon = series.items, out.horizon
        places = [series.columns.index(name) for name in out.columns]
        if y is None:
            short = next((k for k, one in enumerate(given) if len(one) <= horizon), None)
            if short is not None:
                raise InputError(
                    f"X[{short}]: expected more than {horizon} steps to hold back, got {len(given[short])}"
                )
            truth = np.stack([one[-horizon:, places] for one in given])
            given = [one[:-horizon] for one in given]
        else:
            truth = np.asarray(y, dtype=np.float64)
            check_count(len(given), len(truth))
            if truth.size != len(given) * horizon * len(places):
                wanted = [len(given), horizon, len(places)]
                raise InputError(f"y: expected what followed each series, {wanted}, got shape {list(truth.shape)}")
            truth = truth.reshape(len(given), horizon, len(places))
        last = np.stack([_last_known(one[:, places]) for one in given])
        found = self.predict(given).reshape(truth.shape)
        known = np.isfinite(truth) & np.isfinite(last)
        wrong, naive = (np.where(known, np.abs(truth - one), 0).sum(axis=(0, 1)) for one in (found, last))
        return float(np.mean(np.where(naive > 0, 1 - wrong / np.where(naive > 0, naive, 1), np.where(wrong > 0, 0, 1))))


def _last_known(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """``[1, C]``: the last value of every number that is not missing; NaN where all are."""
    known = np.isfinite(series)
    at = len(series) - 1 - known[::-1].argmax(axis=0)
    return np.where(known.any(axis=0), series[at, np.arange(series.shape[1])], np.nan)[None]


def _places(targets: Sequence[int] | None, width: int) -> list[int]:
    """Which numbers of a step are predicted."""
    if targets is None:
        return list(range(width))
    places = [int(k) for k in targets if isinstance(k, (int, np.integer)) and not isinstance(k, bool)]
    if (
        not places
        or len(places) < len(targets)
        or not all(0 <= k < width for k in places)
        or len(set(places)) < len(places)
    ):
        raise InputError(f"targets: expected numbers from 0 to {width - 1}, each once, got {targets!r}")
    return places
