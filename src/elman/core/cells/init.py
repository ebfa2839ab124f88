"""Ways to start the weights of Elman, LSTM and GRU, for single cells and for whole models.

Every function changes a module in place, wherever a recurrent cell or an elman (or torch.nn) RNN, LSTM or
GRU layer stands in it. It raises where it finds nothing to act on, or something that it is not for, and has then
changed nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from elman.core.cells.base import WeightedCell
from elman.core.cells.linear import LinearCell
from elman.core.errors import InputError

__all__ = ["chrono_", "forget_bias_", "identity_", "orthogonal_"]

_GATES = {"RNN_TANH": ("h",), "RNN_RELU": ("h",), "LSTM": ("i", "f", "g", "o"), "GRU": ("r", "z", "n")}


@dataclass(frozen=True)
class _Weights:
    """The weights of one layer and direction."""

    gates: tuple[str, ...]
    weight_hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def gate(self, tensor: Tensor, name: str) -> Tensor:
        size = tensor.shape[0] // len(self.gates)
        start = self.gates.index(name) * size
        return tensor[start : start + size]

    def check_bias(self) -> None:
        """Raise :class:`InputError` where there is no bias to set."""
        if self.bias_ih is None or self.bias_hh is None:
            raise InputError("this layer has no bias (bias=False), so its gates cannot start biased")

    def set_bias(self, name: str, value: Tensor | float) -> None:
        """Give one gate a bias; torch adds two, so the second becomes zero."""
        assert self.bias_ih is not None
        assert self.bias_hh is not None
        self.gate(self.bias_ih, name).copy_(torch.as_tensor(value))
        self.gate(self.bias_hh, name).zero_()


@torch.no_grad()
def orthogonal_(module: nn.Module) -> None:
    """Make every gate's recurrent matrix orthogonal (Saxe et al. 2014), so that no direction grows or fades."""
    for weights in _weights(module):
        for name in weights.gates:
            nn.init.orthogonal_(weights.gate(weights.weight_hh, name))


@torch.no_grad()
def identity_(module: nn.Module, scale: float = 1.0) -> None:
    """Make the recurrent matrix of Elman cells ``scale`` times the identity and their biases zero.

    With ReLU this is the IRNN (Le, Jaitly & Hinton 2015, arXiv 1504.00941). Raises for gated cells.
    """
    found = _weights(module)
    if any(weights.gates != ("h",) for weights in found):
        raise InputError("identity_ is for Elman cells; for LSTM and GRU use orthogonal_ and chrono_")
    for weights in found:
        nn.init.eye_(weights.weight_hh).mul_(scale)
        for bias in (weights.bias_ih, weights.bias_hh):
            if bias is not None:
                bias.zero_()


@torch.no_grad()
def forget_bias_(module: nn.Module, value: float = 1.0) -> None:
    """Start every LSTM's forget gate with this bias (Gers et al. 2000; Jozefowicz et al. 2015), so it keeps."""
    found = _weights(module)
    for weights in found:
        if "f" not in weights.gates:
            raise InputError("forget_bias_ is for LSTM; a GRU keeps by its z gate: use chrono_")
        weights.check_bias()
    for weights in found:
        weights.set_bias("f", value)


@torch.no_grad()
def chrono_(module: nn.Module, longest: int) -> None:
    """Spread the memory of LSTM and GRU units over 2 to ``longest`` steps (Tallec & Ollivier 2018, arXiv 1804.11188).

    ``b_f ~ log U(1, longest - 1)`` and ``b_i = -b_f``; for a GRU the keeping gate z takes b_f's part, for MinGRU, where
    z lets go, b_i's. An LRU gets ``|lambda| = sigmoid(b_f)``, and its angles stay.
    """
    if longest < 3:
        raise InputError(f"longest: expected at least 3 steps, got {longest}")
    linear = [part for part in module.modules() if isinstance(part, LinearCell)]
    found = _weights(module, needed=not linear)
    for part in linear:
        part.check_keep()
    for weights in found:
        if _keeping(weights) is None:
            raise InputError("chrono_ is for LSTM and GRU; an Elman cell has no gate that keeps")
        weights.check_bias()
    for part in linear:
        part.keep_(torch.empty(part.hidden_size).uniform_(1, longest - 1).log())
    for weights in found:
        keep = _keeping(weights)
        assert keep is not None
        size = weights.weight_hh.shape[0] // len(weights.gates)
        bias = torch.empty(size).uniform_(1, longest - 1).log()
        weights.set_bias(keep, bias)
        if keep == "f":
            weights.set_bias("i", -bias)


def _keeping(weights: _Weights) -> str | None:
    """The gate that says how much is kept."""
    return {4: "f", 3: "z"}.get(len(weights.gates))


def _weights(module: nn.Module, *, needed: bool = True) -> list[_Weights]:
    found = []
    for part in module.modules():
        _refuse_parametrised(part)
        if isinstance(part, WeightedCell):
            found.append(_Weights(part.GATES, part.weight_hh, part.bias_ih, part.bias_hh))
        elif isinstance(part, nn.RNNBase):
            for layer in range(part.num_layers):
                for way in ("", "_reverse") if part.bidirectional else ("",):
                    weight = getattr(part, f"weight_hh_l{layer}{way}")
                    biases = [getattr(part, f"{name}_l{layer}{way}", None) for name in ("bias_ih", "bias_hh")]
                    found.append(_Weights(_GATES[part.mode], weight, *biases))
    if needed and not found:
        raise InputError(f"{type(module).__name__} holds no Elman, LSTM or GRU cell to initialise")
    return found


def _refuse_parametrised(part: nn.Module) -> None:
    """What is computed from other tensors cannot be set in place."""
    if isinstance(part, (WeightedCell, LinearCell, nn.RNNBase)) and parametrize.is_parametrized(part):
        name = parametrize.type_before_parametrizations(part).__name__
        raise InputError(f"{name} is parametrised already; initialise it first, then parametrise")
