"""Forecasts by every design: laws that hold for all of them, and what each of them is."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from elman import Ragged
from elman.core.errors import InputError
from elman.core.stage import Stage
from elman.model.answers import quantiles
from elman.model.file import load_model, save_model
from elman.model.forecast import Steps, segment_of
from elman.model.kinds.number import LEVELS, NumberHead, NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.network import SequenceModel

Make = Callable[..., Any]

DESIGNS = [
    (design, likely, pair)
    for design, pairs in {
        "direct": ("series-future:3", "series+events-future:3"),
        "segments": ("series-future:3", "series-future:7", "series+events-future:3"),
        "steps": ("series-future:3",),
    }.items()
    for pair in pairs
    for likely in ("quantiles", "gaussian", "student", "negbin")
    if not (design == "steps" and likely == "quantiles")
]


def _model(make: Make, design: str, likely: str, pair: str, cell: str = "gru", **net: object) -> SequenceModel:
    small = make(pair, cell)
    config = small.config(design=design, highway=design == "direct", **net)
    out = config.output.model_copy(update={"likelihood": likely, "horizon": int(pair[-1])})
    torch.manual_seed(0)
    model = SequenceModel(config.model_copy(update={"output": out}))
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return model.eval()


def _rows(model: SequenceModel, rows: int) -> torch.Tensor:
    """Windows, and zeros but for what is known behind them."""
    kind, out = model.config.input, model.config.output
    assert isinstance(out, NumberOut)
    known = getattr(kind, "ahead", [])
    steps = model.config.lookback + (out.horizon if known else 0)
    values = torch.randn(steps, rows, kind.width, generator=torch.Generator().manual_seed(1))
    names = [place for place in range(kind.width) if place not in getattr(kind, "numbers", range(kind.width))]
    values[..., names] = (values[..., names].abs() * 3).floor().clamp(max=7)
    values[model.config.lookback :, :, [place for place in range(kind.width) if place not in known]] = 0.0
    return values


@pytest.mark.parametrize(("design", "likely", "pair"), DESIGNS)
def test_a_forecast_is_a_function_of_its_own_row(make: Make, design: str, likely: str, pair: str) -> None:
    model = _model(make, design, likely, pair)
    values = _rows(model, 5)
    with torch.inference_mode():
        every = quantiles(model, Ragged(values))
        order = torch.tensor([3, 0, 4, 1, 2])
        torch.testing.assert_close(quantiles(model, Ragged(values[:, order])), every[order])
        for row in range(5):
            torch.testing.assert_close(quantiles(model, Ragged(values[:, row : row + 1])), every[row : row + 1])
    horizon = int(pair[-1])
    assert every.shape == (5, horizon, 2, len(LEVELS))
    assert (every.diff(dim=-1) >= 0).all()
    assert (every.std(0).max() > 0) if likely == "negbin" else (every.std(0).min() > 0)


@pytest.mark.parametrize(("design", "likely", "pair"), [one for one in DESIGNS if one[1] != "negbin"])
def test_a_forecast_moves_with_the_level_and_grows_with_the_swing(
    make: Make, design: str, likely: str, pair: str
) -> None:
    model = _model(make, design, likely, pair)
    values = _rows(model, 4)
    places = getattr(model.config.input, "numbers", [0, 1])
    other = values.clone()
    other[: model.config.lookback, :, places] = 3.0 * values[: model.config.lookback, :, places] + 20.0
    with torch.inference_mode():
        found, moved = quantiles(model, Ragged(values)), quantiles(model, Ragged(other))
    torch.testing.assert_close(moved, 3.0 * found + 20.0, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize(("design", "likely", "pair"), DESIGNS)
def test_a_saved_forecaster_says_the_same(make: Make, tmp_path: Path, design: str, likely: str, pair: str) -> None:
    model = _model(make, design, likely, pair)
    save_model(model, tmp_path / "m")
    values = Ragged(_rows(model, 3))
    with torch.inference_mode():
        torch.testing.assert_close(quantiles(load_model(tmp_path / "m"), values), quantiles(model, values))


@pytest.mark.parametrize(("design", "likely", "pair"), DESIGNS)
def test_windows_in_float64_learn_and_forecast(make: Make, design: str, likely: str, pair: str) -> None:
    """As files give them: a series a billion times smaller, whose swing float32 would lose beside its level."""
    model = _model(make, design, likely, pair)
    values = _rows(model, 3).double()
    places = getattr(model.config.input, "numbers", [0, 1])
    values[: model.config.lookback, :, places] *= 1e-9
    out = model.config.output.model_copy(update={"floor": 1e-12})
    model.config = model.config.model_copy(update={"output": out})
    loss, _ = model(Ragged(values), torch.rand(3, int(pair[-1]), 2, dtype=torch.float64) * 1e-9)
    loss.sum().backward()
    with torch.inference_mode():
        found = quantiles(model, Ragged(values))
    assert found.isfinite().all()
    if likely != "negbin":
        assert 1e-11 < float(found.abs().max()) < 1e-6


@pytest.mark.parametrize(("design", "likely", "pair"), DESIGNS)
def test_every_weight_of_a_forecaster_learns(make: Make, design: str, likely: str, pair: str) -> None:
    model = _model(make, design, likely, pair)
    out = model.config.output
    assert isinstance(out, NumberOut)
    target = torch.rand(6, out.horizon, 2, generator=torch.Generator().manual_seed(2))
    loss, _ = model(Ragged(_rows(model, 6)), target)
    assert loss.shape == (6,)
    loss.sum().backward()
    idle = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not idle


@pytest.mark.parametrize(("design", "likely", "pair"), DESIGNS)
def test_in_its_own_units_every_window_counts_alike(make: Make, design: str, likely: str, pair: str) -> None:
    """The loss of quantiles is the same for a window of twice the swing; that of a distribution is what it was."""
    model = _model(make, design, likely, pair)
    out, values, target = model.config.output, _rows(model, 3), torch.rand(3, int(pair[-1]), 2)
    with torch.inference_mode():
        before, _ = model(Ragged(values), target)
        model.config = model.config.model_copy(update={"output": out.model_copy(update={"own_units": True})})
        own, _ = model(Ragged(values), target)
        if likely != "quantiles":
            assert torch.equal(own, before)
            return
        places = getattr(model.config.input, "numbers", [0, 1])
        values[: model.config.lookback, :, places] *= 2.0
        torch.testing.assert_close(model(Ragged(values), 2.0 * target)[0], own)
    assert not torch.allclose(own, before)


@pytest.mark.parametrize(("design", "likely", "pair"), DESIGNS)
def test_a_missing_target_teaches_nothing(make: Make, design: str, likely: str, pair: str) -> None:
    model = _model(make, design, likely, pair)
    values, target = Ragged(_rows(model, 2)), torch.rand(2, int(pair[-1]), 2)
    target[0, -1, 0] = float("nan")
    told = target.clone()
    told[0, -1, 0] = 1e3
    with torch.inference_mode():
        missing, known = model(values, target)[0].tolist(), model(values, told)[0].tolist()
    assert torch.tensor(missing).isfinite().all()
    assert missing[1] == pytest.approx(known[1])
    assert missing[0] != known[0]


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn", "mingru"])
@pytest.mark.parametrize("design", ["segments", "steps"])
def test_every_cell_forecasts_by_every_design(make: Make, design: str, cell: str) -> None:
    model = _model(make, design, "student", "series-future:3", cell, layers=2)
    with torch.inference_mode():
        assert torch.isfinite(quantiles(model, Ragged(_rows(model, 3)))).all()


# Segments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lookback", "horizon", "size"), [(96, 96, 24), (336, 48, 24), (52, 13, 13), (8, 3, 2), (3, 9, 1), (96, 1, 1)]
)
def test_segments_are_a_day_of_hours_at_the_most_and_four_at_the_least(lookback: int, horizon: int, size: int) -> None:
    assert segment_of(lookback, horizon) == size


def test_columns_share_all_weights_but_their_own_vector(make: Make) -> None:
    model = _model(make, "segments", "quantiles", "series-future:3")
    assert model.segments is not None
    values = _rows(model, 4)
    with torch.inference_mode():
        model.segments.column[1] = model.segments.column[0]
        found = quantiles(model, Ragged(values))
        turned = quantiles(model, Ragged(values.flip(-1)))
    torch.testing.assert_close(turned, found.flip(2))


def test_what_is_known_of_a_segment_tells_on_that_segment_alone(make: Make) -> None:
    model = _model(make, "segments", "quantiles", "series+events-future:3")
    values = _rows(model, 4)
    other = values.clone()
    # Segments of two steps: the third step ahead is the first of the second segment.
    other[-1, :, model.config.input.ahead[0]] += 1.0
    with torch.inference_mode():
        moved = (quantiles(model, Ragged(other)) != quantiles(model, Ragged(values))).flatten(2).any(-1).any(0)
    assert moved.tolist() == [False, False, True]


# Step by step -------------------------------------------------------------------------------------------------


def test_paths_are_drawn_from_what_the_head_says_when_it_is_told_them(make: Make) -> None:
    """Told a path's own values, the head says the distributions that the path was drawn from."""
    model = _model(make, "steps", "gaussian", "series-future:3")
    values = Ragged(_rows(model, 2))
    with torch.inference_mode():
        paths = model.paths(values, 16)
        for k in range(16):
            made = model.forecast(values, paths[:, k])
            placed = model.head.placed(made.raw, made.last, made.spread)
            middle, wide = placed.unbind(-1)
            levels = torch.special.ndtr((paths[:, k] - middle) / wide)
            # Every row draws at the same levels, each of 16 once a step and column.
            torch.testing.assert_close(levels[0], levels[1], rtol=1e-3, atol=1e-4)
            place = levels * 16 - 0.5
            torch.testing.assert_close(place, place.round(), rtol=0, atol=2e-3)


def test_the_first_step_of_paths_has_the_quantiles_of_the_head(make: Make) -> None:
    model = _model(make, "steps", "student", "series-future:3")
    values = Ragged(_rows(model, 3))
    with torch.inference_mode():
        paths = model.paths(values, 256)
        made = model.forecast(values, torch.zeros(3, 3, 2))
        told = model.head.quantiles(model.head.placed(made.raw, made.last, made.spread))[:, 0]
    found = torch.quantile(paths[:, :, 0], torch.tensor(LEVELS), dim=1).permute(1, 2, 0)
    torch.testing.assert_close(found, told, rtol=3e-2, atol=3e-2)


def test_a_model_that_draws_no_paths_says_so(make: Make) -> None:
    model = _model(make, "direct", "gaussian", "series-future:3")
    with pytest.raises(InputError, match=r"--design steps"):
        model.paths(Ragged(_rows(model, 1)))


def test_a_gap_ahead_is_held_and_marked_as_in_a_window(make: Make) -> None:
    kind = SeriesIn(columns=["p", "q"], mean=[0.0, 0.0], scale=[1.0, 1.0], gaps="input", flagged=[1], since=True)
    out = NumberOut(columns=["q"], mean=[0.0], scale=[1.0], horizon=4, anchors=[1], likelihood="gaussian")
    seen: list[torch.Tensor] = []

    class Watched(Stage):
        def forward(self, ragged: Ragged, state: Any = None) -> tuple[Ragged, Any]:
            seen.append(ragged.values)
            return ragged, None

    head = NumberHead(kind.width, out, horizon=1)
    nan = float("nan")
    Steps(kind, out, Watched(), head).forced(
        torch.zeros(3, 1, 4), torch.zeros(0, 1, 4), torch.tensor([[[nan], [5.0], [nan], [9.0]]]), torch.nn.Identity()
    )
    assert seen[0][3:, 0, 1].tolist() == [0.0, 5.0, 5.0]
    assert seen[0][3:, 0, 2].tolist() == [1.0, 0.0, 1.0]
    assert seen[0][3:, 0, 3].tolist() == pytest.approx([math.log(2)] * 3)


def test_a_margin_of_before_is_in_units_of_scale(make: Make) -> None:
    """What was saved before margins had a unit says what it said."""
    model = _model(make, "direct", "quantiles", "series-future:3")
    out = model.config.output.model_dump()
    values = Ragged(_rows(model, 3) * 5)
    wide: dict[str, torch.Tensor] = {}
    for unit in ("before", "scale", "window"):
        told = {"margin": [1.0] * 6} | ({} if unit == "before" else {"margin_unit": unit})
        saved = {name: value for name, value in out.items() if not name.startswith("margin")}
        model.config = model.config.model_copy(update={"output": NumberOut.model_validate(saved | told)})
        with torch.inference_mode():
            wide[unit] = quantiles(model, values) - quantiles(model, values, widened=False)
    assert torch.equal(wide["before"], wide["scale"])
    torch.testing.assert_close(wide["window"], wide["scale"] * model.unit(values)[..., None])
