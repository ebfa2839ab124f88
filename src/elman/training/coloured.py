"""Some of what a model says word by word, for people: tags beside the true ones, and how much every token surprised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from elman.core.ragged import Ragged
from elman.core.state import State
from elman.data.batch import Batches, ExampleSet, StreamSet
from elman.model.answers import tagged
from elman.model.grammar import parse_target
from elman.model.kinds import pieces
from elman.model.kinds.label import LabelOut
from elman.model.kinds.text import TextIn, TokenOut
from elman.model.network import SequenceModel
from elman.training.shown import evenly

__all__ = ["Sentence", "Surprise", "goes_on", "sentences", "surprises", "tags_words"]

_SENTENCES, _TEXTS, _TOKENS, _EXPECTED = 40, 12, 1_500, 3
"""Sentences that are shown, separate texts, tokens of one long text, and what was thought likeliest of each."""

_LONG, _AT_ONCE = 60, 128
"""Words of a sentence that are shown at the most, and tokens of a text that are read at once."""


_NEW = "(never seen)"
"""The true tag of a word where training knew none of that name."""


@dataclass(frozen=True)
class Sentence:
    """The words of a text with the tags that the model says and those of the data; ``cut`` where it goes on."""

    name: str
    words: list[str]
    said: list[str]
    true: list[str]
    cut: bool = False


@dataclass(frozen=True)
class Surprise:
    """A token as it stands in the text, ``-log p`` of it in nats, and the likeliest tokens with their chances."""

    text: str
    nats: float
    expected: list[tuple[str, float]]


def tags_words(model: SequenceModel, data: Batches) -> bool:
    """Whether a model tags the words of the texts in some data."""
    tags = isinstance(model.config.output, LabelOut) and parse_target(model.config.target).kind == "tags"
    return tags and isinstance(model.config.input, TextIn) and isinstance(data, ExampleSet) and len(data) > 0


def goes_on(model: SequenceModel) -> bool:
    """Whether a model says how a text goes on."""
    return isinstance(model.config.input, TextIn) and isinstance(model.config.output, TokenOut)


@torch.inference_mode()
def sentences(model: SequenceModel, data: Batches) -> list[Sentence]:
    """Forty sentences, evenly over those that are at hand as a whole; none where no text is tagged."""
    kind, out = model.config.input, model.config.output
    if not isinstance(kind, TextIn) or not isinstance(out, LabelOut) or not isinstance(data, ExampleSet):
        return []
    model.eval()
    device, made = next(model.parameters()).device, []
    full = [k for k in range(len(data)) if len(data.inputs[k])]
    whole = [k for k in full if _whole(kind, data, k)]
    chosen = whole if len(whole) >= _SENTENCES else full
    for k in (chosen[place] for place in evenly(len(chosen), _SENTENCES)):
        said = tagged(model, _alone(data.inputs[k], device))[1][:, 0].tolist()
        true = [out.classes[n] if n >= 0 else _NEW for n in data.targets[k].tolist()]
        name = str(k + 1) if data.whence is None else data.whence.ids[k]
        names = [out.classes[n] for n in said]
        words = _words(kind, data, k)
        made.append(Sentence(name, words[:_LONG], names[:_LONG], true[:_LONG], len(words) > _LONG))
    return made


def _words(kind: TextIn, data: ExampleSet, k: int) -> list[str]:
    """The words as they stand in the file; where that is not at hand, as the model reads them."""
    numbers = data.inputs[k] if data.inputs[k].dim() == 1 else data.inputs[k][:, 0]
    return _whole(kind, data, k) or kind.shown(numbers.tolist())


def _whole(kind: TextIn, data: ExampleSet, k: int) -> list[str]:
    """The words as they stand in the file; of a long text only its beginning is at hand, so nothing."""
    text = "" if data.whence is None else data.whence.texts[k]
    words = list(text) if kind.variant == "char" else text.split(" ")
    return words if len(words) == len(data.inputs[k]) and not text.endswith("...") else []


@torch.inference_mode()
def surprises(model: SequenceModel, data: Batches) -> list[list[Surprise]]:
    """The beginning of a long text, or some of separate ones; none where no text goes on."""
    kind = model.config.input
    if not isinstance(kind, TextIn) or not isinstance(model.config.output, TokenOut):
        return []
    model.eval()
    device = next(model.parameters()).device
    found = [list(_surprise(model, kind, x.to(device), y)) for x, y in _pairs(data) if len(x)]
    if isinstance(data, StreamSet) and found:
        # The first token of all follows nothing.
        found[0].insert(0, Surprise(_text(kind, int(data.inputs[0])), 0.0, []))
    return found


def _pairs(data: Batches) -> Iterator[tuple[Tensor, Tensor]]:
    """Tokens, and those that follow them."""
    if isinstance(data, StreamSet):
        yield data.inputs[:_TOKENS], data.targets[:_TOKENS]
    elif isinstance(data, ExampleSet):
        for k in evenly(len(data), _TEXTS):
            yield data.inputs[k][:_TOKENS], data.targets[k][:_TOKENS]


def _surprise(model: SequenceModel, kind: TextIn, tokens: Tensor, target: Tensor) -> Iterator[Surprise]:
    state: State = None
    for some, behind in zip(tokens.split(_AT_ONCE), target.split(_AT_ONCE), strict=True):
        logits, state = model.answers(_alone(some, tokens.device), state)
        log = torch.log_softmax(logits[:, 0], -1)
        best = log.topk(min(_EXPECTED, log.shape[1]))
        nats = -log.gather(1, behind[:, None].to(log.device))[:, 0]
        rows = (behind, nats, best.indices, best.values.exp())
        for n, each, places, chances in zip(*(row.tolist() for row in rows), strict=True):
            yield Surprise(_text(kind, n), each, list(zip(kind.shown(places), chances, strict=True)))


def _text(kind: TextIn, number: int) -> str:
    """A token with its spaces, the end of a text as that of a line."""
    token = kind.vocabulary[number]
    if number == 1:
        return "\n"
    if kind.variant == "bpe" and number > 1:
        return pieces.readable(token)
    return token if kind.variant == "char" else token + " "


def _alone(tokens: Tensor, device: torch.device) -> Ragged:
    return Ragged(tokens[:, None].to(device))
