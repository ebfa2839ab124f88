"""Writing on: a text model continues a prompt, token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import torch

from elman.core.errors import InputError
from elman.core.ragged import Ragged
from elman.model.kinds import pieces
from elman.model.kinds.text import TextIn, TokenHead, TokenOut
from elman.model.network import SequenceModel
from elman.model.sampling import Sampling

__all__ = ["continue_text"]


def continue_text(
    model: SequenceModel,
    prompt: str,
    length: int,
    *,
    sampling: Sampling | None = None,
    stop: Sequence[str] = (),
    seed: int = 0,
) -> Iterator[str]:
    """Yield what the model writes after a prompt, as it is written.

    Args:
        model: trained with ``--to next`` on text.
        prompt: may be empty.
        length: tokens to write at the most; an end mark stops before.
        sampling: how tokens are drawn; None draws from the model's own distribution.
        stop: texts before which the writing ends.
        seed: the same seed writes the same text.

    Raises:
        InputError: at once, before anything is written.
    """
    kind = model.config.input
    if model.decoder is not None:
        raise InputError("this model writes texts of what it reads: elman predict RUN FILE, or --temperature 1 to draw")
    if not isinstance(kind, TextIn) or not isinstance(model.head, TokenHead):
        raise InputError("this model predicts no text; train one with --from text.char --to next")
    for name, value, least in (("length", length, 1), ("seed", seed, 0)):
        if not least <= value < 2**63:
            raise InputError(f"{name}: expected at least {least} and below 2**63, got {value}")
    if not all(stop):
        raise InputError("stop: an empty text stands everywhere, so nothing would be written; name another")
    tokens = _tokens(model, model.head, _start(model, kind, prompt), sampling or Sampling(), seed)
    return _until(_spelt(kind, prompt, islice(tokens, length)), stop)


@torch.inference_mode()
def _tokens(model: SequenceModel, head: TokenHead, given: torch.Tensor, sampling: Sampling, seed: int) -> Iterator[int]:
    """Draw token after token until the end mark."""
    model.eval()
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    logits, state = model.answers(Ragged(given[:, None].to(device)))
    while True:
        token = sampling.draw(head.allowed(logits[-1]), generator)
        if int(token) == 1:
            return
        yield int(token)
        logits, state = model.answers(Ragged(token[:, None]), state)


def _spelt(kind: TextIn, prompt: str, tokens: Iterator[int]) -> Iterator[str]:
    """The text of every token; words are set off by a space, the first after a prompt too."""
    if kind.variant == "bpe":
        yield from pieces.joined(kind.vocabulary[token] for token in tokens)
        return
    space = "" if kind.variant == "char" else " "
    gap = space if prompt and not prompt[-1:].isspace() else ""
    for token in tokens:
        yield gap + kind.decode([token])
        gap = space


def _until(pieces: Iterator[str], stop: Sequence[str]) -> Iterator[str]:
    """Pieces of a text up to the first that one of ``stop`` begins with; what may be its beginning is held back."""
    held, most = "", max(map(len, stop), default=1) - 1
    for piece in pieces:
        held += piece
        found = [place for one in stop if (place := held.find(one)) >= 0]
        if found:
            yield held[: min(found)]
            return
        free = len(held) - most
        if free > 0:
            yield held[:free]
            held = held[free:]
    yield held


def _start(model: SequenceModel, kind: TextIn, prompt: str) -> torch.Tensor:
    """What the model reads first: the end mark before separate texts, a new line where there is nothing else."""
    given = kind.encode(prompt)
    out = model.config.output
    if isinstance(out, TokenOut) and out.separate:
        return torch.cat([torch.ones(1, dtype=torch.int64), given])
    return given if len(given) else torch.tensor([kind.vocabulary.index("\n") if "\n" in kind.vocabulary else 2])
