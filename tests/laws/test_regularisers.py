"""Law 10: what regularises acts in training, not in evaluation; a parametrised weight gets its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from engines_here import HERE
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import orthogonal, weight_norm

from elman.core import (
    GRU,
    LSTM,
    RNN,
    Cell,
    ElmanCell,
    GRUCell,
    LockedDropout,
    LSTMCell,
    Ragged,
    Recurrent,
    VariationalDropout,
    WeightDrop,
    Zoneout,
    checkpoint,
    unfold,
)
from elman.core.check import compare
from elman.core.engines.memory import Memory
from elman.core.state import Shared

CELLS = (ElmanCell, LSTMCell, GRUCell)
Run = Callable[[Tensor], Tensor]


def _recurrent(cell: Cell) -> tuple[nn.Module, Run]:
    stage = Recurrent(cell)
    return stage, lambda x: stage(Ragged(x))[0].values


def _regularised(name: str, p: float) -> tuple[nn.Module, Run]:
    kind, _, inside = name.partition("_")
    if kind == "LockedDropout":
        dropped = LockedDropout(p)
        return dropped, lambda x: dropped(Ragged(x))[0].values
    if kind == "dropin":
        layers = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}[inside](5, 6, num_layers=2, dropout=p)
        return layers, lambda x: layers(x)[0]
    wrapper: Any = {"VariationalDropout": VariationalDropout, "WeightDrop": WeightDrop, "Zoneout": Zoneout}[kind]
    return _recurrent(wrapper({"Elman": ElmanCell, "LSTM": LSTMCell, "GRU": GRUCell}[inside](5, 6), p))


REGULARISED = [
    "LockedDropout",
    *(f"dropin_{name}" for name in ("RNN", "LSTM", "GRU")),
    *(
        f"{kind}_{cell}"
        for kind in ("VariationalDropout", "WeightDrop", "Zoneout")
        for cell in ("Elman", "LSTM", "GRU")
    ),
]


@pytest.mark.parametrize("name", REGULARISED)
def test_acts_in_training_and_not_in_evaluation(name: str) -> None:
    module, run = _regularised(name, 0.4)
    x = torch.randn(8, 3, 5)

    def under(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return run(x).detach()

    module.train()
    one, two = under(1), under(2)
    assert not torch.allclose(one, two, atol=1e-3)
    assert torch.equal(under(1), one)
    module.eval()
    assert torch.equal(under(1), under(2))
    assert not torch.allclose(under(1), one, atol=1e-3)


@pytest.mark.parametrize("name", REGULARISED)
def test_rate_zero_does_nothing(name: str) -> None:
    module, run = _regularised(name, 0.0)
    x = torch.randn(8, 3, 5)
    assert torch.equal(module.train() and run(x), module.eval() and run(x))


def test_zoneout_keeps_the_share_it_names() -> None:
    cell = Zoneout(LSTMCell(4, 50), 0.3).train()
    _, _, kept = unfold(cell, Ragged(torch.randn(30, 4, 4)), record=True)
    for states in kept.states:
        stayed = (states[1:] == states[:-1]).float()
        assert float(stayed.mean()) == pytest.approx(0.3, abs=0.03)
        assert 0.5 < float(stayed.mean((0, 1)).max() / 0.3) < 2.0


def test_zoneout_in_evaluation_is_the_mean() -> None:
    inner = GRUCell(4, 6)
    state, x = torch.randn(3, 6), torch.randn(1, 3, 4)
    fresh, _ = unfold(inner, Ragged(x), state)
    mixed, end = unfold(Zoneout(inner, 0.3).eval(), Ragged(x), state)
    expected = 0.3 * state + 0.7 * fresh.values[0]
    compare("zoneout", {"y": mixed.values[0], "h": end}, {"y": expected, "h": expected})


def test_variational_dropout_drops_the_same_units_all_along() -> None:
    cell = VariationalDropout(GRUCell(4, 200), 0.25).train()
    x = Ragged(torch.randn(3, 2, 4))
    _, state = unfold(cell, x)
    mask = state.mask
    assert mask.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert float((mask == 0).float().mean()) == pytest.approx(0.25, abs=0.06)
    assert not torch.equal(mask[0], mask[1])
    assert torch.equal(unfold(cell, x, state)[1].mask, mask)


def test_weight_drop_is_the_cell_with_fewer_weights() -> None:
    inner = LSTMCell(4, 30)
    cell, x = WeightDrop(inner, 0.25).train(), Ragged(torch.randn(3, 2, 4))
    y, state = unfold(cell, x)
    assert isinstance(state.mask, Shared)
    mask = state.mask.value
    assert float((mask == 0).float().mean()) == pytest.approx(0.25, abs=0.03)
    dropped = inner.bind({"weight_hh": inner.weight_hh * mask})
    compare("weight drop", {"y": y.values}, {"y": unfold(dropped, x)[0].values})
    y.values.sum().backward()
    assert torch.equal(inner.weight_hh.grad == 0, mask == 0)


def test_locked_dropout_drops_the_same_inputs_all_along() -> None:
    stage = LockedDropout(0.25).train()
    outputs, mask = stage(Ragged(torch.ones(6, 3, 100)))
    assert torch.equal(outputs.values, mask.expand(6, 3, 100))
    assert float((mask == 0).float().mean()) == pytest.approx(0.25, abs=0.08)
    assert mask.unique().tolist() == [0.0, pytest.approx(4 / 3)]


# Parametrised weights ------------------------------------------------------------------------------------

PARAMETRISED = {"weight_norm": weight_norm, "orthogonal": orthogonal}
MEMORIES: tuple[Memory, ...] = ("keep", checkpoint(3))


def _loss(cell: Cell, x: Tensor, engine: str, memory: Memory) -> Tensor:
    torch.manual_seed(4)
    return unfold(cell, Ragged(x, [7, 0, 4]), engine=engine, memory=memory)[0].values.square().sum()


@pytest.mark.parametrize("memory", MEMORIES, ids=str)
@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize("kind", PARAMETRISED)
@pytest.mark.parametrize("make", CELLS)
def test_parametrised_cell_equals_the_plain_one(make: type[Cell], kind: str, engine: str, memory: Memory) -> None:
    torch.manual_seed(0)
    cell = make(5, 6).double()  # type: ignore[call-arg]
    PARAMETRISED[kind](cell, "weight_hh")
    x = torch.randn(7, 3, 5, dtype=torch.float64)
    weight = cell.weight_hh.detach().requires_grad_()
    plain = make(5, 6).double()  # type: ignore[call-arg]
    for name in ("weight_ih", "bias_ih", "bias_hh"):
        setattr(plain, name, getattr(cell, name))
    plain.weight_hh = nn.Parameter(weight)
    loss, expected = _loss(cell, x, engine, memory), _loss(plain, x, "loop", "keep")
    originals = list(cell.parametrizations.weight_hh.parameters())
    grads = torch.autograd.grad(loss, originals)
    (outer,) = torch.autograd.grad(expected, plain.weight_hh)
    through = torch.autograd.grad(cell.weight_hh, originals, outer)
    compare("loss", {"loss": loss.detach()}, {"loss": expected.detach()})
    for got, want in zip(grads, through, strict=True):
        assert float(want.abs().max()) > 1e-4
        compare("gradient", {"g": got}, {"g": want})


@pytest.mark.parametrize("engine", HERE)
def test_parametrised_and_dropped_together(engine: str) -> None:
    cell = weight_norm(weight_norm(GRUCell(5, 6).double(), "weight_hh"), "weight_ih")
    dropped = WeightDrop(cell, 0.4).train()
    x = torch.randn(7, 3, 5, dtype=torch.float64)
    found = [
        torch.autograd.grad(_loss(dropped, x, kind, memory), list(dropped.parameters()))
        for kind, memory in (("loop", "keep"), (engine, "keep"), (engine, checkpoint(2)))
    ]
    for grads in found[1:]:
        for got, want in zip(grads, found[0], strict=True):
            compare("weight drop", {"gradient": got}, {"gradient": want})
    assert all(float(grad.abs().max()) > 0 for grad in found[0])


@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize("kind", PARAMETRISED)
@pytest.mark.parametrize("make", [RNN, LSTM, GRU])
def test_parametrised_layer_learns(make: Any, kind: str, engine: str) -> None:
    torch.manual_seed(0)
    layer = make(5, 6, num_layers=2)
    PARAMETRISED[kind](layer, "weight_hh_l0")
    assert parametrize.is_parametrized(layer, "weight_hh_l0")
    x, before = torch.randn(7, 3, 5), layer.weight_hh_l0.detach().clone()
    aim = torch.randn(7, 3, 6).tanh()
    optimiser = torch.optim.SGD(layer.parametrizations.parameters(), lr=0.1)
    losses = []
    for _ in range(10):
        optimiser.zero_grad()
        loss = (layer(x, engine=engine)[0] - aim).square().mean()
        loss.backward()
        assert all(weight.grad.abs().max() > 0 for weight in layer.parametrizations.parameters())
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert not torch.allclose(layer.weight_hh_l0, before, atol=1e-4)


@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize("make", CELLS)
def test_ten_steps_change_a_parametrised_cell(make: Any, engine: str) -> None:
    torch.manual_seed(0)
    cell = orthogonal(make(5, 6), "weight_hh")
    before, x = cell.weight_hh.detach().clone(), torch.randn(7, 3, 5)
    optimiser = torch.optim.Adam(cell.parameters(), lr=0.05)
    losses = [float(_descend(cell, x, engine, optimiser)) for _ in range(10)]
    assert losses[-1] < losses[0]
    assert not torch.allclose(cell.weight_hh, before, atol=1e-2)
    gates = cell.weight_hh.detach()
    compare("orthogonal", {"product": gates.T @ gates}, {"product": torch.eye(6)})


def _descend(cell: Cell, x: Tensor, engine: str, optimiser: torch.optim.Optimizer) -> Tensor:
    optimiser.zero_grad()
    loss = _loss(cell, x, engine, "keep")
    loss.backward()
    optimiser.step()
    return loss.detach()
