"""Convolution over time as a stage: filters that see some steps around each, right for sequences of any length."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from elman.core.errors import InputError
from elman.core.layers.stack import Several
from elman.core.ragged import Ragged
from elman.core.stage import Stage
from elman.core.state import State

__all__ = ["Beside", "Convolution", "StepNorm", "convolutions"]


class StepNorm(nn.BatchNorm1d):
    """Batch normalisation over the real steps of all rows; pads have no say (Ioffe & Szegedy 2015, arXiv 1502.03167).

    ::

        y = g (x - mean) / sqrt(var + eps) + b        in training of the batch's real steps, a feature at a time;
                                                      in evaluation the running mean and variance

    In evaluation a row's outputs depend on nothing but the row. A batch of fewer than two real steps has no variance:
    the running ones stand in.

    Args:
        features: F.
    """

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(T, B, F)`` to the same shape; ``mask`` ``(T, B)`` says which steps are real, None that all are."""
        if not self.training or values.shape[0] * values.shape[1] < 2 or (mask is not None and int(mask.sum()) < 2):
            known = (self.running_mean, self.running_var, self.weight, self.bias)
            return nn.functional.batch_norm(values.flatten(0, 1), *known, eps=self.eps).view_as(values)
        if mask is None:
            return super().forward(values.flatten(0, 1)).view_as(values)
        made = values.new_zeros(values.shape)
        made[mask] = super().forward(values[mask])
        return made


class Convolution(Stage):
    """Filters over K steps, normalised and rectified (a block of the FCN, Wang, Yan & Oates 2017, arXiv 1611.06455).

    ::

        y_t = relu(norm(sum_k W_k x_{t+k-a} + b))       k = 0 .. K-1;  a = K-1 (causal) or (K-1) // 2 (centred)

    Steps before a row's first and behind its last count as zero, whatever stands there, so a row's outputs are those of
    the row alone. A causal one streams: its state is the last K - 1 inputs. In training the norm is that of all steps
    that are given at once, so only in evaluation are pieces exactly the whole.

    Args:
        input_size: D.
        filters: F.
        width: K.
        causal: whether a step sees nothing behind it.

    Cost: K D F multiply-adds a step.
    """

    def __init__(self, input_size: int, filters: int, width: int, *, causal: bool = False) -> None:
        super().__init__()
        if width < 1:
            raise InputError(f"width: expected at least 1 step, got {width}")
        self.width, self.causal = width, causal
        self.filters = nn.Conv1d(input_size, filters, width)
        nn.init.kaiming_normal_(self.filters.weight, nonlinearity="relu")
        nn.init.zeros_(self.filters.bias)  # type: ignore[arg-type]
        self.norm = StepNorm(filters)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return like.new_zeros(batch, self.width - 1, self.filters.in_channels) if self.causal else None

    def forward(self, ragged: Ragged, state: State = None) -> tuple[Ragged, State]:
        rows = ragged.clean()
        past = self.initial_state(rows.batch, rows.values) if state is None else state
        if not rows.steps or not rows.batch:
            return rows.with_values(rows.values.new_zeros(rows.steps, rows.batch, self.filters.out_channels)), past
        whole = rows.values.permute(1, 2, 0)
        if self.causal:
            whole = torch.cat([past.transpose(1, 2), whole], dim=2)
        else:
            before = (self.width - 1) // 2
            whole = nn.functional.pad(whole, (before, self.width - 1 - before))
        made = self.norm(self.filters(whole).permute(2, 0, 1), None if rows.full else rows.mask)
        ends = self._ends(whole, rows.lengths) if self.causal else None
        return rows.with_values(torch.relu(made)).clean(), ends

    def _ends(self, whole: Tensor, lengths: Tensor) -> Tensor:
        """The K - 1 inputs before each row's own end, ``(B, K - 1, D)``."""
        index = lengths[:, None] + torch.arange(self.width - 1, device=whole.device)
        return whole.gather(2, index[:, None].expand(-1, whole.shape[1], -1)).transpose(1, 2)

    def extra_repr(self) -> str:
        return f"width={self.width}, causal={self.causal}"


class Beside(Several):
    """Stages that read the same, their outputs side by side; the state is the tuple of theirs.

    ::

        y_t = [a_t ; b_t ; ...]

    Args:
        stages: at least one.
    """

    def forward(self, ragged: Ragged, state: State = None) -> tuple[Ragged, State]:
        pairs = [stage(ragged, own) for stage, own in self._with_states(state)]
        joined = torch.cat([made.values for made, _ in pairs], dim=-1)
        return ragged.with_values(joined), tuple(after for _, after in pairs)


def convolutions(
    input_size: int, filters: Sequence[int], widths: Sequence[int] = (8, 5, 3), *, causal: bool = False
) -> list[Stage]:
    """Blocks over each other, as in the FCN: ``filters`` of ``widths`` steps."""
    sizes = [input_size, *filters]
    return [Convolution(sizes[k], sizes[k + 1], width, causal=causal) for k, width in enumerate(widths)]
