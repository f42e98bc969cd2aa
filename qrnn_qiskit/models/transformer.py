"""A small causal Transformer, whose memory is every input so far."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from circuits.errors import InvalidValueError
from circuits.validation import require_count
from qrnn_qiskit.batch_random import Dropout
from qrnn_qiskit.checks import check_batch, check_number
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["Transformer", "count_transformer"]

MOST_HEADS = 4
LONGEST_WAVE = 10_000.0  # of the sinusoidal positions, in steps over 2 pi


class Transformer(RecurrentModel):
    """Causal self-attention with normalization before each part, and sinusoidal positions.

    It has no state of a fixed size: the memory is all inputs so far, and grows with the sequence.
    The width D is divided among 4 heads, or 2 or 1 where 4 does not divide it. Sources: Vaswani et
    al., arXiv:1706.03762; the order of normalization of Xiong et al., arXiv:2002.04745.

    Args:
        input_size: Width E of the inputs.
        hidden_size: Width D of the residual stream, which is the output.
        num_layers: Number of blocks.
        controller_hidden: Width of the hidden layer of each block's feedforward network; 4 D unless
            given.
        dropout: Probability of dropping an output in training.
        dtype: ``torch.float32`` or ``torch.float64``; torch's default dtype unless given.
    """

    kind = "transformer"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        controller_hidden: int | None = None,
        dropout: float = 0.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = require_count("input_size", input_size)
        self.hidden_size = require_count("hidden_size", hidden_size)
        wide = 4 * hidden_size if controller_hidden is None else controller_hidden
        require_count("controller_hidden", wide)
        require_count("num_layers", num_layers)
        check_number("dropout", dropout, minimum=0.0, below=1.0)
        self.input = nn.Linear(input_size, hidden_size, dtype=dtype)
        self.blocks = nn.ModuleList(Block(hidden_size, wide, dtype) for _ in range(num_layers))
        self.normalize = nn.LayerNorm(hidden_size, dtype=dtype)
        self.dropout = Dropout(dropout)

    @property
    def num_readouts(self) -> int:
        """The width D."""
        return self.hidden_size

    def forward(
        self, x: Tensor, state: HiddenState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, HiddenState]:
        """Run sequences; see :meth:`RecurrentModel.forward`."""
        ends = check_batch(x, lengths, self.input_size, next(self.parameters()).dtype)
        last = torch.tensor([x.shape[1]] * len(x) if ends is None else ends)
        valid = (torch.arange(x.shape[1]) < last[:, None]).to(x.dtype)[..., None]
        # The memory tells steps that count from the padding of shorter sequences.
        steps = torch.cat((x * valid, valid), -1)
        if state is not None:
            steps = torch.cat((self._recall(state, len(x)), steps), 1)
        hidden = self._attend(steps)[:, -x.shape[1] :]
        output = self.dropout(hidden * valid)
        readouts = output[torch.arange(len(x)), last - 1]
        return output, HiddenState(readouts, memory=steps)

    def _attend(self, steps: Tensor) -> Tensor:
        """Return the outputs (B, S, D) of all steps, (B, S, E + 1)."""
        counts = steps[..., -1] > 0
        hidden = self.input(steps[..., :-1]) + self._locate(counts)
        past = torch.ones(steps.shape[1], steps.shape[1], dtype=torch.bool).tril()
        itself = torch.eye(steps.shape[1], dtype=torch.bool)
        seen = (past & counts[:, None, :] | itself)[:, None]
        for block in self.blocks:
            hidden = block(hidden, seen)
        normalized: Tensor = self.normalize(hidden)
        return normalized

    def _locate(self, counts: Tensor) -> Tensor:
        """Return the sinusoidal positions (B, S, D) of the steps that count, from 0."""
        width = (self.hidden_size + 1) // 2
        like = self.input.weight
        rates = LONGEST_WAVE ** (-torch.arange(width, dtype=like.dtype) / width)
        phases = (counts.cumsum(1) - 1).to(like.dtype)[..., None] * rates
        waves = torch.stack((phases.sin(), phases.cos()), -1).flatten(-2)
        return waves[..., : self.hidden_size]

    def _recall(self, state: HiddenState, batch_size: int) -> Tensor:
        memory, width = state.memory, self.input_size + 1
        if memory is None or memory.ndim != 3 or memory.shape[::2] != (batch_size, width):
            found = "none" if memory is None else tuple(memory.shape)
            raise InvalidValueError(
                f"expected a state that this model returned, with a memory of shape "
                f"({batch_size}, steps, {width}) for the {batch_size} sequence(s) of x, got {found}"
            )
        return memory


class Block(nn.Module):
    """Self-attention and a feedforward network, each added to what it reads."""

    def __init__(self, size: int, wide: int, dtype: torch.dtype | None) -> None:
        super().__init__()
        self.heads = math.gcd(size, MOST_HEADS)
        self.before_attention = nn.LayerNorm(size, dtype=dtype)
        self.mix = nn.Linear(size, 3 * size, dtype=dtype)
        self.join = nn.Linear(size, size, dtype=dtype)
        self.feed = nn.Sequential(
            nn.LayerNorm(size, dtype=dtype),
            nn.Linear(size, wide, dtype=dtype),
            nn.GELU(),
            nn.Linear(wide, size, dtype=dtype),
        )

    def forward(self, hidden: Tensor, seen: Tensor) -> Tensor:
        """Return the next hidden values (B, S, D); ``seen`` (B, 1, S, S) is what a step sees."""
        parts = self.mix(self.before_attention(hidden)).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        hidden = hidden + self.join(attended.transpose(1, 2).flatten(-2))
        fed: Tensor = hidden + self.feed(hidden)
        return fed


def count_transformer(input_size: int, hidden_size: int, num_layers: int, wide: int) -> int:
    """Count the parameters of :class:`Transformer` with ``controller_hidden`` = ``wide``."""
    attention = 4 * hidden_size * (hidden_size + 1) + 2 * hidden_size
    feed = 2 * hidden_size * wide + wide + 3 * hidden_size
    return hidden_size * (input_size + 3) + num_layers * (attention + feed)
