"""What a model writes of what it reads: the likeliest texts by beam search, or texts drawn from its distribution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from elman.core.errors import InputError
from elman.core.ragged import Ragged
from elman.core.state import State, take_rows
from elman.model.decoder import Decoder
from elman.model.incremental import Incremental
from elman.model.kinds.text import TokenHead
from elman.model.kinds.written import TextOut
from elman.model.network import SequenceModel
from elman.model.sampling import Sampling
from elman.model.search import END, Hypothesis, beam, check_beam

__all__ = ["Draws", "Search", "attended", "draw", "parts_of", "prepared", "write", "write_all"]

_SHORT = 8
"""Steps that a sequence counts for at least: of very short ones the written texts are what takes the room."""

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


@dataclass(frozen=True)
class Draws:
    """How texts are drawn at random.

    Attributes:
        sampling: how a token is drawn.
        best: texts drawn of each sequence.
        seed: the same seed draws the same texts of the same list of sequences.
        prefix: what every text begins with.
        limit: tokens at the most, behind the prefix; None takes half as many again as the longest of training.

    Raises:
        InputError: a number is out of its range.
    """

    sampling: Sampling = field(default_factory=Sampling)
    best: int = 1
    seed: int = 0
    prefix: str = ""
    limit: int | None = None

    def __post_init__(self) -> None:
        limit = 1 if self.limit is None else self.limit
        numbers = (("best", self.best, 1, 10**6), ("seed", self.seed, 0, 2**63 - 1), ("length", limit, 1, 10**6))
        for name, value, least, most in numbers:
            if not least <= value <= most:
                raise InputError(f"{name}: expected a whole number from {least} to {most:,}, got {value}")


def parts_of(model: SequenceModel) -> tuple[Decoder, TokenHead, TextOut]:
    """What writes; raise :class:`InputError` where a model writes no text."""
    out = model.config.output
    if model.decoder is None or not isinstance(model.head, TokenHead) or not isinstance(out, TextOut):
        raise InputError("this model writes no text; train one with --to text")
    return model.decoder, model.head, out


@torch.inference_mode()
def write(
    model: SequenceModel, ragged: Ragged, search: Search, steps: Incremental | None = None
) -> list[list[Hypothesis]]:
    """The best texts of every sequence of a batch; the source is read once, and no beam copies it.

    Args:
        model, ragged, search: what writes, what it reads, and how.
        steps: the model's decoder and head, prepared; None prepares them.
    """
    model.eval()
    steps = steps or prepared(model)
    whole, state = steps.remember(model.features(ragged)[0])
    device, folded = steps.table.device, whole

    def writer(tokens: Tensor, state: State, owners: Tensor) -> tuple[Tensor, State]:
        nonlocal folded
        if len(owners) != len(folded.keys):
            folded = whole.rows(owners.to(device))
        scores, state = steps.step(tokens.to(device), folded, state)
        return torch.log_softmax(scores, dim=-1), state

    limit = search.limit or parts_of(model)[2].limit
    width, best = search.beam, search.best
    return beam(writer, state, ragged.batch, width=width, limit=limit, alpha=search.length_penalty, best=best)


def prepared(model: SequenceModel) -> Incremental:
    """A model's decoder and head, ready to write; with its weights as they are now."""
    decoder, head, _ = parts_of(model)
    return Incremental(decoder, head)


def write_all(
    model: SequenceModel,
    inputs: Sequence[Tensor],
    search: Search | Draws,
    progress: Callable[[int], None] | None = None,
) -> list[list[Hypothesis]]:
    """The texts of encoded sequences ``[T, *]``, in their order; those of like length are read together.

    Args:
        model: writes texts. inputs: encoded. search: how they are searched for, or drawn.
        progress: told how many are done, now and then.
    """
    device, steps = next(model.parameters()).device, prepared(model)
    wide = search.beam if isinstance(search, Search) else search.best
    generator = torch.Generator(device)
    if isinstance(search, Draws):
        generator.manual_seed(search.seed)
    order = sorted(range(len(inputs)), key=lambda k: len(inputs[k]))
    found: list[list[Hypothesis]] = [[] for _ in inputs]
    start = 0
    while start < len(order):
        longest = len(inputs[order[start]])
        stop = start + 1
        while stop < len(order):
            longest = max(longest, len(inputs[order[stop]]))
            if max(longest, _SHORT) * (stop + 1 - start) * wide > _AT_ONCE:
                break
            stop += 1
        chosen = order[start:stop]
        rows = Ragged.from_list([inputs[k] for k in chosen])
        given = Ragged(rows.values.to(device), rows.host_lengths)
        if isinstance(search, Search):
            texts = write(model, given, search, steps)
        else:
            most = max(1, _AT_ONCE // (max(longest, _SHORT) * len(chosen)))
            counts = [min(most, search.best - k) for k in range(0, search.best, most)]
            made = [draw(model, given, replace(search, best=count), generator, steps) for count in counts]
            texts = [[one for some in several for one in some] for several in zip(*made, strict=True)]
        for k, one in zip(chosen, texts, strict=True):
            found[k] = one
        start = stop
        if progress is not None:
            progress(stop)
    return found


@torch.inference_mode()
def draw(
    model: SequenceModel,
    ragged: Ragged,
    draws: Draws,
    generator: torch.Generator,
    steps: Incremental | None = None,
) -> list[list[Hypothesis]]:
    """Draw texts of every sequence of a batch, token by token, each with what the model itself thinks of it.

    ``steps``: as in :func:`write`.
    """
    model.eval()
    steps, out = steps or prepared(model), parts_of(model)[2]
    folded, state = steps.remember(model.features(ragged)[0])
    device = steps.table.device
    if new := out.tokens.unknown(draws.prefix):
        raise InputError(f"prompt: training never saw {', '.join(map(repr, new))}, so no text begins with it")
    owners = torch.arange(ragged.batch, device=device).repeat_interleave(draws.best)
    # The decoder itself lets several rows look at one memory.
    state = take_rows(state, owners)
    rows, begun = ragged.batch * draws.best, out.encode(draws.prefix).tolist()[:-1]
    limit = len(begun) + (draws.limit or out.limit)
    tokens = torch.full((rows,), END, device=device)
    open_, nats, made = torch.ones(rows, dtype=torch.bool, device=device), torch.zeros(rows, device=device), []
    for step in range(limit):
        scores, state = steps.step(tokens, folded, state)
        given = step < len(begun)
        tokens = torch.full_like(tokens, begun[step]) if given else draws.sampling.draw(scores, generator)
        made.append(tokens)
        nats -= torch.where(open_, torch.log_softmax(scores, -1).gather(1, tokens[:, None])[:, 0], 0.0)
        open_ &= tokens != END
        if not open_.any():
            break
    found = [_drawn(*one) for one in zip(torch.stack(made, 1).tolist(), nats.tolist(), strict=True)]
    return [found[k : k + draws.best] for k in range(0, rows, draws.best)]


def _drawn(tokens: list[int], nats: float) -> Hypothesis:
    ended = END in tokens
    kept = tokens[: tokens.index(END) + 1] if ended else tokens
    return Hypothesis(kept, nats, -nats / len(kept), ended)


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
