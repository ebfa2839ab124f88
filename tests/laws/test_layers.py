"""Laws 2 to 6 through whole models: layers over each other, both directions, readouts, a loss on top."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import elman
from elman.core import (
    Beside,
    Bidirectional,
    Convolution,
    ElmanCell,
    GRUCell,
    InputError,
    LayerNorm,
    LockedDropout,
    LSTMCell,
    PerStep,
    Ragged,
    Recurrent,
    Residual,
    Stack,
    Stage,
    VariationalDropout,
    WeightDrop,
    Zoneout,
    checkpoint,
    readout,
)
from elman.core.check import Values, compare
from elman.core.layers.conv import StepNorm
from elman.core.layers.readout import Attention
from elman.core.state import State, leaves, take_rows

LENGTHS = [4, 0, 9, 1, 6]
WIDTH, SIZE = 5, 6


def _deep() -> Stage:
    cells = [GRUCell(WIDTH, SIZE), *(Residual((GRUCell, LSTMCell)[k % 2](SIZE, SIZE)) for k in range(7))]
    return Stack.of(cells, dropout=0.2)


def _wrapped() -> Stage:
    upper = Recurrent(LayerNorm(VariationalDropout(LSTMCell(SIZE, SIZE), 0.3)), memory=checkpoint(4))
    return Stack([PerStep(nn.Linear(WIDTH, SIZE)), Recurrent(WeightDrop(ElmanCell(SIZE, SIZE), 0.3)), upper])


def _convolution(width: int, causal: bool, filters: int = SIZE) -> Convolution:
    """One whose norm has seen something."""
    stage = Convolution(WIDTH, filters, width, causal=causal)
    source = torch.Generator().manual_seed(4)
    for values in (stage.norm.running_mean, stage.norm.running_var, stage.norm.weight.data, stage.norm.bias.data):
        assert values is not None
        values.uniform_(0.3, 1.7, generator=source)
    return stage


NORMED: dict[str, Callable[[], Stage]] = {
    "convolution_causal": lambda: _convolution(4, True),
    "convolution_of_one": lambda: _convolution(1, True),
    "beside_causal": lambda: Beside([_convolution(3, True, 2), Recurrent(GRUCell(WIDTH, 4))]),
    "convolution_first": lambda: Stack([_convolution(3, True, WIDTH), _convolution(2, True)]),
}
"""Causal, but in training their norm is that of all steps that are given at once."""

CAUSAL: dict[str, Callable[[], Stage]] = {
    "per_step": lambda: PerStep(nn.Linear(WIDTH, SIZE)),
    "recurrent": lambda: Recurrent(LSTMCell(WIDTH, SIZE)),
    "projected": lambda: Recurrent(LSTMCell(WIDTH, 8, proj_size=SIZE)),
    "locked": lambda: Stack([LockedDropout(0.3), Recurrent(GRUCell(WIDTH, SIZE))]),
    "wrapped": _wrapped,
    "deep": _deep,
}
"""In training too their masks ride in the state."""

STREAMS = CAUSAL | NORMED

STAGES = STREAMS | {
    "convolution": lambda: _convolution(4, False),
    "beside": lambda: Beside([_convolution(3, False, 2), Bidirectional(GRUCell(WIDTH, 2), LSTMCell(WIDTH, 2))]),
    "zoneout": lambda: Recurrent(Zoneout(GRUCell(WIDTH, SIZE), 0.3)),
    "reversed": lambda: Recurrent(GRUCell(WIDTH, SIZE), reverse=True),
    "bidirectional": lambda: Bidirectional(GRUCell(WIDTH, 3), LSTMCell(WIDTH, 3)),
    "bidirectional_deep": lambda: Stack(
        [
            Bidirectional(ElmanCell(WIDTH, 3), GRUCell(WIDTH, 3)),
            Bidirectional(GRUCell(SIZE, 3), GRUCell(SIZE, 3)),
        ]
    ),
}

READOUTS: dict[str, Callable[[], nn.Module]] = {
    "last": lambda: readout("last", SIZE),
    "last_both_ways": lambda: readout("last", SIZE, both_ways=True),
    "mean": lambda: readout("mean", SIZE),
    "max": lambda: readout("max", SIZE),
    "attention": lambda: readout("attention", SIZE),
}


class Classifier(nn.Module):
    """A stage, a readout, a head; the loss of a row is the cross-entropy with the row's number modulo 3."""

    def __init__(self, stage: str, reading: str) -> None:
        super().__init__()
        self.stage, self.reading, self.head = STAGES[stage](), READOUTS[reading](), nn.Linear(SIZE, 3)

    def forward(self, ragged: Ragged) -> tuple[Tensor, Tensor]:
        """The logits of every row, and the loss of every row with that of every real step."""
        outputs, _ = self.stage(ragged)
        logits = self.head(self.reading(outputs))
        target = torch.arange(ragged.batch) % 3
        steps = torch.where(outputs.mask, self.head(outputs.values).logsumexp(-1), 0)
        return logits, nn.functional.cross_entropy(logits, target, reduction="none") + steps.sum(0)


def _model(stage: str, reading: str = "mean", training: bool = False) -> Classifier:
    torch.manual_seed(1)
    return Classifier(stage, reading).double().train(training)


def _x(fill: float | None = None, lengths: list[int] = LENGTHS) -> Tensor:
    """Random inputs, with ``fill`` behind the rows' ends."""
    x = torch.randn(max(lengths), len(lengths), WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    mask = (torch.arange(len(x))[:, None] < torch.tensor(lengths))[..., None]
    return x if fill is None else torch.where(mask, x, fill)


def _learn(model: Classifier, x: Tensor) -> Values:
    """Logits, losses and all gradients; masks are drawn alike every time."""
    torch.manual_seed(3)
    x = x.clone().requires_grad_()
    logits, losses = model(Ragged(x, LENGTHS))
    grads = torch.autograd.grad(losses.sum(), [x, *model.parameters()])
    names = ["x", *(name for name, _ in model.named_parameters())]
    values = {f"gradient of {name}": grad for name, grad in zip(names, grads, strict=True)}
    return values | {"logits": logits.detach(), "losses": losses.detach()}


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("stage", STAGES)
def test_pads_change_nothing(stage: str, training: bool) -> None:
    for reading in READOUTS if stage in ("bidirectional", "wrapped") else ["attention"]:
        model = _model(stage, reading, training)
        clean = _learn(model, _x(0.0))
        for fill in (torch.nan, torch.inf, -1e300):
            compare(f"law 4, {stage} and {reading}, {fill}", _learn(model, _x(fill)), clean)


@pytest.mark.parametrize("reading", READOUTS)
def test_readouts_do_not_read_pads(reading: str) -> None:
    reader = READOUTS[reading]().double()
    values = torch.randn(9, 5, SIZE, dtype=torch.float64)
    mask = Ragged(values, LENGTHS).mask[..., None]
    found = []
    for fill in (0.0, torch.nan, torch.inf):
        given = torch.where(mask, values, fill).requires_grad_()
        vector = reader(Ragged(given, LENGTHS))
        (grad,) = torch.autograd.grad(vector.square().sum(), given)
        found.append({"vector": vector.detach(), "gradient": grad})
    for dirty in found[1:]:
        compare("law 4", dirty, found[0])
    assert torch.equal(found[0]["vector"][1], torch.zeros(SIZE, dtype=torch.float64))


@pytest.mark.parametrize("reading", READOUTS)
def test_readouts_of_no_steps_are_zero(reading: str) -> None:
    reader = READOUTS[reading]().double()
    vector = reader(Ragged(torch.zeros(0, 2, SIZE, dtype=torch.float64)))
    assert torch.equal(vector, torch.zeros(2, SIZE, dtype=torch.float64))


def test_readouts_say_what_they_mean() -> None:
    values = torch.tensor([[[1.0, 8.0]], [[5.0, 2.0]], [[3.0, 4.0]], [[9.0, 9.0]]])
    rows = Ragged(values, [3])
    expected = {"mean": [3.0, 14 / 3], "max": [5.0, 8.0], "last": [3.0, 4.0], "last_both_ways": [3.0, 8.0]}
    for name, numbers in expected.items():
        compare(name, {"vector": READOUTS[name]()(rows)}, {"vector": torch.tensor([numbers])})


def test_attention_weights_sum_to_one_over_real_steps() -> None:
    reader = Attention(SIZE).double()
    rows = Ragged(torch.randn(9, 5, SIZE, dtype=torch.float64), LENGTHS)
    weights = reader.weights(rows)
    assert torch.equal(weights[~rows.mask], torch.zeros_like(weights[~rows.mask]))
    has_steps = (rows.lengths > 0).double()
    compare("attention", {"sum": weights.sum(0)}, {"sum": has_steps})


@pytest.mark.parametrize("reading", READOUTS)
@pytest.mark.parametrize("stage", STAGES)
def test_rows_know_nothing_of_each_other(stage: str, reading: str) -> None:
    model = _model(stage, reading)
    x, order = _x(torch.nan), torch.tensor([3, 1, 4, 0, 2])
    outputs, end = model.stage(Ragged(x, LENGTHS))
    turned, turned_end = model.stage(Ragged(x, LENGTHS).rows(order))
    compare("law 5", _named(turned.values, turned_end), _named(outputs.values[:, order], take_rows(end, order)))
    read = model.reading(outputs)
    for row, length in enumerate(LENGTHS):
        alone, alone_end = model.stage(Ragged(x[:length, row : row + 1]))
        one = torch.tensor([row])
        expected = _named(outputs.values[:length, one], take_rows(end, one))
        compare(f"law 5, row {row}", _named(alone.values, alone_end), expected)
        compare(f"law 5, {reading}", {"vector": model.reading(alone)}, {"vector": read[one]})


def _named(values: Tensor, state: State) -> Values:
    return {"outputs": values.detach()} | {f"state {k}": leaf.detach() for k, leaf in enumerate(leaves(state))}


@pytest.mark.parametrize("stage", STAGES)
def test_rows_without_a_step_keep_their_state(stage: str) -> None:
    module = _model(stage).stage
    outputs, end = module(Ragged(_x(torch.nan), [0] * 5))
    fresh = module.initial_state(5, outputs.values)
    compare("law 8", _named(outputs.values, end), _named(torch.zeros_like(outputs.values), fresh))
    assert outputs.values.shape == (9, 5, SIZE)
    assert module(Ragged(_x()[:0]))[0].values.shape == (0, 5, SIZE)


def test_reversed_reads_from_each_rows_own_end() -> None:
    cell = GRUCell(WIDTH, SIZE).double()
    backwards, _ = Recurrent(cell, reverse=True)(Ragged(_x(torch.nan), LENGTHS))
    for row, length in enumerate(LENGTHS):
        ahead, _ = Recurrent(cell)(Ragged(_x()[:length, row : row + 1].flip(0)))
        compare(f"law 6, row {row}", {"y": backwards.values[:length, row]}, {"y": ahead.values[:, 0].flip(0)})


def test_bidirectional_is_two_recurrent_stages_side_by_side() -> None:
    stage = STAGES["bidirectional"]().double()
    assert isinstance(stage, Bidirectional)
    rows = Ragged(_x(), LENGTHS)
    both, (ended, began) = stage(rows)
    ahead, ended_alone = Recurrent(stage.ahead.cell)(rows)
    back, began_alone = Recurrent(stage.back.cell, reverse=True)(rows)
    compare("outputs", {"y": both.values}, {"y": torch.cat([ahead.values, back.values], -1)})
    compare("ahead", _named(both.values, ended), _named(both.values, ended_alone))
    compare("back", _named(both.values, began), _named(both.values, began_alone))


# Convolution -----------------------------------------------------------------------------------------------


def test_a_centred_convolution_is_torchs_on_every_row_alone() -> None:
    stage = _convolution(4, False).double().eval()
    outputs, state = stage(Ragged(_x(torch.nan), LENGTHS))
    assert state is None
    for row, length in enumerate(LENGTHS):
        if not length:
            continue
        given = nn.functional.pad(_x()[:length, row].T[None], (1, 2))
        filtered = nn.functional.conv1d(given, stage.filters.weight, stage.filters.bias)
        norm = stage.norm
        normed = nn.functional.batch_norm(filtered, norm.running_mean, norm.running_var, norm.weight, norm.bias)
        compare(f"row {row}", {"y": outputs.values[:length, row]}, {"y": torch.relu(normed)[0].T})


def test_the_norm_learns_from_real_steps_alone() -> None:
    norm, plain = StepNorm(SIZE).double(), nn.BatchNorm1d(SIZE).double()
    values = torch.randn(9, 5, SIZE, dtype=torch.float64) * 3 + 1
    mask = Ragged(values, LENGTHS).mask
    for _ in range(3):
        made, expected = norm(torch.where(mask[..., None], values, torch.nan), mask), plain(values[mask])
        compare("outputs", {"y": made[mask]}, {"y": expected})
        assert torch.equal(made[~mask], torch.zeros_like(made[~mask]))
    names = ("running_mean", "running_var")
    compare("means", *({name: one.get_buffer(name) for name in names} for one in (norm, plain)))
    compare("evaluation", {"y": norm.eval()(values)[mask]}, {"y": plain.eval()(values[mask])})


def test_a_single_step_has_no_variance() -> None:
    norm = StepNorm(SIZE).double()
    one = torch.randn(1, 1, SIZE, dtype=torch.float64)
    compare("one step", {"y": norm(one)}, {"y": norm.eval()(one)})
    assert torch.equal(norm.get_buffer("running_mean"), torch.zeros(SIZE, dtype=torch.float64))


def test_convolutions_refuse_what_is_none() -> None:
    with pytest.raises(InputError, match="width: expected at least 1 step, got 0"):
        Convolution(WIDTH, SIZE, 0)
    with pytest.raises(InputError, match="stages: expected at least one"):
        Beside([])
    with pytest.raises(InputError, match=r"stages: expected elman.Stage, got GRUCell"):
        Beside([GRUCell(WIDTH, SIZE)])  # type: ignore[list-item]
    with pytest.raises(InputError, match="state: expected one of each of 1 stages, got 2"):
        Beside([_convolution(2, True)])(Ragged(_x()), (None, None))


# Causal stages stream -------------------------------------------------------------------------------------


def _gradients(module: Stage, x: Tensor, run: Callable[[Tensor], tuple[Tensor, State]]) -> Values:
    """Outputs, final state and all gradients, under the same cotangents every time."""
    x = x.clone().requires_grad_()
    y, end = run(x)
    source = torch.Generator().manual_seed(5)
    moving = [leaf for leaf in leaves(end) if leaf.requires_grad]
    loss = sum((part * torch.randn(part.shape, generator=source, dtype=part.dtype)).sum() for part in [y, *moving])
    grads = torch.autograd.grad(loss, [x, *module.parameters()])
    names = ["x", *(name for name, _ in module.named_parameters())]
    return _named(y, end) | {f"gradient of {name}": grad for name, grad in zip(names, grads, strict=True)}


@pytest.mark.parametrize(
    ("stage", "training"), [*((name, False) for name in STREAMS), *((name, True) for name in CAUSAL)]
)
def test_pieces_equal_the_whole(stage: str, training: bool) -> None:
    module = _model(stage, training=training).stage
    assert module.causal

    def whole(x: Tensor) -> tuple[Tensor, State]:
        torch.manual_seed(3)
        outputs, end = module(Ragged(x, LENGTHS))
        return outputs.values, end

    def pieces(x: Tensor) -> tuple[Tensor, State]:
        torch.manual_seed(3)
        rows, state, outputs = Ragged(x, LENGTHS), None, []
        for start, stop in ((0, 2), (2, 7), (7, 9)):
            part, state = module(rows.slice_time(start, stop), state)
            outputs.append(part.values)
        return torch.cat(outputs), state

    expected = _gradients(module, _x(), whole)
    compare(f"law 2, {stage}", _gradients(module, _x(), pieces), expected)


@pytest.mark.parametrize("stage", STREAMS)
@pytest.mark.parametrize("streams", [1, 3])
def test_a_session_gives_what_the_whole_gives(stage: str, streams: int) -> None:
    module = _model(stage).stage
    x = _x()[:, :streams]
    whole = module(Ragged(x))[0].values
    session = elman.Session(module, batch=streams)
    pushed = torch.cat([session.push(x[t : t + 1] if streams > 1 else x[t : t + 1, 0]) for t in range(len(x))])
    compare(f"law 3, {stage}", {"y": pushed}, {"y": whole if streams > 1 else whole[:, 0]})


@pytest.mark.parametrize("stage", sorted(set(STAGES) - set(STREAMS) - {"zoneout"}))
def test_what_reads_the_end_first_does_not_stream(stage: str) -> None:
    module = STAGES[stage]()
    assert not module.causal
    with pytest.raises(InputError, match="cannot stream"):
        elman.Session(module)
