"""Records and their probabilities against dense simulation with Qiskit, and exact entropies."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import stim
from numpy.typing import NDArray
from qiskit.quantum_info import Pauli, Statevector

from qrnn_qiskit.tasks.records.error_model import build_repetition_code
from qrnn_qiskit.tasks.records.paulis import SQUARE, draw_outcomes, list_local_paulis
from qrnn_qiskit.tasks.records.renewal import compute_hazards, draw_events

# Rows and columns of the square, each with the product of its three observables.
LINES = [(SQUARE[start : start + 3], 1) for start in (0, 3, 6)]
LINES += [(SQUARE[start::3], sign) for start, sign in ((0, 1), (1, 1), (2, -1))]
ANGLE, STRENGTH = 0.5, 0.5


def draw(
    labels: tuple[str, ...], count: int, steps: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    random = np.random.default_rng(7)
    tokens = random.integers(len(labels), size=(count, steps))
    return tokens, *draw_outcomes(labels, tokens, random)


@pytest.mark.parametrize(
    "labels", [SQUARE, *map(list_local_paulis, (2, 3, 8))], ids=["square", "2", "3", "8"]
)
def test_probabilities_are_those_of_a_dense_state(labels: tuple[str, ...]) -> None:
    tokens, outcomes, probabilities = draw(labels, 10, 12)
    for row in range(len(tokens)):
        state = Statevector.from_int(0, 2 ** len(labels[0]))
        for step, token in enumerate(tokens[row]):
            pauli = Pauli(labels[token])
            mean = state.expectation_value(pauli).real
            assert probabilities[row, step] == pytest.approx((1 - mean) / 2, abs=1e-12)
            sign = 1 - 2 * outcomes[row, step]
            moved = state.data + sign * state.evolve(pauli).data
            state = Statevector(moved / np.linalg.norm(moved))


@pytest.mark.parametrize("labels", [SQUARE, list_local_paulis(3)], ids=["square", "3"])
def test_outcomes_follow_their_probabilities_exactly_where_they_are_determined(
    labels: tuple[str, ...],
) -> None:
    _, outcomes, probabilities = draw(labels, 5000, 10)
    assert set(np.unique(probabilities)) == {0.0, 0.5, 1.0}
    assert np.array_equal(outcomes[probabilities != 0.5], probabilities[probabilities != 0.5])
    free = outcomes[probabilities == 0.5]
    assert abs(free.mean() - 0.5) < 4 * 0.5 / math.sqrt(len(free))


def test_local_paulis_of_three_qubits_are_fifteen_and_cover_the_line() -> None:
    labels = list_local_paulis(3)
    assert len(set(labels)) == 15
    assert {"IIX", "ZII", "IXX", "YYI"} <= set(labels)
    assert "XIX" not in labels
    assert len(list_local_paulis(8)) == 45


@pytest.mark.parametrize(("line", "sign"), LINES)
def test_outcomes_of_a_line_multiply_to_its_sign(line: tuple[str, ...], sign: int) -> None:
    dense = np.linalg.multi_dot([Pauli(label).to_matrix() for label in line])
    np.testing.assert_allclose(dense, sign * np.eye(4), atol=1e-12)
    tokens = np.tile([SQUARE.index(label) for label in line], (200, 1))
    outcomes, probabilities = draw_outcomes(SQUARE, tokens, np.random.default_rng(3))
    assert set(np.prod(1 - 2 * outcomes, axis=1)) == {sign}
    assert set(probabilities[:, 2]) <= {0.0, 1.0}


def test_values_assigned_in_advance_keep_at_most_five_of_the_six_signs() -> None:
    kept = []
    for values in product((1, -1), repeat=9):
        value = dict(zip(SQUARE, values, strict=True))
        kept.append(sum(math.prod(value[label] for label in line) == sign for line, sign in LINES))
    assert max(kept) == 5


def test_hazards_are_those_of_the_survival_of_the_kraus_operators() -> None:
    turn = np.array([[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]])
    stays = np.diag([1, math.sqrt(1 - STRENGTH)]) @ turn
    fires = math.sqrt(STRENGTH) * np.array([[0, 1], [0, 0]]) @ turn
    np.testing.assert_allclose(stays.T @ stays + fires.T @ fires, np.eye(2), atol=1e-12)
    survival = [float(np.sum(np.linalg.matrix_power(stays, n)[:, 0] ** 2)) for n in range(30)]
    hazards = compute_hazards(ANGLE, STRENGTH, 29)
    np.testing.assert_allclose(hazards, 1 - np.divide(survival[1:], survival[:-1]), atol=1e-10)
    # The survival is c^n (A + B cos(2 phi n + delta)): the hazards never settle.
    assert np.ptp(hazards[20:]) > 0.3


def test_the_log_loss_of_the_exact_hazards_is_the_entropy_rate_of_the_process() -> None:
    steps = 400
    hazards = compute_hazards(ANGLE, STRENGTH, steps)
    survival = np.cumprod(np.append(1.0, 1 - hazards))[:-1]
    ages = survival / survival.sum()  # the stationary distribution of the steps since an event
    surprise = -hazards * np.log(hazards) - (1 - hazards) * np.log(1 - hazards)
    events, probabilities = draw_events(hazards, 500, steps, np.random.default_rng(4))
    losses = -np.where(events == 1, np.log(probabilities), np.log(1 - probabilities))
    means = losses[:, 50:].mean(1)
    error = means.std() / math.sqrt(len(means))
    assert error < 2e-3
    assert abs(means.mean() - ages @ surprise) < 4 * error
    assert abs(events[:, 50:].mean() - 1 / survival.sum()) < 0.005


@pytest.mark.parametrize(("distance", "rounds"), [(2, 1), (3, 1)])
def test_predictions_of_a_code_are_those_of_all_its_errors(distance: int, rounds: int) -> None:
    model = build_repetition_code(distance, rounds, 0.1)
    joint: dict[tuple[int, ...], float] = {}
    for happens in product((0, 1), repeat=len(model.probabilities)):
        chances = np.where(happens, model.probabilities, 1 - model.probabilities)
        record = tuple((np.array(happens) @ model.flips % 2).tolist())
        joint[record] = joint.get(record, 0.0) + float(np.prod(chances))
    records = np.array(list(joint))
    ones = model.predict(records)
    found = np.where(records == 1, ones, 1 - ones).prod(1)
    np.testing.assert_allclose(found, list(joint.values()), atol=1e-14)
    assert len(joint) == 2 ** records.shape[1]


def test_drawn_events_are_those_of_the_circuit() -> None:
    count, noise = 20_000, 0.05
    model = build_repetition_code(3, 3, noise)
    circuit = stim.Circuit.generated(
        "repetition_code:memory",
        distance=3,
        rounds=3,
        after_clifford_depolarization=noise,
        after_reset_flip_probability=noise,
        before_measure_flip_probability=noise,
        before_round_data_depolarization=noise,
    )
    detectors, flips = circuit.compile_detector_sampler(seed=1).sample(
        count, separate_observables=True
    )
    sampled = np.concatenate((detectors, flips), 1).astype(int)
    drawn = model.draw(count, np.random.default_rng(2))
    # Means of the bits and of the parities of all pairs.
    pairs = [(bits[:, :, None] ^ bits[:, None]) for bits in (sampled, drawn)]
    for one, other in ((sampled, drawn), pairs):
        assert np.abs(one.mean(0) - other.mean(0)).max() < 5 * math.sqrt(0.5 / count)
    # Exact probabilities are calibrated on the circuit's own events.
    ones = model.predict(sampled)
    assert np.abs((ones - sampled).mean(0)).max() < 5 * math.sqrt(0.25 / count)
    assert np.abs(((ones - sampled) * (ones - 0.5)).mean(0)).max() < 5 * math.sqrt(0.07 / count)
