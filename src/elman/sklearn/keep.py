"""An estimator as a folder: weights, settings and what scikit-learn needs beside them; every byte is checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from elman.core.errors import InputError, ModelFileError
from elman.model.folder import read_folder, write_folder
from elman.model.kinds.schema import Schema

__all__ = ["Kept", "classes_from", "plain", "read_estimator", "write_estimator"]

FILE = "estimator.json"

_FILES = ("model.safetensors", "config.json", FILE)

_KINDS = "OUbiuf"
"""Kinds of labels that are kept: strings, booleans and numbers."""


class Kept(Schema):
    """What is known of a fitted estimator beside its model.

    Attributes:
        estimator: the name of its class.
        params: its parameters.
        classes: labels in their order; dtype: what numpy calls their type. Both empty where there are none.
        features: numbers a step; 0 of texts.
        flat: whether an answer is one number and not a row of one.
        history, notes: see the estimator.
    """

    version: Literal[1] = 1
    estimator: str
    params: dict[str, Any]
    classes: list[str] | list[bool] | list[int] | list[float] = Field(default_factory=list)
    dtype: str = ""
    features: int = Field(ge=0)
    flat: bool = False
    history: list[dict[str, float]]
    notes: list[str]


def write_estimator(path: str | Path, kept: Kept, model: dict[str, bytes]) -> None:
    """Write a folder that must not exist.

    Raises:
        InputError: it exists. ModelFileError: the disk is full or not writable.
    """
    path = Path(path)
    if path.exists():
        raise InputError(f"path: {path} exists already and is not overwritten; name another, or remove it")
    write_folder(path, {**model, FILE: kept.model_dump_json(indent=1).encode()}, "estimator")


def read_estimator(path: str | Path) -> tuple[Kept, dict[str, bytes]]:
    """What :func:`write_estimator` wrote, checked; nothing is executed.

    Raises:
        ModelFileError: missing, damaged, or of another version.
    """
    folder = Path(path)
    files = read_folder(folder, _FILES, "estimator", "fit again")
    try:
        return Kept.model_validate_json(files.pop(FILE)), files
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ModelFileError(f"{folder / FILE}: {place}: {first['msg']}") from error


def plain(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters as JSON gives them back; refuse those that it would not."""
    made = {name: value.item() if isinstance(value, np.generic) else value for name, value in params.items()}
    for name, value in made.items():
        try:
            same = json.loads(json.dumps(value)) == (list(value) if isinstance(value, tuple) else value)
        except (TypeError, ValueError):
            same = False
        if not same:
            raise InputError(
                f"{name}: {value!r} cannot be saved as JSON; give numbers, strings, lists, and dicts of them by name"
            )
    return made


def classes_from(kept: Kept, place: str | Path) -> np.ndarray:
    """The labels as they were; raise ModelFileError for a type that is none of labels."""
    try:
        dtype = np.dtype(kept.dtype)
    except TypeError as error:
        raise ModelFileError(f"{place}: dtype: {kept.dtype!r} is no type of labels") from error
    if dtype.kind not in _KINDS:
        raise ModelFileError(f"{place}: dtype: {kept.dtype!r} is no type of labels")
    return np.array(kept.classes, dtype=dtype)
