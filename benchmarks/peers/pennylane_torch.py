"""PennyLane as users of torch call it: default.qubit, backprop, broadcast over the batch."""

from __future__ import annotations

from typing import Any

import pennylane as qml
import torch
from torch import Tensor

from peers.problem import Problem, TorchTool
from peers.stepped import SteppedQRNN, build_stepped


def apply_layer(num_qubits: int, theta: Any) -> None:
    """Apply one layer as PennyLane's operations, from angles (..., 2 n).

    PennyLane's wire 0 is the most significant bit. Qubit q is wire q, so only the order of the
    amplitudes differs.
    """
    for wire in range(num_qubits):
        qml.RY(theta[..., 2 * wire], wires=wire)
        qml.RZ(theta[..., 2 * wire + 1], wires=wire)
    for wire in range(num_qubits - 1):
        qml.CZ(wires=(wire, wire + 1))


def list_readouts(num_qubits: int) -> list[Any]:
    """Return X of every qubit, then Y, then Z, as PennyLane's measurements."""
    paulis = (qml.PauliX, qml.PauliY, qml.PauliZ)
    return [qml.expval(pauli(wire)) for pauli in paulis for wire in range(num_qubits)]


class PennyLaneQRNN(SteppedQRNN):
    """The recurrence with one QNode per step, from a state to readouts and state."""

    def __init__(self, input_size: int, num_qubits: int, num_layers: int) -> None:
        super().__init__(input_size, num_qubits, num_layers)
        device = qml.device("default.qubit", wires=num_qubits)

        @qml.qnode(device, interface="torch", diff_method="backprop")
        def run_step(psi: Tensor, theta: Tensor) -> list[Any]:
            qml.StatePrep(psi, wires=range(num_qubits), validate_norm=False)
            for part in theta.chunk(num_layers, -1):
                apply_layer(num_qubits, part)
            return [*list_readouts(num_qubits), qml.state()]

        self.run_step = run_step

    def begin(self, batch: int) -> Tensor:
        """Return |0...0>, complex (batch, 2^n)."""
        psi = torch.zeros(batch, 1 << self.num_qubits, dtype=torch.complex128)
        psi[:, 0] = 1.0
        return psi

    def step(self, state: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Run the QNode of a step."""
        *values, state = self.run_step(state, theta)
        return state, torch.stack(values, 1).to(theta.dtype)


def build(problem: Problem) -> TorchTool:
    """Build the recurrence of a problem."""
    return build_stepped(PennyLaneQRNN, problem)
