"""Series to windows: as much history as a forecast reads, and the steps that are to be forecast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from elman.core.errors import DataError
from elman.data.batch import WindowSet
from elman.data.divide import Parts, divide_steps, other_ranges
from elman.data.encode import encode_windows
from elman.data.fit import fit_input, fit_numbers
from elman.model.baselines import season_of
from elman.model.grammar import Part
from elman.model.kinds.joined import JoinedIn, Steps
from elman.model.kinds.number import NumberOut
from elman.model.kinds.series import Gaps, SeriesIn, held, interpolated

__all__ = ["Forecast", "prepare_forecast"]


@dataclass(frozen=True)
class Forecast:
    """What :func:`prepare_forecast` makes; see :class:`~elman.data.prepare.Prepared`."""

    input: SeriesIn | JoinedIn
    output: NumberOut
    train: WindowSet
    valid: WindowSet
    test: WindowSet | None
    lookback: int
    notes: list[str]


def prepare_forecast(
    parts: Parts, target: Part, *, split: str | None, lookback: int | None, season: int | None, gaps: Gaps
) -> Forecast:
    """Cut every series by time, fit on what trains, and make windows of all parts."""
    main, horizon = parts[0], target.horizon
    lengths = [len(series) for series in main.inputs]
    cut = divide_steps(split, parts, lengths, least=horizon)
    longest = max(a for _, a, _, _ in cut.ranges)
    given, lookback = lookback, lookback or _lookback(horizon, longest)
    usable = [k for k, (_, a, _, _) in enumerate(cut.ranges) if a >= lookback + horizon]
    if lookback < 1 or not usable or main.choice is None:
        raise DataError(_no_room(horizon, given, longest), file=main.where[0][0])
    train = [series[: cut.ranges[k][1]] for k, series in enumerate(main.inputs)]
    goals = [goal[: cut.ranges[k][1]] for k, goal in enumerate(main.targets or [])]
    times = main.times and [main.times[k][: cut.ranges[k][1]] for k in usable]
    kind = fit_input(main.choice, [train[k] for k in usable], gaps, main.where[0][0], times)
    if not isinstance(kind, (SeriesIn, JoinedIn)):
        raise TypeError("a forecast reads numbers")
    output = fit_numbers(kind, target, [goals[k] for k in usable], follows=True)
    output = output.model_copy(update={"season": season or _season(output, [goals[k] for k in usable])})
    if len(usable) > 1:
        output = output.model_copy(update=_many(output, [goals[k] for k in usable], lookback))
    sets = [
        encode_windows(kind, output, main, lookback, [(r[part], r[part + 1]) for r in cut.ranges]) for part in range(3)
    ]
    fresh, told = other_ranges(parts)
    others = [
        None if ex is None else encode_windows(kind, output, ex, lookback, fresh[option])
        for ex, option in zip(parts[1:], ("--valid", "--test"), strict=True)
    ]
    valid = sets[1] if others[0] is None else others[0]
    test = (sets[2] if len(sets[2]) else None) if others[1] is None else others[1]
    notes = [cut.how, *told, f"every forecast reads the last {lookback} steps{_roles(kind)}"]
    if output.season > lookback:
        notes.append(
            f"season of {output.season} steps: it is longer than what a forecast reads, so no seasonal-naive forecast "
            f"stands beside (--lookback {output.season})"
        )
    if len(usable) < len(lengths):
        notes.append(f"{len(lengths) - len(usable)} of {len(lengths)} series are too short to train on")
    behind = sum(len(one.ahead[0]) for one in main.inputs if isinstance(one, Steps) and one.ahead)
    if behind:
        notes.append(f"{behind} rows behind the last values say only what is known ahead; predict makes use of them")
    return Forecast(kind, output, sets[0], valid, test, lookback, notes)


def _roles(kind: SeriesIn | JoinedIn) -> str:
    if not isinstance(kind, JoinedIn):
        return ""
    known, static = (", ".join(n for p in some for n in p.columns) for some in (kind.known, kind.static))
    told = f"; {known} of the steps to be forecast" if known else ""
    return told + (f"; {static} of the whole series" if static else "")


_LONGEST = 1_024
"""Steps of a season that is looked for, at the most."""

_SERIES = 20
"""Series in which a season is looked for: the longest."""

_MOST = 20_000
"""Steps of a series in which a season is looked for: the last ones of long series."""


def _season(output: NumberOut, goals: Sequence[np.ndarray]) -> int:
    """The season that most columns of the longest series have in the training part; 1 for none."""
    found: Counter[int] = Counter()
    for goal in sorted(goals, key=len, reverse=True)[:_SERIES] if output.anchors else ():
        series = interpolated(output.encode(goal[-_MOST:], exact=True)).numpy().astype(np.float64)
        found.update(season_of(column, _LONGEST) for column in series.T)
    return found.most_common(1)[0][0] if found else 1


def _many(output: NumberOut, goals: Sequence[np.ndarray], lookback: int) -> dict[str, object]:
    """Of many series errors count in units of each window, and the calm windows of small series do not stand still."""
    spreads = []
    for goal in goals if output.anchors else ():
        values = held(output.encode(goal, exact=True))
        spreads.append(values.unfold(0, min(lookback, len(values)), lookback // 2 + 1).std(-1, correction=0))
    every = torch.cat(spreads).flatten() if spreads else torch.zeros(0)
    moving = every[every > 0]
    if not len(moving):
        return {}
    return {"own_units": True, "floor": max(1e-12, min(0.05, float(moving.quantile(0.02))))}


def _no_room(horizon: int, lookback: int | None, longest: int) -> str:
    """What to say where no training part holds one forecast with its history."""
    history = f"a history of {lookback} steps (--lookback)" if lookback else "a history"
    shorter = []
    if lookback and longest > horizon:
        shorter.append(f"--lookback {max(1, (longest - horizon) // 2)}")
    if longest // 4 and longest // 4 < horizon:
        shorter.append(f"--to future:{longest // 4}")
    return (
        f"a forecast of {horizon} steps needs {history} before it, and both must lie in the training "
        f"part, of which the longest has {longest} steps; "
        + (f"write {' or '.join(shorter)}, or give longer series" if shorter else "give longer series")
    )


def _lookback(horizon: int, longest: int) -> int:
    """Twice the horizon and at least 96 steps, but never more than half of what the training part leaves."""
    return min(max(2 * horizon, 96), (longest - horizon) // 2)
