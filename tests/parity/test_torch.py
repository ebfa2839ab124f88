"""elman.RNN, LSTM and GRU against torch.nn: values, gradients, training, weights, every form of input."""

from __future__ import annotations

import copy
import itertools
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from engines_here import HERE
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from elman.core import GRU, LSTM, RNN, InputError, Ragged, checkpoint
from elman.core.check import Values, compare

OURS: dict[str, Any] = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}
D, H, T, B = 5, 4, 7, 3
Options = dict[str, Any]


def _variants() -> Iterator[tuple[str, Options]]:
    """Every kind with every choice of layers, directions, batch_first and bias; projections and ReLU too."""
    for layers, both, first, bias in itertools.product((1, 2, 3), (False, True), (False, True), (True, False)):
        shared = {"num_layers": layers, "bidirectional": both, "batch_first": first, "bias": bias}
        yield "GRU", shared
        yield "RNN", {**shared, "nonlinearity": "relu" if (layers + both + first + bias) % 2 else "tanh"}
        yield "LSTM", shared
        yield "LSTM", {**shared, "proj_size": 2}
    yield "RNN", {"nonlinearity": "tanh"}
    yield "RNN", {"nonlinearity": "relu", "num_layers": 2, "bidirectional": True}


VARIANTS = list(_variants())
FEW: list[tuple[str, Options]] = [
    ("RNN", {"num_layers": 2, "nonlinearity": "relu"}),
    ("RNN", {"bidirectional": True}),
    ("LSTM", {"num_layers": 2, "bidirectional": True}),
    ("LSTM", {"proj_size": 2, "num_layers": 2, "bias": False, "batch_first": True}),
    ("GRU", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("GRU", {"bias": False}),
]


def _label(part: Any) -> str:
    return "_".join(f"{key}={value}" for key, value in part.items()) or "plain" if isinstance(part, dict) else str(part)


def _able(engine: str, options: Options) -> str:
    """The engine, or auto where it is the native one and there is a projection, which that has not."""
    return "auto" if engine == "native" and "proj_size" in options else engine


def _pair(kind: str, options: Options, dtype: torch.dtype = torch.float64) -> tuple[Any, Any]:
    """Ours and torch's, with the same weights."""
    torch.manual_seed(0)
    theirs = getattr(nn, kind)(D, H, **options).to(dtype)
    ours = OURS[kind](D, H, **options).to(dtype)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def _state(kind: str, options: Options, batch: int | None = B, dtype: torch.dtype = torch.float64) -> Any:
    count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    sizes = [options.get("proj_size", 0) or H, H]
    shape = (count,) if batch is None else (count, batch)
    parts = tuple(torch.randn(*shape, size, dtype=dtype, requires_grad=True) for size in sizes)
    return parts if kind == "LSTM" else parts[0]


def _input(options: Options, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*((B, T) if options.get("batch_first") else (T, B)), D, dtype=dtype, requires_grad=True)


def _flat(state: Any) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def _learnt(module: nn.Module, result: tuple[Any, Any], inputs: list[Tensor]) -> Values:
    """Outputs, states and all gradients under the same random cotangents."""
    y, end = result
    tensors = [y.data if isinstance(y, PackedSequence) else y, *_flat(end)]
    source = torch.Generator().manual_seed(7)
    loss = sum((t * torch.randn(t.shape, generator=source, dtype=t.dtype)).sum() for t in tensors)
    wanted = dict(module.named_parameters()) | {f"input {k}": tensor for k, tensor in enumerate(inputs)}
    grads = torch.autograd.grad(loss, list(wanted.values()))
    values = {f"gradient of {name}": grad for name, grad in zip(wanted, grads, strict=True)}
    return values | {f"result {k}": tensor for k, tensor in enumerate(tensors)}


@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=_label)
def test_values_and_gradients(kind: str, options: Options, engine: str) -> None:
    ours, theirs = _pair(kind, options)
    x, hx = _input(options), _state(kind, options)
    inputs = [x, *_flat(hx)]
    compare(
        kind, _learnt(ours, ours(x, hx, engine=_able(engine, options)), inputs), _learnt(theirs, theirs(x, hx), inputs)
    )


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")  # torch's own layer
@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize(("kind", "options"), FEW, ids=_label)
def test_values_and_gradients_in_single_precision(kind: str, options: Options, engine: str) -> None:
    ours, theirs = _pair(kind, options, torch.float32)
    x, hx = _input(options, torch.float32), _state(kind, options, dtype=torch.float32)
    inputs = [x, *_flat(hx)]
    compare(
        kind, _learnt(ours, ours(x, hx, engine=_able(engine, options)), inputs), _learnt(theirs, theirs(x, hx), inputs)
    )
    compare(kind, _learnt(ours, ours(x, engine=_able(engine, options)), [x]), _learnt(theirs, theirs(x), [x]))


@pytest.mark.parametrize(("kind", "options"), FEW, ids=_label)
def test_recomputing_changes_nothing(kind: str, options: Options) -> None:
    ours, theirs = _pair(kind, options)
    x, hx = _input(options), _state(kind, options)
    inputs = [x, *_flat(hx)]
    compare(kind, _learnt(ours, ours(x, hx, memory=checkpoint(3)), inputs), _learnt(theirs, theirs(x, hx), inputs))


@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize("optimiser", ["SGD", "Adam"])
@pytest.mark.parametrize(("kind", "options"), FEW, ids=_label)
def test_ten_steps_of_training(kind: str, options: Options, optimiser: str, engine: str) -> None:
    ours, theirs = _pair(kind, options)
    x = _input(options).detach()
    aim = torch.randn_like(theirs(x)[0])
    settings = {"SGD": {"lr": 0.1, "momentum": 0.9}, "Adam": {"lr": 0.05}}[optimiser]
    for module, extra in ((ours, {"engine": _able(engine, options)}), (theirs, {})):
        descent = getattr(torch.optim, optimiser)(module.parameters(), **settings)
        for _ in range(10):
            descent.zero_grad()
            (module(x, **extra)[0] - aim).square().mean().backward()
            descent.step()
    assert not torch.equal(theirs.weight_hh_l0, _pair(kind, options)[1].weight_hh_l0)
    compare("after ten steps", dict(ours.named_parameters()), dict(theirs.named_parameters()))


@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=_label)
def test_weights_go_both_ways(kind: str, options: Options) -> None:
    torch.manual_seed(0)
    ours, theirs = OURS[kind](D, H, **options), getattr(nn, kind)(D, H, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    x = _input(options, torch.float32)
    for seed in (1, 2):
        compare("weights", {"y": ours(x)[0]}, {"y": theirs(x)[0]})
        torch.manual_seed(seed)
        theirs.reset_parameters()
        ours.load_state_dict(theirs.state_dict())
    torch.manual_seed(2)
    ours.reset_parameters()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


# Lengths -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize("lengths", [[7, 7, 7], [6, 3, 1], [2, 7, 5]], ids=str)
@pytest.mark.parametrize(("kind", "options"), FEW, ids=_label)
def test_packed_in_packed_out(kind: str, options: Options, lengths: list[int], engine: str) -> None:
    ours, theirs = _pair(kind, options)
    for enforce in (True, False) if lengths == sorted(lengths, reverse=True) else (False,):
        x, hx = torch.randn(T, B, D, dtype=torch.float64), _state(kind, options)
        packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=enforce)
        packed.data.requires_grad_()
        got, expected = ours(packed, hx, engine=_able(engine, options)), theirs(packed, hx)
        inputs = [packed.data, *_flat(hx)]
        compare("packed", _learnt(ours, got, inputs), _learnt(theirs, expected, inputs))
        assert torch.equal(got[0].batch_sizes, expected[0].batch_sizes)
        for name in ("sorted_indices", "unsorted_indices"):
            mine, want = getattr(got[0], name), getattr(expected[0], name)
            assert mine is want if want is None else torch.equal(mine, want)


@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize(("kind", "options"), FEW, ids=_label)
def test_lengths_mean_each_row_alone(kind: str, options: Options, engine: str) -> None:
    ours, theirs = _pair(kind, options)
    lengths, first = [3, 7, 0], bool(options.get("batch_first"))
    x, hx = _input(options).detach(), _state(kind, options)
    dirty = x.clone()
    time_major = dirty.transpose(0, 1) if first else dirty
    for row, length in enumerate(lengths):
        time_major[length:, row] = torch.nan
    for given in (lengths, torch.tensor(lengths), torch.tensor(lengths, dtype=torch.int32)):
        y, end = ours(dirty, hx, lengths=given, engine=_able(engine, options))
        y = y.transpose(0, 1) if first else y
        for row, length in enumerate(lengths):
            before = tuple(part[:, row] for part in _flat(hx))
            ends = tuple(part[:, row] for part in _flat(end))
            expected, states = y.new_zeros(0, y.shape[-1]), before
            if length:
                alone, states = theirs(time_major[:length, row], before if kind == "LSTM" else before[0])
                expected, states = alone, _flat(states)
            compare(f"row {row}", {"y": y[:length, row]}, {"y": expected})
            compare(
                f"row {row}",
                {str(k): e for k, e in enumerate(ends)},
                {str(k): s for k, s in enumerate(states)},
            )
            assert torch.equal(y[length:, row], torch.zeros_like(y[length:, row]))


@pytest.mark.parametrize(("kind", "options"), FEW, ids=_label)
def test_ragged_in_ragged_out(kind: str, options: Options) -> None:
    ours, _ = _pair(kind, options)
    x = torch.randn(T, B, D, dtype=torch.float64)
    y, end = ours(Ragged(x, [2, 7, 0]))
    plain, plain_end = ours(x.transpose(0, 1) if options.get("batch_first") else x, lengths=[2, 7, 0])
    assert isinstance(y, Ragged)
    assert y.lengths.tolist() == [2, 7, 0]
    assert torch.equal(y.values, plain.transpose(0, 1) if options.get("batch_first") else plain)
    assert all(torch.equal(a, b) for a, b in zip(_flat(end), _flat(plain_end), strict=True))


@pytest.mark.parametrize("engine", HERE)
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "hx"])
@pytest.mark.parametrize(("kind", "options"), FEW, ids=_label)
def test_one_sequence_without_a_batch(kind: str, options: Options, given: bool, engine: str) -> None:
    ours, theirs = _pair(kind, options)
    x = torch.randn(T, D, dtype=torch.float64, requires_grad=True)
    hx = _state(kind, options, None) if given else None
    inputs = [x, *(_flat(hx) if given else ())]
    compare(
        kind, _learnt(ours, ours(x, hx, engine=_able(engine, options)), inputs), _learnt(theirs, theirs(x, hx), inputs)
    )


# Life as a torch module ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "options"), FEW, ids=_label)
def test_copies_pickles_and_casts(kind: str, options: Options) -> None:
    ours, theirs = _pair(kind, options, torch.float32)
    x = _input(options, torch.float32)
    want = {"y": theirs(x)[0]}
    for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), ours.double().float()):
        compare("copy", {"y": other(x)[0]}, want)
    other = copy.deepcopy(ours)
    with torch.no_grad():
        other.weight_hh_l0.add_(1.0)
    compare("the original stays", {"y": ours(x)[0]}, want)
    assert not torch.allclose(other(x)[0], want["y"])
    doubled = copy.deepcopy(ours).double()
    compare("double", {"y": doubled(x.double())[0]}, {"y": theirs.double()(x.double())[0]})


@pytest.mark.parametrize("kind", OURS)
def test_dropout_between_layers_only(kind: str) -> None:
    ours, theirs = _pair(kind, {"num_layers": 2, "dropout": 0.5})
    x = _input({})
    compare("evaluation", {"y": ours.eval()(x)[0]}, {"y": theirs.eval()(x)[0]})
    ours.train()
    assert not torch.allclose(ours(x)[0], ours(x)[0])
    lower = {name: weight for name, weight in theirs.state_dict().items() if name.endswith("_l0")}
    one = OURS[kind](D, H).double()
    one.load_state_dict(lower)
    bottom = _flat(ours(x)[1])[0][0]
    compare("the lowest layer sees no dropout", {"h": bottom}, {"h": _flat(one(x)[1])[0][0]})


@pytest.mark.parametrize("kind", OURS)
def test_dropout_without_effect_warns_as_torch_does(kind: str) -> None:
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last recurrent layer") as theirs:
        getattr(nn, kind)(D, H, dropout=0.5)
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last recurrent layer") as ours:
        OURS[kind](D, H, dropout=0.5)
    assert [str(w.message) for w in ours] == [str(w.message) for w in theirs]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OURS[kind](D, H, num_layers=2, dropout=0.5)


@pytest.mark.parametrize("engine", ["auto", "loop", "vendor"])
@pytest.mark.parametrize("lengths", [None, [7, 0, 2]])
def test_projections_do_not_make_torch_warn(engine: str, lengths: list[int] | None) -> None:
    layer = LSTM(D, H, proj_size=2)
    torch.set_warn_always(True)
    try:
        assert layer(torch.zeros(T, B, D), lengths=lengths, engine=engine)[0].shape == (T, B, 2)
    finally:
        torch.set_warn_always(False)


@pytest.mark.parametrize("kind", OURS)
def test_looks_like_torch(kind: str) -> None:
    ours, theirs = _pair(kind, {"num_layers": 2, "bidirectional": True, "batch_first": True})
    assert repr(ours) == repr(theirs)
    assert ours.all_weights[0][0] is ours.weight_ih_l0
    ours.flatten_parameters()
    assert isinstance(ours, nn.RNNBase)


@pytest.mark.parametrize("kind", OURS)
def test_torch_script_arguments_by_position(kind: str) -> None:
    third = ("relu",) if kind == "RNN" else ()
    ours, theirs = OURS[kind](D, H, 2, *third, False, True), getattr(nn, kind)(D, H, 2, *third, False, True)
    assert repr(ours) == repr(theirs)


# What it refuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m(torch.zeros(T)), r"input: expected \(T, B, D\) or \(T, D\), got \(7,\)"),
        (lambda m: m([1, 2]), "input: expected .* got list"),
        (lambda m: m(torch.zeros(T, B, D + 1)), "input: expected 5 features a step"),
        (
            lambda m: m(torch.zeros(T, B, D), torch.zeros(1, B, H + 1)),
            r"hx: expected \(1, 3, 4\), got \(1, 3, 5\)",
        ),
        (
            lambda m: m(torch.zeros(T, B, D), torch.zeros(2, B, H)),
            r"hx: expected \(1, 3, 4\), got \(2, 3, 4\)",
        ),
        (lambda m: m(torch.zeros(T, B, D), "zeros"), "hx: expected a tensor, got str"),
        (lambda m: m(Ragged(torch.zeros(T, B, D)), lengths=[1, 1, 1]), "lengths: a Ragged has its own"),
        (
            lambda m: m(torch.zeros(T, B, D), lengths=[1, 2]),
            r"lengths: expected one a row, shape \(3,\), got \(2,\)",
        ),
        (
            lambda m: m(torch.zeros(T, B, D), lengths=[1, 2, 8]),
            r"lengths: expected values from 0 to T=7, got 1\.\.8",
        ),
        (lambda m: m(torch.zeros(T, B, D), engine="vendr"), "Did you mean 'vendor'"),
        (
            lambda m: m(torch.zeros(T, B, D).double()),
            "x: expected torch.float32 as the weights are, got torch.float64",
        ),
    ],
)
def test_refuses(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(GRU(D, H))


def test_refuses_other_nonlinearities_and_states() -> None:
    with pytest.raises(InputError, match="ElmanCell has more"):
        RNN(D, H, nonlinearity="sigmoid")
    with pytest.raises(InputError, match=r"hx: expected \(h, c\), got Tensor"):
        LSTM(D, H)(torch.zeros(T, B, D), torch.zeros(1, B, H))
