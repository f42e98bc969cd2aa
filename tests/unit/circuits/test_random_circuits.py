"""Random circuits with random angles: equal to Qiskit's Statevector, or refused in one line.

Half of them go through OpenQASM 3, as Qiskit or we write it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from custom_steps import assert_equals_statevector
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit, qasm3
from qiskit.circuit import Gate, Parameter, ParameterExpression
from qiskit.circuit.library import (
    DiagonalGate,
    GlobalPhaseGate,
    MCXGate,
    PauliGate,
    PermutationGate,
    QFTGate,
    UnitaryGate,
    get_standard_gate_name_mapping,
)
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Clifford, Operator, random_clifford, random_unitary

from circuits import dump_qasm3, load_qasm3
from circuits.errors import UserError

NAMES = [Parameter(name) for name in ("a", "b", "c")]
STANDARD = {
    name: gate
    for name, gate in get_standard_gate_name_mapping().items()
    if isinstance(gate, Gate) and gate.num_qubits <= 4
}
MOST = 4  # qubits


@st.composite
def angles(draw: st.DrawFn, depth: int = 2) -> float | ParameterExpression:
    """Numbers, parameters, and expressions that are mostly but not always affine."""
    kind = draw(st.sampled_from("nnnpppp++**-ssfzx" if depth else "nnnpppx"))
    if kind == "n":
        return draw(st.sampled_from([0, 1, -2, 0.5, np.pi, -1.25, 7.3, 1e3]))
    if kind == "x":
        return draw(st.sampled_from([0.5, 2, float("nan"), 1e9]))
    if kind == "p":
        return draw(st.sampled_from(NAMES))
    if kind == "z":
        return 0 * draw(st.sampled_from(NAMES))
    left, right = draw(angles(depth - 1)), draw(angles(depth - 1))
    if kind == "s":
        return left / draw(st.sampled_from([2, -3, 0.7]))
    if kind == "f" and isinstance(left, ParameterExpression):
        name = draw(st.sampled_from(["sin", "exp", "abs", "sign", "conjugate", "log", "arctan"]))
        return getattr(left, name)()
    if kind == "*" and draw(st.booleans()):
        right = draw(st.sampled_from([2, -1, 0.5, 0]))
    return left + right if kind == "+" else left * right if kind == "*" else left - right


@st.composite
def operations(draw: st.DrawFn, num_qubits: int) -> Any:
    """A gate on at most ``num_qubits`` qubits: standard, from the library, or controlled."""
    kind = draw(st.sampled_from(["standard"] * 6 + ["library", "controlled", "phase"]))
    size = draw(st.integers(1, min(num_qubits, 3)))
    seed = draw(st.integers(0, 99))
    if kind == "phase":
        return GlobalPhaseGate(draw(angles()))
    if kind == "library":
        gates: list[Any] = [
            UnitaryGate(random_unitary(2**size, seed=seed)),
            DiagonalGate(list(np.exp(1j * np.arange(2**size)))),
            PauliGate("XYZ"[:size]),
            PermutationGate(list(np.random.default_rng(seed).permutation(size))),
            QFTGate(size),
            Clifford(random_clifford(size, seed=seed)),
            Gate("mystery", size, []),
        ]
        if size > 1:
            gates.append(MCXGate(size - 1))
        return draw(st.sampled_from(gates))
    fitting = sorted(name for name in STANDARD if STANDARD[name].num_qubits <= num_qubits)
    found = STANDARD[draw(st.sampled_from(fitting))]
    gate = found.base_class(*(draw(angles()) for _ in found.params)) if found.params else found
    if kind == "controlled" and 0 < gate.num_qubits < num_qubits:
        state = draw(st.integers(0, 1))
        return gate.control(1, ctrl_state=state, annotated=draw(st.booleans()))
    return gate


@st.composite
def circuits(draw: st.DrawFn, depth: int = 1) -> QuantumCircuit:
    num_qubits = draw(st.integers(1, MOST))
    circuit = QuantumCircuit(num_qubits)
    if depth and draw(st.integers(0, 5)):  # otherwise most have a parameter without effect
        for place, name in enumerate(NAMES):
            circuit.ry(name, place % num_qubits)
    if draw(st.booleans()):
        circuit.global_phase = draw(angles())
    for _ in range(draw(st.integers(1, 6))):
        if depth and draw(st.integers(0, 5)) == 0:
            operation = draw(circuits(depth - 1))
            if operation.num_qubits > num_qubits:
                continue
        else:
            operation = draw(operations(num_qubits))
        order = draw(st.permutations(range(num_qubits)))
        circuit.append(operation, order[: operation.num_qubits])
    return circuit


def draw_case(data: st.DataObject) -> QuantumCircuit:
    """Draw a circuit that Qiskit can build."""
    try:
        return data.draw(circuits())
    except (QiskitError, TypeError, ValueError, ZeroDivisionError):
        reject()


def write_as_qiskit(circuit: QuantumCircuit) -> str:
    """Write a circuit with Qiskit's exporter, which has no form for some."""
    try:
        return qasm3.dumps(circuit)
    except Exception:  # noqa: BLE001  the exporter raises anything
        reject()


def try_circuit(circuit: QuantumCircuit, path: str, seed: int) -> str:
    """Return "equal", or the message with which the circuit was refused."""
    try:
        if path == "itself":
            assert_equals_statevector(circuit, seed=seed)
            return "equal"
        text = dump_qasm3(circuit) if path == "ours" else write_as_qiskit(circuit)
        assert_equals_statevector(load_qasm3(text), circuit, seed)
    except UserError as error:
        return str(error)
    return "equal"


PATHS = st.sampled_from(["itself", "itself", "ours", "Qiskit's"])
CHOICES = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=80, **CHOICES)
@given(data=st.data(), path=PATHS, seed=st.integers(0, 2**16))
def test_80_random_circuits_run_as_in_qiskit_or_are_refused(
    data: st.DataObject, path: str, seed: int
) -> None:
    assert "\n" not in try_circuit(draw_case(data), path, seed)


@pytest.mark.slow
def test_500_random_circuits_run_as_in_qiskit_or_are_refused() -> None:
    answers: Counter[str] = Counter()

    @settings(max_examples=500, database=None, **CHOICES)
    @given(data=st.data(), path=PATHS, seed=st.integers(0, 2**16))
    def run(data: st.DataObject, path: str, seed: int) -> None:
        answer = try_circuit(draw_case(data), path, seed)
        assert "\n" not in answer
        answers["equal" if answer == "equal" else "refused"] += 1

    run()
    print(answers)  # noqa: T201  for the table in docs/reliability.md
    assert answers["equal"] >= 200
    assert answers.total() >= 500


@settings(max_examples=60, **CHOICES)
@given(data=st.data())
def test_random_angles_read_back_as_written_or_are_refused(data: st.DataObject) -> None:
    circuit = QuantumCircuit(1)
    try:
        for _ in range(2):
            circuit.rx(data.draw(angles()), 0)
            circuit.rz(data.draw(angles()), 0)
    except (QiskitError, TypeError, ValueError, ZeroDivisionError):
        return  # Qiskit cannot build it
    refusal = ""
    try:
        read = load_qasm3(dump_qasm3(circuit))
    except UserError as error:
        refusal = str(error)
    assert "\n" not in refusal
    if refusal:
        return
    values = {parameter.name: 0.3 + k for k, parameter in enumerate(NAMES)}
    try:
        expected = Operator(bind(circuit, values))
    except (QiskitError, TypeError, ValueError, ArithmeticError):
        return  # the angle has no real value there
    assert Operator(bind(read, values)).equiv(expected)


def bind(circuit: QuantumCircuit, values: dict[str, float]) -> QuantumCircuit:
    return circuit.assign_parameters({p: values[p.name] for p in circuit.parameters})
