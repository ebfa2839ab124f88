"""The engines that run Elman, LSTM and GRU in this installation: all, or all but the native one where it was not built.

``scan`` is for other cells; tests/laws/table.py and tests/unit/core/test_scan.py try it on those.
"""

from elman.core.engines.operators import kernel_names
from elman.core.unfold import ENGINES

HERE = [name for name in ENGINES if name != "scan" and (name != "native" or kernel_names())]
