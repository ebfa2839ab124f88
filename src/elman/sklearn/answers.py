"""What comes with estimators beside fit and predict: names of labels, numbers with intervals, checked targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from elman.core.errors import InputError
from elman.model.answers import quantiles
from elman.model.kinds.number import INTERVAL, LEVELS, NumberOut
from elman.sklearn.base import SequenceEstimator

__all__ = ["IntervalEstimator", "check_count", "class_names", "number_targets", "sides_of_interval"]

_MIDDLE = LEVELS.index(0.5)


def check_count(sequences: int, answers: int) -> None:
    """Raise InputError where there is not one answer a sequence, naming the first place that is alone."""
    if sequences != answers:
        more, place = ("X", answers) if sequences > answers else ("y", sequences)
        raise InputError(
            f"y: expected an answer for each of {sequences} sequences, got {answers}: {more}[{place}] stands alone; "
            "inconsistent numbers of samples"
        )


def class_names(classes: NDArray[Any]) -> list[str]:
    """The labels as elman's files would name them: whole numbers without ``.0``."""
    return [str(int(c)) if isinstance(c, float) and c.is_integer() else str(c) for c in classes.tolist()]


def number_targets(y: Any) -> NDArray[np.float64]:
    """Targets ``[n]`` or ``[n, k]`` as float64; raise InputError naming the first that is no finite number."""
    if isinstance(y, torch.Tensor):
        y = y.detach().cpu().numpy()
    try:
        given = np.asarray(y)
    except ValueError as error:
        raise InputError("y: expected an array [n] or [n, k] of numbers, got rows of different lengths") from error
    if given.dtype.kind == "c":
        raise InputError("y: Complex data not supported; give its parts as two columns: [n, 2]")
    if given.ndim not in (1, 2) or (given.ndim == 2 and not given.shape[1]):
        raise InputError(f"y: expected an array [n] or [n, k] of numbers, got shape {list(given.shape)}")
    if given.dtype.kind not in "biuf":
        flat = [one for row in given.tolist() for one in (row if isinstance(row, list) else [row])]
        wrong = next((at for at, one in enumerate(flat) if not isinstance(one, (int, float))), None)
        if wrong is not None:
            k = wrong // (given.shape[1] if given.ndim == 2 else 1)
            raise InputError(f"y[{k}]: expected a number, got {flat[wrong]!r}; for labels use SequenceClassifier")
    made: NDArray[np.float64] = given.astype(np.float64)
    bad = np.argwhere(~np.isfinite(made))
    if len(bad):
        value = made[tuple(bad[0])]
        came = (
            "NaN. Input y contains NaN"
            if np.isnan(value)
            else "inf. Input y contains infinity or a value too large for dtype('float64')"
        )
        raise InputError(f"y[{bad[0][0]}]: expected a finite number, got {came}. Leave such sequences out")
    return made


def sides_of_interval(coverage: float) -> tuple[int, int]:
    """Which quantiles bound the middle ``coverage``; raise InputError where there are none."""
    known = {round(1 - 2 * low, 6): k for k, low in enumerate(LEVELS[:_MIDDLE])}
    place = known.get(round(float(coverage), 6))
    if place is None:
        said = ", ".join(f"{one:g}" for one in sorted(known))
        raise InputError(f"coverage: expected one of {said}, got {coverage!r}; write coverage={INTERVAL:g}")
    return place, len(LEVELS) - 1 - place


class IntervalEstimator(SequenceEstimator, ABC):
    """Numbers come as seven quantiles: the middle one is what is predicted, the others are its interval."""

    _flat: bool

    @abstractmethod
    def _shaped(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        """``[n, H, C]`` as the user's targets were shaped."""

    @torch.inference_mode()
    def _levels(self, X: Any) -> NDArray[np.float64]:
        """All quantiles ``[Q, n, H, C]``, in the data's units."""
        check_is_fitted(self, "model_")
        found = np.concatenate([quantiles(self.model_, rows).double().numpy() for rows in self._batches(X)])
        out = self.model_.config.output
        if not isinstance(out, NumberOut):
            raise TypeError("an estimator of numbers predicts numbers")
        return out.decode(np.moveaxis(found, -1, 0))

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The median of what is predicted, shaped as the targets of ``fit``."""
        return self._shaped(self._levels(X)[_MIDDLE])

    def predict_interval(self, X: Any, coverage: float = INTERVAL) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The ends of the interval that holds the truth with a probability of ``coverage``, each shaped as predicted.

        That of 0.8 is calibrated on the validation part (conformalised quantile regression, Romano, Patterson &
        Candes 2019), of forecasts with ``settings={"conformal": True}``; the others, 0.5 and 0.9, move with it.
        """
        low, high = sides_of_interval(coverage)
        found = self._levels(X)
        return self._shaped(found[low]), self._shaped(found[high])

    def predict_quantiles(self, X: Any, levels: Sequence[float] = LEVELS) -> NDArray[np.float64]:
        """Quantiles, behind the dimensions of what is predicted: ``[..., len(levels)]``.

        Args:
            X: the sequences.
            levels: some of 0.05, 0.1, 0.25, 0.5, 0.75, 0.9 and 0.95.
        """
        wrong = [level for level in levels if level not in LEVELS]
        if wrong or not len(levels):
            raise InputError(f"levels: expected some of {', '.join(map(str, LEVELS))}, got {list(levels)}")
        found = self._levels(X)
        return np.stack([self._shaped(found[LEVELS.index(level)]) for level in levels], axis=-1)
