"""How primitives become sweeps: few, and with the same product."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from circuits import build_ansatz
from qrnn_qiskit.engines.lowering import (
    Angle,
    ControlledRotation,
    Phase,
    Primitive,
    Rotation,
    Sign,
    lower_circuit,
)
from qrnn_qiskit.engines.schedule import (
    ControlledSweep,
    PhaseSweep,
    RotationSweep,
    Sweep,
    schedule_sweeps,
)

N = 3
VALUES = {"a": 0.7, "b": -1.9}
Matrix = NDArray[np.complex128]

angles = st.builds(
    Angle,
    st.lists(st.tuples(st.sampled_from("ab"), st.floats(-2, 2)), max_size=1).map(tuple),
    st.floats(-3, 3),
)
qubits = st.integers(0, N - 1)
pairs = st.permutations(range(N)).map(lambda order: order[:2])
primitives = st.one_of(
    st.builds(Rotation, qubits, angles),
    st.builds(lambda pair, angle: ControlledRotation(pair[0], pair[1], angle), pairs, angles),
    st.builds(Phase, st.integers(0, 2**N - 1), angles),
    st.builds(lambda pair: Sign((1 << pair[0]) | (1 << pair[1])), pairs),
)


def evaluate(angle: Angle) -> float:
    return angle.offset + sum(factor * VALUES[name] for name, factor in angle.terms)


def to_matrix(primitive: Primitive) -> Matrix:
    """The matrix of a primitive from its definition, basis state by basis state."""
    matrix = np.zeros((2**N, 2**N), complex)
    for state in range(2**N):
        if isinstance(primitive, Phase):
            parity = (state & primitive.mask).bit_count() % 2
            matrix[state, state] = np.exp(-0.5j * evaluate(primitive.angle) * (-1) ** parity)
        elif isinstance(primitive, Sign):
            matrix[state, state] = -1 if state & primitive.mask == primitive.mask else 1
        elif isinstance(primitive, ControlledRotation) and not state >> primitive.control & 1:
            matrix[state, state] = 1
        else:
            qubit = primitive.qubit if isinstance(primitive, Rotation) else primitive.target
            half = evaluate(primitive.angle) / 2
            is_one = state >> qubit & 1
            matrix[state, state] = np.cos(half)
            matrix[state ^ (1 << qubit), state] = -np.sin(half) if is_one else np.sin(half)
    return matrix


def list_parts(sweep: Sweep) -> list[Primitive]:
    if isinstance(sweep, RotationSweep):
        return [Rotation(qubit, angle) for qubit, angle in sweep.angles.items()]
    if isinstance(sweep, ControlledSweep):
        return [ControlledRotation(sweep.control, sweep.target, sweep.angle)]
    phases: list[Primitive] = [Phase(mask, angle) for mask, angle in sweep.angles.items()]
    return phases + [Sign(mask) for mask in sweep.signs]


def multiply(parts: list[Primitive]) -> Matrix:
    product: Matrix = np.eye(2**N, dtype=complex)
    for part in parts:
        product = to_matrix(part) @ product
    return product


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(primitives, max_size=25))
def test_the_product_stays_the_same(sequence: list[Primitive]) -> None:
    sweeps = schedule_sweeps(sequence)
    scheduled = [part for sweep in sweeps for part in list_parts(sweep)]
    np.testing.assert_allclose(multiply(scheduled), multiply(sequence), rtol=0.0, atol=1e-12)
    assert len(sweeps) <= len(sequence)


def name_sweeps(**arguments: object) -> str:
    circuit = build_ansatz(num_qubits=4, **arguments).circuit  # type: ignore[arg-type]
    letters = {RotationSweep: "R", PhaseSweep: "P", ControlledSweep: "C"}
    return "".join(letters[type(sweep)] for sweep in schedule_sweeps(lower_circuit(circuit)))


@pytest.mark.parametrize("entangler", ["cz", "rzz"])
@pytest.mark.parametrize("family", ["linear", "ring", "brick", "product"])
def test_a_layer_is_a_rotation_and_a_phase_sweep(family: str, entangler: str) -> None:
    assert name_sweeps(ansatz=family, num_layers=2, entangler=entangler) == "RPRP"


@pytest.mark.parametrize(
    ("family", "expected"),
    [("linear", "RPCCCPRPCCCP"), ("ring", "RPCCCCPRPCCCCP"), ("brick", "RPCCPRPCP")],
)
def test_controlled_rotations_stand_between_two_phase_sweeps(family: str, expected: str) -> None:
    assert name_sweeps(ansatz=family, num_layers=2, entangler="crx") == expected


@pytest.mark.parametrize(
    ("rotations", "expected"),
    [
        (["ry"], "RP"),
        (["rz"], "P"),
        (["rx"], "PRP"),
        (["rx", "ry", "rz"], "PRPRP"),
        (["ry", "ry", "rz", "rz"], "RP"),
    ],
)
def test_rotations_of_one_axis_are_one_sweep(rotations: list[str], expected: str) -> None:
    assert name_sweeps(rotations=rotations) == expected


def test_the_second_layer_shares_the_phases_of_the_first() -> None:
    assert name_sweeps(rotations=["rx"], num_layers=2) == "PRPRP"


def test_equal_controlled_rotations_are_one_sweep() -> None:
    angle = Angle((("a", 1.0),))
    (sweep,) = schedule_sweeps([ControlledRotation(0, 1, angle)] * 3)
    assert sweep == ControlledSweep(0, 1, Angle((("a", 3.0),)))


def test_two_signs_cancel_and_zero_phases_vanish() -> None:
    (sweep,) = schedule_sweeps([Sign(3), Phase(1, Angle()), Sign(3)])
    assert sweep == PhaseSweep()
