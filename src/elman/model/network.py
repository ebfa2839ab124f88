"""The network between the kinds: embedding, recurrent layers, readout, head, built from settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from elman.core.cells import init
from elman.core.cells.base import Cell, GatedCell
from elman.core.cells.elman import ElmanCell
from elman.core.cells.gru import GRUCell
from elman.core.cells.linear import LinearCell, MinGRUCell, MinLSTMCell
from elman.core.cells.lstm import LSTMCell
from elman.core.cells.wrap import Residual, VariationalDropout, WeightDrop, Zoneout
from elman.core.errors import InputError, nearest
from elman.core.layers.readout import readout
from elman.core.layers.stack import Bidirectional, LockedDropout, Recurrent, Stack
from elman.core.layers.words import WordDropout
from elman.core.ragged import Ragged
from elman.core.stage import PerStep, Stage
from elman.core.state import State
from elman.model.ahead import Ahead
from elman.model.characters import SpeltWords
from elman.model.config import CELLS, ModelConfig, NetConfig
from elman.model.decoder import Decoder
from elman.model.embed import Embed
from elman.model.feedforward import FeedForward
from elman.model.kinds.crf import CRFHead
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.label import LabelHead, LabelOut
from elman.model.kinds.labels import LabelsHead, LabelsOut
from elman.model.kinds.number import LEVELS, NumberHead, NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn, TiedHead, TokenHead
from elman.model.kinds.written import TextOut

__all__ = ["Cells", "SequenceModel", "relative"]

Cells = Mapping[str, type[Cell]]
"""Cells of the user's own by name; each is made as ``cell(input_size, hidden_size)``."""


class SequenceModel(nn.Module):
    """Embedding, trunk, readout and head in a row.

    Args:
        config: the settings.
        cells: cells of the user's own, by the name that ``config.net.cell`` may hold.

    Shapes: a batch of series is ``(T, B, C)`` float32, of text ``(T, B)`` int64, of several parts ``(T, B, D)``
    float32, in which a word or category is a number.
    """

    def __init__(self, config: ModelConfig, cells: Cells | None = None) -> None:
        super().__init__()
        self.config = config
        net = config.net
        stages, width = _entrance(config)
        layers, width = _trunk(config, width, cells or {})
        self.trunk = Stack([*stages, *layers])
        self.readout = None if net.readout == "every" else readout(net.readout, width, both_ways=net.bidirectional)
        self.dropout = nn.Dropout(net.dropout)
        self.decoder = _decoder(config, width, cells or {})
        self.head = _head(config, width, self.decoder)
        self.highway = _highway(config)
        self.ahead = _ahead(config, width)

    @property
    def causal(self) -> bool:
        """Whether the trunk can stream."""
        return self.trunk.causal

    def features(self, ragged: Ragged, state: State = None) -> tuple[Ragged, State]:
        """Features of every step, ``(T, B, F)``, and the state behind the last."""
        out: tuple[Ragged, State] = self.trunk(ragged, state)
        return out

    def answer(self, ragged: Ragged) -> Tensor:
        """What the head makes of every sequence: logits ``(B, K)``, or quantiles ``(B, H, C, Q)`` before sorting.

        A forecast with something known ahead takes its L steps of history and the H steps behind, all in one batch.
        """
        if self.readout is None:
            how = "writes a text" if self.decoder is not None else "answers at every step"
            raise InputError(f"this model {how}, not one answer a sequence")
        if self.config.lookback:
            return self._forecast(ragged)
        steps, _ = self.features(ragged)
        return self.head.raw(self.dropout(self.readout(steps)))

    def _forecast(self, ragged: Ragged) -> Tensor:
        """Quantiles of a forecast, ``(B, H, C, Q)``.

        The numbers of the window are read and answered relative to its last values and in units of its own spread, so
        that levels and swings that training never saw do no harm, and intervals are as wide as the times are restless.
        Where a target is no input, nothing could put the level back, so the window is read as it is.
        """
        out = self.config.output
        if self.readout is None or not isinstance(self.head, NumberHead) or not isinstance(out, NumberOut):
            raise InputError("this model does not forecast")
        lookback = self.config.lookback
        wanted = lookback + (out.horizon if self.ahead is not None else 0)
        if ragged.steps != wanted or not ragged.full:
            raise InputError(f"ragged: a forecast reads {wanted} steps of every row, got {ragged!r}")
        window, behind = ragged.values[:lookback], ragged.values[lookback:]
        if not out.anchors:
            return self._ahead(self.dropout(self.readout(self.features(Ragged(window))[0])), behind)
        given, last, spread = relative(window, self.config.input)
        steps, _ = self.features(Ragged(given))
        raw = self._ahead(self.dropout(self.readout(steps)), behind)
        if self.highway is not None:
            past = given[..., out.anchors].permute(1, 2, 0)
            raw = raw + self.highway(past).unflatten(-1, (self.head.horizon, len(LEVELS))).transpose(1, 2)
        return raw * spread[:, None, out.anchors, None] + last[:, None, out.anchors, None]

    def _ahead(self, vector: Tensor, behind: Tensor) -> Tensor:
        """What the head says, with what is known ahead added."""
        raw = self.head.raw(vector)
        return raw if self.ahead is None else raw + self.ahead(behind, vector).unflatten(-1, raw.shape[2:])

    def answers(self, ragged: Ragged, state: State = None) -> tuple[Tensor, State]:
        """What the head makes of every step, ``(T, B, K)`` or ``(T, B, 1, C, Q)``, and the state behind the last."""
        if self.decoder is not None:
            raise InputError("this model writes a text, no answer at every step")
        steps, state = self.features(ragged, state)
        raw = self.head.raw(self.dropout(steps.values))
        start = self.anchor(ragged)
        return (raw if start is None else raw + start[..., None]), state

    def forward(
        self, ragged: Ragged, target: Tensor, score: Tensor | None = None, state: State = None
    ) -> tuple[Tensor, State]:
        """The loss of every example (or of every scored step), ``(N,)``, and the state behind the batch.

        Args:
            ragged: inputs as encoded.
            target: ``(B,)`` labels, ``(B, K)`` several, ``(B, H, C)`` numbers, ``(T, B, *)`` for one answer a step, or
                ``(U, B)`` the tokens of a text with its end, and -1 behind it.
                Labels that training never saw (-1) are not learnt from at steps.
            score: ``(T, B)`` bool, the steps to score; None means all real ones. Only for one answer a step.
            state: of the trunk, where a text goes on from the batch before.
        """
        if self.readout is not None:
            return self._head_loss(self.answer(ragged), target), None
        if self.decoder is not None:
            return self._writing(ragged, target, self.decoder), None
        given, state = self.answers(ragged, state)
        if isinstance(self.head, CRFHead):
            known = target if score is None else target.masked_fill(~score, -1)
            return self.head.loss(given, known, ragged.mask), state
        real = ragged.mask if score is None else ragged.mask & score
        if isinstance(self.head, LabelHead):
            real = real & (target >= 0)
        return self._head_loss(given[real], target[real]), state

    def _head_loss(self, raw: Tensor, target: Tensor) -> Tensor:
        if isinstance(self.head, CRFHead):
            raise InputError("this model tags steps of whole sequences")
        return self.head.loss(raw, target)

    def _writing(self, ragged: Ragged, target: Tensor, decoder: Decoder) -> Tensor:
        """Nats of every token of the targets, each told all before it (teacher forcing), ``(N,)``.

        With scheduled sampling (Bengio et al. 2015, arXiv 1506.03099) some of what it is told is what it would have
        written itself, found by a first pass (two-pass decoding: Mihaylova & Martins 2019, arXiv 1906.07651).
        """
        memory, state = decoder.remember(self.features(ragged)[0])
        real = target >= 0
        told = torch.cat([torch.ones_like(target[:1]), target[:-1].clamp(min=0)])
        given = Ragged(told, real.sum(0))
        if self.training and decoder.sampling:
            with torch.no_grad():
                said = self.head.raw(decoder(given, memory, state).features.values).argmax(-1)
            own = torch.rand(told[1:].shape, device=told.device) < decoder.sampling
            given = given.with_values(torch.cat([told[:1], torch.where(own, said[:-1], told[1:])]))
        features = decoder(given, memory, state).features.values
        return self._head_loss(self.head.raw(self.dropout(features[real])), target[real])

    def anchor(self, ragged: Ragged) -> Tensor | None:
        """Where the prediction of a next value starts: every step's own, ``(T, B, 1, C)``."""
        out = self.config.output
        if not isinstance(out, NumberOut) or not out.anchors:
            return None
        return ragged.values[..., out.anchors].unsqueeze(-2)


def relative(window: Tensor, kind: SeriesIn | TextIn | JoinedIn | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """A window ``(L, B, D)`` relative to its last value and its spread, with both, ``(B, D)``.

    The spread is the standard deviation within the window, and at least a twentieth of the whole series'. Of several
    parts only what ``--from`` names as series is changed; categories, what is known ahead, what is constant and
    where a value was missing stay as they are.
    """
    last = window[-1]
    spread = window.std(dim=0, correction=0).clamp(min=0.05)
    kept: list[int] = []
    if isinstance(kind, JoinedIn):
        kept = [place for place in range(kind.width) if place not in kind.numbers]
    elif isinstance(kind, SeriesIn):
        kept = list(range(kind.channels, kind.width))
    if kept:
        places = torch.tensor(kept, device=window.device)
        last, spread = last.index_fill(1, places, 0.0), spread.index_fill(1, places, 1.0)
    return (window - last) / spread, last, spread


def _entrance(config: ModelConfig) -> tuple[list[Stage], int]:
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


def _ahead(config: ModelConfig, width: int) -> Ahead | None:
    kind, out, net = config.input, config.output, config.net
    if not isinstance(kind, JoinedIn) or not kind.known or not isinstance(out, NumberOut):
        return None
    return Ahead(kind, width, net.hidden, net.embedding, len(out.columns) * len(LEVELS))


def _highway(config: ModelConfig) -> nn.Linear | None:
    out = config.output
    if not config.net.highway or not isinstance(out, NumberOut) or not out.anchors or not config.lookback:
        return None
    linear = nn.Linear(config.lookback, out.horizon * len(LEVELS))
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def _trunk(config: ModelConfig, width: int, cells: Cells) -> tuple[list[Stage], int]:
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


def _decoder(config: ModelConfig, width: int, cells: Cells) -> Decoder | None:
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


def _head(
    config: ModelConfig, width: int, decoder: Decoder | None
) -> LabelHead | LabelsHead | NumberHead | TokenHead | CRFHead:
    out, smoothing = config.output, config.net.label_smoothing
    if isinstance(out, LabelOut):
        return CRFHead(width, out) if config.net.crf else LabelHead(width, out, smoothing)
    if isinstance(out, LabelsOut):
        return LabelsHead(width, out)
    if isinstance(out, NumberOut):
        return NumberHead(width, out)
    if decoder is None:
        return TokenHead(width, out.size, smoothing, separate=out.separate)
    if config.net.tied:
        return TiedHead(decoder.table, smoothing)
    return TokenHead(decoder.width, out.size, smoothing, separate=True)
