"""Sequences along a record against dense matrices, written out here without any part of it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from frequencies import find_p_value, is_rejected
from numpy.typing import NDArray
from qiskit.quantum_info import Operator
from slopes import measure_slope_error
from torch import Tensor

from qrnn_qiskit import QRNN

Vector = NDArray[np.complex128]
COUPLINGS = ("cry", "symmetric", "direct")
FRAMES = ("kept", "undone")
PAULI = {
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1.0 + 0j, -1.0]),
}


def build(coupling: str = "cry", frame: str = "kept", **other: Any) -> QRNN:
    """A model of 3 qubits and 2 bits whose measurements are not projective where they can."""
    torch.manual_seed(3)
    num_qubits = other.pop("num_qubits", 3)
    settings: dict[str, Any] = {
        "num_ancillas": 2,
        "measured_bases": "XY",
        "controller_hidden": 4,
        "feedback_gain": 3.0,
        "dtype": torch.float64,
    }
    return QRNN(
        2,
        num_qubits,
        2,
        readout="measured",
        coupling=coupling,
        coupling_strength=math.pi if coupling == "direct" else 1.3,
        measurement_frame=frame,
        **settings | other,
    )


def list_records(num_steps: int, num_bits: int = 2) -> Tensor:
    """All records (2^(T m), T, m)."""
    rows = itertools.product((0, 1), repeat=num_steps * num_bits)
    return torch.tensor(list(rows)).reshape(-1, num_steps, num_bits)


def number_records(records: Tensor) -> NDArray[np.int64]:
    """The number of each record (B, T, m) among all 2^(T m) of its shape."""
    bits = records.flatten(1).long().numpy()
    return bits @ (1 << np.arange(bits.shape[1]))


def embed(matrix: Vector, qubit: int, num_qubits: int) -> Vector:
    left, right = np.eye(1 << (num_qubits - 1 - qubit)), np.eye(1 << qubit)
    return np.kron(np.kron(left, matrix), right)


def find_kraus(model: QRNN, bit: int, ancilla: int) -> Vector:
    """<bit|ancilla of the coupling circuit itself: RY, CX and for cry RY back, on |0>."""
    measurement = model.measurement
    assert measurement is not None
    pauli = PAULI[measurement.bases[ancilla]]
    plus, minus = (np.eye(2) + pauli) / 2, (np.eye(2) - pauli) / 2
    angle = math.pi / 2 - measurement.strength / 2
    c, s = math.cos(angle / 2), math.sin(angle / 2)
    before = np.array([[c, -s], [s, c]])
    after = before.T if measurement.coupling == "cry" else np.eye(2)
    if measurement.coupling == "direct":
        operator = (plus, minus)[bit]
    else:
        stay, flipped = after @ before @ [1, 0], after @ PAULI["X"] @ before @ [1, 0]
        operator = stay[bit] * plus + flipped[bit] * minus
    return embed(operator, measurement.qubits[ancilla], model.num_qubits)


def run_reference(
    model: QRNN, x: Tensor, record: Tensor, psi: Vector | None = None
) -> tuple[list[list[float]], list[float], Vector]:
    """Probabilities of 1, log-likelihoods and last state of one sequence (T, E) by its bits."""
    measurement = model.measurement
    assert measurement is not None
    if psi is None:
        psi = np.eye(1 << model.num_qubits)[0].astype(complex)
    ones, logs = [], []
    bits = torch.zeros(record.shape[1])
    for inputs, found in zip(x, record, strict=True):
        seen = (
            torch.cat((inputs, 2.0 * bits.to(inputs) - 1)) if measurement.bit_feedback else inputs
        )
        theta = model.controller(seen).detach().numpy()
        step = model.ansatz.circuit.assign_parameters(
            dict(zip(model.ansatz.parameters, theta, strict=True))
        )
        unitary = Operator(step).data
        psi = unitary @ psi
        of_step, total = [], 0.0
        for ancilla, bit in enumerate(found.tolist()):
            one = find_kraus(model, 1, ancilla) @ psi
            of_step.append(float(np.linalg.norm(one) ** 2))
            psi = find_kraus(model, bit, ancilla) @ psi
            norm = float(np.linalg.norm(psi))
            total, psi = total + 2 * math.log(norm), psi / norm
        if measurement.frame == "undone":
            psi = unitary.conj().T @ psi
        ones.append(of_step)
        logs.append(total)
        bits = found
    return ones, logs, psi


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_a_record_has_the_likelihood_of_its_kraus_operators(coupling: str, frame: str) -> None:
    model = build(coupling, frame)
    records = list_records(3)[::9]
    x = torch.randn(len(records), 3, 2, dtype=torch.float64)
    found = model.filter(x, records)
    for row, (inputs, record) in enumerate(zip(x, records, strict=True)):
        ones, logs, psi = run_reference(model, inputs, record)
        np.testing.assert_allclose(found.probabilities[row].detach(), ones, atol=1e-10)
        np.testing.assert_allclose(found.log_likelihood[row].detach(), logs, atol=1e-10)
        assert found.state.vector is not None
        vector = found.state.vector[row].detach().numpy()
        np.testing.assert_allclose(vector * np.vdot(vector, psi), psi, atol=1e-10)
        values = [
            np.vdot(psi, operator.to_matrix() @ psi).real for operator in model.readout.observables
        ]
        np.testing.assert_allclose(found.state.readouts[row].detach(), values, atol=1e-10)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("bit_feedback", [True, False])
@pytest.mark.parametrize("num_bits", [1, 2])
def test_all_records_together_have_probability_1(
    coupling: str, frame: str, bit_feedback: bool, num_bits: int
) -> None:
    """Up to 3 qubits, 2 bits and 4 steps: all 256 records."""
    bases = "XY"[:num_bits]
    for num_qubits, num_steps in itertools.product((2, 3), (1, 4)):
        model = build(
            coupling,
            frame,
            num_qubits=num_qubits,
            num_ancillas=num_bits,
            measured_bases=bases,
            bit_feedback=bit_feedback,
        )
        records = list_records(num_steps, num_bits)
        x = torch.randn(1, num_steps, 2, dtype=torch.float64).expand(len(records), -1, -1)
        total = model.filter(x, records).log_likelihood.sum(1).exp().sum()
        assert total.item() == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_summed_over_records_the_bits_have_the_marginals_of_measured_mode(coupling: str) -> None:
    model = build(coupling)
    records = list_records(3)
    x = torch.randn(1, 3, 2, dtype=torch.float64)
    weights = model.filter(x.expand(len(records), -1, -1), records).log_likelihood.sum(1).exp()
    marginals = (weights[:, None, None] * records).sum(0)
    torch.testing.assert_close(marginals, model(x)[0][0], atol=1e-10, rtol=0)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_gradients_are_those_of_central_differences(coupling: str, frame: str) -> None:
    model = build(coupling, frame)
    records = list_records(3)[5::7]
    x = torch.randn(len(records), 3, 2, dtype=torch.float64)
    lengths = torch.tensor([1 + row % 3 for row in range(len(records))])
    random = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=random)

    by_ones, by_logs = draw(len(x), 3, 2), draw(len(x), 3)
    by_vector = torch.complex(draw(len(x), 8), draw(len(x), 8))

    def find_loss() -> Tensor:
        found = model.filter(x, records, lengths)
        assert found.state.vector is not None
        loss = (found.probabilities * by_ones).sum() + (found.log_likelihood * by_logs).sum()
        loss = loss + (found.state.vector * by_vector).real.sum()
        return loss + found.state.readouts.square().sum()

    for parameter in model.parameters():
        model.zero_grad()
        assert measure_slope_error(parameter, find_loss) < 1e-6


def test_drawn_records_have_their_likelihoods() -> None:
    p_values = []
    settings: list[dict[str, Any]] = [
        {"frame": frame, "coupling": coupling} for frame in FRAMES for coupling in COUPLINGS
    ]
    settings += [{"bit_feedback": False}, {"readout_error": [0.1, 0.2]}, {"frame": "undone"}]
    settings[-1] |= {"step_noise": "damping:0.2"}
    for setting in settings:
        model = build(**setting)
        records = list_records(2)
        x = torch.randn(1, 2, 2, dtype=torch.float64)
        with torch.no_grad():
            logs = model.filter(x.expand(len(records), -1, -1), records).log_likelihood
        generator = torch.Generator().manual_seed(7)
        drawn = model.sample(x.expand(4000, -1, -1), generator=generator)
        exact = np.zeros(len(records))
        exact[number_records(records)] = logs.sum(1).exp().numpy()
        assert exact.sum() == pytest.approx(1, abs=1e-10)
        p_values.append(find_p_value(number_records(drawn), exact))
    assert not is_rejected(p_values, 1e-3)


@pytest.mark.parametrize("frame", FRAMES)
def test_a_state_carries_a_record_on(frame: str) -> None:
    for other in ({}, {"readout_error": 0.1}):
        model = build("symmetric", frame, **other)
        x = torch.randn(5, 4, 2, dtype=torch.float64)
        record = model.sample(x)
        whole = model.filter(x, record)
        first = model.filter(x[:, :2], record[:, :2])
        second = model.filter(x[:, 2:], record[:, 2:], state=first.state)
        joined = torch.cat((first.log_likelihood, second.log_likelihood), 1)
        torch.testing.assert_close(joined, whole.log_likelihood, atol=1e-12, rtol=0)
        torch.testing.assert_close(second.state.readouts, whole.state.readouts)


def test_a_sequence_ends_where_its_length_says() -> None:
    model = build()
    x = torch.randn(3, 4, 2, dtype=torch.float64)
    record = model.sample(x)
    lengths = torch.tensor([1, 4, 2])
    padded = record.clone()
    padded[0, 1:] = math.nan
    padded[2, 2:] = 7
    together = model.filter(x, padded, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = model.filter(x[row : row + 1, :length], record[row : row + 1, :length])
        found = together.log_likelihood[row]
        torch.testing.assert_close(found[:length], alone.log_likelihood[0])
        assert not found[length:].any()
        assert not together.probabilities[row, length:].any()
        torch.testing.assert_close(together.state.readouts[row], alone.state.readouts[0])


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("num_qubits", [3, 7])
def test_missing_bits_are_summed_over(frame: str, num_qubits: int) -> None:
    """Up to 6 qubits by density matrices, above by the completed records."""
    model = build("symmetric", frame, num_qubits=num_qubits, controller_hidden=3)
    x = torch.randn(2, 3, 2, dtype=torch.float64)
    record = model.sample(x)
    record[0, 1, 0] = record[0, 1, 1] = record[0, 2, 0] = math.nan
    found = model.filter(x, record)
    total = torch.zeros(3, dtype=torch.float64)
    for bits in itertools.product((0.0, 1.0), repeat=3):
        completed = record[:1].clone()
        completed[0, 1, 0], completed[0, 1, 1], completed[0, 2, 0] = bits
        logs = model.filter(x[:1], completed).log_likelihood[0]
        total += logs.cumsum(0).exp() / torch.tensor([8, 2, 1])
    expected = torch.cat((total[:1], total[1:] / total[:-1])).log()
    torch.testing.assert_close(found.log_likelihood[0], expected, atol=1e-10, rtol=0)
    alone = model.filter(x[1:], record[1:])
    torch.testing.assert_close(found.log_likelihood[1:], alone.log_likelihood)
    torch.testing.assert_close(found.probabilities[1:], alone.probabilities)
    torch.testing.assert_close(found.state.readouts[1:], alone.state.readouts)


def test_registers_have_separate_records() -> None:
    torch.manual_seed(0)
    model = QRNN(2, 2, num_registers=2, readout="measured", dtype=torch.float64)
    x = torch.randn(1, 2, 2, dtype=torch.float64)
    records = list_records(2)
    found = model.filter(x.expand(len(records), -1, -1), records)
    weights = found.log_likelihood.sum(1).exp()
    assert weights.sum().item() == pytest.approx(1, abs=1e-10)
    marginals = (weights[:, None, None] * records).sum(0)
    torch.testing.assert_close(marginals, model(x)[0][0], atol=1e-10, rtol=0)
    second = model.filter(x, records[:1], state=found.state[:1])
    assert second.log_likelihood.shape == (1, 2)


@pytest.mark.parametrize(
    "other", [{"frame": "undone"}, {"readout_error": [0.1, 0.3]}, {"step_noise": "damping:0.3"}]
)
def test_measured_mode_is_the_sum_over_records(other: dict[str, Any]) -> None:
    model = build("symmetric", **other)
    records = list_records(3)
    x = torch.randn(1, 3, 2, dtype=torch.float64)
    found = model.filter(x.expand(len(records), -1, -1), records)
    weights = found.log_likelihood.sum(1).exp()
    output, state = model(x)
    assert weights.sum().item() == pytest.approx(1, abs=1e-10)
    marginals = (weights[:, None, None] * records).sum(0)
    torch.testing.assert_close(marginals, output[0], atol=1e-10, rtol=0)
    readouts = (weights[:, None] * found.state.readouts).sum(0)
    torch.testing.assert_close(readouts, state.readouts[0], atol=1e-10, rtol=0)


def test_gradients_of_the_undone_frame_in_measured_mode() -> None:
    model = build("symmetric", "undone")
    x = torch.randn(2, 3, 2, dtype=torch.float64)
    random = torch.Generator().manual_seed(1)
    weights = torch.randn(2, 3, 2, dtype=torch.float64, generator=random)

    def find_loss() -> Tensor:
        output, state = model(x, lengths=torch.tensor([3, 2]))
        return (output * weights).sum() + state.readouts.square().sum()

    for parameter in model.parameters():
        model.zero_grad()
        assert measure_slope_error(parameter, find_loss) < 1e-6


@pytest.mark.parametrize("case", ["readout_error", "missing", "many_missing"])
def test_gradients_where_more_than_one_state_is_needed(case: str) -> None:
    other: dict[str, Any] = {"readout_error": [0.1, 0.2]} if case == "readout_error" else {}
    model = build("symmetric", num_qubits=7 if case == "many_missing" else 3, **other)
    x = torch.randn(2, 3, 2, dtype=torch.float64)
    record = model.sample(x)
    if case != "readout_error":
        record[0, 1, 0] = record[1, 2, 1] = math.nan

    def find_loss() -> Tensor:
        found = model.filter(x, record)
        loss = found.log_likelihood.sum() + found.probabilities.square().sum()
        return loss + found.state.readouts.square().sum()

    for parameter in model.parameters():
        model.zero_grad()
        assert measure_slope_error(parameter, find_loss) < 1e-6


def test_float32_agrees_with_float64() -> None:
    model = build("cry", "undone")
    x = torch.randn(20, 12, 2, dtype=torch.float64)
    record = model.sample(x)
    precise = model.filter(x, record)
    single = model.to(torch.float32).filter(x.float(), record)
    torch.testing.assert_close(
        single.log_likelihood.double(), precise.log_likelihood, atol=2e-4, rtol=0
    )
