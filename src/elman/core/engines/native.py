"""elman's own kernels in C++: whole sequences in one call, any lengths, both directions of time.

Weights are packed in every call and nothing is kept between calls, so weights may change by any means. First-order
reverse mode only. Under autocast the lower precisions are cast to float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elman.core.cells.base import Cell, Kernel, check_input
from elman.core.cells.wrap import add_input, describe
from elman.core.engines.base import Request, WholeEngine, inside_transform
from elman.core.engines.operators import ALL, BUILT, KINDS, NOTHING, STATES, sequence
from elman.core.engines.segments import in_segments
from elman.core.ragged import Ragged
from elman.core.state import State, leaves, replace_leaves

__all__ = ["NativeEngine"]


class NativeEngine(WholeEngine):
    """Elman (tanh, ReLU, sigmoid), LSTM and GRU through the C++ core, in float32 and float64, on the CPU."""

    name = "native"

    def refusal(self, cell: Cell, request: Request) -> str | None:
        if not BUILT:
            return "the native core is not there; python -m elman.native_info says why"
        kernel = cell.kernel()
        if kernel is None:
            return (
                f"no native kernel for {describe(cell)}; there are those of Elman (tanh, relu, sigmoid), LSTM and GRU"
            )
        if len(kernel.weights) in (3, 5):
            return "the native LSTM has no projection"
        if request.device.type != "cpu":
            return f"native runs on the CPU, the values are on {request.device}"
        if request.record:
            return "native gives no states or gates of the steps between; engine='loop' records"
        if not torch.is_autocast_enabled("cpu") and request.dtype not in (torch.float32, torch.float64):
            return f"native computes in float32 and float64, not in {str(request.dtype).removeprefix('torch.')}"
        if inside_transform():
            return "native has first-order reverse mode only, and this is forward mode or inside torch.func"
        if not torch.compiler.is_compiling() and torch._C._get_tracing_state():
            return "torch.jit.trace and torch.onnx.export record torch's own operators, and native calls none"
        return None

    def run(
        self,
        cell: Cell,
        x: Any,
        rows: Ragged,
        state: State,
        resets: tuple[Tensor, State] | None,
        reverse: bool = False,
        recompute: bool = False,
    ) -> tuple[Tensor, State]:
        kernel = cell.kernel()
        if kernel is None:
            raise TypeError(f"{describe(cell)} has no kernel; ask refusal() first")
        check_input(rows.values, kernel.weights[0])

        def call(rows: Ragged, state: State) -> tuple[Tensor, State]:
            return _sequence(kernel, rows, state, reverse, STATES if recompute else ALL)

        outputs, state = call(rows, state) if resets is None else in_segments(call, rows, state, *resets)
        return (add_input(outputs, rows.clean().values) if kernel.residual else outputs), state


def _sequence(kernel: Kernel, rows: Ragged, state: State, reverse: bool, keep: int) -> tuple[Tensor, State]:
    kind = KINDS[kernel.mode]
    before = leaves(state)
    weights = (*kernel.weights, None, None)[:4]
    wanted = any(t is not None and t.requires_grad for t in (rows.values, *before, *weights))
    lengths = None if rows.full else rows.host_lengths
    y, *ends = sequence(
        rows.values,
        before[0],
        before[1] if len(before) > 1 else None,
        *weights,
        lengths,
        kind.number,
        reverse,
        keep if wanted and torch.is_grad_enabled() else NOTHING,
    )
    return y, replace_leaves(state, ends[: len(before)])
