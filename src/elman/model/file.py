"""A model on disk: a folder of three files that hold numbers and words, never code.

``model.safetensors`` (weights), ``config.json`` (a strict schema) and ``manifest.json``; see
:mod:`elman.model.folder` for how it is written and checked.
"""

from __future__ import annotations

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
from elman.model.config import CELLS, ModelConfig
from elman.model.folder import read_folder, write_folder
from elman.model.network import Cells, SequenceModel
from elman.model.sound import check_config, check_weights

__all__ = ["load_model", "model_from", "packed", "save_model", "serialise"]

_WEIGHTS, _CONFIG = "model.safetensors", "config.json"


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
    return {_WEIGHTS: packed(model.state_dict()), _CONFIG: model.config.model_dump_json(indent=1).encode()}


def packed(state: dict[str, Any]) -> bytes:
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


def load_model(path: str | Path, cells: Cells | None = None) -> SequenceModel:
    """Read a model folder and check every byte of it; nothing in it is executed.

    Args:
        path: the folder.
        cells: cells of your own by the names the model was trained with.

    Raises:
        ModelFileError: missing, damaged, truncated, of another version, or not one whole.
    """
    folder = Path(path)
    return model_from(read_folder(folder, (_WEIGHTS, _CONFIG)), folder, cells)


def model_from(files: dict[str, bytes], folder: Path, cells: Cells | None = None) -> SequenceModel:
    """The model whose files :func:`serialise` gave; nothing in them is executed.

    Args:
        files: their bytes, by name.
        folder: where they come from, for messages.
        cells: cells of your own by the names the model was trained with.

    Raises:
        ModelFileError: they are not a model's, of another version, or not one whole.
    """
    if not {_WEIGHTS, _CONFIG} <= set(files):
        raise ModelFileError(
            f"{folder}: expected {_WEIGHTS} and {_CONFIG}, got {', '.join(sorted(files)) or 'nothing'}"
        )
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
