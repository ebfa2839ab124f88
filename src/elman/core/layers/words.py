"""Dropout of whole words: a stage around an embedding."""

from __future__ import annotations

from torch import nn

from elman.core.errors import InputError
from elman.core.ragged import Ragged
from elman.core.stage import Stage
from elman.core.state import Shared, State

__all__ = ["WordDropout"]


class WordDropout(Stage):
    """Look tokens up, and in training drop some of them wherever they stand (Gal & Ghahramani 2016, arXiv 1512.05287).

    ::

        y_t = m[x_t] * E[x_t]          m ~ Bernoulli(1 - p) / (1 - p), one number a token of the vocabulary

    A token that is dropped is dropped at all its places, in every row, for a whole sequence; this is the embedding
    dropout of Merity et al. 2018 (arXiv 1708.02182). So a model cannot rest on single words. The mask is the stage's
    state, so chunks of one sequence share it. In evaluation ``y = E[x]``. Memory: V numbers.

    Args:
        embedding: E, a table ``(V, E)``.
        p: the probability of dropping, from 0 to below 1.
    """

    def __init__(self, embedding: nn.Embedding, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise InputError(f"p: expected a probability from 0 to below 1, got {p}")
        self.module, self.p = embedding, p

    def forward(self, ragged: Ragged, state: State = None) -> tuple[Ragged, State]:
        ragged = ragged.clean()
        vectors = ragged.map(self.module)
        if not self.training or self.p == 0:
            return vectors.clean(), None
        if not isinstance(state, Shared):
            weight = self.module.weight
            state = Shared(weight.new_empty(len(weight), 1).bernoulli_(1 - self.p).div_(1 - self.p))
        return vectors.with_values(vectors.values * state.value[ragged.values]).clean(), state

    def renew(self, state: State) -> State:
        return None

    def extra_repr(self) -> str:
        return f"p={self.p}"
