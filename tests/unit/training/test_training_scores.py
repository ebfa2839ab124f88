"""Scores, baselines and intervals against sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from elman.data.batch import ExampleSet, StreamSet, WindowSet
from elman.data.encode import pieces
from elman.model.config import ModelConfig, NetConfig
from elman.model.kinds.label import LabelOut
from elman.model.kinds.number import LEVELS, NumberOut
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn, TokenOut
from elman.model.network import SequenceModel
from elman.training.beside import baseline_scores
from elman.training.scores import calibrate, score

Output = LabelOut | NumberOut | TokenOut


def _model(target: str, out: Output, kind: SeriesIn | TextIn | None = None, lookback: int = 0) -> SequenceModel:
    torch.manual_seed(0)
    readout = "every" if target == "next" else "last"
    return SequenceModel(
        ModelConfig(
            source="series",
            target=target,
            lookback=lookback,
            input=kind or SeriesIn(columns=["x"], mean=[0.0], scale=[1.0]),
            output=out,
            net=NetConfig.model_validate({"hidden": 3, "readout": readout}),
        )
    )


def _fix(model: SequenceModel, bias: list[float]) -> SequenceModel:
    """Let a model say the same of everything."""
    with torch.no_grad():
        model.head.linear.weight.zero_()
        model.head.linear.bias.copy_(torch.tensor(bias))
    return model


def _inputs(count: int) -> list[Tensor]:
    return [torch.randn(4, 1, generator=torch.Generator().manual_seed(k)) for k in range(count)]


# Labels -------------------------------------------------------------------------------------------------------


def test_label_scores_are_those_of_the_definition() -> None:
    out = LabelOut(column="y", classes=["a", "b", "c"])
    model = _fix(_model("label", out), np.log([0.2, 0.7, 0.1]).tolist())
    # The last label is one that training never saw.
    found = score(model, ExampleSet(_inputs(5), torch.tensor([1, 1, 0, 2, -1])), 2, "cpu")
    assert found.values["accuracy"] == pytest.approx(2 / 5)
    assert found.values["nats"] == pytest.approx(-np.log([0.7, 0.7, 0.2, 0.1, 1e-12]).mean(), rel=1e-5)
    assert found.confusion is not None
    assert found.confusion.tolist() == [[0, 1, 0], [0, 2, 0], [0, 1, 0]]
    assert found.count == 5
    majority = baseline_scores(
        model.config,
        ExampleSet(_inputs(3), torch.tensor([2, 2, 0])),
        ExampleSet(_inputs(4), torch.tensor([2, 0, 2, 2])),
    )
    assert list(majority) == ["always 'c'", "logistic regression on summary features"]
    assert majority["always 'c'"].values["accuracy"] == 0.75
    # One more of each class is counted: 2, 1 and 3 of 6.
    assert majority["always 'c'"].values["nats"] == pytest.approx(-np.log([3 / 6, 2 / 6, 3 / 6, 3 / 6]).mean())


# Numbers ------------------------------------------------------------------------------------------------------


def test_number_scores_are_those_of_the_definition() -> None:
    out = NumberOut(columns=["y"], mean=[100.0], scale=[10.0])
    model = _fix(_model("number", out), [-2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0])
    target = torch.tensor([0.5, 2.0, -1.0, 2.5, -3.0])[:, None, None]
    found = score(model, ExampleSet(_inputs(5), target), 2, "cpu").values
    apart = np.array([0.0, 1.5, -1.5, 2.0, -3.5])
    assert found["mae"] == pytest.approx(np.abs(apart).mean())
    assert found["rmse"] == pytest.approx(np.sqrt((apart**2).mean()))
    assert found["mae_units"] == pytest.approx(10 * np.abs(apart).mean())
    # Both ends belong to the interval from -1 to 2.
    assert found["coverage"] == pytest.approx(3 / 5)
    constant = baseline_scores(
        model.config,
        ExampleSet(_inputs(3), torch.tensor([0.0, 1.0, 9.0])[:, None, None]),
        ExampleSet(_inputs(5), target),
    )
    assert constant["training median"].values["mae"] == pytest.approx(np.abs(target.numpy() - 1.0).mean())
    assert "coverage" not in constant["training median"].values


def test_the_error_of_a_forecast_is_told_by_step_and_in_the_datas_units() -> None:
    out = NumberOut(columns=["x"], mean=[0.0], scale=[2.0], horizon=2)
    model = _fix(_model("future:2", out, lookback=3), [0.0] * 7 + [1.0] * 7)
    series = torch.tensor([9.0, 9.0, 9.0, 1.0, 3.0, 5.0])[:, None]
    found = score(model, WindowSet([series], [series], [(0, 6)], 3, 2), 8, "cpu")
    # Forecasts of 0 and 1 for (1, 3) and for (3, 5).
    assert found.count == 2
    assert found.by_step is not None
    assert found.by_step.tolist() == pytest.approx([2 * (1 + 3) / 2, 2 * (2 + 4) / 2])
    assert found.values["mae"] == pytest.approx((1 + 3 + 2 + 4) / 4)
    assert found.values["mae_units"] == pytest.approx(2 * (1 + 3 + 2 + 4) / 4)


def test_columns_of_different_units_have_no_error_in_units() -> None:
    out = NumberOut(columns=["m", "kg"], mean=[0.0, 0.0], scale=[2.0, 1000.0])
    model = _fix(_model("number", out), [0.0] * 14)
    target = torch.tensor([[[1.0, 3.0]], [[-2.0, 0.0]]])
    found = score(model, ExampleSet(_inputs(2), target), 2, "cpu")
    assert "mae_units" not in found.values
    assert found.values["mae"] == pytest.approx(6 / 4)
    assert found.by_step is not None
    assert found.by_step.tolist() == pytest.approx([6 / 4])


def test_baselines_of_a_forecast_are_in_the_same_units() -> None:
    out = NumberOut(columns=["x"], mean=[0.0], scale=[2.0], horizon=2, anchors=[0])
    wave = torch.tensor([0.0, 1.0, 2.0, 1.0]).repeat(12)[:, None]
    data = WindowSet([wave], [wave], [(0, 48)], 8, 2)
    data.season = 4
    found = baseline_scores(_model("future:2", out, lookback=8).config, data, data)
    names = [
        "feed-forward net",
        "last value",
        "ridge on the same window",
        "seasonal-naive (4 steps)",
        "with drift (4 steps)",
    ]
    assert sorted(found) == names
    assert found["seasonal-naive (4 steps)"].values["mae"] == 0.0
    by_hand = [abs(float(wave[t + h] - wave[t - 1])) for t in range(8, 47) for h in (0, 1)]
    assert found["last value"].values["mae"] == pytest.approx(np.mean(by_hand))
    assert found["last value"].values["mae_units"] == pytest.approx(2 * np.mean(by_hand))


def test_baselines_of_the_next_value_are_those_of_a_forecast() -> None:
    out = NumberOut(columns=["x"], mean=[0.0], scale=[2.0], anchors=[0])
    wave = torch.tensor([0.0, 1.0, 2.0, 1.0, 5.0]).repeat(40)[:, None]
    whole = ExampleSet([wave[:139]], [wave[1:140].unsqueeze(1)], [torch.ones(139, dtype=torch.bool)])
    test = ExampleSet([wave[:-1]], [wave[1:].unsqueeze(1)], [torch.arange(1, 200) >= 140])
    found = baseline_scores(_model("next", out).config, pieces(whole), test)
    season = "seasonal-naive (5 steps)"
    assert sorted(found) == ["last value", "ridge on the same window", season, "with drift (5 steps)"]
    assert found[season].values["mae"] == 0.0
    assert found["ridge on the same window"].values["mae"] < 0.1
    by_hand = [abs(float(wave[t] - wave[t - 1])) for t in range(140, 200)]
    assert found["last value"].values["mae"] == pytest.approx(np.mean(by_hand))
    assert {scores.count for scores in found.values()} == {60}


def test_only_scored_steps_count() -> None:
    out = NumberOut(columns=["x"], mean=[0.0], scale=[1.0], anchors=[0])
    model = _fix(_model("next", out), [0.0] * 7)
    inputs, target = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([2.0, 4.0, 8.0])[:, None, None]
    data = ExampleSet([inputs], [target], [torch.tensor([False, True, True])])
    found = score(model, data, 8, "cpu")
    assert found.count == 2
    assert found.values["mae"] == pytest.approx((2 + 4) / 2)
    assert baseline_scores(model.config, pieces(data), data)["last value"].values["mae"] == pytest.approx(3.0)


# Text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
def test_text_scores_are_nats_a_token(stream: bool) -> None:
    kind = TextIn(column="t", variant="char", vocabulary=["<unknown>", "<end>", "a", "ä"])
    model = _fix(_model("next", TokenOut(size=4), kind), np.log([0.1, 0.2, 0.3, 0.4]).tolist())
    tokens = torch.tensor([2, 3, 3, 1, 2])
    data = StreamSet(tokens[:-1], tokens[1:], 2) if stream else ExampleSet([tokens[:-1]], [tokens[1:]])
    found = score(model, data, 8, "cpu")
    nats = -np.log([0.4, 0.4, 0.2, 0.3]).mean()
    # Two of the four have two bytes.
    wanted = {"nats": nats, "perplexity": np.exp(nats), "bits_per_byte": nats * 4 / 6 / np.log(2)}
    assert found.values == pytest.approx(wanted, rel=1e-5)
    assert found.count == 4
    assert list(baseline_scores(model.config, data, data)) == ["pairs of tokens (bigrams)"]


def test_bytes_of_pieces_are_counted_and_those_of_words_are_not_known() -> None:
    pieces = TextIn.fit(["über Öl über Öl"], "t", "bpe", most=264)
    for text in ("über Öl", "x é"):
        assert sum(pieces.bytes[n] for n in pieces.encode(text).tolist()) == len(text.encode())
    assert TextIn.fit(["a b a b"], "t", "").bytes == []


# Intervals ----------------------------------------------------------------------------------------------------


def _spread(kind: str, size: int) -> tuple[SequenceModel, ExampleSet | WindowSet]:
    """A model that knows nothing and data of another spread, skewed."""
    random = np.random.default_rng(0)
    draws = torch.from_numpy(random.gamma(2.0, 1.5, size=(size, 1, 1))).float()
    if kind == "number":
        out = NumberOut(columns=["y"], mean=[0.0], scale=[1.0])
        return _fix(_model("number", out), sorted(np.linspace(-0.1, 0.1, 7))), ExampleSet(_inputs(size), draws)
    if kind == "next":
        out = NumberOut(columns=["y"], mean=[0.0], scale=[1.0], anchors=[0])
        steps = draws.flatten()
        data = ExampleSet([steps[:-1, None]], [steps[1:, None, None]])
        return _fix(_model("next", out), sorted(np.linspace(-9, 9, 7))), data
    out = NumberOut(columns=["y"], mean=[0.0], scale=[1.0], horizon=3)
    series = draws[:, 0]
    data = WindowSet([series], [series], [(0, size)], 4, 3)
    return _fix(_model("future:3", out, lookback=4), [0.0] * 21), data


@pytest.mark.parametrize("kind", ["number", "next", "future"])
def test_intervals_are_made_to_hold_four_fifths(kind: str) -> None:
    model, data = _spread(kind, 400)
    before = score(model, data, 64, "cpu").values["coverage"]
    assert not 0.78 <= before <= 0.82
    calibrate(model, data, 64, "cpu", conformal=True)
    after = score(model, data, 64, "cpu").values
    assert 0.78 <= after["coverage"] <= 0.82
    # Once more changes nothing: it does not start from the widened ones.
    margin = model.config.output.model_dump()["margin"]
    calibrate(model, data, 64, "cpu", conformal=True)
    assert model.config.output.model_dump()["margin"] == margin


def test_intervals_of_forecasts_are_fitted_on_request_alone() -> None:
    model, data = _spread("future", 400)
    calibrate(model, data, 64, "cpu")
    assert model.config.output.model_dump()["margin"] == []
    model, data = _spread("number", 400)
    calibrate(model, data, 64, "cpu", conformal=False)
    assert model.config.output.model_dump()["margin"] == []


def test_the_margin_is_the_conformal_quantile() -> None:
    out = NumberOut(columns=["y"], mean=[0.0], scale=[1.0])
    model = _fix(_model("number", out), [0.0] * 7)
    target = torch.arange(1.0, 10.0)[:, None, None]
    calibrate(model, ExampleSet(_inputs(9), target), 64, "cpu")
    # How far outside [0, 0] each lies: 1 to 9; 80 % of them, and one more for safety.
    assert model.config.output.model_dump()["margin"] == pytest.approx([np.quantile(np.arange(1, 10), 0.8 * 10 / 9)])
    assert LEVELS.index(0.1) == 1


def test_labels_have_no_interval_to_calibrate() -> None:
    model = _model("label", LabelOut(column="y", classes=["a", "b"]))
    config = model.config
    calibrate(model, ExampleSet(_inputs(3), torch.zeros(3, dtype=torch.int64)), 8, "cpu")
    assert model.config == config
