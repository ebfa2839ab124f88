"""The files of a public data set: found in a folder, or fetched from where they are published, and checked by sum."""

from __future__ import annotations

import gzip
import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

from elman.core.errors import InputError
from elman.model.folder import write_file

__all__ = ["Files", "Remote", "cache"]

_CHUNK, _PATIENCE, _MOST = 1 << 16, 30.0, 1 << 28
"""Bytes read at once, seconds without any, and bytes of a file that are taken at the most."""

Progress = Callable[[str, int], None]


class Remote(NamedTuple):
    """A published file.

    Attributes:
        name: in the set's folder, where it may also lie with ``.gz``, or its folder as ``.zip``.
        url: where it is published; ending in ``.gz``, it is packed.
        sha256: of its content, unpacked.
    """

    name: str
    url: str
    sha256: str


def cache(folder: str) -> Path:
    """Where files that were fetched are kept: ``$XDG_CACHE_HOME/elman/FOLDER``, usually below ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "elman" / folder


class Files:
    """The files of one set, each looked for when it is asked for.

    They are taken from ``data``, or from the set's own folder in it; without ``data`` from ``$ELMAN_DATA``, else from
    the cache, else from where they are published, and kept in the cache.

    Args:
        folder: name of the set's folder. files: it consists of.
        data: a folder that holds them, or a folder of such folders; None for the others.
        progress: called while a file is fetched, with its name and the bytes so far.

    Attributes:
        notes: what is to be told: files that are not as published.
    """

    def __init__(
        self, folder: str, files: Sequence[Remote], data: str | None = None, progress: Progress | None = None
    ) -> None:
        self._folder, self._files, self._data = folder, {one.name: one for one in files}, data
        self._progress = progress or (lambda name, done: None)
        self._checked: set[str] = set()
        self.notes: list[str] = []

    def path(self, name: str) -> Path:
        """The file as it lies there, perhaps packed by gzip.

        Raises:
            InputError: it is not there and cannot be fetched; the message says what to put where.
        """
        found = self._find(self._files[name])
        if found.suffix == ".zip":
            raise InputError(f"{found}: {name} is needed as a file of its own; unpack it there: unzip {found}")
        self._check(name, _content(found, name))
        return found

    def text(self, name: str) -> str:
        """Its content.

        Raises:
            InputError: as :meth:`path`, or it is no UTF-8.
        """
        found = self._find(self._files[name])
        content = _content(found, name)
        self._check(name, content)
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{found}: not UTF-8 (byte {error.start}); is it {self._files[name].url}?") from None

    def _find(self, file: Remote) -> Path:
        given = self._data or os.environ.get("ELMAN_DATA")
        places = [Path(given) / self._folder, Path(given)] if given else []
        if self._data is None:
            places.append(cache(self._folder))
        for place in places:
            for path in _candidates(place, file.name):
                if path.is_file():
                    return path
        if self._data is not None:
            raise InputError(
                f"--data {self._data}: {file.name} is not there, with .gz neither, nor in {self._folder}/; put it "
                f"there, or leave --data out to have it fetched: {file.url}"
            )
        return self._fetch(file)

    def _fetch(self, file: Remote) -> Path:
        path = cache(self._folder) / (file.name + (".gz" if file.url.endswith(".gz") else ""))
        try:
            packed = self._download(file)
        except (OSError, HTTPException, ValueError) as error:
            reason = error if isinstance(error, HTTPError) else getattr(error, "reason", error)
            if isinstance(error, HTTPError):
                # It holds the connection.
                error.close()
            raise InputError(
                f"{file.name} cannot be fetched ({reason}). Fetch {file.url} elsewhere, put it into a folder, and name "
                "that by --data FOLDER"
            ) from None
        found = hashlib.sha256(_unpacked(packed, path)).hexdigest()
        if found != file.sha256:
            raise InputError(
                f"{file.url}: not what was expected (sha256 {found[:16]}..., not {file.sha256[:16]}...); nothing was "
                "kept. Try again, or fetch it by other means and name its folder by --data"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, packed)
        return path

    def _download(self, file: Remote) -> bytes:
        parts, done = [], 0
        with urlopen(file.url, timeout=_PATIENCE) as answer:
            while part := answer.read(_CHUNK):
                parts.append(part)
                done += len(part)
                if done > _MOST:
                    raise ValueError(f"more than {_MOST >> 20} MiB came")
                self._progress(file.name, done)
        return b"".join(parts)

    def _check(self, name: str, content: bytes) -> None:
        if name in self._checked:
            return
        self._checked.add(name)
        if hashlib.sha256(content).hexdigest() != self._files[name].sha256:
            self.notes.append(f"{name} is not as published: scores do not compare with those of others")


def _candidates(place: Path, name: str) -> list[Path]:
    """Where a file may lie in a folder."""
    head = name.partition("/")[0]
    return [place / name, place / f"{name}.gz", *([place / f"{head}.zip"] if head != name else [])]


def _content(path: Path, name: str) -> bytes:
    """The bytes of a file, unpacked."""
    try:
        if path.suffix != ".zip":
            return _unpacked(path.read_bytes(), path)
        with zipfile.ZipFile(path) as packed:
            return packed.read(name)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: {name} cannot be read from it ({error}); fetch the file anew") from None


def _unpacked(data: bytes, path: Path) -> bytes:
    if path.suffix != ".gz":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: damaged ({error}); fetch the file anew") from None
