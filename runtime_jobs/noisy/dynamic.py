"""Dynamic circuits as programs of channels: one density matrix for each recorded value.

The compiled circuit with its waits is translated instruction by instruction. A measurement splits
every matrix by the recorded bit, readout error included; a branch acts on the matrices of its
value; a register that no later branch tests is summed over. An ancilla is part of the matrix, so a
misread one starts the next step in 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, Clbit, IfElseOp, Measure, Parameter, QuantumCircuit

from circuits.errors import InvalidValueError
from qrnn_qiskit.engines.cpu.noisy_program import ProgramBuilder
from qrnn_qiskit.on_device.noisy_recurrence import NoisySegment
from runtime_jobs.aer.channels import Angle, Channels, Piece
from runtime_jobs.noisy.prefixes import close_segment

__all__ = ["DynamicProgram", "Record", "translate_dynamic"]

_MOST_ENTRIES = 64  # bits of the mask of an operation's entries

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Record:
    """The entries of a state when a register has been measured.

    Attributes:
        register: The number of the register among those of the circuit.
        entries: The entries in use.
        outcomes: The value of the register in each of them.
    """

    register: int
    entries: NDArray[np.int64]
    outcomes: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class DynamicProgram:
    """A dynamic circuit in segments that each end when a register has been measured.

    Attributes:
        segments: T + 1 segments; the last one follows the last record.
        records: The entries at the end of the first T.
        num_shared: The segments before the first gate of the final change of basis. The others run
            once for every basis; usually only the last one.
        final_entries: The entries after the last segment.
        strings: (2^n, 4^N) the probabilities of the final bits, readout error included, as linear
            functions of the Pauli coefficients after the last segment.
        num_qubits: N, ancillas included.
        num_entries: Entries of a state.
    """

    segments: list[NoisySegment]
    records: list[Record]
    num_shared: int
    final_entries: NDArray[np.int64]
    strings: NDArray[np.float64]
    num_qubits: int
    num_entries: int

    @property
    def num_outcomes(self) -> int:
        """2^m, the values of a register."""
        return int(self.records[0].outcomes.max()) + 1


def translate_dynamic(
    circuit: QuantumCircuit,
    parameters: Sequence[Parameter],
    basis: Sequence[tuple[Parameter, Parameter]],
    channels: Channels,
    inverses: Mapping[int, Values] | None = None,
) -> DynamicProgram:
    """Translate a compiled dynamic circuit, in float64.

    Args:
        circuit: The circuit with its waits; the registers of the steps in order, then the final
            one.
        parameters: Parameters in the order of the values.
        basis: The parameters of the final change of basis.
        channels: Writes the gates.
        inverses: For each qubit the matrix (2, 2) that undoes its readout error in the mean, for
            the bits of the steps: the exact mean of mitigated feed-forward. None by default.

    Raises:
        ValueError: A condition on something other than a register or a bit, or too many recorded
            bits at once.
    """
    return _Translation(circuit, parameters, basis, channels, inverses or {}).run()


class _Part:
    """A segment under construction."""

    def __init__(self, num_qubits: int) -> None:
        self.builder = ProgramBuilder(num_qubits)
        self.angles: list[Angle] = []

    def add(self, pieces: Iterator[Piece], entries: int) -> None:
        for piece in pieces:
            if piece.angle is not None:
                self.builder.rotate(piece.axis, piece.qubits[0], entries)
                self.angles.append(piece.angle)
            elif piece.matrix is not None:
                self.builder.map(piece.qubits, piece.matrix, entries)


class _Translation:
    """One pass over a circuit."""

    def __init__(
        self,
        circuit: QuantumCircuit,
        parameters: Sequence[Parameter],
        basis: Sequence[tuple[Parameter, Parameter]],
        channels: Channels,
        inverses: Mapping[int, Values],
    ) -> None:
        self._circuit = circuit
        self._inverses = inverses
        self._columns = {parameter: k for k, parameter in enumerate(parameters)}
        self._basis = {angle for pair in basis for angle in pair}
        self._channels = channels
        *steps, self._final = circuit.cregs
        self._steps = steps
        self._step_of = {bit: t for t, register in enumerate(steps) for bit in register}
        self._slots: dict[Clbit, int] = {}
        self._most_slots = 0
        self._part = _Part(circuit.num_qubits)
        self._read_by: dict[int, int] = {}  # for each final bit its qubit

    def run(self) -> DynamicProgram:
        parts: list[_Part] = []
        records: list[Record] = []
        now, later = self._divide()
        items = [*now, *later]
        last_test = self._find_last_tests(items)
        unmeasured = [len(register) for register in self._steps]
        num_shared = 0
        for place, item in enumerate(items):
            if place == len(now):
                num_shared = len(parts)
            operation = item.operation
            if isinstance(operation, IfElseOp):
                self._branch(item)
            elif not isinstance(operation, Measure):
                self._gate(item)
            elif item.clbits[0] in self._step_of:
                step = self._step_of[item.clbits[0]]
                self._measure(item)
                unmeasured[step] -= 1
                if not unmeasured[step]:
                    records.append(self._record(step))
                    parts.append(self._part)
                    self._part = _Part(self._circuit.num_qubits)
            else:
                self._read(item)
            for step, test in enumerate(last_test):
                if test <= place and not unmeasured[step]:
                    self._drop(step)
        num_entries = 1 << self._most_slots
        if num_entries > _MOST_ENTRIES:
            raise InvalidValueError(
                f"circuit {self._circuit.name!r} holds {self._most_slots} recorded bits at once, "
                "but exact noisy simulation holds at most 6; take fewer ancillas"
            )
        return DynamicProgram(
            [
                close_segment(part.builder.build(torch.float64), part.angles)
                for part in [*parts, self._part]
            ],
            records,
            num_shared,
            np.array(self._list_entries()),
            self._find_strings(),
            self._circuit.num_qubits,
            num_entries,
        )

    def _divide(self) -> tuple[list[CircuitInstruction], list[CircuitInstruction]]:
        """The instructions before the final change of basis, and the others.

        An instruction comes later if it has an angle of the final basis or follows one that does.
        """
        now, later = [], []
        ended: set[int] = set()
        for item in self._circuit.data:
            qubits = set(self._find_qubits(item))
            is_final = bool(item.clbits) and item.clbits[0] in set(self._final)
            angles = getattr(item.operation, "params", ())
            free = {p for angle in angles for p in getattr(angle, "parameters", ())}
            if is_final or ended & qubits or free & self._basis:
                ended |= qubits
                later.append(item)
            else:
                now.append(item)
        return now, later

    def _find_last_tests(self, items: Sequence[CircuitInstruction]) -> list[int]:
        """For each step the place of the last branch on its register; -1 where there is none."""
        last = [-1] * len(self._steps)
        for place, item in enumerate(items):
            if isinstance(item.operation, IfElseOp):
                for bit in self._read_condition(item)[0]:
                    last[self._step_of[bit]] = place
        return last

    def _read_condition(self, item: CircuitInstruction) -> tuple[list[Clbit], int]:
        condition = item.operation.condition
        if not isinstance(condition, tuple):
            raise InvalidValueError(
                f"circuit {self._circuit.name!r} has the condition {condition}, but exact noisy "
                "simulation takes a register or a bit compared with a number"
            )
        tested, value = condition
        return ([tested] if isinstance(tested, Clbit) else list(tested)), int(value)

    def _branch(self, item: CircuitInstruction) -> None:
        bits, value = self._read_condition(item)
        entries: tuple[list[int], list[int]] = ([], [])
        for e in self._list_entries():
            read = sum(
                ((e >> self._slots[bit]) & 1) << k
                for k, bit in enumerate(bits)
                if bit in self._slots  # a bit that has not been measured is 0
            )
            entries[read != value].append(e)
        qubits = self._find_qubits(item)
        for body, chosen in zip(item.operation.blocks, entries, strict=False):
            if not chosen:
                continue
            for inner in body.data:
                where = tuple(qubits[body.find_bit(q).index] for q in inner.qubits)
                pieces = self._channels.write(inner.operation, where, self._columns)
                self._part.add(pieces, _mask(chosen))

    def _gate(self, item: CircuitInstruction) -> None:
        qubits = self._find_qubits(item)
        if set(self._read_by.values()) & set(qubits):
            return  # what follows its final measurement changes no bit of this qubit
        pieces = self._channels.write(item.operation, qubits, self._columns)
        self._part.add(pieces, _mask(self._list_entries()))

    def _read(self, item: CircuitInstruction) -> None:
        (qubit,) = self._find_qubits(item)
        self._read_by[self._final[:].index(item.clbits[0])] = qubit

    def _measure(self, item: CircuitInstruction) -> None:
        (qubit,) = self._find_qubits(item)
        entries = self._list_entries()
        slot = next(k for k in range(64) if k not in self._slots.values())
        assignment = self._channels.find_assignment(qubit)
        if qubit in self._inverses:
            assignment = self._inverses[qubit] @ assignment
        self._part.builder.measure(qubit, slot, assignment, _mask(entries))
        self._slots[item.clbits[0]] = slot
        self._most_slots = max(self._most_slots, slot + 1)

    def _record(self, step: int) -> Record:
        entries = np.array(self._list_entries())
        outcomes = np.zeros_like(entries)
        for k, bit in enumerate(self._steps[step]):
            outcomes |= ((entries >> self._slots[bit]) & 1) << k
        return Record(step, entries, outcomes)

    def _drop(self, step: int) -> None:
        for bit in self._steps[step]:
            if bit in self._slots:
                slot = self._slots.pop(bit)
                self._part.builder.drop(slot, _mask(self._list_entries()))

    def _find_strings(self) -> NDArray[np.float64]:
        """The probabilities of the final bits as linear functions of the coefficients."""
        effects = [np.array([[1.0, 0, 0, 0]])] * self._circuit.num_qubits
        for qubit in self._read_by.values():
            effects[qubit] = self._channels.find_reading(qubit)
        whole = np.ones((1, 1))
        for effect in effects:
            whole = np.kron(effect, whole)
        # The bits of ``whole`` are those of the measured qubits in the order of their positions.
        measured = sorted(self._read_by.values())
        states = np.arange(2 ** len(measured))
        places = sum(
            ((states >> bit) & 1) << measured.index(qubit) for bit, qubit in self._read_by.items()
        )
        strings: NDArray[np.float64] = whole[places]
        return strings

    def _list_entries(self) -> list[int]:
        entries = [0]
        for slot in sorted(self._slots.values()):
            entries += [entry | 1 << slot for entry in entries]
        return entries

    def _find_qubits(self, item: CircuitInstruction) -> tuple[int, ...]:
        return tuple(self._circuit.find_bit(qubit).index for qubit in item.qubits)


def _mask(entries: Sequence[int]) -> int:
    """The entries as bits of a signed number of 64 bits."""
    mask: Any = sum(1 << entry for entry in entries if entry < _MOST_ENTRIES)
    return int(mask - (1 << 64) if mask >> 63 else mask)
