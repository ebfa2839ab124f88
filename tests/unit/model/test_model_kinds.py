"""Kinds of data: what is learnt from training data, encoding and back, the heads' losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from elman import InputError, Ragged
from elman.model.answers import margin_of, quantiles
from elman.model.config import ModelConfig, NetConfig
from elman.model.kinds.label import LabelHead, LabelOut
from elman.model.kinds.number import LEVELS, NumberHead, NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import END, UNKNOWN, TextIn, TokenHead
from elman.model.network import SequenceModel
from elman.model.sampling import Sampling

FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)


# Series and numbers -------------------------------------------------------------------------------------------


def test_series_are_scaled_by_mean_and_deviation_of_all_training_steps() -> None:
    kind = SeriesIn.fit([np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[5.0, 5.0]]), np.zeros((0, 2))], ["a", "b"])
    assert kind.mean == [3.0, 5.0]
    assert kind.scale == pytest.approx([np.sqrt(8 / 3), 1.0])
    made = kind.encode(np.array([[3.0, 6.0]]))
    assert made.dtype == torch.float32
    assert made.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 + 0.1, -1e-12])
def test_a_constant_channel_is_left_in_its_own_units(value: float) -> None:
    kind = SeriesIn.fit([np.full((50, 1), value)], ["a"])
    assert kind.scale == [1.0]
    assert kind.encode(np.full((3, 1), value)).abs().max() < 1e-6


@given(hnp.arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(1, 3)), elements=FINITE))
def test_numbers_come_back_from_their_encoding(values: np.ndarray) -> None:
    out = NumberOut.fit([values], [f"c{k}" for k in range(values.shape[1])])
    back = out.decode(out.encode(values).numpy())
    size = np.abs(values).max() + np.asarray(out.scale).max()
    np.testing.assert_allclose(back, values, atol=2e-6 * size)


def test_series_of_another_width_or_with_gaps_are_refused() -> None:
    kind = SeriesIn.fit([np.arange(6.0).reshape(3, 2)], ["a", "b"])
    with pytest.raises(InputError, match=r"expected \[T, 2\] for \['a', 'b'\], got \[3, 1\]"):
        kind.encode(np.zeros((3, 1)))
    with pytest.raises(InputError, match="finite"):
        kind.encode(np.array([[1.0, np.nan]]))


def test_values_that_float32_cannot_compute_with_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"column 'b'.*too large.*divide"):
        SeriesIn.fit([np.array([[1.0, 1e300], [2.0, -1e300]])], ["a", "b"])
    kind = SeriesIn.fit([np.array([[1.0, 1.0], [2.0, 2.0]])], ["a", "b"])
    with pytest.raises(InputError, match=r"column 'b': 1e\+40 lies .* standard deviations.*unit"):
        kind.encode(np.array([[1.0, 1e40]]))
    out = NumberOut.fit([np.array([[1.0], [2.0]])], ["y"])
    with pytest.raises(InputError, match=r"column 'y'"):
        out.encode(np.array([[-1e300]]))


# Labels -------------------------------------------------------------------------------------------------------


def test_labels_are_sorted_as_people_count() -> None:
    assert LabelOut.fit(["10", "9", "2", "b", "a", "10"], "y").classes == ["a", "b", "2", "9", "10"]


@given(st.lists(st.text(min_size=1, max_size=4), min_size=2, unique=True))
def test_labels_come_back_from_their_numbers(labels: list[str]) -> None:
    out = LabelOut.fit(labels, "y")
    assert [out.classes[k] for k in out.encode(labels).tolist()] == labels
    assert out.encode(["never seen, for it is long"]).tolist() == [-1]


def test_one_class_alone_is_an_error() -> None:
    with pytest.raises(InputError, match=r"column 'mood' holds one class only \('sad'\).*Check"):
        LabelOut.fit(["sad", "sad"], "mood")


def test_the_label_loss_is_the_negative_log_of_the_softmax() -> None:
    head = LabelHead(2, LabelOut(column="y", classes=["a", "b"]))
    loss = head.loss(torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.tensor([0, 1]))
    assert loss.tolist() == pytest.approx([np.log(1 + np.e**2), np.log(2)], rel=1e-6)


# Text ---------------------------------------------------------------------------------------------------------


def test_words_seen_twice_are_kept_and_others_are_unknown_and_counted() -> None:
    kind = TextIn.fit(["A film, a FILM!", "don't don't blink"], "t", "")
    assert kind.vocabulary == [UNKNOWN, END, "a", "don't", "film"]
    assert kind.encode("Don't film a zebra!").tolist() == [3, 4, 2, 0, 0]
    assert kind.unknown("zebra film zebra !") == ["zebra", "!"]
    assert kind.encode("").tolist() == []


@given(st.lists(st.text(max_size=20), min_size=1).filter(any))
def test_characters_come_back_from_their_numbers(texts: list[str]) -> None:
    kind = TextIn.fit(texts, "t", "char")
    for text in texts:
        assert kind.decode(kind.encode(text).tolist()) == text
        assert kind.unknown(text) == []


@given(st.lists(st.text("aé ı'İ-_ß,.1\n", max_size=15), min_size=1))
def test_words_written_out_are_read_as_the_same_words(texts: list[str]) -> None:
    doubled = [*texts, *texts, "a a"]
    kind = TextIn.fit(doubled, "t", "")
    for text in texts:
        numbers = kind.encode(text).tolist()
        assert 0 not in numbers
        assert kind.encode(kind.decode(numbers)).tolist() == numbers


def test_the_end_mark_is_not_written_and_the_unknown_is_a_replacement_mark() -> None:
    kind = TextIn.fit(["ab"], "t", "char")
    assert kind.decode([2, 1, 0, 3]) == "a\N{REPLACEMENT CHARACTER}b"


def test_texts_without_a_word_that_comes_back_are_refused_with_a_way_out() -> None:
    with pytest.raises(InputError, match=r"word that occurs 2 times.*--from text.char"):
        TextIn.fit(["every word once"], "t", "")


def test_the_unknown_token_is_never_drawn_and_top_1_is_the_likeliest() -> None:
    head = TokenHead(1, 4, separate=True)
    logits = torch.tensor([[50.0, 1.0, 2.0, 1.5]]).repeat(200, 1)
    generator = torch.Generator().manual_seed(0)
    drawn = Sampling(1.0, 0).draw(head.allowed(logits), generator)
    assert set(drawn.tolist()) == {1, 2, 3}
    two = Sampling(1.0, 2).draw(head.allowed(logits), generator)
    assert set(two.tolist()) == {2, 3}
    whole = Sampling(1.0, 0).draw(TokenHead(1, 4).allowed(logits), generator)
    assert set(whole.tolist()) == {2, 3}
    for temperature, top_k in ((0.0, 0), (1.0, 1), (5.0, 1), (1e-30, 0), (1e-3, 99)):
        assert set(Sampling(temperature, top_k).draw(head.allowed(logits), generator).tolist()) == {2}


def test_tokens_are_drawn_as_often_as_the_softmax_says() -> None:
    head = TokenHead(1, 3, separate=True)
    logits = torch.tensor([[0.0, 0.0, np.log(3.0)]]).repeat(4000, 1)
    drawn = Sampling(1.0, 0).draw(head.allowed(logits), torch.Generator().manual_seed(0))
    assert float((drawn == 2).float().mean()) == pytest.approx(0.75, abs=0.03)
    colder = Sampling(0.5, 0).draw(head.allowed(logits), torch.Generator().manual_seed(0))
    assert float((colder == 2).float().mean()) == pytest.approx(0.9, abs=0.03)


# The pinball loss ---------------------------------------------------------------------------------------------


def test_the_pinball_loss_is_that_of_the_definition() -> None:
    out = NumberOut(columns=["a", "b"], mean=[0.0, 0.0], scale=[1.0, 1.0], horizon=3)
    head = NumberHead(4, out)
    source = torch.Generator().manual_seed(0)
    raw, target = torch.randn(5, 3, 2, 7, generator=source), torch.randn(5, 3, 2, generator=source)
    by_hand = []
    for n in range(5):
        terms = []
        for h in range(3):
            for c in range(2):
                for q, level in enumerate(LEVELS):
                    apart = float(target[n, h, c] - raw[n, h, c, q])
                    terms.append(level * apart if apart > 0 else (level - 1) * apart)
        by_hand.append(np.mean(terms))
    assert head.loss(raw, target).tolist() == pytest.approx(by_hand, rel=1e-5)


def test_the_pinball_loss_is_least_at_the_quantiles() -> None:
    head = NumberHead(1, NumberOut(columns=["a"], mean=[0.0], scale=[1.0]))
    values = torch.linspace(0, 1, 1001)[:, None, None]
    best = torch.tensor(LEVELS).expand(1001, 1, 1, 7)

    def loss(by: float) -> float:
        return float(head.loss(best + by, values).mean())

    assert loss(0.0) < min(loss(0.02), loss(-0.02))


def _numbers_model(margin: list[float]) -> SequenceModel:
    torch.manual_seed(0)
    out = NumberOut(columns=["y"], mean=[0.0], scale=[1.0], margin=margin)
    kind = SeriesIn(columns=["x"], mean=[0.0], scale=[1.0])
    config = ModelConfig(source="series", target="number", input=kind, output=out, net=NetConfig(hidden=4))
    model = SequenceModel(config)
    torch.nn.init.normal_(model.head.linear.weight)
    return model.eval()


@pytest.mark.parametrize("margin", [[], [0.5], [0.0], [-0.5], [-50.0]])
def test_reported_quantiles_never_cross(margin: list[float]) -> None:
    model = _numbers_model(margin)
    rows = Ragged(torch.randn(6, 50, 1, generator=torch.Generator().manual_seed(1)))
    with torch.inference_mode():
        assert (model.answer(rows).diff(dim=-1) < 0).any()
        found = quantiles(model, rows)
        assert (found.diff(dim=-1) >= 0).all()
        # The median is what it was.
        assert torch.equal(found[..., 3], quantiles(model, rows, widened=False)[..., 3])


def test_a_margin_belongs_to_the_outer_levels_and_grows_with_the_distance_from_the_median() -> None:
    margin = margin_of(_numbers_model([2.0]), torch.zeros(()))
    assert margin.flatten().tolist() == pytest.approx([-2.25, -2.0, -1.25, 0.0, 1.25, 2.0, 2.25])
