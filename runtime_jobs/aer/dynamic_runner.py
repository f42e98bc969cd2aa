"""Dynamic circuits on Aer: exact, sampled, and with the noise of a device.

Sampled circuits go through the Sampler of ``qiskit_ibm_runtime`` as they go to a QPU: one job, one
PUB for each circuit, all sets of values and all measurement bases as its bindings. Its local mode
adds nothing that could be measured to what Aer takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.primitives import BitArray
from qiskit.transpiler.exceptions import TranspilerError
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime.executor_sampler import Sampler

from circuits import DynamicCircuit, build_readout
from circuits.errors import InvalidValueError
from circuits.limits import JobLimits
from circuits.rules import RulePub, check_rules
from qrnn_qiskit.executors import Counts, DynamicPub, Outcomes, check_values
from runtime_jobs.aer.bare_parameters import PlainCircuit, make_plain
from runtime_jobs.aer.deferral import defer_measurements
from runtime_jobs.aer.idling import Timing, idle_channels, insert_idling
from runtime_jobs.aer.mitigation import Mitigation
from runtime_jobs.aer.noise import check_noise_model
from runtime_jobs.aer.simulate import BATCH_BYTES, ExecutionError, describe_failure, sweep_values
from runtime_jobs.aer.stage import Stage, StageFinder, fingerprint
from runtime_jobs.device_names import DeviceError
from runtime_jobs.estimation.bases import Basis, group_terms
from runtime_jobs.estimation.standard_errors import estimate_mean

__all__ = ["DynamicRunner"]

# A simulated device runs what a QPU would run, and is told of circuits that are too long for it.
_UNBOUNDED = JobLimits(coherence=math.inf)
_ANGLE_DECIMALS = 12  # the local mode rounds angles, to 1e-5 quarter turns unless told


@dataclass(frozen=True)
class _Prepared:
    """A dynamic circuit made ready once, for any values."""

    plain: PlainCircuit  # sampled: with its waits; exact: with deferred measurements
    stage: Stage
    timing: Timing | None


@dataclass(frozen=True)
class _Request:
    """A PUB with what it takes to run and to read it."""

    circuit: DynamicCircuit
    prepared: _Prepared
    angles: NDArray[np.float64]  # (B, bases, Q), of the plain circuit
    bases: list[Basis]
    num_observables: int


class DynamicRunner:
    """Runs dynamic circuits for an executor, whose shots, counts and random numbers it shares.

    Args:
        name: of the device, for messages.
        find_stage: what a circuit is made ready with.
        shots: of each measurement basis of each set of values; None for exact values.
        random: of the shots.
        counts: are kept up to date.
        mitigation: only none is taken.
    """

    def __init__(
        self,
        name: str,
        find_stage: StageFinder,
        shots: int | None,
        random: np.random.Generator,
        counts: Counts,
        mitigation: Mitigation,
    ) -> None:
        self._name = name
        self._find_stage = find_stage
        self._shots = shots
        self._random = random
        self._counts = counts
        self._mitigation = mitigation
        self._prepared: dict[bytes, _Prepared] = {}

    def run(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        """Run one job; see :meth:`qrnn_qiskit.executors.DynamicExecutor.run_dynamic`.

        Raises:
            ValueError: bad values or observables, a device with noise but without shots,
                mitigation, or a device that lacks qubits or instructions. Nothing has run then.
            ExecutionError: Aer failed.
        """
        if self._mitigation != Mitigation():
            raise DeviceError(
                f"device {self._name!r} mitigates errors, which is not done for dynamic circuits; "
                "leave mitigation out"
            )
        requests = [self._request(pub) for pub in pubs]
        if self._shots is None:
            outcomes = [_read_exactly(request) for request in requests]
        else:
            outcomes = self._sample(requests, self._shots)
        self._counts.jobs += 1
        self._counts.pubs += len(requests)
        for request in requests:
            batch, bases = request.angles.shape[:2]
            self._counts.bindings += batch
            self._counts.executions += batch * bases * (self._shots or 0)
        return outcomes

    def describe(self) -> list[str]:
        """Layout and durations of the circuits so far, a line each."""
        return [
            f"{prepared.stage.description}; {prepared.timing}"
            for prepared in self._prepared.values()
            if prepared.timing is not None
        ]

    def list_durations(self) -> list[tuple[Stage, float]]:
        """Where the circuits so far sit, and how many seconds each takes."""
        return [(p.stage, p.timing.total) for p in self._prepared.values() if p.timing is not None]

    def _request(self, pub: DynamicPub) -> _Request:
        circuit = pub.circuit
        values = check_values(circuit.circuit, pub.values)
        observables = list(pub.observables)
        if observables:
            observables = build_readout(observables, num_qubits=circuit.num_qubits).observables
        bases = group_terms(observables, range(circuit.num_qubits)) or [Basis()]
        prepared = self._prepare(circuit.circuit)
        angles = [
            prepared.plain.evaluate(circuit.bind_basis(values, _spell(basis, circuit.num_qubits)))
            for basis in bases
        ]
        return _Request(circuit, prepared, np.stack(angles, 1), bases, len(observables))

    def _prepare(self, circuit: QuantumCircuit) -> _Prepared:
        key = fingerprint(circuit)
        if key not in self._prepared:
            self._prepared[key] = self._make_ready(circuit)
            self._counts.transpilations += 1
        return self._prepared[key]

    def _make_ready(self, circuit: QuantumCircuit) -> _Prepared:
        stage = self._find_stage(circuit)
        if stage.noise is not None:
            if self._shots is None:
                raise DeviceError(
                    f"device {self._name!r} has noise and no shots, but dynamic circuits with "
                    "noise are sampled; give shots, such as shots=1000"
                )
            check_noise_model(stage.noise, circuit.num_qubits)
        try:
            ready = stage.pass_manager.run(circuit)
        except TranspilerError as error:
            raise InvalidValueError(
                f"circuit {circuit.name!r} does not run on {self._name}: {error.message}"
            ) from error
        timing = None
        if stage.target is not None:
            check_rules([RulePub(ready, 1)], stage.target, shots=1, limits=_UNBOUNDED)
            idle = idle_channels(stage.target)
            waiting, timing = insert_idling(ready, stage.target, idle, stage.patches)
            ready = ready if stage.noise is None else waiting
        if self._shots is None:
            ready = defer_measurements(ready)
            _check_state_fits(ready)
        return _Prepared(make_plain(ready, list(circuit.parameters)), stage, timing)

    def _sample(self, requests: Sequence[_Request], shots: int) -> list[Outcomes]:
        noises = {id(request.prepared.stage.noise) for request in requests}
        if len(noises) > 1:
            raise InvalidValueError(
                f"the {len(requests)} circuits of a job need {len(noises)} different layouts on "
                f"{self._name}; run circuits of one shape in a job"
            )
        # Trajectories: the number of gates, not of qubits, is what they cost.
        simulator = AerSimulator(
            method="statevector",
            noise_model=requests[0].prepared.stage.noise,
            fusion_enable=False,
            max_parallel_experiments=0,
        )
        sampler = Sampler(mode=simulator)
        sampler.options.simulator.seed_simulator = int(self._random.integers(2**31))
        sampler.options.simulator.angle_decimals = _ANGLE_DECIMALS
        plains = [request.prepared.plain for request in requests]
        try:
            job = sampler.run(
                [
                    (plain.circuit, {tuple(plain.angles): request.angles})
                    for plain, request in zip(plains, requests, strict=True)
                ],
                shots=shots,
            )
            results = job.result()
        except (QiskitError, RuntimeError, MemoryError) as error:
            raise ExecutionError(describe_failure(plains[0].circuit, str(error))) from error
        return [
            _count_outcomes(request, result.data)
            for request, result in zip(requests, results, strict=True)
        ]


def _spell(basis: Basis, num_qubits: int) -> str:
    return "".join(basis.letters.get(qubit, "Z") for qubit in range(num_qubits))


def _count_outcomes(request: _Request, data: Any) -> Outcomes:
    """Outcomes with errors from the bits (B, bases, shots) of each register."""
    *steps, final = (register.name for register in request.circuit.circuit.cregs)
    batch = len(request.angles)
    num_outcomes = request.circuit.num_outcomes
    outcomes = np.stack([_count(data[step], num_outcomes).sum(1) for step in steps], 1)
    shots = int(outcomes[0, 0].sum())
    counts = _count(data[final], 2**request.circuit.num_qubits)
    values = np.zeros((batch, request.num_observables))
    variances = np.zeros_like(values)
    for k, basis in enumerate(request.bases):
        rows, table = basis.tabulate(request.circuit.num_qubits)
        if rows:
            mean, variance = estimate_mean(counts[:, k], table)
            values[:, rows] += mean
            variances[:, rows] += variance
    return Outcomes(outcomes / shots, values, np.sqrt(variances), shots)


def _count(bits: BitArray, size: int) -> NDArray[np.int64]:
    """How often each value of a register was seen, (B, bases, size)."""
    weights = 256 ** np.arange(bits.array.shape[-1] - 1, -1, -1)
    numbers = bits.array @ weights
    rows = numbers.reshape(-1, numbers.shape[-1])
    rows = rows + size * np.arange(len(rows))[:, None]
    counts = np.bincount(rows.ravel(), minlength=len(rows) * size)
    return counts.reshape(*numbers.shape[:-1], size)


def _read_exactly(request: _Request) -> Outcomes:
    """Exact outcomes and values, from density matrices."""
    plain = request.prepared.plain
    simulator = AerSimulator(method="density_matrix", runtime_parameter_bind_enable=True)
    batch, bases, width = request.angles.shape
    rows = request.angles.reshape(-1, width)
    chunk = max(1, BATCH_BYTES // (16 * 4**plain.circuit.num_qubits))
    data = [
        item
        for start in range(0, len(rows), chunk)
        for item in sweep_values(simulator, plain.circuit, plain, rows[start : start + chunk])
    ]
    *steps, final = (register.name for register in request.circuit.circuit.cregs)
    outcomes = np.array([[item[step] for step in steps] for item in data[::bases]])
    probabilities = np.array([item[final] for item in data]).reshape(batch, bases, -1)
    values = np.zeros((batch, request.num_observables))
    for k, basis in enumerate(request.bases):
        chosen, table = basis.tabulate(request.circuit.num_qubits)
        if chosen:
            values[:, chosen] += probabilities[:, k] @ table.T
    return Outcomes(outcomes, values)


def _check_state_fits(circuit: QuantumCircuit) -> None:
    if 16 * 4**circuit.num_qubits > 2**32:
        raise InvalidValueError(
            f"circuit {circuit.name!r} has {circuit.num_qubits} qubits with those that record "
            f"its outcomes, so a density matrix takes 2^{2 * circuit.num_qubits + 4} bytes, and at "
            "most 2^32 are taken; give shots, or take fewer qubits or ancillas"
        )
