"""The planned factor on standard errors against the standard errors of a simulated device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qrnn_qiskit import QRNN
from runtime_jobs import open_device
from runtime_jobs.estimation.feed_forward import find_overhead, split_shots
from runtime_jobs.estimation.mitigation import parse_mitigation
from runtime_jobs.hardware.packing import Packing, choose_packing
from runtime_jobs.hardware.snapshots import open_target
from runtime_jobs.hardware.targets import error_of
from runtime_jobs.pricing.overhead import Overhead, estimate_overhead
from runtime_jobs.pricing.rounds import longest_circuit

SHOTS = 400  # so that the error of a calibration by 10,000 shots adds little


def build(**options: object) -> QRNN:
    torch.manual_seed(2)
    model = QRNN(1, 2, readout="measured", ancilla_return="reset", **options)
    for parameter in model.parameters():  # readouts of any size, whose shots scatter
        torch.nn.init.normal_(parameter, std=2.0)
    return model


def place(model: QRNN, num_steps: int) -> Packing:
    return choose_packing("kingston", open_target("kingston"), longest_circuit(model, num_steps))


def estimate(model: QRNN, mitigation: str, num_steps: int) -> Overhead:
    packing = place(model, num_steps)
    return estimate_overhead(model, packing, parse_mitigation(mitigation), num_steps, SHOTS)


def list_errors(model: QRNN, device: str, num_steps: int) -> np.ndarray:
    """Standard errors (B, K) of the readouts after the last step, on the planned qubits."""
    model.executor = open_device(f"simulator:kingston?shots={SHOTS}&seed=3{device}")
    with torch.no_grad():
        _, state = model(torch.randn(30, num_steps, 1, generator=torch.Generator().manual_seed(0)))
    (layout,) = model.executor.layouts()
    assert tuple(layout["qubits"]) == place(model, num_steps).patches[0]
    assert state.standard_errors is not None
    return state.standard_errors.numpy()


@pytest.mark.noisy
@pytest.mark.parametrize(
    ("mitigation", "num_steps", "tolerance"), [("readout", 2, 0.006), ("feedforward", 6, 0.08)]
)
def test_the_factor_is_that_of_the_executor(
    mitigation: str, num_steps: int, tolerance: float
) -> None:
    model = build(observables=["IZ", "ZZ"])
    overhead = estimate(model, mitigation, num_steps)
    assert overhead.readout == "Z0Z1"
    mitigated = list_errors(model, f"&mitigation={mitigation}", num_steps)
    unmitigated = list_errors(model, "", num_steps)
    found = float(mitigated.mean(0)[1] / unmitigated.mean(0)[1])
    assert found == pytest.approx(overhead.factor, rel=tolerance)
    assert overhead.factor > 1.03


def test_the_factor_is_the_product_over_the_qubits_of_a_readout() -> None:
    model = build(observables="pairs", num_registers=2)
    packing = place(model, 3)
    contrasts = [
        1 - 2 * error_of(packing.target, "measure", (qubit,)) for qubit in packing.patches[0]
    ]
    overhead = estimate(model, "readout", 3)
    pairs = {"0Z1": contrasts[0] * contrasts[1], "2Z3": contrasts[2] * contrasts[3]}
    name = min(pairs, key=pairs.__getitem__)
    assert overhead.readout.endswith(name)
    assert overhead.factor == pytest.approx(1 / pairs[name])
    # 10,000 shots for each of two probabilities of two qubits, of about 1 percent.
    assert overhead.error == pytest.approx(2e-3, rel=0.6)


def test_the_factor_of_the_flips_is_that_of_one_register() -> None:
    model, count = build(num_registers=3), 3
    packing = place(model, 4)
    errors = [error_of(packing.target, "measure", (qubit,)) for qubit in packing.patches[0]]
    expected = [
        find_overhead(np.full((1, 1, 2), errors[2 * count + register]), 4, split_shots(SHOTS).rows)
        / (1 - 2 * max(errors[2 * register : 2 * register + 2]))
        for register in range(count)
    ]
    assert estimate(model, "feedforward", 4).factor == pytest.approx(max(expected))


def test_extrapolation_stretches_all_readouts_alike() -> None:
    mitigation = parse_mitigation("zne")
    found = estimate(build(), "zne", 3)
    assert (found.readout, found.error, found.circuits) == ("", 0.0, 3)
    assert found.factor == pytest.approx(np.linalg.norm(mitigation.weights))
