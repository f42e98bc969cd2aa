"""One dynamic circuit per sequence: measured mode with the controller compiled in as branches.

The controller of measured mode sees only bits, so its angles are known for every outcome before
anything runs. Step t applies U(theta) with the angles of the outcome c in the register of step
t - 1, chosen by ``if_test``, and ends with its measurement (:mod:`circuits.coupling`), in the frame
"undone" followed by the inverse of U with the same angles. Where bits do not feed back there is no
branch, only mid-circuit measurement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter

from circuits.ansatz import Ansatz
from circuits.branching import Group, append_branches, group_gates
from circuits.coupling import Measurement
from circuits.errors import InvalidValueError
from circuits.final_basis import BASIS_ANGLES, FINAL_REGISTER, measure_in_basis, name_basis
from circuits.recurrence import name_parameter
from circuits.validation import require_count

__all__ = ["DynamicCircuit", "build_dynamic"]


@dataclass(frozen=True, eq=False)
class DynamicCircuit:
    """T steps of measured mode as one circuit, every angle a parameter.

    Attributes:
        circuit: Memory qubits 0 to n - 1, then ancillas n to n + m - 1 (none for the coupling
            ``direct``). A register ``step0``, ``step1``, ... of m bits for each step, in time
            order and zero-padded, bit a of ancilla a; then the register ``final`` of n bits,
            bit q of memory qubit q. It starts in |0...0>. An ancilla is in |0> before each
            coupling, so a stored bit is the outcome. With R > 1 registers of qubits: the memory
            of register 0, of register 1 and so on (R n qubits), then their ancillas in the same
            order, and for each step R registers of bits, ``step0_0``, ``step0_1`` and so on.
        tables: The angles ``[t][c][p]`` of step t after the register value c of step t - 1, in
            radians and in controller order; step 0, and every step where bits do not feed back,
            has only c = 0. Named ``theta[t][c][p]`` with
            leading zeros, equal in every call and process. With R > 1 registers, p counts the
            R P angles of all registers, and c is the value of the register of each.
        strength: The coupling strength g, one parameter for all ancillas; None for ``direct``.
        basis: For each memory qubit the two angles (first, second) of RZ SX RZ SX before its
            final measurement; :meth:`bind_basis` sets their values.
        measurement: The measurement of a register that ends every step.
        num_registers: R, registers of qubits side by side, without a gate between them.
        gate_columns: Where ``circuit`` has a parameter for every gate instead of the tables: see
            :attr:`branch_columns`.
    """

    circuit: QuantumCircuit
    tables: tuple[tuple[tuple[Parameter, ...], ...], ...]
    strength: Parameter | None
    basis: tuple[tuple[Parameter, Parameter], ...]
    measurement: Measurement
    num_registers: int = 1
    gate_columns: NDArray[np.int64] | None = None

    @property
    def num_steps(self) -> int:
        """T, the number of steps."""
        return len(self.tables)

    @property
    def num_qubits(self) -> int:
        """The number of memory qubits of all registers, R n."""
        return self.num_registers * self.measurement.num_qubits

    def list_memory(self, register: int) -> range:
        """The memory qubits of a register of qubits."""
        n = self.measurement.num_qubits
        return range(register * n, (register + 1) * n)

    @property
    def num_outcomes(self) -> int:
        """2^m, the values of a step's register."""
        return self.measurement.num_outcomes

    @cached_property
    def step_registers(self) -> list[list[ClassicalRegister]]:
        """The registers of bits of each step, ``[t][r]``, without the final one."""
        registers, count = self.circuit.cregs, self.num_registers
        return [registers[t * count : (t + 1) * count] for t in range(self.num_steps)]

    @property
    def num_parameters(self) -> int:
        """The parameters of ``circuit``: angles of all branches, g and the final basis."""
        return int(self.circuit.num_parameters)

    @cached_property
    def table_columns(self) -> NDArray[np.int64]:
        """(T, 2^m, P) index of each angle in ``circuit.parameters``; -1 without such a branch."""
        places = self._places
        columns = np.full((self.num_steps, self.num_outcomes, len(self.tables[0][0])), -1, np.int64)
        for t, table in enumerate(self.tables):
            for c, angles in enumerate(table):
                columns[t, c] = [places[angle] for angle in angles]
        return columns

    @cached_property
    def branch_columns(self) -> NDArray[np.int64]:
        """(T, R, 2^m, Q) index in ``circuit.parameters`` of the angles of each branch.

        The Q angles of the branches of a register are in the same order for each value of its bits;
        -1 without such a branch.
        """
        if self.gate_columns is not None:
            return self.gate_columns
        steps, values, count = self.table_columns.shape
        split = self.table_columns.reshape(steps, values, self.num_registers, -1)
        assert split.shape[-1] * self.num_registers == count
        return np.ascontiguousarray(split.swapaxes(1, 2))

    def bind_values(
        self, tables: NDArray[np.float64], strength: float | None = None, basis: str = "Z"
    ) -> NDArray[np.float64]:
        """Arrange the values of all parameters in the order of ``circuit.parameters``.

        Args:
            tables: (B, T, 2^m, P) angles in radians; those without a branch are not used.
            strength: g in radians; that of the measurement by default.
            basis: See :meth:`bind_basis`.

        Returns:
            (B, num_parameters) float64.

        Raises:
            ValueError: Tables of another shape, a strength for ``direct``, or an invalid basis.
        """
        tables = np.asarray(tables, np.float64)
        columns = self.table_columns
        if tables.ndim != 4 or tables.shape[1:] != columns.shape:
            raise InvalidValueError(
                f"expected tables of shape (batch, {', '.join(map(str, columns.shape))}), which is "
                f"steps, outcomes, angles, got {tables.shape}"
            )
        values = np.zeros((len(tables), self.num_parameters))
        used = columns >= 0
        values[:, columns[used]] = tables[:, used]
        if self.strength is not None:
            chosen = self.measurement.strength if strength is None else strength
            values[:, self._places[self.strength]] = chosen
        elif strength is not None:
            raise InvalidValueError("the coupling 'direct' has no strength; leave the argument out")
        return self.bind_basis(values, basis)

    def bind_basis(self, values: NDArray[np.float64], basis: str) -> NDArray[np.float64]:
        """Return a copy of ``values`` (B, num_parameters) with the final measurement in ``basis``.

        Args:
            values: Values in the order of ``circuit.parameters``.
            basis: A letter X, Y or Z for all memory qubits, or n letters of which the first is
                that of qubit 0.

        Raises:
            ValueError: Any other basis.
        """
        letters = basis * self.num_qubits if len(basis) == 1 else basis
        if len(letters) != self.num_qubits or not set(letters) <= set(BASIS_ANGLES):
            raise InvalidValueError(
                f"basis must be X, Y or Z, or {self.num_qubits} of these letters, that of qubit 0 "
                f"first, got {basis!r}"
            )
        values = values.copy()
        for angles, letter in zip(self.basis, letters, strict=True):
            values[:, [self._places[angle] for angle in angles]] = BASIS_ANGLES[letter]
        return values

    @cached_property
    def _places(self) -> dict[Parameter, int]:
        return {parameter: place for place, parameter in enumerate(self.circuit.parameters)}


def build_dynamic(
    ansatz: Ansatz, measurement: Measurement, num_steps: int, num_registers: int = 1
) -> DynamicCircuit:
    """Build the dynamic circuit of ``num_steps`` steps.

    Gates with angles go into the branches, in as few groups as the circuit allows; gates without
    angles are shared and stay outside. With m = 1 a group is one if/else, otherwise 2^m
    ``if_test`` on the values of the register. Nothing is nested, and branches hold only gates.
    The global phase of the ansatz, which no readout sees, is left out.

    Args:
        ansatz: One step of a register on n qubits, P angles.
        measurement: The measurement of a register that ends each step, including the last.
        num_steps: T, at least 1.
        num_registers: R copies of the step side by side, each with its own angles, its own bits
            and its own branches.

    Raises:
        TypeError: ``num_steps`` is not an integer.
        ValueError: ``num_steps`` is below 1, ansatz and measurement differ in their qubits, or
            the ansatz has a gate without parameter-shift rule and definition
            (:class:`~circuits.shifts.ShiftError`).
    """
    num_steps = require_count("num_steps", num_steps)
    if ansatz.num_qubits != measurement.num_qubits:
        raise InvalidValueError(
            f"the ansatz has {ansatz.num_qubits} qubits, but the measurement was built for "
            f"{measurement.num_qubits} memory qubits; build both for the same number"
        )
    branches = measurement.num_outcomes if measurement.bit_feedback else 1
    tables = _name_tables(num_steps, branches, num_registers * ansatz.num_parameters)
    strength = name_parameter("g") if measurement.has_ancillas else None
    basis = name_basis(num_registers * measurement.num_qubits)
    circuit = _prepare(ansatz, measurement, num_steps, num_registers)
    dynamic = DynamicCircuit(circuit, tables, strength, basis, measurement, num_registers)
    places = [_find_places(measurement, num_registers, r) for r in range(num_registers)]
    groups = group_gates(ansatz.circuit)
    undoing = group_gates(ansatz.circuit.inverse()) if measurement.is_undone else []
    flips = measurement.has_ancillas and not measurement.resets_ancillas
    for t, table in enumerate(tables):
        if t and measurement.resets_ancillas:
            circuit.reset(range(dynamic.num_qubits, circuit.num_qubits))
        before = dynamic.step_registers[t - 1] if len(table) > 1 else []
        _append_gates(circuit, ansatz, groups, table, before, places, flips)
        for (memory, ancillas), register in zip(places, dynamic.step_registers[t], strict=True):
            _append_measurement(circuit, measurement, strength, register, memory, ancillas)
        _append_gates(circuit, ansatz, undoing, table, before, places, False)
    measure_in_basis(circuit, basis, circuit.cregs[-1])
    return dynamic


def _append_gates(
    circuit: QuantumCircuit,
    ansatz: Ansatz,
    groups: Sequence[Group],
    table: Sequence[Sequence[Parameter]],
    registers: Sequence[ClassicalRegister],
    places: Sequence[tuple[Sequence[int], Sequence[int]]],
    flips: bool,
) -> None:
    """Append the gates of a step, in branches by the bits of the step before if ``table`` has them.

    Args:
        circuit: Circuit to append to.
        ansatz: The step of a register.
        groups: Its gates, or those of its inverse.
        table: The angles ``[c][p]`` by the bits of the step before.
        registers: These bits, one register of bits for each register of qubits.
        places: Memory qubits and ancillas of each register of qubits.
        flips: Whether the first branches return the ancillas that were measured as 1.
    """
    count = ansatz.num_parameters
    for group in groups:
        # A group of one register after that of another: branches that wait for their bits
        # follow each other, and gates on other qubits fill the wait.
        branches = len(table) > 1 and group.has_angles
        for r, (memory, ancillas) in enumerate(places):
            own = [angles[r * count : (r + 1) * count] for angles in table]
            bodies = [group.bind(ansatz.parameters, angles) for angles in own]
            qubits = [memory[qubit] for qubit in group.qubits]
            if branches:
                flipped = ancillas if flips else ()
                append_branches(circuit, qubits, bodies, registers[r], flipped)
            else:
                circuit.compose(bodies[0], qubits, inplace=True)
        flips = flips and not branches


def _find_places(
    measurement: Measurement, num_registers: int, register: int
) -> tuple[Sequence[int], Sequence[int]]:
    """Return the memory qubits and the ancillas of a register of qubits."""
    n, m = measurement.num_qubits, measurement.num_ancillas
    first = num_registers * n + register * m
    return range(register * n, (register + 1) * n), range(first, first + m)


def _name_tables(
    num_steps: int, num_outcomes: int, num_angles: int
) -> tuple[tuple[tuple[Parameter, ...], ...], ...]:
    t_width, c_width, p_width = (len(str(n - 1)) for n in (num_steps, num_outcomes, num_angles))
    return tuple(
        tuple(
            tuple(
                name_parameter(f"theta[{t:0{t_width}}][{c:0{c_width}}][{p:0{p_width}}]")
                for p in range(num_angles)
            )
            for c in range(num_outcomes if t else 1)
        )
        for t in range(num_steps)
    )


def _prepare(
    ansatz: Ansatz, measurement: Measurement, num_steps: int, num_registers: int
) -> QuantumCircuit:
    """Return the empty circuit with its qubits and registers."""
    num_memory = num_registers * measurement.num_qubits
    qubits = [QuantumRegister(num_memory, "memory")]
    if measurement.has_ancillas:
        qubits.append(QuantumRegister(num_registers * measurement.num_ancillas, "ancilla"))
    t_width, r_width = len(str(num_steps - 1)), len(str(num_registers - 1))
    registers = [
        ClassicalRegister(
            measurement.num_ancillas,
            f"step{t:0{t_width}}" + (f"_{r:0{r_width}}" if num_registers > 1 else ""),
        )
        for t in range(num_steps)
        for r in range(num_registers)
    ]
    final = ClassicalRegister(num_memory, FINAL_REGISTER)
    name = f"{ansatz.name}, {num_steps} measured steps"
    return QuantumCircuit(*qubits, *registers, final, name=name)


def _append_measurement(
    circuit: QuantumCircuit,
    measurement: Measurement,
    strength: Parameter | None,
    register: ClassicalRegister,
    memory: Sequence[int],
    ancillas: Sequence[int],
) -> None:
    """Couple and measure each ancilla, ancilla 0 first, in the basis of its Pauli."""
    read = [memory[qubit] for qubit in measurement.qubits]
    for bit, (qubit, letter) in enumerate(zip(read, measurement.bases, strict=True)):
        _turn_to_z(circuit, qubit, letter)
        if strength is None:
            circuit.measure(qubit, register[bit])
        else:
            ancilla = ancillas[bit]
            circuit.ry(math.pi / 2 - strength / 2, ancilla)
            circuit.cx(qubit, ancilla)
            if measurement.coupling == "cry":
                circuit.ry(strength / 2 - math.pi / 2, ancilla)
            circuit.measure(ancilla, register[bit])
        _turn_back(circuit, qubit, letter)


def _turn_to_z(circuit: QuantumCircuit, qubit: int, letter: str) -> None:
    if letter == "Y":
        circuit.sdg(qubit)
    if letter in "XY":
        circuit.h(qubit)


def _turn_back(circuit: QuantumCircuit, qubit: int, letter: str) -> None:
    if letter in "XY":
        circuit.h(qubit)
    if letter == "Y":
        circuit.s(qubit)
