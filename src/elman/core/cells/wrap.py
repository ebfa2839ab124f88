"""Cells around cells: residual connections, zoneout, variational dropout, weight-drop.

Each is one class with one number, and they nest: ``Residual(Zoneout(WeightDrop(LSTMCell(64, 64), 0.5), 0.1))``.
Masks are drawn before the unfold or live in the state, so that every engine sees the same ones; in
evaluation none acts.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from elman.core.cells.base import Cell, GatedCell, Kernel
from elman.core.errors import InputError
from elman.core.state import Shared, State, leaves, replace_leaves

__all__ = [
    "Dropped",
    "GatedWrapper",
    "Residual",
    "VariationalDropout",
    "WeightDrop",
    "Wrapper",
    "Zoneout",
    "add_input",
    "begun",
    "describe",
    "renewed",
]

W = TypeVar("W", bound="Wrapper")


class Wrapper(Cell):
    """A cell around a cell that hands everything on; what it changes, its subclasses say."""

    cell: Cell

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        if not isinstance(cell, Cell):
            raise InputError(f"cell: {type(self).__name__} goes around an elman.Cell, got {type(cell).__name__}")
        self.cell = cell

    def inner(self, state: State) -> State:
        """The state of the cell inside."""
        return state

    def around(self: W, cell: Cell) -> W:
        """A view of this wrapper around another cell."""
        view = copy.copy(self)
        view.__dict__ = {**self.__dict__, "_modules": {**self._modules, "cell": cell}}
        return view

    def initial_state(self, batch: int, like: Tensor) -> State:
        return self.cell.initial_state(batch, like)

    def draw(self, x: Any) -> Any:
        return self.cell.draw(x)

    def project(self, x: Any) -> Any:
        return self.cell.project(x)

    def resolve(self, state: State) -> Cell:
        cell = self.cell.resolve(self.inner(state))
        return self if cell is self.cell else self.around(cell)

    def step(self, p: Any, state: State) -> tuple[Tensor, State]:
        return self.observe(p, state)[:2]


class Residual(Wrapper):
    """Add the input to the output: ``y_t = cell(x_t) + x_t`` (He et al. 2016; for stacks, Wu et al. 2016).

    The cell's output must be as wide as its input. Gradients then reach the lowest of many layers.
    """

    def draw(self, x: Any) -> Any:
        return self.cell.draw(x), x

    def project(self, x: Any) -> Any:
        inside, added = x
        return self.cell.project(inside), added

    def observe(self, p: Any, state: State) -> tuple[Tensor, State, dict[str, Tensor]]:
        inside, x = p
        y, state, gates = self.cell.observe(inside, state)
        return add_input(y, x), state, gates

    def kernel(self) -> Kernel | None:
        kernel = self.cell.kernel() if self.true_to_kernel else None
        return kernel._replace(residual=True) if kernel and not kernel.residual else None


class Zoneout(Wrapper):
    """Let random units keep their value for a step (Krueger et al. 2017, arXiv 1606.01305).

    ::

        s_t = m_t * s_{t-1} + (1 - m_t) * cell(x_t, s_{t-1})    m_t ~ Bernoulli(p), for every unit and step
        s_t = p * s_{t-1} + (1 - p) * cell(x_t, s_{t-1})        in evaluation

    It acts on every tensor of the state (h and c of an LSTM, with one rate, where the paper has two). Where
    the output is part of the state, as in Elman, LSTM and GRU, the output follows the zoned-out state. Memory:
    one byte a unit and step for the masks.

    Args:
        cell: any cell.
        p: the probability of keeping, from 0 to below 1.
    """

    def __init__(self, cell: Cell, p: float) -> None:
        super().__init__(cell)
        self.p = _probability(p)

    def draw(self, x: Any) -> Any:
        x = self.cell.draw(x)
        if not self.training or self.p == 0:
            return x, None
        like = _first(x)
        sizes = [leaf.shape[1:] for leaf in leaves(self.cell.initial_state(1, like))]
        steps, batch = like.shape[:2]
        masks = [torch.rand(steps, batch, *size, device=like.device) < self.p for size in sizes]
        return x, tuple(masks)

    def project(self, x: Any) -> Any:
        inside, masks = x
        return self.cell.project(inside), masks

    def observe(self, p: Any, state: State) -> tuple[Tensor, State, dict[str, Tensor]]:
        inside, masks = p
        y, new, gates = self.cell.observe(inside, state)
        before, after = leaves(state), leaves(new)
        if masks is not None:
            mixed = [torch.where(m, old, now) for m, old, now in zip(masks, before, after, strict=True)]
        elif self.p == 0:
            mixed = after
        else:
            mixed = [now + self.p * (old - now) for old, now in zip(before, after, strict=True)]
        y = next((mix for mix, now in zip(mixed, after, strict=True) if now is y), y)
        return y, replace_leaves(new, mixed), gates

    def extra_repr(self) -> str:
        return f"p={self.p}"


class GatedWrapper(Wrapper, GatedCell):
    """A wrapper that acts between a gated cell's product and its pointwise part, and is gated itself."""

    cell: GatedCell

    def __init__(self, cell: GatedCell) -> None:
        if not isinstance(cell, GatedCell):
            raise InputError(
                f"cell: {type(self).__name__} needs a gated cell (one with recur and pointwise), got "
                f"{type(cell).__name__}; put it directly around ElmanCell, LSTMCell or GRUCell"
            )
        super().__init__(cell)
        self.GATES = cell.GATES

    @property
    def recurrent_weight(self) -> Tensor:
        return self.cell.recurrent_weight

    def with_recurrent_weight(self, weight: Tensor) -> GatedCell:
        return self.around(self.cell.with_recurrent_weight(weight))

    def recur(self, state: State) -> Tensor:
        return self.cell.recur(self.inner(state))

    def pointwise(self, p: Any, q: Tensor, state: State) -> tuple[Tensor, State, dict[str, Tensor]]:
        return self.cell.pointwise(p, q, state)

    def mask_recurrent(self, state: State, mask: Tensor) -> State:
        return self.cell.mask_recurrent(state, mask)

    def observe(self, p: Any, state: State) -> tuple[Tensor, State, dict[str, Tensor]]:
        return self.pointwise(p, self.recur(state), state)


class Dropped(NamedTuple):
    """A state with a mask that holds for the whole sequence.

    Attributes:
        state: the state of the cell inside.
        mask: the mask, or None in evaluation.
    """

    state: State
    mask: Tensor | Shared | None


class _Dropping(GatedWrapper):
    """What variational dropout and weight-drop share: a rate, and a mask that lives in the state."""

    def __init__(self, cell: GatedCell, p: float) -> None:
        super().__init__(cell)
        self.p = _probability(p)

    @abstractmethod
    def new_mask(self, batch: int, like: Tensor) -> Tensor | Shared:
        """Draw one mask for a whole sequence."""

    def initial_state(self, batch: int, like: Tensor) -> Dropped:
        mask = self.new_mask(batch, like) if self.training and self.p else None
        return Dropped(self.cell.initial_state(batch, like), mask)

    def inner(self, state: Dropped) -> State:
        return state.state

    def pointwise(self, p: Any, q: Tensor, state: Dropped) -> tuple[Tensor, Dropped, dict[str, Tensor]]:
        y, new, gates = self.cell.pointwise(p, q, state.state)
        return y, Dropped(new, state.mask), gates

    def mask_recurrent(self, state: Dropped, mask: Tensor) -> Dropped:
        return Dropped(self.cell.mask_recurrent(state.state, mask), state.mask)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class VariationalDropout(_Dropping):
    """Drop the same recurrent inputs at every step of a sequence (Gal & Ghahramani 2016, arXiv 1512.05287).

    ::

        q_t = W_hh (m * h_{t-1}) + b_hh         m ~ Bernoulli(1 - p) / (1 - p), one mask a row and sequence

    The mask is part of the state, so chunks of one sequence share it. For the inputs, use the stage
    :class:`elman.LockedDropout`.

    Args:
        cell: a gated cell.
        p: the probability of dropping, from 0 to below 1.
    """

    def new_mask(self, batch: int, like: Tensor) -> Tensor:
        size = self.recurrent_weight.shape[1]
        return _keep_mask((batch, size), self.p, like)

    def recur(self, state: Dropped) -> Tensor:
        if not self.training or not isinstance(state.mask, Tensor):
            return self.cell.recur(state.state)
        return self.cell.recur(self.cell.mask_recurrent(state.state, state.mask))


class WeightDrop(_Dropping):
    """Drop recurrent weights, the same for a whole sequence and batch (Merity et al. 2018, arXiv 1708.02182).

    ::

        q_t = (M * W_hh) h_{t-1} + b_hh         M ~ Bernoulli(1 - p) / (1 - p), one mask an unfold

    The parameter itself stays in place and gets its gradient; the mask is part of the state.

    Args:
        cell: a gated cell.
        p: the probability of dropping, from 0 to below 1.
    """

    def new_mask(self, batch: int, like: Tensor) -> Shared:
        return Shared(_keep_mask(tuple(self.recurrent_weight.shape), self.p, like))

    def resolve(self, state: Dropped) -> Cell:
        view = super().resolve(state)
        if not self.training or not isinstance(state.mask, Shared) or not isinstance(view, WeightDrop):
            return view
        return view.with_recurrent_weight(view.recurrent_weight * state.mask.value)

    def kernel(self) -> Kernel | None:
        return self.cell.kernel() if self.true_to_kernel else None


def renewed(cell: Cell, state: State) -> State:
    """The state of a cell with newly drawn masks; what it remembers stays."""
    if not _masked(state):
        return state
    like = next(leaf for leaf in leaves(state) if leaf.is_floating_point())
    return _with_masks(state, cell.initial_state(len(like), like))


def begun(fresh: State, inside: State) -> State:
    """A fresh state of a cell, with its masks, that remembers ``inside``: what the bare cell within remembers."""
    return Dropped(begun(fresh.state, inside), fresh.mask) if isinstance(fresh, Dropped) else inside


def _masked(state: State) -> bool:
    return isinstance(state, Dropped) or (isinstance(state, tuple) and any(_masked(part) for part in state))


def _with_masks(state: State, fresh: State) -> State:
    if isinstance(state, Dropped):
        return Dropped(_with_masks(state.state, fresh.state), fresh.mask)
    if not isinstance(state, tuple):
        return state
    parts = [_with_masks(own, new) for own, new in zip(state, fresh, strict=True)]
    return tuple(parts) if type(state) is tuple else type(state)(*parts)


def describe(cell: Cell) -> str:
    """A cell in words, wrappers outside: ``Residual(Zoneout(GRUCell(64, 64), p=0.1))``."""
    options = cell.extra_repr()
    inside = [describe(cell.cell)] if isinstance(cell, Wrapper) else []
    return f"{type(cell).__name__}({', '.join([*inside, *([options] if options else [])])})"


def add_input(y: Tensor, x: Tensor) -> Tensor:
    """``y + x``, refusing to broadcast."""
    if y.shape != x.shape:
        raise InputError(
            f"Residual: the output is {y.shape[-1]} wide, the input {x.shape[-1]}; "
            "only equal widths can be added: leave the first layer of a stack without it"
        )
    return y + x


def _probability(p: float) -> float:
    if not 0 <= p < 1:
        raise InputError(f"p: expected a probability from 0 to below 1, got {p}")
    return float(p)


def _keep_mask(shape: tuple[int, ...], p: float, like: Tensor) -> Tensor:
    return like.new_empty(shape).bernoulli_(1 - p).div_(1 - p)


def _first(x: Any) -> Tensor:
    """The first tensor of what may be a tuple of tuples."""
    while not isinstance(x, Tensor):
        x = x[0]
    return x
