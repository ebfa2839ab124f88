"""States are values: every function keeps their form and touches only what it names."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from elman.core import InputError, LSTMState
from elman.core.cells.wrap import Dropped
from elman.core.state import (
    Shared,
    adopt,
    check_state,
    detach,
    join_rows,
    leaves,
    map_state,
    replace_leaves,
    select,
    take_rows,
)


def _state(rows: int = 3, first: float = 0.0) -> Any:
    """A NamedTuple in a NamedTuple in a plain tuple, with a shared tensor and a None."""
    count = torch.arange(first, first + rows)[:, None]
    inside = LSTMState(count.expand(-1, 2) + 0.0, 10 + count)
    return (Dropped(inside, Shared(torch.ones(4, 4))), None, 20 + count)


def test_leaves_are_the_tensors_with_rows_in_order() -> None:
    assert [leaf.shape for leaf in leaves(_state())] == [(3, 2), (3, 1), (3, 1)]
    assert leaves(None) == []
    assert leaves(Shared(torch.ones(1))) == []


def test_map_keeps_form_shared_and_none() -> None:
    state = _state()
    doubled = map_state(torch.add, state, state)
    assert type(doubled) is tuple
    assert type(doubled[0]) is Dropped
    assert type(doubled[0].state) is LSTMState
    assert doubled[0].mask is state[0].mask
    assert doubled[1] is None
    assert all(torch.equal(two, 2 * one) for two, one in zip(leaves(doubled), leaves(state), strict=True))


def test_map_refuses_states_of_other_forms() -> None:
    with pytest.raises(ValueError, match="zip"):
        map_state(torch.add, (torch.ones(1), torch.ones(1)), (torch.ones(1),))


def test_take_and_join_rows() -> None:
    state = _state()
    turned = take_rows(state, torch.tensor([2, 0, 0]))
    assert [leaf[:, 0].tolist() for leaf in leaves(turned)] == [[2, 0, 0], [12, 10, 10], [22, 20, 20]]
    joined = join_rows([take_rows(state, torch.tensor([k])) for k in range(3)])
    assert all(torch.equal(a, b) for a, b in zip(leaves(joined), leaves(state), strict=True))
    assert joined[0].mask is state[0].mask


def test_select_goes_row_by_row() -> None:
    mask = torch.tensor([True, False, True])
    chosen = select(mask, _state(first=100.0), _state())
    assert [leaf[:, 0].tolist() for leaf in leaves(chosen)] == [[100, 1, 102], [110, 11, 112], [120, 21, 122]]


def test_select_keeps_a_mask_that_the_other_lacks() -> None:
    with_mask = Dropped(torch.zeros(2, 1), torch.ones(2, 1))
    chosen = select(torch.tensor([True, False]), Dropped(torch.ones(2, 1), None), with_mask)
    assert chosen.state.flatten().tolist() == [1.0, 0.0]
    assert chosen.mask is with_mask.mask


def test_select_of_the_same_leaf_is_that_leaf() -> None:
    leaf = torch.ones(2, 1)
    assert select(torch.tensor([True, False]), leaf, leaf) is leaf


def test_replace_leaves() -> None:
    state = _state()
    zeros = [torch.zeros_like(leaf) for leaf in leaves(state)]
    replaced = replace_leaves(state, zeros)
    assert all(a is b for a, b in zip(leaves(replaced), zeros, strict=True))
    assert type(replaced[0].state) is LSTMState


def test_detach_cuts_the_graph() -> None:
    state = map_state(lambda leaf: leaf.clone().requires_grad_() * 1, _state())
    assert all(leaf.requires_grad for leaf in leaves(state))
    cut = detach(state)
    assert not any(leaf.requires_grad for leaf in leaves(cut))
    assert all(torch.equal(a, b) for a, b in zip(leaves(cut), leaves(state), strict=True))


def test_torchs_pair_becomes_an_lstm_state() -> None:
    form = Dropped(LSTMState(torch.zeros(2, 3), torch.zeros(2, 3)), None)
    given = ((torch.ones(2, 3), torch.ones(2, 3)), None)
    check_state(given, form)
    adopted = adopt(given, form)
    assert isinstance(adopted, Dropped)
    assert isinstance(adopted.state, LSTMState)
    assert adopted.state.h is given[0][0]


H = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("given", "wanted", "message"),
    [
        (torch.zeros(3, 3), H, r"state: expected float32 \(2, 3\), got float32 \(3, 3\)"),
        (H.double(), H, r"expected float32 \(2, 3\), got float64 \(2, 3\)"),
        (H, LSTMState(H, H), r"expected \(float32 \(2, 3\), float32 \(2, 3\)\), got float32 \(2, 3\)"),
        ((H, H), H, r"expected float32 \(2, 3\), got \(float32"),
        ((H, H, H), LSTMState(H, H), "got .*, .*, "),
        ((H, None), LSTMState(H, H), r"got \(float32 \(2, 3\), None\)"),
        ([H, H], LSTMState(H, H), "got list"),
        (Dropped(H, None), Dropped(H, H), r"got \(float32 \(2, 3\), None\)"),
        (Dropped(H, H), Dropped(H, Shared(H)), r"expected \(float32 \(2, 3\), shared \(2, 3\)\)"),
    ],
)
def test_check_state_says_what_came(given: Any, wanted: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_state(given, wanted)


def test_where_nothing_is_wanted_anything_is_welcome() -> None:
    wanted = Dropped(H, None)
    for mask in (None, H, Shared(H)):
        assert check_state(Dropped(H, mask), wanted) is None
    assert adopt(Dropped(H, Shared(H)), wanted).mask is not None
