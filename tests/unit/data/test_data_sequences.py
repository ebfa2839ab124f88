"""Sequences end to end: whatever is asked for is what was put in."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from elman.core.ragged import Ragged
from elman.data.sequences import Sequences

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=12)


def _made(lengths: list[int], tail: tuple[int, ...] = (2,)) -> list[torch.Tensor]:
    return [torch.randn(n, *tail) + 5 for n in lengths]


@given(LENGTHS, st.data())
def test_a_batch_is_the_padded_sequences(lengths: list[int], data: st.DataObject) -> None:
    made = _made(lengths)
    index = data.draw(st.lists(st.integers(0, len(made) - 1), min_size=1, max_size=8))
    padded = Sequences.of(made).padded(np.array(index))
    assert torch.equal(padded, Ragged.from_list([made[k] for k in index]).values)


@given(LENGTHS)
def test_each_is_as_it_was(lengths: list[int]) -> None:
    made = [torch.arange(n) for n in lengths]
    kept = Sequences.of(made)
    assert len(kept) == len(made)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(kept, made, strict=True))


@given(LENGTHS, st.integers(1, 4))
def test_pieces_are_those_of_split_and_share_the_memory(lengths: list[int], size: int) -> None:
    made = _made(lengths)
    whole = Sequences.of(made)
    pieces = whole.cut(size)
    wanted = [piece for one in made for piece in one.split(size)]
    assert len(pieces) == len(wanted)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(pieces, wanted, strict=True))
    assert pieces.values is whole.values


def test_none_at_all_is_welcome() -> None:
    assert len(Sequences.of([])) == 0
