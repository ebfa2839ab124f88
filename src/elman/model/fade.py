"""Held values that fade with their age."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elman.core.cells.decay import fading
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.series import SeriesIn

__all__ = ["Fade"]


class Fade(nn.Module):
    """The decay of inputs of GRU-D (Che et al. 2018, arXiv 1606.01865), on steps ``(..., D)`` as encoded.

    ::

        x_c = m_c x_c + (1 - m_c) exp(-relu(w_c d_c + b_c)) x'_c

    x' is the value held, m whether there is one at this step, d how old it is. What it fades to is 0: the mean of
    training; of a forecast, whose window is read relative to its last value, that value. At the start w is 0.1, b 0.

    Args:
        kind: says which places are what.
    """

    def __init__(self, kind: SeriesIn | JoinedIn) -> None:
        super().__init__()
        self.values, self.flags, self.ages = [], [], []
        parts = zip(kind.parts, kind.spans, strict=False) if isinstance(kind, JoinedIn) else [(kind, (0, kind.width))]
        for part, (first, _) in parts:
            if isinstance(part, SeriesIn) and part.since:
                places = range(first + part.channels, first + part.channels + len(part.flagged))
                self.values += [first + place for place in part.flagged]
                self.flags += list(places)
                self.ages += [place + len(part.flagged) for place in places]
        self.weight = nn.Parameter(torch.full((len(self.values),), 0.1))
        self.bias = nn.Parameter(torch.zeros(len(self.values)))

    def forward(self, values: Tensor) -> Tensor:
        held = values[..., self.values]
        kept = fading(self.weight * values[..., self.ages] + self.bias)
        faded = torch.where(values[..., self.flags] > 0, kept * held, held)
        places = torch.tensor(self.values, device=values.device)
        return values.index_copy(-1, places, faded)
