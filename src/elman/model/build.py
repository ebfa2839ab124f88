"""The parts of a network, each built from the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import nn

from elman.core.cells import init
from elman.core.cells.base import Cell, GatedCell
from elman.core.cells.elman import ElmanCell
from elman.core.cells.gru import GRUCell
from elman.core.cells.linear import LinearCell, MinGRUCell, MinLSTMCell
from elman.core.cells.lru import LRUCell
from elman.core.cells.lstm import LSTMCell
from elman.core.cells.wrap import Residual, VariationalDropout, WeightDrop, Zoneout
from elman.core.errors import InputError, nearest
from elman.core.layers.conv import Beside, convolutions
from elman.core.layers.stack import Bidirectional, LockedDropout, Recurrent, Stack
from elman.core.layers.words import WordDropout
from elman.core.stage import PerStep, Stage
from elman.model.ahead import Ahead
from elman.model.characters import SpeltWords
from elman.model.config import CELLS, ModelConfig, NetConfig
from elman.model.decoder import Decoder
from elman.model.embed import Embed
from elman.model.feedforward import FeedForward
from elman.model.forecast import Segments, segment_of
from elman.model.kinds.crf import CRFHead
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.label import LabelHead, LabelOut
from elman.model.kinds.labels import LabelsHead, LabelsOut
from elman.model.kinds.number import NumberHead, NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn, TiedHead, TokenHead
from elman.model.kinds.written import TextOut

__all__ = [
    "Cells",
    "make_ahead",
    "make_decoder",
    "make_entrance",
    "make_head",
    "make_highway",
    "make_segments",
    "make_trunk",
]

Cells = Mapping[str, type[Cell]]
"""Cells of the user's own by name; each is made as ``cell(input_size, hidden_size)``."""


def make_entrance(config: ModelConfig) -> tuple[list[Stage], int]:
    """What comes before the first layer, and how wide a step is behind it."""
    kind, net = config.input, config.net
    on_words = LockedDropout(net.dropout if net.input_dropout is None else net.input_dropout)
    if isinstance(kind, TextIn) and kind.characters:
        spelt = SpeltWords(kind.width, len(kind.characters) + 4, net.embedding, net.word_dropout)
        return [spelt, on_words], spelt.width
    if isinstance(kind, TextIn):
        table = nn.Embedding(kind.width, net.embedding)
        nn.init.normal_(table.weight, std=0.1)
        return [WordDropout(table, net.word_dropout) if net.word_dropout else PerStep(table), on_words], net.embedding
    on_numbers = [LockedDropout(net.input_dropout)] if net.input_dropout else []
    if isinstance(kind, SeriesIn):
        return [*on_numbers], kind.width
    embed = Embed(kind, net.embedding)
    words = any(isinstance(part, TextIn) for part in kind.parts)
    return [embed, *([on_words] if words else on_numbers)], embed.width


def make_ahead(config: ModelConfig, width: int, head: nn.Module) -> Ahead | None:
    kind, net = config.input, config.net
    if not isinstance(kind, JoinedIn) or not kind.known or not isinstance(head, NumberHead):
        return None
    return Ahead(kind, width, net.hidden, net.embedding, head.columns * head.likelihood.size)


def make_highway(config: ModelConfig, head: nn.Module) -> nn.Linear | None:
    out = config.output
    if not config.net.highway or not isinstance(out, NumberOut) or not out.anchors or not config.lookback:
        return None
    if not isinstance(head, NumberHead):
        raise TypeError("numbers have a head of their own")
    linear = nn.Linear(config.lookback, out.horizon * head.likelihood.size)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


FILTERS = (64, 128, 64)
"""Filters of the convolutional blocks, of 8, 5 and 3 steps: half as many as in the FCN, a quarter of the cost."""


def make_trunk(config: ModelConfig, width: int, cells: Cells) -> tuple[list[Stage], int]:
    """The recurrent layers, and convolution beside them where settings say so (as in LSTM-FCN, Karim et al. 2018)."""
    layers, out = _recurrent(config, width, cells)
    if config.net.front is None:
        return layers, out
    blocks = Stack(convolutions(width, FILTERS, causal=not config.net.bidirectional))
    return [Beside([blocks, Stack(layers)])], FILTERS[-1] + out


def _recurrent(config: ModelConfig, width: int, cells: Cells) -> tuple[list[Stage], int]:
    net = config.net
    if config.source == "label":
        return [], width  # one step needs no memory
    if net.cell == "feedforward":
        if net.bidirectional:
            raise InputError("bidirectional: a feed-forward net has one direction; leave --bidirectional out")
        if net.recurrent_dropout or net.weight_drop or net.zoneout:
            raise InputError("recurrent_dropout, weight_drop, zoneout: a feed-forward net has no recurrent units")
        return [FeedForward(width, net.hidden, net.window, net.layers, net.dropout)], net.hidden
    stages: list[Stage] = []
    for layer in range(net.layers):
        if layer and net.dropout:
            stages.append(LockedDropout(net.dropout))
        bare = [_cell(net.cell, width, net.hidden, cells) for _ in range(2 if net.bidirectional else 1)]
        made = [_regularised(cell, net) for cell in bare]
        out = net.hidden * len(made)
        if net.bidirectional:
            stages.append(Bidirectional(*made))
        else:
            stages.append(Recurrent(Residual(made[0]) if layer and width == out else made[0]))
        width = out
    return stages, width


def _cell(name: str, width: int, hidden: int, cells: Cells) -> Cell:
    if name in cells:
        return cells[name](width, hidden)
    known: dict[str, Callable[[int, int], Cell]] = {
        "gru": GRUCell,
        "lstm": LSTMCell,
        "rnn": ElmanCell,
        "mingru": MinGRUCell,
        "minlstm": MinLSTMCell,
        # Without a gate behind it the whole net would be linear in what it reads.
        "lru": partial(LRUCell, glu=True),
    }
    if name not in known:
        choices = [*CELLS, *cells]
        raise InputError(
            f"cell: unknown name '{name}'.{nearest(name.lower(), choices)} Known: {', '.join(choices)}; "
            f"a cell of your own is handed in as cells={{'{name}': YourCell}}"
        )
    cell: Cell = known[name](width, hidden)
    if isinstance(cell, LinearCell):
        return cell
    init.orthogonal_(cell)
    if name == "lstm":
        init.forget_bias_(cell)
    return cell


def _regularised(cell: Cell, net: NetConfig) -> Cell:
    """The cell with what regularises it from step to step. Weight-drop alone leaves it to the compiled engines."""
    if net.weight_drop or net.recurrent_dropout:
        if not isinstance(cell, GatedCell):
            name = "weight_drop" if net.weight_drop else "recurrent_dropout"
            raise InputError(
                f"{name}: needs a gated cell (gru, lstm, rnn, or one of your own with recur and pointwise), and "
                f"'{net.cell}' is {type(cell).__name__}; leave it out, or use zoneout"
            )
        if net.weight_drop:
            cell = WeightDrop(cell, net.weight_drop)
        if net.recurrent_dropout:
            cell = VariationalDropout(cell, net.recurrent_dropout)
    return Zoneout(cell, net.zoneout) if net.zoneout else cell


def make_decoder(config: ModelConfig, width: int, cells: Cells) -> Decoder | None:
    out, net = config.output, config.net
    if not isinstance(out, TextOut):
        return None
    if net.cell == "feedforward":
        raise InputError("cell: a feed-forward net has no state to write a text with; use gru, lstm or rnn")
    if net.input_feeding and net.zoneout:
        raise InputError("zoneout: does not go with input feeding; use recurrent_dropout or weight_drop")

    def make(size: int, hidden: int) -> Cell:
        return _cell(net.cell, size, hidden, cells)

    return Decoder(net, out.size, width, make, lambda cell: _regularised(cell, net))


def make_head(
    config: ModelConfig, width: int, decoder: Decoder | None
) -> LabelHead | LabelsHead | NumberHead | TokenHead | CRFHead:
    out, smoothing = config.output, config.net.label_smoothing
    if isinstance(out, LabelOut):
        return CRFHead(width, out) if config.net.crf else LabelHead(width, out, smoothing)
    if isinstance(out, LabelsOut):
        return LabelsHead(width, out)
    if isinstance(out, NumberOut):
        return _of_numbers(config, width, out)
    if decoder is None:
        return TokenHead(width, out.size, smoothing, separate=out.separate)
    if config.net.tied:
        return TiedHead(decoder.table, smoothing)
    return TokenHead(decoder.width, out.size, smoothing, separate=True)


def make_segments(config: ModelConfig, head: nn.Module) -> Segments:
    if not isinstance(head, NumberHead):
        raise TypeError("numbers have a head of their own")
    return Segments(config, head.likelihood.size)


def _of_numbers(config: ModelConfig, width: int, out: NumberOut) -> NumberHead:
    """A head that speaks of all steps ahead at once, of one segment of one column, or of one step."""
    if config.lookback and config.net.design == "segments":
        return NumberHead(width, out, horizon=segment_of(config.lookback, out.horizon), columns=1)
    return NumberHead(width, out, horizon=1 if config.lookback and config.net.design == "steps" else None)
