"""The front door: train on a file, load what was trained, predict. The command line is a thin layer over this."""

from __future__ import annotations

import json
import platform
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import elman
from elman import report
from elman.core.errors import ElmanError, InputError, ModelFileError
from elman.core.plan import Plan, plan
from elman.core.probe import undisturbed
from elman.data.prepare import Prepared, Request, prepare
from elman.model.decode import continue_text
from elman.model.embed import Embed
from elman.model.file import load_model, save_model, serialise
from elman.model.kinds.joined import JoinedIn
from elman.model.kinds.text import TextIn
from elman.model.network import Cells, ModelConfig, SequenceModel
from elman.model.shapes import shape_of
from elman.training.defaults import choose_loop, choose_net
from elman.training.loop import Epoch, History, Step, fit
from elman.training.measures import check_metric
from elman.training.predict import evaluate, examples_of, predict, read_for
from elman.training.scores import Scores, baseline_scores, calibrate, score
from elman.training.settings import Job, LoopSettings, job_from
from elman.training.warm import warm_start

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Listener", "Run", "Started", "load", "train"]


@dataclass(frozen=True)
class Started:
    """What is told before the first step."""

    notes: list[str]
    plan: Plan | None
    weights: int


Listener = Callable[[Started | Step | Epoch], None]


@dataclass
class Run:
    """A trained model with what is known about it.

    Attributes:
        model: the network with its settings.
        path: its folder.
        scores: on the test part (on the validation part where there is no test).
        baselines: the scores of what costs nothing, by name, on the same data.
        history: the epochs; empty for a loaded run.
        notes: what was chosen from the data.
    """

    model: SequenceModel
    path: Path
    scores: Scores | None = None
    baselines: dict[str, Scores] = field(default_factory=dict)
    history: History = field(default_factory=History)
    notes: list[str] = field(default_factory=list)

    def predict(self, data: str | Path | list[Any], *, id: str | None = None, time: str | None = None) -> pl.DataFrame:
        """Predict a file, or a list of sequences (texts, arrays ``[T, C]``, or dictionaries of columns).

        Args:
            data: the file's name, or the sequences.
            id: column that says which rows of the file form one sequence; None takes that of the training.
            time: column of each row's time; None takes that of the training.

        Returns:
            A polars frame: for a label ``id``, ``label`` and a probability a class; for several ``labels`` (with
            ``|`` between) and a probability a class; for numbers ``id``, the value and its 80 % interval (``_low``,
            ``_high``), for forecasts one row a step ahead, with its time; for tags and series one row a step; for the
            event that follows the three likeliest. Columns of ids and times are called as in the training file.

        Warns:
            UserWarning: words or characters that training never saw, counted.
        """
        found = predict(self.model, self._examples(data, id, time))
        for note in found.notes:
            warnings.warn(note, stacklevel=2)
        return found.frame

    def evaluate(self, file: str | Path, *, id: str | None = None, time: str | None = None) -> Scores:
        """Score the model on all examples of a file that holds the target too; see :meth:`predict`.

        Warns:
            UserWarning: it is the file that the run was trained on; words, characters or labels are new.
        """
        scores, notes = evaluate(self.model, read_for(self.model, str(file), need_target=True, id=id, time=time))
        for note in (*notes, report.trained_on(self.path, file)):
            if note:
                warnings.warn(note, stacklevel=2)
        return scores

    def generate(
        self, prompt: str = "", length: int = 200, *, temperature: float = 1.0, top_k: int = 0, seed: int = 0
    ) -> str:
        """Continue a text; see :func:`elman.model.decode.continue_text`."""
        written = continue_text(self.model, prompt, length, temperature=temperature, top_k=top_k, seed=seed)
        return prompt + "".join(written)

    def plan(self, steps: int, batch: int) -> Plan:
        """Which engine runs the model, and why; see :func:`elman.plan`."""
        return plan(self.model, steps=steps, batch=batch, input_size=_input_size(self.model))

    def _examples(self, data: str | Path | list[Any], id: str | None, time: str | None) -> Any:
        if isinstance(data, (str, Path)):
            return read_for(self.model, str(data), need_target=False, id=id, time=time)
        if id or time:
            raise InputError("id, time: name columns of a file, and data is none; leave them out")
        return examples_of(self.model, data)


def train(
    file: str | Path,
    source: str,
    target: str,
    *,
    out: str | Path | None = None,
    cells: Cells | None = None,
    listener: Listener | None = None,
    **settings: Any,
) -> Run:
    """Train a model on a file of sequences and leave it in a folder.

    Ctrl-C ends the training early and keeps the best epoch so far; before the end of the first it is a
    KeyboardInterrupt, and nothing is left.

    Args:
        file: CSV, TSV, JSONL, Parquet, ``.ts`` or plain text, or any of them with ``.gz``.
        source: what to read, such as ``"text:review"`` or ``"series:load,temp"``.
        target: what to predict, such as ``"label:sentiment"``, ``"number:price"``, ``"next"``, ``"future:24"``.
        out: the folder to make; it must not exist. None takes ``runs/NAME-N``.
        cells: cells of your own by name, to be chosen by ``cell="name"``; made as ``Cell(input, hidden)``.
        listener: called with every :class:`Started`, Step and Epoch.
        settings: any of :class:`~elman.training.settings.Job`'s fields, such as ``id="machine"``, ``epochs=20``.

    Raises:
        InputError: a setting is wrong. DataError: the data is; the message says where and what to do.
    """
    job = job_from({"file": str(file), "source": source, "target": target, **settings})
    return train_job(job, out=out, cells=cells, listener=listener)


def train_job(
    job: Job, *, out: str | Path | None = None, cells: Cells | None = None, listener: Listener | None = None
) -> Run:
    """:func:`train` for settings that are checked already; torch's random state and threads are left as they were."""
    threads = torch.get_num_threads()
    try:
        with undisturbed():
            return _train_job(job, out, cells, listener)
    finally:
        torch.set_num_threads(threads)


def _train_job(job: Job, out: str | Path | None, cells: Cells | None, listener: Listener | None) -> Run:
    device = check_device(job.device)
    _check_out(Path("runs") if out is None else Path(out), new=out is not None)
    if job.threads:
        torch.set_num_threads(job.threads)
    data = prepare(Request(**{name: getattr(job, name) for name in Request.__dataclass_fields__}))
    if job.metric:
        check_metric(job.metric, data.output, data.target.kind)
    loop = choose_loop(job, data)
    torch.manual_seed(job.seed)
    model = SequenceModel(_config(job, data), cells)
    serialise(model)
    warm_start(model, data.train, data.valid)
    model.to(device)
    notes = [*data.notes, _network_in_words(model, data, loop)]
    if listener is not None:
        weights = sum(weight.numel() for weight in model.parameters())
        listener(Started(notes, _plan_of(model, data, loop, notes), weights))
    path = _new_folder(Path(out) if out is not None else None, job)
    try:
        history = _fit(model, data, loop, path, listener)
        if history.interrupted:
            notes.append(history.stopped)
        calibrate(model, data.valid, 256, loop.device)
        judged = data.valid if data.test is None else data.test
        scores = score(model, judged, 256, loop.device)
        run = Run(model, path, scores, baseline_scores(model.config, data.train, judged), history, notes)
        save_model(model, path / "model")
    except BaseException:
        report.sweep(path)
        raise
    report.draw(run, data)
    _write_record(run, job, loop, data)
    return run


def load(path: str | Path, cells: Cells | None = None) -> Run:
    """Load a run's folder (or the ``model`` folder in it); every byte is checked and nothing is executed.

    Args:
        path: the folder.
        cells: cells of your own by the names that they were trained with.

    Raises:
        ModelFileError: missing, damaged, truncated, or of a newer version.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ModelFileError(f"{folder}: no such folder; elman train makes one, by default under runs/")
    inside = folder / "model"
    return Run(load_model(inside if inside.is_dir() else folder, cells), folder)


def check_device(name: str) -> torch.device:
    """The device of a name; ``cpu`` and ``cuda`` only, others are refused with the reason."""
    kind, _, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or not (name == "cuda" or number.isdecimal())):
        raise InputError(f"--device {name}: only cpu, cuda and cuda:N are offered; use --device cpu")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        seen = f"{count} CUDA devices" if count else "no CUDA device"
        raise InputError(f"--device {name}: this torch ({torch.__version__}) sees {seen}; use --device cpu")
    return torch.device(name)


def _check_out(path: Path, *, new: bool) -> None:
    """Refuse, before anything is read, a folder that stands already or cannot be made."""
    if new and path.exists():
        raise InputError(f"--out {path}: exists already and is not overwritten; name another folder, or remove it")
    above = path if path.exists() else next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise InputError(f"--out {path}: '{above.name}' is a file, no folder can be made there; name another --out")


def _config(job: Job, data: Prepared) -> ModelConfig:
    roles = {name: value for name in ("id", "time") if (value := getattr(job, name)) is not None}
    target = f"future:{data.target.horizon}" if data.target.kind == "future" else data.target.kind
    return ModelConfig(
        source="+".join(part.kind for part in data.source),
        target=target,
        lookback=data.lookback,
        roles=roles,
        metric=job.metric or "",
        input=data.input,
        output=data.output,
        net=choose_net(job, data),
    )


def _network_in_words(model: SequenceModel, data: Prepared, loop: LoopSettings) -> str:
    net = model.config.net
    ways = ", both ways" if net.bidirectional else ""
    readout = "" if net.readout == "every" else f", {net.readout} readout"
    layers = f"{net.layers} x " if net.layers > 1 else ""
    unit = {"future": "windows", "next": "pieces" if not data.train.carries else "tokens"}
    examples = unit.get(data.target.kind, "examples")
    return (
        f"{len(data.train):,} {examples} -> {layers}{net.cell} {net.hidden}{ways}{readout}, dropout {net.dropout:g} "
        f"({shape_of(data.target.kind)}); {loop.epochs} epochs at the most, batch {loop.batch}, lr {loop.lr:g}"
    )


def _plan_of(model: SequenceModel, data: Prepared, loop: LoopSettings, notes: list[str]) -> Plan | None:
    """The plan, to be told; what cannot be planned may be trained all the same."""
    if model.config.net.cell == "feedforward":
        return None
    first = next(iter(data.train.in_order(1 if data.train.carries else loop.batch)))
    try:
        return plan(model, steps=max(1, first.ragged.steps), batch=loop.batch, input_size=_input_size(model))
    except (ElmanError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError) as error:
        notes.append(f"there is no plan of the engines: {error}")
        return None


def _input_size(model: SequenceModel) -> int | None:
    """What the recurrent layer reads; of several layers each reads something else."""
    kind, net = model.config.input, model.config.net
    if net.layers > 1:
        return None
    if isinstance(kind, JoinedIn):
        return Embed(kind, net.embedding).width
    return net.embedding if isinstance(kind, TextIn) else kind.width


def _new_folder(out: Path | None, job: Job) -> Path:
    """Make the run's folder; without a name the first free ``runs/NAME-N``."""
    if out is not None:
        choices = [out]
    else:
        stem = Path(job.file).name.split(".")[0]
        choices = [Path("runs") / f"{stem}-{k}" for k in range(1, 10_000)]
    for path in choices:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(f"--out {path}: cannot make this folder ({error.strerror}); name another --out") from error
        return path
    raise InputError(f"--out {choices[0]}: exists already and is not overwritten; name another folder")


def _fit(model: SequenceModel, data: Prepared, loop: LoopSettings, path: Path, listener: Listener | None) -> History:
    """Train, writing a line of history.jsonl an epoch."""
    with open(path / "history.jsonl", "w", encoding="utf-8") as file:

        def hear(event: Step | Epoch) -> None:
            if isinstance(event, Epoch):
                file.write(json.dumps(asdict(event)) + "\n")
                file.flush()
            if listener is not None:
                listener(event)

        return fit(model, data.train, data.valid, loop, hear)


def _write_record(run: Run, job: Job, loop: LoopSettings, data: Prepared) -> None:
    """report.json: scores beside baselines, settings, versions, and which data it was."""
    chosen = {**job.model_dump(exclude_none=True), **loop.model_dump(), **run.model.config.net.model_dump()}
    best = run.history.best
    record = {
        "scores": run.scores.values if run.scores else {},
        "scored": {"on": "valid" if data.test is None else "test", "count": run.scores.count if run.scores else 0},
        "baselines": {name: scores.values for name, scores in run.baselines.items()},
        "best_epoch": best.epoch,
        "epochs": len(run.history.epochs),
        "seconds": sum(epoch.seconds for epoch in run.history.epochs),
        "notes": run.notes,
        "settings": chosen,
        "versions": {"elman": elman.__version__, "torch": torch.__version__, "python": platform.python_version()},
        "data_sha256": report.fingerprint(job.file),
        "date": time.strftime("%Y-%m-%d"),
    }
    (run.path / "report.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (run.path / "run.toml").write_text(report.toml(job), encoding="utf-8")
