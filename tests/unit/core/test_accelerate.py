"""Torch's layers taken over in place, in programs of the kind that people write, and given back."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import elman
from elman import accelerate, restore
from elman.core.engines.operators import kernel_names

pytestmark = pytest.mark.skipif(not kernel_names(), reason="without the native core nothing is swapped")


class Tagger(nn.Module):
    """Words to tags over packed sentences, two directions."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 12, padding_idx=0)
        self.lstm = nn.LSTM(12, 10, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(20, 5)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.embed(words), lengths.cpu(), batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=words.shape[1])
        return self.head(hidden)


class Translator(nn.Module):
    """Encoder and decoder with teacher forcing and attention over the source."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(40, 8)
        self.encoder = nn.GRU(8, 9, bidirectional=True)
        self.bridge = nn.Linear(18, 9)
        self.decoder = nn.GRU(8, 9)
        self.head = nn.Linear(27, 40)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory, last = self.encoder(self.embed(source))
        start = torch.tanh(self.bridge(torch.cat([last[0], last[1]], dim=1)))
        states, _ = self.decoder(self.embed(target), start.unsqueeze(0))
        keys = self.bridge(memory)
        weights = torch.einsum("tbh,sbh->tbs", states, keys).softmax(-1)
        return self.head(torch.cat([states, torch.einsum("tbs,sbh->tbh", weights, memory)], dim=-1))


class Policy(nn.Module):
    """A recurrent policy: acts one step at a time, learns over whole episodes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
        self.memory = nn.RNN(8, 7, nonlinearity="relu")
        self.actor, self.critic = nn.Linear(7, 2), nn.Linear(7, 1)

    def forward(self, seen: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        hidden, state = self.memory(self.body(seen), state)
        return self.actor(hidden), self.critic(hidden), state


def _tagging(model: nn.Module) -> Tensor:
    words = torch.randint(1, 50, (6, 9))
    lengths = torch.tensor([9, 3, 7, 1, 9, 4])
    tags = torch.randint(0, 5, (6, 9)).masked_fill(torch.arange(9) >= lengths[:, None], -100)
    return nn.functional.cross_entropy(model(words, lengths).flatten(0, 1), tags.flatten(), ignore_index=-100)


def _translating(model: nn.Module) -> Tensor:
    source, target = torch.randint(0, 40, (7, 5)), torch.randint(0, 40, (6, 5))
    return nn.functional.cross_entropy(model(source, target[:-1]).flatten(0, 1), target[1:].flatten())


def _acting(model: nn.Module) -> Tensor:
    state, seen, logits, values = None, torch.randn(1, 3, 4), [], []
    for _ in range(6):
        scores, value, state = model(seen, state)
        logits.append(scores.log_softmax(-1)[..., 0])
        values.append(value.squeeze(-1))
        seen = torch.randn(1, 3, 4)
    whole, _, _ = model(torch.randn(8, 3, 4))
    advantage = 1 - torch.cat(values)
    return advantage.square().mean() - (torch.cat(logits) * advantage.detach()).mean() + whole.square().mean()


PROGRAMS: dict[str, tuple[type[nn.Module], Callable[[nn.Module], Tensor]]] = {
    "tagger": (Tagger, _tagging),
    "translator": (Translator, _translating),
    "policy": (Policy, _acting),
}


def _train(model: nn.Module, program: Callable[[nn.Module], Tensor], steps: int, optimiser: Any = None) -> list[float]:
    optimiser = optimiser or torch.optim.Adam(model.parameters(), lr=0.01)
    torch.manual_seed(1)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = program(model)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_learn_the_same_unchanged(name: str) -> None:
    make, program = PROGRAMS[name]
    torch.manual_seed(0)
    theirs = make()
    ours = copy.deepcopy(theirs)
    before = list(ours.parameters())
    optimiser = torch.optim.Adam(ours.parameters(), lr=0.01)
    table = accelerate(ours)
    assert all(swap.done for swap in table)
    assert all(a is b for a, b in zip(before, ours.parameters(), strict=True))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    got, expected = _train(ours, program, 12, optimiser), _train(theirs, program, 12)
    assert got == pytest.approx(expected, rel=1e-4)
    assert got[-1] < got[0]


def test_the_table_says_what_was_left_and_why() -> None:
    class Own(nn.GRU):
        """A class of one's own."""

    model = nn.ModuleDict(
        {
            "plain": nn.GRU(3, 4),
            "projected": nn.LSTM(3, 4, proj_size=2),
            "bfloat": nn.RNN(3, 4).bfloat16(),
            "own": Own(3, 4),
            "cell": nn.LSTMCell(3, 4),
            "ours": elman.GRU(3, 4),
        }
    )
    table = accelerate(model)
    assert {swap.name: swap.done for swap in table} == {name: name == "plain" for name in model}
    text = str(table)
    assert "plain      swapped  GRU(3, 4): native runs it" in text
    assert "projected  left     LSTM(3, 4, proj_size=2): the native LSTM has no projection" in text
    assert "float32 and float64, not in bfloat16" in text
    assert all(words in text for words in ("a class of its own", "a single step", "elman's already"))
    assert type(model["projected"]) is nn.LSTM
    assert "_blanks" not in vars(model["projected"])
    assert str(accelerate(nn.Linear(2, 2))) == "no recurrent module"
    with pytest.raises(elman.InputError, match=r"model: expected a torch\.nn\.Module, got list"):
        accelerate([])  # type: ignore[arg-type]


def test_restore_undoes_it() -> None:
    model = nn.Sequential(nn.GRU(3, 4))
    x = torch.randn(5, 2, 3)
    before, names = model(x)[0], set(vars(model[0]))
    accelerate(model)
    assert type(model[0]) is elman.GRU
    assert [swap.done for swap in restore(model)] == [True]
    assert type(model[0]) is nn.GRU
    assert set(vars(model[0])) == names
    assert torch.equal(model(x)[0], before)


def test_hooks_copies_and_files_go_on() -> None:
    layer, seen = nn.LSTM(3, 4, num_layers=2), []
    layer.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs[0].shape))
    x = torch.randn(5, 2, 3)
    expected = layer(x)[0]
    model = nn.Sequential(layer)
    accelerate(model)
    assert model[0] is layer
    torch.testing.assert_close(layer(x)[0], expected)
    assert len(seen) == 2
    stored = io.BytesIO()
    layer._forward_hooks.clear()
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(twin(x)[0], expected)
    torch.save(layer.state_dict(), stored)
    stored.seek(0)
    fresh = nn.LSTM(3, 4, num_layers=2)
    fresh.load_state_dict(torch.load(stored, weights_only=True))
    torch.testing.assert_close(fresh(x)[0], expected)


def test_an_accelerated_model_compiles() -> None:
    model = Policy()
    seen = torch.randn(6, 3, 4)
    expected = model(seen)
    accelerate(model)
    for got, wanted in zip(torch.compile(model, fullgraph=True, backend="aot_eager")(seen), expected, strict=True):
        torch.testing.assert_close(got, wanted)


def test_restore_leaves_classes_that_torch_has_not() -> None:
    class Own(elman.GRU):
        """Somebody's own."""

    model = nn.Sequential(Own(3, 4))
    assert [(swap.done, "a class of its own" in swap.reason) for swap in restore(model)] == [(False, True)]
