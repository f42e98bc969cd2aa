"""Dynamic circuits with noise: exact values with gradient, or shots from their distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister

from circuits import DynamicCircuit
from circuits.errors import InvalidValueError
from circuits.final_basis import FINAL_REGISTER
from circuits.separation import find_owners, find_support
from qrnn_qiskit.executors import DynamicPub, Outcomes, check_values
from runtime_jobs.aer.channels import Channels
from runtime_jobs.aer.dynamic_compiler import DynamicCompiler, Prepared
from runtime_jobs.aer.dynamic_runner import compile_dynamic
from runtime_jobs.aer.stage import Stage
from runtime_jobs.estimation.bases import Basis
from runtime_jobs.estimation.counting import (
    Worth,
    average_values,
    bind_bases,
    choose_final_bases,
    estimate_from_counts,
)
from runtime_jobs.estimation.feed_forward import invert_registers
from runtime_jobs.estimation.mitigated import find_places
from runtime_jobs.noisy.dynamic import DynamicProgram, translate_dynamic
from runtime_jobs.noisy.dynamic_run import DynamicRun
from runtime_jobs.noisy.dynamic_shots import draw_shots
from runtime_jobs.noisy.limits import check_size
from runtime_jobs.noisy.parts import (
    divide_circuit,
    divide_registers,
    select_terms,
)

__all__ = ["DynamicSimulator"]

Values = NDArray[np.float64]
Records = NDArray[np.unsignedinteger[Any]]


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
        worth: Values of 0 and 1 of its final bits; None without readout mitigation.
    """

    part: _Part
    values: Values
    finals: list[Values]
    bases: list[Basis]
    worth: Worth | None


class DynamicSimulator(DynamicCompiler[_Prepared]):
    """Simulates dynamic circuits exactly; see :class:`.DynamicCompiler` for its arguments.

    Without shots, mitigation gives the mean of its estimates: with feed-forward flips every
    recorded bit goes through the mixture of functions that undoes its readout error.
    """

    def run(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        """Run one job; see :meth:`qrnn_qiskit.executors.DynamicExecutor.run_dynamic`."""
        if not pubs:
            return []
        self._check(pubs)
        checked = [
            pub._replace(values=check_values(pub.circuit.circuit, pub.values)) for pub in pubs
        ]
        bases = [choose_final_bases(pub) for pub in checked]
        prepared = [self._prepare_checked(pub) for pub in checked]
        work = list(zip(checked, bases, prepared, strict=True))
        if self._shots is None:
            found = [self._evaluate(*each) for each in work]
        else:
            found = [self._sample(*each) for each in work]
        self._count_job(
            (len(pub.values), (outcomes.shots or 0) * len(pub.values))
            for pub, outcomes in zip(checked, found, strict=True)
        )
        return found

    def pull(self, pubs: Sequence[DynamicPub], gradients: Sequence[Outcomes]) -> list[Values]:
        """Pull gradients back; see :class:`~qrnn_qiskit.executors.AdjointExecutor`."""
        self._check(pubs)
        pulled = []
        for pub, wanted in zip(pubs, gradients, strict=True):
            values = check_values(pub.circuit.circuit, pub.values)
            bases, total = choose_final_bases(pub), np.zeros_like(values)
            prepared = self._prepare_checked(pub)
            for weight, each in zip(self._mitigation.weights, prepared, strict=True):
                for request in self._divide(pub, values, bases, each):
                    total += weight * _pull(request, wanted)
            pulled.append(total)
        return pulled

    def _prepare_checked(self, pub: DynamicPub) -> list[_Prepared]:
        circuit = pub.circuit
        check_size(circuit.circuit.num_qubits // circuit.num_registers, self._name)
        return self._prepare(circuit)

    def _divide(
        self, pub: DynamicPub, values: Values, bases: Sequence[Basis], prepared: _Prepared
    ) -> list[_Request]:
        """Divide a PUB with these values into its parts."""
        parts = prepared.parts
        supports = [find_support(observable) for observable in pub.observables]
        owners = find_owners(supports, [part.memory for part in parts])
        for observable, (support, owner) in enumerate(zip(supports, owners, strict=True)):
            if not set(support) <= set(parts[owner].memory):
                raise InvalidValueError(
                    f"observable {observable} acts on several registers, each of which is "
                    "simulated separately; give observables on one register each"
                )
        bound = bind_bases(pub.circuit, values, bases).reshape(len(values), len(bases), -1)
        finals = [np.ascontiguousarray(bound[:, k]) for k in range(len(bases))]
        calibration = self._calibrate_bits(prepared)
        worth = None if calibration is None else calibration.find_worth()
        requests = []
        for number, part in enumerate(parts):
            own = [k for k, owner in enumerate(owners) if owner == number]
            selected = select_terms(bases, part.memory, own)
            chosen = None if worth is None else [worth[qubit] for qubit in part.memory]
            requests.append(_Request(part, values, finals, selected, chosen))
        return requests

    def _compile(self, circuit: DynamicCircuit, factor: int) -> _Prepared:
        stage = self._find_stage(circuit.circuit)
        ready, timing = compile_dynamic(circuit.circuit, stage, self._name, factor)
        places = find_places(ready, circuit)
        inverses = self._find_inverses(stage, ready.num_qubits)
        parameters = list(circuit.circuit.parameters)
        channels = Channels(stage.noise)
        divided = divide_registers(ready, circuit)
        records, memories, bits = [], [], []
        for qubits, registers in divided:
            check_size(len(qubits), self._name)
            records.append([(t, r) for t in range(circuit.num_steps) for r in registers])
            memories.append([bit for r in registers for bit in circuit.list_memory(r)])
            final = [ready.cregs[-1][bit] for bit in memories[-1]]
            steps = [circuit.step_registers[t][r] for t, r in records[-1]]
            bits.append([*steps, ClassicalRegister(name=FINAL_REGISTER, bits=final)])
        circuits = divide_circuit(ready, [qubits for qubits, _ in divided], bits)
        parts = []
        for k, (qubits, _) in enumerate(divided):
            program = translate_dynamic(
                circuits[k],
                parameters,
                circuit.basis,
                channels.on(qubits),
                {place: inverses[q] for place, q in enumerate(qubits) if q in inverses},
            )
            recorded = [records[k][record.register] for record in program.records]
            parts.append(_Part(program, tuple(memories[k]), recorded))
        return _Prepared(stage, timing, ready.num_qubits, *places, parts)

    def _find_inverses(self, stage: Stage, num_qubits: int) -> dict[int, Values]:
        """Find the matrices that undo the readout error of each qubit, without shots."""
        if self._shots is not None or not self._mitigation.feed_forward:
            return {}
        calibration = self._calibrate(stage, num_qubits)
        assert calibration is not None
        errors = calibration.find_errors()
        return dict(enumerate(invert_registers(errors[:, None])))

    def _evaluate(
        self, pub: DynamicPub, bases: list[Basis], prepared: Sequence[_Prepared]
    ) -> Outcomes:
        """Return exact outcomes and values."""
        found = []
        for each in prepared:
            requests = self._divide(pub, pub.values, bases, each)
            runs = [DynamicRun(r.part.program, pub.values, r.finals) for r in requests]
            values = np.zeros((len(pub.values), len(pub.observables)))
            for request, run in zip(requests, runs, strict=True):
                strings = run.strings.reshape(-1, run.strings.shape[-1])
                values += average_values(
                    strings, request.bases, len(pub.observables), request.worth
                )
            outcomes = _join(pub, [run.outcomes for run in runs], requests)
            found.append((outcomes, values))
        outcomes, values = (
            np.tensordot(self._mitigation.weights, np.stack(each), 1)
            for each in zip(*found, strict=True)
        )
        return Outcomes(outcomes, values)

    def _sample(
        self, pub: DynamicPub, bases: list[Basis], prepared: Sequence[_Prepared]
    ) -> Outcomes:
        """Draw shots from the exact distribution."""
        run = self._open_run(pub, len(bases), prepared[0])
        for weight, each in zip(self._mitigation.weights, prepared, strict=True):
            requests = self._divide(pub, run.values, bases, each)
            drawn = [
                draw_shots(
                    r.part.program, run.values, r.finals, run.shots, self._random, pub.keeps_records
                )
                for r in requests
            ]
            outcomes = _join(pub, [counts for counts, _, _ in drawn], requests)
            strings = [counts for _, counts, _ in drawn]
            if pub.keeps_records:
                run.records = _join_records(pub, [records for _, _, records in drawn], requests)
            read = partial(_read_values, requests, strings, len(pub.observables))
            run.add(weight, outcomes / (run.shots * len(bases)), read)
        return run.close()


def _read_values(
    requests: Sequence[_Request],
    strings: Sequence[NDArray[np.int64]],
    num_observables: int,
    worth: Worth | None,
) -> tuple[Values, Values]:
    """Estimate the observables of all parts; each belongs to one part and is 0 in the others."""
    found = [
        estimate_from_counts(
            counts,
            request.bases,
            num_observables,
            None if worth is None else [worth[qubit] for qubit in request.part.memory],
        )
        for request, counts in zip(requests, strings, strict=True)
    ]
    values, errors = (np.sum(each, 0) for each in zip(*found, strict=True))
    return values, errors


def _join(
    pub: DynamicPub, found: Sequence[NDArray[Any]], requests: Sequence[_Request]
) -> NDArray[np.float64]:
    """Put the outcomes (rows, T, 2^m) of the parts side by side."""
    circuit, size = pub.circuit, pub.circuit.num_outcomes
    outcomes = np.zeros((len(found[0]), circuit.num_steps, circuit.num_registers * size))
    for each, request in zip(found, requests, strict=True):
        for k, (step, register) in enumerate(request.part.places):
            outcomes[:, step, register * size : (register + 1) * size] = each[:, k]
    return outcomes


def _join_records(
    pub: DynamicPub, found: Sequence[Records | None], requests: Sequence[_Request]
) -> Records:
    """Put the records (rows, shots, t) of the parts side by side."""
    given = [each for each in found if each is not None]
    shape = *given[0].shape[:2], pub.circuit.num_steps, pub.circuit.num_registers
    records = np.zeros(shape, given[0].dtype)
    for each, request in zip(given, requests, strict=True):
        for k, (step, register) in enumerate(request.part.places):
            records[:, :, step, register] = each[:, :, k]
    return records


def _pull(request: _Request, wanted: Outcomes) -> Values:
    """Pull a gradient back through a part, to the parameters of the whole circuit."""
    part, values, finals, bases, worth = request
    run = DynamicRun(part.program, values, finals, keeps=True)
    size = part.program.num_outcomes
    by_outcomes = np.zeros_like(run.outcomes)
    for k, (step, register) in enumerate(part.places):
        by_outcomes[:, k] = wanted.outcomes[:, step, register * size : (register + 1) * size]
    by_strings = np.zeros_like(run.strings)
    for k, basis in enumerate(bases):
        rows, table = basis.tabulate(len(part.memory), worth)
        by_strings[:, k] = wanted.values[:, rows] @ table
    gradient, by_final = run.pull(by_outcomes, by_strings)
    return gradient + sum(by_final, np.zeros_like(gradient))
