"""What a recipe is: public files with their sums, how they become parts of a training, and its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from elman.model.folder import write_file
from elman.recipes.fetch import Files, Remote

__all__ = ["Published", "Recipe", "as_published", "put"]


class Published(NamedTuple):
    """A score of others on the same test part.

    Attributes:
        who: whose, with year. metric: as elman names it. value: as they give it.
    """

    who: str
    metric: str
    value: float


Parts = dict[str, str]
"""Settings that name files: ``file``, ``valid``, ``test``."""


@dataclass(frozen=True)
class Recipe:
    """One known job.

    Attributes:
        name: as typed. about: the job, in a few words.
        folder: of the data set. licence: of the data. files: it consists of.
        source, target: the two sides.
        settings: of the training; what is not said is chosen from the data.
        minutes: the training takes at the most, on two cores.
        published: scores of others.
        prepare: from the files, and a folder to write others in, to the parts.
    """

    name: str
    about: str
    folder: str
    licence: str
    files: tuple[Remote, ...]
    source: str
    target: str
    prepare: Callable[[Files, Path], Parts]
    settings: Mapping[str, object] = field(default_factory=dict)
    minutes: int = 20
    published: tuple[Published, ...] = ()


def as_published(*names: str) -> Callable[[Files, Path], Parts]:
    """The parts are files as they are published: of training, of validation, of the test; ``a+b`` are aligned texts."""

    def prepare(files: Files, folder: Path) -> Parts:
        del folder
        where = ["+".join(str(files.path(one)) for one in name.split("+")) for name in names]
        return dict(zip(("file", "valid", "test"), where, strict=False))

    return prepare


def put(folder: Path, name: str, text: str) -> str:
    """Write a file that is made of the published ones, unless it is there already; return its path."""
    path, data = folder / name, text.encode("utf-8")
    if not path.exists() or path.read_bytes() != data:
        folder.mkdir(parents=True, exist_ok=True)
        write_file(path, data)
    return str(path)
