"""What goes wrong behind the last epoch costs no training."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

import elman
from elman.training.history import Epoch
from elman.training.interrupt import Interrupts

FAST: dict[str, Any] = {"epochs": 2, "hidden": 4, "threads": 1}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text("so it goes and so it went. " * 40)
    return path


def _train(book: Path, out: str, **more: Any) -> elman.Run:
    return elman.train(book, "text.char", "next", out=book.parent / out, **FAST, **more)


def _weights(path: Path) -> bytes:
    return (path / "model/model.safetensors").read_bytes()


@pytest.mark.parametrize("save_every", ["30s", "never"])
@pytest.mark.parametrize("where", ["score", "save_model", "mistakes", "record.write_record"])
def test_a_failure_after_the_last_epoch_is_gone_on_from(
    book: Path, monkeypatch: pytest.MonkeyPatch, where: str, save_every: str
) -> None:
    """No checkpoint was due in so short a training; the work of it is kept all the same."""
    whole = _train(book, "whole").path

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(f"elman.run.{where}", full)
        with pytest.raises(OSError, match="go on: elman train --resume"):
            _train(book, "broken", save_every=save_every)
    heard: list[Any] = []
    run = elman.resume(book.parent / "broken", listener=heard.append)
    assert not any(isinstance(event, Epoch) for event in heard)
    assert _weights(run.path) == _weights(whole)
    assert run.scores is not None


def test_a_model_without_scores_stays_where_there_is_room_for_nothing_more(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("elman.run.mistakes", full)
    monkeypatch.setattr("elman.training.checkpoint.Checkpoints.save", full)
    with pytest.raises(OSError, match="The model is saved, without its scores: elman evaluate"):
        _train(book, "o")
    assert elman.load(book.parent / "o").scores is None


def test_data_that_are_gone_at_the_end_are_no_longer_needed(book: Path) -> None:
    text = book.read_text()
    run = elman.train(
        book, "text.char", "next", out=book.parent / "o", **FAST,
        listener=lambda event: book.unlink(missing_ok=True) if isinstance(event, Epoch) else None,
    )  # fmt: skip
    assert not book.exists()
    assert run.scores is not None
    book.write_text(text)
    assert _weights(_train(book, "again").path) == _weights(run.path)
    kept = [(book.parent / name / "report.json").read_text() for name in ("o", "again")]
    hashes = [next(line for line in one.splitlines() if "data_sha256" in line) for one in kept]
    assert hashes[0] == hashes[1]


def test_a_signal_behind_the_record_takes_nothing_away(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave = Interrupts.__exit__

    def late(self: Interrupts, *what: Any) -> None:
        leave(self, *what)
        raise KeyboardInterrupt

    monkeypatch.setattr(Interrupts, "__exit__", late)
    with pytest.raises(KeyboardInterrupt):
        _train(book, "o")
    assert elman.load(book.parent / "o").scores is not None


def test_ctrl_c_before_the_first_step_leaves_no_folder(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("elman.run.origin_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _train(book, "o")
    assert not (book.parent / "o").exists()
