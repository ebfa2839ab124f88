"""Penalties: what is added to the loss in training, so that weights or activations stay small or smooth.

None of them is part of the loss that is reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from elman.core.ragged import Ragged
from elman.training.settings import LoopSettings

__all__ = ["activation_penalty", "outputs_of", "weight_penalty"]


def weight_penalty(model: nn.Module, settings: LoopSettings) -> Tensor | None:
    """``l1 * sum |w| + l2 * sum w^2`` over all matrices (Tikhonov; Tibshirani 1996); None where both rates are 0.

    Biases and norms are left out. With AdamW ``l2`` is not the same as ``weight_decay``: its gradient is divided by
    the running size of all gradients, so weights that see large gradients are shrunk less (Loshchilov & Hutter 2019,
    arXiv 1711.05101).
    """
    if not settings.l1 and not settings.l2:
        return None
    matrices = [weight for weight in model.parameters() if weight.dim() > 1 and weight.requires_grad]
    total = torch.zeros((), device=matrices[0].device)
    if settings.l1:
        total = total + settings.l1 * torch.stack([weight.abs().sum() for weight in matrices]).sum()
    if settings.l2:
        total = total + settings.l2 * torch.stack([weight.square().sum() for weight in matrices]).sum()
    return total


def activation_penalty(outputs: Ragged, ar: float, tar: float) -> Tensor:
    """Activation regularisation and its temporal kind (Merity, McCann & Socher 2017, arXiv 1708.01009).

    ::

        ar * mean h_t^2  +  tar * mean (h_t - h_{t-1})^2        over units, rows and the rows' real steps

    The first keeps the last layer's outputs small, the second slow. Deviation: the paper takes the first of outputs
    after dropout; here both are taken before it, which differs by the factor 1 - p of the dropout behind them.

    Args:
        outputs: of the last recurrent layer, ``(T, B, H)``.
        ar: weight of the squares.
        tar: weight of the squared changes; steps of different batches are not compared.
    """
    h, lengths = outputs.clean().values, outputs.lengths
    total = h.new_zeros(())
    if ar:
        total = total + ar * h.square().sum() / (lengths.sum() * h.shape[-1]).clamp(min=1)
    if tar and outputs.steps > 1:
        change = torch.where(outputs.mask[1:, :, None], h[1:] - h[:-1], h.new_zeros(()))
        total = total + tar * change.square().sum() / ((lengths - 1).clamp(min=0).sum() * h.shape[-1]).clamp(min=1)
    return total


@contextmanager
def outputs_of(stage: nn.Module) -> Iterator[list[Ragged]]:
    """Collect what a stage gives out while this is open."""
    seen: list[Ragged] = []
    handle = stage.register_forward_hook(lambda _, inputs, given: seen.append(given[0]))
    try:
        yield seen
    finally:
        handle.remove()
