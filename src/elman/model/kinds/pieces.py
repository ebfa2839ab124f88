"""Pieces of words by byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909), learnt and cut by ``tokenizers``.

A text is a sequence of bytes, cut before spaces and between words and marks (as GPT-2 does), and within these pieces
are joined as training found most useful. Whatever the text, nothing is unknown, and the pieces give it back as it was.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from elman.core.errors import InputError, ModelFileError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Cutter", "joined", "learn", "readable"]

_SPECIAL = 2
"""Tokens before the pieces: the unknown one and the end."""


def learn(texts: Sequence[str], most: int | None) -> tuple[list[str], list[str]]:
    """The pieces and the merges that texts teach.

    Args:
        texts: of the training part.
        most: pieces at the most, 256 of them single bytes; None takes 8,000, and fewer where the texts are few: a
            tenth of their words' number.

    Raises:
        InputError: there is no text, or ``tokenizers`` is not installed.
    """
    models, trainers = _library("models"), _library("trainers")
    if not any(texts):
        raise InputError("the training texts hold no character; check the column")
    if most is None:
        words = sum(len(text.split()) for text in texts)
        most = max(512, min(8_000, words // 10))
    if most < 256:
        raise InputError(f"--vocabulary {most}: pieces begin with the 256 bytes; write at least --vocabulary 256")
    tokenizer = _cutting(models.BPE())
    alphabet = sorted(_library("pre_tokenizers").ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=most, initial_alphabet=alphabet, min_frequency=2, show_progress=False, special_tokens=[]
    )
    tokenizer.train_from_iterator(texts, trainer)
    numbers = tokenizer.get_vocab()
    found = sorted(numbers, key=lambda token: numbers[token])
    import json

    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return found, [" ".join(pair) for pair in merges]


class Cutter:
    """Cuts texts into the numbers of pieces, and joins them again.

    Args:
        vocabulary: tokens by number, the first two of them no pieces.
        merges: pairs that become one, in order, with a space between.

    Raises:
        ModelFileError: they do not fit each other. InputError: ``tokenizers`` is not installed.
    """

    def __init__(self, vocabulary: Sequence[str], merges: Sequence[str]) -> None:
        numbers = {token: n for n, token in enumerate(vocabulary[_SPECIAL:])}
        pairs = [tuple(merge.split(" ")) for merge in merges]
        odd = next((pair for pair in pairs if len(pair) != 2 or "".join(pair) not in numbers), None)
        missing = _library("pre_tokenizers").ByteLevel.alphabet() - numbers.keys()
        if odd is not None or missing or len(numbers) < len(vocabulary) - _SPECIAL:
            raise ModelFileError("the merges do not fit the vocabulary; take the model's folder from where it was made")
        self._tokenizer = _cutting(_library("models").BPE(numbers, pairs))

    def numbers(self, text: str) -> list[int]:
        """The numbers of a text's pieces."""
        return [n + _SPECIAL for n in self._tokenizer.encode(text, add_special_tokens=False).ids]

    def text(self, numbers: Sequence[int]) -> str:
        """The text of pieces; bytes that are no UTF-8 become the replacement character."""
        return str(self._tokenizer.decode([n - _SPECIAL for n in numbers]))


def joined(pieces: Iterable[str]) -> Iterator[str]:
    """The text of pieces as they come; what ends within a character waits for the rest of it."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        yield decoder.decode(_bytes_of(piece))
    yield decoder.decode(b"", final=True)


def readable(piece: str) -> str:
    """A piece as people read it, with the space before it; bytes that are no whole character as ``<E2 82>``."""
    data = _bytes_of(piece)
    try:
        return data.decode()
    except UnicodeDecodeError:
        space = " " if data[0] == 32 else ""
        return f"{space}<{data[len(space) :].hex(' ').upper()}>"


def _bytes_of(piece: str) -> bytes:
    return bytes(_BYTES[char] for char in piece)


def _bytes() -> dict[str, int]:
    """The byte that each letter of a piece stands for: itself where it can be seen, else one from 256 on (GPT-2)."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + n): byte for n, byte in enumerate(hidden)}


_BYTES = _bytes()


def _cutting(model: Any) -> Tokenizer:
    tokenizer: Tokenizer = _library("Tokenizer")(model)
    tokenizer.pre_tokenizer = _library("pre_tokenizers").ByteLevel(add_prefix_space=False)
    tokenizer.decoder = _library("decoders").ByteLevel()
    return tokenizer


def _library(name: str) -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise InputError(
            "text.bpe: pieces of words need tokenizers; pip install 'elman[text]', or take text or text.char"
        ) from error
    return getattr(tokenizers, name)
