"""Dropout of whole words: active in training only, the same at all places of a word, right in the mean."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from elman import GRUCell, Ragged, Recurrent, Stack, WordDropout
from elman.core.errors import InputError
from elman.core.state import Shared


def _stage(p: float, words: int = 12) -> WordDropout:
    torch.manual_seed(0)
    return WordDropout(nn.Embedding(words, 5), p)


def _text(lengths: list[int], words: int = 12) -> Ragged:
    source = torch.Generator().manual_seed(1)
    return Ragged(torch.randint(0, words, (9, len(lengths)), generator=source), lengths)


def test_it_is_a_plain_table_in_evaluation_and_without_a_rate() -> None:
    rows = _text([9, 4, 0, 7])
    for stage in (_stage(0.5).eval(), _stage(0.0).train()):
        given, state = stage(rows)
        assert state is None
        assert torch.equal(given.values, rows.map(stage.module).clean().values)
    assert list(_stage(0.5).state_dict()) == ["module.weight"]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(0, 5))
def test_a_word_is_dropped_at_all_its_places_or_at_none(lengths: list[int], seed: int) -> None:
    stage, rows = _stage(0.4).train(), _text(lengths)
    torch.manual_seed(seed)
    vectors, state = stage(rows)
    mask = state.value[:, 0]
    assert ((mask == 0) | torch.isclose(mask, torch.tensor(1 / 0.6))).all()
    expected = rows.clean().map(lambda tokens: stage.module(tokens) * mask[tokens][..., None]).clean()
    assert torch.equal(vectors.values, expected.values)


def test_the_mean_over_masks_is_the_table() -> None:
    stage, rows = _stage(0.3, words=4).train(), Ragged(torch.arange(4)[:, None])
    mean = torch.stack([stage(rows)[0].values for _ in range(2000)]).mean(0)
    torch.testing.assert_close(mean, stage.module.weight[:, None], rtol=0, atol=0.12)


def test_pieces_of_a_text_share_the_mask_until_it_is_renewed() -> None:
    stack, rows = Stack([_stage(0.5), Recurrent(GRUCell(5, 6))]).train(), _text([9, 9])
    torch.manual_seed(3)
    whole, _ = stack(rows)
    torch.manual_seed(3)
    first, state = stack(rows.slice_time(0, 4))
    second, _ = stack(rows.slice_time(4, 9), state)
    torch.testing.assert_close(torch.cat([first.values, second.values]), whole.values)
    assert isinstance(state[0], Shared)
    assert stack.renew(state)[0] is None


def test_gradients_reach_the_words_that_stay() -> None:
    stage = _stage(0.5).train()
    vectors, state = stage(Ragged(torch.arange(12)[:, None]))
    vectors.values.sum().backward()
    gradient = stage.module.weight.grad
    assert gradient is not None
    assert torch.equal(gradient, state.value.expand(12, 5))


@pytest.mark.parametrize("p", [-0.1, 1.0, float("nan")])
def test_a_rate_that_is_none_is_refused(p: float) -> None:
    with pytest.raises(InputError, match="from 0 to below 1"):
        WordDropout(nn.Embedding(3, 2), p)
