"""How long the units of a model keep what they hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elman.core.cells.base import Cell, GatedCell, settle
from elman.core.cells.linear import LinearCell
from elman.core.cells.lru import LRUCell
from elman.core.cells.wrap import Residual, Wrapper, Zoneout, describe
from elman.core.errors import InputError
from elman.core.plan import layers, tensors_of
from elman.core.probe import width_of
from elman.core.ragged import Ragged
from elman.core.unfold import unfold

__all__ = ["Timescales", "timescales"]


@dataclass(frozen=True)
class Timescales:
    """The time scales of one recurrent layer and direction.

    Attributes:
        name: where it stands in the model.
        cell: the cell in words.
        steps: ``(H,)`` float64, the steps after which ``1/e`` of what a unit holds is left; infinite where all stays.
        period: ``(H,)`` float64, the steps in which a unit's complex number turns once; None for real numbers.
        source: what says so: ``eigenvalues``, ``biases`` or ``data``.
    """

    name: str
    cell: str
    steps: Tensor
    period: Tensor | None
    source: str

    def __str__(self) -> str:
        return in_words([self])


def timescales(model: nn.Module, ragged: Ragged | None = None) -> tuple[Timescales, ...]:
    """Tell for every unit how many steps it keeps what it holds.

    ::

        tau = -1/ln k          k the share that is kept from one step to the next

    Of an LRU k is ``|lambda|``, whatever is read. Of a cell with gates it is the gate that keeps (z of a GRU, f of an
    LSTM and MinLSTM, 1 - z of MinGRU): at a step whose input and state are zero, so by the biases alone; or with
    ``ragged``, by the mean of ln k over all real steps.

    Args:
        model: a cell, or any module that holds recurrent layers; of these the ones that have no gate that keeps
            (Elman) are left out.
        ragged: what the cell reads, ``(T, B, D)``; only for a cell.

    Raises:
        InputError: nothing in the model keeps by a gate or an eigenvalue, or ``ragged`` for a model.
    """
    if ragged is not None and not isinstance(model, Cell):
        raise InputError("ragged: is for one cell, timescales(cell, ragged), as every layer reads something else")
    found = []
    for name, cell, _, _ in layers(model):
        why = _refusal(cell)
        if why is None:
            found.append(_of(name, cell, ragged))
        elif isinstance(model, Cell):
            raise InputError(why)
    if not found:
        raise InputError(f"{type(model).__name__} holds no layer with gates or eigenvalues that say how long it keeps")
    return tuple(found)


def in_words(found: Sequence[Timescales]) -> str:
    """Some layers' time scales in a line: ``keeps for 2 to 340 steps (median 18), by its biases``."""
    said = f"keeps for {_span(torch.cat([one.steps for one in found]))}"
    periods = [one.period for one in found if one.period is not None]
    if periods:
        said += f", turns once in {_span(torch.cat(periods))}"
    return said if found[0].source == "eigenvalues" else f"{said}, by its {found[0].source}"


def _refusal(cell: Cell) -> str | None:
    inside = cell
    while isinstance(inside, Wrapper):
        if isinstance(inside, Zoneout) and inside.p:
            return "Zoneout keeps by chance what the gates let go, so they do not say how long; ask the cell inside"
        inside = inside.cell
    if isinstance(inside, LinearCell) or (isinstance(inside, GatedCell) and {"f", "z"} & set(inside.GATES)):
        return None
    return f"{type(inside).__name__} has no gate or eigenvalue that says how long it keeps"


@torch.no_grad()
def _of(name: str, cell: Cell, ragged: Ragged | None) -> Timescales:
    bare = settle(cell)
    while isinstance(bare, Residual):
        bare = bare.cell
    if isinstance(bare, LRUCell):
        steps, period = (-bare.nu.double()).exp(), 2 * math.pi / bare.theta.double().exp()
        return Timescales(name, describe(cell), steps, period, "eigenvalues")
    if ragged is None:
        weight = tensors_of(bare)[0]
        rows = Ragged(weight.new_zeros(1, 1, width_of(bare, "timescales(cell, ragged)")))
        return Timescales(name, describe(cell), _steps(bare, rows), None, "biases")
    return Timescales(name, describe(cell), _steps(bare, ragged), None, "data")


def _steps(cell: Cell, rows: Ragged) -> Tensor:
    """``-1 / mean ln k`` over all real steps."""
    if isinstance(cell, LinearCell):
        kept = cell.project(rows.clean().values)[0]
    else:
        gates = unfold(cell, rows, record=True)[2].gates
        kept = gates["f"] if "f" in gates else gates["z"]
    return -1 / kept.double().abs()[rows.mask].log().mean(0)


def _span(steps: Tensor) -> str:
    low, middle, high = (_number(float(one)) for one in (steps.min(), steps.median(), steps.max()))
    return f"{low} to {high} steps (median {middle})"


def _number(value: float) -> str:
    if value >= 1e6:
        return "over a million"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
