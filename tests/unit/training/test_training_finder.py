"""The range test finds a rate that learns, changes nothing, and says when there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from elman import report
from elman.core.errors import ElmanError
from elman.training.finder import _judged, find_rate
from elman.training.loop import fit

Make = Callable[..., Any]


def test_a_rate_is_found_that_learns(model: Make, data: Make, settings: Make) -> None:
    test = find_rate(model(), data(64), settings())
    assert 1e-3 <= test.rate <= 0.5
    assert (np.diff(test.rates) > 0).all()
    assert test.losses.min() < 0.95 * test.losses[0]
    losses = [
        fit(model(), data(64), data(32, 1), settings(lr=rate, epochs=6)).best.valid_loss
        for rate in (test.rate / 300, test.rate)
    ]
    assert losses[1] < 0.8 * losses[0]
    assert test.words.startswith(
        f"lr {test.rate:g} by a range test of {len(test.rates)} steps: the loss was lowest at "
    )


def test_it_is_a_function_of_the_seed_and_changes_nothing(model: Make, data: Make, settings: Make) -> None:
    net = model(dropout=0.3)
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = find_rate(net, data(64), settings(average="ema"))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())
    assert np.array_equal(find_rate(net, data(64), settings(average="ema")).losses, first.losses)


def test_where_no_rate_learns_it_says_so(model: Make, data: Make, settings: Make) -> None:
    rows = data(16)
    rows.inputs.values.fill_(np.nan)
    with pytest.raises(ElmanError, match=r"--find-lr: the loss neither fell nor rose .*: --lr 0.001"):
        find_rate(model(), rows, settings())


def test_where_the_loss_does_not_fall_the_edge_decides() -> None:
    rates, wavering = np.logspace(-5, -2, 60), 0.7 + 0.05 * np.sin(np.arange(60) * 2.4)
    smooth = np.full(60, 0.7)
    test = _judged(rates, wavering, smooth, broke=True)
    assert test.rate == pytest.approx(1e-2 / 30, rel=0.02)
    assert test.words.endswith("the loss did not fall yet, but it rose at 0.01; a thirtieth of that is taken")
    with pytest.raises(ElmanError, match="neither fell nor rose"):
        _judged(rates, wavering, smooth, broke=False)
    smooth[40:45] = 0.4
    assert _judged(rates, wavering, smooth, broke=True).rate == pytest.approx(rates[40] / 3, rel=0.02)


def test_the_picture_tells_the_rate(model: Make, data: Make, settings: Make) -> None:
    test = find_rate(model(), data(64), settings())
    svg = report.rates(test)
    assert svg.startswith("<svg")
    assert test.words in svg
