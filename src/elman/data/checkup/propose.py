"""The command that trains on a file, without the columns that are of no use, and tried where the file is small."""

from __future__ import annotations

import re
from dataclasses import replace

from elman.core.errors import DataError, InputError
from elman.data.checkup.findings import Finding
from elman.data.checkup.guess import Guess, side
from elman.data.files import is_pair
from elman.data.hints import paste
from elman.data.prepare import Request, prepare
from elman.data.split import is_rule
from elman.model.grammar import ONE_ANSWER, check_pair, parse_source, parse_target

__all__ = ["command_of", "propose", "request_of", "trial", "unwritable"]

_USELESS = ("constant", "missing", "mixed", "absurd", "infinite", "giveaway")
"""Faults of a column for which another is better read."""

_MARKS = re.compile(r"[,:+]")
"""Letters of names that the grammar of the command line cannot carry."""


def propose(found: Guess, asked: Guess, findings: list[Finding]) -> tuple[Guess, list[Finding]]:
    """Leave out inputs that are of no use, where nobody asked for them and others are left.

    Returns:
        What is proposed, and the findings: what is wrong with columns that are left out is no error any more.
    """
    if asked.source or found.shape == "text" or not found.source.startswith("series"):
        return found, findings
    wanted = parse_target(found.target) if found.target else None
    kept_anyway = set(wanted.columns) if wanted is not None else set()
    bad = {one.column for one in findings if one.kind in _USELESS} | {n for n in found.inputs if _MARKS.search(n)}
    out = {name for name in found.inputs if name in bad and name not in kept_anyway}
    inputs = tuple(name for name in found.inputs if name not in out)
    if not out or not inputs:
        return found, findings
    told = [_left_out(one) if one.column in out else one for one in findings]
    return replace(found, inputs=inputs, source=side("series", inputs)), told


def _left_out(finding: Finding) -> Finding:
    severity = "warning" if finding.severity == "error" else finding.severity
    return replace(finding, severity=severity, todo=f"the command below leaves it out; {finding.todo}")


def unwritable(found: Guess, file: str, *, nameless: bool) -> list[Finding]:
    """Columns whose names the command line would take for several; ``nameless``: these are no names at all."""
    names = [name for name in (*found.inputs, found.goal) if name and _MARKS.search(name)]
    if not names:
        return []
    what = f"'{names[0][:40]}' has a comma, a colon or a plus in it, which part names in --from and --to"
    if nameless:
        return [Finding("error", "name", what, "name the columns, as said below", file)]
    plain = {name: re.sub(r"\W+", "_", name)[:20].strip("_") for name in names}
    return [Finding("error", "name", what, "rename it", file, paste=paste(file, f".rename({plain!r})", "renamed"))]


def request_of(found: Guess, file: str, valid: str | None, test: str | None) -> Request | None:
    """What to ask for in training; None where nothing in the file can be learnt."""
    if not found.source or not found.target:
        return None
    source, target = parse_source(found.source), parse_target(found.target)
    try:
        check_pair(source, target)
    except InputError:
        return None
    steps = found.shape in ("rows", "table")
    whole = target.kind in ONE_ANSWER or (source[0].kind == "text" and found.shape != "text")
    split = found.split if found.split is not None and (whole or is_rule(found.split)) else None
    ts = file.lower().removesuffix(".gz").endswith(".ts")
    return Request(
        file=file,
        source=found.source,
        target=found.target,
        id=found.id if found.shape == "rows" and not (ts and found.id == "id") else None,
        time=found.time if steps and not (ts and found.time == "step") else None,
        split=None if test else split,
        valid=valid,
        test=test,
    )


def command_of(request: Request) -> list[str]:
    """The words of the command."""
    files = request.file.split("+") if is_pair(request.file) else [request.file]
    words = ["elman", "train", *files, "--from", request.source, "--to", request.target]
    for option in ("id", "time", "split", "valid", "test"):
        value = getattr(request, option)
        if value is not None:
            words += [f"--{option}", value]
    return words


def trial(request: Request) -> list[Finding]:
    """Prepare the data as training does, and tell what it refuses; worth it for files that fit into memory."""
    try:
        prepare(request)
    except (DataError, InputError) as error:
        told = error if isinstance(error, DataError) else DataError(str(error), file=request.file)
        file = str(told.file or request.file)
        return [Finding("error", "refused", f"training refuses it: {told.message}", "", file, told.row, told.column)]
    return []
