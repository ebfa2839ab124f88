"""What is chosen where nothing is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from elman.data.prepare import Prepared, Request, prepare
from elman.training.defaults import choose_loop
from elman.training.settings import Job


@pytest.fixture
def data(tmp_path: Path) -> Prepared:
    (tmp_path / "s.csv").write_text("x\n" + "\n".join(str(k % 7) for k in range(300)))
    return prepare(Request(str(tmp_path / "s.csv"), "series:x", "next"))


@pytest.mark.parametrize(
    ("epochs", "patience", "expected"),
    [(None, None, (30, 7)), (100, None, (100, 25)), (8, None, (8, 3)), (100, 2, (100, 2))],
)
def test_patience_is_a_quarter_of_the_epochs_asked_for(
    data: Prepared, epochs: int | None, patience: int | None, expected: tuple[int, int]
) -> None:
    job = Job(file="s.csv", source="series:x", target="next", epochs=epochs, patience=patience)
    loop = choose_loop(job, data)
    assert (loop.epochs, loop.patience) == expected
