"""Layouts and targets, on small devices made by hand and on FakeKingston."""

from __future__ import annotations

import functools
import itertools

import pytest
from qiskit.circuit import Measure, Parameter, QuantumCircuit
from qiskit.circuit.library import CZGate, RZGate, SXGate
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

from circuits import build_ansatz
from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.layout import choose_layout, find_interactions
from runtime_jobs.hardware.snapshots import list_local_devices, open_target
from runtime_jobs.hardware.targets import coupler_errors, cut_target, describe_qubits, error_of

LINE = [(0, 1), (1, 2), (2, 3)]


def make_target(couplers: dict[tuple[int, int], float], readout: dict[int, float]) -> Target:
    size = len(readout)
    times = [QubitProperties(t1=1e-4 * (q + 1), t2=5e-5) for q in range(size)]
    target = Target(num_qubits=size, dt=1e-9, qubit_properties=times)
    good = {(q,): InstructionProperties(3e-8, 1e-4) for q in range(size)}
    target.add_instruction(SXGate(), good)
    target.add_instruction(RZGate(Parameter("a")), dict.fromkeys(good))
    target.add_instruction(
        CZGate(), {c: InstructionProperties(7e-8, e) for c, e in couplers.items()}
    )
    measured = {(q,): InstructionProperties(2e-6, e) for q, e in readout.items()}
    target.add_instruction(Measure(), measured)
    return target


kingston = functools.cache(lambda: open_target("kingston"))


def test_a_line_avoids_dead_couplers_and_bad_readout() -> None:
    couplers = {(q, q + 1): 0.01 for q in range(7)} | {(1, 2): 1.0}
    readout = dict.fromkeys(range(8), 0.01) | {7: 0.6}
    layout = choose_layout(make_target(couplers, readout), 4, LINE, "made")
    assert sorted(layout) in ([2, 3, 4, 5], [3, 4, 5, 6])
    assert all(abs(a - b) == 1 for a, b in itertools.pairwise(layout))


def test_the_best_of_several_lines_is_taken() -> None:
    couplers = {(q, q + 1): 0.02 for q in range(7)} | {(4, 5): 0.001}
    layout = choose_layout(make_target(couplers, dict.fromkeys(range(8), 0.01)), 2, [(0, 1)], "m")
    assert sorted(layout) == [4, 5]


def test_a_star_sits_on_a_star_and_a_ring_falls_back_to_a_line() -> None:
    target = make_target({(0, 1): 0.01, (1, 2): 0.01, (1, 3): 0.01}, dict.fromkeys(range(4), 0.01))
    assert choose_layout(target, 4, [(0, 2), (1, 2), (2, 3)], "star")[2] == 1
    line = make_target({(q, q + 1): 0.01 for q in range(4)}, dict.fromkeys(range(5), 0.01))
    ring = choose_layout(line, 4, [*LINE, (0, 3)], "line")
    assert all(abs(a - b) == 1 for a, b in itertools.pairwise(ring))
    tree = choose_layout(target, 4, LINE, "star")  # no line of four: any connected qubits
    assert sorted(tree) == [0, 1, 2, 3]


def test_kingston_has_the_same_good_line_every_time() -> None:
    layouts = {choose_layout(open_target("kingston"), 4, LINE, "kingston") for _ in range(2)}
    (layout,) = layouts
    errors = coupler_errors(kingston())
    used = [errors[min(p), max(p)] for p in itertools.pairwise(layout)]
    assert max(used) < 0.003
    assert f"qubits {'-'.join(map(str, layout))}: median" in describe_qubits(kingston(), layout)


def test_too_few_qubits_are_refused() -> None:
    with pytest.raises(DeviceError, match="'kingston' has 156 qubits, but the circuit needs 157"):
        choose_layout(kingston(), 157, [], "kingston")
    apart = make_target({(0, 1): 0.01, (1, 2): 1.0, (2, 3): 0.01}, dict.fromkeys(range(4), 0.01))
    with pytest.raises(DeviceError, match="no 3 connected qubits whose gates and readout work"):
        choose_layout(apart, 3, LINE[:2], "apart")


def test_interactions_are_those_of_the_entanglers() -> None:
    assert find_interactions(build_ansatz("ring", num_qubits=4).circuit) == {*LINE, (0, 3)}
    assert find_interactions(QuantumCircuit(3)) == set()


def test_a_cut_target_has_the_numbers_of_its_qubits_scaled() -> None:
    couplers = {(0, 1): 0.01, (1, 2): 0.02, (2, 3): 1.0}
    target = make_target(couplers, {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.01})
    cut = cut_target(target, [2, 1, 3], noise_scale=3.0)
    assert cut.num_qubits == 3
    assert coupler_errors(cut) == {} or set(coupler_errors(cut)) == {(0, 1)}
    assert set(cut["cz"]) == {(1, 0)}
    assert error_of(cut, "cz", (1, 0)) == pytest.approx(0.06)
    assert error_of(cut, "measure", (0,)) == 0.5  # 0.9 would carry information
    assert error_of(cut, "measure", (1,)) == 0.5
    assert error_of(cut, "measure", (2,)) == pytest.approx(0.03)
    assert cut.qubit_properties[0].t1 == pytest.approx(1e-4)
    assert cut.qubit_properties[0].t2 == pytest.approx(5e-5 / 3)
    assert cut["sx"][(0,)].duration == 3e-8


def test_unsupported_gates_are_cut() -> None:
    cut = cut_target(open_target("boston"), [0, 1])
    assert not {"measure_2", "reset_2"} & set(cut.operation_names)
    assert {"cz", "if_else", "measure", "reset", "rz", "sx"} <= set(cut.operation_names)


def test_local_devices_run_dynamic_circuits() -> None:
    known = list_local_devices()
    assert known["kingston"] == 156
    assert {"boston", "fez", "marrakesh", "pittsburgh"} <= set(known)
    assert not {"miami", "berlin", "geneva"} & set(known)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("kingstn", "did you mean 'kingston'.*known with dynamic circuits: aachen, .*torino"),
        ("miami", "device 'miami' lacks if_else and reset, which"),
    ],
)
def test_unknown_devices_list_the_known_ones(name: str, complaint: str) -> None:
    with pytest.raises(DeviceError, match=complaint):
        open_target(name)
