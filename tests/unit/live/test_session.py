"""A session: frames in, outputs out; its state as bytes and back."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

import elman
from elman import Session
from elman.core import (
    Bidirectional,
    Cell,
    ElmanCell,
    GRUCell,
    InputError,
    LSTMCell,
    PerStep,
    Ragged,
    Recurrent,
    Residual,
    Stack,
    Stage,
    VariationalDropout,
    WeightDrop,
)
from elman.core.check import compare
from elman.core.engines.operators import kernel_names, kernels
from elman.live.session import _open, _seal


def _frames(count: int = 9, streams: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    source = torch.Generator().manual_seed(0)
    return torch.randn(*((count, 4) if streams == 1 else (count, streams, 4)), generator=source).to(dtype)


def _tokens(count: int = 9, streams: int = 1) -> Tensor:
    return torch.arange(count * streams).reshape((count,) if streams == 1 else (count, streams)) % 7


def _layers() -> Stage:
    cells = [
        LSTMCell(4, 6),
        Residual(VariationalDropout(GRUCell(6, 6), 0.5)),
        WeightDrop(ElmanCell(6, 6), 0.5),
    ]
    return Stack.of(cells, dropout=0.5)


MODELS: dict[str, tuple[Callable[[], Stage | Cell], Callable[..., Tensor]]] = {
    "cell": (lambda: GRUCell(4, 6), _frames),
    "layers": (_layers, _frames),
    "tokens": (lambda: Stack([PerStep(nn.Embedding(7, 4)), Recurrent(LSTMCell(4, 6))]), _tokens),
    "no_state": (lambda: PerStep(nn.Linear(4, 3)), _frames),
    "half": (lambda: GRUCell(4, 6).to(torch.bfloat16), lambda *a: _frames(*a, dtype=torch.bfloat16)),
    "double": (lambda: GRUCell(4, 6).double(), lambda *a: _frames(*a, dtype=torch.float64)),
}


@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize("name", MODELS)
def test_snapshot_and_restore(name: str, streams: int) -> None:
    make, frames = MODELS[name]
    model, x = make(), frames(9, streams)
    session = Session(model, batch=streams)
    session.push(x[:5])
    taken = session.snapshot()
    rest = session.push(x[5:])
    assert isinstance(taken, bytes)
    for other in (session, Session(model, batch=streams)):
        other.restore(taken)
        assert other.snapshot() == taken
        assert torch.equal(other.push(x[5:]), rest)


@pytest.mark.parametrize("name", ["cell", "layers", "tokens"])
def test_pieces_of_any_length_give_the_whole(name: str) -> None:
    make, frames = MODELS[name]
    model, x = make(), frames(9)
    session = Session(model)
    whole = session.push(x)
    session.reset()
    pieces = [session.push(x[a:b]) for a, b in ((0, 1), (1, 1), (1, 6), (6, 9))]
    compare("pieces", {"y": torch.cat(pieces)}, {"y": whole})
    assert pieces[1].shape[0] == 0


def test_streams_do_not_mix() -> None:
    model, x = GRUCell(4, 6), _frames(9, 3)
    together = Session(model, batch=3).push(x)
    for stream in range(3):
        compare("stream", {"y": Session(model).push(x[:, stream])}, {"y": together[:, stream]})


def test_a_session_runs_in_evaluation_keeps_no_graph_and_leaves_the_model_alone() -> None:
    model = _layers().train()
    session = Session(model)
    y = session.push(_frames())
    assert model.training
    assert not y.requires_grad
    session.reset()
    assert torch.equal(session.push(_frames()), y)


def test_reset_forgets() -> None:
    session = Session(GRUCell(4, 6))
    first = session.push(_frames())
    assert not torch.equal(session.push(_frames()), first)
    session.reset()
    assert torch.equal(session.push(_frames()), first)


def test_a_snapshot_before_the_first_frame_restores_the_beginning() -> None:
    session = Session(GRUCell(4, 6))
    empty = session.snapshot()
    first = session.push(_frames())
    session.restore(empty)
    assert session.snapshot() == empty
    assert torch.equal(session.push(_frames()), first)


def test_a_restored_state_is_its_own() -> None:
    session = Session(GRUCell(4, 6))
    session.push(_frames())
    taken = session.snapshot()
    session.restore(taken)
    session.push(_frames())
    session.restore(taken)
    assert session.snapshot() == taken


def test_a_push_that_fails_leaves_the_state() -> None:
    session = Session(GRUCell(4, 6))
    session.push(_frames())
    taken = session.snapshot()
    with pytest.raises(InputError, match=r"x: expected \(T, B, 4\)"):
        session.push(torch.zeros(2, 5))
    assert session.snapshot() == taken


def _taken(model: Stage | Cell | None = None, streams: int = 1, dtype: torch.dtype = torch.float32) -> bytes:
    session = Session(model or GRUCell(4, 6), batch=streams)
    session.push(_frames(5, streams, dtype))
    return session.snapshot()


def _flipped(snapshot: bytes, place: int) -> bytes:
    changed = bytearray(snapshot)
    changed[place] ^= 1
    return bytes(changed)


FOREIGN: list[tuple[Any, str]] = [
    (lambda: b"", "not a session's snapshot"),
    (lambda: b"\x80\x04K\x01.", "not a session's snapshot"),
    (lambda: b"elman-state-1\n", "damaged"),
    (lambda: _taken()[:-1], "damaged"),
    (lambda: _taken() + b"x", "damaged"),
    (lambda: _flipped(_taken(), -1), "damaged"),
    (lambda: _flipped(_taken(), 20), "damaged"),
    (lambda: _flipped(_taken(), 90), "damaged"),
    (lambda: _taken(streams=2), "it holds 2 streams, this session has 1"),
    (lambda: _taken(GRUCell(4, 7)), "made by another model"),
    (lambda: _taken(LSTMCell(4, 6)), "made by another model"),
    (lambda: _taken(PerStep(nn.Linear(4, 6))), "made by another model"),
]


@pytest.mark.parametrize(("make", "message"), FOREIGN)
def test_foreign_bytes_are_refused_and_change_nothing(make: Any, message: str) -> None:
    session = Session(GRUCell(4, 6))
    session.push(_frames())
    before = session.snapshot()
    with pytest.raises(InputError, match=f"snapshot: .*{message}"):
        session.restore(make())
    assert session.snapshot() == before


def test_every_flipped_bit_is_noticed() -> None:
    session, taken = Session(GRUCell(4, 6)), _taken()
    for place in range(len(taken)):
        with pytest.raises(InputError, match="snapshot: "):
            session.restore(_flipped(taken, place))


def test_what_a_session_refuses() -> None:
    for model in (Bidirectional(GRUCell(4, 2), GRUCell(4, 2)), Recurrent(GRUCell(4, 2), reverse=True)):
        with pytest.raises(InputError, match=f"{type(model).__name__} reads the whole sequence .* cannot stream"):
            Session(model)
    with pytest.raises(InputError, match="batch: expected a whole number of at least 1, got 0"):
        Session(GRUCell(4, 2), batch=0)
    with pytest.raises(InputError, match=r"batch: expected a whole number of at least 1, got 1\.5"):
        Session(GRUCell(4, 2), batch=1.5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"frames: expected a tensor, got list; torch.as_tensor makes one"):
        Session(GRUCell(4, 2)).push([[1.0, 2.0, 3.0, 4.0]])  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"frames: expected \(T, 3, \.\.\.\), got \(2, 2, 4\)"):
        Session(GRUCell(4, 2), batch=3).push(torch.zeros(2, 2, 4))
    with pytest.raises(InputError, match=r"frames: expected \(T, \.\.\.\), got \(\)"):
        Session(GRUCell(4, 2)).push(torch.zeros(()))


def test_a_stack_with_one_stage_that_cannot_stream_cannot() -> None:
    stack = Stack([Recurrent(GRUCell(4, 4)), Bidirectional(GRUCell(4, 2), GRUCell(4, 2)), Recurrent(GRUCell(4, 4))])
    with pytest.raises(InputError, match="Stack reads the whole sequence"):
        Session(stack)
    assert stack(Ragged(_frames(3, 2)))[0].values.shape == (3, 2, 4)


STEPPED: dict[str, Callable[[], Any]] = {
    "cell": lambda: LSTMCell(4, 6),
    "sigmoid": lambda: ElmanCell(4, 9, "sigmoid"),
    "layers": lambda: Stack.of([GRUCell(4, 17), LSTMCell(17, 8), ElmanCell(8, 6, "relu")], dropout=0.5),
    "residual": lambda: Residual(GRUCell(4, 4)),
    "weight_drop": lambda: WeightDrop(GRUCell(4, 6), 0.5),
    "drop_in": lambda: elman.GRU(4, 6, num_layers=2, batch_first=True),
    "torch": lambda: nn.LSTM(4, 6, num_layers=2, bias=False),
    "double": lambda: GRUCell(4, 6).double(),
}


@pytest.mark.parametrize("streams", [1, 3, 6])
@pytest.mark.parametrize("name", STEPPED)
def test_steps_equal_the_whole(name: str, streams: int) -> None:
    model = STEPPED[name]()
    x = _frames(9, streams, torch.float64 if name == "double" else torch.float32)
    whole = Session(model, batch=streams).push(x)
    session = Session(model, batch=streams)
    mixed = [session.push(x[:2]), *(session.step(frame).clone().unsqueeze(0) for frame in x[2:5])]
    taken = session.snapshot()
    mixed += [session.push(x[5:7]), session.step(x[7]).clone().unsqueeze(0)]
    compare("stream", {"y": torch.cat(mixed)}, {"y": whole[:8]})
    session.restore(taken)
    compare("stream", {"y": torch.stack([session.step(frame).clone() for frame in x[5:]])}, {"y": whole[5:]})
    session.reset()
    compare("stream", {"y": session.step(x[0]).clone()}, {"y": whole[0]})


def test_a_session_keeps_the_weights_of_when_it_was_made() -> None:
    model = GRUCell(4, 6)
    session, x = Session(model), _frames()
    before = session.push(x)
    with torch.no_grad():
        model.weight_hh.fill_(float("nan"))
    session.reset()
    assert torch.equal(session.push(x), before)
    session.reset()
    compare("stream", {"y": session.step(x[0]).clone()}, {"y": before[0]})


def test_steps_refuse_other_frames() -> None:
    session = Session(GRUCell(4, 6))
    if session._frames is None:
        pytest.skip("the native core is not there")
    for frame in (torch.zeros(5), torch.zeros(1, 4), torch.zeros(4).double(), torch.zeros(4, device="meta")):
        with pytest.raises(InputError, match=r"frame: expected torch.float32 \(4,\) on the CPU, got"):
            session.step(frame)
    strided = torch.randn(4, 2)[:, 0]
    assert torch.equal(session.step(strided).clone(), (session.reset(), session.step(strided.contiguous()))[1])


@pytest.mark.parametrize("model", [elman.GRU(4, 6, bidirectional=True), nn.LSTM(4, 6, bidirectional=True)])
def test_two_directions_cannot_stream(model: nn.RNNBase) -> None:
    with pytest.raises(InputError, match="reads the whole sequence before its first output"):
        Session(model)


def test_snapshots_sealed_by_others_are_refused() -> None:
    session = Session(GRUCell(4, 6))
    session.push(_frames())
    _, body = _open(session.snapshot())
    heads: list[Any] = [[], {}, {"streams": 1}, {"streams": 1, "leaves": []}, {"streams": 1, "leaves": [], "like": 3}]
    heads += [{"streams": 1, "leaves": [], "like": []}, {"streams": 1, "leaves": [], "like": {}}]
    good = {"streams": 1, "like": "torch.float32", "leaves": [{"dtype": "torch.float32", "shape": [1, 6]}]}
    for head, rest in [*((head, body) for head in heads), (good, body[:-4]), (good, body + b"0000")]:
        with pytest.raises(InputError, match="snapshot: "):
            session.restore(_seal(head, rest))
    session.restore(_seal(good, body))


class Warm(GRUCell):
    """A GRU that does not begin at zero."""

    def initial_state(self, batch: int, like: Tensor) -> Tensor:
        return like.new_full((batch, self.hidden_size), 0.5)


def test_a_first_step_begins_where_the_cell_does() -> None:
    model, x = Warm(4, 6), _frames()
    whole = Session(model).push(x)
    session = Session(model)
    compare("stream", {"y": torch.stack([session.step(frame).clone() for frame in x])}, {"y": whole})
    session.reset()
    compare("stream", {"y": session.step(x[0]).clone()}, {"y": whole[0]})


def test_layers_without_a_native_step_stream_too() -> None:
    x = _frames()
    for layer in (nn.LSTM(4, 6, proj_size=2), nn.GRU(4, 6).bfloat16()):
        given = x.to(layer.weight_ih_l0.dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=layer.weight_ih_l0.dtype == torch.bfloat16):
            session = Session(layer)
            assert torch.stack([session.step(frame) for frame in given]).shape == (9, 2 if layer.proj_size else 6)

    class Own(nn.GRU):
        """Somebody's own."""

    with pytest.raises(InputError, match="Own is a class of its own"):
        Session(Own(4, 6))


MOVED: dict[str, Callable[[Tensor], Any]] = {
    "shared": lambda y: y.share_memory_(),
    "written": lambda y: y.fill_(float("nan")),
    "shrunk": lambda y: y.resize_(0),
    "replaced": lambda y: y.set_(torch.zeros(1)),
    "other data": lambda y: setattr(y, "data", torch.zeros(1)),
}


@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize("how", MOVED)
def test_who_gets_an_output_may_do_with_it_what_he_likes(how: str, streams: int) -> None:
    model, x = Stack.of([GRUCell(4, 200), LSTMCell(200, 200)]), _frames(6, streams)
    whole = Session(model, batch=streams).push(x)
    session = Session(model, batch=streams)
    for frame in x[:-2]:
        y = session.step(frame)
    MOVED[how](y)
    held = [torch.zeros(streams, 200) for _ in range(20)]  # takes the memory that was given back
    session.step(x[-2])
    assert all((one == 0).all() for one in held)
    compare("stream", {"y": session.push(x[-1:])}, {"y": whole[-1:]})


def test_outputs_may_go_into_shared_memory() -> None:
    model, x = LSTMCell(4, 6), _frames()
    whole, session = Session(model).push(x), Session(model)
    for frame, expected in zip(x, whole, strict=True):
        y = session.step(frame)
        compare("stream", {"y": y}, {"y": expected})
        y.share_memory_()


@pytest.mark.parametrize("name", kernel_names())
@pytest.mark.parametrize("streams", [1, 6])
def test_an_output_may_be_the_next_frame(streams: int, name: str) -> None:
    for cell in (ElmanCell(5, 5), GRUCell(5, 5), LSTMCell(5, 5)):
        with kernels(name):
            session, again = Session(cell, batch=streams), Session(cell, batch=streams)
        first = torch.linspace(-1, 1, 5 * streams).reshape((5,) if streams == 1 else (streams, 5))
        y, z = session.step(first), again.step(first).clone()
        for _ in range(5):
            y, z = session.step(y), again.step(z).clone()
        assert torch.equal(y, z)


def test_frames_whose_sign_is_only_noted() -> None:
    frame = torch.randn(4, dtype=torch.complex64).conj().imag
    for given in (frame, torch.randn(1, dtype=torch.complex64).conj().imag):
        assert given.is_neg()
        session = Session(GRUCell(len(given), 6))
        y = session.step(given).clone()
        session.reset()
        assert torch.equal(session.step(given.resolve_neg()), y)


def test_a_session_is_neither_copied_nor_pickled() -> None:
    session = Session(GRUCell(4, 6))
    for twice in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(InputError, match=r"neither copied nor pickled; .* twin.restore\(session.snapshot\(\)\)"):
            twice(session)


@pytest.mark.parametrize("kind", [nn.GRU, elman.GRU])
def test_pruned_layers_are_refused(kind: type[nn.RNNBase]) -> None:
    layer = kind(4, 6)
    prune.random_unstructured(layer, "weight_hh_l0", 0.5)
    for _ in range(2):
        with pytest.raises(InputError, match=r"GRU: forward pre-hooks .*prune.remove first"):
            Session(layer)
        with torch.no_grad():
            layer(torch.zeros(3, 2, 4))
    prune.remove(layer, "weight_hh_l0")
    x = _frames()
    torch.testing.assert_close(Session(layer).push(x), layer(x)[0].detach())
