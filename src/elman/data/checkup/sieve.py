"""Counting in bounded memory: what came before, how many are distinct, how values are spread.

Exact while there is room, then estimates; every one of them says which it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Distinct", "Hashes", "Ints", "Sample", "Seen", "find", "mixed", "passes"]

Hashes = NDArray[np.uint64]
Ints = NDArray[np.int64]

_GOLD, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)


def mixed(numbers: Hashes) -> Hashes:
    """Numbers spread over all 64 bits, as the finaliser of SplitMix64 does (Steele, Lea and Flood 2014)."""
    spread = (numbers ^ (numbers >> np.uint64(30))) * _MIX
    result: Hashes = (spread ^ (spread >> np.uint64(27))) * _GOLD
    return result


def passes(hashes: Hashes, level: int) -> NDArray[np.bool_]:
    """Which hashes belong to the share 2^-level of all that is kept at a level: the lowest bits of those are zero."""
    passed: NDArray[np.bool_] = (hashes & np.uint64((1 << level) - 1)) == 0
    return passed


def find(known: Hashes, hashes: Hashes) -> tuple[Ints, NDArray[np.bool_]]:
    """Where each hash stands, or would stand, in ``known`` (rising), and whether it is there."""
    place = np.searchsorted(known, hashes)
    if not len(known):
        return place, np.zeros(len(hashes), dtype=bool)
    return place, known[np.minimum(place, len(known) - 1)] == hashes


class Seen:
    """Things told by their hashes: which of them came before, and in which part.

    From ``most`` things on only those of an ever smaller share of all hashes are kept: when there are too many,
    ``level`` grows by one, and half of them go. What is kept is a fair sample of the distinct things, each known from
    its first appearance on, so counts times 2^level are unbiased.

    Attributes:
        level: 0 while everything is kept.
        again: the line of the first thing that came before in the same part, and the line where it did; or None.
        leak: the same for things that came before in another part, where they came first.
    """

    def __init__(self, most: int = 1 << 21) -> None:
        self.level = 0
        self.again: tuple[int, int] | None = None
        self.leak: tuple[int, int] | None = None
        self._most = most
        self._repeated = self._leaks = 0
        self._hashes: Hashes = np.empty(0, dtype=np.uint64)
        self._lines: Ints = np.empty(0, dtype=np.int64)
        self._parts: Ints = np.empty(0, dtype=np.int64)

    @property
    def repeated(self) -> int:
        """How many things came before in the same part."""
        return self._repeated << self.level

    @property
    def leaks(self) -> int:
        """How many came before in another part."""
        return self._leaks << self.level

    def add(self, hashes: Hashes, lines: Ints, parts: Ints) -> None:
        """Take in things in their order, each with its line and its part."""
        order = np.argsort(hashes, kind="stable")
        order = order[passes(hashes[order], self.level)]
        hashes, lines, parts = hashes[order], lines[order], parts[order]
        new = np.ones(len(hashes), dtype=bool)
        new[1:] = hashes[1:] != hashes[:-1]
        firsts, owner = np.flatnonzero(new), np.cumsum(new) - 1
        place, known = find(self._hashes, hashes[firsts])
        origin, at = parts[firsts], lines[firsts]
        origin[known], at[known] = self._parts[place[known]], self._lines[place[known]]
        before = ~new | known[owner]
        leaks = before & (parts != origin[owner])
        repeated = before & ~leaks
        self._repeated += int(repeated.sum())
        self._leaks += int(leaks.sum())
        self.again = self.again or _first(repeated, lines, at[owner])
        self.leak = self.leak or _first(leaks, lines, at[owner])
        fresh = firsts[~known]
        for name, values in (("_hashes", hashes), ("_lines", lines), ("_parts", parts)):
            setattr(self, name, np.insert(getattr(self, name), place[~known], values[fresh]))
        while len(self._hashes) > self._most:
            self._halve()

    def _halve(self) -> None:
        self.level += 1
        kept = passes(self._hashes, self.level)
        self._hashes, self._lines, self._parts = self._hashes[kept], self._lines[kept], self._parts[kept]
        # What was counted on more hashes than are kept now, in units of the new level.
        self._repeated, self._leaks = round(self._repeated / 2), round(self._leaks / 2)


def _first(chosen: NDArray[np.bool_], lines: Ints, before: Ints) -> tuple[int, int] | None:
    if not chosen.any():
        return None
    place = int(np.flatnonzero(chosen)[lines[chosen].argmin()])
    return int(lines[place]), int(before[place])


class Distinct:
    """How many distinct things there are, from the ``size`` smallest hashes (k minimum values, Bar-Yossef 2002).

    Exact below ``size``, then (size - 1) over the largest hash kept as a share of all, within 2 % or so.
    """

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self._least: Hashes = np.empty(0, dtype=np.uint64)

    @property
    def exact(self) -> bool:
        return len(self._least) < self._size

    @property
    def count(self) -> int:
        if self.exact:
            return len(self._least)
        return round((self._size - 1) / (float(self._least[-1]) / 2.0**64))

    def add(self, hashes: Hashes) -> None:
        if not self.exact:
            hashes = hashes[hashes < self._least[-1]]
        self._least = np.unique(np.concatenate([self._least, hashes]))[: self._size]


class Sample:
    """A fair sample of ``size`` numbers of all (reservoir sampling, Vitter 1985, a block at a time)."""

    def __init__(self, size: int = 1 << 14) -> None:
        self.values: NDArray[np.float64] = np.empty(0)
        self._keys: NDArray[np.float64] = np.empty(0)
        self._size = size
        self._random = np.random.default_rng(0)

    def add(self, values: NDArray[np.float64]) -> None:
        """Every number draws a key; those of the smallest keys stay."""
        keys = self._random.random(len(values))
        if len(self._keys) == self._size:
            near = keys < self._keys.max()
            keys, values = keys[near], values[near]
        keys, values = np.concatenate([self._keys, keys]), np.concatenate([self.values, values])
        if len(keys) > self._size:
            kept = np.argpartition(keys, self._size)[: self._size]
            keys, values = keys[kept], values[kept]
        self._keys, self.values = keys, values
