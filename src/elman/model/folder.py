"""A folder of files on disk that is there as a whole or not at all, and whose every byte is checked when it is read.

``manifest.json`` lists the size and sha256 of each other file, and its own. The folder is written beside its place,
flushed to the disk, and renamed, so that a full disk or an interruption leaves what was there before. Should the
machine stop between the two renames of a replacement, the old folder lies beside its place, as ``.NAME.*.old/kept``;
:func:`clear_leftovers` puts it back.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from elman.core.errors import ModelFileError

__all__ = ["FORMAT", "MANIFEST", "clear_leftovers", "read_folder", "write_file", "write_folder"]

FORMAT = 1
"""The version of the folder's format; a folder of any other is refused."""

MANIFEST = "manifest.json"


def write_folder(path: Path, files: dict[str, bytes], what: str = "model") -> None:
    """Put a folder of files and their manifest in place as a whole, or leave everything as it was.

    Args:
        path: of the folder; what stands there is replaced.
        files: what goes into it, by name.
        what: what the folder holds, for messages.

    Raises:
        ModelFileError: the disk is full or not writable; what stood at ``path`` is untouched.
    """
    path = path.absolute()
    listed = {name: {"bytes": len(data), "sha256": _digest(data)} for name, data in files.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent))
    except OSError as error:
        raise ModelFileError(f"{path}: cannot write here ({error.strerror})") from error
    try:
        for name, data in {**files, MANIFEST: _sealed({"format": FORMAT, "files": listed})}.items():
            with open(fresh / name, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        fresh.chmod(0o755)
        _flush(fresh)
        _swap(fresh, path)
        _flush(path.parent)
    except OSError as error:
        kept = f"; the {what} that was there is unchanged" if path.exists() else ""
        raise ModelFileError(f"{path}: could not be saved ({error.strerror}){kept}. Make room and try again") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def write_file(path: Path, data: bytes) -> None:
    """Put one file in place as a whole: written beside, flushed, renamed over what stands there.

    Raises:
        OSError: the disk is full or not writable; what stood at ``path`` is untouched.
    """
    path = path.absolute()
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    try:
        with open(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
        _flush(path.parent)
    finally:
        Path(name).unlink(missing_ok=True)


def clear_leftovers(parent: Path) -> None:
    """Clear away what killed writes left in a folder, and put back what they had moved aside.

    Only for a folder in which nobody else writes at that time.
    """
    for fresh in parent.glob(".*.new"):
        if fresh.is_dir():
            shutil.rmtree(fresh, ignore_errors=True)
        else:
            fresh.unlink(missing_ok=True)
    for aside in parent.glob(".*.old"):
        place, kept = parent / aside.name[1:].rsplit(".", 2)[0], aside / "kept"
        if kept.is_dir() and not place.exists():
            os.rename(kept, place)
        shutil.rmtree(aside, ignore_errors=True)


def _flush(folder: Path) -> None:
    """Have the names in a folder on the disk, not in the system's memory only."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


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


def read_folder(
    folder: Path, names: Iterable[str], what: str = "model", instead: str = "train again"
) -> dict[str, bytes]:
    """The files of a folder, every byte checked against its manifest; nothing is executed.

    Args:
        folder: the folder.
        names: the files that it must hold, no fewer and no more.
        what: what the folder holds, for messages.
        instead: what to do where there is no copy to restore it from, for messages.

    Raises:
        ModelFileError: missing, damaged, truncated, or of another version.
    """
    names = tuple(names)
    # Of a pipe under one of the names, a reader would wait for ever.
    for name in (MANIFEST, *names):
        if (folder / name).exists() and not (folder / name).is_file():
            raise ModelFileError(f"{folder / name}: not a plain file; restore the folder from a copy, or {instead}")
    if not (folder / MANIFEST).is_file():
        raise ModelFileError(f"{folder}: no {what} here (it has no {MANIFEST}); give the folder that elman train made")
    remedy = f"restore the folder from a copy, or {instead}"
    listed = _manifest(folder / MANIFEST, set(names), remedy)
    return {name: _checked(folder / name, listed[name], remedy) for name in names}


def _manifest(path: Path, names: set[str], remedy: str) -> dict[str, Any]:
    data = path.read_bytes()
    try:
        manifest = json.loads(data)
        version, listed = manifest["format"], manifest["files"]
        whole = type(version) is int and set(listed) == names
        whole = whole and all(set(one) == {"bytes", "sha256"} for one in listed.values())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileError(f"{path}: damaged; {remedy}") from error
    if type(version) is int and version > FORMAT:
        raise ModelFileError(
            f"{path.parent}: made by a newer elman (format {version}, this one reads up to {FORMAT}): "
            "pip install -U elman"
        )
    if not whole or version != FORMAT or data != _sealed({"format": version, "files": listed}):
        raise ModelFileError(f"{path}: damaged; {remedy}")
    fields: dict[str, Any] = listed
    return fields


def _checked(path: Path, expected: dict[str, Any], remedy: str) -> bytes:
    if not path.is_file():
        raise ModelFileError(f"{path}: missing; {remedy}")
    data = path.read_bytes()
    if len(data) != expected["bytes"]:
        raise ModelFileError(f"{path}: truncated or changed: {len(data)} bytes, expected {expected['bytes']}; {remedy}")
    if _digest(data) != expected["sha256"]:
        raise ModelFileError(f"{path}: damaged (its sha256 does not fit); {remedy}")
    return data


def _sealed(manifest: dict[str, Any]) -> bytes:
    """The manifest's one and only spelling, with its own checksum, so that a flip of any bit shows."""
    body = json.dumps(manifest, sort_keys=True)
    return (json.dumps({**manifest, "self": _digest(body.encode())}, sort_keys=True, indent=1) + "\n").encode()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
