"""Transpiled circuits as ansatz: readouts belong to the virtual qubits."""

from __future__ import annotations

from pathlib import Path

import pytest
from custom_steps import assert_equals_statevector
from qiskit import QuantumCircuit, qasm3, transpile
from qiskit.circuit import Parameter
from qiskit.transpiler import CouplingMap

from circuits import build_ansatz, write_qpy
from circuits.errors import UserError

A, B = Parameter("a"), Parameter("b")
BASIS = ["rz", "sx", "x", "cx"]


def make_virtual(num_qubits: int = 3) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits)
    circuit.ry(A, 0)
    circuit.cx(0, 1)
    circuit.cx(0, 2)
    circuit.cry(B, 1, 2)
    circuit.swap(0, 1)
    circuit.rz(0.3, 2)
    return circuit


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("layout", [[2, 0, 1], [1, 2, 0], [2, 1, 0], None], ids=str)
def test_routed_circuits_read_the_virtual_qubits(level: int, layout: list[int] | None) -> None:
    virtual = make_virtual()
    routed = transpile(
        virtual,
        coupling_map=CouplingMap.from_line(3),
        basis_gates=BASIS,
        initial_layout=layout,
        optimization_level=level,
        seed_transpiler=1,
    )
    assert_equals_statevector(routed, virtual)


def transpile_wide(layout: list[int]) -> QuantumCircuit:
    return transpile(
        make_virtual(),
        coupling_map=CouplingMap.from_line(5),
        basis_gates=BASIS,
        initial_layout=layout,
        optimization_level=0,
        seed_transpiler=1,
    )


def test_idle_qubits_of_a_device_are_left_out() -> None:
    routed = transpile_wide([3, 1, 2])
    assert routed.num_qubits == 5
    assert_equals_statevector(routed, make_virtual())


def test_qubits_that_the_routing_uses_are_named_with_a_remedy_that_works() -> None:
    routed = transpile_wide([4, 0, 2])
    with pytest.raises(UserError, match=r"5 physical qubits.*pass num_qubits=5, or the circuit"):
        build_ansatz(routed, num_qubits=3)
    wider = QuantumCircuit(5)
    wider.compose(make_virtual(), range(3), inplace=True)
    assert_equals_statevector(routed, wider)


def test_swaps_that_the_transpiler_has_only_noted() -> None:
    virtual = make_virtual()
    elided = transpile(virtual, basis_gates=BASIS, optimization_level=3, seed_transpiler=0)
    assert elided.layout is not None
    assert elided.layout.routing_permutation() != [0, 1, 2]
    assert_equals_statevector(elided, virtual)


def test_a_qpy_file_keeps_the_layout_and_an_openqasm_file_does_not(tmp_path: Path) -> None:
    routed = transpile_wide([3, 1, 2])
    path = tmp_path / "step.qpy"
    write_qpy(routed, path)
    from_file, direct = build_ansatz(path, num_qubits=3), build_ansatz(routed, num_qubits=3)
    assert from_file.circuit == direct.circuit
    assert from_file.name == "step.qpy"
    text = tmp_path / "step.qasm"
    text.write_text(qasm3.dumps(routed))
    with pytest.raises(UserError, match=r"physical qubits \(\$0, ...\).*declare 'qubit\[n\] q;'"):
        build_ansatz(text, num_qubits=5)


def test_a_qpy_file_holds_one_circuit(tmp_path: Path) -> None:
    path = tmp_path / "two.qpy"
    write_qpy([make_virtual(), make_virtual()], path)
    with pytest.raises(UserError, match=r"two\.qpy.* holds 2 circuits; write a file with one"):
        build_ansatz(str(path), num_qubits=3)
    path.write_bytes(b"QISKIT but not really")
    with pytest.raises(UserError, match="could not be read as QPY"):
        build_ansatz(path, num_qubits=3)
    with pytest.raises(UserError, match=r"none\.qpy.*cannot be opened"):
        build_ansatz("none.qpy", num_qubits=3)
