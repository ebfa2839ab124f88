"""How a stretch ahead is forecast: at once, segment by segment, or step by step."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from elman.core.ragged import Ragged
from elman.core.stage import Stage
from elman.core.state import map_state
from elman.model.config import ModelConfig
from elman.model.embed import Embed
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.number import NumberHead, NumberOut
from elman.model.kinds.series import SeriesIn, held
from elman.model.kinds.text import TextIn

__all__ = ["PATHS", "Own", "Segments", "Steps", "quantiles_of", "relative", "segment_of"]

PATHS = 128
"""Paths that are drawn where a forecast goes step by step."""


class Own(NamedTuple):
    """What is forecast in units of each window.

    Attributes:
        raw: as a head says it, ``(B, H, C, K)``.
        last: the level that it is relative to, ``(B, 1, C)``. spread: its unit, ``(B, 1, C)``; in units of scale both.
    """

    raw: Tensor
    last: Tensor
    spread: Tensor


def relative(
    window: Tensor, kind: SeriesIn | TextIn | JoinedIn | None = None, floor: float = 0.05
) -> tuple[Tensor, Tensor, Tensor]:
    """A window ``(L, B, D)`` relative to its last value and its spread, with both, ``(B, D)``.

    The spread is the standard deviation within the window, and at least ``floor`` of the whole series'. Of several
    parts only what ``--from`` names as series is changed; categories, what is known ahead, what is constant and
    where a value was missing stay as they are.
    """
    last = window[-1]
    spread = window.std(dim=0, correction=0).clamp(min=floor)
    kept: list[int] = []
    if isinstance(kind, JoinedIn):
        kept = [place for place in range(kind.width) if place not in kind.numbers]
    elif isinstance(kind, SeriesIn):
        kept = list(range(kind.channels, kind.width))
    if kept:
        places = torch.tensor(kept, device=window.device)
        last, spread = last.index_fill(1, places, 0.0), spread.index_fill(1, places, 1.0)
    return (window - last) / spread, last, spread


def segment_of(lookback: int, horizon: int) -> int:
    """Steps of a segment: at least four of them make up the history, and none is longer than a day of hours."""
    return max(1, min(24, horizon, -(-lookback // 4)))


class Segments(nn.Module):
    """A forecast segment by segment (the idea of SegRNN: Lin et al. 2023, arXiv 2308.11200).

    ::

        e_k = relu(W x_k + U c_k)                    x_k: w steps of one column, c_k: all else that is read in them
        h   = RNN(e_1 ... e_n)                       n = L / w steps in place of L
        y_j = s_j + head(RNN step from h on (p_j + v + V k_j))      every segment ahead by itself, from the same h

    ``s`` is what is said of every step whatever the window: it starts as how far training's futures lay from their last
    values, so learning starts from the last value with honest intervals. ``p_j`` is the segment's place, ``v`` the
    column's own vector, ``k_j`` what is known of its steps. Columns are rows of one batch and share all weights. A
    history that is no multiple of w begins with its first value again; of the last segment ahead only what is asked for
    is used.

    Args:
        config: of the model; its targets are all read. size: K, numbers that the head says of each number.
    """

    def __init__(self, config: ModelConfig, size: int) -> None:
        super().__init__()
        kind, out, net = config.input, config.output, config.net
        if not isinstance(out, NumberOut) or isinstance(kind, TextIn):
            raise TypeError("segments forecast numbers")
        self.size, self.anchors = segment_of(config.lookback, out.horizon), out.anchors
        self.past, self.ahead = -(-config.lookback // self.size), -(-out.horizon // self.size)
        fixed = kind.constant if isinstance(kind, JoinedIn) else []
        beside = [place for place in range(kind.width) if place not in (*out.anchors, *fixed)]
        known = kind.ahead if isinstance(kind, JoinedIn) else []
        self.read = nn.Linear(self.size, net.hidden)
        self.beside = _Places(kind, beside, net.embedding, self.size, net.hidden)
        self.known = _Places(kind, known, net.embedding, self.size, net.hidden)
        self.fixed = _Places(kind, fixed, net.embedding, 1, net.hidden)
        self.start = nn.Parameter(torch.zeros(out.horizon, size))
        self.place = nn.Parameter(0.1 * torch.randn(self.ahead, net.hidden))
        self.column = nn.Parameter(0.1 * torch.randn(len(out.anchors), net.hidden))
        self.dropout = nn.Dropout(net.dropout)

    def forward(self, given: Tensor, behind: Tensor, trunk: Stage, head: NumberHead) -> Tensor:
        """What the head says, ``(B, H, C, K)``, of windows ``(L, B, D)`` and the steps ahead ``(H or 0, B, D)``."""
        batch, columns = given.shape[1], len(self.anchors)
        own = _cut(given[..., self.anchors], self.size, self.past, front=True)  # (n, B, C, w)
        fixed = self.fixed(given[-1:], 1)  # (1, B, d)
        read = self.read(own.transpose(-1, -2)) + (self.beside(given, self.past, front=True) + fixed)[:, :, None]
        _, state = trunk(Ragged(torch.relu(read).flatten(1, 2)))
        asked = self.place[:, None] + self.known(behind, self.ahead) + fixed  # (m, B or 1, d)
        asked = asked[:, :, None] + self.column  # (m, B or 1, C, d)
        asked = asked.expand(self.ahead, batch, columns, -1).reshape(1, -1, asked.shape[-1])
        said, _ = trunk(Ragged(asked), map_state(lambda leaf: leaf.repeat(self.ahead, *[1] * (leaf.dim() - 1)), state))
        raw = head.raw(self.dropout(said.values[0])).squeeze(-2)  # (m B C, w, K)
        raw = raw.reshape(self.ahead, batch, columns, self.size, -1).permute(1, 0, 3, 2, 4)
        return raw.flatten(1, 2)[:, : len(self.start)] + self.start[:, None]


class _Places(nn.Module):
    """Some places of a step, of all steps of a segment together, as one vector; nothing where there are none."""

    def __init__(self, kind: SeriesIn | JoinedIn, places: list[int], embedding: int, size: int, width: int) -> None:
        super().__init__()
        self.size, self.places = size, places
        self.embed = Embed(kind, embedding, places) if isinstance(kind, JoinedIn) and places else None
        inside = len(places) if self.embed is None else self.embed.width
        self.linear = nn.Linear(size * inside, width, bias=False) if places else None

    def forward(self, steps: Tensor, count: int, *, front: bool = False) -> Tensor:
        """Steps ``(T, B, D)`` to ``(count, B, width)``; zero that broadcasts, where nothing is read."""
        if self.linear is None:
            return steps.new_zeros(1, 1, 1)
        vectors = steps[..., self.places] if self.embed is None else self.embed.vectors(steps)
        made: Tensor = self.linear(_cut(vectors, self.size, count, front=front).flatten(2))
        return made


def _cut(values: Tensor, size: int, count: int, *, front: bool) -> Tensor:
    """``(T, B, E)`` to ``(count, B, size, E)``; what lacks is the first value again, or the last."""
    lacking = count * size - len(values)
    if lacking:
        more = (values[:1] if front else values[-1:]).expand(lacking, -1, -1)
        values = torch.cat([more, values] if front else [values, more])
    cut: Tensor = values.unflatten(0, (count, size))
    return cut.transpose(1, 2)


class Steps:
    """A forecast step by step: every step reads the one before (the idea of DeepAR: Salinas et al. 2017, 1704.04110).

    ::

        p(y_{t+1} | y_1..t) = likelihood of the head at step t

    Learnt with what came as input (teacher forcing); forecast by drawing paths, which read what they drew. All rows
    draw at the same levels, spread evenly over 0 to 1 (a Latin hypercube), so a row's forecast is a function of the
    row alone, and the same every time.

    Args:
        kind: what is read: the targets, what is known ahead, and what is constant. out: what is forecast.
        trunk, head: of the model.
    """

    def __init__(self, kind: SeriesIn | JoinedIn, out: NumberOut, trunk: Stage, head: NumberHead) -> None:
        self.trunk, self.head, self.anchors, self.horizon = trunk, head, out.anchors, out.horizon
        self.known = kind.ahead if isinstance(kind, JoinedIn) else []
        self.marks, self.ages = kind.marks, kind.ages
        self.told = [(c, mark) for c, place in enumerate(out.anchors) if (mark := kind.mark_of(place)) is not None]

    def forced(self, given: Tensor, behind: Tensor, target: Tensor, drop: nn.Module) -> Tensor:
        """What the head says of every step ahead, told those before: ``(B, H, C, K)``; ``target``: ``(B, H, C)``."""
        came = target.transpose(0, 1)[:-1]
        # From the last value of the window, which is 0, a gap is held as it is in a window.
        told = held(came)
        later = given[-1:].expand(len(told), -1, -1).clone()
        later = self._present(later)
        later[..., self.anchors] = told.to(later)
        for column, mark in self.told:
            later[..., mark] = came[..., column].isnan().to(later)
        read = self._shifted(torch.cat([given, later]), given, behind)
        steps, _ = self.trunk(Ragged(read))
        ahead: Tensor = steps.values[len(given) - 1 :]
        return self.head.raw(drop(ahead)).squeeze(2).transpose(0, 1)

    def paths(self, given: Tensor, behind: Tensor, last: Tensor, spread: Tensor, count: int = PATHS) -> Tensor:
        """Paths in units of scale, ``(B, count, H, C)``."""
        read = self._shifted(given, given, behind)
        steps, state = self.trunk(Ragged(read))
        batch, columns = given.shape[1], len(self.anchors)
        raw = self.head.raw(steps.values[-1]).squeeze(1)[:, None].expand(-1, count, -1, -1)  # (B, S, C, K)
        state = map_state(lambda leaf: leaf.repeat_interleave(count, 0), state)
        row = read[-1].repeat_interleave(count, 0)
        made = []
        for h in range(self.horizon):
            levels = _levels(h, count, columns).to(given)
            drawn = self.head.likelihood.at(self.head.placed(raw, last, spread), levels[..., None]).squeeze(-1)
            made.append(drawn)
            if h + 1 == self.horizon:
                break
            row = self._present(row.clone())
            row[:, self.anchors] = ((drawn - last) / spread).flatten(0, 1).to(row)
            if self.known:
                row[:, self.known] = behind[h + 1][:, self.known].repeat_interleave(count, 0)
            said, state = self.trunk(Ragged(row[None]), state)
            raw = self.head.raw(said.values[0]).reshape(batch, count, columns, -1)
        return torch.stack(made, dim=2)

    def _present(self, rows: Tensor) -> Tensor:
        """Steps ahead have all values, each as old as is usual."""
        rows[..., self.marks] = 0.0
        rows[..., self.ages] = math.log(2.0)
        return rows

    def _shifted(self, rows: Tensor, given: Tensor, behind: Tensor) -> Tensor:
        """Every step with what is known of the one behind it, which is the one that it speaks of."""
        if not self.known:
            return rows
        known = torch.cat([given[1:], behind])[: len(rows)][..., self.known]
        rows = rows.clone()
        rows[..., self.known] = known
        return rows


@lru_cache(maxsize=512)
def _levels(step: int, count: int, columns: int) -> Tensor:
    """Levels ``(count, columns)``: of every column each of ``(k + 1/2) / count`` once, in an order of its own."""
    source = torch.Generator().manual_seed(step)
    order = torch.stack([torch.randperm(count, generator=source) for _ in range(columns)], dim=1)
    return (order + 0.5) / count


def quantiles_of(paths: Tensor, levels: Tensor) -> Tensor:
    """Of paths ``(B, S, H, C)`` the quantiles ``(B, H, C, Q)``, each a value that was drawn."""
    return torch.quantile(paths, levels, dim=1, interpolation="nearest").permute(1, 2, 3, 0)
