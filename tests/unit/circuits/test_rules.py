"""The rules of the hardware: each one broken by itself."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from qiskit import transpile
from qiskit.circuit import ClassicalRegister, IfElseOp, Parameter, QuantumCircuit, QuantumRegister
from qiskit.circuit.library import CZGate, Measure, Reset, RZGate, RZZGate, SXGate, XGate
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

from circuits import build_ansatz, build_dynamic, build_measurement
from circuits.limits import JobLimits
from circuits.profile import FEED_FORWARD_SECONDS, profile_circuit
from circuits.rules import (
    HardwareRuleError,
    HardwareRuleWarning,
    RulePub,
    check_rules,
    find_violations,
)

MEASURE = 2e-6
GATE = 30e-9


def make_target(*without: str, coherence: float = 100e-6) -> Target:
    properties = [QubitProperties(t1=2 * coherence, t2=coherence) for _ in range(4)]
    target = Target(num_qubits=4, qubit_properties=properties)
    ones = [(q,) for q in range(4)]
    pairs = [(a, b) for a in range(4) for b in range(4) if abs(a - b) == 1]
    angle = Parameter("a")
    instructions = [
        (RZGate(angle), ones, 0.0),
        (SXGate(), ones, GATE),
        (XGate(), ones, GATE),
        (Measure(), ones, MEASURE),
        (Reset(), ones, MEASURE),
        (CZGate(), pairs, 2 * GATE),
        (RZZGate(angle), pairs, 2 * GATE),
    ]
    for gate, where, seconds in instructions:
        if gate.name not in without:
            durations = {qubits: InstructionProperties(duration=seconds) for qubits in where}
            target.add_instruction(gate, durations)
    if "if_else" not in without:
        target.add_instruction(IfElseOp, name="if_else")
    return target


def make_dynamic(num_steps: int = 4, num_ancillas: int = 1, **options: str) -> QuantumCircuit:
    measurement = build_measurement(num_qubits=2, num_ancillas=num_ancillas, **options)
    dynamic = build_dynamic(build_ansatz(num_qubits=2), measurement, num_steps)
    row = [1, 2, 0, 3][: dynamic.circuit.num_qubits]
    return transpile(
        dynamic.circuit,
        target=make_target("rzz"),
        initial_layout=row,
        optimization_level=1,
        seed_transpiler=0,
    )


def list_rules(
    circuit: QuantumCircuit,
    target: Target | None = None,
    *,
    bindings: int = 1,
    shots: int = 1000,
    limits: JobLimits | None = None,
    values: np.ndarray | None = None,
) -> list[str]:
    pub = RulePub(circuit, bindings, values)
    found = find_violations([pub], target or make_target(), shots=shots, limits=limits)
    return [str(violation) for violation in found]


def test_our_circuits_keep_all_rules() -> None:
    for options in ({"ancilla_return": "reset"}, {"coupling": "direct"}, {}):
        assert list_rules(make_dynamic(**options), bindings=200) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_rules([RulePub(make_dynamic(num_ancillas=2), 20)], make_target(), shots=100)


@pytest.mark.parametrize(
    ("missing", "change"), [("if_else", "kingston"), ("reset", "ancilla_return='branch'")]
)
def test_a_device_that_lacks_an_instruction(missing: str, change: str) -> None:
    circuit = make_dynamic(ancilla_return="reset")
    (message,) = list_rules(circuit, make_target(missing))
    assert f"no {missing!r}: instruction" in message
    assert change in message
    assert list_rules(make_dynamic(), make_target("reset")) == []


def start() -> tuple[QuantumCircuit, ClassicalRegister]:
    bit = ClassicalRegister(1, "step0")
    circuit = QuantumCircuit(QuantumRegister(2), bit, ClassicalRegister(1, "step1"))
    circuit.measure(0, 0)
    return circuit, bit


def test_measurement_and_reset_in_a_branch() -> None:
    circuit, bit = start()
    with circuit.if_test((bit, 1)) as otherwise:
        circuit.x(1)
        circuit.measure(1, 1)
    with otherwise:
        circuit.reset(1)
    messages = list_rules(circuit)
    assert len(messages) == 2
    assert "instruction 1 (if_else on 1), branch 0, instruction 1 (measure on 0)" in messages[0]
    assert "branch 1, instruction 0 (reset on 0); put it after the branch" in messages[1]


def test_nested_branches_and_other_control_flow() -> None:
    circuit, bit = start()
    with circuit.if_test((bit, 1)), circuit.if_test((bit, 0)):
        circuit.x(1)
    with circuit.while_loop((bit, 1)):
        circuit.x(0)
        circuit.measure(0, 0)
    messages = list_rules(circuit)
    assert any("branches are not nested: instruction 1" in message for message in messages)
    assert any("only if_test runs: instruction 2 (while_loop" in message for message in messages)


def test_bits_of_a_condition() -> None:
    wide = ClassicalRegister(33, "wide")
    circuit = QuantumCircuit(QuantumRegister(2), wide)
    with circuit.if_test((wide, 1)):
        circuit.x(0)
    (message,) = list_rules(circuit)
    assert "at most 32 bits" in message
    assert "reads 33" in message
    with circuit.if_test((wide[5], 1)):
        circuit.x(0)
    assert len(list_rules(circuit)) == 1


def test_broadcasts_count_once_for_each_change_and_times_bindings() -> None:
    """Four steps, the first without a test: three broadcasts, though groups and values are more."""
    one, two = make_dynamic(), make_dynamic(num_ancillas=2)
    wider = profile_circuit(two, make_target()).broadcasts / 3
    assert profile_circuit(one, make_target()).broadcasts == 3
    assert 1 < wider < 1.2
    assert list_rules(one, bindings=800) == []
    (message,) = list_rules(one, bindings=801)
    assert "801 bindings of 1,000 shots take 2,403" in message
    assert "split it into jobs of at most 800 bindings" in message
    assert list_rules(one, bindings=9000, limits=JobLimits(broadcasts=math.inf)) == []
    (message,) = list_rules(two, bindings=800)
    assert "broadcasts" in message


def test_sixty_bits_are_broadcast_300_times() -> None:
    wide = ClassicalRegister(60, "wide")
    circuit = QuantumCircuit(QuantumRegister(1), wide)
    with circuit.if_test((wide, 1)):
        circuit.x(0)
    limits = JobLimits(condition_bits=60)
    assert list_rules(circuit, bindings=300, limits=limits) == []
    assert len(list_rules(circuit, bindings=301, limits=limits)) == 1


def test_counts_of_a_job() -> None:
    circuit = make_dynamic()
    (message,) = list_rules(circuit, bindings=11, shots=1_000_000)
    assert "10,000,000 executions" in message
    assert "at most 10 bindings" in message
    (message,) = list_rules(circuit, limits=JobLimits(two_qubit_gates=3))
    assert "at most 3 two-qubit gates" in message
    instructions = profile_circuit(circuit, make_target()).instructions
    limits = JobLimits(instructions=10 * instructions)
    assert list_rules(circuit, bindings=10, limits=limits) == []
    assert "control instructions" in list_rules(circuit, bindings=11, limits=limits)[0]
    pubs = [RulePub(circuit, 6), RulePub(circuit, 5)]
    found = find_violations(pubs, make_target(), shots=1, limits=limits)
    assert [str(v).startswith("a job holds at most") for v in found] == [True]
    (message,) = list_rules(circuit, shots=20_000_000)
    assert "fewer shots" in message


def test_duration_against_coherence() -> None:
    circuit = make_dynamic(8)
    seconds = profile_circuit(circuit, make_target()).seconds
    # The last ancilla is measured while the memory is.
    assert 0 < seconds - 8 * MEASURE - 7 * FEED_FORWARD_SECONDS < MEASURE
    assert list_rules(circuit, make_target(coherence=seconds / 0.49)) == []
    long = make_target(coherence=seconds / 0.8)
    with pytest.warns(HardwareRuleWarning, match="0.80 times, which leaves 45%") as record:
        check_rules([RulePub(circuit, 1)], long, shots=1)
    assert f"{seconds * 1e6:.1f} us" in str(record[0].message)
    over = make_target(coherence=seconds / 3.1)
    with pytest.raises(HardwareRuleError, match=r"T2 = .* us: 3.10 times.*limits.coherence = 3"):
        check_rules([RulePub(circuit, 1)], over, shots=1)
    with pytest.warns(HardwareRuleWarning, match="3.10 times"):
        check_rules([RulePub(circuit, 1)], over, shots=1, limits=JobLimits(coherence=4.0))


def test_range_of_fractional_angles() -> None:
    angle, other = Parameter("a"), Parameter("b")
    circuit = QuantumCircuit(2)
    circuit.rzz(angle - other, 0, 1)
    (message,) = list_rules(circuit)
    assert "free angle" in message
    inside = np.array([[1.5, 0.0], [0.5, 0.5]])
    assert list_rules(circuit, values=inside, bindings=2) == []
    (message,) = list_rules(circuit, values=np.array([[1.5, 0.0], [0.0, 0.1]]), bindings=2)
    assert "has -0.1 to 1.5 rad; compile to cz" in message
    assert list_rules(circuit, make_target("rzz")) == []
    fixed = QuantumCircuit(2)
    fixed.rzz(1.6, 0, 1)
    assert "1.6 to 1.6 rad" in list_rules(fixed)[0]


def test_all_errors_come_at_once() -> None:
    circuit, bit = start()
    with circuit.if_test((bit, 1)):
        circuit.reset(1)
    with pytest.raises(HardwareRuleError) as error:
        check_rules([RulePub(circuit, 20)], make_target("if_else"), shots=1_000_000)
    message = str(error.value)
    assert "no 'if_else'" in message
    assert "no reset in a branch" in message
    assert "executions" in message
