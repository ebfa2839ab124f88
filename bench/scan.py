"""How long a linear recurrence takes, h_t = a_t h_{t-1} + b_t, forward and backward: by scan, step by step, and in JAX.

    python bench/scan.py            (--rounds 5, --threads 1, --hidden 64)

a, b and h hold T x B x H float32 numbers; T x B is 100,000 in every row but the last. The loop is elman's definition, a
step after the other in torch; JAX, where it is installed, runs jax.lax.associative_scan, compiled, after one call to
compile it. All of them in turn; milliseconds are medians over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

from elman.core.engines.scan import linear_scan

SHAPES = ((100, 1_000), (1_000, 100), (10_000, 10), (100_000, 1))


def _loop(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    rows = []
    for one, other in zip(a.unbind(0), b.unbind(0), strict=True):
        start = one * start + other
        rows.append(start)
    return torch.stack(rows)


def _torch(scan: Callable[[Tensor, Tensor, Tensor], Tensor], given: list[Tensor]) -> Callable[[], np.ndarray]:
    a, b, start = (part.clone().requires_grad_() for part in given)

    def run() -> np.ndarray:
        h = scan(a, b, start)
        (slope,) = torch.autograd.grad(h.square().mean(), a)
        return slope.numpy()

    return run


def _jax(given: list[Tensor]) -> Callable[[], np.ndarray]:
    import jax

    a, b, start = (jax.numpy.asarray(part.numpy()) for part in given)

    def both(left: tuple[jax.Array, jax.Array], right: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        return left[0] * right[0], left[1] * right[0] + right[1]

    def loss(a: jax.Array, b: jax.Array) -> jax.Array:
        kept, h = jax.lax.associative_scan(both, (a, b))
        return ((h + kept * start) ** 2).mean()

    slope = jax.jit(jax.grad(loss))
    return lambda: np.asarray(slope(a, b))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("rounds", 5), ("threads", 1), ("hidden", 64)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    names = ["scan", "loop", *(["jax"] if find_spec("jax") else [])]
    print(f"{'T':>8}{'B':>7}" + "".join(f"{name:>10}" for name in names) + "   milliseconds, forward and backward")
    for steps, batch in SHAPES:
        draw = torch.Generator().manual_seed(0)
        shape = (batch, args.hidden)
        given = [
            torch.rand(steps, *shape, generator=draw),
            torch.randn(steps, *shape, generator=draw),
            torch.zeros(shape),
        ]
        runs = {"scan": _torch(linear_scan, given), "loop": _torch(_loop, given)}
        if "jax" in names:
            runs["jax"] = _jax(given)
        seconds: dict[str, list[float]] = {name: [] for name in names}
        found = {name: run() for name, run in runs.items()}
        for name in names[1:]:
            assert np.allclose(found[name], found["scan"], rtol=1e-3, atol=1e-9), name
        for _ in range(args.rounds):
            for name in names:
                began = time.perf_counter()
                runs[name]()
                seconds[name].append(time.perf_counter() - began)
        told = "".join(f"{1e3 * statistics.median(seconds[name]):10.1f}" for name in names)
        print(f"{steps:8}{batch:7}{told}", flush=True)


if __name__ == "__main__":
    main()
