"""The study of what cells can keep: its copy task, its trainings, and the tables made of their lines."""

from __future__ import annotations

from pathlib import Path

import memory as study
import pytest
import torch

from elman import Ragged, timescales, unfold


def test_copying_asks_for_what_was_read_before_the_lag() -> None:
    x, y = study.copying(7, 500, torch.Generator().manual_seed(0))
    read = x.argmax(-1)
    assert x.shape == (27, 500, 10)
    assert y.shape == (27, 500)
    assert bool((x.sum(-1) == 1).all())
    assert torch.equal(read[:10], y[-10:])
    assert bool((y[:-10] == 0).all())
    assert set(y[-10:].unique().tolist()) == set(range(1, 9))
    assert bool((read[10:16] == 0).all())
    assert bool((read[16:] == 9).all())


@pytest.mark.parametrize("task", study.TASKS)
@pytest.mark.parametrize("cell", [*study.CELLS, "LRU x2"])
def test_every_cell_answers_every_task(task: str, cell: str) -> None:
    job = study.Job(task, cell, 12, 1e-2, 0, 1, hidden=4)
    x, y = study.TASKS[task](12, 3, torch.Generator().manual_seed(0))
    said = study.Net(job)(x)
    assert said.shape == ((3, 1) if task == "adding" else (32, 3, 10))
    assert study.loss(task, said, y).isfinite()


def test_starts_keep_for_the_lag() -> None:
    torch.manual_seed(0)
    (ring,) = timescales(study.CELLS["LRU, ring"](10, 300, 1000))
    assert float(ring.steps.min()) > 490
    (slow,) = timescales(study.CELLS["LRU, slow"](2, 300, 600))
    assert slow.period is not None
    assert float(slow.period.min()) > 599
    assert 500 < float(slow.steps.max()) < 600


def test_who_copies_is_judged_by_the_symbols_alone() -> None:
    job = study.Job("copy", "GRU", 5, 1e-2, 0, 1, hidden=4)
    net = study.Net(job)
    with torch.no_grad():
        net.answer.weight.zero_()
        net.answer.bias.copy_(torch.tensor([-50.0, *[0.0] * 8, -50.0]))
    found = study.judge(job, net, *study.copying(5, 2_000, torch.Generator().manual_seed(0)))
    assert found["goal"] == pytest.approx(2.0794, abs=1e-3)  # ln 8
    assert found["accuracy"] == pytest.approx(1 / 8, abs=0.01)
    assert found["loss"] > 10


def test_a_linear_unit_learns_to_copy_and_its_line_is_written_once(tmp_path: Path) -> None:
    out = tmp_path / "lines.jsonl"
    job = study.Job("copy", "LRU, ring", 3, 1e-2, 0, 400, hidden=32)
    study.work([job], out)
    study.work([job], out)
    (line,) = study.lines_of(out)
    assert line["solved"] is not None
    assert line["accuracy"] > 0.99
    assert "| LRU, ring | 3 | 0.01 | 0.9 | 400 | 32 |" in study.table([line], "copy")
    assert "LRU" not in study.table([line], "adding")


def test_lags_are_what_a_ring_can_be_read_at() -> None:
    """The states of a ring hold what came T steps before, as a least-squares fit to one lag out of twenty shows."""
    torch.manual_seed(0)
    cell = study.CELLS["LRU, ring"](1, 40, 50).double()
    pulse = torch.zeros(90, 1, 1).double()
    pulse[0] = 1
    states = []
    with torch.no_grad():
        state = None
        for x in pulse:
            _, state = unfold(cell, Ragged(x[None]), state)
            states.append(state.flatten())
    seen = torch.stack(states)[50:70]
    wanted = torch.zeros(20, 1).double()
    wanted[9] = 1
    found = seen @ torch.linalg.lstsq(seen, wanted).solution
    assert torch.allclose(found, wanted, atol=1e-6)
