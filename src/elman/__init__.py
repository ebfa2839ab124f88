"""elman: recurrent neural networks that train fast on a CPU, explain what they remember, and stream.

>>> rnn = elman.GRU(64, 128)
>>> y, h = rnn(x, lengths=n)
>>> run = elman.train("reviews.jsonl", source="text:review", target="label:sentiment")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elman.core import *  # noqa: F403 - the public names of the core, listed in core.__all__
    from elman.data.checkup.examine import examine
    from elman.live.session import Session
    from elman.run import Run, load, resume, train
    from elman.study.compare import compare
    from elman.study.tune import tune
    from elman.training.interrupt import Interrupted

__version__ = "0.1.0"

_CORE = [
    "GRU",
    "LSTM",
    "RNN",
    "Beside",
    "Bidirectional",
    "Cell",
    "Convolution",
    "DataError",
    "Decay",
    "ElmanCell",
    "ElmanError",
    "EngineError",
    "GRUCell",
    "GatedCell",
    "InputError",
    "LRUCell",
    "LSTMCell",
    "LSTMState",
    "LawError",
    "LayerNorm",
    "LinearCell",
    "LockedDropout",
    "MinGRUCell",
    "MinLSTMCell",
    "ModelFileError",
    "PerStep",
    "Ragged",
    "Recurrent",
    "Residual",
    "Stack",
    "Stage",
    "VariationalDropout",
    "WeightDrop",
    "WordDropout",
    "Zoneout",
    "accelerate",
    "check_cell",
    "checkpoint",
    "init",
    "plan",
    "readout",
    "restore",
    "timescales",
    "unfold",
]
"""``elman.core.__all__``, written out: torch loads when one of them is used, so the command line answers at once."""

_LATER = {
    **dict.fromkeys(_CORE, "elman.core"),
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
    *_CORE,
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
    """Load torch, and what reads files (and polars with it), only when it is used."""
    if name == "core":
        return import_module("elman.core")
    if name not in _LATER:
        raise AttributeError(f"module 'elman' has no attribute '{name}'")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
