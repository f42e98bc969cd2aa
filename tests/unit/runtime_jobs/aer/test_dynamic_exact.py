"""Dynamic circuits on Aer without shots, against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest

from circuits import ANCILLA_RETURNS, COUPLINGS
from runtime_jobs import open_device


def compare(device: str, case, expected) -> None:
    executor = open_device(device)
    (found,) = executor.run_dynamic([case.pub()])
    np.testing.assert_allclose(found.outcomes, expected.outcomes, atol=1e-9)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-9)
    assert found.standard_errors is None
    assert found.shots is None


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("ancilla_return", ANCILLA_RETURNS)
@pytest.mark.parametrize(("num_ancillas", "bases"), [(1, "Y"), (2, "XZ")])
def test_exact_values_are_those_of_the_recursion(
    make_case, find_reference, coupling, ancilla_return, num_ancillas, bases
) -> None:
    case = make_case(
        num_qubits=2,
        num_steps=3,
        num_ancillas=num_ancillas,
        coupling=coupling,
        coupling_strength=np.pi if coupling == "direct" else 1.1,
        measured_bases=bases,
        ancilla_return=ancilla_return,
    )
    compare("aer", case, find_reference(case))


@pytest.mark.parametrize("entangler", ["crx", "rzz"])
def test_entanglers_with_angles(make_case, find_reference, entangler) -> None:
    case = make_case(num_qubits=3, num_steps=2, entangler=entangler, coupling_strength=0.7)
    compare("aer", case, find_reference(case))


def test_many_steps(make_case, find_reference) -> None:
    case = make_case(num_qubits=4, num_layers=2, num_steps=12, batch=1, coupling_strength=2.0)
    compare("aer", case, find_reference(case))


@pytest.mark.parametrize("family", ["linear", "ring"])
def test_the_circuit_of_a_device_without_noise_is_exact(make_case, find_reference, family) -> None:
    """Layout, routing (a ring takes SWAPs) and compilation change nothing."""
    case = make_case(num_qubits=3, num_steps=2, ansatz=family, num_ancillas=1, batch=1)
    compare("aer:kingston?noise=0", case, find_reference(case))
