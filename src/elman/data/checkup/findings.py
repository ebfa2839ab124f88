"""What is wrong, in words: each finding says how grave it is, what it is, where, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from elman.data.checkup.guess import Guess
from elman.data.checkup.tally import First, Tally
from elman.data.checkup.watch import PART_LINES, PART_NAMES, Watch
from elman.data.doctor import ABSURD, EVEN, FEWEST, RARE, span
from elman.data.hints import paste

__all__ = ["Finding", "by_gravity", "find_faults"]

_ALIKE = 4
"""Columns with the same fault up to which each is told."""

_COPY = 5
"""Steps from which on two sequences of numbers are not alike by chance."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        severity: ``error``: training refuses such data; ``warning``: its score would deceive, or much would be lost;
            ``note``: good to know.
        kind: one word for the sort of fault, such as ``gap``.
        what: a sentence.
        todo: what to do.
        file, line, column: where; None where it is no one place.
        count: how often.
        paste: a line of Python that does what is to be done; empty where none can.
    """

    severity: str
    kind: str
    what: str
    todo: str
    file: str
    line: int | None = None
    column: str | None = None
    count: int = 1
    paste: str = ""


def find_faults(watch: Watch, files: list[str]) -> list[Finding]:
    """All that is wrong with what was watched; ``files`` are the file and, where given, those of valid and test."""
    guess = watch.guess
    found = [*_columns(watch, files[0]), *_parts(watch, files), *_sequences(watch, files)]
    if guess.time is not None and guess.shape != "row":
        found += _times(watch, files)
    found += _labels(watch, files[0])
    return [_placed(one, files) for one in found]


def _placed(finding: Finding, files: list[str]) -> Finding:
    part, line = divmod(finding.line or 0, PART_LINES)
    return replace(finding, file=files[part], line=line) if part else finding


def by_gravity(findings: list[Finding]) -> list[Finding]:
    """Errors first; what is wrong with more than four columns alike is told once."""
    alike: dict[tuple[str, str], list[Finding]] = {}
    for one in findings:
        alike.setdefault((one.severity, one.kind), []).append(one)
    told = [one for group in alike.values() for one in (group if len(group) <= _ALIKE else [_together(group)])]
    order = ("error", "warning", "note")
    return sorted(told, key=lambda one: order.index(one.severity))


def _together(group: list[Finding]) -> Finding:
    first = group[0]
    names = ", ".join(str(one.column) for one in group[:3])
    what = f"{len(group):,} columns alike ({names}, ...); the first: {first.what}"
    return replace(first, what=what, count=sum(one.count for one in group))


def _columns(watch: Watch, file: str) -> Iterator[Finding]:
    used = _used(watch.guess)
    for name, tally in watch.tallies.items():
        yield from _filled(tally, file, used, watch.guess)
        if tally.mixed:
            many = "cell is no number" if tally.words.count == 1 else f"of {tally.rows:,} cells are no numbers"
            keep = f".with_columns(pl.col({name!r}).cast(pl.Float64, strict=False))"
            yield Finding(
                "error" if name in used else "warning", "mixed",
                f"{tally.words.count:,} {many}: '{tally.words.what[:40]}', so none of the column counts as one",
                "correct it, or make it missing",
                file, tally.words.line, name, tally.words.count, paste(file, keep, "numbers"),
            )  # fmt: skip
        if tally.constant and tally.rows > 1 and not tally.missing.count and name != watch.guess.id:
            answer = name == watch.guess.goal
            yield Finding(
                "error" if answer else "note", "constant",
                f"'{next(iter(tally.values or {'': 0}))[:40]}' in every row",
                "name another column to predict" if answer else "it teaches nothing; leave it out",
                file, None, name, tally.rows,
            )  # fmt: skip
        if tally.infinite.count and tally.kind == "numbers":
            drop = paste(file, f".filter(pl.col({name!r}).is_finite())", "finite")
            yield Finding(
                "error" if name in used else "warning", "infinite", f"{tally.infinite.count:,} infinite values",
                "drop such rows", file, tally.infinite.line, name, tally.infinite.count, drop,
            )  # fmt: skip
        if tally.damaged.count:
            yield Finding(
                "warning", "damaged", f"{tally.damaged.count:,} cells hold \ufffd, for letters lost in decoding",
                "make the file anew from its source, in UTF-8", file, tally.damaged.line, name, tally.damaged.count,
            )  # fmt: skip
        yield from _absurd(tally, file, used)


def _used(guess: Guess) -> set[str]:
    return {name for name in (*guess.inputs, guess.goal, guess.id, guess.time, guess.split) if name}


def _filled(tally: Tally, file: str, used: set[str], guess: Guess) -> Iterator[Finding]:
    """Missing values, holes in lists, and sequences without a step."""
    name, gone = tally.name, tally.missing
    if gone.count and name in used:
        share = f"{gone.count:,} of {tally.rows:,} values are missing ({_percent(gone.count / tally.rows)})"
        drop = paste(file, f".drop_nulls({name!r})", "complete")
        fill = paste(file, f".with_columns(pl.col({name!r}).interpolate().forward_fill().backward_fill())", "filled")
        do = ("fill them in", fill) if tally.kind == "numbers" and name in guess.inputs else ("drop such rows", drop)
        yield Finding("error", "missing", share, do[0], file, gone.line, name, gone.count, do[1])
    if tally.holes.count and name in used:
        yield Finding(
            "error", "missing", f"{tally.holes.count:,} lists have a missing item",
            "leave such steps out, or fill them in", file, tally.holes.line, name, tally.holes.count,
        )  # fmt: skip
    if tally.empty.count and name in guess.inputs:
        noun = "cell is" if tally.empty.count == 1 else "cells are"
        yield Finding(
            "warning", "empty", f"{tally.empty.count:,} {noun} empty: sequences of length zero",
            "drop them, unless nothing at all is what you want to learn from", file, tally.empty.line, name,
            tally.empty.count,
        )  # fmt: skip


def _absurd(tally: Tally, file: str, used: set[str]) -> Iterator[Finding]:
    if tally.kind != "numbers" or tally.numbers < FEWEST or tally.low is None or tally.high is None:
        return
    middle = float(np.median(tally.sample.values))
    value, line = max(tally.low, tally.high, key=lambda end: abs(end[0] - middle))
    away = np.sort(np.abs(tally.sample.values - middle))
    # The farthest itself does not say what is usual.
    others = away[:-1] if away[-1] == abs(value - middle) else away
    usual = float(np.quantile(others, 0.99))
    if 0 < usual * ABSURD < abs(value - middle):
        drop = paste(file, f".filter(pl.col({tally.name!r}) != {value!r})", "plain")
        yield Finding(
            "error" if tally.name in used else "warning", "absurd",
            f"{value:.6g} lies {abs(value - middle) / usual:.2g} times further than 99 % of the others from the "
            f"median, {middle:.6g}", "correct it, or drop such rows", file, line, tally.name, 1, drop,
        )  # fmt: skip


# Parts and sequences ------------------------------------------------------------------------------------------


def _parts(watch: Watch, files: list[str]) -> Iterator[Finding]:
    guess, file = watch.guess, files[0]
    if watch.no_part.count:
        yield Finding(
            "error", "part", f"{watch.no_part.count:,} rows say '{watch.no_part.what[:40]}', which is no part",
            "write train, valid or test", file, watch.no_part.line, guess.split, watch.no_part.count,
        )  # fmt: skip
    if watch.answers and guess.shape == "rows" and watch.sequences.moved.count:
        moved = watch.sequences.moved
        yield Finding(
            "error", "id in two parts",
            f"{moved.count:,} rows of a '{guess.id}' stand in another part than its first row does",
            "give every row of an id the same part", file, moved.line, guess.split or guess.id, moved.count,
        )  # fmt: skip
    leaks, pair = watch.content.leaks, watch.content.leak
    if guess.shape == "rows":
        found = watch.sequences.copies(_COPY)[1]
        leaks, pair = found.count, None if found.line is None else (found.line, found.other)
    if leaks and pair:
        yield Finding(
            "warning", "leak",
            f"{_about(watch)}{leaks:,} {_noun(leaks)} in another part too: {_place(pair[0], files)} is "
            f"{_place(pair[1], files)} again", "keep each in one part, or the test flatters",
            file, pair[0], None, leaks,
        )  # fmt: skip


def _noun(count: int) -> str:
    return "sequence stands" if count == 1 else "sequences stand"


def _about(watch: Watch) -> str:
    sampled = watch.sequences.level or watch.content.level or watch.whole.level
    return "about " if sampled else ""


def _sequences(watch: Watch, files: list[str]) -> Iterator[Finding]:
    guess, rows, file = watch.guess, watch.rows, files[0]
    if rows < len(PART_NAMES) and guess.shape != "text":
        told = f"{rows} row{'s are' if rows > 1 else ' is'} too little to be divided into {', '.join(PART_NAMES)}"
        yield Finding("error", "few", told, "collect more", file, count=rows)
    if guess.shape == "row":
        again, pair = watch.whole.repeated, watch.whole.again
        if again and pair:
            yield Finding(
                "warning" if again > 0.01 * rows else "note", "duplicate",
                f"{_about(watch)}{again:,} of {rows:,} rows came before ({_percent(again / rows)}): "
                f"{_place(pair[0], files)} is "
                f"{_place(pair[1], files)} again", "keep one of each", file, pair[0], None, again, _unique(file, watch),
            )  # fmt: skip
        return
    if guess.time is not None and watch.whole.repeated and watch.whole.again:
        line, before = watch.whole.again
        yield Finding(
            "error", "duplicate", f"{_about(watch)}{watch.whole.repeated:,} rows came before: {_place(line, files)} "
            f"is {_place(before, files)} again", "keep one of each", file, line, None, watch.whole.repeated,
            _unique(file, watch),
        )  # fmt: skip
    if guess.shape != "rows":
        return
    changed, answer = watch.sequences.changed, guess.goal
    if changed.count and answer:
        yield Finding(
            "error", "changing", f"{changed.count:,} rows differ from the first row of their '{guess.id}'",
            "an answer is one value a sequence; correct it, or name another --id", file, changed.line, answer,
            changed.count,
        )  # fmt: skip
    copies = watch.sequences.copies(_COPY)[0]
    if copies.count:
        yield Finding(
            "warning", "copy", f"{_about(watch)}{copies.count:,} of {watch.sequences.count:,} sequences are copies of "
            f"others, step by step: that of {_place(copies.line, files)} is that of "
            f"{_place(copies.other, files)}",
            "leave the copies out, or both may land in training and test", file, copies.line, None, copies.count,
        )  # fmt: skip
    short = int((watch.sequences.lengths < 2).sum()) << watch.sequences.level
    if short and short < watch.sequences.count:
        yield Finding(
            "note", "short", f"{short:,} of {watch.sequences.count:,} sequences have one step only",
            f"check that '{guess.id}' is what tells sequences apart", file, None, guess.id, short,
        )  # fmt: skip


def _unique(file: str, watch: Watch) -> str:
    keys = [*watch.guess.inputs, *([watch.guess.goal] if watch.guess.goal else [])]
    subset = f"{keys!r}, " if watch.guess.shape == "row" else ""
    return paste(file, f".unique({subset}maintain_order=True)", "unique")


# Time ---------------------------------------------------------------------------------------------------------


def _times(watch: Watch, files: list[str]) -> Iterator[Finding]:
    seen, guess, file = watch.sequences, watch.guess, files[0]
    within = f" within its '{guess.id}'" if guess.id else ""
    keys = [name for name in (guess.id, guess.time) if name]
    if watch.no_time is not None:
        error = watch.no_time
        what, _, do = error.message.partition(". ")
        yield Finding("error", "time", what, do or "write times as 2021-04-30 13:00", file, error.row, guess.time)
    if seen.doubled.count:
        yield _at(
            "error", "daylight saving", seen.doubled, file, guess.time,
            f"{seen.doubled.count:,} times lie in the hour that comes twice when clocks are put back: "
            f"{_pair(seen.doubled, files)}",
            "write times in UTC, or with their offset: 02:30+01:00",
        )  # fmt: skip
    if seen.back.count:
        yield _at(
            "error", "time goes back", seen.back, file, guess.time,
            f"{seen.back.count:,} times lie before the last one{within}: {_pair(seen.back, files)}",
            "sort", paste(file, f".sort({keys!r})", "sorted"),
        )  # fmt: skip
    if seen.twice.count:
        once = paste(file, f".unique({keys!r}, keep='first', maintain_order=True)", "unique")
        yield _at(
            "error", "time twice", seen.twice, file, guess.time,
            f"{seen.twice.count:,} times are the last again{within}: {_pair(seen.twice, files)}",
            "name the column that tells series apart, --id COLUMN, or keep the first", once,
        )  # fmt: skip
    usual = float(np.median(seen.usual)) if len(seen.usual) else float("nan")
    regular = seen.steps and seen.gaps.count <= RARE * seen.steps and seen.even >= EVEN * seen.steps
    if seen.gaps.count and regular:
        passed = span(seen.gaps.size, seen.dates)
        noun = "gap" if seen.gaps.count == 1 else "gaps"
        yield _at(
            "warning", "gap", seen.gaps, file, guess.time,
            f"{seen.gaps.count:,} {noun}: {passed} pass before {_place(seen.gaps.line, files)}"
            + ("" if math.isnan(usual) else f", else {span(usual, seen.dates)}"),
            "fill the missing steps in; a forecast takes a gap for one step",
        )  # fmt: skip
    other, middle = seen.other_steps()
    if other.count:
        odd, most = span(other.size, seen.dates), span(middle, seen.dates)
        yield _at(
            "warning", "frequency", other, file, guess.time,
            f"{other.count:,} of {seen.count:,} sequences have other steps in time: {odd} in that of "
            f"{_place(other.line, files)}, {most} in most", "bring all to one step, or train on each kind by itself",
        )  # fmt: skip


def _at(
    severity: str, kind: str, first: First, file: str, column: str | None, what: str, todo: str, paste: str = ""
) -> Finding:
    return Finding(severity, kind, what, todo, file, first.line, column, first.count, paste)


def _pair(first: First, files: list[str]) -> str:
    return f"{_place(first.line, files)} after {_place(first.other, files)}"


def _place(line: int | None, files: list[str]) -> str:
    """A line in words; of a file of another part also which."""
    part, line = divmod(line or 0, PART_LINES)
    return f"line {line} of {files[part]}" if part else f"line {line}"


# Labels -------------------------------------------------------------------------------------------------------


def _labels(watch: Watch, file: str) -> Iterator[Finding]:
    labels, goal = watch.labels or {}, watch.guess.goal
    units = sum(labels.values())
    if len(labels) < 2 or units < FEWEST:
        return
    ordered = sorted(labels.items(), key=lambda item: -item[1])
    (most, count), rare = ordered[0], [(word, n) for word, n in ordered if n < 3]
    if count > 0.9 * units:
        yield Finding(
            "warning", "imbalance", f"'{most[:40]}' labels {count:,} of {units:,} ({_percent(count / units)}): "
            "to answer it always is right that often", "look at more than accuracy, and collect more of the others",
            file, None, goal, count,
        )  # fmt: skip
    if rare:
        told = ", ".join(f"'{word[:20]}' ({n})" for word, n in rare[:4]) + (", ..." if len(rare) > 4 else "")
        yield Finding(
            "warning", "rare", f"{len(rare):,} of {len(labels):,} labels are too rare for {' and '.join(PART_NAMES)}: "
            f"{told}", "join them with others, or leave them out", file, None, goal, len(rare),
        )  # fmt: skip
    if watch.giveaway is None:
        return
    numeric = {name for name, tally in watch.tallies.items() if tally.kind == "numbers"}
    for name, what in watch.giveaway.told(units, len(labels), numeric).items():
        yield Finding(
            "warning", "giveaway", what, "leave it out, unless it is known before the answer is", file, None, name
        )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %" if share >= 0.0001 else "less than 0.01 %"
