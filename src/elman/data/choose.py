"""Decide which columns a source and a target take, from what was named and what is left."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from elman.core.errors import DataError, InputError
from elman.data.columns import column, is_number, is_text, refuse_slips
from elman.data.hints import listed
from elman.data.lists import is_list, refuse_words
from elman.data.read import Table
from elman.data.wordlists import is_sequence, is_word_list
from elman.model.grammar import Part

__all__ = ["Choice", "choose", "fixed_parts", "flat"]

_USUAL = {
    "label": ("label", "class", "target", "y", "number"),
    "labels": ("labels", "classes", "label", "target", "y"),
    "number": ("number", "target", "y", "label", "class"),
    "tags": ("tags", "upos", "tag", "labels", "label", "y"),
    "text": (),
}
"""Names under which an unnamed target is looked for, the likeliest first."""


@dataclass(frozen=True)
class Choice:
    """The columns a source and a target take.

    Attributes:
        source: the parts read from, with their columns.
        target: with its columns; none if there are none (text that continues itself, prediction).
        known, static: what ``--known`` and ``--static`` name, as a part of numbers and one of names.
        lists: whether the cells are whole sequences.
        words: whether the target is a name at every step, not a number.
        notes: a sentence for each choice that was made for the user.
    """

    source: tuple[Part, ...]
    target: Part
    known: tuple[Part, ...] = ()
    static: tuple[Part, ...] = ()
    lists: bool = False
    words: bool = False
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of ``--from``."""
        return tuple(name for part in self.source for name in part.columns)

    @property
    def joined(self) -> bool:
        """Whether several kinds of values stand in a step, so that no plain series and no plain text is read."""
        return len(self.source) > 1 or bool(self.known or self.static) or self.source[0].kind in ("events", "label")


def choose(
    table: Table,
    source: tuple[Part, ...],
    target: Part,
    taken: dict[str, str],
    *,
    fixed: tuple[tuple[Part, ...], tuple[Part, ...]] = ((), ()),
    need_target: bool,
) -> Choice:
    """Resolve the columns of both sides.

    Args:
        table: the table.
        source, target: the parsed sides; without columns, columns are chosen.
        taken: option of each column that has a role already, such as ``{"shop": "--id"}``.
        fixed: what ``--known`` and ``--static`` name.
        need_target: whether an absent target is an error.

    Raises:
        DataError: a named column is absent, or there is nothing, or too much, to choose from.
        InputError: a column is given two roles, or the number of columns does not fit the kind.
    """
    notes: list[str] = []
    goal: tuple[str, ...] = ()
    early = target.kind in _USUAL or target.kind == "series"
    named = {name: f"--from {part.kind}" for part in source for name in part.columns}
    if early:
        goal = _own_target(table, target, {**taken, **named}, need_target, notes)
        taken = {**taken, **dict.fromkeys((*goal, *target.columns), f"--to {target.kind}")}
    resolved: list[Part] = []
    for part in source:
        _refuse_twice(table, part.columns, f"--from {part.kind}", taken)
        others = {name: option for name, option in named.items() if name not in part.columns}
        found = {"series": _series, "text": _text, "events": _events, "label": _label}[part.kind](
            table, part, {**taken, **others}, notes
        )
        named |= dict.fromkeys(found, f"--from {part.kind}")
        resolved.append(part.of(found))
    if not early:
        _refuse_twice(table, target.columns, f"--to {target.kind}", taken)
        goal = _relation_target(table, resolved, target, need_target)
    words = target.kind == "tags" or _are_words(table, resolved, goal, target)
    schema = table.frame.schema
    of_steps = [name for part in resolved for name in part.columns]
    of_steps += goal if target.kind in ("tags", "series") else ()
    lists = any(is_sequence(schema[name]) for name in of_steps)
    return Choice(tuple(resolved), target.of(goal), *fixed, lists, words, tuple(notes))


def flat(named: tuple[str, ...] | tuple[Part, ...]) -> list[str]:
    """The names of columns, of which some may stand in parts."""
    return [name for one in named for name in (one.columns if isinstance(one, Part) else (one,))]


def fixed_parts(
    table: Table, named: tuple[str, ...] | tuple[Part, ...], option: str, id: str | None
) -> tuple[Part, ...]:
    """The columns of ``--known`` or ``--static`` as a part of numbers and a part of names; the id is a name."""
    names = flat(named)
    for name in names:
        column(table, name, option)
    if named and isinstance(named[0], Part):
        return tuple(part for part in named if isinstance(part, Part))
    schema = table.frame.schema
    for name in names:
        if name != id and is_text(schema[name]):
            refuse_slips(table, name, option)
    numeric = [name for name in names if name != id and _numeric(schema[name])]
    rest = [name for name in names if name not in numeric]
    return tuple(Part(kind, "", tuple(some)) for kind, some in (("series", numeric), ("events", rest)) if some)


def _numeric(dtype: pl.DataType) -> bool:
    return is_number(dtype) or dtype == pl.Boolean or is_list(dtype)


def _refuse_twice(table: Table, names: tuple[str, ...], option: str, taken: dict[str, str]) -> None:
    """A time may be an input too; what tells sequences, parts or the answer may not."""
    for name in names:
        if name in taken and taken[name] != "--time":
            raise InputError(
                f"{table.file}: the column '{name}' is named by both {option} and {taken[name]}; leave it "
                f"out of {option}"
            )


def _own_target(
    table: Table, target: Part, taken: dict[str, str], need_target: bool, notes: list[str]
) -> tuple[str, ...]:
    """The columns of a target that has columns of its own."""
    option, names = f"--to {target.kind}", table.frame.columns
    if need_target and table.file.lower().removesuffix(".gz").endswith(".txt"):
        if target.kind == "text":
            raise DataError(
                "a text file alone has no other text to write; give two, line by line (train.de train.en), or a table "
                "with two columns",
                file=table.file,
            )
        what = target.kind if target.kind.endswith("s") else target.kind + "s"
        raise DataError(
            f"a text file has no {what}; use --to next, or a CSV with a {target.kind} column", file=table.file
        )
    if target.kind == "text" and len(target.columns) > 1:
        raise InputError(f"--to {target}: a text is one column; write {option}:{target.columns[0]}")
    if target.kind in ("label", "tags") and len(target.columns) > 1:
        more = "" if target.kind == "tags" else f", --to labels:{','.join(target.columns)} if each says yes or no"
        numbers = "number" if target.kind == "label" else "series"
        raise InputError(
            f"--to {target}: {'a label is' if target.kind == 'label' else 'tags are'} one column; write --to "
            f"{target.kind}:{target.columns[0]}{more}, or --to {numbers}:{','.join(target.columns)} if they are numbers"
        )
    if target.columns:
        _refuse_twice(table, target.columns, option, taken)
        if not need_target and not set(target.columns) <= set(names):
            return ()
        for name in target.columns:
            column(table, name, option)
        return target.columns
    found = [name for name in _USUAL.get(target.kind, ()) if name in names and name not in taken]
    if found:
        notes.append(f"{option}: took the column {found[0]}")
        return (found[0],)
    if target.kind == "text":
        schema = table.frame.schema
        found = [name for name in names if is_text(schema[name]) and name not in taken]
        if len(found) == 1 and any(role.startswith("--from") for role in taken.values()):
            notes.append(f"{option}: took the column {found[0]}")
            return (found[0],)
    if target.kind == "tags" and len(names) > 1 and _unnamed(names):
        notes.append(f"{option}: took the last column, {names[-1]}")
        return (names[-1],)
    if not need_target:
        return ()
    free = [name for name in names if name not in taken]
    usual = f", and none is called {', '.join(_USUAL[target.kind])}" if _USUAL.get(target.kind) else ""
    raise DataError(
        f"{option} names no column{usual}. Columns: {listed(names)}. Write {option}:{free[-1] if free else 'COLUMN'}",
        file=table.file,
    )


def _relation_target(table: Table, source: list[Part], target: Part, need_target: bool) -> tuple[str, ...]:
    """The columns of what follows: those named, else the numbers read, else the one column of events."""
    option = f"--to {target.kind}"
    if source[0].kind == "text":
        if target.columns and target.columns != source[0].columns:
            raise InputError(
                f"--to {target}: a text is continued by itself, here the column '{source[0].columns[0]}'; write "
                "--to next"
            )
        return ()
    if not need_target and not set(target.columns) <= set(table.frame.columns):
        return ()
    for name in target.columns:
        column(table, name, option)
    if target.columns:
        return target.columns
    if len(source) > 1 and target.kind == "next":
        choices = " or ".join(f"--to next:{','.join(part.columns[:1])}" for part in source)
        raise InputError(f"{option}: of several parts, say what is to be predicted: {choices}")
    numbers = next((part for part in source if part.kind == "series"), source[0])
    if numbers.kind == "events" and len(numbers.columns) > 1:
        raise InputError(
            f"{option}: of several columns, name the one that is to be predicted: --to next:{numbers.columns[0]}"
        )
    return numbers.columns


def _are_words(table: Table, source: list[Part], goal: tuple[str, ...], target: Part) -> bool:
    """Whether the values that follow are names: of a column read as events, or a column of text."""
    if target.kind not in ("next", "future") or not goal:
        return False
    events = {name for part in source if part.kind == "events" for name in part.columns}
    schema = table.frame.schema
    named = [name for name in goal if name in events or is_word_list(schema[name])]
    named += [name for name in goal if name not in named and is_text(schema[name]) and source[0].kind == "events"]
    if not named:
        return False
    if target.kind == "future":
        raise InputError(
            f"--to {target}: '{named[0]}' holds names, which are predicted one step ahead: --to next:{named[0]}"
        )
    if len(goal) > 1:
        raise InputError(f"--to {target}: a name is predicted alone; write --to next:{named[0]}")
    return True


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
    _note_taken(option, found, [name for name in free if name not in found], schema, notes)
    return tuple(found)


def _events(table: Table, source: Part, taken: dict[str, str], notes: list[str]) -> tuple[str, ...]:
    option, schema = "--from events", table.frame.schema
    if source.columns:
        for name in source.columns:
            column(table, name, option)
        return source.columns
    free = [name for name in schema if name not in taken]
    lists = [name for name in free if is_word_list(schema[name])]
    found = lists or [name for name in free if is_text(schema[name]) or schema[name] == pl.Boolean]
    if not found:
        raise DataError(
            f"{option} found no column of names without another role. Columns: {listed(_typed(schema))}. Numbers may "
            f"be names too, if you say so: {option}:{free[0] if free else 'COLUMN'}",
            file=table.file,
        )
    _note_taken(option, found, [name for name in free if name not in found], schema, notes)
    return tuple(found)


def _label(table: Table, source: Part, taken: dict[str, str], notes: list[str]) -> tuple[str, ...]:
    if len(source.columns) == 1:
        column(table, source.columns[0], "--from label")
        return source.columns
    names = table.frame.columns
    if source.columns:
        raise InputError(
            f"--from {source}: a label is one column; several are --from events:{','.join(source.columns)}"
        )
    usual = [name for name in _USUAL["label"] if name in names and name not in taken]
    found = usual or [name for name in names if name not in taken]
    if len(found) > 1 and not usual:
        raise DataError(
            f"--from label names no column. Columns: {listed(names)}. Write --from label:{found[0]}", file=table.file
        )
    if not found:
        raise DataError(f"--from label: no column is left. Columns: {listed(names)}", file=table.file)
    notes.append(f"--from label: took the column {found[0]}")
    return (found[0],)


def _note_taken(option: str, found: list[str], rest: list[str], schema: pl.Schema, notes: list[str]) -> None:
    left = f"; left out {listed(_typed({name: schema[name] for name in rest}))}" if rest else ""
    columns = "the column" if len(found) == 1 else "the columns"
    notes.append(f"{option}: took {columns} {listed(found)}{left}")


def _text(table: Table, source: Part, taken: dict[str, str], notes: list[str]) -> tuple[str, ...]:
    option, schema = f"--from {source.kind}", table.frame.schema
    if len(source.columns) > 1:
        raise InputError(f"--from {source}: a text is one column; write {option}:{source.columns[0]}")
    if source.columns:
        column(table, source.columns[0], option)
        return source.columns
    found = [n for n, dtype in schema.items() if (is_text(dtype) or is_word_list(dtype)) and n not in taken]
    if len(found) > 1 and _unnamed(list(schema)):
        found = found[:1]
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


def _unnamed(names: list[str]) -> bool:
    """Whether columns have no names of their own, as in CoNLL, where the word comes first and its tag last."""
    return all(name == f"column_{place}" for place, name in enumerate(names, start=1))


def _typed(schema: pl.Schema | dict[str, pl.DataType]) -> list[str]:
    return [f"{name} ({_kind(dtype)})" for name, dtype in schema.items()]


def _kind(dtype: pl.DataType) -> str:
    if is_number(dtype):
        return "numbers"
    if is_text(dtype):
        return "text"
    return "lists of numbers" if is_list(dtype) else "lists of words" if is_word_list(dtype) else str(dtype)
