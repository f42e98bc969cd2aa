"""A hidden Markov chain with inputs: the classical memory of S states."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from circuits.errors import InvalidValueError
from circuits.validation import require_count
from qrnn_qiskit.checks import check_batch
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.recurrent import Filtered, Step, SteppedModel

__all__ = ["HMM"]


class HMM(SteppedModel):
    """A Markov chain of S hidden states whose moves and outcomes depend on the input.

    In a step the chain moves from state s to s' and emits a bit y with the probability
    p(y, s' | s, x), a softmax over y and s' of a linear function of the input. The memory is the
    distribution over the states. :meth:`filter` conditions it on recorded bits; :meth:`forward`,
    for tasks without a record, sums over them. It is trained by gradients of the likelihood, as all
    models here are, and not by the algorithm of Baum and Welch.

    Args:
        input_size: Width E of the inputs.
        hidden_size: Number of states S; there are 2 S^2 (E + 1) + S parameters.
        dropout: Probability of dropping an output in training.
        dtype: ``torch.float32`` or ``torch.float64``; torch's default dtype unless given.
    """

    kind = "hmm"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        dropout: float = 0.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, dropout)
        self.hidden_size = require_count("hidden_size", hidden_size)
        self.moves = nn.Linear(input_size, 2 * hidden_size**2, dtype=dtype)
        # States that begin alike stay alike: torch's small weights would not tell them apart.
        nn.init.normal_(self.moves.weight)
        self.first = nn.Parameter(torch.zeros(hidden_size, dtype=dtype))

    @property
    def num_readouts(self) -> int:
        """The number of states S."""
        return self.hidden_size

    @property
    def record_size(self) -> int:
        """One bit in each step."""
        return 1

    @property
    def output_axis(self) -> tuple[str, str]:
        """What an output is, and what its values are."""
        return "hidden state", "probability"

    def start(self, batch_size: int) -> Tensor:
        """Return the initial distribution (B, S)."""
        return self.first.softmax(0).expand(batch_size, -1)

    def prepare(self, x: Tensor) -> tuple[Tensor, Step]:
        """Return the probabilities of moves (B, T, S, S), summed over the bit, and the step."""

        def step(states: Tensor, moves: Tensor) -> tuple[Tensor, Tensor]:
            states = (states[:, None] @ moves)[:, 0]
            return states, states

        return self._list_moves(x).sum(-2), step

    def filter(
        self,
        x: Tensor,
        record: Tensor,
        lengths: Tensor | None = None,
        state: HiddenState | None = None,
    ) -> Filtered:
        """Condition sequences on records of one bit a step; see :meth:`RecurrentModel.filter`."""
        ends = check_batch(x, lengths, self.input_size, self.first.dtype)
        if record.shape != (*x.shape[:2], 1) or not bool(((record == 0) | (record == 1)).all()):
            raise InvalidValueError(
                f"expected record of shape {(*x.shape[:2], 1)}, the bit 0 or 1 of each step, got "
                f"{tuple(record.shape)} with values from {record.min()} to {record.max()}"
            )
        states = self.start(len(x)) if state is None else self.recall(state, len(x))
        ones, logs = [], []
        last = torch.tensor([x.shape[1]] * len(x) if ends is None else ends)
        steps = zip(self._list_moves(x).unbind(1), record.long().unbind(1), strict=True)
        for t, (moves, bits) in enumerate(steps):
            joint = torch.einsum("bs,bsyz->byz", states, moves)
            taken = joint.gather(1, bits[..., None].expand(-1, -1, self.hidden_size))[:, 0]
            probability, valid = taken.sum(1), last > t
            states = torch.where(valid[:, None], taken / probability[:, None], states)
            ones.append(joint[:, 1].sum(1) * valid)
            logs.append(probability.log() * valid)
        state = HiddenState(states, memory=states)
        return Filtered(torch.stack(ones, 1)[..., None], torch.stack(logs, 1), state)

    def _list_moves(self, x: Tensor) -> Tensor:
        """Return p(y, s' | s, x), (B, T, S, 2, S)."""
        size = self.hidden_size
        logits = self.moves(x).unflatten(-1, (size, 2 * size))
        return logits.softmax(-1).unflatten(-1, (2, size))
