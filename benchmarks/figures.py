"""Measure the figures of speed and memory in the documentation, each by its name.

    python benchmarks/figures.py                     # all of them, some 6 minutes; none over 3
    python benchmarks/figures.py start memory
    python benchmarks/figures.py epoch --whole       # an epoch of 60,000 images, every batch of it

`ratios` compares with TorchQuantum and PennyLane in 7 alternated rounds of every tool, `roofline`
gives the share of the processor's arithmetic and memory bandwidth, `memory` the memory of a large
training step, `epoch` the time of an epoch of MNIST pixel by pixel (on a GPU too if there is one),
and `start` the time of the first call.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cells import TRAIN, Cell, Limits, measure_cell
from grid import find_versions
from machine import StolenTime, describe_machine, limit_threads
from peers import OURS, TOOLS
from timing import find_shortest, time_call
from workers import Worker

ROUNDS = 7
RATIOS = {8: ["torchquantum", "pennylane"], 10: ["torchquantum"], 14: ["torchquantum"]}
MEMORY = Cell(qubits=14, layers=2, steps=784, batch=16)
IMAGES, PIXELS = 60_000, 784
BATCHES = {"cpu": (64, 128, 256, 512), "cuda": (256, 1024, 4096)}
WORKER_MEMORY = 12 << 30


def main() -> None:
    """Measure the requested figures, print them in Markdown and optionally write them to a file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "figures",
        nargs="*",
        default="all",
        choices=[*FIGURES, "all"],
        help="what to measure (default: all)",
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--whole", action="store_true", help="time a whole epoch instead of a part of it"
    )
    parser.add_argument("--out", type=Path, help="also write the report to this file")
    arguments = parser.parse_args()
    limit_threads(arguments.threads)
    lines: list[str] = []

    def report(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    report(f"# Figures of speed and memory, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC\n")
    versions = {
        name: version for found in find_versions([OURS]).values() for name, version in found.items()
    }
    report(
        f"{describe_machine()}, {arguments.threads} used; load average {os.getloadavg()[0]:.1f} at "
        f"the start; {', '.join(' '.join(pair) for pair in versions.items())}."
    )
    figures = FIGURES | {"epoch": partial(measure_epoch, is_whole=arguments.whole)}
    for name in FIGURES if "all" in arguments.figures else arguments.figures:
        report("")
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        stolen = StolenTime()
        figures[name](report)
        report(f"\n{stolen.describe()}")
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text("\n".join(lines) + "\n")


Report = Callable[[str], None]


def measure_ratios(report: Report) -> None:
    """Report how many times slower the peers are, for 32 sequences of 16 steps."""
    limits = Limits(rounds=ROUNDS, call=300.0, build=300.0, budget=float("inf"))
    report(f"| n | peer | ms | here, ms | times slower, best of {ROUNDS} alternated rounds |")
    report("|---|---|---|---|---|")
    for qubits, names in RATIOS.items():
        workers = {name: Worker(name, WORKER_MEMORY) for name in find_versions([OURS, *names])}
        cell = Cell(qubits=qubits, layers=2, steps=16, batch=32)
        try:
            outcomes = measure_cell(cell, workers, limits, {}, lambda text: None)
        finally:
            for worker in workers.values():
                worker.stop()
        own = outcomes.pop(OURS).best(TRAIN)
        for name, outcome in outcomes.items():
            best = outcome.best(TRAIN)
            cells = outcome.reason or f"{1e3 * best:.0f} | {1e3 * own:.2f} | {best / own:.0f}"
            report(f"| {qubits} | {TOOLS[name].title} | {cells} |")


def measure_roofline(report: Report) -> None:
    """Report operations and least memory traffic of a training step, over the processor's peak."""
    import roofline

    report(
        "Operations required by the mathematics of each gate and readout, over the rate of a "
        "float32 matrix product; bytes if every step reads and writes the state once, and backward "
        "the adjoint state too, over the bandwidth of a triad. In kernels: the two calls of "
        "compiled code in such a step, and their share of the product's rate. 32 sequences "
        f"of 16 steps, the shortest of {ROUNDS} rounds, which repeat a call up to 0.1 s.\n"
    )
    report("| n | ms | Gflop/s | of the product's | GB/s | of the triad's | kernels, ms | share |")
    report("|---|---|---|---|---|---|---|---|")
    for qubits in range(6, 15, 2):
        cell = Cell(qubits=qubits, layers=2, steps=16, batch=32)
        tool = TOOLS[OURS].build(cell.draw())
        seconds, compiled, product, triad = float("inf"), float("inf"), 0.0, 0.0
        tool.train()
        for _ in range(ROUNDS):
            product = max(product, roofline.measure_product_rate(rounds=1))
            triad = max(triad, roofline.measure_bandwidth(rounds=1))
            seconds = min(seconds, find_shortest(partial(time_call, tool.train)))
            compiled = min(compiled, find_shortest(partial(roofline.time_kernels, tool.train)))
        operations = roofline.count_operations(qubits, cell.layers, cell.steps, cell.batch)
        traffic = roofline.count_bytes(qubits, cell.steps, cell.batch) / seconds
        rate = operations / seconds
        report(
            f"| {qubits} | {1e3 * seconds:.2f} | {rate / 1e9:.1f} "
            f"| {rate / product:.0%} of {product / 1e9:.0f} | {traffic / 1e9:.2f} "
            f"| {traffic / triad:.0%} of {triad / 1e9:.1f} "
            f"| {1e3 * compiled:.2f} | {operations / compiled / product:.0%} |"
        )


def measure_memory(report: Report) -> None:
    """Report the growth of the resident set by a training step, in a fresh process."""
    worker = Worker(OURS, WORKER_MEMORY)
    try:
        size = worker.ask(3600, "measure_memory", MEMORY.draw())
    finally:
        worker.stop()
    report(
        f"Memory: a training step of {MEMORY} makes the resident set of a fresh process grow by "
        f"{size / 2**20:.0f} MiB, with the libraries loaded."
    )


def measure_epoch(report: Report, is_whole: bool = False) -> None:
    """Report the seconds of an epoch of MNIST by pixels, 2 layers: 8 qubits, on a GPU also 14."""
    import torch

    _measure_epoch(report, is_whole, 8, "cpu")
    if torch.cuda.is_available():
        for qubits in (8, 14):
            _measure_epoch(report, is_whole, qubits, "cuda")


def _measure_epoch(report: Report, is_whole: bool, qubits: int, device: str) -> None:
    import torch
    from torch.nn import functional

    from qrnn_qiskit import QRNN
    from qrnn_qiskit.heads import LastStateHead

    torch.manual_seed(0)
    batches = BATCHES[device]
    model = QRNN(1, qubits, 2).to(device)
    head = LastStateHead(model, 10).to(device)
    optimizer = torch.optim.Adam([*model.parameters(), *head.parameters()])
    pixels = torch.rand(max(batches), PIXELS, 1, device=device)
    labels = torch.randint(10, (max(batches),), device=device)

    def train(batch: int) -> float:
        start = time.perf_counter()
        optimizer.zero_grad()
        loss = functional.cross_entropy(head(*model(pixels[:batch])), labels[:batch])
        loss.backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    train(min(batches))
    batch = min(batches, key=lambda size: train(size) / size)
    number = -(-IMAGES // batch)
    timed = number if is_whole else 5
    spent = sum(train(batch) for _ in range(timed))
    place = "the CPU" if device == "cpu" else torch.cuda.get_device_name()
    part = "all batches" if is_whole else f"{timed} of {number} batches, scaled"
    report(
        f"An epoch of {IMAGES:,} images, {PIXELS} steps of one pixel, {qubits} qubits, 2 layers, "
        f"the default controller (32 GELU units), Adam, batches of {batch} on {place}: "
        f"{spent * number / timed:.0f} s ({part}; random pixels)."
    )


FIRST_CALL = """
import time
start = time.perf_counter()
import torch
from qrnn_qiskit import QRNN
imported = time.perf_counter()
model = QRNN(8, 8, 2, controller_hidden=None)
model(torch.rand(32, 16, 8))[0].square().mean().backward()
print(imported - start, time.perf_counter() - imported)
"""


def measure_start(report: Report) -> None:
    """Report the seconds of the first training step of a process, before and after compiling."""
    found = importlib.util.find_spec("qrnn_qiskit")
    assert found is not None
    assert found.origin is not None
    packages = Path(found.origin).parents[1]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("circuits", "qrnn_qiskit"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(packages / name, Path(folder) / name, ignore=ignored)
        times = [_time_first_call(folder) for _ in range(1 + ROUNDS)]
    cold, warm = times[0], [min(column) for column in zip(*times[1:], strict=True)]
    report(
        f"Start: the first model and training step in a new process take {cold[1]:.1f} s before "
        f"anything is compiled, and {warm[1]:.2f} s afterwards (best of {ROUNDS} processes); "
        f"importing torch and this package takes another {warm[0]:.1f} s."
    )


def _time_first_call(folder: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_CALL],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": folder, "XDG_CACHE_HOME": folder},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    imported, called = map(float, done.stdout.split()[-2:])
    return imported, called


FIGURES: dict[str, Callable[[Report], None]] = {
    "ratios": measure_ratios,
    "roofline": measure_roofline,
    "memory": measure_memory,
    "epoch": measure_epoch,
    "start": measure_start,
}

if __name__ == "__main__":
    main()
