"""check_cell on cells of one's own, good and bad."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from elman.core import Cell, GRUCell, InputError, LawError, LSTMCell, Residual, WeightDrop, check_cell, plan
from elman.core.check import LAWS, TOLERANCES, Subject, compare, width_of


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


# Widths, answers and random numbers ---------------------------------------------------------------------------


class Backwards(Cell):
    """The recurrent part stands first, and so would be taken for the one that reads."""

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        self.back, self.read = nn.Linear(size, size, bias=False), nn.Linear(input_size, size)

    def initial_state(self, batch: int, like: Tensor) -> Tensor:
        return like.new_zeros(batch, self.back.in_features)

    def step(self, p: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(self.read(p) + self.back(state))
        return state, state


class Joined(Cell):
    """One product with input and state side by side."""

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        self.size, self.both = size, nn.Linear(input_size + size, size)

    def initial_state(self, batch: int, like: Tensor) -> Tensor:
        return like.new_zeros(batch, self.size)

    def step(self, p: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(self.both(torch.cat([p, state], -1)))
        return state, state


class Flagged(Joined):
    """Remembers in a flag whether it has seen anything."""

    def initial_state(self, batch: int, like: Tensor) -> Any:
        return like.new_zeros(batch, self.size), torch.zeros(batch, 1, dtype=torch.bool)

    def step(self, p: Tensor, state: Any) -> Any:
        h, _ = super().step(p, torch.where(state[1], state[0], 0.5 + state[0]))
        return h, (h, torch.ones_like(state[1]))


class Half(Joined):
    """Forgets to return its state."""

    def step(self, p: Tensor, state: Tensor) -> Any:
        return super().step(p, state)[0]


@pytest.mark.parametrize(("cell", "guess"), [(Backwards(16, 6), 6), (Joined(16, 6), 22)])
def test_a_width_guessed_wrong_is_said_with_one_that_would_do(cell: Cell, guess: int) -> None:
    said = f"could not run the cell on inputs of {guess} features; say "
    with pytest.raises(InputError, match=re.escape(said + "check_cell(cell, input_size=16)")):
        check_cell(cell)
    with pytest.raises(InputError, match=re.escape(said + "plan(model, ..., input_size=16)")):
        plan(cell, steps=5, batch=2)
    check_cell(cell, input_size=16)
    assert plan(cell, steps=5, batch=2, input_size=16).entries[0].kept > 0


def test_a_flag_in_the_state_is_compared_exactly() -> None:
    check_cell(Flagged(5, 4), input_size=5)
    with pytest.raises(LawError, match="is 1, expected 0"):
        compare("law x", {"n": torch.tensor([True])}, {"n": torch.tensor([False])})


def test_a_step_that_returns_no_state_is_said_to_do_so() -> None:
    with pytest.raises(InputError, match=r"Half.step must return \(output, state\), got Tensor"):
        check_cell(Half(5, 4), input_size=5)


def test_checking_leaves_the_callers_random_numbers_alone() -> None:
    cell = WeightDrop(GRUCell(5, 4), 0.5)
    before = torch.get_rng_state()
    check_cell(cell)
    assert torch.equal(torch.get_rng_state(), before)
    subject = Subject(GRUCell(5, 4).double(), (5,))
    before = torch.get_rng_state()
    for law in LAWS.values():
        law(subject)
    assert torch.equal(torch.get_rng_state(), before)
