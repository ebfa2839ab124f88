"""Several parts in a step: events, what is known ahead or constant, gaps, several labels."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from elman import InputError, Ragged
from elman.model.embed import Embed, vector_size
from elman.model.kinds.events import EventsIn
from elman.model.kinds.joined import JoinedIn, Steps
from elman.model.kinds.label import LabelHead, LabelOut, parse_weights
from elman.model.kinds.labels import LabelsHead, LabelsOut, best_thresholds
from elman.model.kinds.series import SeriesIn, held, interpolated
from elman.model.kinds.text import UNKNOWN, TextIn

Make = Callable[..., Any]


def _names(*rows: str) -> np.ndarray:
    return np.array([list(row) for row in rows], dtype=object)


# Events -------------------------------------------------------------------------------------------------------


def test_names_are_numbered_and_what_training_never_saw_is_number_0() -> None:
    kind = EventsIn.fit([_names("ax", "by"), _names("ay")], ["e", "f"])
    assert kind.vocabularies == [[UNKNOWN, "a", "b"], [UNKNOWN, "x", "y"]]
    assert kind.encode(_names("bx", "zx")).tolist() == [[2.0, 1.0], [0.0, 1.0]]
    assert kind.encode(np.empty((0, 2), dtype=object)).shape == (0, 2)
    assert kind.unknown(_names("zx", "zw", "ax")) == ["z", "w"]
    gap = np.array([[None, "x"]], dtype=object)
    assert kind.encode(gap).tolist() == [[0.0, 1.0]]
    assert kind.unknown(gap) == []
    with pytest.raises(InputError, match=r"expected \[T, 2\] for \['e', 'f'\], got \[1, 1\]"):
        kind.encode(_names("a"))
    with pytest.raises(InputError, match="column 'e' has no value in the training part"):
        EventsIn.fit([np.array([[None]], dtype=object)], ["e"])


def test_of_many_names_those_seen_once_train_the_unknown() -> None:
    often, once = [f"o{k}" for k in range(15)], [f"r{k}" for k in range(15)]
    kind = EventsIn.fit([np.array([[name] for name in [*often, *often, *once]], dtype=object)], ["e"])
    assert kind.vocabularies[0] == [UNKNOWN, *sorted(often)]
    # Where all are rare, they are kept: else nothing would be left to read.
    rare = EventsIn.fit([np.array([[f"r{k}"] for k in range(30)], dtype=object)], ["e"])
    assert len(rare.vocabularies[0]) == 31


# Parts side by side -------------------------------------------------------------------------------------------


def _joined() -> JoinedIn:
    return JoinedIn(
        parts=[
            SeriesIn(columns=["p", "q"], mean=[1.0, 0.0], scale=[2.0, 1.0]),
            TextIn(column="t", variant="", vocabulary=["<unknown>", "<end>", "a", "b"]),
            EventsIn(columns=["e"], vocabularies=[[UNKNOWN, "x", "y"]]),
        ],
        known=[SeriesIn(columns=["k"], mean=[0.0], scale=[1.0])],
        static=[EventsIn(columns=["s"], vocabularies=[[UNKNOWN, "n"]])],
    )


def _steps(count: int) -> Steps:
    ahead = np.full((2, 1), 7.0)
    known = np.arange(count, dtype=float)[:, None]
    parts = (np.ones((count, 2)), ["a", "b", "c"][:count], _names(*"xyz")[:count], known)
    return Steps(parts, (_names("n"),), (ahead,))


@given(st.integers(0, 3))
def test_parts_stand_side_by_side_in_the_order_of_their_columns(count: int) -> None:
    kind = _joined()
    assert kind.columns == ["p", "q", "t", "e", "k", "s"]
    assert kind.width == 6
    assert kind.spans == [(0, 2), (2, 3), (3, 4), (4, 5), (5, 6)]
    assert kind.numbers == [0, 1]
    assert kind.ahead == [4]
    assert [kind.place_of(name) for name in kind.columns] == [0, 1, None, None, None, None]
    made = kind.encode(_steps(count))
    expected = [[0.0, 1.0, 2.0, 1.0, 0.0, 1.0], [0.0, 1.0, 3.0, 2.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0, 2.0, 1.0]]
    assert made.tolist() == expected[:count]


def test_of_the_steps_ahead_only_what_is_known_stands() -> None:
    assert _joined().encode_ahead(_steps(1).ahead).tolist() == [[0.0, 0.0, 0.0, 0.0, 7.0, 0.0]] * 2


def test_a_stretch_of_steps_keeps_what_is_constant_and_loses_what_is_ahead() -> None:
    some = _steps(3)[1:]
    assert len(some) == 2
    assert some.parts[1] == ["b", "c"]
    assert some.static[0].tolist() == [["n"]]
    assert some.ahead == ()


def test_parts_of_unequal_length_are_refused() -> None:
    kind, steps = _joined(), _steps(3)
    with pytest.raises(InputError, match="text has 2 steps, the first part has 3"):
        kind.encode(Steps((steps.parts[0], ["a", "b"], *steps.parts[2:]), steps.static))
    with pytest.raises(InputError, match="expected 5 parts, got 4"):
        kind.encode(Steps(steps.parts[:3], steps.static))


def test_names_become_vectors_and_numbers_stay_what_they_are() -> None:
    embed = Embed(_joined(), 8)
    assert embed.width == 3 + 8 + vector_size(3, 8) + vector_size(2, 8)
    rows = Ragged(torch.tensor([[0.5, 1.0, 2.0, 1.0, 3.0, 1.0]])[None].expand(4, 1, 6).contiguous(), [3])
    made = embed(rows)[0].values
    assert made[0, 0, :3].tolist() == [0.5, 1.0, 3.0]
    assert torch.equal(made[0, 0, 3:11], embed.tables[0].weight[2])
    assert made[3].eq(0).all()
    # What is no category's number is read as the unknown one, whatever is forecast elsewhere.
    odd = embed.vectors(torch.tensor([0.0, 0.0, 99.0, -1.0, 0.0, 0.0]))
    assert torch.equal(odd[3:11], embed.tables[0].weight[0])
    assert Embed(_joined(), 8, [4]).width == 1


def test_a_category_gets_a_wider_vector_the_more_there_are() -> None:
    widths = [vector_size(count, 64) for count in (2, 3, 10, 100, 1_000, 100_000)]
    assert widths == sorted(widths)
    assert widths[0] == 2
    assert widths[-1] == 64


# Forecasts with what is known ---------------------------------------------------------------------------------


def _forecaster(make: Make) -> tuple[Any, torch.Tensor]:
    small = make("series+events-future:3")
    return small.model(), small.batch((9, 9)).ragged.values


def test_what_is_known_ahead_changes_the_forecast_and_what_is_not_is_not_read(make: Make) -> None:
    model, window = _forecaster(make)
    kind = model.config.input
    with torch.inference_mode():
        before = model.answer(Ragged(window))
        for place in range(kind.width):
            other = window.clone()
            other[-1, :, place] += 1.0
            changed = not torch.equal(model.answer(Ragged(other)), before)
            assert changed == (place in kind.ahead), place


def test_a_known_step_tells_on_all_steps_of_the_forecast(make: Make) -> None:
    """The decoder reads both ways, for all of the horizon is known at once."""
    model, window = _forecaster(make)
    with torch.inference_mode():
        before = model.answer(Ragged(window))
        other = window.clone()
        other[-2, :, model.config.input.ahead[0]] += 1.0
        moved = (model.answer(Ragged(other)) != before).flatten(2).any(-1)
    assert moved.all()


def test_a_forecast_of_several_parts_moves_with_the_level_of_its_numbers_alone(make: Make) -> None:
    model, window = _forecaster(make)
    shifted = window.clone()
    shifted[:8, :, :2] += 100.0
    with torch.inference_mode():
        moved = model.answer(Ragged(shifted)) - model.answer(Ragged(window))
    torch.testing.assert_close(moved, torch.full_like(moved, 100.0), rtol=1e-4, atol=1e-3)


# Gaps ---------------------------------------------------------------------------------------------------------


HOLED = hnp.arrays(
    np.float64,
    st.tuples(st.integers(0, 12), st.integers(1, 2)),
    elements=st.one_of(st.just(np.nan), st.integers(-9, 9).map(float)),
)


@given(HOLED)
def test_what_is_held_comes_from_before_and_nothing_else(values: np.ndarray) -> None:
    made = held(torch.from_numpy(values)).numpy()
    for step, channel in product(*map(range, values.shape)):
        seen = values[: step + 1, channel]
        seen = seen[~np.isnan(seen)]
        assert made[step, channel] == (seen[-1] if len(seen) else 0.0)


@given(HOLED)
def test_what_is_interpolated_lies_on_the_line_between_its_neighbours(values: np.ndarray) -> None:
    made = interpolated(torch.from_numpy(values)).numpy()
    for channel in range(values.shape[1]):
        known = np.flatnonzero(~np.isnan(values[:, channel]))
        expected = np.zeros(len(values))
        if len(known):
            expected = np.interp(np.arange(len(values)), known, values[known, channel])
        np.testing.assert_allclose(made[:, channel], expected, atol=1e-12)


def test_a_gap_that_is_an_input_is_held_and_flagged() -> None:
    values = [np.array([[1.0, 5.0], [np.nan, 6.0], [3.0, 7.0]])]
    kind = SeriesIn.fit(values, ["a", "b"], "input")
    assert kind.mean == [2.0, 6.0]
    assert kind.flagged == [0]
    assert (kind.channels, kind.width, kind.ages) == (2, 4, [3])
    made = kind.encode(values[0])
    assert made[:, 0].tolist() == [-1.0, -1.0, 1.0]
    assert made[:, 2].tolist() == [0.0, 1.0, 0.0]
    np.testing.assert_allclose(made[:, 3], np.log1p([0.0, 1.0, 2.0]), rtol=1e-6)
    # A channel without a gap in training has no flag, but a later gap is closed all the same.
    later = kind.encode(np.array([[1.0, 5.0], [2.0, np.nan]]))
    assert later[1, 1] == later[0, 1]
    with pytest.raises(InputError, match="column 'a' has no value in the training part"):
        SeriesIn.fit([np.full((3, 1), np.nan)], ["a"], "input")


# Several labels -----------------------------------------------------------------------------------------------


def test_labels_that_never_vary_are_refused() -> None:
    with pytest.raises(InputError, match=r"class 'a' holds always in the training part: .* leave it out of 'y'"):
        LabelsOut.fit([("a", "b"), ("a",)], ["y"])
    with pytest.raises(InputError, match=r"class 'b' holds never in the training part: .* leave its column out"):
        LabelsOut.fit([("a",), ()], ["a", "b"])
    with pytest.raises(InputError, match="column 'y' names no class"):
        LabelsOut.fit([(), ()], ["y"])


@given(st.lists(st.sets(st.sampled_from("abc")), max_size=6))
def test_sets_of_labels_come_back_from_their_encoding(sets: list[set[str]]) -> None:
    out = LabelsOut(columns=["y"], classes=["a", "b", "c"])
    made = out.encode([tuple(sorted(one)) for one in sets]).numpy()
    assert made.shape == (len(sets), 3)
    found = [{name for name, holds in zip(out.classes, row, strict=True) if holds} for row in out.decide(made)]
    assert found == sets


def test_classes_that_training_never_saw_are_named() -> None:
    out = LabelsOut(columns=["y"], classes=["a", "b"])
    assert out.unseen([("a", "z"), (), ("w", "z")]) == ["z", "w"]
    assert out.encode([("a", "z")]).tolist() == [[1.0, 0.0]]


def test_the_loss_of_several_labels_is_that_of_the_definition() -> None:
    out = LabelsOut(columns=["y"], classes=["a", "b"], weights=[3.0, 1.0])
    head, logits, target = LabelsHead(4, out), torch.tensor([[0.3, -2.0]]), torch.tensor([[1.0, 0.0]])
    chance = torch.sigmoid(logits)[0]
    expected = -(3.0 * chance[0].log() + (1 - chance[1]).log()) / 2
    torch.testing.assert_close(head.loss(logits, target), expected[None])


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(2)), elements=st.floats(0, 1)).flatmap(
        lambda chances: st.tuples(st.just(chances), hnp.arrays(np.bool_, chances.shape))
    )
)
def test_no_threshold_beats_the_chosen_one(pair: tuple[np.ndarray, np.ndarray]) -> None:
    chances, holds = pair

    def f1(said: np.ndarray, truth: np.ndarray) -> float:
        return float(2 * (said & truth).sum() / max(1, said.sum() + truth.sum()))

    for chosen, chance, truth in zip(best_thresholds(chances, holds.astype(float)), chances.T, holds.T, strict=True):
        best = max(f1(chance >= cut, truth) for cut in [0.5, *chance])
        assert f1(chance >= chosen, truth) == pytest.approx(best)


# Weights of classes -------------------------------------------------------------------------------------------


def test_balanced_weights_give_every_class_as_much_in_sum() -> None:
    labels = ["a"] * 6 + ["b"] * 3 + ["c"]
    out = LabelOut.fit(labels, "y", "balanced")
    sums = [weight * labels.count(name) for name, weight in zip(out.classes, out.weights, strict=True)]
    assert sums == pytest.approx([10 / 3] * 3)
    assert LabelOut.fit(labels, "y", "c=5").weights == [1.0, 1.0, 5.0]
    assert LabelOut.fit(labels, "y").weights == []
    several = LabelsOut.fit([("a",), ("a",), ("a", "b"), ()], ["y"], "balanced")
    assert several.weights == pytest.approx([1 / 3, 3.0])


def test_a_weight_multiplies_the_loss_of_its_class() -> None:
    logits, target = torch.randn(3, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1])
    plain = LabelHead(4, LabelOut(column="y", classes=["a", "b"])).loss(logits, target)
    heavy = LabelHead(4, LabelOut(column="y", classes=["a", "b"], weights=[1.0, 5.0])).loss(logits, target)
    torch.testing.assert_close(heavy, plain * torch.tensor([1.0, 5.0, 5.0]))


@pytest.mark.parametrize("text", ["even", "a", "a=", "a=0", "a=-1", "a=nan", "a=inf", "a=1,", ",a=1"])
def test_weights_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected balanced, or a positive number a class such as a=2, got"):
        parse_weights(text, ["a", "b"], [1.0, 1.0])
    with pytest.raises(InputError, match=r"no class 'c'\. Known: a, b"):
        parse_weights("c=2", ["a", "b"], [1.0, 1.0])
