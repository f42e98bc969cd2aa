"""Evaluate a run on one or several devices of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Real
from typing import TYPE_CHECKING, TypeAlias, overload

from circuits.errors import InvalidValueError
from runtime_jobs.device_names import DeviceError, expand_device_names
from runtime_jobs.runs.opening import RunLike, open_local_device, open_trained_run

if TYPE_CHECKING:
    from qrnn_qiskit.executors import Executor
    from qrnn_qiskit.training.evaluation import Evaluation
    from runtime_jobs.devices import DeviceLike
    from runtime_jobs.runs.evaluations import Evaluations

__all__ = ["evaluate", "evaluate_each"]


OnDevice: TypeAlias = "DeviceLike | Executor"


@overload
def evaluate(
    run: RunLike,
    on: OnDevice = ...,
    *,
    noise: None = ...,
    shots: int | None = ...,
    sequences: int | None = ...,
) -> Evaluation: ...


@overload
def evaluate(
    run: RunLike,
    on: OnDevice | list[OnDevice] | tuple[OnDevice, ...],
    *,
    noise: float | Sequence[float] | None = ...,
    shots: int | None = ...,
    sequences: int | None = ...,
) -> Evaluations: ...


def evaluate(
    run: RunLike,
    on: OnDevice | list[OnDevice] | tuple[OnDevice, ...] = "simulator",
    *,
    noise: float | Sequence[float] | None = None,
    shots: int | None = None,
    sequences: int | None = None,
) -> Evaluation | Evaluations:
    """Evaluate the best weights of a run on its test sequences, as ``qrnn evaluate`` does.

    Readouts and predictions are written to the folder ``evaluations`` of the run.

    Args:
        run: The result of ``qrnn_qiskit.fit`` or ``load``, or the folder of a run.
        on: A device of this machine: its name, such as "simulator" or "aer:kingston?shots=1000",
            a backend or a V2 primitive (see ``open_device``), or an executor; or several of them.
        noise: Factors on the calibrated noise of the named devices, such as [0, 1, 3]: each device
            with a target is evaluated at each of them, and the result draws itself against noise.
        shots: Shots of each circuit, for all devices; a name may have its own.
        sequences: Number of test sequences, the first ones; all of them unless given.

    Returns:
        The evaluation, a table in a notebook; of several devices or factors one table with a row
        each, and one picture.

    Raises:
        DeviceError: A device is unknown, or a QPU, to which ``submit`` sends; or no device has a
            calibrated noise for the factors.
        NotReadyError: The run has not finished an epoch.
        InvalidValueError: There are fewer test sequences, or no device was named.
    """
    several = isinstance(on, list | tuple)
    devices = list(on) if isinstance(on, list | tuple) else [on]
    found = [evaluation for _, evaluation in evaluate_each(run, devices, shots, sequences, noise)]
    if not several and noise is None and len(found) == 1:
        return found[0]
    from runtime_jobs.runs.evaluations import Evaluations

    return Evaluations(found)


def evaluate_each(
    run: RunLike,
    devices: Sequence[OnDevice],
    shots: int | None = None,
    sequences: int | None = None,
    noise: float | Sequence[float] | None = None,
) -> Iterator[tuple[Executor, Evaluation]]:
    """Evaluate a run on one device after the other; all are opened before the first starts.

    A name with a list of noise factors, as in "simulator:kingston?noise=0,1,3", is several devices.
    """
    if not devices:
        raise InvalidValueError("expected the name of a device, such as simulator, got none")
    factors = [noise] if isinstance(noise, int | float | Real) else noise
    executors = [open_local_device(each, shots=shots) for each in _expand(devices, factors)]
    opened = open_trained_run(run)
    from qrnn_qiskit.training.evaluation import evaluate as measure
    from qrnn_qiskit.training.loading import load_run

    trained = load_run(opened)
    for executor in executors:
        yield (
            executor,
            measure(opened, sequences=sequences, executor=executor, progress=True, trained=trained),
        )


def _expand(devices: Sequence[OnDevice], factors: Sequence[float] | None) -> list[OnDevice]:
    """Return a device for each noise factor, each name once; factors apply to names only."""
    if factors is None:
        found: list[OnDevice] = []
        for each in devices:
            names = expand_device_names([each]) if isinstance(each, str) else [each]
            found += [name for name in names if name not in found]
        return found
    others = [each for each in devices if not isinstance(each, str)]
    if others:
        raise DeviceError(
            "noise multiplies the calibrated noise of devices by name, such as aer:kingston; got "
            f"a {type(others[0]).__name__}, which is evaluated without noise="
        )
    return list(expand_device_names([each for each in devices if isinstance(each, str)], factors))
