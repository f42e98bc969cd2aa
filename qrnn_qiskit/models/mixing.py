"""Ablation of the circuit: a trainable orthogonal matrix in place of the entanglers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from circuits.validation import require_count
from qrnn_qiskit.controller import Controller
from qrnn_qiskit.models.dense_qubits import PauliModel, apply_gates, rotate
from qrnn_qiskit.models.orthogonal import Cayley
from qrnn_qiskit.recurrent import Step

__all__ = ["OrthogonalQRNN"]


class OrthogonalQRNN(PauliModel):
    """QRNN with a freely trained orthogonal matrix Q of 2^n rows in place of every entangler.

    Each layer applies the rotations by the controller's angles, as in QRNN, and then the same Q. Q
    has 2^n (2^n - 1)/2 parameters where a circuit has a few gates: the structure of the circuit is
    gone, while rotations, readouts and feedback stay. The parameters of Q are not included in
    ``model.parameters``.

    Args:
        input_size: Width E of the inputs.
        num_qubits, num_layers, rotations, controller_hidden, activation, dropout: As in
            :class:`~qrnn_qiskit.QRNN`.
        feedback_gain, angle_gain: As in :class:`~qrnn_qiskit.QRNN`.
        dtype: ``torch.float32`` or ``torch.float64``; torch's default dtype unless given.
    """

    kind = "orthogonal"

    def __init__(
        self,
        input_size: int,
        num_qubits: int,
        num_layers: int = 1,
        *,
        rotations: Sequence[str] = ("ry", "rz"),
        controller_hidden: int = 32,
        activation: str = "gelu",
        dropout: float = 0.0,
        feedback_gain: float = 1.0,
        angle_gain: float = 1.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, num_qubits, dtype)
        self.num_layers = require_count("num_layers", num_layers)
        self.controller = Controller(
            input_size,
            self.num_readouts,
            num_layers * num_qubits * len(rotations),
            hidden_size=require_count("controller_hidden", controller_hidden),
            activation=activation,
            dropout=dropout,
            feedback_gain=feedback_gain,
            angle_gain=angle_gain,
            dtype=dtype,
        )
        self.mixing = Cayley(1 << num_qubits, 0, dtype)
        self.rotations = tuple(rotations)

    def start(self, batch_size: int) -> Tensor:
        """Return |0...0>, (B, 2^n) complex."""
        size = (batch_size, 1 << self.num_qubits)
        states = torch.zeros(size, dtype=self.mixing.entries.dtype.to_complex())
        states[:, 0] = 1
        return states

    def prepare(self, x: Tensor) -> tuple[Tensor, Step]:
        """Return the unchanged inputs, and the step."""
        transposed = self.mixing().T.to(x.dtype.to_complex())

        def step(states: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
            angles = self.controller(torch.cat((inputs, self.values.of_states(states)), 1))
            shape = (self.num_layers, self.num_qubits, len(self.rotations))
            for gates in rotate(self.rotations, angles.unflatten(1, shape)).unbind(1):
                states = apply_gates(states, gates) @ transposed
            return states, self.values.of_states(states)

        return x, step
