"""Which data it was: told by all of a file, and by a part of one that is large."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data import fingerprint as module
from elman.data.fingerprint import fingerprint


def test_all_of_a_file_counts(tmp_path: Path) -> None:
    data = bytes(range(256)) * 50
    (tmp_path / "f").write_bytes(data)
    assert fingerprint(tmp_path / "f") == hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("large")


@given(size=st.integers(2_000, 40_000), place=st.integers(0, 10**9))
def test_blocks_of_a_large_file_count_and_so_does_its_size(folder: Path, size: int, place: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_WHOLE", 1_000)
        patched.setattr(module, "_BLOCK", 10)
        data = bytearray(k % 251 for k in range(size))
        (folder / "f").write_bytes(data)
        before = fingerprint(folder / "f")
        assert before.startswith("64x")
        for end in (0, size - 1):
            changed = bytearray(data)
            changed[end] ^= 1
            (folder / "f").write_bytes(changed)
            assert fingerprint(folder / "f") != before
        (folder / "f").write_bytes(data + b"x")
        assert fingerprint(folder / "f") != before
        k = place % 64
        start = k * (size - 10) // 63
        data[start + place % 10] ^= 1
        (folder / "f").write_bytes(data)
        assert fingerprint(folder / "f") != before
