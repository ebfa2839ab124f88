"""unfold: what it refuses, resets, the record of states and gates; which engine is chosen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from engines_here import HERE
from torch import Tensor

from elman.core import (
    Cell,
    ElmanCell,
    EngineError,
    GRUCell,
    InputError,
    LayerNorm,
    LSTMCell,
    LSTMState,
    Ragged,
    Residual,
    VariationalDropout,
    WeightDrop,
    Zoneout,
    checkpoint,
    unfold,
)
from elman.core.check import compare
from elman.core.engines.base import Request
from elman.core.state import leaves, take_rows
from elman.core.unfold import ENGINES, choose

LENGTHS = [6, 0, 3]
X = torch.randn(6, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"ragged": torch.zeros(6, 3, 5)}, r"ragged: expected elman.Ragged\(x, lengths\), got Tensor"),
    ({"ragged": Ragged(torch.zeros(6, 3, 4).double())}, r"x: expected \(T, B, 5\), got \(6, 3, 4\)"),
    ({"ragged": Ragged(torch.zeros(6, 5).double())}, r"x: expected \(T, B, 5\), got \(6, 5\)"),
    (
        {"ragged": Ragged(torch.zeros(6, 3, 5))},
        "x: expected torch.float64 as the weights are, got torch.float32",
    ),
    (
        {"state": torch.zeros(3, 4)},
        r"state: expected \(float64 \(3, 4\), float64 \(3, 4\)\), got float32 \(3, 4\)",
    ),
    (
        {"state": LSTMState(torch.zeros(2, 4), torch.zeros(2, 4))},
        r"got \(float32 \(2, 4\), float32 \(2, 4\)\)",
    ),
    ({"memory": "all"}, r"memory: expected 'keep' or elman.checkpoint\(k\), got 'all'"),
    ({"resets": torch.zeros(6, 3)}, r"resets: expected bool \(6, 3\), got torch.float32 \(6, 3\)"),
    ({"resets": torch.zeros(3, 6).bool()}, r"resets: expected bool \(6, 3\), got torch.bool \(3, 6\)"),
    ({"resets": [[True]]}, r"resets: expected a bool tensor \(T, B\), got list"),
    ({"engine": "lop"}, r"engine: unknown name 'lop'\. Did you mean 'loop'\? Known: auto, loop, native, scan, vendor"),
]


@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refuses(arguments: dict[str, Any], message: str, engine: str) -> None:
    given = {"ragged": Ragged(X, LENGTHS), "engine": engine, **arguments}
    with pytest.raises(InputError, match=message):
        unfold(LSTMCell(5, 4).double(), given.pop("ragged"), **given)


def test_a_record_keeps_everything() -> None:
    with pytest.raises(InputError, match="memory: a record keeps every step"):
        unfold(GRUCell(5, 4).double(), Ragged(X), record=True, memory=checkpoint(2))
    with pytest.raises(EngineError, match=r"engine='vendor' cannot run this: .* engine='loop' records"):
        unfold(GRUCell(5, 4).double(), Ragged(X), record=True, engine="vendor")


def test_residual_refuses_to_broadcast() -> None:
    for engine in ("loop", "vendor"):
        with pytest.raises(InputError, match="the output is 1 wide, the input 5"):
            unfold(Residual(GRUCell(5, 1)).double(), Ragged(X), engine=engine)


def test_gated_wrappers_take_gated_cells_only() -> None:
    for wrapper in (
        LayerNorm,
        lambda cell: WeightDrop(cell, 0.1),
        lambda cell: VariationalDropout(cell, 0.1),
    ):
        with pytest.raises(InputError, match=r"needs a gated cell .* got Residual"):
            wrapper(Residual(GRUCell(5, 5)))
    with pytest.raises(InputError, match=r"goes around an elman\.Cell, got Linear"):
        Residual(torch.nn.Linear(5, 5))


@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0])
@pytest.mark.parametrize("wrapper", [Zoneout, VariationalDropout, WeightDrop])
def test_rates_are_probabilities(wrapper: Any, p: float) -> None:
    with pytest.raises(InputError, match="p: expected a probability from 0 to below 1"):
        wrapper(GRUCell(5, 4), p)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GRUCell(0, 4), "input_size: expected a whole number of at least 1, got 0"),
        (lambda: LSTMCell(5, 2.5), "hidden_size: expected a whole number of at least 1, got 2.5"),
        (lambda: LSTMCell(5, 4, proj_size=4), "proj_size: expected 0 .* less than hidden_size=4, got 4"),
        (lambda: ElmanCell(5, 4, "tanhh"), "Did you mean 'tanh'"),
        (lambda: LayerNorm(ElmanCell(5, 1)), "LayerNorm of a single pre-activation is always zero"),
    ],
)
def test_cells_refuse(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


# The choice ----------------------------------------------------------------------------------------------


def test_auto_takes_the_fastest_that_can_and_says_why() -> None:
    request = Request(torch.float32, torch.device("cpu"))
    fast = choose(GRUCell(5, 4), request)
    assert fast.engine.name == HERE[0]
    assert fast.reason == "the fastest that can"
    assert set(fast.refused) == set(ENGINES) - {fast.engine.name}
    slow = choose(Zoneout(GRUCell(5, 4), 0.1), request)
    assert slow.engine.name == "loop"
    assert "no kernel for Zoneout(GRUCell(5, 4), p=0.1)" in slow.refused["vendor"]
    named = choose(GRUCell(5, 4), request, "loop")
    assert named.reason == "named by the caller"
    assert named.refused["vendor"] == "another engine was named"


def test_weight_drop_keeps_the_kernel_and_an_unnamed_function_loses_it() -> None:
    request = Request(torch.float32, torch.device("cpu"))
    assert choose(WeightDrop(LSTMCell(5, 4), 0.3), request).engine.name == HERE[0]
    assert choose(ElmanCell(5, 4, torch.tanh), request).engine.name == "loop"


@pytest.mark.parametrize("make", [ElmanCell, GRUCell, LSTMCell, lambda d, h: LSTMCell(d, h, proj_size=2)])
@pytest.mark.parametrize("engine", HERE)
def test_no_rows_at_all(make: Any, engine: str) -> None:
    cell = make(5, 4).double()
    if engine == "native" and isinstance(cell, LSTMCell) and cell.proj_size:
        engine = "auto"
    y, end = unfold(cell, Ragged(X[:, :0]), engine=engine)
    assert y.values.shape[:2] == (6, 0)
    assert [leaf.shape[0] for leaf in leaves(end)] == [0] * len(leaves(end))


@pytest.mark.parametrize("engine", HERE)
def test_running_on_over_pads_does_not_poison_gradients(engine: str) -> None:
    # Row 0 ends after one step; with this weight its state would overflow long before the longest row's end.
    cell = ElmanCell(2, 3, "relu", bias=False)
    with torch.no_grad():
        cell.weight_hh.copy_(3 * torch.eye(3))
        cell.weight_ih.fill_(1.0)
    x = torch.zeros(200, 2, 2)
    x[0, 0] = 1.0
    y, end = unfold(cell, Ragged(x, [1, 200]), engine=engine)
    (y.values.sum() + end.sum()).backward()
    assert all(weight.grad.isfinite().all() for weight in cell.parameters())
    assert cell.weight_ih.grad.abs().max() > 0


# Resets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", ["keep", checkpoint(2)], ids=str)
@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize("make", [ElmanCell, LSTMCell, GRUCell])
def test_resets_in_rows_of_different_lengths(make: Any, engine: str, memory: Any) -> None:
    cell = make(5, 4).double()
    marks = {0: [2, 3], 1: [0], 2: [0, 5]}  # row 1 has no step; row 2 ends before its second mark
    resets = torch.zeros(6, 3, dtype=torch.bool)
    for row, steps in marks.items():
        resets[steps, row] = True
    start = unfold(cell, Ragged(torch.randn_like(X)))[1]
    y, end = unfold(cell, Ragged(X, LENGTHS), start, engine=engine, memory=memory, resets=resets)
    for row, length in enumerate(LENGTHS):
        state, one = take_rows(start, torch.tensor([row])), torch.tensor([row])
        for t in range(length):
            state = cell.initial_state(1, X) if t in marks[row] else state
            frame, state = unfold(cell, Ragged(X[t : t + 1, one]), state)
            compare(f"row {row} step {t}", {"y": y.values[t, one]}, {"y": frame.values[0]})
        ends = zip(leaves(take_rows(end, one)), leaves(state), strict=True)
        assert all(torch.allclose(a, b) for a, b in ends)


def test_resets_in_evaluation_with_a_state_from_training() -> None:
    cell = VariationalDropout(GRUCell(5, 4), 0.5).double()
    _, state = unfold(cell, Ragged(X))
    cell.eval()
    resets = torch.zeros(6, 3, dtype=torch.bool)
    resets[2] = True
    y, end = unfold(cell, Ragged(X), state, resets=resets)
    again, _ = unfold(cell, Ragged(X[2:]))
    compare("after the reset", {"y": y.values[2:]}, {"y": again.values})
    assert torch.equal(end.mask, state.mask)


# The record ----------------------------------------------------------------------------------------------

RECORDED: list[tuple[Any, dict[str, tuple[float, float]]]] = [
    (lambda: ElmanCell(5, 4), {}),
    (lambda: LSTMCell(5, 4), {"i": (0, 1), "f": (0, 1), "g": (-1, 1), "o": (0, 1)}),
    (lambda: LSTMCell(5, 4, proj_size=2), {"i": (0, 1), "f": (0, 1), "g": (-1, 1), "o": (0, 1)}),
    (lambda: GRUCell(5, 4), {"r": (0, 1), "z": (0, 1), "n": (-1, 1)}),
    (lambda: Residual(Zoneout(LayerNorm(GRUCell(5, 5)), 0.2)), {"r": (0, 1), "z": (0, 1), "n": (-1, 1)}),
]


@pytest.mark.parametrize(("make", "ranges"), RECORDED)
def test_recorded_states_are_those_of_shorter_runs(make: Any, ranges: dict[str, Any]) -> None:
    cell = make().double().eval()
    y, end, kept = unfold(cell, Ragged(X, LENGTHS), record=True)
    plain, plain_end = unfold(cell, Ragged(X, LENGTHS))
    compare("record", {"y": y.values}, {"y": plain.values})
    assert all(torch.allclose(a, b) for a, b in zip(leaves(end), leaves(plain_end), strict=True))
    assert type(kept.states) is type(end)
    for t in range(6):
        _, state = unfold(cell, Ragged(X, LENGTHS).slice_time(0, t + 1))
        for whole, part in zip(leaves(kept.states), leaves(state), strict=True):
            compare(f"state after {t + 1} steps", {"s": whole[t]}, {"s": part})
    assert list(kept.gates) == list(ranges)


@pytest.mark.parametrize(("make", "ranges"), RECORDED)
def test_recorded_gates_lie_in_their_range(make: Any, ranges: dict[str, Any]) -> None:
    _, _, kept = unfold(make().double().eval(), Ragged(X, LENGTHS), record=True)
    mask = Ragged(X, LENGTHS).mask
    assert set(kept.gates) == set(ranges)
    for name, (low, high) in ranges.items():
        gate = kept.gates[name]
        assert gate.shape[:2] == (6, 3)
        assert bool(((gate[mask] > low) & (gate[mask] < high)).all())
        assert torch.equal(gate[~mask], torch.zeros_like(gate[~mask]))


def test_recorded_gates_make_the_recorded_states() -> None:
    cell = LSTMCell(5, 4).double()
    _, _, kept = unfold(cell, Ragged(X), record=True)
    h, c = kept.states
    before = torch.cat([torch.zeros_like(c[:1]), c[:-1]])
    gates = kept.gates
    compare("c", {"c": gates["f"] * before + gates["i"] * gates["g"]}, {"c": c})
    compare("h", {"h": gates["o"] * c.tanh()}, {"h": h})


def test_record_with_resets_and_without_steps() -> None:
    cell = GRUCell(5, 4).double()
    resets = torch.zeros(6, 3, dtype=torch.bool)
    resets[3] = True
    y, _, kept = unfold(cell, Ragged(X), resets=resets, record=True)
    again, _ = unfold(cell, Ragged(X[3:]))
    compare("resets", {"y": y.values[3:], "h": kept.states[3:]}, {"y": again.values, "h": again.values})
    _, _, nothing = unfold(cell, Ragged(X[:0]), record=True)
    assert nothing.states.shape == (0, 3, 4)
    assert nothing.gates == {}


# A cell of one's own -------------------------------------------------------------------------------------


class Accumulator(Cell):
    """Adds up its input: no weight, a state of more than one dimension, p = x."""

    def initial_state(self, batch: int, like: Tensor) -> Tensor:
        return like.new_zeros(batch, 2, 3)

    def step(self, p: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return state + p, state + p


def test_trailing_dimensions_belong_to_the_cell() -> None:
    x = torch.randn(6, 3, 2, 3)
    y, end = unfold(Accumulator(), Ragged(x, LENGTHS))
    compare("sums", {"y": y.values[:, 0], "end": end[2]}, {"y": x[:, 0].cumsum(0), "end": x[:3, 2].sum(0)})
    assert torch.equal(end[1], torch.zeros(2, 3))
    with pytest.raises(EngineError, match=r"torch has no kernel for Accumulator\(\)"):
        unfold(Accumulator(), Ragged(x), engine="vendor")
