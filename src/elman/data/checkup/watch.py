"""Everything that is watched while the rows of a file pass by."""

from __future__ import annotations

import numpy as np
import polars as pl

from elman.core.errors import DataError
from elman.data.checkup.blocks import Block
from elman.data.checkup.cells import Cells, Clock, cells, clock
from elman.data.checkup.follow import Sequences
from elman.data.checkup.giveaway import Giveaway
from elman.data.checkup.guess import Guess
from elman.data.checkup.sieve import Hashes, Ints, Seen
from elman.data.checkup.tally import First, Tally
from elman.data.columns import is_text
from elman.data.roles import PARTS
from elman.model.grammar import ONE_ANSWER, parse_target

__all__ = ["PART_LINES", "PART_NAMES", "Watch"]

PART_NAMES = ("train", "valid", "test")

PART_LINES = 1 << 48
"""Added to the lines of the file of a part, times its number, so that they differ from those of the first file."""

_CODES = {word: PART_NAMES.index(part) for word, part in PARTS.items()}


class Watch:
    """Takes in the blocks of a file, then of its validation and test files.

    Attributes:
        tallies: of every column, by name.
        sequences: what is known of sequences that are made of rows.
        content: which inputs came before (where every row is a sequence).
        whole: which rows came before.
        labels: how many sequences have each label.
        no_part: rows whose word in the split column is no part.
        no_time: the error of the first row whose time is not understood.
        answers: whether there is one answer a sequence.
        parts: rows of each part.
    """

    def __init__(self, guess: Guess) -> None:
        self.guess = guess
        self.rows = 0
        self.tallies: dict[str, Tally] = {}
        self.sequences, self.content, self.whole = Sequences(), Seen(), Seen()
        self.labels: dict[str, int] | None = {}
        self.no_part = First()
        self.no_time: DataError | None = None
        self.parts = [0, 0, 0]
        self.giveaway: Giveaway | None = None
        kind = parse_target(guess.target).kind if guess.target else ""
        self.answers = kind in ONE_ANSWER
        self._answer = guess.goal if self.answers else None
        self._label = self._answer if kind == "label" else None

    def add(self, block: Block, file: str) -> None:
        """Take in some rows of the file itself."""
        frame, lines = block.frame, block.lines
        seen = {name: cells(frame[name]) for name in frame.columns}
        for name in dict.fromkeys([*self.tallies, *frame.columns]):
            tally = self.tallies.setdefault(name, Tally(name, self.rows))
            if name in seen:
                tally.add(seen[name], lines)
            else:
                tally.skip(frame.height, int(lines[0]))
        self.rows += frame.height
        firsts = self.compare(block, file)
        if self._label is not None and self._label in frame.columns:
            self._labels(frame[self._label], firsts)
            self._watch_label(frame, seen)

    def compare(self, block: Block, file: str) -> Ints:
        """Compare some rows with all before, also those of other files; return the rows on which sequences begin."""
        parts = self._parts(block)
        for code in range(3):
            self.parts[code] += int((parts == code).sum())
        lines = block.lines + block.part * PART_LINES
        self._rows(block.frame, lines, parts)
        return self._sequences(block.frame, lines, parts, file, block.part)

    def _parts(self, block: Block) -> Ints:
        name = self.guess.split
        if block.part or name is None or name not in block.frame.columns:
            return np.full(block.frame.height, block.part, dtype=np.int64)
        column = block.frame[name]
        words = column.cast(pl.String).str.strip_chars().str.to_lowercase()
        codes = words.replace_strict(_CODES, default=3, return_dtype=pl.Int64).fill_null(3).to_numpy()
        self.no_part.add(codes == 3, block.lines, column)
        return codes

    def _rows(self, frame: pl.DataFrame, lines: Ints, parts: Ints) -> None:
        """Rows that came before; where rows are steps, only a time tells that one is not simply like another."""
        there = [name for name in self.guess.inputs if name in frame.columns]
        if self.guess.shape == "row" and there:
            self.content.add(_hashes(frame, there), lines, parts)
            goal = [self._answer] if self._answer in frame.columns else []
            self.whole.add(_hashes(frame, [*there, *goal]), lines, parts)
        elif self.guess.time in frame.columns:
            self.whole.add(_hashes(frame, frame.columns), lines, parts)

    def _sequences(self, frame: pl.DataFrame, lines: Ints, parts: Ints, file: str, part: int) -> Ints:
        """Follow sequences of rows; return the rows on which sequences begin."""
        guess = self.guess
        if guess.shape == "row":
            return np.arange(frame.height)
        if guess.shape == "text" or (guess.id is not None and guess.id not in frame.columns):
            return np.empty(0, dtype=np.int64)
        there = [name for name in guess.inputs if name in frame.columns]
        ids = np.full(frame.height, part, dtype=np.uint64)
        if guess.id is not None:
            ids = frame[guess.id].cast(pl.String).fill_null("").hash(0).to_numpy()
        content = _hashes(frame, there) if there else np.zeros(frame.height, dtype=np.uint64)
        fixed = None
        if self._answer in frame.columns and guess.id is not None:
            fixed = frame[str(self._answer)].cast(pl.String).fill_null("").hash(0).to_numpy()
        return self.sequences.add(ids, lines, parts, content, fixed, self._clock(frame, lines, file))

    def _clock(self, frame: pl.DataFrame, lines: Ints, file: str) -> Clock | None:
        name = self.guess.time
        if name is None or name not in frame.columns or self.no_time is not None:
            return None
        try:
            return clock(frame[name], file, lines)
        except DataError as error:
            self.no_time = error
            return None

    def _labels(self, column: pl.Series, firsts: Ints) -> None:
        if self.labels is None:
            return
        named = column.gather(firsts).drop_nulls().cast(pl.String).value_counts()
        for word, count in named.iter_rows():
            self.labels[word] = self.labels.get(word, 0) + count
        if len(self.labels) > 1000:
            self.labels = None

    def _watch_label(self, frame: pl.DataFrame, seen: dict[str, Cells]) -> None:
        guess = self.guess
        roles = {guess.id, guess.time, guess.split, self._label}
        if self.giveaway is None:
            names = [name for name in frame.columns if name not in roles and not frame.schema[name].is_nested()]
            texts = {name for name in guess.inputs if name in frame.columns and is_text(frame.schema[name])}
            read_as_text = texts if guess.source.startswith("text") else set()
            self.giveaway = Giveaway(str(self._label), [name for name in names if name not in read_as_text])
        shown = {
            name: (frame[name], pl.Series(seen[name].values))
            for name in self.giveaway.names
            if name in frame.columns and not frame.schema[name].is_nested()
        }
        self.giveaway.add(frame[str(self._label)].cast(pl.String), shown)


def _hashes(frame: pl.DataFrame, names: list[str]) -> Hashes:
    found: Hashes = frame.select(names).hash_rows(seed=0).to_numpy()
    return found
