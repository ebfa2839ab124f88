"""Finding a text that is likely as a whole: beam search over whatever gives the next token's chances.

This file knows neither texts nor networks: a *writer* is a function from the tokens just written and a state to the
log-probabilities of the next ones and the state behind, for N rows at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from elman.core.errors import InputError
from elman.core.state import State, take_rows

__all__ = ["END", "Hypothesis", "Writer", "beam", "check_beam"]

END = 1
"""The token that begins and ends what is written."""

Writer = Callable[[Tensor, State, Tensor], tuple[Tensor, State]]
"""``(tokens (N,), state, owners (B,)) -> log p (N, V), state``: N = B K rows, K for each sequence in ``owners``."""


@dataclass(frozen=True)
class Hypothesis:
    """What was written of one sequence.

    Attributes:
        tokens: with the end mark, unless the limit came first.
        nats: ``-log p`` of all of them together.
        score: ``log p / U**a``, by which hypotheses are ranked.
        ended: whether the end mark came.
    """

    tokens: list[int]
    nats: float
    score: float
    ended: bool


def check_beam(width: int, best: int, limit: int, alpha: float) -> None:
    """Raise :class:`InputError` for settings of a search that make none."""
    if width < 1 or width > 10_000:
        raise InputError(f"beam: expected a whole number from 1 (greedy) to 10,000, got {width}")
    if not 1 <= best <= width:
        raise InputError(
            f"best: a beam of {width} finds from 1 to {width} texts, got {best}; ask for fewer, or widen the beam"
        )
    if limit < 1:
        raise InputError(f"limit: expected at least 1 token, got {limit}")
    if not 0 <= alpha <= 10:
        raise InputError(f"length_penalty: expected a number from 0 to 10, got {alpha}")


@torch.inference_mode()
def beam(
    writer: Writer, state: State, batch: int, *, width: int, limit: int, alpha: float = 1.0, best: int = 1
) -> list[list[Hypothesis]]:
    """Search for the sequences with the highest ``log p(y) / U**alpha``, U counting the end mark.

    At each step each sequence keeps its ``width`` likeliest beginnings and sets aside those that have ended. A sequence
    is done when ``width`` have ended, or when none still open could get among the ``best``, however it went on. Of
    spaces with at most ``width`` beginnings at every length nothing is left out, so the result is exact.

    Args:
        writer: see :data:`Writer`. state: B rows, before anything is written. batch: B.
        width: K. limit: tokens at the most, the end mark included. best: hypotheses a sequence, at most K.

    Returns:
        For each sequence its best hypotheses, the best first; those that had not ended by the limit come last.
    """
    check_beam(width, best, limit, alpha)
    search = _Search(batch, width, limit, alpha, best)
    owners = torch.arange(batch)
    tokens = torch.full((batch,), END)
    for step in range(limit):
        log, state = writer(tokens, state, owners)
        rows, tokens, keep = search.extend(log.unflatten(0, (len(owners), -1)), step + 1)
        if keep is not None:
            owners = owners[keep]
        if not len(owners):
            break
        state = take_rows(state, rows)
    return search.found()


class _Search:
    """The hypotheses of a batch, open and ended."""

    def __init__(self, batch: int, width: int, limit: int, alpha: float, best: int) -> None:
        self.width, self.limit, self.alpha, self.best = width, limit, alpha, best
        self.owners = list(range(batch))
        self.ended: list[list[Hypothesis]] = [[] for _ in range(batch)]
        self.log = torch.zeros(batch, 1)
        self.written = torch.empty(batch, 1, 0, dtype=torch.int64)

    def extend(self, log: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Add a token to the open hypotheses, from ``log p (B, K, V)`` of what comes next.

        Returns:
            For every open hypothesis the row it goes on from, its new token, and which of the B sequences are still
            searched (None for all).
        """
        batch, beams, size = log.shape
        count = min(2 * self.width, beams * size)
        total, place = (self.log.to(log)[..., None] + log).flatten(1).topk(count)
        rows, tokens = place // size, place % size
        stop = (tokens == END) & total.isfinite()
        # An end mark is set aside where it stands among the first K; those behind only fill the places that this frees.
        among = torch.arange(count).expand(batch, -1) < self.width
        self._set_aside(total, rows, stop & among, length)
        order = torch.where((tokens == END) | ~total.isfinite(), count, torch.arange(count)).sort(-1).indices
        open_ = order[:, : self.width]
        total, rows, tokens = (part.gather(1, open_) for part in (total, rows, tokens))
        total = total.masked_fill(tokens == END, -torch.inf)
        written = torch.cat([self.written.gather(1, rows[..., None].expand(-1, -1, length - 1)), tokens[..., None]], -1)
        kept = [k for k in range(batch) if not self._done(k, float(total[k].max()))]
        if length == self.limit:
            self._cut_off(total, written, kept)
            kept = []
        index = torch.tensor(kept, dtype=torch.int64)
        self.owners = [self.owners[k] for k in kept]
        self.log, self.written = total[index], written[index]
        going_on = (index[:, None] * beams + rows[index]).flatten()
        return going_on, tokens[index].flatten(), None if len(kept) == batch else index

    def found(self) -> list[list[Hypothesis]]:
        """The best of every sequence."""
        ranked = [sorted(one, key=lambda h: (not h.ended, -h.score)) for one in self.ended]
        return [one[: self.best] for one in ranked]

    def _set_aside(self, total: Tensor, rows: Tensor, stop: Tensor, length: int) -> None:
        for k, place in stop.nonzero().tolist():
            tokens = [*self.written[k, int(rows[k, place])].tolist(), END]
            self._keep(k, tokens, float(total[k, place]), length, ended=True)

    def _cut_off(self, total: Tensor, written: Tensor, kept: list[int]) -> None:
        for k in kept:
            for log, tokens in zip(total[k].tolist(), written[k].tolist(), strict=True):
                if log > -torch.inf:
                    self._keep(k, tokens, log, self.limit, ended=False)

    def _keep(self, k: int, tokens: list[int], log: float, length: int, *, ended: bool) -> None:
        self.ended[self.owners[k]].append(Hypothesis(tokens, -log, log / length**self.alpha, ended))

    def _done(self, k: int, highest: float) -> bool:
        """Whether nothing open matters any more: log p only falls, so the longest text gives the open their best."""
        ended = self.ended[self.owners[k]]
        if len(ended) >= self.width or highest == -torch.inf:
            return True
        if len(ended) < self.best:
            return False
        worst = sorted((one.score for one in ended), reverse=True)[self.best - 1]
        most: float = highest / self.limit**self.alpha
        return most <= worst
