from __future__ import annotations

import numpy as np
import pytest
import torch
from qiskit.quantum_info import (
    DensityMatrix,
    Pauli,
    Statevector,
    entropy,
    partial_trace,
    random_density_matrix,
    random_statevector,
)

from qrnn_qiskit import QRNN, HiddenState
from qrnn_qiskit.inspection import measure_bloch, measure_entropy, measure_influence, trace_states

QUBITS = 3


def expect(state: Statevector | DensityMatrix) -> tuple[np.ndarray, float]:
    """Bloch vectors (n, 3), and the entropy of qubit 0, by Qiskit."""
    bloch = [
        [state.expectation_value(Pauli(letter), [qubit]).real for letter in "XYZ"]
        for qubit in range(QUBITS)
    ]
    return np.array(bloch), float(entropy(partial_trace(state, [1, 2]), base=2))


def require_same(state: HiddenState, expected: Statevector | DensityMatrix) -> None:
    bloch, bits = expect(expected)
    np.testing.assert_allclose(measure_bloch(state)[0].numpy(), bloch, atol=1e-12)
    assert measure_entropy(state).item() == pytest.approx(bits, abs=1e-12)


def test_a_vector_is_measured_as_qiskit_does() -> None:
    vector = random_statevector(2**QUBITS, seed=4)
    state = HiddenState(torch.zeros(1, 1), vector=torch.from_numpy(vector.data)[None])
    require_same(state, vector)


def test_outcomes_of_a_density_are_averaged() -> None:
    first, second = (random_density_matrix(2**QUBITS, seed=seed) for seed in (1, 2))
    parts = torch.stack([torch.from_numpy(0.3 * first.data), torch.from_numpy(0.7 * second.data)])
    state = HiddenState(torch.zeros(1, 1), density=parts[None])
    require_same(state, DensityMatrix(0.3 * first.data + 0.7 * second.data))


def test_trajectories_are_averaged() -> None:
    vectors = [random_statevector(2**QUBITS, seed=seed) for seed in range(4)]
    samples = torch.stack([torch.from_numpy(vector.data) for vector in vectors])
    state = HiddenState(torch.zeros(1, 1), trajectories=samples[None])
    require_same(state, DensityMatrix(sum(DensityMatrix(v).data for v in vectors) / 4))


@pytest.mark.parametrize("readout", ["expectation", "none", "measured"])
def test_the_trace_ends_in_the_state_of_the_whole_sequence(readout: str) -> None:
    torch.manual_seed(3)
    qrnn = QRNN(2, num_qubits=2, readout=readout, dtype=torch.float64)
    x = torch.rand(4, 5, 2, dtype=torch.float64)
    trace = trace_states(qrnn, x)
    assert trace.bloch.shape == (4, 5, 2, 3)
    assert trace.entropy.shape == (4, 5)
    with torch.no_grad():
        output, state = qrnn(x)
    torch.testing.assert_close(trace.bloch[:, -1], measure_bloch(state))
    torch.testing.assert_close(trace.entropy[:, -1], measure_entropy(state))
    if readout != "measured":  # the readouts are X of all qubits, then Y, then Z
        torch.testing.assert_close(
            trace.bloch.transpose(2, 3).flatten(2), output, atol=1e-9, rtol=1e-9
        )


def test_a_state_of_a_device_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a simulated state"):
        measure_bloch(HiddenState(torch.zeros(1, 3), angles=torch.zeros(1, 2, 4)))


def test_a_linear_controller_is_heard_by_its_weights() -> None:
    torch.manual_seed(1)
    qrnn = QRNN(2, num_qubits=2, controller_hidden=None, dtype=torch.float64)
    x = torch.rand(50, 4, 2, dtype=torch.float64)
    lengths = torch.tensor([4] * 25 + [2] * 25)
    influence = measure_influence(qrnn, x, lengths)
    assert influence.names == ["input 0", "input 1", "X0", "X1", "Y0", "Y1", "Z0", "Z1"]
    assert influence.inputs == 2
    valid = torch.cat((x[:25, 1:].flatten(0, 1), x[25:, 1]))
    layer = qrnn.controller.layers[0]
    expected = layer.weight[:, :2].abs() * valid.std(0, correction=0)
    torch.testing.assert_close(influence.values[:2], expected.T.detach())


@pytest.mark.parametrize(("readout", "names"), [("none", []), ("measured", ["bit 0"])])
def test_what_is_fed_back_has_its_names(readout: str, names: list[str]) -> None:
    qrnn = QRNN(1, num_qubits=2, readout=readout)
    influence = measure_influence(qrnn, torch.rand(6, 3, 1))
    assert influence.names == ["input 0", *names]
    assert influence.values.shape == (1 + len(names), qrnn.ansatz.num_parameters)
    again = measure_influence(qrnn, torch.rand(6, 3, 1).zero_())
    assert again.values[0].abs().max() == 0  # an input that never moves


def test_slopes_are_taken_at_some_of_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    qrnn = QRNN(2, num_qubits=2, controller_hidden=None)
    x = torch.rand(50, 4, 2)
    expected = measure_influence(qrnn, x).values
    monkeypatch.setattr("qrnn_qiskit.inspection._MOST_ROWS", 7)
    widths = []
    qrnn.controller.register_forward_hook(lambda module, given, angles: widths.append(len(angles)))
    torch.testing.assert_close(measure_influence(qrnn, x).values, expected)
    assert widths[-1] == 7  # 150 rows, one in 22
