"""PyQTorch: its circuit, run on the carried state, differentiated by autograd.

Its adjoint mode gives one expectation value per circuit and no derivative with respect to the
initial state, so this recurrence would need a replay of every prefix for each of the 3 n readouts.
"""

from __future__ import annotations

import pyqtorch as pyq
import torch
from torch import Tensor

from peers.problem import Problem, TorchTool
from peers.stepped import SteppedQRNN, build_stepped


class PyQTorchQRNN(SteppedQRNN):
    """The recurrence on PyQTorch's state, complex (2, ..., 2, batch); qubit q is dimension q."""

    def __init__(self, input_size: int, num_qubits: int, num_layers: int) -> None:
        super().__init__(input_size, num_qubits, num_layers)
        self.names: list[str] = []
        operations: list[object] = []
        for layer in range(num_layers):
            for qubit in range(num_qubits):
                for gate in (pyq.RY, pyq.RZ):
                    self.names.append(f"{gate.__name__}{layer}_{qubit}")
                    operations.append(gate(qubit, self.names[-1]))
            operations += [pyq.CZ(qubit, qubit + 1) for qubit in range(num_qubits - 1)]
        self.circuit = pyq.QuantumCircuit(num_qubits, operations).to(torch.complex64)
        self.observables = torch.nn.ModuleList(
            pyq.Observable(pauli(qubit)).to(torch.complex64)
            for pauli in (pyq.X, pyq.Y, pyq.Z)
            for qubit in range(num_qubits)
        )

    def begin(self, batch: int) -> Tensor:
        """Return |0...0>, complex (2, ..., 2, batch)."""
        return pyq.zero_state(self.num_qubits, batch_size=batch, dtype=torch.complex64)

    def step(self, state: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Run the circuit and take every expectation value."""
        values = dict(zip(self.names, theta.unbind(1), strict=True))
        state = pyq.run(self.circuit, state, values)
        readouts = [observable.expectation(state) for observable in self.observables]
        return state, torch.stack(readouts, 1)


def build(problem: Problem) -> TorchTool:
    """Build the recurrence of a problem."""
    return build_stepped(PyQTorchQRNN, problem)
