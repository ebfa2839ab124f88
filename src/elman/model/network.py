"""The network between the kinds: embedding, recurrent layers, readout, head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elman.core.errors import InputError
from elman.core.layers.readout import Readout, readout
from elman.core.layers.stack import Stack
from elman.core.ragged import Ragged
from elman.core.state import State
from elman.model.build import (
    Cells,
    make_ahead,
    make_decoder,
    make_entrance,
    make_head,
    make_highway,
    make_segments,
    make_trunk,
)
from elman.model.config import ModelConfig
from elman.model.decoder import Decoder
from elman.model.forecast import PATHS, Own, Steps, quantiles_of, relative
from elman.model.kinds.crf import CRFHead
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.label import LabelHead
from elman.model.kinds.number import LEVELS, NumberHead, NumberOut
from elman.model.kinds.text import TextIn

__all__ = ["Cells", "SequenceModel"]


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
        design = net.design if config.lookback else "direct"
        stages, width = ([], net.hidden) if design == "segments" else make_entrance(config)
        layers, width = make_trunk(config, width, cells or {})
        self.trunk = Stack([*stages, *layers])
        self.readout: Readout | None = None
        if net.readout != "every":
            self.readout = readout(net.readout, width, both_ways=net.bidirectional, backward=net.hidden)
        self.dropout = nn.Dropout(net.dropout)
        self.decoder = make_decoder(config, width, cells or {})
        self.head = make_head(config, width, self.decoder)
        self.segments = make_segments(config, self.head) if design == "segments" else None
        self.highway = make_highway(config, self.head) if design == "direct" else None
        self.ahead = make_ahead(config, width, self.head) if design == "direct" else None

    @property
    def causal(self) -> bool:
        """Whether the trunk can stream."""
        return self.trunk.causal

    def features(self, ragged: Ragged, state: State = None) -> tuple[Ragged, State]:
        """Features of every step, ``(T, B, F)``, and the state behind the last."""
        out: tuple[Ragged, State] = self.trunk(ragged, state)
        return out

    def answer(self, ragged: Ragged) -> Tensor:
        """What the head makes of every sequence: logits ``(B, K)``, or of numbers their parameters ``(B, H, C, K)``.

        A forecast with something known ahead takes its L steps of history and the H steps behind, all in one batch.
        """
        if self.readout is None:
            how = "writes a text" if self.decoder is not None else "answers at every step"
            raise InputError(f"this model {how}, not one answer a sequence")
        if self.config.lookback:
            head, made = self._number_head(), self.forecast(ragged)
            return head.placed(made.raw, made.last, made.spread)
        steps, _ = self.features(ragged)
        raw = self.head.raw(self.dropout(self.readout(steps)))
        return self.head.placed(raw) if isinstance(self.head, NumberHead) else raw

    def answers_so_far(self, ragged: Ragged) -> Tensor:
        """What the head makes of every row's first t steps, for every t, ``(T, B, *)``; see :meth:`answer`.

        Raises:
            InputError: the model has no one answer a sequence, or reads what comes later.
        """
        if self.readout is None or self.config.lookback or not self.causal:
            raise InputError("this model says nothing of a sequence before its end")
        steps, _ = self.features(ragged)
        raw = self.head.raw(self.dropout(self.readout.so_far(steps).values))
        return self.head.placed(raw) if isinstance(self.head, NumberHead) else raw

    def forecast(self, ragged: Ragged, target: Tensor | None = None) -> Own:
        """A forecast in units of each window; step by step it is told what came, ``target (B, H, C)``.

        The numbers of the window are read and answered relative to its last values and in units of its own spread, so
        that levels and swings that training never saw do no harm, and intervals are as wide as the times are restless.
        Where a target is no input, nothing could put the level back, so the window is read as it is.
        """
        head, out = self._number_head(), self.config.output
        if self.readout is None or not isinstance(out, NumberOut) or isinstance(self.config.input, TextIn):
            raise InputError("this model does not forecast")
        given, behind, last, spread = self._window(ragged, out)
        if self.segments is not None:
            return Own(self.segments(given, behind, self.trunk, head), last, spread)
        if self.config.net.design == "steps":
            if target is None:
                raise InputError("a forecast step by step is told what came, or draws paths")
            raw = self._stepwise(out, head).forced(given, behind, (target - last) / spread, self.dropout)
            return Own(raw, last, spread)
        raw = self._ahead(self.dropout(self.readout(self.features(Ragged(given))[0])), behind)
        if self.highway is not None:
            past = given[..., out.anchors].permute(1, 2, 0)
            raw = raw + self.highway(past).unflatten(-1, (head.horizon, head.likelihood.size)).transpose(1, 2)
        return Own(raw, last, spread)

    def paths(self, ragged: Ragged, count: int = PATHS) -> Tensor:
        """Paths that a forecast step by step may take, ``(B, count, H, C)`` in units of scale; see :class:`Steps`."""
        head, out = self._number_head(), self.config.output
        if not self.by_paths or not isinstance(out, NumberOut):
            raise InputError("only a forecast step by step (--design steps) draws paths")
        given, behind, last, spread = self._window(ragged, out)
        return self._stepwise(out, head).paths(given, behind, last, spread, count)

    def quantiles(self, ragged: Ragged) -> Tensor:
        """The quantiles ``LEVELS`` of one answer a sequence, in order, ``(B, H, C, Q)`` in units of scale."""
        if self.by_paths:
            return quantiles_of(self.paths(ragged), ragged.values.new_tensor(LEVELS))
        return self._number_head().quantiles(self.answer(ragged))

    def unit(self, ragged: Ragged) -> Tensor:
        """The spread of each window of a forecast, ``(B, 1, C)``; else 1."""
        out = self.config.output
        if not self.config.lookback or not isinstance(out, NumberOut):
            return ragged.values.new_ones(1, 1, 1)
        return self._window(ragged, out)[3]

    @property
    def by_paths(self) -> bool:
        """Whether a forecast is made of paths that are drawn."""
        return bool(self.config.lookback) and self.config.net.design == "steps"

    def _number_head(self) -> NumberHead:
        if not isinstance(self.head, NumberHead):
            raise InputError("this model predicts no numbers")
        return self.head

    def _stepwise(self, out: NumberOut, head: NumberHead) -> Steps:
        if isinstance(self.config.input, TextIn):
            raise InputError("this model does not forecast")
        return Steps(self.config.input, out, self.trunk, head)

    def _window(self, ragged: Ragged, out: NumberOut) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The window ``(L, B, D)`` as it is read, what is known behind it, and the targets' level and unit."""
        kind, lookback = self.config.input, self.config.lookback
        wanted = lookback + (out.horizon if isinstance(kind, JoinedIn) and kind.known else 0)
        if ragged.steps != wanted or not ragged.full:
            raise InputError(f"ragged: a forecast reads {wanted} steps of every row, got {ragged!r}")
        window, behind = ragged.values[:lookback], ragged.values[lookback:]
        # Windows come in float64, so that small series beside large ones keep their digits.
        weights = self._number_head().linear.weight.dtype
        if not out.anchors:
            level = window.new_zeros(1, 1, 1)
            return window.to(weights), behind.to(weights), level, torch.ones_like(level)
        given, last, spread = relative(window, kind, out.floor)
        return given.to(weights), behind.to(weights), last[:, None, out.anchors], spread[:, None, out.anchors]

    def _ahead(self, vector: Tensor, behind: Tensor) -> Tensor:
        """What the head says, with what is known ahead added."""
        raw = self.head.raw(vector)
        return raw if self.ahead is None else raw + self.ahead(behind, vector).unflatten(-1, raw.shape[2:])

    def _forecast_loss(self, ragged: Ragged, target: Tensor) -> Tensor:
        head, made = self._number_head(), self.forecast(ragged, target)
        out = self.config.output
        if isinstance(out, NumberOut) and out.own_units and out.likelihood == "quantiles":
            # The likelihood of what came is the same in any unit, but for a constant.
            return head.loss(head.placed(made.raw), (target - made.last) / made.spread)
        return head.loss(head.placed(made.raw, made.last, made.spread), target)

    def answers(self, ragged: Ragged, state: State = None) -> tuple[Tensor, State]:
        """What the head makes of every step, ``(T, B, K)`` or ``(T, B, 1, C, K)``, and the state behind the last."""
        if self.decoder is not None:
            raise InputError("this model writes a text, no answer at every step")
        steps, state = self.features(ragged, state)
        raw = self.head.raw(self.dropout(steps.values))
        return (self.head.placed(raw, self.anchor(ragged)) if isinstance(self.head, NumberHead) else raw), state

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
        if self.config.lookback:
            return self._forecast_loss(ragged, target), None
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
