"""One optimiser step: groups of weights, clipping, accumulation, and steps left out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from elman import GRUCell, LayerNorm, Ragged
from elman.data.batch import Batches
from elman.model.shapes import Batch
from elman.training.loop import DivergedError, begin, fit
from elman.training.optimise import Taken, blame, clip_, optimiser_of, steps_an_epoch, steps_of

Make = Callable[..., Any]

# Groups -------------------------------------------------------------------------------------------------------


def test_every_kind_of_weights_has_its_decay(settings: Make) -> None:
    net = nn.ModuleDict({"words": nn.Embedding(4, 3), "cell": LayerNorm(GRUCell(3, 5)), "head": nn.Linear(5, 2)})
    groups = optimiser_of(net, settings(weight_decay=0.1, embedding_decay=0.2, bias_decay=0.3)).param_groups
    decay = {id(weight): group["weight_decay"] for group in groups for weight in group["params"]}
    for name, weight in net.named_parameters():
        expected = 0.2 if name.startswith("words") else 0.3 if weight.dim() == 1 else 0.1
        assert decay[id(weight)] == expected, name
    assert len(decay) == len(list(net.parameters()))


def test_decay_shrinks_weights_by_rate_times_decay(settings: Make) -> None:
    net = nn.Linear(3, 2)
    before = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    for weight in net.parameters():
        weight.grad = torch.zeros_like(weight)
    optimiser_of(net, settings(lr=0.1, weight_decay=0.5, bias_decay=0.2)).step()
    torch.testing.assert_close(net.weight.detach(), before["weight"] * 0.95)
    torch.testing.assert_close(net.bias.detach(), before["bias"] * 0.98)


# Clipping -----------------------------------------------------------------------------------------------------


class _Net(nn.Module):
    def __init__(self, size: float) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body, self.head = nn.Linear(4, 3), nn.Linear(3, 2)
        for weight in self.parameters():
            weight.grad = size * torch.randn_like(weight)

    def grads(self) -> dict[str, torch.Tensor]:
        return {name: weight.grad.clone() for name, weight in self.named_parameters() if weight.grad is not None}


SIZES = st.floats(1e-4, 1e3)


@given(SIZES, st.floats(1e-3, 10), st.sampled_from(["norm", "value", "ratio"]))
def test_clipping_cuts_what_is_too_large_and_nothing_else(size: float, limit: float, by: str) -> None:
    net = _Net(size)
    before = net.grads()
    whole = math.sqrt(sum(float(g.square().sum()) for g in before.values()))
    norm, clipped = clip_(dict(net.named_parameters()), limit, by)
    after = net.grads()
    assert norm == pytest.approx(whole, rel=1e-4)
    if not clipped:
        assert all(torch.allclose(after[name], grad, rtol=1e-6, atol=0) for name, grad in before.items())
    if by == "norm":
        assert math.sqrt(sum(float(g.square().sum()) for g in after.values())) <= limit * 1.001
        assert clipped == (norm > limit)
    elif by == "value":
        assert all(torch.equal(after[name], grad.clamp(-limit, limit)) for name, grad in before.items())
    else:
        assert torch.equal(after["head.weight"], before["head.weight"])
        sizes = net.body.weight.detach().norm(dim=1).clamp(min=1e-3)
        assert (after["body.weight"].norm(dim=1) <= limit * sizes * 1.001).all()
        factors = after["body.weight"] / before["body.weight"]
        torch.testing.assert_close(factors, factors[:, :1].expand_as(factors), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("by", ["norm", "value", "ratio"])
def test_a_limit_of_zero_cuts_nothing(by: str) -> None:
    net = _Net(100.0)
    before = net.grads()
    assert not clip_(dict(net.named_parameters()), 0.0, by)[1]
    assert all(torch.equal(net.grads()[name], grad) for name, grad in before.items())


# Accumulation -------------------------------------------------------------------------------------------------


class _Listed(Batches):
    """Batches as they are given, the same ones every epoch."""

    def __init__(self, *batches: Batch) -> None:
        self.batches = batches

    def epoch(self, size: int, seed: int, epoch: int, first: int = 0) -> Iterator[Batch]:
        yield from self.batches[first:]

    in_order = epoch  # type: ignore[assignment]

    def count(self, size: int) -> int:
        return len(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def _steps(net: Any, batches: Batches, settings: Any) -> list[Taken]:
    return list(steps_of(begin(net, settings), batches, settings))


def _stepped(net: Any, settings: Any, batches: list[Batch]) -> tuple[Taken, dict[str, torch.Tensor]]:
    """One step of all batches by plain descent, and the gradient that it went down by."""
    state, before = begin(net, settings), {name: w.detach().clone() for name, w in net.named_parameters()}
    state.optimiser = torch.optim.SGD(net.parameters(), lr=1.0)
    (taken,) = steps_of(state, _Listed(*batches), settings)
    return taken, {name: before[name] - weight.detach() for name, weight in net.named_parameters()}


@pytest.mark.parametrize("extra", [{}, {"ar": 0.5}])
def test_a_gradient_in_parts_is_that_of_the_whole(model: Make, data: Make, settings: Make, extra: Any) -> None:
    rows = data(13)
    parts = [rows.batch(index) for index in np.split(np.arange(13), [5, 6])]
    taken, grads = _stepped(model(), settings(clip=0.0, accumulate=3, **extra), parts)
    whole, expected = _stepped(model(), settings(clip=0.0, **extra), [rows.batch(np.arange(13))])
    assert taken.loss == pytest.approx(whole.loss, rel=1e-5)
    assert taken.norm == pytest.approx(whole.norm, rel=1e-4)
    torch.testing.assert_close(grads, expected, rtol=1e-4, atol=1e-6)


@given(count=st.integers(1, 40), batch=st.integers(1, 9), accumulate=st.integers(1, 6))
def test_an_epoch_has_as_many_steps_as_are_taken(
    count: int, batch: int, accumulate: int, model: Make, data: Make, settings: Make
) -> None:
    rows, chosen = data(count), settings(batch=batch, accumulate=accumulate)
    assert len(_steps(model(), rows, chosen)) == steps_an_epoch(rows, chosen) == -(-rows.count(batch) // accumulate)


def test_a_whole_training_accumulates(model: Make, data: Make, settings: Make) -> None:
    heard: list[Any] = []
    fit(model(), data(40), data(8, 1), settings(epochs=1, accumulate=2), heard.append)
    assert [event.steps for event in heard[:-1]] == [3, 3, 3]


# Steps that are not finite ------------------------------------------------------------------------------------


def _with_nan(rows: Any, at: list[int]) -> Any:
    for k in at:
        rows.inputs[k].fill_(math.nan)
    return rows


def test_a_step_that_is_not_finite_is_left_out_counted_and_told(model: Make, data: Make, settings: Make) -> None:
    net = model()
    history = fit(net, _with_nan(data(40), [3]), data(8, 1), settings(nonfinite="skip"))
    assert [epoch.skipped for epoch in history.epochs] == [1, 1]
    assert all(math.isfinite(epoch.train_loss) and math.isfinite(epoch.grad_norm) for epoch in history.epochs)
    assert all(torch.isfinite(weight).all() for weight in net.parameters())
    assert len(history.notes) == 2
    assert history.notes[0].startswith(
        "epoch 1: 1 step was left out, for the loss or the gradient was not finite (step "
    )
    assert history.epochs[0].notes[0] in history.notes[0]


def test_the_weights_are_those_without_the_step(model: Make, data: Make, settings: Make) -> None:
    chosen = settings(nonfinite="skip")
    weights = []
    for bad in (False, True):
        net, batches = model(), list(data(24).epoch(8, 0, 1))
        if bad:
            batches.insert(1, _with_nan(data(8, 5), [2]).batch(np.arange(8)))
        assert [taken.finite for taken in _steps(net, _Listed(*batches), chosen)] == [True, *[False] * bad, True, True]
        weights.append(net.state_dict())
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())


def test_a_nan_in_batch_37_is_named_by_its_row(model: Make, data: Make, settings: Make) -> None:
    rows = data(320)
    batch = list(rows.epoch(8, 0, 1))[36]
    number = int(batch.numbers[5])
    rows.inputs[number][3] = math.nan
    words = f"the input of example {number} at step 3 is nan (counted from 0)"
    with pytest.raises(DivergedError, match=re.escape(f"became nan in epoch 1, step 37: {words}. Try --lr")):
        fit(model(), rows, data(8, 1), settings())
    history = fit(model(), rows, data(8, 1), settings(nonfinite="skip", epochs=1))
    assert history.notes == [
        f"epoch 1: 1 step was left out, for the loss or the gradient was not finite (step 37 of this epoch): {words}"
    ]


def test_blame_falls_on_what_is_read_and_asked_for_and_not_on_pads() -> None:
    values, target = torch.zeros(4, 3, 2), torch.zeros(4, 3, 1)
    values[3, 1] = math.nan
    target[3, 1] = math.nan
    rows = Ragged(values, [4, 2, 3])
    assert blame(Batch(rows, target)) == ""
    assert blame(Batch(rows, torch.tensor([0.0, math.inf, 0.0]))) == (
        "the target of row 1 of its batch is inf (counted from 0)"
    )
    target[2, 2] = -math.inf
    batch = Batch(rows, target, numbers=np.array([7, 8, 9]))
    assert blame(batch) == "the target of example 9 at step 2 is -inf (counted from 0)"
    assert blame(Batch(Ragged(torch.tensor([[1, 2]])), torch.tensor([0, 1]))) == ""


def test_ten_in_a_row_end_the_training_and_one_does_by_default(model: Make, data: Make, settings: Make) -> None:
    hopeless = _with_nan(data(96), list(range(96)))
    with pytest.raises(
        DivergedError, match=r"10 steps in a row were not .*step 10 of epoch 1: the input of .*Try --lr 0.0033$"
    ):
        fit(model(), hopeless, data(8, 1), settings(nonfinite="skip"))
    with pytest.raises(DivergedError, match="no step of epoch 1 was finite"):
        fit(model(), _with_nan(data(16), list(range(16))), data(8, 1), settings(nonfinite="skip"))
    with pytest.raises(DivergedError, match="epoch 1, step 1"):
        fit(model(), hopeless, data(8, 1), settings())
