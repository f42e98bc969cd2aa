"""Dynamic circuits on Aer: exact, sampled, and with the noise of a device.

Sampled circuits go through the Sampler of ``qiskit_ibm_runtime`` as they would on a QPU: one job,
PUBs whose bindings are sets of values and all measurement bases. A PUB is run in calls of about a
second, which Ctrl-C waits for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.primitives import BitArray
from qiskit.transpiler.exceptions import TranspilerError
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime.executor_sampler import Sampler

from circuits import DynamicCircuit
from circuits.errors import InvalidValueError
from circuits.limits import JobLimits
from circuits.rules import RulePub, check_rules
from qrnn_qiskit.executors import DynamicPub, Outcomes, check_values
from runtime_jobs.aer.bare_parameters import PlainCircuit, make_plain
from runtime_jobs.aer.deferral import defer_measurements
from runtime_jobs.aer.dynamic_compiler import DynamicCompiler, Prepared
from runtime_jobs.aer.idling import idle_channels
from runtime_jobs.aer.noise import check_noise_model
from runtime_jobs.aer.simulate import (
    CALL_SECONDS,
    ExecutionError,
    check_state_fits,
    describe_failure,
    split_rows,
    sweep_values,
)
from runtime_jobs.aer.stage import Stage
from runtime_jobs.aer.untriggered import check_triggered
from runtime_jobs.device_names import DeviceError
from runtime_jobs.estimation.bases import Basis
from runtime_jobs.estimation.counting import average_values, bind_bases, choose_final_bases
from runtime_jobs.estimation.mitigated import find_places
from runtime_jobs.estimation.mitigation import fold_pairs
from runtime_jobs.hardware.scheduling import Timing, insert_idling

__all__ = ["DynamicRunner", "compile_dynamic"]

# A simulated device also runs circuits that are too long for a QPU; a warning reports those.
_UNBOUNDED = JobLimits(coherence=math.inf)
_ANGLE_DECIMALS = 12  # the default of the local mode rounds angles to 1e-5 quarter turns
# Of a trajectory: for each operation, and for each number of the state that it acts on.
_OPERATION_SECONDS, _NUMBER_SECONDS = 3e-7, 4e-9


@dataclass(frozen=True)
class _Prepared(Prepared):
    """A dynamic circuit compiled for Aer.

    Attributes:
        plain: The circuit; sampled on a device with its waits, exact with deferred measurements.
    """

    plain: PlainCircuit


@dataclass(frozen=True)
class _Request:
    """A checked PUB with its compiled circuit.

    Attributes:
        pub: The PUB.
        prepared: Its circuit, compiled for each factor of the extrapolation.
        bases: Bases of the final measurement.
    """

    pub: DynamicPub
    prepared: list[_Prepared]
    bases: list[Basis]

    def find_angles(self, values: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
        """Return the angles (rows, bases, Q) of a compiled circuit at values (rows, P)."""
        bound = bind_bases(self.pub.circuit, values, self.bases)
        angles = self.prepared[factor].plain.evaluate(bound)
        return angles.reshape(len(values), len(self.bases), -1)


class DynamicRunner(DynamicCompiler[_Prepared]):
    """Runs dynamic circuits on Aer; see :class:`.DynamicCompiler` for its arguments."""

    def run(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        """Run one job; see :meth:`qrnn_qiskit.executors.DynamicExecutor.run_dynamic`.

        Raises:
            TypeError, ValueError: Bad values or observables, a device with noise but without shots,
                an unsuitable mitigation, or a device that lacks qubits or instructions. Nothing
                has run then.
            ExecutionError: Aer failed.
        """
        if not pubs:
            return []
        self._check(pubs)
        requests = [self._request(pub) for pub in pubs]
        if self._shots is None:
            outcomes = [_read_exactly(request) for request in requests]
        else:
            outcomes = self._sample(requests)
        self._count_job(
            (len(request.pub.values), (found.shots or 0) * len(request.pub.values))
            for request, found in zip(requests, outcomes, strict=True)
        )
        return outcomes

    def _request(self, pub: DynamicPub) -> _Request:
        values = check_values(pub.circuit.circuit, pub.values)
        bases = choose_final_bases(pub)
        return _Request(pub._replace(values=values), self._prepare(pub.circuit), bases)

    def _compile(self, circuit: DynamicCircuit, factor: int) -> _Prepared:
        stage = self._find_stage(circuit.circuit)
        if stage.noise is not None and self._shots is None:
            raise DeviceError(
                f"device {self._name!r} has noise and no shots, but dynamic circuits with noise "
                "are sampled; give shots, such as shots=1000"
            )
        ready, timing = compile_dynamic(circuit.circuit, stage, self._name, factor)
        places = find_places(ready, circuit)
        num_qubits = ready.num_qubits
        if self._shots is None:
            ready = defer_measurements(ready, circuit.num_registers)
            check_state_fits(
                ready,
                "density_matrix",
                "give shots, or take fewer qubits or ancillas (exact outcomes are recorded in "
                "further qubits)",
            )
        plain = make_plain(ready, list(circuit.circuit.parameters))
        return _Prepared(stage, timing, num_qubits, *places, plain)

    def _sample(self, requests: Sequence[_Request]) -> list[Outcomes]:
        noises = {id(request.prepared[0].stage.noise) for request in requests}
        if len(noises) > 1:
            raise InvalidValueError(
                f"the {len(requests)} circuits of a job need {len(noises)} different layouts on "
                f"{self._name}; run circuits of one shape in a job"
            )
        # Trajectories: their cost is the number of gates, not of qubits.
        simulator = AerSimulator(
            method="statevector",
            noise_model=requests[0].prepared[0].stage.noise,
            fusion_enable=False,
            max_parallel_experiments=0,
        )
        sampler = Sampler(mode=simulator)
        sampler.options.simulator.angle_decimals = _ANGLE_DECIMALS
        runs = [self._open_run(r.pub, len(r.bases), r.prepared[0]) for r in requests]
        for request, run in zip(requests, runs, strict=True):
            for factor, weight in enumerate(self._mitigation.weights):
                plain = request.prepared[factor].plain
                angles = request.find_angles(run.values, factor)
                bits = self._sample_calls(sampler, plain, angles, run.shots)
                run.add_bits(weight, bits, request.bases)
        return [run.close() for run in runs]

    def _sample_calls(
        self, sampler: Sampler, plain: PlainCircuit, angles: NDArray[np.float64], shots: int
    ) -> dict[str, BitArray]:
        """Return the bits of each register, (B, bases) of them, from several calls."""
        rows, most = _split_call(plain.circuit, angles.shape[1], shots)
        found: list[dict[str, BitArray]] = []
        for start in range(0, len(angles), rows):
            part = angles[start : start + rows]
            calls = []
            for done in range(0, shots, most):
                # The calls, and so their seeds, are the same on every machine.
                sampler.options.simulator.seed_simulator = int(self._random.integers(2**31))
                pub = (plain.circuit, {tuple(plain.angles): part})
                try:
                    job = sampler.run([pub], shots=min(most, shots - done))
                    calls.append(dict(job.result()[0].data.items()))
                except (QiskitError, RuntimeError, MemoryError) as error:
                    raise ExecutionError(describe_failure(plain.circuit, str(error))) from error
            found.append(
                {
                    name: BitArray.concatenate_shots([call[name] for call in calls])
                    for name in calls[0]
                }
            )
        return {name: BitArray.concatenate([call[name] for call in found]) for name in found[0]}


def compile_dynamic(
    circuit: QuantumCircuit, stage: Stage, name: str, factor: int = 1
) -> tuple[QuantumCircuit, Timing | None]:
    """Compile a dynamic circuit for a stage.

    Args:
        circuit: The circuit.
        stage: Where it runs.
        name: Name of the device, for messages.
        factor: Number of times that each two-qubit gate outside of branches is repeated.

    Returns:
        The ISA circuit, with the relaxation of waiting qubits where the stage has noise, and its
        durations; None without a device.

    Raises:
        ValueError: The noise model does not fit, or the device does not run the circuit.
    """
    if stage.noise is not None:
        check_noise_model(stage.noise, circuit.num_qubits)
    try:
        ready = fold_pairs(stage.pass_manager.run(circuit), factor)
    except TranspilerError as error:
        raise InvalidValueError(
            f"circuit {circuit.name!r} does not run on {name}: {error.message}"
        ) from error
    check_triggered(ready, stage)
    if stage.target is None:
        return ready, None
    check_rules([RulePub(ready, 1)], stage.target, shots=1, limits=_UNBOUNDED)
    idle = idle_channels(stage.target)
    waiting, timing = insert_idling(ready, stage.target, idle)
    return (ready if stage.noise is None else waiting), timing


def _split_call(circuit: QuantumCircuit, num_bases: int, shots: int) -> tuple[int, int]:
    """Return how many sets of values, and how many shots of them, a call runs."""
    operation = _OPERATION_SECONDS + _NUMBER_SECONDS * 2**circuit.num_qubits
    most = max(1, int(CALL_SECONDS / (operation * _count_operations(circuit) * num_bases)))
    return max(1, most // shots), min(most, shots)


def _count_operations(circuit: QuantumCircuit) -> int:
    """Count the operations of a circuit, those of all branches included."""
    return sum(
        1 + sum(map(_count_operations, getattr(item.operation, "blocks", ())))
        for item in circuit.data
    )


def _read_exactly(request: _Request) -> Outcomes:
    """Exact outcomes and values, from density matrices."""
    circuit, bases = request.pub.circuit, request.bases
    plain = request.prepared[0].plain
    simulator = AerSimulator(method="density_matrix", runtime_parameter_bind_enable=True)
    angles = request.find_angles(request.pub.values, 0)
    angles = angles.reshape(-1, angles.shape[-1])
    data = [
        item
        for rows in split_rows(
            len(angles), plain.circuit.num_qubits, "density_matrix", plain.circuit.size()
        )
        for item in sweep_values(simulator, plain.circuit, plain, angles[rows])
    ]
    *steps, final = (register.name for register in circuit.circuit.cregs)
    # Outcomes do not depend on the final basis: those of the first one are taken.
    first = data[:: len(bases)]
    outcomes = np.array([[item[step] for step in steps] for item in first])
    outcomes = outcomes.reshape(len(first), circuit.num_steps, -1)
    probabilities = np.array([item[final] for item in data])
    return Outcomes(outcomes, average_values(probabilities, bases, len(request.pub.observables)))
