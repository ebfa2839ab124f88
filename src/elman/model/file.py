"""A model on disk: a folder of three files that hold numbers and words, never code.

``model.safetensors`` (weights), ``config.json`` (a strict schema) and ``manifest.json`` (format, sizes and
sha256 of the other two, and of itself). It is written beside its place, flushed to the disk, and renamed, so
that a full disk or an interruption leaves the model that was there before. Should the machine stop between the two
renames of a replacement, that model lies beside its place, as ``.NAME.*.old/kept``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from elman.core.cells.elman import ElmanCell
from elman.core.errors import InputError, ModelFileError
from elman.model.network import CELLS, Cells, ModelConfig, SequenceModel
from elman.model.sound import check_config, check_weights

__all__ = ["FORMAT", "load_model", "save_model", "serialise", "write_folder"]

FORMAT = 1
"""The version of the folder's format; a model of any other is refused."""

_WEIGHTS, _CONFIG, _MANIFEST = "model.safetensors", "config.json", "manifest.json"


def save_model(model: SequenceModel, path: str | Path) -> None:
    """Write a model folder, in place of one that may stand there.

    Raises:
        InputError: as :func:`serialise`.
        ModelFileError: the disk is full or not writable; what stood at ``path`` is untouched.
    """
    write_folder(Path(path), serialise(model))


def serialise(model: SequenceModel) -> dict[str, bytes]:
    """The files of a model by name; asked for before a training too, for what cannot be saved is trained in vain.

    Raises:
        InputError: the model holds a function without a name, or what is no tensor of numbers.
    """
    # A cell of one's own is made again by its own code, whatever functions it holds.
    known = model.config.net.cell in CELLS
    for name, part in model.named_modules():
        if known and isinstance(part, ElmanCell) and not isinstance(part.nonlinearity, str):
            raise InputError(f"{name}: its nonlinearity is a function of your own and cannot be saved; use a name")
    files = {_WEIGHTS: _packed(model.state_dict()), _CONFIG: model.config.model_dump_json(indent=1).encode()}
    listed = {name: {"bytes": len(data), "sha256": _digest(data)} for name, data in files.items()}
    files[_MANIFEST] = _sealed({"format": FORMAT, "files": listed})
    return files


def _packed(state: dict[str, Any]) -> bytes:
    """Tensors as bytes; each of those that share memory (tied weights) is written whole."""
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise InputError(
                f"{name}: {type(value).__name__} cannot be saved, only tensors can; keep it out of the state"
            )
    try:
        weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
        return save_tensors(weights)
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"the model cannot be saved ({first}); keep dense tensors of usual dtypes in it") from error


def write_folder(path: Path, files: dict[str, bytes]) -> None:
    """Put a folder of files in place as a whole, or leave everything as it was."""
    path = path.absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent))
    except OSError as error:
        raise ModelFileError(f"{path}: cannot write here ({error.strerror})") from error
    try:
        for name, data in files.items():
            with open(fresh / name, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        fresh.chmod(0o755)
        _swap(fresh, path)
    except OSError as error:
        kept = "; the model that was there is unchanged" if path.exists() else ""
        raise ModelFileError(f"{path}: could not be saved ({error.strerror}){kept}. Make room and try again") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _swap(fresh: Path, path: Path) -> None:
    """Rename ``fresh`` to ``path``; a folder that stands there steps aside first and comes back on failure."""
    if not path.exists():
        os.rename(fresh, path)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
    kept = aside / "kept"
    try:
        os.rename(path, kept)
        os.rename(fresh, path)
    except BaseException:
        # What was there goes back, after an interruption too; nothing here may delete it.
        if kept.exists() and not path.exists():
            os.rename(kept, path)
        if not kept.exists():
            aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


def load_model(path: str | Path, cells: Cells | None = None) -> SequenceModel:
    """Read a model folder and check every byte of it; nothing in it is executed.

    Args:
        path: the folder.
        cells: cells of your own by the names the model was trained with.

    Raises:
        ModelFileError: missing, damaged, truncated, of another version, or not one whole.
    """
    folder = Path(path)
    if not (folder / _MANIFEST).is_file():
        raise ModelFileError(f"{folder}: no model here (it has no {_MANIFEST}); give the folder that elman train made")
    listed = _manifest(folder)
    files = {name: _checked(folder, name, listed) for name in (_WEIGHTS, _CONFIG)}
    try:
        config = ModelConfig.model_validate_json(files[_CONFIG])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelFileError(f"{folder / _CONFIG}: {place}: {first['msg']}") from error
    try:
        check_config(config)
    except ModelFileError as error:
        raise ModelFileError(f"{folder / _CONFIG}: {error}") from error
    # Building a model draws weights, which is no reason to change what the caller draws next.
    with torch.random.fork_rng(devices=[]):
        return _built(config, cells, files[_WEIGHTS], folder / _WEIGHTS)


def _built(config: ModelConfig, cells: Cells | None, data: bytes, path: Path) -> SequenceModel:
    try:
        weights = load_tensors(data)
        check_weights(config, cells or {}, weights)
        model = SequenceModel(config, cells)
        model.load_state_dict(weights)
    except (SafetensorError, RuntimeError, LookupError, TypeError, ModelFileError) as error:
        raise ModelFileError(f"{path}: does not fit its config.json: {error}") from error
    return model.eval()


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    data = path.read_bytes()
    try:
        manifest = json.loads(data)
        version, listed = manifest["format"], manifest["files"]
        whole = type(version) is int and set(listed) == {_WEIGHTS, _CONFIG}
        whole = whole and all(set(one) == {"bytes", "sha256"} for one in listed.values())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileError(f"{path}: damaged; restore the folder from a copy, or train again") from error
    if type(version) is int and version > FORMAT:
        raise ModelFileError(
            f"{folder}: made by a newer elman (format {version}, this one reads up to {FORMAT}): pip install -U elman"
        )
    if not whole or version != FORMAT or data != _sealed({"format": version, "files": listed}):
        raise ModelFileError(f"{path}: damaged; restore the folder from a copy, or train again")
    fields: dict[str, Any] = listed
    return fields


def _checked(folder: Path, name: str, listed: dict[str, Any]) -> bytes:
    path = folder / name
    if not path.is_file():
        raise ModelFileError(f"{path}: missing; restore the folder from a copy, or train again")
    data = path.read_bytes()
    expected = listed[name]
    if len(data) != expected["bytes"]:
        raise ModelFileError(
            f"{path}: truncated or changed: {len(data)} bytes, expected {expected['bytes']}; "
            "restore the folder from a copy, or train again"
        )
    if _digest(data) != expected["sha256"]:
        raise ModelFileError(f"{path}: damaged (its sha256 does not fit); restore it from a copy, or train again")
    return data


def _sealed(manifest: dict[str, Any]) -> bytes:
    """The manifest's one and only spelling, with its own checksum, so that a flip of any bit shows."""
    body = json.dumps(manifest, sort_keys=True)
    return (json.dumps({**manifest, "self": _digest(body.encode())}, sort_keys=True, indent=1) + "\n").encode()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
