"""bind and settle: views of cells that read other tensors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import orthogonal, weight_norm

from elman.core import ElmanCell, GRUCell, InputError, LayerNorm, LSTMCell, Ragged, Residual, unfold
from elman.core.cells.base import settle
from elman.core.check import compare

X = Ragged(torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("engine", ["loop", "vendor"])
@pytest.mark.parametrize("make", [ElmanCell, LSTMCell, GRUCell])
def test_gradients_flow_to_the_given_tensors(make: Any, engine: str) -> None:
    cell, other = make(3, 4), make(3, 4)
    given = {name: value.detach().clone().requires_grad_() for name, value in other.named_parameters()}
    view = cell.bind(given)
    y, _ = unfold(view, X, engine=engine)
    compare("bind", {"y": y.values}, {"y": unfold(other, X)[0].values})
    y.values.sum().backward()
    assert all(tensor.grad is not None and tensor.grad.abs().max() > 0 for tensor in given.values())
    assert all(weight.grad is None for weight in cell.parameters())


def test_the_original_is_untouched() -> None:
    cell = LSTMCell(3, 4, proj_size=2)
    before, weights = unfold(cell, X)[0].values, dict(cell.named_parameters())
    view = cell.bind({"weight_hh": torch.zeros_like(cell.weight_hh), "bias_ih": None, "bias_hh": None})
    assert isinstance(view, LSTMCell)
    assert not torch.equal(unfold(view, X)[0].values, before)
    assert torch.equal(unfold(cell, X)[0].values, before)
    assert all(weight is weights[name] for name, weight in cell.named_parameters())
    assert [name for name, _ in view.named_parameters()] == ["weight_ih", "weight_hr"]


def test_a_view_shares_what_is_not_replaced() -> None:
    cell = GRUCell(3, 4)
    view = cell.bind({"weight_hh": torch.zeros(12, 4)})
    with torch.no_grad():
        cell.weight_ih.add_(1.0)
    assert view.weight_ih is cell.weight_ih
    again = view.bind({"weight_hh": torch.ones(12, 4)})
    assert float(again.weight_hh.min()) == 1.0
    assert float(view.weight_hh.max()) == 0.0


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match=r"GRUCell has no 'weight_hr'\. Known: weight_ih, "):
        GRUCell(3, 4).bind({"weight_hr": torch.zeros(1)})


def test_a_parametrised_weight_may_be_replaced() -> None:
    cell = orthogonal(weight_norm(GRUCell(3, 4), "weight_ih"), "weight_hh")
    given = torch.randn(12, 4, requires_grad=True)
    view = cell.bind({"weight_hh": given})
    assert type(view) is GRUCell
    unfold(view, X)[0].values.sum().backward()
    assert given.grad is not None
    assert all(weight.grad is None for weight in cell.parametrizations.weight_hh.parameters())
    assert all(weight.grad is not None for weight in cell.parametrizations.weight_ih.parameters())


class Counting(nn.Module):
    """Twice the weight; counts how often it is asked."""

    calls = 0

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return 2 * weight


def test_a_parametrised_weight_is_computed_once_an_unfold() -> None:
    cell = Residual(LayerNorm(GRUCell(3, 3)))
    inner, counting = cell.cell.cell, Counting()
    parametrize.register_parametrization(inner, "weight_hh", counting)
    asked = counting.calls
    unfold(cell, X, engine="loop")
    assert counting.calls == asked + 1


def test_settle_leaves_plain_modules_alone_and_views_the_rest() -> None:
    plain = Residual(GRUCell(3, 3))
    assert settle(plain) is plain
    parametrised = Residual(weight_norm(GRUCell(3, 3), "weight_hh"))
    view = settle(parametrised)
    assert type(view.cell) is GRUCell
    assert type(view) is Residual
    assert view.cell.weight_ih is parametrised.cell.weight_ih
    assert not parametrize.is_parametrized(view.cell)
    assert parametrize.is_parametrized(parametrised.cell)
    compare("settle", {"y": unfold(view, X)[0].values}, {"y": unfold(parametrised, X)[0].values})
