"""PennyLane's lightning.qubit with adjoint: compiled gates, one QNode for each prefix.

The adjoint method gives no derivative by a state that StatePrep sets, so prefixes are replayed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pennylane as qml
import torch
from torch import Tensor, nn

from peers.prefixes import ReplayedQRNN
from peers.problem import Problem, TorchTool


def build(problem: Problem) -> TorchTool:
    """One vector-Jacobian product a sequence and prefix, on the device."""
    num_qubits = problem.num_qubits
    device = qml.device("lightning.qubit", wires=num_qubits, c_dtype=np.complex64)
    steps = problem.x.shape[1]
    prefixes = [_build_prefix(device, problem, count) for count in range(1, steps + 1)]
    controller = nn.Linear(problem.weight.shape[1], len(problem.weight))
    return TorchTool(problem, ReplayedQRNN(controller, num_qubits, prefixes), controller)


def _build_prefix(device: object, problem: Problem, steps: int) -> Callable[[Tensor], Tensor]:
    wires = range(problem.num_qubits)

    @qml.qnode(device, interface="torch", diff_method="adjoint", device_vjp=True)
    def prefix(theta: Tensor) -> list[object]:
        column = 0
        for _ in range(steps * problem.num_layers):
            for wire in wires:
                qml.RY(theta[..., column], wires=wire)
                qml.RZ(theta[..., column + 1], wires=wire)
                column += 2
            for wire in wires[:-1]:
                qml.CZ(wires=(wire, wire + 1))
        paulis = (qml.PauliX, qml.PauliY, qml.PauliZ)
        return [qml.expval(pauli(wire)) for pauli in paulis for wire in wires]

    return lambda theta: torch.stack(prefix(theta), 1)
