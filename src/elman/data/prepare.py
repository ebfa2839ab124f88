"""From files to encoded training, validation and test data: read, assign roles, split, fit the kinds, encode."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elman.core.errors import DataError, InputError
from elman.data.batch import Batches, WindowSet
from elman.data.choose import Choice
from elman.data.divide import Parts, divide_examples, divide_steps, other_ranges
from elman.data.doctor import examined, span
from elman.data.encode import encode_examples, encode_pairs, encode_steps, next_tokens, pieces, stream
from elman.data.fit import Input, fit_input, fit_names, fit_numbers, variant_of
from elman.data.forecast import prepare_forecast
from elman.data.read import read
from elman.data.roles import Examples, Roles, assemble, names_of
from elman.data.split import TimeSplit, is_rule
from elman.model.grammar import ONE_ANSWER, Part, check_pair, parse_source, parse_target
from elman.model.kinds.joined import JoinedIn, Steps
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import Gaps, SeriesIn
from elman.model.kinds.text import TextIn, TokenOut, Variant, split
from elman.model.kinds.written import TextOut

__all__ = ["Prepared", "Request", "prepare"]

Output = LabelOut | LabelsOut | NumberOut | TokenOut | TextOut

_MANY = 10
"""Sequences from which on those of names are divided whole, and not each by time."""


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
        known: columns that are known ahead of a forecast, with a comma between.
        static: columns that are constant within a sequence, likewise.
        gaps: what a missing value of a series is.
        class_weights: ``balanced`` or ``NAME=WEIGHT,...``; None for none.
        vocabulary: tokens of a text at the most; None chooses.
        characters: whether words are read with their spelling; None where they are tagged.
        lookback: steps of history of a forecast; None chooses.
        season: steps after which a forecast's series come round, 1 for none; None looks for it.
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
    known: str | None = None
    static: str | None = None
    gaps: Gaps = "error"
    class_weights: str | None = None
    vocabulary: int | None = None
    characters: bool | None = None
    lookback: int | None = None
    season: int | None = None
    seed: int = 0


@dataclass
class Prepared:
    """Encoded data and what was learnt about it.

    Attributes:
        source: the ``--from`` parts with their columns resolved.
        target: the ``--to`` part with its columns resolved.
        input: the kind read, fit on the training part only.
        output: the kind predicted, fit on the training part only.
        train: for training.
        valid: for early stopping.
        test: for the final score; None where the split leaves none.
        lookback: steps of history of a forecast, else 0.
        notes: what was chosen for the user, in sentences.
        drawn: whether the parts were drawn at random, by the request's seed.
    """

    source: tuple[Part, ...]
    target: Part
    input: Input
    output: Output
    train: Batches
    valid: Batches
    test: Batches | None
    lookback: int = 0
    notes: list[str] = field(default_factory=list)
    drawn: bool = False


def prepare(request: Request, given: Examples | None = None) -> Prepared:
    """Read, split, fit and encode; see :class:`Request`. Raises DataError and InputError with what to mend.

    Examples that are ``given`` (see :mod:`elman.data.arrays`) stand in place of those of a file; the rest is the same.
    """
    source, target = parse_source(request.source), parse_target(request.target)
    check_pair(source, target)
    _refuse_idle(request, target)
    parts = _files(request, source, target) if given is None else (given, None, None)
    main = parts[0]
    if main.choice is None:
        raise TypeError("examples of a table have a choice of columns")
    source, target = main.choice.source, main.choice.target
    seen = examined(main)
    for other in parts[1:]:
        if other is not None:
            seen += [f"{other.where[0][0]}: {note}" for note in examined(other, again=True)]
    if target.kind == "future":
        made = _forecast(request, parts, source, target)
    elif target.kind in ONE_ANSWER:
        made = _one_answer(request, parts, source, target)
    elif target.kind == "text":
        made = _written(request, parts, source, target)
    elif source[0].kind == "text" and target.kind == "next":
        made = _next_token(request, parts, source, target)
    else:
        made = _per_step(request, parts, source, target)
    _check_parts(request, made)
    # What is said of uneven rows is no matter where the model is told of them.
    told = _told(made.input)
    made.notes[:0] = [*main.notes, *(one for one in seen if not (told and one.startswith("--time"))), *told]
    if made.test is None and not main.untested:
        made.notes.append("there is no test part: the scores are those of the validation part, which chose the epoch")
    return made


def _refuse_idle(request: Request, target: Part) -> None:
    """An option without effect is an error."""
    if request.known and target.kind != "future":
        raise InputError(
            f"--known {request.known}: only a forecast (--to future:H) has steps ahead; leave --known out, and read "
            f"what is given at all steps: --from {_beside(request.source, request.known)}"
        )
    if request.gaps == "interpolate" and target.kind == "next":
        raise InputError(
            "--gaps interpolate: at every step it would look at values that come later, and so at the answer; write "
            "--gaps input"
        )
    sides = (*parse_source(request.source), target)
    if request.vocabulary and not any(part.kind == "text" and part.variant != "char" for part in sides):
        raise InputError(
            f"--vocabulary {request.vocabulary}: no text is read by words or pieces here; leave --vocabulary out"
        )
    if request.class_weights and target.kind in ("number", "series", "future", "text"):
        raise InputError(f"--class-weights: --to {target.kind} has no classes; leave it out")


def _told(kind: Input) -> list[str]:
    """A sentence where the model reads when rows come."""
    if isinstance(kind, TextIn) or not kind.unit:
        return []
    parts = kind.parts if isinstance(kind, JoinedIn) else [kind]
    dates = any(part.dates for part in parts if isinstance(part, SeriesIn))
    usual = span(1e6 * kind.unit, dates) if dates else f"{kind.unit:g}"
    return [
        f"--time: rows are not evenly spaced ({usual} is usual); the distance of each from the one before is read too"
    ]


def _beside(source: str, known: str) -> str:
    """A source that reads some more columns."""
    parts = parse_source(source)
    if not any(part.kind == "series" for part in parts):
        return f"{source}+series:{known}"
    more = [part.of([*part.columns, known]) if part.kind == "series" else part for part in parts]
    return "+".join(map(str, more))


def _check_parts(request: Request, made: Prepared) -> None:
    """A part without a single step to predict cannot be trained or scored on."""
    files = {"training": None, "validation": request.valid, "test": request.test}
    for (name, file), part in zip(files.items(), (made.train, made.valid, made.test), strict=True):
        if isinstance(part, WindowSet) and len(part) and not part.known:
            columns = ", ".join(made.target.columns)
            raise DataError(
                f"the {name} part has no value of {columns} to forecast; give longer data, or divide it otherwise, "
                "such as --split 0.6,0.2,0.2",
                file=file or request.file,
            )
        if part is not None and not len(part):
            why, instead = "", "give longer data"
            if made.target.kind == "future":
                why = f": a forecast takes {made.lookback} steps before it and {made.target.horizon} of its own"
                instead += ", take a shorter horizon"
            if not file:
                instead += ", or divide it otherwise, such as --split 0.6,0.2,0.2"
            raise DataError(f"the {name} part has no step to predict{why}; {instead}", file=file or request.file)


def _files(request: Request, source: tuple[Part, ...], target: Part) -> Parts:
    """The examples of the main file and, where there are such, of the validation and test files."""
    by_column = request.split is not None and not is_rule(request.split)
    if request.split and request.test:
        raise InputError("--split and --test both say what the test part is; leave one of them out")
    known, static = names_of(request.known, "--known"), names_of(request.static, "--static")
    roles = Roles(request.id, request.time, None, known, static, request.gaps)
    main = assemble(read(request.file), source, target, replace(roles, split=request.split if by_column else None))
    if not len(main):
        raise DataError("no example in it; the file has no rows", file=request.file)
    if request.valid and "valid" in (main.split or ()):
        raise InputError(
            f"--valid and the column '{request.split}' (--split) both say what validates; leave --valid out, or write "
            "train in place of valid into the column"
        )
    if main.choice is None:
        raise TypeError("examples of a table have a choice of columns")
    fixed, goal = main.choice.source, main.choice.target
    roles = replace(roles, known=main.choice.known, static=main.choice.static)
    others = [assemble(read(path), fixed, goal, roles) if path else None for path in (request.valid, request.test)]
    return main, others[0], others[1]


def _one_answer(request: Request, parts: Parts, source: tuple[Part, ...], target: Part) -> Prepared:
    split = divide_examples(request.split, parts, seed=request.seed, stratify=target.kind == "label")
    kind = _fit(request, split.train, split.train.inputs, split.train.times)
    goals = split.train.targets or []
    output: LabelOut | LabelsOut | NumberOut
    if target.kind == "label":
        output = LabelOut.fit(goals, target.columns[0], request.class_weights)
    elif target.kind == "labels":
        output = LabelsOut.fit(goals, target.columns, request.class_weights)
    else:
        output = NumberOut.fit([np.stack(goals)], target.columns)
    train = encode_examples(kind, output, split.train, seen=False)
    valid = encode_examples(kind, output, split.valid)
    test = None if split.test is None else encode_examples(kind, output, split.test)
    notes = [split.how]
    others = [ex for ex in (split.valid, split.test) if ex is not None]
    if isinstance(output, LabelsOut) and (new := output.unseen([one for ex in others for one in ex.targets or []])):
        notes.append(f"{', '.join(new)}: never in the training part, so never predicted and not scored")
    return Prepared(source, target, kind, output, train, valid, test, notes=notes, drawn=split.drawn)


def _written(request: Request, parts: Parts, source: tuple[Part, ...], target: Part) -> Prepared:
    split = divide_examples(request.split, parts, seed=request.seed, stratify=False)
    kind = _fit(request, split.train, split.train.inputs, split.train.times)
    output = TextOut.fit(split.train.targets or [], target.columns[0], variant_of(target), most=request.vocabulary)
    train, valid = encode_pairs(kind, output, split.train), encode_pairs(kind, output, split.valid)
    test = None if split.test is None else encode_pairs(kind, output, split.test)
    unit = output.tokens.unit
    notes = [split.how, f"--to {target.kind}: {output.size:,} {unit}, {output.longest} in the longest text"]
    return Prepared(source, target, kind, output, train, valid, test, notes=notes, drawn=split.drawn)


def _fit(request: Request, main: Examples, sequences: list[Any], times: list[Any] | None = None) -> Input:
    if main.choice is None:
        raise TypeError("examples of a table have a choice of columns")
    return fit_input(
        main.choice,
        sequences,
        request.gaps,
        main.where[0][0],
        times,
        vocabulary=request.vocabulary,
        spelt=_spelt(request, main.choice),
    )


def _spelt(request: Request, choice: Choice) -> bool:
    """Whether words are read with their characters: as asked, or else where words are tagged."""
    words = not choice.joined and choice.source[0].kind == "text" and not choice.source[0].variant
    if request.characters and (not words or choice.target.kind in ("next", "text")):
        raise InputError(
            f"--characters: spells the words of one text that is tagged or labelled (--from text), not --from "
            f"{request.source} --to {choice.target.kind}; leave --characters out"
        )
    return words and (choice.target.kind == "tags" if request.characters is None else request.characters)


def _forecast(request: Request, parts: Parts, source: tuple[Part, ...], target: Part) -> Prepared:
    made = prepare_forecast(
        parts,
        target,
        split=request.split,
        lookback=request.lookback,
        season=request.season,
        gaps=request.gaps,
    )
    sets = (made.train, made.valid, made.test)
    return Prepared(source, target, made.input, made.output, *sets, made.lookback, made.notes)


def _per_step(request: Request, parts: Parts, source: tuple[Part, ...], target: Part) -> Prepared:
    """One answer a step: of the step itself, or of the one behind it (``next``)."""
    main, follows = parts[0], target.kind == "next"
    words = main.choice is not None and main.choice.words
    notes: list[str]
    drawn = False
    ranges: list[list[tuple[int, int]] | None]
    if len(main) >= (_MANY if follows else 3) and (words or not follows):
        split = divide_examples(request.split, parts, seed=request.seed, stratify=False)
        sides, ranges, notes = [split.train, split.valid, split.test], [None] * 3, [split.how]
        drawn = split.drawn
        training, times, goals = split.train.inputs, split.train.times, split.train.targets or []
    else:
        cut = divide_steps(request.split, parts, [len(one) for one in main.inputs])
        fresh, told = other_ranges(parts)
        sides, notes = [main, parts[1] or main, parts[2] or main], [cut.how, *told]
        spans = [[(r[part], r[part + 1]) for r in cut.ranges] for part in range(3)]
        ranges = [spans[0], fresh.get("--valid", spans[1]), fresh.get("--test", spans[2])]
        training = [one[: r[1]] for one, r in zip(main.inputs, cut.ranges, strict=True)]
        times = main.times and [one[: r[1]] for one, r in zip(main.times, cut.ranges, strict=True)]
        goals = [one[: r[1]] for one, r in zip(main.targets or [], cut.ranges, strict=True)]
    kind = _fit(request, main, training, times)
    output: LabelOut | NumberOut
    if words:
        output = fit_names(target, goals, request.class_weights)
    elif request.class_weights:
        raise InputError(f"--class-weights: {', '.join(target.columns)} is a number and has no classes; leave it out")
    else:
        output = fit_numbers(kind, target, goals, follows=follows)
    sets = [
        None if ex is None else encode_steps(kind, output, ex, span, shift=int(follows))
        for ex, span in zip(sides, ranges, strict=True)
    ]
    train, valid, test = sets
    if train is None or valid is None:
        raise TypeError("there is always something to train and to validate on")
    if test is not None and not len(test) and not request.test:
        test = None
    train = pieces(train) if follows else train
    return Prepared(source, target, kind, output, train, valid, test, notes=notes, drawn=drawn)


def _next_token(request: Request, parts: Parts, source: tuple[Part, ...], target: Part) -> Prepared:
    if request.class_weights:
        raise InputError("--class-weights: a text that continues itself has no classes; leave it out")
    main = parts[0]
    if len(main) > 1:
        split = divide_examples(request.split, parts, seed=request.seed, stratify=False)
        kind = _fit(request, main, split.train.inputs)
        if not isinstance(kind, TextIn):
            raise InputError("--static: a text is continued by itself; leave --static out")
        output = TokenOut(size=kind.width, separate=True)
        train, valid = next_tokens(kind, split.train), next_tokens(kind, split.valid)
        test = None if split.test is None else next_tokens(kind, split.test)
        return Prepared(source, target, kind, output, train, valid, test, notes=[split.how], drawn=split.drawn)
    text = main.inputs[0]
    if isinstance(text, Steps):
        raise InputError("--static: a text is continued by itself; leave --static out")
    variant, column = variant_of(source[0]), source[0].columns[0]
    kind, numbers, cut = _one_text(request, parts, text, column, variant)
    _, a, b, c = cut.ranges[0]
    others = [None if ex is None else stream(kind.encode("\n".join(ex.inputs))) for ex in parts[1:]]
    valid_set = stream(numbers[a - 1 : b]) if others[0] is None else others[0]
    test_set = (stream(numbers[b - 1 : c]) if c > b else None) if others[1] is None else others[1]
    output = TokenOut(size=kind.width)
    return Prepared(source, target, kind, output, stream(numbers[:a]), valid_set, test_set, notes=[cut.how])


def _one_text(
    request: Request, parts: Parts, text: str, column: str, variant: Variant
) -> tuple[TextIn, Tensor, TimeSplit]:
    """One long text: its vocabulary, learnt from what trains, its numbers, and where it is cut."""
    most = request.vocabulary
    if variant != "bpe":
        tokens = split(text, variant)
        cut = divide_steps(request.split, parts, [len(tokens)])
        kind = TextIn.fit([tokens[: cut.ranges[0][1]]], column, variant, most=most)
        return kind, kind.encode(text), cut
    # Pieces are learnt before they can be counted: the text is cut at characters, and then at the pieces there.
    rough = divide_steps(request.split, parts, [len(text)])
    _, a, b, c = rough.ranges[0]
    kind = TextIn.fit([text[:a]], column, variant, most=most)
    stretches = [kind.encode(text[first:last]) for first, last in ((0, a), (a, b), (b, c))]
    ends = np.cumsum([0, *map(len, stretches)]).tolist()
    return kind, torch.cat(stretches), replace(rough, ranges=[(ends[0], ends[1], ends[2], ends[3])])
