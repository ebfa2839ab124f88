"""What is said of a model beside its baselines, and of tables that are not as those of the training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elman.cli import show
from elman.training.scores import Scores


def test_longer_training_is_advised_only_where_it_did_not_stop_early() -> None:
    mine, others = Scores({"mae": 2.0}, 9), {"ridge": Scores({"mae": 1.0}, 9)}
    assert "longer training may help" in show.verdict(mine, others, {"ridge"})
    assert "longer training" not in show.verdict(mine, others, {"ridge"}, early=True)


def test_a_long_table_is_predicted_and_scored_by_the_id_named(
    models: Path, elman: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(models)
    rows = [f"{unit},{t / 4},{unit % 2 + 0.1}" for unit in range(3) for t in range(4)]
    (tmp_path / "long.csv").write_text("unit,visits,price\n" + "\n".join(rows))
    refused = elman("predict", "price", tmp_path / "long.csv")
    assert refused.code == 2
    assert "--id unit" in " ".join(refused.err.split())
    found = elman("predict", "price", tmp_path / "long.csv", "--id", "unit")
    assert (found.code, found.out.count("\n")) == (0, 4)
    assert elman("evaluate", "price", tmp_path / "long.csv", "--id", "unit").code == 0
