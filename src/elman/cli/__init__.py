"""The command line: one file a verb."""

from __future__ import annotations

import sys
import warnings

__all__ = ["main"]


def main() -> None:
    """Run the command line: :func:`elman.cli.verbs.run`."""
    warnings.formatwarning = lambda message, *_, **__: f"  - {message}\n"
    try:
        # Imported only now: it takes a while, in which Ctrl-C is no error either.
        from elman.cli.verbs import run
    except KeyboardInterrupt:
        sys.exit(130)
    run()
