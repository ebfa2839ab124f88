"""The folder of a run: made, held by one process at a time, and read again by another."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from elman.core.errors import InputError
from elman.model.folder import clear_leftovers
from elman.training.settings import Job

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "CHECKPOINTS",
    "HISTORY",
    "RECORD",
    "SETTINGS",
    "WORST",
    "check_out",
    "held",
    "new_folder",
    "read_settings",
    "refuse_no_run",
    "reopen",
    "study_of",
]

SETTINGS, RECORD, HISTORY, CHECKPOINTS = "run.toml", "report.json", "history.jsonl", "checkpoints"
"""What lies in a run's folder: from the first moment on; at the very end; a line an epoch; until the end."""

WORST = "worst.jsonl"
"""The examples that it got most wrong; from the end on."""

_LOCK = ".lock"


def check_out(path: Path, *, new: bool) -> None:
    """Refuse, before anything is read, a folder that stands already or cannot be made."""
    if new and path.exists():
        raise InputError(f"--out {path}: exists already and is not overwritten; name another folder, or remove it")
    above = path if path.exists() else next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise InputError(f"--out {path}: '{above.name}' is a file, no folder can be made there; name another --out")


def new_folder(out: Path | None, job: Job) -> Path:
    """Make the run's folder; without a name the first free ``runs/NAME-N``."""
    if out is not None:
        choices = [out]
    else:
        stem = Path(job.file).name.split(".")[0]
        choices = [Path("runs") / f"{stem}-{k}" for k in range(1, 10_000)]
    for path in choices:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(f"--out {path}: cannot make this folder ({error.strerror}); name another --out") from error
        return path
    raise InputError(f"--out {choices[0]}: exists already and is not overwritten; name another folder")


def refuse_no_run(path: Path) -> None:
    """Refuse, before anything is done to it, a folder that is not one of a run.

    Raises:
        InputError: there is no run.
    """
    if not path.is_dir():
        raise InputError(f"--resume {path}: no such folder; name the folder of a run, such as runs/reviews-1")
    if study := study_of(path):
        raise InputError(f"--resume {path}: this is a study of several trainings; go on: elman {study} --resume {path}")
    if not (path / SETTINGS).is_file():
        raise InputError(f"--resume {path}: no run to go on with, it has no {SETTINGS}; name the folder of a run")


def study_of(path: Path) -> str:
    """The verb that made a folder of several trainings, ``compare`` or ``tune``; empty of any other folder."""
    try:
        found = read_settings(path / "study.toml", "")
    except InputError:
        return ""
    return str(found.get("verb", ""))


def reopen(path: Path) -> dict[str, Any]:
    """The settings of a run to go on with, which is held; what killed writes left in it is cleared away.

    Raises:
        InputError: the run is finished.
    """
    clear_leftovers(path)
    if (path / RECORD).is_file():
        shutil.rmtree(path / CHECKPOINTS, ignore_errors=True)
        raise InputError(
            f"--resume {path}: this run is finished. Use it: elman evaluate {path} FILE; or train longer: "
            f"elman train --config {path / SETTINGS} --epochs N"
        )
    return read_settings(path / SETTINGS, f"--resume {path}: {SETTINGS}")


def read_settings(path: Path, named: str) -> dict[str, Any]:
    """What a run.toml says; ``named`` is what it is called in messages."""
    try:
        with open(path, "rb") as file:
            found: dict[str, Any] = tomllib.load(file)
    except OSError as error:
        raise InputError(f"{named}: cannot be read ({error.strerror}); give the run.toml of a run") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{named}: not TOML ({error}); give the run.toml of a run") from error
    return found


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a run's folder, so that no two processes train in it. A holder that dies lets go by dying.

    Raises:
        InputError: another process holds it.
    """
    lock = path / _LOCK
    while True:
        file = open(lock, "a+", encoding="ascii")  # noqa: SIM115 - closed below, when the folder is let go
        if not _seize(file):
            file.seek(0)
            holder = file.read().strip()
            file.close()
            raise InputError(
                f"{path}: process {holder or '?'} is training in this folder; wait for it, or stop it: kill {holder}"
            )
        if _stands(file, lock):
            break
        file.close()
    try:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
    finally:
        # Removed while it is held: whoever opened it before sees that it no longer stands, and opens a new one.
        if sys.platform != "win32":
            lock.unlink(missing_ok=True)
        file.close()


def _stands(file: IO[str], lock: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(lock))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _seize(file: IO[str]) -> bool:
        # Far behind the holder's number, which others must be able to read.
        file.seek(1 << 20)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _seize(file: IO[str]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
