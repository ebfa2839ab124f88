"""The trials of a search as a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from elman.pictures import trials

SVG = "{http://www.w3.org/2000/svg}"


def parts(losses: list[float], complete: list[bool], name: str) -> list[ET.Element]:
    svg = trials(range(len(losses)), losses, complete, title="20 trials", y_label="loss")
    return [one for one in ET.fromstring(svg).iter(SVG + name) if one.get("r") != "2.8"]


def test_complete_trials_are_full_and_short_ones_hollow() -> None:
    dots = parts([0.5, 0.4, 0.6], [True, True, False], "circle")
    assert [dot.get("fill") == "#ffffff" for dot in dots] == [False, False, True]
    heights = [float(dot.get("cy", "nan")) for dot in dots]
    assert heights[1] > heights[0] > heights[2]


def test_the_best_so_far_falls_at_the_complete_ones_only() -> None:
    (line,) = parts([0.5, 0.3, 0.4, 0.2], [True, False, True, True], "polyline")
    heights = [float(pair.split(",")[1]) for pair in line.get("points", "").split()]
    assert list(np.unique(heights)) == sorted(heights[k] for k in (0, 4, -1))
    assert heights == sorted(heights)


def test_a_trial_far_off_leaves_the_others_their_room() -> None:
    near = parts([0.5, 0.4], [True, True], "circle")
    far = parts([0.5, 0.4, 1e6, float("nan")], [True, True, False, False], "circle")
    assert len(far) == 2
    extent = [abs(float(a.get("cy", "nan")) - float(b.get("cy", "nan"))) for a, b in (near, far)]
    assert extent[1] > 0.5 * extent[0]


@pytest.mark.parametrize(("losses", "complete"), [([0.5], [False]), ([0.5, 0.4], [True]), ([float("nan")], [True])])
def test_what_cannot_be_drawn_is_refused(losses: list[float], complete: list[bool]) -> None:
    with pytest.raises(ValueError, match="complete"):
        parts(losses, complete, "circle")


def test_one_trial_is_drawn() -> None:
    assert len(parts([0.5], [True], "circle")) == 1
