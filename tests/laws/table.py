"""The table of everything that the laws of time are tried on. A new cell or wrapper gets a line here."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from elman.core import (
    Cell,
    Decay,
    ElmanCell,
    GRUCell,
    LayerNorm,
    LRUCell,
    LSTMCell,
    MinGRUCell,
    MinLSTMCell,
    Residual,
    VariationalDropout,
    WeightDrop,
    Zoneout,
    checkpoint,
)
from elman.core.check import LAWS, LawError, Subject
from elman.core.engines.operators import kernel_names, kernels

INPUT = 5
"""D, different from every H."""

HIDDEN = (1, 7, 8, 9, 17, 33)
"""H: around the widths of vector registers, and one."""

ENGINES = ("loop", "vendor", "scan", *(f"native/{name}" for name in kernel_names()))
"""With every kind of the native kernels that this processor can run, forced in turn."""

MEMORY = ("keep", checkpoint(3), checkpoint())
DTYPES = (torch.float64, torch.float32)


@dataclass(frozen=True)
class Base:
    """A cell.

    Attributes:
        make: from D and H.
        vendor: whether torch has a kernel for it.
        native: whether elman has one.
        scan: whether it is linear in its state. gated: whether it is a GatedCell.
        smallest: the smallest H it takes.
        output: the width of its output, from H.
        gates: the number of its gates, G.
    """

    make: Callable[[int, int], Any]
    vendor: bool = True
    native: bool = True
    scan: bool = False
    gated: bool = True
    smallest: int = 1
    output: Callable[[int], int] = lambda size: size
    gates: int = 1


@dataclass(frozen=True)
class Wrap:
    """A wrapper or several.

    Attributes:
        make: from the cell.
        kernel: whether the kernels for whole sequences still serve.
        scan: whether a linear cell in it is still taken by the scan.
        gated: whether it acts between a product and a pointwise function, so takes a GatedCell only.
        square: whether D must be the width of the output (Residual).
        per_step: whether it draws a mask for every step in training; such masks cannot be the same for a
            sequence in pieces or for rows in another order, so laws 2, 3, 5 and 6 hold in evaluation only.
        fewest: the smallest G*H it takes; of one number, LayerNorm makes nothing.
    """

    make: Callable[[Any], Cell]
    kernel: bool = False
    scan: bool = False
    gated: bool = False
    square: bool = False
    per_step: bool = False
    fewest: int = 1


def _projection(size: int) -> int:
    return size // 3 + 1


def _projected(width: int, size: int, bias: bool = True) -> LSTMCell:
    return LSTMCell(width, size, bias, proj_size=_projection(size))


CELLS = {
    "elman": Base(ElmanCell),
    "elman_relu": Base(lambda d, h: ElmanCell(d, h, "relu")),
    "elman_sigmoid": Base(lambda d, h: ElmanCell(d, h, "sigmoid"), vendor=False),
    "elman_nobias": Base(lambda d, h: ElmanCell(d, h, bias=False)),
    "lstm": Base(LSTMCell, gates=4),
    "lstm_nobias": Base(lambda d, h: LSTMCell(d, h, bias=False), gates=4),
    "lstm_proj": Base(_projected, native=False, smallest=7, output=_projection, gates=4),
    "lstm_proj_nobias": Base(
        lambda d, h: _projected(d, h, False), native=False, smallest=7, output=_projection, gates=4
    ),
    "gru": Base(GRUCell, gates=3),
    "gru_nobias": Base(lambda d, h: GRUCell(d, h, bias=False), gates=3),
    "mingru": Base(MinGRUCell, vendor=False, native=False, scan=True, gated=False, gates=2),
    "minlstm_nobias": Base(
        lambda d, h: MinLSTMCell(d, h, bias=False), vendor=False, native=False, scan=True, gated=False, gates=3
    ),
    "lru": Base(LRUCell, vendor=False, native=False, scan=True, gated=False),
    "lru_glu_nobias": Base(
        lambda d, h: LRUCell(d, h, bias=False, glu=True), vendor=False, native=False, scan=True, gated=False
    ),
}

WRAPS = {
    "bare": Wrap(lambda c: c, kernel=True, scan=True),
    "residual": Wrap(Residual, kernel=True, scan=True, square=True),
    "zoneout": Wrap(lambda c: Zoneout(c, 0.3), per_step=True),
    "variational": Wrap(lambda c: VariationalDropout(c, 0.4), gated=True),
    "weightdrop": Wrap(lambda c: WeightDrop(c, 0.4), kernel=True, gated=True),
    "decay": Wrap(lambda c: Decay(c, [0, 2]), scan=True),
    "layernorm": Wrap(LayerNorm, fewest=2, gated=True),
    "residual_weightdrop": Wrap(lambda c: Residual(WeightDrop(c, 0.4)), kernel=True, square=True, gated=True),
    "residual_residual": Wrap(lambda c: Residual(Residual(c)), scan=True, square=True),
    "decay_zoneout": Wrap(lambda c: Decay(Zoneout(c, 0.3), [1]), per_step=True),
    "residual_decay_variational_weightdrop": Wrap(
        lambda c: Residual(Decay(VariationalDropout(WeightDrop(c, 0.4), 0.3), [0])), square=True, gated=True
    ),
    "weightdrop_layernorm": Wrap(lambda c: WeightDrop(LayerNorm(c), 0.4), fewest=2, gated=True),
    "layernorm_variational_weightdrop": Wrap(
        lambda c: LayerNorm(VariationalDropout(WeightDrop(c, 0.4), 0.3)), fewest=2, gated=True
    ),
    "residual_zoneout_weightdrop": Wrap(
        lambda c: Residual(Zoneout(WeightDrop(c, 0.4), 0.3)), square=True, per_step=True, gated=True
    ),
    "zoneout_zoneout_variational": Wrap(
        lambda c: Zoneout(Zoneout(VariationalDropout(c, 0.4), 0.2), 0.3), per_step=True, gated=True
    ),
}

PAIRS = [
    (cell, wrap) for cell, base in CELLS.items() for wrap, outside in WRAPS.items() if base.gated or not outside.gated
]
"""What can be put together."""

FACTORS: dict[str, tuple[Any, ...]] = {
    "law": tuple(LAWS),
    "cell": tuple(CELLS),
    "wrap": tuple(WRAPS),
    "engine": ENGINES,
    "memory": MEMORY,
    "dtype": DTYPES,
    "hidden": HIDDEN,
}


@functools.cache
def _structures() -> tuple[dict[str, Any], ...]:
    every = itertools.product(CELLS, WRAPS, ENGINES, HIDDEN)
    return tuple(
        {"cell": cell, "wrap": wrap, "engine": engine, "hidden": hidden}
        for cell, wrap, engine, hidden in every
        if hidden >= CELLS[cell].smallest
        and hidden * CELLS[cell].gates >= WRAPS[wrap].fewest
        and takes(engine, cell, wrap)
    )


def takes(engine: str, cell: str, wrap: str) -> bool:
    """Whether the engine can run it."""
    if WRAPS[wrap].gated and not CELLS[cell].gated:
        return False
    if engine == "scan":
        # Parts of complex numbers that fade apart are no longer linear as a whole.
        fades = "decay" in wrap and cell.startswith("lru")
        return CELLS[cell].scan and WRAPS[wrap].scan and not fades
    able = {"loop": True, "vendor": CELLS[cell].vendor}.get(engine, CELLS[cell].native)
    return able and (engine == "loop" or WRAPS[wrap].kernel)


def legal(case: dict[str, Any]) -> bool:
    """Whether some whole case holds these values: compiled engines refuse some, a projection needs room."""
    bound = [(name, case[name]) for name in ("cell", "wrap", "engine", "hidden") if name in case]
    return _any_structure(tuple(bound))


@functools.cache
def _any_structure(bound: tuple[tuple[str, Any], ...]) -> bool:
    return any(all(one[name] == value for name, value in bound) for one in _structures())


def build(cell: str, wrap: str, hidden: int, dtype: torch.dtype = torch.float64) -> Cell:
    """The cell in its wrapper with weights moved at random, so that no two gates are alike, in evaluation."""
    base, outside = CELLS[cell], WRAPS[wrap]
    torch.manual_seed(hidden)
    made = outside.make(base.make(base.output(hidden) if outside.square else INPUT, hidden)).to(dtype).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return made


def subject(case: dict[str, Any], training: bool = False) -> Subject:
    """What a law is tried on."""
    made = build(case["cell"], case["wrap"], case["hidden"], case["dtype"]).train(training)
    width = CELLS[case["cell"]].output(case["hidden"]) if WRAPS[case["wrap"]].square else INPUT
    return Subject(made, (width,), case["engine"].partition("/")[0], case["memory"])


def name_of(case: dict[str, Any]) -> str:
    """A case in words, the name of its test."""
    return "-".join(str(value).removeprefix("torch.") for value in case.values())


def prove(case: dict[str, Any], law: str, training: bool = False) -> None:
    """Try one law on one case; the message of a failure names the case."""
    try:
        with kernels(case["engine"].partition("/")[2] or "auto"):
            LAWS[law](subject(case, training))
    except LawError as error:
        raise LawError(f"{name_of(case)}: {error}") from error
