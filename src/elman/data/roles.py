"""Give columns their roles: from a table to examples, one input and one target each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError, InputError, nearest
from elman.data.choose import Choice, choose, fixed_parts, flat
from elman.data.columns import column, is_missing, time_form, times, words
from elman.data.groups import Groups, by_id, check_order, constant
from elman.data.inputs import Tail, read_inputs
from elman.data.read import Table
from elman.data.targets import read_targets
from elman.model.grammar import ONE_ANSWER, Part
from elman.model.kinds.series import Gaps

__all__ = ["PARTS", "Examples", "Roles", "assemble", "names_of"]

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


_ONE = (*ONE_ANSWER, "text")
"""Targets of which a sequence has one."""

Named = tuple[str, ...] | tuple[Part, ...]
"""Columns by name, or as the parts that they were in training."""


@dataclass(frozen=True)
class Roles:
    """Columns with a role of their own, by name; ``None`` where there is none.

    Attributes:
        id: rows of one value form one sequence.
        time: the time of each row.
        split: the part (train, valid, test) of each row's example.
        known: what is known ahead of a forecast; its rows may go on behind the last value that is read.
        static: what is constant within a sequence; it stands beside every step.
        gaps: what a missing value of a series is.
    """

    id: str | None = None
    time: str | None = None
    split: str | None = None
    known: Named = ()
    static: Named = ()
    gaps: Gaps = "error"


def names_of(text: str | None, option: str) -> tuple[str, ...]:
    """The columns that ``A,B`` names; raise :class:`InputError` for an empty or repeated name."""
    if text is None:
        return ()
    found = tuple(name.strip() for name in text.split(","))
    if "" in found or len(set(found)) < len(found):
        raise InputError(f"{option} {text}: expected names of columns, each once, with a comma between: {option} A,B")
    return found


@dataclass
class Examples:
    """Sequences and what is to be learnt from them, before any encoding.

    Attributes:
        inputs: one per example: of a series float64 [T, C], of a text str (or its words, where it has one a step);
            of several parts, events, or with what is known or constant :class:`~elman.model.kinds.joined.Steps`.
        targets: of a label str, of labels their names, of numbers float64 [C], of a text str, of next, series and
            future float64
            [T, C], of tags and of events that follow names [T]; ``None`` for a text that continues itself, and where
            the target is not in the file.
        ids: the id, or the row's line as text when no column is the id.
        times: datetime64[us] or float64 [rows] per example; ``None`` without a time column.
        where: file and line of each example's first row.
        steps: int64 [rows] per example, the line of each row (for a list: of each step).
        split: ``train``, ``valid`` or ``test`` per example, if a column says so.
        columns: the columns read from.
        target_columns: the columns read to.
        notes: sentences on the choices that were made for the user.
        form: how the file writes its times (see :func:`elman.data.columns.time_form`).
        choice: the parts of both sides; ``None`` where examples come from no table.
        untested: whether none of them is kept for a test, for what tests is elsewhere.
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
    choice: Choice | None = None
    untested: bool = False

    def __len__(self) -> int:
        return len(self.inputs)

    def subset(self, indices: Iterable[int]) -> Examples:
        """Return the examples at ``indices``, in that order; their values are shared, not copied."""
        chosen = [int(index) for index in indices]
        return replace(
            self,
            inputs=[self.inputs[index] for index in chosen],
            targets=None if self.targets is None else [self.targets[index] for index in chosen],
            ids=[self.ids[index] for index in chosen],
            times=None if self.times is None else [self.times[index] for index in chosen],
            where=[self.where[index] for index in chosen],
            steps=[self.steps[index] for index in chosen],
            split=None if self.split is None else [self.split[index] for index in chosen],
            notes=list(self.notes),
        )


def assemble(
    table: Table, source: tuple[Part, ...], target: Part, roles: Roles, *, need_target: bool = True
) -> Examples:
    """Form examples from the rows of a table.

    With an id, rows of one id form one sequence, in the order of the file; ids in order of first appearance.
    Without one, each row is an example if the source is a text or a column of lists; otherwise the whole
    table is one sequence. In a ``.ts`` table ``id`` and ``step`` are the id and the time unless others are
    named. Rows behind the last value of the source in which only what is known ahead stands are no steps.

    Args:
        table: the table.
        source: the parts of ``--from``.
        target: ``--to``.
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
    fixed = (
        fixed_parts(table, roles.known, "--known", roles.id),
        fixed_parts(table, roles.static, "--static", roles.id),
    )
    choice = choose(table, source, target, taken, fixed=fixed, need_target=need_target)
    table, tail = _without_tail(table, choice, roles)
    groups, ids = _groups(table, choice, roles)
    clock = None if roles.time is None else times(table, roles.time)
    if clock is not None and roles.time is not None:
        check_order(table, groups, clock, roles.time, roles.id)
    notes = list(choice.notes)
    inputs, steps = read_inputs(table, choice, groups, tail.of(ids) if tail else None, roles.gaps, notes)
    targets = read_targets(table, inputs, choice, groups, notes, gaps=roles.gaps != "error", need=need_target)
    return Examples(
        inputs=inputs,
        targets=targets,
        ids=ids,
        times=None if clock is None else groups.cut(clock),
        where=[(table.file, line) for line in table.lines[groups.firsts].tolist()],
        steps=steps,
        split=None if roles.split is None else _split(table, roles.split, groups),
        columns=choice.columns,
        target_columns=choice.target.columns,
        notes=notes,
        form="" if roles.time is None else time_form(table, roles.time),
        choice=choice,
    )


def _roles_of_ts(table: Table, roles: Roles) -> Roles:
    if not table.file.lower().removesuffix(".gz").endswith(".ts"):
        return roles
    return replace(roles, id=roles.id or "id", time=roles.time or "step")


def _taken(table: Table, roles: Roles) -> dict[str, str]:
    taken: dict[str, str] = {}
    single = [("--id", roles.id), ("--time", roles.time), ("--split", roles.split)]
    many = [("--known", name) for name in flat(roles.known)] + [("--static", name) for name in flat(roles.static)]
    for option, name in (*single, *many):
        if name is None or (option == "--static" and name == roles.id):
            continue
        column(table, name, option)
        if name in taken:
            raise InputError(
                f"{table.file}: the column '{name}' is named by both {taken[name]} and {option}; leave one out"
            )
        taken[name] = option
    return taken


def _without_tail(table: Table, choice: Choice, roles: Roles) -> tuple[Table, Tail | None]:
    """The table without the rows that only say what is known ahead, and these."""
    if not choice.known or choice.lists:
        return table, None
    read = [name for part in choice.source if part.kind == "series" for name in part.columns]
    read += [name for name in choice.target.columns if name not in read]
    missing = np.all([is_missing(table.frame.get_column(name)).to_numpy() for name in read], axis=0)
    owner = np.zeros(len(missing), dtype=np.int64)
    if roles.id is not None:
        owner = np.unique(np.array(words(table, roles.id, "--id"), dtype=np.str_), return_inverse=True)[1]
    last = np.full(int(owner.max(initial=0)) + 1, -1)
    np.maximum.at(last, owner[~missing], np.flatnonzero(~missing))
    behind = np.arange(len(missing)) > last[owner]
    main, rest = _rows(table, ~behind), _rows(table, behind)
    if not main.frame.height:
        raise DataError(f"no row has a value of {', '.join(read)}; give the history too", file=table.file)
    return main, Tail(rest, words(rest, roles.id, "--id") if roles.id else None)


def _rows(table: Table, keep: NDArray[np.bool_]) -> Table:
    mask = pl.Series(keep)
    spelt = {name: cells.filter(mask) for name, cells in table.spelt.items()}
    return Table(table.frame.filter(mask), table.file, table.lines[keep], spelt)


def _groups(table: Table, choice: Choice, roles: Roles) -> tuple[Groups, list[str]]:
    height, target = table.frame.height, choice.target
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
    whole = all(part.kind in ("text", "label") for part in choice.source)
    of_text = whole and target.kind not in ("tags", "series")
    if choice.lists or of_text or (choice.source[0].kind == "text" and target.kind in _ONE):
        return each, [str(line) for line in table.lines.tolist()]
    if target.kind in _ONE or choice.source[0].kind == "text":
        free = [name for name in table.frame.columns if name not in (*choice.columns, *target.columns)]
        alone = (
            "(Without --id the whole table is one sequence: for that, --to next or --to future:24.)"
            if target.kind in _ONE
            else "(Or give each text as a list of words in one row, in a JSONL or Parquet file.)"
        )
        raise DataError(
            f"--to {target.kind} needs to know which rows form one sequence; name the column that tells "
            f"them apart: --id {free[0] if free else 'COLUMN'}. {alone}",
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
