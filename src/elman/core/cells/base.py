"""What a recurrent cell is: one step's mathematics, with no loop over time."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from elman.core.errors import InputError
from elman.core.state import State, adopt, check_state

__all__ = [
    "Cell",
    "GatedCell",
    "Kernel",
    "WeightedCell",
    "check_hooks",
    "check_input",
    "settle",
    "view_of",
    "whole_number",
]

C = TypeVar("C", bound="Cell")
M = TypeVar("M", bound=nn.Module)


class Kernel(NamedTuple):
    """What a compiled engine needs to know of a cell: a mode and its weights, exactly as torch orders them.

    Attributes:
        mode: ``RNN_TANH``, ``RNN_RELU``, ``RNN_SIGMOID`` (torch has none), ``LSTM`` or ``GRU``.
        weights: ``weight_ih, weight_hh[, bias_ih, bias_hh][, weight_hr]``.
        bias: whether the two biases are among them.
        residual: whether the output is the cell's output plus its input.

    The leaves of the cell's state are h, or h and c, as torch wants them.
    """

    mode: str
    weights: tuple[Tensor, ...]
    bias: bool
    residual: bool = False


class Cell(nn.Module, ABC):
    """One step of a recurrent network.

    Write ``initial_state`` and ``step``, and ``project`` for what needs no past::

        p = project(x)                          all steps at once
        y_t, s_t = step(p_t, s_{t-1})           one step

    Only the two leading dimensions, T and B, belong to elman; what follows them is the cell's own.
    ``step`` consults no random generator and changes nothing but what it returns, so that every engine,
    recomputation and streaming give the same values.

    Attributes:
        true_to_kernel: whether the class computes what the :meth:`kernel` that it has or inherits describes: it
            overrides no step of the computation after that. Where it is false, kernel() must give None.
    """

    true_to_kernel: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        described = next(kind for kind in cls.__mro__ if "kernel" in kind.__dict__)
        names = ("draw", "project", "resolve", "recur", "pointwise", "observe", "step", "mask_recurrent")
        cls.true_to_kernel = all(getattr(cls, name, None) is getattr(described, name, None) for name in names)

    @abstractmethod
    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before the first step: tensors ``(batch, *)`` of the dtype and device of ``like``."""

    def project(self, x: Any) -> Any:
        """Map ``x (T, B, *)`` to ``p (T, B, *)``; a tuple of such tensors is allowed. Default: ``p = x``."""
        return x

    @abstractmethod
    def step(self, p: Any, state: State) -> tuple[Tensor, State]:
        """Map one step's ``p_t (B, *)`` and the state to the output ``y_t (B, *)`` and the next state."""

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """One step by itself, ``cell(x, state)``: x ``(B, *)`` and a state (None: the initial one) to y and the next.

        Unlike ``torch.nn.GRUCell`` it returns the output as well as the state. For sequences use :func:`elman.unfold`,
        which projects all steps at once.

        Raises:
            InputError: x or the state has the wrong shape.
        """
        form = self.initial_state(len(x), x)
        if state is not None:
            check_state(state, form)
        state = form if state is None else adopt(state, form)
        ready = settle(self).resolve(state)
        return ready.step(_first_step(ready.project(ready.draw(x[None]))), state)

    def observe(self, p: Any, state: State) -> tuple[Tensor, State, dict[str, Tensor]]:
        """``step`` and the named gates ``(B, *)`` that it passed through; a plain cell names none."""
        return *self.step(p, state), {}

    def draw(self, x: Any) -> Any:
        """Draw what is random at every step, before the unfold; what comes back goes to ``project``."""
        return x

    def resolve(self, state: State) -> Cell:
        """The cell to use for one whole unfold that starts from ``state``; wrappers apply masks here, once."""
        return self

    @property
    def linear(self) -> bool:
        """Whether a step is ``h = a * state + b`` of what ``project`` gives, (a, b), and nothing else."""
        return False

    def kernel(self) -> Kernel | None:
        """The description for compiled engines, or None where only ``step`` says what this cell does."""
        return None

    def bind(self: C, tensors: Mapping[str, Tensor | None]) -> C:
        """A view of this cell that reads the given tensors (or None) in place of its parameters.

        Gradients flow to the given tensors. The view costs no memory and owns no parameter.

        Raises:
            InputError: the cell has no tensor of such a name.
        """
        whole = settle(self)
        for name in tensors:
            if name not in whole._parameters and name not in whole.__dict__:
                known = ", ".join(name for name, _ in self.named_parameters(recurse=False))
                raise InputError(f"bind: {type(whole).__name__} has no '{name}'. Known: {known}")
        kept = {name: value for name, value in whole._parameters.items() if name not in tensors}
        return view_of(whole, _parameters=kept, **tensors)


class GatedCell(Cell):
    """A cell whose step is one product with the state followed by a pointwise function.

    ::

        q = recur(s_{t-1})                      the product with the recurrent weights
        y_t, s_t, gates = pointwise(p_t, q, s_{t-1})

    Layer normalisation of pre-activations, weight-drop and recurrent dropout act between the two, so they
    take gated cells only. The recurrent weights are ``weight_hh (G*H, H)``, G gates in the order ``GATES``.
    """

    GATES: tuple[str, ...] = ()

    weight_hh: Tensor

    @abstractmethod
    def recur(self, state: State) -> Tensor:
        """``q (B, G*H)``, the product of the state with the recurrent weights."""

    @abstractmethod
    def pointwise(self, p: Any, q: Tensor, state: State) -> tuple[Tensor, State, dict[str, Tensor]]:
        """The rest of the step: output, next state, and the gates by name."""

    @property
    def recurrent_weight(self) -> Tensor:
        """The matrix ``(G*H, R)`` that :meth:`recur` multiplies with."""
        return self.weight_hh

    def with_recurrent_weight(self, weight: Tensor) -> GatedCell:
        """A view of this cell with another matrix ``(G*H, R)`` in that place."""
        return self.bind({"weight_hh": weight})

    def mask_recurrent(self, state: State, mask: Tensor) -> State:
        """The state with ``mask (B, R)`` on the part that ``recur`` reads."""
        raise InputError(f"{type(self).__name__} does not say which part of its state recurs")

    def observe(self, p: Any, state: State) -> tuple[Tensor, State, dict[str, Tensor]]:
        return self.pointwise(p, self.recur(state), state)

    def step(self, p: Any, state: State) -> tuple[Tensor, State]:
        y, state, _ = self.pointwise(p, self.recur(state), state)
        return y, state


class WeightedCell(GatedCell):
    """The parameters that Elman, LSTM and GRU share, with torch's names, shapes and default values.

    ``weight_ih (G*H, D)``, ``weight_hh (G*H, R)``, ``bias_ih (G*H,)``, ``bias_hh (G*H,)``, where R is the size
    of the recurrent input (H, or the projection's size). Drawn from U(-1/sqrt(H), 1/sqrt(H)).
    """

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool, recurrent_size: int) -> None:
        super().__init__()
        input_size, hidden_size = whole_number("input_size", input_size), whole_number("hidden_size", hidden_size)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = len(self.GATES) * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh = nn.Parameter(torch.empty(rows, recurrent_size))
        self.bias_ih = nn.Parameter(torch.empty(rows)) if bias else None
        self.bias_hh = nn.Parameter(torch.empty(rows)) if bias else None

    def reset_parameters(self) -> None:
        """Draw all parameters anew, as torch does."""
        bound = self.hidden_size**-0.5
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound)

    def project(self, x: Tensor) -> Tensor:
        check_input(x, self.weight_ih)
        return nn.functional.linear(x, self.weight_ih, self.bias_ih)

    def _kernel(self, mode: str, extra: tuple[Tensor, ...] = ()) -> Kernel | None:
        if not self.true_to_kernel:
            return None
        biases = () if self.bias_ih is None or self.bias_hh is None else (self.bias_ih, self.bias_hh)
        return Kernel(mode, (self.weight_ih, self.weight_hh, *biases, *extra), bool(biases))

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


def whole_number(name: str, value: int, least: int = 1) -> int:
    """A size as an int, from anything that is a whole number (NumPy's too); raise :class:`InputError` for the rest."""
    try:
        size = operator.index(value)
    except TypeError:
        size = least - 1
    if size < least:
        raise InputError(f"{name}: expected a whole number of at least {least}, got {value!r}")
    return size


def _first_step(p: Any) -> Any:
    """The first step of what ``project`` made: a tensor ``(T, B, *)``, None, or a tuple of such."""
    if p is None or isinstance(p, Tensor):
        return None if p is None else p[0]
    return tuple(_first_step(part) for part in p)


def check_input(x: Tensor, weight_ih: Tensor) -> None:
    """Raise :class:`InputError` for an x that has no product with ``weight_ih (G*H, D)``."""
    if x.dim() != 3 or x.shape[-1] != weight_ih.shape[1]:
        raise InputError(f"x: expected (T, B, {weight_ih.shape[1]}), got {tuple(x.shape)}")
    if x.dtype != weight_ih.dtype and not torch.is_autocast_enabled(x.device.type):
        wanted = weight_ih.dtype
        raise InputError(f"x: expected {wanted} as the weights are, got {x.dtype}; use x.to({wanted})")


def settle(module: M) -> M:
    """The module itself, or where a tensor in it is parametrised, a view that has each of them computed once.

    Raises:
        InputError: a cell has forward pre-hooks (those of pruning and of the older weight_norm compute a weight); they
            run when a module is called, and an unfold calls none, so the weight would be a stale one.
    """
    alone = not module._modules  # nothing in it can be parametrised, and there is no part to look at but itself
    for part in (module,) if alone else module.modules():
        if isinstance(part, Cell):
            check_hooks(part)
    if alone or not any(parametrize.is_parametrized(part) for part in module.modules()):
        return module
    parts = {name: part and settle(part) for name, part in module._modules.items() if name != "parametrizations"}
    if not parametrize.is_parametrized(module):
        return view_of(module, _modules=parts)
    computed = {name: getattr(module, name) for name in module.get_submodule("parametrizations")._modules}
    return view_of(module, _modules=parts, **computed)


def check_hooks(module: nn.Module) -> None:
    """Raise :class:`InputError` for a module with forward pre-hooks, where it will not be called as a module."""
    if module._forward_pre_hooks:
        raise InputError(
            f"{type(module).__name__}: forward pre-hooks (torch.nn.utils.prune, the older weight_norm) do not run in "
            "an unfold; use torch.nn.utils.parametrize or parametrizations.weight_norm, or prune.remove first"
        )


def view_of(module: M, **attributes: Any) -> M:
    """A module that shares everything with another but the given attributes; unlike ``bind`` it checks nothing."""
    plain = "parametrizations" not in module._modules
    view = cast(M, object.__new__(type(module) if plain else parametrize.type_before_parametrizations(module)))
    object.__setattr__(view, "__dict__", {**module.__dict__, **attributes})  # Module's own looks at every value
    return view
