"""Decide which columns a source and a target take, from what was named and what is left."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from elman.core.errors import DataError, InputError
from elman.data.columns import column, is_number, is_text
from elman.data.hints import listed
from elman.data.lists import is_list, refuse_words
from elman.data.read import Table
from elman.model.grammar import Part

__all__ = ["Choice", "choose"]

_USUAL = {
    "label": ("label", "class", "target", "y", "number"),
    "number": ("number", "target", "y", "label", "class"),
}
"""Names under which an unnamed target is looked for, the likeliest first."""


@dataclass(frozen=True)
class Choice:
    """The columns a source and a target take.

    Attributes:
        columns: those read from.
        target_columns: those read to; empty if there are none (text that continues itself, prediction).
        lists: whether the cells are whole sequences.
        notes: a sentence for each choice that was made for the user.
    """

    columns: tuple[str, ...]
    target_columns: tuple[str, ...]
    lists: bool
    notes: tuple[str, ...]


def choose(table: Table, source: Part, target: Part, taken: dict[str, str], *, need_target: bool) -> Choice:
    """Resolve the columns of both sides.

    Args:
        table: the table.
        source, target: the parsed sides; without columns, columns are chosen.
        taken: option of each column that has a role already, such as ``{"shop": "--id"}``.
        need_target: whether an absent target is an error.

    Raises:
        DataError: a named column is absent, or there is nothing, or too much, to choose from.
        InputError: a column is given two roles, or the number of columns does not fit the kind.
    """
    notes: list[str] = []
    goal: tuple[str, ...] = ()
    if target.kind in _USUAL:
        busy = {**taken, **dict.fromkeys(source.columns, f"--from {source.kind}")}
        goal = _static_target(table, target, busy, need_target, notes)
        taken = {**taken, **dict.fromkeys((*goal, *target.columns), f"--to {target.kind}")}
    _refuse_twice(table, source.columns, f"--from {source.kind}", taken)
    find = _series if source.kind == "series" else _text
    columns = find(table, source, taken, notes)
    if target.kind not in _USUAL:
        _refuse_twice(table, target.columns, f"--to {target.kind}", taken)
        goal = _relation_target(table, source, target, columns, need_target)
    schema = table.frame.schema
    lists = source.kind == "series" and any(is_list(schema[name]) for name in columns)
    return Choice(columns, goal, lists, tuple(notes))


def _refuse_twice(table: Table, names: tuple[str, ...], option: str, taken: dict[str, str]) -> None:
    """A time may be an input too; what tells sequences, parts or the answer may not."""
    for name in names:
        if name in taken and taken[name] != "--time":
            raise InputError(
                f"{table.file}: the column '{name}' is named by both {option} and {taken[name]}; leave it "
                f"out of {option}"
            )


def _static_target(
    table: Table, target: Part, taken: dict[str, str], need_target: bool, notes: list[str]
) -> tuple[str, ...]:
    option, names = f"--to {target.kind}", table.frame.columns
    if need_target and table.file.lower().removesuffix(".gz").endswith(".txt"):
        raise DataError(
            f"a text file has no {target.kind}s; use --to next, or a CSV with a {target.kind} column", file=table.file
        )
    if target.kind == "label" and len(target.columns) > 1:
        raise InputError(
            f"--to {target}: a label is one column; write --to label:{target.columns[0]}, or --to "
            f"number:{','.join(target.columns)} if they are numbers"
        )
    if target.columns:
        _refuse_twice(table, target.columns, option, taken)
        if not need_target and not set(target.columns) <= set(names):
            return ()
        for name in target.columns:
            column(table, name, option)
        return target.columns
    found = [name for name in _USUAL[target.kind] if name in names and name not in taken]
    if found:
        notes.append(f"{option}: took the column {found[0]}")
        return (found[0],)
    if not need_target:
        return ()
    free = [name for name in names if name not in taken]
    raise DataError(
        f"{option} names no column, and none is called {', '.join(_USUAL[target.kind])}. Columns: "
        f"{listed(names)}. Write {option}:{free[-1] if free else 'COLUMN'}",
        file=table.file,
    )


def _relation_target(
    table: Table, source: Part, target: Part, columns: tuple[str, ...], need_target: bool
) -> tuple[str, ...]:
    option = f"--to {target.kind}"
    if source.kind == "text":
        if target.columns and target.columns != columns:
            raise InputError(
                f"--to {target}: a text is continued by itself, here the column '{columns[0]}'; write --to next"
            )
        return ()
    if not need_target and not set(target.columns) <= set(table.frame.columns):
        return ()
    for name in target.columns:
        column(table, name, option)
    return target.columns or columns


def _series(table: Table, source: Part, taken: dict[str, str], notes: list[str]) -> tuple[str, ...]:
    option, schema = "--from series", table.frame.schema
    if source.columns:
        for name in source.columns:
            column(table, name, option)
            refuse_words(table, name)
        return source.columns
    free = [name for name in schema if name not in taken]
    lists = [name for name in free if is_list(schema[name])]
    found = lists or [name for name in free if is_number(schema[name])]
    if not found:
        roles = [f"{role} {name}" for name, role in taken.items() if name in schema]
        do = f"Correct the values of one and write {option}:{free[0]}" if free else f"Leave out {roles[0]}"
        raise DataError(
            f"{option} found no numeric column without another role. Columns: {listed(_typed(schema))}. "
            f"Roles: {listed(roles) or 'none'}. {do}",
            file=table.file,
        )
    rest = [name for name in free if name not in found]
    left = f"; left out {listed(_typed({name: schema[name] for name in rest}))}" if rest else ""
    notes.append(f"{option}: took {_columns(len(found))} {listed(found)}{left}")
    return tuple(found)


def _text(table: Table, source: Part, taken: dict[str, str], notes: list[str]) -> tuple[str, ...]:
    option, schema = f"--from {source.kind}", table.frame.schema
    if len(source.columns) > 1:
        raise InputError(f"--from {source}: a text is one column; write {option}:{source.columns[0]}")
    if source.columns:
        column(table, source.columns[0], option)
        return source.columns
    found = [name for name, dtype in schema.items() if is_text(dtype) and name not in taken]
    if len(found) != 1:
        example = found[0] if found else "COLUMN"
        many = f"several text columns are left: {listed(found)}" if found else "no text column is left"
        raise DataError(
            f"{option} names no column, and {many}. Columns: {listed(_typed(schema))}. Write {option}:{example}",
            file=table.file,
        )
    if len(schema) > 1:
        notes.append(f"{option}: took the column {found[0]}")
    return tuple(found)


def _columns(count: int) -> str:
    return "the column" if count == 1 else "the columns"


def _typed(schema: pl.Schema | dict[str, pl.DataType]) -> list[str]:
    return [f"{name} ({_kind(dtype)})" for name, dtype in schema.items()]


def _kind(dtype: pl.DataType) -> str:
    if is_number(dtype):
        return "numbers"
    if is_text(dtype):
        return "text"
    return "lists of numbers" if is_list(dtype) else str(dtype)
