"""Each peer and each ablation is what it says it is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Operator, Statevector, partial_trace
from torch import Tensor

from circuits import build_readout
from qrnn_qiskit import QRNN
from qrnn_qiskit.models import LSTM, QLSTM, OrthogonalQRNN, ScoRNN, StaggeredQRNN, UnitaryMesh
from qrnn_qiskit.models.dense_qubits import PauliReadout, apply_gates, join_gates, rotate
from qrnn_qiskit.models.qlstm import build_gate_circuit
from qrnn_qiskit.training.build import build_recurrent
from qrnn_qiskit.training.schema import ModelConfig
from qrnn_qiskit.training.sizing import count_gates


def draw(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=shape))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_matrix_of_scornn_is_orthogonal_after_steps_as_well(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = ScoRNN(3, 40, dtype=dtype)
    with torch.no_grad():
        model.recurrence.entries.add_(torch.randn_like(model.recurrence.entries))
    matrix = model.recurrence().detach()
    tolerance = 1e-6 if dtype == torch.float64 else 2e-5
    torch.testing.assert_close(
        matrix @ matrix.T, torch.eye(40, dtype=dtype), atol=tolerance, rtol=0
    )
    # Half of the signs are negative, so the determinant is that of D.
    assert torch.linalg.det(matrix) == pytest.approx((-1.0) ** 20, abs=1e-3)


def test_a_step_of_scornn_is_that_of_the_article() -> None:
    torch.manual_seed(0)
    model = ScoRNN(3, 6, dtype=torch.float64)
    torch.nn.init.normal_(model.bias)
    skew = torch.zeros(6, 6, dtype=torch.float64)
    skew[tuple(torch.tril_indices(6, 6, -1))] = model.recurrence.entries.detach()
    skew = skew - skew.T
    identity, signs = (
        torch.eye(6, dtype=torch.float64),
        torch.diag(torch.tensor([1.0] * 3 + [-1] * 3)),
    )
    matrix = torch.linalg.inv(identity + skew) @ (identity - skew) @ signs.double()
    hidden, x = torch.zeros(6, dtype=torch.float64), draw(1, 4, 3)
    for inputs in x[0]:
        total = model.input.weight @ inputs + matrix @ hidden
        hidden = total / total.abs() * (total.abs() + model.bias).clamp(min=0)
    torch.testing.assert_close(model(x)[1].readouts[0], hidden)


@pytest.mark.parametrize(("size", "gates"), [(2, 1), (2, 9), (5, 7), (6, 40), (7, 3)])
def test_the_mesh_is_unitary_and_every_gate_changes_it(size: int, gates: int) -> None:
    torch.manual_seed(0)
    model = UnitaryMesh(3, size, gates, dtype=torch.float64)
    matrix = model.recurrence().detach()
    identity = torch.eye(size, dtype=torch.complex128)
    torch.testing.assert_close(matrix @ matrix.mH, identity, atol=1e-12, rtol=0)
    assert model.angles.shape == (gates,)
    for gate in range(gates):
        with torch.no_grad():
            model.angles[gate] += 0.1
            assert (model.recurrence() - matrix).abs().max() > 1e-3
            model.angles[gate] -= 0.1


def test_the_mesh_has_as_many_gates_as_the_circuit() -> None:
    config = ModelConfig(kind="unitary", num_qubits=8, num_layers=3, hidden_size=10)
    assert count_gates(config) == 3 * (16 + 7)
    model = build_recurrent(config, 5)
    assert isinstance(model, UnitaryMesh)
    assert model.angles.numel() == 69


def test_lstm_is_that_of_torch_and_one_bias_leaves_the_other_zero() -> None:
    torch.manual_seed(0)
    model = LSTM(3, 5, num_biases=1, dtype=torch.float64)
    x = draw(2, 6, 3)
    expected, _ = model.network(x)
    torch.testing.assert_close(model(x)[0], expected)
    assert not model.network.bias_hh_l0.any()
    assert not model.network.bias_hh_l0.requires_grad


def test_gates_and_readouts_are_those_of_qiskit() -> None:
    names = ("rx", "rz", "ry")
    angles = draw(2, 3, 3)  # batch, qubits, rotations
    gates = rotate(names, angles)
    states = apply_gates(torch.eye(8, dtype=torch.complex128)[[0, 5]], gates)
    readout = build_readout(None, num_qubits=3)
    values = PauliReadout(readout.observables, torch.float64)
    for row, start in enumerate(("000", "101")):
        circuit = QuantumCircuit(3)
        for qubit in range(3):
            for name, angle in zip(names, angles[row, qubit].tolist(), strict=True):
                getattr(circuit, name)(angle, qubit)
        np.testing.assert_allclose(join_gates(gates[row]), Operator(circuit).data, atol=1e-12)
        state = Statevector.from_label(start).evolve(circuit)
        np.testing.assert_allclose(states[row], state.data, atol=1e-12)
        expected = [state.expectation_value(op).real for op in readout.observables]
        np.testing.assert_allclose(values.of_states(states)[row], expected, atol=1e-12)
        density = torch.from_numpy(DensityMatrix(state).data)[None]
        np.testing.assert_allclose(values.of_densities(density)[0], expected, atol=1e-12)


def test_the_gates_of_qlstm_are_circuits() -> None:
    torch.manual_seed(0)
    model = QLSTM(2, 3, num_qubits=3, num_layers=2, dtype=torch.float64)
    x, hidden, cell = draw(1, 3, 2), np.zeros(3), np.zeros(3)
    circuit = build_gate_circuit(3, 2)

    def sigmoid(values: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-values))

    for inputs in x[0].numpy():
        v = model.encode(torch.from_numpy(np.concatenate((inputs, hidden)))).detach().numpy()
        gates = []
        for number, decode in enumerate(model.decode):
            values = {f"x[{q}]": np.arctan(v[q]) for q in range(3)}
            values |= {f"x[{3 + q}]": np.arctan(v[q] ** 2) for q in range(3)}
            values |= {f"w[{i}]": float(w) for i, w in enumerate(model.angles[number].tolist())}
            bound = {p: values[p.name] for p in circuit.parameters}
            state = Statevector(circuit.assign_parameters(bound))
            z = [state.probabilities([q]) @ [1, -1] for q in range(3)]
            gates.append(decode(torch.tensor(z)).detach().numpy())
        forget, admit, update, emit = gates
        cell = sigmoid(forget) * cell + sigmoid(admit) * np.tanh(update)
        hidden = sigmoid(emit) * np.tanh(cell)
    np.testing.assert_allclose(model(x)[1].readouts[0].detach(), hidden, atol=1e-12)


def test_the_staggered_network_resets_its_qubits_in_turn() -> None:
    """Six physical qubits on a ring; the three that hold data are shifted by one every step."""
    torch.manual_seed(0)
    model = StaggeredQRNN(2, 6, 1, dtype=torch.float64)
    x = draw(1, 5, 2)
    angles = math.pi * model.encode(x).sigmoid()
    output = model(x)[0].detach()
    density, roles = DensityMatrix.from_label("0" * 6), list(range(6))  # data first
    ages = dict.fromkeys(range(6), 0)
    for t in range(5):
        for qubit in roles[:3]:
            density = density.reset([qubit])
            ages[qubit] = 0
        circuit = QuantumCircuit(6)
        for place, angle in enumerate(angles[0, t].tolist()):
            circuit.ry(angle, place)
        weights = iter(model.angles.flatten().tolist())
        for place in range(6):
            circuit.rx(next(weights), place)
            circuit.rz(next(weights), place)
            circuit.rx(next(weights), place)
        for place in range(6):
            circuit.rzz(next(weights), place, (place + 1) % 6)
        density = density.evolve(circuit, qargs=roles)
        for index, label in enumerate(model.output_labels):
            place = int(label[1:])
            rest = [qubit for qubit in range(6) if qubit != roles[place]]
            value = partial_trace(density, rest).expectation_value(Operator.from_label(label[0]))
            assert float(output[0, t, index]) == pytest.approx(value.real, abs=1e-10)
        ages = {qubit: age + 1 for qubit, age in ages.items()}
        assert max(ages.values()) <= max(t + 1, 4)
        data, history = roles[:3], roles[3:]
        roles = [*data[1:], history[0], *history[1:], data[0]]
    assert max(ages.values()) <= 4  # n/2 + 1 steps


def test_the_orthogonal_matrix_stands_where_the_entanglers_were() -> None:
    """With the matrix of the CZ gates it is QRNN itself."""
    torch.manual_seed(0)
    qrnn = QRNN(2, 3, 2, controller_hidden=5, dtype=torch.float64)
    model = OrthogonalQRNN(2, 3, 2, controller_hidden=5, dtype=torch.float64)
    model.controller.load_state_dict(qrnn.controller.state_dict())
    circuit = QuantumCircuit(3)
    circuit.cz(0, 1)
    circuit.cz(1, 2)
    signs = torch.from_numpy(Operator(circuit).data.real)
    model.mixing.forward = lambda: signs  # type: ignore[method-assign]
    x = draw(3, 4, 2)
    torch.testing.assert_close(model(x)[0], qrnn(x)[0])


def test_the_orthogonal_matrix_is_orthogonal_and_trained() -> None:
    torch.manual_seed(0)
    model = OrthogonalQRNN(2, 3, dtype=torch.float64)
    model(draw(3, 4, 2))[0].square().sum().backward()
    assert model.mixing.entries.grad is not None
    assert model.mixing.entries.grad.abs().max() > 1e-4
    matrix = model.mixing().detach()
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(8, dtype=torch.float64))


def test_after_a_reset_only_the_readouts_remember() -> None:
    torch.manual_seed(0)
    model = QRNN(2, 3, 2, reset_state=True, dtype=torch.float64)
    x = draw(2, 5, 2)
    _, state = model(x[:, :3])
    # The same readouts with any other vector lead to the same future.
    other = model(x[:, :1])[1].vector
    swapped = replace(state, vector=other)
    torch.testing.assert_close(model(x[:, 3:], swapped)[0], model(x[:, 3:], state)[0])
    # Each step is its circuit on |0...0>.
    output = model(x)[0]
    angles = model.angles(x)
    for t in range(5):
        bound = model.ansatz.circuit.assign_parameters(angles[0, t].tolist())
        vector = Statevector(bound)
        expected = [vector.expectation_value(op).real for op in model.readout.observables]
        np.testing.assert_allclose(output[0, t].detach(), expected, atol=1e-10)
    # Without a reset both are different.
    plain = QRNN(2, 3, 2, dtype=torch.float64)
    plain.load_state_dict(model.state_dict())
    assert (plain(x)[0] - output).abs().max() > 0.01
    _, state = plain(x[:, :3])
    changed = plain(x[:, 3:], replace(state, vector=plain(x[:, :1])[1].vector))[0]
    assert (changed - plain(x[:, 3:], state)[0]).abs().max() > 0.01


def test_reset_belongs_to_expectation_mode_on_the_simulator() -> None:
    with pytest.raises(ValueError, match="readout='expectation'"):
        QRNN(2, 2, readout="none", reset_state=True)
    model = QRNN(2, 2, reset_state=True)
    with pytest.raises(ValueError, match="reset_state=True"):
        model.circuits(torch.zeros(1, 2, 2))
    with pytest.raises(ValueError, match="'aer' was requested"):
        model.check_device("aer")


def test_without_entanglers_the_qubits_stay_apart() -> None:
    torch.manual_seed(0)
    x = draw(2, 5, 2)
    for ansatz, is_product in (("product", True), ("linear", False)):
        _, state = QRNN(2, 3, 2, ansatz=ansatz, dtype=torch.float64)(x)
        assert state.vector is not None
        purities = [
            partial_trace(Statevector(state.vector[0].detach().numpy()), [a, b]).purity().real
            for a, b in ((0, 1), (1, 2))
        ]
        assert (min(purities) > 1 - 1e-9) == is_product


def test_full_projective_measurements_are_a_classical_markov_chain() -> None:
    """With m = n and g = pi only the bits survive a step; p moves by |<c|U(theta_b)|b>|^2."""
    torch.manual_seed(0)
    model = QRNN(2, 2, 2, readout="measured", num_ancillas=2, dtype=torch.float64)
    x = draw(1, 4, 2)
    tables, (_, state) = model.angles(x)[0], model(x)
    probabilities = np.array([1.0, 0, 0, 0])
    for step in tables:
        moves = np.stack(
            [
                np.abs(Operator(model.ansatz.circuit.assign_parameters(row.tolist())).data) ** 2
                for row in step
            ]
        )  # of each register, from column to row
        probabilities = np.array(
            [sum(moves[b][c, b] * probabilities[b] for b in range(4)) for c in range(4)]
        )
    assert state.density is not None
    density = state.density[0].detach().numpy()
    for c in range(4):
        off = density[c] - np.diag(np.diag(density[c]))
        assert np.abs(off).max() < 1e-12
        assert density[c, c, c].real == pytest.approx(probabilities[c], abs=1e-10)
