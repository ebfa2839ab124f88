"""Divide examples, or the steps of each sequence, into training, validation and test parts.

A rule is fractions (``0.9``; ``0.8,0.1,0.1``) or, for steps, dates (``2017-01-01``; two or three of them).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.core.errors import DataError, InputError
from elman.data.roles import Examples

__all__ = ["Split", "TimeSplit", "is_rule", "split_examples", "split_time"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?)?")
_FRACTIONS = "--split 0.9, or --split 0.8,0.1,0.1 for train, valid, test"
_DATES = "--split 2017-01-01, or --split 2016-09-01,2017-01-01 for valid, test"
_VALID = 0.1
"""The part of the training data that validates when nothing else is said."""


@dataclass(frozen=True)
class Split:
    """Which examples belong where; ``how`` says it in one sentence, for the log; ``drawn``: whether at random."""

    train: Examples
    valid: Examples
    test: Examples | None
    how: str
    drawn: bool = False


@dataclass(frozen=True)
class TimeSplit:
    """Each sequence cut by time.

    Attributes:
        ranges: (0, a, b, c) per example, in steps from 0: train is [0, a), valid [a, b), test [b, c).
        how: one sentence for the log.
    """

    ranges: list[tuple[int, int, int, int]]
    how: str


def is_rule(text: str) -> bool:
    """Return whether ``text`` is fractions or dates, rather than the name of a column."""
    return all(_NUMBER.fullmatch(word) or _DATE.fullmatch(word) for word in _items(text))


def _items(rule: str) -> list[str]:
    return [word.strip() for word in rule.split(",")]


def split_examples(ex: Examples, rule: str | None, *, seed: int, stratify: bool) -> Split:
    """Divide whole examples, at random or as a column says.

    Args:
        ex: the examples; if ``ex.split`` says the part of each, that is followed, and where it names no
            validation part a tenth of the training part is drawn for it.
        rule: ``None`` for 80 % train, 10 % valid, 10 % test; one fraction for the training part, a tenth of
            which validates, the rest being test; or three fractions.
        seed: the same seed, the same parts; at least 0.
        stratify: keep the shares of the labels (targets of type str) about equal in all parts.

    Raises:
        InputError: the rule is no such thing, or there are too few examples for it.
    """
    if seed < 0:
        raise InputError(f"seed: must be at least 0, got {seed}; write seed=0")
    labels = _labels(ex) if stratify else None
    if ex.split is not None:
        return _by_column(ex, ex.split, seed, labels)
    fractions, plan = _example_fractions(rule)
    if len(ex) < len(fractions):
        raise InputError(
            f"{len(ex)} examples cannot be divided into train, valid and test; at least {len(fractions)} "
            "are needed: add some, or check --id"
        )
    parts = _draw(np.arange(len(ex)), fractions, seed, labels)
    sizes = ", ".join(f"{len(part)} {name}" for part, name in zip(parts, ("train", "valid", "test"), strict=True))
    how = f"examples divided at random ({plan}; seed {seed}{_stratified(labels)}): {sizes}"
    return Split(ex.subset(parts[0]), ex.subset(parts[1]), ex.subset(parts[2]), how, drawn=True)


def _stratified(labels: list[str] | None) -> str:
    return "" if labels is None else ", shares of the labels kept"


def _labels(ex: Examples) -> list[str]:
    if ex.targets is None or not all(isinstance(target, str) for target in ex.targets):
        raise InputError("stratify: needs a label for every example; write stratify=False")
    return ex.targets


def _by_column(ex: Examples, split: list[str], seed: int, labels: list[str] | None) -> Split:
    place = {part: np.flatnonzero(np.array(split) == part) for part in ("train", "valid", "test")}
    train, valid, test = place["train"], place["valid"], place["test"]
    file = ex.where[0][0] if ex.where else None
    if not train.size:
        raise DataError("no example is in the part 'train'; write train into some rows of the split column", file=file)
    how = "examples divided as the split column says"
    drawn = not valid.size
    if drawn:
        if train.size < 2:
            raise DataError(
                "one training example is too few to draw validation from; write valid into some rows of "
                "the split column",
                file=file,
            )
        train, valid = _draw(train, (1 - _VALID, _VALID), seed, labels)
        how += f", with 10 % of train drawn for valid (seed {seed}{_stratified(labels)})"
    how += f": {len(train)} train, {len(valid)} valid, {len(test)} test"
    return Split(ex.subset(train), ex.subset(valid), ex.subset(test) if test.size else None, how, drawn)


def _example_fractions(rule: str | None) -> tuple[tuple[float, ...], str]:
    """Return the fractions of train, valid and test, and the plan in words."""
    if rule is None:
        return (0.8, 0.1, 0.1), "80 % train, 10 % valid, 10 % test"
    if any(_DATE.fullmatch(word) for word in _items(rule)):
        raise InputError(
            f"--split {rule}: a date cuts the steps of a sequence (--to future, --to next), not examples; "
            f"write {_FRACTIONS}"
        )
    found = _fractions(rule)
    if len(found) == 1:
        return _nested(found[0]), f"{rule} for training, a tenth of it valid, the rest test"
    return found, f"{rule} for train, valid, test"


def _nested(train: float) -> tuple[float, ...]:
    return train * (1 - _VALID), train * _VALID, 1 - train


def _fractions(rule: str) -> tuple[float, ...]:
    """Return one fraction, or three that sum to 1."""
    words = _items(rule)
    if not all(_NUMBER.fullmatch(word) for word in words):
        raise InputError(f"--split {rule}: neither fractions nor dates; write {_FRACTIONS}, or {_DATES}")
    found = tuple(float(word) for word in words)
    if len(found) not in (1, 3):
        raise InputError(f"--split {rule}: {len(found)} fractions; write {_FRACTIONS}")
    if not all(0 < value < 1 for value in found):
        raise InputError(f"--split {rule}: every fraction lies between 0 and 1; write {_FRACTIONS}")
    if len(found) == 3 and abs(sum(found) - 1) > 1e-6:
        raise InputError(f"--split {rule}: the fractions sum to {sum(found):g}, not 1; write {_FRACTIONS}")
    return found


def _cuts(count: int, fractions: Sequence[float]) -> list[int]:
    """Return where to cut ``count`` things so that each part has its share, but at least one."""
    parts = len(fractions)
    cuts: list[int] = []
    for place, ideal in enumerate(np.cumsum(fractions)[:-1], start=1):
        lowest = cuts[-1] + 1 if cuts else 1
        highest = count - (parts - place)
        cuts.append(min(max(round(count * float(ideal)), lowest), highest))
    return cuts


def _draw(
    rows: NDArray[np.int64], fractions: Sequence[float], seed: int, labels: list[str] | None
) -> list[NDArray[np.int64]]:
    """Draw parts of the given shares from ``rows``; each part is in ascending order.

    Stratified, the k-th of the m rows of a label (in random order) gets a key in [k/m, (k+1)/m) and the rows
    are cut in the order of their keys: every label is spread evenly over the order, so every part gets its
    share. The first has the key 0, so a rare label is trained on rather than only tested.
    """
    random = np.random.default_rng(seed)
    keys = random.random(len(rows))
    if labels is not None:
        _, owner = np.unique(np.array(labels, dtype=np.str_)[rows], return_inverse=True)
        for label in range(int(owner.max()) + 1):
            mine = np.flatnonzero(owner == label)
            ranks = random.permutation(len(mine))
            keys[mine] = np.where(ranks > 0, ranks + keys[mine], 0) / len(mine)
    order = rows[np.argsort(keys, kind="stable")]
    return [np.sort(part) for part in np.split(order, _cuts(len(rows), fractions))]


def split_time(ex: Examples, rule: str | None, lengths: list[int]) -> TimeSplit:
    """Cut every sequence by time: train, then valid, then test.

    Args:
        ex: the examples; dates need ``ex.times`` as dates.
        rule: ``None`` for 70 % train, 10 % valid, 20 % test of the steps of each sequence; one fraction for
            the steps before the test, the last tenth of which validates; three fractions; or dates: when the
            test begins; or when validation and test begin; or also when the test ends (exclusive; what
            follows is left out).
        lengths: the steps of each sequence.

    Raises:
        DataError: the only sequence has fewer than 3 steps, so a part by fractions would be empty.
        InputError: the rule is no such thing, or dates leave a part without any step.
    """
    if len(lengths) != len(ex):
        raise InputError(f"lengths: {len(lengths)} lengths for {len(ex)} examples; give one each")
    if rule is not None and any(_DATE.fullmatch(word) for word in _items(rule)):
        return _by_dates(ex, rule, lengths)
    fractions: tuple[float, ...]
    if rule is None:
        fractions, plan = (0.7, 0.1, 0.2), "the first 70 % train, the next 10 % valid, the last 20 % test"
    else:
        found = _fractions(rule)
        fractions = _nested(found[0]) if len(found) == 1 else found
        plan = f"--split {rule}; " + " / ".join(f"{100 * share:.3g} %" for share in fractions) + " train / valid / test"
    ranges = []
    for place, count in enumerate(lengths):
        if count < 3 and len(lengths) > 1:
            # One among many that is too short to be divided is for training, if for anything.
            ranges.append((0, count, count, count))
            continue
        if count < 3:
            file, line = ex.where[place]
            raise DataError(
                f"the sequence '{ex.ids[place]}' has {count} steps, but cut into train, valid and test it "
                "needs at least 3; leave it out or name another --id",
                file=file,
                row=line,
            )
        a, b = _cuts(count, fractions)
        ranges.append((0, a, b, count))
    return TimeSplit(ranges, f"each sequence cut by time: {plan}{_sizes(ranges)}")


def _sizes(ranges: list[tuple[int, int, int, int]]) -> str:
    train, valid, test = (sum(one[k + 1] - one[k] for one in ranges) for k in range(3))
    return f" ({train} train, {valid} valid, {test} test steps)"


def _by_dates(ex: Examples, rule: str, lengths: list[int]) -> TimeSplit:
    dates = _dates(rule)
    clocks = _clocks(ex, rule, lengths)
    first, last = (
        min(clock[0] for clock in clocks if clock.size),
        max(clock[-1] for clock in clocks if clock.size),
    )
    # The third date is an end, exclusive, so it may lie behind the last step.
    for date in dates[:2]:
        if not first < date <= last:
            raise InputError(
                f"--split {rule}: {_day(date)} lies outside the data, which run from {_day(first)} to "
                f"{_day(last)}; write a date between, such as --split {_day(_between(first, last))}"
            )
    ranges = [_range(clock, dates) for clock in clocks]
    train, valid, test = (sum(one[k + 1] - one[k] for one in ranges) for k in range(3))
    for name, steps in (("training", train), ("validation", valid), ("test", test)):
        if not steps:
            raise InputError(
                f"--split {rule}: no step is left for the {name} part; the data run from {_day(first)} to "
                f"{_day(last)}. Write {_DATES}"
            )
    how = f"each sequence cut by dates: --split {rule}{_sizes(ranges)}"
    bare = sum(0 in (one[1], one[2] - one[1], one[3] - one[2]) for one in ranges)
    if bare:
        how += f"; {bare} of {len(ranges)} sequences have no step in some part"
    return TimeSplit(ranges, how)


def _dates(rule: str) -> list[np.datetime64]:
    words = _items(rule)
    if not all(_DATE.fullmatch(word) for word in words) or len(words) > 3:
        raise InputError(f"--split {rule}: one, two or three dates, and nothing else; write {_DATES}")
    dates: list[np.datetime64] = []
    for word in words:
        try:
            dates.append(np.datetime64(word.replace(" ", "T"), "us"))
        except ValueError:
            raise InputError(f"--split {rule}: {word} is no day of the calendar; write {_DATES}") from None
    if any(later <= earlier for earlier, later in pairwise(dates)):
        raise InputError(f"--split {rule}: every date comes after the one before it; write {_DATES}")
    return dates


def _clocks(ex: Examples, rule: str, lengths: list[int]) -> list[NDArray[Any]]:
    if ex.times is None:
        raise InputError(f"--split {rule}: a date needs a time column; name it with --time, or write {_FRACTIONS}")
    for clock, count in zip(ex.times, lengths, strict=True):
        if clock.dtype.kind != "M":
            raise InputError(f"--split {rule}: the time column holds numbers, not dates; write {_FRACTIONS}")
        if len(clock) != count:
            raise InputError(f"--split {rule}: {count} steps but {len(clock)} times; write {_FRACTIONS}")
    return ex.times


def _range(clock: NDArray[Any], dates: list[np.datetime64]) -> tuple[int, int, int, int]:
    cuts = np.searchsorted(clock, np.array(dates, dtype=clock.dtype), side="left").tolist()
    if len(cuts) == 1:
        start = cuts[0]
        valid = min(max(1, round(_VALID * start)), max(start - 1, 0))
        return 0, start - valid, start, len(clock)
    return 0, cuts[0], cuts[1], cuts[2] if len(cuts) == 3 else len(clock)


def _between(first: np.datetime64, last: np.datetime64) -> np.datetime64:
    """Return a time four fifths of the way, at midnight if that lies between too."""
    time: np.datetime64 = first + (last - first) * 4 // 5
    midnight = time.astype("datetime64[D]").astype(time.dtype)
    return midnight if midnight > first else time


def _day(date: np.datetime64) -> str:
    text = str(np.datetime_as_string(date, unit="s"))
    return text.removesuffix("T00:00:00")
