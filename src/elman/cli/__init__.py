"""The command line: one file a verb."""

from __future__ import annotations

import sys
import warnings

from elman import __version__
from elman.cli.welcome import WELCOME

__all__ = ["main"]


def main() -> None:
    """Run the command line: :func:`elman.cli.verbs.run`."""
    warnings.formatwarning = lambda message, *_, **__: f"  - {message}\n"
    if len(sys.argv) == 1:
        print(WELCOME)
        return
    if sys.stderr.isatty() and sys.argv[1] == "train" and not {"-h", "--help"} & set(sys.argv):
        # A sign of life for who watches, before torch is loaded; a log needs none.
        print(f"elman {__version__}", file=sys.stderr, flush=True)
    try:
        # Imported only now: it takes a while, in which Ctrl-C is no error either.
        from elman.cli.verbs import run
    except KeyboardInterrupt:
        sys.exit(130)
    run()
