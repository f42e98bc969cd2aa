"""Circuits from outside as ansatz: phases, blocks, library circuits, idle parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from custom_steps import assert_equals_statevector
from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, Gate, InverseModifier, Parameter, ParameterExpression
from qiskit.circuit.library import (
    CCXGate,
    CXGate,
    DiagonalGate,
    GlobalPhaseGate,
    HamiltonianGate,
    MCXGate,
    PauliEvolutionGate,
    PauliGate,
    PermutationGate,
    QFTGate,
    RXGate,
    RYGate,
    UnitaryGate,
    efficient_su2,
    n_local,
    real_amplitudes,
    zz_feature_map,
)
from qiskit.quantum_info import Clifford, SparsePauliOp, random_unitary

from circuits import ShiftError, build_ansatz, shift_parameters
from circuits.errors import UserError
from circuits.limits import MOST_GATES
from qrnn_qiskit import QRNN
from qrnn_qiskit.engines.lowering import UnsupportedCircuitError

A, B = Parameter("a"), Parameter("b")


def steerable(num_qubits: int = 3) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits)
    circuit.ry(A, 0)
    circuit.h(num_qubits - 1)
    return circuit


@pytest.mark.parametrize("phase", [0.7, A / 2, A * A, 2 * A + 1], ids=str)
def test_a_global_phase_has_no_effect(phase: float | ParameterExpression) -> None:
    circuit = steerable()
    circuit.global_phase = phase
    circuit.append(GlobalPhaseGate(0.3), [])
    circuit.append(GlobalPhaseGate(A), [])
    assert_equals_statevector(circuit)
    assert build_ansatz(circuit, num_qubits=3).circuit.global_phase == 0.0


def make_block(kind: str) -> QuantumCircuit:
    block = QuantumCircuit(2, name="block", global_phase=A)
    block.ry(2 * A + 0.5, 0)
    block.crx(B, 1, 0)
    inner = QuantumCircuit(2, name="inner")
    inner.append(block.to_gate(), [1, 0])
    circuit = QuantumCircuit(3)
    circuit.h(range(3))
    if kind == "gate":
        circuit.append(block.to_gate(), [2, 0])
    elif kind == "instruction":
        circuit.append(block.to_instruction(), [2, 0])
    elif kind == "circuit":
        circuit.append(block, [2, 0])
    elif kind == "nested":
        circuit.append(inner, [2, 1])
    elif kind == "controlled":
        circuit.append(block.to_gate().control(1, annotated=False), [1, 2, 0])
    else:
        circuit.append(inner.to_gate().inverse(), [0, 1])
    return circuit


@pytest.mark.parametrize(
    "kind", ["gate", "instruction", "circuit", "nested", "controlled", "inverse"]
)
def test_blocks_are_decomposed(kind: str) -> None:
    assert_equals_statevector(make_block(kind))


@pytest.mark.parametrize(
    "gate",
    [
        CCXGate(),
        CXGate(ctrl_state=0),
        MCXGate(2),
        CCXGate(ctrl_state=1),
        RXGate(A).control(2, annotated=False),
        RXGate(A).control(2, annotated=True),
        RYGate(2 * B).control(1, ctrl_state=0, annotated=False),
        UnitaryGate(random_unitary(8, seed=1)),
        UnitaryGate(random_unitary(2, seed=1)),
        DiagonalGate([1, 1j, -1, np.exp(0.3j)]),
        PauliGate("XYZ"),
        QFTGate(3),
        PermutationGate([2, 0, 1]),
        AnnotatedOperation(RXGate(A), InverseModifier()),
        Clifford(QuantumCircuit(2)),
    ],
    ids=lambda gate: type(gate).__name__,
)
def test_gates_outside_the_standard_set_are_decomposed(gate: Gate) -> None:
    circuit = steerable()
    circuit.append(gate, range(gate.num_qubits))
    circuit.rx(B, 1)
    assert_equals_statevector(circuit)


@pytest.mark.parametrize(
    "circuit",
    [
        efficient_su2(3, reps=1),
        real_amplitudes(3, entanglement="full", reps=2),
        n_local(3, ["ry", "rz"], "crx", reps=1),
        n_local(3, "ry", "ccx", entanglement=[(0, 1, 2)], reps=1),
        n_local(2, "rx", "rzz", skip_final_rotation_layer=True),
    ],
    ids=lambda circuit: circuit.name,
)
def test_library_circuits_run(circuit: QuantumCircuit) -> None:
    assert_equals_statevector(circuit)
    wrapped = QuantumCircuit(circuit.num_qubits)
    wrapped.append(circuit, wrapped.qubits)
    assert_equals_statevector(wrapped)


def test_time_evolutions_are_decomposed() -> None:
    circuit = steerable()
    circuit.append(PauliEvolutionGate(SparsePauliOp(["XXI", "IZY"], [0.5, 0.25]), A), range(3))
    assert_equals_statevector(circuit, circuit.decompose("PauliEvolution"))


def test_decomposed_circuits_have_shift_rules() -> None:
    circuit = build_ansatz(make_block("controlled"), num_qubits=3).circuit
    assert shift_parameters(circuit).num_parameters == 2


@pytest.mark.parametrize(
    "angle", [A * B, A**2, 2**A, A.sin() + B, A / B, abs(A) + B, A**B], ids=str
)
def test_angles_that_are_not_affine_are_refused_with_a_remedy_that_works(
    angle: ParameterExpression,
) -> None:
    circuit = QuantumCircuit(2)
    circuit.rx(A, 0)
    circuit.rx(B, 1)
    circuit.cry(angle, 0, 1)
    with pytest.raises(UnsupportedCircuitError, match=r"not affine in.*separate parameter"):
        QRNN(1, 2, ansatz=circuit)
    with pytest.raises(ShiftError, match=r"not affine in.*separate parameter"):
        shift_parameters(circuit)
    mended = QuantumCircuit(2)
    mended.rx(A, 0)
    mended.rx(B, 1)
    mended.cry(Parameter("c"), 0, 1)
    assert_equals_statevector(mended)
    QRNN(1, 2, ansatz=mended)


def test_a_feature_map_names_its_product() -> None:
    with pytest.raises(UnsupportedCircuitError, match=r"x\[0\].*not affine in x\[0\], x\[1\]"):
        QRNN(1, 2, ansatz=zz_feature_map(2))


def with_gate(gate: Gate) -> QuantumCircuit:
    circuit = steerable()
    circuit.append(gate, range(gate.num_qubits))
    return circuit


@pytest.mark.parametrize(
    ("circuit", "message"),
    [
        (with_gate(RXGate(0 * B)), r"without effect on any readout \(b\)"),
        (with_gate(RXGate(B - B + 0.5)), r"without effect on any readout \(b\)"),
        (with_gate(RXGate(B**0)), r"without effect on any readout \(b\)"),
        (with_gate(GlobalPhaseGate(B)), r"without effect on any readout \(b\)"),
        (with_gate(RXGate(A * A + 0 * B)), r"without effect on any readout \(b\)"),
        (with_gate(Gate("mystery", 1, [])), r"'mystery', which has no definition"),
        (with_gate(Gate("rx", 1, [0.5])), r"'rx', which has no definition"),
        (with_gate(HamiltonianGate(np.eye(2), B)), r"'hamiltonian', which could not be decomp"),
        (with_gate(RXGate(math.nan)), r"'rx' with the angle nan.*finite"),
        (with_gate(RXGate(-math.inf)), r"'rx' with the angle -inf.*finite"),
        (with_gate(RXGate(1e12 * B)), r"'rx' with the number 1e\+12.*rounding"),
        (with_gate(RXGate(B + 1e12)), r"'rx' with the number 1e\+12.*4 pi"),
    ],
)
def test_circuits_without_effect_or_definition(circuit: QuantumCircuit, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_ansatz(circuit, num_qubits=3)


def nest(levels: int, copies: int) -> QuantumCircuit:
    """Blocks in blocks that share their definitions."""
    block = QuantumCircuit(2)
    block.cx(0, 1)
    for level in range(levels + 1):
        gate = Gate(f"block{level}", 2, [])
        gate.definition = block
        block = QuantumCircuit(2) if level < levels else steerable(2)
        for _ in range(copies if level < levels else 1):
            block.append(gate, [0, 1], copy=False)
    return block


def test_nested_blocks_are_counted_before_anything_is_built() -> None:
    with pytest.raises(UserError, match=f"more than {MOST_GATES} gates"):
        build_ansatz(nest(27, 2), num_qubits=2)
    assert build_ansatz(nest(6, 2), num_qubits=2).circuit.size() == 66
    wide = UnitaryGate(np.eye(128), check_input=False)
    circuit = steerable(7)
    circuit.append(wide, range(7))
    with pytest.raises(UserError, match="16384 numbers, of which a gate may have at most 4096"):
        build_ansatz(circuit, num_qubits=7)


def test_blocks_nested_deeper_than_python_calls() -> None:
    assert build_ansatz(nest(1500, 1), num_qubits=2).circuit.size() == 3


def test_layers_are_counted_before_anything_is_built() -> None:
    with pytest.raises(UserError, match=r"num_layers=100000000 .* at most 1818 layers"):
        build_ansatz(num_qubits=4, num_layers=100_000_000)
    with pytest.raises(UserError, match=r"fits into 64 bits, got one of 16610 bits"):
        build_ansatz(num_qubits=4, num_layers=10**5000)
