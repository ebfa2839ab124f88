"""What is timed: layers of torch's three kinds, padded, ragged and frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elman.core.ragged import Ragged

__all__ = ["CELLS", "GRID", "RAGGED", "Case", "Data", "cases"]

CELLS = ("RNN", "GRU", "LSTM")
GRID = ((1, 100, 64), (8, 100, 128), (32, 100, 64), (32, 100, 128), (32, 100, 256), (64, 200, 512))
"""(B, T, H), with D = H."""

RAGGED = ((32, 100, 128), (32, 400, 64))
FRAMES = (64, 128)


@dataclass(frozen=True)
class Case:
    """One thing to time.

    Attributes:
        job: ``train`` (forward, and backward from a given gradient of the outputs), ``infer``, ``ragged`` (train with
            lengths drawn from 1..T) or ``step`` (one frame with the state carried).
        cell: ``RNN``, ``GRU`` or ``LSTM``.
        batch: B.
        steps: T.
        size: D and H.
    """

    job: str
    cell: str
    batch: int
    steps: int
    size: int

    def __str__(self) -> str:
        return f"{self.job} {self.cell} B{self.batch} T{self.steps} H{self.size}"

    @property
    def gates(self) -> int:
        """G."""
        return {"RNN": 1, "GRU": 3, "LSTM": 4}[self.cell]

    def operations(self, tokens: int) -> float:
        """Multiplications and additions of the products over ``tokens`` real steps; training takes 2.5 times those
        of inference, since x wants no gradient."""
        forward = 2.0 * tokens * self.gates * self.size * 2 * self.size
        return forward * (1 if self.job in ("infer", "step") else 2.5)


@dataclass(frozen=True)
class Data:
    """What all contenders of a case compute on.

    Attributes:
        layer: torch's layer; its weights are everybody's.
        x: ``(T, B, D)``.
        dy: ``(T, B, H)``, the gradient of the outputs that training goes back from; zero at pads.
        lengths: ``(B,)`` for ``ragged``, else None.
    """

    layer: nn.RNNBase
    x: Tensor
    dy: Tensor
    lengths: Tensor | None

    @classmethod
    def of(cls, case: Case) -> Data:
        """The same numbers every time."""
        torch.manual_seed(0)
        layer = getattr(nn, case.cell)(case.size, case.size)
        x = torch.randn(case.steps, case.batch, case.size)
        dy = torch.randn(case.steps, case.batch, case.size)
        lengths = None
        if case.job == "ragged":
            lengths = torch.randint(1, case.steps + 1, (case.batch,))
            lengths[0] = case.steps
            dy *= Ragged(dy, lengths).mask[..., None]
        return cls(layer, x, dy, lengths)

    @property
    def tokens(self) -> int:
        """Real steps of all rows."""
        return int(self.lengths.sum()) if self.lengths is not None else self.x.shape[0] * self.x.shape[1]


def cases(jobs: tuple[str, ...], cells: tuple[str, ...] = CELLS, quick: bool = False) -> list[Case]:
    """All cases of these jobs; with ``quick`` those that take seconds, not minutes."""
    grid = GRID[1:5:2] if quick else GRID
    found = []
    for job in jobs:
        for cell in cells:
            if job in ("train", "infer"):
                found += [Case(job, cell, *sizes) for sizes in grid]
            elif job == "ragged":
                found += [Case(job, cell, *sizes) for sizes in RAGGED[: 1 if quick else None]]
            else:
                found += [Case(job, cell, 1, 1, size) for size in FRAMES]
    return found
