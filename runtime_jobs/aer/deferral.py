"""Dynamic circuits without sampling: deferred measurements and controlled branches.

A CX copies a measured bit to a record qubit, which dephases the measured qubit. The records control
the gates of a branch, and a record is reset before it takes the next bit. Density matrices of Aer
then give the exact distribution of every register.
"""

from __future__ import annotations

from collections.abc import Sequence

from qiskit.circuit import (
    ClassicalRegister,
    Clbit,
    ControlledGate,
    IfElseOp,
    Measure,
    QuantumCircuit,
    QuantumRegister,
    Qubit,
)
from qiskit.circuit.equivalence_library import SessionEquivalenceLibrary
from qiskit.transpiler import PassManager
from qiskit.transpiler.passes import BasisTranslator, UnrollCustomDefinitions

from runtime_jobs.hardware.gates import GATES

__all__ = ["defer_measurements"]

_BASIS = [*sorted(GATES), "reset", "save_probabilities"]
_TRANSLATION = PassManager(
    [
        UnrollCustomDefinitions(SessionEquivalenceLibrary, _BASIS),
        BasisTranslator(SessionEquivalenceLibrary, _BASIS),
    ]
)


def defer_measurements(circuit: QuantumCircuit, num_registers: int = 1) -> QuantumCircuit:
    """Replace measurements by record qubits and save the distribution of each register.

    The last register is read at the end. Of the others only the latest one is kept, since the
    branches of a dynamic circuit depend on no other.

    Args:
        circuit: Circuit that measures every bit once, register by register, with conditions on the
            register measured last.
        num_registers: Registers of a step, which follow each other; the latest one of each is kept.

    Returns:
        Circuit without classical bits: the qubits of ``circuit``, then record qubits and, for
        registers of several bits, a flag qubit that is 1 where a branch runs. The probabilities are
        saved under the name of the register; bit 0 of the register is bit 0 of the outcome.
    """
    deferred: QuantumCircuit = _TRANSLATION.run(_Deferral(circuit, num_registers).run())
    return deferred


class _Deferral:
    """One pass over a circuit."""

    def __init__(self, circuit: QuantumCircuit, num_registers: int) -> None:
        *self._steps, self._final = circuit.cregs
        width = max(register.size for register in self._steps)
        self._records = QuantumRegister(num_registers * width, "record")
        self._flag = QuantumRegister(1, "flag") if width > 1 else None
        registers = [self._records, *([self._flag] if self._flag else [])]
        self._circuit = circuit
        self._built = QuantumCircuit(circuit.qubits, *registers, name=circuit.name)
        self._places = {bit: (reg, k) for reg in circuit.cregs for k, bit in enumerate(reg)}
        self._first = {
            register.name: number % num_registers * width
            for number, register in enumerate(self._steps)
        }
        self._used: set[Qubit] = set()
        self._missing = {register.name: register.size for register in self._steps}

    def run(self) -> QuantumCircuit:
        last: dict[int, Qubit] = {}
        for item in self._circuit.data:
            operation = item.operation
            if isinstance(operation, IfElseOp):
                self._branch(operation, item.qubits)
            elif isinstance(operation, Measure):
                register, place = self._places[item.clbits[0]]
                if register == self._final:
                    last[place] = item.qubits[0]
                else:
                    self._record(item.qubits[0], register, place)
            else:
                self._built.append(operation, item.qubits)
        self._built.save_probabilities([last[k] for k in range(self._final.size)], self._final.name)
        return self._built

    def _record(self, qubit: Qubit, register: ClassicalRegister, place: int) -> None:
        first = self._first[register.name]
        record = self._records[first + place]
        if record in self._used:
            self._built.reset(record)
        self._used.add(record)
        self._built.cx(qubit, record)
        self._missing[register.name] -= 1
        if not self._missing[register.name]:
            records = self._records[first : first + register.size]
            self._built.save_probabilities(records, register.name)

    def _branch(self, operation: IfElseOp, qubits: Sequence[Qubit]) -> None:
        condition, value = operation.condition
        bits = [condition] if isinstance(condition, Clbit) else list(condition)
        records = [self._find_record(bit) for bit in bits]
        bodies = dict(zip((True, False), operation.blocks, strict=False))
        for is_met, body in bodies.items():
            if self._flag is None:
                wanted = int(value) if is_met else 1 - int(value)
                self._control(body, records[0], wanted, qubits)
                continue
            self._toggle(records, int(value))
            self._control(body, self._flag[0], int(is_met), qubits)
            self._toggle(records, int(value))

    def _find_record(self, bit: Clbit) -> Qubit:
        register, place = self._places[bit]
        return self._records[self._first[register.name] + place]

    def _toggle(self, records: Sequence[Qubit], value: int) -> None:
        assert self._flag is not None
        zeros = [record for k, record in enumerate(records) if not value >> k & 1]
        if zeros:
            self._built.x(zeros)
        self._built.mcx(list(records), self._flag[0])
        if zeros:
            self._built.x(zeros)

    def _control(
        self, body: QuantumCircuit, control: Qubit, value: int, qubits: Sequence[Qubit]
    ) -> None:
        for item in body.data:
            targets = [qubits[body.find_bit(qubit).index] for qubit in item.qubits]
            gate: ControlledGate = item.operation.control(1, ctrl_state=value, annotated=False)
            self._built.append(gate, [control, *targets])
