"""The measurement of a step: Kraus operators, the circuit that does them, and bad input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from qiskit.quantum_info import Pauli

from circuits import COUPLINGS, build_measurement


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("basis", "XYZ")
@pytest.mark.parametrize("strength", [1e-3, 0.7, 2.0, math.pi])
def test_kraus_operators_are_complete(coupling: str, basis: str, strength: float) -> None:
    strength = math.pi if coupling == "direct" else strength
    (kraus,) = build_measurement(
        num_qubits=2, coupling=coupling, coupling_strength=strength, measured_bases=basis
    ).kraus()
    assert kraus.shape == (2, 2, 2)
    assert_allclose(sum(k.conj().T @ k for k in kraus), np.eye(2), atol=1e-14)
    assert_allclose(kraus, kraus.conj().transpose(0, 2, 1), atol=1e-14)


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("basis", "XYZ")
def test_at_pi_every_coupling_projects(coupling: str, basis: str) -> None:
    measurement = build_measurement(num_qubits=1, coupling=coupling, measured_bases=basis)
    projectors = [(np.eye(2) + sign * Pauli(basis).to_matrix()) / 2 for sign in (1, -1)]
    assert_allclose(measurement.kraus()[0], projectors, atol=1e-15)


def test_the_formulas_of_the_couplings() -> None:
    strength = 1.1
    cry, symmetric = (
        build_measurement(num_qubits=1, coupling=coupling, coupling_strength=strength).kraus()[0]
        for coupling in ("cry", "symmetric")
    )
    cosine, sine = math.cos(strength / 2), math.sin(strength / 2)
    assert_allclose(cry, [np.diag([1, cosine]), np.diag([0, sine])], atol=1e-15)
    near = math.cos(math.pi / 4 - strength / 4)
    far = math.sin(math.pi / 4 - strength / 4)
    assert_allclose(symmetric, [np.diag([near, far]), np.diag([far, near])], atol=1e-15)


def test_symmetric_coupling_learns_more_at_equal_dephasing() -> None:
    """Figure of design: about 1.4 times the information at equal dephasing for small g."""
    ratios = []
    for strength in (0.02, 0.05):
        dephasing, information = {}, {}
        for coupling in ("cry", "symmetric"):
            kraus = build_measurement(
                num_qubits=1, coupling=coupling, coupling_strength=strength
            ).kraus()[0]
            dephasing[coupling] = 1 - abs(sum(k[0, 0] * k[1, 1].conj() for k in kraus))
            likelihood = np.array([[abs(k[b, b]) ** 2 for k in kraus] for b in (0, 1)])
            mean = likelihood.mean(0)
            information[coupling] = np.sum(likelihood * np.log(likelihood / mean + 1e-300)) / 2
        gain = {c: information[c] / dephasing[c] for c in information}
        ratios.append(gain["symmetric"] / gain["cry"])
    assert_allclose(ratios, 1 / math.log(2), rtol=0.02)


def test_defaults_read_the_ends_of_the_line_first() -> None:
    chosen = [build_measurement(num_qubits=5, num_ancillas=m).qubits for m in (1, 2, 3, 4)]
    assert chosen == [(0,), (0, 4), (0, 4, 1), (0, 4, 1, 3)]
    assert build_measurement(num_qubits=1).qubits == (0,)
    measurement = build_measurement(num_qubits=5, num_ancillas=3)
    assert (measurement.num_ancillas, measurement.num_outcomes) == (3, 8)
    assert measurement.bases == "ZZZ"
    assert build_measurement(num_qubits=5, num_ancillas=2, measured_bases="XY").bases == "XY"
    both = build_measurement(num_qubits=2, num_ancillas=2, measured_qubits=[1, 1])
    assert both.qubits == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_ancillas": 0}, ValueError, "at least 1"),
        ({"num_ancillas": 4}, ValueError, "exceeds num_qubits=3"),
        ({"num_ancillas": 5}, ValueError, "2\\^5 = 32 branches"),
        ({"num_ancillas": 1.0}, TypeError, "integer"),
        ({"num_qubits": 0}, ValueError, "num_qubits"),
        ({"coupling": "crx"}, ValueError, "known are cry, symmetric, direct"),
        ({"coupling_strength": 0.0}, ValueError, "\\(0, pi\\]"),
        ({"coupling_strength": -0.5}, ValueError, "\\(0, pi\\]"),
        ({"coupling_strength": 3.2}, ValueError, "\\(0, pi\\]"),
        ({"coupling_strength": math.nan}, ValueError, "\\(0, pi\\]"),
        ({"coupling_strength": "pi"}, TypeError, "number"),
        ({"coupling_strength": True}, TypeError, "number"),
        ({"coupling": "direct", "coupling_strength": 1.0}, ValueError, "pi"),
        ({"measured_qubits": [3]}, ValueError, "from 0 to 2"),
        ({"measured_qubits": [-1]}, ValueError, "at least 0"),
        ({"measured_qubits": [0, 1]}, ValueError, "each of the 1 ancillas"),
        ({"measured_qubits": [0.5]}, TypeError, "integer"),
        ({"measured_qubits": 0}, TypeError, "list"),
        ({"measured_bases": "z"}, ValueError, "X, Y, Z"),
        ({"measured_bases": ""}, ValueError, "X, Y, Z"),
        ({"measured_bases": "XY"}, ValueError, "one for each"),
        ({"measured_bases": ["Z"]}, TypeError, "string"),
        ({"ancilla_return": "wait"}, ValueError, "branch, reset"),
    ],
)
def test_bad_input(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build_measurement(**{"num_qubits": 3, **arguments})
