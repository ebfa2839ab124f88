"""What stands in two files of which one is to judge what was learnt from the other."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.core.errors import InputError
from elman.data.roles import Examples
from elman.model.kinds.joined import Steps

__all__ = ["fresh_steps", "note_shared"]

Ranges = list[tuple[int, int]]

_DISTINCT = 0.9
"""The share of sequences that are no other's double, above which one that comes again is no chance."""


def note_shared(seen: Sequence[Examples], ex: Examples, option: str) -> list[str]:
    """A sentence on sequences of a file that those before it hold too, with the same answer.

    Raises:
        InputError: all of them are such, so the file could only say how well they were learnt by heart; but not where
            sequences are so plain that those before it repeat each other as well.
    """
    before = [_example(one, k) for one in seen for k in range(len(one)) if len(one.inputs[k])]
    known = set(before)
    count = sum(_example(ex, k) in known for k in range(len(ex)))
    file = ex.where[0][0]
    if count and count == len(ex) and len(known) > _DISTINCT * len(before):
        raise InputError(
            f"{option} {file}: all {count} of its sequences stand in the files before it too, with their answers; name "
            f"a file of others, or leave {option} out to have a part of the first file held back"
        )
    return [f"{option}: {count} of {len(ex)} sequences stand in the files before it too"] if count else []


def fresh_steps(seen: Sequence[Examples], ex: Examples, option: str) -> tuple[Ranges, list[str]]:
    """The steps of each sequence that come behind those of the files before it, and a sentence if some do not.

    A sequence goes on with one of another file if the id is the same (or each file is one sequence) and all that
    stands at times that both have is the same. What both have is history, and not to be scored.

    Raises:
        InputError: no step is new.
    """
    firsts = [0] * len(ex)
    for one in seen:
        for k, j in _same(one, ex):
            firsts[k] = max(firsts[k], _behind(one, j, ex, k))
    ranges = [(first, len(raw)) for first, raw in zip(firsts, ex.inputs, strict=True)]
    old, total = sum(first for first, _ in ranges), sum(last for _, last in ranges)
    if old and old == total:
        raise InputError(
            f"{option} {ex.where[0][0]}: all {total} of its steps stand in the files before it too; name a file that "
            f"goes on behind them, or leave {option} out to have the last steps of the first file held back"
        )
    told = f"{option}: {old} of {total} steps stand in the files before it too; they are history, and not scored"
    return ranges, [told] if old else []


def _same(one: Examples, ex: Examples) -> list[tuple[int, int]]:
    """Sequences of ``ex`` and those of ``one`` that go by the same name, by number; two files of one need no name."""
    if len(one) == len(ex) == 1:
        return [(0, 0)]
    places = {name: j for j, name in enumerate(one.ids)}
    return [(k, places[name]) for k, name in enumerate(ex.ids) if name in places]


def _behind(one: Examples, j: int, ex: Examples, k: int) -> int:
    """The first step of ``ex``'s sequence k behind sequence j of ``one``; 0 if it is another sequence."""
    if one.times is None or ex.times is None:
        same = _key(one.inputs[j]) == _key(ex.inputs[k]) and len(ex.inputs[k]) > 0
        return len(ex.inputs[k]) if same else 0
    both, here, there = np.intersect1d(one.times[j], ex.times[k], assume_unique=True, return_indices=True)
    if not len(both):
        return 0
    sides = zip(_columns(one.inputs[j]), _columns(ex.inputs[k]), strict=True)
    if not all(_key(a[here]) == _key(b[there]) for a, b in sides):
        return 0
    return int(np.searchsorted(ex.times[k], one.times[j][-1], side="right"))


def _columns(raw: Any) -> list[NDArray[Any]]:
    """What stands at each step."""
    parts = raw.parts if isinstance(raw, Steps) else [raw]
    return [one if isinstance(one, np.ndarray) else np.array(list(one), dtype=object) for one in parts]


def _example(ex: Examples, k: int) -> Hashable:
    return _key(ex.inputs[k]), None if ex.targets is None else _key(ex.targets[k])


def _key(raw: Any) -> Hashable:
    """What is equal for equal values, gaps included."""
    if isinstance(raw, Steps):
        return tuple(_key(one) for one in (*raw.parts, *raw.static))
    if isinstance(raw, np.ndarray):
        if raw.dtype.kind == "f":
            return raw.shape, hashlib.blake2b(raw.tobytes()).digest()
        return raw.shape, tuple(raw.ravel().tolist())
    return tuple(raw) if isinstance(raw, list) else raw
