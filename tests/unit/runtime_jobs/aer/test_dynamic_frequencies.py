"""What Aer measures on a dynamic circuit against the exact recursion, by chi-square tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from frequencies import find_p_value, is_rejected
from qiskit_aer import AerSimulator

from circuits import ANCILLA_RETURNS, COUPLINGS


def measure(case, shots: int, seed: int) -> np.ndarray:
    """The registers (shots, T) of the first row of tables, bound and run by Aer itself."""
    bound = case.circuit.circuit.assign_parameters(case.circuit.bind_values(case.tables)[0])
    simulator = AerSimulator(method="statevector", seed_simulator=seed)
    memory = simulator.run(bound, shots=shots, memory=True).result().get_memory()
    return np.array([[int(bits, 2) for bits in shot.split()[:0:-1]] for shot in memory])


def find_p_values(registers: np.ndarray, reference) -> list[float]:
    """Of the registers of each step, and of each two adjacent steps together."""
    (outcomes,), (pairs,) = reference.outcomes, reference.pairs
    size = outcomes.shape[1]
    codes = registers[:, :-1] * size + registers[:, 1:]
    steps = zip(registers.T, outcomes, strict=True)
    adjacent = zip(codes.T, pairs.reshape(len(pairs), size**2), strict=True)
    return [find_p_value(seen, expected) for seen, expected in (*steps, *adjacent)]


def draw_case(make_case, seed: int):
    random = np.random.default_rng(seed)
    num_qubits = int(random.integers(1, 5))
    num_ancillas = int(random.integers(1, min(num_qubits, 2) + 1))
    coupling = str(random.choice(COUPLINGS))
    return make_case(
        num_qubits=num_qubits,
        num_steps=int(random.integers(1, 13)),
        batch=1,
        seed=seed,
        num_ancillas=num_ancillas,
        coupling=coupling,
        coupling_strength=np.pi if coupling == "direct" else float(random.uniform(0.2, np.pi)),
        measured_bases="".join(random.choice(list("XYZ"), num_ancillas)),
        measured_qubits=[int(q) for q in random.permutation(num_qubits)[:num_ancillas]],
        ancilla_return=str(random.choice(ANCILLA_RETURNS)),
    )


def check_models(make_case, find_reference, seeds: range, shots: int) -> None:
    p_values = []
    for seed in seeds:
        case = draw_case(make_case, seed)
        p_values += find_p_values(measure(case, shots, seed), find_reference(case))
    assert not is_rejected(p_values, 0.001)


@pytest.mark.training
def test_frequencies_are_those_of_the_recursion(make_case, find_reference) -> None:
    check_models(make_case, find_reference, range(6), 2_000)


@pytest.mark.slow
def test_frequencies_of_fifty_models_are_those_of_the_recursion(make_case, find_reference) -> None:
    check_models(make_case, find_reference, range(100, 150), 10_000)


@pytest.mark.training
def test_wrong_models_are_rejected(make_case, find_reference) -> None:
    """A swapped branch table, reversed bits, and a coupling that is a tenth too strong."""
    settings = {"num_steps": 8, "batch": 1, "seed": 5, "num_ancillas": 2, "coupling": "cry"}
    case = make_case(num_qubits=3, coupling_strength=1.2, **settings)
    registers = measure(case, 20_000, 0)
    right = find_reference(case)
    assert not is_rejected(find_p_values(registers, right), 0.001)
    tables = case.tables.copy()
    tables[:, 1:] = tables[:, 1:, ::-1]  # step 0 has one branch
    swapped = find_reference(replace(case, tables=tables))
    assert is_rejected(find_p_values(registers, swapped), 1e-6)
    back = [0, 2, 1, 3]  # the value of two bits in the other order
    reversed_bits = replace(
        right, outcomes=right.outcomes[..., back], pairs=right.pairs[..., back, :][..., back]
    )
    assert is_rejected(find_p_values(registers, reversed_bits), 1e-6)
    stronger = make_case(num_qubits=3, coupling_strength=1.2 * 1.1, **settings)
    assert is_rejected(find_p_values(registers, find_reference(stronger)), 1e-6)
