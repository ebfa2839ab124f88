"""plan: what it finds in a model, the words it says."""

from __future__ import annotations

import pytest
import torch
from engines_here import HERE
from torch import nn

import elman.core
from elman.core import (
    GRU,
    LSTM,
    Bidirectional,
    Cell,
    EngineError,
    GRUCell,
    InputError,
    LSTMCell,
    PerStep,
    Recurrent,
    Residual,
    Stack,
    VariationalDropout,
    checkpoint,
    plan,
)
from elman.core.plan import bytes_in_words


def test_text_of_a_plan() -> None:
    model = Stack.of([GRUCell(3, 8), VariationalDropout(GRUCell(8, 8), 0.2)])
    told = plan(model, steps=20, batch=4)
    first, second = told.entries
    lines = str(told).splitlines()
    assert lines[0] == "plan for T=20 B=4, memory=keep"
    chosen = f"  stages.0  {'GRUCell(3, 8)':40}  {HERE[0]}: the fastest that can; 312 weights, "
    assert chosen + f"keeps {bytes_in_words(first.kept)}" in lines
    assert f"              not loop: {HERE[0]} computes the same and is faster" in lines
    wrapped = "VariationalDropout(GRUCell(8, 8), p=0.2)"
    cost = f"432 weights, keeps {bytes_in_words(second.kept)}"
    assert f"  stages.1  {wrapped}  loop: the fastest that can; {cost}" in lines
    because = f"torch has no kernel for {wrapped}; it has them for Elman (tanh, relu), LSTM and GRU"
    assert lines[-2] == f"              not vendor: {because}"
    assert lines[-1].startswith("              not scan: scan is for cells that are linear in their state")
    assert told.kept == first.kept + second.kept > 0


def test_every_layer_and_direction_has_an_entry() -> None:
    layers = plan(GRU(3, 8, num_layers=2, bidirectional=True), steps=5, batch=2)
    assert [entry.name for entry in layers.entries] == ["l0", "l0_reverse", "l1", "l1_reverse"]
    assert [entry.cell for entry in layers.entries] == ["GRUCell(3, 8)"] * 2 + ["GRUCell(16, 8)"] * 2
    counted = sum(weight.numel() for weight in GRU(3, 8, num_layers=2, bidirectional=True).parameters())
    assert sum(entry.weights for entry in layers.entries) == counted
    inside = nn.ModuleDict({"net": nn.Sequential(nn.Linear(2, 3), LSTM(3, 8))})
    assert [entry.name for entry in plan(inside, steps=5, batch=2).entries] == ["net.1.l0"]
    both = plan(Bidirectional(GRUCell(3, 8), LSTMCell(3, 8)), steps=5, batch=2)
    assert [entry.name for entry in both.entries] == ["ahead", "back"]
    assert [entry.name for entry in plan(Recurrent(GRUCell(3, 8)), steps=5, batch=2).entries] == ["layer"]
    assert [entry.name for entry in plan(GRUCell(3, 8), steps=5, batch=2).entries] == ["cell"]


def test_layers_own_choice_holds_unless_another_is_named() -> None:
    stage = Recurrent(GRUCell(3, 8), engine="loop", memory=checkpoint(2))
    own, other = (
        plan(stage, steps=30, batch=2),
        plan(stage, steps=30, batch=2, engine="vendor", memory="keep"),
    )
    assert (own.entries[0].engine, str(own.memory)) == ("loop", "checkpoint(2)")
    assert (other.entries[0].engine, other.memory) == ("vendor", "keep")
    assert own.kept < other.kept


def test_planning_changes_nothing() -> None:
    model = Residual(VariationalDropout(GRUCell(8, 8), 0.2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    plan(model, steps=20, batch=4)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())


def test_what_a_plan_refuses() -> None:
    with pytest.raises(InputError, match="Sequential holds no recurrent layer to plan"):
        plan(nn.Sequential(nn.Linear(2, 2)), steps=2, batch=2)
    with pytest.raises(InputError, match="holds no recurrent layer"):
        plan(PerStep(nn.Linear(2, 2)), steps=2, batch=2)
    for steps, batch in ((0, 1), (1, 0)):
        with pytest.raises(InputError, match=f"expected at least 1, got {steps} and {batch}"):
            plan(GRUCell(2, 2), steps=steps, batch=batch)
    with pytest.raises(EngineError, match="engine='vendor' cannot run this"):
        plan(VariationalDropout(GRUCell(2, 2), 0.1), steps=2, batch=2, engine="vendor")


def test_words_for_bytes() -> None:
    assert [bytes_in_words(size) for size in (0, 999, 1000, 1234567, 5e9, 7e12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "1.2 MB",
        "5.0 GB",
        "7000.0 GB",
    ]


PUBLIC = [
    "GRU",
    "LSTM",
    "RNN",
    "Beside",
    "Bidirectional",
    "Cell",
    "Convolution",
    "DataError",
    "Decay",
    "ElmanCell",
    "ElmanError",
    "EngineError",
    "GRUCell",
    "GatedCell",
    "InputError",
    "LRUCell",
    "LSTMCell",
    "LSTMState",
    "LawError",
    "LayerNorm",
    "LinearCell",
    "LockedDropout",
    "MinGRUCell",
    "MinLSTMCell",
    "ModelFileError",
    "PerStep",
    "Ragged",
    "Recurrent",
    "Residual",
    "Stack",
    "Stage",
    "VariationalDropout",
    "WeightDrop",
    "WordDropout",
    "Zoneout",
    "accelerate",
    "check_cell",
    "checkpoint",
    "init",
    "plan",
    "readout",
    "restore",
    "timescales",
    "unfold",
]


def test_public_names_of_the_core_are_these() -> None:
    assert elman.core.__all__ == PUBLIC
    assert all(getattr(elman, name) is getattr(elman.core, name) for name in PUBLIC)
    assert set(PUBLIC) <= set(elman.__all__)
    assert issubclass(elman.GRUCell, Cell)
