"""qiskit-machine-learning: an EstimatorQNN for each prefix, connected to torch by TorchConnector.

Its gradients use parameter shift (two circuits per angle and observable). They are derivatives by
inputs and not by an initial state, so prefixes are replayed.
"""

from __future__ import annotations

from collections.abc import Sequence

from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
from qiskit_machine_learning.neural_networks import EstimatorQNN
from torch import nn

from circuits import Ansatz, build_ansatz, build_readout, prefix_circuits
from peers.prefixes import ReplayedQRNN
from peers.problem import Problem, TorchTool


def build(problem: Problem) -> TorchTool:
    """Build the recurrence with exact expectation values."""
    ansatz = build_ansatz("linear", num_qubits=problem.num_qubits, num_layers=problem.num_layers)
    readout = build_readout(num_qubits=problem.num_qubits)
    controller = nn.Linear(problem.weight.shape[1], len(problem.weight))
    model = replay_estimator(controller, ansatz, readout.observables, problem.x.shape[1])
    return TorchTool(problem, model, controller)


def replay_estimator(
    controller: nn.Module, ansatz: Ansatz, observables: Sequence[SparsePauliOp], steps: int
) -> ReplayedQRNN:
    """Build the recurrence of ``steps`` steps from one EstimatorQNN per prefix."""
    estimator = StatevectorEstimator()
    prefixes = [
        TorchConnector(
            EstimatorQNN(
                circuit=circuit,
                observables=observables,
                input_params=list(circuit.parameters),
                estimator=estimator,
                gradient=ParamShiftEstimatorGradient(estimator),
                input_gradients=True,
                default_precision=0.0,
            )
        )
        for circuit in prefix_circuits(ansatz, steps)
    ]
    return ReplayedQRNN(controller, ansatz.num_qubits, prefixes)
