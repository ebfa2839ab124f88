"""Give the recurrent layers of any torch model elman's engines, and take them back."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from torch import nn

from elman.core.engines.base import Request
from elman.core.errors import InputError
from elman.core.layers.drop_in import GRU, LSTM, RNN, DropIn
from elman.core.unfold import choose

__all__ = ["Swap", "Swaps", "accelerate", "adopted", "restore"]

_OURS: dict[type[nn.RNNBase], type[DropIn]] = {nn.RNN: RNN, nn.LSTM: LSTM, nn.GRU: GRU}
_THEIRS: dict[type[DropIn], type[nn.RNNBase]] = {ours: theirs for theirs, ours in _OURS.items()}


@dataclass(frozen=True)
class Swap:
    """What became of one recurrent module.

    Attributes:
        name: where it stands in the model.
        module: the module in words.
        done: whether it was swapped.
        reason: the engine that runs it now, or why it was left as it was.
    """

    name: str
    module: str
    done: bool
    reason: str


class Swaps(tuple[Swap, ...]):
    """All recurrent modules of a model, one line each when printed."""

    __slots__ = ()

    def __str__(self) -> str:
        if not self:
            return "no recurrent module"
        wide = max(len(swap.name) for swap in self)
        return "\n".join(f"{s.name:{wide}}  {'swapped' if s.done else 'left   '}  {s.module}: {s.reason}" for s in self)


def accelerate(model: nn.Module) -> Swaps:
    """Let elman run every ``torch.nn.RNN``, ``LSTM`` and ``GRU`` inside a model, in place.

    The modules stay the same objects with the same Parameters, so optimisers, hooks, state_dict and whoever holds
    a reference go on; only their class changes, to :class:`elman.RNN`, :class:`~elman.LSTM`, :class:`~elman.GRU`.
    Tensors, batch_first and PackedSequence work as before, ``lengths=`` is new. :func:`restore` undoes it.

    Returns:
        A table of what was swapped and what was not, and why; print it.

    Raises:
        InputError: the model is not a module.
    """
    return Swaps(_swap(name, module) for name, module in _modules(model))


def restore(model: nn.Module) -> Swaps:
    """Give every layer that :func:`accelerate` swapped, or that was elman's from the start, back to torch."""
    swaps = []
    for name, module in _modules(model):
        theirs = _THEIRS.get(type(module)) if isinstance(module, DropIn) else None
        if isinstance(module, DropIn) and theirs is not None:
            module.release(theirs)
            swaps.append(Swap(name, str(module), True, "torch runs it"))
        elif isinstance(module, DropIn):
            swaps.append(Swap(name, str(module), False, "a class of its own, which torch has not"))
    return Swaps(swaps)


def adopted(module: nn.RNNBase) -> DropIn | None:
    """A copy of a layer as one of elman's, or None where its class is neither torch's nor elman's own."""
    twin = copy.deepcopy(module)
    if isinstance(twin, DropIn):
        return twin
    ours = _OURS.get(type(twin))
    return None if ours is None else ours.adopt(twin)


def _modules(model: nn.Module) -> list[tuple[str, nn.Module]]:
    if not isinstance(model, nn.Module):
        raise InputError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    kinds = (nn.RNNBase, nn.RNNCellBase)
    return [(name or "model", module) for name, module in model.named_modules() if isinstance(module, kinds)]


def _swap(name: str, module: nn.Module) -> Swap:
    words = str(module)
    if isinstance(module, DropIn):
        return Swap(name, words, False, "elman's already")
    if isinstance(module, nn.RNNCellBase):
        return Swap(name, words, False, "a single step; elman takes over layers that run over time")
    ours = _OURS.get(type(module)) if isinstance(module, nn.RNNBase) else None
    if ours is None or not isinstance(module, nn.RNNBase):
        return Swap(name, words, False, "a class of its own, whose forward may differ from torch's")
    taken = ours.adopt(module)
    cell = taken.cell(0)
    choice = choose(cell, Request(cell.weight_ih.dtype, cell.weight_ih.device))
    if choice.engine.name == "native":
        return Swap(name, words, True, "native runs it")
    taken.release(_THEIRS[ours])
    return Swap(name, words, False, choice.refused["native"])
