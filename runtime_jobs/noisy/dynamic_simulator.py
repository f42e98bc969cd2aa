"""Dynamic circuits with noise: exact values with gradient, or shots from their distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit

from qrnn_qiskit.executors import Counts, DynamicPub, Outcomes, check_values
from runtime_jobs.aer.dynamic_runner import compile_dynamic
from runtime_jobs.aer.idling import Timing
from runtime_jobs.aer.mitigation import Mitigation
from runtime_jobs.aer.stage import Stage, StageFinder, fingerprint
from runtime_jobs.device_names import DeviceError
from runtime_jobs.estimation.bases import Basis
from runtime_jobs.estimation.counting import average_values, bind_bases, choose_final_bases
from runtime_jobs.noisy.channels import Channels
from runtime_jobs.noisy.dynamic import DynamicProgram, translate_dynamic
from runtime_jobs.noisy.dynamic_run import DynamicRun
from runtime_jobs.noisy.dynamic_shots import draw_outcomes
from runtime_jobs.noisy.limits import check_size

__all__ = ["DynamicSimulator"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class _Prepared:
    """A dynamic circuit compiled once for any values."""

    program: DynamicProgram
    stage: Stage
    timing: Timing | None


class DynamicSimulator:
    """Runs dynamic circuits for an executor, whose shots, counts and random numbers it shares.

    Args:
        name: Name of the device, for messages.
        find_stage: Finds the stage that a circuit is compiled for.
        shots: Shots of each measurement basis of each set of values; None for exact values.
        random: Source of the random numbers.
        counts: Counts of the executor, which are kept up to date.
        mitigation: Error mitigation of the executor; any is refused.
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
        """Run one job; see :meth:`qrnn_qiskit.executors.DynamicExecutor.run_dynamic`."""
        if self._mitigation != Mitigation():
            raise DeviceError(
                f"device {self._name!r} mitigates errors, which dynamic circuits do not support; "
                "leave mitigation out"
            )
        requests = [self._request(pub) for pub in pubs]
        found = [
            self._evaluate(*request, len(pub.observables))
            for pub, request in zip(pubs, requests, strict=True)
        ]
        self._counts.jobs += 1
        self._counts.pubs += len(pubs)
        for _, values, _, bases in requests:
            self._counts.bindings += len(values)
            self._counts.executions += len(values) * len(bases) * (self._shots or 0)
        return found

    def pull(self, pubs: Sequence[DynamicPub], gradients: Sequence[Outcomes]) -> list[Values]:
        """Pull gradients back; see :class:`~qrnn_qiskit.executors.AdjointExecutor`."""
        return [
            self._pull(*self._request(pub), wanted)
            for pub, wanted in zip(pubs, gradients, strict=True)
        ]

    def describe(self) -> list[str]:
        """Layout and durations of each circuit so far, one line each."""
        return [
            f"{prepared.stage.description}; {prepared.timing}"
            for prepared in self._prepared.values()
            if prepared.timing is not None
        ]

    def list_durations(self) -> list[tuple[Stage, float]]:
        """Stage and duration in seconds of each circuit so far."""
        return [(p.stage, p.timing.total) for p in self._prepared.values() if p.timing is not None]

    def _request(self, pub: DynamicPub) -> tuple[DynamicProgram, Values, list[Values], list[Basis]]:
        circuit = pub.circuit
        values = check_values(circuit.circuit, pub.values)
        bases = choose_final_bases(pub)
        check_size(circuit.circuit.num_qubits, self._name)
        key = fingerprint(circuit.circuit)
        if key not in self._prepared:
            self._prepared[key] = self._compile(circuit.circuit, circuit.basis)
            self._counts.transpilations += 1
        bound = bind_bases(circuit, values, bases).reshape(len(values), len(bases), -1)
        finals = [np.ascontiguousarray(bound[:, k]) for k in range(len(bases))]
        return self._prepared[key].program, values, finals, bases

    def _compile(
        self, circuit: QuantumCircuit, basis: Sequence[tuple[Parameter, Parameter]]
    ) -> _Prepared:
        stage = self._find_stage(circuit)
        ready, timing = compile_dynamic(circuit, stage, self._name)
        program = translate_dynamic(ready, list(circuit.parameters), basis, Channels(stage.noise))
        return _Prepared(program, stage, timing)

    def _evaluate(
        self,
        program: DynamicProgram,
        values: Values,
        finals: list[Values],
        bases: list[Basis],
        num_observables: int,
    ) -> Outcomes:
        if self._shots is not None:
            return draw_outcomes(
                program, values, finals, bases, num_observables, self._shots, self._random
            )
        run = DynamicRun(program, values, finals)
        strings = run.strings.reshape(-1, run.strings.shape[-1])
        return Outcomes(run.outcomes, average_values(strings, bases, num_observables))

    def _pull(
        self,
        program: DynamicProgram,
        values: Values,
        finals: list[Values],
        bases: list[Basis],
        wanted: Outcomes,
    ) -> Values:
        run = DynamicRun(program, values, finals, keeps=True)
        num_qubits = run.strings.shape[-1].bit_length() - 1
        by_strings = np.zeros_like(run.strings)
        for k, basis in enumerate(bases):
            rows, table = basis.tabulate(num_qubits)
            by_strings[:, k] = wanted.values[:, rows] @ table
        gradient, by_final = run.pull(wanted.outcomes, by_strings)
        return gradient + sum(by_final, np.zeros_like(gradient))
