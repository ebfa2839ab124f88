"""The network between the kinds: every pair with every cell, under the laws that concern the user's data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from elman import InputError, LSTMCell, Ragged, Recurrent, Residual, Session
from elman.core.cells.base import WeightedCell
from elman.data.batch import Batches
from elman.model.answers import chances, next_quantiles, quantiles
from elman.model.feedforward import FeedForward
from elman.model.forecast import relative
from elman.model.kinds.number import NumberOut
from elman.model.network import SequenceModel
from elman.model.shapes import Batch, shape_of
from elman.training.scores import score

Make = Callable[..., Any]


def _dirty(batch: Batch) -> Batch:
    """The same batch with rubbish wherever nothing is real."""
    steps = batch.ragged.steps

    def fill(values: Tensor) -> Tensor:
        mask = batch.ragged.mask.reshape(steps, -1, *[1] * (values.dim() - 2))
        bad = torch.nan if values.is_floating_point() else 1
        return torch.where(mask, values, torch.full((), bad, dtype=values.dtype))

    target = fill(batch.target) if batch.target.shape[:2] == batch.ragged.values.shape[:2] else batch.target
    score = None if batch.score is None else batch.score | ~batch.ragged.mask
    return Batch(batch.ragged.with_values(fill(batch.ragged.values)), target, score)


def _loss(model: SequenceModel, batch: Batch) -> tuple[Tensor, list[Tensor]]:
    model.zero_grad(set_to_none=True)
    loss, _ = model(batch.ragged, batch.target, batch.score)
    loss.mean().backward()
    grads = [torch.zeros(()) if weight.grad is None else weight.grad.clone() for weight in model.parameters()]
    return loss.detach(), grads


class _One(Batches):
    """One batch as a data set."""

    def __init__(self, batch: Batch) -> None:
        self.part = batch
        self.inputs = batch.ragged.to_list()

    def epoch(self, size: int, seed: int, epoch: int) -> Iterator[Batch]:
        yield self.part

    def in_order(self, size: int) -> Iterator[Batch]:
        yield self.part

    def count(self, size: int) -> int:
        return 1

    def __len__(self) -> int:
        return self.part.ragged.batch


# Pads ---------------------------------------------------------------------------------------------------------


def test_the_loss_is_finite_and_every_weight_learns(small: Any) -> None:
    loss, grads = _loss(small.model(), small.batch())
    assert torch.isfinite(loss).all()
    assert all(torch.isfinite(grad).all() and grad.abs().max() > 0 for grad in grads)


def test_rubbish_behind_row_ends_changes_neither_loss_nor_gradients(small: Any) -> None:
    model, clean = small.model(), small.batch()
    dirty = _dirty(clean)
    loss, grads = _loss(model, clean)
    again, others = _loss(model, dirty)
    assert torch.equal(loss, again)
    assert all(torch.equal(a, b) for a, b in zip(grads, others, strict=True))


def test_rubbish_behind_row_ends_changes_no_metric(small: Any) -> None:
    model, clean = small.model(), small.batch()
    expected = score(model, _One(clean), 8, "cpu")
    found = score(model, _One(_dirty(clean)), 8, "cpu")
    assert all(np.isfinite(value) for value in expected.values.values())
    assert found.values == expected.values
    assert np.array_equal(
        found.confusion if found.confusion is not None else 0,
        expected.confusion if expected.confusion is not None else 0,
    )


@pytest.mark.parametrize("readout", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("both", [False, True])
def test_rubbish_behind_row_ends_passes_no_readout(make: Make, readout: str, both: bool) -> None:
    small = make("series-label", "lstm", both)
    model = small.model(readout=readout, layers=2)
    loss, grads = _loss(model, small.batch())
    again, others = _loss(model, _dirty(small.batch()))
    assert torch.isfinite(loss).all()
    assert torch.equal(loss, again)
    assert all(torch.equal(a, b) for a, b in zip(grads, others, strict=True))


# Rows ---------------------------------------------------------------------------------------------------------


def _answers(model: SequenceModel, ragged: Ragged) -> list[Tensor]:
    """What the model says of every row, pads left out."""
    with torch.inference_mode():
        if model.readout is not None:
            return list(model.answer(ragged))
        return ragged.with_values(model.answers(ragged)[0]).to_list()


def test_no_row_knows_its_batch_mates(small: Any) -> None:
    model, rows = small.model(), small.batch().ragged
    whole = _answers(model, rows)
    order = torch.tensor([3, 0, 4, 2, 1])
    for k, answer in zip(order.tolist(), _answers(model, rows.rows(order)), strict=True):
        torch.testing.assert_close(answer, whole[k], rtol=1e-5, atol=1e-6)
    for k in range(rows.batch):
        alone = _answers(model, Ragged.from_list([rows.to_list()[k]]))
        torch.testing.assert_close(alone[0], whole[k], rtol=1e-5, atol=1e-6)


def test_rows_without_a_step_alone_are_answered(small: Any) -> None:
    if small.target.startswith("future"):
        for rows in (Ragged(torch.zeros(0, 2, 2)), Ragged(torch.zeros(8, 2, 2), [8, 7]), Ragged(torch.zeros(9, 2, 2))):
            with pytest.raises(InputError, match=r"a forecast reads (8|11) steps of every row, got Ragged"):
                small.model().answer(rows)
        return
    model, rows = small.model(), small.batch((4, 0, 3)).ragged
    empty = rows.slice_time(0, 0)
    found = _answers(model, empty)
    assert len(found) == 3
    if model.readout is not None:
        torch.testing.assert_close(found[0], _answers(model, rows)[1])


def test_a_sequence_in_pieces_is_answered_like_the_whole(make: Make) -> None:
    for cell in ("gru", "lstm", "rnn", "feedforward"):
        small = make("text-next", cell)
        model, batch = small.model(layers=2), small.batch((9, 9))
        with torch.inference_mode():
            whole, _ = model.answers(batch.ragged)
            first, state = model.answers(batch.ragged.slice_time(0, 4))
            second, _ = model.answers(batch.ragged.slice_time(4, 9), state)
        torch.testing.assert_close(torch.cat([first, second]), whole, rtol=1e-5, atol=1e-6)


# Training and evaluation --------------------------------------------------------------------------------------


def test_dropout_is_active_in_training_only(small: Any) -> None:
    model, batch = small.model(dropout=0.5), small.batch()
    with torch.no_grad():
        torch.manual_seed(0)
        still = [model(batch.ragged, batch.target, batch.score)[0] for _ in range(2)]
        model.train()
        moving = [model(batch.ragged, batch.target, batch.score)[0] for _ in range(2)]
    assert torch.equal(*still)
    assert not torch.equal(*moving)


def test_what_each_model_is_for_is_told(make: Make) -> None:
    assert make("series-label").model().causal
    assert not make("series-label", both=True).model().causal
    assert shape_of("label", "text") == "one-to-many"
    assert shape_of("text", "text") == "many-to-many, of another length"
    assert shape_of("series", "future") == "many-to-many, a stretch ahead"
    rows = make("series-label").batch().ragged
    with pytest.raises(InputError, match="at every step, not one answer"):
        make("series-next").model().answer(rows)
    with pytest.raises(InputError, match="predicts no label"):
        chances(make("series-number").model(), rows)
    with pytest.raises(InputError, match="predicts no numbers"):
        quantiles(make("series-label").model(), rows)
    with pytest.raises(InputError, match="predicts no numbers"):
        next_quantiles(make("text-next").model(), rows)


def test_settings_that_do_not_fit_are_refused(make: Make) -> None:
    with pytest.raises(InputError, match=r"unknown name 'gruu'. Did you mean 'gru'\?.*cells=\{'gruu': YourCell\}"):
        make("series-label", "gruu").model()
    with pytest.raises(InputError, match="one direction"):
        make("series-label", "feedforward", True).model()


# Forecasts ----------------------------------------------------------------------------------------------------


def test_a_window_is_read_relative_to_its_end_and_spread() -> None:
    window = torch.tensor([[[1.0, 7.0]], [[3.0, 7.0]], [[5.0, 7.0]]])
    given, last, spread = relative(window)
    assert last.tolist() == [[5.0, 7.0]]
    assert spread[0].tolist() == pytest.approx([np.sqrt(8 / 3), 0.05])
    assert given[:, 0, 0].tolist() == pytest.approx([-4 / np.sqrt(8 / 3), -2 / np.sqrt(8 / 3), 0.0])
    assert given[:, 0, 1].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn", "feedforward"])
def test_a_forecast_moves_with_the_level_and_grows_with_the_swing(make: Make, cell: str) -> None:
    small = make("series-future:3", cell)
    model, rows = small.model(), small.batch().ragged
    factor, shift = torch.tensor([3.0, 0.5]), torch.tensor([20.0, -7.0])
    moved = rows.with_values(rows.values * factor + shift)
    # The columns of the target are those of the input in another order.
    anchors = [1, 0]
    with torch.inference_mode():
        expected = quantiles(model, rows) * factor[anchors][:, None] + shift[anchors][:, None]
        torch.testing.assert_close(quantiles(model, moved), expected, rtol=1e-4, atol=1e-4)


def test_an_untrained_forecast_is_the_last_value(make: Make) -> None:
    small = make("series-future:3")
    model = SequenceModel(small.config()).eval()
    rows = small.batch().ragged
    with torch.inference_mode():
        found = quantiles(model, rows)
    expected = rows.values[-1][:, [1, 0]][:, None, :, None].expand_as(found)
    torch.testing.assert_close(found, expected)


def test_an_untrained_next_value_is_the_one_before(make: Make) -> None:
    small = make("series-next")
    model = SequenceModel(small.config()).eval()
    rows = small.batch((6, 6)).ragged
    with torch.inference_mode():
        found, _ = next_quantiles(model, rows)
    torch.testing.assert_close(found[..., 3], rows.values[..., [1, 0]])


def test_a_target_that_is_no_input_is_forecast_in_its_own_units(make: Make) -> None:
    small = make("series-future:3")
    config = small.config(highway=False)
    out = NumberOut(columns=["other"], mean=[0.0], scale=[1.0], horizon=3)
    model = SequenceModel(config.model_copy(update={"output": out})).eval()
    with torch.inference_mode():
        assert model.answer(small.batch().ragged).abs().max() == 0


# How a net is built -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_upper_layers_are_residual_and_recurrent_matrices_start_orthogonal(make: Make, cell: str) -> None:
    model = SequenceModel(make("series-label", cell).config(layers=3))
    cells = [stage.cell for stage in model.trunk.stages if isinstance(stage, Recurrent)]
    assert [isinstance(one, Residual) for one in cells] == [False, True, True]
    for part in (part for part in model.modules() if isinstance(part, WeightedCell)):
        for block in part.weight_hh.detach().split(6):
            torch.testing.assert_close(block @ block.T, torch.eye(6), rtol=0, atol=1e-5)


def test_the_forget_gate_of_an_lstm_starts_open(make: Make) -> None:
    model = SequenceModel(make("series-label", "lstm").config())
    (cell,) = (part for part in model.modules() if isinstance(part, LSTMCell))
    assert cell.bias_ih is not None
    assert cell.bias_hh is not None
    assert cell.bias_ih[6:12].tolist() == [1.0] * 6
    assert cell.bias_hh[6:12].tolist() == [0.0] * 6


# The feed-forward net -----------------------------------------------------------------------------------------


def _net(window: int, layers: int = 2) -> FeedForward:
    torch.manual_seed(0)
    return FeedForward(3, 8, window, layers).double().eval()


def _rows(lengths: tuple[int, ...] = (9, 4, 0, 7)) -> Ragged:
    values = torch.randn(9, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return Ragged(values, list(lengths))


@pytest.mark.parametrize("window", [1, 2, 4, 20])
def test_the_feed_forward_net_is_that_of_the_definition(window: int) -> None:
    net, rows = _net(window, 1), _rows((9, 9, 9, 9))
    found, _ = net(rows)
    padded = torch.cat([torch.zeros(window - 1, 4, 3, dtype=torch.float64), rows.values])
    for t in range(9):
        seen = padded[t : t + window].permute(1, 2, 0)
        by_hand = torch.relu(torch.einsum("bck,hck->bh", seen, net.first.weight) + net.first.bias)
        torch.testing.assert_close(found.values[t], by_hand)


@pytest.mark.parametrize("window", [1, 2, 4, 20])
def test_the_feed_forward_net_obeys_the_chunk_and_stream_laws(window: int) -> None:
    net, rows = _net(window), _rows()
    whole, end = net(rows)
    for row, state in zip(rows.to_list(), end, strict=True):
        seen = torch.cat([torch.zeros(window - 1, 3, dtype=torch.float64), row])
        assert torch.equal(state, seen[len(row) :])
    for cut in (0, 3, 9):
        first, state = net(rows.slice_time(0, cut))
        second, last = net(rows.slice_time(cut, 9), state)
        torch.testing.assert_close(torch.cat([first.values, second.values]), whole.values)
        torch.testing.assert_close(last, end)
    session = Session(net, batch=4)
    full, _ = net(_rows((9, 9, 9, 9)))
    frames = [session.push(_rows().values[t : t + 1]) for t in range(9)]
    torch.testing.assert_close(torch.cat(frames), full.values)


def test_the_feed_forward_net_sees_its_window_and_nothing_older() -> None:
    net, rows = _net(4), _rows((9, 9, 9, 9))
    changed = rows.values.clone()
    changed[2] += 1.0
    moved = (net(rows)[0].values != net(rows.with_values(changed))[0].values).flatten(1).any(1)
    assert moved.tolist() == [False, False, True, True, True, True, False, False, False]


def test_the_feed_forward_net_ignores_pads_and_needs_a_window() -> None:
    net, rows = _net(3), _rows()
    dirty = torch.where(rows.mask[..., None], rows.values, torch.nan)
    assert torch.equal(net(rows)[0].values, net(rows.with_values(dirty))[0].values)
    with pytest.raises(InputError, match="at least 1 step"):
        FeedForward(3, 8, 0)
