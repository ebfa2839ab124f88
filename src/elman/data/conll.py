"""CoNLL-U and CoNLL columns: a token a line, a blank line behind every sentence, columns between tabs or spaces.

The table has a row a sentence; its cells are lists with an item a token.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elman.core.errors import DataError

__all__ = ["read_conll", "read_conllu"]

_UNIVERSAL = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_HEADER = "# global.columns ="
"""How CoNLL-U Plus names its columns, in the first line."""

_DOCUMENT = "-DOCSTART-"


@dataclass
class _Sentences:
    """The cells of every sentence, token by token, and the line of its first token."""

    cells: list[list[list[str]]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def add(self, tokens: list[list[str]], line: int) -> None:
        if tokens:
            self.cells.append(tokens)
            self.lines.append(line)


def read_conllu(text: str, file: str) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Parse CoNLL-U (https://universaldependencies.org/format.html): ten columns between tabs.

    Left out are comments, the column ``id``, the lines of words that were written together (``1-2``), empty nodes
    (``1.1``), and columns that hold nothing but ``_``. ``head`` holds numbers, all others text.

    Returns:
        The frame, and the line of each sentence's first token.

    Raises:
        DataError: a line has not ten columns, an id or a head is no number, or there is no sentence.
    """
    found = _sentences(text, file, "\t", len(_UNIVERSAL))
    kept = _Sentences()
    for tokens, line in zip(found.cells, found.lines, strict=True):
        kept.add([token for token in tokens if "-" not in token[0] and "." not in token[0]], line)
    names = [name for name in _UNIVERSAL if name != "id"]
    frame, lines = _frame(kept, names, list(range(1, len(_UNIVERSAL))), file)
    unused = [name for name in frame.columns if (frame[name].explode() == "_").all()]
    frame = frame.drop(unused)
    if "head" in frame.columns:
        frame = frame.with_columns(_heads(frame["head"], lines, file))
    return frame, lines


def read_conll(text: str, file: str) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Parse columns between tabs, or else spaces, as in the shared tasks of CoNLL; any number of them.

    Columns are named by a first line ``# global.columns = FORM TAG`` (in small letters), or else ``column_1``,
    ``column_2``, ... after their place. Lines of ``-DOCSTART-``, and lines that begin with ``# `` in front of a
    sentence and have another number of columns, are left out.

    Raises:
        DataError: a line has another number of columns than the first, or there is no sentence.
    """
    names: list[str] = []
    first = text.split("\n", 1)[0]
    if first.startswith(_HEADER):
        names = [name.rpartition(":")[2].lower() for name in first.removeprefix(_HEADER).split()]
    tokens = (row for row in text.split("\n") if row.strip() and not row.startswith(("# ", _DOCUMENT)))
    sample = next(tokens, "")
    separator = "\t" if "\t" in sample else None
    width = len(names) or len(sample.split(separator))
    found = _sentences(text, file, separator, width)
    names = names or [f"column_{place}" for place in range(1, width + 1)]
    return _frame(found, names, list(range(width)), file)


def _sentences(text: str, file: str, separator: str | None, width: int) -> _Sentences:
    found, first = _Sentences(), 0
    tokens: list[list[str]] = []
    for line, row in enumerate(text.split("\n"), start=1):
        if not row.strip():
            found.add(tokens, first)
            tokens = []
            continue
        cells = row.split(separator)
        if not tokens and row.startswith("#") and len(cells) != width:
            continue
        if cells[0] == _DOCUMENT:
            continue
        if len(cells) != width:
            what = "tabs" if separator else "spaces"
            raise DataError(
                f"{len(cells)} columns where {width} are expected, between {what}: {row[:40]!r}; put a blank line "
                "between sentences, and _ into empty columns",
                file=file,
                row=line,
            )
        first = line if not tokens else first
        tokens.append(cells)
    found.add(tokens, first)
    return found


def _frame(found: _Sentences, names: list[str], places: list[int], file: str) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    if not found.cells:
        raise DataError("there is no sentence in it; write a token a line and a blank line behind sentences", file=file)
    columns = {
        name: [[token[place] for token in tokens] for tokens in found.cells]
        for name, place in zip(names, places, strict=True)
    }
    frame = pl.DataFrame(columns, schema=dict.fromkeys(names, pl.List(pl.String)))
    return frame, np.array(found.lines, dtype=np.int64)


def _heads(column: pl.Series, lines: NDArray[np.int64], file: str) -> pl.Series:
    numbers = column.list.eval(pl.element().cast(pl.Int64, strict=False))
    wrong = numbers.list.eval(pl.element().is_null().any()).list.first().fill_null(False).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"the head of a word is its number, but here is {' '.join(column[row])[:40]!r}; write numbers",
            file=file,
            row=int(lines[row]),
            column="head",
        )
    return numbers
