"""How good the texts are that a model writes: nats of the true ones, and what its own share with them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from elman.core.errors import InputError
from elman.data.pairs import PairSet
from elman.model import baselines
from elman.model.config import ModelConfig
from elman.model.kinds.text import TextIn
from elman.model.kinds.written import TextOut
from elman.model.network import SequenceModel
from elman.model.write import Search, write_all
from elman.training.measures import OF_HUNDRED, Scores

__all__ = ["check_installed", "compared", "pair_losses", "text_baselines", "text_scores"]


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


def text_scores(model: SequenceModel, data: PairSet, device: str, search: Search | None = None) -> Scores:
    """Nats and perplexity of the true texts; but for labels, BLEU and others of what is written, by a beam of 5.

    What is written of a label may be many texts and is not held against one.
    """
    each = pair_losses(model, data, device)
    nats = float(each.mean()) if len(each) else 0.0
    values = {"nats": nats, "perplexity": math.exp(min(nats, 700.0))}
    out = model.config.output
    if model.config.source == "label" or not isinstance(out, TextOut):
        if search is not None:
            raise InputError(
                "--beam, --length-penalty: what is written of a label may be many texts, so none is held against those "
                "of the data; leave them out (elman predict takes them)"
            )
        return Scores(values, len(each), each={"nats": each})
    search = search or Search()
    found = write_all(model, list(data.inputs), search)
    made = compared([out.decode(one[0].tokens) for one in found], data.texts)
    made.values, made.each = {**made.values, **values}, {**made.each, "nats": each}
    made.how = f"written by a beam of {search.beam}, length penalty {search.length_penalty:g}; {_how()}"
    return made


def compared(written: Sequence[str], texts: Sequence[str]) -> Scores:
    """BLEU (Papineni et al. 2002) and chrF (Popovic 2015) by sacrebleu, cased, and the share that is exact.

    Without sacrebleu installed the share alone. ``each`` of BLEU are the counts of every text that BLEU is computed
    from, ``[N, 10]``: runs of 1 to 4 tokens that are right, all such runs, the length, that of the reference.
    """
    same = np.array([a == b for a, b in zip(written, texts, strict=True)], dtype=bool)
    exact = {"exact": float(same.mean()) if len(same) else 0.0}
    found = _sacrebleu()
    if found is None or not len(texts):
        return Scores(exact, len(texts), each={"exact": same})
    metric, chrf = found.metrics.BLEU(), found.metrics.CHRF()
    counting = found.metrics.BLEU(effective_order=True)  # its counts are the same, and it is meant for single texts
    one_by_one = [counting.sentence_score(a, [b]) for a, b in zip(written, texts, strict=True)]
    counts = np.array([[*one.counts, *one.totals, one.sys_len, one.ref_len] for one in one_by_one], dtype=np.float64)
    values = {
        "bleu": float(metric.corpus_score(list(written), [list(texts)]).score),
        "chrf": float(chrf.corpus_score(list(written), [list(texts)]).score),
    }
    return Scores({**values, **exact}, len(texts), each={"exact": same, "bleu": counts})


def _how() -> str:
    """How BLEU and chrF were computed, in sacrebleu's words; without it how to get them."""
    found = _sacrebleu()
    if found is None:
        return "bleu and chrf need sacrebleu, which is not installed: pip install 'elman[text]'"
    said = []
    for metric in (found.metrics.BLEU(), found.metrics.CHRF()):
        metric.corpus_score(["a"], [["a"]])
        said.append(f"{type(metric).__name__.lower()} by sacrebleu: {metric.get_signature()}")
    return "; ".join(said)


def check_installed(metric: str) -> None:
    """Raise :class:`InputError` for a metric that sacrebleu computes, where it is not installed."""
    if metric in OF_HUNDRED and _sacrebleu() is None:
        raise InputError(
            f"--metric {metric}: needs sacrebleu, which is not installed: pip install 'elman[text]', or take --metric "
            "exact or nats"
        )


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
        found[f"always '{shown}'"] = compared([common] * len(test), test.texts)
        if isinstance(config.input, TextIn) and config.input.variant:
            copies = [config.input.decode(one.tolist()) for one in test.inputs]
            found["the source as it is"] = compared(copies, test.texts)
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
