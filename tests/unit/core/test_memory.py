"""What a training pass keeps: measured on live storages, and what ``plan`` says of it."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from elman.core import (
    Cell,
    ElmanCell,
    GRUCell,
    InputError,
    LayerNorm,
    LSTMCell,
    Ragged,
    WeightDrop,
    Zoneout,
    checkpoint,
    plan,
    unfold,
)
from elman.core.engines.memory import Memory
from elman.core.state import leaves


class Live(TorchDispatchMode):
    """Counts the bytes of all storages that operations touched and that are still alive, but for weights."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.sizes: dict[int, int] = {}
        self.weights = {weight.untyped_storage()._cdata for weight in cell.parameters()}

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                key = storage._cdata
                if key not in self.sizes and key not in self.weights:
                    self.sizes[key] = storage.nbytes()
                    weakref.finalize(storage, self.sizes.pop, key)
        return result

    @property
    def bytes(self) -> int:
        return sum(self.sizes.values())


def _kept(cell: Cell, steps: int, batch: int, engine: str, memory: Memory) -> int:
    """Bytes alive after a forward pass, without the outputs that were asked for."""
    x = torch.randn(steps, batch, 5, requires_grad=True)
    with Live(cell) as live:
        y, end = unfold(cell, Ragged(x), engine=engine, memory=memory)
        wanted = [y.values, *leaves(end)]
        assert wanted[0].requires_grad
        return live.bytes - y.values.untyped_storage().nbytes()


CELLS: dict[str, Any] = {
    "elman": lambda: ElmanCell(5, 32),
    "lstm": lambda: LSTMCell(5, 32),
    "lstm_proj": lambda: LSTMCell(5, 32, proj_size=8),
    "gru": lambda: GRUCell(5, 32),
    "zoneout": lambda: Zoneout(GRUCell(5, 32), 0.2),
    "layernorm": lambda: LayerNorm(LSTMCell(5, 32)),
    "weightdrop": lambda: WeightDrop(GRUCell(5, 32), 0.2),
}
CASES = [
    (name, engine)
    for name in CELLS
    for engine in ("loop", "vendor")
    if engine == "loop" or name not in ("zoneout", "layernorm")
]


@pytest.mark.parametrize(("steps", "batch"), [(40, 8), (9, 30), (100, 2)])
@pytest.mark.parametrize(("name", "engine"), CASES)
def test_plan_knows_what_is_kept(name: str, engine: str, steps: int, batch: int) -> None:
    cell = CELLS[name]()
    planned = plan(cell, steps=steps, batch=batch, engine=engine).kept
    assert planned == pytest.approx(_kept(cell, steps, batch, engine, "keep"), rel=0.3)


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_checkpoints_keep_less(name: str, engine: str) -> None:
    cell, steps, batch = CELLS[name](), 96, 4
    everything = _kept(cell, steps, batch, engine, "keep")
    few = _kept(cell, steps, batch, engine, checkpoint())
    assert few < 0.5 * everything
    planned = {memory: plan(cell, steps=steps, batch=batch, engine=engine, memory=memory).kept for memory in MEMORIES}
    assert planned[checkpoint()] < 0.5 * planned["keep"]
    assert planned[checkpoint(96)] == planned["keep"]


MEMORIES: tuple[Memory, ...] = ("keep", checkpoint(), checkpoint(96))


@pytest.mark.parametrize("engine", ["loop", "vendor"])
def test_longer_chunks_keep_fewer_states(engine: str) -> None:
    cell = GRUCell(5, 32)
    kept = {k: _kept(cell, 64, 16, engine, checkpoint(k)) for k in (2, 8)}
    state = 16 * 32 * 4
    assert kept[2] - kept[8] == pytest.approx((64 / 2 - 64 / 8) * state, rel=0.3)


def test_without_gradients_nothing_is_kept() -> None:
    cell = LSTMCell(5, 32)
    x = Ragged(torch.randn(40, 4, 5))
    with torch.no_grad(), Live(cell) as live:
        y, end = unfold(cell, x, engine="loop", memory=checkpoint(3))
        wanted = [x.values, x.lengths, y.values, *leaves(end)]
        assert set(live.sizes) <= {tensor.untyped_storage()._cdata for tensor in wanted}


@pytest.mark.parametrize("every", [0, -1, 2.5, "sqrt"])
def test_chunks_have_at_least_one_step(every: Any) -> None:
    with pytest.raises(InputError, match="every: expected a whole number of at least 1, or None"):
        checkpoint(every)


def test_size_of_a_chunk() -> None:
    assert [checkpoint().size(steps) for steps in (0, 1, 2, 4, 5, 9, 10, 100, 101)] == [
        1,
        1,
        2,
        2,
        3,
        3,
        4,
        10,
        11,
    ]
    assert checkpoint(7).size(100) == 7
    assert (str(checkpoint()), str(checkpoint(7))) == ("checkpoint()", "checkpoint(7)")
