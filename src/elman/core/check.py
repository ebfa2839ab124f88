"""The laws of time, as functions that raise: for elman's own cells in the tests, and for yours.

``check_cell(Mine(64, 128))`` runs every law in float64 and float32. Each law compares what ``unfold`` computes
with what the words say, on rows of different lengths, with random weights on outputs and on the final state,
and it compares gradients (of the input, of the initial state, of every parameter) as well as values.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from torch import Tensor

from elman.core.cells.base import Cell
from elman.core.cells.wrap import Dropped
from elman.core.engines.base import map_time
from elman.core.engines.memory import Memory
from elman.core.errors import ElmanError
from elman.core.layers.stack import Recurrent
from elman.core.probe import one_step, undisturbed, width_of
from elman.core.ragged import Ragged
from elman.core.state import State, join_rows, leaves, map_state, take_rows
from elman.core.unfold import unfold

__all__ = ["LAWS", "TOLERANCES", "LawError", "Subject", "check_cell", "compare", "definition", "width_of"]

TOLERANCES = {torch.float64: 1e-10, torch.float32: 3e-5}
"""Largest difference allowed, by dtype, relative to the largest magnitude of the tensor (at least 1)."""

Values = dict[str, Tensor]


class LawError(ElmanError, AssertionError):
    """A law of time is broken; the message names the law, the tensor, the place and both values."""


@dataclass(frozen=True)
class Subject:
    """What the laws are tried on.

    Attributes:
        cell: the cell; its dtype decides the tolerance.
        width: trailing dimensions of its input.
        engine: see :func:`elman.unfold`.
        memory: see :func:`elman.unfold`.
        lengths: of the rows, unsorted, zero among them; T is the largest.
        seed: of inputs and cotangents.
    """

    cell: Cell
    width: tuple[int, ...]
    engine: str = "auto"
    memory: Memory = "keep"
    lengths: tuple[int, ...] = (7, 0, 11, 4, 1)
    seed: int = 0
    dtype: torch.dtype = field(init=False)

    def __post_init__(self) -> None:
        first = next(iter(self.cell.parameters()), torch.zeros(()))
        object.__setattr__(self, "dtype", first.dtype)

    def inputs(self) -> tuple[Tensor, State]:
        """Random x ``(T, B, *)``, with random numbers behind the rows' ends too, and a random state."""
        source = torch.Generator().manual_seed(self.seed)
        x = torch.randn(max(self.lengths), len(self.lengths), *self.width, generator=source, dtype=self.dtype)
        state = self.cell.initial_state(len(self.lengths), x)
        drawn = [0.5 * torch.randn(leaf.shape, generator=source, dtype=leaf.dtype) for leaf in _moving(state)]
        return x, _replace_moving(state, drawn)

    def run(
        self, x: Tensor, lengths: Tensor | list[int], state: State, resets: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """``unfold`` with this subject's engine and memory; masks are drawn alike every time."""
        rows = Ragged(x, lengths)
        with undisturbed():
            torch.manual_seed(self.seed)
            y, end = unfold(self.cell, rows, state, engine=self.engine, memory=self.memory, resets=resets)
        return y.values, end


Run = Callable[[Tensor, State], tuple[Tensor, State]]


def definition(cell: Cell, x: Tensor, lengths: list[int], state: State) -> tuple[Tensor, State]:
    """What an unfold means, as slowly and plainly as can be: each row alone, step after step."""
    cell = cell.resolve(state)
    drawn = cell.draw(x)
    outputs, ends = [], []
    for row, length in enumerate(lengths):
        own = take_rows(state, torch.tensor([row]))
        ys = []
        for t in range(length):
            p = cell.project(map_time(lambda part: part[t : t + 1, row : row + 1], drawn))  # noqa: B023
            y, own = cell.step(map_time(lambda part: part[0], p), own)
            ys.append(y)
        outputs.append(ys)
        ends.append(own)
    blank = torch.zeros_like(next(y for ys in outputs for y in ys))
    padded = [torch.cat(ys + [blank] * (len(x) - len(ys))) for ys in outputs]
    return torch.stack(padded, dim=1), join_rows(ends)


def gradients(subject: Subject, run: Run, x: Tensor, state: State) -> Values:
    """Values and all gradients of a run under random cotangents on outputs and final state."""
    x = x.clone().requires_grad_()
    before = [leaf.clone().requires_grad_() for leaf in _moving(state)]
    y, end = run(x, _replace_moving(state, before))
    source = torch.Generator().manual_seed(subject.seed + 1)
    ends = _moving(end)
    loss = sum((t * torch.randn(t.shape, generator=source, dtype=t.dtype)).sum() for t in [y, *ends])
    names = [name for name, _ in subject.cell.named_parameters()]
    wanted = [x, *before, *subject.cell.parameters()]
    assert isinstance(loss, Tensor)
    grads = torch.autograd.grad(loss, wanted, allow_unused=True)
    labels = ["gradient of x", *(f"gradient of initial state {k}" for k in range(len(before)))]
    labels += [f"gradient of {name}" for name in names]
    values = {"outputs": y.detach()} | {f"final state {k}": leaf.detach() for k, leaf in enumerate(ends)}
    pairs = zip(labels, wanted, grads, strict=True)
    return values | {label: torch.zeros_like(of) if grad is None else grad for label, of, grad in pairs}


def compare(law: str, got: Values, expected: Values) -> None:
    """Raise :class:`LawError` unless both hold the same tensors within :data:`TOLERANCES`."""
    for name, want in ((name, value.detach()) for name, value in expected.items()):
        have = got[name].detach()
        if have.shape != want.shape or have.dtype != want.dtype:
            forms = f"{tuple(have.shape)} {have.dtype}, expected {tuple(want.shape)} {want.dtype}"
            raise LawError(f"{law}: {name} is {forms}")
        if not want.numel():
            continue
        exact = not (want.is_floating_point() or want.is_complex())
        allowed = 0.0 if exact else TOLERANCES.get(want.dtype, 0.0) * max(1.0, float(want.abs().max()))
        apart = (have != want).double() if exact else (have - want).abs().double().nan_to_num(nan=torch.inf)
        worst = int(apart.argmax())
        if float(apart.flatten()[worst]) > allowed:
            place = tuple(int(k) for k in torch.unravel_index(torch.tensor(worst), want.shape))
            pair = f"{have.flatten()[worst]:.9g}, expected {want.flatten()[worst]:.9g}"
            raise LawError(f"{law}: {name} at {place} is {pair} (allowed difference {allowed:.1e})")


# The laws ----------------------------------------------------------------------------------------------------


def parity(s: Subject) -> None:
    """Law 1: outputs and all gradients equal the definition's."""
    x, state = s.inputs()
    lengths = list(s.lengths)

    def plain(x: Tensor, state: State) -> tuple[Tensor, State]:
        with undisturbed():
            torch.manual_seed(s.seed)
            s.cell.initial_state(len(lengths), x)  # an unfold makes one first, to compare forms; it may draw a mask
            return definition(s.cell, torch.where(_mask(lengths, x), x, 0), lengths, state)

    compare("law 1, parity", gradients(s, lambda x, h: s.run(x, lengths, h), x, state), gradients(s, plain, x, state))


def chunk(s: Subject) -> None:
    """Law 2: a sequence in two pieces, the state handed on, equals the whole, gradients too."""
    x, state = s.inputs()
    lengths = torch.tensor(s.lengths)
    whole = gradients(s, lambda x, h: s.run(x, lengths, h), x, state)
    for cut in {1, len(x) // 2, len(x) - 1}:

        def pieces(x: Tensor, h: State, cut: int = cut) -> tuple[Tensor, State]:
            first, h = s.run(x[:cut], lengths.clamp(max=cut), h)
            second, h = s.run(x[cut:], (lengths - cut).clamp(min=0), h)
            return torch.cat([first, second]), h

        compare(f"law 2, chunk at {cut}", gradients(s, pieces, x, state), whole)


def stream(s: Subject) -> None:
    """Law 3: one frame at a time equals all at once."""
    x, state = s.inputs()
    lengths = [len(x)] * x.shape[1]
    whole, end = s.run(x, lengths, state)
    ys = []
    for frame in x:
        y, state = s.run(frame[None], [1] * x.shape[1], state)
        ys.append(y[0])
    compare("law 3, stream", _named(torch.stack(ys), state), _named(whole, end))


def padding(s: Subject) -> None:
    """Law 4: whatever stands behind a row's end (NaN, infinity) changes nothing and gets no gradient."""
    x, state = s.inputs()
    lengths = list(s.lengths)
    mask = _mask(lengths, x)
    clean = gradients(s, lambda x, h: s.run(x, lengths, h), torch.where(mask, x, 0), state)
    for fill in (torch.nan, torch.inf):
        dirty = gradients(s, lambda x, h: s.run(x, lengths, h), torch.where(mask, x, fill), state)
        compare(f"law 4, padding with {fill}", dirty, clean)
        for name in ("outputs", "gradient of x"):
            inside = dirty[name].masked_select(~_mask(lengths, dirty[name]))
            if bool((inside != 0).any()):
                raise LawError(f"law 4, padding: {name} is not exactly zero behind a row's end")


def batch(s: Subject) -> None:
    """Law 5: permuting, splitting and joining rows changes no row."""
    x, state = s.inputs()
    lengths = torch.tensor(s.lengths)
    y, end = s.run(x, lengths, state)
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(s.seed))
    turned = s.run(x[:, order], lengths[order], take_rows(state, order))
    compare("law 5, permuted rows", _named(*turned), _named(y[:, order], take_rows(end, order)))
    for row, length in enumerate(s.lengths):
        one = torch.tensor([row])
        alone = s.run(x[:length, one], [length], take_rows(state, one))
        compare(f"law 5, row {row} alone", _named(*alone), _named(y[:length, one], take_rows(end, one)))


def reverse(s: Subject) -> None:
    """Law 6: backwards means from each row's own last step."""
    x, state = s.inputs()
    stage = Recurrent(s.cell, reverse=True, engine=s.engine, memory=s.memory)
    with undisturbed():
        torch.manual_seed(s.seed)
        y, end = stage(Ragged(x, list(s.lengths)), state)
    for row, length in enumerate(s.lengths):
        one = torch.tensor([row])
        flipped = s.run(x[:length, one].flip(0), [length], take_rows(state, one))
        got = _named(y.values[:length, one].flip(0), take_rows(end, one))
        compare(f"law 6, reverse of row {row}", got, _named(*flipped))


def resets(s: Subject) -> None:
    """Law 7: a reset inside a row equals a sequence that starts there, gradients too."""
    x, state = s.inputs()
    x, state, length = x[:, :1], take_rows(state, torch.tensor([0])), len(x)
    for marks in ((0, 3), (4, length - 1)):
        flags = torch.zeros(length, 1, dtype=torch.bool)
        flags[list(marks)] = True

        def apart(x: Tensor, h: State, marks: tuple[int, ...] = marks) -> tuple[Tensor, State]:
            bounds = [0, *(m for m in marks if m), length]
            if marks[0] == 0:
                h = map_state(torch.add, s.cell.initial_state(1, x), map_state(_nothing, h))
            ys = []
            for start, stop in pairwise(bounds):
                y, h = s.run(x[start:stop], [stop - start], s.cell.initial_state(1, x) if start else h)
                ys.append(y)
            return torch.cat(ys), h

        inside = gradients(s, lambda x, h, flags=flags: s.run(x, [length], h, flags), x, state)  # type: ignore[misc]
        compare(f"law 7, resets at {marks}", inside, gradients(s, apart, x, state))


def edges(s: Subject) -> None:
    """Law 8: no step, one step, one row, only empty rows."""
    x, state = s.inputs()
    width = s.run(x[:1], [1] * x.shape[1], state)[0].shape[2:]
    for steps, rows in ((0, x.shape[1]), (1, x.shape[1]), (len(x), 1), (1, 1), (3, x.shape[1])):
        index = torch.arange(rows)
        lengths = [0 if steps == 3 else steps] * rows
        before = take_rows(state, index)
        y, end = s.run(x[:steps, :rows], lengths, before)
        if y.shape != (steps, rows, *width):
            raise LawError(f"law 8, T={steps} B={rows}: outputs are {tuple(y.shape)}, expected {(steps, rows, *width)}")
        if not any(lengths):
            expected = torch.zeros_like(y)
            compare(f"law 8, T={steps} with nothing to read", _named(y, end), _named(expected, before))
        # sum() spreads one number over all of y, without writing it out.
        results = []
        for total in (Tensor.sum, lambda y: (y * torch.ones_like(y)).sum()):
            part = x[:steps, :rows].detach().requires_grad_()
            total_y = total(s.run(part, lengths, before)[0])
            results.append(torch.autograd.grad(total_y, part, allow_unused=True)[0] if total_y.requires_grad else None)
        if results[0] is not None and results[1] is not None:
            compare(f"law 8, T={steps} B={rows}: gradient of a sum", {"dx": results[0]}, {"dx": results[1]})


def saved(s: Subject) -> None:
    """Law 9: a state_dict carries all there is."""
    x, state = s.inputs()
    other = copy.deepcopy(s.cell)
    with undisturbed(), torch.no_grad():
        for held in _held(other):
            held.normal_()
    other.load_state_dict(s.cell.state_dict())
    lengths = list(s.lengths)
    carried = _named(*replace(s, cell=other).run(x, lengths, state))
    compare("law 9, state_dict", carried, _named(*s.run(x, lengths, state)))


def pure(s: Subject) -> None:
    """Law 10: a step changes nothing but what it returns, nothing is random in evaluation, and no step draws ever."""
    x, state = s.inputs()
    cell = copy.deepcopy(s.cell).eval()
    before = {name: value.clone() for name, value in cell.state_dict().items()}
    kept = [leaf.clone() for leaf in leaves(state)]
    still = replace(s, cell=cell)
    first = _named(*still.run(x, list(s.lengths), state))
    again = _named(*replace(still, seed=s.seed + 1).run(x, list(s.lengths), state))
    compare("law 10, evaluation is not random", again, first)
    compare("law 10, weights and buffers unchanged", dict(cell.state_dict()), before)
    same = {str(k): leaf for k, leaf in enumerate(leaves(state))}
    compare("law 10, given state unchanged", same, {str(k): leaf for k, leaf in enumerate(kept)})
    with undisturbed():
        _draws_nothing(copy.deepcopy(s.cell).train(), x)


def _draws_nothing(cell: Cell, x: Tensor) -> None:
    """In training, masks come from ``initial_state`` and ``draw``, so that every recomputation sees the same."""
    state = cell.initial_state(x.shape[1], x)
    cell, drawn = cell.resolve(state), cell.draw(x[:1])
    before = torch.get_rng_state()
    cell.step(map_time(lambda part: part[0], cell.project(drawn)), state)
    if not torch.equal(torch.get_rng_state(), before):
        raise LawError("law 10: project or step drew random numbers; draw them in Cell.draw or initial_state")


LAWS: dict[str, Callable[[Subject], None]] = {
    law.__name__: law for law in (parity, chunk, stream, padding, batch, reverse, resets, edges, saved, pure)
}
"""The laws by name."""


def check_cell(cell: Cell, input_size: int | tuple[int, ...] | None = None, *, engine: str = "auto") -> None:
    """Prove that a cell of your own obeys the laws of time, or raise :class:`LawError` at the first that it breaks.

    The cell is copied, its weights are moved a little at random (equal weights hide errors), and every law
    runs in float64 and float32, in evaluation mode.

    Args:
        cell: the cell.
        input_size: trailing dimensions of its input; found out where the cell has an ``input_size``.
        engine: the engine to try it on.

    Raises:
        LawError: a law is broken. InputError: the cell does not run on such inputs, or its step does not return
            an output and a state.
    """
    tried = copy.deepcopy(cell).eval()
    size = width_of(tried) if input_size is None else input_size
    width = (size,) if isinstance(size, int) else size
    one_step(tried, width)
    for dtype in TOLERANCES:
        copied = copy.deepcopy(cell).to(dtype).eval()
        with undisturbed(), torch.no_grad():
            for weight in copied.parameters():
                weight.add_(0.05 * torch.randn_like(weight))
        for law in LAWS.values():
            law(Subject(copied, width, engine))


def _named(y: Tensor, state: State) -> Values:
    return {"outputs": y.detach()} | {f"state {k}": leaf.detach() for k, leaf in enumerate(leaves(state))}


def _mask(lengths: list[int], x: Tensor) -> Tensor:
    real = torch.arange(len(x))[:, None] < torch.tensor(lengths)
    return real.reshape(*real.shape, *[1] * (x.dim() - 2))


def _nothing(leaf: Tensor) -> Tensor:
    """Zero, with a gradient where there is one."""
    return 0 * leaf if leaf.is_floating_point() else torch.zeros_like(leaf)


def _moving(state: State) -> list[Tensor]:
    """The leaves that change from step to step and have gradients; masks that ride along are left as drawn."""
    return [leaf for leaf in leaves(_core(state)) if leaf.is_floating_point()]


def _core(state: State) -> State:
    return _core(state.state) if isinstance(state, Dropped) else state


def _replace_moving(state: State, tensors: list[Tensor]) -> State:
    if isinstance(state, Dropped):
        return Dropped(_replace_moving(state.state, tensors), state.mask)
    following = iter(tensors)
    return map_state(lambda leaf: next(following) if leaf.is_floating_point() else leaf, state)


def _held(cell: Cell) -> list[Tensor]:
    """All numbers that a cell keeps: parameters, buffers that are saved, and tensors that are mere attributes."""
    found: list[Tensor] = list(cell.parameters())
    for part in cell.modules():
        found += [value for name, value in part.named_buffers(recurse=False) if name in part.state_dict()]
        found += [value for value in vars(part).values() if isinstance(value, Tensor)]
    return [value for value in found if value.is_floating_point()]
