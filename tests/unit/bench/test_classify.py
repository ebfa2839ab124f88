"""The programs that train on sets of series: what is made of their lines, and the command line they stand for."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from elman.training.settings import Job, job_from

ROOT = Path(__file__).parents[3]


def _program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"bench/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _line(name: str, seed: int, accuracy: float) -> dict[str, object]:
    return {"set": name, "seed": seed, "accuracy": accuracy, "seconds": 10.0 * (seed + 1)}


def test_a_row_is_the_median_over_seeds() -> None:
    program = _program("classify")
    lines = [_line("Coffee", seed, one) for seed, one in enumerate((1.0, 0.9, 1.0))] + [_line("PLAID", 0, 0.834)]
    made = program.table(lines)
    assert "| Coffee | 1.0000 | 1.0000 0.9000 1.0000 | 1.00 | 1.0000 | 20 |" in made
    assert "| PLAID | 0.8340 | 0.8340 | 0.84 |  | 10 |" in made
    assert "At or above 1-NN DTW on 1 of 2, at or above LSTM-FCN on 1 of 1." in made
    # DTW's figures have two digits, and so has what is held against them.
    assert "1-NN DTW on 1 of 1" in program.table([_line("PLAID", 0, 0.836)])


def test_one_line_stands_for_all_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    program = _program("classify")
    job_from({"file": "a", "source": "series", "target": "label", **program.SETTINGS})
    said = program.command("Coffee")
    assert "Coffee_TRAIN.ts.gz --test $ELMAN_DATA/ucr_uea/Coffee_TEST.ts.gz --from series --to label" in said
    for name, value in program.SETTINGS.items():
        assert name in Job.model_fields
        assert f"--{name.replace('_', '-')} {value}" in said
    assert len(program.DTW) == 13
    assert set(program.FCN) <= set(program.DTW)


def test_answers_are_medians_beside_their_baselines() -> None:
    program = _program("answers")
    scores = [{"mae_units": value, "rmse": value / 100} for value in (3.0, 1.0, 2.0)]
    lines = [{"task": "peak", "scores": one, "baselines": {"ridge": {"mae_units": 4.0, "rmse": 0.5}}} for one in scores]
    made = program.table(lines)
    assert "| ridge | 4 | 0.5 |" in made
    assert "| elman, median of 3 | 2 | 0.02 |" in made
