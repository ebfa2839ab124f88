"""Three torch programs of the kind that people write, and their time before and after ``elman.accelerate(model)``.

    python bench/programs.py            (--rounds 9)

A tagger over packed sentences, an encoder and decoder with attention, a recurrent policy that acts step by step.
They know nothing of elman; tests/unit/core/test_accelerate.py trains small ones before and after the swap.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from elman import accelerate


class Sizes(NamedTuple):
    """Of one program: rows of a batch, steps, kinds of words, width of an input, hidden units."""

    batch: int
    steps: int
    words: int
    width: int
    hidden: int


class Tagger(nn.Module):
    """Words to 5 tags over packed sentences, two layers, two directions."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.embed = nn.Embedding(sizes.words, sizes.width, padding_idx=0)
        self.lstm = nn.LSTM(sizes.width, sizes.hidden, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * sizes.hidden, 5)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.embed(words), lengths.cpu(), batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=words.shape[1])
        return self.head(hidden)


class Translator(nn.Module):
    """Encoder and decoder with teacher forcing and attention over the source."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        hidden = sizes.hidden
        self.embed = nn.Embedding(sizes.words, sizes.width)
        self.encoder = nn.GRU(sizes.width, hidden, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.decoder = nn.GRU(sizes.width, hidden)
        self.head = nn.Linear(3 * hidden, sizes.words)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory, last = self.encoder(self.embed(source))
        start = torch.tanh(self.bridge(torch.cat([last[0], last[1]], dim=1)))
        states, _ = self.decoder(self.embed(target), start.unsqueeze(0))
        keys = self.bridge(memory)
        weights = torch.einsum("tbh,sbh->tbs", states, keys).softmax(-1)
        return self.head(torch.cat([states, torch.einsum("tbs,sbh->tbh", weights, memory)], dim=-1))


class Policy(nn.Module):
    """A recurrent policy: acts one step at a time, learns over whole episodes."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, sizes.width), nn.Tanh())
        self.memory = nn.RNN(sizes.width, sizes.hidden, nonlinearity="relu")
        self.actor, self.critic = nn.Linear(sizes.hidden, 2), nn.Linear(sizes.hidden, 1)

    def forward(self, seen: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        hidden, state = self.memory(self.body(seen), state)
        return self.actor(hidden), self.critic(hidden), state


def tagging(model: nn.Module, sizes: Sizes) -> Tensor:
    """The loss of one batch."""
    words = torch.randint(1, sizes.words, (sizes.batch, sizes.steps))
    lengths = torch.randint(1, sizes.steps + 1, (sizes.batch,))
    tags = torch.randint(0, 5, words.shape).masked_fill(torch.arange(sizes.steps) >= lengths[:, None], -100)
    return nn.functional.cross_entropy(model(words, lengths).flatten(0, 1), tags.flatten(), ignore_index=-100)


def translating(model: nn.Module, sizes: Sizes) -> Tensor:
    """The loss of one batch."""
    source, target = torch.randint(0, sizes.words, (2, sizes.steps, sizes.batch))
    return nn.functional.cross_entropy(model(source, target[:-1]).flatten(0, 1), target[1:].flatten())


def acting(model: nn.Module, sizes: Sizes) -> Tensor:
    """The loss of episodes in which the model acts, and of one that it only reads."""
    state, seen, logits, values = None, torch.randn(1, sizes.batch, 4), [], []
    for _ in range(sizes.steps):
        scores, value, state = model(seen, state)
        logits.append(scores.log_softmax(-1)[..., 0])
        values.append(value.squeeze(-1))
        seen = torch.randn(1, sizes.batch, 4)
    whole, _, _ = model(torch.randn(sizes.steps, sizes.batch, 4))
    advantage = 1 - torch.cat(values)
    return advantage.square().mean() - (torch.cat(logits) * advantage.detach()).mean() + whole.square().mean()


PROGRAMS: dict[str, tuple[type[nn.Module], Callable[[nn.Module, Sizes], Tensor]]] = {
    "tagger": (Tagger, tagging),
    "translator": (Translator, translating),
    "policy": (Policy, acting),
}
REAL = {
    "tagger": Sizes(32, 50, 10_000, 100, 128),
    "translator": Sizes(32, 30, 8_000, 128, 128),
    "policy": Sizes(16, 32, 0, 64, 128),
}


def train(
    model: nn.Module, program: Callable[[nn.Module, Sizes], Tensor], sizes: Sizes, steps: int, optimiser: Any = None
) -> list[float]:
    """The losses of some steps of Adam, on the same numbers every time."""
    optimiser = optimiser or torch.optim.Adam(model.parameters(), lr=0.01)
    torch.manual_seed(1)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = program(model, sizes)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    for name, (make, program) in PROGRAMS.items():
        sizes = REAL[name]
        torch.manual_seed(0)
        before = make(sizes)
        after = copy.deepcopy(before)
        accelerate(after)
        models = {"before": before, "after": after}
        # Only the first few: rounding grows from step to step, in torch's own layers too.
        losses = {key: train(model, program, sizes, 3) for key, model in models.items()}
        torch.testing.assert_close(losses["after"], losses["before"], rtol=1e-4, atol=1e-5)
        optimisers = {key: torch.optim.Adam(model.parameters(), fused=True) for key, model in models.items()}
        times: dict[str, list[float]] = {key: [] for key in models}
        for _ in range(rounds):
            for key, model in models.items():
                began = time.perf_counter()
                train(model, program, sizes, 5, optimisers[key])
                times[key].append((time.perf_counter() - began) / 5)
        ratio = statistics.median(a / b for a, b in zip(times["before"], times["after"], strict=True))
        old, new = (1e3 * statistics.median(times[key]) for key in models)
        print(f"{name:11} {old:8.1f} ms a step before, {new:8.1f} ms after: {ratio:.2f} times as fast   {sizes}")


if __name__ == "__main__":
    main()
