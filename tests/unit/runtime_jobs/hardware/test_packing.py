"""Copies of a circuit side by side: each is the circuit that would run there without the others."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from circuits import build_ansatz, build_dynamic, build_measurement, unroll
from circuits.limits import JobLimits
from circuits.profile import FEED_FORWARD_SECONDS, profile_circuit
from circuits.rules import HardwareRuleError
from runtime_jobs.hardware.chip import Chip, measure_in_bases
from runtime_jobs.hardware.packing import Packing, choose_packing
from runtime_jobs.hardware.row_packing import deal_rows
from runtime_jobs.hardware.snapshots import open_target

kingston = functools.cache(lambda: open_target("kingston"))


def make_prefix(num_qubits: int = 2, num_steps: int = 2) -> QuantumCircuit:
    ansatz = build_ansatz("linear", num_qubits=num_qubits, num_layers=1)
    return measure_in_bases(unroll(ansatz, num_steps)).circuit


def make_dynamic(num_steps: int = 3) -> QuantumCircuit:
    ansatz = build_ansatz("linear", num_qubits=2, num_layers=1)
    return build_dynamic(ansatz, build_measurement(num_qubits=2, num_ancillas=1), num_steps).circuit


def pack(circuit: QuantumCircuit, patches: int) -> tuple[Packing, QuantumCircuit]:
    packing = choose_packing("kingston", kingston(), circuit, patches)
    return packing, packing.build(circuit, patches)


def list_on(placed: QuantumCircuit, qubits: tuple[int, ...]) -> list[tuple[str, list[int]]]:
    """Names and places of the instructions on some qubits, counted from the first of them."""
    found = []
    for item in placed.data:
        places = [placed.find_bit(qubit).index for qubit in item.qubits]
        if set(places) <= set(qubits):
            found.append((item.operation.name, [qubits.index(place) for place in places]))
    return found


@pytest.mark.parametrize("circuit", [make_prefix(), make_dynamic()], ids=["prefix", "dynamic"])
def test_each_copy_is_the_circuit_that_its_patch_would_run_alone(circuit) -> None:
    packing, placed = pack(circuit, 3)
    for qubits in packing.patches:
        alone = Chip("kingston", kingston(), qubits).compile(circuit)
        assert list_on(placed, qubits) == list_on(alone, tuple(range(alone.num_qubits)))
    used = {placed.find_bit(q).index for item in placed.data for q in item.qubits}
    assert used == {q for patch in packing.patches for q in patch}


def test_registers_and_parameters_are_named_after_their_patch() -> None:
    circuit = make_dynamic()
    _, placed = pack(circuit, 2)
    names = [register.name for register in circuit.cregs]
    assert [register.name for register in placed.cregs] == [
        f"patch{patch}_{name}" for patch in range(2) for name in names
    ]
    expected = [parameter.name for parameter in circuit.parameters]
    found = [parameter.name.split("_", 2)[2] for parameter in placed.parameters]
    assert found == expected * 2  # the order in which Deal.pack lays values out


def test_a_packed_circuit_measures_on_each_patch_what_its_row_says() -> None:
    circuit = make_prefix()
    packing, placed = pack(circuit, 3)
    values = np.random.default_rng(0).normal(size=(5, circuit.num_parameters))
    deal = deal_rows(np.arange(5), 3)
    places = [qubit for patch in packing.patches for qubit in patch]
    for row, bound in zip(deal.rows, deal.pack(values), strict=True):
        small = QuantumCircuit(len(places))
        for item in placed.assign_parameters(bound).data:
            if item.operation.name not in ("measure", "barrier"):
                qubits = [places.index(placed.find_bit(q).index) for q in item.qubits]
                small.append(item.operation, qubits)
        state = Statevector(small)
        for patch, original in enumerate(row):
            alone = circuit.remove_final_measurements(inplace=False)
            expected = Statevector(alone.assign_parameters(values[original])).probabilities()
            found = state.probabilities([2 * patch, 2 * patch + 1])
            np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("patches", [1, 3])
@pytest.mark.parametrize("circuit", [make_prefix(), make_dynamic()], ids=["prefix", "dynamic"])
@pytest.mark.filterwarnings("ignore::circuits.rules.HardwareRuleWarning")
def test_the_plan_and_the_submission_measure_the_same(circuit, patches: int) -> None:
    packing, placed = pack(circuit, patches)
    assert packing.profile(circuit, patches) == packing.check(placed, patches)


def test_copies_take_no_longer_unless_the_branches_of_a_dynamic_circuit_wait_in_turn() -> None:
    static = [pack(make_prefix(), patches)[1] for patches in (1, 4)]
    short, packed = (profile_circuit(circuit, kingston()) for circuit in static)
    assert packed.seconds == pytest.approx(short.seconds, rel=0.05)
    assert packed.two_qubit_gates == 4 * short.two_qubit_gates
    circuit = make_dynamic()
    alone, placed = pack(circuit, 1)[1], pack(circuit, 4)[1]
    one, four = (profile_circuit(c, kingston()) for c in (alone, placed))
    assert four.broadcasts == 4 * one.broadcasts == 8
    # One after another, three more patches wait for their bits at the two steps with branches, and
    # take branches of some 0.1 us; the first patch may have measured earlier and not wait again.
    assert one.serial_seconds == one.seconds == pytest.approx(four.seconds, rel=0.05)
    added = four.serial_seconds - one.seconds
    assert added > 3 * 2 * FEED_FORWARD_SECONDS - FEED_FORWARD_SECONDS
    assert added < 3 * 2 * (FEED_FORWARD_SECONDS + 0.1e-6)


def test_all_patches_are_measured_before_any_branch_of_the_next_step() -> None:
    _, placed = pack(make_dynamic(), 3)
    kinds = [item.operation.name for item in placed.data]
    assert kinds.count("barrier") == 2
    for start in (n for n, kind in enumerate(kinds) if kind == "barrier"):
        assert kinds[start + 1 : start + 4] == ["if_else"] * 3
        assert kinds[:start].count("measure") % 3 == 0


def test_too_many_copies_for_the_coherence_are_refused_with_the_remedy() -> None:
    packing, placed = pack(make_dynamic(8), 12)
    with pytest.raises(HardwareRuleError, match=r"coherence time.* 12 patches .* fewer --patches"):
        packing.check(placed, 12, JobLimits(serial_branches=True, coherence=0.9))


def test_one_patch_is_the_plain_circuit_and_its_layout_the_plain_fingerprint() -> None:
    packing, placed = pack(make_prefix(), 1)
    assert [register.name for register in placed.cregs] == ["final"]
    chip = Chip("kingston", kingston(), packing.patches[0])
    assert packing.fingerprint() == chip.fingerprint()
    other = choose_packing("kingston", kingston(), make_prefix(), 2)
    assert other.fingerprint() != packing.fingerprint()
