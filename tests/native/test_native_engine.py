"""The native engine beyond the laws: its operator, its kernels by name, threads, odd inputs, what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest
import torch
from torch import Tensor

import elman
from elman.core import ElmanCell, EngineError, GRUCell, InputError, LSTMCell, Ragged, checkpoint, unfold
from elman.core.engines.native import NativeEngine
from elman.core.engines.operators import kernel_names, kernels
from elman.core.state import leaves

pytestmark = pytest.mark.skipif(not kernel_names(), reason="the native core was not built")

MAKE: dict[str, Any] = {
    "elman": ElmanCell,
    "relu": lambda d, h: ElmanCell(d, h, "relu"),
    "sigmoid": lambda d, h: ElmanCell(d, h, "sigmoid"),
    "lstm": LSTMCell,
    "gru": GRUCell,
}
NUMBER = {"elman": 0, "lstm": 3, "gru": 4}


def _arguments(name: str, lengths: Tensor | None, keep: int = 2) -> tuple[Any, ...]:
    torch.manual_seed(0)
    cell = MAKE[name](4, 6)
    weights = [weight.detach().clone().requires_grad_() for weight in cell.parameters()]
    x, *state = (torch.randn(size, requires_grad=True) for size in ((5, 3, 4), (3, 6), (3, 6)))
    return x, state[0], state[1] if name == "lstm" else None, *weights, lengths, NUMBER[name], False, keep, "auto"


@pytest.mark.parametrize("lengths", [None, torch.tensor([5, 0, 2])], ids=["padded", "ragged"])
@pytest.mark.parametrize("name", NUMBER)
def test_the_operators_pass_torchs_own_check(name: str, lengths: Tensor | None) -> None:
    arguments = _arguments(name, lengths)
    torch.library.opcheck(torch.ops.elman.sequence, arguments)
    y, _, _, gates, cells = (out.detach() for out in torch.ops.elman.sequence(*arguments))
    plain = [part.detach() if isinstance(part, Tensor) else part for part in arguments]
    back = (torch.randn(5, 3, 6), torch.randn(3, 6), None, *plain[:8], y, gates, cells, NUMBER[name], False, 2, "auto")
    torch.library.opcheck(torch.ops.elman.sequence_backward, (*back, [True] * 7))


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "RNN"])
def test_compiled_layers_give_the_same(kind: str) -> None:
    torch.manual_seed(0)
    layer = getattr(elman, kind)(4, 6, num_layers=2)
    x = torch.randn(5, 3, 4)
    compiled = torch.compile(lambda x, n: layer(x, lengths=n)[0], fullgraph=True, backend="aot_eager")
    for lengths in (torch.tensor([5, 0, 2]), torch.tensor([1, 5, 5])):
        results = []
        for function in (compiled, lambda x, n: layer(x, lengths=n)[0]):
            layer.zero_grad()
            y = function(x, lengths)
            y.square().sum().backward()
            results.append([y, *(weight.grad for weight in layer.parameters())])
        for got, expected in zip(*results, strict=True):
            torch.testing.assert_close(got, expected)
    padded = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(padded(x)[0], layer(x)[0])
    with pytest.raises(ValueError, match="lengths: expected values from 0 to T=5, got 9"):
        compiled(x, torch.tensor([9, 1, 1]))


def test_kernels_by_name() -> None:
    assert kernel_names()[-1] == "reference"
    assert "plain" in kernel_names() or "neon" in kernel_names()
    with pytest.raises(InputError, match=r"kernels: unknown name 'sse9'\. Known here: auto, "), kernels("sse9"):
        pass


def test_kernels_by_environment() -> None:
    told = "from elman.core.engines.operators import kernels_in_use; print(kernels_in_use())"
    for name, taken in (("reference", "reference"), ("", kernel_names()[0])):
        environment = {**os.environ, "ELMAN_KERNELS": name}
        run = [sys.executable, "-c", told]
        done = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [taken]
    # An unknown name lets elman be imported; whoever runs the kernels says so, in one line.
    run = [sys.executable, "-m", "elman", "bench", "--quick"]
    environment = {**os.environ, "ELMAN_KERNELS": "sse9"}
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "ELMAN_KERNELS: unknown name 'sse9'. Known here: auto, " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", MAKE)
def test_accuracy_against_double(name: str) -> None:
    torch.manual_seed(0)
    cell = MAKE[name](24, 40)
    x = torch.randn(60, 7, 24)
    cotangent = torch.randn(60, 7, 40, dtype=torch.float64)
    results = []
    for dtype in (torch.float32, torch.float64):
        twin = MAKE[name](24, 40).to(dtype)
        twin.load_state_dict(cell.state_dict())
        given = x.to(dtype).requires_grad_()
        y, _ = unfold(twin, Ragged(given), engine="native" if dtype == torch.float32 else "loop")
        gradients = torch.autograd.grad((y.values * cotangent.to(dtype)).sum(), [given, *twin.parameters()])
        results.append([part.double() for part in (y.values, *gradients)])
    (y, *gradients), (true, *wanted) = results
    assert (y - true).abs().max() < 2e-6
    for got, expected in zip(gradients, wanted, strict=True):
        assert (got - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("kind", kernel_names())
def test_every_number_of_rows(kind: str) -> None:
    # Tiles take up to 8 rows, and what is left over is cut in another way for every count.
    torch.manual_seed(0)
    cell = LSTMCell(5, 19).double()
    x = torch.randn(3, 18, 5, dtype=torch.float64)
    for rows in range(1, 19):
        results = []
        for engine in ("native", "loop"):
            given = x[:, :rows].clone().requires_grad_()
            with kernels(kind):
                y, _ = unfold(cell, Ragged(given), engine=engine)
                gradients = torch.autograd.grad(y.values.square().sum(), [given, *cell.parameters()])
            results.append([y.values, *gradients])
        for got, expected in zip(*results, strict=True):
            torch.testing.assert_close(got, expected)


def test_threads_change_nothing_but_rounding() -> None:
    cell, x, lengths = LSTMCell(32, 64), torch.randn(40, 13, 32), torch.randint(0, 41, (13,))
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            cell.zero_grad()
            y, _ = unfold(cell, Ragged(x, lengths), engine="native")
            y.values.square().sum().backward()
            results.append((y.values.detach(), cell.weight_hh.grad))
    finally:
        torch.set_num_threads(before)
    for y, gradient in results[1:]:
        torch.testing.assert_close(y, results[0][0])
        torch.testing.assert_close(gradient, results[0][1])


def test_several_python_threads_at_once() -> None:
    cell, found = GRUCell(8, 16), []
    inputs = [torch.randn(30, 5, 8) for _ in range(6)]
    expected = [unfold(cell, Ragged(x), engine="loop")[0].values for x in inputs]

    def work(number: int) -> None:
        for _ in range(20):
            found.append((number, unfold(cell, Ragged(inputs[number]), engine="native")[0].values))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 120
    for number, y in found:
        torch.testing.assert_close(y, expected[number], atol=1e-5, rtol=0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_computes_too() -> None:
    # Small enough for torch not to use its own threads, which a forked child has lost.
    told = (
        "import os, torch, elman; torch.set_num_threads(2); m = elman.LSTM(64, 64); x = torch.randn(50, 8, 64);"
        "y = m(x)[0]; child = os.fork();"
        "os._exit(0 if torch.equal(m(x)[0], y) else 1) if child == 0 else None;"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", told], check=True, timeout=60)


def test_denormals_are_flushed_inside_and_kept_outside() -> None:
    tiny = torch.full((3, 1, 2), 1e-40)
    assert unfold(ElmanCell(2, 2, "relu", bias=False), Ragged(tiny), engine="native")[0].values.abs().max() == 0
    assert (tiny * 0.5).max() > 0


@pytest.mark.parametrize("name", MAKE)
def test_nan_and_infinity_pass_through(name: str) -> None:
    cell, x = MAKE[name](3, 5), torch.zeros(4, 2, 3)
    x[1, 0, 0], x[1, 1, 0] = float("nan"), float("inf")
    y = unfold(cell, Ragged(x), engine="native")[0].values
    expected = unfold(cell, Ragged(x), engine="loop")[0].values
    assert y[1:, 0].isnan().all()
    torch.testing.assert_close(y[:, 1], expected[:, 1], equal_nan=True)
    torch.testing.assert_close(y[0], expected[0])


def test_any_strides_give_the_same() -> None:
    cell, x = GRUCell(6, 5), torch.randn(4, 7, 6)
    expected = unfold(cell, Ragged(x), engine="loop")[0].values
    wide = torch.randn(4, 7, 12)
    wide[..., ::2] = x
    for given in (x.transpose(0, 1).contiguous().transpose(0, 1), wide[..., ::2], x.flip(0).flip(0)):
        y = unfold(cell, Ragged(given.detach()), engine="native")[0].values
        torch.testing.assert_close(y, expected)
    turned = GRUCell(6, 5)
    turned.load_state_dict(cell.state_dict())
    turned.weight_hh = torch.nn.Parameter(cell.weight_hh.detach().t().contiguous().t())
    torch.testing.assert_close(unfold(turned, Ragged(x), engine="native")[0].values, expected)


def test_cotangents_of_any_layout() -> None:
    cell, x = LSTMCell(3, 5), torch.randn(6, 4, 3)
    wanted = None
    for spread in (
        lambda y: y.sum(),
        lambda y: y.contiguous().clone().sum(),
        lambda y: (y.mT @ torch.ones(6, 4, 1)).sum(),
    ):
        y, _ = unfold(cell, Ragged(x), engine="native")
        gradient = torch.autograd.grad(spread(y.values), cell.weight_hh)[0]
        wanted = gradient if wanted is None else wanted
        torch.testing.assert_close(gradient, wanted)


def test_weights_changed_by_any_means_are_seen() -> None:
    cell, x = GRUCell(3, 4), Ragged(torch.ones(2, 1, 3))
    for change in (lambda: cell.weight_hh.data.mul_(2), lambda: cell.weight_ih.detach().numpy().fill(0.5)):
        before = unfold(cell, x, engine="native")[0].values
        change()
        after = unfold(cell, x, engine="native")[0].values
        assert not torch.equal(before, after)
        torch.testing.assert_close(after, unfold(cell, x, engine="loop")[0].values)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's own, at the first dual number
def test_only_first_order() -> None:
    cell, x = GRUCell(3, 4), torch.randn(5, 2, 3, requires_grad=True)
    y, _ = unfold(cell, Ragged(x), engine="native")
    with pytest.raises(EngineError, match="first-order gradients only; for gradients of gradients say engine='loop'"):
        torch.autograd.grad(y.values.sum(), x, create_graph=True)
    with pytest.raises(EngineError, match=r"forward mode or inside torch.func"):
        torch.func.vmap(lambda x: unfold(cell, Ragged(x), engine="native")[0].values)(x[None])
    got = torch.func.vmap(lambda x: unfold(cell, Ragged(x))[0].values)(x[None])
    torch.testing.assert_close(got[0], y.values)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x.detach(), torch.ones_like(x))
        with pytest.raises(EngineError, match="forward mode"):
            unfold(cell, Ragged(dual), engine="native")


def test_autocast_computes_in_float32() -> None:
    layer, x = elman.GRU(3, 4), torch.randn(5, 2, 3)
    with torch.autocast("cpu", torch.bfloat16):
        y, h = layer(x.bfloat16(), engine="native")
        again, _ = layer(x.bfloat16(), h, engine="native")
    assert y.dtype == again.dtype == torch.float32
    torch.testing.assert_close(y, layer(x.bfloat16().float())[0])


def _refused(change: Any) -> tuple[Any, ...]:
    arguments = [
        part.detach() if isinstance(part, Tensor) else part for part in _arguments("lstm", torch.tensor([5, 0, 2]), 0)
    ]
    change(arguments)
    return tuple(arguments)


def _set(place: int, value: Any) -> Any:
    return lambda arguments: arguments.__setitem__(place, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set(0, torch.zeros(5, 3)), "expected x"),
        (_set(0, torch.zeros(5, 3, 7)), "w_ih: expected"),
        (_set(0, torch.zeros(5, 3, 4).double()), "expected torch.float64"),
        (_set(0, torch.zeros(5, 3, 4).half()), "expected torch.float16"),
        (_set(1, torch.zeros(2, 6)), "h0: expected|c0: expected"),
        (_set(1, torch.zeros(3, 0)), "expected"),
        (_set(2, None), "c0: expected"),
        (_set(2, torch.zeros(3, 7)), "c0: expected"),
        (_set(3, torch.zeros(23, 4)), "w_ih: expected"),
        (_set(4, torch.zeros(24, 5)), "w_hh: expected"),
        (_set(5, None), "b_ih: expected"),
        (_set(6, torch.zeros(6)), "b_hh: expected"),
        (_set(7, torch.tensor([5, 2])), "lengths: expected int64"),
        (_set(7, torch.tensor([5, 2, 1], dtype=torch.int32)), "lengths: expected int64"),
        (_set(7, torch.tensor([5, 6, 1])), "lengths: expected values from 0 to T=5, got 6"),
        (_set(7, torch.tensor([5, -1, 1])), "lengths: expected values from 0 to T=5, got -1"),
        (_set(8, 9), "expected a cell from"),
        (_set(11, "sse9"), "no kernels 'sse9' here; there are: auto "),
    ],
)
def test_the_operator_refuses_what_would_read_elsewhere(change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        torch.ops.elman.sequence(*_refused(change))


@pytest.mark.parametrize("name", MAKE)
def test_recomputing_keeps_states_only(name: str) -> None:
    cell, x = MAKE[name](3, 16), torch.randn(50, 4, 3)
    kept: dict[str, int] = {}
    for memory in ("keep", checkpoint()):
        sizes: list[int] = []
        hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t)  # noqa: B023
        with hooks:
            y, end = unfold(cell, Ragged(x), engine="native", memory=memory)
        kept[str(memory)] = sum(sizes)
        del y, end
    blocks = {"lstm": 4, "gru": 4}.get(name, 0)
    assert kept["keep"] - kept["checkpoint()"] == blocks * 50 * 4 * 16


def test_what_it_refuses_is_said() -> None:
    with pytest.raises(EngineError, match="native computes in float32 and float64, not in bfloat16"):
        unfold(GRUCell(3, 4).bfloat16(), Ragged(torch.zeros(2, 1, 3).bfloat16()), engine="native")
    with pytest.raises(EngineError, match="the native LSTM has no projection"):
        unfold(LSTMCell(3, 4, proj_size=2), Ragged(torch.zeros(2, 1, 3)), engine="native")
    with pytest.raises(EngineError, match="native runs on the CPU"):
        unfold(GRUCell(3, 4).to("meta"), Ragged(torch.zeros(2, 1, 3, device="meta")), engine="native")
    assert NativeEngine.name == "native"


class Seven(GRUCell):
    """A GRU whose step is overridden."""

    def pointwise(self, p: Any, q: Tensor, state: Any) -> Any:
        y = torch.full_like(state, 7.0)
        return y, y, {}


def test_a_cell_that_overrides_its_step_loses_the_kernel() -> None:
    y, _ = unfold(Seven(3, 4), Ragged(torch.zeros(2, 1, 3)))
    assert (y.values == 7).all()
    assert Seven(3, 4).kernel() is None
    assert type("Same", (GRUCell,), {})(3, 4).kernel() is not None
    assert leaves(GRUCell(3, 4).initial_state(1, torch.zeros(()))) != []


@pytest.mark.parametrize("name", kernel_names())
@pytest.mark.parametrize("function", ["tanh", "sigmoid"])
def test_error_of_the_functions(function: str, name: str) -> None:
    for dtype, bound in ((torch.float32, 2e-7), (torch.float64, 1e-15)):
        cell = ElmanCell(1, 1, function, bias=False).to(dtype)
        with torch.no_grad():
            cell.weight_ih.fill_(1)
            cell.weight_hh.fill_(0)
        near = torch.logspace(-30, 2, 4001, dtype=dtype)
        x = torch.cat([-near, torch.zeros(1, dtype=dtype), near, torch.linspace(-25, 25, 20001, dtype=dtype)])
        with kernels(name):
            y = unfold(cell, Ragged(x[None, :, None]), engine="native")[0].values[0, :, 0]
        true = getattr(torch, function)(x.double())
        assert (y.double() - true).abs().max() < bound
        if function == "tanh":
            relative = ((y.double() - true) / true)[x != 0].abs()
            assert relative.max() < 4 * bound
            assert y.abs().max() <= 1


def test_backward_refuses_what_forward_did_not_give() -> None:
    arguments = _arguments("lstm", torch.tensor([5, 0, 2]))
    y, _, _, gates, cells = (out.detach() for out in torch.ops.elman.sequence(*arguments))
    plain = [part.detach() if isinstance(part, Tensor) else part for part in arguments]
    good: dict[str, Any] = {"dy": torch.zeros(5, 3, 6), "dh": None, "dc": None, "y": y, "gates": gates, "cells": cells}

    def run(**changed: Any) -> Any:
        given = {**good, **changed}
        first, last = [given[name] for name in ("dy", "dh", "dc")], [given[name] for name in ("y", "gates", "cells")]
        return torch.ops.elman.sequence_backward(*first, *plain[:8], *last, 3, False, 2, "auto", [True] * 7)

    run()
    for name, wrong in {
        "dy": torch.zeros(5, 3, 5),
        "dh": torch.zeros(2, 6),
        "dc": torch.zeros(3, 6).double(),
        "y": torch.zeros(4, 3, 6),
        "gates": gates[:-1],
        "cells": cells[:, :-1],
    }.items():
        with pytest.raises(InputError, match=f"sequence_backward: ({name}|cells): expected"):
            run(**{name: wrong})
