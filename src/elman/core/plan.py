"""What will run, why, and what it will cost: asked before anything is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elman.core.cells.base import Cell
from elman.core.cells.wrap import describe
from elman.core.engines.base import Request, WholeEngine
from elman.core.engines.memory import Checkpoint, Memory
from elman.core.errors import InputError
from elman.core.layers.drop_in import DropIn
from elman.core.layers.stack import Recurrent
from elman.core.probe import undisturbed, width_of
from elman.core.ragged import Ragged
from elman.core.state import leaves
from elman.core.unfold import choose, unfold

__all__ = ["Entry", "Plan", "layers", "plan", "tensors_of"]


@dataclass(frozen=True)
class Entry:
    """One recurrent layer and direction.

    Attributes:
        name: where it stands in the model.
        cell: the cell in words.
        engine: the engine that will run it.
        reason: why that one.
        refused: by engine, why not that one.
        weights: number of parameters.
        kept: bytes that one training pass keeps for the backward pass, measured on a few steps and rows and scaled.
    """

    name: str
    cell: str
    engine: str
    reason: str
    refused: dict[str, str]
    weights: int
    kept: int


@dataclass(frozen=True)
class Plan:
    """The plan of a model for batches of a given size; ``print(plan)`` shows it as a table."""

    entries: tuple[Entry, ...]
    steps: int
    batch: int
    memory: Memory

    @property
    def kept(self) -> int:
        """Bytes that one training pass keeps for the backward pass in all recurrent layers."""
        return sum(entry.kept for entry in self.entries)

    def __str__(self) -> str:
        head = f"plan for T={self.steps} B={self.batch}, memory={self.memory}"
        width = max(len(entry.cell) for entry in self.entries)
        wide = max(len(entry.name) for entry in self.entries)
        lines = [head]
        for entry in self.entries:
            size = f"{entry.weights:,} weights, keeps {bytes_in_words(entry.kept)}"
            lines.append(f"  {entry.name:{wide}}  {entry.cell:{width}}  {entry.engine}: {entry.reason}; {size}")
            lines.extend(f"  {'':{wide}}    not {name}: {why}" for name, why in entry.refused.items())
        return "\n".join(lines)


def plan(
    model: nn.Module,
    *,
    steps: int,
    batch: int,
    engine: str | None = None,
    memory: Memory | None = None,
    input_size: int | None = None,
) -> Plan:
    """Tell which engine will run every recurrent layer of a model, why no other, and what memory training takes.

    Args:
        model: a cell, a stage, an elman.RNN/LSTM/GRU, or any module that holds such.
        steps: T of the batches to come.
        batch: B of the batches to come.
        engine: in place of the layer's own choice.
        memory: in place of the layer's own policy. What is kept leaves out outputs and inputs of checkpointed
            chunks, which are O(T) in any case.
        input_size: of cells of your own that do not say it as their ``input_size``; otherwise guessed.

    Raises:
        InputError: nothing recurrent in the model, or a cell whose ``input_size`` was guessed wrong.
        EngineError: a named engine cannot run a layer.
    """
    if steps < 1 or batch < 1:
        raise InputError(f"steps, batch: expected at least 1, got {steps} and {batch}")
    found = list(layers(model))
    if not found:
        raise InputError(f"model: {type(model).__name__} holds no recurrent layer to plan")
    entries = []
    for name, cell, own_engine, own_memory in found:
        policy = own_memory if memory is None else memory
        width = width_of(cell, "plan(model, ..., {})", input_size)
        entries.append(_entry(name, cell, engine or own_engine, policy, (steps, batch, width)))
    return Plan(tuple(entries), steps, batch, memory or found[0][3])


def bytes_in_words(size: float) -> str:
    """Bytes with a unit, such as ``1.2 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")


def layers(model: nn.Module) -> Iterator[tuple[str, Cell, str, Memory]]:
    """The recurrent layers of a model: where each stands, its cell, the engine and the memory policy it asks for."""
    if isinstance(model, Cell):
        yield "cell", model, "auto", "keep"
        return
    for name, part in model.named_modules():
        if isinstance(part, Recurrent):
            yield name or "layer", part.cell, part.engine, part.memory
        elif isinstance(part, DropIn):
            for layer in range(part.num_layers):
                for way in (False, True)[: 2 if part.bidirectional else 1]:
                    label = f"{name}{'.' if name else ''}l{layer}{'_reverse' if way else ''}"
                    yield label, part.cell(layer, way), "auto", "keep"


def _entry(name: str, cell: Cell, engine: str, memory: Memory, shape: tuple[int, int, int]) -> Entry:
    steps, batch, _ = shape
    weights = tensors_of(cell)
    like = weights[0] if weights else torch.zeros(())
    choice = choose(cell, Request(like.dtype, like.device), engine)
    whole = isinstance(choice.engine, WholeEngine)
    kept = _kept(cell, choice.engine.name, shape, memory if whole else "keep")
    if isinstance(memory, Checkpoint) and not whole:
        size = memory.size(steps)
        state = sum(leaf.numel() * leaf.element_size() for leaf in leaves(cell.initial_state(batch, like)))
        kept = min(kept, _kept(cell, choice.engine.name, (size, *shape[1:])) + state * -(-steps // size))
    count = sum(weight.numel() for weight in weights)
    return Entry(name, describe(cell), choice.engine.name, choice.reason, choice.refused, count, kept)


def tensors_of(cell: Cell) -> list[Tensor]:
    """The weights of a cell, its own or lent."""
    own: list[Tensor] = list(cell.parameters())
    kernel = cell.kernel()
    return own if own or kernel is None else list(kernel.weights)


def _kept(cell: Cell, engine: str, shape: tuple[int, int, int], memory: Memory = "keep") -> int:
    """Bytes saved for backward; of large batches from small ones, for it grows in a straight line in T and B."""
    steps, batch, width = shape

    def at(n: int) -> int:
        return _line(lambda rows: _saved(cell, engine, (n, rows, width), memory), 4, 8, batch)

    return _line(at, 6, 12, steps)


def _line(measure: Callable[[int], int], short: int, long: int, wanted: int) -> int:
    """``measure(wanted)``, beyond ``long`` by the straight line through two points."""
    if wanted <= long:
        return measure(wanted)
    first, second = measure(short), measure(long)
    return first + (second - first) * (wanted - short) // (long - short)


def _saved(cell: Cell, engine: str, shape: tuple[int, int, int], memory: Memory) -> int:
    weights = {weight.untyped_storage().data_ptr() for weight in tensors_of(cell)}
    seen: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    like = tensors_of(cell)[0] if tensors_of(cell) else torch.zeros(())
    x = like.new_zeros(shape).requires_grad_()
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with undisturbed(), hooks, torch.enable_grad():
        y, _ = unfold(cell, Ragged(x), engine=engine, memory=memory)
        # While y is alive no storage is freed, so no address is counted for two tensors.
        assert y.values.requires_grad
    return sum(seen.values())
