"""Give columns their roles: from a table to examples, one input and one target each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.core.errors import DataError, InputError, nearest
from elman.data.choose import Choice, choose
from elman.data.columns import column, is_missing, numbers, texts, time_form, times, words
from elman.data.groups import Groups, by_id, check_order, constant
from elman.data.lists import sequences
from elman.data.read import Table
from elman.model.grammar import Part

__all__ = ["PARTS", "Examples", "Roles", "assemble"]

PARTS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}
"""Words of a split column, in small letters, and the part each means."""


@dataclass(frozen=True)
class Roles:
    """Columns with a role of their own, by name; ``None`` where there is none.

    Attributes:
        id: rows of one value form one sequence.
        time: the time of each row.
        split: the part (train, valid, test) of each row's example.
    """

    id: str | None = None
    time: str | None = None
    split: str | None = None


@dataclass
class Examples:
    """Sequences and what is to be learnt from them, before any encoding.

    Attributes:
        inputs: of a series float64 [T, C], of a text str; one per example.
        targets: of a label str, of numbers float64 [C], of next and future float64 [T, C]; ``None`` for a
            text that continues itself, and where the target is not in the file.
        ids: the id, or the row's line as text when no column is the id.
        times: datetime64[us] or float64 [rows] per example; ``None`` without a time column.
        where: file and line of each example's first row.
        steps: int64 [rows] per example, the line of each row (for a list: of each step).
        split: ``train``, ``valid`` or ``test`` per example, if a column says so.
        columns: the columns read from.
        target_columns: the columns read to.
        notes: sentences on the choices that were made for the user.
        form: how the file writes its times (see :func:`elman.data.columns.time_form`).
    """

    inputs: list[Any]
    targets: list[Any] | None
    ids: list[str]
    times: list[NDArray[Any]] | None
    where: list[tuple[str, int]]
    steps: list[NDArray[np.int64]]
    split: list[str] | None
    columns: tuple[str, ...]
    target_columns: tuple[str, ...]
    notes: list[str]
    form: str = ""

    def __len__(self) -> int:
        return len(self.inputs)

    def subset(self, indices: Iterable[int]) -> Examples:
        """Return the examples at ``indices``, in that order; their values are shared, not copied."""
        chosen = [int(index) for index in indices]
        return Examples(
            inputs=[self.inputs[index] for index in chosen],
            targets=None if self.targets is None else [self.targets[index] for index in chosen],
            ids=[self.ids[index] for index in chosen],
            times=None if self.times is None else [self.times[index] for index in chosen],
            where=[self.where[index] for index in chosen],
            steps=[self.steps[index] for index in chosen],
            split=None if self.split is None else [self.split[index] for index in chosen],
            columns=self.columns,
            target_columns=self.target_columns,
            notes=list(self.notes),
            form=self.form,
        )


def assemble(table: Table, source: Part, target: Part, roles: Roles, *, need_target: bool = True) -> Examples:
    """Form examples from the rows of a table.

    With an id, rows of one id form one sequence, in the order of the file; ids in order of first appearance.
    Without one, each row is an example if the source is a text or a column of lists; otherwise the whole
    table is one sequence. In a ``.ts`` table ``id`` and ``step`` are the id and the time unless others are
    named.

    Args:
        table: the table.
        source: the one part of ``--from``: ``series`` or ``text``.
        target: ``--to``: ``label``, ``number``, ``next`` or ``future``.
        roles: columns with other roles.
        need_target: whether a target that is absent or incomplete is an error (training) or leaves
            ``targets`` at ``None`` (prediction).

    Raises:
        DataError: a column is absent or of the wrong type; a value is missing, unreadable, out of order or
            differs where it must be constant.
        InputError: a column is given two roles, or the options do not fit each other.
    """
    roles = _roles_of_ts(table, roles)
    taken = _taken(table, roles)
    choice = choose(table, source, target, taken, need_target=need_target)
    groups, ids = _groups(table, source, target, roles, choice)
    clock = None if roles.time is None else times(table, roles.time)
    if clock is not None and roles.time is not None:
        check_order(table, groups, clock, roles.time, roles.id)
    notes = list(choice.notes)
    inputs, steps = _inputs(table, source, choice, groups, notes)
    targets = _targets(table, inputs, target, choice, groups, need_target, notes)
    return Examples(
        inputs=inputs,
        targets=targets,
        ids=ids,
        times=None if clock is None else groups.cut(clock),
        where=[(table.file, line) for line in table.lines[groups.firsts].tolist()],
        steps=steps,
        split=None if roles.split is None else _split(table, roles.split, groups),
        columns=choice.columns,
        target_columns=choice.target_columns,
        notes=notes,
        form="" if roles.time is None else time_form(table, roles.time),
    )


def _roles_of_ts(table: Table, roles: Roles) -> Roles:
    if not table.file.lower().removesuffix(".gz").endswith(".ts"):
        return roles
    return Roles(id=roles.id or "id", time=roles.time or "step", split=roles.split)


def _taken(table: Table, roles: Roles) -> dict[str, str]:
    taken: dict[str, str] = {}
    for option, name in (("--id", roles.id), ("--time", roles.time), ("--split", roles.split)):
        if name is None:
            continue
        column(table, name, option)
        if name in taken:
            raise InputError(
                f"{table.file}: the column '{name}' is named by both {taken[name]} and {option}; leave one out"
            )
        taken[name] = option
    return taken


def _groups(table: Table, source: Part, target: Part, roles: Roles, choice: Choice) -> tuple[Groups, list[str]]:
    height = table.frame.height
    each = Groups(np.arange(height), np.arange(height + 1))
    if choice.lists and roles.time is not None:
        raise InputError(
            f"--time {roles.time}: {choice.columns[0]} holds a whole sequence in each row, so a row has "
            "no single time; leave --time out, or write one row a step and name --id"
        )
    if roles.id is not None:
        names = words(table, roles.id, "--id")
        groups, ids = by_id(names)
        if choice.lists and len(ids) < height:
            raise _id_twice(table, roles.id, groups)
        return groups, ids
    if choice.lists or source.kind == "text":
        return each, [str(line) for line in table.lines.tolist()]
    if target.kind in ("label", "number"):
        free = [name for name in table.frame.columns if name not in (*choice.columns, *choice.target_columns)]
        raise DataError(
            f"--to {target.kind} needs to know which rows form one sequence; name the column that tells "
            f"them apart: --id {free[0] if free else 'COLUMN'}. (Without --id the whole table is one "
            "sequence: for that, --to next or --to future:24.)",
            file=table.file,
        )
    return Groups(np.arange(height), np.array([0, height])), [str(table.lines[0])]


def _id_twice(table: Table, name: str, groups: Groups) -> DataError:
    again = int(np.flatnonzero(np.diff(groups.starts) > 1)[0])
    first, second = groups.order[groups.starts[again] : groups.starts[again] + 2]
    return DataError(
        f"every row holds a whole sequence, but lines {table.lines[first]} and {table.lines[second]} have "
        "the same id; leave --id out or make them distinct",
        file=table.file,
        row=int(table.lines[second]),
        column=name,
    )


def _inputs(
    table: Table, source: Part, choice: Choice, groups: Groups, notes: list[str]
) -> tuple[list[Any], list[NDArray[np.int64]]]:
    steps: list[NDArray[np.int64]] = groups.cut(table.lines)
    option = f"--from {source.kind}"
    inputs: list[Any]
    if choice.lists:
        inputs = sequences(table, choice.columns, option)
        # Ids are distinct here, so examples stand in the order of the rows.
        steps = [np.full(len(one), line, dtype=np.int64) for one, line in zip(inputs, table.lines, strict=True)]
    elif source.kind == "series":
        return groups.cut(numbers(table, choice.columns, option)), steps
    else:
        inputs = _joined(texts(table, choice.columns[0], option), groups, notes)
        if choice.columns[0] in table.spelt:
            name = choice.columns[0]
            notes.append(f"{option}: all cells of {name} are numbers, read as text; as numbers: --from series:{name}")
    _note_empty(table, inputs, groups, option, notes)
    return inputs, steps


def _note_empty(table: Table, inputs: list[Any], groups: Groups, option: str, notes: list[str]) -> None:
    empty = [place for place, one in enumerate(inputs) if not len(one)]
    if empty:
        noun = "sequence is" if len(empty) == 1 else "sequences are"
        first = int(table.lines[groups.firsts[empty[0]]])
        notes.append(f"{option}: {len(empty)} {noun} empty (length zero), the first in line {first}")


def _joined(rows: list[str], groups: Groups, notes: list[str]) -> list[str]:
    """Return the text of each example; rows of one id are lines of one text."""
    if len(groups.order) == len(groups.starts) - 1:
        return [rows[row] for row in groups.order.tolist()]
    notes.append("--id: the rows of one id are joined, as lines of one text")
    return ["\n".join(rows[row] for row in one.tolist()) for one in groups.cut(np.arange(len(rows)))]


def _targets(
    table: Table,
    inputs: list[Any],
    target: Part,
    choice: Choice,
    groups: Groups,
    need_target: bool,
    notes: list[str],
) -> list[Any] | None:
    names, option = choice.target_columns, f"--to {target.kind}"
    if not names:
        return None
    gaps = [name for name in names if is_missing(table.frame.get_column(name)).any()]
    if gaps and not need_target:
        notes.append(f"{option}: values are missing in {', '.join(gaps)}, so there is nothing to compare with")
        return None
    if target.kind == "label":
        return list(constant(table, words(table, names[0], option), names[0], option, groups))
    if target.kind == "number":
        values = numbers(table, names, option)
        parts = [constant(table, values[:, place], name, option, groups) for place, name in enumerate(names)]
        return list(np.stack(parts, axis=1))
    if choice.lists:
        goals = sequences(table, names, option)
        _check_lengths(table, choice, inputs, goals, option)
        return goals
    return groups.cut(numbers(table, names, option))


def _check_lengths(
    table: Table, choice: Choice, inputs: list[Any], goals: list[NDArray[np.float64]], option: str
) -> None:
    for line, one, goal in zip(table.lines.tolist(), inputs, goals, strict=True):
        if len(one) != len(goal):
            raise DataError(
                f"{option} has {len(goal)} steps, but {choice.columns[0]} has {len(one)}; make them equal",
                file=table.file,
                row=line,
                column=choice.target_columns[0],
            )


def _split(table: Table, name: str, groups: Groups) -> list[str]:
    found = words(table, name, "--split")
    parts = [PARTS.get(word.strip().lower()) for word in found]
    if None in parts:
        row = parts.index(None)
        raise DataError(
            f"'{found[row]}' is no part.{nearest(found[row].lower(), PARTS)} Write train, valid or test",
            file=table.file,
            row=int(table.lines[row]),
            column=name,
        )
    whole = [part for part in parts if part is not None]
    return list(constant(table, whole, name, "--split", groups))
