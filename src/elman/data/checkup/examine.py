"""The front of the doctor: ``elman.examine`` and ``elman data``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.checkup.blocks import Block, blocks, streams
from elman.data.checkup.findings import Finding, by_gravity, find_faults
from elman.data.checkup.guess import Guess, guess, is_wide
from elman.data.checkup.head import of_head
from elman.data.checkup.propose import command_of, propose, request_of, trial, unwritable
from elman.data.checkup.tally import Histogram, Tally
from elman.data.checkup.watch import PART_NAMES, Watch
from elman.data.columns import column
from elman.data.delimited import typed
from elman.data.doctor import span
from elman.data.files import suffix_of
from elman.data.hints import listed
from elman.data.read import Table
from elman.data.split import is_rule
from elman.data.wordlists import is_word_list
from elman.model.grammar import check_pair, parse_source, parse_target

__all__ = ["Checkup", "ColumnReport", "examine"]

FEW, LONG, NAME = 5, 24, 2
"""Values of a column that are shown one by one, how many letters each may have for that, and words up to which a cell
is a name and no text."""

_SMALL = 32 << 20
"""Bytes in memory up to which data are prepared as for training, to see whether they can be."""


@dataclass(frozen=True)
class ColumnReport:
    """One column in words.

    Attributes:
        name: as in the file.
        kind: ``numbers``, ``text``, ``lists``, ``times``, ``yes/no``, ``nothing`` or ``objects``.
        role: what the command takes it for; empty where it takes it for nothing.
        missing: cells without a value.
        distinct: how many different values; ``exact`` whether that is counted and not estimated (2 %).
        shows: the range of numbers, the commonest of few words, or how long texts and lists are.
    """

    name: str
    kind: str
    role: str
    missing: int
    distinct: int
    exact: bool
    shows: str


@dataclass(frozen=True)
class Checkup:
    """What a file holds and what is wrong with it.

    Attributes:
        file: its name. rows: rows of the file; not of those for validation and test.
        columns: in the file's order.
        shape: what one sequence is: ``rows`` of one id, each ``row``, the ``table``, or the whole ``text``.
        sequences: how many there are.
        lengths: at most eight ranges of lengths and how many sequences each has: (first, last, count); in steps,
            items, words, or characters (``unit``).
        every: the usual step from date to date, in words; empty without dates.
        labels: how many sequences have each label, the commonest first; empty where there is none, or over a thousand.
        parts: rows in train, valid and test, where a column or files say so; else empty.
        findings: what is wrong, the gravest first.
        command: the training command that fits, word by word; empty where none does.
        approximate: what was not counted but estimated, in sentences.
    """

    file: str
    rows: int
    columns: list[ColumnReport]
    shape: str
    sequences: int
    lengths: list[tuple[int, int, int]]
    unit: str
    every: str
    labels: dict[str, int]
    parts: dict[str, int]
    findings: list[Finding]
    command: list[str]
    approximate: list[str] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether there is no finding that is an error."""
        return not any(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return asdict(self) | {"healthy": self.healthy}


def examine(
    file: str | Path,
    source: str = "",
    target: str = "",
    *,
    id: str | None = None,
    time: str | None = None,
    split: str | None = None,
    valid: str | None = None,
    test: str | None = None,
) -> Checkup:
    """Look through a file for what is in it, what is wrong with it, and which command trains on it.

    CSV, TSV, JSON lines and Parquet are read some rows at a time: memory stays at a few hundred MiB, however large the
    file is. Other files are read as a whole. Counts are exact but for what ``Checkup.approximate`` names: beyond 4,096
    distinct values, 2 million rows and 262,144 sequences they are estimates.

    Args:
        file: as for :func:`elman.train`.
        source, target: the ``--from`` and ``--to`` sides; what is empty is guessed from names and values.
        id, time, split: columns with a role (``split`` also a rule, as in training); None guesses.
        valid, test: files of the other parts; they are looked through too, and compared with the first.

    Raises:
        DataError: the file cannot be read at all; with the line. InputError: no such kind of file, or a side is wrong.

    >>> print(elman.examine("reviews.csv").findings)
    """
    file = str(file)
    if source and target:
        check_pair(parse_source(source), parse_target(target))
    asked = Guess(source, target, id, time, split)
    stream = blocks(file)
    first = next(stream)
    head = _typed(first, file)
    _check_named(head, asked)
    found = guess(head, asked)
    if test is not None:
        # The file says what the test is, so a column of parts does not.
        found = replace(found, split=asked.split)
    watch = Watch(found)
    watch.add(first, file)
    size = first.frame.estimated_size()
    for block in stream:
        watch.add(block, file)
        size += block.frame.estimated_size()
    files = [file, str(valid), str(test)]
    lacking: list[Finding] = []
    for part, other in ((1, valid), (2, test)):
        for place, block in enumerate(blocks(other, part) if other else ()):
            lacking += _lacking(block, found, files, part) if not place else []
            watch.compare(block, str(other))
    fit, findings = propose(found, asked, find_faults(watch, files))
    wide = is_wide(head) if not asked.source else []
    findings = [*of_head(head, found, wide), *lacking, *(one for one in findings if one.column not in wide)]
    findings += unwritable(fit, file, nameless=any(one.kind == "names" for one in findings))
    request = None if wide else request_of(fit, file, valid, test)
    if request is not None and size <= _SMALL and not any(one.severity == "error" for one in findings):
        findings = [*trial(request), *findings]
    command = [] if request is None else command_of(request)
    return _report(watch, fit, files, by_gravity(findings), command)


def _lacking(block: Block, found: Guess, files: list[str], part: int) -> list[Finding]:
    """Columns in use that the file of another part has not."""
    used = dict.fromkeys(name for name in (found.id, found.time, *found.inputs, found.goal) if name)
    gone = [name for name in used if name not in block.frame.columns]
    if not gone:
        return []
    what = f"column '{gone[0]}' is not there, which {files[0]} has; there is: {listed(block.frame.columns)}"
    return [Finding("error", "columns", what, "name its columns alike", files[part], count=len(gone))]


def _typed(block: Block, file: str) -> Table:
    """The first rows with columns of numbers as numbers."""
    if suffix_of(Path(file)) in (".csv", ".tsv") and streams(file):
        frame, spelt = typed(block.frame)
        return Table(frame, file, block.lines, spelt)
    return Table(block.frame, file, block.lines)


def _check_named(head: Table, asked: Guess) -> None:
    named = [("--id", asked.id), ("--time", asked.time)]
    if asked.split is not None and not is_rule(asked.split):
        named.append(("--split", asked.split))
    if asked.source:
        named += [("--from", name) for part in parse_source(asked.source) for name in part.columns]
    if asked.target:
        named += [("--to", name) for name in parse_target(asked.target).columns]
    for option, name in named:
        if name is not None:
            column(head, name, option)


# What comes of it ---------------------------------------------------------------------------------------------


def _report(watch: Watch, found: Guess, files: list[str], findings: list[Finding], command: list[str]) -> Checkup:
    lengths, unit = _lengths(watch)
    labels = sorted((watch.labels or {}).items(), key=lambda item: (-item[1], item[0]))
    return Checkup(
        file=files[0],
        rows=watch.rows,
        columns=[_column(tally, found) for tally in watch.tallies.values()],
        shape=found.shape,
        sequences=watch.sequences.count if found.shape in ("rows", "table") else lengths.total,
        lengths=lengths.bars(),
        unit=unit,
        every=_every(watch),
        labels=dict(labels),
        parts=dict(zip(PART_NAMES, watch.parts, strict=True)) if sum(map(bool, watch.parts)) > 1 else {},
        findings=findings,
        command=command,
        approximate=_estimates(watch),
    )


def _every(watch: Watch) -> str:
    usual = watch.sequences.usual
    if not watch.sequences.dates or not len(usual):
        return ""
    step = float(np.median(usual))
    days = round(step / 86_400e6)
    return "1 month" if 28 <= days <= 31 else "1 year" if 365 <= days <= 366 else span(step, dates=True)


def _lengths(watch: Watch) -> tuple[Histogram, str]:
    guess = watch.guess
    if guess.shape in ("rows", "table"):
        found = Histogram()
        found.add(watch.sequences.lengths)
        return found, "steps"
    tally = watch.tallies.get(guess.inputs[0]) if guess.inputs else None
    if tally is None:
        return Histogram(), ""
    return tally.lengths, "words" if tally.kind == "text" or (
        tally.dtype is not None and is_word_list(tally.dtype)
    ) else "steps"


def _column(tally: Tally, found: Guess) -> ColumnReport:
    roles = {found.id: "id", found.time: "time", found.split: "split", found.goal: "to"}
    role = roles.get(tally.name) or ("from" if tally.name in found.inputs else "")
    # An estimate knows nothing of how many cells there are.
    distinct = min(tally.distinct.count, tally.filled)
    return ColumnReport(
        tally.name, tally.kind, role, tally.missing.count, distinct, tally.distinct.exact, _shows(tally)
    )


def _shows(tally: Tally) -> str:
    """What is in a column, in a few words."""
    if tally.kind == "numbers" and tally.low and tally.high:
        ends = f"{_number(tally.low[0])} to {_number(tally.high[0])}"
        return f"{ends}, median {_number(float(np.median(tally.sample.values)))}"
    few = tally.values is not None and 0 < len(tally.values) <= FEW
    if few and tally.values and (tally.kind != "text" or max(map(len, tally.values)) <= LONG):
        common = sorted(tally.values.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{value} {count:,}" for value, count in common)
    if tally.kind in ("times", "text") and tally.lengths.quantile(0.5) <= NAME:
        return f"such as {tally.example}"
    if tally.lengths.total:
        unit = "items" if tally.kind == "lists" else "words"
        low, middle, high = tally.lengths.shortest, tally.lengths.quantile(0.5), tally.lengths.longest
        return f"{low:,} to {high:,} {unit}, median {middle:,}" if low < high else f"{low:,} {unit}"
    return ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e12 else f"{value:g}"


def _estimates(watch: Watch) -> list[str]:
    found = []
    if any(not tally.distinct.exact for tally in watch.tallies.values()):
        found.append("distinct values above 4,096 are estimates (2 %)")
    seen = max(watch.content.level, watch.whole.level)
    if seen:
        found.append(f"repeated rows are estimated from 1 row in {1 << seen}")
    if watch.sequences.level:
        found.append(f"sequences are estimated from 1 in {1 << watch.sequences.level}")
    return found
