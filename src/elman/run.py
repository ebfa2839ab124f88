"""The front door: train on a file, load what was trained, predict. The command line is a thin layer over this."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import elman
from elman import record, report
from elman.core.engines.operators import kernels_in_use
from elman.core.errors import ElmanError, InputError, ModelFileError
from elman.core.plan import Plan, plan
from elman.model.decode import continue_text
from elman.model.file import load_model, save_model
from elman.model.folder import write_file
from elman.model.network import Cells, SequenceModel
from elman.model.sampling import Sampling
from elman.model.write import Draws, Search
from elman.online import Online
from elman.training import place
from elman.training.again import end_early, job_again, restore
from elman.training.beside import baseline_scores
from elman.training.board import Board
from elman.training.checkpoint import Checkpoints, Every, Keeper
from elman.training.history import Epoch, History, HistoryFile, Step
from elman.training.interrupt import Interrupted, Interrupts
from elman.training.loop import DivergedError, begin, go_on
from elman.training.make import Made, input_size
from elman.training.mistakes import mistakes
from elman.training.origin import origin_of
from elman.training.predict import evaluate, examples_of, predict, read_for
from elman.training.randomness import unchanged
from elman.training.scores import Scores, calibrate, score
from elman.training.settings import Job, job_from, named_in_python
from elman.training.state import TrainingState

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Listener", "Run", "Started", "load", "resume", "train"]


@dataclass(frozen=True)
class Started:
    """What is told before the first step.

    Attributes:
        notes: what was chosen from the data. plan: of the engines. weights: how many there are.
        epochs: how many are allowed. path: the run's folder.
    """

    notes: list[str]
    plan: Plan | None
    weights: int
    epochs: int
    path: Path


Listener = Callable[[Started | Step | Epoch], None]


@dataclass
class Run:
    """A trained model with what is known about it; one that is loaded knows what it knew when its training ended.

    Attributes:
        model: the network with its settings.
        path: its folder.
        scores: on the test part (on the validation part where there is no test).
        baselines: the scores of what costs nothing, by name, on the same data.
        history: the epochs. notes: what was chosen from the data.
    """

    model: SequenceModel
    path: Path
    scores: Scores | None = None
    baselines: dict[str, Scores] = field(default_factory=dict)
    history: History = field(default_factory=History)
    notes: list[str] = field(default_factory=list)

    def predict(
        self,
        data: str | Path | list[Any],
        *,
        id: str | None = None,
        time: str | None = None,
        search: Search | Draws | None = None,
        every_step: bool = False,
    ) -> pl.DataFrame:
        """Predict a file, or a list of sequences (texts, arrays ``[T, C]``, or dictionaries of columns).

        Args:
            data: the file's name, or the sequences.
            id, time: columns: rows of one value form one sequence; a row's time. None takes those of the training.
            search: how texts are written, see :class:`elman.model.write.Search` and ``Draws``; None takes a beam of 5.
            every_step: say after every step what is thought of each sequence so far (of a model that reads forwards).

        Returns:
            A polars frame: for a label ``id``, ``label`` and a probability a class; for several ``labels`` (``|``
            between); for numbers ``id``, the value and its 80 % interval (``_low``, ``_high``), for forecasts a row a
            step ahead; for tags and series a row a step; for the event that follows the three likeliest.

        Warns:
            UserWarning: words or characters that training never saw, counted.
        """
        found = predict(self.model, self._examples(data, id, time), search, early=every_step)
        for note in found.notes:
            warnings.warn(note, stacklevel=2)
        return found.frame

    def evaluate(
        self, file: str | Path, *, id: str | None = None, time: str | None = None, search: Search | None = None
    ) -> Scores:
        """Score the model on all examples of a file that holds the target too; see :meth:`predict`.

        Warns:
            UserWarning: it is the file that the run was trained on; words, characters or labels are new.
        """
        read = read_for(self.model, str(file), need_target=True, id=id, time=time)
        scores, notes = evaluate(self.model, read, search)
        for note in (*notes, report.trained_on(self.path, file)):
            if note:
                warnings.warn(note, stacklevel=2)
        return scores

    def stream(self) -> Online:
        """Have the model answer while the data arrives.

        >>> stream = elman.load("runs/machines-1").stream()
        >>> stream.push([{"temp": 20.1, "load": 3.0}])  # a frame, an array or rows; its answer so far

        Raises:
            InputError: the model needs what comes later; the message says how to train one that does not.
        """
        return Online(self.model, str(self.path))

    def generate(
        self,
        prompt: str = "",
        length: int = 200,
        *,
        sampling: Sampling | None = None,
        stop: Sequence[str] = (),
        seed: int = 0,
    ) -> str:
        """Continue a text; see :func:`elman.model.decode.continue_text`."""
        return prompt + "".join(continue_text(self.model, prompt, length, sampling=sampling, stop=stop, seed=seed))

    def plan(self, steps: int, batch: int) -> Plan:
        """Which engine runs the model, and why; see :func:`elman.plan`."""
        return plan(self.model, steps=steps, batch=batch, input_size=input_size(self.model))

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

    Its state is saved on the way (see :class:`~elman.training.settings.Job`, ``save_every``); whatever ends it, even
    ``kill -9``, :func:`resume` goes on from there. Ctrl-C, SIGTERM and SIGHUP save it at the next step and raise
    :class:`~elman.training.interrupt.Interrupted`, a KeyboardInterrupt (in the main thread; elsewhere signals are
    left alone). A KeyboardInterrupt of the listener does the same.

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
        DivergedError: the loss is no longer finite. Interrupted: it was stopped, and is saved.
    """
    with named_in_python():
        job = job_from({"file": str(file), "source": source, "target": target, **settings})
        return train_job(job, out=out, cells=cells, listener=listener)


def train_job(
    job: Job, *, out: str | Path | None = None, cells: Cells | None = None, listener: Listener | None = None
) -> Run:
    """:func:`train` for settings that are checked already; random states and threads are left as they were."""
    place.check_out(Path("runs") if out is None else Path(out), new=out is not None)
    with unchanged():
        made = Made.of(job, cells)
        path = place.new_folder(Path(out) if out is not None else None, job)
        with place.held(path):
            try:
                state = begin(made.model, made.loop)
                if made.test is not None:
                    state.history.notes.append(made.test.words)
                    write_file(path / "rates.svg", report.rates(made.test).encode())
                checkpoints = _checkpoints(made, path)
                write_file(path / place.SETTINGS, report.toml(made.job).encode())
            except BaseException:
                # Such as Ctrl-C while a large file is hashed: there is no run yet.
                report.sweep(path)
                raise
            return _complete(made, state, path, checkpoints, listener)


def resume(
    path: str | Path,
    *,
    finish: bool = False,
    anyway: bool = False,
    cells: Cells | None = None,
    listener: Listener | None = None,
    **settings: Any,
) -> Run:
    """Go on with a training that was broken off, from the last good checkpoint in its folder.

    On the same machine, with as many threads and the same versions, the weights and the history are bit for bit those
    of a training that was never broken off.

    Args:
        path: the run's folder.
        finish: do not go on: keep the best epoch so far, score and save it.
        anyway: go on although data or settings are not those it began with. Where that changes the batches, the epoch
            under way begins again.
        cells: cells of your own, as in :func:`train`.
        listener: called with Started, and every Step and Epoch from here on.
        settings: to be changed, by name. ``file``, ``valid`` and ``test`` may be named anew where the same data lie
            elsewhere; ``save_every``, ``threads`` and ``device`` may change too; all else needs ``anyway``.

    Raises:
        InputError: there is no such run, it is finished, another process trains in it, or it began with other data
            (told by :func:`~elman.data.fingerprint.fingerprint`) or settings.
        ModelFileError: no checkpoint can be read.
    """
    path = Path(path)
    place.refuse_no_run(path)
    with unchanged(), place.held(path):
        job = job_again(path, settings, finish=finish, anyway=anyway)
        made = Made.of(job, cells)
        checkpoints = _checkpoints(made, path)
        state = begin(made.model, made.loop)
        saved, trouble = checkpoints.newest()
        made.notes.extend(trouble)
        restore(made, state, saved, checkpoints, anyway)
        write_file(path / place.SETTINGS, report.toml(job).encode())
        if finish:
            end_early(path, state)
        return _complete(made, state, path, checkpoints, listener)


def _checkpoints(made: Made, path: Path) -> Checkpoints:
    where = {
        "elman": elman.__version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "kernels": kernels_in_use(),
    }
    origin = origin_of(made.job, made.model.config, made.loop, where)
    return Checkpoints(path / place.CHECKPOINTS, Every.parse(made.job.save_every), origin)


def _complete(made: Made, state: TrainingState, path: Path, checkpoints: Checkpoints, listener: Listener | None) -> Run:
    """Train to the end, score and save; whatever comes in between, nothing that was saved is lost."""
    interrupts = Interrupts()
    keeper = Keeper(path, checkpoints, interrupts)
    try:
        with interrupts:
            try:
                _learn(made, state, path, keeper, listener)
                with interrupts.at_once():
                    run = _judge(made, state, path, checkpoints.origin["data"].get("file", ""))
            except Interrupted:
                raise
            except KeyboardInterrupt:
                raise keeper.broken_off(state) from None
    except Interrupted:
        raise
    except BaseException as error:
        kept = _rescued(state, checkpoints)
        if not kept and not report.holds_model(path):
            report.sweep(path)
        if isinstance(error, (ElmanError, OSError)):
            raise type(error)(f"{error}. {_what_is_left(error, path, made.loop.lr, kept=kept)}") from error
        raise
    checkpoints.remove()
    return run


def _rescued(state: TrainingState, checkpoints: Checkpoints) -> bool:
    """Whether there is a checkpoint to go on from; a training that is over gets one, if it has none yet."""
    if state.over and not checkpoints:
        with suppress(ElmanError, OSError):
            checkpoints.save(state)
    return bool(checkpoints)


def _what_is_left(error: Exception, path: Path, lr: float, *, kept: bool) -> str:
    """What to say behind an error that ends a training; a run that left nothing is not in the way."""
    if not kept:
        saved = f"The model is saved, without its scores: elman evaluate {path} FILE"
        return saved if report.holds_model(path) else "Nothing was saved"
    change = f" --anyway --lr {lr / 3:.2g}" if isinstance(error, DivergedError) else ""
    return f"What it was before is kept; go on: elman train --resume {path}{change}"


def _learn(made: Made, state: TrainingState, path: Path, keeper: Keeper, listener: Listener | None) -> None:
    """Train, writing a line of history.jsonl an epoch."""
    lines: list[HistoryFile | Board] = [HistoryFile(path / place.HISTORY, state.history)]
    if made.job.tensorboard:
        lines.append(Board(path, state.history))

    def hear(event: Started | Step | Epoch) -> None:
        if not isinstance(event, Step):
            for file in lines:
                file.write()
        if listener is not None:
            try:
                listener(event)
            except KeyboardInterrupt:
                keeper.interrupts.ask()

    weights = sum(weight.numel() for weight in made.model.parameters())
    try:
        hear(Started(made.notes, made.plan, weights, made.loop.epochs, path))
        go_on(state, made.data.train, made.data.valid, made.loop, hear, keeper)
        # Nothing is left to write, unless the disk was full at the last epoch.
        for file in lines:
            file.write()
    finally:
        for file in lines:
            if isinstance(file, Board):
                file.close()


def _judge(made: Made, state: TrainingState, path: Path, sha256: str) -> Run:
    """Score what was learnt beside its baselines, save it, and write the record last: with it the run is finished."""
    model, data, device = made.model, made.data, made.loop.device
    said = [*state.history.notes, *state.history.ending]
    made.notes += [note for note in said if note not in made.notes]
    if state.history.interrupted:
        made.notes.append(state.history.stopped)
    made.notes += calibrate(model, data.valid, 256, device, conformal=made.job.conformal)
    judged = data.valid if data.test is None else data.test
    scores = score(model, judged, 256, device)
    baselines = baseline_scores(model.config, data.train, judged)
    run = Run(model, path, scores, baselines, state.history, made.notes)
    save_model(model, path / "model")
    found = mistakes(model, judged, 256, device)
    write_file(path / place.WORST, found.jsonl().encode())
    report.draw(run, data, found)
    record.write_record(run, made, found, sha256)
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
        raise ModelFileError(f"{folder}: no such folder; elman train makes one, elman show lists those under runs/")
    if study := place.study_of(folder):
        raise ModelFileError(
            f"{folder}: a study of several trainings, each in a folder of its own; name one of these, or go on: "
            f"elman {study} --resume {folder}"
        )
    inside = folder / "model"
    if (folder / place.SETTINGS).is_file() and not (folder / place.RECORD).is_file() and not inside.is_dir():
        raise ModelFileError(
            f"{folder}: its training was broken off; go on: elman train --resume {folder}, or keep the best epoch so "
            f"far: elman train --resume {folder} --finish"
        )
    model = load_model(inside if inside.is_dir() else folder, cells)
    return Run(model, folder, **record.known(folder))
