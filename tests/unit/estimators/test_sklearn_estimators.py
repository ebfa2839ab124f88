"""The estimators with scikit-learn's tools, against elman's own training, kept and loaded, and misused."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import elman
from elman import InputError, ModelFileError
from elman.data.read import read
from elman.sklearn import SequenceClassifier, SequenceForecaster, SequenceRegressor

QUICK: dict[str, Any] = {"hidden": 4, "epochs": 2}


def _drawn(count: int = 30, width: int = 2) -> list[np.ndarray]:
    """Sequences of 3 to 8 steps."""
    draw = np.random.default_rng(3)
    return [draw.normal(size=(int(draw.integers(3, 9)), width)) for _ in range(count)]


X = _drawn()
Y = np.array([float(one[:, 0].mean()) for one in X])
LABELS = np.where(Y > 0, "up", "down")
SERIES = [np.sin(np.arange(n) / 3 + n) + np.random.default_rng(n).normal(0, 0.05, n) for n in (60, 70, 65, 80)]


def _fitted(name: str) -> Any:
    if name == "forecaster":
        return SequenceForecaster(horizon=3, **QUICK).fit(SERIES)
    return SequenceRegressor(**QUICK).fit(X, Y) if name == "regressor" else SequenceClassifier(**QUICK).fit(X, LABELS)


def _given(name: str) -> Any:
    return SERIES if name == "forecaster" else X


NAMES = ("classifier", "regressor", "forecaster")


# ------------------------------------------------------------------ learning


def test_what_can_be_learnt_is_learnt() -> None:
    found = SequenceClassifier(hidden=8, epochs=40, lr=0.03).fit(X * 4, list(LABELS) * 4)
    assert found.score(X * 4, list(LABELS) * 4) > 0.95
    numbers = SequenceRegressor(hidden=8, epochs=40, lr=0.03, dropout=0.0).fit(X * 4, np.tile(Y, 4))
    assert numbers.score(X, Y) > 0.9
    ahead = SequenceForecaster(horizon=3, epochs=10).fit(SERIES)
    assert ahead.score(SERIES) > 0.5


@pytest.mark.parametrize(
    "labels", [["b", "a"], [7, -2], [True, False], [1.0, 0.0], np.array(["u", "v"], dtype=object), torch.tensor([3, 9])]
)
def test_labels_come_back_as_they_were_given(labels: Any) -> None:
    y = [labels[int(k)] for k in Y > 0]
    y = torch.stack(y) if isinstance(labels, torch.Tensor) else np.array(y, dtype=np.asarray(labels).dtype)
    found = SequenceClassifier(**QUICK).fit(X, y)
    expected = np.unique(np.asarray(y))
    np.testing.assert_array_equal(found.classes_, expected)
    assert found.predict(X).dtype == expected.dtype
    chances = found.predict_proba(X)
    np.testing.assert_allclose(chances.sum(1), 1)
    np.testing.assert_array_equal(found.predict(X), expected[chances.argmax(1)])


def test_probabilities_stand_in_the_order_of_the_classes() -> None:
    # elman sorts whole numbers by size, numpy words by their letters: 10 stands behind 9 there and before it here.
    y = np.array(["9", "10", "a"])[np.digitize(Y, [-0.2, 0.2])]
    made = SequenceClassifier(hidden=8, epochs=40, lr=0.03).fit(X * 4, np.tile(y, 4))
    assert made.classes_.tolist() == ["10", "9", "a"]
    assert made.model_.config.output.classes != made.classes_.tolist()
    assert made.score(X, y) > 0.8


def test_numbers_are_shaped_as_they_were_given_and_lie_in_their_intervals() -> None:
    one = SequenceRegressor(**QUICK).fit(X, Y)
    two = SequenceRegressor(**QUICK).fit(X, np.stack([Y, 2 * Y], axis=1))
    column = SequenceRegressor(**QUICK).fit(X, Y[:, None])
    assert (one.predict(X).shape, two.predict(X).shape, column.predict(X).shape) == ((30,), (30, 2), (30, 1))
    np.testing.assert_array_equal(column.predict(X)[:, 0], one.predict(X))
    low, high = two.predict_interval(X)
    wide = two.predict_interval(X, coverage=0.9)
    assert ((wide[0] <= low) & (low <= two.predict(X)) & (two.predict(X) <= high) & (high <= wide[1])).all()
    np.testing.assert_array_equal(two.predict_quantiles(X, [0.1, 0.5, 0.9])[..., 1], two.predict(X))
    assert two.predict_quantiles(X).shape == (30, 2, 7)
    with pytest.raises(InputError, match=r"coverage: expected one of 0.5, 0.8, 0.9, got 0.95"):
        one.predict_interval(X, coverage=0.95)
    with pytest.raises(InputError, match=r"levels: expected some of 0.05, .*got \[0.2\]"):
        one.predict_quantiles(X, [0.2])


def test_forecasts_are_shaped_as_their_series() -> None:
    plain = SequenceForecaster(horizon=3, **QUICK).fit(SERIES)
    assert plain.predict(SERIES).shape == (4, 3)
    assert plain.predict_quantiles(SERIES, [0.1, 0.9]).shape == (4, 3, 2)
    wide = [np.stack([one, one**2], axis=1) for one in SERIES]
    both = SequenceForecaster(horizon=3, **QUICK).fit(wide)
    assert both.predict(wide).shape == (4, 3, 2)
    second = SequenceForecaster(horizon=3, targets=[1], settings={"lookback": 8}, **QUICK).fit(wide)
    assert (second.predict(wide).shape, second.lookback_) == ((4, 3, 1), 8)
    # Only the last lookback steps are read.
    np.testing.assert_array_equal(second.predict(wide), second.predict([one[-8:] for one in wide]))


def test_a_score_is_of_the_targets_of_fit_and_of_known_values_alone() -> None:
    wide = [np.stack([one, 50 - 3 * one], axis=1) for one in SERIES]
    made = SequenceForecaster(horizon=3, targets=[0], **QUICK).fit(wide)
    before = made.score(wide)
    assert made.set_params(targets=[1]).score(wide) == before
    # A last value that is missing: the one before it is repeated, and both sums are of the same steps.
    filled = SequenceForecaster(horizon=3, settings={"gaps": "input"}, **QUICK).fit(SERIES)
    history, truth = [one[:-3].copy() for one in SERIES], np.stack([one[-3:] for one in SERIES])
    history[0][-1] = np.nan
    last = np.stack([one[-2] if k == 0 else one[-1] for k, one in enumerate(history)])[:, None]
    wrong, naive = np.abs(truth - filled.predict(history)).sum(), np.abs(truth - last).sum()
    assert filled.score(history, truth) == pytest.approx(1 - wrong / naive)


def test_the_score_of_a_forecast_is_1_where_it_is_right_and_0_where_it_repeats_the_last_value() -> None:
    made = SequenceForecaster(horizon=3, **QUICK).fit(SERIES)
    history = [one[:-3] for one in SERIES]
    assert made.score(history, made.predict(history)) == 1
    truth = np.stack([one[-3:] for one in SERIES])
    assert made.score(SERIES) == pytest.approx(made.score(history, truth))
    with pytest.raises(InputError, match=r"y: expected what followed each series, \[4, 3, 1\], got shape \[4, 2\]"):
        made.score(history, truth[:, :2])
    assert made.set_params(horizon=9).score(history, truth) == pytest.approx(made.score(SERIES))
    assert made.set_params(targets=[0]).score(history, truth) == pytest.approx(made.score(SERIES))
    naive = np.stack([np.repeat(one[-4], 3) for one in SERIES])
    wrong = np.abs(truth - made.predict(history)).sum()
    assert made.score(SERIES) == pytest.approx(1 - wrong / np.abs(truth - naive).sum())


def test_texts_are_read_by_words_or_characters() -> None:
    texts = ["good fine", "bad poor", "fine good good", "poor bad"] * 10
    y = ["+", "-"] * 20
    words = SequenceClassifier(hidden=8, epochs=15, lr=0.01).fit(texts, y)
    assert words.score(texts, y) == 1
    assert not hasattr(words, "n_features_in_")
    letters = SequenceClassifier(epochs=2, hidden=4, settings={"variant": "char"}).fit(texts, y)
    assert letters.predict(["goodness", ""]).shape == (2,)
    with pytest.raises(InputError, match="X: got numbers, but SequenceClassifier was fit on texts"):
        words.predict(X)
    with pytest.raises(InputError, match="X: got texts, but SequenceClassifier was fit on numbers"):
        _fitted("classifier").predict(texts)


def test_gaps_are_read_where_the_settings_say_so() -> None:
    gaps = [one.copy() for one in X]
    gaps[3][1, 0] = np.nan
    with pytest.raises(InputError, match=r"X\[3\]: expected finite numbers, got NaN at step 1, number 0"):
        SequenceClassifier(**QUICK).fit(gaps, LABELS)
    found = SequenceClassifier(**QUICK, settings={"gaps": "input"}).fit(gaps, LABELS)
    assert found.predict(gaps).shape == (30,)


# ------------------------------------------------------------------ the same as elman train

VOWELS = Path(os.environ.get("ELMAN_DATA", "")) / "ucr_uea"


def _of_ts(path: Path) -> tuple[list[np.ndarray], list[str]]:
    frame = read(path).frame
    channels = [name for name in frame.columns if name not in ("id", "step", "label")]
    groups = frame.partition_by("id", maintain_order=True)
    return [one.select(channels).to_numpy() for one in groups], [str(one["label"][0]) for one in groups]


@pytest.mark.skipif(not VOWELS.is_dir() or "ELMAN_DATA" not in os.environ, reason="needs $ELMAN_DATA/ucr_uea")
def test_on_japanese_vowels_the_score_is_that_of_the_command_line(tmp_path: Path) -> None:
    train, test = (VOWELS / f"JapaneseVowels_{part}.ts.gz" for part in ("TRAIN", "TEST"))
    words = ["--test", test, "--from", "series", "--to", "label", "--epochs", "4", "--hidden", "16", "--seed", "3"]
    command = [sys.executable, "-m", "elman", "train", train, *words, "--out", tmp_path / "run", "--threads", "1"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    scores = json.loads((tmp_path / "run" / "report.json").read_text())["scores"]
    sequences, labels = _of_ts(train)
    made = SequenceClassifier(epochs=4, hidden=16, random_state=3, settings={"threads": 1}).fit(sequences, labels)
    assert made.score(*_of_ts(test)) == scores["accuracy"]
    theirs = elman.load(tmp_path / "run").model.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in made.model_.state_dict().items())


# ------------------------------------------------------------------ scikit-learn's tools


def _halved(sequences: list[np.ndarray]) -> list[np.ndarray]:
    return [one / 2 for one in sequences]


def test_a_grid_reaches_parameters_and_single_settings_in_a_pipeline() -> None:
    pipe = make_pipeline(FunctionTransformer(_halved), SequenceClassifier(epochs=1, settings={"patience": 1}))
    grid = {"sequenceclassifier__hidden": [2, 3], "sequenceclassifier__settings__batch": [8, 16]}
    found = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, LABELS)
    last = found.best_estimator_[-1]
    assert last.settings == {"patience": 1, "batch": found.best_params_["sequenceclassifier__settings__batch"]}
    assert found.predict(X).shape == (30,)
    assert pipe[-1].settings == {"patience": 1}


def test_numpy_numbers_of_a_random_search_are_taken() -> None:
    spread = {"lr": np.array([0.01, 0.02]), "hidden": np.arange(2, 4)}
    search = RandomizedSearchCV(
        SequenceRegressor(epochs=1), spread, n_iter=2, cv=2, random_state=0, error_score="raise"
    )
    assert search.fit(X, Y).best_params_["hidden"] in (2, 3)


def test_forecasters_are_cross_validated_over_series() -> None:
    assert cross_val_score(SequenceForecaster(horizon=2, **QUICK), SERIES, cv=2, error_score="raise").shape == (2,)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_makes_it_the_same_and_the_rest_of_the_program_draws_on(name: str) -> None:
    first = _fitted(name)
    np.random.seed(1)
    drawn = np.random.random()
    np.random.seed(1)
    second = clone(first).fit(*((SERIES,) if name == "forecaster" else (X, Y if name == "regressor" else LABELS)))
    assert np.random.random() == drawn
    np.testing.assert_array_equal(first.predict(_given(name)), second.predict(_given(name)))
    other = clone(first).set_params(random_state=1)
    other.fit(*((SERIES,) if name == "forecaster" else (X, Y if name == "regressor" else LABELS)))
    ways = [one.predict_proba if name == "classifier" else one.predict for one in (first, other)]
    assert (ways[0](_given(name)) != ways[1](_given(name))).any()


def test_a_random_state_or_none_draws_a_seed() -> None:
    made = [SequenceRegressor(**QUICK, random_state=np.random.RandomState(k)).fit(X, Y).predict(X) for k in (5, 5, 6)]
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()
    np.random.seed(8)
    free = [SequenceRegressor(**QUICK, random_state=None).fit(X, Y).predict(X) for _ in range(2)]
    assert (free[0] != free[1]).any()


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        _fitted(name).predict(_given(name))
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ kept


@pytest.mark.parametrize("name", NAMES)
def test_what_is_pickled_or_saved_predicts_the_same(name: str, tmp_path: Path) -> None:
    made = _fitted(name)
    before = made.predict(_given(name))
    file = io.BytesIO()
    joblib.dump(made, file)
    file.seek(0)
    made.save(tmp_path / "kept")
    copies = [joblib.load(file), pickle.loads(pickle.dumps(made)), type(made).load(tmp_path / "kept")]
    for copy in copies:
        np.testing.assert_array_equal(copy.predict(_given(name)), before)
        assert copy.get_params() == made.get_params()
        assert (copy.history_, copy.n_iter_, copy.notes_) == (made.history_, made.n_iter_, made.notes_)
        assert copy.n_features_in_ == made.n_features_in_
        assert (
            copy.score(*((SERIES,) if name == "forecaster" else (X, Y if name == "regressor" else LABELS))) is not None
        )
    assert sorted(p.name for p in (tmp_path / "kept").iterdir()) == [
        "config.json",
        "estimator.json",
        "manifest.json",
        "model.safetensors",
    ]


def test_the_model_is_bytes_in_the_pickle() -> None:
    state = _fitted("classifier").__getstate__()
    assert {name: type(value) for name, value in state["model_"].items()} == {
        "model.safetensors": bytes,
        "config.json": bytes,
    }
    assert pickle.loads(pickle.dumps(SequenceClassifier(hidden=3))).hidden == 3


def test_saving_does_not_overwrite_and_loading_checks(tmp_path: Path) -> None:
    made = _fitted("classifier")
    made.save(tmp_path / "kept")
    with pytest.raises(InputError, match="exists already and is not overwritten"):
        made.save(tmp_path / "kept")
    with pytest.raises(ModelFileError, match=r"holds a SequenceClassifier; write SequenceClassifier\.load"):
        SequenceRegressor.load(tmp_path / "kept")
    with pytest.raises(InputError, match=r"random_state: RandomState.* cannot be saved as JSON"):
        SequenceClassifier(**QUICK, random_state=np.random.RandomState(0)).fit(X, LABELS).save(tmp_path / "other")
    with pytest.raises(NotFittedError):
        SequenceClassifier().save(tmp_path / "other")
    assert not (tmp_path / "other").exists()
    file = tmp_path / "kept" / "estimator.json"
    data = bytearray(file.read_bytes())
    data[40] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(ModelFileError, match=r"estimator\.json"):
        SequenceClassifier.load(tmp_path / "kept")


# ------------------------------------------------------------------ misuse


@pytest.mark.parametrize(
    ("estimator", "x", "y", "said"),
    [
        (SequenceClassifier(), [], [], r"^X: expected at least one sequence"),
        (SequenceClassifier(), X[:2], LABELS[:2], r"^X: expected at least 3 sequences.*n_samples=2"),
        (SequenceClassifier(), X, LABELS[:-2], r"^y: .*30 sequences, got 28: X\[28\] stands alone"),
        (SequenceRegressor(), X[:-1], Y, r"^y: .*29 sequences, got 30: y\[29\] stands alone"),
        (SequenceClassifier(), X, None, r"requires y to be passed, but the target y is None"),
        (SequenceRegressor(), X, None, r"requires y to be passed, but the target y is None"),
        (SequenceClassifier(), X, ["a"] * 30, r"^y: expected at least two classes, got one class only \('a'\)"),
        (
            SequenceClassifier(),
            X,
            np.stack([LABELS, LABELS], 1),
            r"^y: expected one label a sequence, got shape \[30, 2\]",
        ),
        (SequenceClassifier(), X, [None, *LABELS[1:]], r"^y\[0\]: expected a label, got None"),
        (
            SequenceClassifier(),
            X,
            np.array([*["a"] * 15, *range(15)], dtype=object),
            r"^y: expected labels of one type",
        ),
        (SequenceClassifier(), X, Y, r"Unknown label type: continuous"),
        (SequenceRegressor(), X, [*Y[:-1], np.nan], r"^y\[29\]: expected a finite number, got NaN"),
        (SequenceRegressor(), X, LABELS, r"^y\[0\]: expected a number, got '.*'; for labels use SequenceClassifier"),
        (SequenceRegressor(), X, [[1, 2], *[[1]] * 29], r"^y: .*rows of different lengths"),
        (SequenceRegressor(), X, Y + 1j, r"^y: Complex data not supported"),
        (SequenceRegressor(), X, np.ones(30), r"^X: column 'y' is 1 in every row: there is nothing to learn"),
        (SequenceClassifier(settings=3), X, LABELS, r"^settings: expected a dict such as"),
        (
            SequenceClassifier(settings={"batsh": 3}),
            X,
            LABELS,
            r"^settings: unknown setting 'batsh'\. Did you mean 'batch'",
        ),
        (SequenceClassifier(settings={"hidden": 3}), X, LABELS, r"write SequenceClassifier\(hidden=\.\.\.\)"),
        (SequenceClassifier(settings={"seed": 3}), X, LABELS, r"'seed'; write random_state=\.\.\."),
        (SequenceClassifier(settings={"split": "0.8"}), X, LABELS, r"^settings: unknown setting 'split'"),
        (SequenceClassifier(settings={"tensorboard": True}), X, LABELS, r"^settings: unknown setting 'tensorboard'"),
        (SequenceClassifier(settings={"score_on": "valid"}), X, LABELS, r"^settings: unknown setting 'score_on'"),
        (
            SequenceClassifier(settings={"variant": "char"}),
            X,
            LABELS,
            r"^settings: variant 'char': only texts have one",
        ),
        (SequenceClassifier(hidden=0), X, LABELS, r"^hidden: expected at least 1, got 0|^hidden: .*got 0"),
        (SequenceClassifier(dropout=1.5), X, LABELS, r"^dropout: .*got 1\.5"),
        (SequenceClassifier(random_state=-1), X, LABELS, r"^seed: .*got -1"),
        (SequenceClassifier(settings={"lookback": 3}), X, LABELS, r"lookback 3: only forecasts"),
        (SequenceClassifier(settings={"class_weights": {"sideways": 2}}), X, LABELS, r"no class 'sideways'"),
        (SequenceForecaster(), SERIES, Y[:4], r"^y: a forecaster learns from what follows"),
        (SequenceForecaster(horizon=0), SERIES, None, r"^horizon: expected a whole number of at least 1, got 0"),
        (SequenceForecaster(horizon=100), SERIES, None, r"^X(\[0\])?: a forecast of 100 steps needs"),
        (
            SequenceForecaster(targets=[1]),
            SERIES,
            None,
            r"^targets: expected numbers from 0 to 0, each once, got \[1\]",
        ),
        (SequenceForecaster(), ["abc"], None, r"^X\[0\]: expected numbers, got a text"),
    ],
)
def test_misuse_names_the_argument_and_the_item(estimator: Any, x: Any, y: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        estimator.fit(x, y)


def test_class_weights_may_be_a_dict_from_labels() -> None:
    y = (Y > 0).astype(int)
    heavy = SequenceClassifier(**QUICK, settings={"class_weights": {1: 5.0}}).fit(X, y)
    assert heavy.model_.config.output.weights == [1, 5]
    balanced = SequenceClassifier(**QUICK, settings={"class_weights": "balanced"}).fit(X, y)
    assert balanced.model_.config.output.weights != [1, 1]


def test_prediction_is_refused_by_item_too() -> None:
    made = _fitted("classifier")
    with pytest.raises(InputError, match=r"X: has 3 numbers a step, but SequenceClassifier is expecting 2 features"):
        made.predict(_drawn(3, 3))
    with pytest.raises(InputError, match=r"X\[1\]: expected finite numbers, got inf at step 0"):
        made.predict([X[0], [[np.inf, 0]]])
    assert made.predict([np.empty((0, 2)), []]).shape == (2,)
    ahead = _fitted("forecaster")
    with pytest.raises(InputError, match=r"X\[1\]: .*has 2 steps, but this model reads \d+ before it predicts"):
        ahead.predict([SERIES[0], SERIES[1][:2]])
    with pytest.raises(InputError, match=r"X\[0\]: expected more than 3 steps to hold back, got 3"):
        ahead.score([SERIES[0][:3]])
    for one in (SequenceClassifier(), SequenceRegressor(), SequenceForecaster()):
        with pytest.raises(NotFittedError):
            one.predict(X)


def test_without_scikit_learn_one_line_says_what_to_install() -> None:
    code = """
import importlib.util as util
found = util.find_spec
util.find_spec = lambda name, *rest: None if name == "sklearn" else found(name, *rest)
import elman.sklearn
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last == "ModuleNotFoundError: elman.sklearn needs scikit-learn; install it: pip install 'elman[sklearn]'"
