"""A training that is broken off goes on exactly, and not as another one."""

from __future__ import annotations

import json
import math
import os
import random
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from full_disk import largest_file
from torch import Tensor

import elman
from elman import InputError, ModelFileError
from elman.core.cells.gru import GRUCell
from elman.core.cells.lstm import LSTMCell, LSTMState
from elman.core.cells.wrap import Dropped, WeightDrop
from elman.core.state import Shared
from elman.data.batch import StreamSet
from elman.model.config import ModelConfig, NetConfig
from elman.model.file import save_model
from elman.model.folder import write_file
from elman.model.kinds.text import TextIn, TokenOut
from elman.model.network import SequenceModel
from elman.training import checkpoint, loop, place
from elman.training.checkpoint import Checkpoints, Every, Keeper
from elman.training.history import Epoch, Step
from elman.training.interrupt import Interrupted, Interrupts
from elman.training.loop import DivergedError, begin, go_on
from elman.training.randomness import borrowed, draw_on, drawn, seed_all
from elman.training.settings import LoopSettings
from elman.training.state import TrainingState, settled

SETTINGS = LoopSettings(epochs=3, batch=2, lr=0.01, seed=1)
TOKENS = torch.randint(2, 8, (151,), generator=torch.Generator().manual_seed(0))
DATA = StreamSet(TOKENS[:-1], TOKENS[1:], 15)
"""Five batches an epoch that go on from each other."""


class Dropping(WeightDrop):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(LSTMCell(input_size, hidden_size), 0.3)


class Drawing(GRUCell):
    """Draws from all three generators."""

    def draw(self, x: Tensor) -> Tensor:
        return x + 0.01 * (random.random() + np.random.rand() + torch.rand(())) if self.training else x


CELLS = {"dropping": Dropping, "drawing": Drawing}


def _fresh(cell: str = "lstm", layers: int = 1) -> TrainingState:
    seed_all(0)
    kind = TextIn(column="t", variant="char", vocabulary=["<unknown>", "<end>", *"abcdef"])
    net = NetConfig(cell=cell, hidden=8, layers=layers, embedding=6, readout="every", window=5, dropout=0.3)
    config = ModelConfig(source="text", target="next", input=kind, output=TokenOut(size=8), net=net)
    return begin(SequenceModel(config, CELLS), SETTINGS)


def _timeless(state: TrainingState) -> tuple[dict[str, Tensor], Any]:
    tensors, record = state.pack()
    lines = [{**line, "seconds": 0} for line in record["history"]]
    return tensors, {**record, "history": lines, "means": {**record["means"], "seconds": 0}}


def _same(one: TrainingState, other: TrainingState) -> bool:
    (a, said), (b, says) = _timeless(one), _timeless(other)
    return said == says and a.keys() == b.keys() and all(torch.equal(tensor, b[name]) for name, tensor in a.items())


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Signals as a shell's foreground has them: what runs in the background may have been told to ignore them."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def quiet() -> Any:
    """What these tests draw is nobody's business."""
    with borrowed():
        yield


# To the bit ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("cell", "layers"), [("lstm", 2), ("gru", 1), ("feedforward", 1), ("dropping", 1), ("drawing", 1)]
)
def test_a_training_broken_off_anywhere_goes_on_to_the_same_bits(tmp_path: Path, cell: str, layers: int) -> None:
    alone = _fresh(cell, layers)
    go_on(alone, DATA, DATA, SETTINGS)
    for stop in range(1, 16):
        interrupts, state = Interrupts(), _fresh(cell, layers)
        checkpoints = Checkpoints(tmp_path / str(stop), Every(), {})

        def hear(event: object, state: TrainingState = state, stop: int = stop, ask: Any = interrupts.ask) -> None:
            if isinstance(event, Step) and state.taken == stop:
                ask()

        with pytest.raises(Interrupted, match=rf"in epoch {1 + (stop - 1) // 5} after step {1 + (stop - 1) % 5};"):
            go_on(state, DATA, DATA, SETTINGS, hear, Keeper(tmp_path, checkpoints, interrupts))
        saved, notes = checkpoints.newest()
        assert saved is not None
        assert notes == []
        again = _fresh(cell, layers)
        saved.restore(again)
        assert _same(again, state)
        assert type(again.carried) is type(state.carried)
        seed = drawn(again.device)
        assert all(torch.equal(value, saved.tensors[f"random/{name}"]) for name, value in seed[0].items())
        go_on(again, DATA, DATA, SETTINGS)
        assert _same(again, alone)


def _stopped_at(taken: int, path: Path) -> TrainingState:
    state, interrupts = _fresh(), Interrupts()
    keeper = Keeper(path, Checkpoints(path / "c", Every(), {}), interrupts)
    with pytest.raises(Interrupted):
        go_on(state, DATA, DATA, SETTINGS, lambda _: interrupts.ask() if state.taken == taken else None, keeper)
    return state


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("lost", ["carried", "optimiser", "random", "means", "step", "taken"])
def test_what_is_forgotten_of_a_state_shows_in_the_end(tmp_path: Path, lost: str) -> None:
    alone, again = _fresh(), _fresh()
    fresh, beginning = again.pack()
    go_on(alone, DATA, DATA, SETTINGS)
    tensors, record = _stopped_at(13, tmp_path).pack()
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(f"{lost}/")}
    if lost in beginning:
        record[lost] = beginning[lost]
    if lost == "random":
        kept |= {name: tensor for name, tensor in fresh.items() if name.startswith("random/")}
    again.unpack(kept, record)
    go_on(again, DATA, DATA, SETTINGS)
    line, wanted = ({**asdict(state.history.epochs[-1]), "seconds": 0.0} for state in (again, alone))
    assert line != wanted


@pytest.mark.usefixtures("quiet")
def test_the_best_weights_outlive_the_end_of_the_epoch_that_they_are_of(tmp_path: Path) -> None:
    state, again = _stopped_at(13, tmp_path), _fresh()
    state.history.epochs[-1] = Epoch(**{**asdict(state.history.epochs[-1]), "valid_loss": -1.0})
    again.unpack(*state.pack())
    go_on(again, DATA, DATA, SETTINGS)
    assert again.history.best.epoch == 2
    assert all(torch.equal(weight, state.best[name]) for name, weight in again.model.state_dict().items())


def test_a_carried_state_keeps_its_form() -> None:
    given = (None, Dropped(LSTMState(torch.ones(2, 3), torch.zeros(2, 3)), Shared(torch.ones(3, 3))))
    moved = settled(given)
    assert isinstance(moved[1].state, LSTMState)
    assert moved[1].state.h is not given[1].state.h
    assert moved[1].state.h.is_contiguous()
    assert settled(torch.ones(3, 2).T).is_contiguous()


@pytest.mark.parametrize("seed", [0, 7, 2**62])
def test_all_generators_go_on_where_they_stood_and_are_left_as_they_were(seed: int) -> None:
    def draw() -> list[float]:
        return [random.gauss(), random.random(), np.random.randn(), float(torch.randn(()))]

    def outside() -> Any:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index]

    before = outside()
    with borrowed():
        seed_all(seed)
        first = draw()
        # An odd number of normal ones: half of a pair is left over.
        kept = drawn(torch.device("cpu"))
        record = json.loads(json.dumps(kept[1]))
        wanted = [draw() for _ in range(3)]
        draw_on((kept[0], record), torch.device("cpu"))
        assert [draw() for _ in range(3)] == wanted
        seed_all(seed)
        assert draw() == first
    assert outside() == before


def test_data_go_on_at_any_batch() -> None:
    for first in range(6):
        rest = list(DATA.epoch(2, 3, 4))[first:]
        for one, other in zip(rest, DATA.epoch(2, 3, 4, first), strict=True):
            assert torch.equal(one.ragged.values, other.ragged.values)
            assert torch.equal(one.target, other.target)
            assert one.goes_on == other.goes_on


# Checkpoints --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("500", Every(steps=500)),
        ("30s", Every(seconds=30)),
        ("0.5s", Every(seconds=0.5)),
        ("5m", Every(seconds=300)),
        ("1h", Every(seconds=3600)),
        ("never", Every()),
    ],
)
def test_how_often_to_save_is_said_in_steps_or_time(text: str, every: Every) -> None:
    assert Every.parse(text) == every


@pytest.mark.parametrize("text", ["", "0", "-5", "2.5", "0s", "30 s", "30sec", "often", "1e3"])
def test_what_is_no_pause_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"--save-every .*: expected 500 \(steps\), 30s, 5m, 1h or never"):
        Every.parse(text)


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.usefixtures("quiet")
def test_the_last_two_are_kept(tmp_path: Path) -> None:
    checkpoints, state = Checkpoints(tmp_path / "c", Every(steps=2), {}), _fresh()
    assert not checkpoints
    for taken in (8, 10, 12, 14):
        state.taken = taken
        assert checkpoints.due(state)
        checkpoints.save(state)
    assert checkpoints
    assert _names(tmp_path / "c") == ["step-12", "step-14"]
    state.taken = 15
    assert not checkpoints.due(state)
    # One that lies ahead was given up.
    state.taken = 13
    checkpoints.save(state)
    assert _names(tmp_path / "c") == ["step-12", "step-13"]
    checkpoints.remove()
    assert not checkpoints


@pytest.mark.usefixtures("quiet")
def test_saving_by_the_clock_costs_a_fiftieth_at_the_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, cost = [100.0], 2.0
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    real = checkpoint.write_folder

    def slow(*words: Any) -> None:
        now[0] += cost
        real(*words)

    monkeypatch.setattr(checkpoint, "write_folder", slow)
    checkpoints, state = Checkpoints(tmp_path / "c", Every(seconds=30), {}), _fresh()
    now[0] = 129.0
    assert not checkpoints.due(state)
    now[0] = 130.0
    assert checkpoints.due(state)
    checkpoints.save(state)
    now[0] = 132.0 + 99
    assert not checkpoints.due(state)
    now[0] = 132.0 + 100
    assert checkpoints.due(state)
    assert not Checkpoints(tmp_path / "c", Every(), {}).due(state)
    # One that fails is not tried again at every step.
    shutil.rmtree(tmp_path / "c")
    (tmp_path / "c").write_text("a file where the folder should be")
    state.taken += 1
    with pytest.raises(ModelFileError, match="cannot write here"):
        checkpoints.save(state)
    assert not checkpoints.due(state)


@pytest.mark.usefixtures("quiet")
def test_the_last_good_one_is_taken_and_said(tmp_path: Path) -> None:
    checkpoints, state = Checkpoints(tmp_path / "c", Every(), {"of": "mine"}), _fresh()
    for state.taken in (3, 4):
        checkpoints.save(state)
    file = tmp_path / "c/step-4/state.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    saved, notes = Checkpoints(tmp_path / "c", Every(), {}).newest()
    assert saved is not None
    assert (saved.path.name, saved.origin) == ("step-3", {"of": "mine"})
    assert len(notes) == 1
    assert "a checkpoint is passed over, and step-3 is taken instead" in notes[0]
    assert "step-4" in notes[0]
    (tmp_path / "c/step-3/manifest.json").unlink()
    with pytest.raises(ModelFileError, match=r"no checkpoint can be read: .*step-4.*; .*step-3"):
        Checkpoints(tmp_path / "c", Every(), {}).newest()


@pytest.mark.usefixtures("quiet")
def test_what_killed_saves_left_is_cleared_away(tmp_path: Path) -> None:
    checkpoints, state = Checkpoints(tmp_path / "c", Every(), {}), _fresh()
    for state.taken in (3, 4):
        checkpoints.save(state)
    (tmp_path / "c/.step-5.abc_1.new").mkdir()
    (tmp_path / "c/.step-5.abc_1.new/state.json").write_text("{")
    # Killed between the two renames of a replacement.
    (tmp_path / "c/.step-4.x.old").mkdir()
    os.rename(tmp_path / "c/step-4", tmp_path / "c/.step-4.x.old/kept")
    saved, _ = Checkpoints(tmp_path / "c", Every(), {}).newest()
    assert saved is not None
    assert saved.path.name == "step-4"
    assert _names(tmp_path / "c") == ["step-3", "step-4"]


@pytest.mark.usefixtures("quiet")
def test_a_training_outlives_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("a file where the folder should be")
    alone, state = _fresh(), _fresh()
    go_on(alone, DATA, DATA, SETTINGS)
    keeper = Keeper(tmp_path, Checkpoints(tmp_path / "c", Every(steps=15), {}), Interrupts())
    state = _fresh()
    with pytest.warns(UserWarning, match="c/step-15: cannot write here"):
        go_on(state, DATA, DATA, SETTINGS, None, keeper)
    assert _same(state, alone)
    keeper.interrupts.ask()
    with pytest.raises(Interrupted, match=r"Stopped before its scores; not saved: .*cannot write here"):
        keeper.look(state)


@pytest.mark.usefixtures("quiet")
def test_a_checkpoint_of_another_make_is_refused(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c", Every(), {})
    checkpoints.save(_fresh())
    saved, _ = checkpoints.newest()
    assert saved is not None
    with pytest.raises(
        InputError, match=r"those of another network: .* is \(32, 6\) in the checkpoint and \(24, 6\) by"
    ):
        saved.restore(_fresh("gru"))
    del saved.record["means"]
    with pytest.raises(ModelFileError, match="not a checkpoint that this version of elman can go on from"):
        saved.restore(_fresh())


# A run on disk ------------------------------------------------------------------------------------------------


def _rows(folder: Path, words: tuple[str, str] = ("up", "down")) -> Path:
    chance = random.Random(0)
    rows = [{"t": f"{words[k % 2]} {chance.choice(['one', 'two'])}", "y": "ab"[k % 2]} for k in range(60)]
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "t.jsonl"


def _stopping(epoch: int, step: int = 1) -> Callable[[object], None]:
    def stop(event: object) -> None:
        if isinstance(event, Step) and (event.epoch, event.step) == (epoch, step):
            raise KeyboardInterrupt

    return stop


SMALL: dict[str, Any] = {"hidden": 4, "embedding": 4, "epochs": 4, "batch": 16}


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run that stands in its second epoch."""
    words = (_rows(tmp_path), "text:t", "label:y")
    with pytest.raises(Interrupted):
        elman.train(*words, out=tmp_path / "run", listener=_stopping(2), **SMALL)
    return tmp_path / "run"


def _left(path: Path) -> tuple[bytes, Any, list[str]]:
    lines = [{**json.loads(line), "seconds": 0} for line in (path / "history.jsonl").read_text().splitlines()]
    return (path / "model/model.safetensors").read_bytes(), lines, _names(path)


def test_a_run_goes_on_to_what_it_would_have_become(stopped: Path, tmp_path: Path) -> None:
    assert _names(stopped) == ["checkpoints", "history.jsonl", "run.toml"]
    alone = elman.train(tmp_path / "t.jsonl", "text:t", "label:y", out=tmp_path / "alone", **SMALL)
    with pytest.raises(Interrupted):
        elman.resume(stopped, listener=_stopping(3, 2))
    run = elman.resume(stopped)
    assert "it goes on in epoch 3 after step 2 (8 steps were taken in all)" in run.notes
    assert _left(stopped) == _left(tmp_path / "alone")
    assert run.scores is not None
    assert alone.scores is not None
    assert run.scores.values == alone.scores.values
    with pytest.raises(InputError, match=r"this run is finished\. Use it: elman evaluate"):
        elman.resume(stopped)


@pytest.mark.parametrize(
    ("source", "target", "roles"),
    [
        ("series:x+events:e", "future:2:x", {"known": "k", "static": "s", "lookback": 6}),
        ("events:e+series:x", "next:e", {"static": "s"}),
        ("events:e", "tags:s", {"class_weights": "balanced"}),
        ("series:x", "labels:s,t", {"metric": "exact", "split": "0.6,0.2,0.2"}),
    ],
    ids=["future", "next", "tags", "labels"],
)
def test_a_run_of_any_parts_goes_on_to_what_it_would_have_become(
    tmp_path: Path, source: str, target: str, roles: dict[str, Any]
) -> None:
    chance = random.Random(0)
    rows = [
        f"{u},{chance.random():.3f},{chance.choice('ab')},{k % 3},{u % 2},{u // 2 % 2}"
        for u in range(12)
        for k in range(24)
    ]
    (tmp_path / "d.csv").write_text("u,x,e,k,s,t\n" + "\n".join(rows) + "\n")
    words = (tmp_path / "d.csv", source, target)
    settings: dict[str, Any] = {"id": "u", "hidden": 4, "epochs": 3, "batch": 4, **roles}
    elman.train(*words, out=tmp_path / "alone", **settings)
    with pytest.raises(Interrupted):
        elman.train(*words, out=tmp_path / "run", listener=_stopping(2), **settings)
    elman.resume(tmp_path / "run")
    assert _left(tmp_path / "run") == _left(tmp_path / "alone")


def test_a_run_killed_before_its_first_checkpoint_begins_again(stopped: Path, tmp_path: Path) -> None:
    elman.train(tmp_path / "t.jsonl", "text:t", "label:y", out=tmp_path / "alone", **SMALL)
    shutil.rmtree(stopped / "checkpoints")
    run = elman.resume(stopped)
    assert "nothing was saved before it was broken off, so it begins again" in run.notes
    assert _left(stopped) == _left(tmp_path / "alone")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"lr": 0.5}, "lr was not set, is 0.5"),
        ({"batch": 8}, "batch was 16, is 8"),
        ({"hidden": 5}, "hidden was 4, is 5"),
        ({"split": "0.6,0.2,0.2"}, "split was not set, is 0.6,0.2,0.2"),
        ({"class_weights": "balanced"}, "class_weights was not set, is balanced"),
        ({"gaps": "input"}, "gaps was error, is input"),
        ({"metric": "nats"}, "metric was not set, is nats"),
        ({"budget": "2m"}, "budget was not set, is 2m"),
    ],
)
def test_changed_settings_are_refused(stopped: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"it began otherwise: {said}. Go on as it began, or say --anyway"):
        elman.resume(stopped, **changed)
    # In its run.toml as well.
    (name, value), *_ = changed.items()
    toml = re.sub(rf"^{name} = .*\n", "", (stopped / "run.toml").read_text(), flags=re.MULTILINE)
    (stopped / "run.toml").write_text(f"{toml}{name} = {json.dumps(value)}\n")
    with pytest.raises(InputError, match=f"it began otherwise: {name} was .*, is {value}"):
        elman.resume(stopped)
    assert "checkpoints" in _names(stopped)


def test_what_cannot_change_the_result_may_change(stopped: Path, tmp_path: Path) -> None:
    elman.train(tmp_path / "t.jsonl", "text:t", "label:y", out=tmp_path / "alone", **SMALL)
    os.rename(tmp_path / "t.jsonl", tmp_path / "moved.jsonl")
    with pytest.raises(InputError, match=r"its data '.*t.jsonl' are not here; .* elman train --resume .*run FILE"):
        elman.resume(stopped)
    elman.resume(stopped, file=str(tmp_path / "moved.jsonl"), save_every="1")
    assert _left(stopped) == _left(tmp_path / "alone")


def test_a_run_goes_on_with_other_settings_if_that_is_wanted(stopped: Path) -> None:
    with pytest.raises(InputError, match="those of another network"):
        elman.resume(stopped, anyway=True, hidden=5)
    heard: list[Any] = []
    run = elman.resume(stopped, anyway=True, lr=0.5, epochs=3, listener=heard.append)
    assert next(event.step for event in heard if isinstance(event, Step)) == 2
    assert "changed: lr was 0.001, is 0.5" in run.notes
    assert [epoch.epoch for epoch in run.history.epochs] == [1, 2, 3]
    assert run.history.limit == 3
    assert run.history.epochs[1].lr > 0.01


def test_what_it_goes_on_as_is_saved_at_once(stopped: Path, tmp_path: Path) -> None:
    def copy(event: object) -> None:
        if isinstance(event, elman.run.Started):
            shutil.copytree(stopped, tmp_path / "killed", ignore=shutil.ignore_patterns(".lock"))

    elman.resume(stopped, anyway=True, lr=0.5, batch=8, listener=copy)
    run = elman.resume(tmp_path / "killed")
    assert "it goes on in epoch 2 after step 0 (4 steps were taken in all)" in run.notes
    assert _left(tmp_path / "killed") == _left(stopped)


def test_what_has_no_effect_is_refused(stopped: Path) -> None:
    with pytest.raises(InputError, match="--finish: trains no further, so lr has no effect"):
        elman.resume(stopped, finish=True, anyway=True, lr=0.5)
    with pytest.raises(Interrupted):
        elman.resume(stopped, listener=_stopping(3))
    with pytest.raises(InputError, match=r"epoch 3 is under way already, --epochs 2 is over; .* --finish"):
        elman.resume(stopped, anyway=True, epochs=2)
    assert elman.resume(stopped, finish=True, threads=torch.get_num_threads()).history.interrupted


def test_an_epoch_of_other_batches_begins_again(stopped: Path) -> None:
    heard: list[Any] = []
    with pytest.raises(Interrupted):
        elman.resume(stopped, anyway=True, batch=8, listener=lambda e: (heard.append(e), _stopping(2, 3)(e)))
    assert [(event.epoch, event.step) for event in heard if isinstance(event, Step)] == [(2, 1), (2, 2), (2, 3)]
    assert any(note == "epoch 2 begins again, for its batches are others now" for note in heard[0].notes)
    # From here on it is a run of eight rows a step.
    assert elman.resume(stopped).history.epochs[-1].epoch == 4


def test_changed_data_are_refused(stopped: Path, tmp_path: Path) -> None:
    lines = (tmp_path / "t.jsonl").read_text().splitlines()
    (tmp_path / "t.jsonl").write_text("\n".join(lines[:1] + lines))
    with pytest.raises(InputError, match=r"it began otherwise: the data are others \(file: its sha256 differs\)"):
        elman.resume(stopped)
    _rows(tmp_path, ("high", "low"))
    with pytest.raises(InputError, match="columns, words or classes are not those it began with; train anew"):
        elman.resume(stopped, anyway=True)


def test_a_run_goes_on_with_more_data_if_that_is_wanted(stopped: Path, tmp_path: Path) -> None:
    lines = (tmp_path / "t.jsonl").read_text().splitlines()
    (tmp_path / "t.jsonl").write_text("\n".join(lines + lines))
    run = elman.resume(stopped, anyway=True)
    assert "epoch 2 begins again, for its batches are others now" in run.notes


def test_a_checkpoint_of_a_foreign_run_is_refused(stopped: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    chance = random.Random(0)
    lines = "\n".join(f"{chance.random()},{chance.random()}" for _ in range(200))
    (tmp_path / "other/wave.csv").write_text("a,b\n" + lines)
    with pytest.raises(Interrupted):
        elman.train(tmp_path / "other/wave.csv", "series:a,b", "next", out=tmp_path / "w", listener=_stopping(1))
    shutil.rmtree(tmp_path / "w/checkpoints")
    shutil.copytree(stopped / "checkpoints", tmp_path / "w/checkpoints")
    with pytest.raises(InputError, match="columns, words or classes are not those it began with"):
        elman.resume(tmp_path / "w", anyway=True)


def test_another_place_is_said(stopped: Path) -> None:
    run = elman.resume(stopped, threads=torch.get_num_threads() + 1)
    assert any(note.startswith("the last digits may differ from an unbroken run: threads was") for note in run.notes)


def test_a_run_that_diverges_keeps_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = loop.steps_of

    def diverging(state: TrainingState, *rest: Any) -> Any:
        for taken in real(state, *rest):
            yield taken._replace(loss=math.inf, finite=False) if (state.epoch, state.step) == (2, 1) else taken

    words, path = (_rows(tmp_path), "text:t", "label:y"), tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(loop, "steps_of", diverging)
        with pytest.raises(DivergedError, match=rf"go on: elman train --resume {path} --anyway --lr 0.00033"):
            elman.train(*words, out=path, save_every="1", **SMALL)
        # Without a checkpoint there is nothing to keep.
        with pytest.raises(DivergedError, match=r"look for extreme values in the data\. Nothing was saved$"):
            elman.train(*words, out=tmp_path / "never", save_every="never", **SMALL)
        assert not (tmp_path / "never").exists()
    run = elman.resume(path, anyway=True, lr=0.00033)
    assert "it goes on in epoch 2 after step 1 (4 steps were taken in all)" in run.notes


# A full disk --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of the size of files")
def test_a_training_outlives_a_disk_that_is_full_for_a_while(tmp_path: Path) -> None:
    words = (_rows(tmp_path), "text:t", "label:y")
    elman.train(*words, out=tmp_path / "alone", **SMALL)
    full, seen = ExitStack(), []

    def hear(event: object) -> None:
        if not isinstance(event, Step):
            return
        if (event.epoch, event.step) == (2, 1):
            # Room for a quarter of the next line of the history.
            full.enter_context(largest_file((tmp_path / "run/history.jsonl").stat().st_size + 50))
        elif (event.epoch, event.step) == (4, 1):
            full.close()
            seen.extend(_names(tmp_path / "run/checkpoints"))
            shutil.copytree(tmp_path / "run", tmp_path / "killed", ignore=shutil.ignore_patterns(".lock"))

    with full, pytest.warns(UserWarning, match="could not be") as warned:
        elman.train(*words, out=tmp_path / "run", save_every="1", listener=hear, **SMALL)
    said = [str(warning.message) for warning in warned]
    assert any("checkpoints/step-4: could not be saved (" in words for words in said)
    assert any("history.jsonl: could not be written (" in words for words in said)
    # What was there before stands, and nothing half written.
    assert seen == ["step-2", "step-3"]
    assert _left(tmp_path / "run") == _left(tmp_path / "alone")
    elman.resume(tmp_path / "killed")
    assert _left(tmp_path / "killed") == _left(tmp_path / "alone")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of the size of files")
def test_a_disk_that_is_full_in_the_end_costs_the_end_only(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(*words: Any) -> None:
        with largest_file(100):
            save_model(*words)

    def record(*words: Any) -> None:
        with largest_file(100):
            write_file(*words)

    again = re.escape(f"What it was before is kept; go on: elman train --resume {stopped}")
    with monkeypatch.context() as patched:
        patched.setattr("elman.run.save_model", save)
        with pytest.raises(ModelFileError, match=rf"run/model: could not be saved \(.*{again}"):
            elman.resume(stopped)
    assert _names(stopped) == ["checkpoints", "history.jsonl", "run.toml"]
    monkeypatch.setattr("elman.record.write_file", record)
    with pytest.raises(OSError, match=again):
        elman.resume(stopped)
    monkeypatch.undo()
    assert not (stopped / "report.json").exists()
    assert elman.resume(stopped).scores is not None


# One at a time ------------------------------------------------------------------------------------------------


def test_a_run_is_held_by_one_process(stopped: Path) -> None:
    message = f"process {os.getpid()} is training in this folder; .* kill {os.getpid()}"
    with place.held(stopped), pytest.raises(InputError, match=message):
        elman.resume(stopped)
    assert not (stopped / ".lock").exists()


def test_the_lock_of_a_killed_process_is_not_in_the_way(stopped: Path) -> None:
    (stopped / ".lock").write_text("123456")
    assert elman.resume(stopped).scores is not None
    assert not (stopped / ".lock").exists()


# Signals ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals between processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["step", "epoch", "scores"])
def test_a_signal_saves_and_ends_at_the_next_step(
    tmp_path: Path, number: int, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hear(event: object) -> None:
        kind = {"step": Step, "epoch": Epoch}.get(moment)
        if kind is not None and isinstance(event, kind) and event.epoch == 2:
            os.kill(os.getpid(), number)

    def score(*_: object) -> None:
        os.kill(os.getpid(), number)
        raise AssertionError("it went on")

    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    words = (_rows(tmp_path), "text:t", "label:y")
    where = {"step": "epoch 2 after step 1", "epoch": "epoch 3 after step 0", "scores": "before its scores"}[moment]
    with monkeypatch.context() as patched:
        if moment == "scores":
            patched.setattr("elman.run.score", score)
        with pytest.raises(Interrupted, match=f"Stopped .*{where}; saved in") as stopped:
            elman.train(*words, out=tmp_path / "run", listener=hear, **SMALL)
    assert stopped.value.signal == number
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
    assert elman.resume(tmp_path / "run").scores is not None


def _press_twice() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals between processes")
def test_signals_that_are_ignored_stay_so_and_late_ones_are_handed_on() -> None:
    heard: list[int] = []
    before = [signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.signal(signal.SIGTERM, lambda n, _: heard.append(n))]
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupts.asked
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
            assert interrupts.asked == signal.SIGTERM
            assert heard == []
        assert heard == [signal.SIGTERM]
        with pytest.raises(KeyboardInterrupt), Interrupts():
            _press_twice()
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before[0])
        signal.signal(signal.SIGTERM, before[1])


def test_a_training_in_a_thread_leaves_signals_alone(tmp_path: Path) -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        def hear(_: object) -> None:
            seen.append(signal.getsignal(signal.SIGINT))

        elman.train(_rows(tmp_path), "text:t", "label:y", out=tmp_path / "run", listener=hear, **SMALL)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert (tmp_path / "run/report.json").is_file()
    assert set(seen) == {before}
