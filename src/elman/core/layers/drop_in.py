"""RNN, LSTM and GRU with torch.nn's signatures, weights and results, and with lengths.

The only home of ``batch_first``. The classes build on torch's ``RNNBase``, so state_dict names, weight order,
initial values, ``flatten_parameters`` and pickling are torch's own.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.core.cells.base import WeightedCell, view_of
from elman.core.cells.elman import ElmanCell
from elman.core.cells.gru import GRUCell
from elman.core.cells.lstm import LSTMCell
from elman.core.engines.memory import Memory
from elman.core.errors import InputError
from elman.core.ragged import Lengths, Ragged
from elman.core.state import State, leaves
from elman.core.unfold import unfold

__all__ = ["GRU", "LSTM", "RNN", "DropIn"]

Input = Tensor | Ragged | PackedSequence
D = TypeVar("D", bound="DropIn")


class DropIn(nn.RNNBase):
    """What RNN, LSTM and GRU share; not for use on its own."""

    _blanks: tuple[WeightedCell, ...]
    _names: list[str]

    def _make(self, input_size: int) -> WeightedCell:
        """A cell of this kind for a layer with inputs of that size."""
        raise TypeError(f"{type(self).__name__} names no cell")

    def _prepare(self) -> None:
        """Keep one cell a layer that owns no parameter: every forward pass lends it the layer's weights."""
        self._names = ["weight_ih", "weight_hh"]
        self._names += ["bias_ih", "bias_hh"] if self.bias else []
        self._names += ["weight_hr"] if self.proj_size else []
        blanks = []
        for layer in range(self.num_layers):
            both = 2 if self.bidirectional else 1
            size = self.input_size if layer == 0 else (self.proj_size or self.hidden_size) * both
            with torch.device("meta"):
                cell = self._make(size)
            blanks.append(cell.bind(dict.fromkeys(cell._parameters)))
        self._blanks = tuple(blanks)

    @classmethod
    def adopt(cls: type[D], module: nn.RNNBase) -> D:
        """Make torch's module one of this class, in place: the same object, parameters, hooks and buffers."""
        module.__class__ = cls
        taken = cast(D, module)
        taken._prepare()
        return taken

    def release(self, kind: type[nn.RNNBase]) -> None:
        """Make this module one of torch's class ``kind`` again, in place."""
        del self._blanks, self._names
        self.__class__ = kind  # type: ignore[assignment]

    def cell(self, layer: int, reverse: bool = False) -> WeightedCell:
        """The cell of one layer and direction, reading this module's weights as they are now."""
        suffix = f"_l{layer}_reverse" if reverse else f"_l{layer}"
        parameters, blank = self._parameters, self._blanks[layer]
        # A weight that is no parameter (parametrised, pruned) is an attribute, which takes longer to find.
        weights = {name: parameters.get(name + suffix) for name in self._names}
        for name, weight in weights.items():
            if weight is None:
                weights[name] = getattr(self, name + suffix)
        return view_of(blank, training=self.training, **weights)

    def forward(
        self,
        input: Input,
        hx: Any = None,
        lengths: Lengths = None,
        *,
        engine: str = "auto",
        memory: Memory = "keep",
    ) -> tuple[Any, Any]:
        """Run all layers.

        Args:
            input: ``(T, B, D)``, ``(B, T, D)`` with batch_first, ``(T, D)`` for one sequence, a
                :class:`~elman.Ragged` (always time-major) or a PackedSequence.
            hx: the state before the first step as torch has it, ``(L * directions, B, H)`` (a pair for LSTM),
                or None for zeros.
            lengths: ``(B,)`` true lengths, list or tensor on any device, in any order, zeros welcome. Then
                outputs behind a row's end are zero and the final state is that of its own last step.
            engine: see :func:`elman.unfold`.
            memory: see :func:`elman.unfold`.

        Returns:
            The top layer's outputs, in the form of the input, and the final state in torch's form.
        """
        ragged = self._read(input, lengths)
        single = isinstance(input, Tensor) and input.dim() == 2
        before = self._split(hx, ragged, single)
        ends: list[State] = []
        for layer in range(self.num_layers):
            ways = []
            for reverse in (False, True)[: 2 if self.bidirectional else 1]:
                cell = self.cell(layer, reverse)
                y, end = unfold(cell, ragged, before[len(ends)], engine=engine, memory=memory, reverse=reverse)
                ways.append(y.values)
                ends.append(end)
            ragged = ragged.with_values(torch.cat(ways, dim=-1) if len(ways) > 1 else ways[0])
            if self.dropout and self.training and layer + 1 < self.num_layers:
                ragged = ragged.map(lambda values: nn.functional.dropout(values, self.dropout))
        return self._write(ragged, input, single), self._join(ends, single)

    def _read(self, input: Input, lengths: Lengths) -> Ragged:
        if isinstance(input, (Ragged, PackedSequence)):
            if lengths is not None:
                raise InputError(f"lengths: a {type(input).__name__} has its own; leave lengths out")
            return input if isinstance(input, Ragged) else Ragged.from_packed(input)
        if not isinstance(input, Tensor) or input.dim() not in (2, 3):
            came = tuple(input.shape) if isinstance(input, Tensor) else type(input).__name__
            form = "(B, T, D)" if self.batch_first else "(T, B, D)"
            raise InputError(f"input: expected {form} or (T, D), got {came}")
        if input.shape[-1] != self.input_size:
            raise InputError(f"input: expected {self.input_size} features a step, got {tuple(input.shape)}")
        if input.dim() == 2:
            return Ragged(input.unsqueeze(1), lengths)
        return Ragged(input.transpose(0, 1) if self.batch_first else input, lengths)

    def _write(self, ragged: Ragged, input: Input, single: bool) -> Any:
        if isinstance(input, Ragged):
            return ragged
        if isinstance(input, PackedSequence):
            return ragged.to_packed(like=input)
        if single:
            return ragged.values.squeeze(1)
        return ragged.values.transpose(0, 1) if self.batch_first else ragged.values

    def _split(self, hx: Any, ragged: Ragged, single: bool) -> list[State]:
        count = self.num_layers * (2 if self.bidirectional else 1)
        if hx is None:
            return [None] * count
        parts = hx if self.mode == "LSTM" else (hx,)
        if not isinstance(parts, (tuple, list)) or not all(isinstance(part, Tensor) for part in parts):
            raise InputError(f"hx: expected {'(h, c)' if self.mode == 'LSTM' else 'a tensor'}, got {type(hx).__name__}")
        if self.mode == "LSTM" and len(parts) != 2:
            raise InputError(f"hx: expected (h, c), got {len(parts)} tensors")
        if single and any(part.dim() != 2 for part in parts):
            raise InputError(f"hx: expected ({count}, H) for one sequence (T, D), got {tuple(parts[0].shape)}")
        parts = [part.unsqueeze(1) if single and part.dim() == 2 else part for part in parts]
        widths = [self.proj_size or self.hidden_size, self.hidden_size][: len(parts)]
        for part, width in zip(parts, widths, strict=True):
            if part.shape != (count, ragged.batch, width):
                raise InputError(f"hx: expected ({count}, {ragged.batch}, {width}), got {tuple(part.shape)}")
        each = zip(*(part.unbind(0) for part in parts), strict=True)
        return [state if self.mode == "LSTM" else state[0] for state in each]

    def _join(self, ends: list[State], single: bool) -> Any:
        each = zip(*(leaves(end) for end in ends), strict=True)
        joined = [torch.stack(parts) if len(parts) > 1 else parts[0].unsqueeze(0) for parts in each]
        if single:
            joined = [part.squeeze(1) for part in joined]
        return tuple(joined) if self.mode == "LSTM" else joined[0]


class RNN(DropIn):
    """``torch.nn.RNN`` with lengths: a stack of Elman layers, :class:`elman.ElmanCell`.

    Same arguments, weights, results and state_dict; see :meth:`DropIn.forward` for what is more.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise InputError(f"nonlinearity: torch's RNN has tanh and relu, got {nonlinearity!r}; ElmanCell has more")
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity
        self._prepare()

    def _make(self, input_size: int) -> ElmanCell:
        return ElmanCell(input_size, self.hidden_size, self.nonlinearity, self.bias)


class LSTM(DropIn):
    """``torch.nn.LSTM`` with lengths: a stack of LSTM layers, :class:`elman.LSTMCell`.

    Same arguments, weights, results and state_dict; see :meth:`DropIn.forward` for what is more.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )
        self._prepare()

    def _make(self, input_size: int) -> LSTMCell:
        return LSTMCell(input_size, self.hidden_size, self.bias, self.proj_size)


class GRU(DropIn):
    """``torch.nn.GRU`` with lengths: a stack of GRU layers, :class:`elman.GRUCell`.

    Same arguments, weights, results and state_dict; see :meth:`DropIn.forward` for what is more.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self._prepare()

    def _make(self, input_size: int) -> GRUCell:
        return GRUCell(input_size, self.hidden_size, self.bias)
