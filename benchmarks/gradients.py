"""Compare a replayed training step with EstimatorQNN and its ParamShiftEstimatorGradient.

    python benchmarks/gradients.py

Forward and backward of 8 sequences of 3 steps, 4 qubits, 16 angles per step, X, Y and Z of every
qubit, exact, in one run. Both have the same controller and chain the same partial derivatives
through it; their gradients are compared and must agree. The peer has a network for every prefix.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from peers.estimator import replay_estimator
from torch import Tensor

from qrnn_qiskit import QRNN, SimulatorExecutor
from qrnn_qiskit.executors import Executor

INPUT_SIZE, STEPS = 8, 3


def train_once(forward: Callable[[Tensor], Tensor], model: QRNN, x: Tensor) -> tuple[float, Tensor]:
    """Return the seconds of forward and backward, and the gradient of all weights."""
    start = time.perf_counter()
    loss = forward(x).square().mean()
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    seconds = time.perf_counter() - start
    return seconds, torch.cat([gradient.flatten() for gradient in gradients])


def open_executors(names: Sequence[str]) -> dict[str, Executor]:
    """Open the executors to measure: the compiled simulator, a replay on it, and the devices."""
    from runtime_jobs.devices import open_device

    replaying = SimulatorExecutor(gradient="parameter-shift")
    own: dict[str, Executor] = {
        "simulator, compiled (adjoint)": SimulatorExecutor(),
        "simulator, replayed": replaying,
    }
    return own | {f"{name}, replayed": open_device(name) for name in names}


def main() -> None:
    """Measure in alternated rounds, of which the best one counts, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--on", nargs="*", default=["aer"], help="exact devices")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8, help="sequences")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    model = QRNN(INPUT_SIZE, num_qubits=4, num_layers=2)
    x = torch.randn(arguments.batch, STEPS, INPUT_SIZE)
    peer = replay_estimator(model.controller, model.ansatz, model.readout.observables, STEPS)
    executors = open_executors(arguments.on)
    seconds: dict[str, list[float]] = {"EstimatorQNN": [], **{name: [] for name in executors}}
    differences = dict.fromkeys(seconds, 0.0)
    largest = 0.0
    for _ in range(arguments.rounds):
        spent, expected = train_once(peer, model, x)
        seconds["EstimatorQNN"].append(spent)
        largest = float(expected.abs().max())
        for name, executor in executors.items():
            model.executor = executor
            spent, gradient = train_once(lambda x: model(x)[0], model, x)
            seconds[name].append(spent)
            differences[name] = max(differences[name], float((gradient - expected).abs().max()))
    print(
        f"{platform.machine()}, torch threads {torch.get_num_threads()}; {model.num_qubits} "
        f"qubits, {model.ansatz.num_parameters} angles per step, {STEPS} steps, batch "
        f"{arguments.batch}, exact; best of {arguments.rounds} alternated rounds (median). "
        f"Largest gradient {largest:.1e}.\n\n"
        "| forward + backward | seconds | times faster | largest difference of gradients |\n"
        "|---|---|---|---|"
    )
    for name, times in seconds.items():
        ratio = min(seconds["EstimatorQNN"]) / min(times)
        print(
            f"| {name} | {min(times):.4f} ({statistics.median(times):.4f}) | {ratio:.0f} "
            f"| {differences[name]:.1e} |"
        )
    wrong = [name for name, difference in differences.items() if difference > 1e-5]
    if wrong:
        raise SystemExit(f"the gradients of {', '.join(wrong)} differ from those of EstimatorQNN")


if __name__ == "__main__":
    main()
