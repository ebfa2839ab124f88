"""Words with their characters inside."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elman import Ragged
from elman.core.check import compare
from elman.model.characters import SpeltWords
from elman.model.kinds.text import TextIn, spellings, split

LENGTHS = [3, 0, 5, 1]


def _stage(dropout: float = 0.0) -> SpeltWords:
    torch.manual_seed(0)
    return SpeltWords(9, 12, 4, dropout).double()


def _rows() -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    words = torch.randint(1, 9, (5, 4, 1), generator=random)
    letters = torch.randint(3, 12, (5, 4, 8), generator=random)
    sizes = torch.randint(1, 9, (5, 4, 1), generator=random)
    return torch.cat([words, letters * (torch.arange(8) < sizes)], dim=-1)


def test_a_word_is_its_vector_and_the_largest_answers_of_filters_over_its_letters() -> None:
    stage, rows = _stage(), _rows()
    found, _ = stage(Ragged(rows, LENGTHS))
    word = rows[2, 2]
    letters = stage.letters(word[1:][word[1:] > 0])
    expected = [stage.words.module.weight[word[0]]]
    for filters in stage.filters:
        width = filters.kernel_size[0]
        pad = letters.new_zeros(width - 1, letters.shape[1])
        padded = torch.cat([pad, letters, pad])
        windows = [padded[k : k + width] for k in range(len(padded) - width + 1)]
        answers = [torch.tanh((filters.weight * w.T).sum((1, 2)) + filters.bias) for w in windows]
        expected.append(torch.stack(answers).amax(0))
    compare("a word", {"vector": found.values[2, 2]}, {"vector": torch.cat(expected)})
    assert found.values.shape[-1] == stage.width


def test_pads_of_words_and_of_characters_change_nothing() -> None:
    stage, rows = _stage(), _rows()
    mask = (torch.arange(5)[:, None] < torch.tensor(LENGTHS))[..., None]
    found, _ = stage(Ragged(rows, LENGTHS))
    for fill in (-7, 10**9):
        dirty, _ = stage(Ragged(torch.where(mask, rows, fill), LENGTHS))
        assert torch.equal(dirty.values, found.values)
    assert not found.values[~mask[..., 0]].any()
    wider, _ = stage(Ragged(torch.cat([rows, torch.zeros(5, 4, 3, dtype=torch.int64)], dim=-1), LENGTHS))
    compare("longer words beside it", {"vectors": wider.values}, {"vectors": found.values})


def test_rows_know_nothing_of_each_other() -> None:
    stage, rows, order = _stage(), _rows(), torch.tensor([2, 3, 0, 1])
    whole, _ = stage(Ragged(rows, LENGTHS))
    turned, _ = stage(Ragged(rows, LENGTHS).rows(order))
    compare("law 5", {"vectors": turned.values}, {"vectors": whole.values[:, order]})
    for row, length in enumerate(LENGTHS):
        alone, _ = stage(Ragged(rows[:length, row : row + 1]))
        compare("law 5", {"vectors": alone.values}, {"vectors": whole.values[:length, row : row + 1]})


def test_words_are_dropped_and_their_spelling_stays() -> None:
    stage, rows = _stage(0.5).train(), Ragged(_rows(), LENGTHS)
    torch.manual_seed(3)
    dropped, _ = stage(rows)
    whole, _ = stage.eval()(rows)
    compare("spelling", {"c": dropped.values[..., 4:]}, {"c": whole.values[..., 4:]})
    gone = (dropped.values[..., :4] == 0).all(-1) & rows.mask
    assert gone.any()
    assert not gone[rows.mask].all()


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60))
def test_there_are_as_many_spellings_as_words(text: str) -> None:
    kind = TextIn(column="a", variant="", vocabulary=["<unknown>", "<end>", "a"], characters=["a", "B"])
    assert len(spellings(text)) == len(split(text, ""))
    assert kind.encode(text).shape == (len(kind.split(text)), 21)


def test_letters_have_numbers_of_their_own() -> None:
    kind = TextIn.fit(["Aa b b", "A b"], "a", "", spelt=True)
    assert kind.characters == ["b", "A", "a"]
    row = kind.spell("Aax")[0].tolist()
    assert row[:6] == [1, 5, 6, 3, 2, 0]  # begins, A, a, unknown, ends, none
    long = kind.spell("A" * 9 + "x" * 50 + "a" * 9)[0].tolist()
    assert long == [1, *[5] * 9, *[6] * 9, 2]
    assert kind.spell("שלום é").tolist()[0][:6] == [1, 3, 3, 3, 3, 2]
    assert kind.encode("").shape == (0, 21)
    assert kind.lost("b zebra B") == 1


@pytest.mark.parametrize("text", [["McDonald", "iPhone"], "McDonald iPhone"])
def test_capitals_are_seen(text: str | list[str]) -> None:
    kind = TextIn.fit(["McDonald iPhone mcdonald iphone"] * 2, "a", "", spelt=True)
    small = text.lower() if isinstance(text, str) else [word.lower() for word in text]
    assert torch.equal(kind.encode(text)[:, 0], kind.encode(small)[:, 0])
    assert not torch.equal(kind.encode(text)[:, 1:], kind.encode(small)[:, 1:])
