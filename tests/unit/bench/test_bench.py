"""Benchmarks: equal results come before any ratio; what is written can be read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from elman.bench import measure as bench
from elman.bench.cases import CELLS, Case, Data, cases
from elman.bench.peers import contenders, installed
from elman.cli.verbs import app
from elman.core.engines.operators import kernel_names
from elman.core.errors import EngineError

JOBS = ("train", "infer", "ragged", "step")


def _small(job: str, cell: str) -> Case:
    return Case(job, cell, *((1, 1, 9) if job == "step" else (3, 5, 9)))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("job", JOBS)
def test_all_contenders_agree_and_are_timed(job: str, cell: str) -> None:
    case = _small(job, cell)
    result = bench.measure(case, rounds=2, threads=1)
    expected = {"elman", "torch"} | ({"jax"} & set(installed()) if job in ("train", "infer") else set())
    assert expected <= set(result.median)
    assert set(result.ratio) == set(result.median) - {"elman"}
    for name, middle in result.median.items():
        assert 0 < result.low[name] <= middle <= result.high[name]
    line = json.loads(json.dumps(result.line()))
    assert (line["job"], line["cell"], line["rounds"]) == (job, cell, 2)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("job", ["train", "infer", "ragged"])
def test_training_compares_every_gradient(job: str, cell: str) -> None:
    case = _small(job, cell)
    for call in contenders(case, Data.of(case), 1).values():
        assert [tuple(part.shape) for part in call()][:1] == [(5, 3, 9)]
        assert len(call()) == (1 if job == "infer" else 5)


def test_a_frame_carries_its_state() -> None:
    case = Case("step", "LSTM", 1, 1, 9)
    data = Data.of(case)
    whole, _ = data.layer(data.x.expand(4, 1, 9))
    for call in contenders(case, data, 1).values():
        for step in range(4):
            torch.testing.assert_close(call()[0], whole[step, 0].detach(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("wrong", [lambda y: y + 0.01, lambda y: y * float("nan")])
def test_no_ratio_for_unequal_results(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(case: Case, data: Data, threads: int) -> dict[str, Any]:
        calls = contenders(case, data, threads)
        return {**calls, "elman": lambda: [wrong(part) for part in calls["torch"]()]}

    monkeypatch.setattr(bench, "contenders", spoilt)
    with pytest.raises(
        bench.ParityError, match=r"train GRU B3 T5 H9: elman differs from torch in outputs by .* nothing was"
    ):
        bench.measure(_small("train", "GRU"), 2, 1)


@pytest.mark.parametrize("cell", CELLS)
def test_steps_are_compared_where_the_state_is_not_zero(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(case: Case, data: Data, threads: int) -> dict[str, Any]:
        calls = contenders(case, data, threads)
        with torch.no_grad():
            data.layer.weight_hh_l0.mul_(0.5)
        return {"elman": calls["elman"], "torch": contenders(case, data, threads)["torch"]}

    monkeypatch.setattr(bench, "contenders", spoilt)
    with pytest.raises(bench.ParityError, match=r"step .*: elman differs from torch in frame 2 by"):
        bench.measure(_small("step", cell), 2, 1)


def test_operations_are_those_of_the_products() -> None:
    assert Case("infer", "LSTM", 32, 100, 64).operations(3200) == 3200 * 2 * 4 * 64 * 128
    assert Case("train", "RNN", 1, 10, 8).operations(10) == 2.5 * 10 * 2 * 8 * 16


def test_quick_cases_are_few() -> None:
    assert len(cases(JOBS, quick=True)) < len(cases(JOBS)) / 2
    assert {case.job for case in cases(JOBS, quick=True)} == set(JOBS)


@pytest.mark.skipif(not kernel_names(), reason="the native core was not built")
def test_the_ceilings_are_above_zero_and_in_order() -> None:
    place = bench.machine(1)
    assert place.arithmetic > 1
    assert len(place.reads) == 3
    assert min(place.reads) > 0.1
    assert place.about["kernels"] == kernel_names()[0]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    def small(jobs: tuple[str, ...], cells: tuple[str, ...] = CELLS, quick: bool = False) -> list[Case]:
        return [_small(job, cell) for job in jobs for cell in cells]

    monkeypatch.setattr("elman.bench.cases.cases", small)


@pytest.mark.usefixtures("few")
def test_the_command_prints_a_table_and_writes_lines_and_a_picture(tmp_path: Path) -> None:
    command = ["bench", "--rounds", "1", "--jobs", "train,step", "--cells", "gru,LSTM", "--out", str(tmp_path / "new")]
    for times in (1, 2):
        done = CliRunner().invoke(app, command, catch_exceptions=False)
        assert done.exit_code == 0
        lines = [json.loads(line) for line in (tmp_path / "new/bench.jsonl").read_text().splitlines()]
        assert len(lines) == 4 * times
    assert all({"torch", "threads", "processor", "date", "ms", "ratio"} <= set(line) for line in lines)
    assert (tmp_path / "new/bench.svg").read_text().startswith("<svg")
    assert "training, whole sequences" in done.stdout
    assert re.search(r"^GRU  B3 T5 H9 +[\d.]+ (us|ms) +[\d.]+ (us|ms) x *[\d.]+", done.stdout, re.M)
    assert re.search(r"^GRU: [\d.]+ times as fast as torch", done.stdout, re.M)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--jobs trian", "--jobs: unknown 'trian'. Did you mean 'train'? Known: train, infer, ragged, step"),
        ("--cells XYZ", "--cells: unknown 'XYZ'. Known: RNN, GRU, LSTM"),
        ("--jobs ,", "--jobs: expected some of train, infer, ragged, step, got nothing"),
        ("--rounds -1", "expected at least 1, got -1 and 0"),
        ("--out FILE", "a file is there; name a folder"),
    ],
)
def test_bad_options(options: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = ["bench", *options.replace("FILE", str(tmp_path / "file")).split(" ")]
    done = CliRunner().invoke(app, words)
    assert message in str(done.exception)


def test_without_the_native_core_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elman.core.engines.operators.BUILT", False)
    with pytest.raises(EngineError, match=r"times the native core, which is not there: python -m elman\.native_info"):
        CliRunner().invoke(app, ["bench"], catch_exceptions=False)
