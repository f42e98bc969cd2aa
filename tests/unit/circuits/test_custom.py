"""Circuits and OpenQASM 3 files of the user's own as ansatz."""

from __future__ import annotations

from pathlib import Path

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.classical import expr, types
from qiskit.quantum_info import Operator

from circuits import build_ansatz

ANGLE = Parameter("a")


def steerable(num_qubits: int = 2, num_clbits: int = 0) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits, num_clbits)
    circuit.ry(ANGLE, 0)
    return circuit


def test_custom_circuit_keeps_qiskits_order_of_parameters() -> None:
    vector, beta = ParameterVector("v", 11), Parameter("beta")
    circuit = QuantumCircuit(2)
    for element in reversed(vector):
        circuit.rx(element, 0)
    circuit.rz(beta, 1)
    ansatz = build_ansatz(circuit, num_qubits=2)
    assert ansatz.parameters == tuple(circuit.parameters) == (beta, *vector)
    assert ansatz.name == "custom"
    assert ansatz.num_parameters == 12


def test_custom_circuit_keeps_expressions_barriers_and_blocks_but_no_phase() -> None:
    inner = QuantumCircuit(1)
    inner.rx(2 * ANGLE + 1, 0)
    circuit = QuantumCircuit(2, global_phase=-ANGLE / 2)
    circuit.append(inner, [1])
    circuit.barrier()
    circuit.cx(1, 0)
    ansatz = build_ansatz(circuit, num_qubits=2)
    assert ansatz.circuit.count_ops() == {"rx": 1, "barrier": 1, "cx": 1}
    assert ansatz.circuit.global_phase == 0.0
    assert Operator(ansatz.circuit.assign_parameters([0.3])).equiv(
        Operator(circuit.assign_parameters([0.3]))
    )


def test_later_changes_of_the_circuit_do_not_reach_the_ansatz() -> None:
    circuit = steerable()
    ansatz = build_ansatz(circuit, num_qubits=2)
    circuit.measure_all()
    assert ansatz.circuit.count_ops() == {"ry": 1}


def with_measurement() -> QuantumCircuit:
    circuit = steerable(num_clbits=1)
    circuit.measure(0, 0)
    return circuit


def with_hidden_measurement() -> QuantumCircuit:
    circuit = steerable(num_clbits=1)
    circuit.append(with_measurement(), [0, 1], [0])
    return circuit


def with_reset() -> QuantumCircuit:
    circuit = steerable()
    circuit.reset(1)
    return circuit


def with_initialize() -> QuantumCircuit:
    circuit = steerable()
    circuit.initialize([1, 0], 1)
    return circuit


def with_branch() -> QuantumCircuit:
    circuit = steerable(num_clbits=1)
    with circuit.if_test((0, 1)):
        circuit.x(0)
    return circuit


def with_loop() -> QuantumCircuit:
    circuit = steerable()
    with circuit.for_loop(range(2)):
        circuit.x(0)
    return circuit


def with_variable() -> QuantumCircuit:
    circuit = steerable()
    circuit.add_input("flag", types.Bool())
    return circuit


def with_store() -> QuantumCircuit:
    circuit = steerable()
    circuit.add_var("flag", expr.lift(False))
    return circuit


def with_phase_parameter() -> QuantumCircuit:
    circuit = steerable()
    circuit.global_phase = Parameter("phi") + ANGLE
    return circuit


def without_parameters() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    return circuit


@pytest.mark.parametrize(
    ("circuit", "message"),
    [
        (with_measurement(), "contains 'measure', which is not a unitary gate"),
        (with_hidden_measurement(), "contains 'measure'"),
        (with_reset(), "contains 'reset'"),
        (with_initialize(), "contains 'initialize'"),
        (with_branch(), "contains 'if_else'"),
        (with_loop(), "contains 'for_loop'"),
        (with_store(), "contains 'store'"),
        (with_variable(), "1 classical variables"),
        (steerable(num_clbits=3), "3 classical bits"),
        (without_parameters(), "no free parameters"),
        (with_phase_parameter(), r"without effect on any readout \(phi\).*global phase"),
        (steerable(3), r"has 3 qubits, but num_qubits=2 .* pass num_qubits=3"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_circuits_that_are_no_unitary_step_are_refused(
    circuit: QuantumCircuit, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build_ansatz(circuit, num_qubits=2)


@pytest.mark.parametrize("ansatz", [None, 3, ["linear"], b"linear"])
def test_other_types_are_refused(ansatz: object) -> None:
    with pytest.raises(TypeError, match=r"ansatz must be a name .* got "):
        build_ansatz(ansatz, num_qubits=2)


PROGRAM = """OPENQASM 3.0;
include "stdgates.inc";
input float[64] beta;
input float[64] alpha;
qubit[2] q;
ry(2 * beta + alpha) q[0];
rz(alpha / 2) q[1];
cx q[0], q[1];
"""


def test_openqasm_file_by_path_or_string(tmp_path: Path) -> None:
    path = tmp_path / "mine.qasm"
    path.write_text(PROGRAM)
    expected = QuantumCircuit(2)
    expected.ry(2 * 0.3 + 0.7, 0)
    expected.rz(0.35, 1)
    expected.cx(0, 1)
    for ansatz in (build_ansatz(path, num_qubits=2), build_ansatz(str(path), num_qubits=2)):
        assert ansatz.name == "mine.qasm"
        assert [p.name for p in ansatz.parameters] == ["alpha", "beta"]
        assert Operator(ansatz.circuit.assign_parameters([0.7, 0.3])) == Operator(expected)


def test_openqasm_file_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.qasm").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    assert build_ansatz("mine.qasm", num_qubits=2).num_parameters == 2


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (PROGRAM + "bit c;\nc = measure q[0];\n", r"'mine\.qasm' contains 'measure'"),
        (PROGRAM.replace("qubit[2]", "qubit[3]"), "has 3 qubits"),
        ('OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\n', "is OpenQASM 2"),
        ("OPENQASM 3.0;\nqubit[2] q;\nry(nothing) q[0];\n", "could not be read as OpenQASM 3"),
        ("garbage(", r"could not be read as OpenQASM 3 \(line 1"),
        ("OPENQASM 3.0;\nqubit[2] q;\n", "no free parameters"),
    ],
)
def test_files_that_are_no_unitary_step_are_refused(
    tmp_path: Path, program: str, message: str
) -> None:
    path = tmp_path / "mine.qasm"
    path.write_text(program)
    with pytest.raises(ValueError, match=message):
        build_ansatz(path, num_qubits=2)


def test_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.qasm.*No such file.*families linear") as caught:
        build_ansatz(tmp_path / "none.qasm", num_qubits=2)
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    with pytest.raises(ValueError, match="cannot be opened"):
        build_ansatz("none.qasm", num_qubits=2)


def test_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.qasm"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not UTF-8 text"):
        build_ansatz(path, num_qubits=2)
