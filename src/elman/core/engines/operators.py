"""The C++ core as torch operators ``elman::sequence`` and ``elman::sequence_backward``, and one step of it.

What every buffer holds is written in csrc/kernels.h, the equations of the backward pass in docs/kernels.md. This
is the only file that talks to the core, so whatever could make it read elsewhere is refused here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from elman.core.cells.base import Kernel
from elman.core.engines.buffers import address, broadcast, check_inputs, check_kept, lined_up, whole
from elman.core.errors import EngineError, InputError

try:
    from elman import _native

    BUILT = True
except ImportError:  # built without a compiler, or for another Python: the other engines do the work
    BUILT = False

__all__ = [
    "ALL",
    "BUILT",
    "KINDS",
    "NOTHING",
    "STATES",
    "Frame",
    "kernel_names",
    "kernels",
    "kernels_in_use",
    "rates",
    "sequence",
]


class Kind(NamedTuple):
    """A cell as the kernels know it: its number there, G gates, the blocks of H numbers kept a step."""

    number: int
    gates: int
    blocks: int


KINDS = {
    "RNN_TANH": Kind(0, 1, 1),
    "RNN_RELU": Kind(1, 1, 1),
    "RNN_SIGMOID": Kind(2, 1, 1),
    "LSTM": Kind(3, 4, 4),
    "GRU": Kind(4, 3, 4),
}
_BY_NUMBER = {kind.number: kind for kind in KINDS.values()}
_LSTM = 3

NOTHING, STATES, ALL = 0, 1, 2
"""What forward keeps for backward; with STATES the gates are computed again."""


def kernel_names() -> list[str]:
    """The kernels that can run on this processor, the fastest first; empty without the native core."""
    return _native.kernel_names().split() if BUILT else []


class _Block(threading.local):
    """The kernels that a block of :func:`kernels` names for the thread that is in it."""

    name: str | None = None


_block = _Block()


@contextmanager
def kernels(name: str) -> Iterator[None]:
    """Use only the kernels of that name within the block, as ``ELMAN_KERNELS`` does for a whole process.

    Other threads are not affected. A backward pass takes the kernels of its forward pass, wherever it runs; what
    torch.compile has made keeps those of when it was made.
    """
    before, _block.name = _block.name, _known("kernels", name)
    try:
        yield
    finally:
        _block.name = before


def _known(argument: str, name: str) -> str:
    wrong = _unknown(argument, name)
    if wrong:
        raise InputError(wrong)
    return name


def _unknown(argument: str, name: str) -> str | None:
    if name == "auto" or name in kernel_names():
        return None
    if not BUILT:
        return f"{argument}: '{name}' was named, but the native core is not there; see elman.native_info"
    return f"{argument}: unknown name '{name}'. Known here: auto, {', '.join(kernel_names())}"


_environment = os.environ.get("ELMAN_KERNELS") or "auto"  # empty is not set
# Said to whoever runs the kernels: it must not keep elman from being imported, nor matter where there are none.
_mistaken = _unknown("ELMAN_KERNELS", _environment)


def _chosen() -> str:
    if _block.name is not None:
        return _block.name
    if _mistaken:
        raise InputError(_mistaken)
    return _environment


def kernels_in_use() -> str:
    """The name of the kernels that run now: those named, or the fastest; ``none`` without the native core."""
    name = _chosen() if BUILT else "none"
    return kernel_names()[0] if name == "auto" else name


def rates(threads: int, sizes: tuple[int, ...]) -> list[float]:
    """The processor's ceilings on that many threads: 10^9 operations a second, and 10^9 bytes a second read from
    memory of each of the sizes, in bytes a thread; zeros without the native core."""
    if not BUILT:
        return [0.0] * (1 + len(sizes))
    name = _chosen()
    return [_native.arithmetic_rate(name, threads), *(_native.read_rate(name, threads, size) for size in sizes)]


def sequence(*inputs: Any) -> tuple[Tensor, ...]:
    """Run one layer and direction over time: y ``(T, B, H)`` and every row's final h and c ``(B, H)``.

    The inputs are those of the operator but for the last, the kernels: ``x (T, B, D)``, h0, c0 (LSTM) or None,
    the weights and biases or None, lengths or None, the cell's number, whether to read backwards, what to keep.
    """
    if not _plain(inputs[:7]):
        run: Any = torch.ops.elman.sequence
    else:
        run = _run if inputs[-1] == NOTHING else _apply
    result: tuple[Tensor, ...] = run(*inputs, _chosen())[:3]
    return result


def _plain(tensors: tuple[Any, ...]) -> bool:
    """Whether nobody watches or replaces operators, so that the one here may be left out (some 40 us a call)."""
    return not (
        torch.compiler.is_compiling()
        or torch.is_autocast_enabled("cpu")
        or torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
        or torch._C._functorch.peek_interpreter_stack()
        or any(type(t) not in (Tensor, torch.nn.Parameter) for t in tensors if t is not None)
    )


class Frame:
    """One step at a time of a cell whose weights are packed once, into a copy of their own.

    Args:
        kernel: the cell's mode and weights.
        batch: rows of every step.
    """

    def __init__(self, kernel: Kernel, batch: int) -> None:
        kind, weight = KINDS[kernel.mode], kernel.weights[0]
        state = weight.new_empty(batch, kernel.weights[1].shape[1])
        x = weight.new_empty(1, batch, weight.shape[1])
        padded: Any = (*kernel.weights, None, None)[:4]
        _check(kind.number, x, state, state if kind.number == _LSTM else None, *padded, None)
        parts = [None if w is None else w.detach().contiguous() for w in padded]
        width, hidden = weight.shape[1], kernel.weights[1].shape[1]
        sizes = (1, batch, width, hidden, 0, False, 0, 0, 0, 0, 0)
        told: list[Any] = [kind.number, *sizes, *(address(part) for part in parts), 0, 0, 0, 0, 1]
        call = _native.Call(*told)
        make = _native.FrameFloat if weight.dtype == torch.float32 else _native.FrameDouble
        self.step = make(_chosen(), call).step


# ---------------------------------------------------------------- the operators

_LIBRARY = torch.library.Library("elman", "DEF")
_LIBRARY.define(
    "sequence(Tensor x, Tensor h0, Tensor? c0, Tensor w_ih, Tensor w_hh, Tensor? b_ih, Tensor? b_hh, "
    "Tensor? lengths, int cell, bool reverse, int keep, str kernels) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)
_LIBRARY.define(
    "sequence_backward(Tensor? dy, Tensor? dh, Tensor? dc, Tensor x, Tensor h0, Tensor? c0, Tensor w_ih, "
    "Tensor w_hh, Tensor? b_ih, Tensor? b_hh, Tensor? lengths, Tensor y, Tensor gates, Tensor cells, int cell, "
    "bool reverse, int keep, str kernels, bool[] wanted) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"
)
_Out = tuple[Tensor, ...]
_Size = tuple[int, ...]


def _buffers(x: Tensor, h0: Tensor, tokens: int, cell: int, keep: int, kernels: str) -> tuple[Tensor | None, ...]:
    """y, the final h and c, and for ``tokens`` real steps gates and cells; all of them fresh, None for no buffer."""
    sizes = _sizes(x, h0, tokens, cell, keep, kernels)
    return tuple(None if size is None else torch.empty(size, dtype=x.dtype, device=x.device) for size in sizes)


def _sizes(x: Tensor, h0: Tensor, tokens: int, cell: int, keep: int, kernels: str) -> tuple[_Size | None, ...]:
    steps, batch, _ = x.shape
    hidden, lstm = h0.shape[1], cell == _LSTM
    blocks = _BY_NUMBER[cell].blocks
    room = _native.row_width(kernels, x.dtype == torch.float64, 1)
    room = (hidden + room - 1) // room * room
    gates = (tokens, blocks * room) if keep == ALL and blocks > 1 else None
    cells = (tokens, room) if keep and lstm else None
    return (steps, batch, hidden), (batch, hidden), (batch, hidden) if lstm else None, gates, cells


def _filled(x: Tensor, tensors: tuple[Tensor | None, ...]) -> _Out:
    """The same with empty tensors for None, since an operator gives out tensors only."""
    return tuple(x.new_empty(0) if t is None else t for t in tensors)


def _run(
    x: Tensor,
    h0: Tensor,
    c0: Tensor | None,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
    lengths: Tensor | None,
    cell: int,
    reverse: bool,
    keep: int,
    kernels: str,
) -> tuple[Any, ...]:
    _check(cell, x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths)
    tokens = x.shape[0] * x.shape[1] if lengths is None else int(lengths.sum())
    y, h, c, gates, cells = _buffers(x, h0, tokens, cell, keep, kernels)
    inputs = [lined_up(x), *map(whole, (h0, c0, w_ih, w_hh, b_ih, b_hh, lengths))]
    call = _call(inputs, (y, gates, cells), tokens, cell, reverse)
    run = _native.forward_float if x.dtype == torch.float32 else _native.forward_double
    run(kernels, call, address(h), address(c))
    return y, h, c, gates, cells


@torch.library.impl(_LIBRARY, "sequence", "CPU")
def _forward(x: Tensor, *rest: Any) -> _Out:
    return _filled(x, _run(x, *rest))


def _run_back(
    dy: Tensor | None,
    dh: Tensor | None,
    dc: Tensor | None,
    x: Tensor,
    h0: Tensor,
    c0: Tensor | None,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
    lengths: Tensor | None,
    y: Tensor,
    gates: Tensor | None,
    cells: Tensor | None,
    cell: int,
    reverse: bool,
    keep: int,
    kernels: str,
    wanted: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    _check(cell, x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths)
    # How many steps were kept, by what was kept; the core compares it with the lengths as they are now.
    tokens = next((len(t) for t in (gates, cells) if t is not None and t.dim() == 2), 0)
    sizes = dict(zip(("y", "dh", "dc", "gates", "cells"), _sizes(x, h0, tokens, cell, keep, kernels), strict=True))
    given = {"y": y, "gates": gates, "cells": cells, "dy": dy, "dh": dh, "dc": dc}
    check_kept(x, {**sizes, "dy": sizes["y"]}, given)
    inputs = [lined_up(x), *map(whole, (h0, c0, w_ih, w_hh, b_ih, b_hh, lengths))]
    kept = tuple(map(whole, (y, gates, cells)))
    call = _call(inputs, kept, tokens, cell, reverse)
    out = _gradients(x, h0, c0, w_ih, w_hh, b_ih, b_hh, wanted)
    dy, strides = (None, (0, 0)) if dy is None else broadcast(dy)
    dh, dc = whole(dh), whole(dc)
    back = _native.Back(address(dy), *strides, address(dh), address(dc), *map(address, out))
    run = _native.backward_float if x.dtype == torch.float32 else _native.backward_double
    run(kernels, call, back)
    return out


@torch.library.impl(_LIBRARY, "sequence_backward", "CPU")
def _backward(dy: Tensor | None, dh: Tensor | None, dc: Tensor | None, x: Tensor, *rest: Any) -> _Out:
    return _filled(x, _run_back(dy, dh, dc, x, *rest))


@torch.library.register_fake("elman::sequence", lib=_LIBRARY)
def _forward_fake(x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths, cell, reverse, keep, kernels):  # type: ignore[no-untyped-def]
    tokens: Any = x.shape[0] * x.shape[1]
    if lengths is not None and ((cell == _LSTM and keep) or (_BY_NUMBER[cell].blocks > 1 and keep == ALL)):
        tokens = torch.library.get_ctx().new_dynamic_size()
    return _filled(x, _buffers(x, h0, tokens, cell, keep, kernels))


@torch.library.register_fake("elman::sequence_backward", lib=_LIBRARY)
def _backward_fake(dy, dh, dc, x, h0, c0, w_ih, w_hh, b_ih, b_hh, *rest):  # type: ignore[no-untyped-def]
    return _filled(x, _gradients(x, h0, c0, w_ih, w_hh, b_ih, b_hh, rest[-1]))


def _gradients(*tensors_and_wanted: Any) -> tuple[Tensor | None, ...]:
    """Fresh memory for the gradients that are wanted, None for the others."""
    *tensors, wanted = tensors_and_wanted
    return tuple(
        torch.empty_like(t, memory_format=torch.contiguous_format) if want and t is not None else None
        for t, want in zip(tensors, wanted, strict=True)
    )


def _keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: _Out) -> None:
    *tensors, _, _, keep, _ = inputs
    if keep == NOTHING:
        raise InputError("keep: 0 keeps nothing for the backward pass; use 1 (states) or 2 (all), or torch.no_grad()")
    y, _, _, gates, cells = output
    ctx.save_for_backward(*tensors, y, gates, cells)
    ctx.settings = inputs[8:]
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(gates, cells)


def _sequence_gradients(ctx: Any, dy: Tensor | None, dh: Tensor | None, dc: Tensor | None, *_: Any) -> tuple[Any, ...]:
    wanted, lstm = list(ctx.needs_input_grad[:7]), ctx.settings[0] == _LSTM
    back: Any = torch.ops.elman.sequence_backward
    out = back(dy, dh, dc if lstm else None, *ctx.saved_tensors, *ctx.settings, wanted)
    return *(t if want else None for t, want in zip(out, wanted, strict=True)), *[None] * 5


class _Direct(torch.autograd.Function):
    """The operator without torch's dispatcher."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Any, ...]:
        y, h, c, gates, cells = _run(*inputs)
        ctx.save_for_backward(*inputs[:8], y, gates, cells)
        ctx.settings = inputs[8:]
        ctx.set_materialize_grads(False)
        return y, h, c

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Any, ...]:
        if torch.is_grad_enabled():
            _no_second_order(ctx)
        if not all(torch._C._has_storage(dy) for dy in gradients if dy is not None):
            _no_batches()
        saved: Any = (*gradients, *ctx.saved_tensors, *ctx.settings, ctx.needs_input_grad[:7])
        return *_run_back(*saved), *_NO_GRADIENTS


_NO_GRADIENTS = (None,) * 5
# What Function.apply does before this serves functorch's transforms, which _plain has ruled out; it takes 10 us.
_apply: Any = super(torch.autograd.Function, _Direct).apply


def _keep_nothing(ctx: Any, inputs: tuple[Any, ...], output: _Out) -> None:
    pass


def _no_second_order(ctx: Any, *_: Any) -> None:
    raise EngineError(
        "engine 'native' has first-order gradients only; for gradients of gradients say engine='loop' "
        "(elman.unfold and elman.GRU(...)(x, engine='loop') take it)"
    )


def _no_batches() -> None:
    raise EngineError(
        "engine 'native' has no vmap over its backward pass (torch.func.vmap, is_grads_batched=True); say "
        "engine='loop' (elman.unfold and elman.GRU(...)(x, engine='loop') take it)"
    )


torch.library.register_autograd("elman::sequence", _sequence_gradients, setup_context=_keep_for_backward, lib=_LIBRARY)
torch.library.register_autograd("elman::sequence_backward", _no_second_order, setup_context=_keep_nothing, lib=_LIBRARY)
torch.library.register_autocast("elman::sequence", "cpu", torch.float32, lib=_LIBRARY)


def _check(cell: int, *inputs: Any) -> None:
    if cell not in _BY_NUMBER:
        raise InputError(f"sequence: expected a cell from {sorted(_BY_NUMBER)}, got {cell}")
    check_inputs(_BY_NUMBER[cell].gates, cell == _LSTM, *inputs)


def _call(inputs: list[Any], kept: tuple[Any, ...], tokens: int, cell: int, reverse: bool) -> _native.Call:
    """What forward and backward tell the core about the sequence."""
    x, *rest, lengths = inputs
    step, row, _ = x.stride()
    data = (address(x), step, row, *map(address, rest), *map(address, kept))
    told: Any = (cell, *x.shape, rest[0].shape[1], address(lengths), reverse, *data, tokens, torch.get_num_threads())
    return _native.Call(*told)
