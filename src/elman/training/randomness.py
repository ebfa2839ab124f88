"""The global random generators that a training draws from: torch's, numpy's and Python's, as values to keep.

elman itself draws from torch's only; a cell of one's own may use any of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elman.core.probe import undisturbed

__all__ = ["Randomness", "borrowed", "draw_on", "drawn", "seed_all", "unchanged"]

Randomness = tuple[dict[str, Tensor], dict[str, Any]]
"""The state of all generators: tensors by name, and what is JSON."""


def seed_all(seed: int) -> None:
    """Set every generator to the beginning that belongs to a seed."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@contextmanager
def borrowed() -> Iterator[None]:
    """Leave all generators as they were found."""
    ours, numpys = random.getstate(), np.random.get_state()
    try:
        with undisturbed():
            yield
    finally:
        random.setstate(ours)
        np.random.set_state(numpys)


@contextmanager
def unchanged() -> Iterator[None]:
    """Leave random generators and torch's threads as they were."""
    threads = torch.get_num_threads()
    try:
        with borrowed():
            yield
    finally:
        torch.set_num_threads(threads)


def drawn(device: torch.device) -> Randomness:
    """How far all generators are, that of the device among them."""
    version, numbers, gauss = random.getstate()
    numpys: dict[str, Any] = np.random.get_state(legacy=False)
    inner = numpys["state"]
    tensors = {
        "torch": torch.get_rng_state(),
        "numpy": torch.from_numpy(inner["key"].astype(np.int64)),
        "python": torch.tensor(numbers, dtype=torch.int64),
    }
    if device.type == "cuda":
        tensors["cuda"] = torch.cuda.get_rng_state(device)
    record = {
        "python": [version, gauss],
        "numpy": [numpys["bit_generator"], int(inner["pos"]), int(numpys["has_gauss"]), float(numpys["gauss"])],
    }
    return tensors, record


def draw_on(before: Randomness, device: torch.device) -> None:
    """Set all generators to what :func:`drawn` gave; another device's generator is left as it is."""
    tensors, record = before
    torch.set_rng_state(tensors["torch"].cpu())
    version, gauss = record["python"]
    random.setstate((version, tuple(tensors["python"].tolist()), gauss))
    name, place, has_gauss, normal = record["numpy"]
    np.random.set_state((name, tensors["numpy"].cpu().numpy().astype(np.uint32), place, has_gauss, normal))
    if device.type == "cuda" and "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"].cpu(), device)
