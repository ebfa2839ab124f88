"""The study of vanishing gradients: its task, its trainings, and what is made of their lines."""

from __future__ import annotations

import importlib.util
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location("adding", ROOT / "bench/adding.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_answer_is_the_sum_of_the_marked_numbers(study: ModuleType) -> None:
    x, y = study.adding(13, 4000, torch.Generator().manual_seed(0))
    numbers, marks = x.unbind(-1)
    assert x.shape == (13, 4000, 2)
    assert y.shape == (4000,)
    assert bool((marks[:6].sum(0) == 1).all())
    assert bool((marks[6:].sum(0) == 1).all())
    torch.testing.assert_close((numbers * marks).sum(0), y)
    assert float(((y - 1) ** 2).mean()) == pytest.approx(study.BASELINE, rel=0.1)


def test_every_cell_starts_as_its_source_says(study: ModuleType) -> None:
    spectra = {}
    for name, make in study.CELLS.items():
        layer = make(32)
        if name not in ("LSTM", "GRU"):
            spectra[name] = torch.linalg.svdvals(layer.weight_hh_l0.detach())
        elif name == "LSTM":
            assert bool(((layer.bias_ih_l0 + layer.bias_hh_l0)[32:64] == 1).all())
    assert bool(torch.allclose(spectra["IRNN"], torch.ones(32)))
    assert bool(torch.allclose(spectra["tanh, orthogonal"], torch.ones(32), atol=1e-5))
    assert float(spectra["tanh"].median()) < 0.9
    chrono = study.Adder("LSTM, chrono", 32, 50).layer
    keeps = (chrono.bias_ih_l0 + chrono.bias_hh_l0)[32:64].detach().exp()
    assert 1 <= float(keeps.min()) < float(keeps.max()) <= 49
    plain = study.Adder("LSTM, torch's bias", 32, 50).layer
    assert float((plain.bias_ih_l0 + plain.bias_hh_l0).detach().abs().max()) < 2 / 32**0.5


def test_a_short_sum_is_learnt_and_a_gradient_fades_at_the_rate_of_its_weights(study: ModuleType) -> None:
    line = study.train(study.Job("GRU", 4, "adam", 1e-2, 1.0, 0, 400), study.Size(hidden=24, batch=40, rows=100))
    assert line["solved"] is not None
    assert line["test"] < study.SOLVED < line["valid"][0]
    model = study.Adder("IRNN", 8, 30)
    with torch.no_grad():
        model.layer.weight_hh_l0.mul_(0.5)
        model.layer.weight_ih_l0.abs_()
        model.answer.weight.abs_()
    found = study.flow(model, *study.adding(30, 5, torch.Generator().manual_seed(1)))
    assert found["back"] == list(range(30))
    assert found["log10"][0] - found["log10"][29] == pytest.approx(29 * 0.30103, abs=0.02)
    assert found["reach"] == 23  # 0.5 to the 23rd power is float32's rounding, and that much no longer counts


def test_clipping_counts_and_acts_and_a_divergence_ends_the_training(study: ModuleType) -> None:
    size = study.Size(hidden=8, batch=4, rows=8)
    free, cut = (study.train(study.Job("IRNN", 40, "sgd", 1e3, clip, 0, 60), size) for clip in (0.0, 1e-6))
    assert free["diverged"]
    assert free["end"] is None
    assert free["steps"] < 60
    assert not cut["diverged"]
    assert cut["steps"] == 60
    assert cut["largest"] > 1e-6


def test_lines_are_appended_once_and_become_tables_and_pictures(study: ModuleType, tmp_path: Path) -> None:
    out, size = tmp_path / "lines.jsonl", study.Size(hidden=4, batch=3, rows=4)
    rates = [job._replace(T=12, limit=2) for job in study.rate_jobs()]
    study.work(rates, out, size)
    jobs = [job._replace(limit=2) for job in study.main_jobs(study.lines_of(out), 1, [12])]
    assert len(jobs) == 2 * len(study.CELLS)
    study.work(jobs[:3], out, size)
    before = out.read_text()
    study.work(jobs, out, size)
    assert out.read_text().startswith(before)
    lines = study.lines_of(out)
    assert len({json.dumps(study._job(line)) for line in lines}) == len(lines) == len(rates) + len(jobs)
    shown = study.table(lines)
    assert shown.count("\n| 12 |") == len(jobs)
    assert "not in 2" in shown
    for when in ("begin", "end"):
        assert ElementTree.fromstring(study.picture(lines, 12, 1.0, when)).tag.endswith("svg")
    for draw in (lambda: study.picture(lines, 13, 1.0, "end"), lambda: study.learnt(lines, 13, 1.0)):
        with pytest.raises(SystemExit, match="no trainings of 13 steps"):
            draw()
    with pytest.raises(SystemExit, match=r"first: python bench/adding\.py rates"):
        study.main_jobs([], 1)


def test_the_longest_training_is_drawn_and_other_starts_stand_beside_the_usual_one(
    study: ModuleType, tmp_path: Path
) -> None:
    out, size = tmp_path / "lines.jsonl", study.Size(hidden=4, batch=3, rows=4)
    study.work([job._replace(T=12, limit=2) for job in study.rate_jobs()], out, size)
    lines = study.lines_of(out)
    assert {(job.cell, job.T) for job in study.long_jobs(lines, 1) if job.T > 200} == {("LSTM", 400), ("LSTM", 600)}
    assert all(job.limit == study.LONG for job in study.long_jobs(lines, 2))
    starts = [job for job in study.start_jobs(lines, 1) if job.T == 100]
    assert {job.cell for job in starts} == set(study.STARTS)
    assert {job.rate for job in starts} == {study.best_rate(lines, "LSTM")}
    study.work([job._replace(T=12, limit=2) for job in starts], out, size)
    shorter, longer = (study.Job("GRU", 12, "adam", 1e-2, 1.0, 0, limit) for limit in (100, 300))
    study.work([shorter, longer], out, size)
    shown = study.table(study.lines_of(out))
    assert "**Starts of the LSTM**" in shown
    assert shown.count("| 12 | LSTM, ") == len(study.STARTS)
    drawn = ElementTree.fromstring(study.learnt(study.lines_of(out), 12, 1.0))
    text = " ".join(drawn.itertext())
    assert "GRU" in text
    assert "300" in text


def test_units_that_died_have_no_reach(study: ModuleType) -> None:
    model = study.Adder("IRNN", 8, 20)
    with torch.no_grad():
        model.layer.bias_ih_l0.fill_(-100)
    found = study.flow(model, *study.adding(20, 5, torch.Generator().manual_seed(1)))
    assert found["reach"] is None
    assert study._reach(found) == "none"
    assert study._reach(None) == "–"


def test_what_the_page_shows_is_what_the_recorded_lines_say(study: ModuleType) -> None:
    """The table and the pictures of docs/vanishing.md come from the lines, to the letter."""
    lines = study.lines_of(ROOT / "bench/results/adding-2026-11-26.jsonl")
    assert study.slim(lines) == lines
    assert study.summary(lines) in (ROOT / "docs/vanishing.md").read_text(encoding="utf-8")
    shown = {
        "200-begin": study.picture(lines, 200, 1.0, "begin"),
        "200-end": study.picture(lines, 200, 1.0, "end"),
        "100-learnt": study.learnt(lines, 100, 1.0),
    }
    for name, text in shown.items():
        assert (ROOT / f"docs/pictures/vanishing-{name}.svg").read_text(encoding="utf-8") == text


def test_a_summary_has_an_entry_a_seed_and_slim_lines_still_make_the_tables(study: ModuleType) -> None:
    end = {"reach": 3, "back": [0, 1], "log10": [0.0, -1.0]}
    line = {
        **study.Job("GRU", 100, "adam", 0.01, 1.0, 0)._asdict(),
        "solved": 400,
        "test": 0.0004,
        "begin": end,
        "end": end,
        "diverged": False,
        "steps": 500,
        "above": 0.1,
        "largest": 3.0,
    }
    failed = line | {"seed": 1, "solved": None, "test": 0.1643, "end": None, "diverged": True}
    shown = study.summary([failed, line])
    assert "| GRU | 3,000 | 1 | **400**, (0.16) |  |  |  |" in shown
    kept = study.slim([line, failed])
    assert kept[0] == line
    assert kept[1]["begin"] == {"reach": 3}
    assert kept[1]["end"] is None
    assert study.table(kept) == study.table([line, failed])
