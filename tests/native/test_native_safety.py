"""What could make the core read or write elsewhere, or leave it with numbers that are not there."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import elman
from elman.core import ElmanCell, EngineError, GRUCell, InputError, LSTMCell, Ragged, checkpoint, unfold
from elman.core.engines.operators import kernel_names, kernels, kernels_in_use

pytestmark = pytest.mark.skipif(not kernel_names(), reason="the native core was not built")

SEVERAL = {"RNN": elman.RNN, "GRU": elman.GRU, "LSTM": elman.LSTM}


def _hooked(change: Any) -> Any:
    """Saved tensors come back changed."""
    return torch.autograd.graph.saved_tensors_hooks(lambda t: t, change)


@pytest.mark.parametrize("kind", SEVERAL)
@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.half() if t.is_floating_point() else t,
        lambda t: t[: len(t) // 2] if t.dim() else t,
        lambda t: t[..., :1] if t.dim() == 3 else t,
        lambda t: t.int() if t.dtype == torch.int64 else t[:1],
    ],
)
def test_hooks_on_saved_tensors_that_give_other_sizes_are_refused(kind: str, change: Any) -> None:
    layer = SEVERAL[kind](3, 8)
    with _hooked(change):
        y, _ = layer(torch.randn(6, 4, 3), lengths=[6, 2, 0, 3], engine="native")
    with pytest.raises(InputError, match="expected"):
        y.sum().backward()


@pytest.mark.parametrize("memory", ["keep", checkpoint()], ids=str)
@pytest.mark.parametrize("kind", SEVERAL)
def test_hooks_may_give_the_same_numbers_with_other_strides(kind: str, memory: Any) -> None:
    torch.manual_seed(0)
    layer, x = SEVERAL[kind](3, 8), torch.randn(6, 4, 3)
    wanted = torch.autograd.grad(layer(x, memory=memory)[0].square().sum(), list(layer.parameters()))
    with _hooked(lambda t: t.transpose(0, -1).contiguous().transpose(0, -1) if t.dim() > 1 else t):
        y, _ = layer(x, memory=memory)
    got = torch.autograd.grad(y.square().sum(), list(layer.parameters()))
    for mine, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("kind", SEVERAL)
def test_weights_replaced_between_forward_and_backward_are_refused(kind: str) -> None:
    layer = SEVERAL[kind](3, 8)
    y, _ = layer(torch.randn(6, 4, 3), engine="native")
    layer.weight_hh_l0.data = torch.zeros(1)
    with pytest.raises(InputError, match="w_hh: expected"):
        y.sum().backward()


@pytest.mark.parametrize("memory", ["keep", checkpoint()], ids=str)
@pytest.mark.parametrize("make", [GRUCell, LSTMCell])
def test_lengths_written_to_between_forward_and_backward_are_noticed(make: Any, memory: Any) -> None:
    rows = Ragged(torch.randn(40, 3, 4), [1, 0, 2])
    y, _ = unfold(make(4, 16), rows, engine="native", memory=memory)
    rows.host_lengths.numpy()[:] = 40
    if make is GRUCell and memory != "keep":  # nothing was kept, so there is nothing to overrun
        y.values.sum().backward()
        return
    with pytest.raises(ValueError, match="lengths: expected the 3 steps of the forward pass, got 120"):
        y.values.sum().backward()


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4])
def test_no_units_are_refused(number: int) -> None:
    c0 = torch.zeros(1, 0) if number == 3 else None
    inputs = (torch.zeros(2, 1, 3), torch.zeros(1, 0), c0, torch.zeros(0, 3), torch.zeros(0, 0), None, None, None)
    with pytest.raises(InputError, match="at least one unit"):
        torch.ops.elman.sequence(*inputs, number, False, 0, "auto")


@pytest.mark.parametrize("kind", SEVERAL)
def test_more_steps_than_memory_of_no_rows(kind: str) -> None:
    with torch.no_grad():
        y, _ = SEVERAL[kind](3, 4)(torch.empty(2**61, 0, 3), engine="native")
    assert y.shape == (2**61, 0, 4)


def test_zeros_without_memory() -> None:
    zero = torch._efficientzerotensor((5, 2, 3))
    with pytest.raises(InputError, match=r"a tensor \(5, 2, 3\) has no memory"):
        elman.GRU(3, 4)(zero, engine="native")
    session = elman.Session(GRUCell(3, 4))
    first = session.step(torch.zeros(3)).clone()
    session.reset()
    assert torch.equal(session.step(torch._efficientzerotensor((3,))), first)
    y, _ = elman.GRU(3, 4)(torch.ones(5, 2, 3, requires_grad=True), engine="native")
    y.backward(torch._efficientzerotensor((5, 2, 4)))


# Tensors that are not what they seem -----------------------------------------------------------------------


def _turned(*size: int) -> Tensor:
    """Random numbers whose sign torch has only noted as turned."""
    x = torch.randn(*size, dtype=torch.complex64).conj().imag
    assert x.is_neg()
    return x


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("kind", SEVERAL)
def test_signs_that_are_only_noted(kind: str, width: int) -> None:
    torch.manual_seed(0)
    layer, x = SEVERAL[kind](width, 4), _turned(5, 2, width)
    hx = _turned(1, 2, 4)
    given = (hx, _turned(1, 2, 4)) if kind == "LSTM" else hx
    written = tuple(part.resolve_neg() for part in given) if kind == "LSTM" else hx.resolve_neg()
    torch.testing.assert_close(layer(x, given, engine="native")[0], layer(x.resolve_neg(), written, engine="loop")[0])


@pytest.mark.parametrize("size", [1, 4])
def test_signs_of_a_gradient_that_are_only_noted(size: int) -> None:
    torch.manual_seed(0)
    layer, x = elman.LSTM(3, size), torch.randn(5, 2, 3)
    results = []
    cotangents = [_turned(5, 2, size), _turned(1, 2, size), _turned(1, 2, size)]
    for given, engine in ((cotangents, "native"), ([c.resolve_neg() for c in cotangents], "loop")):
        y, ends = layer(x, engine=engine)
        results.append(torch.autograd.grad([y, *ends], list(layer.parameters()), given))
    for got, wanted in zip(*results, strict=True):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("lengths", [None, [5, 0, 2]])
@pytest.mark.parametrize("kind", SEVERAL)
@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated", "ignore::torch.jit.TracerWarning")
def test_a_traced_layer_computes(kind: str, lengths: Any) -> None:
    class Model(nn.Module):
        def __init__(self, engine: str = "auto") -> None:
            super().__init__()
            self.layer, self.engine = SEVERAL[kind](3, 4), engine

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.layer(x, lengths=lengths, engine=self.engine)[0]
            return y

    model = Model()
    x, other = torch.randn(2, 5, 3, 3)
    with torch.no_grad():
        traced = torch.jit.trace(model, (x,), check_trace=False)
        file = io.BytesIO()
        torch.jit.save(traced, file)
        file.seek(0)
        for run in (traced, torch.jit.load(file)):
            torch.testing.assert_close(run(other), model(other))
        with pytest.raises(EngineError, match=r"torch.jit.trace and torch.onnx.export record torch's own operators"):
            torch.jit.trace(Model("native"), (x,))


@pytest.mark.parametrize("kind", SEVERAL)
@pytest.mark.parametrize("size", [(5, 0, 3), (0, 2, 3), (0, 0, 3)])
def test_nothing_has_gradients_too(size: tuple[int, ...], kind: str) -> None:
    layer, x = SEVERAL[kind](3, 4), torch.zeros(size, requires_grad=True)
    y, _ = layer(x, engine="native")
    y.sum().backward()
    assert x.grad is not None
    assert all(weight.grad is not None and (weight.grad == 0).all() for weight in layer.parameters())


@pytest.mark.parametrize("memory", ["keep", checkpoint()], ids=str)
@pytest.mark.parametrize("kind", SEVERAL)
def test_nothing_has_gradients_under_autocast_too(kind: str, memory: Any) -> None:
    for size, lengths in (((5, 2, 3), [0, 0]), ((5, 0, 3), None), ((0, 2, 3), None)):
        layer = SEVERAL[kind](3, 4)
        with torch.autocast("cpu", torch.bfloat16):
            y, end = layer(torch.zeros(size), lengths=lengths, engine="native", memory=memory)
        (y.sum() + sum(part.sum() for part in (end if isinstance(end, tuple) else (end,)))).backward()
        assert all(weight.grad is not None and (weight.grad == 0).all() for weight in layer.parameters())


def test_batches_of_gradients_are_refused() -> None:
    layer, x = elman.GRU(3, 4), torch.randn(5, 2, 3, requires_grad=True)
    y, _ = layer(x, engine="native")
    with pytest.raises(EngineError, match=r"no vmap over its backward pass .* say engine='loop'"):
        torch.autograd.grad(y, x, torch.ones(3, 5, 2, 4), is_grads_batched=True)


@pytest.mark.parametrize("name", kernel_names())
def test_relu_chooses_its_gradient(name: str) -> None:
    results = []
    for engine in ("native", "loop"):
        cell = ElmanCell(1, 3, "relu", bias=False)
        with torch.no_grad():
            cell.weight_ih.copy_(torch.tensor([[-1.0], [1.0], [float("nan")]]))
            cell.weight_hh.zero_()
        x = torch.ones(1, 2, 1)
        with kernels(name):
            y, _ = unfold(cell, Ragged(x), engine=engine)
        cotangent = torch.tensor([[[float("inf"), 2.0, 3.0], [1.0, 2.0, 3.0]]])
        results.append(torch.autograd.grad(y.values, cell.weight_ih, cotangent)[0])
    torch.testing.assert_close(*results)
    assert results[0].flatten().tolist() == [0, 4, 6]


# Kernels by name -------------------------------------------------------------------------------------------


def test_kernels_are_named_for_one_thread() -> None:
    before, inside, done = kernels_in_use(), threading.Event(), threading.Event()

    def other() -> None:
        with kernels("reference"):
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    with kernels(kernel_names()[0]):
        done.set()
        thread.join()
        assert kernels_in_use() == kernel_names()[0]
    assert kernels_in_use() == before


def test_lengths_live_on_the_host_whatever_the_default_device() -> None:
    layer, x, cell = elman.GRU(3, 4), torch.randn(5, 2, 3), GRUCell(3, 4)
    resets = torch.zeros(5, 2, dtype=torch.bool)
    resets[2, 0] = True
    wanted = [layer(x)[0], layer(x, lengths=[3, 1])[0], unfold(cell, Ragged(x), resets=resets)[0].values]
    torch.set_default_device("meta")
    try:
        got = [layer(x)[0], layer(x, lengths=[3, 1])[0], unfold(cell, Ragged(x), resets=resets)[0].values]
        assert Ragged(x).host_lengths.is_cpu
        vendor, _ = layer(x, lengths=[3, 1], engine="vendor")
    finally:
        torch.set_default_device(None)
    for mine, other in zip([*got, vendor], [*wanted, wanted[1]], strict=True):
        torch.testing.assert_close(mine, other)
