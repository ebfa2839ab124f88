"""Gradients that vanish on their way back and gradients that explode are noticed, and no others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elman import Ragged
from elman.training.health import Health, reach, traced
from elman.training.loop import fit

Make = Callable[..., Any]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=4), st.floats(0.01, 0.99))
def test_reach_is_counted_from_every_rows_own_end(lengths: list[int], factor: float) -> None:
    rows = Ragged(torch.zeros(30, len(lengths), 2), lengths)
    back = rows.lengths - 1 - torch.arange(30)[:, None]
    gradient = torch.where(rows.mask, factor ** back.double().clamp(min=0), torch.nan)[..., None].expand(30, -1, 2)
    if not max(lengths):
        assert reach(rows, gradient) is None
        return
    # At k steps back the rows that are so long add up.
    sums = [sum(n > k for n in lengths) * factor**k for k in range(max(lengths))]
    expected = max(k for k, size in enumerate(sums) if size > torch.finfo(torch.float32).eps * max(sums)) + 1
    assert abs((reach(rows, gradient) or 0) - expected) <= 1


def test_nothing_is_said_of_no_gradient() -> None:
    rows = Ragged(torch.zeros(12, 2, 1))
    assert reach(rows, torch.zeros(12, 2, 1)) is None
    assert reach(rows, torch.full((12, 2, 1), math.inf)) is None


@pytest.mark.parametrize("both", [False, True])
def test_a_trace_holds_the_gradient_of_the_first_layers_input(both: bool, model: Make, data: Make) -> None:
    net, batch = model(bidirectional=both, layers=2), next(iter(data(4).in_order(4)))
    with traced(net.trunk) as trace:
        losses, _ = net(batch.ragged, batch.target)
    losses.mean().backward()
    found = [weight.grad.clone() for weight in net.parameters()]
    values = batch.ragged.values.clone().requires_grad_()
    net.zero_grad()
    net(batch.ragged.with_values(values), batch.target)[0].mean().backward()
    torch.testing.assert_close(trace.gradient, values.grad)
    assert all(torch.equal(a, weight.grad) for a, weight in zip(found, net.parameters(), strict=True))
    assert not batch.ragged.values.requires_grad


def _fit(model: Any, data: Any, settings: Any, cell: str, readout: str, shrink: float) -> list[str]:
    net = model(cell=cell, readout=readout)
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if "weight_hh" in name:
                weight.mul_(shrink)
    return fit(net, data(24, steps=60), data(8, 1, steps=60), settings(epochs=60, patience=99, lr=1e-5)).notes


def test_a_gradient_that_vanishes_is_told_once(model: Make, data: Make, settings: Make) -> None:
    (note,) = _fit(model, data, settings, "rnn", "last", 0.5)
    assert note.startswith("epoch ")
    assert "the gradient vanishes: it reaches the last " in note
    assert "of 60 steps only" in note


@pytest.mark.parametrize(("cell", "readout", "shrink"), [("rnn", "mean", 0.5), ("rnn", "last", 1.0)])
def test_a_gradient_that_arrives_is_not_complained_of(
    cell: str, readout: str, shrink: float, model: Make, data: Make, settings: Make
) -> None:
    assert _fit(model, data, settings, cell, readout, shrink) == []


def test_an_explosion_is_told_at_the_epochs_end_with_what_was_done(settings: Make) -> None:
    for clip, words in ((1.0, "--clip 1 cut it down"), (0.0, "nothing cut it down; try --clip 1")):
        health, chosen = Health(), settings(clip=clip)
        for k in range(60):
            health.saw(0.5 + 0.1 * (k % 3), None)
        assert health.epoch_over(chosen) == []
        health.saw(300.0, None)
        (said,) = health.epoch_over(chosen)
        assert said.startswith("the gradient exploded once, up to 300 where 0.6")
        assert said.endswith(words)
        assert health.epoch_over(chosen) == []
        assert health.last_words() == ""
        health.saw(400.0, None)
        assert health.epoch_over(chosen) == []
        assert health.last_words() == "the gradient exploded 1 more time, as told before"


def test_what_stands_out_where_all_is_learnt_is_no_explosion(settings: Make) -> None:
    health = Health()
    for k in range(400):
        health.saw(0.5 * 0.97**k, None)
    health.saw(0.4, None)
    assert health.epoch_over(settings()) == []


def test_large_steps_at_the_beginning_and_slow_growth_are_no_explosion(settings: Make) -> None:
    health = Health()
    for k in range(500):
        health.saw(1000.0 if k < 10 else 0.01 * 1.02**k, None)
    assert health.epoch_over(settings()) == []
