"""Ragged: made from and turned into everything, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from elman.core import InputError, Ragged


def _sequences(lengths: list[int], tail: tuple[int, ...] = (2,)) -> list[Tensor]:
    """Rows of distinct numbers."""
    sizes = torch.Size(tail).numel()
    flat = torch.arange(1.0, 1 + sum(lengths) * sizes).reshape(-1, *tail)
    return list(flat.split(lengths))


def _equal(got: list[Tensor], want: list[Tensor]) -> bool:
    return len(got) == len(want) and all(torch.equal(a, b) for a, b in zip(got, want, strict=True))


LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=5)
POSITIVE = st.lists(st.integers(1, 6), min_size=1, max_size=5)
TAILS = st.sampled_from([(), (3,), (2, 3)])


# Round trips ---------------------------------------------------------------------------------------------


@given(LENGTHS, TAILS)
def test_list_round_trip(lengths: list[int], tail: tuple[int, ...]) -> None:
    rows = _sequences(lengths, tail)
    ragged = Ragged.from_list(rows)
    assert ragged.values.shape == (max(lengths), len(lengths), *tail)
    assert ragged.lengths.tolist() == lengths
    assert _equal(ragged.to_list(), rows)
    assert float(ragged.values.sum()) == float(sum(row.sum() for row in rows))


@given(POSITIVE, TAILS, st.booleans())
def test_packed_round_trip(lengths: list[int], tail: tuple[int, ...], enforce: bool) -> None:
    lengths = sorted(lengths, reverse=True) if enforce else lengths
    padded = Ragged.from_list(_sequences(lengths, tail))
    packed = pack_padded_sequence(padded.values, torch.tensor(lengths), enforce_sorted=enforce)
    ragged = Ragged.from_packed(packed)
    assert _equal(ragged.to_list(), padded.to_list())
    assert _equal(Ragged.from_packed(padded.to_packed()).to_list(), padded.to_list())
    again = ragged.to_packed(like=packed)
    assert torch.equal(again.data, packed.data)
    assert torch.equal(again.batch_sizes, packed.batch_sizes)
    assert (again.sorted_indices is None) == enforce
    assert again.sorted_indices is packed.sorted_indices
    assert again.unsorted_indices is packed.unsorted_indices


@given(LENGTHS)
def test_nested_round_trip(lengths: list[int]) -> None:
    ragged = Ragged.from_list(_sequences(lengths))
    nested = ragged.to_nested()
    assert nested.is_nested
    assert _equal(Ragged.from_nested(nested).to_list(), ragged.to_list())


@given(LENGTHS, TAILS, st.sampled_from(["list", "tuple", "int64", "int32", "uint8"]))
def test_padded_round_trip(lengths: list[int], tail: tuple[int, ...], form: str) -> None:
    rows = _sequences(lengths, tail)
    padded = torch.nn.utils.rnn.pad_sequence(rows, padding_value=-7.0)
    forms: dict[str, Any] = {"list": lengths, "tuple": tuple(lengths)}
    ragged = Ragged(padded, forms.get(form) or torch.tensor(lengths, dtype=getattr(torch, form, torch.int64)))
    assert _equal(ragged.to_list(), rows)
    assert ragged.lengths.dtype == torch.int64
    assert torch.equal(ragged.lengths, ragged.host_lengths)
    assert ragged.mask.sum(0).tolist() == lengths


# What it says --------------------------------------------------------------------------------------------


def test_shape_mask_and_words() -> None:
    ragged = Ragged(torch.zeros(4, 3, 2), [1, 4, 3])
    assert (ragged.steps, ragged.batch, ragged.full) == (4, 3, False)
    assert ragged.mask.tolist() == [
        [True] * 3,
        [False, True, True],
        [False, True, True],
        [False, True, False],
    ]
    assert repr(ragged) == "Ragged(4, 3, 2), lengths 1..4, 67 % real"
    assert repr(Ragged(torch.zeros(4, 0, 2))) == "Ragged(4, 0, 2), no rows"
    assert repr(Ragged(torch.zeros(0, 2, 2))) == "Ragged(0, 2, 2), lengths 0..0, 0 % real"


def test_no_lengths_means_full() -> None:
    ragged = Ragged(torch.zeros(4, 3))
    assert ragged.full
    assert ragged.lengths.tolist() == [4, 4, 4]
    assert Ragged(torch.zeros(4, 0)).full
    assert Ragged(torch.zeros(0, 2)).full


def test_any_dtype() -> None:
    for dtype in (torch.int64, torch.bool, torch.bfloat16):
        clean = Ragged(torch.ones(3, 2, dtype=dtype), [1, 3]).clean()
        assert clean.values.dtype == dtype
        assert clean.values.sum(0).tolist() == [1, 3]


# New from old --------------------------------------------------------------------------------------------


@given(LENGTHS)
def test_clean_puts_zero_behind_and_stops_gradients(lengths: list[int]) -> None:
    steps = max(lengths)
    values = torch.randn(steps, len(lengths), 2).requires_grad_()
    ragged = Ragged(torch.where(Ragged(values, lengths).mask[..., None], values, torch.nan), lengths)
    clean = ragged.clean()
    assert clean.values.isfinite().all()
    (grad,) = torch.autograd.grad(clean.values.sum(), values)
    assert torch.equal(grad, ragged.mask[..., None].expand_as(grad).float())
    assert torch.equal(clean.values == 0, ~ragged.mask[..., None].expand_as(values))


def test_clean_of_a_full_one_is_itself() -> None:
    ragged = Ragged(torch.randn(3, 2, 2))
    assert ragged.clean() is ragged


@given(LENGTHS)
def test_reverse(lengths: list[int]) -> None:
    ragged = Ragged.from_list(_sequences(lengths))
    back = ragged.reverse()
    assert _equal(back.to_list(), [row.flip(0) for row in ragged.to_list()])
    assert torch.equal(back.reverse().values, ragged.values)
    assert torch.equal(back.values[~ragged.mask], ragged.values[~ragged.mask])


@given(LENGTHS, st.integers(0, 8), st.integers(0, 8))
def test_slice_time(lengths: list[int], a: int, b: int) -> None:
    ragged, (start, stop) = Ragged.from_list(_sequences(lengths)), sorted((a, b))
    part = ragged.slice_time(start, stop)
    assert _equal(part.to_list(), [row[start:stop] for row in ragged.to_list()])
    assert torch.equal(part.values, ragged.values[start:stop])
    assert torch.equal(part.lengths, part.host_lengths)


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (-3, -1)])
def test_slice_time_refuses(start: int, stop: int) -> None:
    with pytest.raises(InputError, match=f"expected 0 <= start <= stop, got {start} and {stop}"):
        Ragged(torch.zeros(4, 1)).slice_time(start, stop)


@given(LENGTHS, st.randoms(use_true_random=False))
def test_rows(lengths: list[int], source: Any) -> None:
    ragged = Ragged.from_list(_sequences(lengths))
    index = [source.randrange(len(lengths)) for _ in range(4)]
    chosen = ragged.rows(torch.tensor(index))
    assert _equal(chosen.to_list(), [ragged.to_list()[k] for k in index])
    assert chosen.host_lengths.tolist() == [lengths[k] for k in index]


def test_with_values_and_map_keep_the_rows() -> None:
    ragged = Ragged(torch.ones(3, 2, 4), [1, 3])
    assert ragged.map(lambda values: values.sum(-1)).values.shape == (3, 2)
    assert ragged.with_values(torch.zeros(3, 2, 9)).lengths is ragged.lengths
    with pytest.raises(InputError, match=r"expected \(3, 2, \.\.\.\), got \(2, 2, 4\)"):
        ragged.map(lambda values: values[1:])


def test_lengths_carry_no_gradient_and_stay_what_they_were() -> None:
    given_lengths = torch.tensor([1, 3], dtype=torch.int32)
    ragged = Ragged(torch.zeros(3, 2), given_lengths)
    given_lengths[0] = 2
    assert ragged.lengths.tolist() == [1, 3]


# What it refuses -----------------------------------------------------------------------------------------

BAD: list[tuple[Any, str]] = [
    (lambda: Ragged(torch.zeros(3)), r"values: expected a tensor \(T, B, \.\.\.\), got shape \(3,\)"),
    (lambda: Ragged([[1.0]]), "values: expected a tensor .* got list; use Ragged.from_list"),
    (lambda: Ragged(torch.zeros(3, 2), [1]), r"lengths: expected one a row, shape \(2,\), got \(1,\)"),
    (lambda: Ragged(torch.zeros(3, 2), torch.ones(2, 1).long()), r"shape \(2,\), got \(2, 1\)"),
    (lambda: Ragged(torch.zeros(3, 2), [1, 4]), r"lengths: expected values from 0 to T=3, got 1\.\.4"),
    (lambda: Ragged(torch.zeros(3, 2), [-1, 2]), r"lengths: expected values from 0 to T=3, got -1\.\.2"),
    (lambda: Ragged(torch.zeros(3, 2), [1.0, 2.0]), r"lengths: expected whole numbers, got \[1\.0, 2\.0\]"),
    (lambda: Ragged(torch.zeros(3, 2), [True, False]), "lengths: expected whole numbers, got"),
    (lambda: Ragged(torch.zeros(3, 2), torch.ones(2)), r"got dtype torch.float32; use lengths\.long\(\)"),
    (lambda: Ragged(torch.zeros(3, 2), torch.ones(2).bool()), "got dtype torch.bool"),
    (lambda: Ragged.from_list([]), "expected at least one tensor"),
    (
        lambda: Ragged.from_list([[1.0], [2.0]]),
        r"expected tensors \(T, \.\.\.\); make them with torch\.tensor",
    ),
    (lambda: Ragged.from_list([torch.tensor(1.0)]), r"expected tensors \(T, \.\.\.\)"),
    (lambda: Ragged.from_list([torch.zeros(2, 3), torch.zeros(2, 4)]), r"alike but for T, got \(2, 3\)"),
    (lambda: Ragged.from_list([torch.zeros(2), torch.zeros(2).long()]), "alike but for T, got .*int64"),
    (lambda: Ragged(torch.zeros(3, 2), [0, 3]).to_packed(), "cannot hold rows of length 0"),
    (lambda: Ragged(torch.zeros(3, 0)).to_packed(), "cannot hold rows of length 0"),
    (lambda: Ragged.from_nested(torch.zeros(3, 2)), "layout=torch.jagged"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_refuses(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("lengths", [(n for n in (1, 2)), {1: 2, 2: 1}, {1, 2}, iter([1, 2]), 5])
def test_lengths_that_are_no_list_are_refused(lengths: Any) -> None:
    with pytest.raises(InputError, match="lengths: expected a list or tensor of whole numbers, got "):
        Ragged(torch.zeros(2, 2, 1), lengths)


def test_lengths_beyond_any_tensor_are_refused() -> None:
    with pytest.raises(InputError, match=f"lengths: expected values from 0 to T=2, got 1..{2**70}"):
        Ragged(torch.zeros(2, 2, 1), [1, 2**70])
