"""Penalties are those of their equations, act in training, and are no part of a reported loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elman import Ragged
from elman.training.loop import fit, mean_loss
from elman.training.regularise import activation_penalty, outputs_of, weight_penalty

Make = Callable[..., Any]
CPU = torch.device("cpu")


def test_the_penalty_of_weights_is_that_of_its_equation(model: Make, settings: Make) -> None:
    net = model()
    matrices = [weight.detach() for name, weight in net.named_parameters() if "bias" not in name]
    expected = sum(0.3 * float(w.abs().sum()) + 0.2 * float(w.square().sum()) for w in matrices)
    found = weight_penalty(net, settings(l1=0.3, l2=0.2))
    assert found is not None
    assert float(found.detach()) == pytest.approx(expected, rel=1e-5)
    assert weight_penalty(net, settings()) is None


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.floats(0, 3), st.floats(0, 3))
def test_the_penalty_of_activations_is_that_of_its_equation(lengths: list[int], ar: float, tar: float) -> None:
    source = torch.Generator().manual_seed(len(lengths))
    h = torch.randn(6, len(lengths), 3, generator=source)
    rows = Ragged(h, lengths)
    dirty = Ragged(torch.where(rows.mask[..., None], h, torch.nan), lengths)
    squares = [float(x) ** 2 for row in rows.to_list() for x in row.flatten()]
    changes = [float(x) ** 2 for row in rows.to_list() for x in row.diff(dim=0).flatten()]
    expected = sum(rate * sum(these) / max(1, len(these)) for rate, these in ((ar, squares), (tar, changes)))
    assert float(activation_penalty(dirty, ar, tar)) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def _outputs(net: Any, data: Any) -> torch.Tensor:
    with torch.inference_mode():
        return net.features(next(iter(data.in_order(64))).ragged)[0].values


def test_activation_penalties_make_outputs_small_and_slow(model: Make, data: Make, settings: Make) -> None:
    rows, found = data(64), {}
    for name, given_ in {"none": {}, "ar": {"ar": 3.0}, "tar": {"tar": 3.0}}.items():
        net = model()
        fit(net, rows, data(16, 1), settings(epochs=10, patience=99, lr=0.02, **given_))
        h = _outputs(net, rows)
        found[name] = float(h.square().mean()), float(h.diff(dim=0).square().mean())
    assert found["ar"][0] < 0.6 * found["none"][0]
    assert found["tar"][1] < 0.6 * found["none"][1]


@pytest.mark.parametrize("name", ["l1", "l2", "ar", "tar"])
def test_a_penalty_is_in_the_gradient_and_not_in_the_loss(name: str, model: Make, data: Make, settings: Make) -> None:
    rows = data(8)
    lines = [fit(model(), rows, rows, settings(epochs=1, lr=1e-9, **{name: rate})).epochs[0] for rate in (0.0, 50.0)]
    assert lines[0].train_loss == lines[1].train_loss
    assert lines[1].valid_loss == pytest.approx(mean_loss(model(), rows, 8, CPU), rel=1e-5)
    assert lines[1].grad_norm > 1.1 * lines[0].grad_norm


def test_outputs_are_listened_to_only_while_asked_for(model: Make, data: Make) -> None:
    net, rows = model(), next(iter(data(8).in_order(8))).ragged
    with outputs_of(net.trunk) as seen:
        made, _ = net.features(rows)
    assert len(seen) == 1
    assert seen[0].values is made.values
    net.features(rows)
    assert len(seen) == 1
