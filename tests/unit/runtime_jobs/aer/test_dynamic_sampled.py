"""Dynamic circuits with shots and with noise through the executor."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit_aer.noise import NoiseModel, depolarizing_error

from circuits.rules import HardwareRuleWarning
from qrnn_qiskit.executors import DynamicExecutor, DynamicPub
from runtime_jobs import open_device
from runtime_jobs.aer import AerExecutor, ExecutionError, dynamic_runner, simulate


def check_scatter(found, expected) -> None:
    """Values and outcomes scatter around ``expected`` as shots do."""
    assert found.standard_errors is not None
    assert (found.standard_errors > 0).all()
    residuals = (found.values - expected.values) / found.standard_errors
    assert np.abs(residuals).max() < 4.5
    spread = np.sqrt(expected.outcomes * (1 - expected.outcomes) / found.shots) + 1e-9
    assert np.abs((found.outcomes - expected.outcomes) / spread).max() < 4.5


@pytest.mark.parametrize(("num_ancillas", "coupling"), [(1, "cry"), (2, "symmetric")])
def test_shots_scatter_around_the_recursion(
    make_case, find_reference, num_ancillas, coupling
) -> None:
    case = make_case(num_ancillas=num_ancillas, coupling=coupling, coupling_strength=1.5, batch=4)
    executor = open_device("aer?shots=2000&seed=1")
    assert isinstance(executor, DynamicExecutor)
    (found,) = executor.run_dynamic([case.pub()])
    assert found.shots == 3 * 2000
    check_scatter(found, find_reference(case))


def test_the_seed_decides_the_shots_and_equal_bindings_differ(make_case) -> None:
    case = make_case(batch=1)
    pub = case.pub()
    pub = DynamicPub(pub.circuit, np.repeat(pub.values, 2, axis=0), pub.observables)

    def run(seed: int) -> np.ndarray:
        executor = open_device(f"aer?shots=500&seed={seed}")
        return np.array([executor.run_dynamic([pub])[0].outcomes for _ in range(2)])

    first = run(1)
    np.testing.assert_array_equal(first, run(1))
    assert (first != run(2)).any()
    assert (first[:, 0] != first[:, 1]).any()
    assert (first[0] != first[1]).any()


def test_inference_is_one_job_one_pub_and_one_transpilation(make_case, monkeypatch) -> None:
    calls = []
    run = dynamic_runner.Sampler.run

    def count(self, pubs, **options):
        calls.append(pubs)
        return run(self, pubs, **options)

    monkeypatch.setattr(dynamic_runner.Sampler, "run", count)
    case = make_case(batch=200)
    executor = open_device("aer?shots=5")
    (found,) = executor.run_dynamic([case.pub()])
    assert found.outcomes.shape == (200, 3, 2)
    assert found.values.shape == (200, 6)
    assert [len(pubs) for pubs in calls] == [1]
    assert calls[0][0][1][next(iter(calls[0][0][1]))].shape[:2] == (200, 3)
    counts = executor.counts
    assert (counts.jobs, counts.pubs, counts.transpilations) == (1, 1, 1)
    assert (counts.bindings, counts.executions) == (200, 200 * 3 * 5)
    executor.run_dynamic([make_case(batch=1).pub()])  # built anew, equal in content
    assert (counts.jobs, counts.transpilations) == (2, 1)


@pytest.mark.training
def test_outcomes_without_observables(make_case, find_reference) -> None:
    case = make_case(coupling_strength=2.0)
    pub = DynamicPub(case.circuit, case.circuit.bind_values(case.tables), [])
    for name in ("aer", "aer?shots=20000&seed=3"):
        (found,) = open_device(name).run_dynamic([pub])
        assert found.values.shape == (2, 0)
        np.testing.assert_allclose(found.outcomes, find_reference(case).outcomes, atol=0.02)


@pytest.mark.noisy
def test_rates_of_readout_errors_reach_the_stored_bits(make_case, find_reference) -> None:
    """With one step no branch depends on a bit, so only the stored one is wrong."""
    case = make_case(num_steps=1, batch=3)
    exact = find_reference(case)
    (found,) = open_device("aer?noise=readout:0.1&shots=4000&seed=0").run_dynamic([case.pub()])
    flipped = 0.8 * exact.outcomes + 0.1
    check_scatter(found, type(exact)(flipped, exact.pairs, 0.8 * exact.values))


@pytest.mark.noisy
def test_a_readout_error_takes_the_wrong_branch(make_case, find_reference) -> None:
    case = make_case(num_steps=2, batch=3, ancilla_return="reset")
    exact = find_reference(case)
    (found,) = open_device("aer?noise=readout:0.2&shots=4000&seed=0").run_dynamic([case.pub()])
    blind = 0.6 * exact.outcomes[:, 1] + 0.2  # as if the branches had been taken rightly
    errors = np.abs(found.outcomes[:, 1] - blind) / np.sqrt(0.25 / found.shots)
    assert errors.max() > 6


@pytest.mark.noisy
def test_a_custom_noise_model_acts_in_branches(make_case, find_reference) -> None:
    """Depolarizing noise on X only: the flip of the ancilla is in the branches only."""
    model = NoiseModel(basis_gates=["rz", "sx", "cz", "ry", "cx", "x"])
    model.add_all_qubit_quantum_error(depolarizing_error(1.0, 1), ["x"])
    case = make_case(num_steps=2, batch=3)
    exact = find_reference(case)
    noisy = AerExecutor(shots=4000, seed=0, noise_model=model)
    (found,) = noisy.run_dynamic([case.pub()])
    spread = np.sqrt(0.25 / found.shots)
    assert np.abs(found.outcomes[:, 0] - exact.outcomes[:, 0]).max() < 4.5 * spread
    assert np.abs(found.outcomes[:, 1] - exact.outcomes[:, 1]).max() > 10 * spread


@pytest.mark.noisy
def test_more_noise_pulls_values_further_to_zero(make_case, find_reference) -> None:
    case = make_case(num_qubits=4, num_steps=2, batch=4)
    exact = find_reference(case).values

    def overlap(scale: int) -> float:
        device = open_device(f"aer:kingston?noise={scale}&shots=1000&seed=1")
        (found,) = device.run_dynamic([case.pub()])
        return float((found.values * exact).sum() / (exact**2).sum())

    with pytest.warns(HardwareRuleWarning, match="should end well within the coherence time"):
        worse = overlap(20)
    assert 1.05 > overlap(1) > worse + 0.1


def test_mitigated_shots_scatter_around_the_values_without_readout_error(make_case) -> None:
    case = make_case(num_steps=2, ancilla_return="reset")
    (exact,) = open_device("aer").run_dynamic([case.pub()])
    executor = open_device("aer?noise=readout:0.04&mitigation=feedforward+zne&shots=400&seed=1")
    (found,) = executor.run_dynamic([case.pub()])
    assert np.abs((found.values - exact.values) / found.standard_errors).max() < 4.5
    clicks = (found.outcomes - exact.outcomes)[:, :, 1:] / found.bit_errors
    assert np.abs(clicks).max() < 4.5
    assert executor.counts.executions == 2 * 3 * 3 * 400 + 2 * 10_000  # factors, bases, calibration
    assert executor.counts.transpilations == 3


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("aer:kingston", "has noise and no shots.*give shots, such as shots=1000"),
        ("aer:kingston?shots=10&mitigation=feedforward", "needs ancilla_return=reset"),
        ("aer:manila?shots=10", "'manila' has 5 qubits, but the circuit needs 6"),
    ],
)
def test_devices_that_cannot_are_refused(make_case, name, complaint) -> None:
    executor = open_device(name)
    with pytest.raises(ValueError, match=complaint):
        executor.run_dynamic([make_case(num_qubits=5, batch=1).pub()])
    assert executor.counts.jobs == 0


def test_bad_values_are_refused_before_anything_runs(make_case) -> None:
    pub = make_case(batch=1).pub()
    executor = open_device("aer?shots=10")
    for values, complaint in [
        (pub.values[:, 1:], r"shape \(batch, \d+\)"),
        (np.full_like(pub.values, np.nan), "must be finite"),
    ]:
        with pytest.raises(ValueError, match=complaint):
            executor.run_dynamic([DynamicPub(pub.circuit, values, pub.observables)])
    with pytest.raises(ValueError, match="acts on 3 qubits"):
        executor.run_dynamic([DynamicPub(pub.circuit, pub.values, ["ZZZ"])])
    assert executor.counts.jobs == 0


def test_a_density_matrix_that_does_not_fit_is_refused(make_case) -> None:
    case = make_case(num_qubits=8, num_steps=2, num_ancillas=4, batch=1)
    with pytest.raises(ValueError, match=r"17 qubits .*give shots, or take fewer qubits"):
        open_device("aer").run_dynamic([case.pub()])


@pytest.mark.parametrize("shots", [None, 10])
def test_a_crash_inside_aer_reports_its_cause_and_the_circuit(
    make_case, monkeypatch, shots
) -> None:
    class Broken(simulate.AerSimulator):
        def __init__(self, *arguments, **options) -> None:
            super().__init__(*arguments, **options)
            self.set_options(max_memory_mb=1)

    monkeypatch.setattr(dynamic_runner, "AerSimulator", Broken)
    case = make_case(num_qubits=7 if shots is None else 18, num_steps=1, batch=1, num_layers=1)
    pub = DynamicPub(case.circuit, case.circuit.bind_values(case.tables), [])
    with pytest.raises(ExecutionError, match=r"'linear, 1 measured steps' \(.*: .*memory"):
        AerExecutor(shots=shots).run_dynamic([pub])
