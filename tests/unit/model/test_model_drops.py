"""What is dropped or smoothed in training: where it stands in a network, that it acts there, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from elman import Bidirectional, LockedDropout, Recurrent, WordDropout, plan
from elman.core.cells.wrap import describe
from elman.core.errors import InputError
from elman.model.config import NetConfig
from elman.model.kinds.label import LabelHead, LabelOut
from elman.model.kinds.text import TokenHead
from elman.model.network import SequenceModel
from elman.native_info import describe as native

Make = Callable[..., Any]
RECURRENT = ("recurrent_dropout", "weight_drop", "zoneout")


def _cells(model: SequenceModel) -> list[str]:
    stages = [part for part in model.trunk.modules() if isinstance(part, Recurrent)]
    return [describe(stage.cell) for stage in stages]


@pytest.mark.parametrize("name", ["input_dropout", *RECURRENT, "label_smoothing", "word_dropout"])
@pytest.mark.parametrize("pair", ["text-label", "series-label", "text-next"])
def test_each_is_active_in_training_and_off_in_evaluation(pair: str, name: str, make: Make) -> None:
    if name == "word_dropout" and pair.startswith("series"):
        return
    small = make(pair)
    plain, model, batch = small.model(), small.model(**{name: 0.4}), small.batch()
    model.load_state_dict(dict(zip(model.state_dict(), plain.state_dict().values(), strict=True)))

    def loss(net: SequenceModel) -> torch.Tensor:
        torch.manual_seed(1)
        with torch.no_grad():
            return net(batch.ragged, batch.target, batch.score)[0]

    if name == "zoneout":
        # Its evaluation is the mean of its training, not the cell without it.
        assert torch.equal(loss(model), loss(model))
    else:
        torch.testing.assert_close(loss(model), loss(plain), rtol=1e-5, atol=1e-6)
    still = loss(model)
    assert not torch.allclose(loss(model.train()), still, atol=1e-3)
    torch.testing.assert_close(loss(plain.train()), loss(plain.eval()), rtol=1e-5, atol=1e-6)


def test_each_stands_where_it_is_said_to(make: Make) -> None:
    model = make("text-label").model(
        layers=2,
        dropout=0.5,
        input_dropout=0.2,
        word_dropout=0.1,
        weight_drop=0.3,
        recurrent_dropout=0.25,
        zoneout=0.15,
    )
    words, first, _, between, _ = model.trunk.stages
    assert isinstance(words, WordDropout)
    assert isinstance(first, LockedDropout)
    assert isinstance(between, LockedDropout)
    assert (words.p, first.p, between.p, model.dropout.p) == (0.1, 0.2, 0.5, 0.5)
    inside = "Zoneout(VariationalDropout(WeightDrop(GRUCell({}, 6), p=0.3), p=0.25), p=0.15)"
    assert _cells(model) == [inside.format(5), f"Residual({inside.format(6)})"]


def test_both_directions_are_regularised(make: Make) -> None:
    model = make("series-label", both=True).model(weight_drop=0.3)
    assert isinstance(model.trunk.stages[0], Bidirectional)
    assert _cells(model) == ["WeightDrop(GRUCell(2, 6), p=0.3)"] * 2


def test_words_are_dropped_as_the_rest_unless_said_otherwise(make: Make) -> None:
    assert make("text-label").model(dropout=0.4).trunk.stages[1].p == 0.4
    assert make("text-label").model(dropout=0.4, input_dropout=0.0).trunk.stages[1].p == 0.0
    assert not isinstance(make("series-label").model(dropout=0.4).trunk.stages[0], LockedDropout)
    assert make("series-label").model(input_dropout=0.4).trunk.stages[0].p == 0.4


def test_weight_drop_alone_runs_on_compiled_kernels(make: Make) -> None:
    model = make("series-label").model(weight_drop=0.3).train()
    expected = "native" if native()["native"] == "yes" else "vendor"
    assert plan(model, steps=5, batch=3, input_size=2).entries[0].engine == expected
    assert plan(make("series-label").model(zoneout=0.3), steps=5, batch=3, input_size=2).entries[0].engine == "loop"


@pytest.mark.parametrize("name", RECURRENT)
def test_a_net_without_recurrent_units_refuses(name: str, make: Make) -> None:
    with pytest.raises(InputError, match="no recurrent units"):
        make("series-label", "feedforward").model(**{name: 0.2})


def test_a_cell_that_is_not_gated_is_refused_by_name(make: Make) -> None:
    from elman import Cell

    class Mine(Cell):
        def __init__(self, input_size: int, hidden_size: int) -> None:
            super().__init__()
            self.into = torch.nn.Linear(input_size, hidden_size)

        def initial_state(self, batch: int, like: torch.Tensor) -> torch.Tensor:
            return like.new_zeros(batch, self.into.out_features)

        def step(self, p: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            state = torch.tanh(self.into(p) + state)
            return state, state

    for name in ("weight_drop", "recurrent_dropout"):
        config = make("series-label", "mine").config(**{name: 0.2})
        with pytest.raises(
            InputError, match=f"{name}: needs a gated cell .* 'mine' is Mine; leave it out, or use zoneo"
        ):
            SequenceModel(config, {"mine": Mine})
    assert SequenceModel(make("series-label", "mine").config(zoneout=0.2), {"mine": Mine})


@pytest.mark.parametrize("head", ["label", "token"])
def test_smoothed_labels_are_those_of_the_equation(head: str) -> None:
    torch.manual_seed(0)
    made = (
        LabelHead(3, LabelOut(column="y", classes=["a", "b", "c", "d"]), 0.2)
        if head == "label"
        else TokenHead(3, 4, 0.2)
    )
    logits, target = torch.randn(6, 4), torch.arange(6) % 4
    logs = torch.log_softmax(logits, -1)
    plain = -logs[torch.arange(6), target]
    torch.testing.assert_close(made.train().loss(logits, target), 0.8 * plain - 0.2 * logs.mean(-1))
    torch.testing.assert_close(made.eval().loss(logits, target), plain)
    # In expectation: the loss of a target that is, with chance 0.2, drawn anew from all classes.
    drawn = torch.stack([-logs[:, k] for k in range(4)]).mean(0)
    torch.testing.assert_close(made.train().loss(logits, target), 0.8 * plain + 0.2 * drawn)


def test_what_acts_is_said_in_words() -> None:
    assert NetConfig().drops == "dropout 0"
    said = NetConfig(dropout=0.5, zoneout=0.1, weight_drop=0.25, input_dropout=0.0).drops
    assert said == "dropout 0.5, weight drop 0.25, zoneout 0.1"
