"""PennyLane as users of torch call it: default.qubit, backprop, broadcast over the batch."""

from __future__ import annotations

from functools import partial

import pennylane as qml
import torch
from torch import Tensor

from peers.problem import Problem, TorchTool
from peers.stepped import SteppedQRNN, build_stepped


def run_step(num_qubits: int, num_layers: int, psi: Tensor, theta: Tensor) -> list[object]:
    """One step as PennyLane's operations, from state and angles (..., 2 n L).

    PennyLane's wire 0 is the most significant bit; wires are numbered so that qubit q is wire q
    and only the order of the amplitudes differs.
    """
    wires = range(num_qubits)
    qml.StatePrep(psi, wires=wires, validate_norm=False)
    column = 0
    for _ in range(num_layers):
        for wire in wires:
            qml.RY(theta[..., column], wires=wire)
            qml.RZ(theta[..., column + 1], wires=wire)
            column += 2
        for wire in range(num_qubits - 1):
            qml.CZ(wires=(wire, wire + 1))
    paulis = (qml.PauliX, qml.PauliY, qml.PauliZ)
    return [*(qml.expval(pauli(wire)) for pauli in paulis for wire in wires), qml.state()]


class PennyLaneQRNN(SteppedQRNN):
    """One QNode a step that takes the state and returns readouts and state."""

    def __init__(self, input_size: int, num_qubits: int, num_layers: int) -> None:
        super().__init__(input_size, num_qubits, num_layers)
        device = qml.device("default.qubit", wires=num_qubits)
        step = partial(run_step, num_qubits, num_layers)
        self.run_step = qml.QNode(step, device, interface="torch", diff_method="backprop")

    def begin(self, batch: int) -> Tensor:
        """|0...0>, complex (batch, 2^n)."""
        psi = torch.zeros(batch, 1 << self.num_qubits, dtype=torch.complex128)
        psi[:, 0] = 1.0
        return psi

    def step(self, state: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Run the QNode."""
        *values, state = self.run_step(state, theta)
        return state, torch.stack(values, 1).to(theta.dtype)


def build(problem: Problem) -> TorchTool:
    """Prepare a problem."""
    return build_stepped(PennyLaneQRNN, problem)
