"""The seam between circuits and what runs them: an executor turns bound circuits into numbers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from circuits import build_readout
from circuits.dynamic import DynamicCircuit
from circuits.errors import InvalidTypeError, InvalidValueError
from circuits.validation import require_count
from qrnn_qiskit.checks import check_memory
from qrnn_qiskit.engines.cpu import Simulator, begin
from qrnn_qiskit.engines.cpu.lane_vectors import lanes_per_vector


class Pub(NamedTuple):
    """One circuit with a batch of parameter values and the observables to estimate.

    Attributes:
        circuit: Circuit on n qubits, without measurements.
        values: (B, P) float64, angles in radians in the order of ``circuit.parameters``.
        observables: K Hermitian observables on the n qubits of the circuit, qubit 0 last in a
            label; how they are laid out on a device is the executor's business.
        groups: (B,) a number for each row, equal where rows are compared with each other, as those
            of a shift: a device with several places for a circuit runs them at the same one. Each
            row is a group of its own unless given.
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
    """

    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64] | None = None


class DynamicPub(NamedTuple):
    """One dynamic circuit with a batch of parameter values and the observables to estimate.

    Attributes:
        circuit: n memory qubits and m ancillas, T measured steps; see
            :class:`~circuits.dynamic.DynamicCircuit`.
        values: (B, P) float64, angles in radians in the order of ``circuit.circuit.parameters``.
            The executor measures in the bases that the observables need: it overwrites the
            columns of the parameters ``circuit.basis``, whatever they hold.
        observables: K Hermitian observables on the n memory qubits, read after the last step;
            none is allowed, then only outcomes come back.
        groups: as in :class:`Pub`.
    """

    circuit: DynamicCircuit
    values: NDArray[np.float64]
    observables: Sequence[SparsePauliOp]
    groups: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Outcomes:
    """What a batch of dynamic circuits measured.

    Attributes:
        outcomes: (B, T, 2^m) float64, the probability of each value of the register of each step
            as it was stored, readout errors included; bit a of the value is that of ancilla a.
        values: (B, K) float64, the observables after the last measurement.
        standard_errors: (B, K) float64, above 0, or None where the values are exact.
        shots: Executions of each sequence behind ``outcomes``, those of all bases together; None
            where they are exact.
    """

    outcomes: NDArray[np.float64]
    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64] | None = None
    shots: int | None = None


@dataclass
class Counts:
    """What an executor has been asked for and has run since it was made; exact, not estimated.

    Attributes:
        jobs: Calls of ``run``, ``estimate``, ``sample`` or ``run_dynamic``.
        pubs: Circuits in those jobs, each with its batch.
        bindings: Sets of parameter values, summed over the PUBs.
        executions: Shots of all measured circuits, each basis counting; 0 where nothing is sampled.
        transpilations: Circuits made ready for the device, once for each structure.
        qpu_seconds: What a service has charged for these jobs, as far as it has said; else 0.
    """

    jobs: int = 0
    pubs: int = 0
    bindings: int = 0
    executions: int = 0
    transpilations: int = 0
    qpu_seconds: float = 0.0


@runtime_checkable
class Executor(Protocol):
    """What a device must offer so that the model can run on it; a subclass gets ``estimate``.

    Attributes:
        name: Name of the device, as in the tables.
        shots: Shots for each basis of each binding; None where estimates are exact.
        gradient: How backward gets its gradients, see
            :mod:`qrnn_qiskit.executors.gradient_methods`; None where nobody has chosen.
        counts: What has been run so far.
    """

    name: str
    shots: int | None
    gradient: str | None
    counts: Counts

    @abstractmethod
    def run(self, pubs: Sequence[Pub]) -> list[Estimates]:
        """Run one job of all ``pubs`` and return the estimates of each."""
        ...

    def estimate(
        self, circuit: QuantumCircuit, values: ArrayLike, observables: Sequence[SparsePauliOp]
    ) -> Estimates:
        """Estimate K observables for B sets of parameter values (B, P): a job of one PUB.

        The order of the values is that of ``circuit.parameters``; angles are in radians. Raises
        what :meth:`run` does.
        """
        return self.run([Pub(circuit, np.asarray(values, np.float64), observables)])[0]

    @abstractmethod
    def sample(
        self, circuit: QuantumCircuit, values: ArrayLike, shots: int
    ) -> list[dict[str, int]]:
        """Run ``shots`` shots for B sets of parameter values (B, P).

        Returns:
            For each set, how often each bit string was seen; qubit 0 is the last character.
        """
        ...


@runtime_checkable
class DynamicExecutor(Executor, Protocol):
    """A device that also runs circuits with measurements in their middle."""

    @abstractmethod
    def run_dynamic(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        """Run one job of all ``pubs`` and return what each has measured."""
        ...


def check_executor(executor: object) -> None:
    """TypeError for what has not all that :class:`Executor` asks for."""
    if not isinstance(executor, Executor):
        raise InvalidTypeError(
            "executor must have what qrnn_qiskit.executors.Executor asks for, and a "
            f"{type(executor).__name__} arrived. Take what runtime_jobs.open_device(name) "
            "opens, or qrnn_qiskit.executors.SimulatorExecutor()."
        )


def check_unmeasured(circuit: QuantumCircuit) -> None:
    """Refuse a circuit with classical bits (ValueError): a device adds its own measurements."""
    if circuit.num_clbits:
        raise InvalidValueError(
            f"circuit {circuit.name!r} has {circuit.num_clbits} classical bits; a circuit without "
            "measurements is required, the device adds its own"
        )


def check_values(circuit: QuantumCircuit, values: ArrayLike) -> NDArray[np.float64]:
    """``values`` as a contiguous float64 array (B, P) that binds the parameters of ``circuit``.

    Raises:
        ValueError: Another shape (a parameter without a value), no row, or a number not finite.
    """
    angles = np.ascontiguousarray(values, np.float64)
    num_parameters = circuit.num_parameters
    if angles.ndim != 2 or angles.shape[1] != num_parameters or not len(angles):
        raise InvalidValueError(
            f"values must have shape (batch, {num_parameters}), at least one row and one column "
            "for each parameter of the circuit in the order of circuit.parameters, and "
            f"{angles.shape} arrived"
        )
    if not np.isfinite(angles).all():
        row, column = (int(index) for index in np.argwhere(~np.isfinite(angles))[0])
        raise InvalidValueError(f"values must be finite, and values[{row}, {column}] is not")
    return angles


def check_pub(pub: Pub) -> Pub:
    """The PUB with its values as :func:`check_values` and its observables as a readout has them.

    Raises:
        ValueError, TypeError: As :func:`check_unmeasured`, :func:`check_values` and
            :func:`~circuits.readout.build_readout`.
    """
    check_unmeasured(pub.circuit)
    readout = build_readout(list(pub.observables), num_qubits=pub.circuit.num_qubits)
    values = check_values(pub.circuit, pub.values)
    return pub._replace(values=values, observables=readout.observables)


class SimulatorExecutor(Executor):
    """The compiled exact simulator, in float64, for circuits without measurements.

    Args:
        seed: Seed of :meth:`sample`; estimates are exact.
        gradient: How a replay on it gets its gradients, see
            :mod:`qrnn_qiskit.executors.gradient_methods`; a model that simply runs on it takes the
            adjoint gradient of the compiled simulator.
    """

    name = "simulator"
    shots: int | None = None

    def __init__(self, seed: int | None = None, gradient: str | None = None) -> None:
        self.gradient = gradient
        self.counts = Counts()
        self._random = np.random.default_rng(seed)

    def run(self, pubs: Sequence[Pub]) -> list[Estimates]:
        """Exact values of every PUB, one job; see :class:`Executor`.

        Raises:
            ValueError: An observable on other qubits or not Hermitian, values of another shape or
                not finite, a state that does not fit into memory, or
                :class:`~qrnn_qiskit.engines.cpu.UnsupportedCircuitError`; nothing has been counted
                then.
        """
        estimates = [self._evaluate(pub) for pub in pubs]
        self._count([len(estimate.values) for estimate in estimates])
        return estimates

    def sample(
        self, circuit: QuantumCircuit, values: ArrayLike, shots: int
    ) -> list[dict[str, int]]:
        """Measure all qubits ``shots`` times; see :class:`Executor`.

        Raises:
            TypeError: ``shots`` is no integer.
            ValueError: ``shots`` is below 1; else as in :meth:`run`.
        """
        shots = require_count("shots", shots)
        simulator, angles = self._prepare(circuit, values, [])
        with torch.no_grad():
            evolution, _ = begin(simulator, None, len(angles))
            evolution.run(torch.from_numpy(angles))
            probabilities = evolution.vector().abs().square().numpy()
        self._count([len(angles)], len(angles) * shots)
        return [self._draw(row / row.sum(), shots, circuit.num_qubits) for row in probabilities]

    def _evaluate(self, pub: Pub) -> Estimates:
        num_qubits = pub.circuit.num_qubits
        operators = build_readout(list(pub.observables), num_qubits=num_qubits).observables
        simulator, angles = self._prepare(pub.circuit, pub.values, operators)
        with torch.no_grad():
            evolution, _ = begin(simulator, None, len(angles))
            return Estimates(evolution.run(torch.from_numpy(angles)).numpy())

    def _count(self, bindings: Sequence[int], executions: int = 0) -> None:
        self.counts.jobs += 1
        self.counts.pubs += len(bindings)
        self.counts.bindings += sum(bindings)
        self.counts.executions += executions

    def _draw(self, probabilities: NDArray[Any], shots: int, num_qubits: int) -> dict[str, int]:
        counts = self._random.multinomial(shots, probabilities)
        return {f"{state:0{num_qubits}b}": int(counts[state]) for state in counts.nonzero()[0]}

    def _prepare(
        self, circuit: QuantumCircuit, values: ArrayLike, observables: Sequence[SparsePauliOp]
    ) -> tuple[Simulator, NDArray[np.float64]]:
        angles = check_values(circuit, values)
        # States, the same as complex numbers, and probabilities.
        check_memory(circuit.num_qubits, -(-len(angles) // lanes_per_vector(np.float64)), 3)
        return Simulator(circuit, observables, torch.float64), angles


def runs_compiled(executor: Executor) -> bool:
    """Whether the compiled simulator runs whole sequences, with its adjoint gradient."""
    return type(executor) is SimulatorExecutor and executor.gradient is None
