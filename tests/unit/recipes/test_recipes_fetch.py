"""Files of public sets: where they are looked for, and that nothing wrong is ever kept."""

from __future__ import annotations

import gzip
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from elman.core.errors import InputError
from elman.recipes.fetch import Files, Remote, cache

GOOD = b"a\tb\n"


class _Publisher(BaseHTTPRequestHandler):
    """Serves what stands in ``pages``; counts what was asked for."""

    pages: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        page = self.pages.get(self.path)
        self.send_response(404 if page is None else 200)
        cut = self.path.startswith("/cut")
        self.send_header("Content-Length", str(len(page or b"") + (100 if cut else 0)))
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A publisher on this machine; an empty cache; no data here."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ELMAN_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    packed = gzip.compress(GOOD)
    _Publisher.pages = {
        "/t.tsv": GOOD,
        "/t.tsv.gz": packed,
        "/bad.tsv": b"other",
        "/cut.tsv": GOOD[:2],
        "/torn.gz": b"no",
    }
    _Publisher.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Publisher)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _files(url: str, data: Path | None = None, name: str = "t.tsv") -> Files:
    remote = Remote(name, url, hashlib.sha256(GOOD).hexdigest())
    return Files("tiny", [remote], None if data is None else str(data))


def test_a_file_is_fetched_once_and_kept(base: str) -> None:
    seen: list[tuple[str, int]] = []
    remote = Remote("t.tsv", f"{base}/t.tsv", hashlib.sha256(GOOD).hexdigest())
    files = Files("tiny", [remote], progress=lambda name, done: seen.append((name, done)))
    assert files.text("t.tsv") == GOOD.decode()
    assert seen[-1] == ("t.tsv", len(GOOD))
    assert (cache("tiny") / "t.tsv").read_bytes() == GOOD
    assert _files(f"{base}/t.tsv").path("t.tsv") == cache("tiny") / "t.tsv"
    assert _Publisher.asked == ["/t.tsv"]
    assert not files.notes


def test_what_is_published_packed_is_kept_packed_and_summed_unpacked(base: str) -> None:
    files = _files(f"{base}/t.tsv.gz")
    assert files.path("t.tsv").name == "t.tsv.gz"
    assert files.text("t.tsv") == GOOD.decode()
    assert not files.notes


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("bad.tsv", "not what was expected"),
        ("cut.tsv", "not what was expected"),
        ("none.tsv", "cannot be fetched .*404.*put it into a folder, and name that by --data"),
        ("torn.gz", "damaged"),
    ],
)
def test_what_is_wrong_is_refused_and_not_kept(base: str, page: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _files(f"{base}/{page}").text("t.tsv")
    assert not list(cache("tiny").rglob("*"))


def test_offline_the_message_says_what_to_put_where(base: str) -> None:
    del base
    with pytest.raises(InputError, match=r"t.tsv cannot be fetched .*Fetch http://127.0.0.1:9/t.tsv elsewhere"):
        _files("http://127.0.0.1:9/t.tsv").path("t.tsv")


@pytest.mark.parametrize("place", ["tiny/t.tsv", "t.tsv", "tiny/t.tsv.gz"])
def test_a_given_folder_is_taken_before_all_else(base: str, tmp_path: Path, place: str) -> None:
    path = tmp_path / "data" / place
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(GOOD) if place.endswith("gz") else GOOD)
    files = _files(f"{base}/t.tsv", tmp_path / "data")
    assert files.path("t.tsv") == path
    assert files.text("t.tsv") == GOOD.decode()
    assert not _Publisher.asked


def test_the_folder_of_the_environment_is_looked_into_first(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELMAN_DATA", str(tmp_path / "data"))
    assert _files(f"{base}/t.tsv").text("t.tsv") == GOOD.decode()
    assert _Publisher.asked == ["/t.tsv"]
    (tmp_path / "data" / "tiny").mkdir(parents=True)
    (tmp_path / "data" / "tiny" / "t.tsv").write_text("mine")
    files = _files(f"{base}/t.tsv")
    assert files.text("t.tsv") == "mine"
    assert files.notes == ["t.tsv is not as published: scores do not compare with those of others"]


def test_a_folder_that_lacks_a_file_is_told(base: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--data .*: t.tsv is not there.*or leave --data out"):
        _files(f"{base}/t.tsv", tmp_path).path("t.tsv")
    assert not _Publisher.asked


def test_a_member_of_an_archive_is_read_where_it_lies(base: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "names.zip", "w") as packed:
        packed.writestr("names/A.txt", GOOD)
    files = _files(f"{base}/A.txt", tmp_path, "names/A.txt")
    assert files.text("names/A.txt") == GOOD.decode()
    with pytest.raises(InputError, match="unpack it"):
        files.path("names/A.txt")
    (tmp_path / "names.zip").write_bytes(b"PK torn")
    with pytest.raises(InputError, match="cannot be read from it"):
        _files(f"{base}/A.txt", tmp_path, "names/A.txt").text("names/A.txt")


def test_what_is_no_text_is_told(base: str, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"not UTF-8 \(byte 0\)"):
        _files(f"{base}/t.tsv", tmp_path).text("t.tsv")
    (tmp_path / "t.tsv.gz").write_bytes(b"\x1f\x8bno")
    (tmp_path / "t.tsv").unlink()
    with pytest.raises(InputError, match="damaged"):
        _files(f"{base}/t.tsv", tmp_path).text("t.tsv")
