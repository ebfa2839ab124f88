"""A small set of cases in which every wanted combination of values occurs at least once."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["combinations", "cover"]

Case = dict[str, Any]
Legal = Callable[[Case], bool]
Combination = frozenset[tuple[str, Any]]


def combinations(
    factors: Mapping[str, Sequence[Any]], groups: Sequence[tuple[str, ...]], legal: Legal
) -> set[Combination]:
    """Every legal choice of values for every group of factors."""
    found = set()
    for group in groups:
        for values in itertools.product(*(factors[name] for name in group)):
            if legal(dict(zip(group, values, strict=True))):
                found.add(frozenset(zip(group, values, strict=True)))
    return found


def cover(
    factors: Mapping[str, Sequence[Any]], groups: Sequence[tuple[str, ...]], legal: Legal, seed: int = 0
) -> list[Case]:
    """Cases that together hold every legal choice of values for every group of factors, found greedily.

    Args:
        factors: the values of every factor.
        groups: which factors' values are to be combined with each other.
        legal: whether some whole case holds the values chosen so far.
        seed: breaks ties; the same seed gives the same cases.
    """
    source = random.Random(seed)
    wanted = sorted(combinations(factors, groups, legal), key=lambda choice: sorted(map(str, choice)))
    left, cases = set(wanted), []
    for choice in wanted:
        if choice in left:
            case = _complete(dict(choice), factors, groups, legal, left, source)
            cases.append(case)
            left -= {frozenset((name, case[name]) for name in group) for group in groups}
    return cases


def _complete(
    case: Case,
    factors: Mapping[str, Sequence[Any]],
    groups: Sequence[tuple[str, ...]],
    legal: Legal,
    left: set[Combination],
    source: random.Random,
) -> Case:
    for name in factors:
        if name in case:
            continue
        known = [group for group in groups if name in group and all(part in case or part == name for part in group)]
        best: list[tuple[int, float, Case]] = []
        for value in factors[name]:
            longer = {**case, name: value}
            if legal(longer):
                gain = sum(frozenset((part, longer[part]) for part in group) in left for group in known)
                best.append((gain, source.random(), longer))
        case = max(best, key=lambda option: option[:2])[2]
    return {name: case[name] for name in factors}
