"""TorchQuantum, the tool of arXiv:2510.25557: batched gates on its QuantumDevice, autograd."""

from __future__ import annotations

import sys
from types import ModuleType

import qiskit_aer.noise.device.parameters
import torch
from torch import Tensor

from peers.problem import Problem, TorchTool
from peers.stepped import SteppedQRNN, build_stepped

# TorchQuantum 0.1.8 was written for Qiskit 0.39 to 0.46, which its simulator does not use. Aer has
# been renamed since, and the plugin that translates circuits to Qiskit is left out.
sys.modules["qiskit.providers.aer"] = qiskit_aer
for _name in ("noise", "noise.device", "noise.device.parameters"):
    sys.modules[f"qiskit.providers.aer.{_name}"] = sys.modules[f"qiskit_aer.{_name}"]
for _name in ("torchquantum.plugin", "torchquantum.plugin.qiskit"):
    sys.modules[_name] = ModuleType(_name)
sys.modules["torchquantum.plugin.qiskit"].QISKIT_INCOMPATIBLE_FUNC_NAMES = []

import torchquantum as tq  # noqa: E402
import torchquantum.functional as tqf  # noqa: E402


class TorchQuantumQRNN(SteppedQRNN):
    """The recurrence on the state of a QuantumDevice, (batch, 2, ..., 2); wire q is qubit q."""

    def begin(self, batch: int) -> Tensor:
        """Return |0...0>, complex (batch, 2, ..., 2)."""
        return tq.QuantumDevice(self.num_qubits, bsz=batch).states

    def step(self, state: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the gates and measure X, Y and Z in rotated bases."""
        device = self.hold(state)
        angles = iter(theta.unbind(1))
        for _ in range(self.num_layers):
            for wire in range(self.num_qubits):
                tqf.ry(device, wires=wire, params=next(angles))
                tqf.rz(device, wires=wire, params=next(angles))
            for wire in range(self.num_qubits - 1):
                tqf.cz(device, wires=[wire, wire + 1])
        state = device.states
        readouts = [self.read(state, turn) for turn in (tqf.hadamard, tqf.sx, None)]
        return state, torch.cat(readouts, 1)

    def hold(self, state: Tensor) -> tq.QuantumDevice:
        """Return a device in a state, which it does not change in place."""
        device = tq.QuantumDevice(self.num_qubits, bsz=len(state))
        device.states = state
        return device

    def read(self, state: Tensor, turn: object) -> Tensor:
        """Measure Z of every qubit after one gate on each: X after a Hadamard gate, Y after SX."""
        device, wires = self.hold(state), list(range(self.num_qubits))
        for wire in wires if turn else ():
            turn(device, wires=wire)
        return tq.expval(device, wires, [tq.PauliZ()] * self.num_qubits)


def build(problem: Problem) -> TorchTool:
    """Build the recurrence of a problem."""
    return build_stepped(TorchQuantumQRNN, problem)
