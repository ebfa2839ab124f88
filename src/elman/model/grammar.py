"""The grammar of ``--from`` and ``--to``.

::

    SIDE = PART[+PART...]      PART = KIND[.VARIANT][:COLUMN,...]       text.char:review   series:load,temp+events:day
    targets also: next[:COLUMN,...]   future:H[:COLUMN,...]

This file knows words only: no data, no tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from elman.core.errors import InputError, nearest

__all__ = [
    "ONE_ANSWER",
    "PAIRS",
    "PER_STEP",
    "SOURCES",
    "TARGETS",
    "Part",
    "check_pair",
    "experimental",
    "parse_source",
    "parse_target",
]

_TEXTS = ("", "char", "bpe")

SOURCES: dict[str, tuple[str, ...]] = {"series": ("",), "text": _TEXTS, "events": ("",), "label": ("",)}
"""Kinds that can be read from, with their variants (the first is the default)."""

ONE_ANSWER = ("label", "labels", "number")
"""Targets with one answer a sequence."""

PER_STEP = ("tags", "series", "next")
"""Targets with one answer a step."""

TARGETS: dict[str, tuple[str, ...]] = {**dict.fromkeys((*ONE_ANSWER, *PER_STEP, "future"), ("",)), "text": _TEXTS}
"""Kinds and relations that can be read to, with their variants."""

PAIRS: dict[tuple[str, str], str] = {
    ("series", "label"): "JapaneseVowels",
    ("series", "labels"): "jsb_chorales",
    ("series", "number"): "vic_electricity",
    ("series", "tags"): "",
    ("series", "series"): "",
    ("series", "next"): "",
    ("series", "future"): "ETTh1",
    ("text", "label"): "rt_polarity",
    ("text", "labels"): "",
    ("text", "number"): "",
    ("text", "tags"): "ud_english_ewt",
    ("text", "next"): "tiny_shakespeare",
    ("events", "label"): "",
    ("events", "labels"): "",
    ("events", "number"): "",
    ("events", "tags"): "",
    ("events", "series"): "",
    ("events", "next"): "",
    ("text", "text"): "multi30k_en_de",
    ("label", "text"): "names_nationality",
    ("series", "text"): "",
    ("events", "text"): "",
}
"""Every legal pair, with the data set on which a score is on record; without one it is experimental."""

_WHY_NOT = {
    ("text", "future"): "text has no numbers to forecast; use --to next to continue a text",
    ("text", "series"): "text has no number at every step; use --to number for one a text",
    ("events", "future"): "events alone have no numbers to forecast; add them, as in --from events:a+series:b",
}

_LATER = {
    "events": "say which: those that follow (--to next:COLUMN), or one a step beside the input (--to tags:COLUMN)",
}
"""Kinds that are read but not predicted under their own name, and what to write."""


@dataclass(frozen=True)
class Part:
    """One part of a side.

    Attributes:
        kind: the kind's or relation's name, such as ``series`` or ``future``.
        variant: the word after the dot, or the empty string.
        columns: the columns named, or an empty tuple for "choose for me".
        horizon: the H of ``future:H``, in steps; 0 for all others.
    """

    kind: str
    variant: str = ""
    columns: tuple[str, ...] = ()
    horizon: int = 0

    def __str__(self) -> str:
        name = f"{self.kind}.{self.variant}" if self.variant else self.kind
        fields = [name]
        if self.horizon:
            fields.append(str(self.horizon))
        if self.columns:
            fields.append(",".join(self.columns))
        return ":".join(fields)

    def of(self, columns: Sequence[str]) -> Part:
        """The same with other columns."""
        return replace(self, columns=tuple(columns))


def parse_source(text: str) -> tuple[Part, ...]:
    """Read the ``--from`` side; raise :class:`InputError` for unknown words."""
    parts = tuple(_part(word.strip(), "--from", SOURCES) for word in text.split("+"))
    if len(parts) > 1 and any(part.kind == "label" for part in parts):
        raise InputError(f"--from {text}: a label is read alone; beside others write it as --static")
    for kind in ("series", "events"):
        same = [part for part in parts if part.kind == kind]
        if len(same) > 1:
            names = ",".join(name for part in same for name in part.columns)
            raise InputError(f"--from {text}: {kind} stands there twice; write its columns together: {kind}:{names}")
    named = [name for part in parts for name in part.columns]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"--from {text}: the column '{twice}' is read twice; leave it out of one part")
    return parts


def parse_target(text: str) -> Part:
    """Read the ``--to`` side; raise :class:`InputError` for unknown words."""
    if "+" in text:
        raise InputError(f"--to {text}: one target at a time; write --to {text.split('+')[0]}")
    kind = text.strip().partition(":")[0].partition(".")[0]
    if kind in _LATER:
        raise InputError(f"--to {text}: {_LATER[kind]}. Known: {', '.join(TARGETS)}")
    return _part(text.strip(), "--to", TARGETS)


def check_pair(source: tuple[Part, ...], target: Part) -> None:
    """Refuse, with the reason, pairs of kinds that no model here can learn.

    Every part must be legal with the target; in a forecast one part of numbers is enough.
    """
    kinds = [part.kind for part in source]
    side = "+".join(map(str, source))
    if target.kind == "next" and "text" in kinds and len(kinds) > 1:
        raise InputError(
            f"--from {side} --to next: a text is continued by itself alone; write --from text --to next, or name its "
            "words as events: --from events:COLUMN+..."
        )
    if target.kind == "future" and "series" in kinds:
        kinds = [kind for kind in kinds if kind != "events"]
    for kind in kinds:
        if (kind, target.kind) not in PAIRS:
            why = _WHY_NOT.get((kind, target.kind), "no model here joins these two")
            legal = ", ".join(to for of, to in PAIRS if of == kind)
            raise InputError(f"--from {kind} --to {target.kind}: {why}. From {kind} there is: --to {legal}")


def experimental(source: tuple[Part, ...], target: Part) -> bool:
    """Whether no score of such a model is on record: so it is of several parts, and of some pairs."""
    return len(source) > 1 or not PAIRS.get((source[0].kind, target.kind))


def _part(word: str, side: str, known: dict[str, tuple[str, ...]]) -> Part:
    head, *rest = word.split(":")
    kind, _, variant = head.partition(".")
    if kind not in known:
        names = ", ".join(known)
        raise InputError(f"{side} {word}: unknown kind '{kind}'.{nearest(kind, known)} Known: {names}")
    if variant not in known[kind]:
        names = ", ".join(f"{kind}.{name}" if name else kind for name in known[kind])
        raise InputError(f"{side} {word}: unknown variant '{variant}'. Known: {names}")
    horizon = _horizon(rest, word) if kind == "future" else 0
    if kind == "future":
        rest = rest[1:]
    if len(rest) > 1:
        raise InputError(f"{side} {word}: too many colons; write {kind}:COLUMN,COLUMN")
    columns = tuple(name.strip() for name in rest[0].split(",")) if rest else ()
    if "" in columns:
        raise InputError(f"{side} {word}: a column name is empty; write {kind}:COLUMN,COLUMN")
    if len(set(columns)) < len(columns):
        raise InputError(f"{side} {word}: a column is named twice")
    return Part(kind, variant, columns, horizon)


def _horizon(rest: list[str], word: str) -> int:
    if not rest or not rest[0].isdigit() or int(rest[0]) < 1:
        came = f"'{rest[0]}'" if rest else "nothing"
        raise InputError(f"--to {word}: future needs a number of steps of at least 1, got {came}; write future:24")
    return int(rest[0])
