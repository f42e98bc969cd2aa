"""What an untrained model says of long sequences before the first step."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.experiment import Experiment, prepare
from qrnn_qiskit.training.first_look import FirstLook, look_first

SMALL: dict[str, Any] = {
    "data.delay": 60,
    "data.train_size": 16,
    "data.validation_size": 2,
    "data.test_size": 2,
    "model.num_qubits": 2,
}


def prepare_copying(**overrides: Any) -> Experiment:
    return prepare(resolve_config("copying-memory", SMALL | overrides))


def test_the_numbers_are_those_of_one_step() -> None:
    experiment = prepare_copying()
    model, train = experiment.model, experiment.splits.train
    before, random = torch.get_rng_state(), model.state_dict()
    look = look_first(experiment)
    assert look is not None
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    assert all(torch.equal(model.state_dict()[name], value) for name, value in random.items())

    prediction, state = model.run(train)
    experiment.task.loss(prediction, train).backward()  # type: ignore[no-untyped-call]
    norm = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
    assert look.gradient_norm == pytest.approx(norm.item(), rel=1e-5)
    spread = state.readouts.detach().numpy().std(axis=0, ddof=1)
    assert look.spread == pytest.approx(10.0 * math.sqrt((spread**2).mean()), rel=1e-5)
    assert look.find_warnings() == []
    assert f"{look.spread:.2g}" in look.describe()


def test_readouts_that_say_nothing_and_steep_gradients_are_warned_of() -> None:
    look = look_first(prepare_copying(**{"model.input_gain": 1e-6}))
    assert look is not None
    (warning,) = look.find_warnings()
    assert "hardly depend on the sequence" in warning
    (warning,) = FirstLook(1.0, math.nan).find_warnings()
    assert "feedback_gain=auto" in warning


@pytest.mark.parametrize(
    "overrides",
    [{"model.kind": "lstm"}, {"data.delay": 5}, {"train.batch_size": 1}],
    ids=["another kind", "short sequences", "one sequence"],
)
def test_there_are_no_numbers_without_need(overrides: dict[str, Any]) -> None:
    assert look_first(prepare_copying(**overrides)) is None
