"""Series with a class each: convolution beside the recurrent layers, answers after every step, pictures."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from elman.data.read import read
from elman.run import load

Elman = Callable[..., Any]
TRAIN = "train waves.jsonl --from series:x --to label:kind --front conv --hidden 6 --epochs 4 --batch 8"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with noisy waves, of which one kind has a bump."""
    folder, chance = tmp_path_factory.mktemp("series"), random.Random(0)
    rows = []
    for k in range(60):
        steps = 20 + k % 7
        wave = [math.sin(t / 3) + chance.gauss(0, 0.1) + 2 * (k % 2 and 8 <= t < 12) for t in range(steps)]
        rows.append({"x": wave, "kind": ("plain", "bump")[k % 2]})
    (folder / "waves.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.fixture(scope="module")
def runs(place: Path, elman: Elman) -> Path:
    """Two runs in it: one that reads forwards, one both ways."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for name, words in (("ahead", "--causal --choose-by last"), ("both", "")):
            said = elman(*TRAIN.split(), *words.split(), "--out", name)
            assert said.code == 0, said.err
            assert "beside convolution" in said.out + said.err
    return place


@pytest.fixture(autouse=True)
def there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def test_every_step_is_what_the_steps_so_far_would_be_told(runs: Path, elman: Elman, tmp_path: Path) -> None:
    said = elman("predict", "ahead", "waves.jsonl", "--every-step", "--keep", "kind", "--out", tmp_path / "p.csv")
    assert said.code == 0, said.err
    found = read(str(tmp_path / "p.csv")).frame
    assert found.columns == ["id", "kind", "step", "label", "p_bump", "p_plain"]
    waves = [np.array(json.loads(line)["x"]) for line in Path("waves.jsonl").read_text().splitlines()[:5]]
    run = load("ahead")
    lengths = [len(wave) for wave in waves]
    assert found["step"].to_list()[: sum(lengths)] == [t for n in lengths for t in range(1, n + 1)]
    for t in (1, 7, 20):
        whole = run.predict([wave[:t] for wave in waves])
        early = run.predict(waves, every_step=True).filter(pl.col("step") == t)
        for name in ("p_bump", "p_plain"):
            assert early[name].to_numpy() == pytest.approx(whole[name].to_numpy(), abs=1e-5)
            assert found.filter(pl.col("step") == t)[name].to_numpy()[:5] == pytest.approx(
                whole[name].to_numpy(), abs=1e-5
            )


def test_what_reads_both_ways_says_nothing_early(runs: Path, elman: Elman) -> None:
    said = elman("predict", "both", "waves.jsonl", "--every-step")
    assert said.code == 2
    assert "--every-step: this model reads both ways" in said.err
    assert "--causal" in said.err
    assert said.out == ""


def test_what_answers_at_every_step_needs_no_such_word(elman: Elman, tmp_path: Path) -> None:
    rows = "".join(f"{t},{math.sin(t / 3)},{t % 2}\n" for t in range(80))
    (tmp_path / "s.csv").write_text("t,x,up\n" + rows)
    words = f"train {tmp_path}/s.csv --from series:x --to tags:up --epochs 1 --hidden 4 --out {tmp_path}/tags"
    assert elman(*words.split()).code == 0
    said = elman("predict", tmp_path / "tags", tmp_path / "s.csv", "--every-step")
    assert said.code == 2
    assert "gives no one answer a sequence" in said.err


def test_pictures_say_what_tells_and_how_soon(runs: Path) -> None:
    assert (runs / "both" / "telling.svg").is_file()
    assert not (runs / "both" / "early.svg").exists()
    assert "How soon the class is told" in (runs / "ahead" / "early.svg").read_text()
    record = json.loads((runs / "ahead" / "report.json").read_text())
    assert record["best_epoch"] == record["epochs"] == 4
    assert record["chosen_by"] == {"last": None}
    names = list(record["baselines"])
    assert names == ["always 'bump'", "logistic regression on summary features"] or names[1].startswith("logistic")


def test_the_last_epoch_is_kept_and_not_called_the_best(runs: Path, elman: Elman) -> None:
    said = elman(*TRAIN.split(), "--choose-by", "last", "--out", "last")
    assert "(epoch 4 of 4 was kept)" in " ".join(said.out.split())
    assert "Still improving" not in said.out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("--front wide", "front: expected 'conv', got 'wide'"),
        ("--choose-by first", "--choose-by first: epochs are chosen by loss or accuracy"),
    ],
)
def test_words_that_are_none_are_refused(elman: Elman, words: str, part: str) -> None:
    said = elman("train", "waves.jsonl", "--from", "series:x", "--to", "label:kind", "--out", "o", *words.split())
    assert said.code == 2
    assert part in said.err


def test_text_has_no_front(elman: Elman, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("review,kind\n" + "good,a\nbad,b\n" * 20)
    words = f"train {tmp_path}/r.csv --from text:review --to label:kind --front conv --out {tmp_path}/o"
    said = elman(*words.split())
    assert said.code == 2
    assert "--front conv: filters over time are for series; leave --front out" in said.err
