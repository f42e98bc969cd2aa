"""The ansatz families, against matrices built by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from qiskit.quantum_info import Operator

from circuits import ANSATZ_FAMILIES, ENTANGLERS, ROTATIONS, build_ansatz, unroll
from circuits.families import list_bonds

Matrix = NDArray[np.complex128]
PAULIS = {
    "rx": np.array([[0, 1], [1, 0]], dtype=complex),
    "ry": np.array([[0, -1j], [1j, 0]], dtype=complex),
    "rz": np.array([[1, 0], [0, -1]], dtype=complex),
}


def rotate(name: str, angle: float) -> Matrix:
    rotation: Matrix = np.cos(angle / 2) * np.eye(2) - 1j * np.sin(angle / 2) * PAULIS[name]
    return rotation


def place(num_qubits: int, factors: dict[int, Matrix]) -> Matrix:
    """Kronecker product with qubit 0 as the rightmost factor: little-endian."""
    matrix: Matrix = np.eye(1, dtype=complex)
    for qubit in range(num_qubits):
        matrix = np.kron(factors.get(qubit, np.eye(2)), matrix).astype(np.complex128)
    return matrix


def entangle(name: str, angle: float, num_qubits: int, control: int, target: int) -> Matrix:
    zero, one = np.diag([1, 0]).astype(complex), np.diag([0, 1]).astype(complex)
    if name == "rzz":
        zz = place(num_qubits, {control: PAULIS["rz"], target: PAULIS["rz"]})
        rzz: Matrix = np.cos(angle / 2) * np.eye(len(zz)) - 1j * np.sin(angle / 2) * zz
        return rzz
    inner = PAULIS["rz"] if name == "cz" else rotate("rx", angle)
    return place(num_qubits, {control: zero}) + place(num_qubits, {control: one, target: inner})


def expected_matrix(
    family: str, n: int, layers: int, entangler: str, rotations: list[str], angles: list[float]
) -> Matrix:
    values = iter(angles)
    matrix = np.eye(2**n, dtype=complex)
    for layer in range(layers):
        for qubit in range(n):
            for rotation in rotations:
                matrix = place(n, {qubit: rotate(rotation, next(values))}) @ matrix
        for control, target in expected_bonds(family, n, layer):
            angle = 0.0 if entangler == "cz" else next(values)
            matrix = entangle(entangler, angle, n, control, target) @ matrix
    assert next(values, None) is None
    return matrix


def expected_bonds(family: str, n: int, layer: int) -> list[tuple[int, int]]:
    if family == "product":
        return []
    if family == "brick":
        return [(q, q + 1) for q in range(n) if q % 2 == layer % 2 and q + 1 < n]
    closing = [(n - 1, 0)] if family == "ring" and n > 2 else []
    return list(pairwise(range(n))) + closing


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    family=st.sampled_from(ANSATZ_FAMILIES),
    n=st.integers(1, 4),
    layers=st.integers(1, 3),
    entangler=st.sampled_from(ENTANGLERS),
    rotations=st.lists(st.sampled_from(ROTATIONS), min_size=1, max_size=3),
    seed=st.integers(0, 2**16),
)
def test_families_are_layers_of_rotations_and_entanglers_in_controller_order(
    family: str, n: int, layers: int, entangler: str, rotations: list[str], seed: int
) -> None:
    ansatz = build_ansatz(
        family, num_qubits=n, num_layers=layers, entangler=entangler, rotations=rotations
    )
    angles = np.random.default_rng(seed).uniform(-7, 7, ansatz.num_parameters).tolist()
    bound = ansatz.circuit.assign_parameters(dict(zip(ansatz.parameters, angles, strict=True)))
    expected = expected_matrix(family, n, layers, entangler, rotations, angles)
    np.testing.assert_allclose(Operator(bound).data, expected, atol=1e-12)


@pytest.mark.parametrize("family", ANSATZ_FAMILIES)
def test_parameters_are_one_numbered_vector_that_binds_by_position(family: str) -> None:
    ansatz = build_ansatz(family, num_qubits=4, num_layers=2, entangler="crx")
    assert [p.name for p in ansatz.parameters] == [
        f"theta[{k}]" for k in range(ansatz.num_parameters)
    ]
    assert ansatz.parameters == tuple(ansatz.circuit.parameters)
    assert (ansatz.name, ansatz.num_qubits, ansatz.circuit.num_clbits) == (family, 4, 0)


def test_order_is_layer_qubit_rotation_entangler() -> None:
    ansatz = build_ansatz("linear", num_qubits=2, num_layers=2, entangler="rzz")
    gates = [
        (g.operation.name, [ansatz.circuit.find_bit(q).index for q in g.qubits])
        for p in ansatz.parameters
        for g in ansatz.circuit.data
        if p in g.operation.params
    ]
    layer = [("ry", [0]), ("rz", [0]), ("ry", [1]), ("rz", [1]), ("rzz", [0, 1])]
    assert gates == layer * 2


def test_linear_needs_48_cz_for_4_qubits_2_layers_8_steps() -> None:
    circuit = unroll(build_ansatz("linear", num_qubits=4, num_layers=2), 8)
    assert circuit.count_ops()["cz"] == 48


@pytest.mark.parametrize(
    ("family", "n", "layer", "bonds"),
    [
        ("linear", 4, 1, [(0, 1), (1, 2), (2, 3)]),
        ("ring", 4, 0, [(0, 1), (1, 2), (2, 3), (3, 0)]),
        ("ring", 3, 0, [(0, 1), (1, 2), (2, 0)]),
        ("ring", 2, 0, [(0, 1)]),
        ("ring", 1, 0, []),
        ("linear", 1, 0, []),
        ("brick", 5, 0, [(0, 1), (2, 3)]),
        ("brick", 5, 1, [(1, 2), (3, 4)]),
        ("brick", 4, 2, [(0, 1), (2, 3)]),
        ("brick", 2, 1, []),
        ("product", 4, 0, []),
    ],
)
def test_bonds(family: str, n: int, layer: int, bonds: list[tuple[int, int]]) -> None:
    assert list_bonds(family, n, layer) == bonds


@pytest.mark.parametrize("family", ANSATZ_FAMILIES)
@pytest.mark.parametrize("entangler", ENTANGLERS)
def test_one_qubit_one_layer_has_rotations_only(family: str, entangler: str) -> None:
    ansatz = build_ansatz(family, num_qubits=1, entangler=entangler)
    assert [g.operation.name for g in ansatz.circuit.data] == ["ry", "rz"]
    assert ansatz.num_parameters == 2


def test_first_qubit_is_the_least_significant_bit() -> None:
    ansatz = build_ansatz("product", num_qubits=3, rotations=["ry"])
    bound = ansatz.circuit.assign_parameters([np.pi, 0.0, 0.0])
    np.testing.assert_allclose(np.abs(Operator(bound).data[:, 0]), np.eye(8)[1], atol=1e-15)


def test_unknown_family_names_the_nearest_and_all_known() -> None:
    with pytest.raises(ValueError, match=r"'lienar'.*linear, ring, brick, product.*'linear'\?"):
        build_ansatz("lienar", num_qubits=2)
    with pytest.raises(ValueError, match=r"QuantumCircuit, or the path of a \.qasm or \.qpy file"):
        build_ansatz("zzz", num_qubits=2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_qubits": 0}, ValueError, "num_qubits must be an integer of at least 1, got 0"),
        ({"num_qubits": 2.0}, TypeError, r"num_qubits must be an integer .* 2\.0 \(float\)"),
        ({"num_qubits": "2"}, TypeError, r"num_qubits .* '2' \(str\)"),
        ({"num_qubits": True}, TypeError, r"num_qubits .* True \(bool\)"),
        ({"num_layers": 0}, ValueError, "num_layers must be an integer of at least 1, got 0"),
        ({"num_layers": None}, TypeError, r"num_layers .* None"),
        ({"entangler": "cx"}, ValueError, r"unknown entangler 'cx'; known are cz, rzz, crx"),
        ({"entangler": 3}, TypeError, "entangler must be a name"),
        ({"rotations": []}, ValueError, "rotations is empty"),
        ({"rotations": "ry"}, TypeError, r"write \['ry'\]"),
        ({"rotations": ["ry", "rw"]}, ValueError, "unknown rotation 'rw'; known are rx, ry, rz"),
        ({"rotations": [1]}, TypeError, "rotation must be a name"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build_ansatz("linear", **{"num_qubits": 2, **arguments})  # type: ignore[arg-type]


def test_numpy_integers_are_integers() -> None:
    assert build_ansatz(num_qubits=np.int64(3), num_layers=np.int32(2)).num_parameters == 12  # type: ignore[arg-type]
