"""The folder of a study: what was asked stands in it, so that the same command, or its folder alone, goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from elman.core.errors import InputError
from elman.data.files import is_there
from elman.data.fingerprint import fingerprint
from elman.model.folder import clear_leftovers, write_file
from elman.training import place
from elman.training.origin import FILES
from elman.training.settings import Job, as_argument, job_from

__all__ = ["STUDY", "Asked", "again", "folder_of", "in_python", "opened"]

STUDY = "study.toml"
"""What was asked; there from the first moment on."""

_OURS = re.compile(rf"\.lock|\.{re.escape(STUDY)}\..*\.new")
"""What lies in a folder whose first write was killed: the lock, and the half of a study.toml."""

_FREE = {"compare": ("save_every", "threads"), "tune": ("save_every", "threads", "trials", "budget")}
"""What may differ from one session to the next, for it does not change what is there already; the new holds."""


@contextmanager
def in_python() -> Iterator[None]:
    """Have errors name arguments (``seeds=3``) where they name options of the command line (``--seeds 3``)."""
    try:
        yield
    except InputError as error:
        words = _argued(str(error))
        if words == str(error):
            raise
        raise type(error)(words) from error


def _argued(message: str) -> str:
    head = re.match(r"--(cells|seeds|trials)( [^:]*)?: ", message)
    if head:
        message = (_argument(head[1], head[2].strip()) if head[2] else head[1]) + ": " + message[head.end() :]
    # What is to be pasted into a shell begins with elman, and stays.
    for words in ("as in ", "folder: ", "them: ", "anew: "):
        advice = rf"(?<={words})--(cells|seeds|trials|budget|out) ([\w,.-]+)"
        message = re.sub(advice, lambda found: _argument(found[1], found[2]), message)
    return as_argument(message)


def _argument(name: str, value: str) -> str:
    if name == "cells":
        return f"cells={json.dumps(value.split(','))}"
    return f"{name}={value}" if name in ("seeds", "trials") else f"{name}={json.dumps(value)}"


@dataclass(frozen=True)
class Asked:
    """A study as it was asked for.

    Attributes:
        verb: ``compare`` or ``tune``.
        options: those of the verb.
        job: settings that all trainings share.
        given: the names of those that were given, which stay as they are.
    """

    verb: str
    options: dict[str, Any]
    job: Job
    given: tuple[str, ...]

    def toml(self) -> str:
        """All of it as TOML, with the sha256 of the data."""
        lines = [f"# what was asked; elman {self.verb} --resume FOLDER goes on by it", f"verb = {_toml(self.verb)}"]
        lines += [f"{name} = {_toml(value)}" for name, value in self.options.items() if value is not None]
        lines += ["", "[settings]", *(f"{name} = {_toml(value)}" for name, value in self.settings.items())]
        lines += ["", "[sha256]", *(f"{name} = {_toml(value)}" for name, value in self.data.items())]
        return "\n".join(lines) + "\n"

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that were given, by name."""
        values = self.job.model_dump()
        return {name: values[name] for name in values if name in self.given and values[name] is not None}

    @cached_property
    def data(self) -> dict[str, str]:
        """The sha256 of the files that are read, by role; taken once, when it is first asked for."""
        return {name: fingerprint(file) for name in FILES if (file := getattr(self.job, name)) and is_there(file)}


def again(path: Path, verb: str) -> Asked:
    """What was asked in a folder that stands.

    Raises:
        InputError: it is no study of this verb.
    """
    if not (path / STUDY).is_file():
        why = "there is no such folder" if not path.is_dir() else f"it has no {STUDY}"
        raise InputError(f"--resume {path}: no study to go on with, {why}; name the folder that elman {verb} made")
    found = place.read_settings(path / STUDY, f"--resume {path}: {STUDY}")
    if found.get("verb") != verb:
        raise InputError(
            f"--resume {path}: this is a study of elman {found.get('verb')}; go on: "
            f"elman {found.get('verb')} --resume {path}"
        )
    settings = dict(found.get("settings", {}))
    options = {name: value for name, value in found.items() if name not in ("verb", "settings", "sha256")}
    return Asked(verb, options, job_from(settings), tuple(settings))


def folder_of(asked: Asked, out: str | Path | None) -> Path:
    """Where a study stands: ``out``, or ``runs/NAME-VERB``, so that the same command finds it again."""
    return Path("runs") / f"{Path(asked.job.file).name.split('.')[0]}-{asked.verb}" if out is None else Path(out)


@contextmanager
def opened(asked: Asked, out: Path) -> Iterator[Path]:
    """Make the folder of a study, or go on in it, and hold it meanwhile.

    Raises:
        InputError: another study or something else stands there, the data have changed, or another process holds it.
    """
    place.check_out(out, new=False)
    if out.exists() and not (out / STUDY).exists() and not all(_OURS.fullmatch(path.name) for path in out.iterdir()):
        raise InputError(f"--out {out}: exists already and is not overwritten; name another folder, or remove it")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot make this folder ({error.strerror}); name another --out") from error
    with place.held(out):
        clear_leftovers(out)
        if (out / STUDY).is_file():
            _refuse_another(asked, out)
        else:
            write_file(out / STUDY, asked.toml().encode())
        yield out


def _refuse_another(asked: Asked, out: Path) -> None:
    """Refuse to go on with a study that was asked for otherwise, or whose data have changed."""
    found = place.read_settings(out / STUDY, f"{out}: {STUDY}")
    before = again(out, asked.verb)
    sides = [{**one.options, **one.settings} for one in (before, asked)]
    names = [name for name in {**sides[0], **sides[1]} if name not in _FREE[asked.verb]]
    differing = [
        f"{name} was {_said(sides[0].get(name))}, is {_said(sides[1].get(name))}"
        for name in names
        if sides[0].get(name) != sides[1].get(name)
    ]
    if differing:
        raise InputError(
            f"{out}: another study stands here: {'; '.join(differing)}. Go on with it: elman {asked.verb} --resume "
            f"{out}; or name another folder: --out FOLDER"
        )
    then, now = found.get("sha256", {}), asked.data
    changed = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    if changed:
        file = getattr(asked.job, changed[0])
        if file is not None and not is_there(file):
            raise InputError(
                f"{out}: its data '{file}' are not there; go on in the folder where they lie, or put them back"
            )
        raise InputError(
            f"{out}: its data have changed ('{file}': the sha256 differs), so old and new trainings could not be "
            "compared; begin anew: --out FOLDER"
        )
    if sides[0] != sides[1]:
        write_file(out / STUDY, asked.toml().encode())


def _said(value: Any) -> str:
    return "not set" if value is None else str(value)


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
