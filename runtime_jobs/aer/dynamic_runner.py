"""Dynamic circuits on Aer: exact, sampled, and with the noise of a device.

Sampled circuits go through the Sampler of ``qiskit_ibm_runtime`` as they would on a QPU: one job,
one PUB for each circuit, with all sets of values and all measurement bases as its bindings. The
local mode of the Sampler adds no measurable time to that of Aer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
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
from runtime_jobs.aer.idling import Timing, idle_channels, insert_idling
from runtime_jobs.aer.noise import check_noise_model
from runtime_jobs.aer.simulate import (
    ExecutionError,
    check_state_fits,
    describe_failure,
    fetch_result,
    split_rows,
    sweep_values,
)
from runtime_jobs.aer.stage import Stage
from runtime_jobs.aer.untriggered import check_triggered
from runtime_jobs.device_names import DeviceError
from runtime_jobs.estimation.bases import Basis
from runtime_jobs.estimation.counting import (
    average_values,
    bind_bases,
    choose_final_bases,
    read_outcomes,
)

__all__ = ["DynamicRunner", "compile_dynamic"]

# A simulated device also runs circuits that are too long for a QPU; a warning reports those.
_UNBOUNDED = JobLimits(coherence=math.inf)
_ANGLE_DECIMALS = 12  # the default of the local mode rounds angles to 1e-5 quarter turns


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
        prepared: Its circuit, compiled.
        angles: Angles (B, bases, Q) of the compiled circuit, radians.
        bases: Bases of the final measurement.
    """

    pub: DynamicPub
    prepared: _Prepared
    angles: NDArray[np.float64]
    bases: list[Basis]


class DynamicRunner(DynamicCompiler[_Prepared]):
    """Runs dynamic circuits on Aer; see :class:`.DynamicCompiler` for its arguments."""

    def run(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        """Run one job; see :meth:`qrnn_qiskit.executors.DynamicExecutor.run_dynamic`.

        Raises:
            TypeError, ValueError: Bad values or observables, a device with noise but without shots,
                mitigation, or a device that lacks qubits or instructions. Nothing has run then.
            ExecutionError: Aer failed.
        """
        self._refuse_mitigation()
        requests = [self._request(pub) for pub in pubs]
        if self._shots is None:
            outcomes = [_read_exactly(request) for request in requests]
        else:
            outcomes = self._sample(requests, self._shots)
        self._count_job(request.angles.shape[:2] for request in requests)
        return outcomes

    def _request(self, pub: DynamicPub) -> _Request:
        circuit = pub.circuit
        values = check_values(circuit.circuit, pub.values)
        bases = choose_final_bases(pub)
        prepared = self._prepare(circuit)
        angles = prepared.plain.evaluate(bind_bases(circuit, values, bases))
        by_basis = angles.reshape(len(values), len(bases), -1)
        return _Request(pub, prepared, by_basis, bases)

    def _compile(self, circuit: DynamicCircuit) -> _Prepared:
        stage = self._find_stage(circuit.circuit)
        if stage.noise is not None and self._shots is None:
            raise DeviceError(
                f"device {self._name!r} has noise and no shots, but dynamic circuits with noise "
                "are sampled; give shots, such as shots=1000"
            )
        ready, timing = compile_dynamic(circuit.circuit, stage, self._name)
        if self._shots is None:
            ready = defer_measurements(ready, circuit.num_registers)
            check_state_fits(
                ready,
                "density_matrix",
                "give shots, or take fewer qubits or ancillas (exact outcomes are recorded in "
                "further qubits)",
            )
        parameters = list(circuit.circuit.parameters)
        return _Prepared(stage, timing, make_plain(ready, parameters))

    def _sample(self, requests: Sequence[_Request], shots: int) -> list[Outcomes]:
        noises = {id(request.prepared.stage.noise) for request in requests}
        if len(noises) > 1:
            raise InvalidValueError(
                f"the {len(requests)} circuits of a job need {len(noises)} different layouts on "
                f"{self._name}; run circuits of one shape in a job"
            )
        # Trajectories: their cost is the number of gates, not of qubits.
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
            results = fetch_result(job)
        except (QiskitError, RuntimeError, MemoryError) as error:
            raise ExecutionError(describe_failure(plains[0].circuit, str(error))) from error
        return [
            read_outcomes(dict(result.data.items()), request.pub, request.bases)
            for request, result in zip(requests, results, strict=True)
        ]


def compile_dynamic(
    circuit: QuantumCircuit, stage: Stage, name: str
) -> tuple[QuantumCircuit, Timing | None]:
    """Compile a dynamic circuit for a stage.

    Args:
        circuit: The circuit.
        stage: Where it runs.
        name: Name of the device, for messages.

    Returns:
        The ISA circuit, with the relaxation of waiting qubits where the stage has noise, and its
        durations; None without a device.

    Raises:
        ValueError: The noise model does not fit, or the device does not run the circuit.
    """
    if stage.noise is not None:
        check_noise_model(stage.noise, circuit.num_qubits)
    try:
        ready = stage.pass_manager.run(circuit)
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


def _read_exactly(request: _Request) -> Outcomes:
    """Exact outcomes and values, from density matrices."""
    plain = request.prepared.plain
    simulator = AerSimulator(method="density_matrix", runtime_parameter_bind_enable=True)
    angles = request.angles.reshape(-1, request.angles.shape[-1])
    data = [
        item
        for rows in split_rows(len(angles), plain.circuit.num_qubits, "density_matrix")
        for item in sweep_values(simulator, plain.circuit, plain, angles[rows])
    ]
    *steps, final = (register.name for register in request.pub.circuit.circuit.cregs)
    # Outcomes do not depend on the final basis: those of the first one are taken.
    first = data[:: len(request.bases)]
    outcomes = np.array([[item[step] for step in steps] for item in first])
    outcomes = outcomes.reshape(len(first), request.pub.circuit.num_steps, -1)
    probabilities = np.array([item[final] for item in data])
    num_observables = len(request.pub.observables)
    return Outcomes(outcomes, average_values(probabilities, request.bases, num_observables))
