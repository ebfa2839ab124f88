"""Averages of weights: what is computed, when it begins, and that it is what is validated, kept and saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from elman.training.averaging import MovingAverage, NonMonotone, averaging
from elman.training.loop import fit, mean_loss

Make = Callable[..., Any]
CPU = torch.device("cpu")


def _moved(net: nn.Linear, value: float) -> None:
    with torch.no_grad():
        net.weight.fill_(value)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20), st.floats(0, 0.999))
def test_a_moving_average_is_that_of_its_equation(values: list[float], decay: float) -> None:
    net = nn.Linear(1, 1, bias=False)
    average, expected = MovingAverage(net, decay), 0.0
    for n, value in enumerate(values):
        _moved(net, value)
        average.update()
        kept = min(decay, n / (n + 10))
        expected = kept * expected + (1 - kept) * value
    assert average.model.weight.item() == pytest.approx(expected, abs=1e-4)
    assert net.weight.item() == pytest.approx(values[-1], rel=1e-6)


def test_the_mean_begins_when_validation_stops_improving() -> None:
    net = nn.Linear(1, 1, bias=False)
    average = NonMonotone(net, 2)
    said = []
    for k, loss in enumerate([5.0, 4.0, 3.0, 3.5, 3.2, 3.1, 2.0]):
        _moved(net, float(k))
        average.update()
        said.append(average.judge(loss))
    # 3.2 is not worse than the best of those more than two before it (5, 4), but 3.1 is worse than 3.
    assert [bool(words) for words in said] == [False] * 5 + [True, False]
    assert "more than 2 epochs ago" in said[5]
    assert average.model.weight.item() == 6.0
    _moved(net, 8.0)
    average.update()
    assert average.model.weight.item() == 7.0


def test_what_is_no_weight_is_that_of_the_model() -> None:
    net = nn.BatchNorm1d(1)
    average = MovingAverage(net, 0.5)
    assert not average.begun
    net.running_mean.fill_(3.0)
    average.update()
    assert average.begun
    assert average.model.running_mean.item() == 3.0
    assert not any(weight.requires_grad for weight in average.model.parameters())
    assert all(weight.requires_grad for weight in net.parameters())


def test_what_is_asked_for_is_made(model: Make, settings: Make) -> None:
    assert averaging(model(), settings()) is None
    ema = averaging(model(), settings(average="ema", ema_decay=0.7))
    assert isinstance(ema, MovingAverage)
    assert ema.decay == 0.7
    for patience, interval in ((1, 1), (3, 1), (8, 4), (100, 5)):
        made = averaging(model(), settings(average="nt-asgd", patience=patience))
        assert isinstance(made, NonMonotone)
        assert made.interval == interval


def test_the_average_is_what_is_validated_and_kept(model: Make, data: Make, settings: Make) -> None:
    plain, averaged, valid = model(), model(), data(16, 1)
    one = fit(plain, data(40), valid, settings(epochs=4, clip=0.0))
    two = fit(averaged, data(40), valid, settings(epochs=4, clip=0.0, average="ema", ema_decay=0.95))
    # The optimiser's path is the same; only what is judged and kept differs.
    assert [epoch.train_loss for epoch in one.epochs] == [epoch.train_loss for epoch in two.epochs]
    assert all(a.valid_loss != b.valid_loss for a, b in zip(one.epochs, two.epochs, strict=True))
    assert mean_loss(averaged, valid, 8, CPU) == two.best.valid_loss


def test_that_nothing_was_averaged_is_told(model: Make, data: Make, settings: Make) -> None:
    chosen = settings(average="nt-asgd", epochs=3, patience=8)
    history = fit(model(), data(40), data(16, 1), chosen)
    assert history.notes == []
    assert history.ending == ["--average nt-asgd: validation never stopped improving, so no weights were averaged"]
    noisy = settings(average="nt-asgd", epochs=30, patience=20, lr=0.3)
    notes = fit(model(), data(40), data(16, 1), noisy).notes
    assert any("weights are averaged from here on" in note for note in notes)
