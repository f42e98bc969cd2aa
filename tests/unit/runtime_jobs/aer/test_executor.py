"""Aer without noise: exact values, shots with honest errors, counts and bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

from circuits import build_ansatz, build_readout, unroll
from qrnn_qiskit import QRNN
from qrnn_qiskit.executors import Executor, Pub, SimulatorExecutor
from runtime_jobs import open_device
from runtime_jobs.aer import AerExecutor, ExecutionError, simulate


def random_values(circuit: QuantumCircuit, batch: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-4.0, 4.0, (batch, circuit.num_parameters))


@pytest.mark.parametrize("family", ["linear", "ring", "brick", "product"])
@pytest.mark.parametrize("entangler", ["cz", "rzz", "crx"])
def test_exact_values_are_those_of_the_simulator(family: str, entangler: str) -> None:
    ansatz = build_ansatz(family, num_qubits=4, num_layers=2, entangler=entangler)
    circuit = unroll(ansatz, 2)
    values = random_values(circuit, 3)
    observables = build_readout(num_qubits=4).observables
    executor = AerExecutor()
    assert isinstance(executor, Executor)
    found = executor.estimate(circuit, values, observables)
    expected = SimulatorExecutor().estimate(circuit, values, observables)
    assert found.standard_errors is None
    np.testing.assert_allclose(found.values, expected.values, atol=1e-12)


def test_sums_of_paulis_that_need_several_bases() -> None:
    circuit = unroll(build_ansatz("linear", num_qubits=3), 1)
    values = random_values(circuit, 2)
    operators = [
        SparsePauliOp.from_list([("XYZ", 0.3), ("ZZI", -1.2), ("III", 0.5), ("YIY", 2.0)]),
        SparsePauliOp("III"),
    ]
    found = AerExecutor().estimate(circuit, values, operators).values
    states = [Statevector(circuit.assign_parameters(row)) for row in values]
    expected = [[state.expectation_value(o).real for o in operators] for state in states]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    sampled = AerExecutor(shots=100_000, seed=0).estimate(circuit, values, operators)
    assert sampled.standard_errors is not None
    assert (sampled.standard_errors > 0).all()
    assert np.abs((sampled.values - expected) / sampled.standard_errors).max() < 4


def test_expressions_of_parameters_are_bound_for_all_rows() -> None:
    a, b = Parameter("a"), Parameter("b")
    circuit = QuantumCircuit(2)
    circuit.ry(2 * a + b / 3 - 1, 0)
    circuit.rx(a * b, 1)  # not affine
    circuit.cz(0, 1)
    circuit.u(a, -b, b.sin(), 1)
    values = random_values(circuit, 3)
    operator = SparsePauliOp("XY")
    found = AerExecutor().estimate(circuit, values, [operator]).values[:, 0]
    bound = [Statevector(circuit.assign_parameters(row)) for row in values]
    np.testing.assert_allclose(found, [s.expectation_value(operator).real for s in bound])


def test_a_circuit_without_parameters_runs_for_every_row() -> None:
    circuit = QuantumCircuit(1)
    circuit.x(0)
    found = AerExecutor().estimate(circuit, np.empty((3, 0)), [SparsePauliOp("Z")])
    np.testing.assert_array_equal(found.values, [[-1.0]] * 3)


def test_residuals_have_the_spread_of_the_standard_errors() -> None:
    circuit = unroll(build_ansatz("linear", num_qubits=4, num_layers=2), 2)
    values = random_values(circuit, 100)
    observables = build_readout(num_qubits=4).observables
    found = AerExecutor(shots=4096, seed=3).estimate(circuit, values, observables)
    exact = SimulatorExecutor().estimate(circuit, values, observables)
    assert found.standard_errors is not None
    residuals = (found.values - exact.values) / found.standard_errors
    assert residuals.size == 1200
    assert 0.9 < residuals.std() < 1.1
    assert abs(residuals.mean()) < 4 / np.sqrt(residuals.size)


@pytest.mark.parametrize("shots", [1, 4096])
def test_a_certain_readout_still_has_a_standard_error(shots: int) -> None:
    found = AerExecutor(shots=shots, seed=0).estimate(
        QuantumCircuit(1), np.empty((1, 0)), [SparsePauliOp("Z")]
    )
    assert found.values == 1.0
    assert found.standard_errors is not None
    smoothed = (shots + 1) / (shots + 2)
    expected = 2 * np.sqrt(smoothed * (1 - smoothed) / shots)
    np.testing.assert_allclose(found.standard_errors, expected)


def test_the_seed_decides_the_shots() -> None:
    circuit = unroll(build_ansatz("linear", num_qubits=2), 1)
    values = random_values(circuit, 2)
    observables = build_readout(num_qubits=2).observables

    def run(seed: int) -> np.ndarray:
        return AerExecutor(shots=100, seed=seed).estimate(circuit, values, observables).values

    np.testing.assert_array_equal(run(1), run(1))
    assert (run(1) != run(2)).any()


def test_everything_is_counted_and_nothing_is_transpiled_twice() -> None:
    executor = AerExecutor(shots=10, seed=0)
    ansatz = build_ansatz("linear", num_qubits=2)
    observables = build_readout(num_qubits=2).observables
    for _ in range(2):
        circuits = [unroll(ansatz, steps) for steps in (1, 2)]  # built anew, equal in content
        executor.run([Pub(c, random_values(c, 3), observables) for c in circuits])
    counts = executor.counts
    assert (counts.jobs, counts.pubs, counts.bindings) == (2, 4, 12)
    assert (counts.executions, counts.transpilations) == (12 * 3 * 10, 2)


def test_circuits_that_differ_only_in_an_angle_are_distinguished() -> None:
    executor = AerExecutor()
    for angle in (0.1, 0.2):
        circuit = QuantumCircuit(1)
        circuit.rx(angle, 0)
        found = executor.estimate(circuit, np.empty((1, 0)), [SparsePauliOp("Z")])
        np.testing.assert_allclose(found.values, np.cos(angle))
    assert executor.counts.transpilations == 2


def test_samples_of_all_qubits() -> None:
    circuit = QuantumCircuit(3)
    circuit.x(2)
    circuit.rx(Parameter("a"), 0)
    executor = AerExecutor(seed=0)
    (counts,) = executor.sample(circuit, [[np.pi / 2]], 1000)
    assert set(counts) == {"100", "101"}
    assert sum(counts.values()) == 1000
    assert abs(counts["100"] - 500) < 4 * np.sqrt(250)
    assert executor.counts.executions == 1000


@pytest.mark.parametrize(
    ("circuit", "values", "observable", "complaint"),
    [
        (QuantumCircuit(2), np.empty((1, 1)), "ZZ", r"shape \(batch, 0\)"),
        (unroll(build_ansatz(num_qubits=2), 1), np.empty((1, 0)), "ZZ", r"shape \(batch, 4\)"),
        (QuantumCircuit(2), np.empty((1, 0)), "ZZZ", "acts on 3 qubits, but the circuit has 2"),
        (QuantumCircuit(2, 1), np.empty((1, 0)), "ZZ", "without measurements"),
        (QuantumCircuit(29), np.empty((1, 0)), "Z" * 29, r"needs 2\^33 bytes"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(
    circuit: QuantumCircuit, values: np.ndarray, observable: str, complaint: str
) -> None:
    executor = AerExecutor()
    with pytest.raises(ValueError, match=complaint):
        executor.estimate(circuit, values, [SparsePauliOp(observable)])
    assert executor.counts.jobs == 0


def test_no_observables_at_all_are_refused() -> None:
    executor = AerExecutor()
    with pytest.raises(ValueError, match="observables is empty"):
        executor.estimate(QuantumCircuit(2), np.empty((1, 0)), [])
    assert executor.counts.jobs == 0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"shots": 0}, "shots .*at least 1.* 0"),
        ({"gradient": "magic"}, "unknown gradient 'magic'"),
        ({"noise_model": "mine"}, "noise_model to be a qiskit_aer.noise.NoiseModel, got str"),
    ],
)
def test_bad_options_are_refused(options: dict, complaint: str) -> None:
    with pytest.raises((ValueError, TypeError), match=complaint):
        AerExecutor(**options)


def test_a_crash_inside_aer_reports_its_cause_and_the_circuit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken(simulate.AerSimulator):
        def __init__(self, **options: object) -> None:
            super().__init__(**options, max_memory_mb=1)  # what Aer refuses by itself

    monkeypatch.setattr(simulate, "AerSimulator", Broken)
    circuit = QuantumCircuit(20, name="too large")
    with pytest.raises(ExecutionError, match=r"'too large' \(20 qubits.*: .*memory") as caught:
        AerExecutor().estimate(circuit, np.empty((1, 0)), [SparsePauliOp("Z" * 20)])
    assert "job failed" not in str(caught.value)


def test_a_custom_noise_model() -> None:
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.2, 1), ["ry"])
    model.add_readout_error(ReadoutError([[0.9, 0.1], [0.3, 0.7]]), [1])
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("a"), 0)
    circuit.ry(Parameter("b"), 1)
    found = AerExecutor(noise_model=model).estimate(
        circuit, [[0.7, 1.1]], [SparsePauliOp("IZ"), SparsePauliOp("ZI"), SparsePauliOp("IX")]
    )
    first, second = 0.8 * np.cos(0.7), 0.8 * np.cos(1.1)
    read = (1 + second) / 2 * (0.9 - 0.1) + (1 - second) / 2 * (0.3 - 0.7)
    np.testing.assert_allclose(found.values, [[first, read, 0.8 * np.sin(0.7)]], atol=1e-9)


def test_noise_of_the_basis_change_is_there() -> None:
    model = NoiseModel(basis_gates=["rz", "sx", "cz"])
    model.add_all_qubit_quantum_error(depolarizing_error(0.1, 1), ["sx"])
    paulis = [SparsePauliOp(letter) for letter in "XYZ"]
    circuit = QuantumCircuit(1)
    circuit.rz(Parameter("a"), 0)
    found = AerExecutor(noise_model=model).estimate(circuit, [[0.3]], paulis)
    np.testing.assert_allclose(found.values, [[0.0, 0.0, 1.0]], atol=1e-9)
    circuit = QuantumCircuit(1)
    circuit.sx(0)  # points along -Y
    ((x, y, z),) = AerExecutor(noise_model=model).estimate(circuit, np.empty((1, 0)), paulis).values
    np.testing.assert_allclose([x, y, z], [0.0, -(0.9**2), 0.0], atol=1e-9)


def test_sampled_noise_agrees_with_the_trajectories_of_aer() -> None:
    from qiskit_aer import AerSimulator

    from runtime_jobs.aer.noise import build_rates_model

    model = build_rates_model(gate1=0.02, gate2=0.05, readout=0.1)
    circuit = QuantumCircuit(2)
    circuit.sx(0)
    circuit.sx(1)
    circuit.cz(0, 1)
    circuit.sx(1)
    circuit.x(0)
    (counts,) = AerExecutor(noise_model=model, seed=1).sample(circuit, np.empty((1, 0)), 10_000)
    circuit.measure_all()
    simulator = AerSimulator(method="statevector", noise_model=model, seed_simulator=1)
    reference = simulator.run(circuit, shots=10_000).result().get_counts()
    for bits, count in reference.items():
        assert abs(counts[bits] - count) < 4 * np.sqrt(2 * count)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda m: m.add_quantum_error(depolarizing_error(0.1, 1), ["x"], [5]), r"qubits \[5\]"),
        (lambda m: m.add_all_qubit_quantum_error(depolarizing_error(0.1, 2), ["crx"]), "on crx"),
        (lambda m: m.add_readout_error(ReadoutError(np.eye(4)[::-1]), [0, 1]), "several bits"),
        (
            lambda m: m.add_all_qubit_quantum_error(depolarizing_error(0.1, 1), ["measure"]),
            "give a ReadoutError instead",
        ),
    ],
)
def test_noise_models_that_do_not_fit_are_refused(change, complaint: str) -> None:
    model = NoiseModel()
    change(model)
    with pytest.raises(ValueError, match=complaint):
        AerExecutor(noise_model=model).estimate(
            QuantumCircuit(2), np.empty((1, 0)), [SparsePauliOp("ZZ")]
        )


def _put(model: NoiseModel, gates: list[str], size: int, qubits: list[int] | None = None) -> None:
    error = depolarizing_error(0.1, size)
    if qubits is None:
        model.add_all_qubit_quantum_error(error, gates)
    else:
        model.add_quantum_error(error, gates, qubits)


@pytest.mark.parametrize("device", ["aer", "simulator"])
@pytest.mark.parametrize(
    ("gates", "size", "qubits", "complaint"),
    [
        (["x"], 1, None, "triggers: 'x'"),
        (["ecr"], 2, None, "triggers: 'ecr'"),
        (["rzz"], 2, [0, 1], r"triggers: 'rzz' on \(0, 1\)"),
        (["cz"], 2, [1, 0], r"triggers: 'cz' on \(1, 0\)"),
        (["ry", "x"], 1, [1], "triggers: 'x' on 1. .* the gates cz, "),
    ],
)
def test_errors_that_no_gate_triggers_are_refused_by_name(
    gates: list[str], size: int, qubits: list[int] | None, complaint: str, device: str
) -> None:
    model = NoiseModel(["cz", "ry", "rz", "sx", "x", "h", "sdg", "ecr", "rzz"])
    _put(model, gates, size, qubits)
    network = QRNN(input_size=1, num_qubits=2)
    network.executor = open_device(device, noise_model=model)
    with pytest.raises(ValueError, match=complaint):
        network(torch.zeros(1, 1, 1))
    network.executor = open_device(f"{device}?noise=gate1:0.1")  # also of gates that are not used
    network(torch.zeros(1, 1, 1))


def test_a_pair_may_have_its_error_in_both_orders() -> None:
    model = NoiseModel()
    _put(model, ["cz"], 2, [0, 1])
    _put(model, ["cz"], 2, [1, 0])
    network = QRNN(input_size=1, num_qubits=2, dtype=torch.float64)
    x = torch.ones(1, 2, 1, dtype=torch.float64)
    found = []
    for device in ("aer", "simulator"):
        network.executor = open_device(device, noise_model=model)
        with torch.no_grad():
            found.append(network(x)[0])
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-9)
