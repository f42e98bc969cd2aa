"""Packed dynamic circuits against the single ones: exactly without noise, and on a noisy device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from qiskit.circuit import Clbit, IfElseOp, Measure, QuantumCircuit
from qiskit.circuit.controlflow import condition_resources
from qiskit.primitives import BitArray
from qiskit.quantum_info import Statevector
from qiskit_aer import AerSimulator

from runtime_jobs import open_device
from runtime_jobs.aer.idling import idle_channels
from runtime_jobs.aer.noisy_device import build_device_model
from runtime_jobs.estimation.bits import Bits
from runtime_jobs.estimation.counting import bind_bases, choose_final_bases, read_outcomes
from runtime_jobs.hardware.packing import Packing, choose_packing
from runtime_jobs.hardware.row_packing import deal_rows
from runtime_jobs.hardware.scheduling import insert_idling
from runtime_jobs.hardware.snapshots import open_target
from runtime_jobs.hardware.targets import cut_target

pytestmark = pytest.mark.noisy

Counts = dict[tuple[int, ...], float]  # by the value of each register, in their order


def keep_qubits(circuit: QuantumCircuit, qubits: Sequence[int]) -> QuantumCircuit:
    """Return a circuit of some qubits of a device, which has no instruction on others."""
    place = {circuit.qubits[qubit]: k for k, qubit in enumerate(qubits)}
    kept = QuantumCircuit(len(qubits), name=circuit.name)
    for register in circuit.cregs:
        kept.add_register(register)
    for item in circuit.data:
        kept.append(item.operation, [place[qubit] for qubit in item.qubits], item.clbits)
    return kept


def find_distribution(circuit: QuantumCircuit) -> Counts:
    """Find the exact distribution of the registers from one state vector for each history."""
    states: list[tuple[dict[Clbit, int], NDArray[np.complex128]]] = [
        ({}, np.asarray(Statevector.from_label("0" * circuit.num_qubits)))
    ]

    def apply(state: Any, body: QuantumCircuit, where: Sequence[int]) -> Any:
        for item in body.data:
            if item.operation.name not in ("barrier", "delay"):
                qubits = [where[body.find_bit(qubit).index] for qubit in item.qubits]
                state = Statevector(state).evolve(item.operation, qubits).data
        return state

    for item in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in item.qubits]
        moved = []
        for bits, state in states:
            if isinstance(item.operation, Measure):
                seen = (np.arange(len(state)) >> qubits[0]) & 1
                for value in (0, 1):
                    part = np.where(seen == value, state, 0)
                    if np.linalg.norm(part) > 1e-9:
                        moved.append((bits | {item.clbits[0]: value}, part))
            elif isinstance(item.operation, IfElseOp):
                condition = item.operation.condition
                tested = [*condition_resources(condition).clbits]
                read = sum(bits[bit] << k for k, bit in enumerate(tested))
                blocks = item.operation.blocks
                body = blocks[0] if read == int(condition[1]) else (*blocks, None)[1]
                moved.append((bits, state if body is None else apply(state, body, qubits)))
            else:
                single = QuantumCircuit(circuit.num_qubits)
                single.append(item.operation, qubits)
                moved.append((bits, apply(state, single, range(circuit.num_qubits))))
        states = moved
    found: Counts = {}
    for bits, state in states:
        key = tuple(sum(bits[bit] << k for k, bit in enumerate(r)) for r in circuit.cregs)
        found[key] = found.get(key, 0.0) + float(np.linalg.norm(state) ** 2)
    return found


def join(packing: Packing, patches: int) -> list[int]:
    return [qubit for patch in packing.patches[:patches] for qubit in patch]


def test_copies_without_noise_give_the_distribution_of_the_single_circuit(
    make_case: Callable[..., Any],
) -> None:
    case = make_case(num_steps=2, batch=2)
    circuit = case.circuit.circuit
    packing = choose_packing("kingston", open_target("kingston"), circuit, 2)
    values = case.pub().values
    alone = [
        find_distribution(
            keep_qubits(packing.build(circuit), packing.patches[0]).assign_parameters(row)
        )
        for row in values
    ]
    packed = keep_qubits(packing.build(circuit, 2), join(packing, 2))
    both = find_distribution(packed.assign_parameters(values.ravel()))
    assert sum(both.values()) == pytest.approx(1)
    registers = len(circuit.cregs)
    expected = {
        (*first, *second): alone[0][first] * alone[1][second]
        for first in alone[0]
        for second in alone[1]
    }
    assert len(next(iter(both))) == 2 * registers
    for key, probability in expected.items():
        assert both.get(key, 0.0) == pytest.approx(probability, abs=1e-9)
    assert abs(alone[0][next(iter(alone[0]))] - alone[1].get(next(iter(alone[0])), 0)) > 1e-3


@pytest.mark.slow
def test_two_patches_in_one_circuit_agree_with_the_single_ones_on_the_noisy_device(
    make_case: Callable[..., Any],
) -> None:
    case = make_case(num_steps=3, batch=4)
    pub, shots = case.pub(), 1000
    circuit, target = pub.circuit.circuit, open_target("kingston")
    packing = choose_packing("kingston", target, circuit, 2)
    qubits = join(packing, 2)
    cut = cut_target(target, qubits)
    packed = keep_qubits(packing.build(circuit, 2), qubits)
    waiting, _ = insert_idling(packed, cut, idle_channels(cut))
    bases = choose_final_bases(pub)
    deal = deal_rows(np.repeat(np.arange(4), len(bases)), 2)
    table = deal.pack(bind_bases(pub.circuit, pub.values, bases))
    simulator = AerSimulator(
        method="statevector", noise_model=build_device_model(cut), seed_simulator=3
    )
    bound = [waiting.assign_parameters(row) for row in table]
    counts = [simulator.run(each, shots=shots, memory=True).result() for each in bound]
    found = read_outcomes(
        deal.split(_read_bits(packed, counts)), pub.circuit, bases, len(pub.observables)
    )
    (exact,) = open_device("simulator:kingston?patches=2").run_dynamic([pub])
    (single,) = open_device("simulator:kingston").run_dynamic([pub])
    assert found.standard_errors is not None
    assert np.abs((found.values - exact.values) / found.standard_errors).max() < 4.5
    spread = np.sqrt(exact.outcomes * (1 - exact.outcomes) / (shots * len(bases))) + 1e-9
    assert np.abs((found.outcomes - exact.outcomes) / spread).max() < 4.5
    # Other qubits have other errors, but less so than single shots scatter.
    assert 0 < np.abs(single.values - exact.values).max() < 0.1


def _read_bits(circuit: QuantumCircuit, results: Sequence[Any]) -> Bits:
    """Read the bits of each register from the memory of Aer's results."""
    words = [[word.split() for word in result.get_memory()] for result in results]
    return {
        register.name: BitArray.from_samples(
            [word[-1 - k] for row in words for word in row], register.size
        ).reshape(len(results), len(words[0]))
        for k, register in enumerate(circuit.cregs)
    }
