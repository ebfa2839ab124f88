"""Text as input, by words, by characters or by pieces of words, and as what comes next."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from elman.core.errors import InputError
from elman.model.kinds import pieces
from elman.model.kinds.schema import Schema

__all__ = ["END", "UNKNOWN", "TextIn", "TokenHead", "TokenOut", "Variant", "spellings", "split"]

Variant = Literal["", "char", "bpe"]
"""How a text is cut: into words, characters, or pieces of words (byte-pair encoding)."""

UNKNOWN, END = "<unknown>", "<end>"
_SPELT, _LETTERS = 18, 2_000
"""Characters of a word that are read, and different ones at the most."""

_WORDS = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_")


class TextIn(Schema):
    """A vocabulary learnt from the training texts.

    Attributes:
        column: where the text stood.
        variant: ``char`` for characters, ``bpe`` for pieces of words (see :mod:`elman.model.kinds.pieces`), empty for
            lower-cased words and punctuation marks.
        vocabulary: tokens by number; number 0 is the unknown token, number 1 begins and ends a text.
        merges: of pieces, which two become one, in order, with a space between.
        characters: those of words that are read with their spelling, the commonest first; empty where they are not.
    """

    kind: Literal["text"] = "text"
    column: str
    variant: Variant
    vocabulary: list[str]
    merges: list[str] = Field(default_factory=list)
    characters: list[str] = Field(default_factory=list)

    @classmethod
    def fit(
        cls,
        texts: Sequence[str | Sequence[str]],
        column: str,
        variant: Variant,
        *,
        least: int = 2,
        most: int | None = None,
        spelt: bool = False,
    ) -> TextIn:
        """Learn the tokens: those seen ``least`` times (of characters and pieces all), ``most`` at the most.

        With ``spelt`` the characters of words too.
        """
        if variant == "bpe":
            tokens, merges = pieces.learn([_whole(text) for text in texts], most)
            return cls(column=column, variant=variant, vocabulary=[UNKNOWN, END, *tokens], merges=merges)
        counts = Counter(token for text in texts for token in split(text, variant))
        kept = [token for token, n in counts.most_common(most or 50_000) if n >= (1 if variant == "char" else least)]
        if not kept:
            unit = "character" if variant == "char" else f"word that occurs {least} times"
            raise InputError(f"the training texts hold no {unit}; give more text, or read characters: --from text.char")
        letters: list[str] = []
        if spelt:
            found = Counter(letter for text in texts for word in spellings(text) for letter in word)
            letters = [letter for letter, _ in found.most_common(_LETTERS)]
        return cls(column=column, variant=variant, vocabulary=[UNKNOWN, END, *sorted(kept)], characters=letters)

    @property
    def columns(self) -> list[str]:
        """The one column."""
        return [self.column]

    @property
    def width(self) -> int:
        """V, the number of tokens."""
        return len(self.vocabulary)

    @property
    def unit(self) -> str:
        """What a token is, in the plural."""
        return {"": "words", "char": "characters", "bpe": "pieces"}[self.variant]

    @property
    def bytes(self) -> list[int]:
        """Bytes of UTF-8 that every token stands for, one for the end of a line and for what is unknown.

        Nothing for words, which have lost their spaces.
        """
        if not self.variant:
            return []
        # A piece has a letter for every byte.
        known = [len(token if self.variant == "bpe" else token.encode()) for token in self.vocabulary[2:]]
        return [1, 1, *known]

    def split(self, text: str | Sequence[str]) -> list[str]:
        """Cut a text into tokens; a list of words is cut already."""
        if self.variant == "bpe":
            return [self.vocabulary[n] for n in self._cutter.numbers(_whole(text))]
        return split(text, self.variant)

    def encode(self, text: str | Sequence[str]) -> Tensor:
        """The numbers of a text's tokens, int64 ``[T]``; of words that are spelt ``[T, 1 + W]``, see :meth:`spell`."""
        if self.variant == "bpe":
            return torch.tensor(self._cutter.numbers(_whole(text)), dtype=torch.int64)
        index = self._index
        numbers = torch.tensor([index.get(token, 0) for token in self.split(text)], dtype=torch.int64)
        return torch.cat([numbers[:, None], self.spell(text)], dim=1) if self.characters else numbers

    def spell(self, text: str | Sequence[str]) -> Tensor:
        """The characters of every word, int64 ``[T, W]``: 0 none, 1 where a word begins, 2 where it ends, 3 unknown.

        Of words too long for W the first and the last ones.
        """
        letters = self._letters
        rows = []
        for word in spellings(text):
            kept = word if len(word) <= _SPELT else word[: _SPELT // 2] + word[-_SPELT // 2 :]
            row = [1, *(letters.get(letter, 3) for letter in kept), 2]
            rows.append(row + [0] * (_SPELT + 2 - len(row)))
        return torch.tensor(rows, dtype=torch.int64).reshape(-1, _SPELT + 2)

    def unknown(self, text: str | Sequence[str]) -> list[str]:
        """The tokens of a text that training never saw, each once, in order; of pieces there are none."""
        if self.variant == "bpe":
            return []
        index = self._index
        return list(dict.fromkeys(token for token in self.split(text) if token not in index))

    def lost(self, text: str | Sequence[str]) -> int:
        """How many tokens of a text training never saw."""
        if self.variant == "bpe":
            return 0
        index = self._index
        return sum(token not in index for token in self.split(text))

    def written(self, text: str) -> list[str]:
        """The tokens of a text as they are written, for what is said of each."""
        return list(text) if self.variant == "char" else spellings(text)

    def decode(self, numbers: Sequence[int]) -> str:
        """The text of token numbers, without the marks of its end."""
        if self.variant == "bpe":
            return self._cutter.text([n for n in numbers if n > 1])
        tokens = [self.vocabulary[n] for n in numbers if n != 1]
        tokens = ["\N{REPLACEMENT CHARACTER}" if token == UNKNOWN else token for token in tokens]
        return ("" if self.variant == "char" else " ").join(tokens)

    def shown(self, numbers: Sequence[int]) -> list[str]:
        """Each token by itself, for pictures: what cannot be seen has a sign; a piece that begins a word a space."""
        names = [self.vocabulary[n] for n in numbers]
        if self.variant == "bpe":
            names = [name if n < 2 else pieces.readable(name) for n, name in zip(numbers, names, strict=True)]
        return [_visible(name) for name in names]

    @cached_property
    def _index(self) -> dict[str, int]:
        return {token: n for n, token in enumerate(self.vocabulary)}

    @cached_property
    def _letters(self) -> dict[str, int]:
        return {letter: n for n, letter in enumerate(self.characters, start=4)}

    @cached_property
    def _cutter(self) -> pieces.Cutter:
        return pieces.Cutter(self.vocabulary, self.merges)


class TokenOut(Schema):
    """What comes next in a text: a distribution over the input's own tokens.

    Attributes:
        size: V, the number of tokens.
        separate: whether training saw separate texts, each between two end marks, or one long text.
    """

    kind: Literal["token"] = "token"
    size: int
    separate: bool = False


class TokenHead(nn.Module):
    """``softmax(W f + b)`` over V tokens; the loss is the negative log-likelihood in nats a token.

    Args:
        width: F, the number of features.
        separate: whether training saw texts with an end.
        size: V.
        smoothing: eps of smoothed labels, in training; see :class:`~elman.model.kinds.label.LabelHead`.
    """

    def __init__(self, width: int, size: int, smoothing: float = 0.0, *, separate: bool = False) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.linear = nn.Linear(width, size)
        # A model of one long text never saw the end mark, so it has nothing to say of it.
        self.never = [0] if separate else [0, 1]

    @property
    def weights(self) -> tuple[Tensor, Tensor]:
        """W ``(V, F)`` and b ``(V,)``."""
        return self.linear.weight, self.linear.bias

    def raw(self, features: Tensor) -> Tensor:
        """Logits ``(..., V)`` of features ``(..., F)``."""
        return nn.functional.linear(features, *self.weights)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Nats of every token: ``(N, V)`` and int64 ``(N,)`` to ``(N,)``."""
        smoothing = self.smoothing if self.training else 0.0
        return nn.functional.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)

    def allowed(self, logits: Tensor) -> Tensor:
        """Scores ``(N, V)`` with minus infinity for what is never written: the unknown token, and the end mark where
        training saw none.
        """
        return logits.index_fill(-1, torch.tensor(self.never, device=logits.device), -torch.inf)


class TiedHead(TokenHead):
    """A head whose matrix is the table of a decoder's token vectors: ``softmax(E f + b)`` (Press & Wolf 2017, arXiv
    1608.05859).

    Args:
        table: ``(V, E)``; it is the decoder's, which owns and saves it. smoothing: as :class:`TokenHead`.
    """

    def __init__(self, table: nn.Embedding, smoothing: float = 0.0) -> None:
        nn.Module.__init__(self)
        self.smoothing, self.never = smoothing, [0]
        self.bias = nn.Parameter(torch.zeros(table.num_embeddings))
        # Not a part of this module: a weight with two owners would be saved, decayed and counted twice.
        object.__setattr__(self, "_table", table)

    @property
    def weights(self) -> tuple[Tensor, Tensor]:
        table: nn.Embedding = self.__dict__["_table"]
        return table.weight, self.bias


def _visible(token: str) -> str:
    """A token with signs in place of what cannot be seen: spaces alone, ends of lines, marks without their letter."""
    token = token.replace("\n", "⏎").replace("\t", "⇥")
    if token.isspace():
        return "␣" * len(token)
    head, rest = (" ", token[1:]) if token[0] == " " else ("", token)
    if unicodedata.combining(rest[0]):
        rest = "◌" + rest
    return head + "".join(f"<{ord(char):02X}>" if unicodedata.category(char) == "Cc" else char for char in rest)


def spellings(text: str | Sequence[str]) -> list[str]:
    """The words of a text as they are written, in capitals too; as many as :func:`split` gives."""
    if not isinstance(text, str):
        return list(text)
    # Small letters of a few capitals are two; then the words are spelt as they are split.
    found, small = _WORDS.findall(text), split(text, "")
    return found if len(found) == len(small) else small


def _whole(text: str | Sequence[str]) -> str:
    return text if isinstance(text, str) else " ".join(text)


def split(text: str | Sequence[str], variant: str) -> list[str]:
    """The tokens of a text: its characters, or its words and marks in small letters. A list of words stays one."""
    if not isinstance(text, str):
        return list(text) if variant == "char" else [word.lower() for word in text]
    return list(text) if variant == "char" else _WORDS.findall(text.lower())
