"""Arguments that several commands share, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circuits.errors import InvalidValueError
from runtime_jobs.cli.failures import NotReadyError
from runtime_jobs.devices import DeviceError, open_device, parse_device_name

if TYPE_CHECKING:
    from qiskit.transpiler import Target

    from qrnn_qiskit.executors import Executor
    from qrnn_qiskit.training.run_folder import RunFolder
    from runtime_jobs.ibm.service import Service

__all__ = [
    "Device",
    "Gradient",
    "Patches",
    "QpuName",
    "QpuSequences",
    "QpuShots",
    "RunPath",
    "Spacing",
    "TensorBoard",
    "TrainSteps",
    "find_folder",
    "find_target",
    "open_local_device",
    "open_run",
    "open_trained_run",
    "parse_count",
    "split_setting",
    "tell_layout",
]


def find_folder(text: str) -> Path:
    """The folder that is named.

    ``example:digits`` stands for its copy below runs/, where commands write; BadParameter where no
    run is shipped under such a name.
    """
    if not text.startswith("example:"):
        return Path(text)
    from qrnn_qiskit.examples import copy_example

    try:
        return copy_example(text) or Path(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


RunPath = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        parser=find_folder,
        help="The folder of a run; example:digits is a trained one that comes with qrnn, copied "
        "to runs/example-digits.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="DEVICE",
        help="Where the circuits run: simulator, aer?shots=4096, aer:kingston?shots=4096; see "
        "'qrnn devices'.",
    ),
]
Gradient = Annotated[
    str | None,
    typer.Option(
        "--gradient",
        metavar="METHOD",
        help="Of a sampled device: parameter-shift, simulator (the noiseless derivatives), or "
        "spsa?draws=K&perturbation=RADIANS; in measured mode also coordinates?draws=K&floor=SHARE.",
    ),
]


def parse_count(text: str) -> int:
    """A whole number from the command line; says what arrived where it is none."""
    try:
        return int(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} arrived; a whole number is required") from error


def split_setting(setting: str) -> tuple[str, str]:
    """The key and the value of a --set."""
    key, equals, value = setting.partition("=")
    if not (key.strip() and equals):
        raise InvalidValueError(
            f"--set {setting!r} arrived; KEY=VALUE is required, for example --set train.epochs=20"
        )
    return key.strip(), value.strip()


TensorBoard = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        help="Write event files to DIR/tensorboard; watch them by 'tensorboard --logdir runs'.",
    ),
]
QpuName = Annotated[
    str, typer.Option("--on", metavar="DEVICE", help="A QPU, such as ibm:kingston.")
]
QpuShots = Annotated[
    int | None,
    typer.Option(
        "--shots", metavar="N", parser=parse_count, help="Shots of each circuit and basis."
    ),
]
QpuSequences = Annotated[
    int | None,
    typer.Option(
        "--sequences",
        metavar="N",
        parser=parse_count,
        help="Only the first N test sequences; with --train-steps the size of a batch.",
    ),
]
Patches = Annotated[
    int,
    typer.Option(
        "--patches",
        metavar="K",
        parser=parse_count,
        help="K sequences side by side in one circuit, each on good qubits of its own.",
    ),
]
Spacing = Annotated[
    int,
    typer.Option(
        "--spacing",
        metavar="D",
        parser=parse_count,
        help="More than D couplers between the qubits of two patches; 0 lets them touch.",
    ),
]
TrainSteps = Annotated[
    int | None,
    typer.Option(
        "--train-steps", metavar="N", parser=parse_count, help="N steps of training, no inference."
    ),
]


def open_local_device(
    name: str, *, shots: int | None = None, gradient: str | None = None
) -> Executor:
    """The executor of a device on this machine; DeviceError for IBM Quantum, which takes jobs."""
    device = parse_device_name(name)
    if device.name == "ibm":
        raise DeviceError(
            f"device {name!r} is a QPU behind a queue and a bill, which this command does not use; "
            f"its place is 'qrnn submit DIR --on {device} --max-qpu-seconds S'. Here take --on "
            "simulator"
        )
    return open_device(name, shots=shots, gradient=gradient)


def find_target(name: str, service: Service | None) -> tuple[Target, str]:
    """The target of a device and where its calibration is from: of today, or of a snapshot."""
    if service is None:
        from runtime_jobs.hardware.snapshots import open_target

        return open_target(name), "calibration snapshot of this machine"
    target, date = service.find_target(f"ibm_{name}")
    return target, f"calibrated {date}"


def tell_layout(executor: Executor) -> None:
    """Say on standard error which physical qubits were used, where there was a choice."""
    describe = getattr(executor, "describe", list)
    for line in describe():
        typer.echo(f"layout: {line}", err=True)


def open_run(path: Path) -> RunFolder:
    """The run of a folder; RunFolderError when it holds none."""
    from qrnn_qiskit.training.run_folder import RunFolder

    return RunFolder.open(path)


def open_trained_run(path: Path) -> RunFolder:
    """The run of a folder that has finished at least one epoch; NotReadyError before that."""
    run = open_run(path)
    if not run.read_metrics():
        raise NotReadyError(
            f"{path} has not finished an epoch yet, so there are no weights to use; wait for its "
            f"training, or go on with it by 'qrnn resume {path}'"
        )
    return run
