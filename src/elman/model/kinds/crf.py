"""Tags that know their neighbours: a linear-chain conditional random field over the scores of every step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elman.model.kinds.label import LabelOut

__all__ = ["OUTSIDE", "CRFHead", "allowed_tags"]


OUTSIDE = "O"
"""The tag of a word that belongs to no span."""


class CRFHead(nn.Module):
    """A distribution over whole sequences of tags (Lafferty et al. 2001; Lample et al. 2016, arXiv 1603.01360).

    ::

        s(y) = b[y_1] + sum_t e_t[y_t] + sum_{t>1} A[y_{t-1}, y_t] + c[y_T]          e_t = W f_t + v
        p(y) = exp(s(y)) / Z                                        Z = sum over all K**T sequences
        loss = -log p(y), shared out evenly over the steps

    Pads have no part in any of it, and a sequence without a step has Z = 1. Steps whose tag is not known (-1) are
    summed over. Time: K**2 for every step and row, forwards and backwards.

    Args:
        width: F, the number of features.
        out: the tags. Where they are spans (B-X, I-X, O), :meth:`best` leaves out what they forbid.
    """

    may_begin: Tensor
    may_follow: Tensor

    def __init__(self, width: int, out: LabelOut) -> None:
        super().__init__()
        count = len(out.classes)
        self.linear = nn.Linear(width, count)
        self.begin = nn.Parameter(torch.zeros(count))
        self.follow = nn.Parameter(torch.zeros(count, count))
        self.end = nn.Parameter(torch.zeros(count))
        begin, follow = allowed_tags(out.classes)
        self.register_buffer("may_begin", begin, persistent=False)
        self.register_buffer("may_follow", follow, persistent=False)

    def raw(self, features: Tensor) -> Tensor:
        """Scores e ``(..., K)`` of features ``(..., F)``."""
        scores: Tensor = self.linear(features)
        return scores

    def loss(self, scores: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """Nats of every real step, ``(N,)``, whose mean over a row's steps is ``-log p / T``.

        Args:
            scores: ``(T, B, K)``. target: int64 ``(T, B)``, -1 where not known.
            mask: bool ``(T, B)``, the real steps of each row from its first on.
        """
        nats = self.partition(scores, mask) - self.score(scores, target, mask)
        lengths = mask.sum(0)
        return (nats / lengths.clamp(min=1)).expand(mask.shape)[mask]

    def score(self, scores: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """s(y) of every row, ``(B,)``; of rows with unknown tags the logarithm of the sum over them."""
        if bool((target[mask] < 0).any()):
            known = nn.functional.one_hot(target.clamp(min=0), scores.shape[-1]).bool() | (target < 0)[..., None]
            return self.partition(scores.masked_fill(~known, -torch.inf), mask)
        if not len(scores):
            return scores.new_zeros(scores.shape[1])
        tags = torch.where(mask, target, 0)
        steps = torch.where(mask, scores.gather(-1, tags[..., None])[..., 0], 0.0).sum(0)
        moves = torch.where(mask[1:], self.follow[tags[:-1], tags[1:]], 0.0).sum(0)
        lengths = mask.sum(0)
        last = tags.gather(0, (lengths - 1).clamp(min=0)[None])[0]
        return torch.where(lengths > 0, self.begin[tags[0]] + steps + moves + self.end[last], 0.0)

    def partition(self, scores: Tensor, mask: Tensor) -> Tensor:
        """``log Z`` of every row, ``(B,)``."""
        alpha = self._forward(scores, mask)
        if not alpha:
            return scores.new_zeros(scores.shape[1])
        return torch.where(mask[0], torch.logsumexp(alpha[-1] + self.end, -1), 0.0)

    def marginals(self, scores: Tensor, mask: Tensor) -> Tensor:
        """``p(y_t = k)``, ``(T, B, K)``; zero at pads."""
        alpha = self._forward(scores, mask)
        if not alpha:
            return scores
        beta = self.end.expand_as(alpha[-1])
        found = [alpha[-1] + beta]
        for t in range(len(scores) - 1, 0, -1):
            further = torch.logsumexp(self.follow + (scores[t] + beta)[:, None], -1)
            beta = torch.where(mask[t][:, None], further, self.end.expand_as(beta))
            found.append(alpha[t - 1] + beta)
        return torch.where(mask[..., None], torch.softmax(torch.stack(found[::-1]), -1), 0.0)

    @torch.no_grad()
    def best(self, scores: Tensor, mask: Tensor) -> Tensor:
        """The likeliest sequence of every row that is allowed (Viterbi), int64 ``(T, B)``; 0 at pads."""
        if not len(scores):
            return scores.new_zeros(scores.shape[:2], dtype=torch.int64)
        follow = self.follow.masked_fill(~self.may_follow, -torch.inf)
        high = (self.begin + scores[0]).masked_fill(~self.may_begin, -torch.inf)
        backs: list[Tensor] = []
        here = torch.arange(scores.shape[-1], device=scores.device).expand_as(high)
        for t in range(1, len(scores)):
            value, back = (high[..., None] + follow).max(1)
            real = mask[t][:, None]
            high = torch.where(real, value + scores[t], high)
            backs.append(torch.where(real, back, here))
        tag = (high + self.end).argmax(-1)
        found = [tag]
        for back in reversed(backs):
            tag = back.gather(1, tag[:, None])[:, 0]
            found.append(tag)
        return torch.where(mask, torch.stack(found[::-1]), 0)

    def _forward(self, scores: Tensor, mask: Tensor) -> list[Tensor]:
        """After every step, the logarithm of the sum over all beginnings by their last tag; it stands still at pads."""
        alpha: list[Tensor] = []
        for t, step in enumerate(scores.unbind(0)):
            if not t:
                alpha.append(self.begin + torch.where(mask[0][:, None], step, 0.0))
                continue
            further = torch.logsumexp(alpha[-1][..., None] + self.follow, 1) + step
            alpha.append(torch.where(mask[t][:, None], further, alpha[-1]))
        return alpha


def allowed_tags(classes: list[str]) -> tuple[Tensor, Tensor]:
    """Which tags may begin, bool ``(K,)``, and which may follow which, ``(K, K)``: an I-X only behind a B-X or I-X.

    All may where the tags are no spans.
    """
    count = len(classes)
    begin, follow = torch.ones(count, dtype=torch.bool), torch.ones(count, count, dtype=torch.bool)
    if not spans(classes):
        return begin, follow
    for place, name in enumerate(classes):
        if name.startswith("I-"):
            begin[place] = False
            follow[:, place] = torch.tensor([other[:2] in ("B-", "I-") and other[2:] == name[2:] for other in classes])
    return begin, follow


def spans(classes: list[str]) -> bool:
    """Whether tags name spans in the BIO way: all are O, B-X or I-X, and each I-X has its B-X."""
    whole = all(name == OUTSIDE or name[:2] in ("B-", "I-") for name in classes)
    begun = {name[2:] for name in classes if name.startswith("B-")}
    return whole and bool(begun) and {name[2:] for name in classes if name.startswith("I-")} <= begun
