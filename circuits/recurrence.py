"""The recurrent circuit U(theta_1) ... U(theta_T) and its prefixes, with angles for each step."""

from __future__ import annotations

import uuid

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from circuits.ansatz import Ansatz
from circuits.validation import require_count

__all__ = ["prefix_circuits", "step_parameters", "unroll"]

_NAMESPACE = uuid.UUID("6f0c5c7e-6f43-4f0b-9d6e-2a51c4b0f7d1")


def step_parameters(ansatz: Ansatz, num_steps: int) -> tuple[tuple[Parameter, ...], ...]:
    """Return the angles of an unrolled circuit: T rows (time) of P parameters (radians).

    Row t holds the angles of step t, counted from 0, in the order of ``ansatz.parameters``; they
    are named ``theta[t][p]`` with as many leading zeros as T - 1 and P - 1 need. Their order by
    name, which is that of Qiskit's ``circuit.parameters``, is therefore time, then controller
    order: an array (T, P) of values binds by position.

    The same T, P, t and p give equal parameters in every call and every process.

    Raises:
        TypeError: ``num_steps`` is not an integer.
        ValueError: ``num_steps`` is below 1.
    """
    num_steps = require_count("num_steps", num_steps)
    step_width = len(str(num_steps - 1))
    angle_width = len(str(ansatz.num_parameters - 1))
    return tuple(
        tuple(
            name_parameter(f"theta[{t:0{step_width}}][{p:0{angle_width}}]")
            for p in range(ansatz.num_parameters)
        )
        for t in range(num_steps)
    )


def unroll(ansatz: Ansatz, num_steps: int) -> QuantumCircuit:
    """Return the circuit U(theta_1) ... U(theta_T) of a sequence of T steps.

    >>> from circuits import build_ansatz
    >>> ansatz = build_ansatz("linear", num_qubits=4, num_layers=2)
    >>> circuit = unroll(ansatz, num_steps=8)
    >>> circuit.num_parameters, circuit.num_nonlocal_gates()
    (128, 48)

    It starts in |0...0>, the first step is applied first, and there are no barriers between the
    steps. Its T*P parameters are those of :func:`step_parameters`, and ``circuit.parameters`` has
    them in that order.

    Raises:
        TypeError: ``num_steps`` is not an integer.
        ValueError: ``num_steps`` is below 1.
    """
    circuit = QuantumCircuit(ansatz.num_qubits, name=f"{ansatz.name}, {num_steps} steps")
    for angles in step_parameters(ansatz, num_steps):
        circuit.compose(_bind_step(ansatz, angles), inplace=True)
    return circuit


def prefix_circuits(ansatz: Ansatz, num_steps: int) -> list[QuantumCircuit]:
    """Return the T prefixes U(theta_1) ... U(theta_t) of :func:`unroll`, t = 1 to T.

    Replaying a sequence on a device runs prefix t to estimate the readouts of step t
    (expectation mode of arXiv:2510.25557). All prefixes share the parameters of
    ``step_parameters(ansatz, num_steps)``; prefix t has the first t rows.

    Raises:
        TypeError: ``num_steps`` is not an integer.
        ValueError: ``num_steps`` is below 1.
    """
    circuit = QuantumCircuit(ansatz.num_qubits)
    prefixes = []
    for t, angles in enumerate(step_parameters(ansatz, num_steps), start=1):
        circuit.compose(_bind_step(ansatz, angles), inplace=True)
        prefixes.append(circuit.copy(name=f"{ansatz.name}, {t} of {num_steps} steps"))
    return prefixes


def _bind_step(ansatz: Ansatz, angles: tuple[Parameter, ...]) -> QuantumCircuit:
    return ansatz.circuit.assign_parameters(dict(zip(ansatz.parameters, angles, strict=True)))


def name_parameter(name: str) -> Parameter:
    """Return a parameter that equals every other parameter of that name, in any process."""
    # Qiskit distinguishes parameters of the same name by a random UUID. A UUID made from the name
    # lets circuits that were built in different places be compared, composed and bound together.
    return Parameter(name, uuid=uuid.uuid5(_NAMESPACE, name))
