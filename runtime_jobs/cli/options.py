"""Arguments and options that several commands share, and their parsing."""

from __future__ import annotations

import re
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
    "Devices",
    "Gradient",
    "NewBudget",
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
    "print_layout",
    "split_setting",
]


def find_folder(text: str) -> Path:
    """Return the folder with this name.

    ``example:digits`` stands for its copy below runs/, to which commands may write.

    Raises:
        BadParameter: No run ships under such a name.
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
        help="The folder of a run; example:digits is a trained run that ships with qrnn and is "
        "copied to runs/example-digits.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="DEVICE",
        help="The device that runs the circuits: simulator, aer?shots=4096, "
        "aer:kingston?shots=4096, ...; 'qrnn devices' lists them.",
    ),
]
Devices = Annotated[
    list[str] | None,
    typer.Option(
        "--on",
        metavar="DEVICE",
        help="A device that runs the circuits, as for 'qrnn train'; repeatable, and a noise factor "
        "may be a list: simulator:kingston?noise=0,1,3. By default simulator.",
    ),
]
Gradient = Annotated[
    str | None,
    typer.Option(
        "--gradient",
        metavar="METHOD",
        help="Gradient method on a device that samples: parameter-shift, simulator (noiseless "
        "derivatives) or spsa?draws=K&perturbation=RADIANS; in measured mode also "
        "coordinates?draws=K&floor=SHARE.",
    ),
]


def parse_count(text: str | int) -> int:
    """Parse a whole number from the command line; BadParameter for any other text.

    Typer also passes the default of an option, which is a number already.
    """
    if isinstance(text, int):
        return text
    # Python's int() also takes digits of other scripts, underscores and spaces.
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", text):
        shown = text if len(text) <= 60 else text[:60] + "..."
        raise typer.BadParameter(
            f"expected a whole number of at most 20 digits from 0 to 9, got {shown!r}"
        )
    return int(text)


def split_setting(setting: str) -> tuple[str, str]:
    """Split the KEY=VALUE of a --set into key and value."""
    key, equals, value = setting.partition("=")
    if not (key.strip() and equals):
        raise InvalidValueError(
            f"expected --set KEY=VALUE, for example --set train.epochs=20, got --set {setting!r}"
        )
    return key.strip(), value.strip()


TensorBoard = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        help="Write event files to DIR/tensorboard; view them with 'tensorboard --logdir runs'.",
    ),
]
QpuName = Annotated[
    str, typer.Option("--on", metavar="DEVICE", help="A QPU, such as ibm:kingston.")
]
QpuShots = Annotated[
    int | None,
    typer.Option(
        "--shots", metavar="N", parser=parse_count, help="Shots per circuit and measurement basis."
    ),
]
QpuSequences = Annotated[
    int | None,
    typer.Option(
        "--sequences",
        metavar="N",
        parser=parse_count,
        help="Use only the first N test sequences; with --train-steps, the batch size.",
    ),
]
Patches = Annotated[
    int,
    typer.Option(
        "--patches",
        metavar="K",
        parser=parse_count,
        help="Run K sequences side by side in one circuit, each on its own set of good qubits.",
    ),
]
Spacing = Annotated[
    int,
    typer.Option(
        "--spacing",
        metavar="D",
        parser=parse_count,
        help="Keep more than D couplers between two patches; with 0 they may touch.",
    ),
]
NewBudget = Annotated[
    bool,
    typer.Option(
        "--new-budget",
        help="For a copy of a run folder, or one whose ledger is lost: send jobs from here too, "
        "under a separate cap. Its results are kept; their cost does not count against that cap.",
    ),
]
TrainSteps = Annotated[
    int | None,
    typer.Option(
        "--train-steps",
        metavar="N",
        parser=parse_count,
        help="Run N training steps instead of inference.",
    ),
]


def open_local_device(
    name: str, *, shots: int | None = None, gradient: str | None = None
) -> Executor:
    """Open a device on this machine; DeviceError for a QPU, which takes jobs."""
    device = parse_device_name(name)
    if device.name == "ibm":
        raise DeviceError(
            f"expected a device on this machine, got {name!r}, a QPU that queues and bills its "
            f"jobs; use --on simulator here, or send the run to the QPU with 'qrnn submit DIR --on "
            f"{device} --max-qpu-seconds S'"
        )
    return open_device(name, shots=shots, gradient=gradient)


def find_target(name: str, service: Service | None) -> tuple[Target, str]:
    """Return the target of a device and the origin of its calibration: today's, or a snapshot."""
    if service is None:
        from runtime_jobs.hardware.snapshots import describe_snapshot, open_target

        return open_target(name), f"calibration {describe_snapshot(name)}"
    target, date = service.find_target(f"ibm_{name}")
    return target, f"calibrated {date}"


def print_layout(executor: Executor) -> None:
    """Print the physical qubits of an executor that has chosen some to standard error."""
    describe = getattr(executor, "describe", list)
    for line in describe():
        typer.echo(f"layout: {line}", err=True)


def open_run(path: Path) -> RunFolder:
    """Open the run of a folder; RunFolderError if it holds none."""
    from qrnn_qiskit.training.run_folder import RunFolder

    return RunFolder.open(path)


def open_trained_run(path: Path) -> RunFolder:
    """Open a run that has finished at least one epoch; NotReadyError before that."""
    run = open_run(path)
    if not run.read_metrics():
        raise NotReadyError(
            f"{path} has not finished an epoch yet, so it has no weights to use; wait for its "
            f"training, or continue it with 'qrnn resume {path}'"
        )
    return run
