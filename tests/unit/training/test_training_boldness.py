"""How readily names are said: the boldness that finds most on the validation part, and what it leaves alone."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

import elman
from elman.core.ragged import Ragged
from elman.model.answers import decided, tagged
from elman.training.boldness import best_boldness
from elman.training.entities import span_counts, span_f1
from elman.training.make import data_of
from elman.training.settings import Job


@pytest.fixture(scope="module", params=["--crf", "--no-crf"])
def shy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[elman.Run, Job]:
    """Half of the names have no tag in training, so a model is never sure of one."""
    chance, file = random.Random(0), tmp_path_factory.mktemp("news") / "news.jsonl"
    rows = []
    for k in range(120):
        words = [chance.choice(["Ann", "Rome", "the", "of", "is", "and", "a"]) for _ in range(chance.randint(3, 8))]
        kept = k >= 80 or chance.random() < 0.4
        tags = [{"Ann": "B-PER", "Rome": "B-LOC"}.get(word, "O") if kept else "O" for word in words]
        part = "train" if k < 80 else "valid" if k < 100 else "test"
        rows.append(json.dumps({"words": words, "tags": tags, "part": part}))
    file.write_text("\n".join(rows))
    settings = {"source": "text:words", "target": "tags:tags", "split": "part", "epochs": 8, "hidden": 8, "lr": 0.02}
    job = Job(file=str(file), crf=request.param == "--crf", characters=False, **settings)
    run = elman.train(out=file.parent / "run", **job.model_dump(exclude_none=True))
    return run, job


def _f1(run: elman.Run, job: Job, level: float) -> float:
    valid = data_of(job).valid
    said, came = [], []
    for part in valid.in_order(7):
        logits, _ = run.model.answers(part.ragged)
        real = part.ragged.mask.T
        said.append(decided(run.model, logits, part.ragged.mask, level).T[real].numpy())
        came.append(part.target.T[real].numpy())
    classes = run.model.config.output.classes
    return span_f1(span_counts(np.concatenate(said), np.concatenate(came), classes, valid.inputs.lengths))


@torch.inference_mode()
def test_it_is_the_one_that_finds_most_and_no_bolder_than_needed(shy: tuple[elman.Run, Job]) -> None:
    run, job = shy
    chosen = run.model.config.output.boldness
    scores = {level: _f1(run, job, level) for level in np.arange(0, 3.01, 0.25).tolist()}
    assert chosen > 0
    assert scores[chosen] == max(scores.values()) > scores[0.0]
    assert all(scores[level] < scores[chosen] for level in scores if level < chosen)
    assert best_boldness(run.model, data_of(job).valid, 3, "cpu") == (chosen, scores[chosen])
    # Epochs were chosen by the same rule, and it was told.
    assert run.history.best.score == pytest.approx(scores[chosen])
    assert f"O counts {chosen:g} less where tags are decided: that finds most names of the validation part" in run.notes


@torch.inference_mode()
def test_probabilities_stay_and_what_is_said_is_kept_with_the_model(shy: tuple[elman.Run, Job]) -> None:
    run, _ = shy
    kind = run.model.config.input
    rows = Ragged.from_list([kind.encode(["Ann", "is", "of", "Rome"])])
    timid = run.model.config.model_copy(update={"output": run.model.config.output.model_copy(update={"boldness": 0.0})})
    bold = tagged(run.model, rows)
    loaded = elman.load(run.path).model
    assert torch.equal(tagged(loaded, rows)[1], bold[1])
    loaded.config = timid
    shy_chances, shy_said = tagged(loaded, rows)
    assert torch.allclose(shy_chances, bold[0])
    outside = run.model.config.output.classes.index("O")
    assert (bold[1] != outside).sum() >= (shy_said != outside).sum()
    assert run.predict([["Ann", "is", "of", "Rome"]])["tag"].to_list() == [
        run.model.config.output.classes[n] for n in bold[1][:, 0].tolist()
    ]


def test_the_worst_examples_hold_what_is_predicted(shy: tuple[elman.Run, Job]) -> None:
    run, job = shy
    rows = [json.loads(line) for line in Path(job.file).read_text().splitlines()]
    for one in map(json.loads, (run.path / "worst.jsonl").read_text().splitlines()):
        said = run.predict([rows[one["line"] - 1]["words"]])["tag"].to_list()
        assert one["answer"] == said[one["step"] - 1]


def test_another_metric_is_left_alone(shy: tuple[elman.Run, Job], tmp_path: Path) -> None:
    _, job = shy
    run = elman.train(out=tmp_path / "o", **{**job.model_dump(exclude_none=True), "metric": "accuracy"})
    assert run.model.config.output.boldness == 0


def test_a_stream_is_as_bold_as_a_prediction(shy: tuple[elman.Run, Job], tmp_path: Path) -> None:
    _, job = shy
    run = elman.train(out=tmp_path / "o", **{**job.model_dump(exclude_none=True), "crf": False, "bidirectional": False})
    assert run.model.config.output.boldness > 0
    words = ["Ann", "is", "of", "Rome", "Ann", "the"]
    whole = run.predict([words])
    found = run.stream().push(words)
    assert found["tag"].to_list() == whole["tag"].to_list()
    assert found["p"].to_list() == pytest.approx(whole["p"].to_list(), abs=1e-5)
