"""Measure what noise costs on the digits, and what mitigation and training with noise recover.

    python benchmarks/noise.py --out runs/noise
    python benchmarks/noise.py --out runs/noise --only-tables

Trains the demo's model with the ansatz ``linear`` and ``ring`` and several seeds, and evaluates it
exactly on ``simulator:NAME`` at several multiples of the noise, on all test images:

- trained without noise, in simulation;
- the same model with mitigated readouts;
- fine-tuned on the noisy device with the derivatives of the noiseless circuit;
- fine-tuned there with the exact gradient of the noisy circuit, from the same weights;
- trained there from the start with the exact gradient, for as many epochs as without noise.

Every run and evaluation is in the folder, so a stopped program goes on where it was. Seeds are
the outermost loop: after each one the tables hold all treatments. Writes tables.md and noise.png,
and prints the tables. Intervals are 95 % intervals over the seeds by Student's t; differences are
paired by seed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from qrnn_qiskit.executors import Executor
from qrnn_qiskit.metrics import NON_NEGATIVE, SHARE
from qrnn_qiskit.pictures import Point, draw_sweep
from qrnn_qiskit.tables.statistics import Spread
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.evaluation import evaluate, find_evaluation
from qrnn_qiskit.training.fine_tuning import start_from
from qrnn_qiskit.training.run_folder import RunFolder, create_run
from qrnn_qiskit.training.trainer import find_result, resume
from runtime_jobs.devices import open_device

ANSATZES = ("linear", "ring")
PLAIN, MITIGATED = "trained without noise", "the same, mitigated (readout+zne)"
STRAIGHT, EXACT = "fine-tuned, noiseless derivative", "fine-tuned, exact noisy gradient"
WHOLE = "trained with the exact noisy gradient"
TREATMENTS = (PLAIN, MITIGATED, STRAIGHT, EXACT, WHOLE)
METRICS = {"accuracy": "accuracy", "cross_entropy": "cross-entropy (nats)"}
LIMITS = {"accuracy": SHARE, "cross_entropy": NON_NEGATIVE}


class Cell(NamedTuple):
    """One model on one device."""

    ansatz: str
    seed: int
    noise: float
    treatment: str


Results = dict[Cell, dict[str, float]]


class Study:
    """The runs and evaluations of one call of this program.

    Args:
        arguments: The command line.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._executors: dict[str, Executor] = {}

    def open(self, noise: float, options: str = "", gradient: str | None = None) -> Executor:
        """Open the device at some noise; every device is compiled for once."""
        name = f"simulator:{self._arguments.device}?noise={noise:g}{options}"
        key = f"{name} {gradient}"
        if key not in self._executors:
            self._executors[key] = open_device(name, gradient=gradient)
        return self._executors[key]

    def measure(self, cell: Cell, *, trains: bool) -> dict[str, float] | None:
        """Return the metrics of a cell; None where it is missing and not ``trains``."""
        options = "&mitigation=readout+zne" if cell.treatment == MITIGATED else ""
        executor = self.open(cell.noise, options)
        run = self._train(cell) if trains else self._find(cell)
        if run is None:
            return None
        found = find_evaluation(run, executor.name)
        if found is None and trains:
            found = evaluate(run, executor=executor)
        if found is None:
            return None
        return {name: found.metrics[name]["value"] for name in METRICS}

    def count_seconds(self) -> dict[str, float]:
        """Return the seconds of training so far, by treatment."""
        seconds = dict.fromkeys((PLAIN, STRAIGHT, EXACT, WHOLE), 0.0)
        for treatment in seconds:
            for path in self._arguments.out.glob(f"*/{_name(treatment)}*"):
                seconds[treatment] += sum(r["seconds"] for r in RunFolder.open(path).read_metrics())
        return seconds

    def _place(self, cell: Cell) -> Path:
        folder = self._arguments.out / f"{cell.ansatz}-{cell.seed}"
        if cell.treatment in (PLAIN, MITIGATED):
            return Path(folder / _name(PLAIN))
        return Path(folder / f"{_name(cell.treatment)}-{cell.noise:g}")

    def _find(self, cell: Cell) -> RunFolder | None:
        path = self._place(cell)
        run = RunFolder.open(path) if (path / "config.toml").exists() else None
        return run if run is not None and find_result(run) is not None else None

    def _train(self, cell: Cell) -> RunFolder:
        """Return the finished run of a cell, trained or continued if it is not."""
        found = self._find(cell)
        if found is not None:
            return found
        path = self._place(cell)
        executor = None
        if cell.treatment not in (PLAIN, MITIGATED):
            gradient = "simulator" if cell.treatment == STRAIGHT else None
            executor = self.open(cell.noise, gradient=gradient)
        if not (path / "config.toml").exists():
            self._create(cell, path, executor)
        run = RunFolder.open(path)
        resume(run, executor=executor)
        return run

    def _create(self, cell: Cell, path: Path, executor: Executor | None) -> None:
        options: dict[str, Any] = {}
        if executor is not None:
            options = {"device": executor.name, "gradient": executor.gradient}
        if cell.treatment in (STRAIGHT, EXACT):
            settings = {
                "epochs": self._arguments.tuning_epochs,
                "learning_rate": self._arguments.tuning_rate,
                "batch_size": self._arguments.tuning_batch,
            }
            start = start_from(self._train(cell._replace(treatment=PLAIN)), "digits", settings)
            create_run(path, start.config, start=start, **options)
            return
        chosen = {"model.ansatz": cell.ansatz, "seed": cell.seed}
        chosen |= dict(setting.split("=", 1) for setting in self._arguments.set)
        create_run(path, resolve_config("digits", chosen), **options)


def _name(treatment: str) -> str:
    """Return the name of the folder of a treatment."""
    return {PLAIN: "plain", STRAIGHT: "straight", EXACT: "exact", WHOLE: "whole"}[treatment]


def list_cells(arguments: argparse.Namespace) -> list[Cell]:
    """List the cells in the order of their measurement: the model without noise at 0 as well."""
    cells = []
    for seed in arguments.seeds:
        for ansatz in arguments.ansatz:
            cells.append(Cell(ansatz, seed, 0.0, PLAIN))
            cells += [
                Cell(ansatz, seed, noise, treatment)
                for treatment in TREATMENTS
                for noise in arguments.noise
            ]
    return cells


def tabulate(results: Mapping[Cell, Mapping[str, float]]) -> str:
    """Return both tables as Markdown: the values, and the differences paired by seed."""
    lines = [
        "| ansatz | noise | model | accuracy | cross-entropy | accuracy, difference | "
        "cross-entropy, difference | seeds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for ansatz, noise, treatment in dict.fromkeys(
        (c.ansatz, c.noise, c.treatment) for c in results
    ):
        own = _collect(results, ansatz, noise, treatment)
        plain = _collect(results, ansatz, noise, PLAIN)
        cells = [ansatz, f"{noise:g}", treatment]
        cells += [describe([values[m] for values in own.values()]) for m in METRICS]
        shared = sorted(own.keys() & plain.keys())
        for metric in METRICS:
            differences = [own[s][metric] - plain[s][metric] for s in shared]
            cells.append("" if treatment == PLAIN else describe(differences, signed=True))
        lines.append(f"| {' | '.join(cells)} | {len(own)} |")
    return "\n".join(lines)


def compare(results: Mapping[Cell, Mapping[str, float]]) -> str:
    """Return the table of the two gradients against each other, paired by seed."""
    lines = [
        "| ansatz | noise | exact noisy gradient, against the noiseless derivative | accuracy | "
        "cross-entropy | seeds |",
        "|---|---|---|---|---|---|",
    ]
    places = dict.fromkeys((c.ansatz, c.noise) for c in results if c.treatment == STRAIGHT)
    for ansatz, noise in places:
        before = _collect(results, ansatz, noise, STRAIGHT)
        for treatment in (EXACT, WHOLE):
            after = _collect(results, ansatz, noise, treatment)
            shared = sorted(before.keys() & after.keys())
            if not shared:
                continue
            differences = [
                describe([after[s][m] - before[s][m] for s in shared], signed=True) for m in METRICS
            ]
            cells = [ansatz, f"{noise:g}", treatment, *differences, str(len(shared))]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _collect(
    results: Mapping[Cell, Mapping[str, float]], ansatz: str, noise: float, treatment: str
) -> dict[int, Mapping[str, float]]:
    """Return the metrics of every seed of a row."""
    return {
        cell.seed: values
        for cell, values in results.items()
        if (cell.ansatz, cell.noise, cell.treatment) == (ansatz, noise, treatment)
    }


def describe(values: Sequence[float], *, signed: bool = False) -> str:
    """Return mean and 95 % interval as text; of one seed the value alone."""
    if not values:
        return ""
    spread = Spread.of(list(values))
    sign = "+" if signed else ""
    if spread.half_width is None:
        return f"{spread.mean:{sign}.3f}"
    if not signed:
        return f"{spread.mean:.3f} ± {spread.half_width:.3f}"
    low, high = spread.mean - spread.half_width, spread.mean + spread.half_width
    return f"{spread.mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def draw(results: Mapping[Cell, Mapping[str, float]], path: Path) -> None:
    """Draw accuracy and cross-entropy against noise, two panels for each ansatz."""
    panels: dict[str, dict[str, list[Point]]] = {}
    for cell in results:
        for metric, label in METRICS.items():
            series = panels.setdefault(f"{cell.ansatz}: {label}", {})
            points = series.setdefault(cell.treatment, [])
            if all(point.noise != cell.noise for point in points):
                own = _collect(results, cell.ansatz, cell.noise, cell.treatment)
                spread = Spread.of([values[metric] for values in own.values()])
                points.append(Point(cell.noise, spread.mean, *spread.cut(LIMITS[metric])))
    draw_sweep(panels, "noise, multiple of the calibrated one").savefig(path, dpi=120)


def report(study: Study, results: Results, out: Path) -> str:
    """Write tables.md and noise.png; return the tables."""
    seconds = study.count_seconds()
    spent = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    text = f"{tabulate(results)}\n\n{compare(results)}\n\nSeconds of training: {spent}.\n"
    (out / "tables.md").write_text(text)
    draw(results, out / "noise.png")
    return text


def measure_all(
    study: Study, cells: Sequence[Cell], out: Path, note: Callable[[str], None]
) -> Results:
    """Measure all cells, and write the tables after each seed and ansatz."""
    results: Results = {}
    for number, cell in enumerate(cells, start=1):
        if cell.treatment == PLAIN and not cell.noise and results:
            report(study, results, out)
        start, processor = time.perf_counter(), time.process_time()
        measured = study.measure(cell, trains=True)
        assert measured is not None
        results[cell] = measured
        note(
            f"{number} of {len(cells)}: {cell.ansatz}, seed {cell.seed}, noise {cell.noise:g}, "
            f"{cell.treatment}: {measured['cross_entropy']:.3f} nats, "
            f"{time.perf_counter() - start:.0f} s, {time.process_time() - processor:.0f} CPU s"
        )
    return results


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/noise"), help="folder of the runs")
    parser.add_argument("--device", default="kingston")
    parser.add_argument("--noise", type=float, nargs="+", default=[1.0, 3.0, 5.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--ansatz", nargs="+", default=list(ANSATZES))
    parser.add_argument("--tuning-epochs", type=int, default=5, help="epochs of the fine-tuning")
    parser.add_argument("--tuning-rate", type=float, default=0.005, help="its learning rate")
    parser.add_argument("--tuning-batch", type=int, default=32, help="its batch size")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--only-tables", action="store_true", help="tables of what is finished")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Train, evaluate, print and draw."""
    arguments = parse_arguments(words)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    arguments.out.mkdir(parents=True, exist_ok=True)
    study, cells = Study(arguments), list_cells(arguments)
    if arguments.only_tables:
        found = {cell: study.measure(cell, trains=False) for cell in cells}
        results = {cell: values for cell, values in found.items() if values is not None}
        print(f"{len(results)} of {len(cells)} cells are finished\n")
    else:
        results = measure_all(study, cells, arguments.out, lambda text: print(text, flush=True))
    print(report(study, results, arguments.out))


if __name__ == "__main__":
    main()
