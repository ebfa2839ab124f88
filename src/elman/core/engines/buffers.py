"""Tensors as the C++ core wants them, and the checks without which it could read elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor

from elman.core.errors import InputError

__all__ = ["address", "broadcast", "check_inputs", "check_kept", "lined_up", "whole"]


def address(tensor: Tensor | None) -> int:
    """Where a tensor's numbers stand; 0 for none."""
    return 0 if tensor is None else tensor.data_ptr()  # 0, too, of a fresh tensor without elements


def whole(tensor: Tensor | None) -> Tensor | None:
    """The tensor in one contiguous piece."""
    return None if tensor is None else tensor.contiguous()


def lined_up(x: Tensor) -> Tensor:
    """x, copied only if its rows are not contiguous; time and batch may have any strides."""
    return x if x.shape[-1] == 1 or x.stride(-1) == 1 else x.contiguous()


def broadcast(dy: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """dy and its strides in time and batch; where sum() has spread one number over all, one row is enough."""
    if dy.stride(-1) == 1 or dy.shape[-1] == 1:
        return dy, (dy.stride(0), dy.stride(1))
    if dy.stride(0) == 0 and dy.stride(1) == 0:
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
    batch, hidden = x.shape[1], h0.shape[1]
    rows = gates * hidden
    sizes: dict[str, tuple[int, ...]] = {"h0": (batch, hidden), "w_ih": (rows, x.shape[2]), "w_hh": (rows, hidden)}
    given: dict[str, Tensor | None] = {"h0": h0, "w_ih": w_ih, "w_hh": w_hh}
    if lstm or c0 is not None:
        sizes["c0"], given["c0"] = (batch, hidden), c0
    if b_ih is not None or b_hh is not None:
        sizes |= {"b_ih": (rows,), "b_hh": (rows,)}
        given |= {"b_ih": b_ih, "b_hh": b_hh}
    for name, tensor in given.items():
        if tensor is None or tuple(tensor.shape) != sizes[name] or tensor.dtype != x.dtype or tensor.device != x.device:
            came = "nothing" if tensor is None else f"{tensor.dtype} {tuple(tensor.shape)} on {tensor.device}"
            raise InputError(f"sequence: {name}: expected {x.dtype} {sizes[name]} on {x.device}, got {came}")
    if x.dtype not in (torch.float32, torch.float64):
        raise InputError(f"sequence: expected float32 or float64, got {x.dtype}")
    if lengths is not None and (lengths.shape != (batch,) or lengths.dtype != torch.int64 or not lengths.is_cpu):
        raise InputError(f"sequence: lengths: expected int64 ({batch},), got {lengths.dtype} {tuple(lengths.shape)}")


def check_kept(x: Tensor, sizes: dict[str, tuple[int, ...]], given: dict[str, Tensor | None]) -> None:
    """Whether what forward kept, and the gradients of its results, are as large as backward takes them for."""
    for name, tensor in given.items():
        if tensor is not None and (tuple(tensor.shape) != sizes[name] or tensor.dtype != x.dtype):
            came = f"{tensor.dtype} {tuple(tensor.shape)}"
            raise InputError(f"sequence_backward: {name}: expected {x.dtype} {sizes[name]}, got {came}")
        if name in ("y", "gates", "cells") and (tensor is None or not tensor.is_contiguous()):
            raise InputError(f"sequence_backward: {name}: expected the tensor that sequence gave")
