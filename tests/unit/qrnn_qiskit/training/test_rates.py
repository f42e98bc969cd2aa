"""Learning rates and weight decay by part of a model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from qrnn_qiskit.training.config import ConfigError, resolve_config
from qrnn_qiskit.training.experiment import prepare
from qrnn_qiskit.training.learning_rate import group_parameters, name_parts
from qrnn_qiskit.training.run_folder import create_run
from qrnn_qiskit.training.trainer import train

SMALL = {
    "delay": 5,
    "curriculum": 0,
    "train_size": 32,
    "validation_size": 8,
    "test_size": 8,
    "num_qubits": 2,
    "num_layers": 1,
    "controller_hidden": "none",
    "num_registers": 2,
    "batch_size": 16,
}


def test_each_parameter_belongs_to_one_part() -> None:
    model = prepare(resolve_config("copying-memory", SMALL)).model
    parts = name_parts(model)
    assert set(parts) == {name for name, _ in model.named_parameters()}
    biases = sorted(name for name, part in parts.items() if part == "bias")
    assert len(biases) == 2  # one for each register
    assert all(name.startswith("qrnn.controller.registers.") for name in biases)
    assert {part for name, part in parts.items() if not name.startswith("qrnn.")} == {"head"}


def test_groups_hold_every_parameter_once_with_its_numbers() -> None:
    settings = SMALL | {
        "learning_rate": 0.01,
        "weight_decay": 0.1,
        "train.rates.controller": 0.3,
        "train.rates.bias": 0.01,
        "train.decays.head": 0,
    }
    config = resolve_config("copying-memory", settings)
    model = prepare(config).model
    groups = group_parameters(model, config.train)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    found = {(group["lr"], group["weight_decay"]) for group in groups}
    assert found == {(0.01, 0.0), (0.01 * 0.3, 0.1), (0.01 * 0.01, 0.1)}


def test_without_rates_all_parameters_are_one_group() -> None:
    config = resolve_config("copying-memory", SMALL | {"start": "default"})
    assert len(group_parameters(prepare(config).model, config.train)) == 1


def test_a_part_with_rate_zero_stays(tmp_path: Path) -> None:
    settings = SMALL | {"epochs": 2, "train.rates.bias": 0, "train.weight_decay": 0}
    config = resolve_config("copying-memory", settings)
    before = {name: p.detach().clone() for name, p in prepare(config).model.named_parameters()}
    run = create_run(tmp_path / "run", config)
    train(run)
    model = run.experiment.model
    parts = name_parts(model)
    for name, parameter in model.named_parameters():
        is_same = torch.equal(parameter, before[name])
        assert is_same == (parts[name] == "bias"), name


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.rates\.head"):
        resolve_config("copying-memory", {"train.rates.head": -1})


def test_a_fixed_scale_has_no_weight_and_a_learned_one_has() -> None:
    fixed = prepare(resolve_config("copying-memory", SMALL | {"readout_scale": 10})).model
    learned = prepare(
        resolve_config("copying-memory", SMALL | {"readout_scale": 10, "learn_readout_scale": True})
    ).model
    extra = set(learned.state_dict()) - set(fixed.state_dict())
    assert len(extra) == 1
    assert learned.state_dict()[extra.pop()].item() == 10.0
