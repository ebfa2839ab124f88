"""Texts that a model writes of labels."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from elman.core.errors import InputError, nearest
from elman.data.hints import listed
from elman.model.kinds.events import EventsIn
from elman.model.kinds.joined import JoinedIn
from elman.model.network import SequenceModel
from elman.model.write import Draws, parts_of, write_all
from elman.training.predict import examples_of

__all__ = ["labels_of", "made_of"]


def labels_of(model: SequenceModel) -> list[str]:
    """The labels that a model of ``--from label`` has learnt.

    Raises:
        InputError: it reads something else.
    """
    kind = model.config.input
    if model.config.source != "label" or not isinstance(kind, JoinedIn) or not isinstance(kind.parts[0], EventsIn):
        raise InputError("this model writes no texts of labels; train one with --from label --to text.char")
    return kind.parts[0].vocabularies[0][1:]


def made_of(model: SequenceModel, labels: Sequence[str] | None, draws: Draws) -> pl.DataFrame:
    """Draw texts of labels.

    Args:
        model: of ``--from label --to text``.
        labels: what to write of; None for all that it knows.
        draws: how texts are drawn, and how many of each label.

    Returns:
        A polars frame of two columns, named as in training: the label and the text, a row a text.

    Raises:
        InputError: the model writes no texts of labels, or does not know one of them.
    """
    known = labels_of(model)
    chosen = known if labels is None else list(labels)
    for name in chosen:
        if name not in known:
            raise InputError(f"label '{name}' is none that training saw.{nearest(name, known)} Known: {listed(known)}")
    column, (_, _, out) = model.config.input.columns[0], parts_of(model)
    inputs = [
        model.config.input.encode(raw) for raw in examples_of(model, [{column: [name]} for name in chosen]).inputs
    ]
    found = write_all(model, inputs, draws)
    rows = [(name, out.decode(one.tokens)) for name, some in zip(chosen, found, strict=True) for one in some]
    text = out.column if out.column != column else f"{out.column}_written"
    return pl.DataFrame(rows, schema={column: pl.String, text: pl.String}, orient="row")
