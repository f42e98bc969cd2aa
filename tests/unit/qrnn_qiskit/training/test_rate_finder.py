"""The learning-rate range test of each part of a model."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.experiment import Experiment, prepare
from qrnn_qiskit.training.rate_finder import PARTS, find_rates

SMALL: dict[str, Any] = {
    "data.delay": 5,
    "data.train_size": 64,
    "data.validation_size": 2,
    "data.test_size": 2,
    "model.num_qubits": 2,
    "train.batch_size": 16,
}


def prepare_copying(**overrides: Any) -> Experiment:
    return prepare(resolve_config("copying-memory", SMALL | overrides))


def test_each_part_climbs_alone_from_the_same_start() -> None:
    experiment = prepare_copying()
    before = {name: value.clone() for name, value in experiment.model.state_dict().items()}
    steps: list[tuple[str, int]] = []
    curves = find_rates(
        experiment, num_steps=24, show_step=lambda part, step, loss: steps.append((part, step))
    )
    assert [curve.part for curve in curves] == list(PARTS)
    assert len({curve.losses[0] for curve in curves}) == 1
    for curve in curves:
        ratios = [b / a for a, b in itertools.pairwise(curve.rates)]
        assert ratios == pytest.approx([ratios[0]] * len(ratios))
        assert len(curve.losses) == len(curve.rates) == sum(part == curve.part for part, _ in steps)
        assert min(curve.losses) < curve.losses[0]
        assert curve.suggested < curve.rates[curve.lowest]
    for name, value in experiment.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_other_models_have_no_biases_of_angles() -> None:
    curves = find_rates(prepare_copying(**{"model.kind": "lstm"}), num_steps=10)
    assert [curve.part for curve in curves] == ["head", "controller"]


def test_too_few_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="num_steps must be an integer of at least 10"):
        find_rates(prepare_copying(), num_steps=9)
