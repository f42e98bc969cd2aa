"""Measure what several registers cost, relative to one, in one alternated run.

    python benchmarks/registers.py

A training pass (forward and backward) of R registers and one of a single register take turns, so
that other work on the machine slows both. Prints, in Markdown, for each R the shortest time of each
and their ratio, which R separate models would make R; and the growth of the peak of memory when
the sequences become twice as long, with the part of it that states would take if each were kept.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import torch
from machine import StolenTime, describe_machine
from timing import time_call

from qrnn_qiskit import QRNN


class Size(NamedTuple):
    """The size of a training pass.

    Attributes:
        num_qubits: n, of a register.
        batch_size: B.
        num_steps: T.
    """

    num_qubits: int = 6
    batch_size: int = 64
    num_steps: int = 196


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--registers", type=int, nargs="+", default=[2, 3, 6, 12])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--peak", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        print(read_peak(*arguments.peak))
        return
    size, stolen = Size(), StolenTime()
    print(f"{describe_machine()}, {torch.get_num_threads()} thread(s); n, B, T = {tuple(size)}.\n")
    print(
        "| R | one register, ms | R registers, ms | ratio | peak, T more steps "
        "| states of T steps |"
    )
    print("|---|---|---|---|---|---|")
    for count in arguments.registers:
        one, several = measure_times(count, size, arguments.repeats)
        grown, states = measure_growth(count, size) / 1e6, count_state_bytes(count, size) / 1e6
        print(
            f"| {count} | {1e3 * one:.1f} | {1e3 * several:.1f} | {several / one:.2f} "
            f"| {grown:.1f} MB | {states:.1f} MB |",
            flush=True,
        )
    print(stolen.describe())


def measure_times(num_registers: int, size: Size, repeats: int) -> tuple[float, float]:
    """Return the shortest time in seconds of one register, and of ``num_registers``."""
    passes = [make_pass(count, size) for count in (1, num_registers)]
    for run in passes:
        run()
    times = [[time_call(run) for run in passes] for _ in range(repeats)]
    one, several = (min(column) for column in zip(*times, strict=True))
    return one, several


def make_pass(num_registers: int, size: Size, num_steps: int | None = None) -> Callable[[], None]:
    """Return a training pass of a model with its own feedback."""
    torch.manual_seed(0)
    model = QRNN(1, size.num_qubits, 2, num_registers=num_registers, controller_hidden=None)
    x = torch.randn(size.batch_size, num_steps or size.num_steps, 1)

    def run() -> None:
        model(x)[1].readouts.square().sum().backward()

    return run


def measure_growth(num_registers: int, size: Size) -> float:
    """Return by how many bytes the peak of a process grows when T doubles."""
    peaks = [_start_probe(num_registers, factor * size.num_steps) for factor in (1, 2)]
    return peaks[1] - peaks[0]


def read_peak(num_registers: int, num_steps: int) -> int:
    """Return the peak of this process in bytes after a training pass."""
    make_pass(num_registers, Size(), num_steps)()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _start_probe(num_registers: int, num_steps: int) -> int:
    command = [sys.executable, __file__, "--peak", str(num_registers), str(num_steps)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def count_state_bytes(num_registers: int, size: Size) -> int:
    """Return the bytes of the states of all T steps, which are not kept."""
    return 8 * num_registers * size.num_steps * size.batch_size << size.num_qubits


if __name__ == "__main__":
    main()
