"""Every law fails on what breaks it: a proof that cannot fail proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from elman.core import Cell, ElmanCell, GRUCell, LSTMCell, Ragged
from elman.core.cells.base import Kernel
from elman.core.check import LAWS, LawError, Subject
from elman.core.engines.loop import LoopEngine
from elman.core.engines.memory import checkpoint
from elman.core.state import State, map_state
from elman.core.unfold import ENGINES

Resets = tuple[Tensor, State] | None


class Broken(LoopEngine):
    """An engine that does the right thing but for what its subclasses do."""

    name = "broken"


class SwappedGates(Broken):
    """r and z in each other's place, as in files of another library."""

    def run(self, cell: Cell, x: Any, rows: Ragged, state: State, resets: Resets) -> tuple[Tensor, State]:
        assert isinstance(cell, GRUCell)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        blocks = {name: getattr(cell, name).chunk(3) for name in names}
        swapped = cell.bind({name: torch.cat([z, r, n]) for name, (r, z, n) in blocks.items()})
        return super().run(swapped, x, rows, state, resets)


class DroppedGradient(Broken):
    """The right values, but no gradient to the weights of the input."""

    def run(self, cell: Cell, x: Any, rows: Ragged, state: State, resets: Resets) -> tuple[Tensor, State]:
        assert isinstance(cell, GRUCell)
        return super().run(cell.bind({"weight_ih": cell.weight_ih.detach()}), x, rows, state, resets)


class NoStateGradient(Broken):
    """The right values, but no gradient to the state that was given."""

    def run(self, cell: Cell, x: Any, rows: Ragged, state: State, resets: Resets) -> tuple[Tensor, State]:
        return super().run(cell, x, rows, map_state(lambda leaf: leaf.detach(), state), resets)


class StaleState(Broken):
    """Starts from zeros, whatever it is given."""

    def run(self, cell: Cell, x: Any, rows: Ragged, state: State, resets: Resets) -> tuple[Tensor, State]:
        return super().run(cell, x, rows, map_state(torch.zeros_like, state), resets)


class RunsOn(Broken):
    """Goes on over the pads, so that the final state is not that of the row's own last step."""

    def run(self, cell: Cell, x: Any, rows: Ragged, state: State, resets: Resets) -> tuple[Tensor, State]:
        return super().run(cell, x, Ragged(rows.values), state, resets)


class IgnoresResets(Broken):
    def run(self, cell: Cell, x: Any, rows: Ragged, state: State, resets: Resets) -> tuple[Tensor, State]:
        return super().run(cell, x, rows, state, None)


class ResetsTooLate(Broken):
    """After the step whose input it should come before."""

    def run(self, cell: Cell, x: Any, rows: Ragged, state: State, resets: Resets) -> tuple[Tensor, State]:
        late = None if resets is None else (torch.cat([torch.zeros_like(resets[0][:1]), resets[0][:-1]]), resets[1])
        return super().run(cell, x, rows, state, late)


class NoStepsNoWidth(Broken):
    """Forgets how wide the outputs are when there are none."""

    def run(self, cell: Cell, x: Any, rows: Ragged, state: State, resets: Resets) -> tuple[Tensor, State]:
        y, state = super().run(cell, x, rows, state, resets)
        return (y if rows.steps else y[..., :0]), state


class ForgetsEmptyRows(Broken):
    """A row without a step comes back with zeros in place of its initial state."""

    def run(self, cell: Cell, x: Any, rows: Ragged, state: State, resets: Resets) -> tuple[Tensor, State]:
        y, end = super().run(cell, x, rows, state, resets)
        return y, map_state(lambda leaf: torch.where((rows.lengths > 0)[:, None], leaf, 0), end)


class MixesRows(ElmanCell):
    def recur(self, state: Tensor) -> Tensor:
        return super().recur(state - state.mean(0))


class SilentNoise(ElmanCell):
    """Random in evaluation."""

    def recur(self, state: Tensor) -> Tensor:
        return super().recur(state + 0.01 * torch.randn_like(state))


class DropoutInStep(ElmanCell):
    """Random in training, but inside the step, where a recomputation sees another mask."""

    def recur(self, state: Tensor) -> Tensor:
        return super().recur(torch.nn.functional.dropout(state, 0.5, self.training))


class DropoutInProject(ElmanCell):
    def project(self, x: Tensor) -> Tensor:
        return super().project(torch.nn.functional.dropout(x, 0.5, self.training))


class Counts(ElmanCell):
    """Changes a buffer at every step."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__(width, size)
        self.register_buffer("seen", torch.zeros(()))

    def recur(self, state: Tensor) -> Tensor:
        self.seen.add_(1)
        return super().recur(state)


class WritesIntoState(ElmanCell):
    def recur(self, state: Tensor) -> Tensor:
        return super().recur(state.mul_(0.5))


class ForgetsTensor(ElmanCell):
    """Keeps a tensor that is neither parameter nor buffer: state_dict does not have it."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__(width, size)
        self.scale = torch.full((size,), 0.5, dtype=torch.float64)

    def recur(self, state: Tensor) -> Tensor:
        return super().recur(self.scale * state)


def _cleans_only(first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let unfold set pads to zero at its entry only, or at its exit only; D is 5, H is 4."""
    clean = Ragged.clean
    monkeypatch.setattr(Ragged, "clean", lambda rows: clean(rows) if (rows.values.shape[-1] == 5) == first else rows)


def _reads_pads(monkeypatch: pytest.MonkeyPatch) -> None:
    _cleans_only(False, monkeypatch)


def _leaves_pads(monkeypatch: pytest.MonkeyPatch) -> None:
    _cleans_only(True, monkeypatch)


def _reverses_over_pads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ragged, "reverse", lambda rows: rows.map(lambda values: values.flip(0)))


Biter = type[Broken] | type[Cell] | Callable[[pytest.MonkeyPatch], None]

BITERS: list[tuple[str, Biter]] = [
    ("parity", SwappedGates),
    ("parity", DroppedGradient),
    ("parity", NoStateGradient),
    ("parity", StaleState),
    ("parity", RunsOn),
    ("chunk", StaleState),
    ("chunk", NoStateGradient),
    ("stream", StaleState),
    ("padding", _reads_pads),
    ("padding", _leaves_pads),
    ("batch", MixesRows),
    ("batch", RunsOn),
    ("reverse", _reverses_over_pads),
    ("resets", IgnoresResets),
    ("resets", ResetsTooLate),
    ("edges", NoStepsNoWidth),
    ("edges", ForgetsEmptyRows),
    ("saved", ForgetsTensor),
    ("pure", SilentNoise),
    ("pure", DropoutInStep),
    ("pure", DropoutInProject),
    ("pure", Counts),
    ("pure", WritesIntoState),
]


@pytest.mark.parametrize(("law", "biter"), BITERS, ids=lambda part: getattr(part, "__name__", part))
def test_law_bites(law: str, biter: Biter, monkeypatch: pytest.MonkeyPatch) -> None:
    cell, engine = GRUCell(5, 4), "loop"
    torch.manual_seed(0)
    if not isinstance(biter, type):
        biter(monkeypatch)
    elif issubclass(biter, Broken):
        engine = "broken"
        monkeypatch.setitem(ENGINES, engine, biter())
    else:
        cell = biter(5, 4)
    with pytest.raises(LawError, match=f"law {list(LAWS).index(law) + 1}[,:]"):
        LAWS[law](Subject(cell.double().eval(), (5,), engine))


def test_every_law_has_a_biter() -> None:
    assert {law for law, _ in BITERS} == set(LAWS)


@pytest.mark.parametrize("law", LAWS)
def test_what_the_biters_break_was_whole(law: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "broken", Broken())
    for cell in (GRUCell(5, 4), ElmanCell(5, 4)):
        LAWS[law](Subject(cell.double().eval(), (5,), "broken"))


def test_swapped_gates_of_an_lstm_bite(monkeypatch: pytest.MonkeyPatch) -> None:
    class Swapped(LSTMCell):
        def pointwise(self, p: Any, q: Tensor, state: Any) -> Any:
            return super().pointwise(torch.cat([p.chunk(4, -1)[k] for k in (1, 0, 2, 3)], -1), q, state)

        def kernel(self) -> Kernel:
            return Kernel("LSTM", tuple(self.parameters()), True)

    right = LSTMCell(5, 4).double().eval()
    wrong = Swapped(5, 4).double().eval()
    wrong.load_state_dict(right.state_dict())
    with pytest.raises(LawError, match="law 1, parity"):
        LAWS["parity"](Subject(wrong, (5,), "vendor"))
    LAWS["parity"](Subject(right, (5,), "vendor"))


def test_a_recomputation_that_differs_bites(monkeypatch: pytest.MonkeyPatch) -> None:
    class Drifts(Broken):
        """Gives other values when a chunk is computed a second time."""

        calls = 0

        def run(self, cell: Cell, x: Any, rows: Ragged, state: State, resets: Resets) -> tuple[Tensor, State]:
            self.calls += 1
            again = self.calls > 4
            return super().run(cell, x * 0.9 if again else x * 1.0, rows, state, resets)

    monkeypatch.setitem(ENGINES, "broken", Drifts())
    with pytest.raises(LawError, match="law 1, parity: gradient"):
        LAWS["parity"](Subject(GRUCell(5, 4).double().eval(), (5,), "broken", checkpoint(3)))


def test_tolerance_separates_rounding_from_errors() -> None:
    torch.manual_seed(0)
    cell = GRUCell(5, 4)
    with pytest.raises(LawError, match="law 9"):
        LAWS["saved"](Subject(_loses_a_little(cell), (5,), "loop"))


def _loses_a_little(cell: GRUCell) -> GRUCell:
    """Saves its weights in half precision."""
    cell.register_state_dict_post_hook(
        lambda module, state, prefix, meta: state.update({k: v.half().float() for k, v in state.items()})
    )
    return cell.eval()
