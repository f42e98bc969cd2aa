"""A plain interpreter of dynamic circuits, which tests of several packages compare with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Clbit, IfElseOp
from qiskit.quantum_info import Operator

Branches = dict[int, NDArray[np.complex128]]


@pytest.fixture(scope="session")
def enumerate_branches() -> Callable[[QuantumCircuit], Branches]:
    """Every history of a bound circuit: unnormalized final states (2^n,) by all classical bits.

    Bit i of the key is ``circuit.clbits[i]``. Resets keep their two histories apart in the state's
    norm alone, so a reset needs a qubit in a product state, as an ancilla after its measurement is.
    """
    return _enumerate


def _enumerate(circuit: QuantumCircuit) -> Branches:
    start = np.zeros(2**circuit.num_qubits, complex)
    start[0] = 1.0
    return _run(circuit, {0: start}, list(range(circuit.num_qubits)), circuit)


def _run(
    block: QuantumCircuit, branches: Branches, qubits: list[int], circuit: QuantumCircuit
) -> Branches:
    for item in block.data:
        operation = item.operation
        places = [qubits[block.find_bit(qubit).index] for qubit in item.qubits]
        if isinstance(operation, IfElseOp):
            branches = _branch(operation, branches, places, circuit)
        elif operation.name == "measure":
            bit = circuit.find_bit(item.clbits[0]).index
            split: Branches = {}
            for key, state in branches.items():
                for value in (0, 1):
                    seen = state * (_bit_of(state, places[0]) == value)
                    split[key & ~(1 << bit) | value << bit] = seen
            branches = {key: state for key, state in split.items() if np.vdot(state, state) > 1e-15}
        elif operation.name == "reset":
            branches = {key: _reset(state, places[0]) for key, state in branches.items()}
        elif operation.name != "barrier":
            matrix = Operator(operation).data
            branches = {key: _apply(matrix, state, places) for key, state in branches.items()}
    return branches


def _branch(
    operation: IfElseOp, branches: Branches, qubits: list[int], circuit: QuantumCircuit
) -> Branches:
    target, value = operation.condition
    bits = [target] if isinstance(target, Clbit) else list(target)
    places = [circuit.find_bit(bit).index for bit in bits]
    done: Branches = {}
    for key, state in branches.items():
        stored = sum((key >> place & 1) << i for i, place in enumerate(places))
        block = operation.blocks[0] if stored == value else [*operation.blocks, None][1]
        done.update({key: state} if block is None else _run(block, {key: state}, qubits, circuit))
    return done


def _bit_of(state: NDArray[np.complex128], qubit: int) -> NDArray[np.int64]:
    return np.arange(len(state)) >> qubit & 1


def _reset(state: NDArray[np.complex128], qubit: int) -> NDArray[np.complex128]:
    index = np.arange(len(state))
    low, high = (state * (_bit_of(state, qubit) == value) for value in (0, 1))
    assert min(np.abs(low).max(), np.abs(high).max()) < 1e-12, "the qubit is not in a basis state"
    return low + high[index ^ (1 << qubit)]


def _apply(
    matrix: NDArray[np.complex128], state: NDArray[np.complex128], qubits: list[int]
) -> NDArray[np.complex128]:
    size = state.size.bit_length() - 1
    axes = [size - 1 - qubit for qubit in reversed(qubits)]
    moved = np.moveaxis(state.reshape((2,) * size), axes, range(len(axes)))
    turned = (matrix @ moved.reshape(2 ** len(axes), -1)).reshape(moved.shape)
    return np.moveaxis(turned, range(len(axes)), axes).reshape(-1)
