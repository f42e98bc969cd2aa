"""The waits of a dynamic circuit on a device: how long they are, and that they are not free."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.transpiler import Target, generate_preset_pass_manager
from qiskit_aer import AerSimulator

from circuits import build_ansatz, build_dynamic, build_measurement
from circuits.profile import FEED_FORWARD_SECONDS, profile_circuit
from runtime_jobs import open_device
from runtime_jobs.aer import dynamic_runner
from runtime_jobs.aer.idling import idle_channels
from runtime_jobs.hardware.scheduling import insert_idling
from runtime_jobs.hardware.snapshots import open_target
from runtime_jobs.hardware.targets import cut_target, duration_of

pytestmark = pytest.mark.noisy


@pytest.fixture(scope="module")
def target() -> Target:
    return cut_target(open_target("kingston"), [149, 150, 151])


def compile_for(circuit: QuantumCircuit, target: Target) -> QuantumCircuit:
    layout = list(range(circuit.num_qubits))
    manager = generate_preset_pass_manager(
        optimization_level=2, target=target, initial_layout=layout, seed_transpiler=0
    )
    return manager.run(circuit)


def test_a_qubit_decays_while_another_is_measured_and_its_bit_travels(target) -> None:
    qubits = QuantumRegister(2)
    registers = [ClassicalRegister(1, name) for name in ("first", "last")]
    circuit = QuantumCircuit(qubits, *registers)
    circuit.x(0)
    circuit.barrier()
    circuit.measure(1, registers[0])
    with circuit.if_test((registers[0], 1)):
        circuit.x(1)
    circuit.measure(0, registers[1])
    weak = cut_target(open_target("kingston"), [149, 150], 50.0)  # T1 and T2 a fiftieth
    built, timing = insert_idling(compile_for(circuit, weak), weak, idle_channels(weak))
    pulse, measurement = (duration_of(weak, name, (0,)) for name in ("x", "measure"))
    assert timing.measurement == measurement
    assert timing.feed_forward == FEED_FORWARD_SECONDS
    wait = measurement + FEED_FORWARD_SECONDS + pulse  # the branch is one pulse
    assert timing.total == pytest.approx(pulse + wait + measurement)
    shots = 20_000
    simulator = AerSimulator(method="statevector", seed_simulator=1)
    counts = simulator.run(built, shots=shots).result().get_counts()
    ones = sum(n for bits, n in counts.items() if bits.split()[0] == "1") / shots
    expected = np.exp(-wait / weak.qubit_properties[0].t1)
    assert 0.5 < expected < 0.95
    assert abs(ones - expected) < 4.5 * np.sqrt(expected * (1 - expected) / shots)


@pytest.mark.parametrize("ancilla_return", ["branch", "reset"])
@pytest.mark.parametrize("num_ancillas", [1, 2])
def test_durations_are_those_of_the_profile(make_case, num_ancillas, ancilla_return) -> None:
    case = make_case(num_steps=4, num_ancillas=num_ancillas, ancilla_return=ancilla_return)
    cut = cut_target(open_target("kingston"), [150, 151, 149, 138][: 2 + num_ancillas])
    ready = compile_for(case.circuit.circuit, cut)
    _, timing = insert_idling(ready, cut, idle_channels(cut))
    assert timing.feed_forward == pytest.approx(3 * FEED_FORWARD_SECONDS)
    assert bool(timing.reset) == (ancilla_return == "reset")
    longest_path = profile_circuit(ready, cut).seconds
    if not timing.reset:
        assert timing.total == pytest.approx(longest_path, rel=0.05)
    # Branches wait for a reset here, which the longest path lets overlap; of the if_tests of a
    # register one body runs here, and all of them on the longest path.
    assert longest_path * 0.95 < timing.total < longest_path + 3 * timing.reset + 1e-6


def test_waits_are_part_of_the_noise(make_case, find_reference, monkeypatch) -> None:
    """Leaving them out changes the result."""
    case = make_case(num_steps=4, batch=4, coupling_strength=1.0)
    exact = find_reference(case).values

    def overlap() -> float:
        (found,) = open_device("aer:kingston?shots=2000&noise=4&seed=1").run_dynamic([case.pub()])
        return float((found.values * exact).sum() / (exact**2).sum())

    waiting = overlap()
    monkeypatch.setattr(dynamic_runner, "idle_channels", lambda target: lambda *wait: None)
    assert overlap() > waiting + 0.05


def test_layout_and_durations_are_described(make_case) -> None:
    executor = open_device("aer:kingston?shots=10")
    executor.run_dynamic([make_case(num_qubits=4, num_steps=2, batch=1).pub()])
    (line,) = executor.describe()
    assert line.startswith("kingston qubits ")
    assert "measurement 2.28 us, feed-forward 0.60 us in all" in line


def test_registers_side_by_side_wait_once_for_the_bits_of_all() -> None:
    """The compiled circuit lists all steps of a register before those of the next one."""
    ansatz, measurement = build_ansatz(num_qubits=1), build_measurement(num_qubits=1)
    cut = cut_target(open_target("kingston"), [0, 2, 4, 1, 3, 5])
    durations = []
    for registers in (1, 3):
        circuit = build_dynamic(ansatz, measurement, 3, registers).circuit
        layout = list(range(registers)) + [3 + r for r in range(registers)]
        manager = generate_preset_pass_manager(
            optimization_level=2, target=cut, initial_layout=layout, seed_transpiler=0
        )
        ready = manager.run(circuit)
        built, timing = insert_idling(ready, cut, idle_channels(cut))
        assert timing.feed_forward == pytest.approx(2 * FEED_FORWARD_SECONDS)
        profile = profile_circuit(ready, cut)
        assert timing.total == pytest.approx(profile.seconds, rel=0.05)
        assert profile.serial_seconds > profile.seconds + (registers - 1.5) * FEED_FORWARD_SECONDS
        durations.append(timing.total)
        counted = built.count_ops()
        assert counted["if_else"] == ready.count_ops()["if_else"]
        assert counted["measure"] == ready.count_ops()["measure"]
    assert durations[1] == pytest.approx(durations[0], rel=0.05)
