"""Measure the cost of noise on the digits, and the effect of mitigation and fine-tuning.

    python benchmarks/noise.py --out runs/noise

Trains the demo's model with the ansatz ``linear`` and with ``ring`` in simulation, fine-tunes each
on the noisy device, and measures all of them on the same test images: on the simulator, with ideal
shots, and on the device at several multiples of its noise, with and without mitigation. The control
runs the epochs of the fine-tuning in simulation. Runs and measurements that are already in the
folder are not repeated. Prints Markdown; intervals are 95 % intervals of the mean difference over
the same images.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib
import torch

from qrnn_qiskit.executors import Executor, SimulatorExecutor
from qrnn_qiskit.metrics import estimate_mean
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.evaluation import select_test
from qrnn_qiskit.training.fine_tuning import start_from
from qrnn_qiskit.training.inference import predict_sequences
from qrnn_qiskit.training.loading import load
from qrnn_qiskit.training.run_folder import RunFolder, create_run
from qrnn_qiskit.training.trainer import resume, train
from runtime_jobs.devices import open_device

matplotlib.use("Agg")

ANSATZES = ("linear", "ring")
MITIGATIONS = ("readout", "zne", "readout+zne")
NOISY, TUNED, CONTROL = "noisy", "fine-tuned", "control: trained on in simulation"
HEADER = (
    "| ansatz | noise | where | accuracy | cross-entropy | accuracy, difference | cross-entropy, "
    "difference | executions | jobs | s | CPU s |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Row:
    """One model on one device: the metrics of each sequence, and the cost."""

    ansatz: str
    noise: float
    label: str
    accuracy: list[float]
    cross_entropy: list[float]
    executions: int
    jobs: int
    seconds: float
    cpu_seconds: float

    def describe(self, reference: Row) -> str:
        """Return the row of the table, with its differences from the reference."""
        where = "" if math.isnan(self.noise) else f"{self.noise:g}"
        cells = [
            self.ansatz,
            where,
            self.label,
            f"{statistics.mean(self.accuracy):.3f}",
            f"{statistics.mean(self.cross_entropy):.3f}",
            compare(self.accuracy, reference.accuracy),
            compare(self.cross_entropy, reference.cross_entropy),
            f"{self.executions:,}",
            str(self.jobs),
            f"{self.seconds:.1f}",
            f"{self.cpu_seconds:.1f}",
        ]
        return f"| {' | '.join(cells)} |"


def interval(values: list[float], reference: list[float]) -> tuple[float, float]:
    """Return the mean difference over the sequences and half of its 95 % interval."""
    mean, error = estimate_mean(torch.tensor(values).double() - torch.tensor(reference).double())
    return mean, 1.96 * (error or 0.0)


def compare(values: list[float], reference: list[float]) -> str:
    """Return the difference and its interval as ``difference [low, high]``."""
    mean, half = interval(values, reference)
    return f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"


def count(executor: Executor) -> tuple[int, int]:
    """Return the jobs and executions so far."""
    return executor.counts.jobs, executor.counts.executions


class Study:
    """The runs and the measurements of one call of this program."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.device = f"aer:{arguments.device}"

    def prepare(self, ansatz: str) -> RunFolder:
        """Return the run of an ansatz, trained in simulation if it does not exist yet."""
        path = self.arguments.out / ansatz
        if (path / "config.toml").exists():
            resume(RunFolder.open(path))  # to its end, if it was stopped
        else:
            overrides = {"model.ansatz": ansatz, **self.settings()}
            train(create_run(path, resolve_config("digits", overrides)))
        return RunFolder.open(path)

    def settings(self) -> dict[str, str]:
        """Return the settings from the command line for the runs in simulation."""
        return dict(setting.split("=", 1) for setting in self.arguments.set)

    def tune(self, run: RunFolder, name: str, executor: Executor | None) -> RunFolder:
        """Continue from the best weights of a run, on a device or in simulation."""
        path = run.path.with_name(f"{run.path.name}-{name}")
        if (path / "config.toml").exists():
            resume(RunFolder.open(path), executor=executor)
        else:
            settings = {
                "epochs": self.arguments.epochs,
                "learning_rate": self.arguments.learning_rate,
                "batch_size": self.arguments.batch_size,
            }
            device = "simulator" if executor is None else executor.name
            gradient = None if executor is None else executor.gradient
            start = start_from(run, "digits", settings)
            created = create_run(path, start.config, start=start, device=device, gradient=gradient)
            begin, cpu_begin = time.perf_counter(), time.process_time()
            train(created, executor=executor)
            seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
            jobs, executions = (0, 0) if executor is None else count(executor)
            (path / "cost.txt").write_text(
                f"{jobs:,} jobs, {executions:,} executions, {seconds:.0f} s ({cpu_seconds:.0f} CPU "
                f"s), including validation after each epoch"
            )
        return RunFolder.open(path)

    def measure(self, run: RunFolder, noise: float, label: str, executor: Executor) -> Row:
        """Measure one row: the first test images of a run on an executor."""
        settings = (run.path.name, noise, label, self.arguments.sequences, self.arguments.shots)
        name = re.sub(r"[^a-z0-9.]+", "-", " ".join(map(str, settings)))
        file = self.arguments.out / "measurements" / f"{name}.json"
        if file.exists():
            return Row(**json.loads(file.read_text()))
        trained = load(run.path)
        trained.qrnn.executor = executor
        chosen = select_test(trained, self.arguments.sequences)
        start, cpu_start = time.perf_counter(), time.process_time()
        prediction = predict_sequences(trained.model, chosen, len(chosen))
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
        values = trained.task.measure(prediction, chosen)
        jobs, executions = count(executor)
        row = Row(
            trained.config.model.ansatz,
            noise,
            label,
            values["accuracy"].tolist(),
            values["cross_entropy"].tolist(),
            executions,
            jobs,
            seconds,
            cpu_seconds,
        )
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(asdict(row)))
        return row

    def open(
        self, noise: float, mitigation: str | None = None, gradient: str | None = None
    ) -> Executor:
        """Open the noisy device."""
        name = f"{self.device}?noise={noise:g}"
        if mitigation is not None:
            name += f"&mitigation={mitigation}"
        return open_device(name, shots=self.arguments.shots, seed=1, gradient=gradient)

    def measure_all(self, ansatz: str) -> list[Row]:
        """Measure all rows of an ansatz, the simulator first, and print each when it is done."""
        run = self.prepare(ansatz)
        control = self.tune(run, "control", None)
        nowhere = float("nan")
        rows = [self.measure(run, nowhere, "simulator", SimulatorExecutor())]
        print(rows[0].describe(rows[0]), flush=True)

        def add(used: RunFolder, noise: float, label: str, executor: Executor) -> None:
            rows.append(self.measure(used, noise, label, executor))
            print(rows[-1].describe(rows[0]), flush=True)

        ideal = open_device("aer", shots=self.arguments.shots, seed=1)
        add(run, nowhere, "ideal shots", ideal)
        for noise in self.arguments.noise:
            add(run, noise, NOISY, self.open(noise))
            for mitigation in MITIGATIONS:
                add(run, noise, f"noisy, {mitigation}", self.open(noise, mitigation))
            tuned = self.tune(
                run, f"noise-{noise:g}", self.open(noise, gradient=self.arguments.gradient)
            )
            add(tuned, noise, TUNED, self.open(noise))
            add(control, noise, CONTROL, self.open(noise))
        return rows


def print_recovery(rows: Sequence[Row]) -> None:
    """Print the effect of fine-tuning and of its control on the same device."""
    print("\n| ansatz | noise | against noisy | accuracy | cross-entropy | recovered share |")
    print("|---|---|---|---|---|---|")
    simulated = {row.ansatz: row for row in rows if row.label == "simulator"}
    noisy = {(row.ansatz, row.noise): row for row in rows if row.label == NOISY}
    for row in rows:
        if row.label not in (TUNED, CONTROL):
            continue
        before = noisy[row.ansatz, row.noise]
        lost, _ = interval(before.cross_entropy, simulated[row.ansatz].cross_entropy)
        gained, half = interval(before.cross_entropy, row.cross_entropy)
        share = f"{gained / lost:.0%} [{(gained - half) / lost:.0%}, {(gained + half) / lost:.0%}]"
        cells = [
            row.ansatz,
            f"{row.noise:g}",
            row.label,
            compare(row.accuracy, before.accuracy),
            compare(row.cross_entropy, before.cross_entropy),
            share if lost > 0 else "no loss",
        ]
        print(f"| {' | '.join(cells)} |")


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw the cross-entropy minus that of the simulator, with intervals, one panel per ansatz."""
    from matplotlib import pyplot

    names = list(dict.fromkeys(row.ansatz for row in rows))
    figure, axes = pyplot.subplots(1, len(names), figsize=(5 * len(names), 4), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        own = [row for row in rows if row.ansatz == name]
        labels = list(dict.fromkeys(row.label for row in own if row.label != "simulator"))
        levels = sorted({row.noise for row in own if not math.isnan(row.noise)})
        for row in own[1:]:
            mean, half = interval(row.cross_entropy, own[0].cross_entropy)
            place, color = float(labels.index(row.label)), "black"
            if row.noise in levels:
                level = levels.index(row.noise)
                place, color = place + 0.15 * (2 * level - 1), f"C{level}"
            axis.errorbar(place, mean, half, fmt="o", capsize=3, color=color)
        for number, noise in enumerate(levels):
            axis.plot([], [], "o", color=f"C{number}", label=f"noise x {noise:g}")
        axis.axhline(0.0, color="gray", linewidth=0.8)
        short = [label.partition(":")[0] for label in labels]
        axis.set_xticks(range(len(labels)), short, rotation=30, ha="right")
        axis.set_title(name)
        axis.set_ylabel("cross-entropy above simulator (nats)")
        axis.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main() -> None:
    """Train, fine-tune, measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/noise"), help="folder of the runs")
    parser.add_argument("--device", default="kingston")
    parser.add_argument("--noise", type=float, nargs="+", default=[1.0, 3.0])
    parser.add_argument("--shots", type=int, default=4096)
    parser.add_argument("--sequences", type=int, default=200, help="test images")
    parser.add_argument("--gradient", default="simulator", help="method of the fine-tuning")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of the fine-tuning")
    parser.add_argument("--learning-rate", type=float, default=0.005, help="for the fine-tuning")
    parser.add_argument("--batch-size", type=int, default=32, help="for the fine-tuning")
    parser.add_argument("--ansatz", nargs="+", default=list(ANSATZES))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    study = Study(arguments)
    start = time.perf_counter()
    print(HEADER, flush=True)
    rows = [row for ansatz in arguments.ansatz for row in study.measure_all(ansatz)]
    print_recovery(rows)
    print("\nFine-tuning took:\n")
    for file in sorted(arguments.out.glob("*/cost.txt")):
        print(f"- {file.parent.name}: {file.read_text()}")
    slowest = max(rows, key=lambda row: row.cpu_seconds)
    print(
        f"\n{arguments.sequences} test images took {slowest.seconds:.0f} s at most "
        f"({slowest.cpu_seconds:.0f} CPU s); the whole study took "
        f"{time.perf_counter() - start:.0f} s."
    )
    draw(rows, arguments.out / "noise.png")


if __name__ == "__main__":
    main()
