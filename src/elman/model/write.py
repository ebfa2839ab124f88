"""What a model writes of what it reads: the likeliest texts by beam search, or texts drawn from its distribution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from elman.core.errors import InputError
from elman.core.ragged import Ragged
from elman.core.state import State
from elman.model.decoder import Decoder
from elman.model.kinds.text import TokenHead
from elman.model.kinds.written import TextOut
from elman.model.network import SequenceModel
from elman.model.search import END, Hypothesis, beam, check_beam

__all__ = ["Search", "attended", "parts_of", "sampled", "write", "write_all"]

_AT_ONCE = 4_096
"""Steps of the source that are read at once, pads included; rows are as many as fit, times the beams."""


@dataclass(frozen=True)
class Search:
    """How texts are searched for.

    Attributes:
        beam: hypotheses that are kept at every step; 1 is greedy.
        best: texts given of each sequence, the best first.
        length_penalty: a of the score ``log p / U**a``; 0 favours short texts, 1 compares means.
        limit: tokens at the most; None takes half as many again as the longest of training.

    Raises:
        InputError: a number is out of its range.
    """

    beam: int = 5
    best: int = 1
    length_penalty: float = 1.0
    limit: int | None = None

    def __post_init__(self) -> None:
        check_beam(self.beam, self.best, 1 if self.limit is None else self.limit, self.length_penalty)


def parts_of(model: SequenceModel) -> tuple[Decoder, TokenHead, TextOut]:
    """What writes; raise :class:`InputError` where a model writes no text."""
    out = model.config.output
    if model.decoder is None or not isinstance(model.head, TokenHead) or not isinstance(out, TextOut):
        raise InputError("this model writes no text; train one with --to text")
    return model.decoder, model.head, out


@torch.inference_mode()
def write(model: SequenceModel, ragged: Ragged, search: Search) -> list[list[Hypothesis]]:
    """The best texts of every sequence of a batch; the source is read once, and no beam copies it."""
    model.eval()
    decoder, head, out = parts_of(model)
    whole, state = decoder.remember(model.features(ragged)[0])
    memory = whole

    def writer(tokens: Tensor, state: State, owners: Tensor) -> tuple[Tensor, State]:
        nonlocal memory
        if len(owners) != len(memory.mask):
            memory = whole.rows(owners.to(whole.mask.device))
        written = decoder(Ragged(tokens[None].to(whole.keys.device)), memory, state)
        log = torch.log_softmax(_allowed(head, head.raw(written.features.values[0])), dim=-1)
        return log.cpu(), written.state

    limit = search.limit or out.limit
    return beam(
        writer,
        state,
        ragged.batch,
        width=search.beam,
        limit=limit,
        alpha=search.length_penalty,
        best=search.best,
    )


def write_all(
    model: SequenceModel, inputs: Sequence[Tensor], search: Search, progress: Callable[[int], None] | None = None
) -> list[list[Hypothesis]]:
    """The best texts of encoded sequences ``[T, *]``, in their order; those of like length are read together.

    Args:
        model: writes texts. inputs: encoded. search: how.
        progress: told how many are done, now and then.
    """
    device = next(model.parameters()).device
    order = sorted(range(len(inputs)), key=lambda k: len(inputs[k]))
    found: list[list[Hypothesis]] = [[] for _ in inputs]
    start = 0
    while start < len(order):
        longest = len(inputs[order[start]])
        stop = start + 1
        while stop < len(order):
            longest = max(longest, len(inputs[order[stop]]))
            if longest * (stop + 1 - start) * search.beam > _AT_ONCE:
                break
            stop += 1
        chosen = order[start:stop]
        rows = Ragged.from_list([inputs[k] for k in chosen])
        texts = write(model, Ragged(rows.values.to(device), rows.host_lengths), search)
        for k, one in zip(chosen, texts, strict=True):
            found[k] = one
        start = stop
        if progress is not None:
            progress(stop)
    return found


@torch.inference_mode()
def sampled(
    model: SequenceModel, ragged: Ragged, *, temperature: float, top_k: int, generator: torch.Generator, limit: int
) -> list[list[int]]:
    """Draw one text of every sequence of a batch, token by token; their tokens without the end."""
    model.eval()
    decoder, head, _ = parts_of(model)
    memory, state = decoder.remember(model.features(ragged)[0])
    tokens = torch.full((ragged.batch,), END, device=memory.keys.device)
    found: list[list[int]] = [[] for _ in range(ragged.batch)]
    open_ = [True] * ragged.batch
    for _ in range(limit):
        written = decoder(Ragged(tokens[None]), memory, state)
        logits, state = head.raw(written.features.values[0]), written.state
        tokens = head.sample(logits, temperature=temperature, top_k=top_k, generator=generator)
        for row, token in enumerate(tokens.tolist()):
            open_[row] = open_[row] and token != END
            if open_[row]:
                found[row].append(token)
        if not any(open_):
            break
    return found


@torch.inference_mode()
def attended(model: SequenceModel, source: Tensor, tokens: Sequence[int]) -> Tensor:
    """Where the model looked while it wrote tokens: weights ``(U, T)`` over one encoded sequence ``[T, *]``."""
    model.eval()
    decoder, _, _ = parts_of(model)
    device = next(model.parameters()).device
    memory, state = decoder.remember(model.features(Ragged(source[:, None].to(device)))[0])
    given = torch.tensor([END, *tokens[:-1]], device=device)
    weights: Tensor = decoder(Ragged(given[:, None]), memory, state).weights[:, 0].cpu()
    return weights


def _allowed(head: TokenHead, logits: Tensor) -> Tensor:
    return logits.index_fill(-1, torch.tensor(head.never, device=logits.device), -torch.inf)
