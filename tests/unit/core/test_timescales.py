"""How long units keep what they hold: held against what they do."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import elman
from elman import InputError, LRUCell, MinGRUCell, MinLSTMCell, Ragged, Residual, Zoneout, timescales, unfold
from elman.core.timescales import in_words


def test_what_an_lru_holds_is_gone_to_a_part_in_e_after_that_many_steps_and_turned_once_a_period() -> None:
    torch.manual_seed(0)
    cell = LRUCell(2, 5, r_min=0.9, r_max=0.99).double()
    (found,) = timescales(Residual(cell))
    assert found.source == "eigenvalues"
    assert found.period is not None
    steps = 40
    with torch.no_grad():
        _, end = unfold(
            cell, Ragged(torch.zeros(steps, 1, 2).double()), torch.tensor([1.0, 0.0]).double().expand(1, 5, 2)
        )
    left = torch.view_as_complex(end)[0]
    assert torch.allclose(left.abs(), torch.exp(-steps / found.steps))
    turned = torch.polar(left.abs(), 2 * math.pi * steps / found.period)
    assert torch.allclose(left, turned)


@pytest.mark.parametrize("cell", [MinGRUCell, MinLSTMCell, elman.GRUCell, elman.LSTMCell])
def test_biases_spread_over_lengths_are_read_back(cell: Any) -> None:
    torch.manual_seed(0)
    made = cell(2, 400)
    elman.init.chrono_(made, 500)
    for model in (made, elman.Recurrent(Residual(cell(400, 400)))):
        elman.init.chrono_(model, 500)
        (found,) = timescales(model)
        assert found.source == "biases"
        assert found.period is None
        # -1/ln(1 - 1/s) is s - 1/2 to a part in 12 s, and s is uniform from 2 to 500.
        assert 1.4 < float(found.steps.min()) < 20
        assert 480 < float(found.steps.max()) < 500
        assert float(found.steps.mean()) == pytest.approx(250, rel=0.1)


@pytest.mark.parametrize("cell", [MinGRUCell, MinLSTMCell, elman.GRUCell, elman.LSTMCell, LRUCell])
def test_layers_of_models_are_told_apart(cell: Any) -> None:
    net = elman.Stack.of([cell(2, 3), Residual(cell(3, 3))])
    assert [one.name for one in timescales(net)] == ["stages.0", "stages.1"]
    assert all(one.steps.shape == (3,) and bool((one.steps > 0).all()) for one in timescales(net))


def test_layers_of_torchs_form_are_read_too() -> None:
    layer = elman.LSTM(2, 3, bidirectional=True)
    elman.init.forget_bias_(layer, 2.0)
    found = timescales(layer)
    assert [one.name for one in found] == ["l0", "l0_reverse"]
    assert float(found[1].steps[0]) == pytest.approx(-1 / math.log(1 / (1 + math.exp(-2))), rel=1e-6)


@pytest.mark.parametrize("cell", [MinGRUCell, MinLSTMCell])
def test_by_data_a_product_of_what_was_kept_is_what_is_left(cell: Any) -> None:
    torch.manual_seed(0)
    made = cell(2, 4).double()
    x = torch.randn(30, 2, 2, dtype=torch.float64)
    (found,) = timescales(made, Ragged(x, [30, 12]))
    assert found.source == "data"
    kept = [made.project(x[:length, row : row + 1])[0] for row, length in enumerate((30, 12))]
    left = torch.cat(kept).prod(0)[0]
    assert torch.allclose(torch.exp(-42 / found.steps), left)


def test_by_data_of_gates_that_know_the_state() -> None:
    cell, x = elman.GRUCell(2, 3).double(), torch.randn(5, 1, 2, dtype=torch.float64)
    gates: Tensor = unfold(cell, Ragged(x), record=True)[2].gates["z"]
    (found,) = timescales(cell, Ragged(x))
    assert torch.allclose(-1 / found.steps, gates.detach().log().mean((0, 1)))


def test_words() -> None:
    cell = LRUCell(1, 3)
    with torch.no_grad():
        cell.nu.copy_(-torch.tensor([2.0, 18.0, 3400.0]).log())
        cell.theta.copy_((2 * math.pi / torch.tensor([6.0, 7.0, 1e9])).log())
    assert str(timescales(cell)[0]) == (
        "keeps for 2 to 3,400 steps (median 18), turns once in 6 to over a million steps (median 7)"
    )
    gated = MinGRUCell(1, 2, bias=False)
    assert in_words(timescales(gated)) == "keeps for 1.4 to 1.4 steps (median 1.4), by its biases"


def test_what_does_not_say_is_refused() -> None:
    for model, ragged, why in (
        (elman.ElmanCell(2, 3), None, "ElmanCell has no gate or eigenvalue"),
        (elman.RNN(2, 3), None, "RNN holds no layer with gates or eigenvalues"),
        (Zoneout(MinGRUCell(2, 3), 0.1), None, "Zoneout keeps by chance"),
        (elman.Recurrent(MinGRUCell(2, 3)), Ragged(torch.zeros(1, 1, 2)), "ragged: is for one cell"),
    ):
        with pytest.raises(InputError, match=why):
            timescales(model, ragged)
