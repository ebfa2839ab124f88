"""A state that fades with the time that passed; the laws of time are tried on it in tests/laws."""

from __future__ import annotations

import math

import pytest
import torch

from elman.core import (
    Decay,
    GRUCell,
    InputError,
    LSTMCell,
    MinGRUCell,
    Ragged,
    VariationalDropout,
    WeightDrop,
    Zoneout,
    plan,
    unfold,
)


def test_the_state_is_multiplied_before_the_step() -> None:
    torch.manual_seed(0)
    cell, x, h = Decay(GRUCell(3, 4), [2, 0]), torch.randn(5, 2, 3), torch.randn(2, 4)
    with torch.no_grad():
        cell.bias_age.normal_()
    y, end = unfold(cell, Ragged(x), h)
    for t in range(5):
        rate = x[t][:, [2, 0]] @ cell.weight_age.T + cell.bias_age
        out, h = cell.cell(x[t], torch.exp(-rate.clamp(min=0)) * h)
        torch.testing.assert_close(y.values[t], out)
    torch.testing.assert_close(end, h)


def test_every_number_of_the_state_has_its_own_rate_and_masks_stay() -> None:
    assert Decay(LSTMCell(3, 4), [0]).weight_age.shape == (8, 1)
    assert Decay(LSTMCell(3, 6, proj_size=2), [0, 1]).weight_age.shape == (8, 2)
    cell = Decay(Zoneout(VariationalDropout(WeightDrop(GRUCell(3, 4), 0.5), 0.5), 0.1), [0]).train()
    assert cell.weight_age.shape == (4, 1)
    x = torch.rand(6, 2, 3) + 5
    _, state = unfold(cell, Ragged(x))
    mask = cell.initial_state(2, x)
    again = unfold(cell, Ragged(x), mask)[1]
    assert torch.equal(again.mask, mask.mask)
    assert torch.equal(again.state.mask.value, mask.state.mask.value)
    assert state.mask.unique().tolist() == [0.0, 2.0]


def test_nothing_fades_at_the_start_where_nothing_is_late() -> None:
    torch.manual_seed(0)
    cell = Decay(GRUCell(2, 8), [1], math.log(2.0))
    x = torch.randn(9, 3, 2)
    for late, same in ((math.log(2.0), True), (0.0, True), (math.log(5.0), False)):
        x[..., 1] = late
        made, plain = unfold(cell, Ragged(x))[0].values, unfold(cell.cell, Ragged(x))[0].values
        assert torch.allclose(made, plain, atol=1e-6) == same
    unfold(cell, Ragged(x))[0].values.square().sum().backward()
    assert cell.weight_age.grad is not None
    assert (cell.weight_age.grad != 0).all()


def test_a_linear_cell_stays_linear_and_the_plan_says_what_runs() -> None:
    told = plan(Decay(MinGRUCell(3, 4), [0]), steps=9, batch=2, input_size=3)
    assert told.entries[0].engine == "scan"
    gated = plan(Decay(GRUCell(3, 4), [0]), steps=9, batch=2, input_size=3).entries[0]
    assert gated.engine == "loop"
    assert "Decay" in gated.refused["native"]
    assert not Decay(Zoneout(MinGRUCell(3, 4), 0.1), [0]).linear
    deep = Decay(Decay(MinGRUCell(3, 4), [0]), [1])
    assert plan(deep, steps=9, batch=2, input_size=3).entries[0].engine == "scan"
    x = Ragged(torch.randn(20, 3, 3), [20, 0, 7])
    torch.testing.assert_close(unfold(deep, x)[0].values, unfold(deep, x, engine="loop")[0].values)


def test_without_a_place_it_is_refused() -> None:
    with pytest.raises(InputError, match="places: expected at least one number of the input"):
        Decay(GRUCell(3, 4), [])
