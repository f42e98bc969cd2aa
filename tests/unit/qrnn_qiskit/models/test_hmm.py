"""The hidden Markov chain against sums over all paths and all records."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from qrnn_qiskit.models import GRU, HMM

STEPS, STATES = 4, 3


@pytest.fixture
def model() -> HMM:
    torch.manual_seed(2)
    model = HMM(2, STATES, dtype=torch.float64)
    torch.nn.init.normal_(model.first)
    return model


def list_records(steps: int) -> Tensor:
    return torch.tensor(list(itertools.product((0, 1), repeat=steps)))[..., None]


def test_likelihoods_are_sums_over_all_paths(model: HMM) -> None:
    records = list_records(STEPS)
    x = torch.randn(1, STEPS, 2, dtype=torch.float64).expand(len(records), -1, -1)
    logits = model.moves(x[0]).reshape(STEPS, STATES, 2 * STATES)
    moves = logits.softmax(-1).reshape(STEPS, STATES, 2, STATES).detach()
    first = model.first.softmax(0).detach()
    filtered = model.filter(x, records)
    likelihoods = filtered.log_likelihood.sum(1).exp().detach()
    for record, likelihood in zip(records[:, :, 0].tolist(), likelihoods.tolist(), strict=True):
        total = 0.0
        for path in itertools.product(range(STATES), repeat=STEPS + 1):
            product = float(first[path[0]])
            for t, bit in enumerate(record):
                product *= float(moves[t, path[t], bit, path[t + 1]])
            total += product
        assert likelihood == pytest.approx(total, rel=1e-10)
    assert float(likelihoods.sum()) == pytest.approx(1.0, abs=1e-12)
    chosen = filtered.probabilities[..., 0].where(records[..., 0] == 1, 0.0)
    expected = filtered.log_likelihood.exp().where(records[..., 0] == 1, 0.0)
    torch.testing.assert_close(chosen, expected)


def test_the_chain_without_a_record_is_the_mean_over_records(model: HMM) -> None:
    records = list_records(3)
    x = torch.randn(1, 3, 2, dtype=torch.float64).expand(len(records), -1, -1)
    filtered = model.filter(x, records)
    weights = filtered.log_likelihood.sum(1).exp()
    torch.testing.assert_close(weights @ filtered.state.readouts, model(x[:1])[1].readouts[0])


def test_a_record_in_two_parts_and_padded_ones_are_the_whole(model: HMM) -> None:
    records = list_records(STEPS)[[3, 9, 14]]
    x = torch.randn(3, STEPS, 2, dtype=torch.float64)
    whole = model.filter(x, records)
    first = model.filter(x[:, :1], records[:, :1])
    rest = model.filter(x[:, 1:], records[:, 1:], state=first.state)
    torch.testing.assert_close(rest.log_likelihood, whole.log_likelihood[:, 1:])
    torch.testing.assert_close(rest.state.readouts, whole.state.readouts)
    padded = model.filter(x, records, torch.tensor([4, 1, 2]))
    alone = model.filter(x[2:, :2], records[2:, :2])
    torch.testing.assert_close(padded.log_likelihood[2, :2], alone.log_likelihood[0])
    torch.testing.assert_close(padded.state.readouts[2], alone.state.readouts[0])
    assert not padded.log_likelihood[2, 2:].any()
    assert not padded.probabilities[1, 1:].any()


def test_a_wrong_record_is_refused(model: HMM) -> None:
    x = torch.zeros(2, STEPS, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"record of shape \(2, 4, 1\)"):
        model.filter(x, torch.zeros(2, STEPS))
    with pytest.raises(ValueError, match=r"values from 0.0 to 2.0"):
        model.filter(x, torch.tensor([0.0, 1.0, 2.0, 0.0]).expand(2, -1)[..., None])
    with pytest.raises(ValueError, match="no outcomes of its own"):
        GRU(2, 3).filter(x.float(), torch.zeros(2, STEPS, 1))
