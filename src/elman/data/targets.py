"""What is to be learnt of each example: one answer, or one at every step."""

from __future__ import annotations

from typing import Any

import numpy as np

from elman.core.errors import DataError
from elman.data.choose import Choice
from elman.data.columns import is_missing, numbers, texts, words
from elman.data.groups import Groups, constant
from elman.data.lists import sequences
from elman.data.read import Table
from elman.data.wordlists import class_columns, class_sets, names, word_lists

__all__ = ["read_targets"]


def read_targets(
    table: Table,
    inputs: list[Any],
    choice: Choice,
    groups: Groups,
    notes: list[str],
    *,
    gaps: bool,
    need: bool,
) -> list[Any] | None:
    """The target of every example; see :class:`~elman.data.roles.Examples`.

    Args:
        table: the table.
        inputs: of every example, for their lengths.
        choice: the columns.
        groups: which rows form which example.
        notes: where to say what was found.
        gaps: whether numbers at steps may be missing; such steps are not learnt from.
        need: whether a target that is incomplete is an error, or means that there is none.
    """
    target = choice.target
    columns, option = target.columns, f"--to {target.kind}"
    if not columns:
        return None
    stepwise = target.kind in ("next", "future", "series")
    holes = [name for name in columns if is_missing(table.frame.get_column(name)).any()]
    if holes and not need and not (gaps and stepwise) and target.kind != "labels":
        notes.append(f"{option}: values are missing in {', '.join(holes)}, so there is nothing to compare with")
        return None
    if target.kind == "label":
        return list(constant(table, words(table, columns[0], option), columns[0], option, groups))
    if target.kind == "labels":
        several = len(columns) > 1
        sets = class_columns(table, columns, option) if several else class_sets(table, columns[0], option)
        joined = ["|".join(one) for one in sets]
        constant(table, joined, columns[0], option, groups)
        return [sets[row] for row in groups.firsts.tolist()]
    if target.kind == "text":
        return list(constant(table, texts(table, columns[0], option), columns[0], option, groups))
    if target.kind == "number":
        values = numbers(table, columns, option)
        parts = [constant(table, values[:, place], name, option, groups) for place, name in enumerate(columns)]
        return list(np.stack(parts, axis=1))
    if not choice.lists:
        if choice.words:
            return groups.cut(names(table, columns, option)[:, 0])
        return groups.cut(numbers(table, columns, option, gaps=gaps))
    goals: list[Any] = (
        list(word_lists(table, columns[0], option)) if choice.words else sequences(table, columns, option, gaps=gaps)
    )
    _check_lengths(table, choice, inputs, goals)
    return goals


def _check_lengths(table: Table, choice: Choice, inputs: list[Any], goals: list[Any]) -> None:
    for line, one, goal in zip(table.lines.tolist(), inputs, goals, strict=True):
        if len(one) != len(goal):
            raise DataError(
                f"--to {choice.target.kind} has {len(goal)} steps, but {choice.columns[0]} has {len(one)}; make them "
                "equal",
                file=table.file,
                row=line,
                column=choice.target.columns[0],
            )
