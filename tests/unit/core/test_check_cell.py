"""check_cell on cells of one's own, good and bad."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from elman.core import Cell, GRUCell, InputError, LawError, LSTMCell, Residual, check_cell
from elman.core.check import TOLERANCES, compare, width_of


class Pair(Cell):
    """A fast and a slow memory in a plain tuple; a vector of decays; an Elman-like product."""

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        self.input_size, self.size = input_size, size
        self.read, self.back = nn.Linear(input_size, size), nn.Linear(size, size)
        self.decay = nn.Parameter(torch.rand(size))

    def initial_state(self, batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
        return like.new_zeros(batch, self.size), like.new_zeros(batch, self.size)

    def project(self, x: Tensor) -> Tensor:
        return self.read(x)

    def step(self, p: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        fast = torch.tanh(p + self.back(state[0]))
        slow = state[1] * self.decay.sigmoid() + fast
        return torch.cat([fast, slow], -1), (fast, slow)


class Clocked(NamedTuple):
    value: Tensor
    ticks: Tensor


class Clock(Cell):
    """Counts its steps in whole numbers and reads matrices; has no ``input_size``."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def initial_state(self, batch: int, like: Tensor) -> Clocked:
        return Clocked(like.new_zeros(batch, 2, 3), torch.zeros(batch, 1, 1, dtype=torch.int64, device=like.device))

    def step(self, p: Tensor, state: Clocked) -> tuple[Tensor, Clocked]:
        ticks = state.ticks + 1
        value = 0.5 * state.value + torch.tanh(p * self.scale) / ticks
        return value, Clocked(value, ticks)


class TwoFaced(Pair):
    """Reads its input at every second step only, by a clock outside the state."""

    calls = 0

    def step(self, p: Tensor, state: Any) -> Any:
        self.calls += 1
        return super().step(p * (self.calls % 2), state)


def test_cells_of_ones_own_pass() -> None:
    check_cell(Pair(5, 4))
    check_cell(Residual(GRUCell(4, 4)), engine="vendor")


def test_input_size_is_taken_as_given() -> None:
    check_cell(Clock(), input_size=(2, 3))
    with pytest.raises(InputError, match=r"call check_cell\(cell, input_size=D\)"):
        check_cell(Clock())
    with pytest.raises(InputError, match=r"x: expected \(T, B, 5\), got"):
        check_cell(GRUCell(5, 4), input_size=6)


def test_the_cell_itself_is_not_changed() -> None:
    cell = Pair(5, 4).train()
    before = {name: value.clone() for name, value in cell.state_dict().items()}
    check_cell(cell)
    assert cell.training
    assert all(torch.equal(value, before[name]) for name, value in cell.state_dict().items())
    assert all(weight.dtype == torch.float32 and weight.grad is None for weight in cell.parameters())


def test_a_cell_with_hidden_memory_is_caught() -> None:
    with pytest.raises(LawError, match="law 1, parity: outputs at"):
        check_cell(TwoFaced(5, 4))


def test_width_is_found_in_wrappers_own_attributes_and_linear_parts() -> None:
    assert width_of(Residual(LSTMCell(7, 4, proj_size=2))) == 7
    assert width_of(Pair(6, 4)) == 6

    class Bare(Pair):
        def __init__(self) -> None:
            super().__init__(9, 4)
            del self.input_size

    assert width_of(Bare()) == 9


def test_compare_names_the_place_and_both_values() -> None:
    want = torch.zeros(2, 3)
    have = want.clone()
    have[1, 2] = 0.5
    with pytest.raises(LawError, match=r"law x: y at \(1, 2\) is 0\.5, expected 0 \(allowed difference 3\.0e-05\)"):
        compare("law x", {"y": have}, {"y": want})
    with pytest.raises(LawError, match=r"y is \(2, 3\) torch.float32, expected \(3, 2\) torch.float32"):
        compare("law x", {"y": want}, {"y": want.reshape(3, 2)})
    for odd in (torch.nan, torch.inf):
        with pytest.raises(LawError, match=f"is {odd}, expected 0"):
            compare("law x", {"y": torch.full((1,), odd)}, {"y": torch.zeros(1)})
    with pytest.raises(LawError, match="is 3, expected 2"):
        compare("law x", {"n": torch.tensor([3])}, {"n": torch.tensor([2])})


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_the_tolerance_is_relative_to_the_largest_and_at_least_absolute(dtype: torch.dtype) -> None:
    for size in (0.01, 1000.0):
        want = torch.tensor([size, 0.0], dtype=dtype)
        allowed = TOLERANCES[dtype] * max(1.0, size)
        compare("within", {"y": want + torch.tensor([0, 0.9 * allowed], dtype=dtype)}, {"y": want})
        with pytest.raises(LawError, match="beyond"):
            compare("beyond", {"y": want + torch.tensor([0, 1.1 * allowed], dtype=dtype)}, {"y": want})
