"""Searches that kill themselves, one after the other: python killed.py FILE OUT EVENT:NUMBER ...

Each is a fork of this process, which has imported everything once, so that a kill costs tenths of a second. Nothing
is read before the fork: polars' threads would not survive it.
"""

from __future__ import annotations

import os
import signal
import sys

import optuna
import torch

import elman

torch.set_num_threads(1)
assert optuna.__version__

ASKED = {"source": "series:v", "target": "label:kind"}
SETTINGS = {"epochs": 5, "hidden": 4, "batch": 8, "save_every": "4", "trials": 6, "seeds": 2}


def search(file: str, out: str, event: str, number: int) -> None:
    seen = 0

    def listen(told: object) -> None:
        nonlocal seen
        seen += type(told).__name__ == event
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    elman.tune(file, **ASKED, **SETTINGS, out=out, listener=listen)  # type: ignore[arg-type]


def main(file: str, out: str, *kills: str) -> None:
    for kill in kills:
        event, _, number = kill.partition(":")
        child = os.fork()
        if not child:
            search(file, out, event, int(number))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(kill, os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
