"""Forward and backward of one training batch, side by side in one run.

    python benchmarks/speed.py                  # against plain torch autograd and PennyLane
    python benchmarks/speed.py --qubits 8 --rounds 7 --peers plain

All models have the same affine controller with the same weights; before anything is timed, their
readouts and gradients are compared. Rounds alternate between the models and the best one counts.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from plain_torch import PlainTorchQRNN
from torch import Tensor, nn

from qrnn_qiskit import QRNN

INPUT_SIZE = 8


def build_models(num_qubits: int, num_layers: int, peers: list[str]) -> dict[str, nn.Module]:
    """Build the models by name, with the weights of the first."""
    torch.manual_seed(0)
    ours = QRNN(INPUT_SIZE, num_qubits, num_layers, controller_hidden=None)
    models: dict[str, nn.Module] = {"qrnn_qiskit": ours}
    if "plain" in peers:
        models["plain torch"] = PlainTorchQRNN(INPUT_SIZE, num_qubits, num_layers)
    if "pennylane" in peers:
        from pennylane_qrnn import PennyLaneQRNN

        models["pennylane"] = PennyLaneQRNN(INPUT_SIZE, num_qubits, num_layers)
    weights = ours.controller.layers[0].state_dict()
    for name, model in models.items():
        if name != "qrnn_qiskit":
            model.controller.load_state_dict(weights)
    return models


def train_once(model: nn.Module, x: Tensor) -> Tensor:
    """Forward and backward; return the readouts."""
    model.zero_grad()
    output = model(x)
    output = output[0] if isinstance(output, tuple) else output
    output.square().mean().backward()
    return output.detach()


def compare(models: dict[str, nn.Module], x: Tensor) -> None:
    """Fail unless all models have the same readouts and gradients."""
    results = {}
    for name, model in models.items():
        output = train_once(model, x)
        results[name] = (output, torch.cat([p.grad.flatten() for p in model.parameters()]))
    wanted = results["qrnn_qiskit"]
    for name, (output, gradient) in results.items():
        torch.testing.assert_close(output, wanted[0], atol=1e-4, rtol=1e-3, msg=f"{name}: readouts")
        torch.testing.assert_close(gradient, wanted[1], atol=1e-4, rtol=1e-2, msg=f"{name}: slopes")


def time_alternately(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, round by round."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def main() -> None:
    """Measure, print a table in Markdown, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--qubits", type=int, nargs="+", default=[4, 6, 8, 10, 12, 14])
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", nargs="*", default=["plain", "pennylane"])
    parser.add_argument("--pennylane-up-to", type=int, default=8, help="qubits; it takes long")
    parser.add_argument("--out", type=Path, help="also write the report to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    peers = list(arguments.peers)
    if "pennylane" in peers and importlib.util.find_spec("pennylane") is None:
        peers.remove("pennylane")
        print("PennyLane is not installed: `make bench` installs it.")
    packages = ["torch", "numba", "qiskit", *(["pennylane"] if "pennylane" in peers else [])]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    lines = [
        f"# Forward + backward, {time.strftime('%Y-%m-%d')}",
        "",
        f"{_describe_processor()}, {arguments.threads} threads; Python "
        f"{platform.python_version()}, {versions}. Batch {arguments.batch}, {arguments.steps} "
        f"steps, {arguments.layers} layers, `linear` ansatz, 3n readouts, float32, affine "
        f"controller; best of {arguments.rounds} alternated rounds (median in brackets).",
        "",
        "| qubits | model | milliseconds | times slower |",
        "|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for num_qubits in arguments.qubits:
        used = [p for p in peers if p != "pennylane" or num_qubits <= arguments.pennylane_up_to]
        models = build_models(num_qubits, arguments.layers, used)
        x = torch.randn(arguments.batch, arguments.steps, INPUT_SIZE)
        compare(models, x)
        calls = {name: partial(train_once, model, x) for name, model in models.items()}
        seconds = time_alternately(calls, arguments.rounds)
        best = min(seconds["qrnn_qiskit"])
        for name, times in seconds.items():
            middle = sorted(times)[len(times) // 2]
            lines.append(
                f"| {num_qubits} | {name} | {1e3 * min(times):.2f} ({1e3 * middle:.2f}) "
                f"| {min(times) / best:.1f} |"
            )
            print(lines[-1], flush=True)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text("\n".join(lines) + "\n")


def _describe_processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if os.name == "posix" else []:
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
