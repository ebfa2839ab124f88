"""What costs nothing to predict with: every score is reported beside these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

__all__ = ["Ridge", "bigram_nats", "drift", "last_value", "majority", "season_of", "seasonal_naive"]


def majority(train: Sequence[int]) -> int:
    """The class that occurs most often."""
    return Counter(train).most_common(1)[0][0]


def last_value(history: np.ndarray, horizon: int) -> np.ndarray:
    """Repeat the last value: ``[N, L]`` to ``[N, H]``."""
    return np.repeat(history[:, -1:], horizon, axis=1)


def drift(history: np.ndarray, horizon: int) -> np.ndarray:
    """Continue the line through the first and last value: ``[N, L]`` to ``[N, H]``."""
    slope = (history[:, -1:] - history[:, :1]) / max(1, history.shape[1] - 1)
    return history[:, -1:] + slope * np.arange(1, horizon + 1)


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
    """The lag of 2 to ``longest`` steps at which a series, its trend removed, resembles itself most; 1 if none does.

    The first peak that comes within 10 % of the highest is taken, so that a day wins over a week of days.
    """
    steps = np.arange(len(series))
    level = series - np.polyval(np.polyfit(steps, series, 2), steps)
    longest = min(longest, len(series) // 3)
    power = float((level**2).mean())
    if longest < 3 or power < 1e-12:
        return 1
    size = 1 << (2 * len(level) - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(level, size)) ** 2
    alike = np.fft.irfft(spectrum)[: longest + 2] / (len(level) - np.arange(longest + 2)) / power
    inner = np.arange(2, longest + 1)
    peaks = inner[(alike[inner] > alike[inner - 1]) & (alike[inner] >= alike[inner + 1]) & (alike[inner] > 0.3)]
    if not len(peaks):
        return 1
    return int(peaks[np.argmax(alike[peaks] >= alike[peaks].max() - 0.1)])


class Ridge:
    """Linear regression of every forecast step on the history, with a small L2 penalty.

    Levels are taken relative to the last value, so that a trend does not leave the range of training.
    """

    def __init__(self, history: np.ndarray, future: np.ndarray, penalty: float = 1.0) -> None:
        shifted = history - history[:, -1:]
        x = np.concatenate([shifted, np.ones((len(shifted), 1))], axis=1)
        gram = x.T @ x + penalty * np.eye(x.shape[1])
        self._weights = np.linalg.solve(gram, x.T @ (future - history[:, -1:]))

    def predict(self, history: np.ndarray) -> np.ndarray:
        """``[N, L]`` to ``[N, H]``."""
        shifted = history - history[:, -1:]
        x = np.concatenate([shifted, np.ones((len(shifted), 1))], axis=1)
        forecast: np.ndarray = x @ self._weights + history[:, -1:]
        return forecast


def bigram_nats(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], size: int) -> float:
    """Nats a token of a model that knows only the token before, from counts mixed with the single tokens'."""
    once = np.bincount(train[1], minlength=size) + 1.0
    single = once / once.sum()
    # Sparse pairs: V x V tables would not fit for words.
    pairs = Counter(zip(train[0].tolist(), train[1].tolist(), strict=True))
    totals = np.bincount(train[0], minlength=size)
    seen = np.array([pairs[pair] for pair in zip(test[0].tolist(), test[1].tolist(), strict=True)], dtype=float)
    chances = (seen + 2.0 * single[test[1]]) / (totals[test[0]] + 2.0)
    return float(-np.log(chances).mean())
