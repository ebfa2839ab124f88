"""All that a training is in the middle of, between two steps: what must survive so that it can go on exactly.

A checkpoint is this object and nothing else. Whatever is added to the training loop and outlives a step belongs in
here, in :meth:`TrainingState.pack` and in :meth:`TrainingState.unpack`.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from elman.core.errors import InputError
from elman.core.probe import undisturbed
from elman.core.state import Shared, State, adopt, leaves, map_state
from elman.model.network import SequenceModel
from elman.training.averaging import Average
from elman.training.health import Health
from elman.training.history import Epoch, History
from elman.training.randomness import draw_on, drawn

__all__ = ["Means", "TrainingState", "settled"]


@dataclass
class Means:
    """Sums over the steps of the epoch that is under way, and the seconds spent on it so far.

    Attributes:
        skipped: the numbers of the steps that were left out. blamed: which data made the first of them so.
    """

    loss: float = 0.0
    norm: float = 0.0
    clipped: int = 0
    seconds: float = 0.0
    skipped: list[int] = field(default_factory=list)
    blamed: str = ""


@dataclass
class TrainingState:
    """A training between two steps.

    The schedule has no state: the learning rate is a function of ``taken``. Nor has the order of the data: it is a
    function of (seed, epoch), and ``step`` is the cursor in it. Early stopping reads the history.

    Attributes:
        model: its weights are those after the last step.
        optimiser: with its running averages.
        history: the epochs that are complete; history.jsonl is written from it.
        average: of the weights, where one is kept; it is what is validated then, and the best of it what is kept.
        health: what is known of the gradients so far.
        taken: optimiser steps in all, those left out too.
        epoch: the epoch that is under way, counted from 1.
        step: steps of this epoch that are done. If all are, its evaluation comes next.
        carried: the recurrent state behind the last batch, where batches go on from each other; else None.
        means: of the epoch under way.
        best: the weights of the best epoch; empty before the first is complete.
        over: whether the training has ended; the weights are the best ones then.
    """

    model: SequenceModel
    optimiser: torch.optim.Optimizer
    history: History
    average: Average | None = None
    health: Health = field(default_factory=Health)
    taken: int = 0
    epoch: int = 1
    step: int = 0
    carried: State = None
    means: Means = field(default_factory=Means)
    best: dict[str, Tensor] = field(default_factory=dict)
    over: bool = False

    @cached_property
    def weights(self) -> dict[str, nn.Parameter]:
        """The model's parameters by name; to go through its parts for them takes as long as a small layer."""
        return dict(self.model.named_parameters())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    @property
    def judged(self) -> SequenceModel:
        """What is validated and kept: the average, once there is one."""
        return self.average.model if self.average is not None and self.average.begun else self.model

    @property
    def seconds(self) -> float:
        """The time spent so far, that of sessions before included."""
        return self.history.seconds + self.means.seconds

    def count(self, loss: float, norm: float, *, clipped: bool) -> None:
        """A step is done."""
        self.means.loss += loss
        self.means.norm += norm
        self.means.clipped += clipped
        self.taken, self.step = self.taken + 1, self.step + 1

    def skip(self, blamed: str) -> None:
        """A step is done without having been taken."""
        self.taken, self.step = self.taken + 1, self.step + 1
        self.means.skipped.append(self.step)
        self.means.blamed = self.means.blamed or blamed

    def close(self, line: Epoch) -> None:
        """An epoch is complete; keep its weights if it is the best so far."""
        if line.best:
            self.best = copy.deepcopy(self.judged.state_dict())
        self.history.epochs.append(line)
        self.history.notes += [f"epoch {line.epoch}: {note}" for note in line.notes]
        self.rewind(self.epoch + 1)

    def rewind(self, epoch: int) -> None:
        """Stand before the first batch of an epoch."""
        self.epoch, self.step, self.carried, self.means = epoch, 0, None, Means()

    def end(self) -> None:
        """Load the best weights: the training is over."""
        words = [self.health.last_words(), "" if self.average is None else self.average.last_words()]
        self.history.ending = [said for said in words if said]
        self.model.load_state_dict(self.best)
        self.model.eval()
        self.over = True

    def pack(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors by name, and what is JSON; cheap, for tensors are not copied."""
        tensors: dict[str, Tensor] = {}
        drew, random = drawn(self.device)
        carried = _named(self.carried, "carried", tensors)
        for place, group in (
            ("weights", self.model.state_dict()),
            ("best", self.best),
            ("average", {} if self.average is None else self.average.model.state_dict()),
            ("optimiser", self._moments()),
            ("random", drew),
        ):
            tensors |= {f"{place}/{name}": tensor for name, tensor in group.items()}
        record = {
            "taken": self.taken,
            "epoch": self.epoch,
            "step": self.step,
            "over": self.over,
            "carried": carried,
            "means": asdict(self.means),
            "average": None if self.average is None else self.average.record(),
            "health": asdict(self.health),
            "random": random,
            "history": [asdict(line) for line in self.history.epochs],
            "stopped": self.history.stopped,
            "interrupted": self.history.interrupted,
            "notes": list(self.history.notes),
            "ending": list(self.history.ending),
            "spent": self.history.spent,
        }
        return tensors, record

    def unpack(self, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
        """Become what :meth:`pack` gave.

        Raises:
            InputError: the weights are those of another network; nothing was changed.
        """
        groups = {place: _below(place, tensors) for place in ("weights", "best", "average", "optimiser", "random")}
        self._refuse_others(groups["weights"])
        self.model.load_state_dict(groups["weights"])
        self._load_moments(groups["optimiser"])
        self._load_average(groups["average"], record["average"])
        self.best = {name: tensor.to(self.device) for name, tensor in groups["best"].items()}
        self.taken, self.epoch, self.step, self.over = (record[name] for name in ("taken", "epoch", "step", "over"))
        self.means, self.health = Means(**record["means"]), Health(**record["health"])
        self.history.epochs[:] = [Epoch(**{**line, "notes": tuple(line["notes"])}) for line in record["history"]]
        self.history.stopped, self.history.interrupted = record["stopped"], record["interrupted"]
        self.history.notes, self.history.ending = list(record["notes"]), list(record["ending"])
        self.history.spent = record["spent"]
        self.carried = self._carried(_unnamed(record["carried"], tensors))
        draw_on((groups["random"], record["random"]), self.device)

    def _moments(self) -> dict[str, Tensor]:
        """What the optimiser keeps of every weight, as ``WEIGHT/NAME``."""
        found = {}
        for weight, parameter in self.model.named_parameters():
            for name, value in self.optimiser.state.get(parameter, {}).items():
                if value is not None:
                    found[f"{weight}/{name}"] = value
        return found

    def _load_moments(self, moments: dict[str, Tensor]) -> None:
        self.optimiser.state.clear()
        parameters = dict(self.model.named_parameters())
        for place, value in moments.items():
            weight, _, name = place.rpartition("/")
            # Steps are counted where they were: on the host, or for fused optimisers on the device.
            self.optimiser.state[parameters[weight]][name] = value.to(parameters[weight].device)

    def _load_average(self, weights: dict[str, Tensor], record: dict[str, Any] | None) -> None:
        # Of an average that was not kept before, or was another one, nothing can be taken up: it begins here.
        if self.average is not None and record is not None and record["kind"] == self.average.kind:
            self.average.model.load_state_dict(weights)
            self.average.restore(record)

    def _refuse_others(self, weights: dict[str, Tensor]) -> None:
        own = {name: (tuple(t.shape), t.dtype) for name, t in self.model.state_dict().items()}
        given = {name: (tuple(t.shape), t.dtype) for name, t in weights.items()}
        for name in [*own, *given]:
            if own.get(name) != given.get(name):
                there, here = (_shape(found.get(name)) for found in (given, own))
                raise InputError(
                    f"the saved weights are those of another network: {name} is {there} in the checkpoint and {here} "
                    "by the settings; go on with the settings it began with, or train anew"
                )

    def _carried(self, plain: State) -> State:
        """A state of plain tuples with the types that this model's own states have."""
        floats = [leaf for leaf in leaves(plain) if leaf.is_floating_point()]
        if not floats:
            return plain
        self.model.train()
        with undisturbed(), torch.no_grad():
            return adopt(plain, self.model.trunk.initial_state(len(floats[0]), floats[0]))


def settled(state: State) -> State:
    """A recurrent state cut from its graph, in memory of its own.

    The layout is then the same whether it comes from the batch before or from a checkpoint, so that sums run in the
    same order.
    """
    return map_state(lambda leaf: leaf.detach().clone(memory_format=torch.contiguous_format), state)


def _named(state: State, place: str, tensors: dict[str, Tensor]) -> Any:
    """A state as JSON in which names stand for tensors, which go into ``tensors``."""
    if state is None:
        return None
    if isinstance(state, Shared):
        return {"shared": _named(state.value, place, tensors)}
    if isinstance(state, Tensor):
        tensors[place] = state
        return place
    return [_named(part, f"{place}/{k}", tensors) for k, part in enumerate(state)]


def _unnamed(form: Any, tensors: dict[str, Tensor]) -> State:
    if form is None:
        return None
    if isinstance(form, str):
        return tensors[form]
    if isinstance(form, dict):
        return Shared(tensors[form["shared"]])
    return tuple(_unnamed(part, tensors) for part in form)


def _below(place: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{place}/"): t for name, t in tensors.items() if name.startswith(f"{place}/")}


def _shape(found: tuple[tuple[int, ...], torch.dtype] | None) -> str:
    return "missing" if found is None else f"{found[0]}"
