"""What all tests share: one thread, and property tests that give the same examples every time."""

from __future__ import annotations

import importlib.util
import os
import sys

import pytest
import torch
from hypothesis import settings

# The tests are many small unfolds; several workers share the cores already.
torch.set_num_threads(1)

settings.register_profile("elman", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("elman")

# `make sanitize` has the native core built a second time, with checks, and names the file here.
if "ELMAN_NATIVE_FILE" in os.environ:
    if not os.path.isfile(os.environ["ELMAN_NATIVE_FILE"]):
        named = os.environ["ELMAN_NATIVE_FILE"]
        raise pytest.UsageError(f"ELMAN_NATIVE_FILE: no file '{named}'; run: make sanitize, or unset it")
    spec = importlib.util.spec_from_file_location("elman._native", os.environ["ELMAN_NATIVE_FILE"])
    assert spec is not None
    assert spec.loader is not None
    sys.modules["elman._native"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["elman._native"])
