"""Measured mode against dense matrices, written out here without any of the simulator's parts."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.quantum_info import Operator, SparsePauliOp
from torch import Tensor

from qrnn_qiskit import QRNN

Matrix = NDArray[np.complex128]
PAULI = {
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1.0 + 0j, -1.0]),
}


class Settings(NamedTuple):
    """What a measured step does, as the reference needs it."""

    num_qubits: int
    qubits: tuple[int, ...]
    bases: str
    coupling: str
    g: float
    assignment: Matrix  # (2, 2), A[stored, outcome]
    noise: tuple[Matrix, ...]


def embed(matrix: Matrix, qubit: int, num_qubits: int) -> Matrix:
    left, right = np.eye(1 << (num_qubits - 1 - qubit)), np.eye(1 << qubit)
    return np.kron(np.kron(left, matrix), right)


def find_kraus(settings: Settings, letter: str) -> list[Matrix]:
    """<k|ancilla of the coupling circuit itself: RY, CX and for cry RY back, on |0>."""
    plus, minus = (np.eye(2) + PAULI[letter]) / 2, (np.eye(2) - PAULI[letter]) / 2
    if settings.coupling == "direct":
        return [plus, minus]

    def rotate(angle: float) -> Matrix:
        c, s = math.cos(angle / 2), math.sin(angle / 2)
        return np.array([[c, -s], [s, c]], complex)

    angle = math.pi / 2 - settings.g / 2
    back = rotate(-angle if settings.coupling == "cry" else 0.0)
    stay = back @ rotate(angle) @ [1, 0]
    flipped = back @ PAULI["X"] @ rotate(angle) @ [1, 0]
    return [stay[k] * plus + flipped[k] * minus for k in range(2)]


def measure(settings: Settings, total: Matrix) -> Matrix:
    n, m = settings.num_qubits, len(settings.qubits)
    by_outcome = []
    for k in range(1 << m):
        operator = np.eye(1 << n, dtype=complex)
        for a, (qubit, letter) in enumerate(zip(settings.qubits, settings.bases, strict=True)):
            operator = embed(find_kraus(settings, letter)[k >> a & 1], qubit, n) @ operator
        by_outcome.append(operator @ total @ operator.conj().T)
    stored = np.zeros((1 << m, 1 << n, 1 << n), complex)
    for c in range(1 << m):
        for k in range(1 << m):
            weights = [settings.assignment[c >> a & 1, k >> a & 1] for a in range(m)]
            stored[c] += np.prod(weights) * by_outcome[k]
    for qubit in range(n if settings.noise else 0):
        kraus = [embed(operator, qubit, n) for operator in settings.noise]
        stored = sum(operator @ stored @ operator.conj().T for operator in kraus)
    return stored


def run_reference(
    settings: Settings, model: QRNN, x: Tensor, rho: Matrix | None = None
) -> tuple[NDArray[np.float64], Matrix]:
    """Outcome probabilities (T, 2^m) and last matrices of one sequence (T, E)."""
    m, dimension = len(settings.qubits), 1 << settings.num_qubits
    if rho is None:
        rho = np.zeros((1 << m, dimension, dimension), complex)
        rho[0, 0, 0] = 1
    probabilities = []
    for inputs in x:
        total = np.zeros((dimension, dimension), complex)
        for c in range(1 << m):
            bits = inputs.new_tensor([1.0 if c >> a & 1 else -1.0 for a in range(m)])
            theta = model.controller(torch.cat((inputs, bits))).detach().numpy()
            step = model.ansatz.circuit.assign_parameters(
                dict(zip(model.ansatz.parameters, theta, strict=True))
            )
            unitary = Operator(step).data
            total += unitary @ rho[c] @ unitary.conj().T
        rho = measure(settings, total)
        probabilities.append([np.trace(part).real for part in rho])
    return np.array(probabilities), rho


def draw_model(seed: int) -> tuple[QRNN, Settings, Tensor, Tensor]:
    """A random model of measured mode with what the reference needs, inputs and lengths."""
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    n = int(random.integers(1, 5))
    m = int(random.integers(1, min(n, 2) + 1))
    coupling = str(random.choice(["cry", "symmetric", "direct"]))
    g = math.pi if coupling == "direct" else float(random.uniform(0.2, math.pi))
    qubits = tuple(int(qubit) for qubit in random.permutation(n)[:m])
    bases = "".join(random.choice(list("XYZ"), m))
    assignment, noise, extra = np.eye(2), (), dict[str, Any]()
    if seed % 2:
        up, down = random.uniform(0, 0.2, 2)
        assignment = np.array([[1 - up, down], [up, 1 - down]])
        p, q = random.uniform(0, 0.3, 2)
        damping = (np.diag([1, math.sqrt(1 - p)]), np.array([[0, math.sqrt(p)], [0, 0]]))
        dephasing = (math.sqrt(1 - q) * np.eye(2), math.sqrt(q) * PAULI["Z"])
        noise = tuple(after @ before for after in dephasing for before in damping)
        extra = {"readout_error": [up, down], "step_noise": f"damping:{p},dephasing:{q}"}
    model = QRNN(
        2,
        n,
        int(random.integers(1, 3)),
        readout="measured",
        num_ancillas=m,
        coupling=coupling,
        coupling_strength=g,
        measured_qubits=qubits,
        measured_bases=bases,
        ancilla_return=str(random.choice(["branch", "reset"])),
        ansatz=str(random.choice(["linear", "ring", "brick", "product"])),
        entangler=str(random.choice(["cz", "rzz", "crx"])),
        rotations=("rx", "ry", "rz"),
        controller_hidden=4,
        feedback_gain=3.0,
        dtype=torch.float64,
        **extra,
    )
    settings = Settings(n, qubits, bases, coupling, g, assignment, noise)
    steps = int(random.integers(1, 6))
    x = torch.from_numpy(random.normal(size=(3, steps, 2)))
    return model, settings, x, torch.from_numpy(random.integers(1, steps + 1, 3))


def assert_close(one: Any, other: Any, tolerance: float = 1e-10) -> None:
    one, other = (v.detach().numpy() if isinstance(v, Tensor) else v for v in (one, other))
    np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


@pytest.mark.parametrize("seed", range(24))
def test_a_run_is_the_one_of_dense_matrices(seed: int) -> None:
    model, settings, x, lengths = draw_model(seed)
    output, state = model(x, lengths=lengths)
    again, carried = model(x, state)
    assert output.shape == (*x.shape[:2], model.readout_size)
    for b, length in enumerate(lengths.tolist()):
        probabilities, rho = run_reference(settings, model, x[b, :length])
        check_sequence(model, output[b, :length], state[b], probabilities, rho)
        assert not output[b, length:].any()
        probabilities, rho = run_reference(settings, model, x[b], rho)
        check_sequence(model, again[b], carried[b], probabilities, rho)


def check_sequence(
    model: QRNN, output: Tensor, state: Any, probabilities: NDArray[np.float64], rho: Matrix
) -> None:
    assert_close(state.density[0], rho)
    values = np.arange(probabilities.shape[1])
    for a in range(model.readout_size):
        assert_close(output[:, a], probabilities[:, values >> a & 1 == 1].sum(1))
    dense = [op.to_matrix() for op in model.readout.observables]
    assert_close(state.readouts[0], [np.trace(op @ rho.sum(0)).real for op in dense])


def test_any_circuit_and_any_observable() -> None:
    theta, phi = Parameter("theta"), Parameter("phi")
    circuit = QuantumCircuit(3, global_phase=0.3)
    circuit.h(0)
    circuit.rxx(2 * theta + 0.1, 0, 1)
    circuit.u(theta, phi, 0.4, 2)
    circuit.cp(phi, 1, 2)
    circuit.cx(2, 0)
    observables = [SparsePauliOp(["XYZ", "III"], [0.5, 2.0]), SparsePauliOp("YIY")]
    settings = Settings(3, (1, 1), "YZ", "symmetric", 1.0, np.eye(2), ())
    torch.manual_seed(0)
    model = QRNN(
        2,
        3,
        readout="measured",
        ansatz=circuit,
        observables=observables,
        num_ancillas=2,
        measured_qubits=[1, 1],
        measured_bases="YZ",
        coupling="symmetric",
        coupling_strength=1.0,
        dtype=torch.float64,
    )
    x = torch.randn(1, 4, 2, dtype=torch.float64)
    output, state = model(x)
    check_sequence(model, output[0], state, *run_reference(settings, model, x[0]))


def test_three_ancillas_and_noise_on_a_qubit_read_twice() -> None:
    damping = (np.diag([1, math.sqrt(0.7)]), np.array([[0, math.sqrt(0.3)], [0, 0]]))
    settings = Settings(3, (0, 2, 0), "XZY", "cry", 1.3, np.eye(2), damping)
    torch.manual_seed(1)
    model = QRNN(
        2,
        3,
        readout="measured",
        num_ancillas=3,
        measured_qubits=[0, 2, 0],
        measured_bases="XZY",
        coupling_strength=1.3,
        step_noise=list(damping),
        dtype=torch.float64,
    )
    x = torch.randn(1, 3, 2, dtype=torch.float64)
    output, state = model(x)
    check_sequence(model, output[0], state, *run_reference(settings, model, x[0]))


@pytest.mark.parametrize("num_ancillas", [1, 2])
def test_a_faint_measurement_lets_the_unitary_evolution_go_on(num_ancillas: int) -> None:
    g, steps = 1e-3, 12
    torch.manual_seed(2)
    model = QRNN(
        2,
        3,
        2,
        readout="measured",
        num_ancillas=num_ancillas,
        coupling_strength=g,
        dtype=torch.float64,
    )
    x = torch.randn(4, steps, 2, dtype=torch.float64)
    output, state = model(x)
    bound = num_ancillas * steps * g**2 / 4 + 1e-9
    assert output.max() <= bound
    angles = model.angles(x)[:, :, 0].numpy()  # along outcome 0
    for b in range(4):
        vector = np.eye(8)[0]
        for theta in angles[b]:
            values = dict(zip(model.ansatz.parameters, theta, strict=True))
            vector = Operator(model.ansatz.circuit.assign_parameters(values)).data @ vector
        assert_close(state.density[b, 0], np.outer(vector, vector.conj()), bound)
        assert_close(state.density[b, 1:], 0.0, bound)


@pytest.mark.parametrize("coupling", ["cry", "symmetric", "direct"])
def test_a_projective_measurement_of_all_qubits_leaves_basis_states(coupling: str) -> None:
    torch.manual_seed(3)
    model = QRNN(
        2,
        3,
        2,
        readout="measured",
        num_ancillas=3,
        measured_qubits=[0, 1, 2],
        coupling=coupling,
        dtype=torch.float64,
    )
    _, state = model(torch.randn(2, 5, 2, dtype=torch.float64))
    density = state.density.detach()
    probabilities = density.diagonal(dim1=2, dim2=3).real.sum(2)
    assert_close(probabilities.sum(1), np.ones(2))
    for value in range(8):
        expected = np.zeros((2, 8, 8))
        expected[:, value, value] = probabilities[:, value]
        assert_close(density[:, value], expected)
