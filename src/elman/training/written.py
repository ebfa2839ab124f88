"""How good the texts are that a model writes: nats of the true ones, and what its own share with them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from elman.data.pairs import PairSet
from elman.model import baselines
from elman.model.config import ModelConfig
from elman.model.kinds.text import TextIn
from elman.model.kinds.written import TextOut
from elman.model.network import SequenceModel
from elman.model.write import Search, write_all
from elman.training.measures import Scores

__all__ = ["compared", "pair_losses", "text_baselines", "text_scores"]


@torch.inference_mode()
def pair_losses(model: SequenceModel, data: PairSet, device: str) -> np.ndarray:
    """Nats of every token of the true texts, each told all before it, ``[N]`` float64, text after text."""
    model.eval()
    found = []
    for part in data.in_order(64):
        moved = part.to(torch.device(device))
        loss, _ = model(moved.ragged, moved.target)
        steps, rows = (part.target >= 0).nonzero(as_tuple=True)
        found.append(loss.double().cpu().numpy()[np.lexsort((steps.numpy(), rows.numpy()))])
    return np.concatenate(found)


def text_scores(model: SequenceModel, data: PairSet, device: str) -> Scores:
    """Nats and perplexity of the true texts; where a text is read, BLEU and others of what a beam of 5 writes of it.

    What is written of a label may be many texts and is not held against one.
    """
    each = pair_losses(model, data, device)
    nats = float(each.mean()) if len(each) else 0.0
    values = {"nats": nats, "perplexity": math.exp(min(nats, 700.0))}
    said: dict[str, float] = {}
    out = model.config.output
    if model.config.source != "label" and isinstance(out, TextOut):
        found = write_all(model, list(data.inputs), Search())
        said = compared([out.decode(one[0].tokens) for one in found], data.texts)
    return Scores({**said, **values}, len(each) if not said else len(data), each={"nats": each})


def compared(written: Sequence[str], texts: Sequence[str]) -> dict[str, float]:
    """BLEU (Papineni et al. 2002) and chrF (Popovic 2015) by sacrebleu, cased, and the share that is exact.

    Without sacrebleu installed the share alone.
    """
    exact = float(np.mean([a == b for a, b in zip(written, texts, strict=True)])) if len(texts) else 0.0
    found = _sacrebleu()
    if found is None or not len(texts):
        return {"exact": exact}
    bleu = found.corpus_bleu(list(written), [list(texts)]).score
    chrf = found.corpus_chrf(list(written), [list(texts)]).score
    return {"bleu": float(bleu), "chrf": float(chrf), "exact": exact}


def signature() -> str:
    """How BLEU was computed, in sacrebleu's words; empty without it."""
    found = _sacrebleu()
    if found is None:
        return ""
    metric = found.metrics.BLEU()
    metric.corpus_score(["a"], [["a"]])
    return str(metric.get_signature())


def _sacrebleu() -> Any:
    try:
        import sacrebleu
    except ImportError:
        return None
    return sacrebleu


def text_baselines(config: ModelConfig, train: PairSet, test: PairSet) -> dict[str, Scores]:
    """What costs nothing: the source as it is, the commonest text, and the nats of what follows each token most."""
    found: dict[str, Scores] = {}
    if config.source != "label":
        common = Counter(train.texts).most_common(1)[0][0]
        shown = common if len(common) <= 40 else common[:37] + "..."
        found[f"always '{shown}'"] = Scores(compared([common] * len(test), test.texts), len(test))
        if isinstance(config.input, TextIn) and config.input.variant:
            copies = [config.input.decode(one.tolist()) for one in test.inputs]
            found["the source as it is"] = Scores(compared(copies, test.texts), len(test))
    before, after = _pairs(train)
    given = _pairs(test)
    size = int(max(before.max(), after.max(), given[0].max(), given[1].max())) + 1
    each = baselines.bigram_nats((before, after), given, size)
    nats = float(each.mean())
    values = {"nats": nats, "perplexity": math.exp(min(nats, 700.0))}
    found["what follows each token"] = Scores(values, len(each), each={"nats": each})
    return found


def _pairs(data: PairSet) -> tuple[np.ndarray, np.ndarray]:
    """Every token of the true texts, and the one before it."""
    texts = [text.numpy() for text in data.written]
    return np.concatenate([np.concatenate([[1], text[:-1]]) for text in texts]), np.concatenate(texts)
