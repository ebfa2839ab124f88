"""What all estimators have in common: settings, training in memory, pickling as plain bytes, saving."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from elman.core.errors import DataError, InputError, nearest
from elman.core.ragged import Ragged
from elman.data.arrays import Sequences, examples_from, sequences_from
from elman.model.file import model_from, serialise
from elman.model.grammar import Part
from elman.model.kinds.series import Gaps, SeriesIn
from elman.model.network import SequenceModel
from elman.training.frames import encoded_rows
from elman.training.memory import learn
from elman.training.settings import Job, job_from

__all__ = ["FEWEST", "SequenceEstimator", "named"]

FEWEST = 3
"""Sequences that are needed at least: some to learn from, and one to choose the epoch by."""

_OF_FILES = (
    "file",
    "source",
    "target",
    "id",
    "time",
    "split",
    "valid",
    "test",
    "known",
    "static",
    "save_every",
    "tensorboard",
    "score_on",
)
"""Settings of a training that say something of files."""

_NESTED = "settings__"


class SequenceEstimator(BaseEstimator):  # type: ignore[misc, unused-ignore]
    """The base of all three estimators; see :class:`~elman.sklearn.SequenceClassifier`.

    A class that inherits has the constructor, ``fit`` and ``predict``, all of its parameters named explicitly, and
    says in ``_TARGET`` which kind is predicted.
    """

    _TARGET = ""
    _TEXTS = True

    # ------------------------------------------------------------------ parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters; deep, also each of the ``settings`` as ``settings__NAME``."""
        found: dict[str, Any] = super().get_params(deep)
        if deep and isinstance(self.settings, dict):
            found |= {_NESTED + name: value for name, value in self.settings.items()}
        return found

    def set_params(self, **params: Any) -> SequenceEstimator:
        """Set parameters, and single ``settings`` as ``settings__NAME``, which makes them searchable by a grid."""
        nested = {name.removeprefix(_NESTED): params.pop(name) for name in [*params] if name.startswith(_NESTED)}
        super().set_params(**params)
        if nested:
            self.settings = {**(self.settings or {}), **nested}
        return self

    def _chosen(self) -> dict[str, Any]:
        """All settings that are not None, as :class:`~elman.training.settings.Job` calls them.

        Raises:
            InputError: ``settings`` names something that is no setting here.
        """
        given = {} if self.settings is None else self.settings
        if not isinstance(given, dict):
            raise InputError(f"settings: expected a dict such as {{'batch': 16}}, got {type(given).__name__}")
        own = {name: value for name, value in super().get_params(False).items() if name in Job.model_fields}
        known = [name for name in Job.model_fields if name not in (*_OF_FILES, "metric", "seed", *own)]
        known += ["variant"] if self._TEXTS else []
        for name in given:
            if name not in known:
                instead = (
                    f"; write {type(self).__name__}({name}=...)." if name in own else f".{nearest(str(name), known)}"
                )
                instead = "; write random_state=..., beside settings." if name == "seed" else instead
                raise InputError(f"settings: unknown setting '{name}'{instead} Known: {', '.join(known)}")
        plain = {
            name: value.item() if isinstance(value, np.generic) else value for name, value in (own | given).items()
        }
        return {name: value for name, value in plain.items() if value is not None}

    def _seed(self) -> int:
        """The seed that a whole number is; else one that is drawn, as scikit-learn does."""
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    # ------------------------------------------------------------------ training

    def _read(self, X: Any) -> Sequences:
        """Sequences to train on, checked."""
        _refuse_sparse(X)
        gaps: Gaps = (self.settings or {}).get("gaps", "error") if isinstance(self.settings, dict) else "error"
        found = sequences_from(X, gaps=gaps, texts=self._TEXTS)
        if len(found) < FEWEST and self._TARGET != "future":
            raise InputError(
                f"X: expected at least {FEWEST} sequences, for one validates, got n_samples={len(found)}; give more"
            )
        return found

    def _learn(self, sequences: Sequences, target: Part, targets: list[Any]) -> None:
        """Train; leaves model_, history_, n_iter_, notes_ and, but for texts, n_features_in_."""
        chosen = self._chosen()
        variant = chosen.pop("variant", "")
        if variant not in ("", "char") or (variant and not sequences.texts):
            raise InputError(f"settings: variant {variant!r}: only texts have one, and only 'char'; leave it out")
        examples = examples_from(sequences, target, targets, variant=variant)
        source = examples.choice.source[0] if examples.choice else None
        sides = {"file": "X", "source": str(source), "target": str(target), "seed": self._seed()}
        with named():
            learnt = learn(job_from({**chosen, **sides}), examples)
        self.model_ = learnt.model
        kept = ("epoch", "train_loss", "valid_loss", "lr")
        self.history_ = [{name: getattr(epoch, name) for name in kept} for epoch in learnt.history.epochs]
        self.n_iter_, self.notes_ = len(learnt.history.epochs), learnt.notes
        if sequences.texts:
            # Of an estimator that was fit on numbers before.
            self.__dict__.pop("n_features_in_", None)
        else:
            self.n_features_in_ = sequences.width

    # ------------------------------------------------------------------ prediction

    def _batches(self, X: Any) -> Iterator[Ragged]:
        """Encoded sequences, some at once; they must be as those of the training."""
        _refuse_sparse(X)
        kind = self.model_.config.input
        found = sequences_from(X, gaps=kind.gaps if isinstance(kind, SeriesIn) else "error", texts=self._TEXTS)
        _check_alike(self, found)
        examples = examples_from(found, Part(self._TARGET), None)
        with named():
            yield from encoded_rows(self.model_, examples)

    # ------------------------------------------------------------------ keeping

    def __getstate__(self) -> dict[str, Any]:
        """For pickle, which joblib and scikit-learn use: the model is safetensors and JSON as bytes."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = serialise(self.model_)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if "model_" in state:
            state["model_"] = model_from(state["model_"], Path("pickle"))
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        gaps = isinstance(self.settings, dict) and self.settings.get("gaps", "error") != "error"
        tags.input_tags.three_d_array, tags.input_tags.string, tags.input_tags.allow_nan = True, self._TEXTS, gaps
        return tags

    model_: SequenceModel
    settings: Any
    random_state: Any


def _refuse_sparse(X: Any) -> None:
    if issparse(X):
        raise InputError("X: sparse matrices hold no sequences; write X.toarray()")


def _check_alike(estimator: SequenceEstimator, found: Sequences) -> None:
    """Refuse what is not of the kind that was learnt from."""
    name, learnt = type(estimator).__name__, getattr(estimator, "n_features_in_", 0)
    if found.texts != (not learnt):
        kinds = ("texts", "numbers") if found.texts else ("numbers", "texts")
        raise InputError(f"X: got {kinds[0]}, but {name} was fit on {kinds[1]}; give {kinds[1]}")
    if found.width != learnt and any(one.size for one in found.items):
        raise InputError(
            f"X: has {found.width} numbers a step, but {name} is expecting {learnt} features as input; give every "
            f"sequence as [T, {learnt}]"
        )
    if found.width != learnt:
        found.items[:] = [np.empty((0, learnt)) for _ in found.items]


@contextmanager
def named() -> Iterator[None]:
    """Have an error about the data name the argument and the item, as those of files name file and line."""
    try:
        yield
    except DataError as error:
        place = "X" if error.row is None else f"X[{error.row}]"
        raise InputError(f"{place}: {error.message}") from error
