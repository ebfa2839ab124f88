"""Recurrent layers one step at a time on the native kernels: no allocation, no dispatch, two microseconds."""

from __future__ import annotations

import torch
from torch import Tensor

from elman.core.cells.base import Kernel, settle
from elman.core.engines.base import Request
from elman.core.engines.buffers import address
from elman.core.engines.native import NativeEngine
from elman.core.engines.operators import Frame
from elman.core.errors import InputError
from elman.core.layers.stack import LockedDropout, Recurrent, Stack
from elman.core.stage import Stage
from elman.core.state import State, leaves, replace_leaves

__all__ = ["Frames"]


class Frames:
    """The step of a stack whose every layer has a native kernel.

    Args:
        stage: in evaluation.
        kernels: of its layers, the lowest first.
        batch: B.
    """

    def __init__(self, stage: Stage, kernels: list[Kernel], batch: int) -> None:
        weight = kernels[0].weights[0]
        form = stage.initial_state(batch, weight)
        self._first = leaves(form)
        self._buffers = [torch.zeros_like(leaf) for leaf in leaves(form)]
        self.state: State = replace_leaves(form, self._buffers)
        """The state, overwritten by every step."""
        following = iter(self._buffers)
        layers = []
        for kernel in kernels:
            h = out = next(following)
            c = next(following) if kernel.mode == "LSTM" else None
            layers.append((Frame(kernel, batch).step, h.data_ptr(), 0 if c is None else c.data_ptr()))
        *self._lower, self._top = layers
        # Who gets an output may change it, or move it (into shared memory, say); the state stays as it is. Of two
        # tensors on the same memory one is given out, so that the other is as large as it was.
        self._out = torch.empty_like(out)
        self._given = self._out[0] if batch == 1 else self._out[:]
        self._dtype = weight.dtype
        self._shape = torch.Size((weight.shape[1],) if batch == 1 else (batch, weight.shape[1]))

    @classmethod
    def of(cls, stage: Stage, batch: int) -> Frames | None:
        """The frames of a stage, or None where some part of it has no native kernel."""
        kernels: list[Kernel] = []
        for part in _layers(stage):
            if isinstance(part, LockedDropout):  # nothing in evaluation
                continue
            kernel = _kernel(part)
            if kernel is None:
                return None
            kernels.append(kernel)
        return cls(stage, kernels, batch) if kernels else None

    def take(self, state: State) -> None:
        """Go on from another state; None is the first one."""
        for own, given in zip(self._buffers, self._first if state is None else leaves(state), strict=True):
            own.copy_(given)

    def step(self, frame: Tensor) -> Tensor:
        """One frame ``(D,)`` or ``(B, D)`` to its output ``(H,)`` or ``(B, H)``, which the next step overwrites."""
        if frame.shape != self._shape or frame.dtype is not self._dtype or not frame.is_cpu:
            came = f"{frame.dtype} {tuple(frame.shape)} on {frame.device}"
            raise InputError(f"frame: expected {self._dtype} {tuple(self._shape)} on the CPU, got {came}")
        if not frame.is_contiguous() or frame.is_neg():
            frame = frame.contiguous().resolve_neg()
        x = frame.data_ptr()
        if not x:
            frame = frame.clone() if frame._is_zerotensor() else frame
            x = address(frame)
        for step, h, c in self._lower:
            step(x, h, c, 0)
            x = h
        step, h, c = self._top
        step(x, h, c, self._out.data_ptr())
        return self._given


def _layers(stage: Stage) -> list[Stage]:
    if isinstance(stage, Stack):
        return [part for one in stage.stages if isinstance(one, Stage) for part in _layers(one)]
    return [stage]


def _kernel(stage: Stage) -> Kernel | None:
    if not isinstance(stage, Recurrent) or stage.reverse or stage.engine not in ("auto", "native"):
        return None
    cell = settle(stage.cell)
    kernel = cell.kernel()
    if kernel is None or kernel.residual:
        return None
    weight = kernel.weights[0]
    if weight.dtype not in (torch.float32, torch.float64):  # whatever autocast would allow
        return None
    return None if NativeEngine().refusal(cell, Request(weight.dtype, weight.device)) else kernel
