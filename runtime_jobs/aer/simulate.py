"""One call of Aer: the states at the end of a circuit for a batch of angles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel

from circuits.errors import OperationError
from runtime_jobs.aer.bare_parameters import PlainCircuit

__all__ = [
    "BATCH_BYTES",
    "ExecutionError",
    "describe_failure",
    "run_aer",
    "simulate_states",
    "sweep_values",
]

BATCH_BYTES = 2**28  # of the states of one call


class ExecutionError(OperationError):
    """A circuit failed while it ran: says which, and the cause that the device gave."""


def simulate_states(
    plain: PlainCircuit, values: NDArray[np.float64], noise: NoiseModel | None
) -> Iterator[NDArray[np.complex128]]:
    """States for parameter values (B, P), in chunks whose first axis is the batch.

    State vectors (B, 2^n) without a noise model, density matrices (B, 2^n, 2^n) with one; the
    latter hold all noise exactly, so their cost does not depend on shots.

    Raises:
        ExecutionError: Aer failed.
    """
    circuit = plain.circuit.copy()
    if noise is None:
        kind, width = "statevector", 1
        circuit.save_statevector()
    else:
        kind, width = "density_matrix", 2
        circuit.save_density_matrix()
    simulator = AerSimulator(method=kind, noise_model=noise, runtime_parameter_bind_enable=True)
    chunk = max(1, BATCH_BYTES // (16 * 2 ** (width * circuit.num_qubits)))
    for start in range(0, len(values), chunk):
        angles = plain.evaluate(values[start : start + chunk])
        data = sweep_values(simulator, circuit, plain, angles)
        yield np.array([np.asarray(item[kind]) for item in data])


def sweep_values(
    simulator: AerSimulator,
    circuit: QuantumCircuit,
    plain: PlainCircuit,
    angles: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """The data of ``circuit`` for each row of ``angles`` (B, Q), bound while it runs.

    Args:
        simulator: with ``runtime_parameter_bind_enable``.
        circuit: that of ``plain`` with instructions that save; without control flow, for which
            such binding aborts the process.
        plain: whose angles are bound.
        angles: in radians, see :meth:`PlainCircuit.evaluate`.

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
    """The data of every experiment of one call.

    Raises:
        ExecutionError: with what Aer said and the name of the first circuit.
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
    """The message of an :class:`ExecutionError`."""
    return (
        f"Aer failed on circuit {circuit.name!r} ({circuit.num_qubits} qubits, "
        f"{circuit.size()} gates, depth {circuit.depth()}): {cause}"
    )
