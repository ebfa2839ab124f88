"""The engines that this installation can run: all, or all but the native one where it was not built."""

from elman.core.engines.operators import kernel_names
from elman.core.unfold import ENGINES

HERE = [name for name in ENGINES if name != "native" or kernel_names()]
