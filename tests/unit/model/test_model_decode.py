"""Writing on: a text model continues a prompt."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elman import InputError, Ragged
from elman.model.decode import _start, _tokens, continue_text
from elman.model.kinds import pieces
from elman.model.kinds.text import TextIn, TokenOut
from elman.model.network import SequenceModel
from elman.model.sampling import Sampling

Make = Callable[..., Any]


def _model(make: Make, cell: str = "lstm", **changes: Any) -> SequenceModel:
    """A model sure enough of itself to write something; the end mark is never likely."""
    small = make("text-next", cell)
    torch.manual_seed(0)
    model = SequenceModel(small.config().model_copy(update=changes))
    for part in (model.head.linear, model.trunk.stages[0].module):
        torch.nn.init.normal_(part.weight, std=4.0)
    with torch.no_grad():
        model.head.linear.bias[1] = -100.0
    return model.eval()


def _written(model: SequenceModel, prompt: str = "abca", length: int = 12, **how: Any) -> str:
    return "".join(continue_text(model, prompt, length, **how))


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn", "feedforward"])
def test_greedy_is_the_argmax_of_the_whole_text_read_anew(make: Make, cell: str) -> None:
    model = _model(make, cell)
    kind = model.config.input
    assert isinstance(kind, TextIn)
    numbers = kind.encode("abca").tolist()
    for _ in range(12):
        with torch.inference_mode():
            logits, _ = model.answers(Ragged(torch.tensor(numbers)[:, None]))
        numbers.append(int(logits[-1, 0, 1:].argmax()) + 1)
    text = _written(model, sampling=Sampling(0))
    assert text == kind.decode(numbers[4:])
    assert len({_written(model, prompt, sampling=Sampling(0)) for prompt in ("abca", "h", "ccc", "def")}) > 1
    assert _written(model, sampling=Sampling(3.0, top_k=1), seed=5) == text


def test_a_seed_writes_the_same_text_and_another_seed_another(make: Make) -> None:
    model = _model(make)
    assert _written(model, seed=1, length=30) == _written(model, seed=1, length=30)
    assert len({_written(model, seed=seed, length=30) for seed in range(5)}) > 1


def test_the_length_is_that_asked_for_and_the_end_mark_stops_before(make: Make) -> None:
    model = _model(make)
    assert len(_written(model, length=7)) == 7
    separate = _model(make, output=TokenOut(size=10, separate=True))
    for one in (model, separate):
        with torch.no_grad():
            one.head.linear.bias[1] = 1000.0
    assert _written(separate, length=7) == ""
    # One long text has no end mark to be sure of.
    assert len(_written(model, length=7)) == 7


@pytest.mark.parametrize("separate", [False, True])
def test_an_empty_prompt_and_one_of_unknown_characters_are_continued(make: Make, separate: bool) -> None:
    model = _model(make, output=TokenOut(size=10, separate=separate))
    assert len(_written(model, "", 5)) == 5
    assert len(_written(model, "ZZ", 5)) == 5


def test_words_are_set_off_by_spaces(make: Make) -> None:
    words = TextIn(column="t", variant="", vocabulary=["<unknown>", "<end>", *"abcdefgh"])
    model = _model(make, input=words)
    assert _written(model, "a b", 3).startswith(" ")
    assert not _written(model, "a b ", 3).startswith(" ")
    assert len(_written(model, "", 3)) == len("a b c")


@given(st.lists(st.integers(2, 263), max_size=30))
def test_pieces_are_spelt_as_the_text_they_are_part_of(numbers: list[int]) -> None:
    """Characters of several bytes come whole, though their bytes are drawn one by one."""
    kind = TextIn.fit(["äöü öäü übe über 😀 😁"], "t", "bpe", most=270)
    assert "".join(pieces.joined(kind.vocabulary[n] for n in numbers)) == kind.decode(numbers)
    for text in ("äöü 😀", "e\u0301 שלום"):
        every = list(pieces.joined(kind.split(text)))
        assert "".join(every) == text
        assert "\N{REPLACEMENT CHARACTER}" not in "".join(every)


def test_a_model_of_pieces_goes_on_with_its_own_spaces(make: Make) -> None:
    kind = TextIn.fit(["ab cd ab cd ab"], "t", "bpe", most=262)
    model = _model(make, input=kind, output=TokenOut(size=kind.width))
    cold = Sampling(0)
    numbers = list(islice(_tokens(model, model.head, _start(model, kind, "ab"), cold, 0), 20))
    assert len(numbers) == 20
    assert _written(model, "ab", 20, sampling=cold) == kind.decode(numbers)


@pytest.mark.parametrize("cut", [1, 3])
def test_a_stop_ends_the_text_before_it_however_it_comes(make: Make, cut: int) -> None:
    model = _model(make)
    whole = _written(model, length=30)
    stop = whole[7 : 7 + cut]
    wanted = whole[: whole.find(stop)]
    assert _written(model, length=30, stop=[stop]) == wanted
    assert _written(model, length=30, stop=["not there", stop]) == wanted
    assert _written(model, length=30, stop=["not there"]) == whole


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"length": 0}, "length: expected at least 1.*got 0"),
        ({"seed": -1}, "seed: expected at least 0.*got -1"),
        ({"seed": 10**30}, "seed: .* below"),
        ({"stop": ["x", ""]}, "stop: an empty text"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(make: Make, how: dict[str, Any], message: str) -> None:
    model = _model(make)
    with pytest.raises(InputError, match=message):
        # Not even the first token is asked for.
        continue_text(model, "ab", **{"length": 5, **how})


def test_a_model_of_something_else_is_refused(make: Make) -> None:
    with pytest.raises(InputError, match="train one with --from text"):
        continue_text(make("text-label").model(), "ab", 5)
