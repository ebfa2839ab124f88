"""What is read from the rows of each example: one kind, or several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.core.errors import DataError, InputError
from elman.data.choose import Choice
from elman.data.columns import numbers, texts
from elman.data.groups import Groups, by_id, constant
from elman.data.lists import sequences
from elman.data.read import Table
from elman.data.wordlists import is_word_list, names, word_lists
from elman.model.grammar import Part
from elman.model.kinds.joined import Steps
from elman.model.kinds.series import Gaps
from elman.model.kinds.text import spellings

__all__ = ["Tail", "read_inputs"]

Lines = list[NDArray[np.int64]]


@dataclass(frozen=True)
class Tail:
    """The rows behind the last values of a table, in which only what is known ahead stands.

    Attributes:
        table: those rows.
        ids: the id of each; None where the whole table is one sequence.
        wanted: the ids of the examples, in their order.
    """

    table: Table
    ids: list[str] | None
    wanted: tuple[str, ...] = ()

    def of(self, ids: Sequence[str]) -> Tail:
        """The same for examples of these ids."""
        return Tail(self.table, self.ids, tuple(ids))

    def read(self, parts: tuple[Part, ...]) -> list[tuple[Any, ...]]:
        """What is known of each example's rows, a tuple of the parts' values ``[rows, C]`` each."""
        values = [_row_values(self.table, part, "--known", gaps=False) for part in parts]
        if self.ids is None:
            return [tuple(values)]
        groups, found = by_id(self.ids) if self.ids else (Groups(np.zeros(0, np.int64), np.zeros(1, np.int64)), [])
        cut = dict(zip(found, zip(*[groups.cut(one) for one in values], strict=True), strict=True))
        return [cut.get(one, tuple(value[:0] for value in values)) for one in self.wanted]


def read_inputs(
    table: Table, choice: Choice, groups: Groups, tail: Tail | None, gaps: Gaps, notes: list[str]
) -> tuple[list[Any], Lines]:
    """The input of every example, and the line of each of its rows (for a list: of each step)."""
    if gaps == "interpolate" and any(part.kind == "events" for part in choice.source):
        raise InputError("--gaps interpolate: there is nothing between two names; write --gaps input")
    options = [f"--from {part.kind}" for part in choice.source]
    parts = [
        _values(table, part, choice, groups, option, gaps, notes)
        for part, option in zip(choice.source, options, strict=True)
    ]
    steps: Lines = groups.cut(table.lines)
    inputs = parts[0]
    if choice.joined:
        inputs = _side_by_side(table, choice, groups, parts, tail)
    if choice.lists or (choice.joined and len(groups.order) == len(groups.starts) - 1):
        # Examples stand in the order of the rows here.
        steps = [np.full(len(one), line, dtype=np.int64) for one, line in zip(inputs, table.lines, strict=True)]
    name = choice.columns[0]
    if choice.source[0].kind == "text" and name in table.spelt:
        notes.append(f"{options[0]}: all cells of {name} are numbers, read as text; as numbers: --from series:{name}")
    _note_empty(table, inputs, groups, options[0], notes)
    return inputs, steps


def _values(
    table: Table, part: Part, choice: Choice, groups: Groups, option: str, gaps: Gaps, notes: list[str]
) -> list[Any]:
    """One part of every example."""
    if part.kind == "text":
        return _texts(table, part, choice, groups, option, notes)
    if not choice.lists:
        return groups.cut(_row_values(table, part, option, gaps=gaps != "error"))
    if part.kind == "series":
        return list(sequences(table, part.columns, option, gaps=gaps != "error"))
    return _word_columns(table, part.columns, option)


def _row_values(table: Table, part: Part, option: str, *, gaps: bool) -> NDArray[Any]:
    """The values of all rows, ``[rows, C]``."""
    if part.kind == "series":
        return numbers(table, part.columns, option, gaps=gaps)
    return names(table, part.columns, option, gaps=gaps)


def _word_columns(table: Table, columns: tuple[str, ...], option: str) -> list[Any]:
    """Lists of words side by side, ``[T, C]`` a row."""
    lists = [word_lists(table, name, option) for name in columns]
    for row, cells in enumerate(zip(*lists, strict=True)):
        for name, cell in zip(columns, cells, strict=True):
            if len(cell) != len(cells[0]):
                raise DataError(
                    f"the list has {len(cell)} words, but '{columns[0]}' has {len(cells[0])}; make them equal",
                    file=table.file,
                    row=int(table.lines[row]),
                    column=name,
                )
    return [np.stack(cells, axis=1) for cells in zip(*lists, strict=True)]


def _texts(table: Table, part: Part, choice: Choice, groups: Groups, option: str, notes: list[str]) -> list[Any]:
    """The text of every example: a string; or its words, where other values stand beside each."""
    name = part.columns[0]
    if is_word_list(table.frame.schema[name]):
        return [one.tolist() for one in word_lists(table, name, option)]
    rows = texts(table, name, option)
    stepwise = choice.target.kind in ("tags", "series") or any(one.kind != "text" for one in choice.source)
    if stepwise and not choice.lists and len(groups.order) > len(groups.starts) - 1:
        # A row is a step, so its text is one word.
        return [one.tolist() for one in groups.cut(np.array(rows, dtype=object))]
    whole = _joined(rows, groups, notes)
    if (stepwise or choice.joined) and part.variant == "bpe":
        raise InputError(
            f"{option}.bpe: pieces of words are no steps that something else stands beside; write {option} for words"
        )
    cut = list if part.variant == "char" else spellings
    return [cut(one) for one in whole] if stepwise or choice.joined else whole


def _joined(rows: list[str], groups: Groups, notes: list[str]) -> list[str]:
    """Return the text of each example; rows of one id are lines of one text."""
    if len(groups.order) == len(groups.starts) - 1:
        return [rows[row] for row in groups.order.tolist()]
    notes.append("--id: the rows of one id are joined, as lines of one text")
    return ["\n".join(rows[row] for row in one.tolist()) for one in groups.cut(np.arange(len(rows)))]


def _side_by_side(table: Table, choice: Choice, groups: Groups, parts: list[list[Any]], tail: Tail | None) -> list[Any]:
    """Join the parts of every example with what is known ahead of it and what is constant in it."""
    count = len(groups.starts) - 1
    for part, values in zip(choice.source[1:], parts[1:], strict=True):
        _check_lengths(table, choice, part, groups, parts[0], values)
    known = [_known(table, part, choice, groups) for part in choice.known]
    static = [_static(table, part, groups) for part in choice.static]
    ahead: list[tuple[Any, ...]] = [()] * count
    if choice.known and choice.lists:
        ahead, known = _cut_lists(table, choice, parts[0], known)
    elif tail is not None:
        ahead = tail.read(choice.known)
    return [Steps(tuple(p[k] for p in (*parts, *known)), tuple(s[k] for s in static), ahead[k]) for k in range(count)]


def _known(table: Table, part: Part, choice: Choice, groups: Groups) -> list[Any]:
    if not choice.lists:
        return groups.cut(_row_values(table, part, "--known", gaps=False))
    if part.kind == "series":
        return list(sequences(table, part.columns, "--known"))
    return _word_columns(table, part.columns, "--known")


def _static(table: Table, part: Part, groups: Groups) -> list[Any]:
    """What is constant in each example, ``[1, C]``; of a column that changes the line is named."""
    values = _row_values(table, part, "--static", gaps=False)
    columns = [
        constant(table, values[:, k] if part.kind == "series" else values[:, k].tolist(), name, "--static", groups)
        for k, name in enumerate(part.columns)
    ]
    return list(np.stack(columns, axis=1)[:, None])


def _cut_lists(
    table: Table, choice: Choice, first: list[Any], known: list[list[Any]]
) -> tuple[list[tuple[Any, ...]], list[list[Any]]]:
    """Lists of what is known may be longer than those beside them; what is over is ahead."""
    ahead: list[tuple[Any, ...]] = []
    parts: list[list[Any]] = [[] for _ in known]
    for row, (sequence, values) in enumerate(zip(first, zip(*known, strict=True), strict=True)):
        steps = len(sequence)
        for part, value in zip(choice.known, values, strict=True):
            if len(value) < steps:
                raise DataError(
                    f"--known has {len(value)} steps, but '{choice.columns[0]}' has {steps}; it must go as far at "
                    "least",
                    file=table.file,
                    row=int(table.lines[row]),
                    column=part.columns[0],
                )
        ahead.append(tuple(value[steps:] for value in values))
        for kept, value in zip(parts, values, strict=True):
            kept.append(value[:steps])
    return ahead, parts


def _check_lengths(
    table: Table, choice: Choice, part: Part, groups: Groups, first: list[Any], other: list[Any]
) -> None:
    for row, one, two in zip(groups.firsts.tolist(), first, other, strict=True):
        if len(one) == len(two):
            continue
        name = part.columns[0]
        short = name if len(two) == 1 else choice.columns[0] if len(one) == 1 else None
        do = f"; what holds for the whole sequence is named by --static {short}" if short else "; make them equal"
        raise DataError(
            f"'{name}' has {len(two)} steps, but '{choice.columns[0]}' has {len(one)}, and both are read side by "
            f"side{do}",
            file=table.file,
            row=int(table.lines[row]),
            column=name,
        )


def _note_empty(table: Table, inputs: list[Any], groups: Groups, option: str, notes: list[str]) -> None:
    empty = [place for place, one in enumerate(inputs) if not len(one)]
    if empty:
        noun = "sequence is" if len(empty) == 1 else "sequences are"
        first = int(table.lines[groups.firsts[empty[0]]])
        notes.append(f"{option}: {len(empty)} {noun} empty (length zero), the first in line {first}")
