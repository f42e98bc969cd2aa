"""Trajectories of circuits that are too large for density matrices, tested on small ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.quantum_info import PTM, SuperOp
from scipy.stats import chisquare

from qrnn_qiskit import QRNN
from qrnn_qiskit.executors.gradient_methods import GradientError
from runtime_jobs import open_device
from runtime_jobs.aer.channels import Channels
from runtime_jobs.aer.noisy_device import DeviceStages
from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.snapshots import open_target
from runtime_jobs.noisy.prefixes import list_blocks
from runtime_jobs.noisy.trajectories import list_jumps

pytestmark = pytest.mark.noisy


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sample trajectories of circuits of any size."""
    monkeypatch.setattr("runtime_jobs.noisy.executor.MOST_QUBITS", 0)


def test_an_error_is_nothing_or_one_of_its_kraus_operators() -> None:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cz(0, 1)
    circuit.cz(2, 1)
    circuit.reset(2)
    stage = DeviceStages("kingston", open_target("kingston"), 3.0)(circuit)
    blocks = list_blocks(stage.pass_manager.run(circuit), [], Channels(stage.noise))
    pieces = [piece for block in blocks for piece in block.pieces if piece.matrix is not None]
    jumps = [jump for jump in list_jumps(blocks) if jump.angle is None]
    rare = 0
    for piece, jump in zip(pieces, jumps, strict=True):
        operators = [jump.gate] if jump.kraus is None else list(jump.kraus)
        size = operators[0].shape[0]
        rest = sum(np.kron(kraus.conj(), kraus) for kraus in operators)
        identity = np.eye(size**2)
        whole = jump.keeps * identity + (1 - jump.keeps) * rest
        np.testing.assert_allclose(PTM(SuperOp(whole)).data.real, piece.matrix, atol=1e-9)
        rare += jump.keeps > 0.9
    assert rare >= 3  # the errors of the gates, not the reset


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize("ansatz", ["linear", "ring"])  # a ring is routed across steps
def test_readouts_have_the_exact_means_and_errors(
    ansatz: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = QRNN(2, 3, ansatz=ansatz, dtype=torch.float64, readout="none")
    x = torch.randn(20, 2, 2, dtype=torch.float64)
    found = {}
    with torch.no_grad():
        model.executor = open_device("simulator:kingston?noise=5&shots=500&seed=1")
        drawn, state = model(x)
        again = open_device("simulator:kingston?noise=5&shots=500&seed=1")
        model.executor = again
        assert torch.equal(model(x)[0], drawn)
        monkeypatch.setattr("runtime_jobs.noisy.executor.MOST_QUBITS", 7)
        for noise in (0, 5):
            model.executor = open_device(f"simulator:kingston?noise={noise}")
            found[noise] = model(x)[0]
    assert state.output_standard_errors is not None
    scaled = {
        noise: float(((drawn - exact) / state.output_standard_errors).square().mean())
        for noise, exact in found.items()
    }
    assert scaled[5] == pytest.approx(1.0, abs=0.25)  # of 360 values
    assert scaled[0] > 1.4


@pytest.mark.usefixtures("sampled")
def test_a_sequence_carries_on() -> None:
    torch.manual_seed(0)
    model = QRNN(2, 2, dtype=torch.float64)
    x = torch.randn(2, 3, 2, dtype=torch.float64)
    with torch.no_grad():
        model.executor = open_device("simulator:kingston?shots=4000&seed=2")
        _, state = model(x[:, :2])
        output, _ = model(x[:, 2:], state)
        model.executor = open_device("simulator:kingston?shots=4000&seed=3")
        whole, _ = model(x)
    assert float((output[:, 0] - whole[:, 2]).abs().max()) < 0.1  # five standard errors


@pytest.mark.usefixtures("sampled")
def test_outcomes_of_dynamic_circuits_have_the_exact_means_and_errors(
    make_case: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pub = make_case(batch=4, num_steps=2).pub()
    device = open_device("simulator:kingston?noise=5&shots=2000&seed=1")
    (drawn,) = device.run_dynamic([pub])
    with pytest.raises(GradientError, match="trajectories"):
        device.pull_dynamic([pub], [drawn])
    assert drawn.shots == 6000
    assert drawn.standard_errors is not None
    assert len(device.layouts()) == 1
    monkeypatch.setattr("runtime_jobs.noisy.executor.MOST_QUBITS", 7)
    scaled = {}
    for noise in (0, 5):
        (exact,) = open_device(f"simulator:kingston?noise={noise}").run_dynamic([pub])
        counts = drawn.outcomes * drawn.shots
        least = min(
            chisquare(seen, chances * drawn.shots).pvalue
            for seen, chances in zip(
                counts.reshape(-1, 2), exact.outcomes.reshape(-1, 2), strict=True
            )
        )
        scaled[noise] = float(
            np.square((drawn.values - exact.values) / drawn.standard_errors).mean()
        )
        assert (least * 8 > 1e-3) == (noise == 5)
    assert scaled[5] == pytest.approx(1.0, abs=0.9)  # of 24 values
    assert scaled[0] > 3


def test_eight_qubits_of_a_dynamic_circuit_are_sampled() -> None:
    model = QRNN(2, 7, num_layers=1, readout="measured")
    model.executor = open_device("simulator:kingston?shots=10&seed=0")
    x = torch.zeros(1, 1, 2)
    with torch.no_grad():
        output, state = model(x)
    assert output.shape == (1, 1, 1)
    assert state.standard_errors is not None
    assert float(state.standard_errors.max()) > 0


def test_eight_qubits_are_sampled_without_a_gradient() -> None:
    model = QRNN(2, 8, num_layers=1)
    x = torch.zeros(1, 1, 2)
    model.executor = open_device("simulator:kingston?shots=30&seed=0")
    with torch.no_grad():
        output, state = model(x)
    assert output.shape == (1, 1, 24)
    assert state.standard_errors is not None
    assert float(state.standard_errors.min()) > 0
    with pytest.raises(GradientError, match=r"trajectories .*--gradient simulator"):
        model(x)
    model.executor = open_device("simulator:kingston?shots=30&mitigation=readout")
    with torch.no_grad(), pytest.raises(DeviceError, match=r"trajectories .* leave mitigation out"):
        model(x)
