"""Measure the speed of exact noisy simulation against Aer, and that of training on it.

    python benchmarks/noisy_simulator.py --images 200 --rounds 1

Measures, alternated in one process, the digits model (4 qubits, 2 layers, 8 steps) on images of
the digits: dynamic circuits on `simulator:NAME` and, sampled, on `aer:NAME`; expectation mode on
both without shots; and the gradient on `simulator:NAME`. Everything is compiled before the clock
starts. Prints Markdown with the shortest time of each, the ratios, and the largest difference
between the exact readouts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from sklearn.datasets import load_digits

from qrnn_qiskit import QRNN
from runtime_jobs.devices import open_device


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="kingston")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--shots", type=int, default=1000, help="of the dynamic circuits on Aer")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args(words)


def make_model(readout: str) -> QRNN:
    """Return the digits model, untrained: its speed does not depend on its weights."""
    torch.manual_seed(0)
    return QRNN(8, 4, num_layers=2, readout=readout, controller_hidden=32)


def run(model: QRNN, device: str, x: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Return a call that runs the images on a device, which it opens once."""
    executor = open_device(device, seed=0 if "shots" in device else None)

    def call() -> torch.Tensor:
        model.executor = executor
        with torch.no_grad():
            output, _ = model(x)
        return output

    return call


def train(model: QRNN, device: str, x: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Return a call of forward and backward on a batch."""
    executor = open_device(device)

    def call() -> torch.Tensor:
        model.executor = executor
        model.zero_grad()
        output, state = model(x)
        (output.sum() + state.readouts.sum()).backward()
        return output

    return call


def measure(calls: dict[str, Callable[[], torch.Tensor]], rounds: int) -> dict[str, float]:
    """Return the shortest seconds of each call, alternated."""
    shortest = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            shortest[name] = min(shortest[name], time.perf_counter() - start)
    return shortest


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    arguments = parse_arguments(words)
    images = torch.tensor(load_digits().images[: arguments.images] / 16.0, dtype=torch.float32)
    measured, expectation = make_model("measured"), make_model("expectation")
    noisy, aer = f"simulator:{arguments.device}", f"aer:{arguments.device}"
    dynamic = {
        noisy: run(measured, noisy, images),
        f"{noisy}?shots={arguments.shots}": run(
            measured, f"{noisy}?shots={arguments.shots}", images
        ),
        f"{aer}?shots={arguments.shots}": run(measured, f"{aer}?shots={arguments.shots}", images),
    }
    replayed = {noisy: run(expectation, noisy, images), aer: run(expectation, aer, images)}
    batch = images[:32]
    gradients = {
        "expectation": train(expectation, noisy, batch),
        "measured": train(measured, noisy, batch),
    }
    for call in (dynamic[noisy], *replayed.values()):
        call()  # compiles the circuits, and the kernels on first use; both are kept
    for call in gradients.values():
        call()
    print(f"{len(images)} images, {torch.get_num_threads()} threads\n")
    print("| circuits | device | s | times the exact simulator |\n|---|---|---|---|")
    for kind, calls in (("dynamic", dynamic), ("expectation", replayed)):
        found = measure(calls, arguments.rounds)
        for name, seconds in found.items():
            print(f"| {kind} | `{name}` | {seconds:.4g} | {seconds / found[noisy]:.1f} |")
    for name, seconds in measure(gradients, max(3, arguments.rounds)).items():
        print(f"| {name}, forward and backward of 32 | `{noisy}` | {seconds:.4g} | |")
    difference = (replayed[noisy]() - replayed[aer]()).abs().max()
    print(f"\nLargest difference of the exact readouts in float32: {float(difference):.1e}")


if __name__ == "__main__":
    main()
