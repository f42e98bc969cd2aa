"""Evaluate a run on one or several devices of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

from circuits.errors import InvalidValueError
from runtime_jobs.device_names import expand_device_names
from runtime_jobs.runs.opening import RunLike, open_local_device, open_trained_run

if TYPE_CHECKING:
    from qrnn_qiskit.executors import Executor
    from qrnn_qiskit.training.evaluation import Evaluation
    from runtime_jobs.runs.evaluations import Evaluations

__all__ = ["evaluate", "evaluate_each"]


@overload
def evaluate(
    run: RunLike, on: str = ..., *, shots: int | None = ..., sequences: int | None = ...
) -> Evaluation: ...


@overload
def evaluate(
    run: RunLike,
    on: list[str] | tuple[str, ...],
    *,
    shots: int | None = ...,
    sequences: int | None = ...,
) -> Evaluations: ...


def evaluate(
    run: RunLike,
    on: str | list[str] | tuple[str, ...] = "simulator",
    *,
    shots: int | None = None,
    sequences: int | None = None,
) -> Evaluation | Evaluations:
    """Evaluate the best weights of a run on its test sequences, as ``qrnn evaluate`` does.

    Readouts and predictions are written to the folder ``evaluations`` of the run.

    Args:
        run: The result of ``qrnn_qiskit.fit`` or ``load``, or the folder of a run.
        on: The name of a device of this machine, such as "simulator" or
            "aer:kingston?shots=1000"; or several names, each of which may have a list of noise
            factors, as in "simulator:kingston?noise=0,1,3".
        shots: Shots of each circuit, for all devices; a name may have its own.
        sequences: Number of test sequences, the first ones; all of them unless given.

    Returns:
        The evaluation, a table in a notebook; of several devices one table with a row each.

    Raises:
        DeviceError: A device is unknown, or a QPU, to which ``submit`` sends.
        NotReadyError: The run has not finished an epoch.
        InvalidValueError: There are fewer test sequences, or no device was named.
    """
    names = [on] if isinstance(on, str) else list(on)
    found = [evaluation for _, evaluation in evaluate_each(run, names, shots, sequences)]
    if isinstance(on, str):
        return found[0]
    from runtime_jobs.runs.evaluations import Evaluations

    return Evaluations(found)


def evaluate_each(
    run: RunLike, names: Sequence[str], shots: int | None = None, sequences: int | None = None
) -> Iterator[tuple[Executor, Evaluation]]:
    """Evaluate a run on one device after the other; all are opened before the first starts.

    A name with a list of noise factors, as in "simulator:kingston?noise=0,1,3", is several devices.
    """
    if not names:
        raise InvalidValueError("expected the name of a device, such as simulator, got none")
    executors = [open_local_device(name, shots=shots) for name in expand_device_names(names)]
    opened = open_trained_run(run)
    from qrnn_qiskit.training.evaluation import evaluate as measure
    from qrnn_qiskit.training.loading import load_run

    trained = load_run(opened)
    for executor in executors:
        yield (
            executor,
            measure(opened, sequences=sequences, executor=executor, progress=True, trained=trained),
        )
