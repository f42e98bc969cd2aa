"""Written circuits read back as the same circuits, and drawings show them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Operator

import circuits
from circuits import (
    ANSATZ_FAMILIES,
    ENTANGLERS,
    build_ansatz,
    draw_figure,
    draw_text,
    dump_qasm3,
    load_qasm3,
    read_qasm3,
    read_qpy,
    unroll,
    write_qasm3,
    write_qpy,
)


def assert_same_circuit(read: QuantumCircuit, written: QuantumCircuit) -> None:
    """Equal gates in equal order once the same values are bound by position."""
    values = np.random.default_rng(0).uniform(-3, 3, written.num_parameters)
    assert [g.operation.base_class for g in read] == [g.operation.base_class for g in written]
    bound, expected = read.assign_parameters(values), written.assign_parameters(values)
    assert Operator(bound).equiv(Operator(expected))


@pytest.mark.parametrize("family", ANSATZ_FAMILIES)
@pytest.mark.parametrize("entangler", ENTANGLERS)
def test_openqasm_round_trip_of_families(tmp_path: Path, family: str, entangler: str) -> None:
    ansatz = build_ansatz(family, num_qubits=3, num_layers=2, entangler=entangler)
    path = tmp_path / "step.qasm"
    write_qasm3(ansatz.circuit, path)
    assert_same_circuit(read_qasm3(path), ansatz.circuit)
    again = build_ansatz(path, num_qubits=3)
    assert [p.name for p in again.parameters] == [
        f"theta_{k:02}" for k in range(ansatz.num_parameters)
    ]


def test_openqasm_round_trip_of_an_unrolled_circuit() -> None:
    circuit = unroll(build_ansatz("ring", num_qubits=3, entangler="rzz"), 12)
    read = load_qasm3(dump_qasm3(circuit))
    assert_same_circuit(read, circuit)
    assert read.parameters[-1].name == "theta_11_08"


def name_parameters(*names: str) -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    for k, name in enumerate(names):
        (circuit.rx if k % 2 else circuit.ry)(Parameter(name), 0)
    return circuit


@pytest.mark.parametrize(
    ("names", "written"),
    [
        (["beta", "alpha"], ["alpha", "beta"]),
        (["v[2]", "v[3]"], ["v_2", "v_3"]),
        # Single parameters, not vectors: v[10] comes first by name, and must again.
        (["v[2]", "v[10]"], ["parameter_0", "parameter_1"]),
        (["x y", "a", "z'"], ["parameter_0", "parameter_1", "parameter_2"]),
        (["ry", "ry1"], ["parameter_0", "parameter_1"]),
        (["a[1]", "a_1"], ["parameter_0", "parameter_1"]),
    ],
)
def test_parameter_names_in_openqasm_keep_the_order(names: list[str], written: list[str]) -> None:
    circuit = name_parameters(*names)
    read = load_qasm3(dump_qasm3(circuit))
    assert [p.name for p in read.parameters] == written
    assert_same_circuit(read, circuit)


def test_mixed_vectors_and_names_round_trip() -> None:
    vector, alpha = ParameterVector("theta", 12), Parameter("alpha")
    circuit = QuantumCircuit(2)
    for k, angle in enumerate(vector):
        circuit.ry(angle + k * alpha, k % 2)
    read = load_qasm3(dump_qasm3(circuit))
    assert_same_circuit(read, circuit)
    assert [p.name for p in read.parameters][:3] == ["alpha", "theta_00", "theta_01"]


def list_exportable_gates() -> list[str]:
    names = get_standard_gate_name_mapping()
    # `id` is written as U(0, 0, 0), which is the same gate by another name.
    return [n for n in names if n not in ("global_phase", "delay", "reset", "measure", "id")]


@pytest.mark.parametrize("name", list_exportable_gates())
def test_every_standard_gate_reads_back_as_itself(name: str) -> None:
    gate = get_standard_gate_name_mapping()[name]
    angles = ParameterVector("p", len(gate.params))
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(type(gate)(*angles), circuit.qubits)
    assert_same_circuit(load_qasm3(dump_qasm3(circuit)), circuit)


DECLARED = """OPENQASM 3.0;
include "stdgates.inc";
input float[64] a;
gate turn(t) q, r { ry(t) q; rz(2 * t) r; cx q, r; }
gate twice(t) q, r { turn(t / 2) r, q; inv @ turn(t) q, r; }
gate rzz(t) q, r { rx(t) q; }
qubit[2] q;
twice(2 * a) q[1], q[0];
rzz(a) q[0], q[1];
"""


def test_declared_gates_are_written_out_and_never_taken_for_others() -> None:
    circuit = load_qasm3(DECLARED)
    expected = QuantumCircuit(2)
    expected.ry(0.3, 0)
    expected.rz(0.6, 1)
    expected.cx(0, 1)
    expected.cx(1, 0)
    expected.rz(-1.2, 0)
    expected.ry(-0.6, 1)
    expected.rx(0.3, 0)
    assert set(circuit.count_ops()) == {"ry", "rz", "cx", "rx"}
    assert Operator(circuit.assign_parameters([0.3])).equiv(Operator(expected))


def test_declared_gate_that_agrees_at_one_constant_is_not_taken_for_qiskits() -> None:
    program = DECLARED.replace("rzz(a) q[0], q[1];", "rzz(0) q[0], q[1]; rzz(a) q[0], q[1];")
    assert load_qasm3(program).data[-1].operation.name == "rx"


def test_errors_of_the_parser_are_in_the_message_and_not_on_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match=r"the text could not be read .*line 1:\d+"):
        load_qasm3("garbage(")
    assert capsys.readouterr().err == ""


def test_qpy_round_trip_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "circuits.qpy"
    ansatz = build_ansatz("brick", num_qubits=3, entangler="rzz")
    written = [ansatz.circuit, unroll(ansatz, 12)]
    write_qpy(written, path)
    read = read_qpy(path)
    assert read == written
    assert list(read[1].parameters) == list(written[1].parameters)
    write_qpy(ansatz.circuit, path)
    assert read_qpy(path) == [ansatz.circuit]


@pytest.mark.parametrize("content", [b"", b"not QPY at all, but long enough for a header"])
def test_other_files_are_not_qpy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "circuits.qpy"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="could not be read as QPY"):
        read_qpy(path)


@pytest.mark.parametrize("kept", [3, 12, 40, -200, -20, -1])
def test_truncated_qpy(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "circuits.qpy"
    write_qpy(build_ansatz(num_qubits=2).circuit, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match="could not be read as QPY"):
        read_qpy(path)


def test_text_drawing_keeps_its_width() -> None:
    text = draw_text(build_ansatz(num_qubits=3, num_layers=3).circuit, width=80)
    assert "q_0: ┤ Ry(theta[0]) ├┤ Rz(theta[1]) ├" in text
    assert max(map(len, text.splitlines())) <= 80


def test_figure_is_drawn_and_written(tmp_path: Path) -> None:
    path = tmp_path / "step.png"
    circuit = build_ansatz(num_qubits=2).circuit
    for figure in (draw_figure(circuit, path), draw_figure(circuit)):
        assert [text.get_text() for text in figure.axes[0].texts].count("$\\mathrm{R_Y}$") == 2
        pyplot.close(figure)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_package_is_marked_and_lists_its_names() -> None:
    assert circuits.PROJECT == "qrnn-qiskit"
    assert sorted(circuits.__all__) == sorted(set(circuits.__all__))
    assert all(hasattr(circuits, name) for name in circuits.__all__)
