"""A model on disk: what is saved is what is loaded, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from full_disk import largest_file
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import elman
from elman import InputError, ModelFileError
from elman.core.cells.elman import ElmanCell
from elman.model.file import load_model, save_model
from elman.model.folder import FORMAT, _sealed
from elman.model.network import SequenceModel

Make = Callable[..., Any]

FILES = ("config.json", "manifest.json", "model.safetensors")


def _loss(model: SequenceModel, small: Any) -> Tensor:
    batch = small.batch()
    with torch.inference_mode():
        loss: Tensor = model(batch.ragged, batch.target, batch.score)[0]
    return loss


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_what_is_loaded_predicts_bit_for_bit_what_was_saved(small: Any, tmp_path: Path) -> None:
    model = small.model(layers=2, dropout=0.3)
    save_model(model, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    assert loaded.config == model.config
    assert not loaded.training
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name])
    assert torch.equal(_loss(loaded, small), _loss(model, small))


def test_a_model_is_three_files_of_numbers_and_words(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("pickle was used")

    for name in ("dump", "dumps", "load", "loads", "Unpickler", "Pickler"):
        monkeypatch.setattr(pickle, name, refuse)
    save_model(make("series-label").model(), tmp_path / "m")
    load_model(tmp_path / "m")
    assert _names(tmp_path) == ["m"]
    assert _names(tmp_path / "m") == list(FILES)
    data = (tmp_path / "m/model.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    assert 8 + size + max(one["data_offsets"][1] for one in header.values()) == len(data)
    assert json.loads((tmp_path / "m/config.json").read_text())["net"]["cell"] == "gru"


# Damage -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(make: Make, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a small model."""
    folder = tmp_path_factory.mktemp("saved") / "m"
    save_model(make("series-label", "rnn").model(hidden=2), folder)
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def damaged(saved: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bytes], Path]:
    """Write the model with other bytes in one file."""
    folder = tmp_path_factory.mktemp("damaged")

    def write(name: str, data: bytes) -> Path:
        for each, original in saved.items():
            (folder / each).write_bytes(data if each == name else original)
        return folder

    return write


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=150)
@given(place=st.integers(0, 10**9), bit=st.integers(0, 7))
def test_every_flipped_bit_is_noticed(
    saved: dict[str, bytes], damaged: Callable[[str, bytes], Path], name: str, place: int, bit: int
) -> None:
    data = bytearray(saved[name])
    data[place % len(data)] ^= 1 << bit
    with pytest.raises(ModelFileError, match=r"; restore|newer|damaged"):
        load_model(damaged(name, bytes(data)))


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=40)
@given(place=st.integers(0, 10**9))
def test_every_truncation_is_noticed(
    saved: dict[str, bytes], damaged: Callable[[str, bytes], Path], name: str, place: int
) -> None:
    with pytest.raises(ModelFileError, match="restore the folder from a copy, or train again"):
        load_model(damaged(name, saved[name][: place % len(saved[name])]))


def test_a_whole_model_is_loaded_whatever_else_lies_beside_it(
    saved: dict[str, bytes], damaged: Callable[[str, bytes], Path]
) -> None:
    folder = damaged("none", b"")
    (folder / "notes.txt").write_text("mine")
    (folder / "__init__.py").write_text("raise SystemExit('executed')")
    load_model(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(saved: dict[str, bytes], tmp_path: Path, name: str) -> None:
    for each in set(FILES) - {name}:
        (tmp_path / each).write_bytes(saved[each])
    with pytest.raises(ModelFileError, match=name.replace(".", r"\.")):
        load_model(tmp_path)


def test_a_model_of_a_newer_elman_is_refused_with_what_to_do(saved: dict[str, bytes], tmp_path: Path) -> None:
    for each in FILES[::2]:
        (tmp_path / each).write_bytes(saved[each])
    files = json.loads(saved["manifest.json"])["files"]
    (tmp_path / "manifest.json").write_bytes(_sealed({"format": FORMAT + 1, "files": files}))
    with pytest.raises(ModelFileError, match=r"newer elman \(format 2, this one reads up to 1\): pip install -U elman"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "manifest", [b"", b"[]", b"{}", b"null", b'{"format": 1}', b'{"format": 1, "files": {}}', b"\xff"]
)
def test_a_manifest_of_another_make_is_refused(saved: dict[str, bytes], tmp_path: Path, manifest: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(manifest)
    with pytest.raises(ModelFileError, match=r"manifest\.json: damaged"):
        load_model(tmp_path)


def test_a_config_that_says_more_than_it_may_is_refused(make: Make, tmp_path: Path) -> None:
    from elman.model.folder import _digest

    save_model(make("series-label").model(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    data = json.dumps({**config, "import": "os.system"}).encode()
    (tmp_path / "config.json").write_bytes(data)
    files = json.loads((tmp_path / "manifest.json").read_text())["files"]
    files["config.json"] = {"bytes": len(data), "sha256": _digest(data)}
    (tmp_path / "manifest.json").write_bytes(_sealed({"format": FORMAT, "files": files}))
    with pytest.raises(ModelFileError, match=r"config\.json: import: Extra inputs are not permitted"):
        load_model(tmp_path)


# The disk -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 100, 2000])
def test_a_full_disk_leaves_the_old_model_and_no_litter(make: Make, tmp_path: Path, size: int) -> None:
    small = make("series-label")
    model = small.model()
    save_model(model, tmp_path / "m")
    before = {name: (tmp_path / "m" / name).read_bytes() for name in FILES}
    with (
        pytest.raises(ModelFileError, match=r"File too large.*the model that was there is unchanged.*Make room"),
        largest_file(size),
    ):
        save_model(small.model(hidden=12), tmp_path / "m")
    assert _names(tmp_path) == ["m"]
    assert {name: (tmp_path / "m" / name).read_bytes() for name in FILES} == before
    assert torch.equal(_loss(load_model(tmp_path / "m"), small), _loss(model, small))
    with pytest.raises(ModelFileError, match="could not be saved"), largest_file(size):
        save_model(small.model(hidden=12), tmp_path / "other")
    assert _names(tmp_path) == ["m"]


def test_a_model_is_replaced_as_a_whole(make: Make, tmp_path: Path) -> None:
    save_model(make("series-label").model(), tmp_path / "m")
    (tmp_path / "m/junk").write_text("old")
    other = make("text-next")
    save_model(other.model(), tmp_path / "m")
    assert _names(tmp_path) == ["m"]
    assert _names(tmp_path / "m") == list(FILES)
    assert torch.equal(_loss(load_model(tmp_path / "m"), other), _loss(other.model(), other))


def test_where_nothing_can_be_written_nothing_is_lost(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    model = make("series-label").model()
    with pytest.raises(ModelFileError, match="cannot write here"):
        save_model(model, tmp_path / "file" / "m")
    # A file in the place of the folder is not a model; it steps aside and is replaced, like any old model.
    assert (tmp_path / "file").read_text() == "mine"


def test_a_rename_that_fails_brings_the_old_model_back(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = make("series-label")
    save_model(small.model(), tmp_path / "m")
    real, calls = elman.model.folder.os.rename, []

    def rename(source: Any, target: Any) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        real(source, target)

    monkeypatch.setattr("elman.model.folder.os.rename", rename)
    with pytest.raises(ModelFileError, match=r"Input/output error.*unchanged"):
        save_model(small.model(hidden=12), tmp_path / "m")
    assert len(calls) == 3
    assert _names(tmp_path) == ["m"]
    assert torch.equal(_loss(load_model(tmp_path / "m"), small), _loss(small.model(), small))


@pytest.mark.skipif(os.name == "nt", reason="Windows flushes no folders")
def test_all_is_on_the_disk_before_it_gets_its_name(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, int]] = []
    flush, move = os.fsync, os.rename

    def fsync(number: int) -> None:
        done.append(("flushed", os.fstat(number).st_ino))
        flush(number)

    def rename(source: Path, target: Path) -> None:
        done.append(("named", os.stat(source).st_ino))
        move(source, target)

    monkeypatch.setattr("elman.model.folder.os.fsync", fsync)
    monkeypatch.setattr("elman.model.folder.os.rename", rename)
    save_model(make("series-label").model(), tmp_path / "m")
    place = tmp_path / "m"
    files = {("flushed", os.stat(place / name).st_ino) for name in FILES}
    folder, parent = os.stat(place).st_ino, os.stat(tmp_path).st_ino
    assert set(done[:3]) == files
    assert done[3:] == [("flushed", folder), ("named", folder), ("flushed", parent)]


# Cells and functions of one's own -----------------------------------------------------------------------------


class Mine(elman.Cell):
    """A cell of one's own."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.into = torch.nn.Linear(input_size, hidden_size)

    def initial_state(self, batch: int, like: Tensor) -> Tensor:
        return like.new_zeros(batch, self.into.out_features)

    def step(self, p: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(self.into(p) + 0.5 * state)
        return state, state


class Wild(ElmanCell):
    """One with a function that has no name."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, torch.sin)


@pytest.mark.parametrize("cell", [Mine, Wild])
def test_a_cell_of_ones_own_is_saved_and_handed_in_again(make: Make, tmp_path: Path, cell: Any) -> None:
    small = make("series-label", "mine")
    torch.manual_seed(0)
    model = SequenceModel(small.config(), {"mine": cell}).eval()
    save_model(model, tmp_path / "m")
    assert cell.__name__ not in (tmp_path / "m/config.json").read_text()
    with pytest.raises(InputError, match=r"unknown name 'mine'.*cells=\{'mine': YourCell\}"):
        load_model(tmp_path / "m")
    assert torch.equal(_loss(elman.load(tmp_path / "m", cells={"mine": cell}).model, small), _loss(model, small))


def test_a_cell_that_does_not_fit_the_weights_is_refused(make: Make, tmp_path: Path) -> None:
    model = SequenceModel(make("series-label", "mine").config(), {"mine": Mine})
    save_model(model, tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"model\.safetensors: does not fit its config\.json"):
        load_model(tmp_path / "m", {"mine": Wild})


def test_a_function_without_a_name_in_a_known_cell_is_not_saved(make: Make, tmp_path: Path) -> None:
    model = make("series-label", "rnn").model()
    next(part for part in model.modules() if isinstance(part, ElmanCell)).nonlinearity = torch.sin
    with pytest.raises(InputError, match="function of your own and cannot be saved; use a name"):
        save_model(model, tmp_path / "m")
    assert _names(tmp_path) == []


def test_what_is_no_model_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such folder; elman train makes one"):
        elman.load(tmp_path / "nothing")
    with pytest.raises(ModelFileError, match=r"no model here \(it has no manifest.json\)"):
        elman.load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFileError, match="no such folder"):
        elman.load(tmp_path / "file")
    shutil.rmtree(tmp_path)


# Folders from elsewhere ---------------------------------------------------------------------------------------


def _forged(folder: Path, config: dict[str, Any] | None = None, manifest: dict[str, Any] | None = None) -> Path:
    """Change the settings of a saved model, or its manifest, so that all checksums fit."""
    data = json.loads((folder / "config.json").read_text())
    for place, value in (config or {}).items():
        *path, last = place.split(".")
        inner = data
        for name in path:
            inner = inner[name]
        inner[last] = value
    (folder / "config.json").write_text(json.dumps(data))
    files = {
        name: {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        for name in FILES[::2]
        for raw in [(folder / name).read_bytes()]
    }
    (folder / "manifest.json").write_bytes(_sealed({"format": FORMAT, "files": files, **(manifest or {})}))
    return folder


@pytest.mark.parametrize(
    ("pair", "config", "message"),
    [
        ("series-label", {"net.hidden": 10**6}, r"expected \(\d+"),
        ("series-label", {"net.hidden": 10**30}, r"net\.hidden|no such model"),
        ("series-label", {"net.hidden": 2**62}, r"no such model can be built"),
        ("series-label", {"net.layers": 10**9}, r"net\.layers: 1000000000, but there are \d+ tensors"),
        ("series-label", {"net.layers": 2}, r"trunk.* in the file or in the settings, not in both"),
        ("series-label", {"net.window": 5, "net.readout": "attention"}, "not in both"),
        ("series-label", {"net.readout": "every"}, r"config\.json: net\.readout"),
        ("series-label", {"target": "futur:3"}, r"config\.json: target: .*unknown kind"),
        ("series-label", {"target": "number"}, "target: does not fit the output"),
        ("series-label", {"output.classes": ["a"]}, "at least 2"),
        ("series-label", {"lookback": 3}, "lookback"),
        ("series-label", {"input.scale": [1.0]}, "input: one mean and one scale a column"),
        ("series-label", {"input.scale": [1.0, 0.0]}, "input.scale: positive"),
        ("series-label", {"roles": {"host": "a"}}, "roles: only id and time"),
        ("series-future:3", {"output.anchors": [0, 2]}, "output.anchors"),
        ("series-future:3", {"output.anchors": [-1, 0]}, "output.anchors"),
        ("series-future:3", {"output.margin": [0.1]}, "output.margin"),
        ("series-future:3", {"output.horizon": 10**12}, "output.horizon"),
        ("series-future:3", {"output.horizon": 10**9, "target": "future:1000000000"}, r"expected \(\d+"),
        ("series-number", {"output.mean": []}, "output: one mean and one scale a column"),
        ("text-next", {"input.vocabulary": []}, "input.vocabulary"),
        ("text-next", {"output.size": 9}, "output.size"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_memory_is_taken(
    make: Make, tmp_path: Path, pair: str, config: dict[str, Any], message: str
) -> None:
    save_model(make(pair).model(), tmp_path / "m")
    with pytest.raises(ModelFileError, match=message):
        load_model(_forged(tmp_path / "m", config))


@pytest.mark.parametrize(
    "manifest",
    [
        *({"format": other} for other in (0, True, 1.0, "1", None)),
        *({"files": other} for other in ({}, [], "ab", {"config.json": {}, "model.safetensors": {}})),
    ],
)
def test_a_manifest_says_exactly_what_this_version_writes(make: Make, tmp_path: Path, manifest: dict[str, Any]) -> None:
    save_model(make("series-label").model(), tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"manifest\.json: damaged"):
        load_model(_forged(tmp_path / "m", manifest=manifest))


def test_a_manifest_too_deep_to_read_is_damaged(make: Make, tmp_path: Path) -> None:
    save_model(make("series-label").model(), tmp_path / "m")
    (tmp_path / "m/manifest.json").write_text("[" * 100_000)
    with pytest.raises(ModelFileError, match=r"manifest\.json: damaged"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused(make: Make, tmp_path: Path, value: float) -> None:
    model = make("series-label").model()
    with torch.no_grad():
        model.head.linear.bias[0] = value
    save_model(model, tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"model\.safetensors: .*head\.linear\.bias: holds NaN or infinity"):
        load_model(tmp_path / "m")


def test_loading_draws_nothing_of_the_callers(make: Make, tmp_path: Path) -> None:
    save_model(make("series-label", "lstm").model(), tmp_path / "m")
    before = torch.get_rng_state()
    load_model(tmp_path / "m")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("after", [False, True])
def test_an_interruption_between_the_renames_brings_the_old_model_back(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    small = make("series-label")
    save_model(small.model(), tmp_path / "m")
    real, calls = elman.model.folder.os.rename, []

    def rename(source: Any, target: Any) -> None:
        calls.append(target)
        if len(calls) == 2:
            if after:
                real(source, target)
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr("elman.model.folder.os.rename", rename)
    with pytest.raises(KeyboardInterrupt):
        save_model(small.model(hidden=12), tmp_path / "m")
    assert load_model(tmp_path / "m").config.net.hidden == (12 if after else 6)
    kept = [name for name in _names(tmp_path) if name != "m"]
    assert len(kept) == (1 if after else 0), "the old model is never deleted on the way out"


# What can be saved is known before it is trained --------------------------------------------------------------


class Tied(Mine):
    """A cell whose weight has two names."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.again = self.into.weight
        self.register_buffer("part", self.into.weight.detach()[:1])


class Talker(Mine):
    """A cell with more than tensors in its state."""

    def get_extra_state(self) -> str:
        return "words"

    def set_extra_state(self, state: str) -> None:
        pass


def test_tied_weights_are_saved(make: Make, tmp_path: Path) -> None:
    small = make("series-label", "mine")
    model = SequenceModel(small.config(), {"mine": Tied}).eval()
    save_model(model, tmp_path / "m")
    loaded = load_model(tmp_path / "m", {"mine": Tied})
    assert torch.equal(_loss(loaded, small), _loss(model, small))


def test_what_cannot_be_saved_is_refused_before_the_first_epoch(tmp_path: Path) -> None:
    rows = [{"x": [float(k % 2), 1.0], "y": "ab"[k % 2]} for k in range(30)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    heard: list[object] = []
    with pytest.raises(InputError, match="_extra_state: str cannot be saved, only tensors can"):
        elman.train(
            tmp_path / "t.jsonl",
            "series:x",
            "label:y",
            cell="mine",
            cells={"mine": Talker},
            out=tmp_path / "o",
            listener=heard.append,
        )
    assert heard == []
    assert _names(tmp_path) == ["t.jsonl"]
