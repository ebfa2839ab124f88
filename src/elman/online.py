"""A trained model on a stream: rows in as they come, answers out, the same as prediction gives on the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from elman.core.errors import InputError
from elman.core.layers.readout import Attention, Last, Max, Mean
from elman.live.session import Session
from elman.model.answers import chances_from, decided, quantiles_from
from elman.model.grammar import parse_target
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut
from elman.model.kinds.number import NumberHead, NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn
from elman.model.network import SequenceModel
from elman.training.frames import free, intervals, likeliest
from elman.training.predict import examples_of, predict

__all__ = ["Online"]


class Online:
    """One stream into a trained model; made by :meth:`elman.Run.stream`.

    Fed in any pieces it gives what :meth:`elman.Run.predict` gives of all of them at once: scaling, gaps and
    vocabularies are those of training, and the recurrent state is kept in a :class:`~elman.live.session.Session`. Cost
    of a row: one step of the network, however long the stream is. A forecast reads a window of the last rows relative
    to the newest, so of it the window is kept and read again at every push.

    Args:
        model: causal, or one that forecasts.

    Raises:
        InputError: the model needs what comes later; the message says how to train one that does not.
    """

    def __init__(self, model: SequenceModel, name: str = "RUN") -> None:
        _refuse(model, name)
        self._model = model.eval()
        self._forecasts = bool(model.config.lookback)
        self._session = None if self._forecasts else Session(model.trunk)
        self._running = None if model.readout is None or self._forecasts else _Running(model.readout)
        self.reset()

    def reset(self) -> None:
        """Begin a new sequence."""
        self.count = 0
        """Rows so far."""
        self._last: Tensor | None = None
        self._window: Any = None
        self._constant: dict[str, Any] = {}
        if self._session is not None:
            self._session.reset()
        if self._running is not None:
            self._running.reset()

    @torch.inference_mode()
    def push(self, rows: Any) -> pl.DataFrame:
        """Feed rows and return what the model says.

        Args:
            rows: of series an array ``[T, C]`` (``[T]`` of one channel), of a text the next of it (whole words) or a
                list of words; of either, and of all other models, a polars frame, a dictionary of columns, or a list of
                dictionaries, one a row. What is constant may stand in each row.

        Returns:
            A frame with a row for each that was fed, under ``step`` its number in the stream: of a model with one
            answer a sequence, the answer if it ended there. Of a forecast, the steps ahead of the last row; no row
            before the first window is full.

        Raises:
            InputError: columns are missing, or values that are no numbers; the stream is as it was before.
        """
        before = self.count, self._last, self._window, dict(self._constant)
        try:
            return self._pushed(self._sequence(rows))
        except BaseException:
            self.count, self._last, self._window, self._constant = before
            raise

    def _pushed(self, given: Any) -> pl.DataFrame:
        if self._forecasts:
            return self._forecast(given)
        kind, one = self._model.config.input, examples_of(self._model, [given]).inputs[0]
        encoded = kind.encode(one) if isinstance(kind, TextIn) else self._filled(kind, kind.encode(one, fill=False))
        if not len(encoded):
            return self._frame(encoded, None)
        if self._session is None:
            raise TypeError("a model that does not forecast has a session")
        features = self._session.push(encoded.to(next(self._model.parameters()).device))
        self._last = encoded[-1:]
        features = features if self._running is None else self._running(features)
        return self._frame(encoded, self._model.head.raw(features))

    def _filled(self, kind: SeriesIn | JoinedIn, encoded: Tensor) -> Tensor:
        """Gaps closed as behind the row before, which stands there filled."""
        if self._last is None:
            return kind.fill(encoded)
        return kind.fill(torch.cat([self._last, encoded]))[1:]

    # What is read ------------------------------------------------------------------------------------------------

    def _sequence(self, rows: Any) -> Any:
        """Rows as one sequence of the kind that :func:`~elman.training.predict.examples_of` takes."""
        kind = self._model.config.input
        table = _columns(rows)
        if table is None:
            return rows
        if isinstance(kind, TextIn):
            return _taken(table, [kind.column])[0]
        if isinstance(kind, SeriesIn):
            values = _taken(table, kind.columns)
            return np.array([[np.nan if v is None else v for v in one] for one in values], dtype=np.float64).T
        constant = [name for part in kind.static for name in part.columns]
        made = dict(zip(kind.columns, _taken(table, kind.columns), strict=True))
        for name in constant:
            values = list(dict.fromkeys(made[name] if isinstance(made[name], list) else [made[name]]))
            first = self._constant.setdefault(name, values[0] if values else None)
            if values and values != [first]:
                raise InputError(
                    f"rows: '{name}' is constant in a sequence (--static), got {values} after {first!r}; begin another "
                    "with reset()"
                )
            made[name] = first
        return made

    def _forecast(self, given: Any) -> pl.DataFrame:
        """What the window of the last rows says of those ahead."""
        one = examples_of(self._model, [given]).inputs[0]
        before = self._window
        self._window = one if before is None else _joined(before, one)
        lookback = self._model.config.lookback
        self.count += len(one)
        if len(self._window) < lookback:
            return pl.DataFrame()
        # Gaps at a window's start are closed from within it, in prediction too: no more need be kept.
        self._window = self._window[-lookback:]
        window = self._window
        if isinstance(self._model.config.input, JoinedIn):
            window = _as_columns(self._model.config.input, window)
        return predict(self._model, examples_of(self._model, [window])).frame.drop("id")

    # What is said ------------------------------------------------------------------------------------------------

    def _frame(self, encoded: Tensor, raw: Tensor | None) -> pl.DataFrame:
        model, out = self._model, self._model.config.output
        columns: dict[str, Any] = {"step": list(range(self.count + 1, self.count + len(encoded) + 1))}
        self.count += len(encoded)
        if raw is None:
            return pl.DataFrame(columns, schema={"step": pl.Int64})
        if isinstance(out, NumberOut):
            if not isinstance(model.head, NumberHead):
                raise TypeError("numbers have a head of their own")
            follows = model.readout is None and out.anchors
            start = encoded[:, out.anchors].to(raw.device)[:, None] if follows else None
            raw = model.head.placed(raw, start)
            found = quantiles_from(model, raw).cpu().numpy()
            return pl.DataFrame(intervals(columns, out, found[:, 0]))
        said = chances_from(model, raw).cpu().numpy()
        if isinstance(out, LabelsOut):
            sets = ["|".join(c for c, holds in zip(out.classes, row, strict=True) if holds) for row in out.decide(said)]
            return pl.DataFrame(columns | {"labels": sets} | {f"p_{c}": said[:, k] for k, c in enumerate(out.classes)})
        if not isinstance(out, LabelOut):
            raise TypeError(type(out).__name__)
        kind = parse_target(model.config.target).kind
        if kind == "next":
            return pl.DataFrame(likeliest(columns, out, said))
        # Of tags that name spans: as boldly as on whole sequences.
        chosen = (
            decided(model, raw, torch.ones(1), out.boldness) if kind == "tags" else torch.as_tensor(said).argmax(-1)
        )
        names = [out.classes[k] for k in chosen.tolist()]
        if kind == "label":
            return pl.DataFrame(columns | {"label": names} | {f"p_{c}": said[:, k] for k, c in enumerate(out.classes)})
        columns[free("tag", columns)] = names
        return pl.DataFrame(columns | {"p": said[np.arange(len(said)), chosen.cpu().numpy()]})


class _Running:
    """A readout after every step so far, in memory that does not grow.

    ::

        last_t = y_t      mean_t = sum_{i<=t} y_i / t      max_t = max_{i<=t} y_i
        attention_t = sum_{i<=t} exp(s_i - m_t) y_i / sum_{i<=t} exp(s_i - m_t),    m_t = max_{i<=t} s_i

    The last is the running softmax of Milakov & Gimelshein (2018, arXiv 1805.02867).
    """

    def __init__(self, readout: torch.nn.Module) -> None:
        self._readout = readout
        self.reset()

    def reset(self) -> None:
        """Nothing was read."""
        self._count = 0
        self._top: Tensor | None = None
        self._sum: Tensor | None = None
        self._weight: Tensor | None = None

    def __call__(self, features: Tensor) -> Tensor:
        """``(T, F)`` to ``(T, F)``."""
        if isinstance(self._readout, Last):
            return features
        if isinstance(self._readout, Max):
            found = features.cummax(0).values
            found = found if self._top is None else torch.maximum(found, self._top)
            self._top = found[-1]
            return found
        steps = [self._attend(one) if isinstance(self._readout, Attention) else self._mean(one) for one in features]
        return torch.stack(steps)

    def _mean(self, y: Tensor) -> Tensor:
        # In float64: a stream has no end, and float32 would stop counting.
        self._sum = y.double() if self._sum is None else self._sum + y
        self._count += 1
        return (self._sum / self._count).to(y.dtype)

    def _attend(self, y: Tensor) -> Tensor:
        if not isinstance(self._readout, Attention):
            raise TypeError(type(self._readout).__name__)
        score = self._readout.score(torch.tanh(self._readout.hidden(y))).double()
        if self._top is None or self._sum is None or self._weight is None:
            self._top, self._sum, self._weight = score, y.double(), torch.ones_like(score)
        else:
            top = torch.maximum(self._top, score)
            old, new = torch.exp(self._top - top), torch.exp(score - top)
            self._top, self._sum, self._weight = top, self._sum * old + y * new, self._weight * old + new
        return (self._sum / self._weight).to(y.dtype)


# Parts ------------------------------------------------------------------------------------------------------------


def _refuse(model: SequenceModel, name: str) -> None:
    config, again = model.config, f"elman train --config {name}/run.toml"
    if parse_target(config.target).kind == "next" and config.source == "text":
        raise InputError("this model continues texts: use run.generate(prompt), or elman generate RUN --prompt '...'")
    if model.decoder is not None:
        raise InputError("this model writes a text once it has read all: use run.predict, or elman predict RUN FILE")
    if isinstance(config.input, JoinedIn) and config.input.known:
        raise InputError("this model reads what is known ahead (--known) of each forecast: use run.predict on all rows")
    if not isinstance(config.input, TextIn) and config.input.unit:
        raise InputError(
            "this model reads when each row comes, for those of training were not evenly spaced (--time), and a stream "
            f"gives rows without times: use run.predict on a file with all rows, or train one that does not: {again} "
            "--gaps error"
        )
    if config.lookback:
        return
    if not model.causal:
        raise InputError(
            "this model reads both ways, so it needs the end of a sequence before it says anything; train one that "
            f"reads forwards: {again} --causal"
        )
    if config.net.crf:
        raise InputError(
            "the tags of this model know their neighbours, those behind them too: use run.predict, or train one of "
            f"single tags: {again} --causal --no-crf"
        )
    parts = config.input.parts if isinstance(config.input, JoinedIn) else [config.input]
    if any(isinstance(part, SeriesIn) and part.gaps == "interpolate" for part in parts):
        raise InputError(
            "this model puts a missing value between its neighbours (--gaps interpolate), of which the later one is "
            f"not there yet; train one that does not: {again} --gaps input"
        )
    if model.readout is not None and not isinstance(model.readout, (Last, Mean, Max, Attention)):
        raise InputError(f"the readout {type(model.readout).__name__} cannot stream; train with --readout last")


def _columns(rows: Any) -> dict[str, list[Any]] | None:
    """A frame, a dictionary or a list of dictionaries as columns; None for what is no table."""
    if isinstance(rows, pl.DataFrame):
        return rows.to_dict(as_series=False)
    if isinstance(rows, Mapping):
        return {str(name): list(v) if isinstance(v, (list, tuple, np.ndarray)) else v for name, v in rows.items()}
    if isinstance(rows, list) and rows and all(isinstance(row, Mapping) for row in rows):
        return {str(name): [row.get(name) for row in rows] for name in rows[0]}
    return None


def _taken(table: dict[str, list[Any]], names: list[str]) -> list[Any]:
    missing = [name for name in names if name not in table]
    if missing:
        raise InputError(
            f"rows: the model reads {', '.join(names)}; {', '.join(missing)} is missing, got {', '.join(table)}"
        )
    return [table[name] for name in names]


def _joined(before: Any, after: Any) -> Any:
    """Two stretches of one sequence."""
    if isinstance(before, np.ndarray):
        return np.concatenate([before, after])
    parts = tuple(np.concatenate([a, b]) for a, b in zip(before.parts, after.parts, strict=True))
    return type(before)(parts, before.static)


def _as_columns(kind: JoinedIn, window: Any) -> dict[str, Any]:
    """A window of several parts as the dictionary that it was given as."""
    made: dict[str, Any] = {}
    for part, values in zip(kind.parts, window.parts, strict=True):
        made |= {name: values[:, k].tolist() for k, name in enumerate(part.columns)}
    for part, values in zip(kind.static, window.static, strict=True):
        made |= {
            name: values[0, k].item() if isinstance(values[0, k], np.generic) else values[0, k]
            for k, name in enumerate(part.columns)
        }
    return made
