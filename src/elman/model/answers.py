"""What a trained model says of encoded data: chances of classes, quantiles of numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from elman.core.errors import InputError
from elman.core.ragged import Ragged
from elman.core.state import State
from elman.model.kinds.crf import OUTSIDE, CRFHead
from elman.model.kinds.label import LabelHead, LabelOut
from elman.model.kinds.labels import LabelsHead
from elman.model.kinds.number import LEVELS, NumberHead, NumberOut
from elman.model.network import SequenceModel

__all__ = [
    "chances",
    "chances_from",
    "margin_of",
    "next_quantiles",
    "quantiles",
    "quantiles_from",
    "step_chances",
    "tagged",
]


def chances(model: SequenceModel, ragged: Ragged) -> Tensor:
    """Probabilities of the classes, ``(B, K)``: they sum to 1 for one label, each stands alone for several."""
    if isinstance(model.head, LabelsHead):
        return torch.sigmoid(model.answer(ragged))
    if not isinstance(model.head, LabelHead):
        raise InputError("this model predicts no label")
    return torch.softmax(model.answer(ragged), dim=-1)


def chances_from(model: SequenceModel, raw: Tensor) -> Tensor:
    """Probabilities ``(..., K)`` from what the head makes of features; see :func:`chances`."""
    return torch.sigmoid(raw) if isinstance(model.head, LabelsHead) else torch.softmax(raw, dim=-1)


def quantiles_from(model: SequenceModel, raw: Tensor) -> Tensor:
    """Quantiles ``(..., H, C, Q)`` from the parameters of numbers, in order and widened by the margin."""
    if not isinstance(model.head, NumberHead):
        raise InputError("this model predicts no numbers")
    found = model.head.quantiles(raw)
    return _ordered(found + margin_of(model, found))


def step_chances(model: SequenceModel, ragged: Ragged, state: State = None) -> tuple[Tensor, State]:
    """Probabilities of the classes at every step, ``(T, B, K)``, and the state behind the last."""
    if not isinstance(model.head, (LabelHead, CRFHead)):
        raise InputError("this model predicts no label")
    logits, state = model.answers(ragged, state)
    if isinstance(model.head, CRFHead):
        return model.head.marginals(logits, ragged.mask), state
    return torch.softmax(logits, dim=-1), state


def tagged(model: SequenceModel, ragged: Ragged) -> tuple[Tensor, Tensor]:
    """Probabilities of the classes at every step, ``(T, B, K)``, and what is said there, int64 ``(T, B)``.

    Of tags that know their neighbours it is the likeliest sequence as a whole.
    """
    logits, _ = model.answers(ragged)
    out = model.config.output
    said = decided(model, logits, ragged.mask, out.boldness if isinstance(out, LabelOut) else 0.0)
    if isinstance(model.head, CRFHead):
        return model.head.marginals(logits, ragged.mask), said
    return torch.softmax(logits, dim=-1), said


def decided(model: SequenceModel, logits: Tensor, mask: Tensor, boldness: float) -> Tensor:
    """The tags that are said, int64 ``(T, B)``, from scores ``(T, B, K)``; see :class:`LabelOut` for ``boldness``."""
    out = model.config.output
    if boldness and isinstance(out, LabelOut):
        logits = logits.clone()
        logits[..., out.classes.index(OUTSIDE)] -= boldness
    return model.head.best(logits, mask) if isinstance(model.head, CRFHead) else logits.argmax(-1)


def quantiles(model: SequenceModel, ragged: Ragged, *, widened: bool = True) -> Tensor:
    """Quantiles of one answer a sequence, ``(B, H, C, Q)``, in units of the target's scale.

    Args:
        model: predicts numbers, one answer a sequence.
        ragged: encoded inputs.
        widened: whether the margin learnt on the validation part is added.
    """
    _check(model)
    found = model.quantiles(ragged)
    out, margin = model.config.output, margin_of(model, found)
    if isinstance(out, NumberOut) and out.margin and out.margin_unit == "window":
        margin = margin * model.unit(ragged)[..., None]
    return _ordered(found + margin) if widened else found


def next_quantiles(model: SequenceModel, ragged: Ragged, state: State = None) -> tuple[Tensor, State]:
    """Quantiles of the value at (or after) every step, ``(T, B, C, Q)``, and the state; see :func:`quantiles`."""
    _check(model)
    raw, state = model.answers(ragged, state)
    return quantiles_from(model, raw).squeeze(2), state


def margin_of(model: SequenceModel, like: Tensor) -> Tensor:
    """What to add to ``(..., H, C, Q)``: outwards from the median, growing with the level's distance from it."""
    out = model.config.output
    if not isinstance(out, NumberOut) or not out.margin:
        return like.new_zeros(())
    margin = like.new_tensor(out.margin).reshape(out.horizon, len(out.columns), 1)
    # The margin belongs to the 10 % and 90 % levels; the others move in proportion.
    away = (like.new_tensor(LEVELS) - 0.5) / 0.4
    return margin * away


def _ordered(found: Tensor) -> Tensor:
    """A margin below zero may narrow an interval past its median; there it stops."""
    middle = LEVELS.index(0.5)
    low = found[..., : middle + 1].flip(-1).cummin(-1).values.flip(-1)
    high = found[..., middle:].cummax(-1).values
    return torch.cat([low, high[..., 1:]], dim=-1)


def _check(model: SequenceModel) -> None:
    if not isinstance(model.head, NumberHead):
        raise InputError("this model predicts no numbers")
