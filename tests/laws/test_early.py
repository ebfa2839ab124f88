"""Answers so far: what is said after t steps is what would be said of the first t steps alone."""

from __future__ import annotations

import pytest
import torch

from elman.core import InputError, Ragged
from elman.core.check import compare
from elman.core.layers.readout import READOUTS, readout
from elman.model.config import ModelConfig, NetConfig
from elman.model.kinds.label import LabelOut
from elman.model.kinds.series import SeriesIn
from elman.model.network import SequenceModel

LENGTHS = [4, 0, 9, 1, 6]
SIZE = 5


def _rows(fill: float = torch.nan, scale: float = 1.0) -> Ragged:
    values = torch.randn(9, 5, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * scale
    mask = (torch.arange(9)[:, None] < torch.tensor(LENGTHS))[..., None]
    return Ragged(torch.where(mask, values, fill), LENGTHS)


@pytest.mark.parametrize("name", READOUTS)
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_a_readout_so_far_is_that_of_the_prefix(name: str, scale: float) -> None:
    torch.manual_seed(1)
    reader, rows = readout(name, SIZE).double(), _rows(scale=scale)
    if name == "attention":
        for weight in reader.parameters():
            weight.data.mul_(10)  # so that one step outweighs all others
    found = reader.so_far(rows)
    assert torch.equal(found.values[~rows.mask], torch.zeros_like(found.values[~rows.mask]))
    for row, length in enumerate(LENGTHS):
        for t in range(1, length + 1):
            alone = reader(Ragged(rows.values[:t, row : row + 1]))
            compare(f"row {row}, {t} steps", {"vector": found.values[t - 1, row]}, {"vector": alone[0]})
    empty = Ragged(torch.zeros(0, 2, SIZE, dtype=torch.float64))
    assert reader.so_far(empty).values.shape == (0, 2, SIZE)


def _model(**net: object) -> SequenceModel:
    torch.manual_seed(1)
    config = ModelConfig(
        source="series",
        target="label",
        input=SeriesIn(columns=list("abcde"), mean=[0.0] * SIZE, scale=[1.0] * SIZE),
        output=LabelOut(column="label", classes=["x", "y", "z"]),
        net=NetConfig.model_validate({"hidden": 4, **net}),
    )
    return SequenceModel(config).double().eval()


@pytest.mark.parametrize("name", READOUTS)
@pytest.mark.parametrize(
    "net", [{}, {"front": "conv"}, {"cell": "lstm", "layers": 2}, {"cell": "feedforward", "window": 3}]
)
def test_a_model_so_far_answers_as_of_the_prefix(name: str, net: dict[str, object]) -> None:
    model, rows = _model(readout=name, **net), _rows()
    found = model.answers_so_far(rows)
    for row, length in enumerate(LENGTHS):
        for t in range(1, length + 1):
            alone = model.answer(Ragged(rows.values[:t, row : row + 1]))
            compare(f"row {row}, {t} steps", {"logits": found[t - 1, row]}, {"logits": alone[0]})


@pytest.mark.parametrize(
    "net", [{"bidirectional": True}, {"bidirectional": True, "front": "conv"}, {"readout": "every"}]
)
def test_what_looks_ahead_says_nothing_before_the_end(net: dict[str, object]) -> None:
    with pytest.raises(InputError, match="says nothing of a sequence before its end"):
        _model(**net).answers_so_far(_rows())


def test_features_read_backwards_have_no_prefix() -> None:
    with pytest.raises(InputError, match="come from the end of a row"):
        readout("last", SIZE, both_ways=True).so_far(_rows())


def test_the_last_step_beside_convolution_is_that_of_each_way() -> None:
    model, rows = _model(bidirectional=True, front="conv", readout="last"), _rows()
    vector = model.readout(model.features(rows)[0])
    blocks, layers = model.trunk.stages[0].stages
    ahead, (convolved, recurrent) = [r - 1 for r in LENGTHS], (stage(rows)[0].values for stage in (blocks, layers))
    for row in (0, 2, 3, 4):
        expected = torch.cat([convolved[ahead[row], row], recurrent[ahead[row], row, :4], recurrent[0, row, 4:]])
        compare(f"row {row}", {"vector": vector[row]}, {"vector": expected})
