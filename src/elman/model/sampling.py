"""Drawing tokens from what a model expects, as boldly as one likes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from elman.core.errors import InputError

__all__ = ["Sampling"]

_COLD, _HOT = 1e-6, 1_000_000
"""The temperature below which the likeliest token is taken, and one at which all are alike long since."""


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn from scores ``z`` of all tokens.

    ::

        p = softmax(z / temperature)        over the top_k largest z
        y ~ p                               among the likeliest tokens that together first reach top_p of it

    Attributes:
        temperature: below 1 bolder towards what is likely, 0 takes the likeliest; 1 is the model's own distribution.
        top_k: draw among the k likeliest only; 0 for all.
        top_p: draw among the likeliest whose chances together reach p (the nucleus; Holtzman et al. 2020, arXiv
            1904.09751); 1 for all.

    Raises:
        InputError: a number is out of its range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= _HOT:
            raise InputError(
                f"temperature: expected 0 (the likeliest) or a number above, up to {_HOT:,}, got {self.temperature}"
            )
        if not 0 <= self.top_k < 2**63:
            raise InputError(f"top_k: expected a whole number from 0 (all tokens) on, got {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top_p: expected a share above 0 and up to 1 (all tokens), got {self.top_p}")

    def draw(self, scores: Tensor, generator: torch.Generator) -> Tensor:
        """One token a row: ``(N, V)`` to int64 ``(N,)``; what scores minus infinity is never drawn."""
        if self.temperature < _COLD:
            return scores.argmax(-1)
        if self.top_k:
            kept = scores.topk(min(self.top_k, scores.shape[-1]))
            scores = torch.full_like(scores, -torch.inf).scatter(-1, kept.indices, kept.values)
        chances = torch.softmax(scores / self.temperature, dim=-1)
        if self.top_p < 1:
            ranked, order = chances.sort(-1, descending=True)
            # A token is needed where those before it have not reached p; the likeliest always is.
            beyond = ranked.cumsum(-1) - ranked >= self.top_p
            beyond[:, 0] = False
            chances = ranked.masked_fill(beyond, 0.0).gather(1, order.argsort(-1))
        return torch.multinomial(chances, 1, generator=generator).squeeze(-1)
