"""The settings of a network and of a model: all that is written beside its weights."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.label import LabelOut
from elman.model.kinds.labels import LabelsOut
from elman.model.kinds.number import NumberOut
from elman.model.kinds.schema import Schema
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn, TokenOut
from elman.model.kinds.written import TextOut

__all__ = ["CELLS", "ModelConfig", "NetConfig"]

CELLS = ("gru", "lstm", "rnn", "mingru", "minlstm", "lru", "feedforward")
"""The names that ``--cell`` knows."""


class NetConfig(Schema):
    """The shape of the network.

    Attributes:
        cell: one of :data:`CELLS`, or the name of a cell of the user's own.
        hidden: H, units a layer and direction.
        layers: recurrent layers; from the second on they are residual.
        bidirectional: read both ways (not for what must stream or look ahead).
        dropout: between layers, before the head and, unless ``input_dropout`` says otherwise, on word vectors.
        input_dropout: on what the first layer reads, the same units all along a sequence; None takes ``dropout`` for
            word vectors and nothing for series.
        word_dropout: of whole words, see :class:`elman.WordDropout`.
        recurrent_dropout: between a layer's units from step to step, see :class:`elman.VariationalDropout`.
        weight_drop: of recurrent weights, see :class:`elman.WeightDrop`.
        zoneout: of units that keep their value for a step, see :class:`elman.Zoneout`.
        label_smoothing: eps of the loss in training, see :class:`~elman.model.kinds.label.LabelHead`.
        embedding: width of token vectors, and of category vectors at the most.
        readout: ``last``, ``mean``, ``max`` or ``attention`` for one answer a sequence; ``every`` for one a step.
        window: steps that the feed-forward net sees.
        highway: for forecasts, add a linear function of the history to the network's answer (the
            autoregressive part of LSTNet, Lai et al. 2018, arXiv 1703.07015); the network learns the rest.
        design: of a forecast: ``direct`` says all steps at once, ``segments`` one segment from the last (see
            :class:`~elman.model.forecast.Segments`), ``steps`` one step from the last (see
            :class:`~elman.model.forecast.Steps`).
        attention: of a decoder over the source, see :mod:`elman.core.layers.attend`.
        input_feeding: whether a decoder reads at every step what its attention found at the one before.
        crf: whether tags are a :class:`~elman.model.kinds.crf.CRFHead`.
        front: ``conv`` for blocks of convolution, see :data:`FRONTS`; None for none. They look ahead where the
            recurrent layers do (``bidirectional``).
        tied: whether a decoder's token vectors score its tokens too.
    """

    cell: str = "gru"
    hidden: int = Field(64, ge=1)
    layers: int = Field(1, ge=1)
    bidirectional: bool = False
    dropout: float = Field(0.0, ge=0, lt=1)
    input_dropout: float | None = Field(None, ge=0, lt=1)
    word_dropout: float = Field(0.0, ge=0, lt=1)
    recurrent_dropout: float = Field(0.0, ge=0, lt=1)
    weight_drop: float = Field(0.0, ge=0, lt=1)
    zoneout: float = Field(0.0, ge=0, lt=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    embedding: int = Field(64, ge=1)
    readout: Literal["last", "mean", "max", "attention", "every"] = "last"
    window: int = Field(16, ge=1)
    highway: bool = False
    design: Literal["direct", "segments", "steps"] = "direct"
    attention: Literal["dot", "additive"] = "dot"
    input_feeding: bool = False
    tied: bool = False
    crf: bool = False
    front: Literal["conv"] | None = None

    @property
    def drops(self) -> str:
        """All that is dropped or smoothed in training, in words."""
        names = ("input_dropout", "word_dropout", "recurrent_dropout", "weight_drop", "zoneout", "label_smoothing")
        said = [f"{name.replace('_', ' ')} {value:g}" for name in names if (value := getattr(self, name))]
        return ", ".join([f"dropout {self.dropout:g}", *said])


class ModelConfig(Schema):
    """All that is needed to build a model and to read data as it was trained on.

    Attributes:
        source: the kinds of the ``--from`` side.
        target: the ``--to`` side.
        lookback: steps of history that a forecast reads; 0 where whole sequences are read.
        roles: columns by role (id, time).
        metric: the score that is shown first; empty for the usual one.
        input: the kind read from.
        output: the kind predicted.
        net: the network.
    """

    source: str
    target: str
    lookback: int = 0
    roles: dict[str, str] = Field(default_factory=dict)
    metric: str = ""
    input: Annotated[SeriesIn | TextIn | JoinedIn, Field(discriminator="kind")]
    output: Annotated[LabelOut | LabelsOut | NumberOut | TokenOut | TextOut, Field(discriminator="kind")]
    net: NetConfig
