"""Sequences that are in memory already: arrays, nested lists, columns of lists, texts; no file is read or written.

From them come the same :class:`~elman.data.roles.Examples` that a file gives, so that all that follows (division,
kinds, training) is the same for both. An error names the argument and the item: ``X[3]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from elman.core.errors import InputError
from elman.data.choose import Choice
from elman.data.roles import Examples
from elman.model.grammar import Part
from elman.model.kinds.series import Gaps

__all__ = ["Sequences", "examples_from", "items_of", "sequences_from"]

Items = Sequence[Any] | NDArray[Any]

_LISTS = (list, tuple, np.ndarray)


@dataclass(frozen=True)
class Sequences:
    """What came, checked.

    Attributes:
        items: float64 ``[T, D]`` each, or texts.
        width: D, the numbers of a step; 0 of texts.
        flat: whether every sequence came as ``[T]``, so that an answer about a step is a number and not a row of one.
    """

    items: list[Any]
    width: int
    flat: bool

    def __len__(self) -> int:
        return len(self.items)

    @property
    def texts(self) -> bool:
        """Whether they are texts."""
        return not self.width

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what is read: ``x``, or ``x_0``, ``x_1``, ... where a step has several numbers."""
        return ("x",) if self.width <= 1 else tuple(f"x_{k}" for k in range(self.width))


def items_of(given: Any, name: str = "X") -> Items:
    """One item a sequence: rows of an array, elements of a list or of a column; of a table of lists rows of them.

    Raises:
        InputError: it is no such thing, or has no item.
    """
    if isinstance(given, torch.Tensor):
        given = given.detach().cpu().numpy()
    if isinstance(given, (str, bytes, dict)) or given is None:
        raise InputError(f"{name}: expected a list of sequences, got {type(given).__name__}; {_write(name)}")
    if not isinstance(given, (list, tuple, np.ndarray)):
        # Columns and tables of polars and pandas, and whatever else says what array it is.
        given = np.asarray(given)
    if isinstance(given, np.ndarray) and not given.ndim:
        came = type(given.item()).__name__
        raise InputError(f"{name}: expected a list of sequences, got {came}; {_write(name)}")
    if isinstance(given, np.ndarray) and given.ndim > 3:
        raise InputError(
            f"{name}: expected an array [n, T] or [n, T, D], got {given.ndim} dimensions {list(given.shape)}; flatten "
            f"what belongs to a step: {name}.reshape(*{name}.shape[:2], -1)"
        )
    if isinstance(given, np.ndarray) and given.dtype == object and given.ndim == 2 and given.size:
        return _rows_of_table(given, name)
    if not len(given):
        raise InputError(f"{name}: expected at least one sequence, got none (0 samples); {_write(name)}")
    found: Items = given
    return found


def sequences_from(given: Any, name: str = "X", *, gaps: Gaps = "error", texts: bool = True) -> Sequences:
    """Check sequences of numbers, or texts.

    Args:
        given: a list of ``[T]`` or ``[T, D]`` (arrays, tensors, nested lists, columns of polars or pandas), of any
            length each, zero too; an array ``[n, T]`` or ``[n, T, D]``; a table whose columns hold lists, a channel
            each; or a list of texts.
        name: of the argument, for messages.
        gaps: whether NaN is an ``error``.
        texts: whether texts may come.

    Raises:
        InputError: naming the item, such as ``X[3]``.
    """
    items = items_of(given, name)
    if isinstance(items[0], str):
        if not texts:
            raise InputError(f"{name}[0]: expected numbers, got a text; only labels and numbers are learnt from texts")
        return Sequences(_texts(items, name), 0, True)
    if np.ndim(items[0]) == 0 and not _is_tensor(items[0]):
        _refuse_scalars(items, name)
    arrays = [_numbers(item, f"{name}[{k}]") for k, item in enumerate(items)]
    flat = all(one.ndim == 1 for one in arrays)
    known = next((k for k, one in enumerate(arrays) if one.size), None)
    width = 1 if known is None or arrays[known].ndim == 1 else arrays[known].shape[1]
    made = [_of_width(one, width, name, k, known) for k, one in enumerate(arrays)]
    for k, one in enumerate(made):
        _refuse_not_finite(one, f"{name}[{k}]", gaps)
    return Sequences(made, width, flat)


def _rows_of_table(table: NDArray[Any], name: str) -> Items:
    """Rows whose cells are lists, a channel each, as ``[T, D]``; a table of plain values stays what it is."""
    if not isinstance(table[0, 0], _LISTS):
        return table
    rows = []
    for k, row in enumerate(table):
        cells = [_numbers(cell, f"{name}[{k}]") for cell in row]
        lengths = [len(cell) for cell in cells]
        if any(cell.ndim != 1 for cell in cells) or len(set(lengths)) > 1:
            raise InputError(
                f"{name}[{k}]: its columns hold {', '.join(map(str, lengths))} steps; give each as many numbers"
            )
        rows.append(np.stack(cells, axis=1))
    return rows


def _write(name: str) -> str:
    return f"write {name}=[sequence, sequence, ...], each an array [T] or [T, D]"


def _is_tensor(item: Any) -> bool:
    return isinstance(item, torch.Tensor) and item.dim() > 0


def _refuse_scalars(items: Items, name: str) -> None:
    came = type(items[0]).__name__
    raise InputError(
        f"{name}[0]: expected a sequence, got {came}: Expected 2D array, got 1D array instead. Reshape your data: one "
        f"sequence alone is {name}=[sequence], sequences of one step are {name}.reshape(-1, 1)"
    )


def _texts(items: Items, name: str) -> list[str]:
    wrong = next((k for k, item in enumerate(items) if not isinstance(item, str)), None)
    if wrong is not None:
        came = type(items[wrong]).__name__
        raise InputError(f"{name}[{wrong}]: expected a text as in {name}[0], got {came}; give texts only, or no text")
    return [str(item) for item in items]


def _numbers(item: Any, place: str) -> NDArray[np.float64]:
    """Numbers ``[T]`` or ``[T, D]``, as they came."""
    if isinstance(item, str):
        raise InputError(f"{place}: expected numbers, got a text; give texts only, or no text")
    if isinstance(item, torch.Tensor):
        item = item.detach().cpu().numpy()
    try:
        array = np.asarray(item)
    except ValueError as error:
        raise InputError(f"{place}: expected an array [T] or [T, D], got steps of different sizes") from error
    if array.dtype == object and array.ndim == 1 and len(array) and isinstance(array[0], _LISTS):
        array = _rows(array, place)
    if array.dtype.kind == "c":
        raise InputError(f"{place}: Complex data not supported; stack its parts: np.stack([x.real, x.imag], axis=-1)")
    if array.dtype.kind not in "biuf":
        # An array of text has made text of the numbers beside it.
        array = _floats(np.asarray(item, dtype=object) if array.dtype.kind in "US" else array, place)
    if array.ndim not in (1, 2) or (array.ndim == 2 and not array.shape[1]):
        raise InputError(f"{place}: expected an array [T] or [T, D], got shape {list(array.shape)}")
    return array.astype(np.float64)


def _rows(array: NDArray[Any], place: str) -> NDArray[Any]:
    """An object array of steps, as nested columns give it, as one array."""
    steps = [np.asarray(step) for step in array]
    wrong = next((t for t, step in enumerate(steps) if step.shape != steps[0].shape), None)
    if wrong is not None:
        raise InputError(
            f"{place}: step {wrong} has shape {list(steps[wrong].shape)}, step 0 {list(steps[0].shape)}; write as many "
            "numbers in every step"
        )
    return np.stack(steps)


def _floats(array: NDArray[Any], place: str) -> NDArray[np.float64]:
    """Numbers from objects; None is a gap, a text is no number."""
    flat = array.ravel().tolist()
    wrong = next((at for at, value in enumerate(flat) if not isinstance(value, (int, float, type(None)))), None)
    if wrong is not None:
        at = ", ".join(str(int(index)) for index in np.unravel_index(wrong, array.shape))
        came = repr(flat[wrong])
        raise InputError(
            f"{place}: expected numbers, got {came[:40]} ({type(flat[wrong]).__name__}) at [{at}]; turn it into a "
            "number, or leave the sequence out"
        )
    return array.astype(np.float64)


def _of_width(array: NDArray[np.float64], width: int, name: str, k: int, known: int | None) -> NDArray[np.float64]:
    array = array[:, None] if array.ndim == 1 else array
    if array.shape[1] == width:
        return array
    if not array.size:
        return np.empty((0, width))
    raise InputError(
        f"{name}[{k}]: expected {width} numbers a step as in {name}[{known}], got {array.shape[1]} (shape "
        f"{list(array.shape)}); give every sequence as [T, {width}]"
    )


def _refuse_not_finite(array: NDArray[np.float64], place: str, gaps: Gaps) -> None:
    bad = ~np.isfinite(array) if gaps == "error" else np.isinf(array)
    if not bad.any():
        return
    step, channel = np.argwhere(bad)[0].tolist()
    value = "NaN" if np.isnan(array[step, channel]) else "inf"
    do = ", or say what a gap is: settings={'gaps': 'input'}" if value == "NaN" else ""
    raise InputError(
        f"{place}: expected finite numbers, got {value} at step {step}, number {channel} of it ({bad.sum()} such "
        f"values); fill it in, leave the sequence out{do}"
    )


def examples_from(
    sequences: Sequences, target: Part, targets: list[Any] | None, *, name: str = "X", variant: str = ""
) -> Examples:
    """Checked sequences as examples, none of which is kept for a test.

    Args:
        sequences: what is read.
        target: what is to be learnt, with its columns.
        targets: see :class:`~elman.data.roles.Examples`; None where there are none (prediction).
        name: of the argument, for messages.
        variant: of texts: ``char`` reads characters.
    """
    items, texts = sequences.items, sequences.texts
    source = Part("text", variant, ("x",)) if texts else Part("series", "", sequences.columns)
    return Examples(
        inputs=items,
        targets=targets,
        ids=[str(k) for k in range(len(items))],
        times=None,
        where=[(name, k) for k in range(len(items))],
        steps=[np.full(len(one), k, dtype=np.int64) for k, one in enumerate(items)],
        split=None,
        columns=source.columns,
        target_columns=target.columns,
        notes=[],
        choice=Choice((source,), target, lists=not texts),
        untested=True,
    )
