"""The quantum long short-term memory of Chen, Yoo and Fang (arXiv:2009.01783)."""

from __future__ import annotations

import math

import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from torch import Tensor, nn

from circuits import build_readout
from circuits.validation import require_count
from qrnn_qiskit.engines.cpu import Simulator, begin
from qrnn_qiskit.engines.reversible import advance
from qrnn_qiskit.recurrent import Step, SteppedModel

__all__ = ["QLSTM", "build_gate_circuit", "count_qlstm"]

_GATES = 4  # forget, input, update, output


def build_gate_circuit(num_qubits: int, num_layers: int) -> QuantumCircuit:
    """Build the circuit of one gate, with parameters ``x[0]`` to ``x[2n-1]`` and ``w[...]``.

    Encoding: H, RY(x[q]), RZ(x[n + q]) on every qubit q. Each layer: CNOTs from every qubit to its
    first and then to its second neighbour on a ring, and rotations RZ, RY, RZ on every qubit,
    whose angles are w, ordered by layer, then qubit. Fewer than 3 qubits have no second neighbour.
    """
    circuit = QuantumCircuit(num_qubits)
    inputs = ParameterVector("x", 2 * num_qubits)
    weights = iter(ParameterVector("w", 3 * num_qubits * num_layers))
    for qubit in range(num_qubits):
        circuit.h(qubit)
        circuit.ry(inputs[qubit], qubit)
        circuit.rz(inputs[num_qubits + qubit], qubit)
    for _ in range(num_layers):
        for distance in range(1, min(3, num_qubits)):
            for qubit in range(num_qubits):
                circuit.cx(qubit, (qubit + distance) % num_qubits)
        for qubit in range(num_qubits):
            circuit.rz(next(weights), qubit)
            circuit.ry(next(weights), qubit)
            circuit.rz(next(weights), qubit)
    return circuit


class QLSTM(SteppedModel):
    """An LSTM whose four gates are parametrized circuits, on the compiled simulator.

    v = W [x_t ; h_(t-1)] has n entries; a circuit encodes arctan(v) and arctan(v^2), and a linear
    map turns its n values of Z into the H entries of a gate. The four circuits have separate
    weights and run as one batch. Deviations from the article, as in most later work: the linear
    maps, without which H + E qubits would be needed; and no circuits after the cell, which the head
    replaces.

    Args:
        input_size: Width E of the inputs.
        hidden_size: Number of hidden units H.
        num_qubits: Number of qubits n of each of the four circuits.
        num_layers: Number of layers of each circuit.
        dropout: Probability of dropping an output in training.
        dtype: ``torch.float32`` or ``torch.float64``; torch's default dtype unless given.
    """

    kind = "qlstm"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_qubits: int,
        num_layers: int = 1,
        *,
        dropout: float = 0.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, dropout)
        self.hidden_size = require_count("hidden_size", hidden_size)
        self.num_qubits = require_count("num_qubits", num_qubits)
        require_count("num_layers", num_layers)
        self.encode = nn.Linear(input_size + hidden_size, num_qubits, dtype=dtype)
        angles = torch.empty(_GATES, 3 * num_qubits * num_layers, dtype=dtype)
        self.angles = nn.Parameter(angles.uniform_(-math.pi, math.pi))
        self.decode = nn.ModuleList(
            nn.Linear(num_qubits, hidden_size, dtype=dtype) for _ in range(_GATES)
        )
        self._simulators: dict[torch.dtype, Simulator] = {}
        self._compile(self.angles.dtype)

    @property
    def num_readouts(self) -> int:
        """The number of hidden units H."""
        return self.hidden_size

    def start(self, batch_size: int) -> Tensor:
        """Return zeros (B, 2H): h, then c."""
        return self.angles.new_zeros(batch_size, 2 * self.hidden_size)

    def prepare(self, x: Tensor) -> tuple[Tensor, Step]:
        """Return the inputs multiplied by their part of W, and the step."""
        simulator = self._compile(x.dtype)
        weight = self.encode.weight
        from_input, from_hidden = weight[:, : self.input_size], weight[:, self.input_size :]

        def step(memory: Tensor, drive: Tensor) -> tuple[Tensor, Tensor]:
            hidden, cell = memory.chunk(2, 1)
            encoded = torch.addmm(drive, hidden, from_hidden.T)
            forget, admit, update, emit = self._run_gates(simulator, encoded)
            cell = forget.sigmoid() * cell + admit.sigmoid() * update.tanh()
            hidden = emit.sigmoid() * cell.tanh()
            return torch.cat((hidden, cell), 1), hidden

        return nn.functional.linear(x, from_input, self.encode.bias), step

    def _run_gates(self, simulator: Simulator, encoded: Tensor) -> list[Tensor]:
        """Run 4B circuits as one batch: the four gates (B, H) before their nonlinearities."""
        batch_size = len(encoded)
        inputs = torch.cat((encoded.atan(), encoded.square().atan()), 1)
        weights = self.angles[:, None].expand(-1, batch_size, -1)
        # The simulator orders parameters by name, so the inputs x come after the weights w.
        angles = torch.cat((weights, inputs.expand(_GATES, -1, -1)), 2).flatten(0, 1)
        evolution, token = begin(simulator, None, len(angles))
        _, values = advance(evolution, token, angles)
        split = values.view(_GATES, batch_size, self.num_qubits)
        return [decode(part) for decode, part in zip(self.decode, split, strict=True)]

    def _compile(self, dtype: torch.dtype) -> Simulator:
        if dtype not in self._simulators:
            num_layers = self.angles.shape[1] // (3 * self.num_qubits)
            circuit = build_gate_circuit(self.num_qubits, num_layers)
            observables = build_readout("z", num_qubits=self.num_qubits).observables
            self._simulators[dtype] = Simulator(circuit, observables, dtype)
        return self._simulators[dtype]


def count_qlstm(input_size: int, hidden_size: int, num_qubits: int, num_layers: int) -> int:
    """Count the parameters of :class:`QLSTM`: the linear maps and the angles of the circuits."""
    encode = (input_size + hidden_size + 1) * num_qubits
    decode = (num_qubits + 1) * hidden_size
    return encode + _GATES * (decode + 3 * num_qubits * num_layers)
