"""Records as a device draws them: judged by the exact process, and by the witness of the square."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from qrnn_qiskit.tasks import Sequences, get_task
from qrnn_qiskit.tasks.base import Task
from qrnn_qiskit.tasks.records.paulis import SQUARE, draw_outcomes, find_probabilities
from qrnn_qiskit.tasks.records.witness import CONTEXTS, SIGNS, measure_contexts, summarize_contexts

SQUARE_TASK: type[Task] = get_task("square")


def draw(count: int, shots: int, error: float = 0.0, seed: int = 0) -> tuple[Sequences, Tensor]:
    """Sequences of 20 observables and records (N, shots, 20), each bit flipped with ``error``."""
    random = np.random.default_rng(seed)
    tokens = random.integers(9, size=(count, 20))
    outcomes, _ = draw_outcomes(SQUARE, np.repeat(tokens, shots, 0), random)
    outcomes ^= random.random(outcomes.shape) < error
    inputs = torch.from_numpy(np.stack((tokens, np.zeros_like(tokens)), -1))
    records = torch.from_numpy(outcomes.reshape(count, shots, 20).astype(np.uint8))
    return Sequences(inputs, torch.full((count, 20), 0.5)), records


def summarize(batch: Sequences, records: Tensor) -> dict[str, tuple[float, float]]:
    task = SQUARE_TASK(SQUARE_TASK.Settings())
    found = task.summarize(task.measure(records, batch))
    assert task.loss(records, batch) == pytest.approx(found["excess"].value)
    return {name: (each.value, each.standard_error or 0.0) for name, each in found.items()}


def test_given_outcomes_have_the_probabilities_of_those_that_were_drawn() -> None:
    random = np.random.default_rng(1)
    tokens = random.integers(9, size=(50, 12))
    outcomes, expected = draw_outcomes(SQUARE, tokens, random)
    np.testing.assert_array_equal(find_probabilities(SQUARE, tokens, outcomes), expected)


def test_an_impossible_outcome_counts_as_misread() -> None:
    tokens = np.array([[SQUARE.index(label) for label in ("XI", "XI", "XI", "IX", "XX")]])
    outcomes = np.array([[0, 1, 0, 1, 0]])
    found = find_probabilities(SQUARE, tokens, outcomes)
    np.testing.assert_array_equal(found, [[0.5, 0, 0, 0.5, 1]])


def test_records_of_the_process_are_all_true_and_reach_six() -> None:
    found = summarize(*draw(100, 20))
    assert found["determined_true"] == (1, 0)
    assert found["excess"] == (0, 0)
    assert found["log_loss"][0] == pytest.approx((1 - found["determined_share"][0]) * math.log(2))
    witness, error = found["witness"]
    assert witness == 6
    assert 0 < error < 0.05  # of finite shots, though all of them agree


def test_misread_bits_lower_the_witness_by_a_factor_for_each_of_three() -> None:
    error = 0.03
    found = summarize(*draw(300, 50, error))
    witness, standard_error = found["witness"]
    assert abs(witness - 6 * (1 - 2 * error) ** 3) < 4 * standard_error
    true, standard_error = found["determined_true"]
    assert 0.9 < true < 1 - error
    loss = -true * math.log(true) - (1 - true) * math.log(1 - true)
    assert found["determined_loss"][0] == pytest.approx(loss)
    assert found["excess"][0] == pytest.approx(found["determined_share"][0] * loss)


@pytest.mark.parametrize("name", ["witness", "determined_true", "excess", "log_loss"])
def test_standard_errors_are_those_of_repeated_runs(name: str) -> None:
    found = np.array([summarize(*draw(60, 5, 0.05, seed))[name] for seed in range(40)])
    assert found[:, 0].std(ddof=1) == pytest.approx(found[:, 1].mean(), rel=0.35)


def test_values_assigned_in_advance_reach_four() -> None:
    batch, records = draw(100, 10)
    tokens = batch.inputs[:, None, :, 0].expand(records.shape)
    witnesses = []
    for number in range(512):
        values = torch.tensor([number >> cell & 1 for cell in range(9)], dtype=torch.uint8)
        signs = 1 - 2 * values.numpy().astype(int)
        witnesses.append(sum(SIGNS[name] * signs[cells].prod() for name, cells in CONTEXTS.items()))
        if number % 100 == 0:
            found = summarize_contexts(measure_contexts(batch.inputs[..., 0], values[tokens]))
            assert found["witness"].value == witnesses[-1]
    assert max(witnesses) == 4


def test_there_is_no_witness_where_a_context_is_measured_once() -> None:
    batch, records = draw(3, 10)
    found = summarize(batch, records)
    assert "witness" not in found
    assert found["determined_true"] == (1, 0)


def test_a_table_of_drawn_records_has_the_shares_of_1() -> None:
    batch, records = draw(2, 4)
    task = SQUARE_TASK(SQUARE_TASK.Settings())
    header, rows = task.tabulate(records, batch)
    assert header == ["row", "tokens", "shares_of_1"]
    shares = [float(share) for share in str(rows[1][2]).split()]
    assert shares == records[1].double().mean(0).tolist()
