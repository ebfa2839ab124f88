"""How good a model is on data it has not seen, beside what costs nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch

from elman.data.batch import Batches, ExampleSet, WindowSet
from elman.data.pairs import PairSet
from elman.model.answers import chances, next_quantiles, quantiles, tagged
from elman.model.grammar import parse_target
from elman.model.kinds.crf import spans
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut, best_thresholds
from elman.model.kinds.number import LEVELS, NumberOut
from elman.model.kinds.text import TextIn
from elman.model.network import SequenceModel
from elman.model.shapes import Batch
from elman.model.write import Search
from elman.training.boldness import best_boldness, by_spans
from elman.training.chance import groups_of
from elman.training.entities import add_entities
from elman.training.measures import Scores, class_scores, headline, set_scores
from elman.training.numbers import number_scores
from elman.training.written import text_scores

__all__ = ["Scores", "calibrate", "score"]

_LOW, _HIGH = LEVELS.index(0.1), LEVELS.index(0.9)


@torch.inference_mode()
def score(model: SequenceModel, data: Batches, batch: int, device: str, search: Search | None = None) -> Scores:
    """Score a model on encoded data, in evaluation; the metric that its settings name comes first.

    ``search`` says how texts are written, of a model that writes.
    """
    model.eval().to(device)
    if isinstance(data, PairSet):
        found = text_scores(model, data, device, search)
    else:
        found = _score(model, data, batch, device)
    made = headline(found, model.config.metric)
    made.groups = groups_of(data)
    return made


def _score(model: SequenceModel, data: Batches, batch: int, device: str) -> Scores:
    out = model.config.output
    if isinstance(out, LabelOut):
        parts = list(_classes(model, data, batch, device))
        found, said, truth = (np.concatenate(side) for side in zip(*parts, strict=True))
        target = parse_target(model.config.target).kind
        top = 3 if target == "next" and len(out.classes) > 3 else 0
        made = class_scores(found, truth, confused=target != "next", top=top, said=said)
        if target == "tags" and spans(out.classes) and isinstance(data, ExampleSet):
            add_entities(made, said, truth, out.classes, data.counted)
        return made
    if isinstance(out, LabelsOut):
        found, truth = _sets(model, data, batch, device)
        return set_scores(found, out.decide(found), truth)
    if isinstance(out, NumberOut):
        pairs = list(_numbers(model, data, batch, device))
        naive = data.errors() if isinstance(data, WindowSet) else None
        return number_scores(np.concatenate([f for f, _ in pairs]), np.concatenate([t for _, t in pairs]), out, naive)
    each, tokens = _token_losses(model, data, batch, torch.device(device))
    nats = float(each.mean()) if len(each) else 0.0
    values = {"nats": nats, "perplexity": math.exp(min(nats, 700.0))}
    sizes = model.config.input.bytes if isinstance(model.config.input, TextIn) else []
    if sizes and len(each):
        values["bits_per_byte"] = float(each.sum() / np.array(sizes)[tokens].sum() / math.log(2))
    return Scores(values, len(each), each={"nats": each})


def _token_losses(
    model: SequenceModel, data: Batches, batch: int, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Nats of every token, ``[N]`` float64, and its number, sequence after sequence."""
    found, tokens, state = [], [], None
    for part in data.in_order(batch):
        moved = part.to(device)
        loss, state = model(moved.ragged, moved.target, moved.score, state if moved.goes_on else None)
        real = _scored(part)
        steps, rows = real.nonzero(as_tuple=True)
        found.append(loss.double().cpu().numpy()[np.lexsort((steps.numpy(), rows.numpy()))])
        tokens.append(part.target.T[real.T].numpy())
    return np.concatenate(found), np.concatenate(tokens)


def _classes(
    model: SequenceModel, data: Batches, batch: int, device: str
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Probabilities ``[N, K]``, what is said and what came ``[N]``, of a batch's sequences or their scored steps."""
    for part in data.in_order(batch):
        moved = part.to(torch.device(device))
        if model.readout is not None:
            each = chances(model, moved.ragged).double().cpu().numpy()
            yield each, each.argmax(1), part.target.numpy()
            continue
        every, said = tagged(model, moved.ragged)
        real = _scored(part).T
        sides = [side.cpu().transpose(0, 1)[real].numpy() for side in (every.double(), said, part.target)]
        yield sides[0], sides[1], sides[2]


def _sets(model: SequenceModel, data: Batches, batch: int, device: str) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and truth of several labels, ``[N, K]`` each."""
    parts = list(data.in_order(batch))
    found = [chances(model, part.to(torch.device(device)).ragged).double().cpu().numpy() for part in parts]
    return np.concatenate(found), np.concatenate([part.target.numpy() for part in parts])


def _numbers(model: SequenceModel, data: Batches, batch: int, device: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Quantiles ``[N, H, C, Q]`` and targets ``[N, H, C]`` of every batch, in units of scale."""
    for part in data.in_order(batch):
        moved = part.to(torch.device(device))
        if model.readout is not None:
            yield quantiles(model, moved.ragged).cpu().numpy(), part.target.numpy()
            continue
        every, _ = next_quantiles(model, moved.ragged)
        real = _scored(part).T
        yield every.cpu().transpose(0, 1)[real].unsqueeze(1).numpy(), part.target.transpose(0, 1)[real].numpy()


def _scored(batch: Batch) -> torch.Tensor:
    """The steps that count, ``(T, B)``; sequence after sequence, as the baselines go through them, by its transpose."""
    return batch.ragged.mask if batch.score is None else batch.ragged.mask & batch.score


@torch.inference_mode()
def calibrate(
    model: SequenceModel, valid: Batches, batch: int, device: str, *, conformal: bool | None = None
) -> list[str]:
    """Widen (or narrow) the intervals so that 80 % of the validation part lies inside.

    ``conformal``: whether that is done; None leaves forecasts as they are, whose next months need not be as restless as
    those of the validation part.

    Of several labels, choose from which probability on each is said to hold; of tags that name spans, where their F1 is
    the score that counts, how readily they are said. What is to be told of it comes back.

    Conformalised quantile regression (Romano, Patterson & Candes 2019): the margin of a step and column is the
    80 % quantile of ``max(low - y, y - high)``.
    """
    out = model.config.output
    if isinstance(out, LabelsOut):
        model.eval()
        chosen = best_thresholds(*_sets(model, valid, batch, device))
        model.config = model.config.model_copy(update={"output": out.model_copy(update={"thresholds": chosen})})
    if isinstance(out, LabelOut) and isinstance(valid, ExampleSet) and by_spans(model):
        bold, _ = best_boldness(model, valid, batch, device)
        model.config = model.config.model_copy(update={"output": out.model_copy(update={"boldness": bold})})
        return [f"O counts {bold:g} less where tags are decided: that finds most names of the validation part"] * (
            bold > 0
        )
    if not isinstance(out, NumberOut):
        return []
    if conformal is False or (conformal is None and model.config.lookback):
        return []
    model.eval()
    model.config = model.config.model_copy(update={"output": out.model_copy(update={"margin": []})})
    pairs = list(_numbers(model, valid, batch, device))
    found, target = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    outside = np.maximum(found[..., _LOW] - target, target - found[..., _HIGH])
    if model.config.lookback:
        # What is wide where the times are restless is to be missed by as much more there.
        units = [model.unit(part.to(torch.device(device)).ragged).cpu() for part in valid.in_order(batch)]
        outside = (
            outside / torch.cat([one.expand(len(p[1]), 1, -1) for one, p in zip(units, pairs, strict=True)]).numpy()
        )
    level = min(1.0, 0.8 * (1 + 1 / len(target)))
    gap = np.isnan(outside)
    wide = np.where(gap.all(0), 0.0, outside)
    margin = (np.nanquantile if gap.any() else np.quantile)(wide, level, axis=0).reshape(-1).tolist()
    unit = "window" if model.config.lookback else "scale"
    learnt = out.model_copy(update={"margin": margin, "margin_unit": unit})
    model.config = model.config.model_copy(update={"output": learnt})
    return []
