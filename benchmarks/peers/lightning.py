"""PennyLane's lightning.qubit with adjoint: compiled gates, one QNode for each prefix.

The adjoint method gives no derivative with respect to a state that StatePrep sets, so prefixes are
replayed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pennylane as qml
import torch
from torch import Tensor, nn

from peers.pennylane_torch import apply_layer, list_readouts
from peers.prefixes import ReplayedQRNN
from peers.problem import Problem, TorchTool


def build(problem: Problem) -> TorchTool:
    """Build the recurrence with one vector-Jacobian product per sequence and prefix."""
    num_qubits = problem.num_qubits
    device = qml.device("lightning.qubit", wires=num_qubits, c_dtype=np.complex64)
    steps = problem.x.shape[1]
    prefixes = [_build_prefix(device, problem, count) for count in range(1, steps + 1)]
    controller = nn.Linear(problem.weight.shape[1], len(problem.weight))
    return TorchTool(problem, ReplayedQRNN(controller, num_qubits, prefixes), controller)


def _build_prefix(device: object, problem: Problem, steps: int) -> Callable[[Tensor], Tensor]:
    @qml.qnode(device, interface="torch", diff_method="adjoint", device_vjp=True)
    def prefix(theta: Tensor) -> list[Any]:
        for part in theta.chunk(steps * problem.num_layers, -1):
            apply_layer(problem.num_qubits, part)
        return list_readouts(problem.num_qubits)

    return lambda theta: torch.stack(prefix(theta), 1)
