"""What all tests share: one thread, and property tests that give the same examples every time."""

from __future__ import annotations

import torch
from hypothesis import settings

# The tests are many small unfolds; several workers share the cores already.
torch.set_num_threads(1)

settings.register_profile("elman", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("elman")
