"""Predictions follow the exchanged state, where the inputs are the same."""

from __future__ import annotations

from argparse import Namespace

import pytest
import torch
from exchange import draw_pairs, exchange, swap

from qrnn_qiskit.tasks.records.measurements import PauliTask
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.experiment import prepare


@pytest.mark.parametrize("kind", ["qrnn", "gru", "hmm", "transformer"])
def test_the_state_is_all_that_is_remembered(kind: str) -> None:
    sizes = {"data.train_size": 1, "data.validation_size": 1, "data.test_size": 1}
    experiment = prepare(resolve_config("square", {"model.kind": kind} | sizes))
    assert isinstance(experiment.task, PauliTask)
    records, exact = draw_pairs(experiment.task, Namespace(pairs=200, steps=6, seed=0))
    first, second = records.unflatten(0, (-1, 2)).unbind(1)
    assert len(first) > 10
    assert torch.equal(first[:, -2], second[:, -2])
    assert torch.equal(first[:, -1, 0], second[:, -1, 0])
    assert ((exact - swap(exact)).abs() >= 0.5).all()
    own, exchanged = exchange(experiment.model, records)
    torch.testing.assert_close(exchanged, swap(own))
    assert (exchanged - own).abs().max() > 1e-4
    whole = experiment.model(records)[:, -1, 1].exp()
    torch.testing.assert_close(own, whole)
