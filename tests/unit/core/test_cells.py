"""Cells by themselves: one step, their sizes, and hooks that would not run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from elman.core import (
    Cell,
    ElmanCell,
    GRUCell,
    InputError,
    LSTMCell,
    Ragged,
    Residual,
    VariationalDropout,
    WeightDrop,
    Zoneout,
    unfold,
)
from elman.core.state import leaves

CELLS: dict[str, Callable[[], Cell]] = {
    "elman": lambda: ElmanCell(3, 4),
    "gru": lambda: GRUCell(3, 4),
    "lstm": lambda: LSTMCell(3, 4, proj_size=2),
    "wrapped": lambda: Residual(Zoneout(VariationalDropout(WeightDrop(GRUCell(3, 3), 0.3), 0.2), 0.1)),
    "parametrised": lambda: parametrizations.weight_norm(GRUCell(3, 4), "weight_hh"),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_called_cell_makes_one_step(name: str) -> None:
    torch.manual_seed(0)
    cell, x = CELLS[name]().eval(), torch.randn(2, 5, 3)
    expected, end = unfold(cell, Ragged(x))
    first, state = cell(x[0])
    second, state = cell(x[1], state)
    torch.testing.assert_close(torch.stack([first, second]), expected.values)
    for mine, other in zip(leaves(state), leaves(end), strict=True):
        torch.testing.assert_close(mine, other)


def test_a_called_cell_drops_in_training_and_refuses_what_does_not_fit() -> None:
    torch.manual_seed(0)
    cell, x = WeightDrop(GRUCell(3, 4), 0.5).train(), torch.randn(5, 3)
    _, state = cell(x)
    assert not torch.equal(cell(x, state)[0], cell.eval()(x, state)[0])
    with pytest.raises(InputError, match=r"state: expected float32 \(5, 4\), got float32 \(2, 4\)"):
        GRUCell(3, 4)(x, torch.zeros(2, 4))
    with pytest.raises(InputError, match=r"x: expected \(T, B, 3\)"):
        GRUCell(3, 4)(torch.zeros(5, 2))


def test_torchs_pair_is_a_state() -> None:
    x, h, c = torch.randn(5, 3), torch.randn(5, 4), torch.randn(5, 4)
    cell, theirs = LSTMCell(3, 4), nn.LSTMCell(3, 4)
    theirs.load_state_dict(cell.state_dict())
    y, state = cell(x, (h, c))
    expected = theirs(x, (h, c))
    torch.testing.assert_close((y, state.c), expected)


@pytest.mark.parametrize("make", [ElmanCell, LSTMCell, GRUCell])
def test_sizes_are_whole_numbers_of_any_make(make: Any) -> None:
    cell = make(np.int64(3), np.int32(4))
    assert type(cell.input_size) is type(cell.hidden_size) is int
    assert cell(torch.zeros(2, 3))[0].shape == (2, 4)
    for bad in ("8", 8.0, None, 0, -1):
        with pytest.raises(InputError, match="hidden_size: expected a whole number of at least 1, got "):
            make(3, bad)
        with pytest.raises(InputError, match="input_size: expected a whole number of at least 1, got "):
            make(bad, 3)


@pytest.mark.parametrize("bad", ["2", 2.0, -1])
def test_a_projection_is_a_whole_number_too(bad: Any) -> None:
    with pytest.raises(InputError, match="proj_size: expected a whole number of at least 0, got "):
        LSTMCell(3, 8, proj_size=bad)


def _pruned(cell: Cell) -> None:
    prune.l1_unstructured(cell, "weight_hh", amount=0.5)


def _hooked(cell: Cell) -> None:
    cell.register_forward_pre_hook(lambda module, given: None)


@pytest.mark.parametrize("change", [_pruned, _hooked])
@pytest.mark.parametrize("around", [lambda cell: cell, lambda cell: Residual(cell)])
def test_hooks_that_would_not_run_are_refused(change: Callable[[Cell], None], around: Callable[[Cell], Cell]) -> None:
    inner, x = GRUCell(4, 4), Ragged(torch.zeros(2, 3, 4))
    cell = around(inner)
    unfold(cell, x)
    change(inner)
    with pytest.raises(InputError, match=r"GRUCell: forward pre-hooks .* do not run in an unfold; use torch\.nn"):
        unfold(cell, x)
    if change is _pruned:
        prune.remove(inner, "weight_hh")
        unfold(cell, x)


def test_hooks_of_parts_that_are_called_are_welcome() -> None:
    class Mine(Cell):
        def __init__(self) -> None:
            super().__init__()
            self.read = prune.random_unstructured(nn.Linear(4, 4), "weight", amount=0.5)

        def initial_state(self, batch: int, like: Tensor) -> Tensor:
            return like.new_zeros(batch, 4)

        def step(self, p: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            state = self.read(p) + 0.5 * state
            return state, state

    unfold(Mine(), Ragged(torch.zeros(2, 3, 4)))
