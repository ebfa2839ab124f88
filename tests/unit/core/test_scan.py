"""Cells that are linear in their state, and the scan that computes all their steps at once."""

from __future__ import annotations

import math
import warnings
from io import BytesIO

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import elman
from elman import InputError, LinearCell, LRUCell, MinGRUCell, MinLSTMCell, Ragged, unfold
from elman.core import init
from elman.core.engines import scan as module
from elman.core.engines.scan import linear_scan
from elman.core.errors import EngineError

CELLS = (MinGRUCell, MinLSTMCell, LRUCell)
GATED = (MinGRUCell, MinLSTMCell)


def _by_hand(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    rows = []
    for one, other in zip(a, b, strict=True):
        start = one * start + other
        rows.append(start)
    return torch.stack(rows)


def _numbers(
    steps: int, *shape: int, seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    a, b = (torch.rand(steps, *shape, dtype=dtype, generator=draw) * 1.9 - 0.9 for _ in range(2))
    # Complex numbers are kept in the unit circle too, which the corner of the square is not.
    return (a * 0.7 if dtype.is_complex else a), b, torch.rand(*shape, dtype=dtype, generator=draw)


@pytest.fixture(params=[True, False], ids=["native", "torch"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param and not module.BUILT:
        pytest.skip("the native core is not built here")
    monkeypatch.setattr(module, "BUILT", request.param)
    return bool(request.param)


@pytest.mark.parametrize("steps", [1, 2, 15, 16, 17, 50, 257])
@pytest.mark.parametrize("shape", [(1,), (3, 2), (1, 1030), (0, 4)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_a_scan_is_one_step_after_the_other(way: bool, steps: int, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    given = [part.requires_grad_() for part in _numbers(steps, *shape, dtype=dtype)]
    weight = torch.rand(steps, *shape, dtype=dtype)
    sides = []
    for scan in (linear_scan, _by_hand):
        h = scan(*given)
        sides.append([h, *torch.autograd.grad((h * weight).sum().abs(), given)])
    for own, other in zip(*sides, strict=True):
        assert torch.allclose(own, other, rtol=1e-10, atol=1e-12)


@given(st.integers(1, 40), st.integers(0, 10**6))
def test_blocks_of_any_length_give_what_steps_give(steps: int, seed: int) -> None:
    a, b, start = _numbers(steps, 2, seed=seed)
    assert torch.allclose(module._blocks(a, b, start), _by_hand(a, b, start), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_there_are_second_derivatives(way: bool, dtype: torch.dtype) -> None:
    given = [part.requires_grad_() for part in _numbers(20, 2, dtype=dtype)]
    assert torch.autograd.gradcheck(linear_scan, given)
    assert torch.autograd.gradgradcheck(linear_scan, given)


@pytest.mark.parametrize(("dtype", "apart"), [(torch.float64, 1e-10), (torch.float32, 3e-5)])
@pytest.mark.parametrize("cell", CELLS)
def test_a_hundred_thousand_steps_are_those_of_the_loop(
    cell: type[LinearCell], dtype: torch.dtype, apart: float
) -> None:
    torch.manual_seed(0)
    made = cell(2, 3).to(dtype)
    init.chrono_(made, 10_000)
    x = torch.randn(100_000, 2, 2, dtype=dtype)
    sides = []
    for engine in ("scan", "loop"):
        if engine == "loop":
            with torch.no_grad():
                y, state = unfold(made, Ragged(x, [100_000, 70_001]), engine=engine)
        else:
            y, state = unfold(made, Ragged(x, [100_000, 70_001]), engine=engine)
            y.values.mean().backward()
        sides.append((y.values.detach(), state.detach()))
    for own, other in zip(*sides, strict=True):
        # As the laws measure it: beside the largest.
        assert float((own - other).abs().max()) <= apart * max(1, float(other.abs().max()))
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in made.parameters())


@pytest.mark.parametrize("cell", CELLS)
def test_no_step_needs_a_loop_and_auto_takes_the_scan(cell: type[LinearCell]) -> None:
    (entry,) = elman.plan(elman.Recurrent(cell(3, 4)), steps=9, batch=2).entries
    assert entry.engine == "scan"
    assert "linear" in elman.plan(elman.Recurrent(elman.GRUCell(3, 4)), steps=9, batch=2).entries[0].refused["scan"]


def test_what_is_not_linear_is_refused() -> None:
    class Own(MinGRUCell):
        def step(self, p: tuple[Tensor, Tensor], state: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.tanh(p[0] * state + p[1])
            return h, h

    x = Ragged(torch.randn(4, 2, 3))
    for cell, why in ((Own(3, 4), "a step of its own"), (elman.GRUCell(3, 4), "linear in their state")):
        with pytest.raises(EngineError, match=why):
            unfold(cell, x, engine="scan")
        unfold(cell, x)


@pytest.mark.parametrize("cell", GATED)
def test_units_begin_with_memories_of_all_lengths(cell: type[LinearCell]) -> None:
    torch.manual_seed(0)
    made = cell(2, 500)
    init.chrono_(made, 1_000)
    with torch.no_grad():
        made.weight_ih.zero_()
        kept, _ = made.project(torch.zeros(1, 1, 2))
    # A unit that keeps a of its state forgets over 1 / (1 - a) steps: uniformly between 2 and 1,000 of them.
    spans = 1 / (1 - kept.flatten())
    assert 1.9 < float(spans.min()) < 30
    assert 900 < float(spans.max()) < 1_001
    assert float(spans.mean()) == pytest.approx(500, rel=0.15)
    with pytest.raises(InputError, match="no bias"):
        init.chrono_(cell(2, 3, bias=False), 10)


def test_the_linear_recurrent_unit_is_that_of_the_paper() -> None:
    torch.manual_seed(0)
    cell = LRUCell(2, 3).double()
    x = torch.randn(6, 1, 2, dtype=torch.float64)
    y, end = unfold(cell, Ragged(x))
    kept, angle = torch.exp(-cell.nu.exp()), cell.theta.exp()
    turn = torch.polar(kept, angle)
    into, out = (
        torch.view_as_complex(weight.unflatten(-1, (-1, 2)))
        for weight in (cell.weight_ih.T.contiguous(), cell.weight_hy)
    )
    h = torch.zeros(1, 3, dtype=torch.complex128)
    for t in range(6):
        h = turn * h + torch.sqrt(1 - kept**2) * (x[t].to(torch.complex128) @ into)
        # The sign of the imaginary part is in the weights.
        said = (h.conj() @ out.T).real + x[t] @ cell.weight_iy.T + cell.bias_y
        assert torch.allclose(y.values[t], said)
    assert torch.allclose(torch.view_as_complex(end), h)


def test_a_ring_is_where_it_is_asked_for_and_keeps_the_size_of_what_is_read() -> None:
    torch.manual_seed(0)
    cell = LRUCell(2, 2_000, r_min=0.9, r_max=0.99, max_phase=0.5)
    kept, angle = torch.exp(-cell.nu.detach().exp()), cell.theta.detach().exp()
    assert 0.9 <= float(kept.min()) < 0.902
    assert 0.989 < float(kept.max()) <= 0.99 + 1e-6
    assert float(kept.square().mean()) == pytest.approx((0.9**2 + 0.99**2) / 2, rel=0.01)
    assert 0 < float(angle.min()) < 0.01
    assert float(angle.mean()) == pytest.approx(0.25, rel=0.05)
    # White noise of variance 1 in two inputs, each with weights of variance 1/2, in the real and the imaginary part.
    with torch.no_grad():
        _, end = unfold(LRUCell(2, 50, r_min=0.9, r_max=0.99), Ragged(torch.randn(500, 400, 2)))
    assert float(end.square().sum(-1).mean()) == pytest.approx(1.0, rel=0.2)
    for bad in ({"r_min": 0.5, "r_max": 0.5}, {"r_max": 1.1}, {"r_min": -0.1}, {"max_phase": 0.0}, {"max_phase": 7.0}):
        with pytest.raises(InputError, match=next(iter(bad))):
            LRUCell(2, 3, **bad)


def test_chrono_spreads_what_the_linear_recurrent_unit_keeps_and_leaves_its_angles() -> None:
    torch.manual_seed(0)
    cell = LRUCell(2, 500)
    angles = cell.theta.clone()
    init.chrono_(cell, 1_000)
    spans = 1 / (1 - torch.exp(-cell.nu.detach().double().exp()))
    assert 1.9 < float(spans.min()) < 30
    assert 900 < float(spans.max()) < 1_001
    assert float(spans.mean()) == pytest.approx(500, rel=0.15)
    assert torch.equal(cell.theta, angles)


def test_a_ring_up_to_the_circle_itself_starts_finite() -> None:
    cell = LRUCell(2, 50, r_min=0.99999999, r_max=1.0)
    y, _ = unfold(cell, Ragged(torch.randn(40, 1, 2)))
    y.values.sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in cell.parameters())


def test_layers_with_their_input_added_need_no_loop() -> None:
    net = elman.Stack.of([MinGRUCell(3, 4), elman.Residual(MinGRUCell(4, 4)), elman.Residual(LRUCell(4, 4))])
    assert [entry.engine for entry in elman.plan(net, steps=9, batch=2).entries] == ["scan"] * 3

    class Own(elman.Residual):
        def observe(self, p: tuple[Tensor, Tensor], state: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
            y, state, gates = super().observe(p, state)
            return 2 * y, state, gates

    x = Ragged(torch.randn(4, 2, 4))
    for cell, why in (
        (Own(MinGRUCell(4, 4)), "Own goes into the steps of MinGRUCell"),
        (elman.Zoneout(MinGRUCell(4, 4), 0.1), "bare or in Residual, and Zoneout goes into"),
        (elman.Residual(elman.Zoneout(MinGRUCell(4, 4), 0.1)), "Zoneout goes into"),
        (elman.Residual(elman.GRUCell(4, 4)), "linear in their state, such as MinGRU"),
    ):
        with pytest.raises(EngineError, match=why):
            unfold(cell, x, engine="scan")
        unfold(cell, x)


def test_pairs_of_half_precision_are_left_to_the_loop() -> None:
    cell, x = LRUCell(2, 3).bfloat16(), Ragged(torch.randn(4, 1, 2, dtype=torch.bfloat16))
    with pytest.raises(EngineError, match=r"float32 and float64, and the input is torch\.bfloat16"):
        unfold(cell, x, engine="scan")
    assert unfold(cell, x)[0].values.dtype == torch.bfloat16


def test_the_minimal_gru_is_that_of_the_paper() -> None:
    torch.manual_seed(0)
    cell = MinGRUCell(2, 3).double()
    x, h = torch.randn(5, 1, 2, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)
    y, _ = unfold(cell, Ragged(x))
    for t in range(5):
        z, n = (x[t] @ cell.weight_ih.T + cell.bias_ih).chunk(2, -1)
        z = 1 / (1 + torch.exp(-z))
        h = (1 - z) * h + z * n
        assert torch.allclose(y.values[t], h)


def test_the_gates_of_the_minimal_lstm_are_one_in_sum_even_where_both_vanish() -> None:
    cell = MinLSTMCell(1, 1).double()
    with torch.no_grad():
        cell.weight_ih.copy_(torch.tensor([[0.0], [0.0], [1.0]]))
        cell.bias_ih.copy_(torch.tensor([-800.0, -801.0, 0.0]))
    with torch.no_grad():
        a, b = cell.project(torch.ones(1, 1, 1, dtype=torch.float64))
    assert float(a) == pytest.approx(1 / (1 + math.exp(-1)))
    assert float(a + b) == pytest.approx(1)


@pytest.mark.parametrize("cell", CELLS)
def test_a_batch_of_gradients_is_taken(cell: type[LinearCell]) -> None:
    made, x = cell(2, 3).double(), torch.randn(4, 1, 2, dtype=torch.float64)
    sides = [
        torch.autograd.functional.jacobian(lambda z: unfold(made, Ragged(z))[0].values.sum(0), x, vectorize=vectorize)
        for vectorize in (True, False)
    ]
    assert torch.allclose(*sides)


@pytest.mark.parametrize("cell", CELLS)
def test_autocast_gives_what_the_loop_gives_in_its_precision(cell: type[LinearCell]) -> None:
    made, x = cell(2, 3), Ragged(torch.randn(4, 2, 2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (own, state), (other, last) = (unfold(made, x, engine=engine) for engine in ("scan", "loop"))
    assert own.values.dtype == other.values.dtype
    assert state.dtype == last.dtype
    assert torch.allclose(own.values, other.values, atol=1e-2)


def test_the_state_is_no_view_of_the_outputs() -> None:
    y, state = unfold(MinGRUCell(2, 3), Ragged(torch.randn(50, 2, 2)))
    assert state.untyped_storage().nbytes() < y.values.untyped_storage().nbytes()


def test_a_trace_records_torchs_operators() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = MinGRUCell(2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return unfold(self.cell, Ragged(x))[0].values

    net, x = Net(), torch.randn(4, 2, 2)
    file = BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(net, x)
        torch.jit.save(traced, file)
        file.seek(0)
        assert torch.allclose(torch.jit.load(file)(x), net(x))
