"""The compiled exact simulator as an executor of unitary circuits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from circuits import build_readout
from circuits.separation import separate_wide
from circuits.validation import require_count
from qrnn_qiskit.checks import check_memory
from qrnn_qiskit.engines.cpu import Simulator, begin
from qrnn_qiskit.engines.cpu.lane_vectors import lanes_per_vector
from qrnn_qiskit.executors.protocol import Counts, Estimates, Executor, Pub, check_values

__all__ = ["SimulatorExecutor", "runs_compiled"]


def runs_compiled(executor: Executor) -> bool:
    """Whether the compiled simulator runs whole sequences, with its adjoint gradient."""
    return type(executor) is SimulatorExecutor and executor.gradient is None


class SimulatorExecutor(Executor):
    """The compiled exact simulator, in float64, for circuits without measurements.

    Args:
        seed: Seed of :meth:`sample`; estimates are exact.
        gradient: The gradient method, see :mod:`qrnn_qiskit.executors.gradient_methods`. With one,
            a model replays its circuits here as on a device. By default a model runs whole
            sequences compiled, with the adjoint gradient.
    """

    name = "simulator"
    shots: int | None = None

    def __init__(self, seed: int | None = None, gradient: str | None = None) -> None:
        self.gradient = gradient
        self.counts = Counts()
        self._random = np.random.default_rng(seed)

    def run(self, pubs: Sequence[Pub]) -> list[Estimates]:
        """Compute the exact values of every PUB, in one job; see :class:`Executor`.

        A job that raises is not counted.

        Raises:
            UnsupportedCircuitError: The simulator does not support the circuit (a ValueError).
            ValueError: An observable acts on other qubits or is not Hermitian, the values have
                another shape or are not finite, or the state does not fit into memory.
        """
        if not pubs:
            return []
        estimates = [self._evaluate(pub) for pub in pubs]
        self._count([len(estimate.values) for estimate in estimates])
        return estimates

    def sample(
        self, circuit: QuantumCircuit, values: ArrayLike, shots: int
    ) -> list[dict[str, int]]:
        """Measure all qubits ``shots`` times; see :class:`Executor`.

        Raises:
            TypeError: ``shots`` is not an integer.
            ValueError: ``shots`` is below 1, or as :meth:`run`.
        """
        shots = require_count("shots", shots)
        simulator, angles = self._prepare(circuit, values, [])
        with torch.no_grad():
            evolution, _ = begin(simulator, None, len(angles))
            evolution.run(torch.from_numpy(angles))
            probabilities = evolution.vector().abs().square().numpy()
        self._count([len(angles)], len(angles) * shots)
        return [self._draw(row / row.sum(), shots, circuit.num_qubits) for row in probabilities]

    def _evaluate(self, pub: Pub) -> Estimates:
        num_qubits = pub.circuit.num_qubits
        operators = build_readout(list(pub.observables), num_qubits=num_qubits).observables
        values = check_values(pub.circuit, pub.values)
        found = np.zeros((len(values), len(operators)))
        for part in separate_wide(pub.circuit, operators):
            if len(part.rows):
                own = values[:, part.columns]
                simulator, angles = self._prepare(part.circuit, own, part.observables)
                with torch.no_grad():
                    evolution, _ = begin(simulator, None, len(angles))
                    found[:, part.rows] = evolution.run(torch.from_numpy(angles)).numpy()
        return Estimates(found)

    def _count(self, bindings: Sequence[int], executions: int = 0) -> None:
        self.counts.jobs += 1
        self.counts.pubs += len(bindings)
        self.counts.bindings += sum(bindings)
        self.counts.executions += executions

    def _draw(self, probabilities: NDArray[Any], shots: int, num_qubits: int) -> dict[str, int]:
        counts = self._random.multinomial(shots, probabilities)
        return {f"{state:0{num_qubits}b}": int(counts[state]) for state in counts.nonzero()[0]}

    def _prepare(
        self, circuit: QuantumCircuit, values: ArrayLike, observables: Sequence[SparsePauliOp]
    ) -> tuple[Simulator, NDArray[np.float64]]:
        angles = check_values(circuit, values)
        # The states, their copy as complex numbers, and the probabilities.
        check_memory(circuit.num_qubits, -(-len(angles) // lanes_per_vector(np.float64)), 3)
        return Simulator(circuit, observables, torch.float64), angles
