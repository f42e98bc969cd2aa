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
from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["GRU", "LSTM", "RNN", "TorchModel"]


class TorchModel(RecurrentModel):
    """A PyTorch network with H hidden units; output and readouts are the hidden units.

    Args:
        input_size: Width E of the inputs.
        hidden_size: Number of hidden units H.
        num_biases: 2, as in torch, or 1: the bias of the recurrent weights then stays 0. In RNN and
            LSTM the second bias adds parameters and no expressive power.
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
        dropout: float = 0.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = require_count("input_size", input_size)
        self.hidden_size = require_count("hidden_size", hidden_size)
        if num_biases not in (1, 2):
            raise InvalidValueError(f"expected num_biases of 1 or 2, got {num_biases!r}")
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
        last = torch.tensor([x.shape[1]] * len(x) if ends is None else ends)
        packed = pack_padded_sequence(x, last, batch_first=True, enforce_sorted=False)
        packed, memory = self.network(packed, None if state is None else self._recall(state, x))
        output, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        output = self.dropout(output)
        readouts = output[torch.arange(len(x)), last - 1]
        return output, HiddenState(readouts, memory=self._join(memory))

    def _join(self, memory: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Join the memory to (B, H), for LSTM to (B, 2H): hidden units, then cells."""
        parts = memory if isinstance(memory, tuple) else (memory,)
        return torch.cat([part[0] for part in parts], 1)

    def _recall(self, state: HiddenState, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        width = self.hidden_size * (2 if self.kind == "lstm" else 1)
        memory = state.memory
        if memory is None or memory.shape != (len(x), width):
            got = "none" if memory is None else tuple(memory.shape)
            raise InvalidValueError(
                f"expected a state that this model returned, with a memory of shape "
                f"{(len(x), width)} for the {len(x)} sequence(s) of x, got {got}"
            )
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
    """Long short-term memory, :class:`torch.nn.LSTM`."""

    kind = "lstm"
    network_class = nn.LSTM
    num_gates = 4


class GRU(TorchModel):
    """Gated recurrent unit, :class:`torch.nn.GRU`."""

    kind = "gru"
    network_class = nn.GRU
    num_gates = 3
