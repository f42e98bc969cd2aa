"""The protocol of executors: PUBs of bound circuits go in, values and standard errors come out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from circuits import build_readout
from circuits.dynamic import DynamicCircuit
from circuits.errors import InvalidTypeError, InvalidValueError

__all__ = [
    "AdjointExecutor",
    "Counts",
    "DynamicExecutor",
    "DynamicPub",
    "Estimates",
    "Executor",
    "Outcomes",
    "Pub",
    "check_executor",
    "check_pub",
    "check_unmeasured",
    "check_values",
]


class Pub(NamedTuple):
    """One circuit with a batch of parameter values and the observables to estimate.

    Attributes:
        circuit: Circuit on n qubits, without measurements.
        values: (B, P) float64, angles in radians in the order of ``circuit.parameters``.
        observables: K Hermitian observables on the n qubits of the circuit, qubit 0 last in a
            label; the executor maps them to the layout of its device.
        groups: (B,) int64, equal for rows that are compared with each other, such as the two runs
            of a shift. A device that runs copies of a circuit side by side runs the rows of a group
            on the same copy. By default each row is a separate group.
    """

    circuit: QuantumCircuit
    values: NDArray[np.float64]
    observables: Sequence[SparsePauliOp]
    groups: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Estimates:
    """Expectation values of a batch.

    Attributes:
        values: (B, K) float64.
        standard_errors: (B, K) float64, above 0, or None where the values are exact.
        pub_result: The ``PubResult`` of the primitive, on executors that were opened to keep it.
    """

    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64] | None = None
    pub_result: Any = None


class DynamicPub(NamedTuple):
    """One dynamic circuit with a batch of parameter values and the observables to estimate.

    Attributes:
        circuit: T measured steps on n memory qubits and m ancillas; see
            :class:`~circuits.dynamic.DynamicCircuit`.
        values: (B, P) float64, angles in radians in the order of ``circuit.circuit.parameters``.
            The executor measures in the bases that the observables need: it overwrites the
            columns of the parameters ``circuit.basis``.
        observables: K Hermitian observables on the n memory qubits, read after the last step;
            without any, only outcomes are returned.
        groups: As in :class:`Pub`.
        keeps_records: Whether the results hold the record of every execution.
    """

    circuit: DynamicCircuit
    values: NDArray[np.float64]
    observables: Sequence[SparsePauliOp]
    groups: NDArray[np.int64] | None = None
    keeps_records: bool = False


@dataclass(frozen=True)
class Outcomes:
    """Measured results of a batch of dynamic circuits.

    Attributes:
        outcomes: (B, T, 2^m) float64, the probability of each value that the register of a step
            stored, readout errors included; bit a of the value is that of ancilla a.
        values: (B, K) float64, the observables after the last measurement.
        standard_errors: (B, K) float64 of ``values``, above 0, or None where they are exact.
        shots: Executions per sequence from which ``outcomes`` are estimated, summed over all
            bases; None where they are exact.
        bit_errors: (B, T, R m) float64, the standard error of the probability that each bit is 1,
            where it is not that of ``shots`` independent executions: with mitigation. Mitigated
            outcomes may lie outside of [0, 1] by such errors.
        pub_result: The ``PubResult`` of the primitive, on executors that were opened to keep it;
            with zero-noise extrapolation that of the circuit as it is.
        records: (B, shots, T, R) unsigned integers, the value that each of R registers stored in
            each step of each execution; None where they are exact or were not asked for.
    """

    outcomes: NDArray[np.float64]
    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64] | None = None
    shots: int | None = None
    bit_errors: NDArray[np.float64] | None = None
    pub_result: Any = None
    records: NDArray[np.unsignedinteger[Any]] | None = None


@dataclass
class Counts:
    """The work of an executor since it was made; exact counts, not estimates.

    Attributes:
        jobs: Calls of ``run``, ``estimate``, ``sample`` or ``run_dynamic``.
        pubs: Circuits in those jobs, each with its batch.
        bindings: Sets of parameter values, summed over the PUBs.
        executions: Shots of all measured circuits, summed over the bases; 0 where nothing is
            sampled.
        transpilations: Circuits transpiled for the device, one for each structure.
        qpu_seconds: Seconds that a service has charged for these jobs, as far as it has reported
            them; 0 otherwise.
    """

    jobs: int = 0
    pubs: int = 0
    bindings: int = 0
    executions: int = 0
    transpilations: int = 0
    qpu_seconds: float = 0.0


@runtime_checkable
class Executor(Protocol):
    """The interface of a device on which the model runs; subclasses inherit ``estimate``.

    Attributes:
        name: Name of the device, as tables show it.
        shots: Shots for each basis of each binding; None where estimates are exact.
        gradient: The gradient method of backward, see
            :mod:`qrnn_qiskit.executors.gradient_methods`; None where none is chosen.
        counts: The work so far.
    """

    name: str
    shots: int | None
    gradient: str | None
    counts: Counts

    @abstractmethod
    def run(self, pubs: Sequence[Pub]) -> list[Estimates]:
        """Run all ``pubs`` in one job and return the estimates of each; no job for no PUBs."""
        ...

    def estimate(
        self, circuit: QuantumCircuit, values: ArrayLike, observables: Sequence[SparsePauliOp]
    ) -> Estimates:
        """Estimate K observables for B sets of parameter values (B, P): a job of one PUB.

        The values are angles in radians in the order of ``circuit.parameters``. It raises the same
        errors as :meth:`run`.
        """
        return self.run([Pub(circuit, np.asarray(values, np.float64), observables)])[0]

    @abstractmethod
    def sample(
        self, circuit: QuantumCircuit, values: ArrayLike, shots: int
    ) -> list[dict[str, int]]:
        """Run ``shots`` shots for B sets of parameter values (B, P).

        Returns:
            For each set, the counts by bit string; qubit 0 is the last character.
        """
        ...


@runtime_checkable
class DynamicExecutor(Executor, Protocol):
    """The interface of a device that also runs circuits with mid-circuit measurements."""

    @abstractmethod
    def run_dynamic(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        """Run all ``pubs`` in one job and return the results of each; no job for no PUBs."""
        ...


@runtime_checkable
class AdjointExecutor(DynamicExecutor, Protocol):
    """The interface of a simulator that differentiates its circuits exactly, noise included."""

    @abstractmethod
    def pull_dynamic(
        self, pubs: Sequence[DynamicPub], gradients: Sequence[Outcomes]
    ) -> list[NDArray[np.float64]]:
        """Pull a gradient back from the results of dynamic circuits to their parameters.

        Args:
            pubs: The circuits, at the values where they ran.
            gradients: For each of them the gradient with respect to ``outcomes`` and ``values``.

        Returns:
            For each of them the gradient (B, P) with respect to the parameter values.
        """
        ...


def check_executor(executor: object) -> None:
    """Raise a TypeError unless ``executor`` has the interface of :class:`Executor`."""
    if not isinstance(executor, Executor):
        raise InvalidTypeError(
            "expected an executor with the interface of qrnn_qiskit.executors.Executor, got a "
            f"{type(executor).__name__}. Use runtime_jobs.open_device(name) or "
            "qrnn_qiskit.executors.SimulatorExecutor()."
        )


def check_unmeasured(circuit: QuantumCircuit) -> None:
    """Raise a ValueError for a circuit with classical bits: executors add the measurements."""
    if circuit.num_clbits:
        raise InvalidValueError(
            f"expected a circuit without measurements, got {circuit.name!r} with "
            f"{circuit.num_clbits} classical bits. Remove them: the executor adds measurements."
        )


def check_values(circuit: QuantumCircuit, values: ArrayLike) -> NDArray[np.float64]:
    """Return ``values`` as a contiguous float64 array (B, P) for the parameters of ``circuit``.

    Raises:
        ValueError: The shape is not (B, P), there is no row, or a number is not finite.
    """
    angles = np.ascontiguousarray(values, np.float64)
    num_parameters = circuit.num_parameters
    if angles.ndim != 2 or angles.shape[1] != num_parameters or not len(angles):
        raise InvalidValueError(
            f"expected values of shape (batch, {num_parameters}), at least one row and one column "
            "for each parameter in the order of circuit.parameters, got "
            f"{angles.shape}"
        )
    if not np.isfinite(angles).all():
        row, column = (int(index) for index in np.argwhere(~np.isfinite(angles))[0])
        raise InvalidValueError(
            f"values must be finite, got values[{row}, {column}] = {angles[row, column]}"
        )
    return angles


def check_pub(pub: Pub) -> Pub:
    """Return the PUB with checked values and with the observables of a readout.

    Raises:
        TypeError: As :func:`~circuits.readout.build_readout`.
        ValueError: As :func:`check_unmeasured`, :func:`check_values` and
            :func:`~circuits.readout.build_readout`.
    """
    check_unmeasured(pub.circuit)
    readout = build_readout(list(pub.observables), num_qubits=pub.circuit.num_qubits)
    values = check_values(pub.circuit, pub.values)
    return pub._replace(values=values, observables=readout.observables)
