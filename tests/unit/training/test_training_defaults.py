"""Settings that are chosen where the user says nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from elman.data.batch import Batches, ExampleSet, WindowSet
from elman.data.prepare import Prepared
from elman.model.grammar import parse_source, parse_target
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import SeriesIn
from elman.run import train_job
from elman.training.defaults import choose_loop
from elman.training.settings import Job


def _loop(source: str, target: str, count: int, **given: Any) -> Any:
    """The loop's settings for so many examples (of a forecast: windows)."""
    rows = torch.zeros(count + 5, 1)
    windows = WindowSet([rows], [rows], [(0, count + 5)], 4, 2)
    data: Batches = windows if "future" in target else ExampleSet([rows[:2]] * count, torch.zeros(count))
    kind = SeriesIn(columns=["x"], mean=[0.0], scale=[1.0])
    out = NumberOut(columns=["x"], mean=[0.0], scale=[1.0])
    return choose_loop(
        Job(file="f", source=source, target=target, **given),
        Prepared(parse_source(source), parse_target(target), kind, out, data, data, None),
    )


@pytest.mark.parametrize(
    ("source", "target", "count", "epochs"),
    [
        ("text", "label", 320, 150),
        ("text", "label", 8_600, 12),
        ("text", "label", 20, 240),
        ("series", "next", 21, 600),
        ("series", "next", 21 * 32, 71),
        ("series", "next", 27 * 32, 30),
        ("series", "label", 243, 120),
        ("series", "label", 120, 375),
        ("series", "label", 4_000, 32),
        ("series", "future:2", 8_616, 11),
        ("series", "future:2", 1_440, 40),
        ("series", "future:2", 1_100, 83),
        ("series", "future:2", 30, 800),
    ],
)
def test_epochs_allow_enough_steps_for_small_data(source: str, target: str, count: int, epochs: int) -> None:
    made = _loop(source, target, count)
    assert made.epochs == epochs
    assert made.patience == max(3, epochs // 4)
    assert _loop(source, target, count, epochs=7).epochs == 7


@pytest.mark.parametrize(
    ("epochs", "patience", "expected"), [(100, None, (100, 25)), (8, None, (8, 3)), (100, 2, (100, 2))]
)
def test_patience_is_a_quarter_of_the_epochs_asked_for(
    epochs: int, patience: int | None, expected: tuple[int, int]
) -> None:
    made = _loop("series", "next", 27 * 32, epochs=epochs, patience=patience)
    assert (made.epochs, made.patience) == expected


# Threads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("small", "given", "taken"), [(5e7, None, 1), (5e7, 2, 2), (0.0, None, 2)], ids=["small", "told", "large"]
)
def test_small_batches_take_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: float, given: int | None, taken: int
) -> None:
    """Threads of small batches mostly wait for each other: on a busy machine many times as long as they work."""
    (tmp_path / "a.txt").write_text("so it goes and so it went. " * 20)
    monkeypatch.setattr("elman.training.make.SMALL", small)
    before, seen = torch.get_num_threads(), set()
    torch.set_num_threads(2)
    try:
        job = Job(file=str(tmp_path / "a.txt"), source="text.char", target="next", epochs=1, hidden=4, threads=given)
        train_job(job, out=tmp_path / "o", listener=lambda _: seen.add(torch.get_num_threads()))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == {taken}
