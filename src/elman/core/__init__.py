"""The heart: cells, unfolding, layers, laws. Works with torch and numpy alone."""

from elman.core.cells import init
from elman.core.cells.base import Cell, GatedCell
from elman.core.cells.decay import Decay
from elman.core.cells.elman import ElmanCell
from elman.core.cells.gru import GRUCell
from elman.core.cells.linear import LinearCell, MinGRUCell, MinLSTMCell
from elman.core.cells.lru import LRUCell
from elman.core.cells.lstm import LSTMCell, LSTMState
from elman.core.cells.norm import LayerNorm
from elman.core.cells.wrap import Residual, VariationalDropout, WeightDrop, Zoneout
from elman.core.check import LawError, check_cell
from elman.core.engines.memory import checkpoint
from elman.core.errors import DataError, ElmanError, EngineError, InputError, ModelFileError
from elman.core.layers.accelerate import accelerate, restore
from elman.core.layers.conv import Beside, Convolution
from elman.core.layers.drop_in import GRU, LSTM, RNN
from elman.core.layers.readout import readout
from elman.core.layers.stack import Bidirectional, LockedDropout, Recurrent, Stack
from elman.core.layers.words import WordDropout
from elman.core.plan import plan
from elman.core.ragged import Ragged
from elman.core.stage import PerStep, Stage
from elman.core.timescales import timescales
from elman.core.unfold import unfold

__all__ = [
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
