"""Tensors as the C++ core wants them, and the checks without which it could read elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor

from elman.core.errors import InputError

__all__ = ["address", "broadcast", "check_inputs", "check_kept", "lined_up", "whole"]


def address(tensor: Tensor | None) -> int:
    """Where a tensor's numbers stand; 0 for none."""
    place = 0 if tensor is None else tensor.data_ptr()
    if not place and tensor is not None and tensor.numel():
        raise InputError(
            f"sequence: a tensor {tuple(tensor.shape)} has no memory (torch's zero tensor, or its storage was freed)"
        )
    return place


def whole(tensor: Tensor | None) -> Tensor | None:
    """The tensor in one contiguous piece."""
    if tensor is None:
        return None
    # Signs may be turned without a change in memory (``x.conj().imag``): torch only notes it.
    return tensor.resolve_neg().contiguous() if tensor.is_neg() else tensor.contiguous()


def lined_up(x: Tensor) -> Tensor:
    """x, copied only if its rows are not contiguous; time and batch may have any strides."""
    x = x.resolve_neg() if x.is_neg() else x
    return x if x.shape[-1] == 1 or x.stride(-1) == 1 else x.contiguous()


def broadcast(dy: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """dy and its strides in time and batch; where sum() has spread one number over all, one row is enough."""
    dy = dy.clone() if dy.is_neg() or dy._is_zerotensor() else dy
    if dy.stride(-1) == 1 or dy.shape[-1] == 1:
        return dy, (dy.stride(0), dy.stride(1))
    if dy.stride(0) == 0 and dy.stride(1) == 0 and dy.numel():
        return dy[0, 0].contiguous(), (0, 0)
    dy = dy.contiguous()
    return dy, (dy.stride(0), dy.stride(1))


def check_inputs(
    gates: int,
    lstm: bool,
    x: Tensor,
    h0: Tensor,
    c0: Tensor | None,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
    lengths: Tensor | None,
) -> None:
    """The kernels believe what they are told, so whatever could make them read elsewhere is refused here."""
    if x.dim() != 3 or h0.dim() != 2:
        raise InputError(f"sequence: expected x (T, B, D), h0 (B, H), got {tuple(x.shape)}, {tuple(h0.shape)}")
    _, batch, width = x.shape
    hidden, dtype, device = h0.shape[1], x.dtype, x.device
    if not hidden:
        raise InputError(f"sequence: h0: expected at least one unit, got {tuple(h0.shape)}")
    rows = gates * hidden
    bias = () if b_ih is None and b_hh is None else (("b_ih", b_ih, (rows,)), ("b_hh", b_hh, (rows,)))
    cell = (("c0", c0, (batch, hidden)),) if lstm or c0 is not None else ()
    always = (("h0", h0, (batch, hidden)), ("w_ih", w_ih, (rows, width)), ("w_hh", w_hh, (rows, hidden)))
    for name, tensor, size in (*always, *cell, *bias):
        if tensor is None or tensor.shape != size or tensor.dtype is not dtype or tensor.device != device:
            came = "nothing" if tensor is None else f"{tensor.dtype} {tuple(tensor.shape)} on {tensor.device}"
            raise InputError(f"sequence: {name}: expected {dtype} {size} on {device}, got {came}")
    if dtype is not torch.float32 and dtype is not torch.float64:
        raise InputError(f"sequence: expected float32 or float64, got {dtype}")
    if lengths is not None and (lengths.shape != (batch,) or lengths.dtype != torch.int64 or not lengths.is_cpu):
        raise InputError(f"sequence: lengths: expected int64 ({batch},), got {lengths.dtype} {tuple(lengths.shape)}")


def check_kept(x: Tensor, sizes: dict[str, tuple[int, ...] | None], given: dict[str, Tensor | None]) -> None:
    """Whether what forward kept, and the gradients of its results, are as large as backward takes them for.

    Autograd hands back what forward gave it, but hooks on saved tensors may give anything.
    """
    for name, tensor in given.items():
        size = sizes[name]
        if tensor is None or (size is None and not tensor.numel()):
            fits = size is None or name in ("dy", "dh", "dc")
        else:
            fits = tensor.shape == size and tensor.dtype is x.dtype and tensor.is_cpu
        if not fits:
            came = "nothing" if tensor is None else f"{tensor.dtype} {tuple(tensor.shape)} on {tensor.device}"
            raise InputError(f"sequence_backward: {name}: expected {x.dtype} {size or (0,)}, got {came}")
