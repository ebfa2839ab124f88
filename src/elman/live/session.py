"""One stream: frames in as they arrive, outputs out, the state in between."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from typing import Any, NoReturn, SupportsIndex

import torch
from torch import Tensor, nn

from elman.core.cells.base import Cell, check_hooks, whole_number
from elman.core.errors import InputError
from elman.core.layers.accelerate import adopted
from elman.core.layers.stack import Recurrent, Stack
from elman.core.ragged import Ragged
from elman.core.stage import Stage
from elman.core.state import State, leaves, replace_leaves
from elman.live.frames import Frames

__all__ = ["Session"]

_MAGIC = b"elman-state-1\n"

_DTYPES = {str(dtype): dtype for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16)}


class Session:
    """Runs a causal model over a stream, keeping its state from call to call.

    Feeding a sequence frame by frame gives what feeding it whole gives (the stream law). The session has a copy
    of the weights as they were when it was made, in evaluation; the model is not touched.

    Where all layers are Elman, LSTM or GRU on the CPU, :meth:`step` takes a few microseconds: the weights are
    packed once, and a step allocates nothing. Time of a step: that of 2 G H (D + H) arithmetic operations a layer,
    bound by the cache where the weights lie.

    Args:
        model: a causal :class:`elman.Stage`, a cell, or a one-directional RNN, LSTM or GRU, elman's or torch's.
        batch: the number of parallel streams, B.

    Raises:
        InputError: the model is not causal, so no output could be given before the end.
    """

    def __init__(self, model: Stage | Cell | nn.RNNBase, batch: int = 1) -> None:
        stage = _stage(model)
        if not stage.causal:
            raise InputError(
                f"model: {type(model).__name__} reads the whole sequence before its first output, so it cannot "
                "stream; use a one-directional model"
            )
        batch = whole_number("batch", batch)
        self._stage, self._batch = copy.deepcopy(stage).eval().requires_grad_(False), batch
        self._state: State = None
        self._like: Tensor | None = None
        self._frames = Frames.of(self._stage, batch)

    def step(self, frame: Tensor) -> Tensor:
        """Feed one frame: ``(*)`` with one stream, else ``(B, *)``; return its output, likewise.

        On the native kernels the output is the session's own memory, which the next step overwrites: clone what
        you keep.
        """
        frames = self._frames
        if frames is None:
            return self.push(frame.unsqueeze(0)).squeeze(0)
        if self._state is not frames.state:
            frames.take(self._state)
            self._state, self._like = frames.state, leaves(frames.state)[0].new_zeros(())
        return frames.step(frame)

    @torch.inference_mode()
    def push(self, frames: Tensor) -> Tensor:
        """Feed frames and return the outputs, both ``(T, B, *)``; with one stream both ``(T, *)``."""
        if not isinstance(frames, Tensor):
            raise InputError(f"frames: expected a tensor, got {type(frames).__name__}; torch.as_tensor makes one")
        single = self._batch == 1
        if frames.dim() < (1 if single else 2) or (not single and frames.shape[1] != self._batch):
            expected = "(T, ...)" if single else f"(T, {self._batch}, ...)"
            raise InputError(f"frames: expected {expected}, got {tuple(frames.shape)}")
        given = frames.unsqueeze(1) if single else frames
        outputs, self._state = self._stage(Ragged(given), self._state)
        self._like = _like(self._stage, given)
        values: Tensor = outputs.values
        return values.squeeze(1) if single else values

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Copies and pickles are refused: two sessions on one memory would write over each other's state."""
        raise InputError(
            "a session is neither copied nor pickled; make another of the same model and hand the state over: "
            "twin = elman.Session(model, batch); twin.restore(session.snapshot())"
        )

    def reset(self) -> None:
        """Forget everything; the next frame is a first frame."""
        self._state = self._like = None

    def snapshot(self) -> bytes:
        """The state as bytes, for :meth:`restore` here or in another process; nothing in it is code."""
        if self._like is None:
            return _seal({"streams": self._batch, "leaves": None}, b"")
        tensors = leaves(self._state)
        head = {"streams": self._batch, "like": str(self._like.dtype), "leaves": [_form(t) for t in tensors]}
        return _seal(head, b"".join(_bytes(t) for t in tensors))

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot of the same model; raise :class:`InputError` for any other bytes."""
        head, body = _open(snapshot)
        if head["streams"] != self._batch:
            raise InputError(f"snapshot: it holds {head['streams']} streams, this session has {self._batch}")
        if head["leaves"] is None:
            self.reset()
            return
        like = torch.zeros((), dtype=_DTYPES[head["like"]], device=_device(self._stage))
        form = self._stage.initial_state(self._batch, like)
        wanted = leaves(form)
        if [_form(leaf) for leaf in wanted] != head["leaves"]:
            raise InputError("snapshot: it was made by another model; its state has other shapes or dtypes")
        if len(body) != sum(leaf.numel() * leaf.element_size() for leaf in wanted):
            raise InputError("snapshot: its state is not as long as it says")
        tensors, start, numbers = [], 0, bytearray(body)
        for leaf in wanted:
            count = math.prod(leaf.shape)
            if not count:
                tensors.append(leaf)
                continue
            flat = torch.frombuffer(numbers, dtype=leaf.dtype, count=count, offset=start)
            tensors.append(flat.reshape(leaf.shape).to(leaf.device, copy=True))
            start += count * leaf.element_size()
        self._state, self._like = replace_leaves(form, tensors), like


def _stage(model: Stage | Cell | nn.RNNBase) -> Stage:
    if isinstance(model, Stage):
        return model
    if isinstance(model, Cell):
        return Recurrent(model)
    if not isinstance(model, nn.RNNBase):
        raise InputError(f"model: expected a cell, a stage, or an RNN, LSTM or GRU, got {type(model).__name__}")
    check_hooks(model)
    layers = adopted(model)
    if layers is None:
        raise InputError(
            f"model: {type(model).__name__} is a class of its own; give its cells: Stack.of([GRUCell(...)])"
        )
    if layers.bidirectional:
        raise InputError(
            f"model: {model} reads the whole sequence before its first output, so it cannot stream; use a "
            "one-directional model"
        )
    return Stack.of([layers.cell(layer) for layer in range(layers.num_layers)])


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
    # The checksum tells damage, not intent: anyone can seal bytes of his own.
    try:
        head = json.loads(line)
    except (ValueError, RecursionError):
        raise InputError("snapshot: its head is not JSON") from None
    fits = isinstance(head, dict) and isinstance(head.get("streams"), int) and "leaves" in head
    like = head.get("like") if fits else None
    if not fits or (head["leaves"] is not None and not (isinstance(like, str) and like in _DTYPES)):
        raise InputError("snapshot: its head is not a session's")
    return head, body


def _form(leaf: Tensor) -> dict[str, Any]:
    return {"dtype": str(leaf.dtype), "shape": list(leaf.shape)}


def _bytes(leaf: Tensor) -> bytes:
    """The numbers as they stand in memory, of any dtype (numpy has no bfloat16)."""
    return leaf.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _like(stage: Stage, frames: Tensor) -> Tensor:
    """What states are made like: the frames, or the weights where the frames are whole numbers (tokens)."""
    if frames.is_floating_point():
        return frames.new_zeros(())
    weight = next((p for p in stage.parameters() if p.is_floating_point()), torch.zeros(()))
    return frames.new_zeros((), dtype=weight.dtype)


def _device(stage: Stage) -> torch.device:
    return next((p.device for p in stage.parameters()), torch.device("cpu"))
