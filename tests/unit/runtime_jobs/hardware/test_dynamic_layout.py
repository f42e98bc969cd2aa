"""Where dynamic circuits sit: memory and ancillas in a row, memory where it is quiet."""

from __future__ import annotations

import functools
import itertools

import pytest
from qiskit.circuit import Measure, Parameter
from qiskit.circuit.library import CZGate, RZGate, SXGate
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

from circuits import build_ansatz, build_dynamic, build_measurement
from runtime_jobs.aer.noisy_device import DeviceStages
from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.layout import choose_layout, find_interactions, find_measured
from runtime_jobs.hardware.snapshots import open_target

kingston = functools.cache(lambda: open_target("kingston"))


def make_target(t2: dict[int, float], readout: dict[int, float]) -> Target:
    """A line of equal couplers."""
    times = [QubitProperties(t1=2e-4, t2=time) for time in t2.values()]
    target = Target(num_qubits=len(t2), dt=1e-9, qubit_properties=times)
    good = {(q,): InstructionProperties(3e-8, 1e-4) for q in t2}
    target.add_instruction(SXGate(), good)
    target.add_instruction(RZGate(Parameter("a")), dict.fromkeys(good))
    couplers = {(q, q + 1): InstructionProperties(7e-8, 0.002) for q in range(len(t2) - 1)}
    target.add_instruction(CZGate(), couplers)
    measured = {(q,): InstructionProperties(2e-6, error) for q, error in readout.items()}
    target.add_instruction(Measure(), measured)
    return target


def test_memory_waits_where_coherence_is_long_and_the_ancilla_takes_the_short_one() -> None:
    t2 = dict.fromkeys(range(3), 2e-4) | {1: 1e-5}
    target = make_target(t2, dict.fromkeys(range(3), 0.01))
    layout = choose_layout(target, 2, [(0, 1)], "made", measured=[1])
    assert layout[1] == 1


def test_the_ancilla_takes_the_good_readout() -> None:
    target = make_target(dict.fromkeys(range(3), 2e-4), {0: 0.02, 1: 0.02, 2: 0.001})
    assert choose_layout(target, 2, [(0, 1)], "made", measured=[1]) == (1, 2)
    assert choose_layout(target, 2, [(0, 1)], "made", measured=[0]) == (2, 1)


def test_gates_and_measurements_of_branches_are_found() -> None:
    ansatz = build_ansatz("linear", num_qubits=3, entangler="crx")
    dynamic = build_dynamic(ansatz, build_measurement(num_qubits=3, num_ancillas=2), 2)
    assert find_interactions(dynamic.circuit) == {(0, 1), (1, 2), (0, 3), (2, 4)}
    assert find_measured(dynamic.circuit) == {3, 4}
    direct = build_dynamic(ansatz, build_measurement(num_qubits=3, coupling="direct"), 2)
    assert find_measured(direct.circuit) == {0}


@pytest.mark.parametrize("num_ancillas", [1, 2])
def test_routing_adds_no_gates(num_ancillas: int) -> None:
    """4 qubits, 2 layers, 8 steps with one ancilla: 56 CZ on five qubits in a row."""
    measurement = build_measurement(num_qubits=4, num_ancillas=num_ancillas)
    dynamic = build_dynamic(build_ansatz(num_qubits=4, num_layers=2), measurement, 8)
    stage = DeviceStages("kingston", kingston())(dynamic.circuit)
    assert stage.qubits is not None
    row = [4, 0, 1, 2, 3, 5][: 4 + num_ancillas]
    places = [stage.qubits[q] for q in row]
    couplers = {frozenset(pair) for pair in kingston()["cz"]}
    assert all(frozenset(pair) in couplers for pair in itertools.pairwise(places))
    ready = stage.pass_manager.run(dynamic.circuit)
    assert ready.count_ops()["cz"] == 8 * (6 + num_ancillas)


def test_a_device_without_branches_is_refused() -> None:
    target = make_target(dict.fromkeys(range(3), 2e-4), dict.fromkeys(range(3), 0.01))
    measurement = build_measurement(num_qubits=2, ancilla_return="reset")
    dynamic = build_dynamic(build_ansatz(num_qubits=2), measurement, 2)
    with pytest.raises(DeviceError, match="'made' has no if_else and no reset, which circuit"):
        DeviceStages("made", target)(dynamic.circuit)
