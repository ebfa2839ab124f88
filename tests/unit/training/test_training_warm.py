"""Where a forecast's training starts: at the least-squares solution, its penalty chosen on the validation part."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from elman.data.batch import WindowSet
from elman.model.config import ModelConfig, NetConfig
from elman.model.kinds.number import LEVELS, NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.network import SequenceModel
from elman.training.warm import _PENALTIES, _error, _ridge, _windows, warm_start

LOOKBACK, HORIZON = 12, 2


def _started(series: torch.Tensor, cut: int) -> tuple[SequenceModel, WindowSet, WindowSet]:
    config = ModelConfig(
        source="series",
        target=f"future:{HORIZON}",
        lookback=LOOKBACK,
        input=SeriesIn(columns=["x"], mean=[0.0], scale=[1.0]),
        output=NumberOut(columns=["x"], mean=[0.0], scale=[1.0], horizon=HORIZON, anchors=[0]),
        net=NetConfig(hidden=3, highway=True),
    )
    model = SequenceModel(config)
    train, valid = (WindowSet([series], [series], [span], LOOKBACK, HORIZON) for span in ((0, cut), (cut, len(series))))
    warm_start(model, train, valid)
    return model, train, valid


def _out(model: SequenceModel) -> NumberOut:
    out = model.config.output
    assert isinstance(out, NumberOut)
    return out


def _wave(noise: float, count: int = 400) -> torch.Tensor:
    source = torch.Generator().manual_seed(0)
    return (torch.sin(torch.arange(count) / 3) + noise * torch.randn(count, generator=source))[:, None]


@pytest.mark.parametrize(("series", "cut"), [(_wave(0.01), 300), (_wave(3.0, 120), 60)])
def test_the_penalty_is_the_best_on_the_validation_part(series: torch.Tensor, cut: int) -> None:
    model, train, valid = _started(series, cut)
    assert model.highway is not None
    past, future = _windows(train, _out(model))
    judged = _windows(valid, _out(model))
    tried = {penalty: _ridge(past, future, penalty) for penalty in _PENALTIES}
    best = min(_PENALTIES, key=lambda penalty: _error(tried[penalty], *judged))
    assert best == (1.0 if cut == 300 else 100.0)
    found = model.highway.weight.detach().unflatten(0, (HORIZON, len(LEVELS))).double().numpy()
    for level in range(len(LEVELS)):
        assert found[:, level] == pytest.approx(tried[best].T, abs=1e-6)


def test_every_quantile_starts_at_that_quantile_of_the_residuals() -> None:
    model, train, _ = _started(_wave(0.3), 300)
    assert model.highway is not None
    past, future = _windows(train, _out(model))
    slopes = model.highway.weight.detach().unflatten(0, (HORIZON, len(LEVELS)))[:, 0].double().numpy()
    expected = np.quantile(future - past @ slopes.T, LEVELS, axis=0).T
    found = model.highway.bias.detach().unflatten(0, (HORIZON, len(LEVELS))).numpy()
    assert found == pytest.approx(expected, abs=1e-4)
    assert (np.diff(found) > 0.05).all()
