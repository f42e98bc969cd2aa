"""The model of this package."""

from __future__ import annotations

from peers.problem import INPUT_SIZE, Problem, TorchTool
from qrnn_qiskit import QRNN


def build(problem: Problem) -> TorchTool:
    """Build the model with an affine controller."""
    model = QRNN(INPUT_SIZE, problem.num_qubits, problem.num_layers, controller_hidden=None)
    return TorchTool(problem, model, model.controller.layers[0])
