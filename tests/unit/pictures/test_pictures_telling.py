"""Pictures of the stretch that tells most."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from elman.pictures import Telling, telling

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<script>alert(1)</script> & 'Ж' 日本語 \x00" + "long " * 80


def parse(svg: str) -> ET.Element:
    """The root of a picture, in which nothing lies outside."""
    root = ET.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert not list(root.iter(f"{SVG}script"))
    for node in root.iter():
        for key, limit in (("x", width), ("x1", width), ("x2", width), ("y", height), ("y1", height), ("y2", height)):
            assert -1 <= float(node.attrib.get(key, 0)) <= limit + 1, (node.tag, node.attrib)
        for pair in node.attrib.get("points", "").split():
            x, y = (float(part) for part in pair.split(","))
            assert -1 <= x <= width + 1
            assert -1 <= y <= height + 1
    return root


def words(root: ET.Element) -> list[str]:
    return ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]


def _one(channels: int = 1, steps: int = 50, **more: object) -> Telling:
    values = np.sin(np.arange(steps)[:, None] / 5 + np.arange(channels))
    given = {"caption": "A", "values": values, "weight": np.arange(steps) - 10.0, "first": 3, "last": min(9, steps)}
    return Telling(**(given | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
@pytest.mark.parametrize("steps", [9, 50, 3000])
def test_every_example_has_its_panel(channels: int, steps: int) -> None:
    names = [f"c{k}" for k in range(channels)]
    svg = telling([_one(channels, steps), _one(channels, steps, remark="R")], names, title="T", subtitle="S")
    said = words(parse(svg))
    assert said.count("A") == 2
    assert "R" in said
    assert ("c3 (and 3 more, not drawn)" in said) == (channels == 7)
    assert ("what stands in its place" in said) == (channels == 1)
    assert svg == telling([_one(channels, steps), _one(channels, steps, remark="R")], names, title="T", subtitle="S")
    assert len(svg) < 300_000


def test_edges_are_drawn() -> None:
    flat = np.zeros((4, 1))
    for first, last in ((1, 4), (1, 1), (4, 4)):
        parse(telling([_one(values=flat, weight=-np.ones(4), first=first, last=last)], ["x"], title=NASTY))
    parse(telling([_one(values=flat[:1], weight=[1.0], first=1, last=1, caption=NASTY)], [NASTY], title="T"))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one example"):
        telling([], ["x"], title="T")
    with pytest.raises(ValueError, match="values must be"):
        telling([_one(2)], ["x"], title="T")
    with pytest.raises(ValueError, match="weight must have 50 numbers"):
        telling([_one(weight=[1.0])], ["x"], title="T")
    with pytest.raises(ValueError, match="not within 1 to 50"):
        telling([_one(last=51)], ["x"], title="T")
