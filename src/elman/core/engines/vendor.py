"""torch's own kernels (oneDNN, cuDNN, ATen) behind the same function of time.

They know neither resets nor rows of length zero nor unsorted lengths on another device; this file gives them
only what they can do and puts the pieces together.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elman.core.cells.base import Cell, Kernel, check_input
from elman.core.cells.wrap import add_input, describe
from elman.core.engines.base import Engine, Request, inside_transform
from elman.core.engines.segments import in_segments, scatter_rows
from elman.core.ragged import Ragged
from elman.core.state import State, leaves, replace_leaves, take_rows

__all__ = ["VendorEngine"]

_FUNCTIONS = {"RNN_TANH": torch.rnn_tanh, "RNN_RELU": torch.rnn_relu, "GRU": torch.gru, "LSTM": torch.lstm}


class VendorEngine(Engine):
    """Elman (tanh, ReLU), LSTM and GRU through ``torch.lstm`` and its like, one call a sequence."""

    name = "vendor"

    def refusal(self, cell: Cell, request: Request) -> str | None:
        kernel = cell.kernel()
        if kernel is None or kernel.mode not in _FUNCTIONS:
            return f"torch has no kernel for {describe(cell)}; it has them for Elman (tanh, relu), LSTM and GRU"
        if request.record:
            return "torch's kernels give no states or gates of the steps between; engine='loop' records"
        if inside_transform():
            return "torch's kernels know neither forward mode nor the transforms of torch.func"
        return None

    def run(
        self, cell: Cell, x: Any, rows: Ragged, state: State, resets: tuple[Tensor, State] | None
    ) -> tuple[Tensor, State]:
        kernel = cell.kernel()
        if kernel is None:
            raise TypeError(f"{describe(cell)} has no kernel; ask refusal() first")
        check_input(rows.values, kernel.weights[0])
        if resets is None:
            outputs, state = _real_rows(kernel, rows.values, rows, state)
        else:
            outputs, state = in_segments(
                lambda part, before: _real_rows(kernel, part.values, part, before), rows, state, *resets
            )
        return (add_input(outputs, rows.values) if kernel.residual else outputs), state


def _real_rows(kernel: Kernel, x: Tensor, rows: Ragged, state: State) -> tuple[Tensor, State]:
    """Leave out rows of length zero, whose state stays as it is."""
    width = kernel.weights[-1].shape[0] if _projects(kernel) else kernel.weights[1].shape[1]
    real = rows.host_lengths.nonzero().flatten()
    if len(real) == rows.batch and rows.steps and rows.batch:
        return _call(kernel, x, rows, state)
    outputs = x.new_zeros(rows.steps, rows.batch, width)
    if not len(real):
        # Nothing is run, yet the gradients of an empty product are zeros, not None.
        return outputs + 0 * sum(weight.sum() for weight in kernel.weights), state
    index = real.to(x.device)
    part, ends = _call(kernel, x[:, index], rows.rows(real), take_rows(state, index))
    return outputs.index_copy(1, index, part), scatter_rows(state, ends, index)


def _call(kernel: Kernel, x: Tensor, rows: Ragged, state: State) -> tuple[Tensor, State]:
    """One kernel call on rows of at least one step."""
    hidden = [leaf.unsqueeze(0).contiguous() for leaf in leaves(state)]
    # With a projection torch leaves oneDNN, and says so in a warning; its packed loop is the same code.
    bounded = kernel.mode in ("RNN_TANH", "GRU")
    if bounded or (rows.full and not _projects(kernel)):
        outputs, *ends = _padded(kernel, x, hidden)
        if not rows.full:
            # Elman and GRU give their state out, so the padded kernel, several times faster than the packed
            # one, serves: the state is the output at the row's own last step. Not with ReLU: running on over
            # the pads may overflow, and infinity times a gradient of zero is NaN.
            last = (rows.lengths - 1).reshape(1, -1, 1).expand(1, -1, outputs.shape[-1])
            ends = [outputs.gather(0, last)]
    else:
        outputs, ends = _packed(kernel, x, rows, hidden)
    return outputs, replace_leaves(state, [end.squeeze(0) for end in ends])


def _projects(kernel: Kernel) -> bool:
    return len(kernel.weights) in (3, 5)


def _padded(kernel: Kernel, x: Tensor, hidden: list[Tensor]) -> tuple[Tensor, ...]:
    function: Any = _FUNCTIONS[kernel.mode]
    carried = hidden if kernel.mode == "LSTM" else hidden[0]
    result: tuple[Tensor, ...] = function(
        x.contiguous(), carried, list(kernel.weights), kernel.bias, 1, 0.0, False, False, False
    )
    return result


def _packed(kernel: Kernel, x: Tensor, rows: Ragged, hidden: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, rows.host_lengths, enforce_sorted=False)
    order, back = packed.sorted_indices, packed.unsorted_indices
    function: Any = _FUNCTIONS[kernel.mode]
    sorted_hidden = [part[:, order] for part in hidden]
    data, *ends = function(
        packed.data,
        packed.batch_sizes,
        sorted_hidden if kernel.mode == "LSTM" else sorted_hidden[0],
        list(kernel.weights),
        kernel.bias,
        1,
        0.0,
        False,
        False,
    )
    outputs, _ = torch.nn.utils.rnn.pad_packed_sequence(packed._replace(data=data), total_length=rows.steps)
    return outputs, [end[:, back] for end in ends]
