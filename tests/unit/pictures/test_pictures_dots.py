"""Scores over seeds as a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from elman.pictures import scores_by_seed

SVG = "{http://www.w3.org/2000/svg}"


def parts(svg: str, name: str) -> list[ET.Element]:
    return list(ET.fromstring(svg).iter(SVG + name))


def draw(models: dict[str, list[float]], marks: dict[str, float]) -> str:
    return scores_by_seed(models, marks, title="scores", x_label="mae")


def test_a_dot_a_seed_and_values_in_words() -> None:
    svg = draw({"gru": [0.1, 0.2, 0.3], "rnn": [0.4, 0.5, 0.3]}, {"ridge": 0.25})
    assert len(parts(svg, "circle")) == 6
    texts = [text.text for text in parts(svg, "text")]
    assert "0.2000 ± 0.10" in texts
    assert {"gru", "rnn", "ridge", "0.2500"} <= set(texts)


def test_dots_stand_where_their_values_are() -> None:
    dots = parts(draw({"gru": [0.1, 0.2, 0.4]}, {}), "circle")
    x = np.array([float(dot.get("cx", "nan")) for dot in dots])
    assert (x[2] - x[0]) / (x[1] - x[0]) == pytest.approx(3, rel=1e-2)


def test_equal_seeds_do_not_hide_each_other() -> None:
    dots = parts(draw({"gru": [0.5, 0.5, 0.5]}, {}), "circle")
    assert len({(dot.get("cx"), dot.get("cy")) for dot in dots}) == 3


def test_a_mark_far_away_is_an_arrow_and_leaves_the_models_their_room() -> None:
    near, far = draw({"gru": [0.1, 0.2]}, {}), draw({"gru": [0.1, 0.2]}, {"last value": 90.0})
    spread = [np.ptp([float(dot.get("cx", "nan")) for dot in parts(svg, "circle")]) for svg in (near, far)]
    assert spread[1] > 0.6 * spread[0]
    assert len(parts(far, "polygon")) == 1


@pytest.mark.parametrize("models", [{}, {"gru": []}, {"gru": [float("nan")]}, {"gru": [float("inf"), 1.0]}])
def test_what_cannot_be_drawn_is_refused(models: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match=r"model|finite|empty|infinite"):
        draw(models, {})


def test_names_are_escaped() -> None:
    svg = draw({"<gru> & co": [0.1, 0.2]}, {"'a\"": 0.1})
    assert "<gru> & co" in [text.text for text in parts(svg, "text")]
