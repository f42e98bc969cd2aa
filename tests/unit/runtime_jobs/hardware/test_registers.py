"""The qubits of several registers on a device."""

from __future__ import annotations

import pytest

from circuits import build_ansatz, build_dynamic, build_measurement
from circuits.limits import JobLimits
from circuits.registers import repeat_ansatz
from circuits.rules import RulePub, Violation, find_violations
from qrnn_qiskit import QRNN
from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.layout import find_interactions, find_measured
from runtime_jobs.hardware.packing import choose_packing
from runtime_jobs.hardware.patches import choose_patches
from runtime_jobs.hardware.snapshots import open_target
from runtime_jobs.hardware.targets import coupler_errors
from runtime_jobs.pricing.registers import place_registers
from runtime_jobs.pricing.rounds import longest_circuit


@pytest.mark.parametrize("readout", ["expectation", "measured"])
def test_each_register_has_connected_qubits_of_its_own(readout: str) -> None:
    model = QRNN(1, 2, num_registers=3, readout=readout)
    target = open_target("kingston")
    packing = choose_packing("kingston", target, longest_circuit(model, 2), 1)
    placed = place_registers(model.mode, packing)
    assert [(each.patch, each.register) for each in placed] == [(1, 1), (1, 2), (1, 3)]
    together = [qubit for each in placed for qubit in each.qubits]
    assert sorted(together) == sorted(packing.patches[0])
    assert len(set(together)) == 3 * (2 + (readout == "measured"))
    couplers = coupler_errors(target)
    for each in placed:
        # The ancilla, the last one, reads memory qubit 0.
        memory, ancillas = each.qubits[:2], each.qubits[2:]
        pairs = [memory, *[(memory[0], ancilla) for ancilla in ancillas]]
        errors = [couplers[min(pair), max(pair)] for pair in pairs]
        assert each.two_qubit_error is not None
        assert min(errors) <= each.two_qubit_error <= max(errors) < 0.01
    assert place_registers(QRNN(1, 2).mode, packing) == ()


def test_registers_that_do_not_fit_are_counted() -> None:
    target = open_target("kingston")
    wide = repeat_ansatz(build_ansatz(num_qubits=4), 45)
    interactions = find_interactions(wide.circuit)
    with pytest.raises(DeviceError, match=r"45 registers of 4 .*num_registers=(2[2-9]|3\d),") as at:
        choose_patches(target, wide.num_qubits, interactions, "kingston")
    most = int(str(at.value).split("num_registers=")[1].split(",")[0])
    fits = repeat_ansatz(build_ansatz(num_qubits=4), most)
    (chosen,) = choose_patches(target, 4 * most, find_interactions(fits.circuit), "kingston")
    assert len(set(chosen)) == 4 * most


def test_a_register_that_fits_nowhere_is_named() -> None:
    ansatz = build_ansatz("ring", num_qubits=4)  # a heavy hexagon has no ring of four
    measurement = build_measurement(num_qubits=4)
    circuit = build_dynamic(ansatz, measurement, 2, 2).circuit
    with pytest.raises(DeviceError, match=r"room for 0; use smaller registers, or a larger device"):
        choose_patches(
            open_target("kingston"),
            circuit.num_qubits,
            find_interactions(circuit),
            "kingston",
            find_measured(circuit),
        )


@pytest.mark.noisy
def test_22_measured_registers_fit_the_coherence_while_their_branches_are_parallel() -> None:
    measurement = build_measurement(num_qubits=3)
    circuit = build_dynamic(build_ansatz(num_qubits=3), measurement, 4, 22).circuit
    target = open_target("kingston")
    placed = choose_packing("kingston", target, circuit).build(circuit)

    def list_errors(limits: JobLimits) -> list[Violation]:
        found = find_violations([RulePub(placed, 1)], target, shots=1, limits=limits)
        return [violation for violation in found if violation.is_error]

    assert list_errors(JobLimits()) == []
    (error,) = list_errors(JobLimits(serial_branches=True))
    assert "coherence" in error.rule
