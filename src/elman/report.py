"""What a run leaves for people: pictures and files in words. Drawn from numbers, after the training."""

from __future__ import annotations

import json
import math
import shutil
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from elman import pictures
from elman.core.cells.linear import LinearCell
from elman.core.timescales import in_words, timescales
from elman.data.batch import Batches, WindowSet
from elman.data.fingerprint import fingerprint
from elman.data.pairs import PairSet
from elman.data.prepare import Prepared
from elman.model import baselines
from elman.model.answers import quantiles
from elman.model.kinds.crf import OUTSIDE, spans
from elman.model.kinds.label import LabelOut
from elman.model.kinds.number import LEVELS, NumberOut
from elman.model.write import parts_of
from elman.record import read_record
from elman.training.coloured import goes_on, sentences, surprises, tags_words
from elman.training.early import Early, early_curves
from elman.training.finder import RateTest
from elman.training.measures import OF_HUNDRED, Scores, digits
from elman.training.mistakes import Mistakes
from elman.training.settings import Job
from elman.training.shown import Glance, Wrote, examples, glances
from elman.training.telling import Told, telling_stretches

if TYPE_CHECKING:
    from elman.run import Run

__all__ = ["Example", "draw", "example", "holds_model", "rates", "sweep", "toml", "trained_on"]


class Example:
    """One forecast of the test part, in the data's units.

    Attributes:
        history: ``[L]``, what the model read.
        forecast: ``[H]``, the median. low, high: ``[H]``, the 80 % interval. core: the 50 % interval. actual: ``[H]``,
            what came.
        naive: ``[H]``, the seasonal-naive forecast with drift; where there is no season in it, that of the last value.
        rival: what that is called.
        name: of the column.
        series: what the series is called; empty where there is only one.
    """

    def __init__(
        self, history: np.ndarray, found: np.ndarray, actual: np.ndarray, season: int, name: str, series: str = ""
    ) -> None:
        self.history, self.actual, self.name, self.series = history, actual, name, series
        self.low, self.forecast, self.high = (found[:, LEVELS.index(level)] for level in (0.1, 0.5, 0.9))
        self.core = found[:, LEVELS.index(0.25)], found[:, LEVELS.index(0.75)]
        seasonal = 1 < season <= len(history)
        self.rival = "seasonal-naive with drift" if seasonal else "last value with drift"
        self.naive = baselines.seasonal_naive(history[None], len(actual), season if seasonal else 1, with_drift=True)[0]


def sweep(path: Path) -> None:
    """Remove the folder of a run that left no model, so that the same command can be given again."""
    shutil.rmtree(path, ignore_errors=True)


def holds_model(path: Path) -> bool:
    """Whether a run's folder has its model already, though perhaps not its scores."""
    return (path / "model").is_dir()


def trained_on(folder: Path, file: str | Path) -> str:
    """What is to be said of a score on the very file that a run was trained on; nothing of other files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said when the run was loaded
        record = read_record(folder)
    if record is None or record["data_sha256"] != fingerprint(file):
        return ""
    own = ", ".join(f"{name} {digits(name, value)}" for name, value in list(record["scores"].items())[:1])
    part = {"test": "test", "valid": "validation"}[record["scored"]["on"]]
    return (
        f"{Path(file).name} is the file that this run was trained on, so this score flatters; the run reached {own} on "
        f"its own {part} part, and a fair figure needs rows that training has not seen"
    )


def toml(job: Job) -> str:
    """The job as TOML: ``elman train --config run.toml`` trains it again."""
    # Not \\u escapes: TOML has no surrogate pairs.
    settings = job.model_dump(exclude_none=True).items()
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in settings]
    return (
        "# trains this run again, given the same data; elman train --resume goes on by it\n" + "\n".join(lines) + "\n"
    )


def draw(run: Run, data: Prepared, found: Mistakes) -> None:
    """Write the pictures of a run into its folder; one that cannot be drawn is left out, with a note."""
    told = chain(_written(run, data), _coloured(run, data), _classified(run, data), _lengths(found), _kept(run))
    for name, make in chain(_pictures(run, data), told):
        try:
            (run.path / name).write_text(make(), encoding="utf-8")
        except (ValueError, ArithmeticError, LookupError, OSError, RuntimeError) as error:
            run.notes.append(f"{name} is left out: {error}")
            warnings.warn(run.notes[-1], stacklevel=2)


def _pictures(run: Run, data: Prepared) -> Iterator[tuple[str, Callable[[], str]]]:
    epochs = run.history.epochs
    losses = np.array([[e.train_loss, e.valid_loss] for e in epochs])
    curves = {"training": losses[:, 0], "validation": losses[:, 1]}
    numbers = [e.epoch for e in epochs]
    yield (
        "learning.svg",
        lambda: pictures.learning_curves(
            numbers, curves, best_step=run.history.best.epoch, title="Learning curves", x_label="epoch", y_label="loss"
        ),
    )
    out, scores = run.model.config.output, run.scores
    if isinstance(out, LabelOut) and scores is not None and scores.confusion is not None:
        title = f"{scores.count} test {'steps' if run.model.readout is None else 'examples'}, accuracy "
        title += f"{scores.values['accuracy']:.3f}"
        yield "confusion.svg", partial(pictures.confusion, scores.confusion, out.classes, title=title)
    if scores is not None and len(scores.reached):
        yield "calibration.svg", partial(_calibration, run, scores)
    shown = example(run, data)
    if shown is not None and isinstance(out, NumberOut):
        yield "forecast.svg", partial(_forecast, shown, len(out.columns))
    ahead = run.model.config.lookback and scores is not None and scores.by_step is not None
    if ahead and isinstance(out, NumberOut) and scores is not None and scores.by_step is not None:
        yield (
            "horizon.svg",
            partial(
                pictures.errors_by,
                np.arange(1, out.horizon + 1),
                scores.by_step,
                title="Mean absolute error by step ahead",
                x_label="steps ahead",
                y_label=f"error of {', '.join(out.columns)}" + ", in standard deviations" * (len(out.columns) > 1),
            ),
        )


def _calibration(run: Run, scores: Scores) -> str:
    inside = 100 * scores.values["coverage"]
    return pictures.reliability(
        LEVELS,
        {f"elman {run.model.config.net.cell}": scores.reached},
        title="Do the quantiles hold what they say?",
        subtitle=f"{scores.count:,} scored, held out from training; {inside:.1f} % lay inside the 80 % interval",
    )


def _written(run: Run, data: Prepared) -> Iterator[tuple[str, Callable[[], str]]]:
    """Of a model that writes: where it looks, and some of its texts beside those of the data."""
    judged = data.valid if data.test is None else data.test
    if isinstance(judged, PairSet):
        looks = glances(run.model, judged)
        if looks:
            yield "attention.svg", partial(_attention, looks, "test" if data.test is not None else "validation")
        yield "written.html", partial(_side_by_side, run, examples(run.model, judged), len(judged))


def _coloured(run: Run, data: Prepared) -> Iterator[tuple[str, Callable[[], str]]]:
    """Of a text whose words are tagged: sentences in colour; of one that goes on: how much each token surprised."""
    judged, part = (data.valid, "validation") if data.test is None else (data.test, "test")
    if tags_words(run.model, judged):
        yield "tags.html", partial(_tags, run, judged, part)
    if goes_on(run.model):
        yield "surprise.html", partial(_surprise, run, judged, part)


def _tags(run: Run, judged: Batches, part: str) -> str:
    out, scores = run.model.config.output, {} if run.scores is None else run.scores.values
    said = [f"{name.replace('_', ' ')} {scores[name]:.3f}" for name in ("entity_f1", "accuracy") if name in scores]
    rows = []
    for one in sentences(run.model, judged):
        words = [pictures.Word(*word) for word in zip(one.words, one.said, one.true, strict=True)]
        rows.append((one.name, [*words, *[pictures.Word("...", "", None)] * one.cut]))
    return pictures.tagged(
        rows,
        title=f"What {run.path.name} says of every word",
        subtitle=", ".join([f"{len(rows)} of the {len(judged):,} sentences of the {part} part", *said]),
        none=OUTSIDE if isinstance(out, LabelOut) and spans(out.classes) else "",
    )


def _surprise(run: Run, judged: Batches, part: str) -> str:
    made = [[pictures.Read(one.text, one.nats, one.expected) for one in text] for text in surprises(run.model, judged)]
    known = [one.nats for text in made for one in text if one.expected]
    told = f"{len(known):,} of the {len(judged):,} tokens of the {part} part"
    if len(made) > 1:
        told = f"{len(made)} of the {len(judged):,} texts of the {part} part"
    told += f"; {np.mean(known):.2f} nats a token here"
    return pictures.surprise(made, title=f"What surprised {run.path.name}", subtitle=told)


def _attention(looks: list[Glance], part: str) -> str:
    return pictures.attention(
        [pictures.Look(one.read, one.written, one.weights, f"example {one.caption}") for one in looks],
        title="Where the decoder looked",
        subtitle=f"{len(looks)} of the {part} part: down what was written, across what was read",
    )


def _side_by_side(run: Run, made: list[Wrote], count: int) -> str:
    of_labels = run.model.config.source == "label"
    rows = [pictures.Told(one.name, one.read, one.true, one.written) for one in made]
    source, column = ", ".join(run.model.config.input.columns[:3]), parts_of(run.model)[2].column
    scores = {} if run.scores is None else run.scores.values
    said = [f"{name} {scores[name]:.1f}" for name in OF_HUNDRED if name in scores]
    return pictures.side_by_side(
        rows,
        (source, f"{column}: in the data", f"{column}: written"),
        title=f"What {run.path.name} writes",
        subtitle=", ".join([f"{len(rows)} labels" if of_labels else f"{len(rows)} of {count:,} examples", *said])
        + (", the five likeliest texts of each" if of_labels else ", by a beam of 5"),
        compared=not of_labels,
    )


def _classified(run: Run, data: Prepared) -> Iterator[tuple[str, Callable[[], str]]]:
    """Of series with a class each: what tells it, and how soon it is told."""
    judged, part = (data.valid, "validation") if data.test is None else (data.test, "test")
    told = telling_stretches(run.model, judged)
    if told:
        yield "telling.svg", partial(_telling, told, run.model.config.input.columns, part)
    early = early_curves(run.model, judged)
    if early is not None:
        yield "early.svg", partial(_early, early, part)


def _telling(told: list[Told], columns: list[str], part: str) -> str:
    rows = [
        pictures.Telling(
            f"{one.truth}  ({one.name})",
            one.values,
            one.falls,
            one.first,
            one.last,
            f"chance {one.chance:.3f}; without steps {one.first} to {one.last} {one.without:.3f}, its odds "
            f"{_times(one.fall)} times lower",
        )
        for one in told
    ]
    return pictures.telling(
        rows,
        columns,
        title="What tells the class",
        subtitle=f"series of the {part} part, one a class; a tenth of each is put on the line between its ends in turn",
    )


def _times(fall: float) -> str:
    """How many times lower odds are whose logarithm has fallen, with at most two digits that count."""
    factor = math.exp(min(fall, 700.0))
    return f"{factor:.1f}" if factor < 10 else f"{float(f'{factor:.2g}'):,.0f}" if factor < 1e6 else "over a million"


def _early(early: Early, part: str) -> str:
    return pictures.learning_curves(
        np.arange(1, len(early.chances) + 1),
        {name: early.chances[:, k] for k, name in enumerate(early.classes)},
        title=f"How soon the class is told: {early.name} of the {part} part, in truth {early.truth}",
        subtitle=f"what the model thinks of the steps so far; it stays with its answer from step {early.settled} on",
        x_label="steps read",
        y_label="chance of each class",
        linear=True,
    )


def _lengths(found: Mistakes) -> Iterator[tuple[str, Callable[[], str]]]:
    """The error over the length of what is read, where lengths differ."""
    if found.by_length:
        names = [
            f"{one.first} to {one.last} {found.reads} ({one.count:,})"
            if one.first < one.last
            else f"{one.first} {found.reads} ({one.count:,})"
            for one in found.by_length
        ]
        errors = [one.error for one in found.by_length]
        yield "lengths.svg", partial(pictures.errors_by, names, errors, title="Errors by length", y_label=found.unit)


def _kept(run: Run) -> Iterator[tuple[str, Callable[[], str]]]:
    """How long the units keep, of cells that are linear in their state: by their weights, so of them alone."""
    if any(isinstance(part, LinearCell) for part in run.model.modules()) and not run.model.config.net.zoneout:
        found = timescales(run.model)
        steps = np.sort(torch.cat([one.steps for one in found]).cpu().numpy())
        yield (
            "kept.svg",
            partial(
                pictures.errors_by,
                np.arange(1, len(steps) + 1),
                np.where(np.isfinite(steps), steps, np.nan),
                title="How long the units keep",
                subtitle=in_words(found),
                x_label="units, from the shortest memory to the longest",
                y_label="steps until 1/e is left",
            ),
        )


def rates(test: RateTest) -> str:
    """The picture of a range test of learning rates; the rate that is taken is marked."""
    powers = np.log10(test.rates)
    return pictures.learning_curves(
        powers,
        {"training loss, running mean": test.losses},
        best_step=float(powers[int(np.abs(powers - np.log10(test.rate)).argmin())]),
        title="Loss while the learning rate rises",
        subtitle=test.words,
        x_label="learning rate, as a power of ten",
        y_label="loss",
    )


def _forecast(shown: Example, columns: int) -> str:
    """The picture: what was forecast from step 0, behind as much of the history as lets it be seen."""
    ahead = len(shown.actual)
    history = shown.history[-max(30, 3 * ahead) :]
    which = f"{shown.name} (one of {columns} columns)" if columns > 1 else shown.name
    return pictures.forecast(
        np.arange(1 - len(history), 1),
        history,
        np.arange(1, ahead + 1),
        {"elman": shown.forecast, shown.rival: shown.naive},
        lower=shown.low,
        upper=shown.high,
        inner=shown.core,
        actual=shown.actual,
        title=f"The last {ahead} steps of {which}{shown.series}",
        subtitle=f"one forecast of many, from the {len(shown.history)} steps before",
        x_label="steps from the forecast's origin",
        y_label=shown.name,
        interval_label="80 % and 50 % intervals",
    )


@torch.inference_mode()
def example(run: Run, data: Prepared) -> Example | None:
    """The last forecast that the judged part allows, of the first column; None where nothing is forecast."""
    judged = data.valid if data.test is None else data.test
    out = run.model.config.output
    if not isinstance(judged, WindowSet) or not isinstance(data.train, WindowSet):
        return None
    if not isinstance(out, NumberOut) or not out.anchors:
        return None
    last = next((part for part in judged.latest() if not part.target[..., 0].isnan().any()), None)
    if last is None:
        return None
    device = next(run.model.parameters()).device
    found = quantiles(run.model, last.to(device).ragged)[0, :, 0].cpu().numpy()
    scale, mean = out.scale[0], out.mean[0]
    history = last.ragged.values[: judged.lookback, 0, out.anchors[0]].numpy().astype(np.float64)
    actual = last.target[0, :, 0].numpy()
    role = run.model.config.roles.get("id")
    series = f", {role} '{judged.last_name}'" if role else ""
    return Example(
        history * scale + mean, found * scale + mean, actual * scale + mean, out.season, out.columns[0], series
    )
