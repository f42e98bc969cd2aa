"""Sequences on several simulated patches: the same values, fewer executions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from qiskit.quantum_info import SparsePauliOp

from circuits import build_ansatz, build_dynamic, build_measurement, unroll
from qrnn_qiskit import QRNN
from qrnn_qiskit.executors import DynamicPub, Pub
from runtime_jobs import open_device
from runtime_jobs.device_names import DeviceError

pytestmark = pytest.mark.noisy

CIRCUIT = unroll(build_ansatz("linear", num_qubits=2, num_layers=1), 2)
OBSERVABLES = [SparsePauliOp(label) for label in ("IX", "IZ", "YI")]
VALUES = np.random.default_rng(3).normal(size=(7, CIRCUIT.num_parameters))


@pytest.mark.parametrize("patches", [2, 3, 10])
def test_without_noise_all_patches_give_the_same_values_exactly(patches: int) -> None:
    plain = open_device("aer:kingston?noise=0")
    packed = open_device(f"aer:kingston?noise=0&patches={patches}")
    pubs = [Pub(CIRCUIT, VALUES, OBSERVABLES), Pub(CIRCUIT, VALUES[:2], OBSERVABLES[:1])]
    for one, other in zip(plain.run(pubs), packed.run(pubs), strict=True):
        np.testing.assert_allclose(other.values, one.values, atol=1e-12)
        assert other.standard_errors is None
    assert (packed.counts.jobs, packed.counts.pubs, packed.counts.bindings) == (1, 2, 9)


def test_with_noise_and_shots_the_values_agree_in_a_seventh_of_the_executions() -> None:
    exact = open_device("aer:kingston").estimate(CIRCUIT, VALUES, OBSERVABLES).values
    plain = open_device("aer:kingston?shots=4000&seed=1")
    packed = open_device("aer:kingston?shots=4000&seed=1&patches=7")
    for executor in (plain, packed):
        found = executor.estimate(CIRCUIT, VALUES, OBSERVABLES)
        # 5 standard errors and what the errors of the patches differ by
        assert (np.abs(found.values - exact) < 5 * found.standard_errors + 0.03).all()
    assert plain.counts.executions == 7 * 2 * 4000
    assert packed.counts.executions == 2 * 4000
    assert len({tuple(layout["qubits"]) for layout in packed.layouts()}) == 7
    assert len(packed.describe()) == 7


def test_each_patch_has_its_own_noise_and_a_group_stays_on_one() -> None:
    packed = open_device("aer:kingston?noise=20&patches=3")
    same = np.repeat(VALUES[:1], 6, axis=0)
    alone = packed.run([Pub(CIRCUIT, same, OBSERVABLES)])[0].values
    assert len(np.unique(alone[:, 1].round(9))) == 3
    groups = np.array([0, 1, 2, 0, 1, 2])
    pairs = packed.run([Pub(CIRCUIT, same, OBSERVABLES, groups)])[0].values
    np.testing.assert_array_equal(pairs[:3], pairs[3:])
    assert len(np.unique(pairs[:3, 1].round(9))) == 3


def test_samples_come_back_in_their_order() -> None:
    values = np.zeros((5, CIRCUIT.num_parameters))
    for row, angle in enumerate(np.linspace(0, np.pi, 5)):
        values[row, 0] = angle  # the first rotation of qubit 0
    packed = open_device("aer:kingston?noise=0&shots=1&seed=5&patches=2")
    plain = open_device("aer:kingston?noise=0&shots=1&seed=5")
    for one, other in zip(
        plain.sample(CIRCUIT, values, 2000), packed.sample(CIRCUIT, values, 2000), strict=True
    ):
        for state in set(one) | set(other):
            assert abs(one.get(state, 0) - other.get(state, 0)) < 5 * np.sqrt(2 * 500)
    assert packed.counts.executions == 3 * 2000


def test_dynamic_circuits_agree_and_take_their_branches_at_the_same_time() -> None:
    ansatz = build_ansatz("linear", num_qubits=2, num_layers=1)
    dynamic = build_dynamic(ansatz, build_measurement(num_qubits=2, num_ancillas=1), 3)
    tables = np.random.default_rng(1).normal(size=(4, 3, 2, ansatz.num_parameters))
    pub = DynamicPub(dynamic, dynamic.bind_values(tables), [SparsePauliOp("IZ")])
    (exact,) = open_device("aer").run_dynamic([pub])
    durations = []
    for query, executions in (("", 4), ("&patches=4", 1)):
        executor = open_device(f"aer:kingston?noise=0&shots=3000&seed=2{query}")
        (found,) = executor.run_dynamic([pub])
        assert (np.abs(found.values - exact.values) < 5 * found.standard_errors).all()
        assert np.abs(found.outcomes - exact.outcomes).max() < 5 * 0.5 / np.sqrt(3000)
        assert found.shots == 3000
        assert executor.counts.executions == executions * 3000
        durations.append(max(layout["circuit_seconds"] for layout in executor.layouts()))
    assert durations[1] == pytest.approx(durations[0], rel=0.05)  # gates differ between patches


def test_training_by_spsa_sees_the_same_gradient() -> None:
    gradients, executions = [], []
    for query in ("", "&patches=2"):
        torch.manual_seed(0)
        model = QRNN(2, 2)
        executor = open_device(f"aer:kingston?noise=0&shots=50000&seed=1{query}", gradient="spsa")
        model.executor = executor
        x = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(1))
        torch.manual_seed(4)  # the directions
        model(x)[0].sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
        executions.append(executor.counts.executions)
    # 0.4 is 2c; 3 readouts of 2 qubits at 3 steps with 1 / sqrt(50,000) each
    assert torch.allclose(*gradients, atol=0.2)
    assert gradients[0].abs().max() > 0.2
    assert executions[0] == 2 * executions[1]


def test_the_same_seed_draws_the_same_and_patches_draw_apart() -> None:
    def draw() -> np.ndarray:
        executor = open_device("aer:kingston?noise=0&shots=100&seed=9&patches=3")
        executor.reseed(2)
        return executor.estimate(CIRCUIT, np.repeat(VALUES[:1], 3, axis=0), OBSERVABLES).values

    np.testing.assert_array_equal(draw(), draw())
    assert len(np.unique(draw()[:, 0])) > 1


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("aer?patches=2", "patches is 2, but there are no qubits to choose"),
        ("simulator?spacing=1", "leave spacing out"),
        ("aer:kingston?patches=0", "at least 1"),
        ("aer:kingston?patches=80", "has .*; use --patches"),
    ],
)
def test_impossible_patches_are_refused(name: str, complaint: str) -> None:
    with pytest.raises(DeviceError, match=complaint):
        open_device(name).estimate(CIRCUIT, VALUES, OBSERVABLES)


@pytest.mark.noisy
def test_patches_of_the_exact_simulator_run_dynamic_circuits(make_case) -> None:
    case = make_case(batch=2, num_steps=2, ancilla_return="reset")
    ideal = open_device("aer").run_dynamic([case.pub()])[0]
    device = "simulator:kingston?noise=2&patches=2"
    plain, mitigated = (
        open_device(device + more).run_dynamic([case.pub()])[0]
        for more in ("", "&mitigation=feedforward")
    )
    before, after = (np.abs(each.values - ideal.values).max() for each in (plain, mitigated))
    assert after < before < 0.1
    drawn = open_device(device + "&mitigation=feedforward&shots=400").run_dynamic([case.pub()])[0]
    assert drawn.bit_errors is not None
    assert drawn.bit_errors.shape == (2, 2, 1)
