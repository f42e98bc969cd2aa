"""PyTorch's recurrent networks with one layer: RNN, LSTM and GRU."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from circuits.errors import InvalidValueError
from circuits.validation import require_count
from qrnn_qiskit.batch_random import Dropout
from qrnn_qiskit.checks import check_batch, check_number
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.recurrent import RecurrentModel, recall_memory

__all__ = ["GRU", "LSTM", "RNN", "TorchModel"]

_MOST_BITS = 16
Memory = Tensor | tuple[Tensor, ...]


class TorchModel(RecurrentModel):
    """A PyTorch network with H hidden units; output and readouts are the hidden units.

    Args:
        input_size: Width E of the inputs.
        hidden_size: Number of hidden units H.
        num_biases: 2, as in torch, or 1: the bias of the recurrent weights then stays 0. In RNN and
            LSTM the second bias adds parameters and no expressive power.
        memory_bits: Bits b of a hidden unit, 1 to 16, in RNN and GRU: after each step a unit, which
            lies in [-1, 1], is rounded to the nearest of 2^b equally spaced values. The gradient
            passes as if it were not (the straight-through estimator, arXiv:1308.3432). None for
            the floats of the dtype.
        dropout: Probability of dropping an output in training.
        dtype: ``torch.float32`` or ``torch.float64``; torch's default dtype unless given.
    """

    network_class: ClassVar[type[nn.RNN | nn.LSTM | nn.GRU]]
    num_gates: ClassVar[int]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_biases: int = 2,
        memory_bits: int | None = None,
        dropout: float = 0.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = require_count("input_size", input_size)
        self.hidden_size = require_count("hidden_size", hidden_size)
        if num_biases not in (1, 2):
            raise InvalidValueError(f"expected num_biases of 1 or 2, got {num_biases!r}")
        if memory_bits is not None and require_count("memory_bits", memory_bits) > _MOST_BITS:
            raise InvalidValueError(
                f"expected memory_bits from 1 to {_MOST_BITS}, or None, got {memory_bits}"
            )
        self.memory_bits = memory_bits
        check_number("dropout", dropout, minimum=0.0, below=1.0)
        self.network = self.network_class(input_size, hidden_size, batch_first=True, dtype=dtype)
        if num_biases == 1:
            bias = self.network.bias_hh_l0
            assert isinstance(bias, nn.Parameter)
            nn.init.zeros_(bias)
            bias.requires_grad_(False)
        self.dropout = Dropout(dropout)

    @classmethod
    def count(cls, input_size: int, hidden_size: int, num_biases: int) -> int:
        """Return the number of trainable parameters of this size."""
        return cls.num_gates * hidden_size * (input_size + hidden_size + num_biases)

    @property
    def num_readouts(self) -> int:
        """The number of hidden units H."""
        return self.hidden_size

    def forward(
        self, x: Tensor, state: HiddenState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, HiddenState]:
        """Run sequences; see :meth:`RecurrentModel.forward`."""
        ends = check_batch(x, lengths, self.input_size, next(self.parameters()).dtype)
        memory = None if state is None else self._recall(state, x)
        last = torch.tensor([x.shape[1]] * len(x) if ends is None else ends)
        if self.memory_bits is not None:
            output, memory = self._run_rounded(x, memory, last)
        elif ends is None or min(ends) == x.shape[1]:
            # The gradient of a packed sequence takes time that grows with the square of T.
            output, memory = self.network(x, memory)
        else:
            packed = pack_padded_sequence(x, last, batch_first=True, enforce_sorted=False)
            packed, memory = self.network(packed, memory)
            output, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        output = self.dropout(output)
        readouts = output[torch.arange(len(x)), last - 1]
        return output, HiddenState(readouts, memory=self._join(memory))

    def _run_rounded(self, x: Tensor, memory: Memory | None, last: Tensor) -> tuple[Tensor, Memory]:
        """Run step by step; the output of a step is the rounded memory after it."""
        assert self.memory_bits is not None
        assert not isinstance(memory, tuple)
        half = (2**self.memory_bits - 1) / 2  # the number of intervals in a unit
        outputs: list[Tensor] = []
        for step, inputs in enumerate(x.unbind(1)):
            moved = self.network(inputs[:, None], memory)[1]
            rounded = torch.round((moved.detach() + 1) * half) / half - 1
            moved = moved + (rounded - moved.detach())
            valid = (last > step)[:, None].to(x.device)
            memory = moved if memory is None else torch.where(valid, moved, memory)
            outputs.append(moved[0] * valid)
        assert memory is not None
        return torch.stack(outputs, 1), memory

    def _join(self, memory: Memory) -> Tensor:
        """Join the memory to (B, H), for LSTM to (B, 2H): hidden units, then cells."""
        parts = memory if isinstance(memory, tuple) else (memory,)
        return torch.cat([part[0] for part in parts], 1)

    def _recall(self, state: HiddenState, x: Tensor) -> Memory:
        width = self.hidden_size * (2 if self.kind == "lstm" else 1)
        memory = recall_memory(state, (len(x), width))
        parts = tuple(
            part[None].contiguous() for part in memory.chunk(width // self.hidden_size, 1)
        )
        return parts if self.kind == "lstm" else parts[0]


class RNN(TorchModel):
    """Elman network with tanh, :class:`torch.nn.RNN`."""

    kind = "rnn"
    network_class = nn.RNN
    num_gates = 1


class LSTM(TorchModel):
    """Long short-term memory, :class:`torch.nn.LSTM`.

    Args:
        input_size, hidden_size, num_biases, dropout, dtype: As in :class:`TorchModel`.
        chrono: T_max of the chrono start (Tallec and Ollivier, arXiv:1804.11188), the longest time
            that a cell should remember, at least 3: the bias of a forget gate starts as log u with
            u uniform in [1, T_max - 1], that of the input gate as its negative. None for the start
            of torch.

    Raises:
        TypeError, ValueError: An argument is out of range.
    """

    kind = "lstm"
    network_class = nn.LSTM
    num_gates = 4

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_biases: int = 2,
        chrono: int | None = None,
        dropout: float = 0.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_biases=num_biases, dropout=dropout, dtype=dtype
        )
        if chrono is None:
            return
        longest = require_count("chrono", chrono, minimum=3)
        first, second = (getattr(self.network, f"bias_{name}_l0") for name in ("ih", "hh"))
        with torch.no_grad():
            forget = first.new_empty(hidden_size).uniform_(1, longest - 1).log()
            # Gates are in the order input, forget, cell, output.
            first[: 2 * hidden_size] = torch.cat((-forget, forget))
            second[: 2 * hidden_size] = 0


class GRU(TorchModel):
    """Gated recurrent unit, :class:`torch.nn.GRU`."""

    kind = "gru"
    network_class = nn.GRU
    num_gates = 3
