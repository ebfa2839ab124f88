"""What a table seems to be for: which columns say what, from their names and their first rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
import polars as pl

from elman.core.errors import DataError
from elman.data.columns import is_number, is_text, times
from elman.data.lists import is_list
from elman.data.read import Table
from elman.data.roles import PARTS
from elman.data.wordlists import is_word_list
from elman.model.grammar import ONE_ANSWER, parse_source, parse_target

__all__ = ["Guess", "guess", "is_wide", "side", "unread_time"]

_TIMES = ("ds", "date", "datetime", "timestamp", "time", "ts", "t", "day", "week", "month", "quarter", "year", "step")
_IDS = (
    *("unique_id", "item_id", "series_id", "id", "machine", "unit", "session", "subject", "patient", "user", "shop"),
    *("store", "device", "sensor", "station", "series", "customer", "engine", "item"),
)
_LABELS = ("label", "class", "sentiment", "category", "fault", "diagnosis")
_NUMBERS = ("target", "y", "value")
_GOALS = (*_LABELS, *_NUMBERS)
_INDEX = re.compile(r"column_1|unnamed: ?0|index|row|rownum|nr|no", re.IGNORECASE)

_HEAD = 2000
"""Rows that tell whether a column holds sentences."""

_WIDE = 24
"""Numbered columns from which on they are taken for steps."""

_FEW = 50
"""Distinct values up to which a column may hold labels."""


@dataclass(frozen=True)
class Guess:
    """What a table seems to be for.

    Attributes:
        source, target: the two sides, as on the command line; empty where nothing fits.
        id, time, split: columns; None where there is none.
        inputs: the columns read.
        goal: the column of the answer; None where inputs go on by themselves.
        shape: what one sequence is: ``rows`` of one id, each ``row``, the ``table``, or the whole ``text``.
    """

    source: str = ""
    target: str = ""
    id: str | None = None
    time: str | None = None
    split: str | None = None
    inputs: tuple[str, ...] = ()
    goal: str | None = None
    shape: str = "table"


def guess(table: Table, asked: Guess) -> Guess:
    """Complete what the user asked for from what the table shows.

    Args:
        table: the first rows, typed.
        asked: what the user said; empty sides and None are to be found.
    """
    found = _roles(table, asked)
    found = _inputs(table, found, asked.id)
    found = _goal(table, found)
    return _sides(table, found)


def _roles(table: Table, asked: Guess) -> Guess:
    name = table.file.lower().removesuffix(".gz")
    if name.endswith(".ts"):
        return replace(asked, id=asked.id or "id", time=asked.time or "step", shape="rows")
    if name.endswith(".txt") and "+" not in name:
        return replace(asked, shape="text")
    split = asked.split if asked.split in table.frame.columns else _split(table)
    time = asked.time or _time(table, {split, asked.id})
    id = asked.id or _id(table, time, {split, time})
    return replace(asked, id=id, time=time, split=asked.split or split)


def _split(table: Table) -> str | None:
    for column in table.frame.get_columns():
        if is_text(column.dtype) and not column.null_count():
            words = set(column.cast(pl.String).str.strip_chars().str.to_lowercase().unique().to_list())
            if len(words) > 1 and words <= set(PARTS) and any(PARTS[word] == "train" for word in words):
                return column.name
    return None


def _time(table: Table, taken: set[str | None]) -> str | None:
    schema = table.frame.schema
    free = [name for name in schema if name not in taken]
    named = [name for wanted in _TIMES for name in free if name.lower() == wanted]
    typed = [name for name in free if schema[name].is_temporal()]
    written = [name for name in free if schema[name] == pl.String and name not in named]
    fit = [*typed, *named, *(name for name in written if _iso(table.frame[name]))]
    counts = {name: table.frame[name].n_unique() for name in fit if _is_time(table, name)}
    # Of a day and an hour the hour says more.
    return max(counts, key=lambda name: counts[name]) if counts else None


def _iso(column: pl.Series) -> bool:
    head = column.drop_nulls().head(50)
    return bool(len(head)) and bool(head.str.contains(r"^\s*\d{4}-\d{2}(-\d{2}|\s*$)").all())


def unread_time(table: Table, found: Guess) -> DataError | None:
    """What is wrong with the times of a column that is called so; None where there is a time, or no such column."""
    for name in table.frame.columns if found.time is None and found.shape in ("rows", "table") else ():
        if name.lower() in _TIMES and table.frame.schema[name] == pl.String and name not in (found.id, found.goal):
            try:
                times(table, name)
            except DataError as error:
                return error
    return None


def _is_time(table: Table, name: str) -> bool:
    """Whether nine in ten can be read as times."""
    column = table.frame[name]
    if is_number(column.dtype) or column.dtype.is_temporal():
        return column.n_unique() > 1
    if not is_text(column.dtype):
        return False
    head = table.frame.head(50).select(pl.col(name)).drop_nulls()
    for _ in range(head.height // 10 + 1):
        try:
            times(Table(head, table.file, np.arange(head.height)), name)
        except DataError as error:
            if error.row is None:
                return False
            head = head.filter(pl.int_range(pl.len()) != error.row)
        else:
            return bool(head.height)
    return False


def _id(table: Table, time: str | None, taken: set[str | None]) -> str | None:
    height = table.frame.height
    candidates = []
    for column in table.frame.get_columns():
        if column.name in taken or column.dtype.is_float() or column.dtype.is_nested() or column.null_count():
            continue
        count = column.n_unique()
        if not 2 <= count <= height // 2 or (is_text(column.dtype) and _prose(column)):
            continue
        if time is None:
            if _named_id(column.name) and _contiguous(column):
                candidates.append((0, count, column.name))
            continue
        stuck, overall = _stuck(table, time, column), _stuck(table, time, None)
        hinted = _named_id(column.name)
        # Within an id time rises where in the whole table it does not; a name may be believed with some slips.
        if overall >= count - 1 and stuck <= (0.1 if hinted else 0.02) * height:
            candidates.append((0 if hinted else 1, count, column.name))
    return min(candidates)[2] if candidates else None


def _named_id(name: str) -> bool:
    word = name.lower()
    return word in _IDS or word.endswith("_id") or word.startswith("id_") or bool(re.search(r"[a-z]ID$", name))


def _contiguous(column: pl.Series) -> bool:
    return int((column != column.shift()).sum() or 0) + 1 <= 1.02 * column.n_unique() + 1


def _stuck(table: Table, time: str, id: pl.Series | None) -> int:
    """Rows whose time is not after that of the row before (of the same id)."""
    clock = table.frame[time]
    if id is None:
        return int((clock <= clock.shift()).sum() or 0)
    both = pl.DataFrame({"t": clock, "i": id}).with_columns((pl.col("t") <= pl.col("t").shift()).over("i").alias("s"))
    return int(both["s"].sum() or 0)


# What is read -------------------------------------------------------------------------------------------------


def _prose(column: pl.Series) -> bool:
    """Whether most cells are sentences, and not the same few of them."""
    head = column.drop_nulls().head(_HEAD)
    return _words(column) >= 3 and head.n_unique() > min(50, 0.3 * len(head))


def _words(column: pl.Series) -> float:
    """How many words its cells have, the median of the first."""
    counts = column.cast(pl.String).drop_nulls().head(_HEAD).str.count_matches(r"\S+").to_numpy()
    return float(np.median(counts)) if len(counts) else 0.0


def is_wide(table: Table) -> list[str]:
    """The columns of a table whose every row is a series, a column a step: V2, V3, ... or x_0, x_1, ...; else none."""
    found: dict[str, list[tuple[int, str]]] = {}
    for name, dtype in table.frame.schema.items():
        stem = name.rstrip("0123456789")
        if stem != name and (is_number(dtype) or dtype == pl.Null or table.frame[name].null_count()):
            found.setdefault(stem, []).append((int(name[len(stem) :]), name))
    for steps in found.values():
        numbers = [number for number, _ in steps]
        if len(steps) >= _WIDE and numbers == list(range(numbers[0], numbers[0] + len(steps))):
            return [name for _, name in steps]
    return []


def _inputs(table: Table, found: Guess, id: str | None) -> Guess:
    schema = table.frame.schema
    if found.shape == "text":
        return replace(found, inputs=("text",))
    named = tuple(name for part in parse_source(found.source) for name in part.columns) if found.source else ()
    kind = parse_source(found.source)[0].kind if found.source else ""
    goals = parse_target(found.target).columns if found.target else ()
    free = [name for name in schema if name not in {found.id, found.split, *goals} and name != found.time]
    lists = [name for name in free if is_list(schema[name])]
    words = [name for name in free if is_word_list(schema[name])]
    prose = [name for name in free if is_text(schema[name]) and _prose(table.frame[name])]
    prose = prose or [name for name in free if is_text(schema[name]) and _words(table.frame[name]) >= 3]
    numbers = [name for name in free if is_number(schema[name]) and not _counts(table.frame[name])]
    if found.id is None:
        # A label at every step of one series is nothing to go on from.
        numbers = [name for name in numbers if name.lower() not in _LABELS or not _labels(table.frame[name])]
    if named:
        row = (kind == "text" and found.id is None) or any(schema[name].is_nested() for name in named if name in schema)
        return replace(found, inputs=named, shape="row" if row else _many(found))
    if words and kind in ("", "text"):
        return replace(found, inputs=tuple(words[:1]), shape="row", id=None, time=None)
    if lists and kind in ("", "series"):
        return replace(found, inputs=tuple(lists), shape="row", id=None, time=None)
    if prose and kind in ("", "text") and (found.time is None or not numbers):
        return replace(found, inputs=(prose[0],), shape="rows" if id else "row", id=id, time=None)
    return replace(found, inputs=tuple(numbers), shape=_many(found))


def _many(found: Guess) -> str:
    return "rows" if found.id else "table"


def _counts(column: pl.Series) -> bool:
    """Whether the column only counts the rows."""
    if not _INDEX.fullmatch(column.name) or not column.dtype.is_integer():
        return False
    return bool((column.diff().drop_nulls() == 1).all())


# What is predicted --------------------------------------------------------------------------------------------


def _goal(table: Table, found: Guess) -> Guess:
    target = parse_target(found.target) if found.target else None
    if found.shape in ("text", "table") or (target is not None and target.kind not in ONE_ANSWER):
        return found
    taken = {found.id, found.time, found.split, *(found.inputs if found.source or found.shape == "row" else ())}
    free = [name for name in table.frame.columns if name not in taken]
    if target is not None and target.columns:
        return replace(found, goal=target.columns[0], inputs=_without(found, target.columns[0]))
    candidates = [name for name in free if _answers(table, name, found)]
    usual = [name for wanted in _GOALS for name in candidates if name.lower() == wanted]
    few = [name for name in candidates if _labels(table.frame[name])]
    # Where nothing else is an answer, a second text is: written of the first.
    texts = [] if target is not None else _second_texts(table, found, free)
    for name in (*usual, *few[::-1], *candidates[::-1], *texts):
        return replace(found, goal=name, inputs=_without(found, name))
    return found


def _second_texts(table: Table, found: Guess, free: list[str]) -> list[str]:
    """Columns of long texts beside one that is read, a row a pair."""
    schema = table.frame.schema
    if found.shape != "row" or len(found.inputs) != 1 or not is_text(schema[found.inputs[0]]) or found.id is not None:
        return []
    return [name for name in free if name not in found.inputs and is_text(schema[name]) and _prose(table.frame[name])]


def _without(found: Guess, goal: str) -> tuple[str, ...]:
    return tuple(name for name in found.inputs if name != goal)


def _answers(table: Table, name: str, found: Guess) -> bool:
    """Whether the column may be the answer: one value a sequence, and not a different one each time unless a number."""
    column = table.frame[name]
    if column.dtype.is_nested() or column.dtype.is_temporal() or column.n_unique() < 2:
        return False
    if not (is_number(column.dtype) or _labels(column)) or _counts(column):
        return False
    if found.shape == "row":
        return not _named_id(name)
    if found.id is None:
        return False
    kinds = table.frame.group_by(found.id).agg(pl.col(name).n_unique().alias("n"))["n"]
    return len(kinds) >= 10 and float((kinds == 1).mean() or 0) >= 0.9  # type: ignore[arg-type]


def _labels(column: pl.Series) -> bool:
    """Whether the column may hold labels: few, and each of them often."""
    if column.dtype.is_float() and not (column.drop_nulls() == column.drop_nulls().floor()).all():
        return False
    count = column.drop_nulls().n_unique()
    return 2 <= count <= max(2, min(_FEW, len(column) // 5))


def side(kind: str, columns: Sequence[str]) -> str:
    """A part of the grammar."""
    return f"{kind}:{','.join(columns)}" if columns else kind


# The two sides ------------------------------------------------------------------------------------------------


def _sides(table: Table, found: Guess) -> Guess:
    if not found.inputs or not set(found.inputs) <= set(table.frame.columns):
        return found
    target = found.target
    if found.shape == "text":
        return replace(found, source=found.source or "text.char", target=target or "next")
    schema = table.frame.schema
    words = found.source.startswith("text") or not (
        is_number(schema[found.inputs[0]]) or is_list(schema[found.inputs[0]])
    )
    source = found.source or side("text" if words else "series", found.inputs)
    if not target:
        if found.goal is not None:
            kind = "label" if _labels(table.frame[found.goal]) else "number"
            if words and found.shape == "row" and is_text(schema[found.goal]) and kind == "number":
                # Pieces give a text back as it was; words come in small letters, and the rare ones not at all.
                kind = "text.bpe" if find_spec("tokenizers") else "text"
                source = found.source or side(kind, found.inputs)
            target = f"{kind}:{found.goal}"
        elif words and is_word_list(schema[found.inputs[0]]):
            tags = [name for name in schema if is_word_list(schema[name]) and name not in found.inputs]
            if not tags:
                return found
            target = f"tags:{'upos' if 'upos' in tags else tags[-1]}"
        elif words or found.shape == "row":
            target = "next"
        else:
            target = _ahead(table, found)
    return replace(found, source=source, target=target)


def _ahead(table: Table, found: Guess) -> str:
    """A forecast of the column called target, or of all: a day of hours, a week of days, a year of months."""
    usual = [name for wanted in _NUMBERS for name in found.inputs if name.lower() == wanted]
    goals = usual[:1] or (found.inputs if len(found.inputs) <= 8 else found.inputs[:1])
    height, step = table.frame.height, None
    if found.id is not None and found.id in table.frame.columns:
        height = int(table.frame[found.id].value_counts()["count"].max() or 1)  # type: ignore[arg-type]
    if found.time is not None:
        step = _step(table, found)
    few = max(1, height // 10)
    return side(f"future:{min(_horizon(step), few)}", goals if len(goals) < len(found.inputs) else ())


def _step(table: Table, found: Guess) -> float | None:
    """Days from row to row; None where times are no dates."""
    head = table.frame.head(2000).drop_nulls(found.time)
    try:
        clock = times(Table(head, table.file, np.arange(head.height)), str(found.time))
    except DataError:
        return None
    if clock.dtype.kind != "M" or len(clock) < 2:
        return None
    steps = np.diff(clock).astype("timedelta64[s]").astype(np.float64)
    return float(np.median(steps[steps > 0])) / 86_400 if (steps > 0).any() else None


def _horizon(days: float | None) -> int:
    if days is None:
        return 10
    if days < 0.8:
        return min(48, max(1, round(1 / days))) if days > 0.01 else 12
    return 7 if days < 4 else 8 if days < 20 else 12 if days < 80 else 4 if days < 200 else 5
