"""A search in a process of its own, which kills itself: python killed.py FILE OUT EVENT NUMBER."""

from __future__ import annotations

import os
import signal
import sys

import torch

torch.set_num_threads(1)

ASKED = {"source": "series:v", "target": "label:kind"}
SETTINGS = {"epochs": 6, "hidden": 4, "batch": 8, "save_every": "1", "trials": 7, "seeds": 2}


def main(file: str, out: str, event: str, number: int) -> None:
    import elman

    seen = 0

    def listen(told: object) -> None:
        nonlocal seen
        seen += type(told).__name__ == event
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    elman.tune(file, **ASKED, **SETTINGS, out=out, listener=listen)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
