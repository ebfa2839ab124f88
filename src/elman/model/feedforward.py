"""A feed-forward net over a sliding window: what recurrence is to be compared with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elman.core.errors import InputError
from elman.core.ragged import Ragged
from elman.core.stage import Stage
from elman.core.state import State

__all__ = ["FeedForward"]


class FeedForward(Stage):
    """A multilayer perceptron on the last K steps, the same at every step (a time-delay net, Waibel et al. 1989).

    ::

        y_t = MLP([x_{t-K+1}; ...; x_t])        steps before the first count as zero

    It knows nothing older than K steps. It is causal and streams: its state is the last K - 1 inputs and how
    many of them are real.

    Args:
        input_size: D.
        hidden_size: H, the width of every layer.
        window: K.
        layers: number of hidden layers.
        dropout: between the layers.
    """

    def __init__(self, input_size: int, hidden_size: int, window: int, layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        if window < 1:
            raise InputError(f"window: expected at least 1 step, got {window}")
        self.window = window
        self.first = nn.Conv1d(input_size, hidden_size, window)
        rest: list[nn.Module] = []
        for _ in range(layers - 1):
            rest += [nn.Dropout(dropout), nn.Linear(hidden_size, hidden_size), nn.ReLU()]
        self.rest = nn.Sequential(*rest)

    def initial_state(self, batch: int, like: Tensor) -> Tensor:
        return like.new_zeros(batch, self.window - 1, self.first.in_channels)

    def forward(self, ragged: Ragged, state: State = None) -> tuple[Ragged, State]:
        rows = ragged.clean()
        past = self.initial_state(rows.batch, rows.values) if state is None else state
        if not rows.steps:
            return rows.with_values(rows.values.new_zeros(0, rows.batch, self.first.out_channels)), past
        whole = torch.cat([past, rows.values.transpose(0, 1)], dim=1)
        hidden = torch.relu(self.first(whole.transpose(1, 2))).permute(2, 0, 1)
        # The state is the window - 1 steps before each row's own end.
        index = rows.lengths[:, None] + torch.arange(self.window - 1, device=whole.device)
        ends = whole.gather(1, index[..., None].expand(-1, -1, whole.shape[-1]))
        return rows.with_values(self.rest(hidden)).clean(), ends
