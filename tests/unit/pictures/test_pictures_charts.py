"""The SVG charts: well formed, the same each time, and right at the edges."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pytest

from elman.pictures import confusion, errors_by, forecast, learning_curves, unfolded

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<script>alert(\"1\")</script> & 'Ж' 日本語 \x00" + "long " * 80
MONTHS = np.arange("2000-01", "2005-01", dtype="datetime64[M]")
WAVE = 100 + 10 * np.sin(np.arange(60) / 6)


def parse(svg: str) -> ET.Element:
    """Return the root of a picture after checks that hold for every picture."""
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.findtext(f"{SVG}title")
    assert root.findtext(f"{SVG}desc")
    assert not list(root.iter(f"{SVG}script"))
    assert "nan" not in svg.lower().split("<desc>")[0]
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    ground = root.find(f"{SVG}rect")
    assert ground is not None
    assert ground.attrib["width"] == root.attrib["width"]
    for node in root.iter():
        for key, limit in (("x", width), ("x1", width), ("cx", width), ("y", height), ("y1", height)):
            if key in node.attrib:
                assert -1 <= float(node.attrib[key]) <= limit + 1, (node.tag, node.attrib)
        for pair in node.attrib.get("points", "").split():
            x, y = (float(part) for part in pair.split(","))
            assert -1 <= x <= width + 1
            assert -1 <= y <= height + 1
    return root


def words(root: ET.Element) -> list[str]:
    return ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]


def year(**more: object) -> str:
    future = WAVE[48:]
    given: dict[str, object] = {"lower": future - 5, "upper": future + 5, "actual": future + 1, "title": "T"}
    return forecast(
        MONTHS[:48],
        WAVE[:48],
        MONTHS[48:],
        {"LSTM": future, "naive": future - 3},
        **(given | more),  # type: ignore[arg-type]
    )


PICTURES: dict[str, Callable[[], str]] = {
    "forecast": lambda: year(subtitle="S", y_label="passengers", x_label="month", interval_label="80%"),
    "learning": lambda: learning_curves([0, 10, 20], {"train": [3, 2, 1], "valid": [3, 2, 2]}, best_step=20, title="T"),
    "bars": lambda: errors_by([1, 2, 3], [0.1, 0.2, 0.3], title="T", x_label="horizon"),
    "lines": lambda: errors_by([1, 2, 3], {"a": [1, 2, 3], "b": [3, np.nan, 1]}, title="T", kind="line"),
    "rows": lambda: errors_by(["LSTM", "naive"], {"a": [1, -2.0], "b": [np.nan, 4]}, title="T"),
    "confusion": lambda: confusion([[5, 1], [2, 7]], ["no", "yes"], title="T"),
    "unfolded": lambda: unfolded("LSTM", 12, title="T"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_well_formed_and_the_same_each_time(name: str) -> None:
    svg = PICTURES[name]()
    parse(svg)
    assert svg == PICTURES[name]()


def test_a_nasty_text_harms_no_picture() -> None:
    for svg in (
        year(title=NASTY, subtitle=NASTY, y_label=NASTY, x_label=NASTY, interval_label=NASTY),
        forecast([1], [1], [2], {NASTY: [1], NASTY + "2": [2]}, title=NASTY),
        learning_curves([1, 2], {NASTY: [1, 2]}, title=NASTY, y_label=NASTY, best_step=1),
        errors_by([1, 2], {NASTY: [1, 2]}, title=NASTY, x_label=NASTY, y_label=NASTY),
        errors_by([NASTY, "b"], [1, 2], title=NASTY, y_label=NASTY),
        confusion([[1, 2], [3, 4]], [NASTY, "b"], title=NASTY),
        unfolded(NASTY, 3, NASTY, NASTY, NASTY, title=NASTY),
    ):
        parse(svg)


def test_a_forecast_shows_its_parts() -> None:
    found = words(parse(year(y_label="passengers")))
    assert {"history", "actual", "LSTM", "interval", "naive", "forecast origin", "passengers"} <= set(found)
    assert "2001" in found
    bare = words(parse(year(lower=None, upper=None, actual=None)))
    assert "interval" not in bare
    assert "actual" not in bare


def test_a_forecast_with_gaps_breaks_its_lines() -> None:
    past = WAVE[:48].copy()
    past[[10, 12, 20]] = np.nan
    plain = forecast(MONTHS[:48], WAVE[:48], MONTHS[48:], {"f": WAVE[48:]}, title="T")
    broken = forecast(MONTHS[:48], past, MONTHS[48:], {"f": WAVE[48:]}, title="T")
    assert len(list(parse(broken).iter(f"{SVG}polyline"))) == len(list(parse(plain).iter(f"{SVG}polyline"))) + 2
    assert len(list(parse(broken).iter(f"{SVG}circle"))) == 1


@pytest.mark.parametrize("value", [0.0, 7.0, -1e-9, 1e12, np.nan])
def test_a_forecast_of_one_constant_point(value: float) -> None:
    root = parse(forecast([0], [7.0], [1], {"f": [value]}, lower=[value], upper=[value], title="T"))
    assert list(root.iter(f"{SVG}circle"))


def test_a_constant_series_lies_in_the_middle() -> None:
    root = parse(learning_curves([1, 2, 3], {"train": [5, 5, 5]}, title="T"))
    line = next(root.iter(f"{SVG}polyline"))
    heights = {float(pair.split(",")[1]) for pair in line.attrib["points"].split()}
    assert len(heights) == 1
    assert 150 < heights.pop() < 350


def test_a_hundred_thousand_points_make_a_small_file() -> None:
    rng = np.random.default_rng(0)
    n, m = 80_000, 20_000
    y = np.cumsum(rng.normal(size=n + m))
    y[rng.random(n + m) < 0.2] = np.nan
    y[0] = 0.0
    x = np.datetime64("2000-01-01", "h") + np.arange(n + m)
    future = y[n:]
    rivals = {f"rival {i}": future + i for i in range(6)}
    svg = forecast(
        x[:n], y[:n], x[n:], rivals, lower=future - 9, upper=future + 9, actual=future, title="T"
    )  # fmt: skip
    parse(svg)
    assert len(svg) < 200_000
    curves = {f"run {i}": rng.normal(size=100_000) for i in range(12)}
    assert len(learning_curves(np.arange(100_000), curves, title="T")) < 200_000
    assert len(errors_by(np.arange(100_000), curves["run 0"], title="T")) < 200_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lower": None}, "together"),
        ({"lower": WAVE[48:] + 9}, "lower is above upper at index 0"),
        ({"actual": [1, 2]}, "actual must have 12 numbers, got 2"),
        ({"actual": np.full(12, np.inf)}, "actual holds an infinite number"),
    ],
)
def test_wrong_parts_of_a_forecast(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        year(**change)


def test_wrong_positions_of_a_forecast() -> None:
    with pytest.raises(ValueError, match="both be numbers"):
        forecast(MONTHS[:2], [1, 2], [3], {"f": [1]}, title="T")
    with pytest.raises(ValueError, match="after the end"):
        forecast([1, 2], [1, 2], [2], {"f": [1]}, title="T")
    with pytest.raises(ValueError, match="history_x is empty"):
        forecast([], [], [2], {"f": [1]}, title="T")
    with pytest.raises(ValueError, match="forecasts is empty"):
        forecast([1], [1], [2], {}, title="T")
    with pytest.raises(ValueError, match="every value is missing"):
        forecast([1], [np.nan], [2], {"f": [np.nan]}, title="T")


def test_learning_curves_mark_the_best_and_choose_their_scale() -> None:
    steps = [0, 100, 200]
    plain = words(
        parse(learning_curves(steps, {"t": [3, 2, 1], "v": [3, 1.5, 2]}, best_step=100, title="T", y_label="loss"))
    )
    assert "Best at step 100: t 2.000, v 1.500" in plain
    assert "loss" in plain
    assert "best" in plain
    epochs = words(parse(learning_curves([1, 2], {"t": [2, 1]}, best_step=2, title="T", x_label="epoch")))
    assert "Best in epoch 2: t 1.000" in epochs
    steep = words(parse(learning_curves(steps, {"t": [31, 2, 1]}, title="T", y_label="loss")))
    assert "loss (logarithmic axis)" in steep
    negative = words(parse(learning_curves(steps, {"t": [100, 0, -1]}, title="T", y_label="gain")))
    assert "gain" in negative
    with pytest.raises(ValueError, match="outside the steps"):
        learning_curves(steps, {"t": [1, 2, 3]}, best_step=300, title="T")


def test_a_curve_measured_every_few_steps_is_drawn_through() -> None:
    valid = np.full(9, np.nan)
    valid[::4] = [3, 2, 1]
    root = parse(learning_curves(np.arange(9), {"train": np.linspace(3, 1, 9), "valid": valid}, title="T"))
    assert len(list(root.iter(f"{SVG}polyline"))) == 2


def test_whole_steps_get_whole_ticks() -> None:
    found = words(parse(learning_curves([1, 2, 3], {"t": [1, 2, 3]}, title="T")))
    assert "1.5" in found  # on the y axis
    assert found.count("2") == 1
    assert "2.5" in found


def test_many_series_do_not_squeeze_the_plot() -> None:
    root = parse(learning_curves([1, 2], {f"a rather long name {i}": [i, i + 1] for i in range(60)}, title="T"))
    assert float(root.attrib["height"]) > 600


def test_errors_choose_bars_or_lines() -> None:
    few = parse(errors_by([1, 2, 4], [0.1, 0.2, 0.0], title="T"))
    assert len(list(few.iter(f"{SVG}rect"))) == 4
    many = parse(errors_by(np.arange(100), np.arange(100), title="T"))
    assert len(list(many.iter(f"{SVG}polyline"))) == 1
    parse(errors_by(MONTHS, WAVE, title="T"))
    parse(errors_by([1, 2], [0, 0], title="T"))
    parse(errors_by([1, 2], [-1, -2], title="T"))
    rows = words(parse(errors_by(["a", "b"], [0.25, np.nan], title="T")))
    assert {"a", "b", "0.250", "missing"} <= set(rows)
    parse(errors_by(["a"], [0], title="T"))


def test_wrong_errors() -> None:
    with pytest.raises(ValueError, match="kind must be"):
        errors_by([1], [1], title="T", kind="pie")
    with pytest.raises(ValueError, match="do not fit"):
        errors_by(np.arange(1000), np.arange(1000), title="T", kind="bars")
    with pytest.raises(ValueError, match="do not fit"):
        errors_by([str(i) for i in range(300)], np.arange(300), title="T")
    with pytest.raises(ValueError, match="vector"):
        errors_by("a", [1], title="T")
    with pytest.raises(ValueError, match="x is empty"):
        errors_by([], [], title="T")


@pytest.mark.parametrize("k", [1, 2, 5, 12, 30, 45, 100])
def test_a_confusion_matrix_of_any_size(k: int) -> None:
    counts = np.arange(k * k).reshape(k, k) % 7 + 90 * np.eye(k, dtype=int)
    counts[0] = 0
    svg = confusion(counts, [f"class {i}" for i in range(k)], title="T")
    root = parse(svg)
    assert "recall" in words(root)
    assert "–" in words(root)
    assert k > 30 or len(svg) < 200_000


def test_long_classes_of_a_confusion_matrix_keep_both_ends() -> None:
    names = [f"a class whose name is long, of the kind {k}" for k in (1, 2)]
    found = words(parse(confusion([[3, 1], [0, 4]], names, title="T")))
    assert sum(re.fullmatch(r"a class.*….*kind [12]", word) is not None for word in found) == 4


def test_a_confusion_matrix_tells_recall_and_accuracy() -> None:
    found = words(parse(confusion([[3, 1], [0, 4]], ["no", "yes"], title="T")))
    assert "7 of 8 cases right (87.5%)" in found
    assert {"75.0%", "100.0%", "3", "4", "true class", "predicted class"} <= set(found)
    nearly = words(parse(confusion([[99_999, 1], [0, 1]], ["no", "yes"], title="T")))
    assert "99.9%" in nearly
    assert "no cases" in words(parse(confusion([[0]], ["a"], title="T")))


@pytest.mark.parametrize(
    ("counts", "labels", "message"),
    [
        ([[1, 2]], ["a"], "square"),
        (np.zeros((0, 0)), [], "empty"),
        ([[1, 2], [3, 4]], ["a"], "labels must have 2 labels, got 1"),
        ([[-1]], ["a"], "not negative"),
        ([[np.nan]], ["a"], "finite"),
        ([["x"]], ["a"], "real numbers"),
        (np.zeros((101, 101)), ["a"] * 101, "at most 100"),
    ],
)
def test_wrong_confusion(counts: object, labels: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        confusion(counts, labels, title="T")  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [1, 2, 5, 6, 1000])
def test_an_unfolded_network_of_any_length(steps: int) -> None:
    found = words(parse(unfolded("GRU", steps, title="T")))
    assert {"W", "U", "V", "=", "h0", "x1", f"x{steps:d}", f"h{steps:d}", f"y{steps:d}", "xt"} <= set(found)
    assert found.count("GRU") == 1 + min(steps, 5 if steps <= 5 else 4)


@pytest.mark.parametrize("steps", [0, -1, 2.0, True])
def test_wrong_steps(steps: int) -> None:
    with pytest.raises(ValueError, match="steps must be"):
        unfolded("GRU", steps, title="T")
