"""One way from bits to values: for Aer's arrays with a basis axis and for flat rows of a QPU."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.primitives import BitArray
from qiskit.quantum_info import SparsePauliOp

from circuits import build_ansatz, build_dynamic, build_measurement, build_readout
from qrnn_qiskit.executors import DynamicPub
from runtime_jobs.estimation.bases import Basis, group_terms
from runtime_jobs.estimation.bits import count_states, join_bits, name_states
from runtime_jobs.estimation.counting import average_values, bind_bases, read_outcomes

ANSATZ = build_ansatz(num_qubits=2, num_layers=1)
DYNAMIC = build_dynamic(ANSATZ, build_measurement(num_qubits=2, num_ancillas=1), 2)
OBSERVABLES = [SparsePauliOp("XI"), SparsePauliOp("ZZ"), SparsePauliOp("IX")]
BASES = group_terms(OBSERVABLES, range(2))
PUB = DynamicPub(DYNAMIC, np.zeros((3, 1)), OBSERVABLES, keeps_records=True)


def draw_bits(shape: tuple[int, ...], shots: int) -> dict[str, BitArray]:
    random = np.random.default_rng(0)
    return {
        register.name: BitArray(
            random.integers(2**register.size, size=(*shape, shots, 1), dtype=np.uint8),
            register.size,
        )
        for register in DYNAMIC.circuit.cregs
    }


def test_states_of_registers_of_several_bytes_are_counted() -> None:
    states = np.array([[[3, 3, 700]], [[0, 1023, 700]]])
    arrays = np.stack([states >> 8, states & 255], -1).astype(np.uint8)
    counts = count_states(BitArray(arrays, 10), 1024)
    assert counts.shape == (2, 1024)
    assert [dict(enumerate(row[row.nonzero()])) for row in counts] == [
        {0: 2, 1: 1},
        {0: 1, 1: 1, 2: 1},
    ]
    assert name_states(counts)[0] == {f"{3:010b}": 2, f"{700:010b}": 1}


def test_an_axis_of_bases_and_flat_rows_give_the_same_outcomes() -> None:
    apart = draw_bits((3, len(BASES)), 50)
    flat = {name: bits.reshape(3 * len(BASES)) for name, bits in apart.items()}
    parts = (slice(2), slice(2, None))
    halves = [{name: bits[part] for name, bits in flat.items()} for part in parts]
    found, expected, joined = (
        read_outcomes(bits, PUB, BASES) for bits in (apart, flat, join_bits(halves))
    )
    assert found.shots == len(BASES) * 50
    for other in (expected, joined):
        np.testing.assert_array_equal(found.outcomes, other.outcomes)
        np.testing.assert_array_equal(found.values, other.values)
        np.testing.assert_array_equal(found.standard_errors, other.standard_errors)
        assert found.records is not None
        assert other.records is not None
        np.testing.assert_array_equal(found.records, other.records)


def test_records_are_those_that_the_outcomes_count() -> None:
    bits = draw_bits((3, len(BASES)), 50)
    found = read_outcomes(bits, PUB, BASES)
    assert found.records is not None
    assert found.records.shape == (3, 100, 2, 1)
    np.testing.assert_allclose(found.records[..., 0].mean(1), found.outcomes[..., 1])
    np.testing.assert_array_equal(found.records[1, 50:, 0, 0], bits["step0"].array[1, 1, :, 0])
    assert read_outcomes(bits, PUB._replace(keeps_records=False), BASES).records is None


def test_the_basis_changes_fastest_and_frequencies_average_as_probabilities_do() -> None:
    values = np.random.default_rng(1).normal(size=(3, DYNAMIC.circuit.num_parameters))
    bound = bind_bases(DYNAMIC, values, BASES)
    assert bound.shape == (3 * len(BASES), values.shape[1])
    np.testing.assert_array_equal(bound[1], DYNAMIC.bind_basis(values, BASES[1].spell(2))[0])
    bits = draw_bits((3 * len(BASES),), 40)
    frequencies = count_states(bits["final"], 4) / 40
    expected = read_outcomes(bits, PUB, BASES).values
    np.testing.assert_allclose(average_values(frequencies, BASES, 3), expected, atol=1e-12)


@pytest.mark.parametrize("num_observables", [0, 2])
def test_a_basis_without_terms_gives_no_values(num_observables: int) -> None:
    pub = PUB._replace(observables=OBSERVABLES[:num_observables])
    found = read_outcomes(draw_bits((4,), 10), pub, [Basis()])
    np.testing.assert_array_equal(found.values, np.zeros((4, num_observables)))


@pytest.mark.parametrize(
    ("observables", "num_qubits", "most"),
    [
        (None, 5, 3),
        ("z", 4, 1),
        ("pairs", 2, 9),
        ("pairs", 3, 9),
        ("pairs", 4, 11),
        ("pairs", 6, 15),
    ],
)
def test_terms_share_few_bases_and_each_is_in_one_that_reads_it(
    observables: str | None, num_qubits: int, most: int
) -> None:
    operators = build_readout(observables, num_qubits=num_qubits).observables
    positions = [3 * qubit + 1 for qubit in range(num_qubits)]
    bases = group_terms(operators, positions)
    assert len(bases) <= most
    found = []
    for basis in bases:
        for term in basis.terms:
            ((letters, qubits, _),) = operators[term.observable].to_sparse_list()
            assert term.qubits == tuple(positions[qubit] for qubit in qubits)
            assert [basis.letters[qubit] for qubit in term.qubits] == list(letters)
            found.append(term.observable)
    assert sorted(found) == list(range(len(operators)))


def test_terms_of_many_letters_and_none_are_grouped_too() -> None:
    operators = [
        SparsePauliOp(["XXXX", "IIII"], [1.0, 0.5]),
        SparsePauliOp(["XXII", "IZZZ"], [1.0, 2.0]),
        SparsePauliOp("IIXX"),
    ]
    bases = group_terms(operators, range(4))
    assert [basis.spell(4) for basis in bases] == ["XXXX", "ZZZZ"]
    assert [[term.observable for term in basis.terms] for basis in bases] == [[0, 0, 1, 2], [1]]
