"""The front door in Python: settings, raw sequences, and what is said when they do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import elman
from elman import DataError, InputError
from elman.cli.train import _config
from elman.data.sample import CO2
from elman.model.answers import quantiles
from elman.model.kinds.number import LEVELS
from elman.report import toml
from elman.run import Run, Started
from elman.training.loop import Epoch, Step
from elman.training.settings import Job, job_from

FAST = {"epochs": 1, "hidden": 4}
PARTS = ("train", "valid", "test")


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "reviews.jsonl"
    rows = [{"text": f"a {word} film", "y": word, "n": k} for k, word in enumerate(["good", "bad"] * 15)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture(scope="module")
def runs(reviews: Path) -> dict[str, Run]:
    """A run of every kind of answer."""
    wave = reviews.parent / "wave.csv"
    wave.write_text("a,b\n" + "".join(f"{np.sin(k / 3)},{np.cos(k / 3)}\n" for k in range(90)))
    make: Callable[..., Run] = lambda name, *words: elman.train(*words, out=reviews.parent / name, **FAST)  # noqa: E731
    return {
        "label": make("label", reviews, "text:text", "label:y"),
        "future": make("future", wave, "series:a,b", "future:4:b"),
        "next": make("next", wave, "series:a,b", "next"),
        "book": make("book", reviews, "text.char:text", "next"),
    }


# Settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, "unknown setting 'epoch'. Did you mean 'epochs'? Known: file, source"),
        ({"bidirektional": True}, "Did you mean 'bidirectional'?"),
        ({"epochs": "3"}, "epochs: expected integer, got '3'; leave it out to have it chosen"),
        ({"epochs": 2.5}, "epochs: expected integer, got 2.5"),
        ({"hidden": True}, "hidden: expected integer, got True"),
        ({"dropout": None, "lr": "fast"}, "lr: expected number, got 'fast'"),
        ({"weight_decay": None}, "weight_decay: expected number, got None; leave it out for 0.01"),
        ({"seed": -1}, "seed: expected at least 0, got -1; leave it out for 0"),
        ({"readout": "every"}, "readout: expected 'last', 'mean', 'max' or 'attention', got 'every'"),
        ({"target": 3}, "target: expected string, got 3"),
    ],
)
def test_settings_are_checked_by_name_and_value(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        job_from({"file": "x.csv", "source": "text", "target": "label", **settings})
    assert message in str(error.value)


def test_a_wrong_setting_is_found_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'epochs'"):
        elman.train(tmp_path / "none.csv", "text", "label", epoch=3)
    with pytest.raises(DataError, match="no such file"):
        elman.train(tmp_path / "none.csv", "text", "label", out=tmp_path / "o")
    assert list(tmp_path.iterdir()) == []


def test_a_job_survives_its_record(tmp_path: Path) -> None:
    job = Job(
        file='a "b"\\c\t\N{GRINNING FACE}.csv', source="series:x", target="next", lr=1e-5, bidirectional=False, seed=7
    )
    (tmp_path / "run.toml").write_text(toml(job), encoding="utf-8")
    assert job_from(_config(str(tmp_path / "run.toml"))) == job


def test_listeners_hear_everything_in_order(reviews: Path, tmp_path: Path) -> None:
    heard: list[Started | Step | Epoch] = []
    run = elman.train(reviews, "text:text", "label:y", out=tmp_path / "o", listener=heard.append, **FAST)
    assert [type(event).__name__ for event in heard] == ["Started", "Step", "Epoch"]
    assert isinstance(heard[0], Started)
    assert heard[0].weights == sum(weight.numel() for weight in run.model.parameters())
    assert heard[0].notes == run.notes


def test_a_cell_of_ones_own_is_trained_by_name(reviews: Path, tmp_path: Path) -> None:
    class Mine(elman.Cell):
        def __init__(self, input_size: int, hidden_size: int) -> None:
            super().__init__()
            self.into = torch.nn.Linear(input_size, hidden_size)

        def initial_state(self, batch: int, like: torch.Tensor) -> torch.Tensor:
            return like.new_zeros(batch, self.into.out_features)

        def step(self, p: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            state = torch.tanh(self.into(p) + 0.5 * state)
            return state, state

    cells = {"mine": Mine}
    run = elman.train(reviews, "text:text", "label:y", out=tmp_path / "o", cells=cells, cell="mine", **FAST)
    again = elman.load(tmp_path / "o", cells=cells)
    assert again.predict(["a good film"]).equals(run.predict(["a good film"]))


def test_training_leaves_random_numbers_and_threads_as_they_were(reviews: Path, tmp_path: Path) -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    elman.train(reviews, "text:text", "label:y", out=tmp_path / "o", threads=threads + 1, **FAST)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


class Unread(elman.Cell):
    """A cell whose first part is not the one that reads, so that its width is guessed wrong."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.back = torch.nn.Linear(hidden_size, hidden_size)
        self.read = torch.nn.Linear(input_size, hidden_size)

    def initial_state(self, batch: int, like: torch.Tensor) -> torch.Tensor:
        return like.new_zeros(batch, self.back.in_features)

    def step(self, p: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        state = torch.tanh(self.read(p) + self.back(state))
        return state, state


@pytest.mark.parametrize("layers", [1, 2])
def test_a_cell_that_cannot_be_planned_is_trained_all_the_same(reviews: Path, tmp_path: Path, layers: int) -> None:
    heard: list[Any] = []
    run = elman.train(
        reviews, "text:text", "label:y", out=tmp_path / "o", cells={"unread": Unread}, cell="unread", layers=layers,
        bidirectional=False, listener=heard.append, **FAST,
    )  # fmt: skip
    assert (heard[0].plan is None) == (layers == 2)
    assert ("could not run the cell on inputs of 4 features" in run.notes[-1]) == (layers == 2)


# Files of another make ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A model that was trained on a file with a whole sequence in each row."""
    folder = tmp_path_factory.mktemp("lists")
    rows = [{"x": [k % 2 + 0.1 * t for t in range(4)], "y": "ab"[k % 2]} for k in range(30)]
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return elman.train(folder / "t.jsonl", "series:x", "label:y", out=folder / "o", **FAST)


def test_a_model_trained_on_lists_predicts_a_long_table(lists: Run, tmp_path: Path) -> None:
    lines = [f"{k},{t},{k % 2 + 0.1 * t},{'ab'[k % 2]}" for k in range(3) for t in range(4)]
    (tmp_path / "long.csv").write_text("unit,t,x,y\n" + "\n".join(lines))
    with pytest.raises(DataError, match="name the column that tells them apart: --id unit"):
        lists.predict(tmp_path / "long.csv")
    found = lists.predict(tmp_path / "long.csv", id="unit", time="t")
    assert found["id"].to_list() == ["0", "1", "2"]
    raw = lists.predict([np.array([k % 2 + 0.1 * t for t in range(4)]) for k in range(3)])
    assert found.drop("id").equals(raw.drop("id"))
    assert lists.evaluate(tmp_path / "long.csv", id="unit").count == 3
    with pytest.raises(InputError, match="id, time: name columns of a file"):
        lists.predict([np.zeros(4)], id="unit")


def test_sequences_too_short_to_score_are_counted(runs: dict[str, Run], tmp_path: Path) -> None:
    lines = [f"{k},{np.sin(t / 3)},{np.cos(t / 3)}" for k, count in enumerate((60, 32, 1, 33)) for t in range(count)]
    (tmp_path / "s.csv").write_text("unit,a,b\n" + "\n".join(lines))
    least = runs["future"].model.config.lookback + 4
    with pytest.warns(UserWarning, match=f"2 of 4 sequences are left out: they have fewer than {least} steps"):
        assert runs["future"].evaluate(tmp_path / "s.csv", id="unit").count == 60 - least + 1 + 33 - least + 1
    with pytest.warns(UserWarning, match="1 of 4 sequences are left out: they have fewer than 2 steps"):
        runs["next"].evaluate(tmp_path / "s.csv", id="unit")


# Raw sequences ------------------------------------------------------------------------------------------------


def test_raw_sequences_are_answered_as_those_of_a_file(runs: dict[str, Run], reviews: Path) -> None:
    texts = [json.loads(line)["text"] for line in reviews.read_text().splitlines()]
    from_file, raw = runs["label"].predict(reviews), runs["label"].predict(texts)
    assert raw.drop("id").equals(from_file.drop("id"))
    wave = pl.read_csv(reviews.parent / "wave.csv").to_numpy()
    for name in ("future", "next"):
        from_file, raw = runs[name].predict(reviews.parent / "wave.csv"), runs[name].predict([wave])
        assert raw.drop("id").equals(from_file.drop("id"))
        # Lists, tensors and stacks of arrays are as good.
        for same in (wave.tolist(), torch.from_numpy(wave)):
            assert runs[name].predict([same]).equals(raw)
        assert runs[name].predict(wave[None]).equals(raw)


def test_a_forecast_is_of_the_columns_asked_for_with_an_interval(runs: dict[str, Run], reviews: Path) -> None:
    found = runs["future"].predict(reviews.parent / "wave.csv")
    assert found.columns == ["id", "step", "b", "b_low", "b_high"]
    assert (found["b_low"] <= found["b"]).all()
    assert (found["b"] <= found["b_high"]).all()
    expected = np.cos(np.arange(90, 94) / 3)
    assert np.abs(found["b"].to_numpy() - expected).max() < 0.5


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("label", ["a film", 3], r"sequences\[1\]: expected a text, got int"),
        ("label", [np.zeros((3, 2))], r"sequences\[0\]: expected a text, got ndarray"),
        ("label", [], "expected a file's name or a list of sequences, got none"),
        ("label", pl.DataFrame({"text": ["a"]}), r"got DataFrame; write predict\(\[sequence\]\)"),
        ("label", None, "got NoneType"),
        ("future", ["text"], r"sequences\[0\]: expected an array \[T, 2\] of a, b, got str"),
        ("future", [np.zeros((90, 3))], r"sequences\[0\]: expected an array \[T, 2\] of a, b, got shape \[90, 3\]"),
        ("future", [np.zeros(90)], r"got shape \[90\]"),
        ("future", [[[1.0, 2.0], [3.0]]], r"sequences\[0\]: expected an array \[T, 2\] of a, b, got list"),
        ("future", [{"a": 1}], r"got dict"),
        ("next", [np.full((5, 2), np.nan)], r"sequences\[0\]: expected finite numbers, got nan in step 0 of 'a'"),
        ("next", [[[1.0, 2.0], [3.0, np.inf]]], r"got inf in step 1 of 'b'"),
    ],
)
def test_sequences_that_do_not_fit_are_refused_by_their_place(
    runs: dict[str, Run], name: str, data: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        runs[name].predict(data)


def test_sequences_too_short_are_refused(runs: dict[str, Run]) -> None:
    with pytest.raises(DataError, match=r"has 3 steps, but this model reads 29 before it predicts"):
        runs["future"].predict([np.zeros((3, 2))])
    with pytest.raises(DataError, match=r"has 0 steps, but this model reads 1 before it predicts; give more"):
        runs["next"].predict([np.zeros((0, 2))])


def test_what_is_unknown_or_empty_is_a_warning(runs: dict[str, Run]) -> None:
    with pytest.warns(UserWarning, match="2 of 3 words were never seen in training: 'zebra'"):
        assert runs["label"].predict(["a zebra zebra"]).height == 1
    with pytest.warns(UserWarning, match="1 of 2 sequences are empty"):
        assert runs["label"].predict(["", "a good film"]).height == 2


def test_evaluating_the_test_part_again_gives_the_same_score(reviews: Path, tmp_path: Path) -> None:
    rows = reviews.read_text().splitlines()
    (tmp_path / "train.jsonl").write_text("\n".join(rows[:20]))
    (tmp_path / "test.jsonl").write_text("\n".join(rows[20:]))
    run = elman.train(
        tmp_path / "train.jsonl", "text:text", "label:y", test=str(tmp_path / "test.jsonl"), out=tmp_path / "o", **FAST
    )
    assert run.scores is not None
    again = elman.load(tmp_path / "o").evaluate(tmp_path / "test.jsonl")
    assert again.values == run.scores.values
    assert again.count == run.scores.count == 10


def test_evaluating_the_training_file_is_a_warning(runs: dict[str, Run], reviews: Path) -> None:
    with pytest.warns(UserWarning, match="is the file that this run was trained on, so this score flatters"):
        assert runs["label"].evaluate(reviews).count == 30


def test_generating_goes_on_from_the_prompt(runs: dict[str, Run]) -> None:
    text = runs["book"].generate("a go", 5, seed=1)
    assert text.startswith("a go")
    assert len(text) <= 9
    assert text == runs["book"].generate("a go", 5, seed=1)
    with pytest.raises(InputError, match="predicts no text"):
        runs["label"].generate("a go")
    with pytest.raises(InputError, match="use elman generate"):
        runs["book"].predict(["a go"])


def test_intervals_are_calibrated_on_the_validation_part(runs: dict[str, Run]) -> None:
    margin = runs["next"].model.config.output.model_dump()["margin"]
    assert len(margin) == 2
    assert all(width != 0 for width in margin)
    assert elman.load(runs["next"].path).model.config.output.model_dump()["margin"] == margin
    # Those of forecasts on request alone.
    assert runs["future"].model.config.output.model_dump()["margin"] == []


def test_what_is_predicted_is_the_median(runs: dict[str, Run], reviews: Path) -> None:
    run = runs["future"]
    wave = pl.read_csv(reviews.parent / "wave.csv").to_numpy()
    encoded = run.model.config.input.encode(wave)[-run.model.config.lookback :]  # type: ignore[arg-type]
    with torch.inference_mode():
        found = quantiles(run.model, elman.Ragged(encoded[:, None]))[0, :, 0].numpy()
    out = run.model.config.output.model_dump()
    expected = found[:, LEVELS.index(0.5)] * out["scale"][0] + out["mean"][0]
    assert run.predict([wave])["b"].to_list() == pytest.approx(expected.tolist(), rel=1e-6)
    assert abs(found.mean(1) - found[:, LEVELS.index(0.5)]).max() > 1e-6


def test_a_run_plans(runs: dict[str, Run]) -> None:
    assert "GRUCell(2, 4)" in str(runs["future"].plan(steps=10, batch=2))


# A real series ------------------------------------------------------------------------------------------------


def test_a_real_series_is_forecast_better_than_by_repeating_it(tmp_path: Path) -> None:
    run = elman.train(CO2, "series:co2", "future:26", time="date", out=tmp_path / "o", epochs=1, hidden=8)
    assert run.scores is not None
    naive = [name for name in run.baselines if not name.startswith(("ridge", "feed"))]
    assert sorted(naive) == ["last value", "seasonal-naive (52 steps)", "with drift (52 steps)"]
    assert run.scores.values["mae"] < min(run.baselines[name].values["mae"] for name in naive)
    assert 0.6 < run.scores.values["coverage"] < 0.95
    times = run.predict(CO2)["date"]
    assert str(times[0]) == "2002-01-05"
    assert times.is_sorted()


# A target that is no input -------------------------------------------------------------------------------------


def test_the_level_of_an_input_reaches_a_forecast_of_another_column(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=4000)
    x = np.zeros(4000)
    for t in range(1, 4000):
        x[t] = 0.9 * x[t - 1] + noise[t] * 0.19**0.5
    lines = ["x,y"] + [f"{x[t]},{x[t - 1]}" for t in range(1, 4000)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    small = {"lookback": 4, "hidden": 16, "lr": 0.005, "dropout": 0.0, "epochs": 8}
    run = elman.train(tmp_path / "t.csv", "series:x", "future:1:y", out=tmp_path / "o", **small)
    assert run.scores is not None
    assert run.scores.values["mae"] < 0.1
    assert run.baselines["ridge on the same window"].values["mae"] < 0.01
    assert run.baselines["training median"].values["mae"] > 0.6


# Names and times of what is predicted ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "names"),
    [("a,a_low,time", ["a", "a_low_predicted", "time_predicted"]), ("a_low,a", ["a_low", "a_predicted"])],
)
def test_columns_of_like_names_are_all_predicted(tmp_path: Path, order: str, names: list[str]) -> None:
    lines = ["a_low,time,a"] + [f"{100 + k % 3},{1000 + k % 5},{k % 7}" for k in range(120)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    found = elman.train(tmp_path / "t.csv", f"series:{order}", "future:2", out=tmp_path / "o", **FAST).predict(
        tmp_path / "t.csv"
    )
    assert found.columns == ["id", "step", *(name + end for name in names for end in ("", "_low", "_high"))]
    for name in names:
        level = 100 if name.startswith("a_low") else 1000 if name.startswith("time") else 0
        assert found[name].is_between(level - 20, level + 20).all()


# Pictures -----------------------------------------------------------------------------------------------------


def test_more_classes_than_a_picture_holds_cost_the_picture_only(tmp_path: Path) -> None:
    rows = [json.dumps({"x": [float(k), 1.0], "y": f"class {k}", "part": p}) for k in range(101) for p in PARTS]
    (tmp_path / "many.jsonl").write_text("\n".join(rows))
    with pytest.warns(UserWarning, match="confusion.svg is left out: at most 100 classes fit a picture, got 101"):
        run = elman.train(tmp_path / "many.jsonl", "series:x", "label:y", split="part", out=tmp_path / "o", **FAST)
    assert run.notes[-1].startswith("confusion.svg is left out")
    assert json.loads((run.path / "report.json").read_text())["notes"] == run.notes
    assert [path.name for path in run.path.glob("*.svg")] == ["learning.svg"]
