"""Tags that know their neighbours: equal to brute force over all sequences, and bound by the laws of time."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elman.core.check import Values, compare
from elman.model.kinds.crf import CRFHead, allowed_tags, spans
from elman.model.kinds.label import LabelOut

LENGTHS = [4, 0, 5, 1, 3]
BIO = ["B-a", "B-b", "I-a", "I-b", "O"]


def _head(classes: list[str], dtype: torch.dtype = torch.float64, seed: int = 0) -> CRFHead:
    torch.manual_seed(seed)
    head = CRFHead(3, LabelOut(column="t", classes=classes)).double()
    for weight in head.parameters():
        torch.nn.init.normal_(weight)
    return head.to(dtype)


def _scores(count: int, lengths: list[int], seed: int = 1, fill: float = 0.0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    scores = torch.randn(max(lengths), len(lengths), count, dtype=torch.float64, generator=random)
    mask = torch.arange(max(lengths))[:, None] < torch.tensor(lengths)
    return scores.masked_fill(~mask[..., None], fill), mask


def _total(head: CRFHead, scores: Tensor, tags: tuple[int, ...]) -> Tensor:
    """s(y), as the equation has it."""
    total = head.begin[tags[0]] + head.end[tags[-1]]
    for step, tag in zip(scores, tags, strict=True):
        total = total + step[tag]
    for one, other in pairwise(tags):
        total = total + head.follow[one, other]
    return total


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 4), steps=st.integers(1, 5))
def test_partition_marginals_and_best_are_those_of_brute_force(seed: int, count: int, steps: int) -> None:
    head = _head([f"k{k}" for k in range(count)], seed=seed)
    scores, mask = _scores(count, [steps], seed)
    every = list(product(range(count), repeat=steps))
    totals = torch.stack([_total(head, scores[:, 0], tags) for tags in every])
    compare("log Z", {"z": head.partition(scores, mask)}, {"z": totals.logsumexp(0)[None]})
    chances = totals.softmax(0)
    marginals = torch.zeros(steps, count, dtype=torch.float64)
    for tags, chance in zip(every, chances, strict=True):
        marginals[torch.arange(steps), list(tags)] += chance
    compare("marginals", {"p": head.marginals(scores, mask)[:, 0]}, {"p": marginals.detach()})
    assert tuple(head.best(scores, mask)[:, 0].tolist()) == every[int(totals.argmax())]
    target = torch.tensor(every[seed % len(every)])[:, None]
    nats = head.loss(scores, target, mask)
    compare("loss", {"l": nats.sum()}, {"l": -chances[seed % len(every)].log()})
    assert nats.shape == (steps,)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 5))
def test_the_best_of_spans_is_the_best_that_is_allowed(seed: int, steps: int) -> None:
    head = _head(BIO, seed=seed)
    scores, mask = _scores(len(BIO), [steps], seed)
    begin, follow = allowed_tags(BIO)
    legal = [
        tags
        for tags in product(range(len(BIO)), repeat=steps)
        if begin[tags[0]] and all(follow[a, b] for a, b in pairwise(tags))
    ]
    totals = torch.stack([_total(head, scores[:, 0], tags) for tags in legal])
    assert tuple(head.best(scores, mask)[:, 0].tolist()) == legal[int(totals.argmax())]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), hidden=st.lists(st.booleans(), min_size=4, max_size=4))
def test_steps_without_a_known_tag_are_summed_over(seed: int, hidden: list[bool]) -> None:
    head = _head(["a", "b", "c"], seed=seed)
    scores, mask = _scores(3, [4], seed)
    truth = torch.randint(3, (4,), generator=torch.Generator().manual_seed(seed))
    target = truth.masked_fill(torch.tensor(hidden), -1)
    every = list(product(range(3), repeat=4))
    fits = [tags for tags in every if all(h or tags[k] == int(truth[k]) for k, h in enumerate(hidden))]
    totals = [torch.stack([_total(head, scores[:, 0], tags) for tags in some]).logsumexp(0) for some in (every, fits)]
    compare("loss", {"l": head.loss(scores, target[:, None], mask).sum()}, {"l": totals[0] - totals[1]})


def _learn(head: CRFHead, scores: Tensor, target: Tensor, mask: Tensor) -> Values:
    given_ = scores.clone().requires_grad_()
    losses = head.loss(given_, target, mask)
    own = [head.begin, head.follow, head.end]
    grads = torch.autograd.grad(losses.sum(), [given_, *own])
    names = ["scores", "begin", "follow", "end"]
    values = {f"gradient of {name}": grad for name, grad in zip(names, grads, strict=True)}
    return values | {
        "losses": losses.detach(),
        "marginals": head.marginals(scores, mask).detach(),
        "best": head.best(scores, mask).double(),
    }


def _target(lengths: list[int], count: int, *, known: bool = True) -> Tensor:
    target = torch.randint(count, (max(lengths), len(lengths)), generator=torch.Generator().manual_seed(5))
    if not known:
        target[1, 0] = -1
    return target


@pytest.mark.parametrize("known", [True, False], ids=["all known", "some unknown"])
def test_pads_change_nothing(known: bool) -> None:
    head = _head(BIO)
    target = _target(LENGTHS, len(BIO), known=known)
    clean, mask = _scores(len(BIO), LENGTHS)
    expected = _learn(head, clean, target, mask)
    for fill in (torch.nan, torch.inf, -1e300):
        dirty, _ = _scores(len(BIO), LENGTHS, fill=fill)
        other = torch.where(mask, target, 4)
        compare(f"law 4, {fill}", _learn(head, dirty, other, mask), expected)


def test_rows_know_nothing_of_each_other() -> None:
    head, order = _head(BIO), torch.tensor([3, 1, 4, 0, 2])
    (scores, mask), target = _scores(len(BIO), LENGTHS), _target(LENGTHS, len(BIO))
    marginals, best = head.marginals(scores, mask), head.best(scores, mask)
    nats = head.partition(scores, mask) - head.score(scores, target, mask)
    turned = scores[:, order], mask[:, order]
    compare(
        "law 5",
        {"m": head.marginals(*turned), "b": head.best(*turned)},
        {"m": marginals[:, order], "b": best[:, order]},
    )
    for row, length in enumerate(LENGTHS):
        one = scores[:length, row : row + 1], mask[:length, row : row + 1]
        alone = head.partition(*one) - head.score(one[0], target[:length, row : row + 1], one[1])
        compare(f"law 5, row {row}", {"l": alone}, {"l": nats[row : row + 1]})
        compare(f"law 5, row {row}", {"m": head.marginals(*one)}, {"m": marginals[:length, row : row + 1]})
        assert torch.equal(head.best(*one), best[:length, row : row + 1])


def test_rows_without_a_step_cost_nothing() -> None:
    head = _head(["a", "b"])
    scores, mask = torch.zeros(3, 2, 2, dtype=torch.float64), torch.zeros(3, 2, dtype=torch.bool)
    assert head.partition(scores, mask).tolist() == [0.0, 0.0]
    assert head.loss(scores, torch.zeros(3, 2, dtype=torch.int64), mask).shape == (0,)
    assert head.partition(scores[:0], mask[:0]).tolist() == [0.0, 0.0]
    assert head.best(scores[:0], mask[:0]).shape == (0, 2)


def test_gradients_are_those_of_finite_differences() -> None:
    head = _head(["a", "b", "c"])
    (scores, mask), target = _scores(3, [3, 2]), _target([3, 2], 3)

    def loss(scores: Tensor, begin: Tensor, follow: Tensor, end: Tensor) -> Tensor:
        values = {"begin": begin, "follow": follow, "end": end}
        return torch.func.functional_call(
            _Loss(head), {f"head.{k}": v for k, v in values.items()}, (scores, target, mask)
        )

    inputs = (scores, head.begin, head.follow, head.end)
    assert torch.autograd.gradcheck(loss, [one.detach().clone().requires_grad_() for one in inputs])


class _Loss(torch.nn.Module):
    def __init__(self, head: CRFHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, scores: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        return self.head.loss(scores, target, mask)


def test_single_precision_agrees() -> None:
    (scores, mask), target = _scores(len(BIO), [40, 7]), _target([40, 7], len(BIO))
    exact = _learn(_head(BIO), scores, target, mask)
    rough = _learn(_head(BIO, torch.float32), scores.float(), target, mask)
    for name, value in exact.items():
        assert torch.allclose(rough[name].double(), value, atol=2e-4, rtol=2e-4), name


def test_which_tags_are_spans() -> None:
    assert spans(["B-x", "I-x", "O"])
    assert spans(["B-x", "O"])
    assert not spans(["NOUN", "VERB"])
    assert not spans(["I-x", "O"])
    assert not spans(["O", "X"])
