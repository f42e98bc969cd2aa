"""Arguments and options that several commands share, and their parsing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circuits.errors import InvalidValueError
from runtime_jobs.hardware.repetition import parse_delay
from runtime_jobs.runs import opening

if TYPE_CHECKING:
    from qrnn_qiskit.executors import Executor
    from qrnn_qiskit.training.presentation import Shown

__all__ = [
    "Device",
    "Devices",
    "Extend",
    "Gradient",
    "Limits",
    "NewBudget",
    "Patches",
    "QpuMitigation",
    "QpuName",
    "QpuSequences",
    "QpuShots",
    "RepDelay",
    "RunPath",
    "SerialBranches",
    "Spacing",
    "TensorBoard",
    "TrainSteps",
    "find_folder",
    "parse_count",
    "print_layout",
    "print_shown",
    "split_setting",
]


def find_folder(text: str) -> Path:
    """Return the folder with this name.

    ``example:digits`` stands for its copy below runs/, to which commands may write.

    Raises:
        BadParameter: No run ships under such a name.
    """
    try:
        return opening.find_folder(text)
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


Extend = Annotated[
    list[Path] | None,
    typer.Option(
        "--extend",
        metavar="FILE",
        help="Python file that registers a task; repeatable. The run records its path and hash.",
    ),
]
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


def parse_patches(text: str | int) -> int | None:
    """Parse a number of patches; None for ``auto``."""
    return None if text == "auto" else parse_count(text)


def parse_rep_delay(text: str) -> float:
    """Parse a repetition delay from the command line as seconds; BadParameter for other text."""
    try:
        return parse_delay(text)
    except InvalidValueError as error:
        raise typer.BadParameter(str(error)) from error


Patches = Annotated[
    int | None,
    typer.Option(
        "--patches",
        metavar="K|auto",
        parser=parse_patches,
        help="Run K sequences side by side in one circuit, each on its own set of good qubits; "
        "auto takes the number that the plan finds best.",
    ),
]
RepDelay = Annotated[
    float | None,
    typer.Option(
        "--rep-delay",
        metavar="TIME",
        parser=parse_rep_delay,
        help="Pause between two executions, such as 50us, within the range of the device; its "
        "default is usually 250us and is most of the bill.",
    ),
]
SerialBranches = Annotated[
    bool,
    typer.Option(
        "--serial-branches",
        help="Assume that branches on disjoint qubits run one after another, not at the same time.",
    ),
]
QpuMitigation = Annotated[
    str | None,
    typer.Option(
        "--mitigation",
        metavar="METHODS",
        help="Error mitigation of dynamic circuits: readout, feedforward, zne, readout+zne or "
        "feedforward+zne.",
    ),
]
Limits = Annotated[
    Path | None,
    typer.Option(
        "--limits",
        metavar="FILE",
        help="TOML file with limits of the service, price and allowance that replace the built-in "
        "ones.",
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


def print_shown(shown: Shown) -> None:
    """Print a table and the lines below it to standard output."""
    from rich.console import Console

    Console().print(shown.make_table())
    typer.echo("\n".join(shown.notes))


def print_layout(executor: Executor) -> None:
    """Print the physical qubits of an executor that has chosen some to standard error."""
    describe = getattr(executor, "describe", list)
    for line in describe():
        typer.echo(f"layout: {line}", err=True)
