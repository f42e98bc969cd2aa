"""Calls of Aer for a batch of angles: states, saved data and failures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel

from circuits.errors import InvalidValueError, OperationError
from runtime_jobs.aer.bare_parameters import PlainCircuit

__all__ = [
    "CALL_SECONDS",
    "ExecutionError",
    "StateKind",
    "check_state_fits",
    "describe_failure",
    "run_aer",
    "simulate_states",
    "split_rows",
    "sweep_values",
]

StateKind = Literal["statevector", "density_matrix"]

_EXPONENTS: dict[StateKind, int] = {"statevector": 1, "density_matrix": 2}
_MOST_LOG_BYTES = 32  # of the state of one sequence, base 2
_CALL_BYTES = 2**28  # of the states of one call
# Nothing else runs during a call, as Aer keeps the lock of the interpreter: Ctrl-C waits for its
# end. A call of one circuit cannot be split further.
CALL_SECONDS = 1.0  # of one thread, about
_OPERATION_SECONDS, _NUMBER_SECONDS = 3e-6, 1.5e-8  # for each operation, and number of its state


class ExecutionError(OperationError):
    """A circuit failed while it ran; the message names the circuit and Aer's cause."""


def check_state_fits(circuit: QuantumCircuit, kind: StateKind, remedy: str) -> None:
    """Refuse a circuit whose state is too large.

    Raises:
        ValueError: The state takes more than 2^32 bytes; the message ends with ``remedy``.
    """
    log_bytes = _count_log_bytes(circuit.num_qubits, kind)
    if log_bytes > _MOST_LOG_BYTES:
        raise InvalidValueError(
            f"circuit {circuit.name!r} with {circuit.num_qubits} qubits needs 2^{log_bytes} bytes "
            f"for a {kind.replace('_', ' ')}, but the maximum is 2^{_MOST_LOG_BYTES}; {remedy}"
        )


def split_rows(
    rows: int, num_qubits: int, kind: StateKind, num_operations: int = 0
) -> Iterator[slice]:
    """Split a batch of ``rows`` into parts that fit into one call: their states and their time."""
    log_bytes = _count_log_bytes(num_qubits, kind)
    seconds = num_operations * (_OPERATION_SECONDS + _NUMBER_SECONDS * 2 ** (log_bytes - 4))
    most = CALL_SECONDS / seconds if seconds else rows
    chunk = max(1, min(_CALL_BYTES // 2**log_bytes, int(most)))
    for start in range(0, rows, chunk):
        yield slice(start, min(start + chunk, rows))


def simulate_states(
    plain: PlainCircuit, values: NDArray[np.float64], noise: NoiseModel | None
) -> Iterator[tuple[slice, NDArray[np.complex128]]]:
    """Simulate the states at the end of a circuit.

    Density matrices contain all noise exactly, so their cost does not depend on shots.

    Args:
        plain: Circuit of n qubits.
        values: Values (B, P) of its parameters, radians.
        noise: Noise model, if any.

    Yields:
        Rows of the batch with their states: state vectors (rows, 2^n) without a noise model,
        density matrices (rows, 2^n, 2^n) with one.

    Raises:
        ExecutionError: Aer failed.
    """
    circuit = plain.circuit.copy()
    kind: StateKind = "statevector" if noise is None else "density_matrix"
    if noise is None:
        circuit.save_statevector()
    else:
        circuit.save_density_matrix()
    simulator = AerSimulator(method=kind, noise_model=noise, runtime_parameter_bind_enable=True)
    for rows in split_rows(len(values), circuit.num_qubits, kind, circuit.size()):
        data = sweep_values(simulator, circuit, plain, plain.evaluate(values[rows]))
        yield rows, np.array([np.asarray(item[kind]) for item in data])


def sweep_values(
    simulator: AerSimulator,
    circuit: QuantumCircuit,
    plain: PlainCircuit,
    angles: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """Run a circuit once for each row of angles, which Aer binds while it runs.

    Args:
        simulator: Simulator with ``runtime_parameter_bind_enable``.
        circuit: Circuit of ``plain`` with instructions that save data. It has no control flow: with
            control flow such binding aborts the process.
        plain: Owner of the angles.
        angles: Angles (B, Q) in radians, see :meth:`PlainCircuit.evaluate`.

    Returns:
        The saved data of each row.

    Raises:
        ExecutionError: Aer failed.
    """
    if not plain.angles:  # with nothing to bind, it runs once
        return run_aer(simulator, [circuit]) * len(angles)
    binds = [{p: angles[:, k].tolist() for k, p in enumerate(plain.angles)}]
    data = run_aer(simulator, [circuit], parameter_binds=binds)
    if len(data) != len(angles):
        cause = f"{len(data)} results for {len(angles)} sets of values"
        raise ExecutionError(describe_failure(circuit, cause))
    return data


def run_aer(
    simulator: AerSimulator, circuits: list[QuantumCircuit], **options: Any
) -> list[dict[str, Any]]:
    """Run circuits in one call and return the saved data of each experiment.

    Raises:
        ExecutionError: Aer failed; the message names the first circuit and Aer's cause.
    """
    try:
        result = simulator.run(circuits, shots=1, **options).result()
    except (QiskitError, RuntimeError, MemoryError) as error:
        raise ExecutionError(describe_failure(circuits[0], str(error))) from error
    if not result.success:
        causes = [str(result.status), *(str(item.status) for item in result.results)]
        raise ExecutionError(describe_failure(circuits[0], "; ".join(dict.fromkeys(causes))))
    return [result.data(k) for k in range(len(result.results))]


def describe_failure(circuit: QuantumCircuit, cause: str) -> str:
    """Message of an :class:`ExecutionError`."""
    return (
        f"Aer failed on circuit {circuit.name!r} ({circuit.num_qubits} qubits, "
        f"{circuit.size()} gates, depth {circuit.depth()}): {cause}"
    )


def _count_log_bytes(num_qubits: int, kind: StateKind) -> int:
    """Bytes of one state, base 2; a complex number takes 2^4."""
    return _EXPONENTS[kind] * num_qubits + 4
