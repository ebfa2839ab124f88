"""The native core describes itself, and is right about the processor."""

import platform
from pathlib import Path

import pytest

from elman.native_info import describe

ORDER = ["sse2", "avx", "fma", "avx2", "avx512f", "neon"]


@pytest.fixture
def info() -> dict[str, str]:
    described = describe()
    if described["native"] == "no":
        pytest.skip(described["reason"])
    return described


def test_without_the_core_there_is_a_reason_and_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    import elman

    monkeypatch.delattr(elman, "_native", raising=False)
    monkeypatch.setitem(sys.modules, "elman._native", None)
    described = describe()
    assert described["native"] == "no"
    assert "pip install" in described["reason"]


def test_lists_are_ordered_and_what_was_compiled_is_detected(info: dict[str, str]) -> None:
    compiled, detected = info["compiled"].split(), info["detected"].split()
    assert compiled == [word for word in ORDER if word in compiled]
    assert detected == [word for word in ORDER if word in detected]
    assert set(compiled) <= set(detected)
    assert info["compiler"].split()[0] in {"gcc", "clang", "msvc"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="reads the x86-64 flags of Linux")
def test_detection_agrees_with_the_operating_system(info: dict[str, str]) -> None:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        pytest.skip("the operating system has no /proc/cpuinfo")
    flags = next(line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")).split()
    assert info["detected"].split() == [word for word in ORDER if word in flags]
