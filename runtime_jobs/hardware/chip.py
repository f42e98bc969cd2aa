"""Circuits as a QPU takes them: measured in any Pauli basis, on chosen physical qubits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister, Parameter, QuantumCircuit
from qiskit.transpiler import PassManager, Target, generate_preset_pass_manager

from circuits.final_basis import BASIS_ANGLES, FINAL_REGISTER, measure_in_basis, name_basis
from runtime_jobs.estimation.bases import Basis
from runtime_jobs.hardware.targets import cut_target, duration_of

__all__ = ["Chip", "MeasuredCircuit", "measure_in_bases"]


@dataclass(frozen=True, eq=False)
class MeasuredCircuit:
    """A circuit of n qubits that is measured at its end, in bases that are bound like angles.

    Attributes:
        circuit: with the register ``final`` of n bits, bit q of qubit q.
        parameters: the P parameters of the circuit before, in the order of its values.
        basis: of each qubit the two angles of RZ SX RZ SX before its measurement.
    """

    circuit: QuantumCircuit
    parameters: tuple[Parameter, ...]
    basis: tuple[tuple[Parameter, Parameter], ...]

    @cached_property
    def _places(self) -> dict[Parameter, int]:
        return {parameter: place for place, parameter in enumerate(self.circuit.parameters)}

    def bind(self, values: NDArray[np.float64], bases: Sequence[Basis]) -> NDArray[np.float64]:
        """Values of all parameters, (B * bases, P + 2n); the basis changes fastest."""
        bound = np.zeros((len(values), len(bases), len(self._places)))
        bound[:, :, [self._places[p] for p in self.parameters]] = values[:, None]
        for k, basis in enumerate(bases):
            for qubit, angles in enumerate(self.basis):
                places = [self._places[angle] for angle in angles]
                bound[:, k, places] = BASIS_ANGLES[basis.letters.get(qubit, "Z")]
        return bound.reshape(-1, len(self._places))


def measure_in_bases(circuit: QuantumCircuit) -> MeasuredCircuit:
    """Add a change of basis and a measurement to every qubit of a unitary circuit."""
    basis = name_basis(circuit.num_qubits)
    measured = circuit.copy()
    register = ClassicalRegister(circuit.num_qubits, FINAL_REGISTER)
    measured.add_register(register)
    measure_in_basis(measured, basis, register)
    return MeasuredCircuit(measured, tuple(circuit.parameters), basis)


class Chip:
    """Qubits of a device that circuits are compiled for, and nothing around them.

    Args:
        name: of the device.
        target: the whole device.
        qubits: the physical qubit of each qubit of the circuits.
    """

    def __init__(self, name: str, target: Target, qubits: Sequence[int]) -> None:
        self.name = name
        self.target = target
        self.qubits = tuple(qubits)

    @cached_property
    def cut(self) -> Target:
        """The part of the device that lies on the qubits, counted from 0."""
        return cut_target(self.target, self.qubits)

    @cached_property
    def _passes(self) -> PassManager:
        return generate_preset_pass_manager(
            optimization_level=2,
            target=self.cut,
            initial_layout=list(range(len(self.qubits))),
            approximation_degree=1.0,
            seed_transpiler=0,
        )

    def fingerprint(self) -> str:
        """SHA-256 of instruction set, coupling map and layout: what compiling depends on."""
        coupling = self.target.build_coupling_map()
        parts = [
            sorted(self.target.operation_names),
            sorted(map(list, coupling.get_edges())) if coupling is not None else [],
            self.qubits,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @cached_property
    def timing(self) -> tuple[tuple[str, tuple[int, ...], float], ...]:
        """Which gates there are on the chosen qubits, and how long each of them lasts."""
        return tuple(
            (name, qubits, duration_of(self.cut, name, qubits))
            for name in sorted(self.cut.operation_names)
            for qubits in sorted(filter(None, self.cut[name]))
        )

    def compile(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """The circuit in the device's gates, on the chosen qubits counted from 0."""
        return self._passes.run(circuit)
