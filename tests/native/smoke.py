"""Run on every built wheel: the package imports, and the native core is in it."""

import elman
from elman.native_info import describe

info = describe()
assert info["native"] == "yes", info
print(elman.__version__, info)
