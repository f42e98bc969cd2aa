"""Time the likelihood of records and its gradient, and that of plain torch, one after the other.

    python benchmarks/records.py
    python benchmarks/records.py --frame undone --tools ours torch

Each round times every tool once on the same weights, inputs and records, so that what else the
machine does meets all of them. Prints the median seconds of forward and backward, and the median of
the ratios within a round. ``pennylane`` takes part where it is installed: its default.qubit runs
the gates of a step with backprop, broadcast over the batch, and torch does the rest.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
from collections.abc import Callable

import torch
from peers.plain_torch import PlainTorchQRNN
from timing import time_call
from torch import Tensor

from qrnn_qiskit import QRNN

INPUT_SIZE = 8
SEED = 0


class TorchRecords(PlainTorchQRNN):
    """The pure state along a record, gate by gate: qubit 0 is measured projectively.

    Args:
        model: The model whose controller is used.
    """

    def __init__(self, model: QRNN) -> None:
        super().__init__(model.input_size, model.num_qubits, model.num_layers)
        self.controller = model.controller
        assert model.measurement is not None
        self.is_undone = model.measurement.is_undone

    def find_likelihood(self, x: Tensor, record: Tensor) -> Tensor:
        """Return the log-likelihood (B, T) of a record (B, T, 1)."""
        state, before = self.begin(len(x)), -torch.ones(len(x), 1)
        logs = []
        for inputs, bits in zip(x.unbind(1), record.unbind(1), strict=True):
            theta = self.controller(torch.cat((inputs, before), 1))
            state = self.apply_gates(state, theta)
            state, log = self.condition(state, bits)
            if self.is_undone:
                state = self.undo_gates(state, theta)
            logs.append(log)
            before = 2 * bits - 1
        return torch.stack(logs, 1)

    def apply_gates(self, state: Tensor, theta: Tensor) -> Tensor:
        """Apply the circuit of a step."""
        for part in theta.chunk(self.num_layers, 1):
            for qubit in range(self.num_qubits):
                state = self.rotate_y(state, qubit, part[:, 2 * qubit])
                state = self.rotate_z(state, qubit, part[:, 2 * qubit + 1])
            for signs in self.controlled_signs:
                state = state * signs
        return state

    def undo_gates(self, state: Tensor, theta: Tensor) -> Tensor:
        """Apply its inverse."""
        for part in reversed(theta.chunk(self.num_layers, 1)):
            for signs in self.controlled_signs:
                state = state * signs
            for qubit in range(self.num_qubits):
                state = self.rotate_z(state, qubit, -part[:, 2 * qubit + 1])
                state = self.rotate_y(state, qubit, -part[:, 2 * qubit])
        return state

    def rotate_y(self, state: Tensor, qubit: int, angle: Tensor) -> Tensor:
        """Apply RY."""
        c, s = torch.cos(angle / 2)[:, None, None], torch.sin(angle / 2)[:, None, None]
        a, b = self.split(state, qubit)
        return torch.stack((c * a - s * b, s * a + c * b), 2).flatten(1)

    def rotate_z(self, state: Tensor, qubit: int, angle: Tensor) -> Tensor:
        """Apply RZ."""
        phase = torch.exp(0.5j * angle)[:, None, None]
        a, b = self.split(state, qubit)
        return torch.stack((phase.conj() * a, phase * b), 2).flatten(1)

    def condition(self, state: Tensor, bits: Tensor) -> tuple[Tensor, Tensor]:
        """Project qubit 0 onto bits (B, 1); return the state and the logarithm of its norm."""
        kept = torch.cat((1 - bits, bits), 1)[:, None, :, None]
        halves = torch.stack(self.split(state, 0), 2)
        state = (halves * kept).flatten(1)
        norm = state.abs().square().sum(1)
        return state / norm.sqrt()[:, None], norm.log()


class PennyLaneRecords(TorchRecords):
    """The same with the gates of PennyLane's default.qubit and backprop."""

    def __init__(self, model: QRNN) -> None:
        super().__init__(model)
        import pennylane as qml
        from peers.pennylane_torch import apply_layer

        wires = list(range(self.num_qubits))
        device = qml.device("default.qubit", wires=wires)

        @qml.qnode(device, interface="torch", diff_method="backprop")
        def run_gates(psi: Tensor, theta: Tensor) -> object:
            # Wire 0 is PennyLane's most significant bit, and the layer puts qubit q on wire q.
            qml.StatePrep(psi, wires=wires[::-1], validate_norm=False)
            for part in theta.chunk(self.num_layers, -1):
                apply_layer(self.num_qubits, part)
            return qml.state()

        @qml.qnode(device, interface="torch", diff_method="backprop")
        def run_back(psi: Tensor, theta: Tensor) -> object:
            qml.StatePrep(psi, wires=wires[::-1], validate_norm=False)
            for part in reversed(theta.chunk(self.num_layers, -1)):
                qml.adjoint(apply_layer)(self.num_qubits, part)
            return qml.state()

        self.run_gates, self.run_back = run_gates, run_back

    def apply_gates(self, state: Tensor, theta: Tensor) -> Tensor:
        """Run the QNode of a step."""
        return self._reverse(self.run_gates(state, theta)).to(state.dtype)

    def undo_gates(self, state: Tensor, theta: Tensor) -> Tensor:
        """Run the QNode of its inverse."""
        return self._reverse(self.run_back(state, theta)).to(state.dtype)

    def _reverse(self, state: Tensor) -> Tensor:
        """Return PennyLane's amplitudes in the order of qubit 0 as the least significant bit."""
        axes = range(self.num_qubits, 0, -1)
        return state.reshape(len(state), *[2] * self.num_qubits).permute(0, *axes).flatten(1)


def main() -> None:
    """Print the median times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--qubits", type=int, default=8)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--frame", default="kept", choices=["kept", "undone"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tools", nargs="+", default=["ours", "torch", "pennylane"])
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    model = QRNN(
        INPUT_SIZE,
        arguments.qubits,
        arguments.layers,
        readout="measured",
        measurement_frame=arguments.frame,
        controller_hidden=None,
        activation="linear",
        dtype=torch.float32,
    )
    x = torch.randn(arguments.batch, arguments.steps, INPUT_SIZE)
    record = model.sample(x)
    calls: dict[str, Callable[[], Tensor]] = {"ours": lambda: model.filter(x, record)[1]}
    if "torch" in arguments.tools:
        plain = TorchRecords(model)
        calls["torch"] = lambda: plain.find_likelihood(x, record)
    if "pennylane" in arguments.tools and importlib.util.find_spec("pennylane"):
        pennylane = PennyLaneRecords(model)
        calls["pennylane"] = lambda: pennylane.find_likelihood(x, record)
    check_agreement(model, calls)
    times = time_rounds(calls, arguments.rounds)
    print(f"{arguments} on {torch.get_num_threads()} thread(s)")
    for name, found in times.items():
        ratios = [other / own for other, own in zip(found, times["ours"], strict=True)]
        print(
            f"{name}: {1e3 * statistics.median(found):.2f} ms, "
            f"{statistics.median(ratios):.1f} times as long as ours "
            f"({min(ratios):.1f} to {max(ratios):.1f})"
        )


def find_gradient(model: QRNN, call: Callable[[], Tensor]) -> list[Tensor]:
    """Return the gradients of the mean log-likelihood with respect to the controller."""
    return list(torch.autograd.grad(call().mean(), list(model.parameters())))


def check_agreement(model: QRNN, calls: dict[str, Callable[[], Tensor]]) -> None:
    """Refuse to time tools that do not compute the same (AssertionError)."""
    with torch.no_grad():
        values = {name: call() for name, call in calls.items()}
    for name, call in calls.items():
        torch.testing.assert_close(values[name], values["ours"], atol=1e-3, rtol=1e-3)
        found, own = find_gradient(model, call), find_gradient(model, calls["ours"])
        for one, other in zip(found, own, strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-2)


def time_rounds(calls: dict[str, Callable[[], Tensor]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of forward and backward of every tool in every round."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(time_call(lambda call=call: call().mean().backward()))
    return times


if __name__ == "__main__":
    main()
