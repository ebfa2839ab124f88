"""Words with their characters inside: a vector for the word, and one made of how it is spelt."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elman.core.layers.words import WordDropout
from elman.core.ragged import Ragged
from elman.core.stage import PerStep, Stage
from elman.core.state import State

__all__ = ["SpeltWords"]

_WIDTHS, _FILTERS, _VECTOR = (2, 3, 4, 5), 32, 24
"""Widths of the filters in characters, how many there are of each, and numbers in a character's vector."""


class SpeltWords(Stage):
    """Steps ``(T, B, 1 + W)``, a word's number and those of its characters, to vectors ``(T, B, E + C)``.

    ::

        y_t = [E[word] ; max_i tanh(F_w * c_{i..i+w-1} + b)]     w = 2, 3, 4, 5; c the vectors of the characters

    The second part knows endings, capitals and digits of words that training never saw (filters over characters: dos
    Santos & Zadrozny 2014; Ma & Hovy 2016, arXiv 1603.01354). Number 0 is no character: filters that reach only such
    places count for nothing.

    Args:
        words: the number of words. characters: that of characters, the 0 included.
        size: E, the width of a word's vector.
        word_dropout: see :class:`elman.WordDropout`.
    """

    def __init__(self, words: int, characters: int, size: int, word_dropout: float = 0.0) -> None:
        super().__init__()
        table = nn.Embedding(words, size)
        nn.init.normal_(table.weight, std=0.1)
        self.words: Stage = WordDropout(table, word_dropout) if word_dropout else PerStep(table)
        self.letters = nn.Embedding(characters, _VECTOR, padding_idx=0)
        self.filters = nn.ModuleList(nn.Conv1d(_VECTOR, _FILTERS, width, padding=width - 1) for width in _WIDTHS)
        self.width = size + _FILTERS * len(_WIDTHS)

    def forward(self, ragged: Ragged, state: State = None) -> tuple[Ragged, State]:
        ragged = ragged.clean()
        words, state = self.words(ragged.with_values(ragged.values[..., 0]), state)
        # Most words of a batch stand there several times, and all pads are one word.
        distinct, place = torch.unique(ragged.values.flatten(0, 1), dim=0, return_inverse=True)
        spelt = self.spelling(distinct[:, 1:])[place].unflatten(0, ragged.values.shape[:2])
        return words.with_values(torch.cat([words.values, spelt], dim=-1)).clean(), state

    def spelling(self, letters: Tensor) -> Tensor:
        """Vectors ``(N, C)`` of words ``(N, W)``; zero for a word without a character."""
        vectors = self.letters(letters).transpose(1, 2)
        real = (letters > 0).to(vectors.dtype)[:, None]
        found = []
        for filters in self.filters:
            assert isinstance(filters, nn.Conv1d)
            made = torch.tanh(filters(vectors))
            width = filters.kernel_size[0]
            touched = nn.functional.conv1d(real, real.new_ones(1, 1, width), padding=width - 1) > 0.5
            made = torch.where(touched, made, made.new_full((), -torch.inf)).amax(-1)
            found.append(torch.where(made.isfinite(), made, 0.0))
        return torch.cat(found, dim=-1)

    def renew(self, state: State) -> State:
        return self.words.renew(state)
