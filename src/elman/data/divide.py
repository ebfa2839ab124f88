"""Which examples, or which steps of each sequence, train, validate and test: by rule, by column or by file."""

from __future__ import annotations

from dataclasses import replace

from elman.core.errors import InputError
from elman.data.overlap import Ranges, fresh_steps, note_shared
from elman.data.roles import Examples
from elman.data.split import Split, TimeSplit, is_rule, split_examples, split_time

__all__ = ["Parts", "divide_examples", "divide_steps", "other_ranges"]

Parts = tuple[Examples, Examples | None, Examples | None]
"""The examples of the main file and, where there are such, of the validation and test files."""


def divide_examples(split: str | None, parts: Parts, *, seed: int, stratify: bool) -> Split:
    """Divide examples, where files of their own give the validation or test part."""
    made = _divided(split, parts, seed=seed, stratify=stratify)
    told = [note for seen, ex, option in _others(parts) for note in note_shared(seen, ex, option)]
    return replace(made, how="; ".join([made.how, *told]))


def _others(parts: Parts) -> list[tuple[list[Examples], Examples, str]]:
    """The validation and the test file, each with what is learnt from or chosen by before it."""
    main, valid, test = parts
    found = [([main], valid, "--valid"), ([one for one in (main, valid) if one is not None], test, "--test")]
    return [(seen, ex, option) for seen, ex, option in found if ex is not None]


def other_ranges(parts: Parts) -> tuple[dict[str, Ranges], list[str]]:
    """The steps of the validation and the test file that count, by option, and what is to be said of others."""
    made = {option: fresh_steps(seen, ex, option) for seen, ex, option in _others(parts)}
    return {option: ranges for option, (ranges, _) in made.items()}, [n for _, told in made.values() for n in told]


def _divided(split: str | None, parts: Parts, *, seed: int, stratify: bool) -> Split:
    main, valid, test = parts
    rule = split if split and is_rule(split) else None
    if valid is not None and test is not None:
        return Split(main, valid, test, "the parts as the files give them")
    if test is not None or main.untested:
        # All that is not test is for training but a tenth.
        inner = split_examples(main, "0.9", seed=seed, stratify=stratify)
        if inner.test is None:
            raise AssertionError("a fraction below 1 leaves a part")
        joined = _joined(inner.train, inner.valid)
        if test is None:
            return Split(joined, inner.test, None, f"a tenth, drawn at random (seed {seed}), validates", inner.drawn)
        how = "test as the file gives it; a tenth of the training file validates"
        return Split(joined, inner.test, test, how, inner.drawn)
    made = split_examples(main, rule, seed=seed, stratify=stratify)
    if valid is not None:
        how = "validation as the file gives it; " + made.how
        return Split(_joined(made.train, made.valid), valid, made.test, how, made.drawn)
    return made


def _joined(a: Examples, b: Examples) -> Examples:
    def both(x: list[object] | None, y: list[object] | None) -> list[object] | None:
        return None if x is None or y is None else [*x, *y]

    return replace(
        a,
        inputs=[*a.inputs, *b.inputs],
        targets=both(a.targets, b.targets),
        ids=[*a.ids, *b.ids],
        times=None if a.times is None or b.times is None else [*a.times, *b.times],
        where=[*a.where, *b.where],
        steps=[*a.steps, *b.steps],
        split=None if a.split is None or b.split is None else [*a.split, *b.split],
    )


def divide_steps(rule: str | None, parts: Parts, lengths: list[int], *, least: int = 1) -> TimeSplit:
    """Cut every sequence by time, where files of their own give the validation or test part.

    Of sequences that are not tested on, at least ``least`` steps validate, as far as they go.
    """
    if rule is not None and not is_rule(rule):
        raise InputError(f"--split {rule}: series are cut by time; write fractions (0.7,0.1,0.2) or dates")
    if rule is None and parts[1] is not None and parts[2] is not None:
        return TimeSplit([(0, n, n, n) for n in lengths], "the parts as the files give them")
    if parts[0].untested:
        cut = [(0, max(0, min(int(n * 0.9), n - least)), n, n) for n in lengths]
        return TimeSplit(cut, "the last tenth of every series validates")
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
