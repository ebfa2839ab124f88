"""Torch's layers taken over in place, in programs of the kind that people write, and given back."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from programs import PROGRAMS, Policy, Sizes, train
from torch import nn

import elman
from elman import accelerate, restore
from elman.core.engines.operators import kernel_names

pytestmark = pytest.mark.skipif(not kernel_names(), reason="without the native core nothing is swapped")


SMALL = {"tagger": Sizes(6, 9, 50, 12, 10), "translator": Sizes(5, 7, 40, 8, 9), "policy": Sizes(3, 6, 0, 8, 7)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_learn_the_same_unchanged(name: str) -> None:
    make, program = PROGRAMS[name]
    torch.manual_seed(0)
    theirs = make(SMALL[name])
    ours = copy.deepcopy(theirs)
    before = list(ours.parameters())
    optimiser = torch.optim.Adam(ours.parameters(), lr=0.01)
    table = accelerate(ours)
    assert all(swap.done for swap in table)
    assert all(a is b for a, b in zip(before, ours.parameters(), strict=True))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    got = train(ours, program, SMALL[name], 12, optimiser)
    expected = train(theirs, program, SMALL[name], 12)
    assert got == pytest.approx(expected, rel=1e-4)


def test_the_table_says_what_was_left_and_why() -> None:
    class Own(nn.GRU):
        """A class of one's own."""

    model = nn.ModuleDict(
        {
            "plain": nn.GRU(3, 4),
            "projected": nn.LSTM(3, 4, proj_size=2),
            "bfloat": nn.RNN(3, 4).bfloat16(),
            "own": Own(3, 4),
            "cell": nn.LSTMCell(3, 4),
            "ours": elman.GRU(3, 4),
        }
    )
    table = accelerate(model)
    assert {swap.name: swap.done for swap in table} == {name: name == "plain" for name in model}
    text = str(table)
    assert "plain      swapped  GRU(3, 4): native runs it" in text
    assert "projected  left     LSTM(3, 4, proj_size=2): the native LSTM has no projection" in text
    assert "float32 and float64, not in bfloat16" in text
    assert all(words in text for words in ("a class of its own", "a single step", "elman's already"))
    assert type(model["projected"]) is nn.LSTM
    assert "_blanks" not in vars(model["projected"])
    assert str(accelerate(nn.Linear(2, 2))) == "no recurrent module"
    with pytest.raises(elman.InputError, match=r"model: expected a torch\.nn\.Module, got list"):
        accelerate([])  # type: ignore[arg-type]


def test_restore_undoes_it() -> None:
    model = nn.Sequential(nn.GRU(3, 4))
    x = torch.randn(5, 2, 3)
    before, names = model(x)[0], set(vars(model[0]))
    accelerate(model)
    assert type(model[0]) is elman.GRU
    assert [swap.done for swap in restore(model)] == [True]
    assert type(model[0]) is nn.GRU
    assert set(vars(model[0])) == names
    assert torch.equal(model(x)[0], before)


def test_hooks_copies_and_files_go_on() -> None:
    layer, seen = nn.LSTM(3, 4, num_layers=2), []
    layer.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs[0].shape))
    x = torch.randn(5, 2, 3)
    expected = layer(x)[0]
    model = nn.Sequential(layer)
    accelerate(model)
    assert model[0] is layer
    torch.testing.assert_close(layer(x)[0], expected)
    assert len(seen) == 2
    stored = io.BytesIO()
    layer._forward_hooks.clear()
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(twin(x)[0], expected)
    torch.save(layer.state_dict(), stored)
    stored.seek(0)
    fresh = nn.LSTM(3, 4, num_layers=2)
    fresh.load_state_dict(torch.load(stored, weights_only=True))
    torch.testing.assert_close(fresh(x)[0], expected)


def test_an_accelerated_model_compiles() -> None:
    model = Policy(SMALL["policy"])
    seen = torch.randn(6, 3, 4)
    expected = model(seen)
    accelerate(model)
    for got, wanted in zip(torch.compile(model, fullgraph=True, backend="aot_eager")(seen), expected, strict=True):
        torch.testing.assert_close(got, wanted)


def test_restore_leaves_classes_that_torch_has_not() -> None:
    class Own(elman.GRU):
        """Somebody's own."""

    model = nn.Sequential(Own(3, 4))
    assert [(swap.done, "a class of its own" in swap.reason) for swap in restore(model)] == [(False, True)]
