"""Compare one dynamic circuit per sequence with replay on the digits: accuracy and cost.

    python benchmarks/dynamic.py --out runs/dynamic

Trains the demo's model in the modes `expectation` and `measured` in simulation (runs that are
already in the folder are reused) and measures both on the same test images:

* on the simulator, on the circuits of a device without noise, and on the noisy device;
* for several numbers of shots, without noise, at equal total executions: a dynamic circuit has all
  shots of a sequence, replay shares them among its T rounds;
* for several multiples of the noise of the device.

Prints Markdown and draws both as `shots.png` and `noise.png` in the folder.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

from qrnn_qiskit.metrics import estimate_mean
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.evaluation import select_test
from qrnn_qiskit.training.inference import predict_sequences
from qrnn_qiskit.training.loading import TrainedModel, load
from qrnn_qiskit.training.provenance import describe_device
from qrnn_qiskit.training.run_folder import RunFolder, create_run
from qrnn_qiskit.training.trainer import train
from runtime_jobs.devices import open_device
from runtime_jobs.hardware.job_limits import JOB_SECONDS
from runtime_jobs.hardware.repetition import REP_DELAY_SECONDS

matplotlib.use("Agg")

REPLAY, DYNAMIC = "replay", "dynamic circuits"
READOUTS = {REPLAY: "expectation", DYNAMIC: "measured"}


@dataclass(frozen=True)
class Result:
    """The measurements of one model on one device.

    Attributes:
        accuracy: Test accuracy.
        error: Standard error of the accuracy.
        jobs, pubs, executions: Counts of the device.
        circuit_seconds: Duration of the longest circuit; 0 if the device has no durations.
        qpu_seconds: Estimated QPU time: a constant for each job, and for each execution the delay
            before it and the longest circuit.
        seconds: Duration of the simulation on this machine.
    """

    accuracy: float
    error: float
    jobs: int
    pubs: int
    executions: int
    circuit_seconds: float
    qpu_seconds: float
    seconds: float


def open_run(folder: Path, mode: str) -> TrainedModel:
    """Load the digits model of a mode, and train it first if the folder has none."""
    path = folder / READOUTS[mode]
    if not path.exists():
        train(create_run(path, resolve_config("digits", {"model.readout": READOUTS[mode]})))
    return load(RunFolder.open(path).path)


def measure(trained: TrainedModel, device: str, sequences: int) -> Result:
    """Predict the first test sequences on a device and measure accuracy and cost."""
    executor = open_device(device)
    trained.qrnn.executor = executor
    chosen = select_test(trained, sequences)
    before = type(executor.counts)()
    start = time.perf_counter()
    prediction = predict_sequences(trained.model, chosen, sequences)  # all in one job
    seconds = time.perf_counter() - start
    accuracy = estimate_mean(trained.task.measure(prediction, chosen)["accuracy"])
    ran = describe_device(executor, before)
    length = max((layout["circuit_seconds"] for layout in ran["layouts"]), default=0.0)
    busy = JOB_SECONDS * ran["jobs"] + (REP_DELAY_SECONDS + length) * ran["executions"]
    return Result(
        accuracy.value,
        accuracy.standard_error or 0.0,
        ran["jobs"],
        ran["pubs"],
        ran["executions"],
        length,
        busy,
        seconds,
    )


def compare_devices(
    models: dict[str, TrainedModel], device: str, sequences: int, shots: int
) -> None:
    """Print both modes on the simulator and on the device, without and with noise."""
    print(f"\n{sequences} test images, {shots} shots of each circuit and basis.\n")
    print(
        "| mode | where | accuracy | jobs | PUBs | executions | longest circuit, us | QPU seconds, "
        "estimated | s here |\n|---|---|---|---|---|---|---|---|---|"
    )
    places = {
        "simulation": "simulator",
        f"{device}, ideal": f"{device}?noise=0&shots={shots}&seed=0",
        f"{device}, noisy": f"{device}?shots={shots}&seed=0",
    }
    for mode, trained in models.items():
        for label, name in places.items():
            found = measure(trained, name, sequences)
            costs = ["-"] * 5
            if found.executions:
                costs = [
                    str(found.jobs),
                    str(found.pubs),
                    f"{found.executions:,}",
                    f"{found.circuit_seconds * 1e6:.1f}",
                    f"{found.qpu_seconds:.0f}",
                ]
            accuracy = f"{found.accuracy:.3f} ± {found.error:.3f}"
            print(
                f"| {' | '.join([mode, label, accuracy, *costs, f'{found.seconds:.1f}'])} |",
                flush=True,
            )


def sweep(
    models: dict[str, TrainedModel],
    title: str,
    values: Sequence[float],
    names: dict[str, list[str]],
    sequences: int,
    picture: Path,
) -> None:
    """Print and draw the accuracy of both modes against ``values``.

    ``names`` lists the devices of each mode, one for each value.
    """
    print(f"\nAccuracy of {sequences} test images against {title}.\n")
    print(f"| {title} | {' | '.join(models)} |\n|---|{'---|' * len(models)}")
    rows: dict[str, list[Result]] = {mode: [] for mode in models}
    for k, value in enumerate(values):
        for mode, trained in models.items():
            rows[mode].append(measure(trained, names[mode][k], sequences))
        cells = [f"{row[k].accuracy:.3f} ± {row[k].error:.3f}" for row in rows.values()]
        print(f"| {value:g} | {' | '.join(cells)} |", flush=True)
    draw(title, values, rows, picture)


def draw(title: str, values: Sequence[float], rows: dict[str, list[Result]], picture: Path) -> None:
    """Draw the accuracy with its standard error against ``values``."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for mode, results in rows.items():
        heights, errors = [r.accuracy for r in results], [r.error for r in results]
        axes.errorbar(values, heights, errors, marker="o", capsize=3, label=mode)
    if values[-1] > 100 * values[0] > 0:
        axes.set_xscale("log", base=2)
    axes.set_xlabel(title)
    axes.set_ylabel("test accuracy")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=150)
    plt.close(figure)


def main() -> None:
    """Train missing runs, measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and pictures")
    parser.add_argument("--device", default="aer:kingston", help="noisy device")
    parser.add_argument("--sequences", type=int, default=200, help="images of the first table")
    parser.add_argument(
        "--shots", type=int, default=1000, help="shots of the first table and of the noise sweep"
    )
    parser.add_argument("--sweep-sequences", type=int, default=60, help="images of the sweeps")
    parser.add_argument("--sweep-shots", type=int, nargs="*", default=[64, 256, 1024, 4096, 16384])
    parser.add_argument("--sweep-noise", type=float, nargs="*", default=[0, 0.5, 1, 2, 3])
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    models = {mode: open_run(arguments.out, mode) for mode in READOUTS}
    device, shots = arguments.device, arguments.shots
    compare_devices(models, device, arguments.sequences, shots)
    steps = select_test(models[REPLAY], 1).inputs.shape[1]
    sweep(
        models,
        f"shots of a basis, for all {steps} rounds of replay together",
        arguments.sweep_shots,
        {
            REPLAY: [f"aer?seed=1&shots={max(1, n // steps)}" for n in arguments.sweep_shots],
            DYNAMIC: [f"aer?seed=1&shots={n}" for n in arguments.sweep_shots],
        },
        arguments.sweep_sequences,
        arguments.out / "shots.png",
    )
    noisy = [f"{device}?seed=1&shots={shots}&noise={scale:g}" for scale in arguments.sweep_noise]
    sweep(
        models,
        f"noise of {device}",
        arguments.sweep_noise,
        dict.fromkeys(models, noisy),
        arguments.sweep_sequences,
        arguments.out / "noise.png",
    )


if __name__ == "__main__":
    main()
