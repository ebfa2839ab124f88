"""elman: recurrent neural networks that train fast on a CPU, explain what they remember, and stream.

>>> rnn = elman.GRU(64, 128)
>>> y, h = rnn(x, lengths=n)
>>> run = elman.train("reviews.jsonl", source="text:review", target="label:sentiment")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from elman import core as _core
from elman.core import *  # noqa: F403 - the public names of the core, listed in core.__all__

if TYPE_CHECKING:
    from elman.data.checkup.examine import examine
    from elman.live.session import Session
    from elman.run import Run, load, resume, train
    from elman.study.compare import compare
    from elman.study.tune import tune
    from elman.training.interrupt import Interrupted

__version__ = "0.1.0"

_LATER = {
    "Interrupted": "elman.training.interrupt",
    "Run": "elman.run",
    "Session": "elman.live.session",
    "compare": "elman.study.compare",
    "examine": "elman.data.checkup.examine",
    "load": "elman.run",
    "resume": "elman.run",
    "train": "elman.run",
    "tune": "elman.study.tune",
}

__all__ = [
    *_core.__all__,
    "Interrupted",
    "Run",
    "Session",
    "__version__",
    "compare",
    "examine",
    "load",
    "resume",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Load what reads files (and polars with it) only when it is used."""
    if name not in _LATER:
        raise AttributeError(f"module 'elman' has no attribute '{name}'")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
