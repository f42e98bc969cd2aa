"""The model against Qiskit's Statevector on the circuits that the model itself returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector
from torch import Tensor, nn

from circuits import ANSATZ_FAMILIES, ENTANGLERS, ROTATIONS
from qrnn_qiskit import QRNN

ONE_QUBIT = ("rx", "ry", "rz", "p", "h", "t", "sx", "id")
TWO_QUBITS = ("cx", "cz", "rzz", "rxx", "crx", "cry", "crz", "cp", "swap", "iswap", "ecr")
WITH_ANGLE = ("rx", "ry", "rz", "p", "rzz", "rxx", "crx", "cry", "crz", "cp")


class Fixed(nn.Module):
    """A controller that returns the same angles for all inputs."""

    def __init__(self, angles: list[float]) -> None:
        super().__init__()
        self.angles = nn.Parameter(torch.tensor(angles, dtype=torch.float64))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.angles.expand(len(inputs), -1)


def build_circuit(num_qubits: int, random: np.random.Generator) -> QuantumCircuit:
    """Standard gates at random; angles are affine, and share their parameters."""
    parameters = ParameterVector("w", 4)
    circuit = QuantumCircuit(num_qubits, global_phase=0.3)
    circuit.ry(parameters[0], 0)
    for _ in range(random.integers(3, 15)):
        name = str(random.choice(ONE_QUBIT + (TWO_QUBITS if num_qubits > 1 else ())))
        qubits = random.permutation(num_qubits)[: 2 if name in TWO_QUBITS else 1].tolist()
        slope, offset = random.normal(size=2).tolist()
        angles = [slope * parameters[int(random.integers(4))] + offset]
        getattr(circuit, name)(*(angles if name in WITH_ANGLE else []), *qubits)
    return circuit


def build_observables(num_qubits: int, random: np.random.Generator) -> list[SparsePauliOp | str]:
    """Sums of Pauli strings on all qubits, some of them more than once, and a plain label."""
    sums: list[SparsePauliOp | str] = []
    for _ in range(int(random.integers(1, 6))):
        labels = ["".join(random.choice(list("IXYZ"), num_qubits)) for _ in range(4)]
        sums.append(SparsePauliOp([*labels, labels[0]], random.normal(size=5)))
    return [*sums, sums[0], "Y" * num_qubits]


@st.composite
def models(draw: st.DrawFn) -> QRNN:
    num_qubits = draw(st.integers(1, 9))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    torch.manual_seed(draw(st.integers(0, 2**32)))
    family: Any = draw(st.sampled_from((*ANSATZ_FAMILIES, "custom")))
    observables: Any = draw(st.sampled_from((None, "z", "yx", "sums")))
    return QRNN(
        draw(st.integers(1, 3)),
        num_qubits,
        draw(st.integers(1, 3)),
        readout=draw(st.sampled_from(("expectation", "none"))),
        observables=(
            build_observables(num_qubits, random) if observables == "sums" else observables
        ),
        controller_hidden=draw(st.sampled_from((None, 1, 6))),
        activation=draw(st.sampled_from(("relu", "gelu", "glu"))),
        ansatz=build_circuit(num_qubits, random) if family == "custom" else family,
        entangler=draw(st.sampled_from(ENTANGLERS)),
        rotations=draw(st.lists(st.sampled_from(ROTATIONS), min_size=1, max_size=3)),
        feedback_gain=3.0,
        angle_gain=5.0,
        dtype=torch.float64,
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    model=models(),
    steps=st.integers(1, 4),
    batch=st.sampled_from((1, 2, 7, 8, 9, 16, 19)),
    is_wrapped=st.booleans(),
)
def test_readouts_and_states(model: QRNN, steps: int, batch: int, is_wrapped: bool) -> None:
    x = torch.randn(batch, steps, model.input_size, dtype=torch.float64)
    if is_wrapped:  # no longer the standard controller: one step at a time
        model.controller = nn.Sequential(model.controller)
    with torch.no_grad():
        output, state = model(x)
    assert state.vector is not None
    whole = model.circuits(x)
    prefixes = model.replay_circuits(x)
    assert [len(row) for row in prefixes] == [batch] * steps
    for b in {0, batch // 2, batch - 1}:
        for t in range(steps):
            prefix = prefixes[t][b]
            assert prefix.data == whole[b].data[: len(prefix.data)]
            expected = Statevector(prefix)
            for k, observable in enumerate(model.readout.observables):
                value = expected.expectation_value(observable).real
                assert abs(value - float(output[b, t, k])) < 1e-10
        assert prefixes[-1][b] == whole[b]
        np.testing.assert_allclose(
            state.vector[b].numpy(), Statevector(whole[b]).data, rtol=0.0, atol=1e-10
        )
        torch.testing.assert_close(state.readouts[b], output[b, -1], rtol=0.0, atol=0.0)


@pytest.mark.parametrize("readout", ["expectation", "none"])
def test_circuits_are_the_ansatz_with_the_controller_angles(readout: str) -> None:
    torch.manual_seed(0)
    model = QRNN(2, 3, 2, readout=readout, entangler="crx", dtype=torch.float64)
    x = torch.randn(2, 2, 2, dtype=torch.float64)
    expected = QuantumCircuit(3)
    feedback = [0.0] * 6 + [1.0] * 3  # X, Y and Z of |000>
    for step in range(2):
        seen = torch.tensor(feedback, dtype=torch.float64)
        inputs = x[1, step] if readout == "none" else torch.cat((x[1, step], seen))
        angles = model.controller(inputs).tolist()
        bound = dict(zip(model.ansatz.parameters, angles, strict=True))
        expected.compose(model.ansatz.circuit.assign_parameters(bound), inplace=True)
        vector = Statevector(expected)
        feedback = [vector.expectation_value(o).real for o in model.readout.observables]
    circuit = model.circuits(x)[1]
    assert circuit.num_parameters == 0
    np.testing.assert_allclose(Statevector(circuit).data, vector.data, rtol=0.0, atol=1e-12)
    np.testing.assert_allclose(model(x)[0][1, 1].tolist(), feedback, rtol=0.0, atol=1e-12)


def test_qubit_0_is_the_least_significant_bit() -> None:
    """Qubit 0 of three is flipped, and qubit 1 is turned to (|0> + i|1>) / sqrt(2)."""
    circuit = QuantumCircuit(3)
    flip, turn = ParameterVector("w", 2)
    circuit.ry(flip, 0)
    circuit.rx(turn, 1)
    model = QRNN(1, 3, ansatz=circuit, dtype=torch.float64)
    model.controller = Fixed([np.pi, -np.pi / 2])
    output, state = model(torch.zeros(1, 1, 1, dtype=torch.float64))
    assert state.vector is not None
    vector = state.vector[0].tolist()
    assert vector == pytest.approx([0, 0.5**0.5, 0, 1j * 0.5**0.5, 0, 0, 0, 0], abs=1e-15)
    readouts = dict(zip(model.readout.labels, output[0, 0].tolist(), strict=True))
    assert readouts == pytest.approx(
        dict.fromkeys(readouts, 0.0) | {"Z0": -1.0, "Y1": 1.0, "Z2": 1.0}, abs=1e-15
    )


def test_the_leftmost_letter_of_a_pauli_label_is_the_last_qubit() -> None:
    circuit = QuantumCircuit(2)
    circuit.ry(ParameterVector("w", 1)[0], 0)
    model = QRNN(1, 2, ansatz=circuit, observables=["IZ", "ZI"], dtype=torch.float64)
    model.controller = Fixed([np.pi])
    output, _ = model(torch.zeros(1, 1, 1, dtype=torch.float64))
    assert output.tolist() == [[pytest.approx([-1.0, 1.0])]]
