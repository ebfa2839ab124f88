"""The contract of everything between the data and the output: sequences in, sequences out, with a state.

A causal stage obeys the chunk law: feeding a sequence in pieces, with the state handed on, gives what feeding
it whole gives. So any chain of causal stages streams.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from elman.core.ragged import Ragged
from elman.core.state import State

__all__ = ["PerStep", "Stage"]


class Stage(nn.Module, ABC):
    """Sequences ``(T, B, *)`` to sequences ``(T, B, *)`` of the same lengths, with a state in and out.

    Attributes:
        causal: whether a step's output depends on nothing that comes later, so that the stage can stream.
    """

    causal: bool = True

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before the first step; None for a stage that remembers nothing."""
        return None

    def renew(self, state: State) -> State:
        """The same state with masks of dropout to be drawn anew.

        Masks in a state hold for a whole sequence. A stream that goes on for an epoch would keep one mask all along;
        truncated backpropagation draws new ones for every chunk (Merity et al. 2018).
        """
        return state

    @abstractmethod
    def forward(self, ragged: Ragged, state: State = None) -> tuple[Ragged, State]:
        """Outputs, zero behind every row's end, and the state after every row's last step."""


class PerStep(Stage):
    """A module that maps every step on its own, such as ``nn.Linear`` or ``nn.Embedding``.

    Args:
        module: maps ``(T, B, *)`` to ``(T, B, *)`` without mixing steps or rows.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, ragged: Ragged, state: State = None) -> tuple[Ragged, State]:
        return ragged.clean().map(self.module).clean(), None
