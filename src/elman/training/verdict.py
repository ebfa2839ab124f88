"""One honest sentence on a score: better than what costs nothing or not, by how much, and more than chance or not."""

from __future__ import annotations

from elman.training.chance import Chance, chance
from elman.training.measures import METRICS, OF_HUNDRED, Scores

__all__ = ["verdict"]


def verdict(mine: Scores, others: dict[str, Scores], baselines: set[str], *, early: bool = False) -> str:
    """How a model stands to the best of what it is compared with.

    Args:
        mine: its scores. others: those of the others by name. baselines: which of them cost nothing.
        early: whether training ended for want of gain, so that going on would gain nothing.
    """
    metric = next(iter(mine.values))
    value = mine.values[metric]
    others = {name: one for name, one in others.items() if metric in one.values}
    if not others:
        return f"{metric} {value:.3f}; there is no baseline for this kind of data."
    more_is_better = METRICS[metric]
    pick = max if more_is_better else min
    name = pick(others, key=lambda label: others[label].values[metric])
    best = others[name].values[metric]
    sign = 1 if more_is_better else -1
    ahead = (value - best) * sign
    what = f"{'the best baseline' if name in baselines else 'the other net'} ({name})"
    whole = 1.0 if more_is_better else max(abs(best), 1e-12)
    in_hundredths = 100 / (100.0 if metric in OF_HUNDRED else whole)
    hundredths = abs(ahead) * in_hundredths
    size = f"{hundredths:.1f} {'points' if more_is_better else '%'}"
    found = chance(mine, others[name], metric)
    bounds = "" if found is None else _bounds(found, sign, in_hundredths, "points" if more_is_better else "%")
    if hundredths < 1:
        by = f": {'ahead' if ahead > 0 else 'behind'} by {size}" if hundredths >= 0.05 else ""
        small = f" Small, but more than chance: {bounds}." if found is not None and found.sure else ""
        return f"About as good as {what}{by}.{small}"
    if found is not None and not found.sure:
        where = "Ahead of" if ahead > 0 else "Behind"
        pieces = f", in {found.groups} independent piece{'s' * (found.groups > 1)}" if found.groups < mine.count else ""
        why = f": {bounds}" if found.enough else f", for too little was scored ({mine.count:,}{pieces})"
        return f"{where} {what} by {size}, but that may be chance{why}. More test data would tell."
    sure = "" if found is None else f" More than chance: {bounds}."
    if ahead > 0:
        return f"Better than {what} by {size}.{sure}"
    help_ = "More data" if early else "More data or longer training"
    return f"Not better than {what}: behind by {size}.{sure} {help_} may help."


def _bounds(found: Chance, sign: int, in_hundredths: float, unit: str) -> str:
    """Where the lead lies; below zero it is none."""
    low, high = sorted((sign * found.low * in_hundredths, sign * found.high * in_hundredths))
    return f"the lead is {low:+.1f} to {high:+.1f} {unit} with 95 % confidence"
