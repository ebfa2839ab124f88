"""One stream: frames in as they arrive, outputs out, the state in between."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elman.core.cells.base import Cell
from elman.core.errors import InputError
from elman.core.layers.stack import Recurrent
from elman.core.ragged import Ragged
from elman.core.stage import Stage
from elman.core.state import State, leaves, replace_leaves

__all__ = ["Session"]

_MAGIC = b"elman-state-1\n"


class Session:
    """Runs a causal stage or cell over a stream, keeping its state from call to call.

    Feeding a sequence frame by frame gives what feeding it whole gives (the stream law). The model is switched
    to evaluation and is not changed; changing its weights under a running session changes what comes next.

    Args:
        model: a causal :class:`elman.Stage`, or a cell.
        batch: the number of parallel streams, B.

    Raises:
        InputError: the stage is not causal, so no output could be given before the end.
    """

    def __init__(self, model: Stage | Cell, batch: int = 1) -> None:
        stage = Recurrent(model) if isinstance(model, Cell) else model
        if not stage.causal:
            raise InputError(
                f"model: {type(stage).__name__} reads the whole sequence before its first output, so it cannot "
                "stream; use a one-directional model"
            )
        if batch < 1:
            raise InputError(f"batch: expected at least 1 stream, got {batch}")
        self._stage, self._batch = stage.eval(), batch
        self._state: State = None
        self._like: Tensor | None = None

    @torch.inference_mode()
    def push(self, frames: Tensor) -> Tensor:
        """Feed frames and return the outputs, both ``(T, B, *)``; with one stream both ``(T, *)``."""
        single = self._batch == 1
        if frames.dim() < (1 if single else 2) or not single and frames.shape[1] != self._batch:
            expected = "(T, ...)" if single else f"(T, {self._batch}, ...)"
            raise InputError(f"frames: expected {expected}, got {tuple(frames.shape)}")
        given = frames.unsqueeze(1) if single else frames
        self._like = given.new_zeros(())
        outputs, self._state = self._stage(Ragged(given), self._state)
        values: Tensor = outputs.values
        return values.squeeze(1) if single else values

    def reset(self) -> None:
        """Forget everything; the next frame is a first frame."""
        self._state = None

    def snapshot(self) -> bytes:
        """The state as bytes, for :meth:`restore` here or in another process; nothing in it is code."""
        if self._state is None or self._like is None:
            return _seal({"streams": self._batch, "leaves": None}, b"")
        tensors = [leaf.detach().cpu().contiguous().numpy() for leaf in leaves(self._state)]
        listed: list[dict[str, Any]] = [{"dtype": str(t.dtype), "shape": list(t.shape)} for t in tensors]
        head = {"streams": self._batch, "like": str(self._like.cpu().numpy().dtype), "leaves": listed}
        return _seal(head, b"".join(t.tobytes() for t in tensors))

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot of the same model; raise :class:`InputError` for any other bytes."""
        head, body = _open(snapshot)
        if head["streams"] != self._batch:
            raise InputError(f"snapshot: it holds {head['streams']} streams, this session has {self._batch}")
        if head["leaves"] is None:
            self.reset()
            return
        like = torch.zeros((), dtype=_dtype(head["like"]), device=_device(self._stage))
        form = self._stage.initial_state(self._batch, like)
        wanted = [(str(t.cpu().numpy().dtype), list(t.shape)) for t in leaves(form)]
        if wanted != [(part["dtype"], part["shape"]) for part in head["leaves"]]:
            raise InputError("snapshot: it was made by another model; its state has other shapes")
        tensors, start = [], 0
        for dtype, shape in wanted:
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            array = np.frombuffer(body[start : start + size], dtype=dtype).reshape(shape)
            tensors.append(torch.tensor(array, device=like.device))
            start += size
        self._state, self._like = replace_leaves(form, tensors), like


def _seal(head: dict[str, Any], body: bytes) -> bytes:
    line = json.dumps(head, sort_keys=True).encode() + b"\n"
    return _MAGIC + hashlib.sha256(line + body).hexdigest().encode() + b"\n" + line + body


def _open(snapshot: bytes) -> tuple[dict[str, Any], bytes]:
    if not snapshot.startswith(_MAGIC):
        raise InputError("snapshot: these bytes are not a session's snapshot (or one of another version)")
    digest, _, rest = snapshot[len(_MAGIC) :].partition(b"\n")
    if hashlib.sha256(rest).hexdigest().encode() != digest:
        raise InputError("snapshot: damaged; its checksum does not fit its contents")
    line, _, body = rest.partition(b"\n")
    head: dict[str, Any] = json.loads(line)
    return head, body


def _dtype(name: str) -> torch.dtype:
    return torch.from_numpy(np.zeros(0, dtype=name)).dtype


def _device(stage: Stage) -> torch.device:
    return next((p.device for p in stage.parameters()), torch.device("cpu"))
