"""Time the likelihood of records and its gradient, and that of plain torch, one after the other.

    python benchmarks/records.py
    python benchmarks/records.py --frame undone --tools ours torch
    python benchmarks/records.py --tools ours measure --rounds 1   # minutes
    python benchmarks/records.py --tools ours --qubits 14 --steps 100 --batch 16 --rounds 1

Each round times every tool once on the same weights, inputs and records, so that what else the
machine does meets all of them. Prints the median seconds of forward and backward, the median of the
ratios within a round, and the most memory that the process has taken.

Two ways to do it in PennyLane take part where it is installed. ``pennylane``: its default.qubit
runs the gates of a step with backprop, broadcast over the batch, and torch conditions the state.
``measure``: ``qml.measure(postselect=...)`` in the circuit, which says nothing about the
probability of what it selects. So each step of each sequence is a circuit of its own, which selects
the record before the step and returns the probabilities of the next bit. It needs mcm_method
"tree-traversal"; "deferred" takes a wire for each measurement of a qubit.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import statistics
import time
from collections.abc import Callable

import torch
from peers.plain_torch import PlainTorchQRNN
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


class PennyLaneMeasure(TorchRecords):
    """The same with ``qml.measure(postselect=...)``: a circuit for each step of each sequence."""

    def __init__(self, model: QRNN) -> None:
        super().__init__(model)
        import pennylane as qml
        from peers.pennylane_torch import apply_layer

        device = qml.device("default.qubit", wires=self.num_qubits)

        @qml.qnode(device, interface="torch", diff_method="backprop", mcm_method="tree-traversal")
        def find_next(theta: Tensor, bits: list[int]) -> object:
            for step, angles in enumerate(theta.unbind(0)):
                for part in angles.chunk(self.num_layers):
                    apply_layer(self.num_qubits, part)
                if step < len(bits):
                    qml.measure(0, postselect=bits[step])
                    if self.is_undone:
                        for part in reversed(angles.chunk(self.num_layers)):
                            qml.adjoint(apply_layer)(self.num_qubits, part)
            return qml.probs(wires=0)

        self.find_next = find_next

    def find_likelihood(self, x: Tensor, record: Tensor) -> Tensor:
        """Return the log-likelihood (B, T) of a record (B, T, 1)."""
        before = torch.cat((-torch.ones(len(x), 1, 1), 2 * record[:, :-1] - 1), 1)
        theta = self.controller(torch.cat((x, before), 2))
        logs = []
        for angles, row in zip(theta, record[..., 0].int().tolist(), strict=True):
            found = [
                self.find_next(angles[: step + 1], row[:step])[bit].log()
                for step, bit in enumerate(row)
            ]
            logs.append(torch.stack(found))
        return torch.stack(logs).to(x.dtype)


def main() -> None:
    """Print the median times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--qubits", type=int, default=8)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--frame", default="kept", choices=["kept", "undone"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--clock", default="wall", choices=["wall", "cpu"], help="cpu where other programs run"
    )
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
    if importlib.util.find_spec("pennylane"):
        for name, kind in (("pennylane", PennyLaneRecords), ("measure", PennyLaneMeasure)):
            if name in arguments.tools:
                peer = kind(model)
                calls[name] = lambda peer=peer: peer.find_likelihood(x, record)
    check_agreement(model, calls)
    clock = time.process_time if arguments.clock == "cpu" else time.perf_counter
    times = time_rounds(calls, arguments.rounds, clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{arguments} on {torch.get_num_threads()} thread(s), at most {peak:.2f} GiB")
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


def time_rounds(
    calls: dict[str, Callable[[], Tensor]], rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Return the seconds of forward and backward of every tool in every round."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = clock()
            call().mean().backward()
            times[name].append(clock() - start)
    return times


if __name__ == "__main__":
    main()
