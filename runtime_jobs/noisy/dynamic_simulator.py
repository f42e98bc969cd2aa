"""Dynamic circuits with noise: exact values with gradient, or shots from their distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits import DynamicCircuit
from qrnn_qiskit.executors import DynamicPub, Outcomes, check_values
from runtime_jobs.aer.dynamic_compiler import DynamicCompiler, Prepared
from runtime_jobs.aer.dynamic_runner import compile_dynamic
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
class _Prepared(Prepared):
    """A dynamic circuit as a program of channels."""

    program: DynamicProgram


class DynamicSimulator(DynamicCompiler[_Prepared]):
    """Simulates dynamic circuits exactly; see :class:`.DynamicCompiler` for its arguments."""

    def run(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        """Run one job; see :meth:`qrnn_qiskit.executors.DynamicExecutor.run_dynamic`."""
        self._refuse_mitigation()
        requests = [self._request(pub) for pub in pubs]
        found = [
            self._evaluate(*request, len(pub.observables))
            for pub, request in zip(pubs, requests, strict=True)
        ]
        self._count_job((len(values), len(bases)) for _, values, _, bases in requests)
        return found

    def pull(self, pubs: Sequence[DynamicPub], gradients: Sequence[Outcomes]) -> list[Values]:
        """Pull gradients back; see :class:`~qrnn_qiskit.executors.AdjointExecutor`."""
        return [
            self._pull(*self._request(pub), wanted)
            for pub, wanted in zip(pubs, gradients, strict=True)
        ]

    def _request(self, pub: DynamicPub) -> tuple[DynamicProgram, Values, list[Values], list[Basis]]:
        circuit = pub.circuit
        values = check_values(circuit.circuit, pub.values)
        bases = choose_final_bases(pub)
        check_size(circuit.circuit.num_qubits, self._name)
        bound = bind_bases(circuit, values, bases).reshape(len(values), len(bases), -1)
        finals = [np.ascontiguousarray(bound[:, k]) for k in range(len(bases))]
        return self._prepare(circuit).program, values, finals, bases

    def _compile(self, circuit: DynamicCircuit) -> _Prepared:
        stage = self._find_stage(circuit.circuit)
        ready, timing = compile_dynamic(circuit.circuit, stage, self._name)
        parameters = list(circuit.circuit.parameters)
        program = translate_dynamic(ready, parameters, circuit.basis, Channels(stage.noise))
        return _Prepared(stage, timing, program)

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
