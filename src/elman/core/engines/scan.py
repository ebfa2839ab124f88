"""The engine ``scan``: cells that are linear in their state, all steps at once."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from elman.core.cells.base import Cell
from elman.core.cells.decay import Decay
from elman.core.cells.linear import LinearCell
from elman.core.cells.wrap import Residual, Wrapper, add_input
from elman.core.engines.base import Engine, Request, inside_transform
from elman.core.engines.buffers import address, whole
from elman.core.engines.operators import BUILT
from elman.core.errors import InputError
from elman.core.ragged import Ragged
from elman.core.state import State

if BUILT:
    from elman import _native

__all__ = ["ScanEngine", "linear_scan"]

_KINDS = {
    torch.float32: "float",
    torch.float64: "double",
    torch.complex64: "pair_float",
    torch.complex128: "pair_double",
}
"""What the core has a scan of, and what it calls it."""

_SHORT = 16
"""Steps up to which one after the other is as fast."""


class ScanEngine(Engine):
    """``h_t = a_t h_{t-1} + b_t`` over all steps: on the CPU by the native core, which reads a and b once and writes h;
    elsewhere in about ``2 sqrt(T)`` operations on whole tensors.

    Backwards likewise; memory for the backward pass: a and h. Pads keep the state (a = 1, b = 0), a reset begins
    with the fresh one (a = 0, b + a h_0), so both cost nothing.
    """

    name = "scan"

    def refusal(self, cell: Cell, request: Request) -> str | None:
        while isinstance(cell, Residual) and cell.true_to_kernel:
            cell = cell.cell
        while isinstance(cell, Decay) and cell.linear:
            cell = cell.cell
        if not isinstance(cell, LinearCell):
            return _not_linear(cell)
        if not cell.linear:
            return f"{type(cell).__name__} has a step of its own, so it need not be linear"
        if cell.PAIRS and request.dtype not in (torch.float32, torch.float64):
            return f"scan has complex numbers of float32 and float64, and the input is {request.dtype}"
        if request.record:
            return "scan gives no gates of the steps between; engine='loop' records"
        if inside_transform():
            return "scan has reverse mode only, and this is forward mode or inside torch.func"
        if not torch.compiler.is_compiling() and torch._C._get_tracing_state():
            return "torch.jit.trace and torch.onnx.export record torch's own operators, and scan is none"
        return None

    def run(
        self, cell: Cell, x: Any, rows: Ragged, state: State, resets: tuple[Tensor, State] | None
    ) -> tuple[Tensor, State]:
        return _through(cell, cell.project(x), rows, state, resets)


def _not_linear(cell: Cell) -> str:
    inside = cell
    while isinstance(inside, Wrapper):
        inside = inside.cell
    if not isinstance(inside, LinearCell):
        return "scan is for cells that are linear in their state, such as MinGRU"
    name = type(cell).__name__
    return f"scan is for linear cells bare or in Residual, and {name} goes into the steps of {type(inside).__name__}"


def _through(
    cell: Cell, p: Any, rows: Ragged, state: State, resets: tuple[Tensor, State] | None
) -> tuple[Tensor, State]:
    """All steps of a linear cell, or of such a cell in ``Decay`` and ``Residual``, from what its ``project`` gave."""
    if isinstance(cell, Residual):
        inside, added = p
        y, state = _through(cell.cell, inside, rows, state, resets)
        return add_input(y, added), state
    while isinstance(cell, Decay):
        # What fades stands in a already.
        cell = cell.cell
    assert isinstance(cell, LinearCell)
    a, b, *more = p
    if not rows.steps:
        return cell.read(b, *more), state
    # Under autocast a and b may be of less precision than the state, which a step would keep.
    common = torch.promote_types(a.dtype, state.dtype)
    a, b, state = a.to(common), b.to(common), state.to(common)
    if cell.PAIRS:
        a, b, state = map(torch.view_as_complex, (a, b, state))
    mask = rows.mask[..., None]
    if resets is not None:
        marks = resets[0][..., None] & mask
        fresh = torch.view_as_complex(resets[1]) if cell.PAIRS else resets[1]
        a, b = torch.where(marks, 0.0, a), torch.where(marks, a * fresh + b, b)
    if not rows.full:
        a, b = torch.where(mask, a, 1.0), torch.where(mask, b, 0.0)
    h = linear_scan(a, b, state)
    # A copy: a view would hold all outputs as long as the state is kept.
    last = h[-1].clone()
    if cell.PAIRS:
        h, last = torch.view_as_real(h), torch.view_as_real(last)
    return cell.read(h, *more), last


def linear_scan(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """``h_t = a_t h_{t-1} + b_t`` from ``a, b (T, *)``, T at least 1, and ``h_0 = start (*)``; gives ``(T, *)``.

    Derivatives of every order, in reverse mode.
    """
    found: Tensor = _Scan.apply(a, b, start)  # type: ignore[no-untyped-call]
    return found


class _Scan(torch.autograd.Function):
    """With ``g_t`` the gradient of h_t, ``d_t = g_t + a_{t+1}' d_{t+1}`` is that of b_t: a scan backwards in time.

    ``'`` is the conjugate, which of real numbers is the number.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, start: Tensor) -> Tensor:
        h = _native_scan(a, b, start) if _native_can(a, b, start) else _blocks(a, b, start)
        ctx.save_for_backward(a, start, h)
        return h

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, start, h = ctx.saved_tensors
        # A derivative of the derivative is wanted: by what has one.
        if not torch.is_grad_enabled() and _native_can(a, g, start):
            return _native_back(a, start, h, g)
        following = torch.cat([a[1:], torch.zeros_like(a[:1])])
        d = linear_scan(following.conj().flip(0), g.flip(0), torch.zeros_like(start)).flip(0)
        before = torch.cat([start[None], h[:-1]])
        return d * before.conj(), d, a[0].conj() * d[0]


def _native_can(*tensors: Tensor) -> bool:
    """Whether the core's scan takes them: on the CPU, all of one precision that it has."""
    if not BUILT or torch.compiler.is_compiling() or torch._C._get_tracing_state():
        return False
    if any(_batched(tensor) for tensor in tensors):
        return False
    kinds = {tensor.dtype for tensor in tensors}
    return len(kinds) == 1 and kinds <= _KINDS.keys() and all(one.is_cpu for one in tensors)


def _batched(tensor: Tensor) -> bool:
    """Whether a tensor stands for several at once, as in a batch of gradients; such have no memory of their own."""
    functorch: Any = torch._C._functorch
    return bool(functorch.is_batchedtensor(tensor) or functorch.is_legacy_batchedtensor(tensor))


def _sizes(a: Tensor) -> tuple[int, int]:
    return len(a), a[0].numel()


def _native_scan(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    h = torch.empty(a.shape, dtype=a.dtype)
    run = getattr(_native, f"scan_{_KINDS[a.dtype]}")
    a, b, start = (_whole(a, a), _whole(b, a), _whole(start, a[0]))
    told: Any = (*_sizes(a), *map(address, (a, b, start, h)), torch.get_num_threads())
    run(*told)
    return h


def _native_back(a: Tensor, start: Tensor, h: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    da, db, dstart = (torch.empty(shape, dtype=a.dtype) for shape in (a.shape, a.shape, a.shape[1:]))
    run = getattr(_native, f"scan_backward_{_KINDS[a.dtype]}")
    given = (_whole(a, a), _whole(start, a[0]), _whole(h, a), _whole(g, a))
    told: Any = (*_sizes(a), *map(address, (*given, da, db, dstart)), torch.get_num_threads())
    run(*told)
    return da, db, dstart


def _whole(tensor: Tensor, like: Tensor) -> Tensor:
    """Contiguous numbers of the shape that the core counts on."""
    if tensor.shape != like.shape:
        raise InputError(f"scan: expected {tuple(like.shape)} as a is, got {tuple(tensor.shape)}")
    found = whole(tensor.resolve_conj())
    assert found is not None
    return found


def _blocks(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """Blocks of about sqrt(T) steps: all blocks step side by side from zero, then what stood before each is added."""
    steps = len(a)
    h = b.clone()
    if steps <= _SHORT:
        h[0].addcmul_(a[0], start)
        for t in range(1, steps):
            h[t].addcmul_(a[t], h[t - 1])
        return h
    size = math.isqrt(steps - 1) + 1
    blocks = -(-steps // size)
    lacking = blocks * size - steps
    if lacking:
        # They keep the state, and are cut off again.
        a = torch.cat([a, a.new_ones(lacking, *a.shape[1:])])
        h = torch.cat([h, h.new_zeros(lacking, *h.shape[1:])])
    a, h = a.unflatten(0, (blocks, size)), h.unflatten(0, (blocks, size))
    for t in range(1, size):
        h[:, t].addcmul_(a[:, t], h[:, t - 1])
    kept = a.cumprod(1)
    before = [start]
    for k in range(blocks - 1):
        before.append(torch.addcmul(h[k, -1], kept[k, -1], before[-1]))
    h.addcmul_(kept, torch.stack(before)[:, None])
    every: Tensor = h.flatten(0, 1)
    return every[:steps]
