"""One compiled step at a time, for callers that act between two steps."""

from __future__ import annotations

import torch
from torch import Tensor

from qrnn_qiskit.engines.contract import GIVEN
from qrnn_qiskit.engines.cpu.blocks import pack_states, unpack_states
from qrnn_qiskit.engines.cpu.call_records import Backward, Forward, Sizes
from qrnn_qiskit.engines.cpu.simulator import Simulator, find, lay_out, make_plain
from qrnn_qiskit.engines.reversible import Reversible, open_token
from qrnn_qiskit.interop.plain_tensors import check_stored


class Evolution(Reversible):
    """The states of a batch in lane vectors, moved by the compiled kernels.

    Args:
        simulator: The compiled step.
        vector: First states (B, 2^n), complex, or None for |0...0>.
        batch_size: B.
    """

    def __init__(self, simulator: Simulator, vector: Tensor | None, batch_size: int) -> None:
        super().__init__(batch_size)
        self.simulator = simulator
        self._states = self._pack(vector)
        self._residual = simulator.allocate_residual(batch_size)
        self._sizes = Sizes(
            threads=simulator.count_threads(batch_size, 1),
            kind=GIVEN,
            batch=batch_size,
            steps=1,
            angles=simulator.num_parameters,
            readouts=simulator.num_readouts,
        ).record()
        self._work = simulator.count_work(batch_size, 1)
        self._turns: list[Tensor] = []
        self._keeps_turns = torch.is_grad_enabled()
        # Backward: a copy of the states at `_at`, and their adjoint.
        self._back = self._adjoint = self._states[:0]

    def run(self, theta: Tensor) -> Tensor:
        """Apply one step with angles (B, P) in radians and return the readouts (B, K)."""
        simulator = self.simulator
        shape = (self.batch_size, simulator.num_parameters)
        angles = lay_out("angles", theta, shape, simulator.dtype)
        values = simulator.allocate((self.batch_size, simulator.num_readouts))
        turns = None
        if self._keeps_turns:
            turns = simulator.allocate(simulator.shape_turns(self.batch_size, 1))
        simulator.run(
            self._sizes,
            self._work,
            Forward(
                turns=find(turns),
                states=find(self._states),
                theta=find(angles),
                residual=find(self._residual),
                values=find(values),
            ),
        )
        self.position += 1
        if turns is not None:
            self._turns.append(turns)
        return values

    def vector(self) -> Tensor:
        """Return the states (B, 2^n), complex, bit q of the index being qubit q."""
        return self._unpack(self._states)

    def adjoint(self) -> Tensor:
        """Return the derivative (B, 2^n), complex, with respect to the states at this step."""
        return self._unpack(self._adjoint)

    def _turn_back(self) -> None:
        if not len(self._back):
            size = self._states.numel()
            pair = self.simulator.allocate(self.simulator.shape_pair(self.batch_size))
            self._back, self._adjoint = (row[:size].view_as(self._states) for row in pair.unbind())
        self._back.copy_(self._states)
        self._adjoint.zero_()

    def _add(self, gradient: Tensor) -> None:
        self._adjoint += self._pack(gradient)

    def _undo(self, gradient: Tensor | None) -> Tensor:
        by_values = None if gradient is None else make_plain(gradient)
        by_theta = self.simulator.allocate((self.batch_size, self.simulator.num_parameters))
        self.simulator.reverse(
            self._sizes,
            self._work,
            Backward(
                turns=find(self._turns[self._at - 1]),
                back=find(self._back),
                adjoint=find(self._adjoint),
                by_values=find(by_values),
                by_theta=find(by_theta),
            ),
        )
        self._at -= 1
        return by_theta

    def _pack(self, vector: Tensor | None) -> Tensor:
        simulator = self.simulator
        if vector is not None:
            check_stored("states", vector)
        packed = pack_states(vector, self.batch_size, simulator.num_qubits, simulator.real)
        return torch.from_numpy(packed)

    def _unpack(self, states: Tensor) -> Tensor:
        return unpack_states(states.numpy(), self.batch_size, self.simulator.num_qubits)


def begin(simulator: Simulator, vector: Tensor | None, batch_size: int) -> tuple[Evolution, Tensor]:
    """Start an evolution from complex states (B, 2^n), or from |0...0> for None.

    Returns:
        The evolution and its first token, see :func:`~qrnn_qiskit.engines.reversible.advance`.
    """
    evolution = Evolution(simulator, vector, batch_size)
    return evolution, open_token(evolution, vector)
