"""What a comparison shows, in words, and what it does not."""

from __future__ import annotations

import math
from collections.abc import Mapping

from elman.study.spread import Paired, Spread
from elman.training.measures import OF_HUNDRED, digits

__all__ = ["SHARES", "verdict"]

SHARES = ("accuracy", "exact", "top3", "macro_f1", "micro_f1")
"""Scores that are shares of examples, or means of such, and so move in steps of about one example."""


def verdict(
    nets: Mapping[str, Mapping[int, float]],
    baselines: Mapping[str, float],
    seconds: Mapping[str, float],
    *,
    metric: str,
    more_is_better: bool,
    count: int,
) -> list[str]:
    """Sentences, the most important first.

    Args:
        nets: the headline score by net and seed. baselines: by name.
        seconds: that a training of each net takes.
        metric: what is scored. more_is_better: whether more of it is better.
        count: how many examples or steps were scored.
    """
    if not nets:
        return ["No training came to its end, so there is nothing to compare."]
    best, level, behind, step = _ranked(nets, metric, more_is_better, count)
    said = [f"{best} scores best: {metric} {Spread(tuple(nets[best].values()), metric)}."]
    if behind:
        said.append(f"Ahead of {', '.join(f'{name} by {_by(pair, metric)}' for name, pair in behind.items())}.")
    if level:
        said.append(_level(best, level, nets, seconds, metric))
    said += _beside(nets, baselines, metric, more_is_better, step)
    said += _limits(nets, metric, best, count)
    return said


def _ranked(
    nets: Mapping[str, Mapping[int, float]], metric: str, more_is_better: bool, count: int
) -> tuple[str, dict[str, Paired], dict[str, Paired], float]:
    """The best net; those it is not shown to be better than; those it is; and the least step of the score."""
    step = 1 / max(1, count) if metric in SHARES else 0.0
    pick = max if more_is_better else min
    # One that failed on some seeds is not compared with others on fewer.
    most = max(len(values) for values in nets.values())
    best = pick((n for n in nets if len(nets[n]) == most), key=lambda name: Spread(tuple(nets[name].values())).mean)
    level: dict[str, Paired] = {}
    behind: dict[str, Paired] = {}
    for name, values in nets.items():
        common = [seed for seed in nets[best] if seed in values]
        if name == best or not common:
            continue
        sides = [nets[best][seed] for seed in common], [values[seed] for seed in common]
        pair = Paired.of(*sides, more_is_better=more_is_better, step=step)
        (behind if pair.shown > 0 else level)[name] = pair
    return best, level, behind, step


def _by(pair: Paired, metric: str) -> str:
    # Nothing is behind by -0.0000.
    mean = round(pair.mean, 1 if metric in OF_HUNDRED else 4) + 0.0
    return f"{digits(metric, mean)} ± {digits(metric, pair.half)} (in {pair.ahead} of {len(pair.differences)} seeds)"


def _level(
    best: str,
    level: Mapping[str, Paired],
    nets: Mapping[str, Mapping[int, float]],
    seconds: Mapping[str, float],
    metric: str,
) -> str:
    if max(len(pair.differences) for pair in level.values()) < 2:
        return "A single seed shows no spread, so it cannot be said whether the differences are more than chance."
    told = ", ".join(f"{name} by {_by(pair, metric)}" for name, pair in level.items())
    fastest = min((best, *level), key=lambda name: seconds[name])
    cheap = (
        f" {fastest} is the fastest of these ({seconds[fastest]:.3g} s a training; {best} {seconds[best]:.3g} s)."
        if fastest != best
        else ""
    )
    return f"Its lead over {told} is no larger than chance between seeds may make it: take them for equal.{cheap}"


def _beside(
    nets: Mapping[str, Mapping[int, float]],
    baselines: Mapping[str, float],
    metric: str,
    more_is_better: bool,
    step: float,
) -> list[str]:
    """How the nets stand to what costs nothing."""
    if not baselines:
        return []
    rival = (max if more_is_better else min)(baselines, key=lambda name: baselines[name])
    value = baselines[rival]
    most = max(map(len, nets.values()))
    if most < 2:
        return [_once(nets, rival, metric, value, more_is_better)]
    shown: dict[int, list[str]] = {1: [], 0: [], -1: []}
    ahead: list[str] = []
    for name, values in nets.items():
        pair = Paired.of(list(values.values()), [value] * len(values), more_is_better=more_is_better, step=step)
        shown[pair.shown].append(name)
        if not pair.shown and pair.mean > step:
            ahead.append(f"{name} by {digits(metric, pair.mean)}")
    what = f"the best naive baseline ({rival}, {metric} {digits(metric, value)})"
    if not shown[1]:
        worse = f"{', '.join(shown[-1])} {_is(shown[-1])} worse" if shown[-1] else ""
        equal = f"{', '.join(shown[0])} {_is(shown[0])} not told apart from it by these seeds" if shown[0] else ""
        told = "; ".join(part for part in (worse, equal) if part)
        said = f"No net is shown to beat {what}: {told}."
        if ahead:
            # Too few seeds to say so are no reason to give up what scored better.
            more = 10 if most < 10 else 3 * most
            return [f"{said} Ahead on average: {', '.join(ahead)}; more seeds could tell: --seeds {more}."]
        return [f"{said} It costs nothing, so take it."]
    said = f"{', '.join(shown[1])} {'beats' if len(shown[1]) == 1 else 'beat'} {what}."
    for which, words in ((0, "not shown to"), (-1, "worse than it")):
        said += f" {', '.join(shown[which])}: {words}." if shown[which] else ""
    return [said]


def _once(nets: Mapping[str, Mapping[int, float]], rival: str, metric: str, value: float, more_is_better: bool) -> str:
    """How the best net of a single seed stands to a baseline: which is ahead, and no more."""
    scores = {name: next(iter(values.values())) for name, values in nets.items() if values}
    best = (max if more_is_better else min)(scores, key=lambda name: scores[name])
    lead = (scores[best] - value) * (1 if more_is_better else -1)
    where = (
        f"ahead of it by {digits(metric, lead)}"
        if lead > 0
        else f"behind it by {digits(metric, -lead)}"
        if lead < 0
        else "level with it"
    )
    return (
        f"The best naive baseline ({rival}) has {metric} {digits(metric, value)}; {best} is {where}. One seed shows no "
        "spread, so whether that is more than chance takes more of them: --seeds 3."
    )


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _limits(nets: Mapping[str, Mapping[int, float]], metric: str, best: str, count: int) -> list[str]:
    """What the spread between seeds leaves out."""
    said = []
    if metric in SHARES and count:
        share = Spread(tuple(nets[best].values())).mean
        error = math.sqrt(max(share * (1 - share), 1 / count) / count)
        said.append(
            f"{count:,} were scored: one of them is {1 / count:.4f}, and drawn anew they would move {metric} "
            f"{share:.3f} by about ± {error:.3f} (one standard error)."
        )
    fewer = [name for name, values in nets.items() if len(values) < max(map(len, nets.values()))]
    if fewer:
        said.append(f"{', '.join(fewer)}: not all trainings came to their end.")
    return said
