"""Where data lie: names, suffixes, bytes. What is in them is not known here."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from elman.core.errors import DataError, nearest

__all__ = [
    "METADATA",
    "binary",
    "decode",
    "files_of",
    "is_pair",
    "is_there",
    "missing",
    "pieces",
    "read_bytes",
    "suffix_of",
]

METADATA = ("metadata.csv", "metadata.tsv", "metadata.jsonl", "metadata.parquet")
"""The tables that make a folder data, the first that is there."""

_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
"""How files in UTF-16 begin."""

_BLOCK = 1 << 20

_FREE, _RATIO = 256 << 20, 100
"""Bytes that a gzip file may unpack to in any case, and how many times its size beyond; text packs 3 to 20 times."""


def suffix_of(path: Path) -> str:
    """Return the suffix that tells the kind, in small letters and without ``.gz``."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def is_pair(file: str) -> bool:
    """Whether the name is that of several files side by side: ``train.de+train.en``, and no one file is called so."""
    return "+" in file and not Path(file).exists()


def files_of(file: str | Path) -> list[Path]:
    """The files on disk that a name stands for: itself, those of a pair, all of a folder, in a fixed order."""
    if is_pair(str(file)):
        return [Path(name) for name in str(file).split("+")]
    path = Path(file)
    return sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]


def is_there(file: str | Path) -> bool:
    """Whether every file that a name stands for can be read."""
    return all(path.is_file() for path in files_of(file))


def missing(path: Path) -> str:
    """What to say where there is no such file."""
    folder = path.parent
    if not folder.is_dir():
        return f"no such file, and no folder '{folder}'; check the path"
    names = sorted(entry.name for entry in folder.iterdir())
    return f"no such file.{nearest(path.name, names) or ' Check the path'}"


@contextmanager
def binary(path: Path, file: str) -> Iterator[Iterator[bytes]]:
    """Open a file and give its bytes in pieces of at most 1 MiB, unpacked if its name ends in ``.gz``.

    Raises:
        DataError: it cannot be read, is no whole gzip file, or unpacks to so much that it must be a trap.
    """
    try:
        with open(path, "rb") as raw:
            yield _unpacked(raw, path, file) if path.name.lower().endswith(".gz") else _plain(raw)
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise _damaged(error, file) from error
        raise DataError(f"cannot be read ({error.strerror}); check its permissions", file=file) from error
    except (EOFError, zlib.error) as error:
        raise _damaged(error, file) from error


def _plain(raw: BinaryIO) -> Iterator[bytes]:
    while block := raw.read(_BLOCK):
        yield block


def _unpacked(raw: BinaryIO, path: Path, file: str) -> Iterator[bytes]:
    packed, total = path.stat().st_size, 0
    most = max(_FREE, _RATIO * packed)
    with gzip.GzipFile(fileobj=raw) as stream:
        while block := stream.read(_BLOCK):
            total += len(block)
            if total > most:
                raise DataError(
                    f"{packed:,} bytes of gzip unpack to more than {most:,}, as a trap does; if you trust the file, "
                    f"unpack it yourself: gunzip -k '{file}'",
                    file=file,
                )
            yield block


def _damaged(error: Exception, file: str) -> DataError:
    return DataError(
        f"this is not a whole gzip file ({error}); fetch it again, or drop '.gz' from its name if it is not compressed",
        file=file,
    )


def read_bytes(path: Path, file: str) -> bytes:
    """All bytes of a file, unpacked; see :func:`binary` for what is raised."""
    with binary(path, file) as blocks:
        return b"".join(blocks)


def pieces(path: Path, file: str, size: int) -> Iterator[bytes]:
    """The bytes of a file, unpacked, in pieces of about ``size`` that end with a line (the last with the file)."""
    with binary(path, file) as blocks:
        held: list[bytes] = []
        count = 0
        for block in blocks:
            held.append(block)
            count += len(block)
            cut = block.rfind(b"\n") + 1
            if count >= size and cut:
                yield b"".join([*held[:-1], block[:cut]])
                held, count = [block[cut:]], len(block) - cut
        if count:
            yield b"".join(held)


def decode(data: bytes, file: str, *, line: int = 1, offset: int = 0) -> str:
    """Return the text with line ends ``\\n`` and without a byte order mark.

    Args:
        data: UTF-8.
        file: its name, for messages.
        line, offset: where in the file ``data`` begins.

    Raises:
        DataError: it is not UTF-8, with the line and what converts it; or it holds binary zeros.
    """
    zero = data.find(b"\0")
    if zero >= 0 and data[:2] not in _WIDE_MARKS:
        raise DataError(
            f"this is not text: it holds binary zeros, the first at offset {offset + zero}. Fetch it again if it was "
            "damaged, or give a table or a text",
            file=file,
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        of = "UTF-16" if data[:2] in _WIDE_MARKS else "WINDOWS-1252"
        feed = f"gunzip -c '{file}' | iconv" if file.lower().endswith(".gz") else f"iconv '{file}'"
        name = Path(file).name.removesuffix(".gz")
        raise DataError(
            f"not UTF-8: byte {data[error.start]:#04x} at offset {offset + error.start}. Convert it, for example "
            f"from {of}: {feed} -f {of} -t UTF-8 > 'utf8-{name}'",
            file=file,
            row=data.count(b"\n", 0, error.start) + line,
        ) from error
    text = text.removeprefix("\ufeff") if line == 1 else text
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
