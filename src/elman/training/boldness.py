"""How readily names are said in texts: chosen on the validation part, where the F1 of names is highest."""

from __future__ import annotations

import numpy as np
import torch

from elman.core.errors import InputError
from elman.data.batch import ExampleSet
from elman.model.answers import decided
from elman.model.grammar import parse_target
from elman.model.kinds.crf import OUTSIDE, spans
from elman.model.kinds.label import LabelOut
from elman.model.network import SequenceModel
from elman.training.entities import span_counts, span_f1

__all__ = ["best_boldness", "by_spans"]

_LEVELS = np.arange(0, 3.01, 0.25)
"""What is taken from the score of O; e**3 = 20 times the odds of a name."""


def by_spans(model: SequenceModel) -> bool:
    """Whether a model's tags name spans of words, and the F1 of these is the score that counts."""
    out = model.config.output
    named = isinstance(out, LabelOut) and spans(out.classes) and OUTSIDE in out.classes
    return named and parse_target(model.config.target).kind == "tags" and model.config.metric in ("", "entity_f1")


@torch.inference_mode()
def best_boldness(model: SequenceModel, valid: ExampleSet, batch: int, device: str) -> tuple[float, float]:
    """The boldness with the highest F1 of spans on some data, the lowest of equals, and that F1.

    Few words belong to a name, so a model that minimises ``-log p`` over all words rather says O than a name that it is
    not sure of; F1 counts what is missed as much as what is wrong. (As thresholds are chosen for F1: Lewis 1995.)
    """
    out = model.config.output
    if not isinstance(out, LabelOut):
        raise TypeError(type(out).__name__)
    if OUTSIDE not in out.classes:
        raise InputError(f"no tag is {OUTSIDE}, so there is nothing to be bolder than")
    model.eval().to(device)
    kept, real, truth = [], [], []
    for part in valid.in_order(batch):
        moved = part.to(torch.device(device))
        kept.append((model.answers(moved.ragged)[0], moved.ragged.mask))
        real.append((part.ragged.mask if part.score is None else part.ragged.mask & part.score).T)
        truth.append(part.target.T[real[-1]].numpy())
    came = np.concatenate(truth)
    found = []
    for level in _LEVELS.tolist():
        said = [
            decided(model, logits, mask, level).cpu().T[scored].numpy()
            for (logits, mask), scored in zip(kept, real, strict=True)
        ]
        found.append(span_f1(span_counts(np.concatenate(said), came, out.classes, valid.counted)))
    return float(_LEVELS[int(np.argmax(found))]), max(found)
