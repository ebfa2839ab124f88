"""Tasks of many kinds by the line that one would hope for: each learns what its data hold, and predicts."""

from __future__ import annotations

import datetime
import io
import json
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from elman.data.read import read
from elman.run import load

Elman = Callable[..., Any]
Rows = list[dict[str, Any]]


def _csv(name: str, rows: Rows) -> None:
    pl.DataFrame(rows).write_csv(name)


def _lines(name: str, rows: Rows) -> None:
    Path(name).write_text("\n".join(map(json.dumps, rows)))


def _day(k: int) -> datetime.date:
    return datetime.date(2024, 1, 1) + datetime.timedelta(days=k)


def _train(elman: Elman, line: str) -> tuple[float, float]:
    """Run ``elman train`` and give the headline score of the model and of its best baseline.

    Linear models of summary features are left out: what these made-up series hold is their sum, slope or spread.
    """
    said = elman(*line.split(), "--out", "run")
    assert said.code == 0, said.err
    record = json.loads(Path("run", "report.json").read_text())
    metric = next(iter(record["scores"]))
    best = max if metric in ("accuracy", "macro_f1") else min
    return record["scores"][metric], best(
        scores[metric] for name, scores in record["baselines"].items() if "summary" not in name
    )


def _predict(elman: Elman, file: str) -> pl.DataFrame:
    said = elman("predict", "run", file, "--out", "p.csv")
    assert said.code == 0, said.err
    return read("p.csv").frame


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# One answer a sequence ----------------------------------------------------------------------------------------


def test_machines_with_id_and_time_and_a_label_a_machine(elman: Elman) -> None:
    chance = random.Random(1)
    rows: Rows = []
    for m in range(90):
        fault = ("none", "leak", "hot")[m % 3]
        for k in range(8 + m % 5):
            t = 60 + chance.gauss(0, 1) + (k if fault == "hot" else 0)
            p = 5 + chance.gauss(0, 0.2) - (0.2 * k if fault == "leak" else 0)
            rows.append({"machine": f"m{m}", "ts": f"{_day(k)}", "t": t, "p": p, "fault": fault})
    _csv("machines.csv", rows)
    line = "train machines.csv --from series:t,p --to label:fault --id machine --time ts"
    score, baseline = _train(elman, f"{line} --hidden 16 --epochs 25 --lr 0.02")
    assert score > baseline + 0.4
    _csv("new.csv", [{name: row[name] for name in ("machine", "ts", "t", "p")} for row in rows])
    found = _predict(elman, "new.csv")
    assert found.columns == ["machine", "label", "p_hot", "p_leak", "p_none"]
    assert found["machine"].to_list() == [f"m{m}" for m in range(90)]
    assert sum(found["label"] == [("none", "leak", "hot")[m % 3] for m in range(90)]) > 80


def _reviews(parts: Iterator[str]) -> Rows:
    chance = random.Random(2)
    rows: Rows = []
    for part in parts:
        good, turned = chance.random() < 0.5, chance.random() < 0.5
        word = chance.choice(["fine", "warm", "clever"] if good != turned else ["dull", "cold", "flat"])
        text = f"this {chance.choice(['film', 'play', 'book'])} is {'not ' if turned else ''}{word}"
        rows.append({"review": text, "sentiment": "pos" if good else "neg", "split": part})
    return rows


def test_reviews_with_a_split_column(elman: Elman) -> None:
    rows = _reviews(iter(["train"] * 240 + ["valid"] * 40 + ["test"] * 60))
    random.Random(0).shuffle(rows)
    _lines("reviews.jsonl", rows)
    line = "train reviews.jsonl --from text:review --to label:sentiment --split split"
    score, baseline = _train(elman, f"{line} --hidden 16 --embedding 16 --epochs 40 --lr 0.02")
    assert json.loads(Path("run", "report.json").read_text())["scored"] == {"on": "test", "count": 60}
    assert score > baseline + 0.3
    _lines("new.jsonl", [{"review": "this film is not dull"}, {"review": "this play is cold"}])
    assert _predict(elman, "new.jsonl")["label"].to_list() == ["pos", "neg"]


def test_several_findings_of_one_ecg(elman: Elman) -> None:
    chance = random.Random(3)
    rows: Rows = []
    for _ in range(160):
        fast, noisy = chance.random() < 0.5, chance.random() < 0.4
        wave = [math.sin(k * (1.6 if fast else 0.7)) + chance.gauss(0, 0.8 if noisy else 0.1) for k in range(24)]
        rows.append({"lead": wave, "findings": ["fast"] * fast + ["noisy"] * noisy})
    _lines("ecg.jsonl", rows)
    line = "train ecg.jsonl --from series:lead --to labels:findings"
    score, baseline = _train(elman, f"{line} --hidden 24 --epochs 25 --lr 0.02")
    assert score > baseline + 0.2
    _lines("new.jsonl", [{"lead": [math.sin(k * 1.6) for k in range(24)]}, {"lead": [0.0] * 24}])
    found = _predict(elman, "new.jsonl")
    assert found.columns == ["id", "labels", "p_fast", "p_noisy"]
    assert found["labels"][0] == "fast"


def test_two_numbers_from_sensors(elman: Elman) -> None:
    chance = random.Random(4)
    rows: Rows = []
    for _ in range(120):
        a, b = ([chance.gauss(level, 1) for _ in range(10)] for level in (chance.gauss(0, 2), chance.gauss(0, 2)))
        rows.append({"a": a, "b": b, "wear": 40 + sum(a), "heat": max(b)})
    _lines("sensors.jsonl", rows)
    line = "train sensors.jsonl --from series:a,b --to number:wear,heat"
    score, baseline = _train(elman, f"{line} --hidden 16 --epochs 25 --lr 0.02 --dropout 0.1")
    assert score < 0.5 * baseline
    scores = json.loads(Path("run", "report.json").read_text())["scores"]
    assert {"mae_wear", "mae_heat"} <= set(scores)
    _lines("new.jsonl", [{"a": [2.0] * 10, "b": [-1.0] * 10}])
    found = _predict(elman, "new.jsonl")
    assert found.columns == ["id", *(f"{name}{end}" for name in ("wear", "heat") for end in ("", "_low", "_high"))]
    assert abs(found["wear"][0] - 60) < 15


def test_windows_stored_a_row_a_step(elman: Elman) -> None:
    chance = random.Random(5)
    rows: Rows = []
    for w in range(80):
        walks, height = w % 2 == 1, chance.uniform(2, 4)
        for k in range(16):
            x = height * math.sin(k * (1.5 if walks else 0.4)) + chance.gauss(0, 0.3)
            rows.append({"window": w, "step": k, "x": x, "y": chance.gauss(0, 1), "doing": ("rests", "walks")[walks]})
    pl.DataFrame(rows).write_parquet("windows.parquet")
    line = "train windows.parquet --from series:x,y --to label:doing --id window --time step"
    score, baseline = _train(elman, f"{line} --hidden 16 --epochs 20 --lr 0.02")
    assert score > baseline + 0.3
    assert _predict(elman, "windows.parquet").height == 80


# One answer a step --------------------------------------------------------------------------------------------


def _sentence(chance: random.Random) -> tuple[list[str], list[str]]:
    """``walk`` and ``call`` are verbs behind ``they`` and nouns behind ``the``: alone they tell nothing."""
    words, tags = [], []
    for _ in range(chance.randint(1, 3)):
        noun = chance.random() < 0.5
        words += ["the" if noun else "they", chance.choice(["walk", "call", "play"])]
        tags += ["DET" if noun else "PRON", "NOUN" if noun else "VERB"]
    return words, tags


def test_a_tag_for_every_word(elman: Elman) -> None:
    chance = random.Random(6)
    made = [_sentence(chance) for _ in range(150)]
    _lines("news.jsonl", [{"words": words, "upos": tags} for words, tags in made])
    score, baseline = _train(
        elman, "train news.jsonl --from text:words --to tags:upos --hidden 16 --embedding 16 --epochs 12 --lr 0.01"
    )
    assert baseline < 0.9
    assert score > 0.98
    _lines("new.jsonl", [{"words": ["they", "call", "the", "walk"]}])
    found = _predict(elman, "new.jsonl")
    assert found["words"].to_list() == ["they", "call", "the", "walk"]
    assert found["tag"].to_list() == ["PRON", "VERB", "DET", "NOUN"]


def test_tags_from_a_conll_file(elman: Elman) -> None:
    chance = random.Random(7)
    for name, count in (("news.conllu", 150), ("news-dev.conllu", 30)):
        made = [_sentence(chance) for _ in range(count)]
        columns = "{}\t{}\t_\t{}" + 6 * "\t_"
        Path(name).write_text(
            "\n".join(
                "".join(f"{columns.format(k, *pair)}\n" for k, pair in enumerate(zip(words, tags, strict=True), 1))
                for words, tags in made
            )
        )
    said = elman("data", "news.conllu")
    assert "--from text" in said.out
    assert "--to tags:upos" in said.out
    score, baseline = _train(
        elman,
        "train news.conllu --test news-dev.conllu --from text --to tags:upos "
        "--hidden 16 --embedding 16 --epochs 8 --lr 0.02",
    )
    assert baseline < 0.9
    assert score > 0.98


def test_clicks_and_the_next_page(elman: Elman) -> None:
    """Whoever was at ``cheap`` prices goes up the pages, all others down: the page alone does not tell."""
    chance = random.Random(7)
    pages, rows = ["a", "b", "c", "d", "e"], []
    for s in range(120):
        way, place = chance.choice([1, -1]), chance.randrange(5)
        for k in range(6):
            price = chance.gauss(10 if way > 0 else 20, 2)
            rows.append({"session": s, "ts": k, "page": pages[place], "price": price})
            place = (place + way) % 5
    _csv("clicks.csv", rows)
    line = "train clicks.csv --from events:page+series:price --to next:page --id session --time ts"
    score, baseline = _train(elman, f"{line} --hidden 16 --epochs 15 --lr 0.02")
    assert baseline < 0.7
    assert score > baseline + 0.2
    visit = [{"session": 1, "ts": k, "page": page, "price": 10} for k, page in enumerate("abc")]
    _csv("new.csv", visit)
    found = _predict(elman, "new.csv")
    assert found.columns[:5] == ["session", "step", "ts", "page", "p"]
    assert found["page"][0] == "d"
    # In Python sequences may be dictionaries.
    alike = load("run").predict([{"page": list("abc"), "price": [10.0] * 3}])
    assert alike["page"][0] == "d"
    assert alike["p"][0] == pytest.approx(found["p"][0], rel=1e-4)
    # The settings that a run leaves train it again.
    assert elman("train", "--config", "run/run.toml", "--out", "again").code == 0
    weights = [Path(name, "model", "model.safetensors").read_bytes() for name in ("run", "again")]
    assert weights[0] == weights[1]


# A stretch ahead ----------------------------------------------------------------------------------------------


def _shops(known: int) -> tuple[Rows, Rows]:
    """Promotions lift sales in the north and lower them in the south, so that their mean effect is none."""
    chance = random.Random(8)
    rows: Rows = []
    ahead: Rows = []
    for s in range(6):
        region = ("north", "south")[s % 2]
        for k in range(100 + known):
            promo = int(chance.random() < 0.4)
            sales = 100 + 3 * math.sin(2 * math.pi * k / 7) + (12 if s % 2 == 0 else -12) * promo + chance.gauss(0, 1)
            row = {"shop": s, "ds": _day(k), "sales": sales, "promo": promo, "region": region}
            rows.append(row if k < 100 else {**row, "sales": None})
            ahead.append(row)
    return rows, ahead


def test_shops_with_promotions_known_ahead(elman: Elman) -> None:
    rows, truth = _shops(4)
    pl.DataFrame(rows).write_parquet("shops.parquet")
    line = (
        "train shops.parquet --from series:sales --to future:4:sales --id shop --time ds --known promo --static region"
    )
    score, baseline = _train(elman, f"{line} --lookback 14 --hidden 16 --epochs 60 --lr 0.01 --dropout 0")
    assert score < 0.6 * baseline
    # The rows that only say what is known are those to be forecast.
    found = _predict(elman, "shops.parquet")
    assert found.columns == ["shop", "step", "ds", "sales", "sales_low", "sales_high"]
    wanted = pl.DataFrame(truth).filter(pl.col("ds") >= _day(100))
    assert found["ds"].to_list() == wanted["ds"].cast(pl.String).to_list()
    assert float((found["sales"] - wanted["sales"]).abs().mean()) < 5
    shop = [row for row in truth if row["shop"] == 0][:18]
    one = {name: [row[name] for row in shop] for name in ("sales", "promo")} | {"region": "north"}
    alike = load("run").predict([{**one, "sales": one["sales"][:14]}])
    assert alike["sales"].to_list() != found["sales"][:4].to_list()
    assert max(abs(a - b["sales"]) for a, b in zip(alike["sales"], shop[14:], strict=True)) < 12


def test_a_forecast_frame_with_three_roles_of_covariates(elman: Elman) -> None:
    """``temp`` is known of the past, ``holiday`` of the future too, ``kind`` never changes."""
    chance = random.Random(9)
    rows: Rows = []
    for s in range(4):
        temps = [chance.gauss(0, 2) for _ in range(164)]
        for k in range(160):
            holiday = int(chance.random() < 0.3)
            y = 50 + 3 * temps[k + 1] * (1 if s % 2 else -1) + 9 * holiday * (1 if s % 2 else -1)
            kind = ("home", "office")[s % 2]
            row = {"unique_id": f"s{s}", "ds": _day(k), "y": y, "temp": temps[k + 4], "holiday": holiday, "kind": kind}
            rows.append(row if k < 157 else {**row, "y": None, "temp": None})
    _csv("frame.csv", rows)
    line = "train frame.csv --from series:y,temp --to future:3:y --id unique_id --time ds --known holiday --static kind"
    score, baseline = _train(elman, f"{line} --lookback 8 --hidden 24 --epochs 40 --lr 0.01 --dropout 0.1")
    assert score < 0.7 * baseline
    found = _predict(elman, "frame.csv")
    assert found.columns == ["unique_id", "step", "ds", "y", "y_low", "y_high"]
    assert found["ds"].to_list() == [str(_day(k)) for k in (157, 158, 159)] * 4


# What is not there yet ----------------------------------------------------------------------------------------


def test_a_text_is_written_of_a_text(elman: Elman) -> None:
    chance = random.Random(8)
    words = {"der": "the", "Hund": "dog", "Baum": "tree", "Ball": "ball", "rot": "red", "alt": "old", "neu": "new"}
    made = [["der", chance.choice(["Hund", "Baum", "Ball"]), chance.choice(["rot", "alt", "neu"])] for _ in range(300)]
    Path("train.de").write_text("".join(" ".join(one) + "\n" for one in made))
    # The adjective moves in front of its noun.
    Path("train.en").write_text("".join(f"the {words[c]} {words[b]}\n" for _, b, c in made))
    sides = "train train.de train.en --from text:de --to text:en --out run"
    said = elman(
        *sides.split(), *["--hidden", "32", "--embedding", "16", "--epochs", "40", "--lr", "0.01", "--dropout", "0"]
    )
    assert said.code == 0, said.err
    scores = json.loads(Path("run/report.json").read_text())["scores"]
    assert scores["exact"] > 0.95
    Path("new.de").write_text("der Hund alt\nder Ball neu\n")
    said = elman("predict", "run", "new.de", "--n-best", "2")
    assert said.code == 0, said.err
    table = pl.read_csv(io.StringIO(said.out))
    assert table["rank"].to_list() == [1, 2, 1, 2]
    assert table.filter(pl.col("rank") == 1)["en"].to_list() == ["the old dog", "the new ball"]
    assert elman("predict", "run", "new.de", "--beam", "0").code == 2
    said = elman("evaluate", "run", "train.de", "train.en")
    assert said.code == 0, said.err
