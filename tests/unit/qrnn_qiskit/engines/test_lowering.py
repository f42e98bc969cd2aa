"""Every gate that the simulator takes against Qiskit's Statevector, and what it refuses."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from qiskit.circuit import Gate, Parameter, ParameterExpression, QuantumCircuit
from qiskit.circuit.library import (
    CXGate,
    MCPhaseGate,
    PauliEvolutionGate,
    PauliGate,
    RXGate,
    TGate,
    UnitaryGate,
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import SparsePauliOp, Statevector, random_statevector

from qrnn_qiskit.engines.cpu import Simulator, begin
from qrnn_qiskit.engines.lowering import Angle, UnsupportedCircuitError, lower_circuit

STANDARD = {
    name: gate
    for name, gate in get_standard_gate_name_mapping().items()
    if isinstance(gate, Gate) and gate.num_qubits <= 2
}
A, B = Parameter("a"), Parameter("b")


def simulate(
    circuit: QuantumCircuit, values: NDArray[np.float64], start: Statevector
) -> NDArray[np.complex128]:
    """Final states (B, 2^n) for values (B, P) in the order of ``circuit.parameters``."""
    simulator = Simulator(circuit, [], torch.float64)
    vector = torch.tensor(start.data).expand(len(values), -1)
    evolution, _ = begin(simulator, vector, len(values))
    evolution.run(torch.from_numpy(values))
    final: NDArray[np.complex128] = evolution.vector().numpy()
    return final


def assert_equals_qiskit(circuit: QuantumCircuit, seed: int = 0) -> None:
    """Equal with global phase, for a batch of angle sets and a random first state."""
    start = random_statevector(2**circuit.num_qubits, seed=seed)
    values = np.random.default_rng(seed).uniform(-7.0, 7.0, (3, circuit.num_parameters))
    final = simulate(circuit, values, start)
    for row, vector in zip(values, final, strict=True):
        expected = start.evolve(circuit.assign_parameters(row)).data
        np.testing.assert_allclose(vector, expected, rtol=0.0, atol=1e-12)


def refuse(circuit: QuantumCircuit, *parts: str) -> None:
    with pytest.raises(UnsupportedCircuitError) as caught:
        lower_circuit(circuit)
    for part in parts:
        assert part in str(caught.value)


def test_standard_gates_are_all_there() -> None:
    assert len(STANDARD) == 45
    assert {"global_phase", "u", "cu", "cu3", "iswap", "ecr", "xx_plus_yy", "rzz"} <= set(STANDARD)


@pytest.mark.parametrize("name", sorted(STANDARD))
def test_gate_with_free_and_fixed_angles(name: str) -> None:
    kind = STANDARD[name].base_class
    count = len(STANDARD[name].params)
    free = kind(*(Parameter(f"angle{k}") for k in range(count)))
    for qubits in permutations(range(3), free.num_qubits):
        circuit = QuantumCircuit(3)
        circuit.append(free, qubits)
        circuit.append(kind(*(0.3 + k for k in range(count))), qubits)
        assert_equals_qiskit(circuit, seed=sum(qubits))


@pytest.mark.parametrize("name", sorted(name for name in STANDARD if STANDARD[name].params))
def test_gate_with_affine_angles(name: str) -> None:
    gate = STANDARD[name]
    affine = [(0.5 - k) * A + 0.25 * k - 1.0 for k in range(len(gate.params))]
    circuit = QuantumCircuit(3)
    circuit.append(gate.base_class(*affine), [2, 0][: gate.num_qubits])
    assert_equals_qiskit(circuit)


@pytest.mark.parametrize(
    "angle",
    [2 * A + 1, -A / 3, 2 * (A - 1) + A, A - A + 0.5, A * 0, (A + 1).conjugate()],
    ids=str,
)
def test_affine_expressions(angle: ParameterExpression) -> None:
    circuit = QuantumCircuit(2)
    circuit.rx(angle, 0)
    circuit.crx(angle, 0, 1)
    circuit.rz(A, 1)
    assert_equals_qiskit(circuit)


def test_bound_expressions_are_numbers() -> None:
    circuit = QuantumCircuit(1)
    circuit.ry(2 * A + B, 0)
    bound = circuit.assign_parameters({A: 0.25, B: 0.5})
    assert_equals_qiskit(bound)


def test_parameters_in_the_global_phase() -> None:
    circuit = QuantumCircuit(2, global_phase=2 * A - 0.5)
    circuit.ry(A, 0)
    circuit.cx(0, 1)
    assert_equals_qiskit(circuit)


def test_controlled_phase_of_one_control_and_barriers() -> None:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.barrier()
    circuit.append(MCPhaseGate(A, 1), [2, 0])
    circuit.barrier(1)
    circuit.ry(B, 2)
    assert_equals_qiskit(circuit)


def test_labels_and_registers_change_nothing() -> None:
    circuit = QuantumCircuit(1, 2)
    circuit.append(RXGate(A, label="mine"), [0])
    assert_equals_qiskit(circuit)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), num_qubits=st.integers(1, 5), seed=st.integers(0, 2**16))
def test_random_circuits(data: st.DataObject, num_qubits: int, seed: int) -> None:
    circuit = QuantumCircuit(num_qubits, global_phase=0.1 * A)
    fitting = sorted(name for name in STANDARD if STANDARD[name].num_qubits <= num_qubits)
    parameters = [A, B, Parameter("c")]
    random = np.random.default_rng(seed)
    for name in data.draw(st.lists(st.sampled_from(fitting), min_size=1, max_size=25)):
        gate = STANDARD[name]
        angles = [
            float(random.normal()) * parameters[random.integers(3)] + float(random.normal())
            for _ in gate.params
        ]
        qubits = random.permutation(num_qubits)[: gate.num_qubits].tolist()
        circuit.append(gate.base_class(*angles), qubits)
    assert_equals_qiskit(circuit, seed)


def test_angle_arithmetic() -> None:
    total = Angle((("a", 1.0),), 0.5) + Angle((("b", 2.0), ("a", 3.0)), 1.0)
    assert total == Angle((("a", 4.0), ("b", 2.0)), 1.5)
    assert total * -0.5 == Angle((("a", -2.0), ("b", -1.0)), -0.75)


def test_refuses_gates_on_three_qubits() -> None:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.ccx(0, 1, 2)
    refuse(circuit, "instruction 1 ('ccx')", "3 qubits", "transpile")


@pytest.mark.parametrize("name", ["measure", "reset", "delay", "if_else"])
def test_refuses_what_is_no_gate(name: str) -> None:
    circuit = QuantumCircuit(1, 1)
    if name == "if_else":
        with circuit.if_test((circuit.clbits[0], 1)):
            circuit.x(0)
    else:
        getattr(circuit, name)(*{"measure": (0, 0), "delay": (1, 0)}.get(name, (0,)))
    refuse(circuit, f"instruction 0 ({name!r})", "not a unitary gate", "remove it")


def test_refuses_blocks() -> None:
    block = QuantumCircuit(1, name="block")
    block.rx(A, 0)
    circuit = QuantumCircuit(2)
    circuit.append(block.to_gate(), [0])
    refuse(circuit, "instruction 0 ('block')", "standard library", "decompose()")
    assert_equals_qiskit(circuit.decompose())


@pytest.mark.parametrize(
    "gate",
    [
        UnitaryGate(np.eye(2)),
        PauliGate("XY"),
        Gate("rx", 1, [0.5]),  # a standard name, but nobody knows what it does
        TGate().control(1),
        PauliEvolutionGate(SparsePauliOp("XX"), 0.5),
    ],
    ids=lambda gate: type(gate).__name__,
)
def test_refuses_gates_outside_the_standard_library(gate: Gate) -> None:
    circuit = QuantumCircuit(2)
    circuit.append(gate, range(gate.num_qubits))
    refuse(circuit, f"instruction 0 ({gate.name!r})", "standard library", "basis_gates=['u', 'cz']")


def test_refuses_controls_on_zero() -> None:
    circuit = QuantumCircuit(2)
    circuit.append(CXGate(ctrl_state=0), [0, 1])
    refuse(circuit, "instruction 0 ('cx_o0')", "controlled on 0", "X before and after")


@pytest.mark.parametrize(
    "angle", [A * A, A.sin(), A.exp(), 1 / A, abs(A), A.sign()], ids=lambda angle: str(angle)
)
def test_refuses_angles_that_are_not_affine(angle: ParameterExpression) -> None:
    circuit = QuantumCircuit(1)
    circuit.h(0)
    circuit.rz(angle, 0)
    refuse(circuit, "instruction 1 ('rz')", str(angle), "not affine in a", "separate parameter")


def test_sums_of_parameters_in_one_angle() -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.rz(A + B, 0)
    circuit.crx(2 * A - B / 3 + 0.25, 0, 1)
    circuit.u(A - B, B - A, A + B + 1, 1)
    assert_equals_qiskit(circuit)


def test_the_remedy_for_an_angle_that_is_not_affine_works() -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.ry(A, 0)
    circuit.rz(A * B, 0)
    refuse(circuit, "instruction 2 ('rz')", "not affine in a, b", "separate parameter")
    mended = QuantumCircuit(2)
    mended.h(0)
    mended.ry(A, 0)
    mended.rz(Parameter("c"), 0)
    assert_equals_qiskit(mended)


@pytest.mark.parametrize("angle", [1j * A, 1e300 * A * 1e10], ids=["complex", "infinite"])
def test_refuses_angles_that_are_not_real_and_finite(angle: ParameterExpression) -> None:
    circuit = QuantumCircuit(1)
    circuit.rz(angle, 0)
    refuse(circuit, "instruction 0 ('rz')", "real multiples of parameters")


def test_refuses_a_global_phase_that_is_not_affine() -> None:
    circuit = QuantumCircuit(1, global_phase=A * A)
    refuse(circuit, "the global phase", "not affine in a")


def test_the_error_is_a_value_error() -> None:
    assert issubclass(UnsupportedCircuitError, ValueError)
