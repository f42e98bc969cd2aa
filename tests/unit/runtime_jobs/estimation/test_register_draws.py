"""Functions of the bits of several registers: no bias, and no weights of other registers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer.noise import NoiseModel, ReadoutError

from circuits import DynamicCircuit, build_ansatz, build_dynamic, build_measurement
from circuits.feed_forward import redirect_branches
from qrnn_qiskit.executors import DynamicPub, Outcomes
from runtime_jobs import open_device
from runtime_jobs.estimation.feed_forward import FUNCTIONS, weigh_functions
from runtime_jobs.estimation.register_draws import RegisterDraws

pytestmark = pytest.mark.noisy

UP, DOWN = 0.03, 0.06


def build(num_registers: int, num_steps: int) -> DynamicCircuit:
    """Build registers of one memory qubit and one ancilla."""
    measurement = build_measurement(num_qubits=1, ancilla_return="reset")
    return build_dynamic(
        build_ansatz("linear", num_qubits=1), measurement, num_steps, num_registers
    )


def make_pub(circuit: DynamicCircuit, labels: list[str], *, copies: int = 1) -> DynamicPub:
    """Make a PUB in which every register has the same angles."""
    steps, values, angles = circuit.table_columns.shape
    count = circuit.num_registers
    table = np.random.default_rng(3).uniform(-np.pi, np.pi, (steps, values, angles // count))
    bound = circuit.bind_values(np.tile(table, (copies, 1, 1, count)))
    return DynamicPub(circuit, bound, [SparsePauliOp(label) for label in labels])


def make_noise(num_qubits: int) -> NoiseModel:
    noise = NoiseModel(basis_gates=["cz", "id", "rz", "sx", "x"])
    for qubit in range(num_qubits):
        noise.add_readout_error(ReadoutError([[1 - UP, UP], [DOWN, 1 - DOWN]]), [qubit])
    return noise


def run(pub: DynamicPub, device: str) -> Outcomes:
    noise = make_noise(pub.circuit.circuit.num_qubits)
    (found,) = open_device(device, noise_model=noise).run_dynamic([pub])  # type: ignore[attr-defined]
    return found


def find_ideal(pub: DynamicPub) -> Outcomes:
    (found,) = open_device("aer").run_dynamic([pub])  # type: ignore[attr-defined]
    return found


def test_the_weights_of_a_register_suffice_for_its_mean() -> None:
    """The sum over all functions of both registers, with exact values for each of them."""
    circuit = build(2, 2)
    pub = make_pub(circuit, ["IZ", "ZI", "IX"])
    ideal = find_ideal(pub)
    functions = np.array(list(product(range(4), repeat=2)))
    heard = FUNCTIONS[functions][:, None]  # (16, T - 1, R, 2)
    values = redirect_branches(circuit, pub.values.repeat(16, 0), heard)
    found = run(pub._replace(values=values), "simulator?mitigation=readout").values
    weights = weigh_functions(np.array([UP, DOWN]))
    chances = np.array([0.7, 0.1, 0.15, 0.05])  # of the functions of the other register
    for observable, register in enumerate([0, 1, 0]):
        own, other = functions[:, register], functions[:, 1 - register]
        mean = (weights[own] * chances[other]) @ found[:, observable]
        assert mean == pytest.approx(ideal.values[0, observable], abs=1e-9)


def test_shots_of_registers_scatter_around_the_ideal_values() -> None:
    pub = make_pub(build(3, 3), ["IIZ", "IZI", "XII", "ZIZ"], copies=8)  # the last one joins two
    ideal = find_ideal(pub)
    found = run(pub, "aer?mitigation=feedforward&shots=2000&seed=2")
    assert found.standard_errors is not None
    assert found.bit_errors is not None
    residuals = (found.values - ideal.values) / found.standard_errors
    assert np.abs(residuals).max() < 4.5
    assert 0.7 < residuals.std() < 1.3
    ones = (found.outcomes - ideal.outcomes)[:, :, 1::2] / found.bit_errors
    # Few of 50 rows are redirected in an early step: single errors of bits are rough.
    assert 0.7 < ones.std() < 1.4


def test_standard_errors_do_not_grow_with_the_number_of_registers() -> None:
    errors = {}
    for count in (1, 2, 6):
        label = "I" * (count - 1) + "Z"
        pub = make_pub(build(count, 4), [label], copies=10)
        found = run(pub, "simulator?mitigation=feedforward&shots=2000&seed=4")
        assert found.standard_errors is not None
        errors[count] = float(found.standard_errors.mean())
    assert errors[2] == pytest.approx(errors[1], rel=0.15)
    assert errors[6] == pytest.approx(errors[1], rel=0.15)


@pytest.mark.parametrize(("label", "is_joined"), [("IZZ", True), ("IIZ", False)])
def test_registers_share_draws_where_an_observable_joins_them(label: str, is_joined: bool) -> None:
    pub = make_pub(build(3, 3), [label, "ZII"], copies=500)
    errors = np.full((2, 3, 1, 2), 0.1)
    draws = RegisterDraws(pub, errors, 20, np.random.default_rng(0))
    heard = draws.find_heard().reshape(500, 20, 2, 3, 2)
    redirected = (heard != [0, 1]).any((2, 4))  # (B, rows, R)
    plain = int((~redirected[..., 0]).all(0).sum())
    # With draws of its own a register is redirected in each of the other rows.
    assert redirected[:, plain:, 0].all() != is_joined
    weights = draws.weigh(errors, errors)
    assert len(weights) == (2 if is_joined else 3)
    ones = draws.average_observables(weights, np.ones((500 * 20, 2)), np.zeros(2))
    np.testing.assert_allclose(ones.values, 1.0, atol=1e-12)
