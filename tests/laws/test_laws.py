"""The laws of time for every cell, wrapper, engine, memory policy, dtype and size in the table."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from pairwise import combinations, cover
from table import (
    CELLS,
    DTYPES,
    ENGINES,
    FACTORS,
    HIDDEN,
    INPUT,
    MEMORY,
    PAIRS,
    WRAPS,
    build,
    legal,
    name_of,
    prove,
    takes,
)

from elman.core import Cell, EngineError, Ragged, checkpoint, unfold
from elman.core.check import LAWS
from elman.core.engines.operators import kernel_names

GROUPS = [
    ("cell", "wrap", "engine"),
    ("wrap", "engine", "law"),
    ("engine", "memory", "law"),
    ("cell", "law"),
    ("cell", "dtype"),
    ("cell", "hidden"),
    ("cell", "memory"),
    ("wrap", "dtype"),
    ("wrap", "hidden"),
    ("wrap", "memory"),
    ("law", "dtype"),
    ("law", "hidden"),
    ("engine", "dtype", "hidden"),
]
SAMPLE = cover(FACTORS, GROUPS, legal)


@pytest.mark.parametrize("case", SAMPLE, ids=name_of)
def test_law_on_a_sample(case: dict[str, Any]) -> None:
    prove(case, case["law"])


def test_sample_holds_every_wanted_combination() -> None:
    held = {frozenset((name, case[name]) for name in group) for case in SAMPLE for group in GROUPS}
    assert combinations(FACTORS, GROUPS, legal) <= held
    assert all(legal(case) for case in SAMPLE)


def _whole() -> Iterator[tuple[str, str, str]]:
    for cell in CELLS:
        for wrap in WRAPS:
            yield from ((cell, wrap, engine) for engine in ENGINES if takes(engine, cell, wrap))


SIZES = {"keep": HIDDEN, checkpoint(3): HIDDEN[::2], checkpoint(): HIDDEN[1::2]}
"""The sizes in the whole product: all where everything is kept, half of them for each way of recomputing."""


@pytest.mark.laws_full
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("memory", MEMORY, ids=str)
@pytest.mark.parametrize(("cell", "wrap", "engine"), list(_whole()))
def test_every_law(cell: str, wrap: str, engine: str, memory: Any, dtype: torch.dtype) -> None:
    case = {"cell": cell, "wrap": wrap, "engine": engine, "memory": memory, "dtype": dtype}
    for hidden in SIZES[memory]:
        if legal({**case, "hidden": hidden}):
            for law in LAWS:
                prove({**case, "hidden": hidden}, law)


# In training ---------------------------------------------------------------------------------------------

IN_TRAINING = ("parity", "chunk", "stream", "padding", "batch", "reverse", "edges", "saved")
"""All laws but 7, where a reset draws new masks as a new sequence does, and 10, which is about evaluation."""

PER_STEP = ("parity", "padding", "edges", "saved")
"""What holds of masks drawn anew for every step (Zoneout)."""


def _in_training(wrap: str) -> tuple[str, ...]:
    return PER_STEP if WRAPS[wrap].per_step else IN_TRAINING


def _case(cell: str, wrap: str, engine: str, memory: Any) -> dict[str, Any]:
    case = {"cell": cell, "wrap": wrap, "engine": engine, "memory": memory}
    return {**case, "hidden": 8, "dtype": torch.float64}


@pytest.mark.parametrize(("wrap", "engine"), [(w, e) for c, w, e in _whole() if c == "gru"])
def test_laws_in_training(wrap: str, engine: str) -> None:
    for number, law in enumerate(_in_training(wrap)):
        cell, memory = ("lstm", "gru")[number % 2], (checkpoint(3), "keep")[number // 2 % 2]
        prove(_case(cell, wrap, engine, memory), law, training=True)


@pytest.mark.laws_full
@pytest.mark.parametrize("memory", MEMORY, ids=str)
@pytest.mark.parametrize(("cell", "wrap", "engine"), list(_whole()))
def test_every_law_in_training(cell: str, wrap: str, engine: str, memory: Any) -> None:
    for law in _in_training(wrap):
        prove(_case(cell, wrap, engine, memory), law, training=True)


# The table -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cell", "wrap"), PAIRS)
@pytest.mark.parametrize("engine", ["vendor", "scan", "native"] if kernel_names() else ["vendor", "scan"])
def test_engines_take_what_the_table_says(cell: str, wrap: str, engine: str) -> None:
    base, outside = CELLS[cell], WRAPS[wrap]
    x = Ragged(torch.zeros(2, 1, base.output(9) if outside.square else INPUT, dtype=torch.float64))
    made = build(cell, wrap, 9)
    if takes(engine, cell, wrap):
        assert unfold(made, x, engine=engine)[0].values.shape == (2, 1, base.output(9))
    else:
        with pytest.raises(EngineError, match=r"torch has no kernel|no native kernel|has no projection|scan is for"):
            unfold(made, x, engine=engine)


def test_input_is_as_wide_as_no_output() -> None:
    outputs = {base.output(hidden) for base in CELLS.values() for hidden in HIDDEN if hidden >= base.smallest}
    assert INPUT not in outputs | set(HIDDEN)


BASES = {"Wrapper", "GatedWrapper"}
"""Not abstract to Python, but only there to be built upon."""

BOUND = {"InputFeeding"}
"""Cells that step only when they are bound to a memory; test_writing.py tries the laws on them."""


def _subclasses(kind: type[Cell]) -> set[type[Cell]]:
    found = set(kind.__subclasses__())
    return found | {deeper for one in found for deeper in _subclasses(one)}


def test_coverage() -> None:
    tried = {type(part) for cell, wrap in PAIRS for part in build(cell, wrap, 7).modules()}
    ours = {kind for kind in _subclasses(Cell) if kind.__module__.startswith("elman.")}
    public = {kind for kind in ours if not inspect.isabstract(kind) and not kind.__name__.startswith("_")}
    missing = sorted(kind.__name__ for kind in public - tried if kind.__name__ not in BASES | BOUND)
    assert not missing, (
        f"{', '.join(missing)}: no line in tests/laws/table.py. Cells go into CELLS, wrappers into WRAPS; "
        "the laws are then tried on them with every engine, memory policy, dtype and size."
    )
