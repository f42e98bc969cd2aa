"""Pauli readouts: order, bit order, labels, and what is refused."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Pauli, SparsePauliOp, Statevector

from circuits import build_readout
from circuits.readout import locate_observables, read_zero_state


def test_default_is_x_then_y_then_z_of_every_qubit() -> None:
    readout = build_readout(num_qubits=3)
    assert readout.labels == ["X0", "X1", "X2", "Y0", "Y1", "Y2", "Z0", "Z1", "Z2"]
    assert readout.observables == [
        SparsePauliOp(label)
        for label in ["IIX", "IXI", "XII", "IIY", "IYI", "YII", "IIZ", "IZI", "ZII"]
    ]


@pytest.mark.parametrize(
    ("letters", "labels"),
    [("z", ["Z0", "Z1"]), ("xz", ["X0", "X1", "Z0", "Z1"]), ("zx", ["Z0", "Z1", "X0", "X1"])],
)
def test_letters_choose_paulis_in_the_given_order(letters: str, labels: list[str]) -> None:
    assert build_readout(letters, num_qubits=2).labels == labels


@pytest.mark.parametrize("num_qubits", [1, 2, 4])
def test_pairs_are_all_paulis_of_one_and_two_qubits(num_qubits: int) -> None:
    readout = build_readout("pairs", num_qubits=num_qubits)
    labels = [str(operator.paulis[0]) for operator in readout.observables]
    expected = {
        "".join(letters)
        for letters in product("IXYZ", repeat=num_qubits)
        if 1 <= num_qubits - letters.count("I") <= 2
    }
    assert set(labels) == expected
    assert len(labels) == 3 * num_qubits + 9 * num_qubits * (num_qubits - 1) // 2
    singles = build_readout(num_qubits=num_qubits)
    assert readout.labels[: 3 * num_qubits] == singles.labels
    if num_qubits == 4:
        assert readout.labels[12:19] == ["X0X1", "X0X2", "X0X3", "X1X2", "X1X3", "X2X3", "X0Y1"]


def test_equal_operators_are_found_in_any_form() -> None:
    whole = build_readout(["IZ", SparsePauliOp(["XX", "ZI"], [0.5, 2.0]), "YY"], num_qubits=2)
    part = build_readout(["YY", SparsePauliOp(["ZI", "XX", "ZI"], [1, 0.5, 1])], num_qubits=2)
    assert locate_observables(part, whole) == [2, 1]


def test_values_in_the_zero_state_are_those_of_a_state_vector() -> None:
    operator = SparsePauliOp(["ZIZ", "III", "XIZ", "IYI", "XIX"], [0.5, -2.0, 3.0, 4.0, 0.25])
    observables = [*build_readout(num_qubits=3).observables, operator]
    zero = Statevector.from_label("000")
    values = read_zero_state(observables)
    assert values.dtype == np.float64
    assert values.tolist() == [zero.expectation_value(each).real for each in observables]
    assert values[-1] == -1.5


def test_one_qubit() -> None:
    assert build_readout(num_qubits=1).labels == ["X0", "Y0", "Z0"]


def test_qubit_0_is_the_rightmost_letter_and_the_least_significant_bit() -> None:
    circuit = QuantumCircuit(3)
    circuit.x(0)
    readout = build_readout("z", num_qubits=3)
    from_labels = build_readout(["IIZ", "IZI", "ZII"], num_qubits=3)
    state = Statevector(circuit)
    assert np.flatnonzero(state.data).tolist() == [1]
    for observables in (readout.observables, from_labels.observables):
        values = [state.expectation_value(o).real for o in observables]
        assert values == pytest.approx([-1, 1, 1])
    assert from_labels.labels == readout.labels


def test_lists_of_operators_and_labels_keep_their_order() -> None:
    operator = SparsePauliOp(["ZI", "IX"], [0.5, -2.0])
    readout = build_readout(["ZX", operator, SparsePauliOp("II"), "-IZ"], num_qubits=2)
    assert readout.labels == ["X0Z1", "0.5*Z1 - 2*X0", "I", "-Z0"]
    assert readout.observables[1] == operator


def test_long_sums_are_called_by_their_number() -> None:
    operator = SparsePauliOp(["ZI", "IX", "XX", "YY"])
    assert build_readout(["ZZ", operator], num_qubits=2).labels == ["Z0Z1", "O1"]


def test_later_changes_of_an_operator_do_not_reach_the_readout() -> None:
    operator = SparsePauliOp("ZZ")
    readout = build_readout([operator], num_qubits=2)
    operator.coeffs[0] = 7
    assert readout.observables == [SparsePauliOp("ZZ")]


def make_operator(coefficient: float) -> SparsePauliOp:
    operator = SparsePauliOp("ZZ")
    operator.coeffs = np.array([coefficient], dtype=complex)
    return operator


@pytest.mark.parametrize(
    ("observables", "error", "message"),
    [
        ([], ValueError, "observables is empty"),
        ("", ValueError, "observables is empty"),
        ("ZZ", ValueError, r"letters x, y and z.*\['ZZ'\]"),
        ("zz", ValueError, "each at most once"),
        ("xw", ValueError, "letters x, y and z"),
        (["Z"], ValueError, r"observable 0 .* acts on 1 qubits, but the circuit has 2"),
        (["ZZ", "ZQ"], ValueError, r"observable 1 .* not a Pauli label"),
        ([""], ValueError, "observable 0"),
        ([SparsePauliOp("ZZ", [1j])], ValueError, r"observable 0 .* not Hermitian"),
        (["iZZ"], ValueError, "not Hermitian"),
        ([make_operator(np.nan)], ValueError, "NaN or infinite"),
        ([make_operator(np.inf)], ValueError, "NaN or infinite"),
        ([3], TypeError, r"observable 0 .* int"),
        ([Pauli("ZZ")], TypeError, "a SparsePauliOp or a Pauli label, got Pauli"),
        (SparsePauliOp("ZZ"), TypeError, "put a single observable into a list"),
        (3, TypeError, "got int"),
    ],
)
def test_bad_observables(observables: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build_readout(observables, num_qubits=2)  # type: ignore[arg-type]


def test_operator_with_free_coefficients_is_refused() -> None:
    operator = SparsePauliOp(["ZZ"], np.array([Parameter("c")], dtype=object))
    with pytest.raises(ValueError, match="free parameters"):
        build_readout([operator], num_qubits=2)


def test_number_of_qubits_is_checked() -> None:
    with pytest.raises(TypeError, match="num_qubits"):
        build_readout(num_qubits=1.5)  # type: ignore[arg-type]
