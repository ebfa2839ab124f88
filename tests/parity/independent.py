"""Elman, LSTM and GRU once more, in numpy and gate by gate, written from the equations and from nothing else.

One sequence at a time: x ``(T, D)``. Weights come by torch's names.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, Array]


def sigmoid(a: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-a))


def _blocks(weights: Weights, gates: str) -> dict[str, dict[str, Array]]:
    """Each tensor cut into its gates; a bias that is missing is zero."""
    rows = weights["weight_ih"].shape[0]
    size = rows // len(gates)
    whole = {"bias_ih": np.zeros(rows), "bias_hh": np.zeros(rows), **weights}
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return {name: {gate: whole[name][k * size : (k + 1) * size] for k, gate in enumerate(gates)} for name in names}


def elman(x: Array, h: Array, weights: Weights, nonlinearity: str) -> tuple[Array, Array]:
    """h_t = f(W x_t + b + U h_{t-1} + c): all outputs, and the last state."""
    f = {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0.0), "sigmoid": sigmoid}[nonlinearity]
    w = {name: block["h"] for name, block in _blocks(weights, "h").items()}
    ys = []
    for frame in x:
        h = f(w["weight_ih"] @ frame + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"])
        ys.append(h)
    return np.array(ys), h


def lstm(x: Array, h: Array, c: Array, weights: Weights) -> tuple[Array, Array, Array]:
    """The LSTM with a forget gate; with ``weight_hr`` its output is projected before it recurs."""
    w = _blocks(weights, "ifgo")
    ys = []
    for frame in x:
        drive = {
            gate: w["weight_ih"][gate] @ frame + w["bias_ih"][gate] + w["weight_hh"][gate] @ h + w["bias_hh"][gate]
            for gate in "ifgo"
        }
        keep, write = sigmoid(drive["f"]), sigmoid(drive["i"])
        c = keep * c + write * np.tanh(drive["g"])
        h = sigmoid(drive["o"]) * np.tanh(c)
        if "weight_hr" in weights:
            h = weights["weight_hr"] @ h
        ys.append(h)
    return np.array(ys), h, c


def gru(x: Array, h: Array, weights: Weights) -> tuple[Array, Array]:
    """The GRU with the reset gate after the recurrent product (torch's and cuDNN's)."""
    w = _blocks(weights, "rzn")
    ys = []
    for frame in x:
        read = {gate: w["weight_ih"][gate] @ frame + w["bias_ih"][gate] for gate in "rzn"}
        back = {gate: w["weight_hh"][gate] @ h + w["bias_hh"][gate] for gate in "rzn"}
        reset, keep = sigmoid(read["r"] + back["r"]), sigmoid(read["z"] + back["z"])
        new = np.tanh(read["n"] + reset * back["n"])
        h = (1.0 - keep) * new + keep * h
        ys.append(h)
    return np.array(ys), h
