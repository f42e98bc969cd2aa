"""The same recurrent network in PennyLane: default.qubit, backprop, broadcast over the batch."""

from __future__ import annotations

import pennylane as qml
import torch
from torch import Tensor, nn


class PennyLaneQRNN(nn.Module):
    """One QNode a step that takes the state, applies the step and returns readouts and state.

    PennyLane's wire 0 is the most significant bit; wires are numbered so that qubit q is wire q
    and only the order of the amplitudes differs.
    """

    def __init__(self, input_size: int, num_qubits: int, num_layers: int) -> None:
        super().__init__()
        self.num_qubits = num_qubits
        self.controller = nn.Linear(input_size + 3 * num_qubits, 2 * num_qubits * num_layers)
        wires = range(num_qubits)
        device = qml.device("default.qubit", wires=num_qubits)

        @qml.qnode(device, interface="torch", diff_method="backprop")
        def step(psi: Tensor, theta: Tensor) -> list[object]:
            qml.StatePrep(psi, wires=wires, validate_norm=False)
            columns = iter(theta.unbind(-1))
            for _ in range(num_layers):
                for wire in wires:
                    qml.RY(next(columns), wires=wire)
                    qml.RZ(next(columns), wires=wire)
                for wire in range(num_qubits - 1):
                    qml.CZ(wires=(wire, wire + 1))
            paulis = (qml.PauliX, qml.PauliY, qml.PauliZ)
            return [*(qml.expval(pauli(wire)) for pauli in paulis for wire in wires), qml.state()]

        self.run_step = step

    def forward(self, x: Tensor) -> Tensor:
        """Return the readouts (batch, time, 3 n) of inputs (batch, time, input_size)."""
        psi = torch.zeros(len(x), 1 << self.num_qubits, dtype=torch.complex128)
        psi[:, 0] = 1.0
        ground = torch.tensor([0.0] * (2 * self.num_qubits) + [1.0] * self.num_qubits)
        readouts = ground.expand(len(x), -1)
        outputs = []
        for inputs in x.unbind(1):
            theta = self.controller(torch.cat((inputs, readouts), 1))
            *values, psi = self.run_step(psi, theta)
            readouts = torch.stack(values, 1).to(x.dtype)
            outputs.append(readouts)
        return torch.stack(outputs, 1)
