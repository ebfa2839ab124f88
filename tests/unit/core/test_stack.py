"""Stages: what they refuse; errors and their words."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from elman.core import (
    Bidirectional,
    DataError,
    ElmanError,
    EngineError,
    GRUCell,
    InputError,
    LawError,
    LockedDropout,
    LSTMCell,
    PerStep,
    Ragged,
    Recurrent,
    Residual,
    Stack,
    Stage,
    VariationalDropout,
    WeightDrop,
    Zoneout,
    checkpoint,
    readout,
)
from elman.core.cells.wrap import Dropped
from elman.core.errors import nearest
from elman.core.state import Shared

X = Ragged(torch.zeros(3, 2, 4))

REFUSED: list[tuple[Any, str]] = [
    (lambda: Stack([]), "stages: expected at least one"),
    (lambda: Stack([GRUCell(4, 4)]), r"stages: expected elman\.Stage, got GRUCell; Stack\.of takes cells"),
    (lambda: Stack.of([GRUCell(4, 4)])(X, (None, None)), "state: expected one of each of 1 stages, got 2"),
    (lambda: LockedDropout(1.0), "p: expected a probability from 0 to below 1, got 1.0"),
    (lambda: readout("lst", 4), "readout: unknown name 'lst'. Did you mean 'last'"),
    (lambda: Stack.of([Residual(GRUCell(4, 5))])(X), "only equal widths can be added"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_refuses(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_dropout_stands_between_layers_only() -> None:
    stages = list(Stack.of([GRUCell(4, 4)] * 3, dropout=0.2).stages)
    kinds = [Recurrent, LockedDropout, Recurrent, LockedDropout, Recurrent]
    assert [type(stage) for stage in stages] == kinds
    assert [type(stage) for stage in Stack.of([GRUCell(4, 4)] * 2).stages] == [Recurrent, Recurrent]


def test_engine_and_memory_reach_every_layer() -> None:
    stack = Stack.of([GRUCell(4, 4)] * 2, engine="loop", memory=checkpoint(2))
    assert all(isinstance(stage, Recurrent) and stage.engine == "loop" for stage in stack.stages)
    assert "engine='loop', memory=checkpoint(2)" in repr(stack)


def test_a_stack_is_causal_if_all_in_it_are() -> None:
    both = Bidirectional(GRUCell(4, 2), GRUCell(4, 2))
    assert Stack([PerStep(torch.nn.Identity()), Recurrent(GRUCell(4, 4))]).causal
    assert not Stack([Recurrent(GRUCell(4, 4)), both]).causal


# Errors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({}, "not a number"),
        ({"file": "a.csv"}, "a.csv: not a number"),
        ({"file": "a.csv", "row": 7, "column": "t"}, "a.csv, line 7, column 't': not a number"),
        ({"column": "t"}, "column 't': not a number"),
    ],
)
def test_data_errors_name_the_place(place: dict[str, Any], text: str) -> None:
    assert str(DataError("not a number", **place)) == text


def test_every_error_is_an_elman_error_and_a_usual_one() -> None:
    for kind, usual in ((InputError, ValueError), (EngineError, RuntimeError), (LawError, AssertionError)):
        assert issubclass(kind, ElmanError)
        assert issubclass(kind, usual)


def test_nearest() -> None:
    assert nearest("vendr", ["loop", "vendor"]) == " Did you mean 'vendor'?"
    assert nearest("xyz", ["loop", "vendor"]) == ""


# Renewal -------------------------------------------------------------------------------------------------


def _masks(state: Any) -> list[torch.Tensor]:
    if isinstance(state, Dropped):
        mask = state.mask.value if isinstance(state.mask, Shared) else state.mask
        return [*_masks(state.state), *([] if mask is None else [mask])]
    return [mask for part in state for mask in _masks(part)] if isinstance(state, tuple) else []


def _memory(state: Any) -> list[torch.Tensor]:
    if isinstance(state, Dropped):
        return _memory(state.state)
    return [one for part in state for one in _memory(part)] if isinstance(state, tuple) else [state]


@pytest.mark.parametrize(
    ("stage", "count"),
    [
        (Recurrent(WeightDrop(LSTMCell(4, 9), 0.5)), 1),
        (Recurrent(Zoneout(VariationalDropout(WeightDrop(LSTMCell(4, 9), 0.5), 0.5), 0.1)), 2),
        (Bidirectional(VariationalDropout(GRUCell(4, 9), 0.5), WeightDrop(GRUCell(4, 9), 0.5)), 2),
        (Stack([Recurrent(WeightDrop(GRUCell(4, 9), 0.5)), Recurrent(GRUCell(9, 4))]), 1),
    ],
)
def test_renewal_draws_new_masks_and_keeps_the_memory(stage: Stage, count: int) -> None:
    x = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    _, state = stage.train()(Ragged(x))
    fresh = stage.renew(state)
    assert len(_masks(state)) == len(_masks(fresh)) == count
    assert not any(torch.equal(old, new) for old, new in zip(_masks(state), _masks(fresh), strict=True))
    assert all(torch.equal(old, new) for old, new in zip(_memory(state), _memory(fresh), strict=True))
    stage(Ragged(x), fresh)
    _, still = stage.eval()(Ragged(x), fresh)
    assert not _masks(stage.renew(still))
    assert stage.renew(None) is None


def test_renewal_without_masks_draws_nothing() -> None:
    stage = Recurrent(Residual(LSTMCell(4, 4)))
    _, state = stage(X)
    before = torch.get_rng_state()
    assert stage.renew(state) is state
    assert torch.equal(torch.get_rng_state(), before)


def test_both_directions_begin_with_their_own_state() -> None:
    ahead, back = Bidirectional(GRUCell(4, 3), LSTMCell(4, 5)).initial_state(2, torch.zeros(1))
    assert ahead.shape == (2, 3)
    assert [part.shape for part in back] == [(2, 5), (2, 5)]
