"""The run, the device and the calibration behind the arguments of a command or a call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from circuits.errors import InvalidTypeError, OperationError
from runtime_jobs.devices import DeviceError, DeviceLike, open_device, parse_device_name

if TYPE_CHECKING:
    from qiskit.transpiler import Target

    from qrnn_qiskit.executors import Executor
    from qrnn_qiskit.training.loading import TrainedModel
    from qrnn_qiskit.training.run_folder import RunFolder
    from runtime_jobs.hardware.repetition import Delays
    from runtime_jobs.ibm.service import Service

__all__ = [
    "NotReadyError",
    "RunLike",
    "find_delays",
    "find_folder",
    "find_target",
    "open_local_device",
    "open_run",
    "open_trained_run",
]

RunLike: TypeAlias = "TrainedModel | RunFolder | str | os.PathLike[str]"


class NotReadyError(OperationError):
    """The requested result does not exist yet, but will."""


def find_folder(run: RunLike) -> Path:
    """Return the folder of a run.

    ``example:digits`` stands for its copy below runs/, to which results may be written.

    Args:
        run: A model that ``qrnn_qiskit.fit`` or ``load`` returned, a run folder, or its path.

    Raises:
        InvalidValueError: No run ships under such a name.
        InvalidTypeError: ``run`` is something else.
    """
    path = run if isinstance(run, str | os.PathLike) else getattr(run, "path", None)
    if not isinstance(path, str | os.PathLike):
        raise InvalidTypeError(
            "expected a run as the result of fit or load, or the path of its folder, got a "
            f"{type(run).__name__}"
        )
    if isinstance(run, str) and not run.startswith("example:"):
        return Path(run)  # without an import that takes a second
    from qrnn_qiskit.examples import copy_example

    return copy_example(path) or Path(path)


def open_run(run: RunLike) -> RunFolder:
    """Open the run of a folder; RunFolderError if it holds none."""
    from qrnn_qiskit.training.run_folder import RunFolder

    return RunFolder.open(find_folder(run))


def open_trained_run(run: RunLike) -> RunFolder:
    """Open a run that has finished at least one epoch; NotReadyError before that."""
    found = open_run(run)
    if not found.read_metrics():
        raise NotReadyError(
            f"{found.path} has not finished an epoch yet, so it has no weights to use; wait for "
            f"its training, or continue it with 'qrnn resume {found.path}'"
        )
    return found


def open_local_device(
    device: DeviceLike | Executor, *, shots: int | None = None, gradient: str | None = None
) -> Executor:
    """Open a device on this machine; DeviceError for a QPU, which takes jobs.

    An executor that is open already stays as it is, and takes neither shots nor a gradient.
    """
    if isinstance(device, str):
        parsed = parse_device_name(device)
        if parsed.name == "ibm":
            raise DeviceError(
                f"expected a device on this machine, got {device!r}, a QPU that queues and bills "
                "its jobs; use --on simulator here, or send the run to the QPU with 'qrnn submit "
                f"DIR --on {parsed} --max-qpu-seconds S'"
            )
        return open_device(device, shots=shots, gradient=gradient)
    from qrnn_qiskit.executors import Executor

    if not isinstance(device, Executor):
        return open_device(device, shots=shots, gradient=gradient)
    if shots not in (None, device.shots):
        raise DeviceError(
            f"expected {shots} shots, but {device.name} was opened with "
            f"{'none' if device.shots is None else device.shots}; give shots where it is opened"
        )
    return device


def find_target(name: str, service: Service | None) -> tuple[Target, str]:
    """Return the target of a device and the origin of its calibration: today's, or a snapshot."""
    if service is None:
        from runtime_jobs.hardware.snapshots import describe_snapshot, open_target

        return open_target(name), f"calibration {describe_snapshot(name)}"
    target, date = service.find_target(f"ibm_{name}")
    return target, f"calibrated {date}"


def find_delays(name: str, service: Service | None) -> Delays:
    """Return the repetition delays of a device: those of today, or of a snapshot."""
    if service is None:
        from runtime_jobs.hardware.snapshots import open_delays

        return open_delays(name)
    return service.find_delays(f"ibm_{name}")
