"""How fast texts are written: elman, and the same model with the same weights written plainly in torch.

    python bench/decoding.py runs/german-1 test.de        (--sentences 128, --rounds 7, --threads 1)

The plain one is what people write: nn.GRU for the encoder, nn.GRUCell and nn.Linear step by step, all rows of a batch
until the last has ended, beams as rows of the batch with the memory repeated, topk over all of them. Both read the same
sentences in the same batches, in turn; a figure is the median over the rounds. Their texts are held against each other.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import elman
from elman import Ragged
from elman.core.layers.attend import Dot
from elman.model.decoder import Attending
from elman.model.network import SequenceModel
from elman.model.write import Search, parts_of, prepared, write
from elman.training.predict import read_for

UNKNOWN, END = 0, 1


class Plain(nn.Module):
    """An encoder of two directions and a decoder with dot attention, of torch's modules, with a model's weights."""

    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        decoder, head, _ = parts_of(model)
        first, weights = decoder.first, model.state_dict()
        if not isinstance(first, Attending) or not isinstance(first.attention, Dot) or len(decoder.above):
            sys.exit("this bench is for --attention dot, one layer and no --input-feeding")
        width, hidden = decoder.table.embedding_dim, first.attention.query.in_features
        self.embed = nn.Embedding.from_pretrained(weights["trunk.stages.0.module.weight"])
        self.encoder = nn.GRU(width, hidden, bidirectional=True)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        place = max(int(name.split(".")[2]) for name in weights if name.startswith("trunk.stages."))
        for way, end in (("ahead", ""), ("back", "_reverse")):
            for name in names:
                getattr(self.encoder, f"{name}_l0{end}").data = weights[f"trunk.stages.{place}.{way}.cell.{name}"]
        self.table, self.cell = decoder.table, nn.GRUCell(width, hidden)
        self.cell.load_state_dict({name: weights[f"decoder.first.layer.cell.{name}"] for name in names})
        self.query, self.key, self.join = first.attention.query, first.attention.key, first.join
        self.start, self.out, self.bias = decoder.starts[0].linear, decoder.out, head.bias

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``(S, B)`` to the memory's values and keys ``(B, S, *)``, its mask ``(B, S)``, and the first state."""
        packed = pack_padded_sequence(self.embed(source), lengths, enforce_sorted=False)
        memory = pad_packed_sequence(self.encoder(packed)[0], batch_first=True)[0]
        mask = torch.arange(len(source)) < lengths[:, None]
        state = torch.tanh(self.start(memory.sum(1) / lengths[:, None]))
        return memory, self.key(memory), mask, state

    def step(self, token: Tensor, memory: Tensor, keys: Tensor, mask: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities ``(N, V)`` of what follows ``token (N,)``, and the state behind it."""
        state = self.cell(self.table(token), state)
        query = self.query(state) * state.shape[-1] ** -0.5
        scores = (keys @ query[:, :, None])[..., 0].masked_fill(~mask, -torch.inf)
        context = (torch.softmax(scores, -1)[:, None] @ memory)[:, 0]
        found = torch.tanh(self.join(torch.cat([state, context], -1)))
        logits = nn.functional.linear(self.out(found), self.table.weight, self.bias)
        logits[:, UNKNOWN] = -torch.inf
        return torch.log_softmax(logits, -1), state

    @torch.inference_mode()
    def greedy(self, source: Tensor, lengths: Tensor, limit: int) -> list[list[int]]:
        memory, keys, mask, state = self.encode(source, lengths)
        token, ended, found = torch.full((len(lengths),), END), torch.zeros(len(lengths), dtype=torch.bool), []
        for _ in range(limit):
            log, state = self.step(token, memory, keys, mask, state)
            token = log.argmax(-1)
            found.append(token)
            ended |= token == END
            if ended.all():
                break
        return [_up_to_end(row) for row in torch.stack(found, 1).tolist()]

    @torch.inference_mode()
    def beam(self, source: Tensor, lengths: Tensor, limit: int, width: int) -> list[list[int]]:
        """The text with the highest mean of log p; a beam that has ended keeps its place until all have."""
        batch = len(lengths)
        memory, keys, mask, state = (part.repeat_interleave(width, 0) for part in self.encode(source, lengths))
        total = torch.full((batch, width), -torch.inf)
        total[:, 0] = 0.0
        token, ended = torch.full((batch * width,), END), torch.zeros(batch, width, dtype=torch.bool)
        size, found = torch.zeros(batch, width), torch.empty(batch, width, 0, dtype=torch.int64)
        for _ in range(limit):
            log, state = self.step(token, memory, keys, mask, state)
            log = log.unflatten(0, (batch, width))
            # An ended beam goes on with one more end mark, at no cost.
            log[ended] = -torch.inf
            log[..., END] = torch.where(ended, 0.0, log[..., END])
            total, place = (total[..., None] + log).flatten(1).topk(width)
            beams, token = place // log.shape[-1], place % log.shape[-1]
            found = torch.cat([found.gather(1, beams[..., None].expand_as(found)), token[..., None]], -1)
            ended, size = ended.gather(1, beams), size.gather(1, beams) + ~ended.gather(1, beams)
            ended = ended | (token == END)
            state = state[(torch.arange(batch)[:, None] * width + beams).flatten()]
            token = token.flatten()
            if ended.all():
                break
        best = (total / size).masked_fill(~ended & ended.any(1, keepdim=True), -torch.inf).argmax(1)
        return [_up_to_end(found[k, int(best[k])].tolist()) for k in range(batch)]


def _up_to_end(tokens: list[int]) -> list[int]:
    return tokens[: tokens.index(END)] if END in tokens else tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("file", nargs="+")
    for name, usual in (("sentences", 128), ("rounds", 7), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = elman.load(args.run).model.eval()
    if model.config.source != "text" or model.config.net.cell != "gru":
        sys.exit("this bench is for a run of --from text --to text with --cell gru")
    examples = read_for(model, "+".join(args.file), need_target=False)
    given = [model.config.input.encode(raw) for raw in examples.inputs[: args.sentences]]
    plain, limit = Plain(model).eval(), parts_of(model)[2].limit
    print(
        f"{Path(args.run).name}: {len(given)} sentences, {sum(map(len, given))} tokens read, {args.threads} thread(s)"
    )
    print(f"{'':16}{'elman':>12}{'plain torch':>14}{'ratio':>8}   sentences a second; texts that are alike")
    for width in (1, 5):
        for rows in (1, 32):
            batches = [Ragged.from_list(given[k : k + rows]) for k in range(0, len(given), rows)]
            _row(model, plain, batches, width, rows, limit, args.rounds)


def _row(
    model: SequenceModel, plain: Plain, batches: list[Ragged], width: int, rows: int, limit: int, rounds: int
) -> None:
    def ours() -> list[list[int]]:
        search, steps = Search(beam=width), prepared(model)
        return [_up_to_end(some[0].tokens) for ragged in batches for some in write(model, ragged, search, steps)]

    def theirs() -> list[list[int]]:
        found: list[list[int]] = []
        for ragged in batches:
            source, lengths = ragged.values, torch.as_tensor(ragged.host_lengths)
            more = plain.greedy(source, lengths, limit) if width == 1 else plain.beam(source, lengths, limit, width)
            found += more
        return found

    seconds: dict[str, list[float]] = {"elman": [], "plain": []}
    texts = {}
    for _ in range(rounds):
        for name, run in (("elman", ours), ("plain", theirs)):
            began = time.perf_counter()
            texts[name] = run()
            seconds[name].append(time.perf_counter() - began)
    count = len(texts["elman"])
    rate = {name: count / statistics.median(some) for name, some in seconds.items()}
    ratio = statistics.median(b / a for a, b in zip(seconds["elman"], seconds["plain"], strict=True))
    alike = sum(a == b for a, b in zip(texts["elman"], texts["plain"], strict=True)) / count
    label = f"{'greedy' if width == 1 else f'beam {width}'}, batch {rows}"
    print(f"{label:16}{rate['elman']:12.1f}{rate['plain']:14.1f}{ratio:8.2f}   {alike:.0%}", flush=True)


if __name__ == "__main__":
    main()
