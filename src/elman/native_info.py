"""Whether the native core is there.

This file knows nothing of engines or tensors; it imports nothing else of elman, so it can be asked before
anything is set up: ``python -m elman.native_info``.
"""

from __future__ import annotations

__all__ = ["describe"]


def describe() -> dict[str, str]:
    """Say whether ``elman._native`` can be used, how it was built, or why it cannot.

    Returns:
        With the native core: ``native: "yes"`` and ``compiler``, ``compiled`` (instruction sets used
        everywhere) and ``detected`` (instruction sets of this processor). Without it: ``native: "no"`` and
        ``reason``.
    """
    try:
        from elman import _native
    except ImportError as error:
        return {"native": "no", "reason": _reason(error)}
    return {"native": "yes", **_native.cpu_info()}


def _reason(error: ImportError) -> str:
    # "from elman import _native" reports a missing file as an ImportError naming elman, without a path to
    # the extension; a file that is there but does not load names that file.
    if (error.path or "").endswith((".so", ".pyd", ".dylib")):
        return f"the extension is there but does not load: {error}"
    return (
        "the extension was not built; with a C++ compiler installed, run: "
        "pip install --force-reinstall --no-deps elman (in a checkout: make build)"
    )


if __name__ == "__main__":
    for key, value in describe().items():
        print(f"{key + ':':10} {value}")
