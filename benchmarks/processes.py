"""Compare training steps of two processes, with one core each, with those of one process.

    python benchmarks/processes.py

The global batch is the same, rounds alternate, and the best one counts. The output gives the
wall-clock time and the processor time of the slowest process, which other programs disturb less.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import StolenTime

SETTINGS = {
    "digits": {"train.batch_size": 64},
    "mnist": {"scan": "pixels", "num_qubits": 8, "num_layers": 2, "train.batch_size": 64},
}


def measure(task: str, folder: Path, steps: int) -> None:
    """Print the wall-clock and processor seconds of a step, for the slowest process."""
    import torch

    from qrnn_qiskit.training.config import resolve_config
    from qrnn_qiskit.training.loop import Trainer
    from qrnn_qiskit.training.processes import join_processes
    from qrnn_qiskit.training.progress import TrainingProgress
    from qrnn_qiskit.training.run_folder import create_run

    config = resolve_config(task, SETTINGS[task])
    with join_processes() as processes:
        run = processes.open_run(lambda: create_run(folder, config))
        torch.set_num_threads(1)
        trainer = Trainer(run, None, TrainingProgress(enabled=False), processes)
        trainer.model.train()
        batch = trainer.splits.train.select(torch.arange(config.train.batch_size))
        trainer.step(batch, 0.0)  # compiles
        wall, processor = time.perf_counter(), time.process_time()
        for _ in range(steps):
            trainer.step(batch, 0.0)
        times = time.perf_counter() - wall, time.process_time() - processor
        slowest = [max(column) / steps for column in zip(*processes.collect(times), strict=True)]
        if processes.is_first:
            print(*slowest)


def start(task: str, steps: int, count: int) -> list[float]:
    """Return the two times of a step with ``count`` processes, one core each."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    world = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    world |= {"LOCAL_WORLD_SIZE": str(count), "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, task, "--steps", str(steps)]
        workers = [
            subprocess.Popen(
                [*command, "--folder", str(Path(folder) / "run")],
                env=os.environ | world | {"RANK": str(rank)},
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(count)
        ]
        texts = [worker.communicate()[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        raise SystemExit(f"a process that trains {task} failed; its message is above")
    return [float(word) for word in texts[0].split()]


def main() -> None:
    """Print the times of a step of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", nargs="?", choices=SETTINGS, help="default: all of them")
    parser.add_argument("--steps", type=int, help="steps per round; 50 for digits and 4 for mnist")
    parser.add_argument("--rounds", type=int, default=7, help="(default: %(default)s)")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder is not None:
        measure(arguments.task, arguments.folder, arguments.steps)
        return
    for task in [arguments.task] if arguments.task else SETTINGS:
        stolen = StolenTime()
        steps = arguments.steps or {"digits": 50, "mnist": 4}[task]
        rounds = [(start(task, steps, 1), start(task, steps, 2)) for _ in range(arguments.rounds)]
        for place, name in enumerate(("wall clock", "processor")):
            one, two = (min(pair[side][place] for pair in rounds) for side in (0, 1))
            print(f"{task}, {name}: {one * 1e3:.2f} ms, {two * 1e3:.2f} ms, ratio {one / two:.2f}")
        print(f"{task}: {stolen.describe()}")


if __name__ == "__main__":
    main()
