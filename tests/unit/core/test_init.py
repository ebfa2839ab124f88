"""Ways to start weights: what they make, where they find it, what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal
from torch.nn.utils.parametrize import register_parametrization

from elman.core import (
    GRU,
    LSTM,
    RNN,
    ElmanCell,
    GRUCell,
    InputError,
    LinearCell,
    LRUCell,
    LSTMCell,
    MinGRUCell,
    MinLSTMCell,
    Recurrent,
    Residual,
    Stack,
    Zoneout,
    init,
)

SIZES = {"elman": 1, "lstm": 4, "gru": 3}


def _models(kind: str, size: int = 16) -> Iterator[tuple[nn.Module, str]]:
    """A cell, a wrapped one in a stack, elman's layer and torch's, with the suffix of their weights."""
    cell: Any = {"elman": ElmanCell, "lstm": LSTMCell, "gru": GRUCell}[kind]
    ours: Any = {"elman": RNN, "lstm": LSTM, "gru": GRU}[kind]
    theirs: Any = {"elman": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[kind]
    yield cell(5, size), ""
    yield Stack([Recurrent(Residual(Zoneout(cell(size, size), 0.1)))]), ""
    yield ours(5, size, num_layers=2, bidirectional=True), "_l1_reverse"
    yield nn.Sequential(theirs(5, size)), "_l0"


def _tensor(model: nn.Module, name: str) -> Tensor:
    return next(value for key, value in model.named_parameters() if key.rpartition(".")[2] == name)


@pytest.mark.parametrize("kind", SIZES)
def test_orthogonal(kind: str) -> None:
    for model, suffix in _models(kind):
        before = _tensor(model, f"weight_ih{suffix}").clone()
        init.orthogonal_(model)
        for gate in _tensor(model, f"weight_hh{suffix}").chunk(SIZES[kind]):
            assert torch.allclose(gate @ gate.T, torch.eye(16), atol=1e-5)
        assert torch.equal(_tensor(model, f"weight_ih{suffix}"), before)


def test_orthogonal_of_a_projection_has_orthonormal_columns() -> None:
    cell = LSTMCell(5, 16, proj_size=6)
    init.orthogonal_(cell)
    for gate in cell.weight_hh.chunk(4):
        assert torch.allclose(gate.T @ gate, torch.eye(6), atol=1e-5)


def test_identity() -> None:
    for model, suffix in _models("elman"):
        init.identity_(model, 0.5)
        assert torch.equal(_tensor(model, f"weight_hh{suffix}"), 0.5 * torch.eye(16))
        for bias in ("bias_ih", "bias_hh"):
            assert torch.equal(_tensor(model, bias + suffix), torch.zeros(16))
    plain = ElmanCell(5, 16, bias=False)
    init.identity_(plain)
    assert torch.equal(plain.weight_hh, torch.eye(16))


def test_forget_bias() -> None:
    for model, suffix in _models("lstm"):
        before = _tensor(model, f"bias_ih{suffix}").clone()
        init.forget_bias_(model, 2.0)
        total = _tensor(model, f"bias_ih{suffix}") + _tensor(model, f"bias_hh{suffix}")
        assert torch.equal(total[16:32], torch.full((16,), 2.0))
        assert torch.equal(_tensor(model, f"bias_ih{suffix}")[:16], before[:16])
        assert torch.equal(_tensor(model, f"bias_ih{suffix}")[32:], before[32:])


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_chrono_spreads_the_memory_evenly(kind: str) -> None:
    for model, suffix in _models(kind, 700):
        torch.manual_seed(0)
        init.chrono_(model, 50)
        gates = (_tensor(model, f"bias_ih{suffix}") + _tensor(model, f"bias_hh{suffix}")).detach().chunk(SIZES[kind])
        steps = gates[1].exp()  # f of an LSTM, z of a GRU
        assert 1.0 <= float(steps.min()) < 1.5
        assert 48.5 < float(steps.max()) <= 49.0 + 1e-3
        assert float(steps.mean()) == pytest.approx(25.0, abs=2.5)
        assert float(steps.std()) == pytest.approx(48 / 12**0.5, abs=1.2)
        if kind == "lstm":
            assert torch.equal(gates[0], -gates[1])


class Nameless(LinearCell):
    """A cell of one's own that says nothing of what it keeps."""

    GATES = ("z",)

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        (z,) = self.gates(x)
        return torch.sigmoid(z), x.sum(-1, keepdim=True).expand_as(z)


class Half(nn.Module):
    """A parametrisation."""

    def forward(self, x: Tensor) -> Tensor:
        return x / 2


def _halved(module: nn.Module, name: str) -> nn.Module:
    return register_parametrization(module, name, Half())


NOTHING_DONE: list[tuple[Any, Any]] = [
    (lambda m: init.chrono_(m, 10), lambda: [MinGRUCell(2, 3), ElmanCell(2, 3)]),
    (lambda m: init.chrono_(m, 10), lambda: [LRUCell(2, 3), MinLSTMCell(2, 3, bias=False)]),
    (lambda m: init.chrono_(m, 10), lambda: [LSTMCell(2, 3), GRUCell(2, 3, bias=False)]),
    (lambda m: init.chrono_(m, 10), lambda: [MinGRUCell(2, 3), nn.GRU(2, 3, bias=False)]),
    (lambda m: init.chrono_(m, 10), lambda: [GRUCell(2, 3), _halved(MinGRUCell(2, 3), "bias_ih")]),
    (init.forget_bias_, lambda: [LSTMCell(2, 3), LSTMCell(2, 3, bias=False)]),
    (init.forget_bias_, lambda: [LSTMCell(2, 3), GRUCell(2, 3)]),
    (init.identity_, lambda: [ElmanCell(2, 3), GRUCell(2, 3)]),
    (init.orthogonal_, lambda: [GRUCell(2, 3), orthogonal(GRUCell(2, 3), "weight_hh")]),
]


@pytest.mark.parametrize(("start", "parts"), NOTHING_DONE)
def test_what_is_refused_is_left_as_it_was(start: Any, parts: Any) -> None:
    model = nn.ModuleList(parts())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InputError):
        start(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


REFUSED: list[tuple[Any, str]] = [
    (lambda: init.orthogonal_(nn.Linear(2, 2)), "Linear holds no Elman, LSTM or GRU cell to initialise"),
    (lambda: init.identity_(GRUCell(2, 3)), "identity_ is for Elman cells"),
    (lambda: init.identity_(nn.LSTM(2, 3)), "identity_ is for Elman cells"),
    (lambda: init.forget_bias_(GRUCell(2, 3)), "forget_bias_ is for LSTM"),
    (lambda: init.forget_bias_(LSTMCell(2, 3, bias=False)), r"no bias \(bias=False\)"),
    (lambda: init.forget_bias_(nn.LSTM(2, 3, bias=False)), r"no bias \(bias=False\)"),
    (lambda: init.chrono_(GRUCell(2, 3, bias=False), 10), r"no bias \(bias=False\)"),
    (lambda: init.chrono_(ElmanCell(2, 3), 10), "an Elman cell has no gate that keeps"),
    (lambda: init.chrono_(GRUCell(2, 3), 2), "longest: expected at least 3 steps, got 2"),
    (lambda: init.chrono_(MinGRUCell(2, 3, bias=False), 10), r"no bias \(bias=False\)"),
    (lambda: init.chrono_(Nameless(2, 3), 10), "does not say which of its gates keep; name them in Nameless.KEEPING"),
    (lambda: init.chrono_(_halved(MinGRUCell(2, 3), "bias_ih"), 10), "MinGRUCell is parametrised already"),
    (lambda: init.chrono_(_halved(LRUCell(2, 3), "nu"), 10), "LRUCell is parametrised already"),
    (lambda: init.orthogonal_(orthogonal(GRUCell(2, 3), "weight_hh")), "GRUCell is parametrised already"),
    (lambda: init.orthogonal_(orthogonal(nn.GRU(2, 3), "weight_hh_l0")), "GRU is parametrised already"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refuses(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
