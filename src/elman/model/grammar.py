"""The grammar of ``--from`` and ``--to``.

::

    SIDE = PART[+PART...]      PART = KIND[.VARIANT][:COLUMN,...]       text.char:review   series:load,temp
    targets also: next[:COLUMN,...]   future:H[:COLUMN,...]

This file knows words only: no data, no tensors.
"""

from __future__ import annotations

from dataclasses import dataclass

from elman.core.errors import InputError, nearest

__all__ = ["SOURCES", "TARGETS", "Part", "check_pair", "parse_source", "parse_target"]

SOURCES: dict[str, tuple[str, ...]] = {"series": ("",), "text": ("", "char")}
"""Kinds that can be read from, with their variants (the first is the default)."""

TARGETS: dict[str, tuple[str, ...]] = {"label": ("",), "number": ("",), "next": ("",), "future": ("",)}
"""Kinds and relations that can be read to, with their variants."""

_LEGAL = {
    ("series", "label"),
    ("series", "number"),
    ("series", "next"),
    ("series", "future"),
    ("text", "label"),
    ("text", "number"),
    ("text", "next"),
}
_WHY_NOT = {
    ("text", "future"): "text has no numbers to forecast; use --to next to continue a text",
}


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


def parse_source(text: str) -> tuple[Part, ...]:
    """Read the ``--from`` side; raise :class:`InputError` for unknown words."""
    return tuple(_part(word.strip(), "--from", SOURCES) for word in text.split("+"))


def parse_target(text: str) -> Part:
    """Read the ``--to`` side; raise :class:`InputError` for unknown words."""
    if "+" in text:
        raise InputError(f"--to {text}: one target at a time; write --to {text.split('+')[0]}")
    return _part(text.strip(), "--to", TARGETS)


def check_pair(source: tuple[Part, ...], target: Part) -> None:
    """Refuse, with the reason, pairs of kinds that no model here can learn."""
    if len(source) > 1:
        joined = "+".join(str(part) for part in source)
        raise InputError(f"--from {joined}: several parts on one side are not supported yet; write --from {source[0]}")
    kind = source[0].kind
    if (kind, target.kind) not in _LEGAL:
        why = _WHY_NOT.get((kind, target.kind), "no model here joins these two")
        legal = ", ".join(to for of, to in sorted(_LEGAL) if of == kind)
        raise InputError(f"--from {kind} --to {target.kind}: {why}. From {kind} there is: --to {legal}")


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
