"""The contenders: elman, torch, and where they are installed ONNX Runtime and a jitted JAX scan.

Every one is made from the same weights and gives a call to be timed, which returns what parity is judged by.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from elman.bench.cases import Case, Data
from elman.core.layers.accelerate import accelerate
from elman.core.layers.drop_in import DropIn
from elman.live.session import Session

__all__ = ["Call", "contenders", "installed"]

Call = Callable[[], list[Tensor]]
"""One run: outputs and, in training, the gradients of all weights."""


def installed() -> tuple[str, ...]:
    """The other contenders that are there: torch always, JAX and ONNX Runtime (``ort``) where they are installed."""
    jax = ("jax",) if find_spec("jax") else ()
    return ("torch", *jax, *(("ort",) if find_spec("onnxruntime") and find_spec("onnx") else ()))


def contenders(case: Case, data: Data, threads: int) -> dict[str, Call]:
    """By name, those that can run the case here, elman first."""
    calls = {"elman": _elman(case, data), "torch": _torch(case, data)}
    there = installed()
    if "jax" in there and case.job in ("train", "infer"):
        calls["jax"] = _jax(case, data)
    if "ort" in there and case.job in ("infer", "step"):
        calls["ort"] = _onnxruntime(case, data, threads)
    return calls


def _elman(case: Case, data: Data) -> Call:
    layer = getattr(nn, case.cell)(case.size, case.size)
    layer.load_state_dict(data.layer.state_dict())
    accelerate(layer)
    if case.job == "step":
        session, frame = Session(layer), data.x[0, 0]
        return lambda: [session.step(frame)]

    def outputs() -> Tensor:
        assert isinstance(layer, DropIn)
        y: Tensor = layer(data.x, lengths=data.lengths)[0]
        return y

    return _learning(case, layer, data, outputs)


def _torch(case: Case, data: Data) -> Call:
    layer = data.layer
    if case.job == "step":
        return _torch_step(layer, data.x)

    def outputs() -> Tensor:
        if data.lengths is None:
            y: Tensor = layer(data.x)[0]
            return y
        packed = pack_padded_sequence(data.x, data.lengths, enforce_sorted=False)
        return pad_packed_sequence(layer(packed)[0], total_length=case.steps)[0]

    return _learning(case, layer, data, outputs)


def _torch_step(layer: nn.RNNBase, x: Tensor) -> Call:
    kept: list[Any] = [None]

    @torch.inference_mode()
    def step() -> list[Tensor]:
        y, kept[0] = layer(x, kept[0])
        return [y[0, 0]]

    return step


def _learning(case: Case, layer: nn.Module, data: Data, outputs: Callable[[], Tensor]) -> Call:
    @torch.inference_mode()
    def infer() -> list[Tensor]:
        return [outputs()]

    def train() -> list[Tensor]:
        layer.zero_grad(set_to_none=True)
        y = outputs()
        y.backward(data.dy)
        return [y.detach(), *(weight.grad for weight in layer.parameters() if weight.grad is not None)]

    return infer if case.job == "infer" else train


# JAX -----------------------------------------------------------------------------------------------------


def _jax(case: Case, data: Data) -> Call:
    import jax
    import numpy as np

    weights = [jax.numpy.asarray(weight.detach().numpy()) for weight in data.layer.parameters()]
    x = jax.numpy.asarray(data.x.numpy())
    run = _jax_layer(case.cell, case.size)
    if case.job == "infer":
        compiled = jax.jit(run)
        return lambda: [torch.from_numpy(np.array(jax.block_until_ready(compiled(weights, x))))]

    def both(weights: Any, dy: Any) -> Any:
        y, back = jax.vjp(lambda weights: run(weights, x), weights)
        return y, back(dy)[0]

    learn, dy = jax.jit(both), jax.numpy.asarray(data.dy.numpy())

    def train() -> list[Tensor]:
        y, gradients = jax.block_until_ready(learn(weights, dy))
        return [torch.from_numpy(np.array(part)) for part in (y, *gradients)]

    return train


def _jax_layer(cell: str, size: int) -> Callable[[Any, Any], Any]:
    """The layer as a scan over time; the input's product for all steps comes before it."""
    from jax import lax, nn
    from jax import numpy as jnp

    def step(weights: Any, state: Any, p: Any) -> Any:
        _, w_hh, _, b_hh = weights
        h = state[0]
        q = h @ w_hh.T + b_hh
        if cell == "RNN":
            h = jnp.tanh(p + q)
            return (h,), h
        if cell == "GRU":
            (pr, pz, pn), (qr, qz, qn) = jnp.split(p, 3, 1), jnp.split(q, 3, 1)
            z, n = nn.sigmoid(pz + qz), jnp.tanh(pn + nn.sigmoid(pr + qr) * qn)
            h = (1 - z) * n + z * h
            return (h,), h
        i, f, g, o = jnp.split(p + q, 4, 1)
        c = nn.sigmoid(f) * state[1] + nn.sigmoid(i) * jnp.tanh(g)
        h = nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def run(weights: Any, x: Any) -> Any:
        p = x @ weights[0].T + weights[2]
        zero = jnp.zeros((x.shape[1], size))
        start = (zero, zero) if cell == "LSTM" else (zero,)
        return lax.scan(lambda state, p: step(weights, state, p), start, p)[1]

    return run


# ONNX Runtime --------------------------------------------------------------------------------------------

_ORDER = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}
"""Where the gates that ONNX wants one after the other stand in torch's weights: z r h; i o f c."""


def _onnxruntime(case: Case, data: Data, threads: int) -> Call:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Its threads would go on spinning for a while and take the cores from whoever has the next turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    runner = onnxruntime.InferenceSession(_onnx_model(case, data.layer), options, providers=["CPUExecutionProvider"])
    states = ("h", "c") if case.cell == "LSTM" else ("h",)
    feeds = {"x": data.x.numpy()} | {name: np.zeros((1, case.batch, case.size), np.float32) for name in states}

    def run() -> list[Tensor]:
        y, *ends = runner.run(None, feeds)
        if case.job == "step":
            feeds.update(zip(states, ends, strict=True))
            return [torch.from_numpy(y[0, 0, 0])]
        return [torch.from_numpy(y[:, 0])]

    return run


def _onnx_model(case: Case, layer: nn.RNNBase) -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    ordered = []
    for weight in layer.parameters():
        parts = weight.detach().chunk(case.gates)
        ordered.append(torch.cat([parts[k] for k in _ORDER[case.cell]]))
    w_ih, w_hh, b_ih, b_hh = ordered
    constants = {"W": w_ih[None], "R": w_hh[None], "B": torch.cat([b_ih, b_hh])[None]}
    lstm = case.cell == "LSTM"
    node = helper.make_node(
        case.cell,
        ["x", "W", "R", "B", "", "h", *(["c"] if lstm else [])],
        ["y", "h_end", *(["c_end"] if lstm else [])],
        hidden_size=case.size,
    )
    if case.cell == "GRU":
        node.attribute.append(helper.make_attribute("linear_before_reset", 1))
    whole = [("x", (case.steps, case.batch, case.size)), *((name, (1, case.batch, case.size)) for name in ("h", "c"))]
    shapes = whole if lstm else whole[:2]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]
    ends = (1, case.batch, case.size)
    results = [(case.steps, 1, case.batch, case.size), ends, ends]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(node.output, results, strict=False)
    ]
    initial = [numpy_helper.from_array(value.numpy(), name) for name, value in constants.items()]
    graph = helper.make_graph([node], "layer", inputs, outputs, initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
