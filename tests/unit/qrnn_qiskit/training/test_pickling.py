"""Runs, configurations, trained models and executors in other processes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import torch

from qrnn_qiskit import load
from qrnn_qiskit.executors import SimulatorExecutor
from qrnn_qiskit.training.config import Config, resolve_config
from qrnn_qiskit.training.loading import TrainedModel
from qrnn_qiskit.training.run_folder import RunFolder


def send(value: object) -> object:
    return pickle.loads(pickle.dumps(value))


def test_configurations_are_pickled_with_their_data_settings() -> None:
    for config in (
        resolve_config("digits", {"seed": 3, "observables": "z"}),
        resolve_config("copying-memory", {"delay": 4}),
    ):
        for found in (send(config), copy.deepcopy(config)):
            assert isinstance(found, Config)
            assert found == config
            assert type(found) is type(config)


def test_run_folders_are_pickled(create: Callable[..., RunFolder]) -> None:
    for run in (create(), RunFolder.open("example:digits")):
        found = send(run)
        assert isinstance(found, RunFolder)
        assert found.path == run.path
        assert found.config == run.config


def test_trained_models_are_pickled_with_their_executor() -> None:
    trained, x = load("example:digits"), torch.rand(2, 8, 8)
    expected = trained.predict(x)
    found = send(trained)
    assert isinstance(found, TrainedModel)
    assert torch.equal(found.predict(x), expected)
    trained.qrnn.executor = SimulatorExecutor(seed=3, gradient="spsa")
    found = send(trained)
    assert isinstance(found, TrainedModel)
    assert found.qrnn.executor.gradient == "spsa"
    torch.testing.assert_close(found.predict(x), expected, rtol=0.0, atol=1e-4)
