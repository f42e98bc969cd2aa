"""Long sequences start as oscillators unless the given settings exclude it."""

from __future__ import annotations

from typing import Any

import pytest

from qrnn_qiskit.training.config import resolve_config

PIXELS = {"data.scan": "pixels"}


def test_pixels_start_as_oscillators() -> None:
    config = resolve_config("mnist", PIXELS)
    assert (config.model.start, config.model.controller_hidden) == ("oscillators", None)
    assert (config.model.num_registers, config.model.num_qubits) == (20, 4)
    assert resolve_config("mnist", {}).model.start == "default"
    permuted = resolve_config("mnist", {"data.scan": "permuted"}).model
    assert permuted.frequencies != config.model.frequencies


@pytest.mark.parametrize("delay", [7, 100, 1000])
def test_rates_of_biases_fall_with_the_delay(delay: int) -> None:
    config = resolve_config("copying-memory", {"data.delay": delay})
    assert config.train.rates.bias == pytest.approx(min(0.3, 1 / delay))


@pytest.mark.parametrize("task", [("mnist", PIXELS), ("copying-memory", {})])
@pytest.mark.parametrize(
    "given",
    [
        {"model.kind": "lstm"},
        {"model.start": "default"},
        {"model.readout": "measured"},
        {"model.controller_hidden": 16},
        {"model.activation": "relu"},
        {"model.rotations": ["rx", "ry"]},
        {"model.ansatz": "circuit.qasm"},
        {"model.parameters": 1000},
    ],
    ids=str,
)
def test_given_settings_that_exclude_it(
    task: tuple[str, dict[str, Any]], given: dict[str, Any]
) -> None:
    name, settings = task
    config = resolve_config(name, settings | given)
    assert config.model.start == "default"
    assert config.model.num_registers == 1
    assert config.train.rates.bias == 1.0


def test_given_settings_that_go_with_it() -> None:
    config = resolve_config("mnist", PIXELS | {"num_qubits": 8, "readout": "none"})
    assert (config.model.start, config.model.num_registers) == ("oscillators", 1)
    config = resolve_config("copying-memory", {"num_registers": 5, "controller_hidden": "none"})
    assert (config.model.start, config.model.num_registers) == ("oscillators", 5)
