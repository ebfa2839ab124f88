"""The laws of time through attention, decoders and beams: pads, rows, chunks, engines, and brute force."""

from __future__ import annotations

import math
import sys
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from elman.core import Ragged
from elman.core.check import Values, compare
from elman.core.engines.loop import LoopEngine
from elman.core.layers.attend import ATTENTIONS, Attend, attend
from elman.core.state import State, leaves, map_state, take_rows
from elman.core.unfold import unfold
from elman.model.config import ModelConfig, NetConfig
from elman.model.decoder import Decoder
from elman.model.kinds.series import SeriesIn
from elman.model.kinds.text import TextIn
from elman.model.kinds.written import TextOut
from elman.model.network import SequenceModel
from elman.model.sampling import Sampling
from elman.model.search import END, beam, likeliest
from elman.model.write import Draws, Search, attended, draw, parts_of, prepared, write, write_all

LENGTHS, TARGETS = [4, 0, 9, 1, 6], [3, 5, 1, 7, 2]
WIDTH, SIZE, TOKENS = 5, 6, 9

NETS: dict[str, dict[str, object]] = {
    "gru dot": {"cell": "gru"},
    "lstm additive": {"cell": "lstm", "attention": "additive"},
    "rnn two layers, tied": {"cell": "rnn", "layers": 2, "tied": True},
    "gru fed": {"cell": "gru", "input_feeding": True, "attention": "additive"},
    "lstm fed, tied, three layers": {"cell": "lstm", "input_feeding": True, "tied": True, "layers": 3},
    "gru with all that is dropped": {
        "cell": "gru",
        "layers": 2,
        "dropout": 0.3,
        "recurrent_dropout": 0.2,
        "weight_drop": 0.2,
        "zoneout": 0.1,
        "label_smoothing": 0.1,
    },
    "fed with all that is dropped": {
        "cell": "lstm",
        "input_feeding": True,
        "dropout": 0.3,
        "recurrent_dropout": 0.2,
        "weight_drop": 0.2,
    },
}


def _config(**net: object) -> ModelConfig:
    columns = [f"c{k}" for k in range(WIDTH)]
    tokens = TextIn(column="b", variant="char", vocabulary=["<unknown>", "<end>", *"abcdefg"])
    shape = NetConfig.model_validate({"hidden": SIZE, "embedding": 7, "bidirectional": True, "readout": "every", **net})
    return ModelConfig(
        source="series",
        target="text",
        input=SeriesIn(columns=columns, mean=[0.0] * WIDTH, scale=[1.0] * WIDTH),
        output=TextOut(tokens=tokens, longest=7),
        net=shape,
    )


def _model(name: str, training: bool = False) -> SequenceModel:
    torch.manual_seed(1)
    model = SequenceModel(_config(**NETS[name])).double().train(training)
    for weight in model.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, std=0.7)  # sure enough of itself that hypotheses differ
    return model


def _source(fill: float = 0.0) -> Ragged:
    x = torch.randn(max(LENGTHS), 5, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    mask = (torch.arange(len(x))[:, None] < torch.tensor(LENGTHS))[..., None]
    return Ragged(torch.where(mask, x, fill), LENGTHS)


def _target() -> Tensor:
    target = torch.randint(2, TOKENS, (max(TARGETS), 5), generator=torch.Generator().manual_seed(3))
    for row, length in enumerate(TARGETS):
        target[length - 1, row], target[length:, row] = END, -1
    return target


def _learn(model: SequenceModel, rows: Ragged, target: Tensor) -> Values:
    torch.manual_seed(4)
    x = rows.values.clone().requires_grad_()
    losses, _ = model(rows.with_values(x), target)
    grads = torch.autograd.grad(losses.sum(), [x, *model.parameters()], allow_unused=True)
    names = ["x", *(name for name, _ in model.named_parameters())]
    assert not [name for name, grad in zip(names, grads, strict=True) if grad is None]
    values = {f"gradient of {name}": g for name, g in zip(names, grads, strict=True) if g is not None}
    return values | {"losses": losses.detach()}


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("name", NETS)
def test_pads_change_nothing(name: str, training: bool) -> None:
    model = _model(name, training)
    clean = _learn(model, _source(), _target())
    for fill in (torch.nan, torch.inf, -1e300):
        compare(f"law 4, {name}, {fill}", _learn(model, _source(fill), _target()), clean)
    longer = torch.cat([_target(), torch.full((3, 5), -1)])
    if not training:  # masks are drawn for every step there is
        compare(f"law 4, {name}, longer targets", _learn(model, _source(), longer), clean)


@pytest.mark.parametrize("name", NETS)
def test_rows_know_nothing_of_each_other(name: str) -> None:
    model, rows, target, order = _model(name), _source(torch.nan), _target(), torch.tensor([3, 1, 4, 0, 2])
    losses = _by_row(model, rows, target)
    turned = _by_row(model, rows.rows(order), target[:, order])
    texts = write(model, rows, Search(beam=3, best=2))
    for place, row in enumerate(order.tolist()):
        compare(f"law 5, {name}", {"losses": turned[place]}, {"losses": losses[row]})
        one = Ragged(rows.values[: LENGTHS[row], row : row + 1])
        alone = _by_row(model, one, target[: TARGETS[row], row : row + 1])[0]
        compare(f"law 5, {name}, alone", {"losses": alone}, {"losses": losses[row]})
        assert [h.tokens for h in write(model, one, Search(beam=3, best=2))[0]] == [h.tokens for h in texts[row]]
    by_length = write_all(model, rows.to_list(), Search(beam=3, best=2))
    assert [[h.tokens for h in some] for some in by_length] == [[h.tokens for h in some] for some in texts]


def _by_row(model: SequenceModel, rows: Ragged, target: Tensor) -> list[Tensor]:
    losses, _ = model(rows, target)
    each = torch.zeros(target.shape, dtype=losses.dtype)
    each[target >= 0] = losses.detach()
    return [each[: int((target[:, k] >= 0).sum()), k] for k in range(target.shape[1])]


@pytest.mark.parametrize("name", NETS)
def test_a_text_told_in_pieces_is_the_text_told_at_once(name: str) -> None:
    model = _model(name)
    decoder = _decoder(model)
    memory, state = decoder.remember(model.features(_source())[0])
    told = torch.cat([torch.ones(1, 5, dtype=torch.int64), _target()[:-1].clamp(min=0)])
    whole = decoder(Ragged(told, TARGETS), memory, state)
    for size in (1, 3):
        found, own, weights = [], state, []
        rows = Ragged(told, TARGETS)
        for start in range(0, len(told), size):
            written = decoder(rows.slice_time(start, start + size), memory, own)
            own = written.state
            found.append(written.features.values)
            weights.append(written.weights)
        values = {"features": torch.cat(found), "weights": _real(torch.cat(weights)), **_named(own)}
        expected = {"features": whole.features.values, "weights": _real(whole.weights), **_named(whole.state)}
        compare(f"law 2 and 3, {name}, pieces of {size}", values, expected)


def _real(weights: Tensor) -> Tensor:
    """Where a text is over, nothing is asked."""
    over = torch.arange(len(weights))[:, None] >= torch.tensor(TARGETS)
    return weights.detach().masked_fill(over[..., None], 0.0)


def _decoder(model: SequenceModel) -> Decoder:
    assert model.decoder is not None
    return model.decoder


def _named(state: State) -> Values:
    return {f"state {k}": leaf.detach() for k, leaf in enumerate(leaves(state))}


@pytest.mark.parametrize("name", ["gru dot", "lstm additive", "rnn two layers, tied"])
def test_the_fast_engines_write_as_the_loop_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model(name).float()
    rows = Ragged(_source().values.float(), LENGTHS)
    fast = _learn(model, rows, _target())
    monkeypatch.setattr(sys.modules[unfold.__module__], "ENGINES", {"loop": LoopEngine()})
    compare(f"law 1, {name}", fast, _learn(model, rows, _target()))


@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention_is_its_equation(name: str) -> None:
    torch.manual_seed(0)
    module = attend(name, SIZE, WIDTH, 4).double()
    rows = _source(torch.nan)
    memory = module.remember(rows)
    query = torch.randn(3, 10, SIZE, dtype=torch.float64)  # two beams of each of 5 sequences
    context, weights = module(query, memory)
    for step, row in product(range(3), range(10)):
        length, owner = LENGTHS[row // 2], row // 2
        steps = rows.values[:length, owner]
        scores = torch.stack([_score(module, query[step, row], m) for m in steps]) if length else steps.new_zeros(0)
        chances = torch.softmax(scores, 0)
        expected = torch.zeros(max(LENGTHS), dtype=torch.float64)
        expected[:length] = chances
        compare(name, {"weights": weights[step, row]}, {"weights": expected})
        compare(name, {"context": context[step, row]}, {"context": (chances[:, None] * steps).sum(0)})


def _score(module: Attend, query: Tensor, step: Tensor) -> Tensor:
    asked, key = module.query.weight @ query, module.key.weight @ step + module.key.bias
    if isinstance(module, ATTENTIONS["dot"]):
        return asked @ key / math.sqrt(len(key))
    return torch.tanh(asked + key) @ module.weight


def test_input_feeding_reads_what_it_found() -> None:
    """Changing what was found at a step changes what follows; without feeding it could not."""
    model = _model("gru fed")
    decoder = _decoder(model)
    memory, state = decoder.remember(model.features(_source())[0])
    told = Ragged(torch.ones(1, 5, dtype=torch.int64))
    mask, below, above = state
    moved = (mask, below._replace(found=below.found + 1.0), above)
    plain, other = (decoder(told, memory, one).features.values for one in (state, moved))
    assert (plain - other).abs().max() > 1e-3


def test_scheduled_sampling_tells_the_model_its_own_words() -> None:
    model = _model("gru dot", training=True)
    target = _target()
    taught = _learn(model, _source(), target)["losses"]
    decoder = _decoder(model)
    decoder.sampling = 1.0 - 1e-12
    memory, state = decoder.remember(model.features(_source())[0])
    first = Ragged(torch.cat([torch.ones(1, 5, dtype=torch.int64), target[:-1].clamp(min=0)]), TARGETS)
    said = model.head.raw(decoder(first, memory, state).features.values).argmax(-1)
    own = first.with_values(torch.cat([first.values[:1], said[:-1]]))
    real = target >= 0
    expected = model.head.loss(model.head.raw(decoder(own, memory, state).features.values[real]), target[real])
    compare("scheduled sampling", {"l": _learn(model, _source(), target)["losses"]}, {"l": expected.detach()})
    assert not torch.allclose(taught, expected)
    model.eval()
    compare("off in evaluation", {"l": _learn(model, _source(), target)["losses"]}, {"l": taught})


def test_where_it_looked_sums_to_one_over_the_source() -> None:
    model = _model("lstm additive")
    weights = attended(model, _source().to_list()[2], [4, 5, END])
    assert weights.shape == (3, 9)
    compare("weights", {"sum": weights.sum(1)}, {"sum": torch.ones(3, dtype=torch.float64)})


# Beam search ---------------------------------------------------------------------------------------------------


class Table:
    """A writer whose chances depend on all that was written, by a table; its state is the number of the beginning."""

    def __init__(self, seed: int, size: int, limit: int, batch: int) -> None:
        random = torch.Generator().manual_seed(seed)
        count = sum(size**k for k in range(limit))
        self.size = size
        self.log = torch.randn(batch, count, size, generator=random, dtype=torch.float64).mul(2).log_softmax(-1)

    def start(self) -> Tensor:
        return torch.full((len(self.log),), -1)

    def __call__(self, tokens: Tensor, state: State, owners: Tensor) -> tuple[Tensor, State]:
        # Beginnings as numbers in base V, those of one length behind those of all shorter ones.
        place = torch.where(state < 0, 0, state * self.size + tokens + 1)
        rows = owners.repeat_interleave(len(tokens) // len(owners))
        return self.log[rows, place], place

    def best(self, row: int, limit: int, alpha: float) -> list[tuple[float, list[int]]]:
        """All texts that end within the limit, the best first, by listing them."""
        found = []
        for length in range(1, limit + 1):
            for text in product(range(self.size), repeat=length):
                if text[-1] == END and END not in text[:-1]:
                    place, log = 0, 0.0
                    for token in text:
                        log += float(self.log[row, place, token])
                        place = place * self.size + token + 1
                    found.append((log / length**alpha, list(text)))
        return sorted(found, reverse=True)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), alpha=st.sampled_from([0.0, 0.6, 1.0, 2.0]), best=st.integers(1, 6))
def test_a_beam_that_holds_all_beginnings_finds_the_best(seed: int, alpha: float, best: int) -> None:
    size, limit, batch = 3, 4, 3
    table = Table(seed, size, limit, batch)
    found = beam(table, table.start(), batch, width=200, limit=limit, alpha=alpha, best=best)
    for row, some in enumerate(found):
        expected = table.best(row, limit, alpha)[:best]
        assert [h.tokens for h in some] == [text for _, text in expected]
        assert [h.score for h in some] == pytest.approx([score for score, _ in expected])
        assert all(h.ended and h.score == pytest.approx(-h.nats / len(h.tokens) ** alpha) for h in some)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.integers(1, 5))
def test_beams_side_by_side_are_beams_alone(seed: int, width: int) -> None:
    table = Table(seed, 4, 5, 4)
    together = beam(table, table.start(), 4, width=width, limit=5, best=width)
    for row in range(4):
        table.log = Table(seed, 4, 5, 4).log[row : row + 1]
        alone = beam(table, table.start(), 1, width=width, limit=5, best=width)
        assert alone[0] == together[row]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_beam_of_one_takes_the_likeliest_token(seed: int) -> None:
    table = Table(seed, 4, 6, 1)
    (found,) = beam(table, table.start(), 1, width=1, limit=6)
    place, expected = 0, []
    while len(expected) < 6 and expected[-1:] != [END]:
        token = int(table.log[0, place].argmax())
        expected.append(token)
        place = place * 4 + token + 1
    assert found[0].tokens == expected
    assert found[0].ended == (expected[-1] == END)


def test_wider_beams_find_no_worse() -> None:
    table = Table(7, 4, 6, 1)
    scores = [beam(table, table.start(), 1, width=k, limit=6)[0][0].score for k in (1, 2, 4, 2000)]
    assert scores[-1] == max(scores)
    assert scores[-1] == pytest.approx(table.best(0, 6, 1.0)[0][0])


@pytest.mark.parametrize("name", NETS)
def test_a_models_beam_is_exact_where_it_holds_all(name: str) -> None:
    """Against all texts of three tokens, each scored by telling it to the model whole."""
    model, rows = _model(name), _source()
    texts = [[*text, END] for n in range(3) for text in product(range(2, TOKENS), repeat=n)]
    found = write(model, rows, Search(beam=400, best=5, limit=3))
    for row in range(5):
        one = rows.rows(torch.tensor([row] * len(texts)))
        target = torch.full((3, len(texts)), -1)
        for k, text in enumerate(texts):
            target[: len(text), k] = torch.tensor(text)
        losses = torch.tensor([float(each.sum()) / len(each) for each in _allowed(model, one, target)])
        best = losses.argsort()[:5].tolist()
        assert [h.tokens for h in found[row]] == [texts[k] for k in best]
        assert [-h.score for h in found[row]] == pytest.approx([float(losses[k]) for k in best])


def _allowed(model: SequenceModel, rows: Ragged, target: Tensor) -> list[Tensor]:
    """Nats of every token of every text, where the unknown token is never written."""
    decoder = _decoder(model)
    memory, state = decoder.remember(model.features(rows)[0])
    told = torch.cat([torch.ones_like(target[:1]), target[:-1].clamp(min=0)])
    logits = model.head.raw(decoder(Ragged(told), memory, state).features.values)
    logits[..., 0] = -torch.inf
    nats = -logits.log_softmax(-1).gather(-1, target.clamp(min=0)[..., None])[..., 0]
    return [nats[: int((target[:, k] >= 0).sum()), k].detach() for k in range(target.shape[1])]


def test_rows_of_a_state_go_with_their_hypotheses() -> None:
    state = (torch.arange(4), (torch.arange(8).view(4, 2), None))
    moved = take_rows(state, torch.tensor([2, 2, 0]))
    assert map_state(lambda leaf: leaf.tolist(), moved[0]) == [2, 2, 0]
    assert moved[1][0].tolist() == [[4, 5], [4, 5], [0, 1]]


def test_drawn_texts_follow_the_models_chances() -> None:
    model = _model("gru dot")
    rows = _source().rows(torch.full((4_000,), 2))
    drawn = draw(model, rows, Draws(limit=1), torch.Generator().manual_seed(0))
    ended = sum(one.ended for some in drawn for one in some) / len(drawn)
    target = torch.tensor([[END]])
    chance = math.exp(-float(_allowed(model, _source().rows(torch.tensor([2])), target)[0]))
    assert ended == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / len(drawn)) + 1e-9)


def test_several_texts_are_drawn_of_each_sequence_and_counted_as_the_model_counts() -> None:
    model, rows = _model("gru dot"), _source()
    found = draw(model, rows, Draws(best=3, limit=4), torch.Generator().manual_seed(0))
    assert [len(some) for some in found] == [3] * rows.batch
    for row, some in enumerate(found):
        for one in some:
            target = torch.tensor(one.tokens)[:, None]
            nats = float(_allowed(model, rows.rows(torch.tensor([row])), target)[0].sum())
            assert one.nats == pytest.approx(nats, rel=1e-5)
            assert one.ended == (one.tokens[-1] == END)
            assert END not in one.tokens[:-1]
    assert len({tuple(one.tokens) for some in found for one in some}) > 3


def test_the_likeliest_text_drawn_is_that_of_a_beam_of_one() -> None:
    model = _model("gru dot")
    greedy = write_all(model, _source().to_list(), Search(beam=1))
    cold = write_all(model, _source().to_list(), Draws(Sampling(0.0)))
    assert [one.tokens for some in cold for one in some] == [one.tokens for some in greedy for one in some]


@given(
    rows=st.sampled_from([1, 16, 20]),
    blocks=st.integers(1, 9),
    count=st.integers(1, 4),
    seed=st.integers(0, 10**6),
    kinds=st.sampled_from([3, 1000]),
)
def test_the_likeliest_are_those_of_a_whole_sort(rows: int, blocks: int, count: int, seed: int, kinds: int) -> None:
    size = 64 * blocks + seed % 3
    log = torch.randint(0, kinds, (rows, size), generator=torch.Generator().manual_seed(seed)).double()
    log[log == 0] = -torch.inf
    values, places = likeliest(log, count)
    assert torch.equal(values, log.sort(1, descending=True).values[:, :count])
    assert torch.equal(log.gather(1, places), values)
    assert all(len(set(row)) == count for row in places.tolist())


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("beams", [1, 3])
def test_a_step_of_writing_gives_what_the_decoder_gives_for_the_whole_text(name: str, beams: int) -> None:
    model, rows = _model(name), _source()
    decoder, head, out = parts_of(model)
    steps = prepared(model)
    told = torch.randint(2, out.size, (5, rows.batch * beams), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = model.features(rows)[0]
        memory, state = decoder.remember(features)
        owners = torch.arange(rows.batch).repeat_interleave(beams)
        whole = head.allowed(head.raw(decoder(Ragged(told), memory, take_rows(state, owners)).features.values))
        folded, state = steps.remember(features)
        state, found = take_rows(state, owners), []
        for tokens in told:
            scores, state = steps.step(tokens, folded, state)
            found.append(scores)
    compare(f"steps, {name}", {"scores": torch.stack(found)}, {"scores": whole})


def test_no_sequence_gives_no_text() -> None:
    model = _model("gru dot")
    none = _source().rows(torch.zeros(0, dtype=torch.int64))
    assert write(model, none, Search()) == []
    assert draw(model, none, Draws(), torch.Generator()) == []


def test_many_texts_of_a_sequence_are_drawn_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sizes = _model("gru dot"), []

    def drawn(model: SequenceModel, ragged: Ragged, draws: Draws, *rest: Any) -> Any:
        sizes.append(ragged.batch * draws.best)
        return draw(model, ragged, draws, *rest)

    monkeypatch.setattr("elman.model.write.draw", drawn)
    found = write_all(model, _source().to_list(), Draws(best=1100))
    assert [len(some) for some in found] == [1100] * len(LENGTHS)
    assert max(sizes) <= 512
