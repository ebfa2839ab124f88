"""How a training goes through long sequences: cut into windows, or with their steps computed again."""

from __future__ import annotations

import re
from typing import Literal

from elman.core.engines.memory import checkpoint
from elman.core.errors import InputError
from elman.core.layers.stack import Recurrent
from elman.data.batch import ExampleSet, PieceSet, StreamSet
from elman.data.prepare import Prepared
from elman.data.truncate import longest
from elman.model.grammar import ONE_ANSWER
from elman.model.network import SequenceModel
from elman.training.settings import Job

__all__ = ["choose_truncate", "parse_truncate", "remember", "truncated_words"]


def parse_truncate(job: Job) -> tuple[int, int] | Literal["whole"] | None:
    """What ``--truncate`` says: (k1, k2), ``whole``, or None where it says nothing or ``auto``.

    Raises:
        InputError: it is no such thing, or cannot be together with what else the job says.
    """
    text = "auto" if job.truncate is None else str(job.truncate)
    found = re.fullmatch(r"(\d{1,9})(?:,(\d{1,9}))?", text.replace(" ", ""))
    if text != "auto":
        _refuse_idle(job, text)
    if text in ("auto", "whole"):
        return "whole" if text == "whole" else None
    if not found or int(found[1]) < 1:
        raise InputError(
            f"--truncate {text}: expected K1 or K1,K2 (weights change every K1 steps, gradients go K2 back), both at "
            "least 1, or whole, or auto; as in --truncate 50 or --truncate 50,200"
        )
    every = int(found[1])
    reach = int(found[2] or every)
    if reach < every:
        raise InputError(
            f"--truncate {text}: gradients must go back over the {every} steps that are new at least, so K2 is {every} "
            f"or more; as in --truncate {every},{4 * every}" + (f" or --truncate {reach},{every}" if reach else "")
        )
    return every, reach


def _refuse_idle(job: Job, text: str) -> None:
    """What truncation cannot be together with, as far as the settings alone tell it."""
    target = job.target.partition(":")[0]
    if target in ONE_ANSWER:
        raise InputError(
            f"--truncate {text}: --to {target} has its only answer at a sequence's end, so there is no loss before it "
            "to change weights by, and cut off, the early steps would never be learnt from; leave --truncate out. "
            "--memory checkpoint trains on whole sequences in little memory"
        )
    if target == "future":
        raise InputError(
            f"--truncate {text}: a forecast reads windows of --lookback steps; say --lookback in its place"
        )
    if job.cell == "feedforward":
        raise InputError(
            f"--truncate {text}: a feed-forward net carries no state, so there is nothing to cut; leave --truncate out "
            "(--truncate auto, where a run.toml says otherwise)"
        )
    if job.bidirectional and text != "whole":
        raise InputError(
            f"--truncate {text}: a layer that reads backwards begins at a sequence's end, so its state cannot be "
            "carried from one piece to the next; say --causal in place of --bidirectional, or leave --truncate out "
            "(--memory checkpoint trains on whole sequences in little memory)"
        )
    if job.batch_tokens:
        raise InputError(
            f"--batch-tokens {job.batch_tokens}: with --truncate, sequences go side by side step by step; say --batch "
            "ROWS in its place"
        )
    if job.accumulate > 1 and text != "whole":
        raise InputError(
            f"--accumulate {job.accumulate}: --truncate {text} says already after how many steps weights change; leave "
            "one of them out"
        )


def choose_truncate(job: Job, data: Prepared, batch: int) -> tuple[int, int] | None:
    """(k1, k2) for the loop, None for the data's own way.

    Raises:
        InputError: it is longer than the longest sequence, and so would not act.
    """
    wanted = parse_truncate(job)
    if wanted is None:
        return None
    most = longest(data.train, batch)
    if wanted == "whole":
        uncut = isinstance(data.train, ExampleSet) and not isinstance(data.train, PieceSet)
        return None if uncut else (most, most)
    every, reach = wanted
    if reach > most:
        streams = isinstance(data.train, StreamSet)
        each = f"each of the {batch} streams (--batch) has" if streams else "the longest sequence to train on has"
        longer = ", or make the streams longer by a smaller --batch" if streams and batch > 1 else ""
        raise InputError(
            f"--truncate {job.truncate}: {each} {most:,} steps, so nothing would be cut off; say --truncate whole for "
            f"all of them, or {most} at the most{longer}"
        )
    return every, reach


def truncated_words(truncate: tuple[int, int] | None, data: Prepared, batch: int) -> list[str]:
    """What is to be said of it, as sentences."""
    if truncate is None:
        return []
    (every, reach), most = truncate, longest(data.train, batch)
    if every >= most:
        return [f"gradients go through all {most:,} steps of a sequence"]
    back = f"{reach:,} steps back" if reach < most else "back to the beginning"
    return [f"weights change every {every:,} steps, gradients go {back}, states are carried on from piece to piece"]


def remember(model: SequenceModel, memory: str | None) -> None:
    """Have all recurrent layers keep what a memory policy says for the backward pass."""
    if memory == "checkpoint":
        for stage in model.modules():
            if isinstance(stage, Recurrent):
                stage.memory = checkpoint()
