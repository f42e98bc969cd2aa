"""Dynamic circuits with noise: exact values with gradient, or shots from their distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister

from circuits import DynamicCircuit
from circuits.errors import InvalidValueError
from circuits.final_basis import FINAL_REGISTER
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
from runtime_jobs.noisy.parts import (
    divide_circuit,
    divide_registers,
    find_owners,
    find_support,
    select_terms,
)

__all__ = ["DynamicSimulator"]

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Part:
    """Qubits of a dynamic circuit without a gate to the others: one or more of its registers.

    Attributes:
        program: The part as a program of channels.
        memory: Its memory qubits, as the circuit counts them.
        places: For each record of the program the step and the register of qubits.
    """

    program: DynamicProgram
    memory: tuple[int, ...]
    places: list[tuple[int, int]]


@dataclass(frozen=True)
class _Prepared(Prepared):
    """A dynamic circuit as programs of channels, one for each part."""

    parts: list[_Part]


class _Request(NamedTuple):
    """A part of a PUB.

    Attributes:
        part: The part.
        values: (B, P) the parameter values of the whole circuit.
        finals: For each basis of the final measurement its parameter values (B, P).
        bases: The bases, with the qubits and observables of the part.
    """

    part: _Part
    values: Values
    finals: list[Values]
    bases: list[Basis]


class DynamicSimulator(DynamicCompiler[_Prepared]):
    """Simulates dynamic circuits exactly; see :class:`.DynamicCompiler` for its arguments."""

    def run(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        """Run one job; see :meth:`qrnn_qiskit.executors.DynamicExecutor.run_dynamic`."""
        self._refuse_mitigation()
        requests = [self._request(pub) for pub in pubs]
        found = [
            _join(pub, [self._evaluate(part, pub) for part in parts], parts)
            for pub, parts in zip(pubs, requests, strict=True)
        ]
        self._count_job((len(parts[0].values), len(parts[0].bases)) for parts in requests)
        return found

    def pull(self, pubs: Sequence[DynamicPub], gradients: Sequence[Outcomes]) -> list[Values]:
        """Pull gradients back; see :class:`~qrnn_qiskit.executors.AdjointExecutor`."""
        return [
            np.sum([_pull(part, wanted) for part in self._request(pub)], 0)
            for pub, wanted in zip(pubs, gradients, strict=True)
        ]

    def _request(self, pub: DynamicPub) -> list[_Request]:
        circuit = pub.circuit
        values = check_values(circuit.circuit, pub.values)
        bases = choose_final_bases(pub)
        check_size(circuit.circuit.num_qubits // circuit.num_registers, self._name)
        parts = self._prepare(circuit).parts
        supports = [find_support(observable) for observable in pub.observables]
        owners = find_owners(supports, [part.memory for part in parts])
        for observable, (support, owner) in enumerate(zip(supports, owners, strict=True)):
            if not set(support) <= set(parts[owner].memory):
                raise InvalidValueError(
                    f"observable {observable} acts on several registers, each of which is "
                    "simulated separately; give observables on one register each"
                )
        bound = bind_bases(circuit, values, bases).reshape(len(values), len(bases), -1)
        finals = [np.ascontiguousarray(bound[:, k]) for k in range(len(bases))]
        requests = []
        for number, part in enumerate(parts):
            own = [k for k, owner in enumerate(owners) if owner == number]
            selected = select_terms(bases, part.memory, own)
            requests.append(_Request(part, values, finals, selected))
        return requests

    def _compile(self, circuit: DynamicCircuit) -> _Prepared:
        stage = self._find_stage(circuit.circuit)
        ready, timing = compile_dynamic(circuit.circuit, stage, self._name)
        parameters = list(circuit.circuit.parameters)
        channels = Channels(stage.noise)
        divided = divide_registers(ready, circuit)
        places, memories, bits = [], [], []
        for qubits, registers in divided:
            check_size(len(qubits), self._name)
            places.append([(t, r) for t in range(circuit.num_steps) for r in registers])
            memories.append([bit for r in registers for bit in circuit.list_memory(r)])
            final = [ready.cregs[-1][bit] for bit in memories[-1]]
            steps = [circuit.step_registers[t][r] for t, r in places[-1]]
            bits.append([*steps, ClassicalRegister(name=FINAL_REGISTER, bits=final)])
        circuits = divide_circuit(ready, [qubits for qubits, _ in divided], bits)
        parts = []
        for k, (qubits, _) in enumerate(divided):
            program = translate_dynamic(circuits[k], parameters, circuit.basis, channels.on(qubits))
            recorded = [places[k][record.register] for record in program.records]
            parts.append(_Part(program, tuple(memories[k]), recorded))
        return _Prepared(stage, timing, parts)

    def _evaluate(self, request: _Request, pub: DynamicPub) -> Outcomes:
        part, values, finals, bases = request
        num_observables = len(pub.observables)
        if self._shots is not None:
            return draw_outcomes(
                part.program,
                values,
                finals,
                bases,
                num_observables,
                self._shots,
                self._random,
                pub.keeps_records,
            )
        run = DynamicRun(part.program, values, finals)
        strings = run.strings.reshape(-1, run.strings.shape[-1])
        return Outcomes(run.outcomes, average_values(strings, bases, num_observables))


def _join(pub: DynamicPub, found: Sequence[Outcomes], requests: Sequence[_Request]) -> Outcomes:
    """Put the results of the parts side by side."""
    circuit, size = pub.circuit, pub.circuit.num_outcomes
    outcomes = np.zeros((len(pub.values), circuit.num_steps, circuit.num_registers * size))
    records = None
    if found[0].records is not None:
        shape = *found[0].records.shape[:2], circuit.num_steps, circuit.num_registers
        records = np.zeros(shape, found[0].records.dtype)
    for each, request in zip(found, requests, strict=True):
        for k, (step, register) in enumerate(request.part.places):
            if records is not None and each.records is not None:
                records[:, :, step, register] = each.records[:, :, k, 0]
            outcomes[:, step, register * size : (register + 1) * size] = each.outcomes[:, k]
    # An observable belongs to one part; the others contribute 0.
    values = np.sum([each.values for each in found], 0)
    errors = [each.standard_errors for each in found if each.standard_errors is not None]
    joined = np.sum(errors, 0) if errors else None
    return Outcomes(outcomes, values, joined, found[0].shots, records)


def _pull(request: _Request, wanted: Outcomes) -> Values:
    """Pull a gradient back through a part, to the parameters of the whole circuit."""
    part, values, finals, bases = request
    run = DynamicRun(part.program, values, finals, keeps=True)
    size = part.program.num_outcomes
    by_outcomes = np.zeros_like(run.outcomes)
    for k, (step, register) in enumerate(part.places):
        by_outcomes[:, k] = wanted.outcomes[:, step, register * size : (register + 1) * size]
    by_strings = np.zeros_like(run.strings)
    for k, basis in enumerate(bases):
        rows, table = basis.tabulate(len(part.memory))
        by_strings[:, k] = wanted.values[:, rows] @ table
    gradient, by_final = run.pull(by_outcomes, by_strings)
    return gradient + sum(by_final, np.zeros_like(gradient))
