"""What costs nothing to predict with: every score is reported beside these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

__all__ = ["Lookup", "Ridge", "bigram_nats", "drift", "last_value", "majority", "season_of", "seasonal_naive"]


_CUSTOMARY = {4, 7, 12, 24, 48, 52, 96, 144, 168, 288, 336, 365}
"""Steps in a year, week or day of data taken at the usual rates."""


def majority(train: Sequence[int]) -> int:
    """The class that occurs most often."""
    return Counter(train).most_common(1)[0][0]


def last_value(history: np.ndarray, horizon: int) -> np.ndarray:
    """Repeat the last value: ``[N, L]`` to ``[N, H]``."""
    repeated: np.ndarray = np.repeat(history[:, -1:], horizon, axis=1)
    return repeated


def drift(history: np.ndarray, horizon: int) -> np.ndarray:
    """Continue the line through the first and last value: ``[N, L]`` to ``[N, H]``."""
    slope = (history[:, -1:] - history[:, :1]) / max(1, history.shape[1] - 1)
    line: np.ndarray = history[:, -1:] + slope * np.arange(1, horizon + 1)
    return line


def seasonal_naive(history: np.ndarray, horizon: int, season: int, *, with_drift: bool = False) -> np.ndarray:
    """Repeat the last season: ``[N, L]`` to ``[N, H]``.

    With drift, every season ahead adds the mean change from one season to the next within the history.
    """
    steps = np.arange(horizon)
    forecast = history[:, history.shape[1] - season + steps % season]
    if with_drift and history.shape[1] > season:
        change = (history[:, season:] - history[:, :-season]).mean(axis=1, keepdims=True)
        forecast = forecast + change * (1 + steps // season)
    return forecast


def season_of(series: np.ndarray, longest: int) -> int:
    """The lag of 2 to ``longest`` steps after which a series comes back closest to itself; 1 if none does.

    With ``d(k)`` the standard deviation of ``x_t - x_{t-k}`` (so a drift costs nothing), a season is a local
    minimum of d behind a hump at least a fiftieth higher; the first within 5 % of the lowest (more in short series)
    is taken, so that a day wins over two days. A customary season (7 days, 24 hours, ...) a step or two beside it,
    as good within 2 %, is preferred: noise moves a flat minimum by a step.
    """
    longest = min(longest, len(series) // 3)
    if longest < 3:
        return 1
    d = np.array([0.0] + [float((series[k:] - series[:-k]).std()) for k in range(1, longest + 2)])
    lags = np.arange(2, longest + 1)
    hump = np.maximum.accumulate(d)[lags]
    found = lags[(d[lags] <= d[lags - 1]) & (d[lags] < d[lags + 1]) & (hump > 1.02 * d[lags])]
    if not len(found):
        return 1
    low = d[found].min()
    like = low * (1 + max(0.05, 2 / np.sqrt(len(series)))) + 0.01 * (d.max() - low)
    season = int(found[np.argmax(d[found] <= like)])
    near = [k for k in range(max(2, season - 2), min(season + 2, longest) + 1) if k in _CUSTOMARY]
    return next((k for k in near if d[k] <= 1.02 * d[season]), season)


class Ridge:
    """Linear regression of every forecast step on the history, with a small L2 penalty.

    Levels are taken relative to the last value, so that a trend does not leave the range of training; not so where
    what is forecast is no part of the history (``anchored=False``), which then may hold several series, flattened.
    """

    def __init__(
        self,
        history: np.ndarray,
        future: np.ndarray,
        penalty: float = 1.0,
        *,
        anchored: bool = True,
        known: np.ndarray | None = None,
    ) -> None:
        self._anchored = anchored
        x, level = self._features(history, known)
        gram = x.T @ x + penalty * np.eye(x.shape[1])
        self._weights = np.linalg.solve(gram, x.T @ (future - level))

    def predict(self, history: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
        """``[N, L]``, and ``[N, K]`` known of what is to come where the fit had it, to ``[N, H]``."""
        x, level = self._features(history, known)
        forecast: np.ndarray = x @ self._weights + level
        return forecast

    def _features(self, history: np.ndarray, known: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        level = history[:, -1:] if self._anchored else np.zeros((len(history), 1))
        beside = np.zeros((len(history), 0)) if known is None else known
        return np.concatenate([history - level, np.ones((len(history), 1)), beside], axis=1), level


class Lookup:
    """A class given one key, from counts: the class of a word, the page that follows a page.

    ::

        p(y | key) = (n(key, y) + 2 p(y)) / (n(key) + 2)         p(y) the share of y, one more counted of each
    """

    def __init__(self, keys: np.ndarray, classes: np.ndarray, size: int) -> None:
        once = np.bincount(classes, minlength=size) + 1.0
        self._single = once / once.sum()
        self._counts: dict[int, np.ndarray] = {}
        order = np.argsort(keys, kind="stable")
        cuts = np.flatnonzero(np.diff(keys[order])) + 1
        for same in np.split(order, cuts) if len(order) else []:
            self._counts[int(keys[same[0]])] = np.bincount(classes[same], minlength=size)

    def chances(self, keys: np.ndarray) -> np.ndarray:
        """``[N]`` keys to ``[N, K]``."""
        none = np.zeros_like(self._single)
        counts = np.stack([self._counts.get(int(key), none) for key in keys]) if len(keys) else none[None][:0]
        found: np.ndarray = (counts + 2.0 * self._single) / (counts.sum(1, keepdims=True) + 2.0)
        return found


def bigram_nats(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], size: int) -> np.ndarray:
    """Nats of each token of a model that knows only the token before, from counts mixed with the single tokens'."""
    once = np.bincount(train[1], minlength=size) + 1.0
    single = once / once.sum()
    # Sparse pairs: V x V tables would not fit for words.
    pairs = Counter(zip(train[0].tolist(), train[1].tolist(), strict=True))
    totals = np.bincount(train[0], minlength=size)
    seen = np.array([pairs[pair] for pair in zip(test[0].tolist(), test[1].tolist(), strict=True)], dtype=float)
    chances = (seen + 2.0 * single[test[1]]) / (totals[test[0]] + 2.0)
    nats: np.ndarray = -np.log(chances)
    return nats
