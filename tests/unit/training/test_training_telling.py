"""Which stretch tells most: what is smoothed away, and that the stretch is found."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from elman.training.telling import falls


def test_the_stretch_that_alone_counts_is_found() -> None:
    series = torch.zeros(40, 2)
    series[17:20, 1] = 3.0

    def odds(values: Tensor) -> Tensor:
        return values[:, :, 1].sum(0).double()

    starts, found = falls(odds, series, 5)
    best = int(starts[found.argmax()])
    assert best <= 17
    assert best + 5 >= 20
    assert float(found.max()) == pytest.approx(9.0)
    assert found[starts < 12].abs().max() == 0


def test_what_is_a_line_already_tells_nothing() -> None:
    series = torch.arange(30.0)[:, None] * 2 + 1
    seen: list[Tensor] = []

    def odds(values: Tensor) -> Tensor:
        seen.append(values)
        return values.sum((0, 2)).double()

    starts, found = falls(odds, series, 4)
    inside = (starts > 0) & (starts < 26)
    assert found[inside].abs().max() < 1e-4
    # At the ends the nearer neighbour is held.
    first, last = seen[0][:, 1], seen[0][:, -1]
    assert first[:5].flatten().tolist() == [9.0] * 5
    assert last[25:].flatten().tolist() == [51.0] * 5
    assert torch.equal(seen[0][:, 0], series)


@pytest.mark.parametrize("size", [1, 6])
def test_short_series_have_places_for_all_sizes(size: int) -> None:
    starts, found = falls(lambda values: values.sum((0, 2)).double(), torch.randn(6, 1), size)
    assert len(starts) == len(found) == 7 - size
    assert bool(found.isfinite().all())
