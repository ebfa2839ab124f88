"""Finding a text that is likely as a whole: beam search over whatever gives the next token's chances.

This file knows neither texts nor networks: a *writer* is a function from the tokens just written and a state to the
log-probabilities of the next ones and the state behind, for N rows at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from elman.core.errors import InputError
from elman.core.state import State, take_rows

__all__ = ["END", "Hypothesis", "Writer", "beam", "check_beam", "likeliest"]

END = 1
"""The token that begins and ends what is written."""

_ROWS, _BLOCK = 16, 64
"""Rows from which on blocks of so many numbers are compared first."""

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
    if not 1 <= best <= 10_000:
        raise InputError(f"best: expected a whole number of texts from 1 to 10,000, got {best}")
    if width < 1 or width > 10_000:
        raise InputError(f"beam: expected a whole number from 1 (greedy) to 10,000, got {width}")
    if best > width:
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
    is done when ``width`` have ended, or when none still open could get among the ``best``, however it went on. With a
    ``width`` of all texts and beginnings that there are nothing is left out, so the result is exact.

    Args:
        writer: see :data:`Writer`. state: B rows, before anything is written. batch: B.
        width: K. limit: tokens at the most, the end mark included. best: hypotheses a sequence, at most K.

    Returns:
        For each sequence its best hypotheses, the best first; those that had not ended by the limit come last.
    """
    check_beam(width, best, limit, alpha)
    if not batch:
        return []
    search = _Search(batch, width, limit, alpha, best)
    owners, tokens = torch.arange(batch), torch.full((batch,), END)
    for _ in range(limit):
        log, state = writer(tokens, state, owners)
        written, rows, keep = search.extend(log)
        if keep is not None:
            owners = owners[keep]
        if not written:
            break
        tokens = torch.tensor(written)
        # Greedy rows stay where they are until one of them has ended.
        if len(rows) != len(log) or rows != list(range(len(rows))):
            state = take_rows(state, torch.tensor(rows))
    return search.found()


def likeliest(log: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Values and places ``(N, count)`` of the largest numbers of every row of ``log (N, V)``, the largest first.

    Of many rows whole blocks are compared first: the largest numbers lie in the blocks with the largest maxima.
    """
    rows, size = log.shape
    blocks = size // _BLOCK
    if rows < _ROWS or blocks < 2 * count:
        return log.topk(count)
    whole = blocks * _BLOCK
    split = log[:, :whole].unflatten(1, (blocks, _BLOCK))
    chosen = split.amax(-1).topk(count).indices
    among = (chosen[..., None] * _BLOCK + torch.arange(_BLOCK, device=log.device)).flatten(1)
    # What is left behind the last whole block is always looked at.
    among = torch.cat([among, torch.arange(whole, size, device=log.device).expand(rows, -1)], dim=1)
    values, place = log.gather(1, among).topk(count)
    return values, among.gather(1, place)


class _Open(NamedTuple):
    """A beginning that may still go on: its ``log p``, the row of the step before that it goes on from, its token."""

    log: float
    row: int
    token: int


class _Search:
    """The hypotheses of a batch, open and ended. A handful of numbers a sequence: lists are faster than tensors."""

    def __init__(self, batch: int, width: int, limit: int, alpha: float, best: int) -> None:
        self.width, self.limit, self.alpha, self.best = width, limit, alpha, best
        self.owners = list(range(batch))
        self.ended: list[list[Hypothesis]] = [[] for _ in range(batch)]
        self.log = torch.zeros(batch, 1, dtype=torch.float64)
        self.steps: list[list[_Open]] = []

    def extend(self, log: Tensor) -> tuple[list[int], list[int], list[int] | None]:
        """Add a token to the open hypotheses, from ``log p (N, V)`` of what comes next.

        Returns:
            For every open hypothesis its new token and the row it goes on from, and which of the sequences are still
            searched (None for all).
        """
        batch = len(self.owners)
        beams = len(log) // max(1, batch)
        every, place = likeliest(log, min(2 * self.width, log.shape[1]))
        every = (every.cpu() + self.log.reshape(-1, 1)).view(batch, -1)
        total, order = every.topk(min(2 * self.width, every.shape[1]))
        size = every.shape[1] // beams
        rows = order // size + torch.arange(0, len(log), beams)[:, None]
        tokens = place.cpu().view(batch, -1).gather(1, order)
        kept, opened = [], []
        for k, found in enumerate(zip(total.tolist(), rows.tolist(), tokens.tolist(), strict=True)):
            still = self._sort_out(k, [_Open(*one) for one in zip(*found, strict=True)])
            if still:
                kept.append(k)
                opened.append(still)
        return self._go_on(opened, kept, batch)

    def found(self) -> list[list[Hypothesis]]:
        """The best of every sequence."""
        ranked = [sorted(one, key=lambda h: (not h.ended, -h.score)) for one in self.ended]
        return [one[: self.best] for one in ranked]

    def _sort_out(self, k: int, found: list[_Open]) -> list[_Open]:
        """Set aside what ended; what is open of sequence k, nothing where it is done."""
        still: list[_Open] = []
        for n, one in enumerate(found):
            if one.log == -math.inf:
                break
            if one.token != END:
                still.append(one)
            elif n < self.width:
                # One behind the first K only fills the place that an ended one frees.
                self._keep(k, one, ended=True)
        still = still[: self.width]
        if not still or self._done(k, still[0].log):
            return []
        if len(self.steps) + 1 < self.limit:
            return still
        for one in still:
            self._keep(k, one, ended=False)
        return []

    def _go_on(
        self, opened: list[list[_Open]], kept: list[int], batch: int
    ) -> tuple[list[int], list[int], list[int] | None]:
        """All sequences with as many rows as the one with the most; what fills them up is never likely."""
        most = max(map(len, opened), default=0)
        step = [one for some in opened for one in (*some, *[_Open(-math.inf, some[0].row, END)] * (most - len(some)))]
        self.steps.append(step)
        self.owners = [self.owners[k] for k in kept]
        self.log = torch.tensor([one.log for one in step], dtype=torch.float64)
        return [one.token for one in step], [one.row for one in step], None if len(kept) == batch else kept

    def _keep(self, k: int, last: _Open, *, ended: bool) -> None:
        tokens, row = [last.token], last.row
        for step in reversed(self.steps):
            tokens.append(step[row].token)
            row = step[row].row
        tokens.reverse()
        score = last.log / len(tokens) ** self.alpha
        self.ended[self.owners[k]].append(Hypothesis(tokens, -last.log, score, ended))

    def _done(self, k: int, highest: float) -> bool:
        """Whether nothing open matters any more: log p only falls, so the longest text gives the open their best."""
        ended = self.ended[self.owners[k]]
        if len(ended) >= self.width:
            return True
        if len(ended) < self.best:
            return False
        worst = sorted((one.score for one in ended), reverse=True)[self.best - 1]
        most: float = highest / self.limit**self.alpha
        return most <= worst
