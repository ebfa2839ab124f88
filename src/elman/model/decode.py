"""Writing on: a text model continues a prompt, token by token."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from elman.core.errors import InputError
from elman.core.ragged import Ragged
from elman.model.kinds.text import TextIn, TokenHead, TokenOut
from elman.model.network import SequenceModel

__all__ = ["continue_text"]


def continue_text(
    model: SequenceModel,
    prompt: str,
    length: int,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    seed: int = 0,
) -> Iterator[str]:
    """Yield what the model writes after a prompt, one token's text at a time.

    Args:
        model: trained with ``--to next`` on text.
        prompt: may be empty.
        length: tokens to write at the most; an end mark stops before.
        temperature: 0 takes the likeliest token; 1 samples from the model's own distribution.
        top_k: sample among the k likeliest only; 0 for all.
        seed: the same seed writes the same text.

    Raises:
        InputError: at once, before anything is written.
    """
    kind = model.config.input
    if not isinstance(kind, TextIn) or not isinstance(model.head, TokenHead):
        raise InputError("this model predicts no text; train one with --from text.char --to next")
    limits = (("length", length, 1), ("temperature", temperature, 0), ("top_k", top_k, 0), ("seed", seed, 0))
    for name, value, least in limits:
        if not least <= value < 2**63:
            raise InputError(f"{name}: expected at least {least} and below 2**63, got {value}")
    tokens = _tokens(model, model.head, _start(model, kind, prompt), length, temperature, top_k, seed)
    return _spelt(kind, prompt, tokens)


@torch.inference_mode()
def _tokens(
    model: SequenceModel, head: TokenHead, given: torch.Tensor, length: int, temperature: float, top_k: int, seed: int
) -> Iterator[int]:
    """Draw token after token until the end mark."""
    model.eval()
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    logits, state = model.answers(Ragged(given[:, None].to(device)))
    for _ in range(length):
        token = head.sample(logits[-1], temperature=temperature, top_k=top_k, generator=generator)
        if int(token) == 1:
            return
        yield int(token)
        logits, state = model.answers(Ragged(token[:, None]), state)


def _spelt(kind: TextIn, prompt: str, tokens: Iterator[int]) -> Iterator[str]:
    """The text of every token; words are set off by a space, the first after a prompt too."""
    space = "" if kind.variant == "char" else " "
    gap = space if prompt and not prompt[-1:].isspace() else ""
    for token in tokens:
        yield gap + kind.decode([token])
        gap = space


def _start(model: SequenceModel, kind: TextIn, prompt: str) -> torch.Tensor:
    """What the model reads first: the end mark before separate texts, a new line where there is nothing else."""
    given = kind.encode(prompt)
    out = model.config.output
    if isinstance(out, TokenOut) and out.separate:
        return torch.cat([torch.ones(1, dtype=torch.int64), given])
    return given if len(given) else torch.tensor([kind.vocabulary.index("\n") if "\n" in kind.vocabulary else 2])
