"""OpenQASM programs as others write them, and sizes that are refused before anything is built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterExpression
from qiskit.quantum_info import Operator

from circuits import build_ansatz, dump_qasm3, load_qasm3
from circuits.errors import UserError

A, B = Parameter("a"), Parameter("b")
HEAD = 'OPENQASM 3.0;\ninclude "stdgates.inc";\ninput float[64] a;\n'
PROGRAM = HEAD + "qubit[2] q;\nry(a) q[0];\ncx q[0], q[1];\n"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + PROGRAM,
        "// written for OPENQASM 2.0 first\n" + PROGRAM,
        "/*\nOPENQASM 2.0;\n*/\n" + PROGRAM,
        PROGRAM.replace("\n", "\r\n"),
    ],
    ids=["byte-order mark", "comment", "block comment", "line ends"],
)
def test_programs_with_comments_and_marks_are_read(tmp_path: Path, text: str) -> None:
    assert load_qasm3(text).count_ops() == {"ry": 1, "cx": 1}
    path = tmp_path / "step.qasm"
    path.write_bytes(text.encode())
    assert build_ansatz(path, num_qubits=2).num_parameters == 1


def test_openqasm_2_is_recognized_behind_a_comment() -> None:
    with pytest.raises(UserError, match=r"is OpenQASM 2.*write OpenQASM 3"):
        load_qasm3("// mine\nOPENQASM 2.0;\nqreg q[1];\n")


@pytest.mark.parametrize(
    "statement", ["input float[64] b;", "input float[64] b;\nrx(0 * b) q[0];", "gphase(b);"]
)
def test_an_input_without_effect_is_refused(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "step.qasm"
    inputs = "" if "input" in statement else "input float[64] b;\n"
    path.write_text(PROGRAM + inputs + statement + "\n")
    with pytest.raises(UserError, match=r"'step\.qasm' has parameters without effect .*\(b\)"):
        build_ansatz(path, num_qubits=2)


def test_remedies_for_files_are_about_the_file(tmp_path: Path) -> None:
    path = tmp_path / "step.qasm"
    path.write_text(PROGRAM.replace("ry(a)", "h").replace("input float[64] a;\n", ""))
    with pytest.raises(UserError, match=r"give at least one gate an 'input float\[64\]' as its"):
        build_ansatz(path, num_qubits=2)
    path.write_text(PROGRAM + "bit c;\n")
    with pytest.raises(UserError, match="remove their declarations"):
        build_ansatz(path, num_qubits=2)


@pytest.mark.parametrize(
    "angle",
    [
        A * B,
        A**2,
        A**-1,
        A**B,
        2**A,
        A.sin() + B.cos(),
        A.tan(),
        (A / 9).arcsin(),
        (A / 9).arccos(),
        A.arctan(),
        A.exp(),
        A.log(),
        abs(-A),
        A.sign(),
        A.conjugate(),
        1 / A,
        A / B,
        -(A**2) + 2 * (A - B) ** 3,
        0.1234567890123456789 * A,
    ],
    ids=str,
)
def test_every_angle_that_we_write_reads_back(angle: ParameterExpression) -> None:
    circuit = QuantumCircuit(1, global_phase=A * B)
    circuit.rx(A, 0)
    circuit.ry(B, 0)
    circuit.rz(angle, 0)
    read = load_qasm3(dump_qasm3(circuit))
    for values in ([0.3, 1.7], [2.5, 0.4]):
        bound, expected = read.assign_parameters(values), circuit.assign_parameters(values)
        assert Operator(bound).equiv(Operator(expected))


def test_a_parameter_of_only_the_phase_is_not_written() -> None:
    circuit = QuantumCircuit(1, global_phase=B)
    circuit.rx(A, 0)
    assert "input float[64] b" not in dump_qasm3(circuit)
    assert load_qasm3(dump_qasm3(circuit)).num_parameters == 1


def test_powers_and_functions_of_numbers_and_of_gate_arguments() -> None:
    text = HEAD + (
        "gate turn(t) q { rx(t ** 2 * cos(t)) q; }\nqubit q;\n"
        "turn(a) q;\nrz(2 ** 0.5 + sin(pi / 4) - sqrt(2) + 2 ** 3) q;\n"
    )
    circuit = load_qasm3(text).assign_parameters([0.7])
    expected = QuantumCircuit(1)
    expected.rx(0.49 * np.cos(0.7), 0)
    expected.rz(np.sqrt(0.5) + 8, 0)
    assert Operator(circuit).equiv(Operator(expected))


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        ("rx(frob(a)) q[0];", "unknown function 'frob'"),
        ("rx(sin(a, a)) q[0];", "unknown function 'sin'"),
        ("rx((-1) ** 0.5) q[0];", "not a real number"),
        ("rx(log(0)) q[0];", "math domain error"),
        ("rx(1 / 0) q[0];", "division"),
        ("rx(a % 2) q[0];", "unsupported binary operation '%'"),
        ("rx(10.0 ** 999) q[0];", "Result too large|out of range"),
        (f"rx({'9' * 5000}) q[0];", "4300 digits"),
    ],
)
def test_angles_without_a_value_are_refused(gate: str, reason: str) -> None:
    with pytest.raises(UserError, match=rf"the text could not be read .*({reason})"):
        load_qasm3(PROGRAM + gate)


NESTED = "".join(f"gate g{k + 1} q {{ g{k} q; g{k} q; }}\n" for k in range(27))
WORST = {
    "qubits": (HEAD + "qubit[1000000] q;\nry(a) q[0];\n", "1000000 bits.*at most 2000"),
    "const qubits": (HEAD + "qubit[10000 * 100000] q;\n", "1000000000 bits"),
    "registers": (HEAD + "bit[2001] c;\n", "2001 bits"),
    "brackets": (PROGRAM + f"ry({'(' * 3000}a{')' * 3000}) q[0];\n", "3001 nested brackets"),
    "nested gates": (
        HEAD + "gate g0 q { x q; }\n" + NESTED + "qubit q;\ng27 q;\nry(a) q;\n",
        "gate 'g15' gives 32768 gates",
    ),
    "power": (PROGRAM + "pow(1e9) @ x q[0];\n", r"pow\(1000000000.0\) gives"),
    "power of a power": (PROGRAM + "pow(1e99) @ x q[0];\n", "more than 10.12"),
    "controls": (PROGRAM + "ctrl(30) @ x q[0];\n", "30 controls, but may have 1 to 6"),
    "length": (PROGRAM + "x q[0];\n" * 200_000, "at most 1000000"),
    "operators": (PROGRAM + f"ry({'-' * 700}a) q[0];\n", "too many operators"),
}


@pytest.mark.parametrize("name", WORST)
def test_sizes_of_programs_are_checked(name: str) -> None:
    text, message = WORST[name]
    with pytest.raises(UserError, match=message) as caught:
        load_qasm3(text)
    assert "\n" not in str(caught.value)


MEASURE = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
sys.path.insert(0, {folder!r})
from test_openqasm_programs import PROGRAM, WORST
from circuits import build_ansatz, load_qasm3
from circuits.errors import UserError
from runtime_jobs.device_names import parse_device_name

load_qasm3(PROGRAM)
calls = {{name: (lambda text=text: load_qasm3(text)) for name, (text, _) in WORST.items()}}
calls["layers"] = lambda: build_ansatz(num_qubits=4, num_layers=10**8)
calls["shots"] = lambda: parse_device_name("aer?shots=99999999999999999999")
calls["patches"] = lambda: parse_device_name("aer:kingston?patches=1000000000")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, call in calls.items():
    before, start = peak(), time.process_time()
    try:
        call()
        print(name, "was not refused")
    except UserError:
        seconds, grown = time.process_time() - start, peak() - before
        if seconds > 1.0 or grown > 200_000:
            print(name, seconds, grown)
"""


@pytest.mark.process
def test_refusals_take_less_than_a_second_and_200_mb() -> None:
    program = MEASURE.format(folder=str(Path(__file__).parent))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
