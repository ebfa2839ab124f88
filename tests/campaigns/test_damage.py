"""Of 600 damaged files, none is loaded without a word: flipped bits, zeroed pages, lost ends."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import elman
from elman import ModelFileError
from elman.model.file import load_model
from elman.training.checkpoint import Checkpoints, Every
from elman.training.history import Step

PAGE = 4096


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and two checkpoints of its training, of some pages each."""
    folder = tmp_path_factory.mktemp("whole")
    rows = [json.dumps({"x": [k % 2 + 0.1 * t for t in range(4)], "y": "ab"[k % 2]}) for k in range(40)]
    (folder / "t.jsonl").write_text("\n".join(rows))

    def stop(event: object) -> None:
        if isinstance(event, Step) and event.epoch == 3:
            raise KeyboardInterrupt

    words = (folder / "t.jsonl", "series:x", "label:y")
    with pytest.raises(elman.Interrupted):
        elman.train(*words, out=folder / "run", hidden=24, batch=16, save_every="1", listener=stop)
    shutil.copytree(folder / "run/checkpoints", folder / "checkpoints")
    elman.resume(folder / "run", finish=True)
    return folder


def _load_model(folder: Path) -> bool:
    """Whether a model is loaded as if nothing were wrong."""
    try:
        load_model(folder)
    except ModelFileError:
        return False
    return True


def _load_checkpoint(folder: Path) -> bool:
    """Whether the newest checkpoint is taken as if nothing were wrong; if not, the one before must be."""
    saved, notes = Checkpoints(folder.parent, Every(), {}).newest()
    assert saved is not None
    if saved.path == folder:
        return True
    assert len(notes) == 1
    assert saved.record["taken"] == int(folder.name[5:]) - 1
    return False


def _flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _zeroed(data: bytes, chance: random.Random) -> bytes:
    start = PAGE * chance.randrange(-(-len(data) // PAGE))
    changed = data[:start] + bytes(len(data[start : start + PAGE])) + data[start + PAGE :]
    # A page that was zero before is no damage.
    return changed if changed != data else _zeroed(data, chance)


def _truncated(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


@pytest.mark.parametrize("kind", ["model", "checkpoint"])
@pytest.mark.parametrize(
    ("damage", "times"), [(_flipped, 200), (_zeroed, 50), (_truncated, 50)], ids=["bits", "pages", "ends"]
)
def test_no_damage_is_loaded_silently(
    whole: Path, tmp_path: Path, kind: str, damage: Callable[[bytes, random.Random], bytes], times: int
) -> None:
    chance, silent = random.Random(f"{kind}{times}{damage.__name__}"), 0
    shutil.copytree(whole / ("run/model" if kind == "model" else "checkpoints"), tmp_path / "c")
    if kind == "model":
        folder, load = tmp_path / "c", _load_model
    else:
        folder, load = max((tmp_path / "c").iterdir(), key=lambda place: int(place.name[5:])), _load_checkpoint
    assert load(folder)
    files = sorted(folder.iterdir())
    assert max(file.stat().st_size for file in files) > 4 * PAGE
    for _ in range(times):
        file = chance.choice(files)
        before = file.read_bytes()
        file.write_bytes(damage(before, chance))
        silent += load(folder)
        file.write_bytes(before)
    assert silent == 0
    assert load(folder)
