"""The cells against an independent numpy implementation, and their gradients against numeric ones."""

from __future__ import annotations

from typing import Any

import independent
import numpy as np
import pytest
import torch
from engines_here import HERE
from torch import Tensor

from elman.core import Cell, ElmanCell, GRUCell, LSTMCell, Ragged, unfold
from elman.core.check import compare
from elman.core.state import leaves, replace_leaves

CELLS: dict[str, Any] = {
    "elman_tanh": lambda bias: ElmanCell(3, 4, "tanh", bias),
    "elman_relu": lambda bias: ElmanCell(3, 4, "relu", bias),
    "elman_sigmoid": lambda bias: ElmanCell(3, 4, "sigmoid", bias),
    "lstm": lambda bias: LSTMCell(3, 4, bias),
    "lstm_proj": lambda bias: LSTMCell(3, 4, bias, proj_size=2),
    "gru": lambda bias: GRUCell(3, 4, bias),
}
LENGTHS = [6, 0, 3, 1]


def _made(name: str, bias: bool = True) -> tuple[Cell, Tensor, list[Tensor]]:
    """A cell with strong weights, inputs, and the tensors of an initial state."""
    torch.manual_seed(11)
    cell: Cell = CELLS[name](bias).double()
    with torch.no_grad():
        for weight in cell.parameters():
            weight.normal_()
    x = torch.randn(6, 4, 3, dtype=torch.float64)
    return cell, x, [torch.randn_like(leaf) for leaf in leaves(cell.initial_state(4, x))]


def _independent(name: str, cell: Cell, x: np.ndarray, state: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    weights = {key: value.detach().numpy() for key, value in cell.named_parameters()}
    if name.startswith("elman"):
        return independent.elman(x, state[0], weights, name.removeprefix("elman_"))
    return independent.lstm(x, state[0], state[1], weights) if "lstm" in name else independent.gru(x, *state, weights)


@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "nobias"])
@pytest.mark.parametrize("name", CELLS)
def test_forward(name: str, bias: bool, engine: str) -> None:
    cell, x, state = _made(name, bias)
    engine = "auto" if (name, engine) in {("elman_sigmoid", "vendor"), ("lstm_proj", "native")} else engine
    before = replace_leaves(cell.initial_state(4, x), state)
    y, end = unfold(cell, Ragged(x, LENGTHS), before, engine=engine)
    for row, length in enumerate(LENGTHS):
        ys, *ends = _independent(name, cell, x[:length, row].numpy(), [leaf[row].numpy() for leaf in state])
        got = {"y": y.values[:length, row]} | {f"s{k}": leaf[row] for k, leaf in enumerate(leaves(end))}
        want = {"y": ys if length else np.zeros((0, y.values.shape[-1]))} | {f"s{k}": s for k, s in enumerate(ends)}
        compare(f"{name}, row {row}", got, {key: torch.from_numpy(value) for key, value in want.items()})


def _as_function(cell: Cell, engine: str, count: int) -> Any:
    """Outputs and final state as a function of x, the initial state and every weight."""
    names = [name for name, _ in cell.named_parameters()]

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        bound = cell.bind(dict(zip(names, rest[count:], strict=True)))
        state = replace_leaves(cell.initial_state(x.shape[1], x), list(rest[:count]))
        y, end = unfold(bound, Ragged(x, [3, 0, 2]), state, engine=engine)
        return y.values, *leaves(end)

    return run


def _points(name: str, bias: bool) -> tuple[Cell, list[Tensor], int]:
    cell, x, state = _made(name, bias)
    tensors = [x[:3, :3], *(leaf[:3] for leaf in state), *(0.7 * weight for weight in cell.parameters())]
    return cell, [tensor.detach().clone().requires_grad_() for tensor in tensors], len(state)


@pytest.mark.parametrize(
    ("name", "bias", "engine"),
    [
        *((name, bias, "loop") for name in CELLS for bias in (True, False)),
        *((name, True, "vendor") for name in CELLS if name != "elman_sigmoid"),
        *(
            (name, bias, "native")
            for name in CELLS
            if name != "lstm_proj" and "native" in HERE
            for bias in (True, False)
        ),
    ],
)
def test_gradients_are_the_numeric_ones(name: str, bias: bool, engine: str) -> None:
    cell, points, count = _points(name, bias)
    assert torch.autograd.gradcheck(_as_function(cell, engine, count), points, fast_mode=True)


@pytest.mark.parametrize("name", CELLS)
def test_second_derivatives_are_the_numeric_ones(name: str) -> None:
    cell, points, count = _points(name, True)
    assert torch.autograd.gradgradcheck(_as_function(cell, "loop", count), points, fast_mode=True)
