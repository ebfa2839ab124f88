"""What is said of a model beside its baselines."""

from __future__ import annotations

from elman.cli import show
from elman.training.scores import Scores


def test_longer_training_is_advised_only_where_it_did_not_stop_early() -> None:
    mine, others = Scores({"mae": 2.0}, 9), {"ridge": Scores({"mae": 1.0}, 9)}
    assert "longer training may help" in show.verdict(mine, others, {"ridge"})
    assert "longer training" not in show.verdict(mine, others, {"ridge"}, early=True)
