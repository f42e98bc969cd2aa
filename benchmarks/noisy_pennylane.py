"""Compare forward and backward through noise with PennyLane's default.mixed on the same channels.

    pip install pennylane==0.45.1
    python benchmarks/noisy_pennylane.py --rounds 3

Runs an untrained model (4 qubits, 2 layers, 8 steps, 32 sequences) on ``simulator:NAME`` and, gate
by gate, the same transpiled circuit as PennyLane operations: rotations by angles, gates, and their
errors as Kraus operators. PennyLane runs one QNode for each step, broadcast over the batch, with
backprop through torch. Readouts and gradients must agree before anything is timed; rounds alternate
and the shortest one counts. Prints Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pennylane as qml
import torch
from numpy.typing import NDArray
from pennylane.devices.qubit_mixed import apply_operation
from qiskit.quantum_info import PTM, Kraus
from torch import Tensor

from circuits import unroll
from qrnn_qiskit import QRNN
from runtime_jobs.aer.channels import Channels, Piece
from runtime_jobs.aer.noisy_device import DeviceStages
from runtime_jobs.aer.prepared_circuit import prepare_circuit
from runtime_jobs.devices import open_device
from runtime_jobs.hardware.snapshots import open_target
from runtime_jobs.noisy import NoisySimulator
from runtime_jobs.noisy.prefixes import Block, list_blocks, split_steps

ROTATIONS = {1: qml.RX, 2: qml.RY, 3: qml.RZ}
PAULIS = (qml.PauliX, qml.PauliY, qml.PauliZ)
TOLERANCE = 1e-8
Call = Callable[[], tuple[Tensor, list[Tensor]]]


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="kingston")
    parser.add_argument("--qubits", type=int, default=4)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args(words)


def list_steps(model: QRNN, device: str, num_steps: int) -> list[list[Block]]:
    """Return the gates that each step adds to the transpiled circuit, with their errors."""
    stage = DeviceStages(device, open_target(device))(unroll(model.ansatz, num_steps))
    prefixes = []
    for step in range(1, num_steps + 1):
        prepared = prepare_circuit(unroll(model.ansatz, step), stage, [1], device)
        prefixes.append(
            list_blocks(prepared.compiled[0], prepared.parameters, Channels(stage.noise))
        )
    steps = split_steps(prefixes)
    if any(tail for _, tail in steps):
        raise SystemExit("the compiler moved gates across the end of a step: take another ansatz")
    return [trunk for trunk, _ in steps]


class QubitDensityMatrix(qml.QubitDensityMatrix):
    """A batch of density matrices, which default.mixed does not take otherwise.

    It has the name of the operation that the device knows.
    """

    ndim_params = (2,)


@apply_operation.register
def _set_state(
    op: QubitDensityMatrix, state: Tensor, *arguments: object, **options: object
) -> Tensor:
    """Replace the state of all wires by those of a batch."""
    replaced: Tensor = op.parameters[0].reshape(-1, *[2] * (2 * len(op.wires)))
    return replaced


class MixedQRNN:
    """The recurrence of a model with one QNode of default.mixed for each step.

    Args:
        model: The model, whose controller is used.
        steps: The gates of each step, see :func:`list_steps`.
        functionals: For each step the readouts as functions (4^n, K) of the Pauli coefficients.
    """

    def __init__(
        self, model: QRNN, steps: Sequence[Sequence[Block]], functionals: list[NDArray[np.float64]]
    ) -> None:
        self._model = model
        self._num_qubits = model.ansatz.num_qubits
        self._zero = torch.from_numpy(model.mode.replay.read_zero())
        single = [letter << (2 * q) for letter in (1, 2, 3) for q in range(self._num_qubits)]
        self._readouts = []
        for table in functionals:
            assert abs(np.delete(table, [0, *single], 0)).max() < 1e-12  # each is of one qubit
            self._readouts.append((torch.from_numpy(table[single]), torch.from_numpy(table[0])))
        device = qml.device("default.mixed", wires=self._num_qubits)
        self._nodes = [
            qml.QNode(self._write(blocks), device, interface="torch", diff_method="backprop")
            for blocks in steps
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """Return the readouts (B, T, K)."""
        batch, size = len(x), 1 << self._num_qubits
        state = torch.zeros(batch, size, size, dtype=torch.complex128)
        state[:, 0, 0] = 1.0
        readouts, values, outputs = self._zero.expand(batch, -1), x.new_zeros(batch, 0), []
        for step, (node, (table, offset)) in enumerate(
            zip(self._nodes, self._readouts, strict=True)
        ):
            theta = self._model.controller(torch.cat((x[:, step], readouts), 1))
            values = torch.cat((values, theta), 1)
            *means, state = node(state, values)
            readouts = torch.stack(means, 1).real @ table + offset
            outputs.append(readouts)
        return torch.stack(outputs, 1)

    def _write(self, blocks: Sequence[Block]) -> Callable[[Tensor, Tensor], list[Any]]:
        """Return the circuit of a step, whose wire q is qubit q."""
        wires = range(self._num_qubits)
        pieces = [piece for block in blocks for piece in block.pieces]
        operators = [None if p.matrix is None else find_kraus(p) for p in pieces]

        def circuit(state: Tensor, values: Tensor) -> list[Any]:
            QubitDensityMatrix(state, wires=wires)
            for piece, kraus in zip(pieces, operators, strict=True):
                if piece.angle is not None:
                    angle = sum(slope * values[:, column] for column, slope in piece.angle.terms)
                    ROTATIONS[piece.axis](angle + piece.angle.offset, wires=piece.qubits[0])
                elif len(kraus) == 1:
                    qml.QubitUnitary(kraus[0], wires=piece.qubits[::-1])
                else:
                    qml.QubitChannel(kraus, wires=piece.qubits[::-1])
            means = [qml.expval(pauli(wire)) for pauli in PAULIS for wire in wires]
            return [*means, qml.density_matrix(wires=wires)]

        return circuit


def find_kraus(piece: Piece) -> list[NDArray[np.complex128]]:
    """Return the fewest Kraus operators of a channel; its first qubit is the least significant."""
    return [np.asarray(matrix) for matrix in Kraus(PTM(piece.matrix)).data]


def train(model: QRNN, run: Callable[[Tensor], Tensor], x: Tensor) -> Call:
    """Return a call of forward and backward, with readouts and gradients."""
    weights = list(model.controller.parameters())

    def call() -> tuple[Tensor, list[Tensor]]:
        model.zero_grad()
        output = run(x)
        (output.square().sum()).backward()  # type: ignore[no-untyped-call]
        return output.detach(), [weight.grad.clone() for weight in weights]

    return call


def main(words: Sequence[str] | None = None) -> None:
    """Compare, measure and print."""
    arguments = parse_arguments(words)
    torch.manual_seed(0)
    model = QRNN(8, arguments.qubits, num_layers=2, controller_hidden=32, dtype=torch.float64)
    x = torch.rand(arguments.batch, arguments.steps, 8, dtype=torch.float64)
    executor = open_device(f"simulator:{arguments.device}")
    assert isinstance(executor, NoisySimulator)
    model.executor = executor
    compiled = executor.compile_steps(model.mode.replay, arguments.steps, torch.float64)
    mixed = MixedQRNN(
        model,
        list_steps(model, arguments.device, arguments.steps),
        [copies[0].functionals for copies in compiled],
    )
    calls = {
        f"`simulator:{arguments.device}`": train(model, lambda inputs: model(inputs)[0], x),
        "PennyLane `default.mixed`, backprop": train(model, mixed, x),
    }
    (output, gradients), (other, others) = (call() for call in calls.values())
    difference = float((output - other).abs().max())
    slope = max(float((a - b).abs().max()) for a, b in zip(gradients, others, strict=True))
    largest = max(float(gradient.abs().max()) for gradient in gradients)
    if not (difference < TOLERANCE and slope < TOLERANCE * largest):
        raise SystemExit(f"readouts differ by {difference:.1e}, gradients by {slope:.1e}")
    shortest = dict.fromkeys(calls, float("inf"))
    for _ in range(arguments.rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            shortest[name] = min(shortest[name], time.perf_counter() - start)
    first = next(iter(shortest.values()))
    print(
        f"Forward and backward, float64: n = {arguments.qubits}, T = {arguments.steps}, "
        f"B = {arguments.batch}, {torch.get_num_threads()} threads, PennyLane {qml.__version__}\n"
    )
    print("| simulator | s | ratio |\n|---|---|---|")
    for name, seconds in shortest.items():
        print(f"| {name} | {seconds:.4g} | {seconds / first:.1f} |")
    print(f"\nLargest difference of the readouts: {difference:.1e}, of the gradients: {slope:.1e}")


if __name__ == "__main__":
    main()
