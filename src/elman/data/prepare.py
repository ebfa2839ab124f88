"""From files to encoded training, validation and test data: read, assign roles, split, fit the kinds, encode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from elman.core.errors import DataError, InputError
from elman.data.batch import Batches
from elman.data.doctor import examine, refuse_absurd
from elman.data.encode import encode_examples, encode_windows, next_tokens, next_values, pieces, stream
from elman.data.read import read
from elman.data.roles import Examples, Roles, assemble
from elman.data.split import Split, TimeSplit, is_rule, split_examples, split_time
from elman.model.grammar import Part, check_pair, parse_source, parse_target
from elman.model.kinds.label import LabelOut
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn, TokenOut

__all__ = ["Prepared", "Request", "part_of", "prepare"]


Input = SeriesIn | TextIn
Output = LabelOut | NumberOut | TokenOut


@dataclass(frozen=True)
class Request:
    """What to prepare, in the words of the command line.

    Attributes:
        file: the data.
        source: the ``--from`` side.
        target: the ``--to`` side.
        id: column that says which rows form a sequence.
        time: column of each row's time.
        split: column, fractions or dates.
        valid: a file of its own for validation.
        test: a file of its own for the test.
        lookback: steps of history of a forecast; None chooses.
        seed: of random splits.
    """

    file: str
    source: str
    target: str
    id: str | None = None
    time: str | None = None
    split: str | None = None
    valid: str | None = None
    test: str | None = None
    lookback: int | None = None
    seed: int = 0


@dataclass
class Prepared:
    """Encoded data and what was learnt about it.

    Attributes:
        source: the ``--from`` part with its columns resolved.
        target: the ``--to`` part with its columns resolved.
        input: the kind read, fit on the training part only.
        output: the kind predicted, fit on the training part only.
        train: for training.
        valid: for early stopping.
        test: for the final score; None where the split leaves none.
        lookback: steps of history of a forecast, else 0.
        notes: what was chosen for the user, in sentences.
    """

    source: Part
    target: Part
    input: Input
    output: Output
    train: Batches
    valid: Batches
    test: Batches | None
    lookback: int = 0
    notes: list[str] = field(default_factory=list)


def prepare(request: Request) -> Prepared:
    """Read, split, fit and encode; see :class:`Request`. Raises DataError and InputError with what to mend."""
    (source,), target = parse_source(request.source)[:1], parse_target(request.target)
    check_pair(parse_source(request.source), target)
    parts = _files(request, source, target)
    main = parts[0]
    source = Part(source.kind, source.variant, main.columns)
    target = Part(target.kind, target.variant, main.target_columns, target.horizon)
    main.notes.extend(examine(main, source, target))
    for other in parts[1:]:
        if other is not None:
            refuse_absurd(other, source, target)
    if target.kind in ("label", "number"):
        made = _one_answer(request, source, target, parts)
    elif target.kind == "future":
        made = _forecast(request, source, target, parts)
    elif source.kind == "text":
        made = _next_token(request, source, target, parts)
    else:
        made = _next_value(request, source, target, parts)
    _check_parts(request, made)
    made.notes[:0] = main.notes
    if made.test is None:
        made.notes.append("there is no test part: the scores are those of the validation part, which chose the epoch")
    return made


def _check_parts(request: Request, made: Prepared) -> None:
    """A part without a single step to predict cannot be trained or scored on."""
    files = {"training": None, "validation": request.valid, "test": request.test}
    for (name, file), part in zip(files.items(), (made.train, made.valid, made.test), strict=True):
        if part is not None and not len(part):
            why, instead = "", "give longer data"
            if made.target.kind == "future":
                why = f": a forecast takes {made.lookback} steps before it and {made.target.horizon} of its own"
                instead += ", take a shorter horizon"
            if not file:
                instead += ", or divide it otherwise, such as --split 0.6,0.2,0.2"
            raise DataError(f"the {name} part has no step to predict{why}; {instead}", file=file or request.file)


def part_of(kind: Input) -> Part:
    """The ``--from`` part that reads what this kind was fit on."""
    if isinstance(kind, TextIn):
        return Part("text", kind.variant, (kind.column,))
    return Part("series", "", tuple(kind.columns))


Parts = tuple[Examples, Examples | None, Examples | None]


def _files(request: Request, source: Part, target: Part) -> Parts:
    """The examples of the main file and, where there are such, of the validation and test files."""
    by_column = request.split is not None and not is_rule(request.split)
    if request.split and request.test:
        raise InputError("--split and --test both say what the test part is; leave one of them out")
    roles = Roles(request.id, request.time, request.split if by_column else None)
    main = assemble(read(request.file), source, target, roles)
    if not len(main):
        raise DataError("no example in it; the file has no rows", file=request.file)
    if request.valid and "valid" in (main.split or ()):
        raise InputError(
            f"--valid and the column '{request.split}' (--split) both say what validates; leave --valid out, or write "
            "train in place of valid into the column"
        )
    fixed = Part(source.kind, source.variant, main.columns)
    goal = Part(target.kind, target.variant, main.target_columns, target.horizon)
    others = [
        assemble(read(path), fixed, goal, Roles(request.id, request.time)) if path else None
        for path in (request.valid, request.test)
    ]
    return main, others[0], others[1]


# One answer a sequence ----------------------------------------------------------------------------------------


def _one_answer(request: Request, source: Part, target: Part, parts: Parts) -> Prepared:
    split = _split(request, parts, stratify=target.kind == "label")
    kind = _fit_input(split.train, source)
    output: LabelOut | NumberOut
    if target.kind == "label":
        output = LabelOut.fit(split.train.targets or [], target.columns[0])
    else:
        output = NumberOut.fit([np.stack(split.train.targets or [])], target.columns)
    sets = [encode_examples(kind, output, part, seen=split.train is not part) for part in (split.train, split.valid)]
    test = None if split.test is None else encode_examples(kind, output, split.test)
    return Prepared(source, target, kind, output, sets[0], sets[1], test, notes=[split.how])


def _split(request: Request, parts: Parts, *, stratify: bool) -> Split:
    """Divide examples, where files of their own give the validation or test part."""
    main, valid, test = parts
    rule = request.split if request.split and is_rule(request.split) else None
    if valid is not None and test is not None:
        return Split(main, valid, test, "the parts as the files give them")
    if test is not None:
        # All that is not test is for training but a tenth.
        inner = split_examples(main, "0.9", seed=request.seed, stratify=stratify)
        if inner.test is None:
            raise AssertionError("a fraction below 1 leaves a part")
        joined = _joined(inner.train, inner.valid)
        return Split(joined, inner.test, test, "test as the file gives it; a tenth of the training file validates")
    made = split_examples(main, rule, seed=request.seed, stratify=stratify)
    if valid is not None:
        return Split(_joined(made.train, made.valid), valid, made.test, "validation as the file gives it; " + made.how)
    return made


def _joined(a: Examples, b: Examples) -> Examples:
    def both(x: list[object] | None, y: list[object] | None) -> list[object] | None:
        return None if x is None or y is None else [*x, *y]

    return Examples(
        inputs=[*a.inputs, *b.inputs],
        targets=both(a.targets, b.targets),
        ids=[*a.ids, *b.ids],
        times=None if a.times is None or b.times is None else [*a.times, *b.times],
        where=[*a.where, *b.where],
        steps=[*a.steps, *b.steps],
        split=None if a.split is None or b.split is None else [*a.split, *b.split],
        columns=a.columns,
        target_columns=a.target_columns,
        notes=a.notes,
    )


def _fit_input(train: Examples, source: Part) -> Input:
    if source.kind == "text":
        return TextIn.fit(train.inputs, source.columns[0], "char" if source.variant else "")
    if not any(len(sequence) for sequence in train.inputs):
        raise DataError("every training sequence is empty; nothing to learn from", file=train.where[0][0])
    return SeriesIn.fit(train.inputs, source.columns)


# Forecasts ----------------------------------------------------------------------------------------------------


def _forecast(request: Request, source: Part, target: Part, parts: Parts) -> Prepared:
    main = parts[0]
    lengths = [len(series) for series in main.inputs]
    horizon = target.horizon
    split = _ranges(request, parts, lengths)
    longest = max(a for _, a, _, _ in split.ranges)
    lookback = request.lookback or _lookback(horizon, longest)
    usable = [k for k, (_, a, _, _) in enumerate(split.ranges) if a >= lookback + horizon]
    if lookback < 1 or not usable:
        raise DataError(_no_room(horizon, request.lookback, longest), file=main.where[0][0])
    train = [series[: split.ranges[k][1]] for k, series in enumerate(main.inputs)]
    kind = SeriesIn.fit([train[k] for k in usable], source.columns)
    output = _numbers_after(main.subset(usable), [split.ranges[k] for k in usable], source, target)
    sets = [
        encode_windows(kind, output, main, lookback, [(r[part], r[part + 1]) for r in split.ranges])
        for part in range(3)
    ]
    others = [None if ex is None else encode_windows(kind, output, ex, lookback) for ex in parts[1:]]
    valid = sets[1] if others[0] is None else others[0]
    test = (sets[2] if len(sets[2]) else None) if others[1] is None else others[1]
    notes = [split.how, f"every forecast reads the last {lookback} steps"]
    if len(usable) < len(lengths):
        notes.append(f"{len(lengths) - len(usable)} of {len(lengths)} series are too short to train on")
    return Prepared(source, target, kind, output, sets[0], valid, test, lookback, notes)


def _no_room(horizon: int, lookback: int | None, longest: int) -> str:
    """What to say where no training part holds one forecast with its history."""
    history = f"a history of {lookback} steps (--lookback)" if lookback else "a history"
    shorter = []
    if lookback and longest > horizon:
        shorter.append(f"--lookback {max(1, (longest - horizon) // 2)}")
    if longest // 4 and longest // 4 < horizon:
        shorter.append(f"--to future:{longest // 4}")
    return (
        f"a forecast of {horizon} steps needs {history} before it, and both must lie in the training "
        f"part, of which the longest has {longest} steps; "
        + (f"write {' or '.join(shorter)}, or give longer series" if shorter else "give longer series")
    )


def _ranges(request: Request, parts: Parts, lengths: list[int]) -> TimeSplit:
    rule = request.split
    if rule is not None and not is_rule(rule):
        raise InputError(f"--split {rule}: series are cut by time; write fractions (0.7,0.1,0.2) or dates")
    if rule is None and parts[1] is not None and parts[2] is not None:
        return TimeSplit([(0, n, n, n) for n in lengths], "the parts as the files give them")
    made = split_time(parts[0], rule, lengths)
    if parts[1] is not None:
        # What would have validated is for training.
        ranges = [(0, b, b, c) for _, _, b, c in made.ranges]
        return TimeSplit(ranges, "validation as the file gives it, its share is trained on; " + made.how)
    if parts[2] is not None:
        # The whole file is for training and validation.
        cut = [(0, int(n * 0.9), n, n) for n in lengths]
        return TimeSplit(cut, "the last tenth of every series validates; test as the file gives it")
    return made


def _lookback(horizon: int, longest: int) -> int:
    """Twice the horizon and at least 96 steps, but never more than half of what the training part leaves."""
    return min(max(2 * horizon, 96), (longest - horizon) // 2)


def _numbers_after(
    main: Examples, ranges: Sequence[tuple[int, int, int, int]], source: Part, target: Part
) -> NumberOut:
    """The output of series that go on: predicted as a change from the last value where that is an input.

    It must be fit on the very series that the input is fit on, for its units are those of the last value.
    """
    targets = [t[: r[1]] for t, r in zip(main.targets or [], ranges, strict=True)]
    known = all(column in source.columns for column in target.columns)
    anchors = [source.columns.index(column) for column in target.columns] if known else []
    return NumberOut.fit(targets, target.columns, horizon=target.horizon or 1, anchors=anchors)


# What comes next ----------------------------------------------------------------------------------------------


def _next_value(request: Request, source: Part, target: Part, parts: Parts) -> Prepared:
    main = parts[0]
    split = _ranges(request, parts, [len(series) for series in main.inputs])
    kind = SeriesIn.fit([s[: r[1]] for s, r in zip(main.inputs, split.ranges, strict=True)], source.columns)
    output = _numbers_after(main, split.ranges, source, target)
    sets = [next_values(kind, output, main, [(r[part], r[part + 1]) for r in split.ranges]) for part in range(3)]
    others = [None if ex is None else next_values(kind, output, ex) for ex in parts[1:]]
    valid = sets[1] if others[0] is None else others[0]
    test = (sets[2] if len(sets[2]) else None) if others[1] is None else others[1]
    return Prepared(source, target, kind, output, pieces(sets[0]), valid, test, notes=[split.how])


def _next_token(request: Request, source: Part, target: Part, parts: Parts) -> Prepared:
    main = parts[0]
    if len(main) > 1:
        split = _split(request, parts, stratify=False)
        kind = _fit_input(split.train, source)
        if not isinstance(kind, TextIn):
            raise AssertionError("text is read as text")
        output = TokenOut(size=kind.width, separate=True)
        train, valid = next_tokens(kind, split.train), next_tokens(kind, split.valid)
        test = None if split.test is None else next_tokens(kind, split.test)
        return Prepared(source, target, kind, output, train, valid, test, notes=[split.how])
    text = main.inputs[0]
    variant: Literal["", "char"] = "char" if source.variant else ""
    tokens = TextIn(column="", variant=variant, vocabulary=[]).split(text)
    times = _ranges(request, parts, [len(tokens)])
    _, a, b, c = times.ranges[0]
    # Words are put together again for the vocabulary, which is learnt from the training part alone.
    kind = TextIn.fit([("" if variant else " ").join(tokens[:a])], source.columns[0], variant)
    numbers = kind.encode(text)
    others = [None if ex is None else stream(kind.encode("\n".join(ex.inputs))) for ex in parts[1:]]
    valid_set = stream(numbers[a - 1 : b]) if others[0] is None else others[0]
    test_set = (stream(numbers[b - 1 : c]) if c > b else None) if others[1] is None else others[1]
    output = TokenOut(size=kind.width)
    return Prepared(source, target, kind, output, stream(numbers[:a]), valid_set, test_set, notes=[times.how])
